//! Small JPEGs: of each camera now, while somebody looks, and of a segment, once somebody wants to see it.
//!
//! Lies beside the store: cameras offer frames, HTTP asks for pictures, and neither knows the other. One thread makes all
//! pictures, one after the other, and rests after each: recording and upload come first. What nobody asks for costs
//! nothing: a decoder for each segment would be a seventh of what it costs to record one, and sixty megabytes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, Timestamp};

mod picture;
mod queue;
#[cfg(test)]
mod tests;
mod worker;

pub use picture::{Codec, Frame};
use queue::{Queue, Wanted};
pub use worker::Worker;

/// From one still of a camera to the next.
const EVERY: Duration = Duration::from_secs(2);
/// Stills are made this long after somebody asked last.
const OPEN: Duration = Duration::from_secs(60);

/// For a segment's picture: some wait before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The newest picture of a camera.
#[derive(Clone, Debug)]
pub struct Still {
    pub jpeg: Bytes,
    pub taken_at: Timestamp,
    /// As measured by a clock that is never set.
    taken: Instant,
}

impl Still {
    pub fn age(&self) -> Duration {
        self.taken.elapsed()
    }
}

/// A closed segment whose first picture is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumb {
    pub segment: PathBuf,
    /// Where the picture is kept.
    pub picture: PathBuf,
}

/// The pictures of all cameras of this process; cloning shares them. Empty where nothing is recorded.
#[derive(Clone, Default)]
pub struct Stills(Arc<Shared>);

#[derive(Default)]
struct Shared {
    cameras: RwLock<BTreeMap<CameraName, Arc<Slot>>>,
    queue: Arc<Queue>,
    thumbs: bool,
}

impl Shared {
    fn of(&self, camera: &CameraName) -> Option<Arc<Slot>> {
        self.cameras.read().unwrap_or_else(PoisonError::into_inner).get(camera).cloned()
    }
}

impl Stills {
    /// `thumbs`: whether segments get pictures. Nothing is made before [`Worker::start`].
    pub fn new(cameras: impl IntoIterator<Item = CameraName>, thumbs: bool) -> Stills {
        let queue = Arc::new(Queue::default());
        let stills = Stills(Arc::new(Shared { cameras: RwLock::default(), queue, thumbs }));
        cameras.into_iter().for_each(|camera| stills.add(camera));
        stills
    }

    /// One more camera.
    pub fn add(&self, name: CameraName) {
        let slot = Arc::new(Slot::new(name.clone(), self.0.queue.clone()));
        self.0.cameras.write().unwrap_or_else(PoisonError::into_inner).insert(name, slot);
    }

    pub fn remove(&self, camera: &CameraName) {
        self.0.cameras.write().unwrap_or_else(PoisonError::into_inner).remove(camera);
    }

    /// `None` in a process that does not record this camera.
    pub fn of(&self, camera: &CameraName) -> Option<Arc<Slot>> {
        self.0.of(camera)
    }

    /// Whether segments get pictures.
    pub fn makes_thumbs(&self) -> bool {
        self.0.thumbs
    }

    /// Makes the picture of a segment, and keeps it.
    ///
    /// # Errors
    /// It holds none, it is gone, or too much else was asked for.
    pub async fn thumb(&self, thumb: Thumb) -> Result<Bytes> {
        let busy = || Error::new(Kind::Internal, "too many pictures are being made; ask again");
        let (reply, made) = oneshot::channel();
        self.0.queue.thumb(Wanted { thumb, reply });
        tokio::time::timeout(PATIENCE, made).await.map_err(|_| busy())?.unwrap_or_else(|_| Err(busy()))
    }
}

/// Where one camera's frames and the wish to see them meet.
pub struct Slot {
    name: CameraName,
    queue: Arc<Queue>,
    epoch: Instant,
    /// In ms since `epoch`: when the last asker is forgotten, and when the next frame is due.
    open_until: AtomicU64,
    due: AtomicU64,
    newest: watch::Sender<Option<Still>>,
}

impl Slot {
    fn new(name: CameraName, queue: Arc<Queue>) -> Slot {
        Slot {
            name,
            queue,
            epoch: Instant::now(),
            open_until: AtomicU64::new(0),
            due: AtomicU64::new(0),
            newest: watch::Sender::new(None),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether the next frame is wanted. Asked for every frame, on the recording's thread.
    pub fn wants_frame(&self) -> bool {
        let open_until = self.open_until.load(Ordering::Relaxed);
        if open_until == 0 {
            return false;
        }
        let now = self.now_ms();
        now < open_until && now >= self.due.load(Ordering::Relaxed)
    }

    /// Hands a frame over; the next one is wanted [`EVERY`] later.
    pub fn offer(&self, frame: Frame) {
        let every = u64::try_from(EVERY.as_millis()).unwrap_or(u64::MAX);
        self.due.store(self.now_ms() + every, Ordering::Relaxed);
        self.queue.frame(&self.name, frame, Timestamp::now());
    }

    /// Somebody wants to see this camera: stills are made from now on, for a minute.
    pub fn ask(&self) {
        let open = u64::try_from(OPEN.as_millis()).unwrap_or(u64::MAX);
        self.open_until.store(self.now_ms() + open, Ordering::Relaxed);
    }

    pub fn newest(&self) -> Option<Still> {
        self.newest.borrow().clone()
    }

    /// The newest still, if it is younger than `age`; waits for that one at most `patience`, then for none.
    pub async fn younger_than(&self, age: Duration, patience: Duration) -> Option<Still> {
        let mut newest = self.newest.subscribe();
        let is_young = |still: &Option<Still>| still.as_ref().is_some_and(|still| still.age() < age);
        let waited = tokio::time::timeout(patience, newest.wait_for(is_young)).await;
        drop(waited);
        self.newest()
    }

    fn show(&self, jpeg: Vec<u8>, taken_at: Timestamp, taken: Instant) {
        self.newest.send_replace(Some(Still { jpeg: jpeg.into(), taken_at, taken }));
    }
}
