//! The composition root: starts the parts in order, stops them in order. The only file that knows them all.
//!
//! Start: templates → store (lock, migrate) → recover → HTTP → uploader → cameras → READY.
//! Stop: health says stopping → cameras drain → uploader finishes what it can → HTTP drains → store closes.
//! In between it is watched whether parts and database are still there; over another database all parts start anew, over
//! another configuration (SIGHUP) those that changed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::camera::{self, Codecs, Template, prove};
use crate::config::{CameraConfig, Config};
use crate::error::{Context, Error, Kind, Result};
use crate::http::Inherited;
use crate::shutdown::Shutdown;
use crate::signals;
use crate::status::Board;
use crate::store::Role;

mod part;
mod plan;
mod recorder;
mod reload;
mod running;

use recorder::Recorder;
use reload::Wish;

/// Reads the configuration as it is now.
pub type Again = Box<dyn Fn() -> Result<Config> + Send>;

/// Which parts run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    pub capture: bool,
    pub upload: bool,
    pub serve: bool,
}

impl Parts {
    pub const ALL: Parts = Parts { capture: true, upload: true, serve: true };
    pub const CAPTURE: Parts = Parts { capture: true, upload: false, serve: false };
    pub const UPLOAD: Parts = Parts { capture: false, upload: true, serve: false };
    pub const SERVE: Parts = Parts { capture: false, upload: false, serve: true };

    fn roles(self) -> impl Iterator<Item = Role> {
        [(self.capture, Role::Capture), (self.upload, Role::Upload), (self.serve, Role::Serve)]
            .into_iter()
            .filter_map(|(wanted, role)| wanted.then_some(role))
    }
}

/// Runs the parts until `shutdown` is requested or a signal comes. Blocks; everything it started has ended when it
/// returns. What is not uploaded by then stays queued. `again` reads the configuration anew, for SIGHUP.
pub fn run(config: Config, parts: Parts, shutdown: Shutdown, again: Again) -> Result<()> {
    // attohttpc inside the credentials' crate asks rustls for a process-wide provider; a second install is no error
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = runtime()?;
    // before anything that takes time: whoever is asked to stop while it starts stops as cleanly as later
    let wish = Arc::new(Wish::default());
    let asked = wish.clone();
    let signals = runtime.spawn(signals::watch(shutdown.clone(), move || asked.ask()));
    let codecs = Arc::new(Codecs::new());
    let templates = if parts.capture { load_templates(&config, &codecs)? } else { Vec::new() };
    let prepared = Prepared { templates, codecs, socket: Inherited::take()? };
    let mut recorder = Recorder {
        again,
        wish,
        config,
        parts,
        prepared,
        board: Board::new(),
        runtime,
        shutdown,
        watchdog: Mutex::default(),
    };
    let outcome = recorder.run();
    signals.abort();
    recorder.runtime.shutdown_timeout(Duration::from_secs(1));
    log::info!("stopped");
    outcome
}

/// Each camera with its proved text.
type Templates = Vec<(CameraConfig, Template)>;

fn load_templates(config: &Config, codecs: &Codecs) -> Result<Templates> {
    camera::init()?;
    config
        .cameras
        .iter()
        .map(|camera| {
            let named = |error: Error| Error::new(error.kind(), format!("camera {}: {error}", camera.name));
            let template = Template::load(&camera.capture).map_err(named)?;
            prove::parses(camera, &template, codecs).map_err(named)?;
            Ok((camera.clone(), template))
        })
        .collect()
}

/// A thread that read or wrote a file and finds nothing more to do ends. With tokio's ten seconds there is always something:
/// segments of many cameras close together, and their threads became ever more.
const IDLE: Duration = Duration::from_millis(500);

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("tokio")
        .thread_keep_alive(IDLE)
        .enable_all()
        .build()
        .context(Kind::Internal, || "start the async runtime")
}

fn describe(config: &Config, parts: Parts) -> String {
    let mut what = Vec::new();
    if parts.capture {
        let cameras = config.cameras.len();
        what.push(format!("recording {cameras} camera{}", if cameras == 1 { "" } else { "s" }));
    }
    if parts.upload {
        what.push(format!("uploading to bucket {}", config.s3.bucket));
    }
    if parts.serve && config.server.enabled {
        what.push("serving".into());
    }
    what.join(", ")
}

/// What the parts need that was checked before anything started.
struct Prepared {
    templates: Templates,
    codecs: Arc<Codecs>,
    socket: Inherited,
}
