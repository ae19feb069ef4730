//! What waits for its picture: at most one frame of each camera, and a bounded number of segments.
//!
//! Filled by cameras, which never wait, and by who looks; emptied by the worker. A newer frame takes the place of an older one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Thumb;
use super::picture::Frame;
use crate::error::Result;
use crate::segment::{CameraName, Timestamp};

/// Segments that wait; beyond them, who asked first is told to ask again.
const THUMBS: usize = 64;

#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    frames: BTreeMap<CameraName, Offered>,
    thumbs: VecDeque<Wanted>,
    ended: bool,
}

pub struct Offered {
    pub frame: Frame,
    pub taken_at: Timestamp,
    pub taken: Instant,
}

/// The picture of a segment, and who waits for it.
pub struct Wanted {
    pub thumb: Thumb,
    pub reply: oneshot::Sender<Result<Bytes>>,
}

pub enum Job {
    Still(CameraName, Offered),
    Thumb(Wanted),
}

impl Queue {
    pub fn frame(&self, camera: &CameraName, frame: Frame, taken_at: Timestamp) {
        let offered = Offered { frame, taken_at, taken: Instant::now() };
        self.lock().frames.insert(camera.clone(), offered);
        self.more.notify_one();
    }

    pub fn thumb(&self, wanted: Wanted) {
        let mut waiting = self.lock();
        waiting.thumbs.retain(|waiting| !waiting.reply.is_closed());
        if waiting.thumbs.len() >= THUMBS {
            waiting.thumbs.pop_front();
        }
        waiting.thumbs.push_back(wanted);
        self.more.notify_one();
    }

    /// Waits for the next job. Who points at a timeline wants what was asked for last. `None`: it is over.
    pub fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.ended {
                return None;
            }
            if let Some((camera, offered)) = waiting.frames.pop_first() {
                return Some(Job::Still(camera, offered));
            }
            if let Some(wanted) = waiting.thumbs.pop_back() {
                return Some(Job::Thumb(wanted));
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Sleeps this long, or until it is over.
    pub fn rest(&self, time: Duration) {
        let over = |waiting: &mut Waiting| !waiting.ended;
        drop(self.more.wait_timeout_while(self.lock(), time, over));
    }

    pub fn end(&self) {
        self.lock().ended = true;
        self.more.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
