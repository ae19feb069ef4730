//! A small disk that fills up, holds no more files, or turns read-only.
//!
//! Segments, database and log share a disk of their own (`small_disk` says what kind), as on a Raspberry Pi's card.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::small_disk::{Size, SmallDisk, may_mount};
use super::table::Scenario;
use crate::alerts;
use crate::scene::{Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, camera_state, rows};
use crate::support::receiver::Receiver;
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually, tools};

const MB: u64 = 1 << 20;
/// `storage.min_free_mb` of these tests.
const MIN_FREE: u64 = 4 * MB;
/// An hour that is long over: what is old when the program starts.
const LONG_AGO: i64 = 1_763_900_000;

scenarios! { DISKS:
    a_disk_that_fills_up_is_announced_and_then_gives_the_oldest_up => Scenario {
        fault: "S3 is away, and the disk fills up with segments that wait for it",
        outcome: "announced while twice `storage.min_free_mb` is free; below it the oldest segments are `dropped`, one \
            row each, and the newest are kept and uploaded when S3 is back",
        health: Some("disk is full: footage that was not uploaded yet is being dropped"),
        told_within_s: Some(10),
        heals_within_s: Some(30),
        log_lines: Some(9),
    }, |scenario| play(scenario, fills_up);
    uploaded_segments_go_early_when_the_disk_is_nearly_full => Scenario {
        fault: "the local buffer is larger than the disk",
        outcome: "announced; uploaded segments go before their time, oldest first, and nothing is lost",
        health: Some("disk is getting full"),
        told_within_s: Some(10),
        heals_within_s: Some(15),
        log_lines: Some(3),
    }, |scenario| play(scenario, buffer_is_too_large);
    a_disk_filled_to_the_last_byte_cuts_the_segment_and_nothing_else => Scenario {
        fault: "something else fills the disk to the last byte in the middle of a segment",
        outcome: "the open segment ends with its last whole frame and gets its row, in the room that is kept for the \
            database; of the segments that wait, the oldest go until recording can go on",
        health: Some("disk is"),
        told_within_s: Some(15),
        heals_within_s: Some(30),
        log_lines: Some(10),
    }, |scenario| play(scenario, last_byte);
    a_disk_that_somebody_else_fills_costs_no_footage_while_recording_can_go_on => Scenario {
        fault: "something else fills the disk up to where recording can just go on",
        outcome: "nothing is dropped, because that would not help; recording goes on",
        health: Some("disk is too full, and deleting our own files would not help"),
        told_within_s: Some(10),
        heals_within_s: Some(30),
        log_lines: Some(4),
    }, |scenario| play(scenario, somebody_else);
    a_program_that_starts_on_a_full_disk_makes_room_and_records => Scenario {
        fault: "killed, and started again on a disk without a free byte",
        outcome: "it starts, gives up the oldest that wait for what recording needs, and records",
        health: Some("disk is full: footage that was not uploaded yet is being dropped"),
        told_within_s: Some(30),
        heals_within_s: Some(30),
        log_lines: Some(10),
    }, |scenario| play(scenario, starts_full);
    a_disk_without_inodes_gives_files_up_although_bytes_are_free => Scenario {
        fault: "small files of something else take every inode",
        outcome: "announced as what it is; of the segments that wait, the oldest go until new files can be created",
        health: Some("disk has no inodes left"),
        told_within_s: Some(15),
        heals_within_s: Some(30),
        log_lines: Some(10),
    }, |scenario| play(scenario, no_inodes);
    a_disk_that_turns_read_only_is_recorded_on_again_when_it_is_mended => Scenario {
        fault: "the disk turns read-only while the camera is away",
        outcome: "`/health` says so and is `down`; recording goes on within seconds of a remount",
        health: Some("Read-only file system"),
        told_within_s: Some(40),
        heals_within_s: Some(20),
        log_lines: Some(6),
    }, |scenario| play(scenario, read_only);
}

fn play(scenario: &Scenario, story: fn(&Scenario)) {
    let name = DISKS.iter().find(|(_, other)| other.fault == scenario.fault).map(|(name, _)| *name);
    may_mount("disks", name.unwrap(), || story(scenario));
}

/// A recorder whose data is on the small disk.
struct Place {
    disk: SmallDisk,
    workspace: Workspace,
    bucket: Bucket,
    camera: Camera,
}

