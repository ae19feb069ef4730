//! `/api/v1/events`: the status document as server-sent events, made once for all who listen.
//!
//! The server runs [`render`] beside its connections; while nobody listens it does nothing. A listener holds a place,
//! and one document that it shares with all others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use hyper::{Response, StatusCode};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Handler, Status};
use crate::http::answer::{self, Answer, Body, set};
use crate::http::route::Refusal;

/// Who listens at once; a connection each, and there must be some left for video.
const LISTENERS: usize = 64;
/// Shortest time from one event to the next.
const PACE: Duration = Duration::from_secs(1);
/// Ages and sizes are told at least this often.
const REFRESH: Duration = Duration::from_secs(5);
/// Proxies cut connections that say nothing, often after 60 s.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub struct Events {
    /// The newest event; `None` while nobody listens.
    newest: watch::Sender<Option<Bytes>>,
    wanted: Notify,
    places: Arc<Semaphore>,
    /// Nothing comes any more but the last event, which says so.
    stop: CancellationToken,
    /// The last event was sent.
    ended: CancellationToken,
}

impl Default for Events {
    fn default() -> Self {
        Events {
            newest: watch::Sender::new(None),
            wanted: Notify::new(),
            places: Arc::new(Semaphore::new(LISTENERS)),
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }
}

impl Events {
    /// Ends every stream, for good, with a last event.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Cancelled when streams are to end.
    pub fn stopped(&self) -> CancellationToken {
        self.stop.clone()
    }

    pub fn listen(&self, head_only: bool) -> Result<Answer, Refusal> {
        let body = if head_only { answer::body(Bytes::new()) } else { self.stream()? };
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::OK;
        set(&mut answer, CONTENT_TYPE, "text/event-stream");
        set(&mut answer, CACHE_CONTROL, "no-store");
        // nginx would hold events back
        set(&mut answer, HeaderName::from_static("x-accel-buffering"), "no");
        Ok(answer)
    }

    fn tell(&self, status: &Status) {
        // our own structs have string keys and no failing parts
        let json = serde_json::to_string(status).unwrap_or_default();
        self.newest.send_replace(Some(format!("event: status\ndata: {json}\n\n").into()));
    }

    fn stream(&self) -> Result<Body, Refusal> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| {
            let error = format!("{LISTENERS} others listen to events already");
            Refusal::new(503, error, "close one of the pages, or ask /api/v1/status now and then")
        })?;
        let mut newest = self.newest.subscribe();
        // what is there already is told at once
        newest.mark_changed();
        self.wanted.notify_one();
        let listener = Listener { newest, ended: self.ended.clone(), told_at: Instant::now(), _place: place };
        let events = unfold(listener, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(Frame::data(event)), listener))
        });
        Ok(Body::new(StreamBody::new(events)))
    }
}

struct Listener {
    newest: watch::Receiver<Option<Bytes>>,
    ended: CancellationToken,
    told_at: Instant,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let heartbeat = self.told_at + HEARTBEAT;
            let event = tokio::select! {
                biased;
                changed = self.newest.changed() => {
                    changed.ok()?;
                    self.newest.borrow_and_update().clone()
                }
                () = self.ended.cancelled() => return None,
                () = sleep_until(heartbeat) => Some(Bytes::from_static(b": still here\n\n")),
            };
            if event.is_some() {
                self.told_at = Instant::now();
                return event;
            }
        }
    }
}

/// Makes events while somebody listens, until the server stops.
pub async fn render(handler: Arc<Handler>) {
    let events = &handler.events;
    let mut told: Option<(Instant, Status)> = None;
    while !events.stop.is_cancelled() {
        if events.newest.receiver_count() == 0 {
            told = None;
            events.newest.send_replace(None);
            tokio::select! {
                () = events.stop.cancelled() => break,
                () = events.wanted.notified() => {}
            }
        }
        let began = Instant::now();
        let status = handler.status().await;
        let bare = status.without_time();
        let is_news =
            |(at, before): &(Instant, Status)| *before != bare || at.elapsed() + PACE / 2 >= REFRESH;
        if told.as_ref().is_none_or(is_news) {
            events.tell(&status);
            told = Some((began, bare));
        }
        tokio::select! {
            () = events.stop.cancelled() => {}
            () = sleep_until(began + PACE) => {}
        }
    }
    if events.newest.receiver_count() > 0 {
        events.tell(&handler.status().await);
    }
    events.ended.cancel();
}
