//! A real S3 server in this process: verifies signatures, checksums and conditions, and keeps objects as plain files.
//!
//! In front of it stands a witness that counts what was really stored and can spoil requests on
//! demand, or by a plan.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use cctv_s3_pipeline::error::{Context, Kind, Result};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio_util::sync::CancellationToken;

use super::port::Port;

mod faults;
mod socket;
mod spoil;
mod witness;

pub use faults::{Fault, Meets, Plan};
use socket::{Fate, Socket};
use witness::Witness;
pub use witness::{Commit, Seen};

#[derive(Clone, Debug)]
pub struct S3Options {
    /// Created at start, as an administrator would; any other bucket is missing.
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
    /// 0 lets the system choose.
    pub port: u16,
    /// For benches: bodies go straight to s3s-fs, which hashes them as they come, MD5 and SHA-256 once each; the witness adds
    /// nothing. A body with a wrong checksum is refused, but stays stored.
    pub for_timing: bool,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            bucket: "footage".into(),
            access_key: "TESTACCESSKEY".into(),
            secret_key: "test-secret-key".into(),
            port: 0,
            for_timing: false,
        }
    }
}

impl S3Options {
    pub fn for_timing() -> Self {
        Self { for_timing: true, ..Self::default() }
    }
}

pub struct S3Server {
    options: S3Options,
    root: PathBuf,
    /// Its own while it is stopped, too.
    port: Port,
    witness: Arc<Witness>,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl S3Server {
    /// Starts a server that stores into `root/<bucket>`; its port is open when this returns.
    pub fn start(root: &Path, options: S3Options) -> Result<Self> {
        let bucket = root.join(&options.bucket);
        std::fs::create_dir_all(&bucket).context(Kind::Disk, || format!("create {}", bucket.display()))?;
        let witness = Arc::new(Witness::new(root, options.for_timing));
        let port = Port::hold(options.port)
            .context(Kind::Unreachable, || format!("take port {} of 127.0.0.1", options.port))?;
        let mut server = Self { options, root: root.to_owned(), port, witness, running: None };
        server.start_again()?;
        Ok(server)
    }

    /// Starts a stopped server on the port it had, with the objects it had. Does nothing if it runs.
    pub fn start_again(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let address = self.address();
        let listener = TcpListener::bind(address)
            .context(Kind::Unreachable, || format!("listen on http://{address}"))?;
        listener
            .set_nonblocking(true)
            .context(Kind::Internal, || "make the S3 server's port non-blocking")?;
        let storage = s3s_fs::FileSystem::new(&self.root)
            .map_err(|error| std::io::Error::other(format!("{error:?}")))
            .context(Kind::Disk, || format!("open {}", self.root.display()))?;
        let mut builder = s3s::service::S3ServiceBuilder::new(storage);
        let S3Options { access_key, secret_key, .. } = &self.options;
        builder.set_auth(s3s::auth::SimpleAuth::from_single(access_key, secret_key.as_str()));
        let (service, witness, stop) = (builder.build(), self.witness.clone(), CancellationToken::new());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context(Kind::Internal, || "start the S3 server's runtime")?;
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("s3-server".into())
            .spawn(move || {
                // dropping the runtime cuts every connection, as a power cut would
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(listener, service, witness) => {}
                        () = stopped.cancelled() => {}
                    }
                });
            })
            .context(Kind::Internal, || "start the S3 server's thread")?;
        self.running = Some(Running { stop, thread });
        Ok(())
    }

    /// Closes the port and every connection at once; objects stay.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.cancel();
            // a panic there has been printed already
            let _ = running.thread.join();
        }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port.number()))
    }

    /// `http://127.0.0.1:PORT`, for `s3.endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    pub fn options(&self) -> &S3Options {
        &self.options
    }

    /// The folder that holds the bucket's objects as files.
    pub fn folder(&self) -> PathBuf {
        self.root.join(&self.options.bucket)
    }

    /// Keys of the bucket's objects, sorted.
    pub fn keys(&self) -> Vec<String> {
        let bucket = self.folder();
        let mut keys: Vec<String> = super::program::files_under(&bucket)
            .iter()
            .filter_map(|path| Some(path.strip_prefix(&bucket).ok()?.to_str()?.to_owned()))
            .collect();
        keys.sort();
        keys
    }

    /// An object's bytes; `None` if there is none of that key.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder().join(key)).ok()
    }

    /// Every time bytes were stored under `key`: ordinary PUTs and completed multipart uploads.
    pub fn commits(&self, key: &str) -> Vec<Commit> {
        self.witness.commits().remove(key).unwrap_or_default()
    }

    /// All commits, by key.
    pub fn all_commits(&self) -> BTreeMap<String, Vec<Commit>> {
        self.witness.commits()
    }

    /// Every request that was answered, in order.
    pub fn requests(&self) -> Vec<Seen> {
        self.witness.requests()
    }

    /// Spoils the next `count` PUTs of objects, whatever the plan.
    pub fn spoil_next(&self, count: usize, fault: Fault) {
        self.witness.spoil(count, fault);
    }

    /// From now on requests are spoilt by this plan, which takes the place of the one before.
    pub fn set_faults(&self, plan: Plan) {
        self.witness.set_plan(Some(plan));
    }

    /// From now on all is well. Requests that hang go on hanging.
    pub fn heal(&self) {
        self.witness.set_plan(None);
    }

    /// How many requests were spoilt so far.
    pub fn faults_met(&self) -> usize {
        self.witness.faults_met()
    }

    /// From now on `If-None-Match` is ignored, as by stores that overwrite in spite of it.
    pub fn ignore_conditions(&self) {
        self.witness.ignore_conditions();
    }
}

impl Drop for S3Server {
    #[allow(clippy::print_stderr, reason = "a failing test shows here what S3 did to it")]
    fn drop(&mut self) {
        let plans = self.witness.plans();
        if std::thread::panicking() && !plans.is_empty() {
            eprintln!("--- S3 spoilt {} requests by {plans:#?}", self.faults_met());
        }
        self.stop();
    }
}

async fn serve(listener: TcpListener, service: s3s::service::S3Service, witness: Arc<Witness>) {
    // fails only outside a runtime
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let (service, witness) = (service.clone(), witness.clone());
        tokio::spawn(async move {
            let fate = Fate::default();
            let socket = TokioIo::new(Socket::new(socket, fate.clone()));
            let answer = service_fn(move |request| {
                let (service, witness, fate) = (service.clone(), witness.clone(), fate.clone());
                async move { witness.handle(&service, request, &fate).await }
            });
            // a client that goes away is the client's business
            let _ = Builder::new(TokioExecutor::new()).serve_connection(socket, answer).await;
        });
    }
}
