//! `setup` as a script runs it: asks nothing, tries everything, writes the two files.

use std::os::unix::fs::PermissionsExt;

use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::{Camera, CameraOptions, Program, Settings, Workspace, eventually};

/// Without a configuration.
fn empty(bucket: &Bucket) -> Workspace {
    let workspace = Workspace::new(&Settings::new(&bucket.server), &bucket.server);
    std::fs::remove_file(workspace.path().join("config.toml")).unwrap();
    workspace
}

fn camera_with(password: &str) -> Camera {
    let login = Some(("viewer".to_owned(), password.to_owned()));
    Camera::start(CameraOptions { login, ..CameraOptions::default() }).unwrap()
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_camera_and_a_bucket_that_work_are_written_and_recorded() {
    let (bucket, gate) = (Bucket::new(), camera_with("p$ss #1"));
    let mut workspace = empty(&bucket);
    workspace.set_env("CAMERA_PASSWORD", "p$ss #1");
    let (url, endpoint) = (gate.url(), bucket.server.endpoint());
    let name = bucket.server.options().bucket.clone();
    let args = [
        "setup",
        "--yes",
        "--camera-name",
        "gate",
        "--camera-url",
        &url,
        "--camera-user",
        "viewer",
        "--bucket",
        &name,
        "--endpoint",
        &endpoint,
        "--no-start",
    ];
    let output = workspace.run(&args);
    let words = said(&output);
    assert_eq!(output.status.code(), Some(0), "{words}");
    for line in ["ok    camera gate: ", "ok    s3 write: ", "written: config.toml and .env"] {
        assert!(words.lines().any(|found| found.starts_with(line)), "{line}: {words}");
    }
    let config = std::fs::read_to_string(workspace.path().join("config.toml")).unwrap();
    let env_file = workspace.path().join(".env");
    let env = std::fs::read_to_string(&env_file).unwrap();
    assert!(config.contains("password = \"${GATE_PASSWORD}\"") && !config.contains("p$ss"), "{config}");
    assert!(env.contains("GATE_PASSWORD='p$ss #1'\n") && env.contains("AWS_SECRET_ACCESS_KEY='"), "{env}");
    assert_eq!(std::fs::metadata(&env_file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!words.contains("p$ss"), "{words}");

    // a second camera, while the first one's password is in the file alone
    let yard = camera_with("other");
    workspace.set_env("CAMERA_PASSWORD", "other");
    let url = yard.url();
    let mut second = args;
    (second[3], second[5]) = ("yard", &url);
    let output = workspace.run(&second);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let config = std::fs::read_to_string(workspace.path().join("config.toml")).unwrap();
    assert!(config.contains("${GATE_PASSWORD}") && config.contains("${YARD_PASSWORD}"), "{config}");

    // the passwords come from the file from now on
    workspace.set_env("CAMERA_PASSWORD", "");
    let config =
        config.replace("port = 8080", "port = 0").replace("segment_duration = 10", "segment_duration = 2");
    std::fs::write(workspace.path().join("config.toml"), config).unwrap();
    let program = Program::start(&workspace);
    uploaded(&workspace, "gate", 1);
    drop(program);
}

#[test]
fn what_does_not_work_is_said_and_nothing_is_written() {
    let (bucket, gate) = (Bucket::new(), camera_with("right"));
    let mut workspace = empty(&bucket);
    workspace.set_env("CAMERA_PASSWORD", "wrong");
    let (url, endpoint) = (gate.url(), bucket.server.endpoint());
    let args = [
        "setup",
        "--yes",
        "--camera-url",
        &url,
        "--camera-user",
        "viewer",
        "--bucket",
        "b-1",
        "--endpoint",
        &endpoint,
    ];
    let output = workspace.run(&args);
    let words = said(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("FAIL  camera camera-01: camera refuses user name or password"), "{words}");
    assert!(
        words.contains("nothing was written") && !workspace.path().join("config.toml").exists(),
        "{words}"
    );
    // a person may know better
    let output = workspace.run(&[&args[..], &["--no-test", "--no-start"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(workspace.path().join("config.toml").exists());
}

#[test]
fn nobody_is_asked_where_nobody_is_there() {
    let bucket = Bucket::new();
    let workspace = empty(&bucket);
    let output = workspace.run(&["setup", "--yes"]);
    let words = said(&output);
    assert!(
        output.status.code() == Some(78)
            && words.contains("IP address of the camera: nobody is there to ask"),
        "{words}"
    );
    let output = workspace.run(&[
        "setup",
        "--camera-ip",
        "10.0.0.1",
        "--camera-user",
        "",
        "--bucket",
        "x y",
        "--no-test",
    ]);
    let words = said(&output);
    assert!(output.status.code() == Some(78) && words.contains("s3.bucket: found \"x y\""), "{words}");
}

#[test]
fn a_fresh_configuration_starts_without_a_camera_and_says_what_to_fill_in() {
    let (bucket, gate) = (Bucket::new(), camera());
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", &gate).for_camera("enabled", false);
    let workspace = Workspace::new(&settings, &bucket.server);
    let program = Program::start(&workspace);
    program.wait_for_log(LIMIT, "no camera is enabled: write address and password of yours into config.toml");
    assert_eq!(program.get("/health").status, 503);
    assert_eq!(program.get("/live.m3u8").status, 404);
    settings.for_camera("enabled", true);
    settings.write(&workspace.path().join("config.toml")).unwrap();
    program.signal(rustix::process::Signal::HUP);
    uploaded(&workspace, "gate", 1);
    eventually(LIMIT, "all to be well", || program.health()["status"] == "ok");
}
