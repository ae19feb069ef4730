//! The status document: everything a page shows at a glance. Pure.
//!
//! Made for `/api/v1/status` and for each event. `/health` has the same verdict; this one has what people look at.

use std::time::Duration;

use serde::Serialize;

use crate::http::report::{CameraReport, Facts, Report, StateReport, StorageReport, Verdict};
use crate::segment::{CameraName, State, Timestamp};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    pub version: String,
    pub now: String,
    pub uptime_seconds: u64,
    pub status: Verdict,
    pub reasons: Vec<String>,
    pub upload: Upload,
    pub storage: StorageReport,
    pub cameras: Vec<Camera>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Upload {
    pub state: Option<String>,
    pub reason: Option<String>,
    pub pending: u64,
    pub pending_bytes: u64,
    pub failed: u64,
    pub oldest_pending_age_seconds: Option<u64>,
    pub bytes_per_second: Option<u64>,
    pub eta_seconds: Option<u64>,
    pub last_success_at: Option<String>,
    pub last_error: Option<String>,
    pub last_error_at: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Camera {
    pub name: String,
    pub state: String,
    pub reason: Option<String>,
    pub since: Option<String>,
    pub last_segment_age_seconds: Option<u64>,
    pub last_frame_age_seconds: Option<u64>,
    pub reconnects: u64,
    pub mode: String,
    pub codec: Option<String>,
    pub snapshot_at: Option<String>,
    pub pending: u64,
    pub pending_bytes: u64,
    pub oldest_pending_age_seconds: Option<u64>,
    pub by_state: Vec<StateReport>,
}

impl Status {
    /// `rate`: bytes a second that get uploaded; `still_at`: when a camera's newest still was taken.
    pub fn new(
        facts: &Facts<'_>,
        rate: Option<f64>,
        still_at: &dyn Fn(&CameraName) -> Option<Timestamp>,
    ) -> Status {
        let report = Report::new(facts);
        let upload = upload(facts, &report, rate);
        let pairs = facts.cameras.iter().zip(report.cameras);
        let cameras = pairs.map(|(served, report)| {
            let picture = facts.snapshot.pictures.get(&served.name);
            let (pending, pending_bytes) = pending(&report.segments);
            let CameraReport { name, state, reason, since, reconnects, .. } = report;
            Camera {
                name,
                state,
                reason,
                since,
                last_segment_age_seconds: report.last_segment_age_seconds,
                last_frame_age_seconds: picture
                    .and_then(|picture| picture.frame_age())
                    .map(|age| age.as_secs()),
                reconnects,
                mode: served.mode.as_str().to_owned(),
                codec: picture.and_then(|picture| picture.codec.clone()),
                snapshot_at: still_at(&served.name).map(Timestamp::rfc3339),
                pending,
                pending_bytes,
                oldest_pending_age_seconds: report.oldest_pending_age_seconds,
                by_state: report.segments,
            }
        });
        Status {
            now: facts.now.rfc3339(),
            cameras: cameras.collect(),
            version: report.version,
            uptime_seconds: report.uptime_seconds,
            status: report.status,
            reasons: report.reasons,
            upload,
            storage: report.storage,
        }
    }

    /// The same without what changes by itself as time goes by: two that are equal so need not both be told.
    pub fn without_time(&self) -> Status {
        let mut same = self.clone();
        same.now.clear();
        same.uptime_seconds = 0;
        same.storage.free_bytes = None;
        same.upload.oldest_pending_age_seconds = None;
        same.upload.bytes_per_second = None;
        same.upload.eta_seconds = None;
        for camera in &mut same.cameras {
            camera.last_segment_age_seconds = None;
            camera.last_frame_age_seconds = None;
            camera.oldest_pending_age_seconds = None;
            camera.snapshot_at = None;
        }
        same
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and shown whole"
)]
fn upload(facts: &Facts<'_>, report: &Report, rate: Option<f64>) -> Upload {
    let all = facts.stats.iter().flat_map(|stats| &stats.by_state);
    let pending_bytes = all.filter(|(state, ..)| state.is_pending()).map(|(.., bytes)| bytes).sum();
    let last_error = facts.snapshot.upload_error.as_ref();
    Upload {
        state: report.upload.state.clone(),
        reason: report.upload.reason.clone(),
        pending: report.upload.pending,
        pending_bytes,
        failed: report.upload.failed,
        oldest_pending_age_seconds: report.upload.oldest_pending_age_seconds,
        bytes_per_second: rate.map(|rate| rate as u64),
        eta_seconds: eta(pending_bytes, rate).map(|eta| eta.as_secs()),
        last_success_at: report.upload.last_success_at.clone(),
        last_error: last_error.map(|(_, words)| words.clone()),
        last_error_at: last_error.map(|(at, _)| at.rfc3339()),
    }
}

/// How long the backlog takes at this rate; `None` where nobody knows.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn eta(pending_bytes: u64, rate: Option<f64>) -> Option<Duration> {
    if pending_bytes == 0 {
        return Some(Duration::ZERO);
    }
    let rate = rate.filter(|rate| *rate >= 1.0)?;
    Some(Duration::from_secs_f64((pending_bytes as f64 / rate).min(1e9)))
}

