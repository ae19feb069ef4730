//! The task that gives disk space back: applies the local buffer, the quota and the free-space rule every few
//! seconds, and says on the board when space is short. The rules themselves are the store's.

use std::time::Duration;

use crate::error::Result;
use crate::segment::Timestamp;
use crate::shutdown::Shutdown;
use crate::status::{Board, StorageTrouble};
use crate::store::{Retained, Store};

const INTERVAL: Duration = Duration::from_secs(5);

/// Runs until `shutdown`. Errors are told on the board and tried again: a recorder must outlive its disk's moods.
pub async fn run(store: Store, board: Board, shutdown: Shutdown) -> Result<()> {
    let mut told = None;
    loop {
        let trouble = match store.call(|store| store.retain(Timestamp::now())).await {
            Ok(retained) => shortage(&retained),
            Err(error) => Some(StorageTrouble { fatal: true, reason: error.to_string() }),
        };
        if trouble != told {
            match (&trouble, &told) {
                (Some(trouble), _) => log::error!("[storage] {}", trouble.reason),
                (None, Some(_)) => log::info!("[storage] space and database are well again"),
                (None, None) => {}
            }
            board.set_storage(trouble.clone());
            told = trouble;
        }
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

fn shortage(retained: &Retained) -> Option<StorageTrouble> {
    let short = |reason: &str| Some(StorageTrouble { fatal: false, reason: reason.into() });
    if retained.still_short {
        return short(
            "disk is too full, and deleting our own files would not help; free space on the disk of \
             storage.segments_dir, or lower storage.min_free_mb",
        );
    }
    if !retained.dropped.is_empty() {
        return short(
            "disk is full: footage that was not uploaded yet is being dropped, oldest first; restore the \
             connection to S3, or give storage.segments_dir a larger disk",
        );
    }
    None
}
