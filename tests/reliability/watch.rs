//! What every row of the matrix asks of the running program: told in time, healed in time, few words.

use std::time::{Duration, Instant};

use super::table::Scenario;
use crate::support::{Program, eventually};

/// Lines of the log that ask for attention: warnings and errors.
pub fn complaints(program: &Program<'_>) -> Vec<String> {
    let of_level = |line: &String| matches!(line.split_whitespace().nth(1), Some("WARN" | "ERROR"));
    program.log().into_iter().filter(of_level).collect()
}

/// Waits until the reasons of `/health` hold the row's words; they must be there in time.
#[track_caller]
pub fn told(program: &Program<'_>, scenario: &Scenario) -> Duration {
    let words = scenario.health.expect("the row says what /health tells");
    let since = Instant::now();
    eventually(scenario.told_within(), &format!("/health to tell of {words:?}"), || {
        let health = program.health();
        if health["reasons"].to_string().contains(words) { Ok(()) } else { Err(health.to_string()) }
    });
    since.elapsed()
}

/// Waits until `/health` is ok again, as soon as the row promises.
#[track_caller]
pub fn healed(program: &Program<'_>, scenario: &Scenario) -> Duration {
    let since = Instant::now();
    eventually(scenario.heals_within(), "/health to be ok again", || {
        let health = program.health();
        if health["status"] == "ok" { Ok(()) } else { Err(health.to_string()) }
    });
    since.elapsed()
}

/// The log stayed as quiet as the row promises.
#[track_caller]
pub fn few_words(program: &Program<'_>, scenario: &Scenario) {
    let (said, limit) = (complaints(program), scenario.log_lines.expect("the row says how many lines"));
    assert!(said.len() <= limit, "{} lines instead of {limit}: {said:#?}", said.len());
}
