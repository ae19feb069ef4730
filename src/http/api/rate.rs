//! How fast the backlog leaves: bytes that became uploaded, from one look to the next.
//!
//! Called by the API whenever a status is made; between looks nothing is counted.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::report::Facts;
use crate::segment::State;

/// A rate is of this time; older looks are forgotten.
const WINDOW: Duration = Duration::from_secs(120);
/// A single segment in less time than this says nothing.
const LEAST: Duration = Duration::from_secs(5);
/// Two looks in less time are one.
const STEP: Duration = Duration::from_millis(900);

pub struct Rates {
    started: Instant,
    looks: Mutex<Looks>,
}

impl Default for Rates {
    fn default() -> Self {
        Rates { started: Instant::now(), looks: Mutex::default() }
    }
}

impl Rates {
    /// Takes a look in; returns bytes a second, or `None` while that is not known.
    pub fn note(&self, facts: &Facts<'_>) -> Option<f64> {
        let all = facts.stats.iter().flat_map(|stats| &stats.by_state);
        let stored = all.filter(|(state, ..)| matches!(state, State::Uploaded | State::Cleaned));
        let bytes = stored.map(|(.., bytes)| bytes).sum();
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.note(self.started.elapsed(), bytes)
    }
}

/// When, and bytes that S3 had then. Pure.
#[derive(Default)]
struct Looks(VecDeque<(Duration, u64)>);

impl Looks {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn note(&mut self, now: Duration, bytes: u64) -> Option<f64> {
        if self.0.back().is_some_and(|(_, before)| *before > bytes) {
            // another database
            self.0.clear();
        }
        if self.0.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= STEP) {
            self.0.push_back((now, bytes));
        }
        while self.0.front().is_some_and(|(at, _)| now.saturating_sub(*at) > WINDOW) {
            self.0.pop_front();
        }
        let (at, before) = self.0.front()?;
        let span = now.saturating_sub(*at);
        (span >= LEAST).then(|| (bytes - before) as f64 / span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_time_and_forgets_what_is_old() {
        let mut looks = Looks::default();
        let mut at = |seconds: u64, bytes| looks.note(Duration::from_secs(seconds), bytes);
        assert_eq!(at(0, 1000), None);
        assert_eq!(at(4, 2000), None);
        assert_eq!(at(10, 6000), Some(500.0));
        assert_eq!(at(100, 6000), Some(50.0));
        // the first minute is forgotten
        assert_eq!(at(200, 16_000), Some(100.0));
        // long after the last look nothing is known
        assert_eq!(at(4000, 99_000), None);
        // a new database counts anew
        assert_eq!(at(4010, 5), None);
        assert_eq!(at(4020, 105), Some(10.0));
    }
}
