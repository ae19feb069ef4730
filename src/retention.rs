//! The task that gives disk space back: applies the local buffer, the quota and the free-space rule every few
//! seconds, and says on the board when space is short. The rules themselves are the store's.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::segment::Timestamp;
use crate::shutdown::Shutdown;
use crate::status::{Board, StorageTrouble};
use crate::store::{Retained, Store};

const INTERVAL: Duration = Duration::from_secs(5);
/// Footage goes a segment at a time while the disk stays full: the trouble is over only when none went for this long.
const CALM: Duration = Duration::from_secs(600);

/// Runs until `shutdown`. Errors are told on the board and tried again: a recorder must outlive its disk's moods.
pub async fn run(store: Store, board: Board, shutdown: Shutdown) -> Result<()> {
    let mut told = None;
    let mut dropped_at: Option<Instant> = None;
    loop {
        let trouble = match store.call(|store| store.retain(Timestamp::now())).await {
            Ok(retained) => {
                if !retained.dropped.is_empty() {
                    dropped_at = Some(Instant::now());
                }
                shortage(&retained, dropped_at.is_some_and(|at| at.elapsed() < CALM))
            }
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

fn shortage(retained: &Retained, dropping: bool) -> Option<StorageTrouble> {
    let short = |reason: &str| Some(StorageTrouble { fatal: false, reason: reason.into() });
    if retained.still_short {
        return short(
            "disk is too full, and deleting our own files would not help; free space on the disk of \
             storage.segments_dir, or lower storage.min_free_mb",
        );
    }
    if dropping {
        return short(
            "disk is full: footage that was not uploaded yet is being dropped, oldest first; restore the \
             connection to S3, or give storage.segments_dir a larger disk",
        );
    }
    None
}
