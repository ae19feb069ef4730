//! The machine's clock is wrong, steps, or another one is right.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use super::table::Scenario;
use super::watch::{few_words, healed, told};
use crate::playlists::{Viewer, parse};
use crate::scene::{Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, rows};
use crate::support::{Camera, CameraOptions, Program, Settings, WallClock, Workspace, eventually};

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

scenarios! { CLOCKS:
    boot_without_a_clock => Scenario {
        fault: "boot without a clock (1970), the camera has no time either; NTP answers later",
        outcome: "recorded from the first second under 1970's names; from the step on every start is true, durations and \
                  sequence go on, and all of it is uploaded",
        health: Some("this machine's clock is"),
        told_within_s: Some(30),
        heals_within_s: Some(20),
        log_lines: Some(4),
    }, |scenario| {
        let mut scene = Scene::new(true, -now());
        scene.play(|program, clock, workspace| {
            told(program, scenario);
            let before = recorded(workspace, 2, |_| true);
            assert!(before.iter().all(|row| row.start_ms < YEAR * 1000), "{before:?}");
            clock.set(0);
            healed(program, scenario);
            let after = recorded(workspace, 2, |row| is_true(row.start_ms));
            assert!(after.iter().all(|row| row.run == before[0].run), "one run: {after:?}");
            assert_times_are_told_truly(program);
            few_words(program, scenario);
        });
        scene.end();
    };
    a_camera_that_knows_the_time_lends_it => Scenario {
        fault: "boot without a clock (1970), but the camera has the time; NTP answers later",
        outcome: "from the camera's first sender report on every start is true; the step that NTP makes is not seen in them",
        health: Some("this machine's clock is"),
        told_within_s: Some(30),
        heals_within_s: Some(20),
        log_lines: Some(4),
    }, |scenario| {
        let mut scene = Scene::new(false, -now());
        scene.play(|program, clock, workspace| {
            told(program, scenario);
            recorded(workspace, 2, |row| is_true(row.start_ms));
            clock.set(0);
            healed(program, scenario);
            let count = recorded(workspace, 2, |row| is_true(row.start_ms)).len();
            let all = recorded(workspace, count + 2, |row| is_true(row.start_ms));
            assert_joined(&all);
            few_words(program, scenario);
        });
        let sources = time_sources(&scene.workspace);
        assert!(sources.contains("camera"), "{sources:?}");
        scene.end();
    };
    set_back_an_hour_with_the_same_names_in_sight => Scenario {
        fault: "the clock runs an hour ahead, is set right, and is set ahead and back again",
        outcome: "no name twice, no object overwritten: a taken name gives way to the next second; sequences only rise, durations \
                  are untouched",
        health: Some("ahead of S3's"),
        told_within_s: Some(30),
        heals_within_s: Some(20),
        log_lines: Some(8),
    }, |scenario| {
        let mut scene = Scene::new(true, HOUR);
        scene.play(|program, clock, workspace| {
            told(program, scenario);
            let mut viewer = Viewer::new(PLAYLIST);
            let ahead = recorded(workspace, 3, |row| row.start_ms > (now() + HOUR / 2) * 1000);
            clock.set(0);
            recorded(workspace, 2, |row| is_true(row.start_ms));
            viewer.look(program).unwrap();
            // to just where the first of them began, so that every name that comes is taken or next to a taken one
            clock.set(ahead[0].start_ms / 1000 - now() - 1);
            let count = rows(workspace).len();
            eventually(LIMIT, "segments with the names of others in sight", || rows(workspace).len() >= count + 3);
            viewer.look(program).unwrap();
            clock.set(0);
            recorded(workspace, 4, |row| is_true(row.start_ms));
            viewer.look(program).unwrap();
            healed(program, scenario);
            assert_times_are_told_truly(program);
            few_words(program, scenario);
        });
        scene.end();
    };
    years_ahead_at_first => Scenario {
        fault: "the clock says 2041 at first and is set right while recording",
        outcome: "footage of the wrong years is kept and uploaded under their names; nothing waits for 2041 to come",
        health: Some("ahead of S3's"),
        told_within_s: Some(30),
        heals_within_s: Some(20),
        log_lines: Some(4),
    }, |scenario| {
        let mut scene = Scene::new(true, 15 * YEAR);
        scene.play(|program, clock, workspace| {
            told(program, scenario);
            recorded(workspace, 2, |row| row.start_ms > (now() + 14 * YEAR) * 1000);
            clock.set(0);
            healed(program, scenario);
            recorded(workspace, 2, |row| is_true(row.start_ms));
            few_words(program, scenario);
        });
        scene.end();
    };
    summer_time_ends_in_the_local_zone => Scenario {
        fault: "summer time ends in the machine's zone: 02:59:59 is followed by 02:00:00",
        outcome: "nothing happens: files, keys, rows and playlists are in UTC",
        health: None,
        told_within_s: None,
        heals_within_s: Some(20),
        log_lines: Some(4),
    }, |scenario| {
        // 2026-10-25 01:00:00 UTC, in Berlin the end of summer time
        let change = 1_792_890_000;
        let mut scene = Scene::new(true, change - 6 - now());
        scene.workspace.set_env("TZ", "Europe/Berlin");
        scene.play(|program, clock, workspace| {
            recorded(workspace, 2, |row| row.file_epoch >= change);
            let all = rows(workspace);
            assert!(all[0].file_epoch < change, "{all:?}");
            assert_joined(&all);
            for row in &all {
                let hour = if row.file_epoch < change { "00" } else { "01" };
                assert!(row.key.contains(&format!("/2026/10/25/{hour}/")), "{row:?}");
            }
            clock.set(0);
            healed(program, scenario);
            few_words(program, scenario);
        });
        scene.end();
    };
    the_cameras_clock_is_wrong => Scenario {
        fault: "the camera's own clock was never set",
        outcome: "segments start when their first frame came, by this machine's clock; the row says so",
        health: None,
        told_within_s: None,
        heals_within_s: None,
        log_lines: Some(0),
    }, |scenario| {
        let mut scene = Scene::new(true, 0);
        scene.play(|program, _, workspace| {
            recorded(workspace, 4, |row| is_true(row.start_ms));
            few_words(program, scenario);
        });
        assert_eq!(time_sources(&scene.workspace), BTreeSet::from(["arrival".to_owned()]));
        scene.end();
    };
    the_cameras_clock_is_right => Scenario {
        fault: "none: the camera has the right time and says it by RTCP",
        outcome: "segments start when the camera took their first frame; the row says so",
        health: None,
        told_within_s: None,
        heals_within_s: None,
        log_lines: Some(0),
    }, |scenario| {
        let mut scene = Scene::new(false, 0);
        scene.play(|program, _, workspace| {
            let all = recorded(workspace, 5, |row| is_true(row.start_ms));
            assert_joined(&all);
            few_words(program, scenario);
        });
        assert!(time_sources(&scene.workspace).contains("camera"));
        scene.end();
    };
}

