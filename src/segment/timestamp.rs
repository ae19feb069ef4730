//! UTC moments: how they are stored, and how they are written for people, HLS and keys. Pure but for `now`.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};

/// A moment in UTC, in milliseconds since 1970. Never used to measure a duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The wall clock's word, right or wrong.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn epoch_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The start of the UTC hour that holds this moment.
    pub const fn hour(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(3_600_000)))
    }

    /// The start of the UTC day that holds this moment.
    pub const fn day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(86_400_000))
    }

    /// The start of a day in UTC, written as [`Timestamp::date`] writes it.
    pub fn parse_date(text: &str) -> Option<Self> {
        let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
        Some(Self::from_seconds(OffsetDateTime::new_utc(date, Time::MIDNIGHT).unix_timestamp()))
    }

    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is by the wall clock; zero if it is not. For display and for gaps between
    /// segments, whose ends are wall-clock facts; a segment's duration never comes from here.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-11-23T14:05:09.250Z`, as HLS and JSON want it.
    pub fn rfc3339(self) -> String {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        self.date_time().format(&format).unwrap_or_else(|_| self.0.to_string())
    }

    /// `2026-11-23`, in UTC.
    pub fn date(self) -> String {
        self.date_path().replace('/', "-")
    }

    /// `2026/11/23`.
    pub(super) fn date_path(self) -> String {
        let format = format_description!("[year]/[month]/[day]");
        self.date_time().format(&format).unwrap_or_else(|_| "0000/00/00".into())
    }

    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        let at = Timestamp::from_millis(1_763_906_399_250);
        assert_eq!(at.rfc3339(), "2025-11-23T13:59:59.250Z");
        assert_eq!(at.hour().rfc3339(), "2025-11-23T13:00:00.000Z");
        assert_eq!(Timestamp::from_millis(-1).epoch_seconds(), -1);
    }
}
