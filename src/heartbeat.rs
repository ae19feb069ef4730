//! Heartbeats: each part that must never stand still says now and then that it goes on. Pure, but for the clock.
//!
//! On the notice board ([`crate::status::Board::heartbeat`]). [`crate::watchdog`] asks who has been silent for too long.
//! Waiting is going on, too: a camera that is away beats, a thread that hangs in its driver does not.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::segment::CameraName;

/// Whoever beats. What a part waits for by right (a locked database, a camera's answer, a codec that is tried out) is well
/// within its limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heart {
    Camera(CameraName),
    Upload,
    Retention,
    Http,
}

impl Heart {
    /// How long it may be silent.
    pub const fn limit(&self) -> Duration {
        match self {
            // a run that hangs is given up by itself before
            Heart::Camera(_) => Duration::from_secs(120),
            Heart::Upload => Duration::from_secs(60),
            // after a long outage it removes files by the ten thousand from a slow card
            Heart::Retention => Duration::from_secs(600),
            Heart::Http => Duration::from_secs(30),
        }
    }
}

impl fmt::Display for Heart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Heart::Camera(name) => write!(f, "camera {name}"),
            Heart::Upload => f.write_str("the uploader"),
            Heart::Retention => f.write_str("the cleaner of the disk"),
            Heart::Http => f.write_str("the server"),
        }
    }
}

/// When each beat last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeats {
    last: BTreeMap<Heart, Instant>,
}

impl Heartbeats {
    pub fn beat(&mut self, heart: &Heart, now: Instant) {
        match self.last.get_mut(heart) {
            Some(last) => *last = now,
            None => drop(self.last.insert(heart.clone(), now)),
        }
    }

    /// Nothing more is expected of it: it was stopped.
    pub fn end(&mut self, heart: &Heart) {
        self.last.remove(heart);
    }

    /// Who has been silent for longer than it may, and for how long.
    pub fn stuck(&self, now: Instant) -> Vec<(Heart, Duration)> {
        let silent = self.last.iter().map(|(heart, last)| (heart, now.saturating_duration_since(*last)));
        silent
            .filter(|(heart, for_)| *for_ > heart.limit())
            .map(|(heart, for_)| (heart.clone(), for_))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_for_too_long_is_stuck_until_it_beats_or_ends() {
        let (mut hearts, start) = (Heartbeats::default(), Instant::now());
        let gate = Heart::Camera(CameraName::new("gate").unwrap());
        let at = |seconds| start + Duration::from_secs(seconds);
        hearts.beat(&gate, start);
        hearts.beat(&Heart::Upload, start);
        assert_eq!(hearts.stuck(at(60)), []);
        assert_eq!(hearts.stuck(at(61)), [(Heart::Upload, Duration::from_secs(61))]);
        hearts.beat(&Heart::Upload, at(100));
        assert_eq!(hearts.stuck(at(121)), [(gate.clone(), Duration::from_secs(121))]);
        assert_eq!(format!("{gate}"), "camera gate");
        hearts.end(&gate);
        assert_eq!(hearts.stuck(at(121)), []);
    }
}
