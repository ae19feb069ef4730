//! ok, degraded or down, and the reasons in plain words. Pure.
//!
//! Called by `report` with the finished numbers. A reason says what is wrong and, where a person can act, what
//! to do.

use std::time::Duration;

use super::{Facts, Notice, Report, Verdict, notice};
use crate::http::ServedCamera;
use crate::status::{CameraState, UploadState};
use crate::words::ago;

/// A camera may take this long for its first picture after the program's start.
const START: Duration = Duration::from_secs(20);
/// Uploads that are just slow stay below this.
const BACKLOG_AGE: Duration = Duration::from_secs(600);

/// The longest group of pictures that cameras send: a segment can only end where the next one begins.
const GROUP: Duration = Duration::from_secs(20);

/// How a camera counts for the verdict.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    Records,
    /// Has just been started.
    Neither,
    No,
}

pub fn judge(facts: &Facts<'_>, report: &Report) -> (Verdict, Vec<String>) {
    let mut reasons = Vec::new();
    let fatal = facts.snapshot.storage_reason.as_ref().is_some_and(|trouble| trouble.fatal);
    let mut none_records = false;
    if facts.snapshot.stopping {
        // cameras and uploads end because they were asked to
        reasons.push("stopping".to_owned());
    } else {
        none_records = cameras(facts, &mut reasons);
        uploads(facts, report, &mut reasons);
    }
    storage(facts, report, &mut reasons);
    let verdict = match (fatal || none_records, reasons.is_empty()) {
        (true, _) => Verdict::Down,
        (false, false) => Verdict::Degraded,
        (false, true) => Verdict::Ok,
    };
    (verdict, reasons)
}

/// Adds what is wrong with cameras; returns whether none records and none may still begin.
fn cameras(facts: &Facts<'_>, reasons: &mut Vec<String>) -> bool {
    let mut counts = Vec::new();
    for camera in facts.cameras {
        let notice = notice(facts, &camera.name);
        let (count, reason) = camera_counts(facts, camera, &notice);
        counts.push(count);
        reasons.extend(reason.map(|reason| format!("camera {} {reason}", camera.name)));
    }
    let none_records = counts.iter().all(|count| *count == Counts::No);
    if none_records {
        reasons.insert(0, "no camera records".to_owned());
    }
    none_records
}

fn camera_counts(facts: &Facts<'_>, camera: &ServedCamera, notice: &Notice) -> (Counts, Option<String>) {
    let in_state = notice.since.map(|since| facts.now.since(since)).unwrap_or_default();
    let because = notice.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match notice.state {
        None => (Counts::No, Some("has never run; start `cctv-s3-pipeline run` or `capture`".into())),
        Some(CameraState::Recording) => recording(facts, camera, notice, in_state),
        Some(CameraState::Starting) if notice.reconnects == 0 && !notice.hearsay && in_state < START => {
            (Counts::Neither, None)
        }
        Some(state) => (Counts::No, Some(format!("is {}{because}", state.as_str()))),
    }
}

/// A camera that says it records must show segments. Where only the database says so, its process may have
/// died; then it is not believed.
fn recording(
    facts: &Facts<'_>,
    camera: &ServedCamera,
    notice: &Notice,
    in_state: Duration,
) -> (Counts, Option<String>) {
    let newest = facts.stats.iter().find(|stats| stats.camera == camera.name).and_then(|s| s.newest_end);
    let without = newest.map_or(in_state, |end| facts.now.since(end).min(in_state));
    let late = if notice.hearsay { Duration::from_secs(10) } else { GROUP };
    if without <= camera.segment_duration * 3 + late {
        return (Counts::Records, None);
    }
    let without = ago(without.as_secs());
    if notice.hearsay {
        let reason = format!("was recording, but no segment came for {without}; is its program running?");
        (Counts::No, Some(reason))
    } else {
        (Counts::Records, Some(format!("records, but no segment was closed for {without}")))
    }
}

