//! RTSP → segment files: one named thread per camera.
//!
//! This file is what the rest of the program sees of it: start, stop and join, and the checks of `check pipeline`.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::config::CameraConfig;
use crate::error::{Context, Kind, Result};
use crate::live::Live;
use crate::segment::CameraName;
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::stills::Stills;
use crate::store::Store;

mod book;
pub mod choice;
mod clock;
pub mod codec;
mod cut;
mod errors;
pub mod failure;
#[cfg(test)]
mod fuzz;
mod glimpse;
mod inspect;
mod logins;
pub mod pace;
mod picture;
mod pipeline;
pub mod probe;
pub mod prove;
mod reach;
mod receive;
mod rows;
mod run;
mod segments;
mod source;
pub mod state;
mod supervisor;
mod tap;
mod teardown;
pub mod template;
mod timeline;
mod trust;
pub mod tryout;
mod writer;

pub use choice::Codecs;
pub use inspect::inspect;
pub use receive::runtime;
pub use template::Template;

/// Starts GStreamer; needed before anything else here, and harmless when repeated.
pub fn init() -> Result<()> {
    gst::init().context(Kind::Pipeline, || "start GStreamer; install gstreamer1.0-plugins-base")
}

/// What every camera is given beside its own section.
#[derive(Clone)]
pub struct CameraParts {
    pub store: Store,
    pub board: Board,
    /// "Look now", for the uploader.
    pub wake: Arc<Notify>,
    pub codecs: Arc<Codecs>,
    /// Where cameras are received: [`runtime`].
    pub runtime: Arc<Runtime>,
    /// Where frames are offered for pictures.
    pub stills: Stills,
    /// Where viewers wait for frames.
    pub live: Live,
}

/// A camera's thread.
pub struct Camera {
    name: CameraName,
    shutdown: Shutdown,
    thread: JoinHandle<()>,
}

impl Camera {
    /// Starts the thread. The template was loaded before, so that a wrong text is an error at start and not a
    /// camera that never records.
    pub fn start(config: CameraConfig, template: Template, parts: CameraParts) -> Result<Camera> {
        let (name, shutdown) = (config.name.clone(), Shutdown::new());
        // Linux shows 15 bytes of a thread's name
        let label: String = name.as_str().chars().take(15).collect();
        let supervisor = supervisor::Supervisor::new(config, template, parts, shutdown.clone());
        let thread = thread::Builder::new()
            .name(label)
            .spawn(move || supervisor.run())
            .context(Kind::Internal, || format!("start the thread of camera {name}"))?;
        Ok(Camera { name, shutdown, thread })
    }

    pub fn name(&self) -> &CameraName {
        &self.name
    }

    /// Asks it to close its tail segment and stop.
    pub fn request_stop(&self) {
        self.shutdown.request();
    }

    pub fn is_stopped(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end of the thread.
    pub fn join(self) {
        if self.thread.join().is_err() {
            log::error!("[{}] its thread ended with an internal error", self.name);
        }
    }
}
