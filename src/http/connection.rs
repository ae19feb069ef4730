//! The life of one connection: plain HTTP/1.1, or TLS with HTTP/1.1 or HTTP/2, and the WebSocket it may become.
//!
//! Run by the server in a task of its own. Knows limits and protocols; what is answered is the handler's business.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::answer::{Answer, Body};
use super::door::Peer;
use super::handler::Handler;
use super::patience::Patient;
use super::redirect;
use super::socket::Session;
use crate::shutdown::Shutdown;

const REQUEST_BYTES: usize = 16 * 1024;
/// From the first byte to the end of the handshake: some tenths of a second on a telephone far away.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The first byte of every TLS connection: a handshake record (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Requests at once over one connection; a page with fifty cameras asks for a few at a time.
const STREAMS: u32 = 64;
/// A client who is there answers a ping.
const PING: Duration = Duration::from_secs(20);
/// After so long without a request a connection of HTTP/2 is given back. Answers under way are finished.
const IDLE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    /// From the first byte of a request, or from the last answer, to the end of the next request's headers.
    pub request_time: Duration,
    /// How long an answer may stand still.
    pub stalled: Duration,
}

/// What a connection needs of the server.
#[derive(Clone)]
pub struct Context {
    pub handler: Arc<Handler>,
    /// `None`: plain HTTP.
    pub tls: Option<TlsAcceptor>,
    pub limits: Limits,
    pub shutdown: Shutdown,
}

impl Context {
    pub async fn serve(self, stream: TcpStream) {
        // playlists are small and awaited: no gathering of bytes into packets
        let _ = stream.set_nodelay(true);
        // a connection that ended already has nobody at its other end
        let Ok(address) = stream.peer_addr().map(|address| address.ip()) else { return };
        let peer = Peer { address, is_tls: self.tls.is_some() };
        let Some(acceptor) = self.tls.clone() else { return self.http1(stream, peer).await };
        match timeout(HANDSHAKE, begins_with_tls(&stream)).await {
            Ok(true) => {}
            // an address that was typed without https://, or an old bookmark
            Ok(false) => return redirect::serve(stream, None, self.limits, &self.shutdown).await,
            Err(_) => return,
        }
        let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return log::debug!("[http] TLS handshake: {error}"),
            Err(_) => return,
        };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.http2(stream, peer).await,
            _ => self.http1(stream, peer).await,
        }
    }

    async fn http1<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let session: Arc<Mutex<Option<Session>>> = Arc::default();
        let (handler, begun) = (self.handler, session.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let (handler, begun) = (handler.clone(), begun.clone());
            async move {
                let (answer, session) = handler.answer(request).await;
                *begun.lock().unwrap_or_else(PoisonError::into_inner) = session;
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1_builder(self.limits)
            .serve_connection(TokioIo::new(Patient::new(stream, self.limits.stalled)), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.requested() => {
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
    }

    async fn http2<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (asked, mut requests) = tokio::sync::watch::channel(());
        let (handler, asked) = (self.handler, Arc::new(asked));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let (handler, asked) = (handler.clone(), asked.clone());
            async move {
                asked.send_replace(());
                // without an upgrade there is no session: browsers open a connection of HTTP/1.1 for a WebSocket
                let (answer, _) = handler.answer(request).await;
                Ok::<_, Infallible>(without_connection_headers(answer))
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(REQUEST_BYTES as u32)
            .serve_connection(TokioIo::new(Patient::new(stream, self.limits.stalled)), service);
        let idle =
            async { while timeout(IDLE, requests.changed()).await.is_ok_and(|asked| asked.is_ok()) {} };
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = async { tokio::select! { () = self.shutdown.requested() => {}, () = idle => {} } } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            log::debug!("[http] connection: {error}");
        }
    }
}

/// One way to read requests of HTTP/1.1, wherever they come in.
pub fn http1_builder(limits: Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.request_time).max_buf_size(REQUEST_BYTES);
    builder
}

/// HTTP/2 has no such headers (RFC 9113, 8.2.2).
fn without_connection_headers(mut answer: Answer) -> Response<Body> {
    for name in [hyper::header::CONNECTION, hyper::header::UPGRADE] {
        answer.headers_mut().remove(name);
    }
    answer
}

async fn begins_with_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    // a connection that ends here ends in the handshake, too
    stream.peek(&mut first).await.map_or(true, |read| read == 0 || first[0] == TLS_HANDSHAKE)
}
