//! Media time → wall-clock time of a segment's first frame. Pure.
//!
//! Within a run, starts follow media time, so that consecutive segments neither overlap nor leave a hole even
//! though the wall clock is read late and unevenly. Slow drift is followed by less than a frame per segment; a
//! step of the wall clock (NTP after a boot without a clock) is taken over at once.
//!
//! Two clocks tell the wall time: the camera's, by RTCP, knows when the picture was taken; this machine's only knows
//! when it came. The camera's is taken where it is sane: close to ours, or ours is the one that cannot be right.

use std::time::Duration;

use crate::segment::{TimeSource, Timestamp};

/// The most that one segment's start is moved to follow drift: below one frame at 30 fps.
const SLEW_MS: i64 = 20;
/// Beyond this the clock was set, it did not drift.
const STEP_MS: i64 = 2_000;
/// A camera's clock that is further from ours is wrong (or has another zone's time): network and buffers delay a
/// frame by less. Not above [`STEP_MS`], so that going from one clock to the other is never a step.
const SANE_MS: i64 = STEP_MS;
/// 2025-01-01, before the first release: a clock that says less was never set.
const FIRST_POSSIBLE: Timestamp = Timestamp::from_seconds(1_735_689_600);
/// 2100-01-01.
const LAST_POSSIBLE: Timestamp = Timestamp::from_seconds(4_102_444_800);

/// When a frame was taken, by the two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// By this machine's clock, when it came.
    pub arrival: Timestamp,
    /// By the camera's clock; `None` before its first sender report.
    pub camera: Option<Timestamp>,
}

impl Measured {
    /// The clock to believe.
    fn choose(self) -> (Timestamp, TimeSource) {
        match self.camera {
            Some(camera) if is_possible(camera) && self.agrees_with(camera) => (camera, TimeSource::Camera),
            _ => (self.arrival, TimeSource::Arrival),
        }
    }

    fn agrees_with(self, camera: Timestamp) -> bool {
        let apart_ms = camera.as_millis().saturating_sub(self.arrival.as_millis());
        !is_possible(self.arrival) || apart_ms.abs() <= SANE_MS
    }
}

fn is_possible(at: Timestamp) -> bool {
    (FIRST_POSSIBLE..LAST_POSSIBLE).contains(&at)
}

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
    /// When the frame at `running_time` was taken, and which clock said so; `measured` is what the clocks say now.
    pub fn start_of(&mut self, running_time: Duration, measured: Measured) -> (Timestamp, TimeSource) {
        let (measured, source) = measured.choose();
        let wall = match self.anchor {
            None => measured,
            Some(anchor) => {
                let predicted = anchor.wall.plus(running_time.saturating_sub(anchor.running_time));
                let error_ms = measured.as_millis().saturating_sub(predicted.as_millis());
                if error_ms.abs() > STEP_MS {
                    measured
                } else {
                    Timestamp::from_millis(predicted.as_millis() + error_ms.clamp(-SLEW_MS, SLEW_MS))
                }
            }
        };
        self.anchor = Some(Anchor { running_time, wall });
        (wall, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_763_906_399_000;

    fn starts(measured: &[(u64, i64)]) -> Vec<i64> {
        let measured: Vec<_> =
            measured.iter().map(|(seconds, wall_ms)| (*seconds, T0 + wall_ms, None)).collect();
        told(&measured)
            .into_iter()
            .map(|(at, source)| {
                assert_eq!(source, TimeSource::Arrival);
                at - T0
            })
            .collect()
    }

    /// Seconds of media time, arrival and the camera's clock in ms.
    fn told(measured: &[(u64, i64, Option<i64>)]) -> Vec<(i64, TimeSource)> {
        let mut timeline = Timeline::default();
        let mut start = |seconds: u64, arrival: i64, camera: Option<i64>| {
            let camera = camera.map(Timestamp::from_millis);
            let measured = Measured { arrival: Timestamp::from_millis(arrival), camera };
            let (at, source) = timeline.start_of(Duration::from_secs(seconds), measured);
            (at.as_millis(), source)
        };
        measured.iter().map(|(seconds, arrival, camera)| start(*seconds, *arrival, *camera)).collect()
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

    #[test]
    fn a_sane_camera_tells_when_the_picture_was_taken() {
        // the network takes 150 ms; the first segment begins before the first sender report
        let told = told(&[
            (0, T0 + 150, None),
            (10, T0 + 10_150, Some(T0 + 10_000)),
            (20, T0 + 20_155, Some(T0 + 20_000)),
        ]);
        assert_eq!(told[0], (T0 + 150, TimeSource::Arrival));
        assert_eq!(told[1], (T0 + 10_130, TimeSource::Camera), "slewed, no overlap of 150 ms");
        assert_eq!(told[2], (T0 + 20_110, TimeSource::Camera));
    }

    #[test]
    fn a_camera_with_another_time_is_not_believed() {
        for camera in
            [T0 + 3_600_000, T0 - 3_600_000, T0 + 2_001, 30_000, -2_208_988_770_000, i64::MAX, i64::MIN]
        {
            assert_eq!(told(&[(0, T0, Some(camera))]), [(T0, TimeSource::Arrival)], "{camera}");
        }
    }

    #[test]
    fn a_camera_that_knows_the_time_is_believed_while_this_machine_does_not() {
        // 1970 until NTP answers after 15 s: no step is left to take
        let told = told(&[
            (0, 40_000, Some(T0)),
            (10, 50_000, Some(T0 + 10_000)),
            (20, T0 + 20_050, Some(T0 + 20_000)),
        ]);
        let times: Vec<i64> = told.iter().map(|(at, _)| at - T0).collect();
        assert_eq!(times, [0, 10_000, 20_000]);
        assert!(told.iter().all(|(_, source)| *source == TimeSource::Camera));
    }

    #[test]
    fn two_clocks_that_were_never_set_leave_ours() {
        assert_eq!(told(&[(0, 40_000, Some(70_000))]), [(40_000, TimeSource::Arrival)]);
    }

    #[test]
    fn a_camera_that_drifts_away_is_left_without_a_step() {
        // 1 % slow by its own clock
        let drifting: Vec<_> =
            (0..60u64).map(|n| (n * 10, T0 + n as i64 * 10_000, Some(T0 + n as i64 * 9_900))).collect();
        let told = told(&drifting);
        assert_eq!(told.last().unwrap().1, TimeSource::Arrival);
        for pair in told.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!((10_000 - SLEW_MS..=10_000 + SLEW_MS).contains(&apart), "{pair:?}");
        }
    }
}
