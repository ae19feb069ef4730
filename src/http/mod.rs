//! The HTTP server: rows → viewers and operators.
//!
//! Built and run by the composition root. Reads the store and the board, writes neither. Everything a viewer
//! can hold of it is bounded: connections, the size and time of a request, the time an answer stands still.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::config::{Mode, ServerConfig};
use crate::error::{Error, Kind, Result};
use crate::segment::CameraName;
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::stills::Stills;
use crate::store::Store;

mod answer;
mod api;
mod file;
#[cfg(test)]
mod fuzz;
mod handler;
mod page;
mod patience;
mod playlist;
mod range;
mod replay;
pub mod report;
mod route;
mod stills;
#[cfg(test)]
mod tests;

use handler::Handler;
use patience::Patient;

/// Connections at once; further ones wait in the kernel's queue. A process may usually have 1024 open files,
/// and recording needs some of them.
const CONNECTIONS: usize = 256;
/// From the first byte of a request, or from the last answer, to the end of the next request's headers.
const REQUEST_TIME: Duration = Duration::from_secs(30);
const REQUEST_BYTES: usize = 16 * 1024;
/// How long an answer may stand still.
const STALLED: Duration = Duration::from_secs(60);
/// Pause after a connection that could not be accepted, usually because open files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// One camera, as the server needs to know it.
#[derive(Clone, Debug)]
pub struct ServedCamera {
    pub name: CameraName,
    /// Target length of a segment, for TARGETDURATION.
    pub segment_duration: Duration,
    pub mode: Mode,
}

/// A bound server; nothing is answered before [`Server::run`].
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    handler: Arc<Handler>,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    connections: usize,
    request_time: Duration,
    stalled: Duration,
}

impl Server {
    /// Binds the port, so that a port in use is an error at start. `cameras` in the order of the file.
    pub async fn bind(
        config: &ServerConfig,
        cameras: Vec<ServedCamera>,
        store: Store,
        board: Board,
    ) -> Result<Server> {
        let wanted = SocketAddr::new(config.bind, config.port);
        let listener = TcpListener::bind(wanted).await.map_err(|cause| listen_error(wanted, cause))?;
        let local_addr = listener.local_addr().map_err(|cause| listen_error(wanted, cause))?;
        let handler = Arc::new(Handler::new(cameras, config.playlist_segments, store, board));
        let limits = Limits { connections: CONNECTIONS, request_time: REQUEST_TIME, stalled: STALLED };
        Ok(Server { listener, local_addr, handler, limits })
    }

    /// Shows what these slots hold; without them there is no snapshot.
    pub fn with_stills(mut self, stills: Stills) -> Server {
        if let Some(handler) = Arc::get_mut(&mut self.handler) {
            handler.stills = stills;
        }
        self
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown`, then lets open answers finish within `drain`.
    pub async fn run(self, shutdown: Shutdown, drain: Duration) -> Result<()> {
        log::info!("[http] listening on http://{}", self.local_addr);
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        connections.spawn(api::events::render(self.handler.clone()));
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut refused = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    refused = false;
                    connections.spawn(self.serve(stream, place, &graceful));
                }
                Err(cause) => {
                    if !std::mem::replace(&mut refused, true) {
                        log::warn!("[http] accept a connection: {cause}; trying on");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        self.handler.events.stop();
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            log::info!("[http] {} viewers still had open answers and were cut off", connections.len());
        }
        connections.shutdown().await;
        Ok(())
    }

    /// The life of one connection.
    fn serve(
        &self,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = ()> + Send + use<> {
        // playlists are small and awaited: no gathering of bytes into packets
        let _ = stream.set_nodelay(true);
        let handler = self.handler.clone();
        let service = service_fn(move |request| {
            let handler = handler.clone();
            async move { Ok::<_, Infallible>(handler.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.request_time)
            .max_buf_size(REQUEST_BYTES)
            .serve_connection(TokioIo::new(Patient::new(stream, self.limits.stalled)), service);
        let connection = graceful.watch(connection);
        async move {
            if let Err(error) = connection.await {
                log::debug!("[http] connection: {error}");
            }
            drop(place);
        }
    }
}

/// Waits for a free place first, so that the kernel's queue holds back a flood.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

fn listen_error(wanted: SocketAddr, cause: io::Error) -> Error {
    let (words, step) = match cause.kind() {
        io::ErrorKind::AddrInUse => ("address in use", "stop the other program or change server.port"),
        io::ErrorKind::PermissionDenied => ("not allowed", "choose a server.port above 1023"),
        io::ErrorKind::AddrNotAvailable => ("not an address of this machine", "change server.bind"),
        _ => return Error::with_source(Kind::Unreachable, format!("listen on {wanted}"), cause),
    };
    Error::new(Kind::Unreachable, format!("listen on {wanted}: {words}; {step}"))
}
