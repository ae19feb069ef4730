//! What the camera scenarios share: a store, one camera at an address, and the questions of the table's columns.

use std::time::Instant;

use super::super::table::Scenario;
use crate::scene::{Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, rows};
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually};

/// Recorded as it is unless the fault is about codecs: it costs next to nothing.
pub fn passing_through(bucket: &Bucket, url: &str) -> Settings {
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera_at("gate", url, None);
    settings
}

/// A camera that lets everybody in, changed as the scenario wants it.
pub fn camera(change: impl FnOnce(&mut CameraOptions)) -> Camera {
    let mut options = CameraOptions { login: None, ..CameraOptions::default() };
    change(&mut options);
    Camera::start(options).unwrap()
}

/// Waits until the program has recorded so many segments of so many runs.
#[track_caller]
pub fn recorded(workspace: &Workspace, segments: usize) -> Vec<Row> {
    eventually(LIMIT, &format!("{segments} recorded segments"), || {
        let rows = rows(workspace);
        if rows.len() >= segments { Ok(rows) } else { Err(format!("{} rows", rows.len())) }
    })
}

/// `/health` says what is wrong within the row's limit.
#[track_caller]
pub fn told(program: &Program<'_>, scenario: &Scenario) {
    let words = scenario.health.expect("the row says what /health tells");
    eventually(scenario.told_within(), &format!("/health to say {words:?}"), || {
        let reasons = program.health()["reasons"].to_string();
        if reasons.contains(words) { Ok(()) } else { Err(reasons) }
    });
}

/// `/health` is well again within the row's limit, counted from now. Returns how long it took.
#[track_caller]
pub fn healed(program: &Program<'_>, scenario: &Scenario) -> f64 {
    let since = Instant::now();
    eventually(scenario.heals_within(), "the camera to be recorded", || {
        let camera = program.health()["cameras"][0].clone();
        if camera["state"] == "recording" { Ok(()) } else { Err(camera.to_string()) }
    });
    since.elapsed().as_secs_f64()
}

/// Stops the program and asks what holds after every row. Returns the segments.
#[track_caller]
pub fn finish(
    mut program: Program<'_>,
    workspace: &Workspace,
    bucket: &Bucket,
    scenario: &Scenario,
) -> Vec<Row> {
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let troubles: Vec<String> = program
        .log()
        .into_iter()
        .filter(|line| [" WARN ", " ERROR ", "[WARN", "[ERROR"].iter().any(|level| line.contains(level)))
        .collect();
    let limit = scenario.log_lines.expect("the row says how much the log holds");
    assert!(troubles.len() <= limit, "more than {limit} lines: {troubles:#?}");
    assert!(!program.log().iter().any(|line| line.contains("panicked")), "{:#?}", program.log());
    // the program lives on as its log, which is shown if one of these fails
    assert_nothing_lost_or_doubled(workspace, bucket);
    let rows = rows(workspace);
    in_order(&rows);
    rows
}

/// Sequences rise by one, runs begin with a discontinuity, and no segment begins before the one before it has ended.
#[track_caller]
fn in_order(rows: &[Row]) {
    for pair in rows.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert_eq!(after.sequence, before.sequence + 1, "{pair:#?}");
        assert_eq!(after.discontinuity > before.discontinuity, after.run > before.run, "{pair:#?}");
        let hole = hole_s(before, after);
        assert!(hole > -0.07, "{hole} s between {pair:#?}");
        assert!(after.run > before.run || hole < 0.2, "{hole} s between {pair:#?}");
    }
}

/// Time without footage between two segments, in seconds; negative where they overlap.
pub fn hole_s(before: &Row, after: &Row) -> f64 {
    (after.start_ms - before.start_ms) as f64 / 1e3 - before.duration_s
}

/// The object of a segment as a path on this machine, for ffprobe.
pub fn object(bucket: &Bucket, row: &Row) -> String {
    bucket.server.folder().join(&row.key).to_str().unwrap().to_owned()
}