impl Place {
    fn new(size: Size, change: impl FnOnce(&mut Settings)) -> Place {
        Place::with_disk_at("data", size, change)
    }

    fn with_disk_at(folder: &str, size: Size, change: impl FnOnce(&mut Settings)) -> Place {
        let (bucket, camera) = (Bucket::new(), busy_camera());
        let mut settings = Settings::new(&bucket.server);
        settings.set("storage.min_free_mb", (MIN_FREE / MB) as i64).set("logging.level", "info");
        settings.set("capture.mode", "passthrough").camera("gate", &camera);
        change(&mut settings);
        let workspace = Workspace::new(&settings, &bucket.server);
        let disk = SmallDisk::mount(&workspace.path().join(folder), size);
        Place { disk, workspace, bucket, camera }
    }

    /// Segments of about 1 MB from long ago, which the program finds and adopts at its start.
    fn add_backlog(&self, count: i64) {
        let sample = self.workspace.path().join("sample.ts");
        large_segment(&sample);
        let folder = self.workspace.path().join("data/segments/gate");
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..count {
            std::fs::copy(&sample, folder.join(format!("segment_{}.ts", LONG_AGO + 2 * n))).unwrap();
        }
    }

    fn states(&self, state: &str) -> Vec<Row> {
        rows(&self.workspace).into_iter().filter(|row| row.state == state).collect()
    }

    /// Ends the program in peace and looks whether every promise was kept.
    fn end(&self, mut program: Program<'_>, scenario: &Scenario) {
        program.sigterm();
        assert!(program.wait_exit(LIMIT).success());
        let log = program.log();
        let bad: Vec<_> = log.iter().filter(|line| is_trouble(line)).cloned().collect();
        let most = scenario.log_lines.unwrap_or(usize::MAX);
        assert!(bad.len() <= most, "{} lines: {bad:#?}", bad.len());
        drop(program);
        assert_nothing_lost_or_doubled(&self.workspace, &self.bucket);
    }
}

fn is_trouble(line: &str) -> bool {
    line.contains(" WARN ") || line.contains(" ERROR ")
}

/// About 3 Mbit/s.
fn busy_camera() -> Camera {
    let options =
        CameraOptions { width: 640, height: 360, gop: 8, bitrate_kbps: 6000, ..CameraOptions::default() };
    Camera::start(options).unwrap()
}

/// Two seconds of noise, which no encoder makes small.
fn large_segment(path: &Path) {
    let picture = "testsrc2=s=640x360:r=15:d=2,noise=alls=100:allf=t";
    let mut args =
        vec!["-v", "error", "-f", "lavfi", "-i", picture, "-c:v", "libx264", "-preset", "ultrafast"];
    args.extend(["-b:v", "4M", "-maxrate", "4M", "-bufsize", "500k", "-g", "15", "-f", "mpegts"]);
    args.push(path.to_str().unwrap());
    tools::output("ffmpeg", &args);
}

/// Waits until `/health` holds these words, no longer than the row of the table says.
#[track_caller]
fn told(program: &Program<'_>, scenario: &Scenario, since: Instant) -> Value {
    says_within(program, scenario.health.unwrap(), scenario.told_within().saturating_sub(since.elapsed()))
}

#[track_caller]
fn says_within(program: &Program<'_>, words: &str, limit: Duration) -> Value {
    eventually(limit, &format!("/health to say {words:?}"), || {
        let health = program.health();
        if health["reasons"].to_string().contains(words) { Ok(health) } else { Err(health.to_string()) }
    })
}

#[track_caller]
fn healed(program: &Program<'_>, scenario: &Scenario, since: Instant) {
    eventually(scenario.heals_within().saturating_sub(since.elapsed()), "/health to be ok", || {
        let health = program.health();
        if health["status"] == "ok" { Ok(()) } else { Err(health.to_string()) }
    });
}

