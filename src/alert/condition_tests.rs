//! Which conditions follow from which facts: exactly the alerts that one would want.

use super::*;
use crate::config::AlertTarget;
use crate::status::{CameraStatus, SpaceStatus, StorageTrouble, UploadStatus};

const NOW: Timestamp = Timestamp::from_seconds(1_763_906_400);
const CLOCK: Duration = Duration::from_secs(90_000);

/// A recorder with two cameras where all is well.
struct World {
    snapshot: Snapshot,
    stats: Option<Vec<CameraStats>>,
    losses: Losses,
    alert: AlertConfig,
    scope: Scope,
}

fn name(text: &str) -> CameraName {
    CameraName::new(text).unwrap()
}

fn ago(seconds: u64) -> Timestamp {
    NOW.minus(Duration::from_secs(seconds))
}

impl World {
    fn new() -> World {
        let mut world = World {
            snapshot: Snapshot::default(),
            stats: Some(Vec::new()),
            losses: Losses::known(Some(5)),
            alert: AlertConfig {
                name: "test".into(),
                target: AlertTarget::Command(Vec::new()),
                events: AlertKind::ALL.to_vec(),
                cameras: vec![name("gate"), name("yard")],
                min_duration: Duration::ZERO,
                no_segment: Some(Duration::from_secs(60)),
                backlog: Some(Duration::from_secs(3600)),
            },
            scope: Scope { capture: true, upload: true },
        };
        for camera in ["gate", "yard"] {
            world.camera(camera, CameraState::Recording, 3600, 0);
            world.stats.as_mut().unwrap().push(CameraStats {
                camera: name(camera),
                by_state: vec![(State::Created, 1, 9), (State::Dropped, 5, 9)],
                newest_end: Some(ago(5)),
                oldest_pending: Some(ago(15)),
                last_state: None,
            });
        }
        world.upload(UploadState::Ok);
        world.space(SpaceLevel::Ok);
        world
    }

    fn camera(&mut self, camera: &str, state: CameraState, seconds: u64, reconnects: u64) {
        let reason = (state != CameraState::Recording).then(|| "it says why".to_owned());
        let notice = CameraStatus { state, reason, since: ago(seconds), reconnects };
        self.snapshot.cameras.insert(name(camera), notice);
    }

    fn waits(&mut self, camera: &str, cause: Cause) {
        self.camera(camera, CameraState::Waiting, 60, 1);
        self.snapshot.causes.insert(name(camera), cause);
    }

    fn upload(&mut self, state: UploadState) {
        let reason = (state != UploadState::Ok).then(|| "no such bucket".to_owned());
        self.snapshot.upload = Some(UploadStatus { state, reason, last_success_at: None });
    }

    fn space(&mut self, level: SpaceLevel) {
        self.snapshot.space = Some(SpaceStatus { level, ..SpaceStatus::default() });
    }

    fn fatal(&mut self) {
        self.snapshot.storage_reason = Some(StorageTrouble { fatal: true, reason: "read-only".into() });
    }

    fn stats_of_gate(&mut self) -> &mut CameraStats {
        &mut self.stats.as_mut().unwrap()[0]
    }

    fn backlog(&mut self) {
        self.stats_of_gate().oldest_pending = Some(ago(7200));
    }

    fn found(&self) -> Vec<Condition> {
        let watched = |camera| Watched { name: name(camera), segment_duration: Duration::from_secs(10) };
        let facts = Facts {
            snapshot: &self.snapshot,
            stats: self.stats.as_deref(),
            cameras: &["gate", "yard"].map(watched),
            losses: &self.losses,
            scope: self.scope,
            now: NOW,
            clock: CLOCK,
        };
        conditions(&facts, &self.alert)
    }

