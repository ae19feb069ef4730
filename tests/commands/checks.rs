//! `check`: each thing tried for real, good and bad.

use super::{line_says, run};
use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::{Camera, CameraOptions, Codec, Program, Settings, Workspace};

#[test]
fn check_config_says_yes_or_every_problem() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    line_says(&run(&workspace, &["check", "config"], 0), "ok", "config", &["config.toml", "1 camera"]);
    settings.camera("gate", &camera).write(&workspace.path().join("config.toml")).unwrap();
    let answer = workspace.run(&["check", "config"]);
    assert_eq!(answer.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&answer.stderr).contains("gate"), "{answer:?}");
}

#[test]
fn check_camera_watches_each_camera_and_says_what_it_sends_or_what_is_wrong() {
    let bucket = Bucket::new();
    let (gate, mut gone) = (camera(), camera());
    gone.stop();
    let yard = Camera::start(CameraOptions { codec: Codec::H265, ..CameraOptions::default() }).unwrap();
    let login = Some(("admin".to_owned(), "another-password".to_owned()));
    let shed = Camera::start(CameraOptions { login, ..CameraOptions::default() }).unwrap();
    let open = Camera::start(CameraOptions { login: None, ..CameraOptions::default() }).unwrap();
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &gate).camera("yard", &yard).camera("open", &open);
    let workspace = Workspace::new(&settings, &bucket.server);
    let said = run(&workspace, &["check", "camera"], 0);
    line_says(&said, "ok", "camera gate", &["H.264", "320x180", "frames/s", "keyframe every "]);
    line_says(&said, "ok", "camera yard", &["H.265", "320x180", "frames/s"]);
    line_says(&said, "ok", "camera open", &["H.264", "no password"]);
    settings.camera("shed", &shed).camera("gone", &gone);
    settings.write(&workspace.path().join("config.toml")).unwrap();
    let said = run(&workspace, &["check", "camera"], 1);
    line_says(&said, "ok", "camera gate", &["H.264"]);
    line_says(&said, "FAIL", "camera shed", &["password"]);
    line_says(&said, "FAIL", "camera gone", &["unreachable", "refuses the connection"]);
    assert!(!workspace.path().join("data/segments.db").exists(), "a check of cameras leaves nothing behind");
}

#[test]
fn check_s3_tries_the_bucket_and_leaves_nothing_in_it() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &camera);
    let mut workspace = Workspace::new(&settings, &bucket.server);
    let said = run(&workspace, &["check", "s3"], 0);
    for what in ["credentials", "clock", "write", "verify", "checksums", "overwrite guard", "clean up"] {
        line_says(&said, "ok", &format!("s3 {what}"), &[]);
    }
    assert!(bucket.server.keys().is_empty(), "{:?}", bucket.server.keys());
    workspace.set_env("AWS_SECRET_ACCESS_KEY", "not-the-secret");
    let said = run(&workspace, &["check", "s3"], 1);
    line_says(&said, "FAIL", "s3 write", &["signature", "AWS_SECRET_ACCESS_KEY"]);
    workspace.set_env("AWS_SECRET_ACCESS_KEY", &bucket.server.options().secret_key);
    settings.set("s3.bucket", "no-such-bucket").write(&workspace.path().join("config.toml")).unwrap();
    line_says(&run(&workspace, &["check", "s3"], 1), "FAIL", "s3 write", &["no-such-bucket", "s3.bucket"]);
    settings.set("s3.endpoint", "http://127.0.0.1:9").write(&workspace.path().join("config.toml")).unwrap();
    line_says(&run(&workspace, &["check", "s3"], 1), "FAIL", "s3 write", &["127.0.0.1:9"]);
}

