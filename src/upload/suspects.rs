//! Tells a segment that S3 chokes on from an S3 that is away. Pure.
//!
//! Both look alike: no answer, or a 5xx. But when others got through since the same segment failed before, it is
//! the segment: it must step back, or it would close the link for all others each time its turn comes. Owned by
//! the worker, kept in memory only: after a start every segment gets its chances anew.

use std::collections::HashMap;
use std::time::Duration;

use super::link::object_backoff;
use crate::segment::SegmentId;

#[derive(Debug, Default)]
pub struct Suspects {
    /// Uploads so far.
    successes: u64,
    /// `successes` at the row's last failure, and how often others had got through by then.
    rows: HashMap<SegmentId, (u64, u32)>,
}

impl Suspects {
    /// The link failed this row: how long the row itself must step back, zero if the link is to blame.
    pub fn failed(&mut self, id: SegmentId, jitter: f64) -> Duration {
        let Some((then, times)) = self.rows.get_mut(&id) else {
            self.rows.insert(id, (self.successes, 0));
            return Duration::ZERO;
        };
        if *then == self.successes {
            return Duration::ZERO;
        }
        *then = self.successes;
        *times += 1;
        // 20 s at first: no hurry for what failed twice already
        object_backoff(times.saturating_add(2), jitter)
    }

    pub fn uploaded(&mut self, id: SegmentId) {
        self.successes += 1;
        self.rows.remove(&id);
    }

    /// S3 gave an answer about this row, or its file is gone: the link has no part in it.
    pub fn settled(&mut self, id: SegmentId) {
        self.rows.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: SegmentId = SegmentId(1);
    const GOOD: SegmentId = SegmentId(2);

    #[test]
    fn in_an_outage_no_row_steps_back() {
        let mut suspects = Suspects::default();
        suspects.uploaded(GOOD);
        for _ in 0..9 {
            assert_eq!(suspects.failed(BAD, 1.0), Duration::ZERO);
            assert_eq!(suspects.failed(GOOD, 1.0), Duration::ZERO);
        }
    }

    #[test]
    fn a_row_that_fails_while_others_get_through_steps_back_longer_each_time() {
        let mut suspects = Suspects::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(suspects.failed(BAD, 1.0).as_secs());
            suspects.uploaded(GOOD);
        }
        assert_eq!(waits, [0, 20, 40, 80, 160, 320, 600, 600]);
        suspects.settled(BAD);
        assert_eq!(suspects.failed(BAD, 1.0), Duration::ZERO);
    }
}
