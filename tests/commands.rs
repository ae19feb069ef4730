//! The commands, each with good and bad outcomes: what they say, and their exit codes.

use std::process::Output;

use crate::support::Workspace;

mod checks;
mod help;
mod life;
mod parts;
mod report;
mod retention;
mod status;

/// Runs a command that must end with this code; returns standard output.
#[track_caller]
fn run(workspace: &Workspace, args: &[&str], code: i32) -> String {
    let Output { status, stdout, stderr } = workspace.run(args);
    let (said, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{args:?} said:\n{said}{errors}");
    said.into_owned()
}

/// The one line that begins with `verdict` and `what` must hold all words.
#[track_caller]
fn line_says(said: &str, verdict: &str, what: &str, words: &[&str]) {
    let begins = |line: &&str| {
        line.strip_prefix(verdict).is_some_and(|rest| rest.trim_start().starts_with(&format!("{what}:")))
    };
    let lines: Vec<&str> = said.lines().filter(begins).collect();
    assert!(lines.len() == 1, "one line with {verdict} {what} in:\n{said}");
    for word in words {
        assert!(lines[0].contains(word), "{word:?} is missing in: {}", lines[0]);
    }
}
