//! The parts while they run: started in order, changed one by one, stopped in order. Called by `recorder` and `reload`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::part::Part;
use super::plan::Plan;
use super::{Parts, Prepared};
use crate::access::Gate;
use crate::alert::{Alerts, Scope, Watched};
use crate::camera::{self, Camera, CameraParts, Template};
use crate::config::{CameraConfig, Config};
use crate::error::Result;
use crate::http::{Cameras, ServedCamera, Server};
use crate::live::Live;
use crate::retention;
use crate::segment::{CameraName, Timestamp};
use crate::status::{Board, CameraState};
use crate::stills::{self, Stills};
use crate::store::Store;
use crate::upload::Uploader;

/// Cameras close their tail within milliseconds; one that hangs in its driver must not hold the others.
const CAMERA_DRAIN: Duration = Duration::from_secs(10);
const UPLOAD_DRAIN: Duration = Duration::from_secs(15);
const HTTP_DRAIN: Duration = Duration::from_secs(3);

/// The started parts, each with its own stop signal, so that they can stop one after the other.
pub(super) struct Running {
    /// What every camera is given.
    shared: CameraParts,
    served: Cameras,
    cameras: Vec<Camera>,
    pictures: Option<stills::Worker>,
    retention: Option<Part>,
    uploader: Option<Part>,
    server: Option<Part>,
    alerts: Option<Part>,
}

impl Running {
    pub fn start(
        config: &Config,
        parts: Parts,
        prepared: &Prepared,
        store: &Store,
        board: &Board,
        runtime: &Runtime,
    ) -> Result<Running> {
        let serves = parts.serve && config.server.enabled;
        let live = if parts.capture && serves { live(config, store) } else { Live::default() };
        let stills = stills_of(config, parts);
        let shared = CameraParts {
            store: store.clone(),
            board: board.clone(),
            wake: Arc::new(Notify::new()),
            codecs: prepared.codecs.clone(),
            runtime: Arc::new(camera::runtime()?),
            live,
            stills,
        };
        let mut running = Running {
            shared,
            served: Cameras::new(served(config)),
            cameras: Vec::new(),
            pictures: None,
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
        if serves {
            running.pictures = Some(stills::Worker::start(&running.shared.stills)?);
            running.serve(config, prepared, runtime)?;
        }
        running.upload(config, parts, runtime);
        running.tell(config, parts, runtime);
        if parts.capture {
            let (store, board) = (store.clone(), board.clone());
            running.retention =
                Some(Part::spawn(runtime, "retention", |shutdown| retention::run(store, board, shutdown)));
        }
        for (camera, template) in &prepared.templates {
            if let Err(error) = running.record(camera, template) {
                // what was started must end before the error is told
                let _ = running.stop(runtime, false);
                return Err(error);
            }
        }
        Ok(running)
    }

    fn serve(&mut self, config: &Config, prepared: &Prepared, runtime: &Runtime) -> Result<()> {
        let CameraParts { store, board, live, stills, .. } = self.shared.clone();
        let bound = Server::bind(&config.server, &prepared.socket, self.served.clone(), store.clone(), board);
        let server = runtime.block_on(bound)?;
        let address = server.local_addr().ip();
        let access = Gate::start(&config.server.auth, address, &store, &config.storage.database)?;
        let server = server.with_live(live).with_stills(stills).with_access(access);
        self.server = Some(Part::spawn(runtime, "http", |shutdown| server.run(shutdown, HTTP_DRAIN)));
        Ok(())
    }

    fn upload(&mut self, config: &Config, parts: Parts, runtime: &Runtime) {
        if !parts.upload {
            return;
        }
        let uploader = Uploader {
            config: config.s3.clone(),
            store: self.shared.store.clone(),
            board: self.shared.board.clone(),
            wake: self.shared.wake.clone(),
            segment_duration: longest_segment(config),
        };
        self.uploader = Some(Part::spawn(runtime, "upload", |shutdown| uploader.run(shutdown, UPLOAD_DRAIN)));
    }

    /// People, where there is something to tell them and this process knows of it.
    fn tell(&mut self, config: &Config, parts: Parts, runtime: &Runtime) {
        let scope = Scope { capture: parts.capture, upload: parts.upload };
        if config.alerts.is_empty() || !(scope.capture || scope.upload) {
            return;
        }
        let alerts = Alerts {
            configs: config.alerts.clone(),
            cameras: watched(config),
            scope,
            store: self.shared.store.clone(),
            board: self.shared.board.clone(),
        };
        self.alerts = Some(Part::spawn(runtime, "alert", |shutdown| alerts.run(shutdown)));
    }

    fn record(&mut self, camera: &CameraConfig, template: &Template) -> Result<()> {
        self.cameras.push(Camera::start(camera.clone(), template.clone(), self.shared.clone())?);
        Ok(())
    }

    /// Stops and starts what the plan names, and nothing else. `config` is the one that runs from now on.
    pub fn apply(
        &mut self,
        plan: &Plan,
        config: &Config,
        parts: Parts,
        prepared: &Prepared,
        runtime: &Runtime,
    ) -> Result<()> {
        // first what costs footage while it stands still
        let recorded = self.change_cameras(plan, config, parts, prepared);
        if plan.list {
            self.served.set(served(config));
        }
        let mut outcome = recorded;
        if plan.s3 {
            outcome = outcome.and(self.uploader.take().map_or(Ok(()), |uploader| uploader.stop(runtime)));
            self.upload(config, parts, runtime);
        }
        if plan.alerts {
            outcome = outcome.and(self.alerts.take().map_or(Ok(()), |alerts| alerts.stop(runtime)));
            self.tell(config, parts, runtime);
        }
        outcome
    }

    /// One that cannot be started keeps none of the others from it.
    fn change_cameras(
        &mut self,
        plan: &Plan,
        config: &Config,
        parts: Parts,
        prepared: &Prepared,
    ) -> Result<()> {
        if !parts.capture {
            return Ok(());
        }
        let changed = plan.changed.iter().map(|camera| &camera.name);
        self.stop_some(&plan.removed.iter().chain(changed).cloned().collect::<Vec<_>>());
        for name in &plan.removed {
            self.shared.live.remove(name);
            self.shared.stills.remove(name);
            self.shared.board.forget_camera(name);
        }
        let serves = parts.serve && config.server.enabled;
        for camera in &plan.added {
            self.shared.board.set_camera(&camera.name, CameraState::Starting, None, Timestamp::now());
            if serves {
                let (name, from, runs) = place(camera, &self.shared.store);
                self.shared.live.add(name, from, runs);
            }
            if config.server.enabled {
                self.shared.stills.add(camera.name.clone());
            }
        }
        let is_wanted =
            |camera: &CameraConfig| plan.added.iter().chain(&plan.changed).any(|one| one.name == camera.name);
        let mut outcome = Ok(());
        for (camera, template) in prepared.templates.iter().filter(|(camera, _)| is_wanted(camera)) {
            let started = self.record(camera, template);
            outcome = outcome.and(started);
        }
        outcome
    }

    /// Forgets live pictures that nobody watches.
    pub fn sweep(&self) {
        self.shared.live.sweep();
    }

    /// A part that is not there any more although nobody stopped it; its error comes out at [`Running::stop`].
    pub fn ended_part(&self) -> Option<&'static str> {
        let parts = [&self.retention, &self.uploader, &self.server, &self.alerts];
        parts.into_iter().flatten().find(|part| part.is_finished()).map(Part::name)
    }

