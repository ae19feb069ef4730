//! Every second of a camera is footage or a gap with its reason: `report` says so after each kind of trouble.

use std::collections::BTreeSet;
use std::fs;

use cctv_s3_pipeline::segment::Timestamp;
use serde_json::Value;

use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded};
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually};

fn settings(bucket: &Bucket, camera: &Camera) -> Settings {
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", camera);
    settings
}

/// The reports of the days from the first run to now: one, or two if the test ran over midnight.
fn reports(workspace: &Workspace) -> Vec<Value> {
    let began = workspace.rows("SELECT min(started_at) AS at FROM runs")[0]["at"].as_i64().unwrap();
    let days = BTreeSet::from([Timestamp::from_millis(began).date(), Timestamp::now().date()]);
    days.iter()
        .map(|day| {
            let output = workspace.run(&["report", "--camera", "gate", "--date", day, "--json"]);
            assert!(output.status.success(), "{output:?}");
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .collect()
}

/// The causes in order of time, neighbours of one cause once. Whatever the report says adds up, to the millisecond.
#[track_caller]
fn causes(workspace: &Workspace) -> Vec<String> {
    let mut causes = Vec::new();
    for report in reports(workspace) {
        let seconds = |field: &str| report[field].as_f64().unwrap_or_else(|| panic!("{field} in {report:#}"));
        assert_eq!(seconds("unaccounted_seconds"), 0.0, "{report:#}");
        let told = seconds("recorded_seconds") + seconds("gap_seconds");
        assert!((told - seconds("seconds")).abs() < 0.001, "{report:#}");
        let of_gaps = report["gaps"].as_array().unwrap().iter();
        causes.extend(of_gaps.map(|gap| {
            assert!(!gap["reason"].as_str().unwrap().is_empty(), "{report:#}");
            gap["cause"].as_str().unwrap().to_owned()
        }));
    }
    causes.dedup();
    causes
}

/// Waits until the report tells of these causes: the first tenth of a second of a gap is none yet.
#[track_caller]
fn tells(workspace: &Workspace, wanted: &[&str]) {
    eventually(LIMIT, &format!("a report of {wanted:?}"), || {
        let causes = causes(workspace);
        if causes == wanted { Ok(()) } else { Err(format!("{causes:?}")) }
    });
}

fn stopped(mut program: Program<'_>) {
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
}

/// Another segment is uploaded after all that are there now.
fn one_more(workspace: &Workspace) {
    let count = rows(workspace).len();
    uploaded(workspace, "gate", count + 1);
}

#[test]
fn a_camera_without_power_and_a_program_without_power_are_gaps_of_their_own() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    let open = reports(&workspace).remove(0)["open_seconds"].as_f64().unwrap();
    assert!(open < LIMIT.as_secs_f64(), "{open}");
    assert_eq!(causes(&workspace), [""; 0], "nothing is missing yet");
    camera.stop();
    program.wait_for_log(LIMIT, "refuses the connection");
    tells(&workspace, &["unreachable"]);
    camera.start_again().unwrap();
    camera_state(&program, "gate", "recording");
    one_more(&workspace);
    program.kill9();
    drop(program);
    tells(&workspace, &["unreachable", "program_down"]);
    let program = Program::start(&workspace);
    let count = rows(&workspace).len();
    uploaded(&workspace, "gate", count + 2);
    stopped(program);
    tells(&workspace, &["unreachable", "program_down"]);
    let text = workspace.run(&["report"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for word in ["gate", "recorded", "uploaded", "unaccounted   00:00:00", "program_down", "stopped"] {
        assert!(text.contains(word), "{word:?} in:\n{text}");
    }
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    let mut manifests = bucket.server.keys();
    manifests.retain(|key| key.ends_with("/manifest.m3u8"));
    let text: String = manifests
        .iter()
        .map(|key| String::from_utf8(bucket.server.object(key).unwrap().to_vec()).unwrap())
        .collect();
    for cause in ["unreachable", "program_down"] {
        assert!(text.contains(&format!("X-CAUSE=\"{cause}\",X-REASON=\"")), "{cause} in:\n{text}");
    }
}

#[test]
fn a_refused_password_is_a_gap_until_the_program_is_stopped() {
    let (bucket, mut first) = (Bucket::new(), camera());
    let workspace = Workspace::new(&settings(&bucket, &first), &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    first.stop();
    let login = Some(("admin".to_owned(), "another".to_owned()));
    let options = CameraOptions { login, port: first.port(), ..CameraOptions::default() };
    let mut second = Camera::start(options).unwrap();
    program.wait_for_log(LIMIT, "refuses user name or password");
    // with or without a moment in which nobody listened
    let denied = eventually(LIMIT, "the refusal to be told", || {
        let causes = causes(&workspace);
        if causes.last().is_some_and(|last| last == "denied") {
            Ok(causes)
        } else {
            Err(format!("{causes:?}"))
        }
    });
    // it waits five minutes before it tries again: nobody would be told that the program was stopped
    stopped(program);
    let mut wanted: Vec<&str> = denied.iter().map(String::as_str).collect();
    wanted.push("program_down");
    tells(&workspace, &wanted);
    second.stop();
    first.start_again().unwrap();
    let _program = Program::start(&workspace);
    one_more(&workspace);
    tells(&workspace, &wanted);
}

#[test]
fn a_folder_that_cannot_be_written_is_a_gap_before_the_first_segment() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
    let obstacle = workspace.path().join("data/segments/gate");
    fs::create_dir_all(obstacle.parent().unwrap()).unwrap();
    fs::write(&obstacle, "a file where the folder should be").unwrap();
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "waiting");
    tells(&workspace, &["disk"]);
    fs::remove_file(&obstacle).unwrap();
    uploaded(&workspace, "gate", 1);
    tells(&workspace, &["disk"]);
    stopped(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
