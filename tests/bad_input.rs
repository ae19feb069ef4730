//! Bad input and its answer: one clear line that says what to do, the right exit code or state in `/health`, and
//! nothing recorded is lost.

use crate::scene::LIMIT;
use crate::support::{Program, Settings, Workspace};

mod cameras;
mod configuration;
mod disks;
mod neighbours;
mod pipelines;
mod stores;

/// Lines that speak to a person who must act: errors, also those from before the log began.
fn errors(log: &[String]) -> Vec<String> {
    let speaks = |line: &&String| {
        line.starts_with("cctv-s3-pipeline: ") || line.split_whitespace().nth(1) == Some("ERROR")
    };
    log.iter().filter(speaks).cloned().collect()
}

/// Starts the program, which must end by itself with this code and say exactly one error; returns that line.
#[track_caller]
fn ends_with(workspace: &Workspace, args: &[&str], code: i32) -> String {
    let mut program = Program::start_with(workspace, args);
    let status = program.wait_exit(LIMIT);
    let log = program.log();
    assert_eq!(status.code(), Some(code), "{log:#?}");
    let errors = errors(&log);
    assert_eq!(errors.len(), 1, "{log:#?}");
    errors[0].clone()
}

/// The line must hold all of these words.
#[track_caller]
fn says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
}

/// A setup for programs that end before they need camera or bucket.
fn unanswered(s3: &crate::support::S3Server) -> Settings {
    let mut settings = Settings::new(s3);
    settings.set("capture.mode", "passthrough").camera_at("gate", "rtsp://127.0.0.1:9/nothing", None);
    settings
}
