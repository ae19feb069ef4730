//! What stands before the S3 server: notes every request, counts commits, answers for missing buckets, spoils on demand.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response};
use md5::{Digest, Md5};
use s3s::Body;
use s3s::service::S3Service;
use sha2::Sha256;

use super::faults::{Fault, Plan};
use super::socket::Fate;
use super::spoil::{half, refusal, slowly, spoil_before_storing, with_etag};

const CHECKSUM_SHA256: &str = "x-amz-checksum-sha256";

/// Bytes that were stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Without quotes.
    pub etag: String,
    /// Of the bytes that then lay under the key, in hex. Where the server is timed, the one that the request named.
    pub sha256: String,
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
    /// Lets a body that is not to be spoilt through as it comes.
    for_timing: bool,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    requests: Vec<Seen>,
    commits: BTreeMap<String, Vec<Commit>>,
    /// Come first, whatever the plan.
    spoilt_next: VecDeque<Fault>,
    plan: Option<Plan>,
    /// All plans so far, for a person who wonders why a test failed.
    plans: Vec<String>,
    faults_met: usize,
    ignores_conditions: bool,
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
pub(super) struct Asked {
    pub(super) method: Method,
    path: String,
    query: String,
    bucket: String,
    key: String,
    pub(super) content_length: u64,
    commit: Commit,
}

impl Witness {
    pub(super) fn new(root: &Path, for_timing: bool) -> Self {
        Self { root: root.to_owned(), for_timing, noted: Mutex::default() }
    }

    pub(super) fn commits(&self) -> BTreeMap<String, Vec<Commit>> {
        self.lock().commits.clone()
    }

    pub(super) fn requests(&self) -> Vec<Seen> {
        self.lock().requests.clone()
    }

    pub(super) fn spoil(&self, count: usize, fault: Fault) {
        self.lock().spoilt_next.extend(std::iter::repeat_n(fault, count));
    }

    pub(super) fn set_plan(&self, plan: Option<Plan>) {
        let mut noted = self.lock();
        noted.plans.extend(plan.as_ref().map(|plan| format!("{plan:?}")));
        noted.plan = plan;
    }

    pub(super) fn plans(&self) -> Vec<String> {
        self.lock().plans.clone()
    }

    pub(super) fn faults_met(&self) -> usize {
        self.lock().faults_met
    }

    pub(super) fn ignore_conditions(&self) {
        self.lock().ignores_conditions = true;
    }

    pub(super) async fn handle(
        &self,
        service: &S3Service,
        request: Request<Incoming>,
        fate: &Fate,
    ) -> Result<Response<Body>, HangUp> {
        let asked = Asked::new(&request);
        let fault = self.draw(&asked);
        if fault.is_none() && self.adds_nothing(&asked) {
            return self.pass(service, &asked, request).await;
        }
        let (head, body) = request.into_parts();
        if let Some(fault) = fault
            && let Some(answer) = spoil_before_storing(fault, &asked, fate)
        {
            return Ok(self.note(&asked, answer?));
        }
        // all of it first: an answer before the end of the body reaches many clients as a reset
        let body = match fault {
            Some(Fault::ResetMidBody) => {
                half(body, &asked).await;
                fate.reset();
                return Err(HangUp);
            }
            Some(Fault::StallMidBody) => {
                half(body, &asked).await;
                return std::future::pending().await;
            }
            Some(Fault::NeverAnswers) => return std::future::pending().await,
            Some(Fault::Slow(bytes_per_second)) => slowly(body, bytes_per_second).await?,
            _ => body.collect().await.map_err(|_| HangUp)?.to_bytes(),
        };
        if let Some(Fault::Refuse(status, code)) = fault {
            return Ok(self.note(&asked, refusal(&asked, status, code)));
        }
        let response = self.store(service, &asked, head, body).await?;
        let response = match fault {
            Some(Fault::CommitThenRefuse(status, code)) => refusal(&asked, status, code),
            Some(Fault::Etag(etag)) => with_etag(response, etag),
            Some(Fault::CommitThenHangUp) => return Err(HangUp),
            Some(Fault::CommitThenReset) => {
                fate.reset();
                return Err(HangUp);
            }
            Some(Fault::CommitThenStall) => std::future::pending().await,
            _ => response,
        };
        Ok(self.note(&asked, response))
    }

    fn adds_nothing(&self, asked: &Asked) -> bool {
        self.for_timing && !self.bucket_is_missing(asked) && !self.lock().ignores_conditions
    }

    /// The commit's SHA-256 is the one that the request names and the store has found right.
    async fn pass(
        &self,
        service: &S3Service,
        asked: &Asked,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, HangUp> {
        let named = request.headers().get(CHECKSUM_SHA256).map(|sent| STANDARD.decode(sent));
        let response = service.call(request.map(Body::from)).await.map_err(|_| HangUp)?;
        if response.status().is_success() && asked.stores() {
            self.count_commit(asked, &response, &named.and_then(Result::ok).unwrap_or_default());
        }
        Ok(self.note(asked, response))
    }

    fn draw(&self, asked: &Asked) -> Option<Fault> {
        let mut noted = self.lock();
        let next = if asked.stores() { noted.spoilt_next.pop_front() } else { None };
        let (is_put, is_segment) = (asked.stores(), asked.key.ends_with(".ts"));
        let fault = next.or_else(|| noted.plan.as_mut()?.draw(is_put, is_segment));
        noted.faults_met += usize::from(fault.is_some());
        fault
    }

    /// What the S3 server answers, and a note of the commit.
    async fn store(
        &self,
        service: &S3Service,
        asked: &Asked,
        head: Parts,
        body: Bytes,
    ) -> Result<Response<Body>, HangUp> {
        if self.bucket_is_missing(asked) {
            return Ok(refusal(asked, 404, "NoSuchBucket"));
        }
        // s3s-fs compares checksums only after it has stored the bytes
        if !checksums_agree(&head.headers, &body) {
            return Ok(refusal(asked, 400, "BadDigest"));
        }
        if asked.stores() && self.lock().ignores_conditions {
            // what lies under the key is overwritten
            let _ = std::fs::remove_file(self.file(asked));
        }
        let response = service.call(Request::from_parts(head, Body::from(body))).await.map_err(|_| HangUp)?;
        if response.status().is_success() && asked.stores() {
            let stored = std::fs::read(self.file(asked)).unwrap_or_default();
            self.count_commit(asked, &response, &Sha256::digest(stored));
        }
        Ok(response)
    }

    fn file(&self, asked: &Asked) -> PathBuf {
        self.root.join(&asked.bucket).join(&asked.key)
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

    fn count_commit(&self, asked: &Asked, response: &Response<Body>, sha256: &[u8]) {
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()).unwrap_or_default();
        let (etag, sha256) = (etag.trim_matches('"').to_owned(), hex::encode(sha256));
        let commit = Commit { etag, sha256, ..asked.commit.clone() };
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
            sha256: String::new(),
            if_none_match: header("if-none-match"),
            content_md5: header("content-md5"),
            content_type: header("content-type"),
            multipart: has_parameter(&query, "uploadId"),
        };
        let content_length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Self { method: request.method().clone(), path, query, bucket, key, content_length, commit }
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
    agrees("content-md5", &Md5::digest(body)) && agrees(CHECKSUM_SHA256, &Sha256::digest(body))
}

fn has_parameter(query: &str, name: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some(name))
}
