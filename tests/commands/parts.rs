//! `capture`, `upload` and `serve` as three processes on one database.

use super::run;
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::{Program, Settings, Workspace, eventually};

#[test]
fn three_processes_record_upload_and_serve_and_each_can_stop_alone() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let mut capture = Program::start_with(&workspace, &["capture"]);
    let mut upload = Program::start_with(&workspace, &["upload"]);
    let mut serve = Program::start_with(&workspace, &["serve"]);
    uploaded(&workspace, "gate", 2);

    let playlist = serve.get("/live.m3u8").text();
    let newest = playlist.lines().rfind(|line| !line.starts_with('#')).unwrap().to_owned();
    let path = if newest.starts_with('/') { newest } else { format!("/{newest}") };
    let segment = serve.get(&path);
    assert_eq!(segment.status, 200, "{path} of\n{playlist}");
    let file = workspace.path().join("data/segments/gate").join(path.rsplit('/').next().unwrap());
    assert_eq!(segment.body, std::fs::read(file).unwrap());
    let health = serve.health();
    assert_eq!((&health["status"], &health["cameras"][0]["state"]), (&"ok".into(), &"recording".into()));
    assert!(health["upload"]["state"].is_null(), "another process uploads: {health}");

    upload.sigterm();
    assert!(upload.wait_exit(LIMIT).success());
    let there = bucket.segments().len();
    let recorded = rows(&workspace).len();
    eventually(LIMIT, "two more segments", || rows(&workspace).len() >= recorded + 2);
    assert_eq!(bucket.segments().len(), there, "nobody uploads");
    let mut upload = Program::start_with(&workspace, &["upload"]);
    uploaded(&workspace, "gate", recorded + 2);

    serve.sigterm();
    assert!(serve.wait_exit(LIMIT).success());
    capture.sigterm();
    assert!(capture.wait_exit(LIMIT).success());
    eventually(LIMIT, "the tail in S3", || rows(&workspace).iter().all(|row| row.state == "uploaded"));
    upload.sigterm();
    assert!(upload.wait_exit(LIMIT).success());
    for part in ["capture", "upload", "serve"] {
        assert!(workspace.path().join(format!("data/logs/pipeline-{part}.log")).exists(), "{part}");
    }
    drop((capture, upload, serve));
    assert!(rows(&workspace).iter().all(|row| row.run == 1), "one run: nobody disturbed the camera");
    assert_nothing_lost_or_doubled(&workspace, &bucket);
    run(&workspace, &["check", "store"], 0);
}
