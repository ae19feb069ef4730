//! Says a trouble when it begins, then ever more seldom with a count, then once that it is over. Pure.
//!
//! Cameras, the uploader and the manifests each keep one of these for each thing that fails as a whole, and log
//! what it returns. Whatever fails and however often, an hour of it is fewer than 20 lines.

use std::time::{Duration, Instant};

/// From one line to the next: this long at first, doubling.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// As many causes of one trouble are said at once; the others come with the next line that is due.
const CAUSES_SAID_AT_ONCE: usize = 5;
/// Trouble that comes back sooner than this was not over.
const CALM: Duration = Duration::from_secs(120);
/// Longer than any backoff: a trouble that nothing failed of meanwhile is forgotten, also where nobody says that it
/// is over.
const FORGOTTEN: Duration = Duration::from_secs(1800);

/// The log of one thing that may fail.
#[derive(Debug, Default)]
pub struct Repeats {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    /// What was said already, without its figures, which change from line to line.
    causes: Vec<String>,
    last_failure: Instant,
    well_since: Option<Instant>,
    /// The first failure after the last line that it is over, and the number of them.
    began: Instant,
    failures: u32,
    /// Somebody who reads the log does not know yet that it is over.
    told: bool,
    /// The last line that was due, and the failures that no line stands for since.
    said: Instant,
    unsaid: u32,
    wait: Duration,
}

impl Repeats {
    /// Notes a failure at `now`; returns the line to log, if one is due.
    pub fn failed(&mut self, cause: &str, now: Instant) -> Option<String> {
        let pattern = without_figures(cause);
        let trouble = match &mut self.trouble {
            Some(trouble) if !trouble.is_over(now) => trouble,
            _ => {
                self.trouble = Some(Trouble::new(pattern, now));
                return Some(cause.to_owned());
            }
        };
        trouble.note(now);
        if now.duration_since(trouble.said) >= trouble.wait {
            let line = format!("{cause} ({})", trouble.say(now));
            trouble.remember(pattern);
            return Some(line);
        }
        if trouble.remember(pattern) {
            trouble.told = true;
            return Some(cause.to_owned());
        }
        trouble.unsaid += 1;
        None
    }

    /// All is well again; returns the line to log if a line said that it was not.
    pub fn recovered(&mut self, now: Instant) -> Option<String> {
        let trouble = self.trouble.as_mut()?;
        trouble.well_since.get_or_insert(now);
        if !std::mem::take(&mut trouble.told) {
            return None;
        }
        let failures = std::mem::take(&mut trouble.failures);
        Some(format!("recovered after {}, {}", count(failures), human(now.duration_since(trouble.began))))
    }

    /// Something failed, and nothing went well since.
    pub fn is_troubled(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.well_since.is_none())
    }
}

impl Trouble {
    fn new(pattern: String, now: Instant) -> Self {
        Self {
            causes: vec![pattern],
            last_failure: now,
            well_since: None,
            began: now,
            failures: 1,
            told: true,
            said: now,
            unsaid: 0,
            wait: FIRST_WAIT,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let calm = self.well_since.is_some_and(|since| now.duration_since(since) >= CALM);
        calm || now.duration_since(self.last_failure) >= FORGOTTEN
    }

    fn note(&mut self, now: Instant) {
        if self.failures == 0 {
            self.began = now;
        }
        self.failures += 1;
        self.last_failure = now;
        self.well_since = None;
    }

    /// How often it failed since the last line that was due; the next one is due later.
    fn say(&mut self, now: Instant) -> String {
        let again = format!("again: {} in {}", count(self.unsaid + 1), human(now.duration_since(self.said)));
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        (self.said, self.unsaid, self.told) = (now, 0, true);
        again
    }

    /// Whether this cause is new and is to be said at once.
    fn remember(&mut self, pattern: String) -> bool {
        let new = self.causes.len() < CAUSES_SAID_AT_ONCE && !self.causes.contains(&pattern);
        if new {
            self.causes.push(pattern);
        }
        new
    }
}

fn count(failures: u32) -> String {
    if failures == 1 { "1 failure".into() } else { format!("{failures} failures") }
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

/// `1201 s ahead` and `1202 s ahead` are one cause.
fn without_figures(cause: &str) -> String {
    cause.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which lines come when `fails(second)` gives the cause of a failure or `None` for all well.
    fn lines(seconds: u64, fails: impl Fn(u64) -> Option<&'static str>) -> Vec<(u64, String)> {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut lines = Vec::new();
        for second in 0..=seconds {
            let now = start + Duration::from_secs(second);
            let line = match fails(second) {
                Some(cause) => repeats.failed(cause, now),
                None => repeats.recovered(now),
            };
            lines.extend(line.map(|line| (second, line)));
        }
        lines
    }

    fn minutes(lines: &[(u64, String)]) -> Vec<u64> {
        lines.iter().map(|(second, _)| second / 60).collect()
    }

    #[test]
    fn an_hour_of_one_cause_is_said_at_once_then_ever_more_seldom_and_once_that_it_is_over() {
        let said = lines(7200, |second| (second < 3600).then_some("refused"));
        assert_eq!(minutes(&said), [0, 1, 3, 7, 15, 25, 35, 45, 55, 60]);
        assert_eq!(said[0].1, "refused");
        assert_eq!(said[1].1, "refused (again: 60 failures in 60 s)");
        assert_eq!(said[8].1, "refused (again: 600 failures in 10 min)");
        assert_eq!(said[9].1, "recovered after 3600 failures, 60 min");
    }

    #[test]
    fn an_hour_of_causes_that_take_turns_is_fewer_than_twenty_lines() {
        const CAUSES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        for (kinds, expected) in [(2, 11), (3, 12), (9, 14)] {
            let said = lines(3600, |second| (second < 3600).then_some(CAUSES[(second % kinds) as usize]));
            assert_eq!(said.len(), expected, "{said:?}");
        }
    }

    #[test]
    fn an_hour_of_short_troubles_with_short_calm_is_fewer_than_twenty_lines() {
        for period in [2, 20, 119] {
            let said = lines(3600, |second| (second % period == 0).then_some("refused"));
            assert!((10..20).contains(&said.len()), "{period}: {said:?}");
            assert!(said[1].1.starts_with("recovered after 1 failure,"), "{said:?}");
        }
    }

    #[test]
    fn a_new_cause_is_said_at_once_but_other_figures_are_no_new_cause() {
        let causes = ["4 s behind", "5 s behind", "denied", "6 s behind", "denied"];
        let said = lines(4, |second| Some(causes[second as usize]));
        assert_eq!(said, [(0, "4 s behind".into()), (2, "denied".into())]);
    }

    #[test]
    fn a_trouble_after_a_calm_time_is_a_new_one() {
        let fails = |second| matches!(second, 0 | 1 | 130 | 4000).then_some("refused");
        let said: Vec<String> = lines(4001, fails).into_iter().map(|(_, line)| line).collect();
        let expected = ["recovered after 2 failures, 2 s", "recovered after 1 failure, 1 s"];
        assert_eq!(said, ["refused", expected[0], "refused", expected[1], "refused", expected[1]]);
    }

    #[test]
    fn trouble_that_nobody_declares_over_is_forgotten() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        assert!(repeats.failed("refused", start).is_some());
        let later = start + Duration::from_secs(86_400);
        assert_eq!(repeats.failed("refused", later).as_deref(), Some("refused"));
        assert!(repeats.is_troubled());
        repeats.recovered(later);
        assert!(!repeats.is_troubled());
    }
}
