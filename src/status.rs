//! The notice board: parts write how they are, HTTP and `status` read it.
//!
//! Nothing here decides anything. A part that is not running in this process leaves its notice empty.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::Counters;
use crate::heartbeat::{Heart, Heartbeats};
use crate::segment::{CameraName, Cause, Timestamp};

/// Long enough for a person to read it, short enough that it does not hide the next trouble.
const MENDED_FOR: Duration = Duration::from_secs(24 * 3600);

/// A camera's state, as `/health` and `status` show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CameraState {
    Starting,
    Recording,
    Waiting,
    Draining,
    Stopped,
}

impl CameraState {
    pub const ALL: [CameraState; 5] =
        [Self::Starting, Self::Recording, Self::Waiting, Self::Draining, Self::Stopped];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Recording => "recording",
            Self::Waiting => "waiting",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One camera's notice.
#[derive(Clone, Debug)]
pub struct CameraStatus {
    pub state: CameraState,
    /// Why it is not recording, in plain words; `None` while all is well.
    pub reason: Option<String>,
    /// When `state` or `reason` last changed.
    pub since: Timestamp,
    /// Runs begun after the first.
    pub reconnects: u64,
}

/// What a camera's pictures are, and when the last one came.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub frame_at: Option<Instant>,
    /// As it is recorded: `h264` or `h265`.
    pub codec: Option<String>,
}

impl Picture {
    pub fn frame_age(&self) -> Option<Duration> {
        self.frame_at.map(|at| at.elapsed())
    }
}

/// The uploader's link to S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Uploads go through, or nothing waits.
    Ok,
    /// S3 does not answer as it should; the queue waits and tries again.
    Waiting,
    /// Bucket, keys or rights are wrong; the queue waits until a person acts, and tries now and then.
    Misconfigured,
    Stopped,
}

impl UploadState {
    pub const ALL: [UploadState; 4] = [Self::Ok, Self::Waiting, Self::Misconfigured, Self::Stopped];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Waiting => "waiting",
            Self::Misconfigured => "misconfigured",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Clone, Debug)]
pub struct UploadStatus {
    pub state: UploadState,
    pub reason: Option<String>,
    pub last_success_at: Option<Timestamp>,
}

/// How much room footage has, from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpaceLevel {
    #[default]
    Ok,
    /// Soon there will be none: the time to act.
    Low,
    /// Segments that S3 does not have are being given up, oldest first.
    Dropping,
    /// Nothing of ours is left to give, or it would not help.
    Full,
}

impl SpaceLevel {
    pub const ALL: [SpaceLevel; 4] = [Self::Ok, Self::Low, Self::Dropping, Self::Full];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Low => "low",
            Self::Dropping => "dropping",
            Self::Full => "full",
        }
    }
}

/// The disk's notice. Whoever alerts people needs no more than to see `level` rise or `dropped` grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceStatus {
    pub level: SpaceLevel,
    /// When `level` last changed; `None` while it never did.
    pub since: Option<Timestamp>,
    /// Segments given up since the program's start. The rows count those of all time.
    pub dropped: u64,
    pub dropped_bytes: u64,
}

/// Everything on the board at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub stopping: bool,
    pub cameras: BTreeMap<CameraName, CameraStatus>,
    /// Why the last run of a camera that does not record ended, in the word that gaps use.
    pub causes: BTreeMap<CameraName, Cause>,
    /// `None` where this process does not upload.
    pub upload: Option<UploadStatus>,
    /// What went wrong with uploads last, and when; kept when it has healed.
    pub upload_error: Option<(Timestamp, String)>,
    /// What comes from each camera, while this process records it.
    pub pictures: BTreeMap<CameraName, Picture>,
    /// Why rows or files cannot be written, or why space is short; `None` while all is well.
    pub storage_reason: Option<StorageTrouble>,
    /// `None` where this process does not look after the disk.
    pub space: Option<SpaceStatus>,
    /// Cameras whose rows the database does not take, with its words. They go on recording.
    pub unwritten: BTreeMap<CameraName, String>,
    /// What became of a database that could not be used at start; told for [`MENDED_FOR`].
    pub mended: Option<(Instant, String)>,
    pub hearts: Heartbeats,
    /// All parts have been started.
    pub is_ready: bool,
    pub uptime_seconds: u64,
}

/// What is wrong with the disk or the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageTrouble {
    /// Rows or files cannot be written at all: the program is `down`.
    pub fatal: bool,
    pub reason: String,
}

/// Shared by all parts of one process; cloning shares it.
#[derive(Clone)]
pub struct Board {
    notices: Arc<Mutex<Snapshot>>,
    counters: Counters,
    started: Instant,
}

impl Default for Board {
    fn default() -> Self {
        Self { notices: Arc::default(), counters: Counters::default(), started: Instant::now() }
    }
}

impl Board {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn set_stopping(&self) {
        self.lock().stopping = true;
    }

    /// Notes that all parts have been started, or that they are being started anew.
    pub fn set_ready(&self, is_ready: bool) {
        self.lock().is_ready = is_ready;
    }

