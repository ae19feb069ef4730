//! The plug is pulled at any moment: nothing closed is lost, nothing is stored twice, playlists go on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::playlists::Viewer;
use crate::scene::{
    Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded,
};
use crate::support::tools::video_stream;
use crate::support::{Camera, CameraOptions, Fault, Program, Settings, Workspace, eventually};

pub mod leftovers;

fn stopped(mut program: Program<'_>) {
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
}

fn file(workspace: &Workspace, row: &Row) -> PathBuf {
    workspace.path().join(format!("data/segments/{}/segment_{}.ts", row.camera, row.file_epoch))
}

fn gate(bucket: &Bucket, camera: &Camera) -> Workspace {
    Workspace::new(Settings::new(&bucket.server).camera("gate", camera), &bucket.server)
}

/// The next number of a small generator: the same moments at every run of the test.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn killed_at_any_moment_it_loses_nothing_that_was_closed_and_stores_nothing_twice() {
    let bucket = Bucket::new();
    // enough bytes and untouched, so that the open segment is on disk up to the camera's last second or two
    let options = CameraOptions { bitrate_kbps: 2000, ..CameraOptions::default() };
    let camera = Camera::start(options).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.segment_duration", 3);
    settings.camera("gate", &camera).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut viewer = Viewer::new("/cameras/gate/recent.m3u8");
    let mut seed = 0x5eed_cafe;
    let mut closed: BTreeSet<String> = BTreeSet::new();
    for kill in 1..=6 {
        let had = rows(&workspace).len();
        let mut program = Program::start(&workspace);
        let moment = next(&mut seed);
        // at the start, while the first segment is open, or right after a row was written
        if kill > 2 {
            camera_state(&program, "gate", "recording");
        }
        if kill % 2 == 0 {
            eventually(LIMIT, "a row of this run", || {
                rows(&workspace).len() > had + usize::from(moment.is_multiple_of(2))
            });
        }
        if kill > 2 {
            viewer.look(&program).ok();
        }
        let more = std::time::Instant::now() + Duration::from_millis(moment % 1500);
        eventually(LIMIT, "the moment of the kill", || std::time::Instant::now() >= more);
        program.kill9();
        closed.extend(rows(&workspace).into_iter().map(|row| row.key));
    }
    let program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "recovered in");
    let recorded = rows(&workspace).len();
    uploaded(&workspace, "gate", recorded + 2);
    viewer.look(&program).unwrap();
    let breaks = viewer.discontinuity();
    stopped(program);

    let recorded = rows(&workspace);
    assert!(recorded.iter().all(|row| row.state == "uploaded"), "{recorded:?}");
    let stored: BTreeSet<String> = bucket.segments().into_iter().collect();
    assert!(closed.is_subset(&stored), "not stored: {:?}", closed.difference(&stored));
    assert_eq!(stored.len(), recorded.len());
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    let adopted = workspace.rows("SELECT 1 FROM runs WHERE reason LIKE 'adopted%'");
    assert!(!adopted.is_empty(), "no open segment was adopted");
    assert!(breaks >= adopted.len() as u64, "{breaks} breaks");
    for pair in recorded.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1, "{pair:?}");
        let same_run = pair[0].run == pair[1].run;
        assert_eq!(pair[1].discontinuity, pair[0].discontinuity + i64::from(!same_run), "{pair:?}");
    }
}

#[test]
fn the_open_segment_of_a_killed_program_is_adopted_as_far_as_it_was_written() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    // one segment that stays open
    settings.set("capture.segment_duration", 60).camera("gate", &camera);
    settings.for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    eventually(LIMIT, "bytes of the open segment", || {
        let files = workspace.segment_files();
        let bytes = std::fs::metadata(files.first()?).ok()?.len();
        if bytes > 40_000 { Some(()) } else { None }
    });
    program.kill9();
    drop(program);
    assert!(rows(&workspace).is_empty());
    let program = Program::start(&workspace);
    let row = uploaded(&workspace, "gate", 1).remove(0);
    stopped(program);
    assert!(row.duration_s > 0.9, "{row:?}");
    let object = bucket.server.folder().join(&row.key);
    let frames: f64 =
        video_stream(object.to_str().unwrap())["nb_read_frames"].as_str().unwrap().parse().unwrap();
    assert!((frames - row.duration_s * 15.0).abs() <= 2.0, "{frames} frames in {row:?}");
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn a_kill_between_the_upload_and_its_note_stores_nothing_twice() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    bucket.server.spoil_next(2, Fault::CommitThenStall);
    let unanswered = eventually(LIMIT, "an object whose row is not uploaded", || {
        let stored = bucket.commits();
        rows(&workspace).into_iter().find(|row| row.state == "uploading" && stored.contains_key(&row.key))
    });
    program.kill9();
    drop(program);
    let recorded = rows(&workspace).len();
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", recorded + 1);
    stopped(program);
    let row = rows(&workspace).into_iter().find(|row| row.key == unanswered.key).unwrap();
    assert_eq!(row.state, "uploaded");
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn a_playlist_goes_on_after_a_kill_with_rising_numbers() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut viewer = Viewer::new("/cameras/gate/recent.m3u8");
    let mut last = (0, 0);
    for kill in 0..3 {
        let had = rows(&workspace).len();
        let mut program = Program::start(&workspace);
        eventually(LIMIT, "two rows of this run", || rows(&workspace).len() >= had + 2);
        viewer.look(&program).unwrap();
        let now = (viewer.newest(), viewer.discontinuity());
        assert!(now.0 > last.0 && (kill == 0 || now.1 > last.1), "{last:?} → {now:?}");
        last = now;
        program.kill9();
    }
}

fn segment_folder(workspace: &Workspace) -> PathBuf {
    workspace.path().join("data/segments/gate")
}

fn remove_database(workspace: &Workspace) {
    for name in ["segments.db", "segments.db-wal", "segments.db-shm"] {
        let path: &Path = &workspace.path().join("data").join(name);
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
}