fn pending(states: &[StateReport]) -> (u64, u64) {
    let pending = states.iter().filter(|one| State::parse(&one.state).is_some_and(State::is_pending));
    pending.fold((0, 0), |(count, bytes), one| (count + one.count, bytes + one.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mode;
    use crate::http::ServedCamera;
    use crate::status::{Board, CameraState, UploadState};
    use crate::store::CameraStats;

    const NOW: Timestamp = Timestamp::from_seconds(1_763_906_400);

    fn status(board: &Board, rate: Option<f64>) -> Status {
        let name = CameraName::new("gate").unwrap();
        let stats = CameraStats {
            camera: name.clone(),
            by_state: vec![(State::Created, 3, 3000), (State::Uploaded, 5, 500)],
            newest_end: Some(NOW.minus(Duration::from_secs(4))),
            oldest_pending: Some(NOW.minus(Duration::from_secs(34))),
            last_state: None,
        };
        let camera =
            ServedCamera { name, segment_duration: Duration::from_secs(10), mode: Mode::Passthrough };
        let facts = Facts {
            snapshot: &board.snapshot(),
            stats: &[stats],
            cameras: &[camera],
            free_bytes: Some(7),
            now: NOW,
        };
        Status::new(&facts, rate, &|_| Some(NOW))
    }

    #[test]
    fn the_backlog_has_a_size_an_age_and_an_end() {
        let board = Board::new();
        let upload = |rate| status(&board, rate).upload;
        let known = upload(Some(100.0));
        assert_eq!((known.pending, known.pending_bytes), (3, 3000));
        assert_eq!((known.bytes_per_second, known.eta_seconds), (Some(100), Some(30)));
        assert_eq!(known.oldest_pending_age_seconds, Some(34));
        assert_eq!((upload(None).eta_seconds, upload(Some(0.0)).eta_seconds), (None, None));
        assert_eq!(eta(0, None), Some(Duration::ZERO));
    }

    #[test]
    fn the_last_error_is_told_also_after_it_healed() {
        let board = Board::new();
        board.set_upload(UploadState::Waiting, Some("connection refused".into()));
        board.upload_succeeded(NOW);
        let upload = status(&board, None).upload;
        assert_eq!((upload.state.as_deref(), upload.reason), (Some("ok"), None));
        assert_eq!(upload.last_error.as_deref(), Some("connection refused"));
        assert!(upload.last_error_at.is_some() && upload.last_success_at.is_some());
    }

    #[test]
    fn a_camera_has_its_picture_and_its_part_of_the_backlog() {
        let board = Board::new();
        let name = CameraName::new("gate").unwrap();
        let before = status(&board, None).cameras.remove(0);
        assert_eq!((before.codec, before.last_frame_age_seconds), (None, None));
        board.set_camera(&name, CameraState::Recording, None, NOW);
        board.set_frame(&name, Duration::from_secs(3));
        board.set_codec(&name, "h265");
        let camera = status(&board, None).cameras.remove(0);
        assert_eq!((camera.mode.as_str(), camera.codec.as_deref()), ("passthrough", Some("h265")));
        assert_eq!((camera.last_frame_age_seconds, camera.last_segment_age_seconds), (Some(3), Some(4)));
        assert_eq!((camera.pending, camera.pending_bytes), (3, 3000));
        assert_eq!(camera.snapshot_at, Some(NOW.rfc3339()));
    }

    #[test]
    fn time_alone_is_no_news() {
        let board = Board::new();
        let (one, other) = (status(&board, None), status(&board, Some(5.0)));
        assert!(one != other && one.without_time() == other.without_time());
        board.set_stopping();
        assert_ne!(status(&board, None).without_time(), one.without_time());
    }
}
