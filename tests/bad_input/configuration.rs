//! Configuration files that are wrong: exit code 78, every problem with file, line and key, nothing started.

use super::{ends_with, says, unanswered};
use crate::scene::Bucket;
use crate::support::Workspace;

#[test]
fn every_problem_of_a_file_is_listed_at_once() {
    let bucket = Bucket::new();
    let mut settings = unanswered(&bucket.server);
    settings.set("capture.framerate", 900).set("s3.bukket", "x").set("server.port", "eighty");
    let workspace = Workspace::new(&settings, &bucket.server);
    for args in [&["run"][..], &["check"], &["check", "config"], &["status"], &["upload"]] {
        let answer = workspace.run(args);
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert_eq!(answer.status.code(), Some(78), "{args:?}: {said}");
        let problem = |words: &[&str]| {
            said.lines()
                .any(|line| line.contains("config.toml:") && words.iter().all(|word| line.contains(word)))
        };
        assert!(problem(&["capture.framerate", "900", "60"]), "{args:?}: {said}");
        assert!(problem(&["bukket", "bucket"]), "{args:?}: {said}");
        assert!(problem(&["server.port", "string", "65535"]), "{args:?}: {said}");
        assert_eq!(said.matches("config.toml:").count(), 3, "{args:?}: {said}");
    }
    assert!(!workspace.path().join("data").exists(), "a wrong file starts nothing");
}

#[test]
fn a_missing_file_is_answered_with_where_to_get_one() {
    let bucket = Bucket::new();
    let workspace = Workspace::new(&unanswered(&bucket.server), &bucket.server);
    std::fs::remove_file(workspace.path().join("config.toml")).unwrap();
    says(&ends_with(&workspace, &["run"], 78), &["config.toml", "config.toml.example", "--config"]);
}

#[test]
fn a_missing_variable_is_named() {
    let bucket = Bucket::new();
    let mut settings = unanswered(&bucket.server);
    settings.set("storage.segments_dir", "${FOOTAGE_FOLDER}/segments");
    let workspace = Workspace::new(&settings, &bucket.server);
    let line = ends_with(&workspace, &["run"], 78);
    says(&line, &["config.toml:", "storage.segments_dir", "FOOTAGE_FOLDER", ".env"]);
}

#[test]
fn serving_where_serving_is_switched_off_is_refused() {
    let bucket = Bucket::new();
    let mut settings = unanswered(&bucket.server);
    settings.set("server.enabled", false);
    let workspace = Workspace::new(&settings, &bucket.server);
    says(&ends_with(&workspace, &["serve"], 78), &["server.enabled"]);
}
