//! Whether the camera's RTSP server lives: one connection, one OPTIONS without a login, and nothing kept.
//!
//! Called by the supervisor between two runs and by `tryout`, where GStreamer only says "Generic error". A connection
//! alone proves nothing: the kernel of a hung camera goes on accepting. Without a login nothing can be locked out.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Enough for a busy camera behind a slow line, where somebody waits for the reason.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What every answer begins with, also a refusal.
const ANSWER: &[u8; 5] = b"RTSP/";

/// Asks the camera at `url` whether it is there; the error says in words why not. Takes at most twice `limit`,
/// and the time of a DNS answer.
pub fn look(url: &str, limit: Duration) -> Result<(), String> {
    // an address that the configuration let pass and nobody can connect to is GStreamer's to complain about
    let Ok(parsed) = url::Url::parse(url) else { return Ok(()) };
    let Some(host) = parsed.host_str().map(|host| host.trim_matches(['[', ']'])) else { return Ok(()) };
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
    stream.write_all(format!("OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes())?;
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer)?;
    if answer == *ANSWER { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}

fn describe(why: &std::io::Error) -> String {
    match why.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "takes the connection and does not answer".into(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "closes the connection without an answer".into()
        }
        ErrorKind::InvalidData => "answers, but not in RTSP".into(),
        _ => format!("does not answer: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that writes this to its first visitor.
    fn seen(answer: Option<&'static str>) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("rtsp://{}/stream1", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut visitor, _) = listener.accept().unwrap();
            let mut request = [0; 7];
            visitor.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"OPTIONS");
            match answer {
                Some(answer) => visitor.write_all(answer.as_bytes()).unwrap(),
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
    fn what_is_no_life_is_told_in_words() {
        let says = |looked: Result<(), String>, words: &str| {
            let why = looked.unwrap_err();
            assert!(why.contains(words), "{why}");
        };
        says(seen(None), "takes the connection and does not answer");
        says(seen(Some("HTTP/1.1 400 Bad Request\r\n\r\n")), "not in RTSP");
        says(seen(Some("")), "closes the connection without an answer");
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        says(look(&format!("rtsp://{closed}/"), Duration::from_secs(20)), "refuses the connection");
        says(look("rtsp://camera.invalid/", Duration::from_secs(20)), "no such host: camera.invalid");
    }
}
