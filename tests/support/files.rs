//! A web server of a few fixed files on a port of its own: another site, to the program that is tested.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

/// Answers until it is dropped.
pub struct Site {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    /// Serves each file under its own name.
    pub fn start(files: Vec<PathBuf>) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("it was bound");
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                // the visit that ends it asks for nothing
                let Some(()) = stream.ok().and_then(|stream| answer(stream, &files)) else { return };
            }
        });
        Site { address, thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, files: &[PathBuf]) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(0) if request.is_empty() => return None,
            Ok(0) | Err(_) => return Some(()),
            Ok(read) => request.extend(&chunk[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let name = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    let file = files.iter().find(|file| file.file_name().is_some_and(|own| own == name));
    let (status, body) = match file.map(std::fs::read) {
        Some(Ok(body)) => ("200 OK", body),
        _ => ("404 Not Found", Vec::new()),
    };
    let kind = if name.ends_with(".js") { "text/javascript" } else { "text/html" };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // a browser that went away needs no answer
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    Some(())
}
