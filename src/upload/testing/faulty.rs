//! A small store that fails on request, and counts what it is asked and what it stores.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::{BUCKET, Running, listen, md5_of};
use crate::segment::Segment;

/// What the store does with one PUT of a segment.
#[derive(Clone, Debug)]
pub enum Fault {
    Status(u16, &'static str),
    CommitThenStatus(u16, &'static str),
    CommitThenReset,
    /// Success with this ETag, committed or not.
    Etag {
        commit: bool,
        etag: Option<&'static str>,
    },
    /// To a page that does not exist here either: followed, it would look like an absent object.
    Redirect,
    /// Never answers.
    Stall,
}

#[derive(Default)]
pub struct Objects {
    pub stored: HashMap<String, Stored>,
    /// How often each key was written.
    pub commits: HashMap<String, u32>,
    /// Faults for the next PUTs of segments, in order; none left: all is well.
    pub plan: VecDeque<Fault>,
    /// `PUT /bucket/key`, in order.
    pub requests: Vec<String>,
    /// Every fault goes for every method, as a network in between would.
    pub every_method: bool,
    /// Keys with this in them are always answered 503.
    pub chokes_on: Option<String>,
    /// Keys with this in them are answered by a login page, whatever is asked.
    pub login_page_for: Option<String>,
    pub ignores_conditions: bool,
    /// HEAD answers 403, as without the right to list.
    pub hides_absence: bool,
    /// The document that lists multipart uploads.
    pub listing: Option<String>,
}

#[derive(Clone)]
pub struct Stored {
    pub body: Bytes,
    pub sha256: Option<String>,
    pub content_type: Option<String>,
}

pub struct Faulty {
    pub objects: Arc<Mutex<Objects>>,
    pub server: Running,
}

pub async fn faulty(plan: impl IntoIterator<Item = Fault>) -> Faulty {
    let objects = Arc::new(Mutex::new(Objects { plan: plan.into_iter().collect(), ..Objects::default() }));
    let shared = objects.clone();
    let server = listen("127.0.0.1:0", move |stream| {
        let shared = shared.clone();
        async move {
            let service = service_fn(move |request| answer(shared.clone(), request));
            let server = hyper::server::conn::http1::Builder::new();
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await;
    Faulty { objects, server }
}

type Answered = Result<Response<Full<Bytes>>, std::io::Error>;

async fn answer(objects: Arc<Mutex<Objects>>, request: Request<Incoming>) -> Answered {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let fault = {
        let mut objects = objects.lock().unwrap();
        let key = parts.uri.path();
        objects.requests.push(format!("{} {key}", parts.method));
        let meant = key.contains("segment_") && (parts.method == "PUT" || objects.every_method);
        if meant { objects.plan.pop_front() } else { None }
    };
    if matches!(fault, Some(Fault::Stall)) {
        std::future::pending::<()>().await;
    }
    let mut objects = objects.lock().unwrap();
    match fault {
        _ if objects.chokes_on.as_ref().is_some_and(|part| parts.uri.path().contains(part)) => {
            Ok(error(503, "SlowDown"))
        }
        _ if objects.login_page_for.as_ref().is_some_and(|part| parts.uri.path().contains(part)) => {
            let page = Response::builder().header("content-type", "text/html");
            Ok(page.body(Full::from("<html>welcome</html>")).unwrap())
        }
        Some(fault) => objects.fail(fault, &parts, body),
        None => Ok(objects.serve(&parts, body)),
    }
}

impl Objects {
    fn fail(&mut self, fault: Fault, parts: &Parts, body: Bytes) -> Answered {
        match fault {
            Fault::Status(status, code) => Ok(error(status, code)),
            Fault::CommitThenStatus(status, code) => {
                self.commit(parts, body);
                Ok(error(status, code))
            }
            Fault::CommitThenReset | Fault::Stall => {
                self.commit(parts, body);
                Err(std::io::Error::other("reset"))
            }
            Fault::Etag { commit, etag } => {
                if commit {
                    self.commit(parts, body);
                }
                let response = match etag {
                    Some(etag) => Response::builder().header("etag", format!("\"{etag}\"")),
                    None => Response::builder(),
                };
                Ok(response.body(Full::from("welcome")).unwrap())
            }
            Fault::Redirect => {
                let response = Response::builder().status(302).header("location", "/login");
                Ok(response.body(Full::default()).unwrap())
            }
        }
    }

    fn serve(&mut self, parts: &Parts, body: Bytes) -> Response<Full<Bytes>> {
        let key = parts.uri.path();
        match parts.method.as_str() {
            "PUT" => {
                let guarded = !self.ignores_conditions && parts.headers.contains_key("if-none-match");
                if guarded && self.stored.contains_key(key) {
                    return error(412, "PreconditionFailed");
                }
                let etag = format!("\"{}\"", hex::encode(md5_of(&body)));
                self.commit(parts, body);
                Response::builder().header("etag", etag).body(Full::default()).unwrap()
            }
            "DELETE" => {
                self.stored.remove(key);
                Response::builder().status(204).body(Full::default()).unwrap()
            }
            "GET" => match &self.listing {
                Some(listing) => Response::new(Full::from(listing.clone())),
                None => error(501, "NotImplemented"),
            },
            _ => match self.stored.get(key) {
                None if self.hides_absence => error(403, "AccessDenied"),
                None => error(404, "NoSuchKey"),
                Some(stored) => stored.found(),
            },
        }
    }

    fn commit(&mut self, parts: &Parts, body: Bytes) {
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let key = parts.uri.path().to_owned();
        let stored =
            Stored { body, sha256: header("x-amz-meta-sha256"), content_type: header("content-type") };
        self.stored.insert(key.clone(), stored);
        *self.commits.entry(key).or_default() += 1;
    }
}

impl Stored {
    fn found(&self) -> Response<Full<Bytes>> {
        let mut response = Response::builder()
            .header("etag", format!("\"{}\"", hex::encode(md5_of(&self.body))))
            .header("content-type", self.content_type.as_deref().unwrap_or_default());
        if let Some(sha256) = &self.sha256 {
            response = response.header("x-amz-meta-sha256", sha256);
        }
        response.body(Full::from(self.body.clone())).unwrap()
    }
}

fn error(status: u16, code: &str) -> Response<Full<Bytes>> {
    let document = format!("<Error><Code>{code}</Code><Message>injected</Message></Error>");
    Response::builder().status(status).body(Full::from(document)).unwrap()
}

impl Faulty {
    pub fn path(segment: &Segment) -> String {
        format!("/{BUCKET}/{}", segment.key)
    }

    pub fn commits(&self, segment: &Segment) -> u32 {
        self.objects.lock().unwrap().commits.get(&Self::path(segment)).copied().unwrap_or(0)
    }

    /// How often the segment's key was asked for with `method`.
    pub fn requests(&self, method: &str, segment: &Segment) -> usize {
        let line = format!("{method} {}", Self::path(segment));
        self.objects.lock().unwrap().requests.iter().filter(|request| **request == line).count()
    }
}
