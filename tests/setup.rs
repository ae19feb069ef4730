//! `setup` as a script runs it: asks nothing, tries everything, writes the two files.

use std::os::unix::fs::PermissionsExt;

use crate::scene::{Bucket, LIMIT, camera, uploaded};
use crate::support::tools::spawn;
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
            && words.contains("Address of the camera (its IP, or rtsp://HOST/PATH): nobody is there to ask"),
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

/// Runs the command on a terminal of its own and answers each prompt when it stands there.
fn talk(workspace: &Workspace, args: &[&str], answers: &[(&str, &str)]) -> String {
    use std::io::{Read, Write};
    use std::process::Stdio;
    use std::sync::{Arc, Mutex};

    let inner = workspace.command(args);
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    // of bsdutils, which every Debian has
    let mut command = std::process::Command::new("script");
    command.args(["-qefc", &line.join(" "), "/dev/null"]).current_dir(workspace.path()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = spawn("script", command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let (mut entry, mut exit) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let said = Arc::new(Mutex::new(String::new()));
    let of_reader = said.clone();
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = exit.read(&mut bytes) {
            of_reader.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    let mut answered = 0;
    for (prompt, answer) in answers {
        eventually(LIMIT, prompt, || {
            let said = said.lock().unwrap();
            let is_asked = said[answered..].contains(prompt) && said.ends_with(": ");
            if is_asked { Ok(()) } else { Err(said.clone()) }
        });
        answered = said.lock().unwrap().len();
        entry.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    let status = eventually(LIMIT, "the end of the talk", || child.try_wait().unwrap());
    reader.join().unwrap();
    let said = said.lock().unwrap().clone();
    assert!(status.success(), "{said}");
    said
}

#[test]
fn a_person_is_asked_again_until_the_answer_can_be() {
    let (bucket, gate) = (Bucket::new(), camera_with("typed-unseen"));
    let mut workspace = empty(&bucket);
    workspace.set_env("CAMERA_PASSWORD", "");
    let (url, endpoint) = (gate.url(), bucket.server.endpoint());
    let said = talk(
        &workspace,
        &["setup", "--endpoint", &endpoint],
        &[
            ("Name of the camera", "Gate 1"),
            ("Name of the camera", "gate"),
            ("Address of the camera", "gate.local"),
            ("Address of the camera", &url),
            ("User name", "viewer"),
            ("Password", "typed-unseen"),
            ("S3 bucket", &bucket.server.options().bucket),
            ("Its region", ""),
        ],
    );
    for words in [
        "found \"Gate 1\", allowed",
        "found \"gate.local\", allowed",
        "ok    camera gate",
        "written: config.toml",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("typed-unseen"), "{said}");
    let env = std::fs::read_to_string(workspace.path().join(".env")).unwrap();
    assert!(env.contains("GATE_PASSWORD='typed-unseen'\n"), "{env}");
}