fn fills_up(scenario: &Scenario) {
    let receiver = Receiver::start();
    let alert = alerts::alert(&[
        ("type", "webhook".into()),
        ("url", receiver.url("/").into()),
        ("backlog_minutes", 60.into()),
    ]);
    let mut place = Place::new(Size { mb: 48, inodes: 512 }, |settings| {
        settings.set("alert", alert);
    });
    place.bucket.server.stop();
    place.add_backlog(8);
    // room for two seconds until it is low, and for some more until something must go
    place.disk.fill_but(2 * MIN_FREE + MB);
    let program = Program::start(&place.workspace);
    camera_state(&program, "gate", "recording");
    let announced = says_within(&program, "disk is getting full", LIMIT);
    assert_eq!((&announced["status"], &announced["storage"]["space"]), (&"degraded".into(), &"low".into()));
    assert_eq!(announced["storage"]["dropped"], 0, "it is said before anything is lost: {announced}");
    eventually(LIMIT, "the disk to be full", || place.states("dropped").len() >= 2);
    let health = told(&program, scenario, Instant::now());
    assert_eq!(health["storage"]["space"], "dropping", "{health}");
    let before = rows(&place.workspace);
    eventually(LIMIT, "recording to go on", || rows(&place.workspace).len() >= before.len() + 2);
    assert!(place.disk.free_bytes() > MIN_FREE / 2, "{} bytes are free", place.disk.free_bytes());
    place.bucket.server.start_again().unwrap();
    place.disk.free();
    healed(&program, scenario, Instant::now());
    let dropped = place.states("dropped");
    let all = rows(&place.workspace);
    let mut starts: Vec<i64> = all.iter().map(|row| row.start_ms).collect();
    starts.sort_unstable();
    let oldest: Vec<i64> = dropped.iter().map(|row| row.start_ms).collect();
    assert_eq!(oldest, starts[..oldest.len()], "the oldest went, and nothing else");
    assert_eq!(program.health()["storage"]["dropped"], dropped.len());
    // the segments of long ago are an old backlog, too
    let expected = ["backlog begin", "backlog end", "disk-low begin", "disk-low end", "footage-lost begin"];
    eventually(LIMIT, "exactly these alerts", || {
        let mut told = receiver.told();
        told.sort();
        if told == expected { Ok(()) } else { Err(format!("{told:?}")) }
    });
    let said = program.log().iter().any(|line| line.contains("dropped before S3 had them"));
    assert!(said && program.log().iter().any(|line| line.contains("well again")));
    place.end(program, scenario);
}

fn buffer_is_too_large(scenario: &Scenario) {
    let place = Place::new(Size { mb: 48, inodes: 512 }, |settings| {
        settings.set("storage.local_buffer_minutes", 5_000_000);
    });
    place.add_backlog(6);
    let program = Program::start(&place.workspace);
    eventually(LIMIT, "the backlog to be uploaded", || place.states("uploaded").len() >= 6);
    let began = Instant::now();
    place.disk.fill_but(MIN_FREE + MB);
    let health = told(&program, scenario, began);
    assert_eq!((&health["status"], &health["storage"]["space"]), (&"degraded".into(), &"low".into()));
    eventually(LIMIT, "uploaded segments to go", || place.states("cleaned").len() >= 3);
    assert!(
        place.states("cleaned").iter().all(|row| row.start_ms / 1000 < LONG_AGO + 1000),
        "not the oldest"
    );
    place.disk.free();
    healed(&program, scenario, Instant::now());
    assert!(place.states("dropped").is_empty());
    place.end(program, scenario);
}

fn last_byte(scenario: &Scenario) {
    let mut place = Place::new(Size { mb: 48, inodes: 512 }, |_| {});
    place.bucket.server.stop();
    place.add_backlog(20);
    let program = Program::start(&place.workspace);
    eventually(LIMIT, "segments", || rows(&place.workspace).len() >= 22);
    let began = Instant::now();
    // as often as room is made, until there was none when the next bytes came
    eventually(LIMIT, "the open segment to be cut", || {
        place.disk.fill();
        program.log().iter().any(|line| line.contains("[gate]") && line.contains("No space left"))
    });
    told(&program, scenario, began);
    eventually(LIMIT, "room to be made", || !place.states("dropped").is_empty());
    let cut = rows(&place.workspace);
    eventually(LIMIT, "recording to go on, on a disk that is still full", || {
        rows(&place.workspace).len() > cut.len() + 1
    });
    place.disk.free();
    place.bucket.server.start_again().unwrap();
    healed(&program, scenario, Instant::now());
    eventually(LIMIT, "every segment to be uploaded", || place.states("created").is_empty());
    let refused = |line: &String| line.contains("write row") || line.contains("database is full");
    assert!(!program.log().iter().any(refused), "rows have room of their own");
    // what was cut plays to its end, with as many frames as its length says
    for row in rows(&place.workspace).iter().filter(|row| row.state == "uploaded") {
        let object = place.bucket.server.folder().join(&row.key);
        let frames = tools::video_stream(object.to_str().unwrap())["nb_read_frames"].clone();
        let frames: f64 = frames.as_str().unwrap().parse().unwrap();
        assert!((frames / 15.0 - row.duration_s).abs() < 0.25, "{frames} frames in {row:?}");
    }
    place.end(program, scenario);
}