#[test]
fn check_pipeline_proves_every_text_without_a_camera() {
    let bucket = Bucket::new();
    let mut settings = Settings::new(&bucket.server);
    settings.camera_at("gate", "rtsp://127.0.0.1:9/x", None);
    settings.camera_at("yard", "rtsp://127.0.0.1:9/x", None).for_camera("capture.mode", "passthrough");
    let workspace = Workspace::new(&settings, &bucket.server);
    let said = run(&workspace, &["check", "pipeline"], 0);
    line_says(&said, "ok", "pipeline of gate", &["transcode", "H.264", "H.265", "→"]);
    line_says(&said, "ok", "pipeline of yard", &["passthrough", "no codec needed"]);
    settings.for_camera("capture.pipeline", "rtspsrc name=src ! {{depya}} ! hlssink2 name=sink");
    settings.write(&workspace.path().join("config.toml")).unwrap();
    let said = run(&workspace, &["check", "pipeline"], 1);
    line_says(&said, "ok", "pipeline of gate", &[]);
    line_says(&said, "FAIL", "pipeline of yard", &["{{depya}}", "{{depay}}"]);
}

#[test]
fn check_pipeline_bench_measures_each_mode_with_each_codec() {
    let bucket = Bucket::new();
    let mut settings = Settings::new(&bucket.server);
    settings.camera_at("gate", "rtsp://127.0.0.1:9/x", None);
    let workspace = Workspace::new(&settings, &bucket.server);
    let said = run(&workspace, &["check", "pipeline", "--bench"], 0);
    for codec in ["H.264", "H.265"] {
        let words = ["frames/s", "of a core for each camera", "four fifths of this machine"];
        line_says(
            &said,
            "ok",
            &format!("speed of {codec} passthrough"),
            &[&["no codec needed"], &words[..]].concat(),
        );
        let transcode = format!("speed of {codec} transcode to 320x180 at 15 frames/s, 300 kbit/s");
        line_says(&said, "ok", &transcode, &[&["x264enc"], &words[..]].concat());
    }
    let text = "videotestsrc name=src ! x264enc ! h264parse ! hlssink2 name=sink";
    settings.for_camera("capture.pipeline", text).write(&workspace.path().join("config.toml")).unwrap();
    let said = run(&workspace, &["check", "pipeline", "--bench"], 1);
    assert!(said.contains("FAIL") && said.contains("found neither {{source}} nor rtspsrc"), "{said}");
    let answer = workspace.run(&["check", "s3", "--bench"]);
    assert_eq!(answer.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&answer.stderr).contains("check pipeline --bench"), "{answer:?}");
}

#[test]
fn check_without_a_name_tries_everything() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    let said = run(&workspace, &["check"], 0);
    for what in ["config", "pipeline of gate", "camera gate", "s3 write", "store"] {
        line_says(&said, "ok", what, &[]);
    }
}

#[test]
fn check_store_finds_what_somebody_did_to_the_files() {
    let (bucket, camera) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.set("capture.mode", "passthrough").camera("gate", &camera);
    let workspace = Workspace::new(&settings, &bucket.server);
    line_says(&run(&workspace, &["check", "store"], 1), "FAIL", "store", &["does not exist"]);
    let mut program = Program::start(&workspace);
    uploaded(&workspace, "gate", 3);
    line_says(&run(&workspace, &["check", "store"], 0), "ok", "store", &["every row has its file"]);
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
    line_says(&run(&workspace, &["check", "store"], 0), "ok", "store", &["every row has its file"]);
    let files = workspace.segment_files();
    std::fs::remove_file(&files[0]).unwrap();
    let size = std::fs::metadata(&files[1]).unwrap().len();
    std::fs::File::options().write(true).open(&files[1]).unwrap().set_len(size / 2).unwrap();
    let mut bytes = std::fs::read(&files[2]).unwrap();
    bytes[size as usize / 3] ^= 1;
    std::fs::write(&files[2], bytes).unwrap();
    std::fs::copy(&files[2], files[2].with_file_name("segment_1700000000.ts")).unwrap();
    let said = run(&workspace, &["check", "store"], 1);
    let lies: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert_eq!(lies.len(), 4, "{said}");
    let name = |index: usize| files[index].file_name().unwrap().to_str().unwrap().to_owned();
    for (file, words) in [
        (name(0), "cannot be read"),
        (name(1), "its row says"),
        (name(2), "no longer matches its hash"),
        ("segment_1700000000.ts".into(), "has no row"),
    ] {
        assert!(lies.iter().any(|line| line.contains(&file) && line.contains(words)), "{file}: {said}");
    }
}
