//! The S3 client: the only folder that names rust-s3, which signs every request; one HTTP client of ours sends them.
//!
//! Why not rust-s3's own client: it follows redirects (a PUT "succeeds" at a login page), hashes each body three
//! times, and has no connect timeout. Used by the attempts, the manifests, the probe and `check s3`. Nothing here
//! decides what an answer means (`answer.rs`), and no URL, signature or key ever leaves this folder: not in an
//! error, not in a log line.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use reqwest::{Client, Method};
use s3::command::{Command, HttpMethod};
use s3::request::Request as _;
use s3::request::tokio_backend::ReqwestRequest;
use s3::{Bucket, Region};

use super::answer::{NoAnswer, Place, Reply};
use super::throttle::Throttle;
use crate::config::{ObjectConfig, S3Config};
use crate::error::{Context as _, Error, Kind, Result};
use crate::segment::Timestamp;
use crate::tls;

mod body;
mod bucket;
mod credentials;
mod keep;
mod multipart;
mod transport;

pub use body::Body;
pub use credentials::{Credentials, Source};
pub use keep::Kept;
pub use multipart::Multipart;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For requests without a body to speak of; also the fixed share of every PUT.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// A line on which nothing moves is given up before the time of a large body is up.
const DEAD_LINE: Duration = Duration::from_secs(30);
/// A line slower than this is an outage: 10 s of video at 2 Mbit/s would take 160 s.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;
/// How long a signature is good for; only the start of the request must fall within it.
const SIGNATURE_SECONDS: u32 = 3600;

/// One bucket. Requests share one connection pool; `&self` everywhere, so tasks share it in an `Arc`.
pub struct S3 {
    http: Client,
    bucket: Bucket,
    credentials: Credentials,
    place: Place,
    throttle: Option<Arc<Throttle>>,
    /// Requests that may have a body under way beside one: the other uploads and a manifest.
    neighbours: usize,
    objects: ObjectConfig,
}

/// What a PUT says about its body, all of it signed.
#[derive(Clone, Debug, Default)]
pub struct Put<'a> {
    pub key: &'a str,
    pub content_type: &'a str,
    pub md5: [u8; 16],
    /// Sent as checksum and kept as metadata `sha256`.
    pub sha256: Option<[u8; 32]>,
    pub cache_control: Option<&'a str>,
    /// `If-None-Match: *`
    pub only_if_absent: bool,
    pub kept: Kept,
}

impl S3 {
    /// Sends nothing yet; fails only on an endpoint that is no URL, or if TLS cannot be set up.
    pub fn new(config: &S3Config, source: Source) -> Result<Self> {
        // rust-s3 repeats reads by itself unless told; retries are the worker's, with one backoff for all
        s3::set_retries(0);
        let region = region(config)?;
        let place =
            Place { host: region.host(), bucket: config.bucket.clone(), region: config.region.clone() };
        let unsigned = s3::creds::Credentials::anonymous()
            .map_err(|_| Error::new(Kind::Internal, "create S3 client: no anonymous credentials"))?;
        let mut bucket = Bucket::new(&config.bucket, region, unsigned)
            .map_err(|error| Error::new(Kind::Internal, format!("create S3 client: {}", brief(&error))))?;
        if config.path_style {
            bucket.set_path_style();
        }
        bucket.set_request_timeout(Some(ANSWER_TIMEOUT));
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(Duration::from_secs(30))
            .tcp_user_timeout(DEAD_LINE)
            // below what stores keep idle connections for, or a PUT now and then meets one just closed
            .pool_idle_timeout(Duration::from_secs(20))
            .use_preconfigured_tls(tls::client(config.ca_file.as_deref())?)
            .build()
            .map_err(reqwest::Error::without_url)
            .context(Kind::Internal, || "create HTTP client for S3")?;
        Ok(Self {
            http,
            bucket: *bucket,
            credentials: Credentials::new(source),
            place,
            throttle: config.max_upload_bytes_per_second.map(|rate| Arc::new(Throttle::new(rate))),
            neighbours: config.concurrency,
            objects: config.objects.clone(),
        })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// One PUT of a whole object. The store checks Content-MD5 and the SHA-256 checksum against what it received.
    pub async fn put(&self, put: &Put<'_>, body: Body) -> Reply {
        let bytes = body.len();
        let headers = put.headers().and_then(|mut headers| {
            headers.extend(keep::headers(&self.objects, put.kept, Timestamp::now())?);
            Ok(headers)
        });
        let headers = headers.map_err(|error| NoAnswer::internal(error.to_string()))?;
        let reply = self.send_put(put.key, headers, HashMap::new(), body, self.put_timeout(bytes)).await;
        transport::reply(reply).await
    }

    /// HEAD. Its answer has no document, so a refusal would not say whether key, signature or right is wrong: the
    /// same question is then asked with a GET of one byte, and what that answers is told.
    pub async fn head(&self, key: &str) -> Reply {
        let answer = self.command(key, Command::HeadObject, HeaderMap::new()).await?;
        if answer.status == 404 || !(400..500).contains(&answer.status) {
            return Ok(answer);
        }
        let one_byte = Command::GetObjectRange { start: 0, end: Some(0) };
        match self.command(key, one_byte, HeaderMap::new()).await {
            Ok(told) if told.status == answer.status => Ok(told),
            _ => Ok(answer),
        }
    }

    pub async fn delete(&self, key: &str) -> Reply {
        self.command(key, Command::DeleteObject, HeaderMap::new()).await
    }

    /// How long a PUT of `bytes` may take, also where our own limit is what makes it slow.
    fn put_timeout(&self, bytes: u64) -> Duration {
        let held_back = self.throttle.as_ref().map(|throttle| throttle.longest_wait(bytes, self.neighbours));
        ANSWER_TIMEOUT + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND) + held_back.unwrap_or_default()
    }

