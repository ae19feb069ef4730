//! What is wrong now: the board and the counts of the database → conditions. Pure.
//!
//! The same facts as `/health` has. Of several conditions with one cause only the one that a person must act on is
//! told: the others are *hushed*, which means that they begin nothing, and end nothing that was told before.

use std::time::Duration;

use super::event::Key;
use crate::config::{AlertConfig, AlertKind};
use crate::segment::{CameraName, Cause, State, Timestamp};
use crate::status::{CameraState, Snapshot, SpaceLevel, UploadState};
use crate::store::CameraStats;
use crate::words::ago;

/// A camera may take this long for its first picture after the program's start.
const START: Duration = Duration::from_secs(20);
/// Losses come one segment at a time: they are one trouble until there was none for so long.
const LOSSES_CALM: Duration = Duration::from_secs(600);

/// A camera and how long its segments are.
#[derive(Clone, Debug)]
pub struct Watched {
    pub name: CameraName,
    pub segment_duration: Duration,
}

/// Which parts this process vouches for; the others are told by the processes that run them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    pub capture: bool,
    pub upload: bool,
}

impl Scope {
    pub fn covers(self, kind: AlertKind) -> bool {
        match kind {
            AlertKind::Backlog | AlertKind::UploadMisconfigured | AlertKind::SegmentsRefused => self.upload,
            _ => self.capture,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub snapshot: &'a Snapshot,
    /// `None` where the database could not be asked.
    pub stats: Option<&'a [CameraStats]>,
    pub cameras: &'a [Watched],
    pub losses: &'a Losses,
    pub scope: Scope,
    pub now: Timestamp,
    /// Monotonic, for what lasts.
    pub clock: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Present,
    /// True, but something else says it better.
    Hushed,
    /// Nobody can say: what was told stays as it is.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub key: Key,
    pub presence: Presence,
    pub message: String,
}

/// Footage that is gone for good, as a number that grows and a time since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    total: Option<u64>,
    /// Counted before the trouble of now, and when that grew last.
    before: u64,
    grew: Option<Duration>,
}

impl Losses {
    /// Goes on from what was known when the last look was taken, in this process or before it.
    pub fn known(total: Option<u64>) -> Losses {
        Losses { total, ..Losses::default() }
    }

    /// Returns whether the total is another than before.
    pub fn note(&mut self, total: u64, clock: Duration) -> bool {
        // a new database counts from zero
        let known = self.total.map_or(total, |known| known.min(total));
        if self.grew.is_some_and(|at| clock.saturating_sub(at) >= LOSSES_CALM) {
            self.grew = None;
        }
        if total > known {
            if self.grew.is_none() {
                self.before = known;
            }
            self.grew = Some(clock);
        }
        self.total.replace(total) != Some(total)
    }

