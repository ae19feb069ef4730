//! A proxy that makes our camera as odd as a CP Plus or Dahua: `Content-Base` with the query in it, relative track
//! addresses, and a SETUP answered only when it was joined the camera's way, which is not RFC 3986's.

use std::io::{BufReader, Error, ErrorKind, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::relay::{Carrier, Relay, Sockets};
use super::rtsp::{Piece, header, lock, read_piece};

const QUERY: &str = "?channel=1&subtype=0";

pub struct DahuaProxy {
    habits: Arc<Habits>,
    _relay: Relay,
}

struct Habits {
    camera_port: u16,
    /// Status line text for a SETUP that was joined by the RFC, such as `451 Parameter Not Understood`.
    refusal: String,
    base: String,
    requests: Mutex<Vec<String>>,
}

impl DahuaProxy {
    /// Stands before the camera on `camera_port`. `refusal` is a code and its text, such as `451 Parameter Not Understood`.
    pub fn start(camera_port: u16, refusal: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let habits = Arc::new(Habits {
            camera_port,
            refusal: refusal.to_owned(),
            base: format!("rtsp://{}{}{QUERY}/", listener.local_addr()?, super::camera::PATH),
            requests: Mutex::default(),
        });
        Ok(Self { _relay: Relay::start(listener, habits.clone())?, habits })
    }

    pub fn url(&self) -> String {
        self.habits.base.trim_end_matches('/').to_owned()
    }

    /// Every request so far, as `METHOD url`.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.habits.requests).clone()
    }
}

impl Carrier for Habits {
    fn camera_port(&self) -> u16 {
        self.camera_port
    }

    fn up(&self, viewer: &TcpStream, camera: &TcpStream) -> Result<()> {
        let mut reader = BufReader::new(viewer);
        loop {
            if let Some(piece) = self.request(read_piece(&mut reader)?, viewer)? {
                piece.send(camera)?;
            }
        }
    }

    fn down(&self, camera: &TcpStream, viewer: &TcpStream, _open: &Sockets) -> Result<()> {
        let mut reader = BufReader::new(camera);
        loop {
            self.answer(read_piece(&mut reader)?).send(viewer)?;
        }
    }
}

impl Habits {
    /// Notes a request and gives it the address that our camera understands; `None` if it was refused here.
    fn request(&self, piece: Piece, mut viewer: &TcpStream) -> Result<Option<Piece>> {
        let Piece::Message(head, body) = piece else { return Ok(Some(piece)) };
        let mut words = head.split(' ');
        let (Some(method), Some(url)) = (words.next(), words.next()) else {
            return Err(Error::new(ErrorKind::InvalidData, "no request line"));
        };
        lock(&self.requests).push(format!("{method} {url}"));
        if method == "SETUP" && !url.contains(&format!("{QUERY}/trackID=")) {
            let sequence = header(&head, "cseq").unwrap_or_default();
            viewer.write_all(format!("RTSP/1.0 {}\r\nCSeq: {sequence}\r\n\r\n", self.refusal).as_bytes())?;
            return Ok(None);
        }
        let plain = url.replace(QUERY, "").replace("/trackID=", "/stream=");
        let head = head.replacen(url, plain.trim_end_matches('/'), 1);
        Ok(Some(Piece::Message(head, body)))
    }

    /// Gives a description the camera family's base and track names.
    fn answer(&self, piece: Piece) -> Piece {
        let Piece::Message(head, body) = piece else { return piece };
        let Some(base) = header(&head, "content-base") else { return Piece::Message(head, body) };
        let sdp = String::from_utf8_lossy(&body).replace("a=control:stream=", "a=control:trackID=");
        let length = header(&head, "content-length").unwrap_or_default();
        let head = head
            .replace(&format!(": {base}"), &format!(": {}", self.base))
            .replace(&format!("Content-Length: {length}"), &format!("Content-Length: {}", sdp.len()));
        Piece::Message(head, sdp.into_bytes())
    }
}