    /// For what is counted rather than noted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Notes that this part goes on.
    pub fn heartbeat(&self, heart: &Heart) {
        self.lock().hearts.beat(heart, Instant::now());
    }

    /// Notes that this part was stopped.
    pub fn heart_ends(&self, heart: &Heart) {
        self.lock().hearts.end(heart);
    }

    /// Notes a camera's state; `since` moves only when state or reason really change.
    pub fn set_camera(&self, name: &CameraName, state: CameraState, reason: Option<String>, now: Timestamp) {
        let mut board = self.lock();
        if state == CameraState::Recording {
            board.causes.remove(name);
        }
        match board.cameras.get_mut(name) {
            Some(notice) if notice.state == state && notice.reason == reason => {}
            Some(notice) => {
                notice.state = state;
                notice.reason = reason;
                notice.since = now;
            }
            None => {
                let notice = CameraStatus { state, reason, since: now, reconnects: 0 };
                board.cameras.insert(name.clone(), notice);
            }
        }
    }

    /// The camera is no longer in the configuration.
    pub fn forget_camera(&self, name: &CameraName) {
        let mut board = self.lock();
        board.cameras.remove(name);
        board.pictures.remove(name);
        board.causes.remove(name);
        board.unwritten.remove(name);
    }

    /// `cause`: why the run before ended.
    pub fn count_reconnect(&self, name: &CameraName, cause: Cause) {
        self.counters.reconnected(name, cause);
        if let Some(notice) = self.lock().cameras.get_mut(name) {
            notice.reconnects += 1;
        }
    }

    /// Notes why a run ended; forgotten when the camera records again.
    pub fn set_cause(&self, name: &CameraName, cause: Cause) {
        self.lock().causes.insert(name.clone(), cause);
    }

    /// Notes how long ago a frame came.
    pub fn set_frame(&self, name: &CameraName, age: Duration) {
        self.picture(name, |picture| picture.frame_at = Instant::now().checked_sub(age));
    }

    /// Notes what is recorded.
    pub fn set_codec(&self, name: &CameraName, codec: &str) {
        self.picture(name, |picture| {
            if picture.codec.as_deref() != Some(codec) {
                picture.codec = Some(codec.to_owned());
            }
        });
    }

    fn picture(&self, name: &CameraName, change: impl FnOnce(&mut Picture)) {
        let mut board = self.lock();
        match board.pictures.get_mut(name) {
            Some(picture) => change(picture),
            None => change(board.pictures.entry(name.clone()).or_default()),
        }
    }

    pub fn set_upload(&self, state: UploadState, reason: Option<String>) {
        let mut board = self.lock();
        if let Some(words) = &reason
            && matches!(state, UploadState::Waiting | UploadState::Misconfigured)
        {
            board.upload_error = Some((Timestamp::now(), words.clone()));
        }
        let last_success_at = board.upload.as_ref().and_then(|upload| upload.last_success_at);
        board.upload = Some(UploadStatus { state, reason, last_success_at });
    }

    pub fn upload_succeeded(&self, now: Timestamp) {
        self.lock().upload =
            Some(UploadStatus { state: UploadState::Ok, reason: None, last_success_at: Some(now) });
    }

    pub fn set_storage(&self, trouble: Option<StorageTrouble>) {
        self.lock().storage_reason = trouble;
    }

    /// Notes how much room there is; `since` moves only when the level really changes.
    pub fn set_space(&self, level: SpaceLevel, now: Timestamp) {
        let mut board = self.lock();
        let space = board.space.get_or_insert_default();
        if space.level != level {
            space.level = level;
            space.since = Some(now);
        }
    }

    pub fn count_dropped(&self, segments: u64, bytes: u64) {
        let mut board = self.lock();
        let space = board.space.get_or_insert_default();
        space.dropped += segments;
        space.dropped_bytes += bytes;
    }

    /// Notes that the database does not take a camera's rows, or that it does again.
    pub fn set_unwritten(&self, name: &CameraName, reason: Option<String>) {
        let mut board = self.lock();
        match reason {
            Some(reason) => drop(board.unwritten.insert(name.clone(), reason)),
            None => drop(board.unwritten.remove(name)),
        }
    }

    /// Notes that a damaged database was replaced by a new one: a person should know, nobody must hurry.
    pub fn set_mended(&self, reason: String) {
        self.lock().mended = Some((Instant::now(), reason));
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.lock().clone();
        if let (None, Some((at, reason))) = (&snapshot.storage_reason, &snapshot.mended)
            && at.elapsed() < MENDED_FOR
        {
            let reason = reason.clone();
            snapshot.storage_reason = Some(StorageTrouble { fatal: false, reason });
        }
        if let Some(reason) = snapshot.unwritten.values().next() {
            let reason =
                format!("rows cannot be written: {reason}; the files are kept and wait for their rows");
            snapshot.storage_reason = Some(StorageTrouble { fatal: true, reason });
        }
        snapshot.uptime_seconds = self.started.elapsed().as_secs();
        snapshot
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
