//! A receiver of webhooks: keeps what it is sent, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub struct Letter {
    pub head: String,
    pub body: String,
}

impl Letter {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// Listens until the test ends.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    letters: Vec<Letter>,
    /// For the next requests, in order; 200 after them.
    answers: Vec<&'static str>,
}

impl Receiver {
    pub fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let receiver = Receiver { address, inner: Arc::default() };
        let own = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                std::thread::spawn(move || own.serve(stream));
            }
        });
        receiver
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Status lines for the next requests, such as `503 Service Unavailable`.
    pub fn answer_next(&self, answers: &[&'static str]) {
        self.lock().answers.extend(answers);
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.lock().letters.clone()
    }

    /// `event phase camera` of each that was taken, in order.
    pub fn told(&self) -> Vec<String> {
        let told = |letter: &Letter| {
            let json = letter.json();
            let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("event"), text("phase"), text("camera")).trim().to_owned()
        };
        self.lock().letters.iter().map(told).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What breaks off is no letter.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).ok()? == 0 {
                    return None;
                }
            }
            let head = head.replace("\r\n", "\n");
            let mut letter = Letter { head, body: String::new() };
            let length = letter.header("content-length")?.parse().ok()?;
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            letter.body = String::from_utf8(body).ok()?;
            let answer = {
                let mut inner = self.lock();
                let answer = if inner.answers.is_empty() { "200 OK" } else { inner.answers.remove(0) };
                if answer.starts_with('2') {
                    inner.letters.push(letter);
                }
                answer
            };
            write!(&stream, "HTTP/1.1 {answer}\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").ok()?;
        }
    }
}