    /// `kind[:camera]`, with `(kind)` for hushed ones and `?kind` for unknown ones.
    fn words(&self) -> String {
        let word = |condition: &Condition| {
            let camera = condition.key.camera.as_ref().map(|camera| format!(":{camera}"));
            let what = format!("{}{}", condition.key.kind.as_str(), camera.unwrap_or_default());
            match condition.presence {
                Presence::Present => what,
                Presence::Hushed => format!("({what})"),
                Presence::Unknown => format!("?{what}"),
            }
        };
        self.found().iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn where_all_is_well_nothing_is_told() {
    assert_eq!(World::new().words(), "");
}

#[test]
fn each_trouble_is_told_as_what_it_is_and_once() {
    type Change = fn(&mut World);
    let cases: &[(&str, Change, &str)] = &[
        ("no power", |w| w.waits("gate", Cause::Unreachable), "camera-down:gate"),
        ("frozen", |w| w.waits("yard", Cause::Stalled), "camera-down:yard"),
        ("tries again", |w| w.camera("gate", CameraState::Starting, 3, 4), "camera-down:gate"),
        ("wrong password", |w| w.waits("gate", Cause::Denied), "(camera-down:gate) camera-denied:gate"),
        ("slow start", |w| w.camera("gate", CameraState::Starting, 20, 0), "camera-down:gate"),
        ("no segment", |w| w.stats_of_gate().newest_end = Some(ago(71)), "no-segment:gate"),
        ("not yet", |w| w.stats_of_gate().newest_end = Some(ago(70)), ""),
        ("a short outage of S3", |w| w.upload(UploadState::Waiting), ""),
        ("a long outage of S3", World::backlog, "backlog"),
        ("no such bucket", |w| w.upload(UploadState::Misconfigured), "upload-misconfigured"),
        ("refused", |w| w.stats_of_gate().by_state.push((State::Failed, 2, 9)), "segments-refused"),
        ("low", |w| w.space(SpaceLevel::Low), "disk-low"),
        ("dropping", |w| w.space(SpaceLevel::Dropping), "(disk-low)"),
        ("full", |w| w.space(SpaceLevel::Full), "(disk-low) disk-full"),
        ("no rows", World::fatal, "storage-down"),
        ("lost", |w| _ = w.losses.note(7, CLOCK), "footage-lost"),
    ];
    for (what, change, expected) in cases {
        let mut world = World::new();
        change(&mut world);
        assert_eq!(world.words(), *expected, "{what}");
    }
}

#[test]
fn of_one_cause_only_the_one_to_act_on_is_told() {
    let mut world = World::new();
    world.space(SpaceLevel::Full);
    world.fatal();
    world.waits("gate", Cause::Disk);
    world.stats_of_gate().newest_end = Some(ago(500));
    // the other camera is really away
    world.waits("yard", Cause::Unreachable);
    let expected = "(disk-low) disk-full (storage-down) (camera-down:gate) camera-down:yard";
    assert_eq!(world.words(), expected);
    let mut world = World::new();
    world.backlog();
    world.upload(UploadState::Misconfigured);
    assert_eq!(world.words(), "upload-misconfigured (backlog)");
}

#[test]
fn what_nobody_can_say_yet_is_unknown() {
    let mut world = World::new();
    world.camera("gate", CameraState::Starting, 19, 0);
    world.snapshot.upload = None;
    world.snapshot.space = None;
    world.stats = None;
    let expected = "?disk-low ?disk-full ?camera-down:gate ?camera-denied:gate ?no-segment:gate \
                    ?no-segment:yard ?upload-misconfigured ?backlog ?segments-refused";
    assert_eq!(world.words(), expected);
}

#[test]
fn only_what_was_asked_for_is_told_and_each_process_tells_its_own() {
    let mut world = World::new();
    world.waits("gate", Cause::Denied);
    world.waits("yard", Cause::Unreachable);
    world.backlog();
    world.alert.cameras = vec![name("yard")];
    assert_eq!(world.words(), "camera-down:yard backlog");
    world.scope = Scope { capture: true, upload: false };
    assert_eq!(world.words(), "camera-down:yard");
    world.scope = Scope { capture: false, upload: true };
    assert_eq!(world.words(), "backlog");
    world.alert.events = vec![AlertKind::DiskLow];
    assert_eq!(world.words(), "");
    world = World::new();
    world.backlog();
    world.stats_of_gate().newest_end = Some(ago(500));
    (world.alert.backlog, world.alert.no_segment) = (None, None);
    assert!(!world.found().iter().any(|condition| condition.presence == Presence::Present));
}

#[test]
fn losses_are_one_trouble_until_there_were_none_for_a_while() {
    let clock = Duration::from_secs;
    let mut losses = Losses::known(None);
    assert!(losses.note(5, clock(0)), "worth keeping");
    assert_eq!(losses.now(clock(0)), None, "lost before anybody looked");
    assert!(!losses.note(5, clock(1)));
    losses.note(7, clock(2));
    losses.note(8, clock(300));
    assert_eq!(losses.now(clock(899)), Some(3));
    assert_eq!(losses.now(clock(900)), None);
    losses.note(8, clock(901));
    losses.note(9, clock(902));
    assert_eq!(losses.now(clock(902)), Some(1));
    // a new database counts from zero, and what it loses then is lost
    losses.note(0, clock(2000));
    assert_eq!(losses.now(clock(2000)), None);
    losses.note(1, clock(2001));
    assert_eq!(losses.now(clock(2001)), Some(1));
    // a restart in between does not hide a loss
    let mut losses = Losses::known(Some(9));
    losses.note(10, clock(0));
    assert_eq!(losses.now(clock(0)), Some(1));
}
