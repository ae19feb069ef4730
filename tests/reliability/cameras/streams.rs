//! Streams that end, change, or are not what they should be.

use std::time::{Duration, Instant};

use super::super::table::Scenario;
use super::play::{camera, finish, healed, hole_s, object, passing_through, recorded, told};
use crate::scene::{Bucket, LIMIT, Row, rows};
use crate::support::tools::video_stream;
use crate::support::wait::throughout;
use crate::support::wire::{Fault, Wire};
use crate::support::{Camera, Codec, Program, Settings, Workspace, eventually};

/// A good line to a default camera, and a program's settings for it.
fn scene() -> (Bucket, Camera, Wire, Settings) {
    let (bucket, camera) = (Bucket::new(), camera(|_| {}));
    let wire = Wire::to(&camera).unwrap();
    let settings = passing_through(&bucket, &wire.url());
    (bucket, camera, wire, settings)
}

#[track_caller]
fn next_run(workspace: &Workspace, before: &[Row]) -> Vec<Row> {
    eventually(LIMIT, "a segment of the next run", || {
        let rows = rows(workspace);
        if rows.last()?.run > before[0].run { Some(rows) } else { None }
    })
}

fn ends(scenario: &Scenario, end: impl FnOnce(&Wire)) {
    let (bucket, _camera, wire, settings) = scene();
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 1);
    end(&wire);
    told(&program, scenario);
    wire.set(Fault::None);
    healed(&program, scenario);
    next_run(&workspace, &before);
    let rows = finish(program, &workspace, &bucket, scenario);
    let next = rows.iter().position(|row| row.run > before[0].run).unwrap();
    let lost = hole_s(&rows[next - 1], &rows[next]);
    assert!(lost < scenario.heals_within().as_secs_f64(), "{lost} s without footage: {rows:#?}");
}

pub fn goodbye(scenario: &Scenario) {
    ends(scenario, |wire| wire.set(Fault::Goodbye));
}

pub fn hang_up(scenario: &Scenario) {
    ends(scenario, Wire::cut);
}

pub fn short(scenario: &Scenario) {
    let (bucket, _camera, wire, settings) = scene();
    wire.set(Fault::HangUpAfter(75));
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    told(&program, scenario);
    let runs = eventually(LIMIT, "footage of three runs", || {
        let runs: std::collections::BTreeSet<i64> = rows(&workspace).iter().map(|row| row.run).collect();
        if runs.len() >= 3 { Some(runs) } else { None }
    });
    wire.set(Fault::None);
    healed(&program, scenario);
    recorded(&workspace, rows(&workspace).len() + 1);
    let rows = finish(program, &workspace, &bucket, scenario);
    for run in runs {
        let seconds: f64 = rows.iter().filter(|row| row.run == run).map(|row| row.duration_s).sum();
        assert!(seconds > 0.8, "{seconds} s of run {run}: {rows:#?}");
    }
}

/// Groups of pictures of so many seconds; the program stops in the second one.
fn long_groups(scenario: &Scenario, seconds: u32) {
    let bucket = Bucket::new();
    // few frames: what counts is the time between keyframes
    let camera = camera(|options| {
        options.fps = 5;
        options.gop = 5 * seconds;
    });
    let workspace = Workspace::new(&passing_through(&bucket, &camera.url()), &bucket.server);
    let program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "] recording");
    let enough = Duration::from_secs(u64::from(seconds) + 3);
    throughout(enough, "health", || {
        let health = program.health();
        if health["status"] == "ok" { Ok(()) } else { Err(health["reasons"].to_string()) }
    });
    let rows = finish(program, &workspace, &bucket, scenario);
    let recorded: f64 = rows.iter().map(|row| row.duration_s).sum();
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert!((rows[0].duration_s - f64::from(seconds)).abs() < 0.5, "{rows:#?}");
    assert!(recorded > f64::from(seconds) + 1.5, "{rows:#?}");
}

pub fn ten_seconds(scenario: &Scenario) {
    long_groups(scenario, 10);
}

pub fn twenty_seconds(scenario: &Scenario) {
    long_groups(scenario, 20);
}

/// Sizes and codec of the frames in a segment: one of each, or it cannot be played.
#[track_caller]
fn kinds(bucket: &Bucket, row: &Row) -> Vec<String> {
    let arguments =
        ["-v", "error", "-select_streams", "v", "-show_entries", "frame=width,height", "-of", "csv=p=0"];
    let path = object(bucket, row);
    let frames = crate::support::tools::output("ffprobe", &[&arguments[..], &[&path]].concat());
    let mut kinds: Vec<String> = frames.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
    kinds.retain(|kind| !kind.is_empty());
    kinds.sort();
    kinds.dedup();
    kinds
}

pub fn resolution(scenario: &Scenario) {
    let (bucket, _camera, wire, settings) = scene();
    let larger = camera(|options| (options.width, options.height) = (640, 360));
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 2);
    wire.switch_to(&larger);
    program.wait_for_log(LIMIT, "changed its picture from h264 320x180 to h264 640x360");
    healed(&program, scenario);
    next_run(&workspace, &before);
    let rows = finish(program, &workspace, &bucket, scenario);
    let kinds: Vec<Vec<String>> = rows.iter().map(|row| kinds(&bucket, row)).collect();
    for (row, kinds) in rows.iter().zip(&kinds) {
        let size = if row.run == before[0].run { "320,180" } else { "640,360" };
        assert_eq!(kinds, &[size], "{row:?}");
    }
    let next = rows.iter().position(|row| row.run > before[0].run).unwrap();
    let lost = hole_s(&rows[next - 1], &rows[next]);
    assert!(lost < scenario.heals_within().as_secs_f64(), "{lost} s without footage: {rows:#?}");
}

