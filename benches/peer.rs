//! nginx beside our server, and wrk in front of both.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::process;
use super::support::port::Port;
use super::support::{eventually, http};

const LIMIT: Duration = Duration::from_secs(20);

/// Serves a folder with sendfile from one worker. Killed when dropped.
pub struct Nginx {
    child: Child,
    port: Port,
}

impl Nginx {
    /// Fails, and names the package, where there is no nginx.
    pub fn start(folder: &Path) -> Nginx {
        // nginx takes no socket from us
        let port = Port::hold(0).unwrap();
        let number = port.number();
        let config = folder.join("nginx.conf");
        let root = folder.display();
        let text = format!(
            "daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n\
             types {{ video/mp4 m4s; video/mp2t ts; application/vnd.apple.mpegurl m3u8; }}\n\
             access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; gzip_static on;\n\
             client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;\n\
             uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;\n\
             server {{ listen 127.0.0.1:{number}; root {root}; }}\n}}\n"
        );
        std::fs::write(&config, text).unwrap();
        // its worker runs as nobody, where it is started by root
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-g", &format!("user {};", user())]).arg("-c").arg(&config);
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("run nginx: {error}; sudo apt-get install nginx-light"));
        let nginx = Nginx { child, port };
        eventually(LIMIT, "nginx to listen", || std::net::TcpStream::connect(("127.0.0.1", number)).ok());
        nginx
    }

    pub fn url(&self, file: &str) -> String {
        format!("http://127.0.0.1:{}/{file}", self.port.number())
    }

    /// Of the master and its worker.
    pub fn cpu_seconds(&self) -> f64 {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let ids = children.split_whitespace().map(|child| child.parse().unwrap()).chain([id]);
        ids.map(|id| process::cpu_seconds(id).unwrap()).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = id.map(|id| rustix::process::kill_process(id, rustix::process::Signal::TERM));
        let _ = self.child.wait();
    }
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Asks for `url` over eight connections for so long: requests that were answered. Fails where one was not
/// answered with 200.
pub fn wrk(url: &str, compressed: bool, seconds: u64) -> f64 {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c8", &format!("-d{seconds}s")]);
    if compressed {
        command.args(["-H", "Accept-Encoding: gzip"]);
    }
    let output = command
        .arg(url)
        .output()
        .unwrap_or_else(|error| panic!("run wrk: {error}; sudo apt-get install wrk"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{url}\n{text}");
    let line = text.lines().find(|line| line.contains(" requests in ")).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// What both servers are asked for must be the same bytes.
pub fn fetch(address: std::net::SocketAddr, path: &str, compressed: bool) -> Vec<u8> {
    let headers: &[(&str, &str)] = if compressed { &[("Accept-Encoding", "gzip")] } else { &[] };
    let answer = http::request(address, "GET", path, headers, &[]).unwrap();
    assert_eq!(answer.status, 200, "{path}");
    answer.body
}
