//! What part of a file a request wants: `Range`, `If-Range`, `If-None-Match`, `If-Modified-Since`. Pure.
//!
//! Called for segments only. Follows RFC 9110, chapters 13 and 14; where that leaves a choice, the whole file
//! is sent.

use std::ops::Range;
use std::time::SystemTime;

use hyper::header::{HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};

/// The file as validators know it.
#[derive(Clone, Debug)]
pub struct Validators {
    /// Strong, with its quotes.
    pub etag: String,
    /// In whole seconds, as HTTP dates are.
    pub modified: SystemTime,
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// The client has it already: 304.
    Nothing,
    /// Bytes from `start` to before `end`: 206.
    Part(Range<u64>),
    /// 416.
    Unsatisfiable,
}

/// Judges the headers of a GET of a file of `length` bytes.
pub fn wanted(headers: &HeaderMap, validators: &Validators, length: u64) -> Wanted {
    if is_fresh(headers, validators) {
        return Wanted::Nothing;
    }
    match text(headers, RANGE) {
        Some(range) if range_still_holds(headers, validators) => part(range, length),
        _ => Wanted::Whole,
    }
}

/// Whether the client's copy is this very file; `If-None-Match` makes `If-Modified-Since` moot.
pub fn is_fresh(headers: &HeaderMap, validators: &Validators) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        return headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag == validators.etag);
    }
    let since = text(headers, IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
    since.is_some_and(|since| validators.modified <= since)
}

/// `If-Range`: the part is wanted only of the file that the client began with.
fn range_still_holds(headers: &HeaderMap, validators: &Validators) -> bool {
    match text(headers, IF_RANGE) {
        None => !headers.contains_key(IF_RANGE),
        Some(tag) if tag.starts_with('"') => tag == validators.etag,
        Some(date) => httpdate::parse_http_date(date).is_ok_and(|date| date == validators.modified),
    }
}

/// One `bytes=a-b`, `bytes=a-` or `bytes=-n`. Several ranges, other units and what cannot be read are ignored,
/// as the standard allows: players never ask for several, attackers do.
fn part(range: &str, length: u64) -> Wanted {
    let parsed = range
        .split_once('=')
        .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"))
        .and_then(|(_, spec)| spec.trim().split_once('-'))
        .and_then(|(first, last)| Some((number(first)?, number(last)?)));
    match parsed {
        None | Some((None, None)) => Wanted::Whole,
        Some((None, Some(suffix))) if suffix == 0 || length == 0 => Wanted::Unsatisfiable,
        Some((None, Some(suffix))) => Wanted::Part(length.saturating_sub(suffix)..length),
        Some((Some(first), Some(last))) if last < first => Wanted::Whole,
        Some((Some(first), _)) if first >= length => Wanted::Unsatisfiable,
        Some((Some(first), last)) => {
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            Wanted::Part(first..end)
        }
    }
}

/// `None`: not a number; `Some(None)`: left out. Numbers too large for us mean "beyond the end".
fn number(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const DATE: &str = "Sun, 23 Nov 2025 13:59:59 GMT";

    fn validators() -> Validators {
        Validators { etag: "\"abc\"".into(), modified: UNIX_EPOCH + Duration::from_secs(1_763_906_399) }
    }

    fn ask(headers: &[(HeaderName, &str)]) -> Wanted {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        wanted(&headers, &validators(), 1000)
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-", Wanted::Part(0..1000)),
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=10-19", Wanted::Part(10..20)),
            ("BYTES=10-19", Wanted::Part(10..20)),
            ("bytes=990-5000", Wanted::Part(990..1000)),
            ("bytes=0-99999999999999999999999", Wanted::Part(0..1000)),
            ("bytes=-1", Wanted::Part(999..1000)),
            ("bytes=-5000", Wanted::Part(0..1000)),
            ("bytes=999-", Wanted::Part(999..1000)),
            ("bytes=1000-", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("seconds=0-1", Wanted::Whole),
            ("0-1", Wanted::Whole),
        ] {
            assert_eq!(ask(&[(RANGE, range)]), expected, "{range}");
        }
        assert_eq!(ask(&[]), Wanted::Whole);
        assert_eq!(part("bytes=-1", 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn a_range_of_another_file_gets_the_whole_one() {
        for (if_range, holds) in [
            ("\"abc\"", true),
            ("\"other\"", false),
            ("W/\"abc\"", false),
            (DATE, true),
            ("Sun, 23 Nov 2025 14:00:00 GMT", false),
            ("nonsense", false),
        ] {
            let expected = if holds { Wanted::Part(1..3) } else { Wanted::Whole };
            assert_eq!(ask(&[(RANGE, "bytes=1-2"), (IF_RANGE, if_range)]), expected, "{if_range}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        for (name, value, fresh) in [
            (IF_NONE_MATCH, "\"abc\"", true),
            (IF_NONE_MATCH, "\"x\", W/\"abc\"", true),
            (IF_NONE_MATCH, "*", true),
            (IF_NONE_MATCH, "\"x\"", false),
            (IF_MODIFIED_SINCE, DATE, true),
            (IF_MODIFIED_SINCE, "Sun, 23 Nov 2025 13:59:58 GMT", false),
            (IF_MODIFIED_SINCE, "yesterday", false),
        ] {
            let expected = if fresh { Wanted::Nothing } else { Wanted::Whole };
            assert_eq!(ask(&[(name.clone(), value)]), expected, "{name}: {value}");
        }
        assert_eq!(ask(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, DATE)]), Wanted::Whole);
    }
}
