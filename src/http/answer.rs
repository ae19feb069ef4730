//! How answers are put together: bodies, headers every answer has, refusals in words.
//!
//! Called by the handler and by `file`. Decides nothing about what is answered.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, UPGRADE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::route::{ALLOWED, Refusal};

/// A body that may come from memory, from a file or from a live stream.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;
pub type Answer = Response<Body>;

pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer from memory that nobody may keep: it can be another one in a second.
pub fn text(status: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body(bytes));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, content_type);
    set(&mut answer, CACHE_CONTROL, "no-cache");
    answer
}

pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // our own structs have string keys and no failing parts
    let bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    text(status, "application/json", bytes)
}

/// `{"error": …, "hint": …}` with the headers that belong to its status.
pub fn refusal(refusal: &Refusal) -> Answer {
    #[derive(Serialize)]
    struct Words<'a> {
        error: &'a str,
        hint: &'a str,
    }
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json(status, &Words { error: &refusal.error, hint: &refusal.hint });
    match status {
        StatusCode::METHOD_NOT_ALLOWED => set(&mut answer, ALLOW, refusal.allow.unwrap_or(ALLOWED)),
        StatusCode::SERVICE_UNAVAILABLE => set(&mut answer, RETRY_AFTER, "2"),
        StatusCode::UPGRADE_REQUIRED => {
            set(&mut answer, UPGRADE, "websocket");
            set(&mut answer, CONNECTION, "Upgrade");
        }
        _ => {}
    }
    answer
}

/// The answer to a browser's question before the question.
pub fn preflight(media: bool) -> Answer {
    let mut answer = Response::new(body(Bytes::new()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    set(&mut answer, ALLOW, ALLOWED);
    if media {
        set(&mut answer, ACCESS_CONTROL_ALLOW_METHODS, ALLOWED);
        let headers = "Range, If-Range, If-None-Match, If-Modified-Since";
        set(&mut answer, ACCESS_CONTROL_ALLOW_HEADERS, headers);
        set(&mut answer, ACCESS_CONTROL_MAX_AGE, "86400");
    }
    answer
}

/// Lets pages of other sites play the media; nothing here needs credentials.
pub fn open_to_other_sites(answer: &mut Answer) {
    set(answer, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(
        answer,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        "Content-Length, Content-Range, Date, ETag, Retry-After, X-Snapshot-Age, X-Start-Time, X-End-Time, X-Next-Start",
    );
}

/// What every answer says: no guessing of types, no telling where the viewer came from, and no content but
/// the page's own files and what it plays.
pub fn secure(answer: &mut Answer) {
    set(answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(answer, REFERRER_POLICY, "no-referrer");
    set(
        answer,
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
}

pub fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}
