//! What waits for its picture: at most one frame of each camera, and a bounded number of closed segments.
//!
//! Filled by cameras, which never wait; emptied by the worker. A newer frame takes the place of an older one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Thumb;
use super::picture::Frame;
use crate::segment::{CameraName, Timestamp};

/// Segments that wait; when the worker is further behind, the oldest go without a picture.
const THUMBS: usize = 64;

#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    frames: BTreeMap<CameraName, Offered>,
    thumbs: VecDeque<Thumb>,
    skipped: u64,
    ended: bool,
}

pub struct Offered {
    pub frame: Frame,
    pub taken_at: Timestamp,
    pub taken: Instant,
}

pub enum Job {
    Still(CameraName, Offered),
    /// With how many were skipped since the last one.
    Thumb(Thumb, u64),
}

impl Queue {
    pub fn frame(&self, camera: &CameraName, frame: Frame, taken_at: Timestamp) {
        let offered = Offered { frame, taken_at, taken: Instant::now() };
        self.lock().frames.insert(camera.clone(), offered);
        self.more.notify_one();
    }

    pub fn thumb(&self, thumb: Thumb) {
        let mut waiting = self.lock();
        if waiting.thumbs.len() >= THUMBS {
            waiting.thumbs.pop_front();
            waiting.skipped += 1;
        }
        waiting.thumbs.push_back(thumb);
        self.more.notify_one();
    }

    /// Waits for the next job; somebody is looking at stills, so they come first. `None`: it is over.
    pub fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.ended {
                return None;
            }
            if let Some((camera, offered)) = waiting.frames.pop_first() {
                return Some(Job::Still(camera, offered));
            }
            if let Some(thumb) = waiting.thumbs.pop_front() {
                return Some(Job::Thumb(thumb, std::mem::take(&mut waiting.skipped)));
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
