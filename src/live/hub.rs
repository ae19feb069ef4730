//! One camera's live stream: its recorder puts frames in, any number of viewers take them out.
//!
//! The camera asks [`Hub::is_wanted`] and feeds only then; viewers wait for what comes, each with a limit. All
//! work under the lock is short and never waits, so that neither a viewer nor the recorder is ever held up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::fmp4::{self, Format, Fragment, Frame, Muxer};
use super::playlist;
use super::recent::Recent;
use super::rendered::Rendered;
use super::ring::{Found, Ring};
use super::viewer::Viewer;
use crate::error::Result;
use crate::segment::{CameraName, Timestamp};

/// How long a stream goes on after the last viewer asked for something.
const IDLE: Duration = Duration::from_secs(60);
/// How long a request may be held: three target durations (RFC 8216bis, 6.2.5.2). hls.js gives up after ten seconds.
pub(super) const HOLD: Duration = Duration::from_secs(6);

/// What a player needs before the first fragment of a run.
#[derive(Debug)]
pub struct Init {
    pub id: u64,
    pub bytes: Bytes,
    /// For MediaSource, such as `avc1.64001f`.
    pub codec: String,
    pub width: u16,
    pub height: u16,
}

/// What a playlist must hold before it is answered: `_HLS_msn` and `_HLS_part`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    pub sequence: Option<u64>,
    pub part: Option<u64>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Nothing came in time.
    NothingYet,
    /// `_HLS_msn` or `_HLS_part` is further ahead than a player can have seen announced.
    TooFar { newest: u64 },
    /// It was never there, or is no longer.
    Gone,
    /// The program ends.
    Stopping,
}

/// Called when the first viewer comes; must not block.
type Wake = Box<dyn Fn() + Send + Sync>;

pub struct Hub {
    name: CameraName,
    inner: Mutex<Inner>,
    /// A new part, or anything else that changes the playlist.
    parts: watch::Sender<()>,
    frames: watch::Sender<()>,
}

struct Inner {
    ring: Ring,
    recent: Recent,
    muxer: Muxer,
    inits: VecDeque<Arc<Init>>,
    rendered: Option<Arc<Rendered>>,
    viewers: usize,
    last_asked: Option<Instant>,
    wake: Option<Wake>,
    /// When the last run ended.
    ended: Option<Instant>,
    /// Between [`Hub::begin`] and [`Hub::end`].
    is_fed: bool,
    is_stopping: bool,
}

impl Hub {
    pub(super) fn new(name: CameraName, sequence: u64, discontinuity: u64) -> Hub {
        let inner = Inner {
            ring: Ring::new(sequence, discontinuity),
            recent: Recent::default(),
            muxer: Muxer::default(),
            inits: VecDeque::new(),
            rendered: None,
            viewers: 0,
            last_asked: None,
            wake: None,
            ended: None,
            is_fed: false,
            is_stopping: false,
        };
        let (parts, frames) = (watch::Sender::new(()), watch::Sender::new(()));
        Hub { name, inner: Mutex::new(inner), parts, frames }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn name(&self) -> &CameraName {
        &self.name
    }

    // what the camera does

    /// Somebody watches, or did so a minute ago.
    pub fn is_wanted(&self) -> bool {
        self.lock().is_wanted()
    }

    /// Who is to be called when the first viewer comes; `None` when the run has ended.
    pub fn on_wanted(&self, wake: Option<Wake>) {
        self.lock().wake = wake;
    }

    /// Frames of this format follow.
    pub fn begin(&self, format: &Format) -> Result<()> {
        let (bytes, codec) = fmp4::init(format)?;
        let mut inner = self.lock();
        inner.finish();
        let id = inner.ring.begin();
        inner.recent.clear();
        let pause = inner.ended.take().map(|ended| ended.elapsed()).unwrap_or_default();
        inner.muxer.resume(pause);
        inner.is_fed = true;
        inner.inits.push_back(Arc::new(Init {
            id,
            bytes,
            codec,
            width: format.width,
            height: format.height,
        }));
        inner.change();
        drop(inner);
        self.tell();
        Ok(())
    }

    /// Takes the next frame. `now` is when it came.
    pub fn frame(&self, frame: Frame<'_>, now: Timestamp) {
        let mut inner = self.lock();
        if !inner.is_fed {
            return;
        }
        let Some(fragment) = inner.muxer.push(frame) else { return };
        let has_part = inner.push(fragment, now);
        drop(inner);
        self.frames.send_replace(());
        if has_part {
            self.parts.send_replace(());
        }
    }

    /// The run, or its live part, ended. Viewers wait for the next one.
    pub fn end(&self) {
        let mut inner = self.lock();
        if !std::mem::take(&mut inner.is_fed) {
            return;
        }
        inner.finish();
        inner.ended = Some(Instant::now());
        inner.ring.end();
        inner.change();
        drop(inner);
        self.tell();
    }

    pub(super) fn sweep(&self) {
        let mut inner = self.lock();
        if !inner.is_wanted() && !inner.is_fed && !inner.inits.is_empty() {
            inner.ring.clear();
            inner.recent.clear();
            inner.inits.clear();
            inner.change();
        }
    }

    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
        self.tell();
    }

