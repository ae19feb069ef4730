//! `retry`, and the ways to stop.

use std::time::Duration;

use serde_json::Value;

use super::run;
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::program::timed;
use crate::support::{Camera, Fault, Program, Settings, Workspace, eventually};

fn settings(bucket: &Bucket, camera: &Camera) -> Settings {
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", camera);
    settings
}

#[test]
fn segments_that_s3_refused_for_good_are_shown_and_queued_again_by_retry() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(settings(&bucket, &camera).set("s3.max_retries", 1), &bucket.server);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    bucket.server.spoil_next(2, Fault::Refuse(400, "EntityTooLarge"));
    let failed = || rows(&workspace).into_iter().filter(|row| row.state == "failed").collect::<Vec<_>>();
    let refused = eventually(LIMIT, "a failed segment", || failed().first().cloned());
    let health = program.health();
    assert_eq!(health["status"], "degraded");
    let told = |reason: &Value| reason.as_str().is_some_and(|text| text.contains("retry"));
    assert!(health["reasons"].as_array().unwrap().iter().any(told), "{health}");
    let error = workspace.rows("SELECT last_error FROM segments WHERE state = 'failed'");
    assert!(error[0]["last_error"].as_str().unwrap().contains("EntityTooLarge"), "{error:?}");
    // both faults are used up: segments go through again
    let before = rows(&workspace).len();
    uploaded(&workspace, "gate", before);

    let answer = workspace.run(&["retry", "--camera", "nobody"]);
    assert_eq!(answer.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&answer.stderr).contains("gate"), "{answer:?}");
    let count = failed().len();
    assert!(count > 0);
    let said = run(&workspace, &["retry", "--camera", "gate"], 0);
    assert!(said.starts_with(&format!("{count} failed segment")), "{said}");
    eventually(LIMIT, "the refused segment in S3", || bucket.server.object(&refused.key));
    eventually(LIMIT, "/health to be ok", || program.health()["status"] == "ok");
    assert!(run(&workspace, &["retry"], 0).starts_with("0 failed segments"));
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn a_second_signal_leaves_at_once_and_the_next_start_recovers() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    // stored, but never answered: the drain would wait for it
    bucket.server.spoil_next(2, Fault::CommitThenStall);
    let commits = bucket.commits().values().sum::<usize>();
    eventually(LIMIT, "an upload without an answer", || bucket.commits().values().sum::<usize>() > commits);
    let hanging = rows(&workspace).iter().filter(|row| row.state == "uploading").count();
    assert!(hanging > 0, "{:?}", rows(&workspace));
    program.sigterm();
    program.wait_for_log(LIMIT, "stopping: closing segments");
    assert!(program.is_running(), "it waits for the upload");
    program.sigterm();
    let (status, took) = timed(|| program.wait_exit(LIMIT));
    assert_eq!(status.code(), Some(1));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(program.log().iter().any(|line| line.contains("leaving at once")), "{:#?}", program.log());
    drop(program);

    let before = rows(&workspace);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", before.len() + 1);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    assert!(rows(&workspace).iter().all(|row| row.state == "uploaded"), "{:?}", rows(&workspace));
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
