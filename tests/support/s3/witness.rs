//! What stands before the S3 server: notes every request, counts commits, answers for missing buckets, spoils on demand.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use md5::{Digest, Md5};
use s3s::Body;
use sha2::Sha256;

/// How a PUT is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is stored; this status and S3 error code are answered.
    Refuse(u16, &'static str),
    /// The object is stored; this status and S3 error code are answered all the same.
    CommitThenRefuse(u16, &'static str),
    /// The object is stored, then the connection closes without an answer.
    CommitThenHangUp,
    /// The object is stored, and no answer ever comes.
    CommitThenStall,
}

/// Bytes that were stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Without quotes.
    pub etag: String,
    pub if_none_match: Option<String>,
    pub content_md5: Option<String>,
    pub content_type: Option<String>,
    pub multipart: bool,
}

/// A request and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub status: u16,
}

pub(super) struct Witness {
    root: PathBuf,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    requests: Vec<Seen>,
    commits: BTreeMap<String, Vec<Commit>>,
    faults: VecDeque<Fault>,
}

/// The connection is cut when the service fails.
#[derive(Debug)]
pub(super) struct HangUp;

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the test asked to hang up")
    }
}

impl std::error::Error for HangUp {}

/// What of a request outlives its body.
struct Asked {
    method: Method,
    path: String,
    query: String,
    bucket: String,
    key: String,
    commit: Commit,
}

impl Witness {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), noted: Mutex::default() }
    }

    pub(super) fn commits(&self) -> BTreeMap<String, Vec<Commit>> {
        self.lock().commits.clone()
    }

    pub(super) fn requests(&self) -> Vec<Seen> {
        self.lock().requests.clone()
    }

    pub(super) fn spoil(&self, count: usize, fault: Fault) {
        self.lock().faults.extend(std::iter::repeat_n(fault, count));
    }

    pub(super) async fn handle(
        &self,
        service: &s3s::service::S3Service,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, HangUp> {
        let asked = Asked::new(&request);
        let (head, body) = request.into_parts();
        // all of it first: an answer before the end of the body reaches many clients as a reset
        let Ok(body) = body.collect().await else { return Err(HangUp) };
        let body = body.to_bytes();
        let fault = if asked.stores() { self.lock().faults.pop_front() } else { None };
        if let Some(Fault::Refuse(status, code)) = fault {
            return Ok(self.note(&asked, refusal(&asked, status, code)));
        }
        if self.bucket_is_missing(&asked) {
            return Ok(self.note(&asked, refusal(&asked, 404, "NoSuchBucket")));
        }
        // s3s-fs compares checksums only after it has stored the bytes
        if !checksums_agree(&head.headers, &body) {
            return Ok(self.note(&asked, refusal(&asked, 400, "BadDigest")));
        }
        let request = Request::from_parts(head, Body::from(body));
        let response = service.call(request).await.map_err(|_| HangUp)?;
        if response.status().is_success() && asked.stores() {
            self.count_commit(&asked, &response);
        }
        match fault {
            Some(Fault::CommitThenRefuse(status, code)) => {
                Ok(self.note(&asked, refusal(&asked, status, code)))
            }
            Some(Fault::CommitThenHangUp) => Err(HangUp),
            Some(Fault::CommitThenStall) => std::future::pending().await,
            Some(Fault::Refuse(..)) | None => Ok(self.note(&asked, response)),
        }
    }

    /// s3s-fs would create the folder; a real store refuses.
    fn bucket_is_missing(&self, asked: &Asked) -> bool {
        let creates = asked.method == Method::PUT && asked.key.is_empty();
        !asked.bucket.is_empty() && !creates && !self.root.join(&asked.bucket).is_dir()
    }

    fn note(&self, asked: &Asked, response: Response<Body>) -> Response<Body> {
        let path = match asked.query.as_str() {
            "" => asked.path.clone(),
            query => format!("{}?{query}", asked.path),
        };
        let status = response.status().as_u16();
        self.lock().requests.push(Seen { method: asked.method.to_string(), path, status });
        response
    }

    fn count_commit(&self, asked: &Asked, response: &Response<Body>) {
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()).unwrap_or_default();
        let commit = Commit { etag: etag.trim_matches('"').to_owned(), ..asked.commit.clone() };
        self.lock().commits.entry(asked.key.clone()).or_default().push(commit);
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn new(request: &Request<Incoming>) -> Self {
        let path = request.uri().path().to_owned();
        let decoded = percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
        let (bucket, key) = decoded.split_once('/').unwrap_or((&decoded, ""));
        let header = |name: &str| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
        let query = request.uri().query().unwrap_or_default().to_owned();
        let commit = Commit {
            etag: String::new(),
            if_none_match: header("if-none-match"),
            content_md5: header("content-md5"),
            content_type: header("content-type"),
            multipart: has_parameter(&query, "uploadId"),
        };
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Self { method: request.method().clone(), path, query, bucket, key, commit }
    }

    /// Makes an object: an ordinary PUT, or the POST that completes a multipart upload.
    fn stores(&self) -> bool {
        let part_of_multipart = has_parameter(&self.query, "uploadId");
        let whole = self.method == Method::PUT && !part_of_multipart;
        let complete = self.method == Method::POST && part_of_multipart;
        !self.key.is_empty() && (whole || complete)
    }
}

fn checksums_agree(headers: &HeaderMap, body: &[u8]) -> bool {
    let agrees = |name: &str, digest: &[u8]| {
        headers.get(name).is_none_or(|sent| sent.as_bytes() == STANDARD.encode(digest).as_bytes())
    };
    agrees("content-md5", &Md5::digest(body)) && agrees("x-amz-checksum-sha256", &Sha256::digest(body))
}

fn has_parameter(query: &str, name: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some(name))
}

fn refusal(asked: &Asked, status: u16, code: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>refused</Message></Error>"
    );
    // an answer to HEAD has no body, so its code is lost, as it is with every S3
    let body = if asked.method == Method::HEAD { Body::empty() } else { Body::from(text) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/xml"));
    response
}
