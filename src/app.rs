//! The composition root: starts the parts in order, stops them in order. The only file that knows them all.
//!
//! Start: templates → store (lock, migrate) → recover → HTTP → uploader → cameras → READY.
//! Stop: health says stopping → cameras drain → uploader finishes what it can → HTTP drains → store closes.
//! In between it is watched whether parts and database are still there; over another database all parts start anew.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::access::Gate;
use crate::alert::{Alerts, Scope, Watched};
use crate::camera::{self, Camera, CameraParts, Codecs, Template, prove};
use crate::config::{CameraConfig, Config};
use crate::error::{Context, Error, Kind, Result};
use crate::http::{Inherited, ServedCamera, Server};
use crate::live::Live;
use crate::retention;
use crate::segment::Timestamp;
use crate::shutdown::Shutdown;
use crate::signals;
use crate::status::{Board, CameraState};
use crate::stills::{self, Stills};
use crate::store::{Role, Store};
use crate::upload::Uploader;

mod recorder;

use recorder::Recorder;

/// Cameras close their tail within milliseconds; one that hangs in its driver must not hold the others.
const CAMERA_DRAIN: Duration = Duration::from_secs(10);
const UPLOAD_DRAIN: Duration = Duration::from_secs(15);
const HTTP_DRAIN: Duration = Duration::from_secs(3);

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
/// returns. What is not uploaded by then stays queued.
pub fn run(config: Config, parts: Parts, shutdown: Shutdown) -> Result<()> {
    // attohttpc inside the credentials' crate asks rustls for a process-wide provider; a second install is no error
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = runtime()?;
    // before anything that takes time: whoever is asked to stop while it starts stops as cleanly as later
    let signals = runtime.spawn(signals::watch(shutdown.clone()));
    let codecs = Arc::new(Codecs::new());
    let templates = if parts.capture { load_templates(&config, &codecs)? } else { Vec::new() };
    let prepared = Prepared { templates, codecs, socket: Inherited::take()? };
    let recorder = Recorder {
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

fn load_templates(config: &Config, codecs: &Codecs) -> Result<Vec<(CameraConfig, Template)>> {
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

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("tokio")
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
    templates: Vec<(CameraConfig, Template)>,
    codecs: Arc<Codecs>,
    socket: Inherited,
}

/// The started parts, each with its own stop signal, so that they can stop one after the other.
struct Running {
    board: Board,
    live: Live,
    cameras: Vec<Camera>,
    stills: Option<stills::Worker>,
    retention: Option<Part>,
    uploader: Option<Part>,
    server: Option<Part>,
    alerts: Option<Part>,
}

/// A task and how to stop it.
struct Part {
    name: &'static str,
    shutdown: Shutdown,
    task: JoinHandle<Result<()>>,
}

impl Running {
    fn start(
        config: &Config,
        parts: Parts,
        prepared: &Prepared,
        store: &Store,
        board: &Board,
        runtime: &Runtime,
    ) -> Result<Running> {
        let wake = Arc::new(Notify::new());
        let serves = parts.serve && config.server.enabled;
        let live = if parts.capture && serves { live(config, store) } else { Live::default() };
        let mut running = Running {
            board: board.clone(),
            live: live.clone(),
            cameras: Vec::new(),
            stills: None,
            retention: None,
            uploader: None,
            server: None,
            alerts: None,
        };
        // what a life before this one said of its database is over
        board.set_storage(None);
        if parts.capture {
            // before the first question is answered: no camera may look forgotten
            for camera in &config.cameras {
                board.set_camera(&camera.name, CameraState::Starting, None, Timestamp::now());
                board.set_unwritten(&camera.name, None);
            }
        }
        let stills = stills_of(config, parts);
        if serves {
            let (socket, cameras) = (&prepared.socket, served(config));
            let server = Server::bind(&config.server, socket, cameras, store.clone(), board.clone());
            let server = runtime.block_on(server)?;
            let address = server.local_addr().ip();
            let access = Gate::start(&config.server.auth, address, store, &config.storage.database)?;
            let server = server.with_live(live.clone()).with_stills(stills.clone()).with_access(access);
            let spawn = |shutdown| server.run(shutdown, HTTP_DRAIN);
            running.server = Some(Part::spawn(runtime, "http", spawn));
        }
        if parts.upload {
            let uploader = Uploader {
                config: config.s3.clone(),
                store: store.clone(),
                board: board.clone(),
                wake: wake.clone(),
                segment_duration: longest_segment(config),
            };
            let spawn = |shutdown| uploader.run(shutdown, UPLOAD_DRAIN);
            running.uploader = Some(Part::spawn(runtime, "upload", spawn));
        }
        let scope = Scope { capture: parts.capture, upload: parts.upload };
        if !config.alerts.is_empty() && (scope.capture || scope.upload) {
            let alerts = Alerts {
                configs: config.alerts.clone(),
                cameras: watched(config),
                scope,
                store: store.clone(),
                board: board.clone(),
            };
            running.alerts = Some(Part::spawn(runtime, "alert", |shutdown| alerts.run(shutdown)));
        }
        if parts.capture {
            let (store, board) = (store.clone(), board.clone());
            running.retention =
                Some(Part::spawn(runtime, "retention", |shutdown| retention::run(store, board, shutdown)));
            running.stills = Some(stills::Worker::start(&stills)?);
        }
        let (store, board, codecs) = (store.clone(), board.clone(), prepared.codecs.clone());
        let camera_parts = CameraParts { store, board, wake, codecs, live, stills };
        for (camera, template) in &prepared.templates {
            match Camera::start(camera.clone(), template.clone(), camera_parts.clone()) {
                Ok(camera) => running.cameras.push(camera),
                Err(error) => {
                    // what was started must end before the error is told
                    let _ = running.stop(runtime, false);
                    return Err(error);
                }
            }
        }
        Ok(running)
    }

    /// A part that is not there any more although nobody stopped it; its error comes out at [`Running::stop`].
    fn ended_part(&self) -> Option<&'static str> {
        let parts = [&self.retention, &self.uploader, &self.server, &self.alerts];
        parts.into_iter().flatten().find(|part| part.task.is_finished()).map(|part| part.name)
    }

    /// `restarts`: cameras stop last, because they start anew at once.
    fn stop(mut self, runtime: &Runtime, restarts: bool) -> Result<()> {
        let mut outcome = Ok(());
        if !restarts {
            log::info!("stopping: closing segments, then finishing uploads");
            self.board.set_stopping();
            self.stop_cameras();
        }
        let parts = [self.retention.take(), self.uploader.take(), self.server.take(), self.alerts.take()];
        for part in parts.into_iter().flatten() {
            let ended = part.stop(runtime);
            outcome = outcome.and(ended);
        }
        self.stop_cameras();
        if let Some(stills) = self.stills.take() {
            stills.stop();
        }
        outcome
    }

    fn stop_cameras(&mut self) {
        for camera in &self.cameras {
            camera.request_stop();
        }
        let deadline = Instant::now() + CAMERA_DRAIN;
        for camera in self.cameras.drain(..) {
            while !camera.is_stopped() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            if camera.is_stopped() {
                camera.join();
            } else {
                log::error!(
                    "[{}] does not stop within {} s; its open segment is adopted at the next start",
                    camera.name(),
                    CAMERA_DRAIN.as_secs()
                );
            }
        }
    }
}

impl Part {
    fn spawn<F>(runtime: &Runtime, name: &'static str, part: impl FnOnce(Shutdown) -> F) -> Part
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let shutdown = Shutdown::new();
        let task = runtime.spawn(part(shutdown.clone()));
        Part { name, shutdown, task }
    }

    fn stop(self, runtime: &Runtime) -> Result<()> {
        self.shutdown.request();
        let name = self.name;
        runtime
            .block_on(self.task)
            .context(Kind::Internal, || format!("[{name}] ended with an internal error; please report it"))?
    }
}

/// Pictures are for viewers: a recorder that serves nobody makes none.
fn stills_of(config: &Config, parts: Parts) -> Stills {
    let recorded = if parts.capture { config.cameras.as_slice() } else { &[] };
    let names = recorded.iter().map(|camera| camera.name.clone());
    Stills::new(names, config.server.enabled && config.server.thumbnails)
}

/// Live streams whose numbers go on where those of the last start ended.
fn live(config: &Config, store: &Store) -> Live {
    let from = |camera: &CameraConfig| {
        // a database that cannot be used holds up nobody who wants to watch
        let newest = store.newest(&camera.name, 1).ok().and_then(|mut newest| newest.pop());
        let runs = store.runs(&camera.name).unwrap_or_default();
        let now = Timestamp::now();
        (camera.name.clone(), newest.map_or(now, |segment| segment.end().max(now)), runs)
    };
    Live::new(config.cameras.iter().map(from))
}

fn served(config: &Config) -> Vec<ServedCamera> {
    config
        .cameras
        .iter()
        .map(|camera| ServedCamera {
            name: camera.name.clone(),
            segment_duration: camera.capture.segment_duration,
            mode: camera.capture.mode,
        })
        .collect()
}

fn watched(config: &Config) -> Vec<Watched> {
    let watched = |camera: &CameraConfig| Watched {
        name: camera.name.clone(),
        segment_duration: camera.capture.segment_duration,
    };
    config.cameras.iter().map(watched).collect()
}

fn longest_segment(config: &Config) -> Duration {
    config
        .cameras
        .iter()
        .map(|camera| camera.capture.segment_duration)
        .max()
        .unwrap_or(Duration::from_secs(10))
}