    fn tell(&self) {
        self.frames.send_replace(());
        self.parts.send_replace(());
    }

    // what viewers do

    /// The playlist, as soon as it holds what is wanted; what there is, where nothing comes in time. `patience`
    /// is how long the very first one is waited for.
    pub async fn playlist(&self, want: Want, patience: Duration) -> Result<Arc<Rendered>, Unavailable> {
        let mut changes = self.ask();
        let asked = Instant::now();
        loop {
            let held = {
                let mut inner = self.lock();
                match inner.rendered(&self.name) {
                    _ if inner.is_stopping => return Err(Unavailable::Stopping),
                    Some(rendered) => match inner.has(want)? {
                        true => return Ok(rendered),
                        false => Some(rendered),
                    },
                    None => None,
                }
            };
            let limit = if held.is_some() { HOLD } else { patience };
            if wait(&mut changes, asked, limit).await.is_none() {
                // unchanged rather than an error: players ask again, and give up after a few errors
                return held.ok_or(Unavailable::NothingYet);
            }
        }
    }

    /// A part; one that was announced is waited for.
    pub async fn part(&self, sequence: u64, index: usize) -> Result<Bytes, Unavailable> {
        let mut changes = self.ask();
        let asked = Instant::now();
        loop {
            let found = {
                let inner = self.lock();
                if inner.is_stopping {
                    return Err(Unavailable::Stopping);
                }
                inner.ring.part(sequence, index)
            };
            match found {
                Found::Here(bytes) => return Ok(bytes),
                Found::Nowhere => return Err(Unavailable::Gone),
                Found::Soon => {
                    wait(&mut changes, asked, HOLD).await.ok_or(Unavailable::NothingYet)?;
                }
            }
        }
    }

    /// A complete segment, in the parts it is made of.
    pub fn segment(&self, sequence: u64) -> Option<Vec<Bytes>> {
        drop(self.ask());
        self.lock().ring.segment(sequence)
    }

    pub fn init(&self, id: u64) -> Option<Arc<Init>> {
        drop(self.ask());
        self.lock().inits.iter().find(|init| init.id == id).cloned()
    }

    /// A viewer who gets every frame at once, for as long as it is kept.
    pub fn viewer(self: &Arc<Hub>) -> Viewer {
        self.lock().viewers += 1;
        drop(self.ask());
        Viewer::new(self.clone(), self.frames.subscribe())
    }

    /// Notes that somebody watches. Subscribed before the first look, so that no change is missed.
    fn ask(&self) -> watch::Receiver<()> {
        let mut inner = self.lock();
        let was_wanted = inner.is_wanted() && !inner.inits.is_empty();
        inner.last_asked = Some(Instant::now());
        if let (false, Some(wake)) = (was_wanted, &inner.wake) {
            wake();
        }
        self.parts.subscribe()
    }