/// The 30-minute playlist of the only camera.
const PLAYLIST: &str = "/cameras/gate/recent.m3u8";

/// One camera, one store, and a program with a clock of its own.
struct Scene {
    bucket: Bucket,
    _camera: Camera,
    workspace: Workspace,
    clock: WallClock,
}

impl Scene {
    fn new(camera_clock_unset: bool, offset_s: i64) -> Scene {
        let bucket = Bucket::new();
        let options = CameraOptions { clock_unset: camera_clock_unset, ..CameraOptions::default() };
        let camera = Camera::start(options).unwrap();
        let mut settings = Settings::new(&bucket.server);
        settings.camera("gate", &camera).for_camera("capture.mode", "passthrough");
        let mut workspace = Workspace::new(&settings, &bucket.server);
        let clock = WallClock::install(&mut workspace, offset_s);
        Scene { bucket, _camera: camera, workspace, clock }
    }

    /// Runs the program for as long as `act` needs it, and stops it in order.
    fn play(&mut self, act: impl FnOnce(&Program<'_>, &WallClock, &Workspace)) {
        let mut program = Program::start(&self.workspace);
        act(&program, &self.clock, &self.workspace);
        program.sigterm();
        assert!(program.wait_exit(LIMIT).success());
    }

    fn end(self) {
        let rows = rows(&self.workspace);
        assert!(rows.iter().all(|row| ["uploaded", "cleaned"].contains(&row.state.as_str())), "{rows:?}");
        let names: BTreeSet<_> = rows.iter().map(|row| row.file_epoch).collect();
        assert_eq!(names.len(), rows.len(), "a name twice: {rows:?}");
        // media time, not the clock: segments of 2 s stay 2 s, but for the tail, and for the frames that a loaded
        // machine's first connection brings late
        for row in &rows[..rows.len() - 1] {
            assert!((1.5..=2.6).contains(&row.duration_s), "{row:?}");
        }
        assert_nothing_lost_or_doubled(&self.workspace, &self.bucket);
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Within a minute of the true time.
fn is_true(start_ms: i64) -> bool {
    (start_ms / 1000 - now()).abs() < 60
}

/// Waits for `count` rows that `fit`; returns those.
#[track_caller]
fn recorded(workspace: &Workspace, count: usize, fit: impl Fn(&Row) -> bool) -> Vec<Row> {
    eventually(LIMIT, &format!("{count} such rows"), || {
        let all = rows(workspace);
        let found: Vec<Row> = all.iter().filter(|row| fit(row)).cloned().collect();
        if found.len() >= count { Ok(found) } else { Err(format!("{all:?}")) }
    })
}

/// Each segment begins where the one before it ended, within a frame or so.
#[track_caller]
fn assert_joined(rows: &[Row]) {
    for pair in rows.windows(2) {
        let hole = (pair[1].start_ms - pair[0].start_ms) as f64 - pair[0].duration_s * 1e3;
        assert!(hole.abs() <= 67.0, "{hole} ms between {pair:?}");
    }
}

/// The newest segment's PROGRAM-DATE-TIME is now.
#[track_caller]
fn assert_times_are_told_truly(program: &Program<'_>) {
    let playlist = parse(&program.get(PLAYLIST).text());
    let newest = playlist.segments.last().unwrap().program_date_time.unwrap().timestamp();
    assert!((now() - newest).abs() < 60, "{newest} is not {}", now());
}

fn time_sources(workspace: &Workspace) -> BTreeSet<String> {
    let rows = workspace.rows("SELECT DISTINCT time_source FROM segments");
    rows.iter().map(|row| row["time_source"].as_str().unwrap().to_owned()).collect()
}
