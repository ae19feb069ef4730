//! The RTSP server of a camera that runs: who comes, who is cut off, and the encoder that all of them share.
//!
//! gst-rtsp-server serves all viewers of a camera in one thread, and is not made for others to take a viewer from under
//! it: a connection that is closed from elsewhere while PLAY is answered ends the process in an assertion. So nobody
//! closes anything here. The sockets are shut down below it, as a cut cable would, and it finds that out in its thread.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use cctv_s3_pipeline::error::{Context, Error, Kind, Result};
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::{RTSPClient, RTSPMedia, RTSPMediaFactory, RTSPServer, RTSPSessionPool};

use super::super::door::Door;
use super::{CameraOptions, Counts, PATH, Shared, auth, barcode, media, no_port};

/// Dropping it is a power cut: the port closes, then every connection.
pub(super) struct Running {
    /// Before the sockets: nobody may come in between.
    door: Option<Door>,
    sockets: Arc<Sockets>,
    /// Tells the sweeping thread to end, by its end.
    stop: Option<Sender<()>>,
    sweeping: Option<JoinHandle<()>>,
}

/// One for each viewer. The server closes its own end; the viewer would not notice while this one is open, so the server's
/// client owns it and shuts it down when it is closed.
#[derive(Default)]
struct Sockets {
    open: Mutex<Vec<Weak<TcpStream>>>,
    /// Of the client that is being made.
    arriving: Mutex<Option<Arc<TcpStream>>>,
}

impl Running {
    pub(super) fn start(options: &CameraOptions, port: u16, shared: &Arc<Shared>) -> Result<Self> {
        let server = RTSPServer::new();
        if let Some((username, password)) = &options.login {
            let auth = auth::CountingAuth::new(username, password, shared.counts.clone());
            if let Some(identity) = &options.identity {
                let certificate = gio::TlsCertificate::from_pem(identity)
                    .context(Kind::Config, || "give the camera a certificate; install glib-networking")?;
                auth.set_tls_certificate(Some(&certificate));
            }
            server.set_auth(Some(&auth));
        }
        let without = |part: &str| {
            Error::new(Kind::Internal, format!("simulate a camera: the RTSP server has no {part}"))
        };
        server
            .mount_points()
            .ok_or_else(|| without("mount points"))?
            .add_factory(PATH, factory(options, shared));
        let sessions = server.session_pool().ok_or_else(|| without("sessions"))?;
        let sockets = Arc::<Sockets>::default();
        watch_clients(&server, options.session_timeout_s, &shared.counts, &sockets);

        let (stop, stopped) = channel();
        let sweeping = std::thread::Builder::new()
            .name(format!("sweep-{port}"))
            .spawn(move || sweep(&sessions, &stopped))
            .context(Kind::Internal, || "start a camera's thread")?;
        let door = TcpListener::bind(("127.0.0.1", port))
            .and_then(|listener| {
                let sockets = sockets.clone();
                Door::open(listener, move |stream| hand_over(&server, stream, &sockets))
            })
            .context(Kind::Unreachable, || no_port(port))?;
        Ok(Self { door: Some(door), sockets, stop: Some(stop), sweeping: Some(sweeping) })
    }

    /// Closes every connection.
    pub(super) fn kick(&self) {
        self.sockets.shut_down();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.door = None;
        self.kick();
        self.stop = None;
        if let Some(thread) = self.sweeping.take() {
            // a panic there has been printed already
            let _ = thread.join();
        }
    }
}

impl Sockets {
    fn shut_down(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for socket in open.drain(..).filter_map(|socket| socket.upgrade()) {
            shut_down(&socket);
        }
    }

    fn add(&self, socket: Arc<TcpStream>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|socket| socket.strong_count() > 0);
        open.push(Arc::downgrade(&socket));
        *self.arriving() = Some(socket);
    }

    fn arriving(&self) -> MutexGuard<'_, Option<Arc<TcpStream>>> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shut_down(socket: &TcpStream) {
    // the viewer may have done so already
    let _ = socket.shutdown(Shutdown::Both);
}

/// Makes a client of a connection; one that cannot be served is closed.
fn hand_over(server: &RTSPServer, stream: TcpStream, sockets: &Sockets) {
    let Ok(viewer) = stream.peer_addr() else { return };
    let Ok(own) = stream.try_clone() else { return };
    let Ok(socket) = gio::Socket::from_fd(stream.into()) else { return };
    sockets.add(Arc::new(own));
    let _ = server.transfer_connection(socket, &viewer.ip().to_string(), viewer.port().into(), None);
    // nobody's, unless the server made a client
    sockets.arriving().take();
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

fn watch_clients(server: &RTSPServer, session_timeout_s: u32, counts: &Arc<Counts>, sockets: &Arc<Sockets>) {
    let (counts, sockets) = (counts.clone(), sockets.clone());
    server.connect_client_connected(move |_, client: &RTSPClient| {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        if let Some(socket) = sockets.arriving().take() {
            client.connect_closed(move |_| shut_down(&socket));
        }
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
fn sweep(sessions: &RTSPSessionPool, stopped: &Receiver<()>) {
    while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        sessions.cleanup();
    }
}
