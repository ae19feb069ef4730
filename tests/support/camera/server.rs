//! The RTSP server of a camera that runs: who comes, who is cut off, and the encoder that all of them share.
//!
//! gst-rtsp-server serves all viewers of a camera in one thread, and is not made for others to take a viewer from under
//! it: a connection that is closed from elsewhere while PLAY is answered ends the process in an assertion. So no connection
//! is closed here. The sockets are shut down below it, as a cut cable would, and it finds that out in its thread as soon as
//! that is free: after at most 20 s, if it waits for a frozen encoder.

use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use glib::translate::{ToGlibPtr, from_glib_none};
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::{RTSPClient, RTSPMedia, RTSPMediaFactory, RTSPServer};

use super::super::rtsp::lock;
use super::{CameraOptions, Counts, PATH, Shared, auth, barcode, media, no_port};

/// Dropping it is a power cut: the port closes, then every connection.
pub(super) struct Running {
    _server: RTSPServer,
    context: glib::MainContext,
    main_loop: glib::MainLoop,
    accept: glib::Source,
    thread: Option<JoinHandle<()>>,
    sockets: Arc<Sockets>,
}

/// Of the viewers who are connected. The server closes its own handle of a socket; the viewer would not notice while this
/// one is open, so the server's client owns it and shuts it down when it is closed.
#[derive(Default)]
struct Sockets(Mutex<Vec<Weak<TcpStream>>>);

impl Running {
    pub(super) fn start(options: &CameraOptions, port: u16, shared: &Arc<Shared>) -> Result<Self> {
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
        let sockets = Arc::<Sockets>::default();
        watch_clients(&server, options.session_timeout_s, &shared.counts, &sockets);

        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let accept =
            server.create_source(gio::Cancellable::NONE).context(Kind::Unreachable, || no_port(port))?;
        accept.attach(Some(&context));
        sweep_sessions(&server).attach(Some(&context));
        let thread = std::thread::Builder::new()
            .name(format!("camera-{port}"))
            .spawn({
                let (context, main_loop) = (context.clone(), main_loop.clone());
                // fails only if another thread owns the context, which is ours alone
                move || drop(context.with_thread_default(|| main_loop.run()))
            })
            .context(Kind::Internal, || "start the camera's thread")?;
        Ok(Self { _server: server, context, main_loop, accept, thread: Some(thread), sockets })
    }

    /// Closes every connection.
    pub(super) fn kick(&self) {
        self.sockets.shut_down();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nobody new, then nobody at all: accepting happens in the loop's thread only
        self.accept.destroy();
        let main_loop = self.main_loop.clone();
        glib::idle_source_new(None, glib::Priority::HIGH, move || {
            main_loop.quit();
            glib::ControlFlow::Break
        })
        .attach(Some(&self.context));
        if let Some(thread) = self.thread.take() {
            // a panic there has been printed already
            let _ = thread.join();
        }
        self.kick();
    }
}

impl Sockets {
    fn add(&self, client: &RTSPClient) {
        let Some(socket) = socket(client).map(Arc::new) else { return };
        let mut open = lock(&self.0);
        open.retain(|socket| socket.strong_count() > 0);
        open.push(Arc::downgrade(&socket));
        client.connect_closed(move |_| shut_down(&socket));
    }

    fn shut_down(&self) {
        let mut open = lock(&self.0);
        for socket in open.drain(..).filter_map(|socket| socket.upgrade()) {
            shut_down(&socket);
        }
    }
}

/// A handle of our own for the client's socket.
fn socket(client: &RTSPClient) -> Option<TcpStream> {
    // SAFETY: both pointers are borrowed from the client, which is alive and is told of with its connection made
    #[allow(unsafe_code)]
    let socket: Option<gio::Socket> = unsafe {
        let connection = gst_rtsp_server::ffi::gst_rtsp_client_get_connection(client.to_glib_none().0);
        from_glib_none(gst_rtsp::ffi::gst_rtsp_connection_get_read_socket(connection))
    };
    let own: OwnedFd = socket?.as_fd().try_clone_to_owned().ok()?;
    Some(own.into())
}

fn shut_down(socket: &TcpStream) {
    // the viewer may have done so already
    let _ = socket.shutdown(Shutdown::Both);
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
        let mut gates = lock(&shared.gates);
        gates.retain(|gate| gate.upgrade().is_some());
        for gate in [media::VIDEO_GATE, media::AUDIO_GATE].iter().filter_map(|name| bin.by_name(name)) {
            gate.set_property("drop", shared.frozen.load(Ordering::SeqCst));
            gates.push(gate.downgrade());
        }
    });
    factory
}

fn watch_clients(server: &RTSPServer, session_timeout_s: u32, counts: &Arc<Counts>, sockets: &Arc<Sockets>) {
    let (counts, sockets) = (counts.clone(), sockets.clone());
    server.connect_client_connected(move |_, client: &RTSPClient| {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        sockets.add(client);
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
