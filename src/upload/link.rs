//! The link to S3 as a whole: one shared backoff for outages, and what the log says of them. Pure.
//!
//! The worker tells it how attempts ended and asks how many may start now. An outage belongs to the link, so a
//! hundred waiting segments do not make a hundred retry timers: while the link is down, one probe at a time goes
//! out; the first success opens it fully.

use std::time::{Duration, Instant};

use super::answer::Trouble;
use crate::repeats::Repeats;

const OUTAGE_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Mostly a person must act, and a try now and then finds out when; but a clock is set, or a new right is known
/// everywhere, within seconds.
const MISCONFIGURED_WAIT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// How the link is; owned by the worker.
#[derive(Debug, Default)]
pub struct Link {
    down: Option<Down>,
    repeats: Repeats,
}

#[derive(Debug)]
struct Down {
    failures: u32,
    /// No attempt starts before this.
    next_probe: Instant,
    wait: Duration,
    misconfigured: bool,
}

impl Link {
    /// Notes an attempt that the link failed. Returns the line to log, if it is time for one.
    /// `jitter` is in 0..1 and spreads the wait over its upper half.
    pub fn failed(&mut self, now: Instant, trouble: &Trouble, jitter: f64) -> Option<String> {
        let (first, cap) = if trouble.misconfigured { MISCONFIGURED_WAIT } else { OUTAGE_WAIT };
        match &mut self.down {
            None => {
                self.down = Some(Down {
                    failures: 1,
                    next_probe: now + spread(first, jitter),
                    wait: first,
                    misconfigured: trouble.misconfigured,
                });
            }
            Some(down) => {
                down.failures += 1;
                // attempts that were already under way when the link went down are one outage, not several
                if now >= down.next_probe || trouble.misconfigured != down.misconfigured {
                    let same = trouble.misconfigured == down.misconfigured;
                    down.wait = if same { (down.wait * 2).min(cap) } else { first };
                    down.misconfigured = trouble.misconfigured;
                    down.next_probe = now + spread(down.wait, jitter);
                }
            }
        }
        self.repeats.failed(&trouble.reason, now)
    }

    /// Notes an answer that S3 itself gave. Returns the line to log if this ended an outage that a line told of.
    pub fn succeeded(&mut self, now: Instant) -> Option<String> {
        self.down.take()?;
        self.repeats.recovered(now)
    }

    /// What kept it down may be over: the next probe is due at once.
    pub fn try_now(&mut self, now: Instant) {
        if let Some(down) = &mut self.down {
            down.next_probe = now;
        }
    }

    pub fn is_up(&self) -> bool {
        self.down.is_none()
    }

    /// How many attempts may start now beside `in_flight`.
    pub fn free_slots(&self, now: Instant, in_flight: usize, concurrency: usize) -> usize {
        match &self.down {
            None => concurrency.max(1).saturating_sub(in_flight),
            Some(down) if now >= down.next_probe => 1usize.saturating_sub(in_flight),
            Some(_) => 0,
        }
    }

    /// When the next probe may start; `None` while the link is up.
    pub fn next_probe(&self) -> Option<Instant> {
        self.down.as_ref().map(|down| down.next_probe)
    }

    /// Which of the waiting segments, in `s3.order`, probes: the first, but after some failures others take turns, so that one
    /// segment that S3 chokes on cannot hold all others back.
    pub fn probe_index(&self, waiting: usize) -> usize {
        const TRIES_EACH: u32 = 3;
        match (&self.down, waiting) {
            (Some(down), 1..) => (down.failures / TRIES_EACH) as usize % waiting,
            _ => 0,
        }
    }
}

/// How long a segment that S3 blamed `attempts` times waits: 5 s, doubling, at most 10 min, spread by `jitter`.
pub fn object_backoff(attempts: u32, jitter: f64) -> Duration {
    const FIRST: Duration = Duration::from_secs(5);
    const CAP: Duration = Duration::from_secs(600);
    let doublings = attempts.saturating_sub(1).min(10);
    spread((FIRST * 2u32.pow(doublings)).min(CAP), jitter)
}

