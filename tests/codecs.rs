//! Hardware that lies: fakes of v4l2 elements that fail at READY, at the first frame, and after 40 frames.
//!
//! In this process, because an element registered by a test exists nowhere else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cctv_s3_pipeline::camera::choice::Latches;
use cctv_s3_pipeline::camera::codec::{Codec, Role};
use cctv_s3_pipeline::camera::{Camera, CameraParts, Codecs, Template, prove};
use cctv_s3_pipeline::config::{CameraConfig, CaptureConfig, Secret, StorageConfig, Trust};
use cctv_s3_pipeline::live::Live;
use cctv_s3_pipeline::segment::{CameraName, Prefix};
use cctv_s3_pipeline::status::Board;
use cctv_s3_pipeline::store::Store;

use crate::scene::{LIMIT, camera};
use crate::support::{eventually, program::query};

mod fakes;

/// The fakes are one per process: their tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn take_turn() -> MutexGuard<'static, ()> {
    gst::init().unwrap();
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn capture() -> CaptureConfig {
    CaptureConfig {
        width: 320,
        height: 180,
        bitrate_kbps: 300,
        segment_duration: Duration::from_secs(2),
        ..CaptureConfig::default()
    }
}

fn chosen(role: Role) -> &'static str {
    Codecs::new().choose(role, &capture(), &Latches::default(), &|| {}).unwrap()
}

#[test]
fn hardware_that_works_is_preferred_and_hardware_that_does_not_is_left_alone() {
    let _turn = take_turn();
    let decoder = Role::Decoder(Codec::H264);
    for (mood, expected) in [
        (fakes::AT_READY, "avdec_h264"),
        (0, "avdec_h264"),
        (40, "v4l2h264dec"),
        (fakes::NEVER, "v4l2h264dec"),
    ] {
        fakes::decoder::register(mood);
        assert_eq!(chosen(decoder), expected, "fails after {mood}");
    }
    for (mood, expected) in
        [(fakes::AT_READY, "videoconvertscale"), (0, "videoconvertscale"), (40, "v4l2convert")]
    {
        fakes::scaler::register(mood);
        assert_eq!(chosen(Role::Scaler), expected, "fails after {mood}");
    }
    for (mood, expected) in [(fakes::AT_READY, "x264enc"), (0, "x264enc"), (40, "v4l2h264enc")] {
        fakes::encoder::register(mood);
        assert_eq!(chosen(Role::Encoder), expected, "fails after {mood}");
    }
    fakes::decoder::register(fakes::AT_READY);
    fakes::scaler::register(fakes::AT_READY);
    fakes::encoder::register(fakes::AT_READY);
}

#[test]
fn a_latched_codec_is_passed_over_but_the_last_one_never_is() {
    let _turn = take_turn();
    let decoder = Role::Decoder(Codec::H264);
    fakes::decoder::register(fakes::NEVER);
    let (codecs, mut latches) = (Codecs::new(), Latches::default());
    assert_eq!(codecs.choose(decoder, &capture(), &latches, &|| {}).unwrap(), "v4l2h264dec");
    assert!(latches.latch(decoder, "v4l2h264dec"));
    assert_eq!(codecs.choose(decoder, &capture(), &latches, &|| {}).unwrap(), "avdec_h264");
    latches.latch(decoder, "avdec_h264");
    latches.latch(decoder, "openh264dec");
    // everything failed once: all are tried again, since not recording is worse
    assert_eq!(codecs.choose(decoder, &capture(), &latches, &|| {}).unwrap(), "v4l2h264dec");
    fakes::decoder::register(fakes::AT_READY);
}

#[test]
fn check_pipeline_names_the_codecs_it_proved() {
    let _turn = take_turn();
    let line = prove::prove(&config("rtsp://127.0.0.1:1/x"), &Codecs::new()).unwrap();
    assert!(line.contains("avdec_h264 → videoconvertscale → x264enc"), "{line}");
    assert!(line.contains("H.265: avdec_h265"), "{line}");
}

#[test]
fn a_decoder_that_dies_after_forty_frames_costs_one_quick_restart_and_no_footage() {
    let _turn = take_turn();
    fakes::decoder::register(40);
    recording_survives("v4l2h264dec");
    fakes::decoder::register(fakes::AT_READY);
}

#[test]
fn a_scaler_that_dies_after_forty_frames_costs_one_quick_restart_and_no_footage() {
    let _turn = take_turn();
    fakes::scaler::register(40);
    recording_survives("v4l2convert");
    fakes::scaler::register(fakes::AT_READY);
}

#[test]
fn an_encoder_that_dies_after_forty_frames_costs_one_quick_restart_and_no_footage() {
    let _turn = take_turn();
    fakes::encoder::register(40);
    recording_survives("v4l2h264enc");
    fakes::encoder::register(fakes::AT_READY);
}

/// Records with a codec that dies: the first run's frames are kept, the second run goes on without it.
fn recording_survives(culprit: &str) {
    let (camera, folder) = (camera(), tempfile::tempdir().unwrap());
    let storage = StorageConfig {
        segments_dir: folder.path().join("segments"),
        database: folder.path().join("segments.db"),
        ..StorageConfig::default()
    };
    let store = Store::open(&storage, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
    let config = config(&camera.url());
    let template = Template::load(&config.capture).unwrap();
    let parts = CameraParts {
        store: store.clone(),
        board: Board::new(),
        wake: Arc::default(),
        codecs: Arc::new(Codecs::new()),
        runtime: Arc::new(cctv_s3_pipeline::camera::runtime().unwrap()),
        stills: Default::default(),
        live: Live::default(),
    };
    let recorder = Camera::start(config, template, parts).unwrap();
    let runs = || query(&storage.database, "SELECT * FROM runs ORDER BY id").unwrap();
    let seconds = |run: i64| {
        let sql = format!("SELECT sum(duration_us) AS us FROM segments WHERE run = {run}");
        query(&storage.database, &sql).unwrap()[0]["us"].as_i64().unwrap_or(0) as f64 / 1e6
    };
    eventually(LIMIT, "the second run to have a segment", || seconds(2) > 1.0);
    recorder.request_stop();
    recorder.join();
    let reason = runs()[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(culprit) && reason.contains("failed"), "{reason}");
    assert_eq!(runs().len(), 2);
    // 40 frames at 15 a second, less the two that the fake's death may cost
    // and a first frame that a loaded machine stamps late
    assert!(seconds(1) > 2.0, "{} s of the first run are left", seconds(1));
}

fn config(url: &str) -> CameraConfig {
    CameraConfig {
        name: CameraName::new("gate").unwrap(),
        url: url.to_owned(),
        username: "admin".into(),
        password: Secret::new("camera-secret"),
        trust: Trust::System,
        capture: capture(),
    }
}
