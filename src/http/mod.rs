//! The HTTP server: rows → viewers and operators.
//!
//! Built and run by the composition root. Reads the store and the board, writes neither. Everything a viewer
//! can hold of it is bounded: connections, the size and time of a request, the time an answer stands still.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::access::Gate;
use crate::config::ServerConfig;
use crate::error::Result;
use crate::heartbeat::Heart;
use crate::live::Live;
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::stills::Stills;
use crate::store::Store;
use crate::tls::Identity;

mod answer;
mod api;
mod cameras;
mod connection;
mod door;
mod file;
#[cfg(test)]
mod fuzz;
mod handler;
mod listen;
mod live;
mod machines;
mod page;
mod patience;
mod places;
mod playlist;
mod range;
mod redirect;
mod replay;
pub mod report;
mod route;
mod socket;
mod stills;
#[cfg(test)]
mod tests;

pub use cameras::{Cameras, ServedCamera};
use connection::{Context, Limits};
use handler::Handler;
pub use listen::Inherited;

/// From the first byte of a request, or from the last answer, to the end of the next request's headers.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How often it is looked at whether there is a new certificate.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(10);
/// How long an answer may stand still.
const STALLED: Duration = Duration::from_secs(60);
/// How often the server says that it goes on.
const PULSE: Duration = Duration::from_secs(2);
/// Pause after a connection that could not be accepted, usually because open files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A bound server; nothing is answered before [`Server::run`].
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    /// Plain HTTP that leads to TLS.
    redirecting: Option<TcpListener>,
    identity: Option<Arc<Identity>>,
    handler: Handler,
    limits: Limits,
}

impl Server {
    /// Binds the port, unless `inherited` is one, and reads the certificate, so that what is wrong with either is an
    /// error at start. `cameras` may change while it runs.
    pub async fn bind(
        config: &ServerConfig,
        inherited: &Inherited,
        cameras: Cameras,
        store: Store,
        board: Board,
    ) -> Result<Server> {
        let identity = config.tls.as_ref().map(|tls| Identity::load(&tls.files)).transpose()?;
        let (listener, local_addr) = inherited.or_bind(config).await?;
        let redirecting = listen::redirecting(config).await?;
        let handler = Handler::new(cameras, config.playlist_segments, store, board);
        let limits = Limits { connections: places::places(), request_time: REQUEST_TIME, stalled: STALLED };
        Ok(Server { listener, local_addr, redirecting, identity, handler, limits })
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

    /// Asks this gate who may come in; without it everybody may.
    pub fn with_access(mut self, access: Gate) -> Server {
        self.handler.access = access;
        self
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown`, then lets open answers finish within `drain`.
    pub async fn run(self, shutdown: Shutdown, drain: Duration) -> Result<()> {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        log::info!("[http] listening on {scheme}://{}", self.local_addr);
        let tls = match &self.identity {
            Some(identity) => Some(TlsAcceptor::from(identity.server_config()?)),
            None => None,
        };
        let handler = Arc::new(self.handler);
        let mut connections = JoinSet::new();
        connections.spawn(api::events::render(handler.clone()));
        if let Some(identity) = self.identity {
            connections.spawn(keep_fresh(identity, shutdown.clone()));
        }
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let context =
            Context { handler: handler.clone(), tls, limits: self.limits, shutdown: shutdown.clone() };
        let mut refused = false;
        let mut pulse = tokio::time::interval(PULSE);
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                _ = pulse.tick() => {
                    handler.board.heartbeat(&Heart::Http);
                    continue;
                }
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener, &places) => accepted.map(|accepted| (accepted, false)),
                accepted = accept_some(self.redirecting.as_ref(), &places) => {
                    accepted.map(|accepted| (accepted, true))
                }
            };
            match accepted {
                Ok(((stream, place), is_plain)) => {
                    refused = false;
                    let (context, port) = (context.clone(), self.local_addr.port());
                    connections.spawn(async move {
                        if is_plain {
                            redirect::serve(stream, Some(port), context.limits, &context.shutdown).await;
                        } else {
                            context.serve(stream).await;
                        }
                        drop(place);
                    });
                }
                Err(cause) => {
                    if !std::mem::replace(&mut refused, true) {
                        log::warn!("[http] accept a connection: {cause}; trying on");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        handler.board.heart_ends(&Heart::Http);
        drop((self.listener, self.redirecting));
        end(&handler, connections, drain).await;
        Ok(())
    }
}

/// Lets open answers finish.
async fn end(handler: &Handler, mut connections: JoinSet<()>, drain: Duration) {
    // streams without an end, and requests that wait for what comes, end now
    handler.live.stop();
    handler.events.stop();
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, drained).await.is_err() {
        log::info!("[http] {} viewers still had open answers and were cut off", connections.len());
    }
    connections.shutdown().await;
}

/// Takes a renewed certificate without a restart. What is wrong with it is said once.
async fn keep_fresh(identity: Arc<Identity>, shutdown: Shutdown) {
    let mut every = tokio::time::interval(CERTIFICATE_EVERY);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = every.tick() => {}
        }
        match identity.refresh() {
            None => {}
            Some(Ok(())) => log::info!("[http] took the new certificate"),
            Some(Err(error)) => log::error!("[http] keep the certificate that was read before: {error}"),
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

/// Waits for ever where there is no such listener.
async fn accept_some(
    listener: Option<&TcpListener>,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    match listener {
        Some(listener) => accept(listener, places).await,
        None => std::future::pending().await,
    }
}
