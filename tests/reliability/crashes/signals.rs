//! Asked to stop in every phase of its life, asked twice, started twice.

use std::net::TcpListener;

use super::{all_uploaded_by_the_next_start, complaints, gate, recorded_only, says_little, stopped, told};
use crate::reliability::table::Scenario;
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded};
use crate::support::{Fault, Program, Settings, Workspace, eventually};

/// Copies of one recorded file under older names: enough that adopting them takes a while.
pub fn leave_orphans(workspace: &Workspace, count: i64) {
    let row = recorded_only(workspace, 1).remove(0);
    let path = super::file(workspace, &row);
    for n in 1..=count {
        let name = format!("segment_{}.ts", row.file_epoch - 1000 + n * 3);
        std::fs::copy(&path, path.with_file_name(name)).unwrap();
    }
}

pub fn while_it_starts(scenario: &Scenario) {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    leave_orphans(&workspace, 60);
    let before = rows(&workspace).len();
    camera.stop();
    let mut program = Program::start(&workspace);
    eventually(LIMIT, "the first adopted file", || rows(&workspace).len() > before);
    stopped(&mut program);
    assert!(!program.log().iter().any(|line| line.contains("ready:")), "{:#?}", program.log());
    assert!(rows(&workspace).len() < before + 60, "it did not stop in the middle");
    says_little(&program, scenario);
    drop(program);
    let rows = all_uploaded_by_the_next_start(&workspace, &bucket);
    assert!(rows.len() >= before + 60);
}

pub fn while_the_camera_connects(scenario: &Scenario) {
    let bucket = Bucket::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = Settings::new(&bucket.server);
    let url = format!("rtsp://{}/stream", silent.local_addr().unwrap());
    settings.set("capture.mode", "passthrough").camera_at("gate", &url, None);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    camera_state(&program, "gate", "starting");
    let _held = silent.accept().unwrap();
    stopped(&mut program);
    says_little(&program, scenario);
}

pub fn while_it_records(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    stopped(&mut program);
    says_little(&program, scenario);
    drop(program);
    let rows = rows(&workspace);
    assert!(rows.iter().all(|row| row.state == "uploaded"), "{rows:?}");
    assert_eq!(rows.len(), workspace.segment_files().len());
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

pub fn while_the_camera_is_away(scenario: &Scenario) {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    camera.stop();
    told(&program, scenario);
    stopped(&mut program);
    drop(program);
    assert!(rows(&workspace).iter().all(|row| row.state == "uploaded"));
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

pub fn while_s3_hangs(_: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    bucket.server.spoil_next(2, Fault::CommitThenStall);
    eventually(LIMIT, "an upload without an answer", || {
        let stored = bucket.commits();
        rows(&workspace).iter().any(|row| row.state == "uploading" && stored.contains_key(&row.key))
    });
    stopped(&mut program);
    drop(program);
    assert!(rows(&workspace).iter().any(|row| row.state == "retry"), "{:?}", rows(&workspace));
    all_uploaded_by_the_next_start(&workspace, &bucket);
}

pub fn asked_twice(_: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    // the stop takes long, because these are awaited
    bucket.server.spoil_next(2, Fault::CommitThenStall);
    eventually(LIMIT, "an upload under way", || rows(&workspace).iter().any(|row| row.state == "uploading"));
    program.sigterm();
    program.wait_for_log(LIMIT, "a second signal leaves at once");
    program.sigterm();
    assert_eq!(program.wait_exit(LIMIT).code(), Some(1));
    assert!(complaints(&program).iter().any(|line| line.contains("leaving at once")));
    drop(program);
    all_uploaded_by_the_next_start(&workspace, &bucket);
}

pub fn started_a_second_time(scenario: &Scenario) {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = gate(&bucket, &camera);
    let mut first = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    let mut second = Program::start(&workspace);
    assert_eq!(second.wait_exit(LIMIT).code(), Some(1));
    let refusal = second.log().join("\n");
    for words in [&format!("process {}", first.id()), "stop that process first"] {
        assert!(refusal.contains(words), "{words:?} in {refusal}");
    }
    drop(second);
    let before = rows(&workspace).len();
    uploaded(&workspace, "gate", before + 1);
    assert_eq!(camera_state(&first, "gate", "recording")["reconnects"], 0);
    stopped(&mut first);
    says_little(&first, scenario);
    drop(first);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
