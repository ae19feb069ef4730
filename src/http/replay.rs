//! `play.mp4`: recorded footage from a time on, as one stream that a browser takes.
//!
//! Called by the handler. The rows say which segments follow each other without a hole; where they do not, the stream
//! ends, and its headers said so before. Each stream is a blocking task that ends with its viewer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, Body, body, set};
use super::api;
use super::handler::Handler;
use super::route::Refusal;
use crate::error::Result as StoreResult;
use crate::replay::{self, Piece};
use crate::segment::gap::TOLERANCE;
use crate::segment::{CameraName, Segment, Timestamp};
use crate::store::Store;

/// Each costs a few percent of a core while its viewer takes all it can, and a few megabytes.
const REPLAYS: usize = 16;
/// Pieces that wait for a slow viewer.
const PIECES: usize = 8;
/// An hour of ten-second segments; then the viewer asks for the next.
const MOST_SEGMENTS: usize = 360;
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// A time this little before a segment is meant to be in it: people and players round.
const ROUNDING: Duration = Duration::from_secs(1);
/// A viewer who gives up is noticed when the next piece is to be sent; one who never began, after this long.
const FIRST_PIECE: Duration = Duration::from_secs(20);

/// Streams at once.
pub struct Replays(Arc<Semaphore>);

impl Default for Replays {
    fn default() -> Self {
        Replays(Arc::new(Semaphore::new(REPLAYS)))
    }
}

/// What will be played.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    start: Timestamp,
    end: Timestamp,
    files: Vec<PathBuf>,
    /// Where the next footage begins, after the end.
    next: Option<Timestamp>,
}

/// Why nothing can be played, and from when on there is something.
#[derive(Serialize)]
struct Nothing {
    error: String,
    hint: String,
    next_start: Option<String>,
}

impl Handler {
    pub(super) async fn replay(
        &self,
        camera: CameraName,
        request: &Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let (start, seconds) = asked(request.uri().query())?;
        let name = camera.clone();
        let found = self.rows(move |store| plan(store, &name, start, seconds)).await;
        let plan = match found.map_err(|error| self.trouble("find the footage", &error))? {
            Ok(plan) => plan,
            Err(next) => return Ok(nothing(&camera, start, next)),
        };
        if request.method() == Method::HEAD {
            return Ok(stream(&plan, "video/mp4", body(Bytes::new())));
        }
        let place = self.replays.0.clone().try_acquire_owned().map_err(|_| {
            let error = format!("{REPLAYS} recordings are being played already");
            Refusal::new(503, error, "close one of the players, or open recent.m3u8")
        })?;
        let (out, mut pieces) = channel(PIECES);
        let files = plan.files.clone();
        let replay = tokio::task::spawn_blocking(move || replay::run(files, &out));
        let first = tokio::time::timeout(FIRST_PIECE, pieces.recv()).await;
        let Ok(Some(Piece::Codec(codec))) = first else {
            drop(pieces);
            let why = match replay.await {
                Ok(Err(error)) => error.to_string(),
                _ => "nothing came out of it".to_owned(),
            };
            log::warn!("[http] play {camera} from {}: {why}", plan.start);
            return Err(Refusal::new(500, why, "the segments themselves are listed in recent.m3u8"));
        };
        let kind = format!("video/mp4; codecs=\"{codec}\"");
        Ok(stream(&plan, &kind, rest(pieces, place, self.events.stopped())))
    }
}

fn asked(query: Option<&str>) -> Result<(Timestamp, Duration), Refusal> {
    let start = api::moment(query, "start")?.ok_or_else(|| {
        let hint = "give a time: play.mp4?start=2026-11-23T14:05:00Z or play.mp4?start=1795442700";
        Refusal::new(400, "start is missing", hint)
    })?;
    let seconds = match api::value(query, "seconds") {
        None => LONGEST,
        Some(text) => {
            let given = text.parse::<u64>().ok().map(Duration::from_secs);
            given.filter(|given| (Duration::from_secs(1)..=LONGEST).contains(given)).ok_or_else(|| {
                let error = format!("seconds is {text:?}, it must be a whole number from 1 to 86400");
                Refusal::new(400, error, "leave it out to play on")
            })?
        }
    };
    Ok((start, seconds))
}

/// From the segment that holds `start` on, as long as one follows the other in the same run. `Err`: nothing is there,
/// and when the next footage begins.
fn plan(
    store: &Store,
    camera: &CameraName,
    start: Timestamp,
    seconds: Duration,
) -> StoreResult<Result<Plan, Option<Timestamp>>> {
    let first = match store.file_at(camera, start)? {
        Some(holds) if holds.end() > start => holds,
        _ => match store.file_after(camera, start)? {
            Some(after) if after.start.since(start) <= ROUNDING => after,
            after => return Ok(Err(after.map(|after| after.start))),
        },
    };
    let rows = store.files_from(camera, first.sequence, MOST_SEGMENTS + 1)?;
    let until = start.max(first.start).plus(seconds);
    let count = follow(&rows, until).min(MOST_SEGMENTS);
    let Some(last) = count.checked_sub(1).and_then(|last| rows.get(last)) else { return Ok(Err(None)) };
    let next = rows.get(count).map(|next| next.start);
    let files = rows[..count].iter().map(|row| store.path(row)).collect();
    Ok(Ok(Plan { start: first.start, end: last.end(), files, next }))
}

