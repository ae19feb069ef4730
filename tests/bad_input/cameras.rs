//! Cameras that refuse, are not there, or send what cannot be recorded. A neighbour that works records on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::{errors, says};
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded};
use crate::support::port::Port;
use crate::support::wait::throughout;
use crate::support::{Camera, CameraOptions, Codec, Program, Settings, Workspace};

/// Cameras that need no picture decoded or encoded.
fn passing_through(bucket: &Bucket) -> Settings {
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough");
    settings
}

fn reason(camera: &Value) -> &str {
    camera["reason"].as_str().unwrap_or_default()
}

/// The one camera of these settings waits, for a reason with these words, and the program says it is down.
#[track_caller]
fn waits_alone(settings: &Settings, bucket: &Bucket, words: &[&str]) {
    let workspace = Workspace::new(settings, &bucket.server);
    let mut program = Program::start(&workspace);
    says(reason(&camera_state(&program, "gate", "waiting")), words);
    let answer = program.get("/health");
    assert_eq!(answer.status, 503, "{}", answer.text());
    let health = answer.json().unwrap();
    assert_eq!(health["status"], "down");
    assert_eq!(health["reasons"][0], "no camera records");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let told = program.log();
    let lines = told.iter().filter(|line| words.iter().all(|word| line.contains(word))).count();
    assert_eq!(lines, 1, "told once, not at every attempt: {told:#?}");
}

#[test]
fn a_wrong_password_is_tried_once_in_five_minutes_and_said_in_words() {
    let (bucket, good) = (Bucket::new(), camera());
    let login = Some(("admin".to_owned(), "another-password".to_owned()));
    let other = Camera::start(CameraOptions { login, ..CameraOptions::default() }).unwrap();
    let mut settings = passing_through(&bucket);
    settings.camera("gate", &good).camera("yard", &other);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    says(reason(&camera_state(&program, "yard", "waiting")), &["refuses", "user name", "password"]);
    let seen = || (other.connections(), other.counts().unauthorized.load(Ordering::SeqCst));
    let after_the_first_try = seen();
    // the challenge, and one refusal: five of them lock an address out
    assert_eq!(after_the_first_try, (1, 2), "connections and 401s");
    throughout(Duration::from_secs(6), "the pause", || {
        if seen() == after_the_first_try { Ok(()) } else { Err(format!("{:?}", seen())) }
    });
    uploaded(&workspace, "gate", 2);
    assert_eq!(program.health()["status"], "degraded");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let errors = errors(&program.log());
    assert_eq!(errors.len(), 1, "{errors:#?}");
    says(&errors[0], &["[yard]", "password", "next attempt in 300 s"]);
    assert_eq!(other.counts().play.load(Ordering::SeqCst), 0);
    drop(program);
    assert!(rows(&workspace).iter().all(|row| row.camera == "gate" && row.state == "uploaded"));
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn a_wrong_path_is_answered_with_404_and_the_key_to_correct() {
    let (bucket, camera) = (Bucket::new(), camera());
    let url = format!("rtsp://127.0.0.1:{}/no/such/stream", camera.port());
    let mut settings = passing_through(&bucket);
    settings.camera_at("gate", &url, Some("admin"));
    waits_alone(&settings, &bucket, &["404", "rtsp_path"]);
}

#[test]
fn a_refused_port_is_said_and_the_camera_is_recorded_once_it_is_there() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    camera.stop();
    let mut settings = passing_through(&bucket);
    settings.camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut program = Program::start(&workspace);
    says(reason(&camera_state(&program, "gate", "waiting")), &["unreachable", "refuses the connection"]);
    assert_eq!(program.health()["status"], "down");
    camera.start_again().unwrap();
    uploaded(&workspace, "gate", 2);
    assert_eq!(program.health()["status"], "ok");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    assert!(errors(&program.log()).is_empty(), "an outage heals by itself: {:#?}", program.log());
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn an_address_where_nobody_listens_is_named() {
    let bucket = Bucket::new();
    let closed = Port::hold(0).unwrap();
    let port = closed.number();
    let mut settings = passing_through(&bucket);
    settings.camera_at("gate", &format!("rtsp://127.0.0.1:{port}/stream1"), None);
    waits_alone(&settings, &bucket, &["unreachable", &format!("127.0.0.1:{port} refuses"), "address"]);
}

#[test]
fn an_address_without_a_route_or_an_answer_is_named() {
    let bucket = Bucket::new();
    let mut settings = passing_through(&bucket);
    // reserved for documentation: no machine has it
    settings.camera_at("gate", "rtsp://192.0.2.1:554/stream1", None);
    waits_alone(&settings, &bucket, &["unreachable", "192.0.2.1:554", "address"]);
}

#[test]
fn an_unknown_host_is_named() {
    let bucket = Bucket::new();
    let mut settings = passing_through(&bucket);
    settings.camera_at("gate", "rtsp://camera.invalid/stream1", None);
    waits_alone(&settings, &bucket, &["unreachable", "no such host: camera.invalid", "address"]);
}

#[test]
fn a_stream_of_another_codec_is_named_with_what_to_set_in_the_camera() {
    let bucket = Bucket::new();
    let camera = Camera::start(CameraOptions { codec: Codec::Mjpeg, ..CameraOptions::default() }).unwrap();
    let mut settings = passing_through(&bucket);
    settings.camera("gate", &camera);
    waits_alone(&settings, &bucket, &["JPEG", "neither H.264 nor H.265", "set the camera's video encoding"]);
}
