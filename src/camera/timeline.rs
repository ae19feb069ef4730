//! Media time → wall-clock time of a segment's first frame. Pure.
//!
//! Within a run, starts follow media time, so that consecutive segments neither overlap nor leave a hole even
//! though the wall clock is read late and unevenly. Slow drift is followed by less than a frame per segment; a
//! step of the wall clock (NTP after a boot without a clock) is taken over at once.

use std::time::Duration;

use crate::segment::Timestamp;

/// The most that one segment's start is moved to follow drift: below one frame at 30 fps.
const SLEW_MS: i64 = 20;
/// Beyond this the clock was set, it did not drift.
const STEP_MS: i64 = 2_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Timeline {
    anchor: Option<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    running_time: Duration,
    wall: Timestamp,
}

impl Timeline {
    /// When the frame at `running_time` was taken; `measured` is what the clocks say now.
    pub fn start_of(&mut self, running_time: Duration, measured: Timestamp) -> Timestamp {
        let wall = match self.anchor {
            None => measured,
            Some(anchor) => {
                let predicted = anchor.wall.plus(running_time.saturating_sub(anchor.running_time));
                let error_ms = measured.as_millis() - predicted.as_millis();
                if error_ms.abs() > STEP_MS {
                    measured
                } else {
                    Timestamp::from_millis(predicted.as_millis() + error_ms.clamp(-SLEW_MS, SLEW_MS))
                }
            }
        };
        self.anchor = Some(Anchor { running_time, wall });
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_763_906_399_000;

    fn starts(measured: &[(u64, i64)]) -> Vec<i64> {
        let mut timeline = Timeline::default();
        measured
            .iter()
            .map(|(seconds, wall_ms)| {
                let at = Timestamp::from_millis(T0 + wall_ms);
                timeline.start_of(Duration::from_secs(*seconds), at).as_millis() - T0
            })
            .collect()
    }

    #[test]
    fn jitter_of_the_reading_moves_a_start_by_less_than_a_frame() {
        assert_eq!(starts(&[(0, 0), (10, 10_015), (20, 20_000)]), [0, 10_015, 20_000]);
        assert_eq!(starts(&[(0, 0), (10, 10_400), (20, 20_000)]), [0, 10_020, 20_000]);
    }

    #[test]
    fn slow_drift_is_followed() {
        let drifting: Vec<(u64, i64)> = (0..100).map(|n| (n * 10, (n * 10_000 + n * 5) as i64)).collect();
        let last = *starts(&drifting).last().unwrap();
        assert_eq!(last, 99 * 10_005);
    }

    #[test]
    fn a_set_clock_is_taken_over_at_once_in_both_directions() {
        assert_eq!(starts(&[(0, 0), (10, 86_400_000), (20, 86_410_000)]), [0, 86_400_000, 86_410_000]);
        assert_eq!(starts(&[(0, 0), (10, -3_600_000)]), [0, -3_600_000]);
    }
}