pub fn resolution_transcoded(scenario: &Scenario) {
    let (bucket, _camera, wire, mut settings) = scene();
    settings.set("capture.mode", "transcode");
    let larger = camera(|options| (options.width, options.height) = (640, 360));
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 1);
    wire.switch_to(&larger);
    eventually(LIMIT, "the larger picture to be sent", || larger.encoded_tracks() > 0);
    recorded(&workspace, before.len() + 4);
    let rows = finish(program, &workspace, &bucket, scenario);
    assert!(rows.iter().all(|row| row.run == before[0].run), "{rows:#?}");
    for row in &rows {
        assert_eq!(kinds(&bucket, row), ["320,180"], "{row:?}");
    }
}

pub fn codec(scenario: &Scenario) {
    let (bucket, _camera, wire, settings) = scene();
    let other = camera(|options| options.codec = Codec::H265);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 2);
    wire.switch_to(&other);
    let since = Instant::now();
    program.wait_for_log(scenario.heals_within(), "building for it");
    healed(&program, scenario);
    assert!(since.elapsed() < scenario.heals_within() + Duration::from_secs(5), "{:?}", since.elapsed());
    next_run(&workspace, &before);
    let rows = finish(program, &workspace, &bucket, scenario);
    for row in &rows {
        let wanted = if row.run == before[0].run { "h264" } else { "hevc" };
        assert_eq!(video_stream(&object(&bucket, row))["codec_name"], wanted, "{row:?}");
    }
}

/// Records through the fault for so many segments, in one run.
fn goes_on(scenario: &Scenario, fault: Fault, segments: usize) -> (Bucket, Vec<Row>) {
    let (bucket, _camera, wire, settings) = scene();
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 1);
    wire.set(fault);
    recorded(&workspace, before.len() + segments);
    let rows = finish(program, &workspace, &bucket, scenario);
    assert!(rows.iter().all(|row| row.run == before[0].run), "{rows:#?}");
    (bucket, rows)
}

/// Footage and time between the first and the last start agree.
#[track_caller]
fn lengths_are_true(rows: &[Row], tolerance: f64) {
    let (first, last) = (rows.first().unwrap(), rows.last().unwrap());
    let elapsed = (last.start_ms - first.start_ms) as f64 / 1e3;
    let footage: f64 = rows[..rows.len() - 1].iter().map(|row| row.duration_s).sum();
    assert!((elapsed - footage).abs() < tolerance, "{footage} s of footage in {elapsed} s: {rows:#?}");
    assert!(rows.iter().all(|row| row.duration_s < 4.0), "{rows:#?}");
}

pub fn split(scenario: &Scenario) {
    let (bucket, _camera, wire, settings) = scene();
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    recorded(&workspace, 1);
    wire.set(Fault::Split { every: 10, ticks: 90_000 });
    program
        .wait_for_log(scenario.heals_within() + Duration::from_secs(10), "rtspsrc receives it from now on");
    healed(&program, scenario);
    let before = recorded(&workspace, 1);
    let rows = recorded(&workspace, before.len() + 3);
    let last = rows.last().unwrap().run;
    assert!(rows.iter().filter(|row| row.run == last).count() >= 2, "it goes from run to run: {rows:#?}");
    finish(program, &workspace, &bucket, scenario);
}

pub fn backwards(scenario: &Scenario) {
    let (_bucket, rows) = goes_on(scenario, Fault::Backwards { every: 50, ticks: 90_000 }, 6);
    lengths_are_true(&rows, 0.5);
}

pub fn drift(scenario: &Scenario) {
    let (_bucket, rows) = goes_on(scenario, Fault::Drift(1.01), 8);
    lengths_are_true(&rows, 0.5);
}

pub fn rubbish(scenario: &Scenario) {
    let (bucket, rows) = through(scenario, Fault::Rubbish, 5);
    let frames: f64 = rows.iter().map(|row| frames(&bucket, row)).sum();
    let seconds: f64 = rows.iter().map(|row| row.duration_s).sum();
    assert!(frames > seconds * 12.0, "{frames} frames in {seconds} s: {rows:#?}");
    for pair in rows.windows(2) {
        assert!(hole_s(&pair[0], &pair[1]) < scenario.heals_within().as_secs_f64(), "{pair:#?}");
    }
}

fn frames(bucket: &Bucket, row: &Row) -> f64 {
    let frames = video_stream(&object(bucket, row))["nb_read_frames"].clone();
    frames.as_str().and_then(|frames| frames.parse().ok()).unwrap_or_default()
}

/// Records through the fault for so many segments, then on without it.
fn through(scenario: &Scenario, fault: Fault, segments: usize) -> (Bucket, Vec<Row>) {
    let (bucket, _camera, wire, settings) = scene();
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let before = recorded(&workspace, 1);
    wire.set(fault);
    let during = recorded(&workspace, before.len() + segments);
    wire.set(Fault::None);
    healed(&program, scenario);
    recorded(&workspace, during.len() + 2);
    let rows = finish(program, &workspace, &bucket, scenario);
    (bucket, rows)
}

pub fn torn(scenario: &Scenario) {
    through(scenario, Fault::Tear, 4);
}
