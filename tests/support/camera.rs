//! A simulated IP camera: a real RTSP server with digest authentication and a picture that moves.
//!
//! Every camera has a thread, a main loop and a port of its own on the loopback interface. Dropping it stops all of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::{RTSPClient, RTSPFilterResult, RTSPMedia, RTSPMediaFactory, RTSPServer};

use super::port::Port;

mod auth;
pub mod barcode;
mod clip;
mod media;
pub mod process;

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

struct Running {
    server: RTSPServer,
    context: glib::MainContext,
    main_loop: glib::MainLoop,
    accept: glib::Source,
    thread: JoinHandle<()>,
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
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// Closes every connection and goes on listening.
    pub fn kick(&self) {
        if let Some(running) = &self.running {
            drop_clients(&running.server);
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

    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.counts.connections.load(Ordering::SeqCst)
    }

    /// Tracks that are being encoded now; 0 when nobody watches.
    pub fn encoded_tracks(&self) -> usize {
        let gates = self.shared.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.iter().filter(|gate| gate.upgrade().is_some()).count()
    }

    fn set_frozen(&self, frozen: bool) {
        // the flag first: a viewer who comes now reads it
        self.shared.frozen.store(frozen, Ordering::SeqCst);
        let gates = self.shared.gates.lock().unwrap_or_else(PoisonError::into_inner);
        for gate in gates.iter().filter_map(glib::WeakRef::upgrade) {
            gate.set_property("drop", frozen);
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop();
    }
}

fn no_port(port: u16) -> String {
    format!("listen on rtsp://127.0.0.1:{port}: choose another port or stop its owner")
}

impl Running {
    fn start(options: &CameraOptions, port: u16, shared: &Arc<Shared>) -> Result<Self> {
        let server = RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&port.to_string());
        if let Some((username, password)) = &options.login {
            let auth = auth::CountingAuth::new(username, password, shared.counts.clone());
            if let Some(identity) = &options.identity {
                let certificate = gio::TlsCertificate::from_pem(identity)
                    .context(Kind::Config, || "give the camera a certificate; install glib-networking")?;
                auth.set_tls_certificate(Some(&certificate));
            }
            server.set_auth(Some(&auth));
        }
        let no_mounts =
            || Error::new(Kind::Internal, "simulate a camera: the RTSP server has no mount points");
        server.mount_points().ok_or_else(no_mounts)?.add_factory(PATH, factory(options, shared));
        watch_clients(&server, options.session_timeout_s, &shared.counts);

        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let accept =
            server.create_source(gio::Cancellable::NONE).context(Kind::Unreachable, || no_port(port))?;
        accept.attach(Some(&context));
        sweep_sessions(&server).attach(Some(&context));
        let thread = std::thread::Builder::new()
            .name(format!("camera-{}", server.bound_port()))
            .spawn({
                let (context, main_loop) = (context.clone(), main_loop.clone());
                // fails only if another thread owns the context, which is ours alone
                move || drop(context.with_thread_default(|| main_loop.run()))
            })
            .context(Kind::Internal, || "start the camera's thread")?;
        Ok(Self { server, context, main_loop, accept, thread })
    }

    fn stop(self) {
        let Self { server, context, main_loop, accept, thread } = self;
        // nobody new, then nobody at all: accepting happens in the loop's thread only
        accept.destroy();
        glib::idle_source_new(None, glib::Priority::HIGH, move || {
            main_loop.quit();
            glib::ControlFlow::Break
        })
        .attach(Some(&context));
        // a panic there has been printed already
        let _ = thread.join();
        drop_clients(&server);
    }
}

fn drop_clients(server: &RTSPServer) {
    server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
    if let Some(sessions) = server.session_pool() {
        sessions.filter(Some(&mut |_, _| RTSPFilterResult::Remove));
    }
}

/// All viewers share one encoder, as in a camera; the gates of each new encoder follow `freeze`.
fn factory(options: &CameraOptions, shared: &Arc<Shared>) -> RTSPMediaFactory {
    let factory = RTSPMediaFactory::new();
    factory.set_launch(&media::launch(options));
    factory.set_shared(true);
    let (shared, clip, clock_unset) = (shared.clone(), options.clip.clone(), options.clock_unset);
    let barcode_width = options.barcode.then_some(options.width as usize);
    factory.connect_media_configure(move |_, media: &RTSPMedia| {
        let Ok(bin) = media.element().downcast::<gst::Bin>() else { return };
        if clock_unset {
            media.connect_prepared(media::unset_clock);
        }
        let entry = bin.by_name(media::VIDEO_GATE).and_then(|gate| gate.static_pad("sink"));
        if let (Some(width), Some(entry)) = (barcode_width, entry) {
            barcode::paint(&entry, width);
        }
        let source = bin.by_name(media::CLIP_SOURCE).and_downcast::<gst_app::AppSrc>();
        if let (Some(clip), Some(source)) = (&clip, source) {
            clip.feed(&source);
        }
        let mut gates = shared.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|gate| gate.upgrade().is_some());
        for gate in [media::VIDEO_GATE, media::AUDIO_GATE].iter().filter_map(|name| bin.by_name(name)) {
            gate.set_property("drop", shared.frozen.load(Ordering::SeqCst));
            gates.push(gate.downgrade());
        }
    });
    factory
}

fn watch_clients(server: &RTSPServer, session_timeout_s: u32, counts: &Arc<Counts>) {
    let counts = counts.clone();
    server.connect_client_connected(move |_, client: &RTSPClient| {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let count = |pick: fn(&Counts) -> &AtomicUsize| {
            let counts = counts.clone();
            move |_: &RTSPClient, _: &gst_rtsp_server::RTSPContext| {
                pick(&counts).fetch_add(1, Ordering::SeqCst);
                gst_rtsp::RTSPStatusCode::Ok
            }
        };
        client.connect_pre_describe_request(count(|counts| &counts.describe));
        client.connect_pre_setup_request(count(|counts| &counts.setup));
        client.connect_pre_play_request(count(|counts| &counts.play));
        client.connect_pre_options_request(count(|counts| &counts.options));
        client.connect_pre_get_parameter_request(count(|counts| &counts.get_parameter));
        if session_timeout_s > 0 {
            client.connect_new_session(move |_, session| session.set_timeout(session_timeout_s));
        }
    });
}

/// Sessions of viewers who went away without a word end within their timeout.
fn sweep_sessions(server: &RTSPServer) -> glib::Source {
    let server = server.downgrade();
    glib::timeout_source_new(Duration::from_secs(1), None, glib::Priority::DEFAULT, move || {
        let Some(server) = server.upgrade() else { return glib::ControlFlow::Break };
        if let Some(sessions) = server.session_pool() {
            sessions.cleanup();
        }
        glib::ControlFlow::Continue
    })
}
