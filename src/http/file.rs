//! A segment's row → its bytes over HTTP.
//!
//! Called by the handler, which found the row. The path comes from the row. Reads in large chunks off the async
//! threads and holds at most two of them per viewer.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, LAST_MODIFIED,
};
use hyper::{Method, Response, StatusCode};

use super::answer::{Answer, body, set};
use super::range::{Validators, Wanted, is_fresh, wanted};
use super::route::Refusal;
use crate::chunks;
use crate::segment::{Segment, State};

/// Measured: 512 KiB serve half as much again per CPU second as 64 KiB, and more gains nothing.
const CHUNK_BYTES: u64 = 512 * 1024;

/// Answers a GET or HEAD for `segment`, whose file is at `path`.
pub async fn answer(
    method: &Method,
    headers: &HeaderMap,
    segment: &Segment,
    path: PathBuf,
) -> Result<Answer, Refusal> {
    if !segment.state.has_file() {
        return Err(gone(segment));
    }
    let validators = validators(segment);
    // a Range means something in a GET only (RFC 9110, 14.2)
    let wanted = match *method {
        Method::GET => wanted(headers, &validators, segment.bytes),
        _ if is_fresh(headers, &validators) => Wanted::Nothing,
        _ => Wanted::Whole,
    };
    let mut answer = match wanted {
        Wanted::Nothing => empty(StatusCode::NOT_MODIFIED),
        Wanted::Unsatisfiable => unsatisfiable(segment.bytes),
        Wanted::Whole => content(method, segment, path, 0..segment.bytes).await?,
        Wanted::Part(part) => {
            let range = format!("bytes {}-{}/{}", part.start, part.end - 1, segment.bytes);
            let mut answer = content(method, segment, path, part).await?;
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            put(&mut answer, CONTENT_RANGE, &range);
            answer
        }
    };
    if answer.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        // a name is never used for other bytes
        set(&mut answer, CACHE_CONTROL, "public, max-age=31536000, immutable");
        put(&mut answer, ETAG, &validators.etag);
        put(&mut answer, LAST_MODIFIED, &httpdate::fmt_http_date(validators.modified));
    }
    set(&mut answer, ACCEPT_RANGES, "bytes");
    Ok(answer)
}

fn validators(segment: &Segment) -> Validators {
    let end_seconds = u64::try_from(segment.end().epoch_seconds()).unwrap_or(0);
    Validators {
        etag: format!("\"{}\"", hex::encode(segment.md5)),
        modified: UNIX_EPOCH + Duration::from_secs(end_seconds),
    }
}

async fn content(
    method: &Method,
    segment: &Segment,
    path: PathBuf,
    part: Range<u64>,
) -> Result<Answer, Refusal> {
    let file = open(segment, path).await?;
    let length = part.end - part.start;
    let body = match *method {
        Method::HEAD => body(Bytes::new()),
        _ => {
            BodyExt::boxed_unsync(StreamBody::new(chunks::read(file, part, CHUNK_BYTES).map_ok(Frame::data)))
        }
    };
    let mut answer = Response::new(body);
    // MPEG-TS of a camera; databases of types take .ts for other things
    set(&mut answer, CONTENT_TYPE, "video/mp2t");
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(answer)
}

/// Opens the file and holds it against its row: an answer must not promise bytes that are not there.
async fn open(segment: &Segment, path: PathBuf) -> Result<File, Refusal> {
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok::<_, io::Error>((file, bytes))
    })
    .await
    .unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
    match opened {
        Ok((file, bytes)) if bytes == segment.bytes => Ok(file),
        Ok(_) => Err(damaged(segment, "it has another size than was recorded")),
        // retention took it since the row was read
        Err(error) if error.kind() == io::ErrorKind::NotFound && segment.state == State::Uploaded => {
            Err(gone(segment))
        }
        Err(error) => Err(damaged(segment, &error.to_string())),
    }
}

fn damaged(segment: &Segment, cause: &str) -> Refusal {
    log::warn!("[http] read segment {} of {}: {cause}", segment.file, segment.camera);
    Refusal::new(
        500,
        format!("the file of {} cannot be read: {cause}", segment.file),
        "run `cctv-s3-pipeline check store` on the recorder",
    )
}

/// Where the footage is, or why it is nowhere.
fn gone(segment: &Segment) -> Refusal {
    let hint = match segment.state {
        State::Lost => "its file vanished or was changed before it was uploaded".to_owned(),
        State::Dropped => "the disk was full before it could be uploaded, and it was the oldest".to_owned(),
        _ => format!("it is in the bucket under {}", segment.key),
    };
    Refusal::new(410, format!("{} is no longer on this machine", segment.file), hint)
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(body(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

fn unsatisfiable(length: u64) -> Answer {
    let mut answer = super::answer::refusal(&Refusal::new(
        416,
        "the range begins after the end of the segment",
        format!("the segment has {length} bytes"),
    ));
    put(&mut answer, CONTENT_RANGE, &format!("bytes */{length}"));
    answer
}

/// Sets a header whose value is made of digits, hex and dates.
fn put(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
