//! A proxy that makes our camera as odd as a CP Plus or Dahua: `Content-Base` with the query in it, relative track
//! addresses, and a SETUP answered only when it was joined the camera's way, which is not RFC 3986's.

use std::io::{BufReader, Error, ErrorKind, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::rtsp::{Piece, header, lock, read_piece};

const QUERY: &str = "?channel=1&subtype=0";

pub struct DahuaProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    camera_port: u16,
    /// Status line text for a SETUP that was joined by the RFC, such as `451 Parameter Not Understood`.
    refusal: String,
    base: String,
    stopping: AtomicBool,
    requests: Mutex<Vec<String>>,
    sockets: Mutex<Vec<TcpStream>>,
}

impl DahuaProxy {
    /// Stands before the camera on `camera_port`. `refusal` is a code and its text, such as `451 Parameter Not Understood`.
    pub fn start(camera_port: u16, refusal: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            camera_port,
            refusal: refusal.to_owned(),
            base: format!("rtsp://{address}{}{QUERY}/", super::camera::PATH),
            stopping: AtomicBool::new(false),
            requests: Mutex::default(),
            sockets: Mutex::default(),
        });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        Ok(Self { address, shared, accepting: Some(accepting) })
    }

    pub fn url(&self) -> String {
        self.shared.base.trim_end_matches('/').to_owned()
    }

    /// Every request so far, as `METHOD url`.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for DahuaProxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // wakes the accepting thread, which then sees the flag
        let _ = TcpStream::connect(self.address);
        for socket in lock(&self.shared.sockets).iter() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for viewer in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        // a camera that is down refuses: the viewer's connection closes at once
        if let Ok(pair) = viewer.and_then(|viewer| connect(viewer, shared)) {
            threads.extend(pair);
        }
    }
    for socket in lock(&shared.sockets).drain(..) {
        let _ = socket.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn connect(viewer: TcpStream, shared: &Arc<Shared>) -> Result<[JoinHandle<()>; 2]> {
    let camera = TcpStream::connect(("127.0.0.1", shared.camera_port))?;
    lock(&shared.sockets).extend([viewer.try_clone()?, camera.try_clone()?]);
    let (from_viewer, to_camera) = (viewer.try_clone()?, camera.try_clone()?);
    let (up, down) = (shared.clone(), shared.clone());
    Ok([
        std::thread::spawn(move || pump(&from_viewer, &to_camera, |piece| up.request(piece, &from_viewer))),
        std::thread::spawn(move || pump(&camera, &viewer, |piece| Ok(Some(down.answer(piece))))),
    ])
}

/// Carries pieces until either side ends, then ends both.
fn pump(from: &TcpStream, mut to: &TcpStream, mut change: impl FnMut(Piece) -> Result<Option<Piece>>) {
    let mut reader = BufReader::new(from);
    while let Ok(piece) = read_piece(&mut reader) {
        let sent = change(piece).and_then(|piece| match piece {
            Some(Piece::Frame(bytes)) => to.write_all(&bytes),
            Some(Piece::Message(head, body)) => to.write_all(&[head.as_bytes(), &body].concat()),
            None => Ok(()),
        });
        if sent.is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

impl Shared {
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
