//! Whether the camera's RTSP server lives: one connection, one OPTIONS without a login, and nothing kept. A camera
//! that encrypts is greeted in TLS, and whatever it answers in TLS is a sign of life.
//!
//! Called by the supervisor between two runs and by `tryout`, where GStreamer only says "Generic error". A connection
//! alone proves nothing: the kernel of a hung camera goes on accepting. Without a login nothing can be locked out.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::tls::{self, Fingerprint};

/// Enough for a busy camera behind a slow line, where somebody waits for the reason.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What every answer begins with, also a refusal.
const ANSWER: &[u8; 5] = b"RTSP/";
/// Alert or handshake (RFC 8446, 5.1), and the major version of every SSL that is left.
const TLS_ANSWERS: [[u8; 2]; 2] = [[21, 3], [22, 3]];

/// Asks the camera at `url` whether it is there; the error says in words why not. Takes at most twice `limit`,
/// and the time of a DNS answer.
pub fn look(url: &str, limit: Duration) -> Result<(), String> {
    // an address that the configuration let pass and nobody can connect to is GStreamer's to complain about
    let Ok(parsed) = url::Url::parse(url) else { return Ok(()) };
    let Some(host) = parsed.host_str().map(|host| host.trim_matches(['[', ']'])) else { return Ok(()) };
    // the configuration always says one
    let port = parsed.port().unwrap_or(554);
    let Some(address) = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next()) else {
        return Err(format!("no such host: {host}"));
    };
    let stream = TcpStream::connect_timeout(&address, limit).map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => format!("{address} refuses the connection"),
        ErrorKind::TimedOut => format!("{address} does not answer"),
        _ => format!("{address}: {error}"),
    })?;
    ask(&stream, url, limit).map_err(|why| format!("{address} {}", describe(&why)))
}

fn ask(mut stream: &TcpStream, url: &str, limit: Duration) -> std::io::Result<()> {
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let is_encrypted = url.starts_with("rtsps:");
    if is_encrypted {
        stream.write_all(&hello()?)?;
    } else {
        stream.write_all(format!("OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes())?;
    }
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer)?;
    let is_alive = if is_encrypted {
        TLS_ANSWERS.iter().any(|begin| answer.starts_with(begin))
    } else {
        answer == *ANSWER
    };
    if is_alive { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}

/// The first message of a handshake that is not meant to go on.
fn hello() -> std::io::Result<Vec<u8>> {
    let nobody = tls::client_for(Fingerprint::of(b"")).map_err(std::io::Error::other)?;
    let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
    let mut client = ClientConnection::new(Arc::new(nobody), name).map_err(std::io::Error::other)?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello)?;
    Ok(hello)
}

fn describe(why: &std::io::Error) -> String {
    match why.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "takes the connection and does not answer".into(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "closes the connection without an answer".into()
        }
        ErrorKind::InvalidData => {
            "answers, but not in the protocol of the address (rtsp:// or rtsps://)".into()
        }
        _ => format!("does not answer: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that writes this to its first visitor.
    fn seen(answer: Option<&'static str>) -> Result<(), String> {
        seen_by("rtsp", answer.map(str::as_bytes), b"OPTIONS")
    }

    fn seen_by(scheme: &str, answer: Option<&'static [u8]>, greeting: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}/stream1", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut visitor, _) = listener.accept().unwrap();
            let mut request = vec![0; greeting.len()];
            visitor.read_exact(&mut request).unwrap();
            assert_eq!(request, greeting);
            match answer {
                Some(answer) => visitor.write_all(answer).unwrap(),
                // until the visitor has lost its patience
                None => drop(visitor.read_to_end(&mut Vec::new())),
            }
        });
        let looked = look(&url, Duration::from_secs(if answer.is_some() { 20 } else { 1 }));
        server.join().unwrap();
        looked
    }

    #[test]
    fn any_rtsp_answer_is_a_sign_of_life() {
        assert_eq!(seen(Some("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")), Ok(()));
        assert_eq!(seen(Some("RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n")), Ok(()));
    }

    #[test]
    fn any_tls_answer_is_a_sign_of_life_of_a_camera_that_encrypts() {
        assert_eq!(seen_by("rtsps", Some(b"\x16\x03\x03\x00\x7a"), b"\x16\x03\x01"), Ok(()));
        assert_eq!(seen_by("rtsps", Some(b"\x15\x03\x03\x00\x02\x02\x28"), b"\x16\x03\x01"), Ok(()));
    }

    #[test]
    fn what_is_no_life_is_told_in_words() {
        let says = |looked: Result<(), String>, words: &str| {
            let why = looked.unwrap_err();
            assert!(why.contains(words), "{why}");
        };
        says(seen(None), "takes the connection and does not answer");
        says(seen(Some("HTTP/1.1 400 Bad Request\r\n\r\n")), "not in the protocol");
        says(seen_by("rtsps", Some(b"RTSP/1.0 400 Bad Request\r\n\r\n"), b"\x16\x03"), "not in the protocol");
        says(seen(Some("")), "closes the connection without an answer");
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        says(look(&format!("rtsp://{closed}/"), Duration::from_secs(20)), "refuses the connection");
        says(look("rtsp://camera.invalid/", Duration::from_secs(20)), "no such host: camera.invalid");
    }
}
