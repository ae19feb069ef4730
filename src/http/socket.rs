//! `live.ws`: every frame at once over a WebSocket, and how the camera is in words.
//!
//! Binary messages are MP4: an init segment, then fragments from the last keyframe on. A text message stands before
//! each init (`{"type":"init",…}`) and wherever the camera's state changes (`{"type":"state",…}`). What a viewer
//! says is read only to see that he is there.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::time::{Instant, interval};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::answer::{Answer, body, set};
use super::route::Refusal;
use crate::live::{Init, Moment, Viewer};
use crate::segment::CameraName;
use crate::status::Board;

/// How often the camera's state is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A viewer who vanished is noticed when this is not taken.
const PING: Duration = Duration::from_secs(20);
/// Viewers have nothing to say.
const MOST_FROM_VIEWER: usize = 4096;

/// What goes on over a connection after the answer; the server runs it in the connection's place.
pub type Session = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Words<'a> {
    Init { codec: &'a str, width: u16, height: u16 },
    State { state: &'a str, reason: Option<&'a str> },
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The 101 answer, and what follows it. `viewer` is called when the connection stands.
pub fn answer(
    request: &mut Request<Incoming>,
    camera: CameraName,
    board: Board,
    viewer: impl FnOnce() -> Viewer + Send + 'static,
) -> Result<(Answer, Session), Refusal> {
    let accept = accept(request.method(), request.headers())?;
    let upgrade = hyper::upgrade::on(request);
    let session = async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return log::debug!("[http] open a WebSocket: {error}"),
        };
        let config = WebSocketConfig::default()
            .max_message_size(Some(MOST_FROM_VIEWER))
            .max_frame_size(Some(MOST_FROM_VIEWER));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        if let Err(error) = serve(socket, viewer(), &camera, &board).await {
            log::debug!("[http] WebSocket of {camera}: {error}");
        }
    };
    let mut answer = Response::new(body(""));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    set(&mut answer, CONNECTION, "Upgrade");
    set(&mut answer, UPGRADE, "websocket");
    answer.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok((answer, Box::pin(session)))
}

/// RFC 6455, 4.2.1.
fn accept(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let says = |name: HeaderName, word: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
    };
    let is_socket = *method == Method::GET
        && says(CONNECTION, "upgrade")
        && says(UPGRADE, "websocket")
        && says(SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_socket);
    key.and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()).ok_or_else(|| {
        let hint = "open it as ws://…/live.ws; for a player take live.mp4 or live.m3u8";
        Refusal::new(426, "live.ws is a WebSocket of version 13, and this is no request for one", hint)
    })
}

async fn serve(
    mut socket: Socket,
    mut viewer: Viewer,
    camera: &CameraName,
    board: &Board,
) -> Result<(), Error> {
    let mut told = None;
    let mut look = interval(LOOK);
    let mut pinged = Instant::now();
    loop {
        tokio::select! {
            moment = viewer.next() => match moment {
                Some(Moment::Init(init)) => begin(&mut socket, &init).await?,
                Some(Moment::Frame(bytes)) => socket.send(Message::Binary(bytes)).await?,
                None => {
                    let close = CloseFrame { code: CloseCode::Away, reason: "the recorder is stopping".into() };
                    return socket.close(Some(close)).await;
                }
            },
            _ = look.tick() => {
                tell(&mut socket, &mut told, camera, board).await?;
                if pinged.elapsed() >= PING {
                    pinged = Instant::now();
                    socket.send(Message::Ping(Default::default())).await?;
                }
            }
            said = socket.next() => match said {
                // answers to pings and closes are given by the socket itself
                Some(Ok(message)) if !message.is_close() => {}
                Some(Err(error)) => return Err(error),
                _ => return Ok(()),
            },
        }
    }
}

async fn begin(socket: &mut Socket, init: &Init) -> Result<(), Error> {
    say(socket, &Words::Init { codec: &init.codec, width: init.width, height: init.height }).await?;
    socket.send(Message::Binary(init.bytes.clone())).await
}

/// Says how the camera is, where that is news.
async fn tell(
    socket: &mut Socket,
    told: &mut Option<(&'static str, Option<String>)>,
    camera: &CameraName,
    board: &Board,
) -> Result<(), Error> {
    let Some(notice) = board.snapshot().cameras.remove(camera) else { return Ok(()) };
    let now = (notice.state.as_str(), notice.reason);
    if told.as_ref() != Some(&now) {
        say(socket, &Words::State { state: now.0, reason: now.1.as_deref() }).await?;
        *told = Some(now);
    }
    Ok(())
}

async fn say(socket: &mut Socket, words: &Words<'_>) -> Result<(), Error> {
    // our own structs have string keys and no failing parts
    socket.send(Message::text(serde_json::to_string(words).unwrap_or_default())).await
}
