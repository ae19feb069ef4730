//! The uploader: rows → S3, verified.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::S3Config;
use crate::error::Result;
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::store::Store;

/// What the uploader is given.
pub struct Uploader {
    pub config: S3Config,
    pub store: Store,
    pub board: Board,
    /// "Look now": a row was added.
    pub wake: Arc<Notify>,
    /// Target length of a segment, for manifests' TARGETDURATION.
    pub segment_duration: Duration,
}

impl Uploader {
    /// Uploads until `shutdown`, then finishes what it can within `drain`. Returns when nothing of it runs any more.
    pub async fn run(self, shutdown: Shutdown, drain: Duration) -> Result<()> {
        todo!()
    }
}
