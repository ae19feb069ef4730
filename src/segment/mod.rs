//! The pure vocabulary: camera names, times, states, rows, and how a segment is called on disk, in S3 and over HTTP.
//!
//! No I/O, no clock but [`Timestamp::now`]. Everything that names a segment goes through here, so that the
//! three names of one segment can never drift apart.

use std::time::Duration;

pub mod coverage;
#[cfg(test)]
mod fuzz;
pub mod gap;
mod name;
mod timestamp;

pub use gap::{Cause, Gap, Why};
pub use name::{CameraName, FileName, Prefix};
pub use timestamp::Timestamp;

/// Where a segment is in its life; the texts are what the database, `status` and the API show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Closed and on disk, never tried.
    Created,
    /// A PUT may be under way, or was when the program died.
    Uploading,
    /// Waits for its next attempt.
    Retry,
    /// S3 confirmed these bytes.
    Uploaded,
    /// The object itself was refused too often; the file stays until a person acts.
    Failed,
    /// The file vanished or no longer matches its hash.
    Lost,
    /// The disk quota forced it out before it was uploaded.
    Dropped,
    /// Uploaded, and its file is gone after the local buffer's time.
    Cleaned,
}

impl State {
    pub const ALL: [State; 8] = [
        State::Created,
        State::Uploading,
        State::Retry,
        State::Uploaded,
        State::Failed,
        State::Lost,
        State::Dropped,
        State::Cleaned,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Uploading => "uploading",
            State::Retry => "retry",
            State::Uploaded => "uploaded",
            State::Failed => "failed",
            State::Lost => "lost",
            State::Dropped => "dropped",
            State::Cleaned => "cleaned",
        }
    }

    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Waits to be uploaded: the backlog.
    pub const fn is_pending(self) -> bool {
        matches!(self, State::Created | State::Uploading | State::Retry)
    }

    /// A complete file of the row's size and hash must be on disk.
    pub const fn has_file(self) -> bool {
        matches!(self, State::Created | State::Uploading | State::Retry | State::Uploaded | State::Failed)
    }
}

/// Where a segment's start time comes from; the texts are the database's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeSource {
    /// The camera's own clock, as its RTCP sender reports tell it.
    Camera,
    /// When its first frame came, by this machine's clock.
    #[default]
    Arrival,
    /// Adopted without a row: the file's name, to the second.
    Name,
}

impl TimeSource {
    pub const ALL: [TimeSource; 3] = [TimeSource::Camera, TimeSource::Arrival, TimeSource::Name];

    pub const fn as_str(self) -> &'static str {
        match self {
            TimeSource::Camera => "camera",
            TimeSource::Arrival => "arrival",
            TimeSource::Name => "name",
        }
    }

    pub fn parse(text: &str) -> Option<TimeSource> {
        TimeSource::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

/// A row's number in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub i64);

/// One life of one camera's pipeline, numbered in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

/// A closed file that has no row yet. `bytes`, `md5` and `sha256` were taken while it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSegment {
    pub camera: CameraName,
    pub run: RunId,
    /// Wall-clock time of the first frame.
    pub start: Timestamp,
    pub time_source: TimeSource,
    /// From media time.
    pub duration: Duration,
    pub bytes: u64,
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
    pub file: FileName,
}

impl NewSegment {
    /// Wall-clock time after the last frame.
    pub fn end(&self) -> Timestamp {
        self.start.plus(self.duration)
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub id: SegmentId,
    pub camera: CameraName,
    pub run: RunId,
    /// Media sequence: per camera, only rises, also over restarts.
    pub sequence: u64,
    /// Discontinuity sequence: per camera, one more with every run that recorded something.
    pub discontinuity: u64,
    pub start: Timestamp,
    pub time_source: TimeSource,
    pub duration: Duration,
    pub bytes: u64,
    /// All zeros once there is no file.
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
    pub file: FileName,
    /// Frozen at creation.
    pub key: String,
    pub state: State,
    /// Attempts that blamed this object.
    pub attempts: u32,
    /// A PUT was begun once and its end is not known for sure: HEAD comes first.
    pub doubtful: bool,
    pub last_error: Option<String>,
}

impl Segment {
    /// Wall-clock time after the last frame.
    pub fn end(&self) -> Timestamp {
        self.start.plus(self.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_back_from_its_text() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
    }
}
