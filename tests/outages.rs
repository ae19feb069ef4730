//! Cameras that die, hang up, freeze or change: footage goes on, neighbours never notice.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::playlists::Viewer;
use crate::scene::{
    Bucket, LIMIT, Row, assert_nothing_lost_or_doubled, camera, camera_state, rows, uploaded,
};
use crate::support::tools::video_stream;
use crate::support::wait::throughout;
use crate::support::{Camera, CameraOptions, Codec, DahuaProxy, Program, Settings, Workspace, eventually};

mod process;
mod store;

fn rows_of(workspace: &Workspace, camera: &str) -> Vec<Row> {
    let mut rows = rows(workspace);
    rows.retain(|row| row.camera == camera);
    rows
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn end_ms(row: &Row) -> i64 {
    row.start_ms + (row.duration_s * 1e3) as i64
}

/// Waits for a moment in the middle of a 2-second segment, with `count` closed ones before it.
fn inside_a_segment(workspace: &Workspace, camera: &str, count: usize) -> Vec<Row> {
    eventually(LIMIT, "a moment inside a segment", || {
        let rows = rows_of(workspace, camera);
        let open_ms = rows.last().map_or(0, |last| now_ms() - end_ms(last));
        if rows.len() >= count && (1300..1700).contains(&open_ms) { Some(rows) } else { None }
    })
}

fn reconnects(program: &Program<'_>, camera: &str) -> u64 {
    let health = program.health();
    let cameras = health["cameras"].as_array().unwrap().iter();
    cameras.filter(|one| one["name"] == camera).map(|one| one["reconnects"].as_u64().unwrap()).sum()
}

#[test]
fn a_camera_without_power_is_recorded_again_and_its_tail_is_not_lost() {
    let (bucket, mut camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let mut program = Program::start(&workspace);
    let mut viewer = Viewer::new("/cameras/gate/recent.m3u8");
    let before = inside_a_segment(&workspace, "gate", 2);
    viewer.look(&program).unwrap();
    camera.stop();
    let cut_at = now_ms();

    let waiting = camera_state(&program, "gate", "waiting");
    assert!(!waiting["reason"].as_str().unwrap_or_default().is_empty(), "{waiting}");
    assert_eq!(program.health()["status"], "down");
    program.wait_for_log(LIMIT, "refuses the connection");
    let tail = uploaded(&workspace, "gate", before.len() + 1).pop().unwrap();
    assert_eq!((tail.run, tail.sequence), (before[0].run, before.last().unwrap().sequence + 1));
    assert!(end_ms(&tail) > cut_at - 800, "cut at {cut_at}: {tail:?}");

    viewer.look(&program).unwrap();
    let (newest, breaks) = (viewer.newest(), viewer.discontinuity());
    camera.start_again().unwrap();
    camera_state(&program, "gate", "recording");
    assert!(reconnects(&program, "gate") >= 1);
    uploaded(&workspace, "gate", before.len() + 3);
    let playlist = viewer.look(&program).unwrap();
    assert!(playlist.segments.iter().skip(1).any(|segment| segment.discontinuity), "{playlist:?}");
    assert!(viewer.newest() >= newest + 2 && viewer.discontinuity() == breaks + 1, "{playlist:?}");
    // said when it has recorded for a while, not with the first frame
    assert!(program.wait_for_log(LIMIT, "recovered after").contains("[gate]"));
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn a_camera_that_hangs_up_is_back_within_seconds() {
    let (bucket, camera) = (Bucket::new(), camera());
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    let before = inside_a_segment(&workspace, "gate", 1);
    camera.kick();
    let kicked_at = now_ms();
    let after = eventually(LIMIT, "a row of the next run", || {
        let rows = rows_of(&workspace, "gate");
        if rows.last()?.run > before[0].run { Some(rows) } else { None }
    });
    let next = after.iter().find(|row| row.run > before[0].run).unwrap();
    let tail = after.iter().rfind(|row| row.run == before[0].run).unwrap();
    assert!(end_ms(tail) > kicked_at - 800, "kicked at {kicked_at}: {tail:?}");
    // a backoff of at most one second, and the time of a connection on a loaded machine
    assert!(next.start_ms - kicked_at < 5_000, "kicked at {kicked_at}: {next:?}");
    assert!(next.start_ms >= end_ms(tail), "{tail:?} overlaps {next:?}");
    assert_eq!(reconnects(&program, "gate"), 1);
}

#[test]
fn a_frozen_camera_is_left_after_five_seconds_and_its_neighbour_never_notices() {
    let (bucket, frozen, neighbour) = (Bucket::new(), camera(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &frozen).camera("yard", &neighbour);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "yard", 1);
    let before = inside_a_segment(&workspace, "gate", 1);
    frozen.freeze();
    let (since, frozen_at) = (Instant::now(), now_ms());
    let waiting = camera_state(&program, "gate", "waiting");
    let noticed = since.elapsed();
    assert!((4.5..8.0).contains(&noticed.as_secs_f64()), "noticed after {noticed:?}");
    assert!(waiting["reason"].as_str().unwrap().contains("stalled"), "{waiting}");
    let health = program.health();
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health["reasons"].to_string().contains("gate"), "{health}");
    // the frames before the silence are a segment, although nothing came that would have ended it
    let tail = uploaded(&workspace, "gate", before.len() + 1).pop().unwrap();
    assert!(tail.run == before[0].run && end_ms(&tail) > frozen_at - 800, "frozen at {frozen_at}: {tail:?}");
    frozen.thaw();
    camera_state(&program, "gate", "recording");
    let count = rows_of(&workspace, "gate").len();
    uploaded(&workspace, "gate", count + 1);
    drop(program);
    let yard = rows_of(&workspace, "yard");
    assert!(yard.len() >= 4, "{yard:?}");
    assert!(yard.iter().all(|row| row.run == yard[0].run), "{yard:?}");
    for pair in yard.windows(2) {
        let hole = pair[1].start_ms as f64 - pair[0].start_ms as f64 - pair[0].duration_s * 1e3;
        assert!(hole.abs() <= 67.0, "{hole} ms between {pair:?}");
    }
}

#[test]
fn a_camera_that_changes_its_codec_is_recorded_after_one_rebuild() {
    let (bucket, mut first) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &first).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    let before = uploaded(&workspace, "gate", 1);
    first.stop();
    camera_state(&program, "gate", "waiting");
    let options = CameraOptions { codec: Codec::H265, port: first.port(), ..CameraOptions::default() };
    let _second = Camera::start(options).unwrap();
    let last = eventually(LIMIT, "an uploaded segment of the second camera", || {
        let rows = rows_of(&workspace, "gate");
        rows.into_iter().rfind(|row| row.run > before[0].run && row.state == "uploaded")
    });
    let codec = |row: &Row| {
        let object = bucket.server.folder().join(&row.key);
        video_stream(object.to_str().unwrap())["codec_name"].as_str().unwrap().to_owned()
    };
    assert_eq!((codec(&before[0]), codec(&last)), ("h264".into(), "hevc".into()));
    drop(program);
    let rebuilds = workspace.rows("SELECT reason FROM runs WHERE reason LIKE '%building for it%'");
    assert_eq!(rebuilds.len(), 1, "{rebuilds:?}");
}

#[test]
fn a_camera_with_addresses_of_its_own_form_is_asked_in_that_form() {
    let (bucket, camera) = (Bucket::new(), camera());
    let proxy = DahuaProxy::start(camera.port(), "451 Parameter Not Understood").unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.camera_at("gate", &proxy.url(), Some("admin"));
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    drop(program);
    let requests = proxy.requests();
    let setups = requests.iter().filter(|request| request.starts_with("SETUP")).count();
    assert_eq!((setups, workspace.rows("SELECT id FROM runs").len()), (1, 1), "{requests:?}");
}

#[test]
fn rtspsrc_records_such_a_camera_through_the_other_form() {
    let (bucket, camera) = (Bucket::new(), camera());
    let proxy = DahuaProxy::start(camera.port(), "451 Parameter Not Understood").unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.camera_at("gate", &proxy.url(), Some("admin"));
    let text = "rtspsrc name=src protocols=tcp ! {{depay}} ! {{parse}} config-interval=-1 \
                ! video/x-h264,stream-format=byte-stream,alignment=au ! hlssink2 name=sink";
    settings.for_camera("capture.pipeline", text);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 2);
    assert_eq!(camera_state(&program, "gate", "recording")["reason"], serde_json::Value::Null);
    drop(program);
    let setups = proxy.requests().into_iter().filter(|request| request.starts_with("SETUP")).count();
    assert!(setups >= 2, "the proxy refused nothing: {:?}", proxy.requests());
    let runs = workspace.rows("SELECT reason FROM runs ORDER BY id");
    // GStreamer 1.24 and newer try the other form by themselves, older ones leave it to the next run
    assert!(runs.len() <= 2, "{runs:?}");
    assert!(runs.len() == 1 || runs[0]["reason"].as_str().unwrap().contains("451"), "{runs:?}");
}

#[test]
fn the_session_is_kept_alive_while_packets_flow() {
    let bucket = Bucket::new();
    let camera = Camera::start(CameraOptions { session_timeout_s: 10, ..CameraOptions::default() }).unwrap();
    let workspace = Workspace::new(Settings::new(&bucket.server).camera("gate", &camera), &bucket.server);
    let program = Program::start(&workspace);
    camera_state(&program, "gate", "recording");
    let asked = || {
        let counts = camera.counts();
        counts.get_parameter.load(Ordering::SeqCst) + counts.options.load(Ordering::SeqCst)
    };
    eventually(LIMIT, "three times", || asked() >= 3);
    // the answer to it changes nothing
    throughout(Duration::from_secs(2), "recording", || {
        let health = program.health();
        if health["cameras"][0]["state"] == "recording" { Ok(()) } else { Err(health.to_string()) }
    });
    assert_eq!(reconnects(&program, "gate"), 0);
}
