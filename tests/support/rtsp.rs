//! RTSP over TCP as it lies on the wire, for the kit's proxies: messages, and interleaved frames between them.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The channel on which the first track's RTP comes; its RTCP comes on the next.
pub const VIDEO: u8 = 0;

/// One piece of an RTSP connection.
pub enum Piece {
    /// Interleaved RTP or RTCP, with its four bytes of header.
    Frame(Vec<u8>),
    /// Head with its closing empty line, and body.
    Message(String, Vec<u8>),
}

impl Piece {
    /// A frame for `channel`.
    pub fn frame(channel: u8, payload: &[u8]) -> Self {
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
        Piece::Frame([&[b'$', channel, length[0], length[1]], payload].concat())
    }

    pub fn send(&self, mut to: &TcpStream) -> Result<()> {
        match self {
            Piece::Frame(bytes) => to.write_all(bytes),
            Piece::Message(head, body) => to.write_all(&[head.as_bytes(), body].concat()),
        }
    }
}

/// Plays the first track at `url`, which must ask for no password; the frames follow in the stream.
pub fn play(url: &str) -> Result<BufReader<TcpStream>> {
    let address = url.trim_start_matches("rtsp://").split('/').next().unwrap_or_default();
    let base = url.split('?').next().unwrap_or_default();
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    let mut session = String::new();
    let requests = [
        ("DESCRIBE", base.to_owned(), "Accept: application/sdp\r\n".to_owned()),
        (
            "SETUP",
            format!("{base}/stream=0"),
            "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n".to_owned(),
        ),
        ("PLAY", base.to_owned(), String::new()),
    ];
    for (number, (method, url, headers)) in requests.iter().enumerate() {
        let cseq = number + 1;
        let request = format!("{method} {url} RTSP/1.0\r\nCSeq: {cseq}\r\n{headers}{session}\r\n");
        stream.get_mut().write_all(request.as_bytes())?;
        let head = loop {
            if let Piece::Message(head, _) = read_piece(&mut stream)? {
                break head;
            }
        };
        if !head.starts_with("RTSP/1.0 200") {
            return Err(Error::other(head));
        }
        if let Some(id) = header(&head, "session") {
            session = format!("Session: {}\r\n", id.split(';').next().unwrap_or_default());
        }
    }
    Ok(stream)
}

/// The next piece; an error at the end of the connection.
pub fn read_piece(reader: &mut impl BufRead) -> Result<Piece> {
    let first = *reader.fill_buf()?.first().ok_or(ErrorKind::UnexpectedEof)?;
    if first == b'$' {
        let mut frame = vec![0; 4];
        reader.read_exact(&mut frame)?;
        frame.resize(4 + usize::from(u16::from_be_bytes([frame[2], frame[3]])), 0);
        reader.read_exact(&mut frame[4..])?;
        return Ok(Piece::Frame(frame));
    }
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Piece::Message(head, body))
}

/// The value of a header line.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(have, _)| have.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
