//! A camera in a process of its own, which can really be stopped and killed: the test binary runs itself with one test
//! of it, and that test is the camera.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Camera, CameraOptions, PATH};

/// Set for the process that is a camera, with the port it shall have.
const PORT_VARIABLE: &str = "TESTKIT_CAMERA_PORT";
/// What it says before its port.
const READY: &str = "camera listens on port ";

/// A default camera without a password. Killed when dropped.
pub struct CameraProcess {
    child: Child,
    port: u16,
}

impl CameraProcess {
    /// `entry` is the full name of the test that calls [`serve_if_asked`]; port 0 lets the system choose.
    pub fn start(entry: &str, port: u16) -> std::io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", entry, "--nocapture", "--test-threads=1"])
            .env(PORT_VARIABLE, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = child.stdout.take().expect("standard output was asked for as a pipe");
        let lines = BufReader::new(said).lines().map_while(Result::ok);
        let port = lines
            .into_iter()
            .find_map(|line| line.split_once(READY)?.1.trim().parse().ok())
            .unwrap_or_else(|| panic!("no camera in the process of {entry}; is that a test's full name?"));
        Ok(Self { child, port })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}{PATH}?channel=1&subtype=0", self.port)
    }

    /// SIGSTOP: nothing in it runs any more, while the kernel keeps its connections and takes new ones.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, signal));
    }
}

impl Drop for CameraProcess {
    fn drop(&mut self) {
        // SIGKILL also ends a stopped process
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the process that [`CameraProcess::start`] made: is the camera until the parent is gone, then ends the process.
/// Anywhere else it returns at once.
pub fn serve_if_asked() {
    let Some(port) = std::env::var(PORT_VARIABLE).ok().and_then(|port| port.parse().ok()) else { return };
    let camera = Camera::start(CameraOptions { port, login: None, ..CameraOptions::default() })
        .unwrap_or_else(|error| panic!("be a camera: {error}"));
    let mut said = std::io::stdout();
    writeln!(said, "{READY}{}", camera.port()).and_then(|()| said.flush()).expect("the parent reads it");
    // ends with the parent, however that ends
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}