/// Between half and the whole of `wait`.
fn spread(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outage(reason: &str) -> Trouble {
        Trouble { reason: reason.into(), misconfigured: false, doubtful: false, stale_credentials: false }
    }

    fn wrong_keys() -> Trouble {
        Trouble { misconfigured: true, ..outage("wrong keys") }
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_was_set_ends_the_wait_for_the_next_probe() {
        let (mut link, now) = (Link::default(), Instant::now());
        link.failed(now, &outage("the clock is wrong"), 1.0);
        assert_eq!(link.free_slots(now, 0, 4), 0);
        link.try_now(now);
        assert_eq!(link.free_slots(now, 0, 4), 1);
    }

    #[test]
    fn the_wait_doubles_from_one_second_to_a_minute() {
        let (mut link, mut now, mut waits) = (Link::default(), Instant::now(), Vec::new());
        for _ in 0..9 {
            link.failed(now, &outage("x"), 1.0);
            let next = link.next_probe().unwrap();
            waits.push(next.duration_since(now).as_secs());
            now = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_misconfiguration_is_tried_ever_more_seldom_up_to_every_five_minutes() {
        let (mut link, mut now, mut waits) = (Link::default(), Instant::now(), Vec::new());
        for _ in 0..8 {
            link.failed(now, &wrong_keys(), 1.0);
            let next = link.next_probe().unwrap();
            waits.push(next.duration_since(now).as_secs());
            now = next;
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn attempts_that_fail_together_are_one_outage() {
        let (mut link, now) = (Link::default(), Instant::now());
        for _ in 0..5 {
            link.failed(now, &outage("x"), 1.0);
        }
        assert_eq!(link.next_probe(), Some(at(now, 1)));
    }

    #[test]
    fn one_probe_goes_out_while_the_link_is_down_and_all_after_a_success() {
        let (mut link, now) = (Link::default(), Instant::now());
        assert_eq!(link.free_slots(now, 1, 4), 3);
        link.failed(now, &outage("x"), 1.0);
        assert_eq!(link.free_slots(now, 0, 4), 0);
        assert_eq!(link.free_slots(at(now, 1), 0, 4), 1);
        assert_eq!(link.free_slots(at(now, 1), 1, 4), 0);
        link.succeeded(at(now, 2));
        assert_eq!(link.free_slots(at(now, 2), 0, 4), 4);
    }

    #[test]
    fn an_outage_of_an_hour_is_fewer_than_twenty_lines() {
        let (mut link, start) = (Link::default(), Instant::now());
        let mut lines = Vec::new();
        let mut now = start;
        while now < at(start, 3600) {
            let cause = if lines.len() % 2 == 0 { "refused" } else { "timed out" };
            lines.extend(link.failed(now, &outage(cause), 0.0));
            now = link.next_probe().unwrap();
        }
        lines.extend(link.succeeded(now));
        assert!((5..20).contains(&lines.len()), "{lines:#?}");
        assert!(lines.last().unwrap().starts_with("recovered after 1"), "{lines:#?}");
        assert_eq!(link.succeeded(now), None);
    }

    #[test]
    fn a_segment_that_s3_chokes_on_does_not_hold_the_others_back() {
        let (mut link, mut now) = (Link::default(), Instant::now());
        let mut probed = Vec::new();
        for _ in 0..9 {
            link.failed(now, &outage("500"), 1.0);
            now = link.next_probe().unwrap();
            probed.push(link.probe_index(4));
        }
        assert_eq!(probed, [0, 0, 1, 1, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn a_blamed_object_waits_longer_each_time_up_to_ten_minutes() {
        let waits: Vec<u64> = (1..=9).map(|n| object_backoff(n, 1.0).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(object_backoff(1, 0.0), Duration::from_millis(2500));
        assert_eq!(object_backoff(u32::MAX, 1.0), Duration::from_secs(600));
    }
}
