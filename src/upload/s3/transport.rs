//! reqwest's answers and errors → ours. The only place that sees an error with a URL in it, and it drops the URL.

use std::error::Error as _;
use std::io::ErrorKind;

use reqwest::Response;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderMap};

use super::super::answer::{Answer, Missing, NoAnswer, Reply};
use crate::segment::Timestamp;

/// Error documents and listings are small; a page of anything else is not worth reading.
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// Reads the answer to its end, so that the connection can be used again.
pub(super) async fn reply(response: Result<Response, NoAnswer>) -> Reply {
    let mut response = response?;
    let mut answer = from_headers(response.status().as_u16(), response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BODY_BYTES {
            break;
        }
    }
    let body = String::from_utf8_lossy(&body);
    if (200..300).contains(&answer.status) {
        answer.body = body.into_owned();
    } else {
        answer.code = element(&body, "Code").map(|code| clean(code, 60));
        answer.message = element(&body, "Message").map(|message| clean(message, 200));
    }
    Ok(answer)
}

/// What went wrong before an answer came, in plain words.
pub(super) fn no_answer(error: reqwest::Error) -> NoAnswer {
    let error = error.without_url();
    let mut deepest = error.to_string();
    let mut io = None;
    let mut cause = error.source();
    while let Some(source) = cause {
        deepest = source.to_string();
        io = source.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(io);
        cause = source.source();
    }
    let what =
        if error.is_connect() || error.is_builder() { Missing::NotConnected } else { Missing::Interrupted };
    let reason = match io {
        _ if error.is_timeout() => "no answer in time".into(),
        Some(ErrorKind::ConnectionRefused) => "connection refused".into(),
        Some(ErrorKind::ConnectionReset) => "connection reset".into(),
        Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => "no route to it".into(),
        _ if deepest.contains("failed to lookup address") => "its name has no address (DNS)".into(),
        _ if deepest.contains("InvalidContentType") => "it does not speak TLS; is it http://?".into(),
        _ if deepest.contains("UnknownIssuer") => {
            "its certificate is not trusted here; name its CA's certificate in s3.ca_file, or add it to the system's"
                .into()
        }
        _ => clean(&deepest, 120),
    };
    NoAnswer { what, reason }
}

/// The text of the first `<name>…</name>`.
pub(super) fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

fn from_headers(status: u16, headers: &HeaderMap) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let date = text(DATE.as_str())
        .and_then(|date| httpdate::parse_http_date(&date).ok())
        .and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_secs()).ok());
    Answer {
        status,
        etag: text(ETAG.as_str()).map(|etag| etag.trim_matches('"').to_owned()),
        content_length: text(CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok()),
        content_type: text(CONTENT_TYPE.as_str()),
        sha256_hex: text("x-amz-meta-sha256"),
        date: date.map(Timestamp::from_seconds),
        region: text("x-amz-bucket-region").filter(|region| region.len() < 40),
        ..Answer::default()
    }
}

/// One line of at most `limit` characters; a stranger's text goes into our logs.
fn clean(text: &str, limit: usize) -> String {
    text.chars().take(limit).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
