//! A real MQTT broker (Debian's mosquitto) with one user, and a client of it.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::port::Port;
use super::tools::{output, spawn};
use super::wait::eventually;

pub const USER: &str = "recorder";
pub const PASSWORD: &str = "Broker-Pass-13";
const LIMIT: Duration = Duration::from_secs(20);

/// Killed when dropped.
pub struct Broker {
    child: Option<Child>,
    port: Port,
    folder: tempfile::TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Broker {
    pub fn start() -> Broker {
        // it cannot say which port it got, so a free one is found first; what it keeps stays over a restart
        let port = Port::hold(0).expect("a port is free");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = |name: &str| folder.path().join(name).display().to_string();
        output("mosquitto_passwd", &["-b", "-c", &path("users"), USER, PASSWORD]);
        let config = format!(
            "listener {} 127.0.0.1\nallow_anonymous false\npassword_file {}\nuser root\npersistence false\n",
            port.number(),
            path("users")
        );
        std::fs::write(path("mosquitto.conf"), config).expect("a file can be written");
        let mut broker = Broker { child: None, port, folder };
        broker.resume();
        broker
    }

    pub fn resume(&mut self) {
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(spawn("mosquitto", &mut command));
        let port = self.port.number();
        eventually(LIMIT, "the broker to listen", || {
            std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        });
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port.number())
    }

    fn client(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.number().to_string(),
            "-u",
            USER,
            "-P",
            PASSWORD,
            "-q",
            "1",
        ]);
        command
    }

    /// Publishes something that the broker keeps.
    pub fn keep(&self, topic: &str, content: &str) {
        let mut command = self.client("mosquitto_pub");
        let ended = spawn("mosquitto_pub", command.args(["-r", "-t", topic, "-m", content])).wait();
        assert!(ended.is_ok_and(|ended| ended.success()), "mosquitto_pub {topic}");
    }

    /// What the broker keeps below these topics.
    pub fn kept(&self, topics: &[&str]) -> String {
        let mut command = self.client("mosquitto_sub");
        command.args(["-v", "--retained-only", "-W", "1"]);
        for topic in topics {
            command.args(["-t", topic]);
        }
        let kept = command.output().expect("mosquitto_sub runs: sudo apt-get install mosquitto-clients");
        String::from_utf8_lossy(&kept.stdout).into_owned()
    }

    /// What comes for these topics, as `TOPIC CONTENT`, into a file that grows.
    pub fn listen(&self, topics: &[&str]) -> Listener {
        let file = self.folder.path().join(format!("heard-{}", topics.len()));
        let out = std::fs::File::create(&file).expect("a file can be made");
        let mut command = self.client("mosquitto_sub");
        command.arg("-v");
        for topic in topics {
            command.args(["-t", topic]);
        }
        command.stdout(out).stderr(Stdio::null());
        Listener { child: spawn("mosquitto_sub", &mut command), file }
    }
}

/// Killed when dropped.
pub struct Listener {
    child: Child,
    file: std::path::PathBuf,
}

impl Listener {
    pub fn heard(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for a line with all of these words.
    #[track_caller]
    pub fn wait_for(&self, words: &[&str]) -> String {
        eventually(LIMIT, &format!("a message with {words:?}"), || {
            let heard = self.heard();
            let found = heard.iter().find(|line| words.iter().all(|word| line.contains(word))).cloned();
            found.ok_or_else(|| heard.join("\n"))
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
