//! The cameras that are served, in the order of the file. A reload of the configuration changes them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::config::Mode;
use crate::segment::CameraName;

/// One camera, as the server needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedCamera {
    pub name: CameraName,
    /// Target length of a segment, for TARGETDURATION.
    pub segment_duration: Duration,
    pub mode: Mode,
}

/// Clones share the list.
#[derive(Clone, Default)]
pub struct Cameras(Arc<RwLock<Arc<[ServedCamera]>>>);

impl Cameras {
    pub fn new(cameras: Vec<ServedCamera>) -> Cameras {
        Cameras(Arc::new(RwLock::new(cameras.into())))
    }

    /// From now on; requests that are being answered go on with those that they found.
    pub fn set(&self, cameras: Vec<ServedCamera>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = cameras.into();
    }

    pub fn now(&self) -> Arc<[ServedCamera]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