/// How many of the rows follow each other without a hole, and begin before `until`.
fn follow(rows: &[Segment], until: Timestamp) -> usize {
    let joins = |before: &Segment, next: &Segment| {
        let hole = next.start.since(before.end()).max(before.end().since(next.start));
        next.run == before.run && next.sequence == before.sequence + 1 && hole <= TOLERANCE
    };
    let follows = |pair: &&[Segment]| joins(&pair[0], &pair[1]) && pair[1].start < until;
    usize::from(!rows.is_empty()) + rows.windows(2).take_while(follows).count()
}

fn rest(pieces: Receiver<Piece>, place: OwnedSemaphorePermit, stopped: CancellationToken) -> Body {
    let bytes = unfold((pieces, place, stopped), |(mut pieces, place, stopped)| async move {
        loop {
            let piece = tokio::select! {
                biased;
                () = stopped.cancelled() => return None,
                piece = pieces.recv() => piece?,
            };
            if let Piece::Bytes(bytes) = piece {
                return Some((Ok(Frame::data(bytes)), (pieces, place, stopped)));
            }
        }
    });
    Body::new(StreamBody::new(bytes))
}

fn stream(plan: &Plan, kind: &str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    set(&mut answer, CACHE_CONTROL, "no-store");
    let headers = answer.headers_mut();
    let mut put = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    put(CONTENT_TYPE, kind.to_owned());
    put(HeaderName::from_static("x-start-time"), plan.start.rfc3339());
    put(HeaderName::from_static("x-end-time"), plan.end.rfc3339());
    if let Some(next) = plan.next {
        put(HeaderName::from_static("x-next-start"), next.rfc3339());
    }
    answer
}

fn nothing(camera: &CameraName, start: Timestamp, next: Option<Timestamp>) -> Answer {
    let hint = match next {
        Some(next) => format!("the next footage begins at {next}"),
        None => {
            "there is none after it either; open live.mp4, or ask again when more was recorded".to_owned()
        }
    };
    let error = format!("camera {camera} has no footage of {start} on this machine");
    let next_start = next.map(Timestamp::rfc3339);
    answer::json(StatusCode::NOT_FOUND, &Nothing { error, hint, next_start })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{FileName, RunId, SegmentId, State, TimeSource};

    fn row(sequence: u64, run: i64, start_ms: i64) -> Segment {
        Segment {
            id: SegmentId(1),
            camera: CameraName::new("gate").unwrap(),
            run: RunId(run),
            sequence,
            discontinuity: 0,
            start: Timestamp::from_millis(start_ms),
            time_source: TimeSource::Arrival,
            duration: Duration::from_secs(10),
            bytes: 1,
            md5: [0; 16],
            sha256: [0; 32],
            file: FileName::new(start_ms / 1000),
            key: String::new(),
            state: State::Created,
            attempts: 0,
            doubtful: false,
            last_error: None,
        }
    }

    #[test]
    fn footage_is_one_stream_until_a_hole_another_run_or_the_time_asked_for() {
        let whole = [row(1, 1, 0), row(2, 1, 10_050), row(3, 1, 20_000)];
        for (rows, until, expected) in [
            (&whole[..], 100_000, 3),
            (&whole[..], 10_050, 1),
            (&whole[..], 10_051, 2),
            (&whole[..], -5, 1),
            (&[][..], 100_000, 0),
            (&[row(1, 1, 0), row(2, 2, 10_000)][..], 100_000, 1),
            (&[row(1, 1, 0), row(2, 1, 10_101)][..], 100_000, 1),
            (&[row(1, 1, 0), row(3, 1, 10_000)][..], 100_000, 1),
            (&[row(1, 1, 0), row(2, 1, 5_000)][..], 100_000, 1),
        ] {
            assert_eq!(follow(rows, Timestamp::from_millis(until)), expected, "{rows:?}");
        }
    }

    #[test]
    fn a_start_is_needed_and_seconds_are_seconds() {
        let at = Timestamp::from_seconds(1_763_906_400);
        for (query, expected) in [
            (Some("start=1763906400"), Ok((at, LONGEST))),
            (Some("start=2025-11-23T14:00:00Z&seconds=60"), Ok((at, Duration::from_secs(60)))),
            (None, Err(400)),
            (Some("start=now"), Err(400)),
            (Some("start=5&seconds=0"), Err(400)),
            (Some("start=5&seconds=1e3"), Err(400)),
            (Some("start=5&seconds=86401"), Err(400)),
        ] {
            assert_eq!(asked(query).map_err(|refusal| refusal.status), expected, "{query:?}");
        }
    }
}
