//! Says a trouble when it begins, then at most once a minute with a count, then once that it is over. Pure.

use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(60);

/// One camera's log of failures.
#[derive(Debug, Default)]
pub struct Repeats {
    cause: Option<String>,
    began: Duration,
    said: Duration,
    failures: u32,
    unsaid: u32,
}

impl Repeats {
    /// Notes a failure at `now`; returns the line to log, if one is due.
    pub fn failed(&mut self, cause: &str, now: Duration) -> Option<String> {
        if self.failures == 0 {
            self.began = now;
        }
        self.failures += 1;
        let is_new = self.cause.as_deref() != Some(cause);
        if !is_new && now.saturating_sub(self.said) < INTERVAL {
            self.unsaid += 1;
            return None;
        }
        let line = match self.unsaid {
            0 => cause.to_owned(),
            unsaid if !is_new => format!("{cause} ({} times since the last line)", unsaid + 1),
            _ => cause.to_owned(),
        };
        self.cause = Some(cause.to_owned());
        self.said = now;
        self.unsaid = 0;
        Some(line)
    }

    /// Nothing was wrong since the last recovery.
    pub fn is_quiet(&self) -> bool {
        self.failures == 0
    }

    /// All is well again; returns the line to log if something was wrong.
    pub fn recovered(&mut self, now: Duration) -> Option<String> {
        let over = std::mem::take(self);
        (over.failures > 0).then(|| {
            let plural = if over.failures == 1 { "" } else { "s" };
            let lasted = now.saturating_sub(over.began).as_secs();
            format!("recovered after {} failure{plural}, {}", over.failures, words(lasted))
        })
    }
}

fn words(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_hour_of_one_cause_is_at_most_a_line_a_minute_and_one_line_at_the_end() {
        let mut repeats = Repeats::default();
        let lines = (0..3600).filter(|second| repeats.failed("refused", at(*second)).is_some()).count();
        assert_eq!(lines, 60);
        assert_eq!(repeats.recovered(at(3600)).as_deref(), Some("recovered after 3600 failures, 60 min"));
        assert_eq!(repeats.recovered(at(3601)), None);
    }

    #[test]
    fn a_new_cause_is_said_at_once() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.failed("refused", at(0)).as_deref(), Some("refused"));
        assert_eq!(repeats.failed("refused", at(1)), None);
        assert_eq!(repeats.failed("denied", at(2)).as_deref(), Some("denied"));
    }

    #[test]
    fn a_repeated_line_says_how_often() {
        let mut repeats = Repeats::default();
        for second in 0..60 {
            repeats.failed("refused", at(second));
        }
        let line = repeats.failed("refused", at(60)).unwrap();
        assert_eq!(line, "refused (60 times since the last line)");
    }
}
