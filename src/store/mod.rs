//! Rows and files: the queue that every other part reads. SQL lives only in this folder.
//!
//! All methods block for the length of a small transaction; async callers go through [`Store::call`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::StorageConfig;
use crate::error::Result;
use crate::segment::{CameraName, FileName, NewSegment, Prefix, RunId, Segment, SegmentId, State, Timestamp};
use crate::status::CameraState;

/// A handle on the database and the segment folder; clones share both.
#[derive(Clone)]
pub struct Store {}

/// The parts that one process at a time may be, per database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Capture,
    Upload,
    Serve,
}

/// Held for the life of the part; dropping it lets another process have the role.
pub struct RoleLock {}

/// What is known of one file without its row; a probe of the caller reads it from the media itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// From the first frame to the end of the last.
    pub duration: Duration,
    pub frames: u64,
    /// The file begins with a frame that decodes by itself.
    pub starts_with_keyframe: bool,
}

/// What recovery did at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub adopted: usize,
    pub lost: usize,
    /// Rows were `cleaned` or `dropped`, the unlink had not happened yet.
    pub unlinked: usize,
    /// Files that hold no playable frame, moved aside into `unplayable/`.
    pub unplayable: usize,
}

/// What retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    pub cleaned: usize,
    /// Uploaded files that went before their time, because space was short.
    pub cleaned_early: usize,
    /// Un-uploaded segments given up, oldest first.
    pub dropped: Vec<(CameraName, FileName)>,
    /// Space is short and nothing more can go.
    pub still_short: bool,
}

/// Counts for one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraStats {
    pub camera: CameraName,
    /// Segments and bytes by state; states with none are absent.
    pub by_state: Vec<(State, u64, u64)>,
    pub newest_end: Option<Timestamp>,
    pub oldest_pending: Option<Timestamp>,
    /// The last state this camera's thread wrote, also from another process.
    pub last_state: Option<(CameraState, Option<String>, Timestamp)>,
}

/// A run's end as the manifest and reports need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    pub run: RunId,
    pub ended_at: Option<Timestamp>,
    /// `None`: the program died in it.
    pub reason: Option<String>,
}

/// An hour of a camera whose manifest must still be written, or written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenManifest {
    pub camera: CameraName,
    /// Start of the UTC hour.
    pub hour: Timestamp,
    /// Rises with every row of the hour that becomes uploaded, lost or dropped.
    pub changes: u64,
    /// `changes` as the manifest in S3 shows it; equal to `changes` when nothing is new.
    pub written_changes: u64,
    pub written_at: Option<Timestamp>,
    /// Rows of the hour that may still become uploaded.
    pub pending: u64,
}

impl Store {
    /// Opens or creates database and folder, migrates, refuses a database of a newer version.
    pub fn open(config: &StorageConfig, prefix: &Prefix) -> Result<Store> {
        todo!()
    }

