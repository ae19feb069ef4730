//! Stores for the tests: a real one that verifies signatures and checksums (s3s-fs), and a small faulty one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use md5::{Digest as _, Md5};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Uploader;
use super::s3::{S3, Source};
use crate::config::{S3Config, Secret, StorageConfig, UploadOrder};
use crate::segment::{CameraName, FileName, NewSegment, Prefix, RunId, Segment, State, Timestamp};
use crate::shutdown::Shutdown;
use crate::status::{Board, UploadState};
use crate::store::Store;

mod faulty;
pub use faulty::{Fault, Faulty, faulty};

pub const BUCKET: &str = "bucket";
pub const ACCESS_KEY: &str = "AKTESTTESTTESTTEST";
pub const SECRET_KEY: &str = "secretsecretsecretsecret";

pub fn config(address: SocketAddr) -> S3Config {
    S3Config {
        objects: crate::config::ObjectConfig::default(),
        lifecycle: crate::config::LifecycleConfig::default(),
        ca_file: None,
        bucket: BUCKET.into(),
        region: "us-east-1".into(),
        prefix: Prefix::new(Prefix::DEFAULT).unwrap(),
        endpoint: Some(format!("http://{address}")),
        path_style: true,
        profile: None,
        concurrency: 2,
        max_retries: 2,
        multipart_threshold_bytes: 64 << 20,
        order: UploadOrder::OldestFirst,
        max_upload_bytes_per_second: None,
    }
}

pub fn source() -> Source {
    Source::Fixed { access_key: ACCESS_KEY.into(), secret_key: Secret::new(SECRET_KEY) }
}

pub fn client(address: SocketAddr) -> S3 {
    S3::new(&config(address), source()).unwrap()
}

pub fn md5_of(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

pub fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A server that stops with the test, and all its connections with it.
pub struct Running {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Running {
    /// Ends listener and connections, and waits until they are gone, so that the port can be used again.
    pub async fn stop(mut self) -> SocketAddr {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves each connection with `serve`; connections live in the listener's task, so they end with it.
async fn listen<F, C>(address: &str, serve: F) -> Running
where
    F: Fn(tokio::net::TcpStream) -> C + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = listener.accept() => { connections.spawn(serve(stream)); }
                Some(_) = connections.join_next() => {}
            }
        }
    });
    Running { address, task }
}

/// A store over `root`/bucket that verifies signatures, checksums and conditions.
pub async fn real(root: &Path, address: &str) -> Running {
    std::fs::create_dir_all(root.join(BUCKET)).unwrap();
    let mut builder = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = builder.build();
    listen(address, move |stream| {
        let service = service.clone();
        async move {
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

/// Waits until `done`, at most half a minute.
pub async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// A store of rows and files in a folder of its own, and an uploader over it.
pub struct Bench {
    pub store: Store,
    pub board: Board,
    pub wake: Arc<tokio::sync::Notify>,
    /// Deleted with the bench.
    pub dir: tempfile::TempDir,
    pub run: RunId,
}

/// An uploader under way.
pub struct Started {
    shutdown: Shutdown,
    task: JoinHandle<crate::error::Result<()>>,
}

impl Started {
    pub async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap().unwrap();
    }

    /// As `kill -9` would: rows stay as they are.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            local_buffer: Duration::from_secs(1800),
            segments_dir: dir.path().join("segments"),
            database: dir.path().join("segments.db"),
            max_size_bytes: None,
            min_free_bytes: 0,
        };
        let store = Store::open(&config, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
        let run = store.begin_run(&camera(), Timestamp::now()).unwrap();
        Self { store, board: Board::new(), wake: Arc::default(), dir, run }
    }

    pub fn segment(&self, epoch: i64) -> Segment {
        self.segment_of(epoch, format!("video of {epoch}").as_bytes())
    }

    /// A closed segment of ten seconds: file and row.
    pub fn segment_of(&self, epoch: i64, content: &[u8]) -> Segment {
        let file = FileName::new(epoch);
        let path = self.store.camera_dir(&camera()).unwrap().join(file.to_string());
        std::fs::write(path, content).unwrap();
        let new = NewSegment {
            camera: camera(),
            run: self.run,
            start: Timestamp::from_seconds(epoch),
            time_source: crate::segment::TimeSource::Arrival,
            duration: Duration::from_secs(10),
            bytes: content.len() as u64,
            md5: md5_of(content),
            sha256: sha256_of(content),
            file,
        };
        self.store.insert(&new).unwrap()
    }

    pub fn start(&self, config: S3Config) -> Started {
        self.start_as(config, source())
    }

    pub fn start_as(&self, config: S3Config, source: Source) -> Started {
        let uploader = Uploader {
            config,
            store: self.store.clone(),
            board: self.board.clone(),
            wake: self.wake.clone(),
            segment_duration: Duration::from_secs(10),
        };
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(uploader.run_as(source, stop, Duration::from_secs(10)));
        Started { shutdown, task }
    }

    pub fn again(&self, segment: &Segment) -> Segment {
        self.store.find(&segment.camera, segment.file).unwrap().unwrap()
    }

    pub async fn reaches(&self, segment: &Segment, state: State) -> Segment {
        eventually(&format!("{} is {}", segment.file, state.as_str()), || self.again(segment).state == state)
            .await;
        self.again(segment)
    }

    /// The board's sentence, once it shows `state`.
    pub async fn shows(&self, state: UploadState) -> String {
        let shown = || self.board.snapshot().upload.filter(|upload| upload.state == state);
        eventually(state.as_str(), || shown().is_some()).await;
        shown().and_then(|upload| upload.reason).unwrap_or_default()
    }
}

pub fn camera() -> CameraName {
    CameraName::new("cam").unwrap()
}