fn somebody_else(scenario: &Scenario) {
    let mut place = Place::new(Size { mb: 64, inodes: 512 }, |settings| {
        settings.set("storage.min_free_mb", 16);
    });
    place.bucket.server.stop();
    let program = Program::start(&place.workspace);
    eventually(LIMIT, "segments", || rows(&place.workspace).len() >= 2);
    let began = Instant::now();
    place.disk.fill_but(9 * MB);
    let health = told(&program, scenario, began);
    assert_eq!((&health["status"], &health["storage"]["space"]), (&"degraded".into(), &"full".into()));
    let before = rows(&place.workspace).len();
    eventually(LIMIT, "recording to go on", || rows(&place.workspace).len() >= before + 3);
    place.bucket.server.start_again().unwrap();
    place.disk.free();
    healed(&program, scenario, Instant::now());
    assert!(place.states("dropped").is_empty(), "{:?}", rows(&place.workspace));
    place.end(program, scenario);
}

fn starts_full(scenario: &Scenario) {
    let mut place = Place::new(Size { mb: 48, inodes: 512 }, |_| {});
    place.bucket.server.stop();
    place.add_backlog(14);
    let mut program = Program::start(&place.workspace);
    eventually(LIMIT, "a segment", || rows(&place.workspace).len() >= 15);
    program.kill9();
    drop(program);
    place.disk.fill();
    let began = Instant::now();
    let program = Program::start(&place.workspace);
    told(&program, scenario, began);
    let before = rows(&place.workspace).len();
    eventually(LIMIT, "recording to go on", || rows(&place.workspace).len() > before + 1);
    let dropped = place.states("dropped");
    assert!(
        !dropped.is_empty() && dropped.iter().all(|row| row.start_ms / 1000 < LONG_AGO + 1000),
        "{dropped:?}"
    );
    place.disk.free();
    place.bucket.server.start_again().unwrap();
    healed(&program, scenario, Instant::now());
    place.end(program, scenario);
}

fn no_inodes(scenario: &Scenario) {
    let mut place = Place::new(Size { mb: 64, inodes: 96 }, |_| {});
    place.bucket.server.stop();
    place.add_backlog(12);
    let program = Program::start(&place.workspace);
    eventually(LIMIT, "a segment", || rows(&place.workspace).len() >= 13);
    let began = Instant::now();
    place.disk.fill_with_files();
    told(&program, scenario, began);
    eventually(LIMIT, "files to go", || place.states("dropped").len() >= 2);
    let before = rows(&place.workspace).len();
    eventually(LIMIT, "recording to go on", || rows(&place.workspace).len() > before + 1);
    place.disk.free();
    place.bucket.server.start_again().unwrap();
    healed(&program, scenario, Instant::now());
    place.end(program, scenario);
}

fn read_only(scenario: &Scenario) {
    // the database stays where it is: a disk that a file is open on for writing cannot be made read-only
    let mut place = Place::with_disk_at("data/segments", Size { mb: 32, inodes: 256 }, |_| {});
    let program = Program::start(&place.workspace);
    eventually(LIMIT, "a segment", || !place.states("uploaded").is_empty());
    place.camera.stop();
    camera_state(&program, "gate", "waiting");
    place.disk.remount("ro");
    let began = Instant::now();
    place.camera.start_again().unwrap();
    let health = told(&program, scenario, began);
    assert_eq!(health["status"], "down", "{health}");
    let before = rows(&place.workspace).len();
    place.disk.remount("rw");
    let mended = Instant::now();
    eventually(LIMIT, "recording to go on", || rows(&place.workspace).len() > before);
    healed(&program, scenario, mended);
    place.end(program, scenario);
}