    /// `restarts`: cameras stop last, because they start anew at once.
    pub fn stop(mut self, runtime: &Runtime, restarts: bool) -> Result<()> {
        let mut outcome = Ok(());
        if !restarts {
            log::info!("stopping: closing segments, then finishing uploads");
            self.shared.board.set_stopping();
            stop_all(std::mem::take(&mut self.cameras));
        }
        let parts = [self.retention.take(), self.uploader.take(), self.server.take(), self.alerts.take()];
        for part in parts.into_iter().flatten() {
            let ended = part.stop(runtime);
            outcome = outcome.and(ended);
        }
        stop_all(self.cameras);
        if let Some(pictures) = self.pictures.take() {
            pictures.stop();
        }
        outcome
    }

    fn stop_some(&mut self, names: &[CameraName]) {
        let all = std::mem::take(&mut self.cameras);
        let (gone, stay) = all.into_iter().partition(|camera| names.contains(camera.name()));
        self.cameras = stay;
        stop_all(gone);
    }
}

fn stop_all(cameras: Vec<Camera>) {
    for camera in &cameras {
        camera.request_stop();
    }
    let deadline = Instant::now() + CAMERA_DRAIN;
    for camera in cameras {
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

/// Pictures are for viewers: a recorder that serves nobody makes none.
fn stills_of(config: &Config, parts: Parts) -> Stills {
    let recorded = if parts.capture { config.cameras.as_slice() } else { &[] };
    let names = recorded.iter().map(|camera| camera.name.clone());
    Stills::new(names, config.server.enabled && config.server.thumbnails)
}

/// Live streams whose numbers go on where those of the last start ended.
fn live(config: &Config, store: &Store) -> Live {
    Live::new(config.cameras.iter().map(|camera| place(camera, store)))
}

/// Where the numbers of a camera's live stream begin.
fn place(camera: &CameraConfig, store: &Store) -> (CameraName, Timestamp, u64) {
    // a database that cannot be used holds up nobody who wants to watch
    let newest = store.newest(&camera.name, 1).ok().and_then(|mut newest| newest.pop());
    let runs = store.runs(&camera.name).unwrap_or_default();
    let now = Timestamp::now();
    (camera.name.clone(), newest.map_or(now, |segment| segment.end().max(now)), runs)
}

fn served(config: &Config) -> Vec<ServedCamera> {
    let served = |camera: &CameraConfig| ServedCamera {
        name: camera.name.clone(),
        segment_duration: camera.capture.segment_duration,
        mode: camera.capture.mode,
    };
    config.cameras.iter().map(served).collect()
}

fn watched(config: &Config) -> Vec<Watched> {
    let watched = |camera: &CameraConfig| Watched {
        name: camera.name.clone(),
        segment_duration: camera.capture.segment_duration,
    };
    config.cameras.iter().map(watched).collect()
}

fn longest_segment(config: &Config) -> Duration {
    let durations = config.cameras.iter().map(|camera| camera.capture.segment_duration);
    durations.max().unwrap_or(Duration::from_secs(10))
}
