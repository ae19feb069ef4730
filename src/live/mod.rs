//! What viewers see now: frames of running cameras → parts and segments in memory → low-latency HLS and direct streams.
//!
//! Lies beside the store: cameras write into it, HTTP reads from it, and neither knows the other. Nothing here
//! waits for a viewer, touches a disk or knows GStreamer. A camera that nobody watches sends nothing in here.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::segment::{CameraName, Timestamp};

mod cut;
mod fmp4;
mod hub;
mod playlist;
#[cfg(test)]
mod playlist_tests;
mod rebase;
mod recent;
mod rendered;
mod ring;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
mod viewer;

pub use fmp4::{Coding, Format, Frame};
pub use hub::{Hub, Init, Unavailable, Want};
pub use rebase::Rebase;
pub use rendered::Rendered;
pub use viewer::{Moment, Viewer};

/// 2025-01-01, so that numbers stay small: some players keep them in 32 bits.
const EPOCH_SECONDS: i64 = 1_735_689_600;

/// The live streams of all cameras; cloning shares them.
#[derive(Clone, Default)]
pub struct Live(Arc<RwLock<BTreeMap<CameraName, Arc<Hub>>>>);

impl Live {
    /// Each camera with the moment its numbers begin at (now, or the end of its newest segment where the clock was set
    /// back), and how many runs it has had.
    ///
    /// Media sequences begin with this moment's seconds and rise by at most one in a second, so those of the next start
    /// of the program lie beyond them without being kept anywhere. Discontinuities must stay small: hls.js 1.7 keeps
    /// an array with a place for each, and spends half a second on every playlist where they count seconds. They
    /// begin with this moment's hours and the runs so far, and rise by at most one with each further run.
    pub fn new(cameras: impl IntoIterator<Item = (CameraName, Timestamp, u64)>) -> Live {
        let live = Live::default();
        for (name, from, runs) in cameras {
            live.add(name, from, runs);
        }
        live
    }

    /// One more camera, as in [`Live::new`].
    pub fn add(&self, name: CameraName, from: Timestamp, runs: u64) {
        let sequence = u64::try_from(from.epoch_seconds() - EPOCH_SECONDS).unwrap_or(0);
        let discontinuity = sequence / 3600 + runs;
        let hub = Arc::new(Hub::new(name.clone(), sequence, discontinuity));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, hub);
    }

    /// Ends a camera's streams for good.
    pub fn remove(&self, camera: &CameraName) {
        if let Some(hub) = self.0.write().unwrap_or_else(PoisonError::into_inner).remove(camera) {
            hub.stop();
        }
    }

    /// `None` in a process that does not record this camera.
    pub fn hub(&self, camera: &CameraName) -> Option<Arc<Hub>> {
        self.hubs().get(camera).cloned()
    }

    fn hubs(&self) -> RwLockReadGuard<'_, BTreeMap<CameraName, Arc<Hub>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what nobody watches; to be called about once a second.
    pub fn sweep(&self) {
        self.hubs().values().for_each(|hub| hub.sweep());
    }

    /// Ends every stream and every wait, for good.
    pub fn stop(&self) {
        self.hubs().values().for_each(|hub| hub.stop());
    }
}
