//! A simulated IP camera: a real RTSP server with digest authentication and a picture that moves.
//!
//! Every camera has a port of its own on the loopback interface. Dropping it stops all of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cctv_s3_pipeline::error::{Context, Kind, Result};
use gst::prelude::*;

use self::server::Running;
use super::port::Port;
use super::rtsp::lock;

mod auth;
pub mod barcode;
mod clip;
mod media;
pub mod process;
mod server;

pub use clip::Clip;

/// The path that cameras of the CP Plus and Dahua family answer; any `?query` behind it is theirs too.
pub const PATH: &str = "/cam/realmonitor";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    H264,
    H265,
    /// Neither H.264 nor H.265: what the program must refuse.
    Mjpeg,
}

#[derive(Clone, Debug)]
pub struct CameraOptions {
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    /// Frames from one keyframe to the next.
    pub gop: u32,
    pub bitrate_kbps: u32,
    /// User and password for digest authentication; `None` lets everybody in.
    pub login: Option<(String, String)>,
    /// Certificate and key in PEM, one after the other: it speaks only TLS then, and wants a login.
    pub identity: Option<String>,
    /// The wall clock as bars in the picture: see [`barcode`].
    pub barcode: bool,
    /// A PCMA track beside the video.
    pub audio: bool,
    /// 0 lets the system choose.
    pub port: u16,
    /// Session timeout the camera announces, in seconds; 0 for the server's default of 60.
    pub session_timeout_s: u32,
    /// Its clock was never set: sender reports count from the camera's start, as after 1900.
    pub clock_unset: bool,
    /// Sent again and again instead of a live picture; made with these options.
    pub clip: Option<Clip>,
}

impl Default for CameraOptions {
    /// Small and cheap: a test's two cores encode a dozen of these.
    fn default() -> Self {
        Self {
            codec: Codec::H264,
            width: 320,
            height: 180,
            fps: 15,
            gop: 15,
            bitrate_kbps: 200,
            login: Some(("admin".into(), "camera-secret".into())),
            identity: None,
            barcode: false,
            audio: false,
            port: 0,
            session_timeout_s: 0,
            clock_unset: false,
            clip: None,
        }
    }
}

/// What the camera has seen since it was made; stopping and starting it does not reset them.
#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicUsize,
    /// 401 answers: one for the challenge of each login, one more for each wrong password.
    pub unauthorized: AtomicUsize,
    pub describe: AtomicUsize,
    pub setup: AtomicUsize,
    pub play: AtomicUsize,
    pub get_parameter: AtomicUsize,
    pub options: AtomicUsize,
}

pub struct Camera {
    options: CameraOptions,
    /// Its own while it is stopped, too.
    port: Port,
    shared: Arc<Shared>,
    running: Option<Running>,
}

#[derive(Default)]
struct Shared {
    frozen: AtomicBool,
    counts: Arc<Counts>,
    gates: Mutex<Vec<glib::WeakRef<gst::Element>>>,
}

impl Camera {
    /// Starts a camera; its port is open when this returns.
    pub fn start(options: CameraOptions) -> Result<Self> {
        gst::init().context(Kind::Pipeline, || "initialise GStreamer")?;
        media::check_elements(options.codec)?;
        let port = Port::hold(options.port).context(Kind::Unreachable, || no_port(options.port))?;
        let mut camera = Self { port, options, shared: Arc::default(), running: None };
        camera.start_again()?;
        Ok(camera)
    }

    /// Starts a stopped camera on the port it had. Does nothing if it runs.
    pub fn start_again(&mut self) -> Result<()> {
        if self.running.is_none() {
            self.running = Some(Running::start(&self.options, self.port(), &self.shared)?);
        }
        Ok(())
    }

    /// Like a power cut: the port closes, then every connection.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Closes every connection and goes on listening.
    pub fn kick(&self) {
        if let Some(running) = &self.running {
            running.kick();
        }
    }

    /// Stops sending frames; connections stay open. New viewers connect and get nothing.
    pub fn freeze(&self) {
        self.set_frozen(true);
    }

    /// Sends frames again.
    pub fn thaw(&self) {
        self.set_frozen(false);
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn options(&self) -> &CameraOptions {
        &self.options
    }

    /// The address without credentials, as the configuration wants it.
    pub fn url(&self) -> String {
        let scheme = if self.options.identity.is_some() { "rtsps" } else { "rtsp" };
        format!("{scheme}://127.0.0.1:{}{PATH}?channel=1&subtype=0", self.port())
    }

    pub fn counts(&self) -> &Arc<Counts> {
        &self.shared.counts
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.counts.connections.load(Ordering::SeqCst)
    }

    /// Tracks that are being encoded now; 0 when nobody watches.
    pub fn encoded_tracks(&self) -> usize {
        let gates = lock(&self.shared.gates);
        gates.iter().filter(|gate| gate.upgrade().is_some()).count()
    }

    fn set_frozen(&self, frozen: bool) {
        // the flag first: a viewer who comes now reads it
        self.shared.frozen.store(frozen, Ordering::SeqCst);
        let gates = lock(&self.shared.gates);
        for gate in gates.iter().filter_map(glib::WeakRef::upgrade) {
            gate.set_property("drop", frozen);
        }
    }
}

fn no_port(port: u16) -> String {
    format!("listen on rtsp://127.0.0.1:{port}: choose another port or stop its owner")
}
