//! Notices that the wall clock was set: what S3 refused because of it may go through now. Pure.

use std::time::{Duration, Instant};

use crate::segment::Timestamp;

/// NTP slews what is less; S3 minds only minutes.
const STEP_MS: i64 = 5_000;

/// Compares the wall clock with the monotonic one, look by look.
#[derive(Debug, Default)]
pub struct Steps {
    last: Option<(Instant, Timestamp)>,
}

impl Steps {
    /// Whether the wall clock was set since the last look.
    pub fn look(&mut self, now: Instant, wall: Timestamp) -> bool {
        let before = self.last.replace((now, wall));
        before.is_some_and(|(then, wall_then)| {
            let elapsed: Duration = now.saturating_duration_since(then);
            wall.as_millis().saturating_sub(wall_then.plus(elapsed).as_millis()).abs() > STEP_MS
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_was_set_is_a_step() {
        let (start, mut steps) = (Instant::now(), Steps::default());
        let mut look = |seconds: u64, wall_ms: i64| {
            steps.look(start + Duration::from_secs(seconds), Timestamp::from_millis(wall_ms))
        };
        assert!(!look(0, 40_000));
        assert!(!look(60, 100_900), "drift");
        assert!(look(61, 1_763_906_399_000), "NTP answered");
        assert!(!look(3661, 1_763_909_999_000));
        assert!(look(3662, 1_763_906_400_000), "set back an hour");
    }
}
