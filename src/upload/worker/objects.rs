//! What the log says of single objects while others get through: each kind of trouble at once, then ever more seldom.
//!
//! A store that refuses every object would otherwise fill the log with a line for each.

use std::time::{Duration, Instant};

use super::super::finish::Finish;
use super::Worker;
use crate::segment::Segment;

impl Worker {
    /// The link failed this one alone.
    pub(super) fn object_waits(&mut self, segment: &Segment, reason: &str, wait: Duration) {
        let (key, seconds) = (&segment.key, wait.as_secs());
        let cause = format!("{key}: {reason}; others get through, it waits {seconds} s");
        self.say(log::Level::Warn, &cause);
    }

    pub(super) fn object_ended(&mut self, segment: &Segment, finish: &Finish) {
        let key = &segment.key;
        match finish {
            Finish::Retry { blame: true, error, .. } => {
                let (tried, of) = (segment.attempts + 1, self.config.max_retries);
                self.say(log::Level::Warn, &format!("{key}: {error}; try {tried} of {of}"));
            }
            // this needs a person
            Finish::Failed { error } => {
                let cause = format!("{key} failed: {error}; the file stays, `retry` queues it again");
                self.say(log::Level::Error, &cause);
            }
            _ => {}
        }
    }

    fn say(&mut self, level: log::Level, cause: &str) {
        if let Some(line) = self.state.objects.failed(cause, Instant::now()) {
            log::log!(level, "[upload] {line}");
        }
    }
}
