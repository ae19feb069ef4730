//! How the recorder is, in one struct: `/health`, the page and the `status` command show it. Pure.
//!
//! Built from the board of this process, the counts of the database and the clock; knows the words but asks
//! nobody. The verdict and its reasons are in `verdict`, the table for terminals in `text`.

use serde::{Deserialize, Serialize};

use super::ServedCamera;
use crate::segment::{CameraName, State, Timestamp};
use crate::status::{CameraState, Snapshot};
use crate::store::CameraStats;

mod text;
mod verdict;

/// Everything a report is made of. The struct that comes of it can be read back from `/health`.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Of this process. Where it has no camera, the states come from `stats`.
    pub snapshot: &'a Snapshot,
    pub stats: &'a [CameraStats],
    /// In the order of the file.
    pub cameras: &'a [ServedCamera],
    /// `None` where the disk could not be asked.
    pub free_bytes: Option<u64>,
    pub now: Timestamp,
}

/// `status` in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// Something is wrong, and heals or waits.
    Degraded,
    /// No camera records, or rows cannot be written.
    Down,
}

impl Verdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Degraded => "degraded",
            Verdict::Down => "down",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub status: Verdict,
    /// Empty exactly when `status` is ok.
    pub reasons: Vec<String>,
    pub version: String,
    pub uptime_seconds: u64,
    pub cameras: Vec<CameraReport>,
    pub upload: UploadReport,
    pub storage: StorageReport,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraReport {
    pub name: String,
    /// A [`CameraState`], or `unknown` for a camera that never ran.
    pub state: String,
    pub reason: Option<String>,
    pub since: Option<String>,
    pub last_segment_age_seconds: Option<u64>,
    pub reconnects: u64,
    pub oldest_pending_age_seconds: Option<u64>,
    /// States with no segment are absent.
    pub segments: Vec<StateReport>,
}

/// Segments and bytes in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReport {
    pub state: String,
    pub count: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadReport {
    /// `None` where this process does not upload.
    pub state: Option<String>,
    pub reason: Option<String>,
    /// Segments that wait, over all cameras, also over those no longer configured.
    pub pending: u64,
    pub failed: u64,
    pub oldest_pending_age_seconds: Option<u64>,
    pub last_success_at: Option<String>,
}

/// What lies on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StorageReport {
    pub segments: u64,
    pub bytes: u64,
    pub free_bytes: Option<u64>,
    /// A [`crate::status::SpaceLevel`]: `ok`, `low`, `dropping` or `full`; `None` where this process does not look
    /// after the disk.
    pub space: Option<String>,
    /// Segments that were given up before S3 had them, of all time.
    pub dropped: u64,
    pub reason: Option<String>,
}

/// What is known of one camera, whoever said it.
struct Notice {
    state: Option<CameraState>,
    reason: Option<String>,
    since: Option<Timestamp>,
    reconnects: u64,
    /// It comes from the database: nobody in this process vouches for it.
    hearsay: bool,
}

impl Report {
    pub fn new(facts: &Facts<'_>) -> Report {
        let cameras = facts.cameras.iter().map(|camera| {
            let notice = notice(facts, &camera.name);
            camera_report(facts, &camera.name, &notice)
        });
        let mut report = Report {
            status: Verdict::Ok,
            reasons: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: facts.snapshot.uptime_seconds,
            cameras: cameras.collect(),
            upload: upload_report(facts),
            storage: storage_report(facts),
        };
        (report.status, report.reasons) = verdict::judge(facts, &report);
        report
    }
}

fn notice(facts: &Facts<'_>, name: &CameraName) -> Notice {
    if let Some(camera) = facts.snapshot.cameras.get(name) {
        return Notice {
            state: Some(camera.state),
            reason: camera.reason.clone(),
            since: Some(camera.since),
            reconnects: camera.reconnects,
            hearsay: false,
        };
    }
    let last = stats_of(facts, name).and_then(|stats| stats.last_state.clone());
    let (state, reason, since) = match last {
        Some((state, reason, since)) => (Some(state), reason, Some(since)),
        None => (None, None, None),
    };
    Notice { state, reason, since, reconnects: 0, hearsay: true }
}

fn stats_of<'a>(facts: &Facts<'a>, name: &CameraName) -> Option<&'a CameraStats> {
    facts.stats.iter().find(|stats| stats.camera == *name)
}

fn camera_report(facts: &Facts<'_>, name: &CameraName, notice: &Notice) -> CameraReport {
    let stats = stats_of(facts, name);
    let age = |at: Timestamp| facts.now.since(at).as_secs();
    let by_state = stats.map(|stats| stats.by_state.as_slice()).unwrap_or_default();
    CameraReport {
        name: name.to_string(),
        state: notice.state.map_or("unknown", CameraState::as_str).to_owned(),
        reason: notice.reason.clone(),
        since: notice.since.map(Timestamp::rfc3339),
        last_segment_age_seconds: stats.and_then(|stats| stats.newest_end).map(age),
        reconnects: notice.reconnects,
        oldest_pending_age_seconds: stats.and_then(|stats| stats.oldest_pending).map(age),
        segments: by_state
            .iter()
            .map(|&(state, count, bytes)| StateReport { state: state.as_str().to_owned(), count, bytes })
            .collect(),
    }
}

fn upload_report(facts: &Facts<'_>) -> UploadReport {
    let upload = facts.snapshot.upload.as_ref();
    let oldest = facts.stats.iter().filter_map(|stats| stats.oldest_pending).min();
    UploadReport {
        state: upload.map(|upload| upload.state.as_str().to_owned()),
        reason: upload.and_then(|upload| upload.reason.clone()),
        pending: total(facts, State::is_pending).0,
        failed: total(facts, |state| state == State::Failed).0,
        oldest_pending_age_seconds: oldest.map(|oldest| facts.now.since(oldest).as_secs()),
        last_success_at: upload.and_then(|upload| upload.last_success_at).map(Timestamp::rfc3339),
    }
}

fn storage_report(facts: &Facts<'_>) -> StorageReport {
    let (segments, bytes) = total(facts, State::has_file);
    let reason = facts.snapshot.storage_reason.as_ref().map(|trouble| trouble.reason.clone());
    StorageReport {
        segments,
        bytes,
        free_bytes: facts.free_bytes,
        space: facts.snapshot.space.as_ref().map(|space| space.level.as_str().to_owned()),
        dropped: total(facts, |state| state == State::Dropped).0,
        reason,
    }
}

fn total(facts: &Facts<'_>, counts: impl Fn(State) -> bool) -> (u64, u64) {
    CameraStats::total(facts.stats, counts)
}

/// Whether a state in its written form is part of the backlog.
fn is_pending(state: &str) -> bool {
    State::parse(state).is_some_and(State::is_pending)
}
