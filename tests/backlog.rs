//! A backlog that an outage left: it is worked off in its order, each segment once, while recording goes on.

use std::time::Instant;

use cctv_s3_pipeline::segment::{Segment, Timestamp};
use cctv_s3_pipeline::store::Store;

use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows};
use crate::support::backlog::{SEGMENT, open, seed};
use crate::support::{Program, Settings, Workspace, eventually};

const WAITING: usize = 300;

/// Everything stays on disk, to be compared at the end.
fn settings(bucket: &Bucket) -> Settings {
    let mut settings = Settings::new(&bucket.server);
    settings.set("storage.local_buffer_minutes", 1000);
    settings
}

/// So many small segments of the hours before now, as the recorder would have left them.
fn seeded(workspace: &Workspace, count: usize, bytes: usize) -> Vec<Segment> {
    let store: Store = open(workspace).unwrap();
    let first = Timestamp::now().minus(SEGMENT * u32::try_from(count + 60).unwrap());
    seed(&store, "gate", first, count, bytes).unwrap()
}

/// Places in the backlog, in the order in which the store was sent them.
fn sent(bucket: &Bucket, backlog: &[Segment]) -> Vec<usize> {
    // without the signature
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let place = |seen: &str| backlog.iter().position(|segment| path(seen).ends_with(&segment.key));
    let requests = bucket.server.requests();
    requests.iter().filter(|seen| seen.method == "PUT").filter_map(|seen| place(&seen.path)).collect()
}

fn wait_until_drained(workspace: &Workspace, backlog: &[Segment]) {
    let last = backlog.last().unwrap().file.epoch_seconds();
    eventually(LIMIT * 3, "the backlog to be in S3", || {
        let waiting =
            rows(workspace).iter().filter(|row| row.file_epoch <= last && row.state != "uploaded").count();
        if waiting == 0 { Ok(()) } else { Err(format!("{waiting} wait")) }
    });
}

/// S3 is away at the start, then comes back; returns the order in which the backlog went.
fn worked_off(order: &str) -> Vec<usize> {
    let (mut bucket, camera) = (Bucket::new(), camera());
    let mut settings = settings(&bucket);
    settings
        .set("s3.order", order)
        .set("s3.concurrency", 1)
        .set("logging.level", "info")
        .camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let backlog = seeded(&workspace, WAITING, 2000);
    bucket.server.stop();
    let mut program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "segments wait on disk");
    eventually(LIMIT, "footage of the outage", || rows(&workspace).len() > WAITING);
    bucket.server.start_again().unwrap();
    wait_until_drained(&workspace, &backlog);
    let newest = eventually(LIMIT, "an upload of what is recorded now", || {
        rows(&workspace).into_iter().rfind(|row| row.state == "uploaded" && row.sequence >= WAITING as i64)
    });
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    drop(program);
    let sent = sent(&bucket, &backlog);
    assert_eq!(sent.len(), WAITING, "each once");
    assert!(bucket.segments().contains(&newest.key));
    let manifests = bucket.server.keys().into_iter().filter(|key| key.ends_with("manifest.m3u8"));
    let listed: String =
        manifests.map(|key| String::from_utf8(bucket.server.object(&key).unwrap()).unwrap()).collect();
    for segment in &backlog {
        assert!(listed.contains(&format!("\n{}\n", segment.file)), "{} is in no manifest", segment.file);
    }
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    sent
}

#[test]
fn a_backlog_goes_oldest_first() {
    let sent = worked_off("oldest-first");
    assert!(sent.is_sorted(), "{sent:?}");
}

#[test]
fn a_backlog_goes_newest_first_where_that_is_wanted() {
    let sent = worked_off("newest-first");
    assert!(sent.is_sorted_by(|a, b| a > b), "{sent:?}");
}

#[test]
fn a_limit_of_the_upload_is_kept() {
    let bucket = Bucket::new();
    let mut settings = settings(&bucket);
    // no camera answers: nothing but the backlog is sent
    settings.set("s3.max_upload_kbps", 800).camera_at("gate", "rtsp://127.0.0.1:9/none", None);
    let workspace = Workspace::new(&settings, &bucket.server);
    let backlog = seeded(&workspace, 20, 15_000);
    let started = Instant::now();
    let mut program = Program::start(&workspace);
    wait_until_drained(&workspace, &backlog);
    let took = started.elapsed();
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    // 300,000 bytes at 100,000 a second, but for what may be caught up and the last piece
    assert!(took.as_secs_f64() > 2.7, "{took:?}");
    assert_eq!(sent(&bucket, &backlog).len(), backlog.len());
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}

#[test]
fn a_start_with_a_backlog_loses_and_adopts_nothing() {
    let (mut bucket, camera) = (Bucket::new(), camera());
    let mut settings = settings(&bucket);
    settings.camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let backlog = seeded(&workspace, 2000, 200);
    bucket.server.stop();
    let mut program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "ready:");
    assert!(!program.log().iter().any(|line| line.contains("recovered in")), "{:?}", program.log());
    let pending =
        eventually(LIMIT, "the backlog in /health", || program.health()["upload"]["pending"].as_u64());
    assert!(pending >= 2000, "{pending}");
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    let waiting =
        rows(&workspace).iter().filter(|row| ["created", "retry"].contains(&row.state.as_str())).count();
    assert!(waiting >= backlog.len(), "{waiting}");
    drop(program);
    assert_nothing_lost_or_doubled(&workspace, &bucket);
}
