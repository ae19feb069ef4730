//! What becomes of a row after an attempt: pure, but for [`Finish::apply`], which writes it.

use std::time::Duration;

use super::attempt::Ended;
use crate::error::{Kind, Result};
use crate::segment::{Segment, SegmentId, Timestamp};
use crate::store::Store;

/// How soon a key is looked at again that somebody else was writing.
const LATER: Duration = Duration::from_secs(2);

/// How soon a file is looked for again whose disk is not there.
const DISK_WAIT: Duration = Duration::from_secs(10);
/// Due whatever the clock says, also after it was set back.
const AT_ONCE: Timestamp = Timestamp::from_seconds(0);

/// The row's change, kept until the database took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    Uploaded { at: Timestamp },
    Retry { next_attempt_at: Timestamp, blame: bool, doubtful: bool, error: String },
    Failed { error: String },
    Lost { error: String },
}

impl Finish {
    /// `wait` is how long the row waits if it is blamed, or if the link fails it alone; zero if the link fails all.
    pub fn from_end(
        segment: &Segment,
        ended: Ended,
        max_retries: u32,
        now: Timestamp,
        wait: Duration,
    ) -> Self {
        let retry = |after: Duration, blame, doubtful, error| Self::Retry {
            next_attempt_at: now.plus(after),
            blame,
            doubtful,
            error,
        };
        match ended {
            Ended::Uploaded => Self::Uploaded { at: now },
            // the link, not the row, decides when the next try is
            Ended::Link(trouble) if wait.is_zero() => Self::Retry {
                next_attempt_at: AT_ONCE,
                blame: false,
                doubtful: trouble.doubtful,
                error: trouble.reason,
            },
            Ended::Link(trouble) => retry(wait, false, trouble.doubtful, trouble.reason),
            Ended::Later(reason) => retry(LATER, false, true, reason),
            Ended::Blamed(reason) if segment.attempts + 1 < max_retries => retry(wait, true, false, reason),
            Ended::Blamed(error) | Ended::Failed(error) => Self::Failed { error },
            Ended::Lost(error) => Self::Lost { error },
        }
    }

    /// For an attempt that the stop cut off.
    pub fn interrupted() -> Self {
        let error = "interrupted by the stop of the program".into();
        Self::Retry { next_attempt_at: AT_ONCE, blame: false, doubtful: true, error }
    }

    /// For a segment that was taken and not sent.
    pub fn given_back(segment: &Segment) -> Self {
        let error = segment.last_error.clone().unwrap_or_else(|| "taken ahead, and not sent".into());
        Self::Retry { next_attempt_at: AT_ONCE, blame: false, doubtful: segment.doubtful, error }
    }

    pub fn apply(&self, store: &Store, id: SegmentId) -> Result<()> {
        match self {
            Self::Uploaded { at } => store.finish_uploaded(id, *at),
            Self::Retry { next_attempt_at, blame, doubtful, error } => {
                store.finish_retry(id, *next_attempt_at, *blame, *doubtful, error)
            }
            Self::Failed { error } => store.finish_failed(id, error),
            Self::Lost { error } => lost(store, id, error),
        }
    }
}

/// A file is lost only where the rest of the folder is there: a disk that is away for a moment loses nothing.
fn lost(store: &Store, id: SegmentId, error: &str) -> Result<()> {
    match store.finish_lost(id, error) {
        Ok(()) => {
            log::error!("[upload] a segment is lost: {error}");
            Ok(())
        }
        Err(no_disk) if no_disk.kind() == Kind::Disk => {
            log::warn!("[upload] {error}, and so is its disk; it is looked for again");
            let next_attempt_at = Timestamp::now().plus(DISK_WAIT);
            store.finish_retry(id, next_attempt_at, false, true, &no_disk.to_string())
        }
        Err(other) => Err(other),
    }
}