    /// The bucket with credentials that are good for the next minutes.
    async fn signer(&self) -> Result<Bucket, NoAnswer> {
        let mut bucket = self.bucket.clone();
        bucket.set_credentials(self.credentials.current().await?);
        Ok(bucket)
    }

    /// Lets rust-s3 sign `headers` and `queries` into a URL and sends the PUT.
    async fn send_put(
        &self,
        key: &str,
        mut headers: HeaderMap,
        queries: HashMap<String, String>,
        body: Body,
        timeout: Duration,
    ) -> Result<reqwest::Response, NoAnswer> {
        let bucket = self.signer().await?;
        let url = bucket
            .presign_put(key, SIGNATURE_SECONDS, Some(headers.clone()), Some(queries))
            .await
            .map_err(|error| NoAnswer::internal(brief(&error)))?;
        // with a length the streamed body goes out as it is, not in chunked encoding, which S3 refuses
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let request = self
            .http
            .put(url)
            .headers(headers)
            .timeout(timeout)
            .body(body.into_reqwest(self.throttle.clone()));
        request.send().await.map_err(transport::no_answer)
    }

    /// Everything but PUT: rust-s3 makes URL, signed headers and body, our client sends them.
    async fn command(&self, key: &str, command: Command<'_>, extra: HeaderMap) -> Reply {
        let mut bucket = self.signer().await?;
        bucket.extra_headers = extra;
        let signed = async {
            let request = ReqwestRequest::new(&bucket, key, command).await?;
            Ok((request.url()?, request.headers().await?, request.request_body()?, method(&request)))
        };
        let (url, headers, body, method) =
            signed.await.map_err(|error: s3::error::S3Error| NoAnswer::internal(brief(&error)))?;
        let request = self.http.request(method, url).headers(headers).timeout(ANSWER_TIMEOUT).body(body);
        transport::reply(request.send().await.map_err(transport::no_answer)).await
    }
}

impl Put<'_> {
    fn headers(&self) -> Result<HeaderMap, reqwest::header::InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(self.content_type)?);
        headers.insert(CONTENT_MD5, HeaderValue::from_str(&BASE64.encode(self.md5))?);
        if let Some(sha256) = self.sha256 {
            headers.insert(CHECKSUM_SHA256, HeaderValue::from_str(&BASE64.encode(sha256))?);
            headers.insert(META_SHA256, HeaderValue::from_str(&hex::encode(sha256))?);
        }
        if let Some(cache_control) = self.cache_control {
            headers.insert(CACHE_CONTROL, HeaderValue::from_str(cache_control)?);
        }
        if self.only_if_absent {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        Ok(headers)
    }
}

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const CHECKSUM_SHA256: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");
const META_SHA256: HeaderName = HeaderName::from_static("x-amz-meta-sha256");

fn method(request: &ReqwestRequest<'_>) -> Method {
    match request.command.http_verb() {
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Get => Method::GET,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Post => Method::POST,
        HttpMethod::Head => Method::HEAD,
    }
}

fn region(config: &S3Config) -> Result<Region> {
    let Some(endpoint) = &config.endpoint else {
        // rust-s3's own table is older than some regions, and takes one it does not know for a host name
        let china = if config.region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint = format!("https://s3.{}.amazonaws.com{china}", config.region);
        return Ok(Region::Custom { region: config.region.clone(), endpoint });
    };
    let url = url::Url::parse(endpoint).context(Kind::Config, || format!("read s3.endpoint {endpoint:?}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        let message =
            format!("read s3.endpoint {endpoint:?}: it must look like https://host or http://host:9000");
        return Err(Error::new(Kind::Config, message));
    }
    // `Url` leaves a default port away, as the HTTP client does; with it the signature would cover another Host
    let endpoint = url.as_str().trim_end_matches('/').to_owned();
    Ok(Region::Custom { region: config.region.clone(), endpoint })
}

/// rust-s3's errors print whole URLs and documents; this says which step failed and no more.
fn brief(error: &s3::error::S3Error) -> String {
    use s3::error::S3Error;
    match error {
        S3Error::HttpFailWithBody(status, _) => format!("S3 answered {status}"),
        S3Error::Reqwest(_) => "S3 did not answer".into(),
        S3Error::Credentials(_) => "the credentials could not be used".into(),
        S3Error::UrlParse(_) | S3Error::Region(_) => "the endpoint, bucket or key makes no URL".into(),
        _ => "the request could not be signed".into(),
    }
}

impl NoAnswer {
    fn internal(reason: impl std::fmt::Display) -> Self {
        Self { what: super::answer::Missing::NotConnected, reason: format!("request failed: {reason}") }
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