fn uploads(facts: &Facts<'_>, report: &Report, reasons: &mut Vec<String>) {
    let upload = &report.upload;
    if let Some(status) = &facts.snapshot.upload {
        let because = status.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        match status.state {
            UploadState::Ok => {}
            UploadState::Waiting => reasons.push(format!("uploads wait{because}")),
            UploadState::Misconfigured => reasons.push(format!("uploads are refused{because}")),
            UploadState::Stopped => reasons.push(format!("uploads have stopped{because}")),
        }
    }
    if upload.failed > 0 {
        let failed = upload.failed;
        reasons.push(format!(
            "{failed} segment(s) were refused by S3 and are kept here; find out why in the log, then run `cctv-s3-pipeline retry`"
        ));
    }
    if let Some(age) = upload.oldest_pending_age_seconds.filter(|age| *age > BACKLOG_AGE.as_secs()) {
        reasons.push(format!("{} segment(s) wait for upload, the oldest for {}", upload.pending, ago(age)));
    }
}

fn storage(facts: &Facts<'_>, report: &Report, reasons: &mut Vec<String>) {
    reasons.extend(report.storage.reason.iter().map(|reason| format!("storage: {reason}")));
    if facts.free_bytes.is_none() {
        reasons.push("storage: the free space of the disk cannot be read".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{CameraName, State, Timestamp};
    use crate::status::{CameraStatus, Snapshot, StorageTrouble, UploadStatus};
    use crate::store::CameraStats;

    const NOW: Timestamp = Timestamp::from_seconds(1_763_906_400);

    /// A recorder with two cameras where all is well.
    struct World {
        snapshot: Snapshot,
        stats: Vec<CameraStats>,
        free_bytes: Option<u64>,
    }

    fn name(text: &str) -> CameraName {
        CameraName::new(text).unwrap()
    }

    fn ago_s(seconds: u64) -> Timestamp {
        NOW.minus(Duration::from_secs(seconds))
    }

    impl World {
        fn new() -> World {
            let mut world = World { snapshot: Snapshot::default(), stats: Vec::new(), free_bytes: Some(1) };
            for camera in ["gate", "yard"] {
                world.camera(camera, CameraState::Recording, 3600, 0);
                world.stats.push(CameraStats {
                    camera: name(camera),
                    by_state: vec![(State::Created, 1, 100), (State::Uploaded, 5, 500)],
                    newest_end: Some(ago_s(4)),
                    oldest_pending: Some(ago_s(14)),
                    last_state: Some((CameraState::Recording, None, ago_s(3600))),
                });
            }
            world.upload(UploadState::Ok);
            world
        }

        fn camera(&mut self, camera: &str, state: CameraState, since_s: u64, reconnects: u64) -> &mut Self {
            let reason = (state == CameraState::Waiting).then(|| "connection refused".to_owned());
            let notice = CameraStatus { state, reason, since: ago_s(since_s), reconnects };
            self.snapshot.cameras.insert(name(camera), notice);
            self
        }

        fn upload(&mut self, state: UploadState) -> &mut Self {
            let reason = (state != UploadState::Ok).then(|| "no route".to_owned());
            self.snapshot.upload = Some(UploadStatus { state, reason, last_success_at: None });
            self
        }

        fn storage(&mut self, fatal: bool) -> &mut Self {
            self.snapshot.storage_reason = Some(StorageTrouble { fatal, reason: "disk full".into() });
            self
        }

        /// The same, seen by a process that only serves.
        fn seen_from_outside(&mut self) -> &mut Self {
            self.snapshot = Snapshot::default();
            self
        }

        fn last_state(&mut self, at: usize, state: Option<CameraState>) -> &mut Self {
            self.stats[at].last_state = state.map(|state| (state, None, ago_s(600)));
            self
        }

        fn judged(&self) -> (Verdict, String) {
            let camera = |text| ServedCamera {
                name: name(text),
                segment_duration: Duration::from_secs(10),
                mode: crate::config::Mode::Transcode,
            };
            let report = Report::new(&Facts {
                snapshot: &self.snapshot,
                stats: &self.stats,
                cameras: &[camera("gate"), camera("yard")],
                free_bytes: self.free_bytes,
                now: NOW,
            });
            assert_eq!(report.status == Verdict::Ok, report.reasons.is_empty());
            (report.status, report.reasons.join("; "))
        }
    }

    #[test]
    fn all_well_is_ok_also_seen_from_a_process_that_only_serves() {
        assert_eq!(World::new().judged(), (Verdict::Ok, String::new()));
        assert_eq!(World::new().seen_from_outside().judged(), (Verdict::Ok, String::new()));
    }

    #[test]
    fn the_verdict_follows_the_cameras() {
        use CameraState::{Recording, Starting, Waiting};
        for (gate, yard, verdict, words) in [
            (
                (Recording, 9, 5),
                (Waiting, 9, 5),
                Verdict::Degraded,
                "camera yard is waiting: connection refused",
            ),
            ((Waiting, 9, 5), (Waiting, 9, 5), Verdict::Down, "no camera records; camera gate is waiting"),
            ((Starting, 19, 0), (Starting, 19, 0), Verdict::Ok, ""),
            ((Starting, 19, 0), (Waiting, 9, 0), Verdict::Degraded, "camera yard is waiting"),
            ((Starting, 20, 0), (Starting, 20, 0), Verdict::Down, "camera gate is starting"),
            ((Starting, 1, 1), (Starting, 1, 1), Verdict::Down, "camera gate is starting"),
        ] {
            let mut world = World::new();
            world.camera("gate", gate.0, gate.1, gate.2).camera("yard", yard.0, yard.1, yard.2);
            let (judged, reasons) = world.judged();
            assert_eq!(judged, verdict, "{reasons}");
            assert!(reasons.contains(words), "{reasons:?} lacks {words:?}");
        }
    }

    #[test]
    fn the_verdict_follows_uploads_and_storage() {
        type Change = fn(&mut World);
        let cases: [(Change, Verdict, &str); 8] = [
            (|world| _ = world.upload(UploadState::Waiting), Verdict::Degraded, "uploads wait: no route"),
            (|world| _ = world.upload(UploadState::Misconfigured), Verdict::Degraded, "refused: no route"),
            (|world| _ = world.upload(UploadState::Stopped), Verdict::Degraded, "have stopped"),
            (|world| world.stats[0].by_state.push((State::Failed, 2, 9)), Verdict::Degraded, "2 segment(s)"),
            (
                |world| world.stats[1].oldest_pending = Some(ago_s(720)),
                Verdict::Degraded,
                "oldest for 12 min",
            ),
            (|world| _ = world.storage(false), Verdict::Degraded, "storage: disk full"),
            (|world| _ = world.storage(true), Verdict::Down, "storage: disk full"),
            (|world| world.free_bytes = None, Verdict::Degraded, "free space"),
        ];
        for (change, verdict, words) in cases {
            let mut world = World::new();
            change(&mut world);
            let (judged, reasons) = world.judged();
            assert_eq!(judged, verdict, "{reasons}");
            assert!(reasons.contains(words), "{reasons:?} lacks {words:?}");
        }
    }

    #[test]
    fn a_recorder_that_stops_is_degraded_and_says_only_that() {
        let mut world = World::new();
        world.camera("gate", CameraState::Draining, 1, 0).camera("yard", CameraState::Stopped, 1, 0);
        world.upload(UploadState::Stopped).snapshot.stopping = true;
        assert_eq!(world.judged(), (Verdict::Degraded, "stopping".to_owned()));
    }

    #[test]
    fn recording_without_segments_is_noticed() {
        let mut world = World::new();
        world.stats[0].newest_end = Some(ago_s(71));
        let (verdict, reasons) = world.judged();
        assert_eq!(
            (verdict, reasons.as_str()),
            (Verdict::Degraded, "camera gate records, but no segment was closed for 71 s")
        );
        // it has only just come back: its newest segment is old, and that is right
        world.camera("gate", CameraState::Recording, 12, 3);
        assert_eq!(world.judged().0, Verdict::Ok);
    }

    #[test]
    fn the_word_of_a_dead_process_is_not_believed() {
        let mut world = World::new();
        world.seen_from_outside().stats[0].newest_end = Some(ago_s(300));
        let (verdict, reasons) = world.judged();
        assert_eq!(verdict, Verdict::Degraded);
        assert!(reasons.contains("no segment came for 5 min"), "{reasons}");
        world.last_state(0, None).last_state(1, Some(CameraState::Stopped));
        let (verdict, reasons) = world.judged();
        assert_eq!(verdict, Verdict::Down);
        assert!(reasons.contains("gate has never run") && reasons.contains("yard is stopped"), "{reasons}");
    }
}
