//! The help that teaches, and the version.

use super::run;
use crate::scene::Bucket;
use crate::support::{Settings, Workspace};

#[test]
fn the_help_teaches_every_command_and_its_exit_codes() {
    let bucket = Bucket::new();
    let workspace = Workspace::new(&Settings::new(&bucket.server), &bucket.server);
    let help = run(&workspace, &["--help"], 0);
    let commands = ["run", "capture", "upload", "serve", "check", "status", "report", "retry", "clean"];
    for command in commands {
        let described = |line: &str| {
            line.trim_start()
                .strip_prefix(command)
                .is_some_and(|rest| rest.starts_with("  ") && rest.len() > 10)
        };
        assert!(help.lines().any(described), "{command} in:\n{help}");
        assert!(run(&workspace, &[command, "--help"], 0).contains("Usage:"));
    }
    for word in ["config.toml.example", "live.m3u8", "CAMERA_PASSWORD", "78", "RUST_LOG", "GST_DEBUG"] {
        assert!(help.contains(word), "{word} in:\n{help}");
    }
    for what in ["config", "camera", "s3", "pipeline", "store"] {
        assert!(run(&workspace, &["check", "--help"], 0).contains(&format!("{what}:")), "{what}");
    }
    let version = run(&workspace, &["--version"], 0);
    assert_eq!(version.trim(), format!("cctv-s3-pipeline {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_command_is_answered_with_the_usage() {
    let bucket = Bucket::new();
    let workspace = Workspace::new(&Settings::new(&bucket.server), &bucket.server);
    for args in [&["rum"][..], &["check", "cameras"], &[]] {
        let answer = workspace.run(args);
        assert!(!answer.status.success(), "{args:?}");
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(said.contains("Usage:") || said.contains("--help"), "{said}");
    }
}
