//! The runner runs the real program: finds its port, reads its rows, kills it, starts it again, stops it.

use std::time::Duration;

use crate::support::{
    Camera, CameraOptions, Program, S3Options, S3Server, Settings, Workspace, eventually, tools,
};

const LIMIT: Duration = Duration::from_secs(40);

fn uploaded_ts(s3: &S3Server) -> Vec<String> {
    s3.keys().into_iter().filter(|key| key.ends_with(".ts")).collect()
}

#[test]
fn the_program_is_started_watched_killed_started_again_and_stopped() {
    let camera = Camera::start(CameraOptions::default()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let s3 = S3Server::start(root.path(), S3Options::default()).unwrap();
    let workspace = Workspace::new(Settings::new(&s3).camera("front-door", &camera), &s3);

    let mut program = Program::start(&workspace);
    assert_eq!(program.get("/no-such-page").status, 404);
    eventually(LIMIT, "an upload", || !uploaded_ts(&s3).is_empty());
    assert_eq!(program.health()["cameras"][0]["name"], "front-door");
    program.kill9();
    assert!(!program.is_running());
    drop(program);
    let before = uploaded_ts(&s3).len();

    let mut program = Program::start(&workspace);
    eventually(LIMIT, "uploads after the restart", || uploaded_ts(&s3).len() >= before + 2);
    program.sigterm();
    let status = program.wait_exit(LIMIT);
    assert!(status.success(), "{status}");
    assert!(!program.log().is_empty());

    for (key, commits) in s3.all_commits().iter().filter(|(key, _)| key.ends_with(".ts")) {
        assert_eq!(commits.len(), 1, "{key}");
    }
    let file = workspace.segment_files().remove(0);
    assert_eq!(tools::video_stream(file.to_str().unwrap())["width"], 320);
    let tables = workspace.rows("SELECT name FROM sqlite_master WHERE type = 'table'");
    assert!(!tables.is_empty(), "the database can be read");
}
