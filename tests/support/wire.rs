//! A line to a camera that goes bad: a proxy between program and camera that refuses, holds, hangs up, tears, forges
//! times or swaps the picture, while a real camera sends behind it.

use std::io::{BufReader, Result};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::Camera;
use super::relay::{Carrier, Relay, Sockets};
use super::rtsp::{self, Piece, VIDEO, header, lock, read_piece};

mod deaf;
mod rtp;

pub use deaf::DeafPort;
use rtp::Stream;

/// What is wrong with the line.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fault {
    #[default]
    None,
    /// Requests of this method are answered with this status, such as `451 Parameter Not Understood`.
    Refuse(&'static str, &'static str),
    /// Takes connections and requests, and carries nothing either way until it is well again.
    Hang,
    /// Closes each connection after so many packets.
    HangUpAfter(u32),
    /// The camera's goodbye (RTCP BYE) in mid-stream, then silence on that connection.
    Goodbye,
    /// Packets that are none between the good ones, and now and then a good one with its content destroyed.
    Rubbish,
    /// Bytes that belong to nothing, in the middle of the connection, again and again.
    Tear,
    /// About every so many packets, between two pictures, the stamps jump back by so many ticks of 90 kHz.
    Backwards { every: u32, ticks: u32 },
    /// The same within a picture.
    Split { every: u32, ticks: u32 },
    /// The camera's clock runs by this factor.
    Drift(f64),
}

/// The proxy; gone when dropped.
pub struct Wire {
    line: Arc<Line>,
    relay: Relay,
}

struct Line {
    camera_port: AtomicU16,
    /// The stream that open connections get from now on instead of their own, and how often that changed.
    other: Mutex<(u32, String)>,
    fault: Mutex<Fault>,
    mended: Condvar,
    requests: Mutex<Vec<String>>,
}

impl Wire {
    /// A good line to this camera.
    pub fn to(camera: &Camera) -> Result<Self> {
        Self::on(TcpListener::bind("127.0.0.1:0")?, camera)
    }

    fn on(listener: TcpListener, camera: &Camera) -> Result<Self> {
        let line = Arc::new(Line {
            camera_port: AtomicU16::new(camera.port()),
            other: Mutex::default(),
            fault: Mutex::default(),
            mended: Condvar::new(),
            requests: Mutex::default(),
        });
        Ok(Self { relay: Relay::start(listener, line.clone())?, line })
    }

    /// From now on this is wrong with it, also with connections that are open.
    pub fn set(&self, fault: Fault) {
        *lock(&self.line.fault) = fault;
        self.line.mended.notify_all();
    }

    /// Open connections get this camera's picture in the middle of theirs, in the same stream of packets; new ones
    /// are carried to it. It must ask for no password.
    pub fn switch_to(&self, camera: &Camera) {
        self.line.camera_port.store(camera.port(), Ordering::SeqCst);
        let mut other = lock(&self.line.other);
        *other = (other.0 + 1, camera.url());
    }

    /// Closes every connection and goes on listening.
    pub fn cut(&self) {
        self.relay.cut();
    }

    pub fn url(&self) -> String {
        format!("rtsp://{}{}?channel=1&subtype=0", self.relay.address(), super::camera::PATH)
    }

    /// Requests of this method so far.
    pub fn requests(&self, method: &str) -> usize {
        lock(&self.line.requests).iter().filter(|request| *request == method).count()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // a line that hangs would hold the relay up
        self.set(Fault::None);
    }
}

impl Line {
    /// The fault of this moment, once the line does not hang any more.
    fn fault(&self) -> Fault {
        let mut fault = lock(&self.fault);
        while *fault == Fault::Hang {
            fault = self.mended.wait(fault).unwrap_or_else(PoisonError::into_inner);
        }
        fault.clone()
    }

    /// Notes a request; returns the answer if it is refused.
    fn note(&self, head: &str, fault: &Fault) -> Option<Piece> {
        let method = head.split(' ').next().unwrap_or_default();
        lock(&self.requests).push(method.to_owned());
        match fault {
            Fault::Refuse(refused, status) if *refused == method => {
                let sequence = header(head, "cseq").unwrap_or_default();
                let challenge = if status.starts_with("401") {
                    "WWW-Authenticate: Digest realm=\"camera\", nonce=\"8f1d\"\r\n"
                } else {
                    ""
                };
                let answer = format!("RTSP/1.0 {status}\r\nCSeq: {sequence}\r\n{challenge}\r\n");
                Some(Piece::Message(answer, Vec::new()))
            }
            _ => None,
        }
    }
}

impl Carrier for Line {
    fn camera_port(&self) -> u16 {
        self.camera_port.load(Ordering::SeqCst)
    }

    fn up(&self, viewer: &TcpStream, camera: &TcpStream) -> Result<()> {
        let mut reader = BufReader::new(viewer);
        loop {
            let piece = read_piece(&mut reader)?;
            let refusal = match (&piece, self.fault()) {
                (Piece::Message(head, _), fault) => self.note(head, &fault),
                _ => None,
            };
            match refusal {
                Some(answer) => answer.send(viewer)?,
                None => piece.send(camera)?,
            }
        }
    }

    fn down(&self, camera: &TcpStream, viewer: &TcpStream, open: &Sockets) -> Result<()> {
        let mut reader = BufReader::new(camera.try_clone()?);
        let mut swaps = lock(&self.other).0;
        let mut stream = Stream::default();
        loop {
            let piece = read_piece(&mut reader)?;
            let fault = self.fault();
            let Piece::Frame(frame) = piece else {
                piece.send(viewer)?;
                continue;
            };
            let (swap, url) = lock(&self.other).clone();
            if swap != swaps {
                swaps = swap;
                reader = rtsp::play(&url)?;
                open.add(reader.get_ref())?;
                stream.begin_other();
                continue;
            }
            let is_video = frame[1] == VIDEO;
            for piece in stream.change(frame, &fault) {
                piece.send(viewer)?;
            }
            if fault == Fault::Tear && is_video && stream.packets() % 60 == 59 {
                use std::io::Write;
                (&mut &*viewer).write_all(b"\x00\xffthese bytes are no packet\r\n\r\n")?;
            }
            if matches!(fault, Fault::HangUpAfter(packets) if stream.packets() >= packets) {
                return Ok(());
            }
        }
    }
}
