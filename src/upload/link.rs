//! The link to S3 as a whole: one shared backoff for outages, and log lines that do not repeat. Pure.
//!
//! The worker tells it how attempts ended and asks how many may start now. An outage belongs to the link, so a
//! hundred waiting segments do not make a hundred retry timers: while the link is down, one probe at a time goes
//! out; the first success opens it fully.

use std::time::{Duration, Instant};

use super::answer::Trouble;

const OUTAGE_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Nothing heals by itself here; a try now and then finds out when a person has acted.
const MISCONFIGURED_WAIT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));
/// The same cause is logged at most this often.
const REPEAT_EVERY: Duration = Duration::from_secs(60);

/// How the link is; owned by the worker.
#[derive(Debug, Default)]
pub struct Link {
    down: Option<Down>,
}

#[derive(Debug)]
struct Down {
    since: Instant,
    failures: u32,
    /// No attempt starts before this.
    next_probe: Instant,
    wait: Duration,
    misconfigured: bool,
    /// The cause last logged, when, and how often it came again since.
    logged: (String, Instant, u32),
}

impl Link {
    /// Notes an attempt that the link failed. Returns the line to log, if it is time for one.
    /// `jitter` is in 0..1 and spreads the wait over its upper half.
    pub fn failed(&mut self, now: Instant, trouble: &Trouble, jitter: f64) -> Option<String> {
        let (first, cap) = if trouble.misconfigured { MISCONFIGURED_WAIT } else { OUTAGE_WAIT };
        let Some(down) = &mut self.down else {
            self.down = Some(Down {
                since: now,
                failures: 1,
                next_probe: now + spread(first, jitter),
                wait: first,
                misconfigured: trouble.misconfigured,
                logged: (trouble.reason.clone(), now, 0),
            });
            return Some(trouble.reason.clone());
        };
        down.failures += 1;
        // attempts that were already under way when the link went down are one outage, not several
        if now >= down.next_probe || trouble.misconfigured != down.misconfigured {
            let same = trouble.misconfigured == down.misconfigured;
            down.wait = if same { (down.wait * 2).min(cap) } else { first };
            down.misconfigured = trouble.misconfigured;
            down.next_probe = now + spread(down.wait, jitter);
        }
        let (cause, at, repeats) = &mut down.logged;
        if *cause == trouble.reason && now.duration_since(*at) < REPEAT_EVERY {
            *repeats += 1;
            return None;
        }
        let line = match *repeats {
            0 => trouble.reason.clone(),
            times if *cause == trouble.reason => format!("{} (again, {} times)", trouble.reason, times + 1),
            times => format!("{} (before that, {times} more times: {cause})", trouble.reason),
        };
        down.logged = (trouble.reason.clone(), now, 0);
        Some(line)
    }

    /// Notes an answer that S3 itself gave. Returns the line to log if this ended an outage.
    pub fn succeeded(&mut self, now: Instant) -> Option<String> {
        let down = self.down.take()?;
        let failures = match down.failures {
            1 => "1 failure".to_owned(),
            many => format!("{many} failures"),
        };
        Some(format!("recovered after {failures}, {}", human(now.duration_since(down.since))))
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

/// `8 s`, `12 min`, `3 h 5 min`.
fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
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
    fn a_misconfiguration_is_tried_every_one_to_five_minutes() {
        let (mut link, mut now, mut waits) = (Link::default(), Instant::now(), Vec::new());
        for _ in 0..4 {
            link.failed(now, &wrong_keys(), 1.0);
            let next = link.next_probe().unwrap();
            waits.push(next.duration_since(now).as_secs());
            now = next;
        }
        assert_eq!(waits, [60, 120, 240, 300]);
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
    fn a_cause_is_logged_once_a_minute_with_its_count_and_then_one_recovery() {
        let (mut link, start) = (Link::default(), Instant::now());
        assert_eq!(link.failed(start, &outage("refused"), 1.0).as_deref(), Some("refused"));
        for second in 1..60 {
            assert_eq!(link.failed(at(start, second), &outage("refused"), 1.0), None);
        }
        let line = link.failed(at(start, 60), &outage("refused"), 1.0).unwrap();
        assert_eq!(line, "refused (again, 60 times)");
        assert_eq!(link.failed(at(start, 61), &outage("timed out"), 1.0).as_deref(), Some("timed out"));
        assert_eq!(link.succeeded(at(start, 720)).as_deref(), Some("recovered after 62 failures, 12 min"));
        assert_eq!(link.succeeded(at(start, 721)), None);
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