    /// The next media sequence and discontinuity sequence.
    #[cfg(test)]
    pub(super) fn numbers(&self) -> (u64, u64) {
        self.lock().ring.numbers()
    }

    #[cfg(test)]
    pub fn viewers(&self) -> usize {
        self.lock().viewers
    }

    /// As if a minute had passed since anybody asked.
    #[cfg(test)]
    pub(super) fn forget_viewers(&self) {
        self.lock().last_asked = None;
    }

    /// For [`Viewer`]: what comes after `next` in the run of `init`.
    pub(super) fn after(&self, init: Option<u64>, next: Option<u64>) -> After {
        let inner = self.lock();
        if inner.is_stopping {
            return After::End;
        }
        match inner.inits.back() {
            Some(newest) if init != Some(newest.id) => After::Init(newest.clone()),
            Some(_) => match inner.recent.get(next) {
                Some((fragment, next)) => After::Frame(fragment.bytes.clone(), next),
                None => After::Nothing,
            },
            None => After::Nothing,
        }
    }

    pub(super) fn leave(&self) {
        let mut inner = self.lock();
        inner.viewers = inner.viewers.saturating_sub(1);
        inner.last_asked = Some(Instant::now());
    }
}

/// What comes next for one viewer.
pub(super) enum After {
    Init(Arc<Init>),
    Frame(Bytes, u64),
    Nothing,
    End,
}

impl Inner {
    fn is_wanted(&self) -> bool {
        !self.is_stopping && (self.viewers > 0 || self.last_asked.is_some_and(|asked| asked.elapsed() < IDLE))
    }

    fn push(&mut self, fragment: Fragment, now: Timestamp) -> bool {
        self.recent.push(fragment.clone());
        let has_part = self.ring.push(fragment, now);
        if has_part {
            self.change();
        }
        has_part
    }

    /// Lets out the frame that was held back.
    fn finish(&mut self) {
        if let Some(last) = self.muxer.finish() {
            self.push(last, Timestamp::now());
        }
    }

    fn change(&mut self) {
        self.rendered = None;
        let ring = &self.ring;
        self.inits.retain(|init| ring.needs_init(init.id));
    }

    fn rendered(&mut self, name: &CameraName) -> Option<Arc<Rendered>> {
        if self.rendered.is_none() {
            let text = playlist::text(&self.ring, name)?;
            self.rendered = Some(Arc::new(Rendered::new(text)));
        }
        self.rendered.clone()
    }

    /// Whether the playlist holds what is wanted (RFC 8216bis, 6.2.5.2).
    fn has(&self, want: Want) -> Result<bool, Unavailable> {
        let Some(sequence) = want.sequence else { return Ok(true) };
        let (next, next_part) = self.ring.next_part();
        let next_part = next_part as u64;
        let complete = self.ring.newest_complete().unwrap_or(0);
        let newest = complete.max(if next_part > 0 { next } else { 0 });
        // a player may be ahead of the list by two segments, or by the parts of a segment and a half
        let ahead = self.ring.parts().map_or(3, |parts| 3_000_u128.div_ceil(parts.target.as_millis().max(1)));
        let too_far = sequence > newest + 2
            || (sequence == next && u128::from(want.part.unwrap_or(0)) > u128::from(next_part) + ahead);
        if too_far {
            return Err(Unavailable::TooFar { newest });
        }
        Ok(match want.part {
            None => sequence <= complete,
            // a part beyond the last of its segment is the first of the next one
            Some(part) if sequence <= complete => {
                let parts = self.ring.parts_of(sequence).map_or(0, |parts| parts as u64);
                part < parts || sequence < newest || parts == 0
            }
            Some(part) => sequence == next && part < next_part,
        })
    }
}

/// Waits for a change, at most until `limit` after `asked`.
async fn wait(changes: &mut watch::Receiver<()>, asked: Instant, limit: Duration) -> Option<()> {
    let left = limit.checked_sub(asked.elapsed())?;
    // the sender lives as long as the hub
    tokio::time::timeout(left, changes.changed()).await.ok()?.ok()
}
