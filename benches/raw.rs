//! The yardstick of the drain: small files, PUT in a plain loop, as fast as the server takes them.
//!
//! The requests carry the headers that the program's carry, so that the server does the same work; nothing is asked
//! before or written down after.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use md5::{Digest as _, Md5};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use s3::creds::Credentials;
use s3::{Bucket, Region};
use sha2::Sha256;

use super::support::S3Server;

pub struct Raw {
    runtime: tokio::runtime::Runtime,
    bucket: Arc<Bucket>,
    client: reqwest::Client,
    headers: HeaderMap,
    file: PathBuf,
    _folder: tempfile::TempDir,
    next: Arc<AtomicUsize>,
}

impl Raw {
    pub fn new(server: &S3Server, bytes: usize) -> Result<Self> {
        let folder = tempfile::tempdir().context(Kind::Disk, || "make a folder for a file")?;
        let (file, content) = (folder.path().join("file.ts"), vec![7; bytes]);
        std::fs::write(&file, &content).context(Kind::Disk, || "write a file")?;
        let options = server.options();
        let keys = (Some(options.access_key.as_str()), Some(options.secret_key.as_str()));
        let credentials = Credentials::new(keys.0, keys.1, None, None, None)
            .context(Kind::Internal, || "make credentials")?;
        let region = Region::Custom { region: "us-east-1".into(), endpoint: server.endpoint() };
        let bucket = Bucket::new(&options.bucket, region, credentials)
            .context(Kind::Internal, || "make a bucket")?
            .with_path_style();
        let headers = [
            ("content-type", "video/mp2t".to_owned()),
            ("content-md5", BASE64.encode(Md5::digest(&content))),
            ("x-amz-checksum-sha256", BASE64.encode(Sha256::digest(&content))),
            ("x-amz-meta-sha256", hex::encode(Sha256::digest(&content))),
            ("if-none-match", "*".to_owned()),
        ];
        let header = |(name, value): (&'static str, String)| {
            let value = HeaderValue::try_from(value).context(Kind::Internal, || "make a header")?;
            Ok((HeaderName::from_static(name), value))
        };
        Ok(Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context(Kind::Internal, || "start a runtime")?,
            bucket: Arc::from(bucket),
            client: reqwest::Client::new(),
            headers: headers.into_iter().map(header).collect::<Result<_>>()?,
            file,
            _folder: folder,
            next: Arc::default(),
        })
    }

    /// PUTs a second, `concurrency` at once, measured over `span`.
    pub fn rate(&self, concurrency: usize, span: Duration) -> Result<f64> {
        let (began, before) = (Instant::now(), self.next.load(Ordering::Relaxed));
        let end = began + span;
        self.runtime.block_on(async {
            let loops: Vec<_> = (0..concurrency).map(|_| self.put_until(end)).collect();
            futures_util::future::try_join_all(loops).await
        })?;
        let puts = self.next.load(Ordering::Relaxed) - before;
        Ok(puts as f64 / began.elapsed().as_secs_f64())
    }

    async fn put_until(&self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            let key = format!("raw/{}", self.next.fetch_add(1, Ordering::Relaxed));
            let body = tokio::fs::read(&self.file).await.context(Kind::Disk, || "read a file")?;
            let url = self
                .bucket
                .presign_put(key, 600, Some(self.headers.clone()), None)
                .await
                .context(Kind::Internal, || "sign a PUT")?;
            let sent = self.client.put(url).headers(self.headers.clone()).body(body).send().await;
            let answer = sent.context(Kind::Unreachable, || "PUT")?;
            if !answer.status().is_success() {
                return Err(Error::new(Kind::Denied, format!("PUT: {}", answer.status())));
            }
            answer.bytes().await.context(Kind::Unreachable, || "read an answer")?;
        }
        Ok(())
    }
}
