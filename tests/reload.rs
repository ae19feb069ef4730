//! SIGHUP: another configuration while everything runs.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::scene::{Bucket, LIMIT, camera, camera_state, rows, uploaded};
use crate::support::tools::video_stream;
use crate::support::{Program, Settings, Workspace, eventually};

fn reload(program: &Program<'_>, workspace: &Workspace, settings: &Settings) {
    settings.write(&workspace.path().join("config.toml")).unwrap();
    program.signal(Signal::HUP);
}

/// Rows of a camera, which must all be of one run and tile its time: starts follow the camera's clock by less than a frame.
#[track_caller]
fn unbroken(workspace: &Workspace, name: &str) -> usize {
    let rows: Vec<_> = rows(workspace).into_iter().filter(|row| row.camera == name).collect();
    for pair in rows.windows(2) {
        let end = pair[0].start_ms as f64 + pair[0].duration_s * 1000.0;
        assert!((pair[1].start_ms as f64 - end).abs() < 66.0, "{name}: {pair:#?}");
        assert_eq!(pair[0].run, pair[1].run, "{name}");
        assert_eq!(
            (pair[0].sequence + 1, pair[0].discontinuity),
            (pair[1].sequence, pair[1].discontinuity),
            "{name}"
        );
    }
    rows.len()
}

#[test]
fn of_four_cameras_the_changed_one_starts_anew_and_the_others_lose_no_frame() {
    let bucket = Bucket::new();
    let cameras = [camera(), camera(), camera(), camera()];
    let names = ["a", "b", "c", "d"];
    let with = |bitrate: i64| {
        let mut settings = Settings::new(&bucket.server);
        settings.set("capture.mode", "passthrough");
        for (name, camera) in names.iter().zip(&cameras) {
            settings.camera(name, camera);
            if *name == "b" {
                settings.for_camera("capture.mode", "transcode").for_camera("capture.bitrate_kbps", bitrate);
            }
        }
        settings
    };
    let workspace = Workspace::new(&with(300), &bucket.server);
    let mut program = Program::start(&workspace);
    for name in names {
        uploaded(&workspace, name, 2);
    }
    // somebody watches one that stays as it is
    let mut viewer = TcpStream::connect(program.http_address()).unwrap();
    viewer.write_all(b"GET /cameras/a/live.mp4 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    viewer.set_read_timeout(Some(LIMIT)).unwrap();
    viewer.read_exact(&mut [0; 20_000]).unwrap();

    reload(&program, &workspace, &with(500));
    program.wait_for_log(LIMIT, "reload: started anew: camera b");
    let runs = || workspace.rows("SELECT DISTINCT run FROM segments WHERE camera = 'b'").len();
    eventually(LIMIT, "the changed camera to record again", || runs() == 2);
    for name in ["a", "c", "d"] {
        let before = unbroken(&workspace, name);
        eventually(LIMIT, "three more segments", || unbroken(&workspace, name) >= before + 3);
        assert_eq!(workspace.rows(&format!("SELECT * FROM runs WHERE camera = '{name}'")).len(), 1);
    }
    let gaps = workspace.rows("SELECT camera, end_ms - start_ms AS ms, cause FROM gaps");
    assert!(gaps.iter().all(|gap| gap["camera"] == "b" && gap["ms"].as_i64().unwrap() < 5000), "{gaps:?}");
    viewer.read_exact(&mut [0; 40_000]).unwrap();
    // nothing changed: nothing happens
    program.signal(Signal::HUP);
    program.wait_for_log(LIMIT, "reload: nothing changed");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    for name in ["a", "c", "d"] {
        unbroken(&workspace, name);
        // fifteen a second, as the camera sent them, but for the tail that the stop cut
        let rows: Vec<_> = rows(&workspace).into_iter().filter(|row| row.camera == name).collect();
        for row in &rows[..rows.len() - 1] {
            let file = format!("data/segments/{name}/segment_{}.ts", row.file_epoch);
            let frames =
                video_stream(workspace.path().join(file).to_str().unwrap())["nb_read_frames"].clone();
            let frames: f64 = frames.as_str().unwrap().parse().unwrap();
            assert!((row.duration_s * 15.0 - frames).abs() < 0.5, "{name}: {frames} frames in {row:?}");
        }
    }
}

#[test]
fn a_wrong_file_is_refused_whole_and_the_old_one_runs_on() {
    let (bucket, gate) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &gate);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    let mut wrong = settings.clone();
    wrong.set("capture.framerate", 0).set("capture.bitrate_kbps", 500);
    reload(&program, &workspace, &wrong);
    let line = program.wait_for_log(LIMIT, "reload refused, the old configuration runs on: ");
    assert!(line.contains("config.toml:") && line.contains("capture.framerate: found 0"), "{line}");
    // one that would be found only when it is built
    let mut wrong = settings.clone();
    wrong.set("capture.pipeline", "rtspsrc name=src ! nosuchelement name=sink");
    reload(&program, &workspace, &wrong);
    eventually(LIMIT, "the second refusal", || {
        program.log().iter().filter(|line| line.contains("reload refused")).count() == 2
    });
    std::fs::write(workspace.path().join("config.toml"), b"[[camera]]\nname = \"ga").unwrap();
    program.signal(Signal::HUP);
    eventually(LIMIT, "the third refusal", || {
        program.log().iter().filter(|line| line.contains("reload refused")).count() == 3
    });
    let before = unbroken(&workspace, "gate");
    eventually(LIMIT, "recording to go on", || unbroken(&workspace, "gate") >= before + 2);
}

