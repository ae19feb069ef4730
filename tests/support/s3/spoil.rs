//! The spoilt answers themselves, and bodies that are read badly.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Response, StatusCode};
use s3s::Body;

use super::faults::Fault;
use super::socket::Fate;
use super::witness::{Asked, HangUp};

/// Further than S3 lets clocks disagree.
const SKEW: Duration = Duration::from_secs(20 * 60);

/// The answer of a fault that stores nothing and needs no body; `None` for the others.
pub(super) fn spoil_before_storing(
    fault: Fault,
    asked: &Asked,
    fate: &Fate,
) -> Option<Result<Response<Body>, HangUp>> {
    let answer = match fault {
        Fault::RefuseEarly(status, code) => refusal(asked, status, code),
        Fault::Skewed => {
            let mut answer = refusal(asked, 403, "RequestTimeTooSkewed");
            let date = httpdate::fmt_http_date(std::time::SystemTime::now() + SKEW);
            answer
                .headers_mut()
                .extend(HeaderValue::from_str(&date).ok().map(|date| (hyper::header::DATE, date)));
            answer
        }
        Fault::Redirect => {
            let mut answer = page(asked, 307, "elsewhere");
            answer.headers_mut().insert("location", HeaderValue::from_static("/login"));
            answer
        }
        Fault::LoginPage => page(asked, 200, "please log in"),
        Fault::Garbage => {
            fate.garbage();
            page(asked, 200, "never sent")
        }
        _ => return None,
    };
    Some(Ok(answer))
}

/// An error document, as S3 sends it.
pub(super) fn refusal(asked: &Asked, status: u16, code: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>refused</Message></Error>"
    );
    answer(asked, status, "application/xml", text)
}

fn page(asked: &Asked, status: u16, words: &str) -> Response<Body> {
    answer(asked, status, "text/html", format!("<!DOCTYPE html><html><body>{words}</body></html>"))
}

fn answer(asked: &Asked, status: u16, kind: &'static str, text: String) -> Response<Body> {
    // an answer to HEAD has no body, so its code is lost, as it is with every S3
    let body = if asked.method == Method::HEAD { Body::empty() } else { Body::from(text) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    response
}

/// A success with another ETag, or with none.
pub(super) fn with_etag(mut response: Response<Body>, etag: Option<&'static str>) -> Response<Body> {
    if response.status().is_success() {
        response.headers_mut().remove("etag");
        let quoted = etag.and_then(|etag| HeaderValue::from_str(&format!("\"{etag}\"")).ok());
        response.headers_mut().extend(quoted.map(|etag| (hyper::header::ETAG, etag)));
    }
    response
}

/// Reads half of what was announced.
pub(super) async fn half(mut body: Incoming, asked: &Asked) {
    let mut read = 0;
    while read < asked.content_length / 2 {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => return,
        }
    }
}

pub(super) async fn slowly(mut body: Incoming, bytes_per_second: u32) -> Result<Bytes, HangUp> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| HangUp)?;
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(data);
            tokio::time::sleep(Duration::from_secs_f64(data.len() as f64 / f64::from(bytes_per_second)))
                .await;
        }
    }
    Ok(read.freeze())
}