    /// How many, while it goes on.
    fn now(&self, clock: Duration) -> Option<u64> {
        self.grew.filter(|at| clock.saturating_sub(*at) < LOSSES_CALM)?;
        Some(self.total.unwrap_or_default().saturating_sub(self.before))
    }
}

/// Segments that were given up or vanished, of all time.
pub fn lost(stats: &[CameraStats]) -> u64 {
    count(stats, |state| matches!(state, State::Dropped | State::Lost))
}

fn count(stats: &[CameraStats], counts: impl Fn(State) -> bool) -> u64 {
    CameraStats::total(stats, counts).0
}

/// Everything that is wrong, or may be, as `alert` counts it.
pub fn conditions(facts: &Facts<'_>, alert: &AlertConfig) -> Vec<Condition> {
    let mut found = Vec::new();
    let disk = storage(facts, &mut found);
    for camera in facts.cameras {
        self::camera(facts, alert, camera, disk, &mut found);
    }
    uploads(facts, alert, &mut found);
    found.retain(|condition| facts.scope.covers(condition.key.kind) && wants(alert, &condition.key));
    found
}

fn wants(alert: &AlertConfig, key: &Key) -> bool {
    alert.events.contains(&key.kind) && key.camera.as_ref().is_none_or(|name| alert.cameras.contains(name))
}

fn add(found: &mut Vec<Condition>, key: Key, presence: Presence, message: impl Into<String>) {
    found.push(Condition { key, presence, message: message.into() });
}

/// Present, or hushed by what `says_better`.
fn unless(says_better: bool) -> Presence {
    if says_better { Presence::Hushed } else { Presence::Present }
}

/// Returns whether files or rows cannot be written.
fn storage(facts: &Facts<'_>, found: &mut Vec<Condition>) -> bool {
    use AlertKind::{DiskFull, DiskLow, FootageLost, StorageDown};
    let key = |kind| Key::of(kind, None);
    let snapshot = facts.snapshot;
    let trouble = snapshot.storage_reason.as_ref();
    let reason = || trouble.map(|trouble| trouble.reason.clone()).unwrap_or_default();
    let level = snapshot.space.as_ref().map(|space| space.level);
    match level {
        None => {
            for kind in [DiskLow, DiskFull] {
                add(found, key(kind), Presence::Unknown, "");
            }
        }
        Some(SpaceLevel::Ok) => {}
        Some(level) => {
            add(found, key(DiskLow), unless(level > SpaceLevel::Low), reason());
        }
    }
    let is_full = level == Some(SpaceLevel::Full);
    if is_full {
        add(found, key(DiskFull), Presence::Present, reason());
    }
    let is_down = trouble.is_some_and(|trouble| trouble.fatal);
    if is_down {
        add(found, key(StorageDown), unless(is_full), reason());
    }
    if let Some(segments) = facts.losses.now(facts.clock) {
        let message =
            format!("{segments} segment(s) of footage are lost: given up for want of space, or vanished");
        add(found, key(FootageLost), Presence::Present, message);
    }
    is_full || is_down
}

fn camera(facts: &Facts<'_>, alert: &AlertConfig, camera: &Watched, disk: bool, found: &mut Vec<Condition>) {
    use AlertKind::{CameraDenied, CameraDown, NoSegment};
    let name = &camera.name;
    let key = |kind| Key::of(kind, Some(name));
    let notice = facts.snapshot.cameras.get(name);
    let in_state = notice.map(|notice| facts.now.since(notice.since)).unwrap_or_default();
    let state = match notice {
        Some(notice)
            if notice.state != CameraState::Starting || notice.reconnects > 0 || in_state >= START =>
        {
            notice.state
        }
        _ => {
            for kind in [CameraDown, CameraDenied, NoSegment] {
                add(found, key(kind), Presence::Unknown, "");
            }
            return;
        }
    };
    let records = state == CameraState::Recording;
    let cause = facts.snapshot.causes.get(name).copied();
    if !records {
        let reason = notice.and_then(|notice| notice.reason.as_deref());
        let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let is_denied = cause == Some(Cause::Denied);
        let says_better = is_denied || (disk && cause == Some(Cause::Disk));
        add(found, key(CameraDown), unless(says_better), format!("camera {name} does not record{because}"));
        if is_denied {
            add(found, key(CameraDenied), Presence::Present, format!("camera {name} refuses us{because}"));
        }
    }
    let (Some(limit), Some(stats)) = (alert.no_segment, facts.stats) else {
        return add(found, key(NoSegment), Presence::Unknown, "");
    };
    let newest = stats.iter().find(|stats| stats.camera == *name).and_then(|stats| stats.newest_end);
    // a camera that has just come back has an old newest segment, and that is right
    let without = newest.map_or(in_state, |end| facts.now.since(end).min(in_state));
    if without > limit + camera.segment_duration {
        let message =
            format!("camera {name} records, but no segment was closed for {}", ago(without.as_secs()));
        add(found, key(NoSegment), unless(!records || disk), message);
    }
}

fn uploads(facts: &Facts<'_>, alert: &AlertConfig, found: &mut Vec<Condition>) {
    use AlertKind::{Backlog, SegmentsRefused, UploadMisconfigured};
    let key = |kind| Key::of(kind, None);
    let upload = facts.snapshot.upload.as_ref();
    let state = upload.map(|upload| upload.state);
    let reason = upload.and_then(|upload| upload.reason.as_deref());
    let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let is_misconfigured = state == Some(UploadState::Misconfigured);
    match state {
        Some(UploadState::Ok | UploadState::Waiting) => {}
        Some(UploadState::Misconfigured) => {
            add(found, key(UploadMisconfigured), Presence::Present, format!("uploads are refused{because}"));
        }
        Some(UploadState::Stopped) | None => {
            add(found, key(UploadMisconfigured), Presence::Unknown, "");
        }
    }
    let Some(stats) = facts.stats else {
        for kind in [Backlog, SegmentsRefused] {
            add(found, key(kind), Presence::Unknown, "");
        }
        return;
    };
    let refused = count(stats, |state| state == State::Failed);
    if refused > 0 {
        let message = format!(
            "{refused} segment(s) were refused by S3 and are kept here; find out why in the log, then run \
             `cctv-s3-pipeline retry`"
        );
        add(found, key(SegmentsRefused), Presence::Present, message);
    }
    let oldest = stats.iter().filter_map(|stats| stats.oldest_pending).min();
    let waits = oldest.map(|oldest| facts.now.since(oldest)).unwrap_or_default();
    if alert.backlog.is_some_and(|limit| waits > limit) {
        let pending = count(stats, State::is_pending);
        let message =
            format!("{pending} segment(s) wait for upload, the oldest for {}{because}", ago(waits.as_secs()));
        add(found, key(Backlog), unless(is_misconfigured), message);
    }
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