#[test]
fn a_camera_is_added_and_one_removed_and_both_are_uploaded() {
    let bucket = Bucket::new();
    let (gate, yard, shed) = (camera(), camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &gate);
    let mut other = settings.clone();
    settings.camera("yard", &yard);
    other.camera("shed", &shed);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "yard", 1);
    reload(&program, &workspace, &other);
    program.wait_for_log(LIMIT, "reload: added: camera shed; removed: camera yard");
    uploaded(&workspace, "shed", 2);
    let health = program.health();
    let names: Vec<_> = health["cameras"].as_array().unwrap().iter().map(|camera| &camera["name"]).collect();
    assert_eq!(names, ["gate", "shed"]);
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(program.get("/cameras/yard/live.m3u8").status, 404);
    assert_eq!(program.get("/cameras/shed/snapshot.jpg").status, 200);
    assert!(program.get("/cameras/shed/live.m3u8").text().contains("#EXT-X-PART"));
    // its tail, too
    eventually(LIMIT, "all of the removed camera to be in S3", || {
        let all = rows(&workspace).into_iter().filter(|row| row.camera == "yard");
        all.filter(|row| row.state != "uploaded").map(|row| row.state).next().map_or(Ok(()), Err)
    });
    unbroken(&workspace, "gate");
    reload(&program, &workspace, &settings);
    camera_state(&program, "yard", "recording");
}

#[test]
fn uploads_follow_another_store_a_level_is_taken_over_and_what_must_wait_is_named() {
    let (bucket, gate) = (Bucket::new(), camera());
    let mut right = Settings::new(&bucket.server);
    right.set("capture.mode", "passthrough").set("logging.level", "info").camera("gate", &gate);
    let mut wrong = right.clone();
    wrong.set("s3.endpoint", "http://127.0.0.1:9");
    let workspace = Workspace::new(&wrong, &bucket.server);
    let program = Program::start(&workspace);
    eventually(LIMIT, "segments to wait", || rows(&workspace).len() >= 2);
    right.set("logging.level", "debug").set("server.port", 1).set("storage.min_free_mb", 17);
    reload(&program, &workspace, &right);
    let line = program.wait_for_log(LIMIT, "reload: a restart is needed for ");
    assert!(line.contains("storage.min_free_mb, server.port"), "{line}");
    program.wait_for_log(LIMIT, "reload: taken over: [s3]; taken over: logging.level");
    uploaded(&workspace, "gate", 4);
    program.wait_for_log(LIMIT, " DEBUG ");
    unbroken(&workspace, "gate");
}
