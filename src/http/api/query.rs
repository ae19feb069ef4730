//! Times in queries: RFC 3339 or seconds since 1970. Pure.

use crate::http::route::Refusal;
use crate::segment::Timestamp;

/// The value of `name` in a query, decoded; `None` where it is absent or empty.
pub fn value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let found = pairs.into_iter().find(|(have, value)| have == name && !value.is_empty());
    found.map(|(_, value)| value.into_owned())
}

/// The time that `name` gives; `None` where it is absent.
pub fn moment(query: Option<&str>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = value(query, name) else { return Ok(None) };
    // a + that was not encoded comes as a space, and no time has one
    Timestamp::parse(&text.replace(' ', "+")).map(Some).ok_or_else(|| {
        Refusal::new(
            400,
            format!("{name} is {text:?}, which is no time"),
            format!("allowed are RFC 3339 and seconds since 1970: {name}=2026-11-23T14:05:00Z or {name}=1795442700"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_as_people_write_them_and_others_are_named() {
        for (query, expected) in [
            (None, Ok(None)),
            (Some("to=5"), Ok(None)),
            (Some("from="), Ok(None)),
            (Some("from=1763906399"), Ok(Some(1_763_906_399_000))),
            (Some("from=1763906399.25"), Ok(Some(1_763_906_399_250))),
            (Some("a=b&from=2025-11-23T13:59:59Z"), Ok(Some(1_763_906_399_000))),
            (Some("from=2025-11-23T13%3A59%3A59.250Z"), Ok(Some(1_763_906_399_250))),
            (Some("from=2025-11-23T15:59:59%2B02:00"), Ok(Some(1_763_906_399_000))),
            (Some("from=2025-11-23T15:59:59+02:00"), Ok(Some(1_763_906_399_000))),
            (Some("from=yesterday"), Err(400)),
            (Some("from=2025-11-23"), Err(400)),
            (Some("from=-1"), Err(400)),
            (Some("from=99999999999999999999"), Err(400)),
            (Some("from=NaN"), Err(400)),
            (Some("from=1e9"), Err(400)),
        ] {
            let found = moment(query, "from");
            let found = found.map(|at| at.map(Timestamp::as_millis)).map_err(|refusal| refusal.status);
            assert_eq!(found, expected, "{query:?}");
        }
        let refusal = moment(Some("from=noon"), "from").unwrap_err();
        assert!(refusal.error.contains("\"noon\"") && refusal.hint.contains("RFC 3339"), "{refusal:?}");
    }
}