    /// Runs a blocking method off the async threads.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        todo!()
    }

    /// Takes a role; refuses with the other process's id when it is taken.
    pub fn lock(&self, role: Role) -> Result<RoleLock> {
        todo!()
    }

    // --- capture -------------------------------------------------------------------------------------------
    pub fn begin_run(&self, camera: &CameraName, now: Timestamp) -> Result<RunId> {
        todo!()
    }
    pub fn end_run(&self, run: RunId, now: Timestamp, reason: &str) -> Result<()> {
        todo!()
    }
    /// Folder of one camera's files; created if missing.
    pub fn camera_dir(&self, camera: &CameraName) -> Result<PathBuf> {
        todo!()
    }
    /// The first name at or after `wanted` that neither a row (of any state) nor a file has.
    pub fn free_name(&self, camera: &CameraName, wanted: FileName) -> Result<FileName> {
        todo!()
    }
    /// Adds the row `created`. The file must be on disk, synced, folder synced. Gives key, sequence and discontinuity.
    pub fn insert(&self, segment: &NewSegment) -> Result<Segment> {
        todo!()
    }
    /// Written on changes only, so that other processes see it.
    pub fn set_camera_state(
        &self,
        camera: &CameraName,
        state: CameraState,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        todo!()
    }

    // --- upload --------------------------------------------------------------------------------------------
    /// Up to `limit` rows in `created`, or in `retry` and due; oldest start first.
    pub fn next_uploads(&self, now: Timestamp, limit: usize) -> Result<Vec<Segment>> {
        todo!()
    }
    /// When the next `retry` row becomes due; `None` if none waits.
    pub fn next_retry_at(&self) -> Result<Option<Timestamp>> {
        todo!()
    }
    /// `created`/`retry` → `uploading`, and `doubtful` from here on until the attempt's end is known.
    pub fn begin_upload(&self, id: SegmentId) -> Result<()> {
        todo!()
    }
    pub fn finish_uploaded(&self, id: SegmentId, now: Timestamp) -> Result<()> {
        todo!()
    }
    /// `uploading` → `retry`; `blame` counts the attempt against the object, `doubtful` says whether the PUT may have arrived.
    pub fn finish_retry(
        &self,
        id: SegmentId,
        next_attempt_at: Timestamp,
        blame: bool,
        doubtful: bool,
        error: &str,
    ) -> Result<()> {
        todo!()
    }
    pub fn finish_failed(&self, id: SegmentId, error: &str) -> Result<()> {
        todo!()
    }
    pub fn finish_lost(&self, id: SegmentId, error: &str) -> Result<()> {
        todo!()
    }
    /// `failed` → `retry`, attempts back to 0, all cameras or one. Returns how many.
    pub fn retry_failed(&self, camera: Option<&CameraName>) -> Result<usize> {
        todo!()
    }
    /// Rows left in `uploading` by a process that died → `retry`, due now, doubtful.
    pub fn recover_uploads(&self) -> Result<usize> {
        todo!()
    }
    /// Every hour whose manifest in S3 is not final yet, oldest first.
    pub fn open_manifests(&self) -> Result<Vec<OpenManifest>> {
        todo!()
    }
    /// Notes that the manifest of `hour` went to S3 showing everything up to `changes`; `ended` makes it final,
    /// unless a change came in meanwhile.
    pub fn manifest_written(&self, manifest: &OpenManifest, now: Timestamp, ended: bool) -> Result<()> {
        todo!()
    }
    /// All rows whose file name's second lies in the hour, in sequence order, any state.
    pub fn hour(&self, camera: &CameraName, hour: Timestamp) -> Result<Vec<Segment>> {
        todo!()
    }
    pub fn run_end(&self, run: RunId) -> Result<Option<RunEnd>> {
        todo!()
    }

    // --- http ----------------------------------------------------------------------------------------------
    pub fn path(&self, segment: &Segment) -> PathBuf {
        todo!()
    }
    /// The newest `limit` rows that have a file, in sequence order.
    pub fn newest(&self, camera: &CameraName, limit: usize) -> Result<Vec<Segment>> {
        todo!()
    }
    pub fn find(&self, camera: &CameraName, file: FileName) -> Result<Option<Segment>> {
        todo!()
    }
    pub fn stats(&self) -> Result<Vec<CameraStats>> {
        todo!()
    }

    // --- files ---------------------------------------------------------------------------------------------
    /// Adopts orphans, marks vanished files lost, finishes interrupted unlinks. `inspect` reads a file's media.
    pub fn recover_files(
        &self,
        now: Timestamp,
        inspect: &dyn Fn(&Path) -> Result<Inspected>,
    ) -> Result<Recovered> {
        todo!()
    }
    /// Applies local buffer, quota and free-space rules once.
    pub fn retain(&self, now: Timestamp) -> Result<Retained> {
        todo!()
    }
    /// Bytes free for us on the disk of the segment folder.
    pub fn free_bytes(&self) -> Result<u64> {
        todo!()
    }
    /// `check store`: every broken invariant as a line; empty when all hold. Hashes every file.
    pub fn verify(&self) -> Result<Vec<String>> {
        todo!()
    }
}
