//! The HTTP server: rows → viewers and operators.
//!
//! Built and run by the composition root. Reads the store and the board, writes neither. Everything a viewer
//! can hold of it is bounded: connections, the size and time of a request, the time an answer stands still.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::config::{Mode, ServerConfig};
use crate::error::{Error, Kind, Result};
use crate::live::Live;
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
mod live;
mod page;
mod patience;
mod places;
mod playlist;
mod range;
mod replay;
pub mod report;
mod route;
mod socket;
mod stills;
#[cfg(test)]
mod tests;

use handler::Handler;
use patience::Patient;
use socket::Session;

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
    handler: Handler,
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
        let handler = Handler::new(cameras, config.playlist_segments, store, board);
        let limits = Limits { connections: places::places(), request_time: REQUEST_TIME, stalled: STALLED };
        Ok(Server { listener, local_addr, handler, limits })
    }

    /// Shows what these hubs hold; without them `live.m3u8` is made of rows.
    pub fn with_live(mut self, live: Live) -> Server {
        self.handler.live = live;
        self
    }

    /// Shows what these slots hold; without them there is no snapshot.
    pub fn with_stills(mut self, stills: Stills) -> Server {
        self.handler.stills = stills;
        self
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown`, then lets open answers finish within `drain`.
    pub async fn run(self, shutdown: Shutdown, drain: Duration) -> Result<()> {
        log::info!("[http] listening on http://{}", self.local_addr);
        let handler = Arc::new(self.handler);
        let mut connections = JoinSet::new();
        connections.spawn(api::events::render(handler.clone()));
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
                    connections.spawn(serve(stream, place, &handler, self.limits, shutdown.clone()));
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
        // streams without an end, and requests that wait for what comes, end now
        handler.live.stop();
        handler.events.stop();
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, drained).await.is_err() {
            log::info!("[http] {} viewers still had open answers and were cut off", connections.len());
        }
        connections.shutdown().await;
        Ok(())
    }
}

/// The life of one connection, and of the WebSocket that it may become.
fn serve(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    handler: &Arc<Handler>,
    limits: Limits,
    shutdown: Shutdown,
) -> impl Future<Output = ()> + Send + use<> {
    // playlists are small and awaited: no gathering of bytes into packets
    let _ = stream.set_nodelay(true);
    let handler = handler.clone();
    let session: Arc<Mutex<Option<Session>>> = Arc::default();
    let begun = session.clone();
    let service = service_fn(move |request| {
        let (handler, begun) = (handler.clone(), begun.clone());
        async move {
            let (answer, session) = handler.answer(request).await;
            *begun.lock().unwrap_or_else(PoisonError::into_inner) = session;
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request_time)
        .max_buf_size(REQUEST_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, limits.stalled)), service)
        .with_upgrades();
    async move {
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.requested() => {
                // the answer that is under way is the last one
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            log::debug!("[http] connection: {error}");
        }
        let session = session.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = session {
            session.await;
        }
        drop(place);
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
