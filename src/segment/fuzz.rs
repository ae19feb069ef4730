//! Names, keys and times, of any text and any number.

use proptest::prelude::*;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::*;
use crate::fuzz::cases;

/// 9999-12-31T23:59:59.999Z: later years have five digits, which no reader of HLS knows.
const LAST_MS: i64 = 253_402_300_799_999;

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn whatever_is_read_as_a_file_name_is_written_the_same(
        text in prop_oneof![any::<String>(), "segment_[0-9+-]{0,20}(\\.ts)?(\\.part)?", "segment_[0-9]{1,19}\\.ts"],
    ) {
        if let Some(name) = FileName::parse(&text) {
            prop_assert_eq!(name.to_string(), text);
            // what a name leads to must not panic either
            let camera = CameraName::new("cam").unwrap();
            let key = Prefix::new(Prefix::DEFAULT).unwrap().key(&camera, name);
            let end = format!("/{}", name);
            prop_assert!(key.ends_with(&end), "{}", key);
            prop_assert!(name.next() > name);
        }
    }

    #[test]
    fn every_file_name_reads_back(seconds in any::<i64>()) {
        let name = FileName::new(seconds);
        prop_assert_eq!(FileName::parse(&name.to_string()), Some(name));
    }

    #[test]
    fn every_moment_has_a_text_an_hour_and_neighbours(ms in any::<i64>(), span in any::<u64>()) {
        let (at, span) = (Timestamp::from_millis(ms), Duration::from_millis(span));
        prop_assert!(at.rfc3339().ends_with('Z'));
        prop_assert!(at.hour() <= at && at.plus(span) >= at && at.minus(span) <= at);
        let seconds = Timestamp::from_seconds(ms);
        prop_assert_eq!(seconds.epoch_seconds().signum(), ms.signum());
    }

    #[test]
    fn the_text_of_a_moment_reads_back(ms in 0..=LAST_MS) {
        let text = Timestamp::from_millis(ms).rfc3339();
        let read = OffsetDateTime::parse(&text, &Rfc3339).unwrap();
        prop_assert_eq!(read.unix_timestamp_nanos(), i128::from(ms) * 1_000_000, "{}", text);
    }

    #[test]
    fn hours_of_a_camera_never_share_a_manifest(
        ends in ("([a-z_.!=-]{1,4}/){0,2}", "[a-z/_.=-]{0,2}", "[a-z/_.=-]{0,2}", "[a-z._-]{0,2}/"),
        camera in "[a-z0-9-]{1,8}",
        hours in (0..LAST_MS / 3_600_000, 0..LAST_MS / 3_600_000),
        near in any::<bool>(),
    ) {
        let (head, a, b, tail) = ends;
        let Ok(prefix) = Prefix::new(&format!("{head}{{camera_name}}{a}{{date}}{b}{{hour}}{tail}")) else {
            return Ok(());
        };
        let camera = CameraName::new(&camera).unwrap();
        let key = |hour: i64| prefix.manifest_key(&camera, Timestamp::from_millis(hour * 3_600_000));
        let other = if near { hours.0 + 1 } else { hours.1 };
        let (first, second) = (key(hours.0), key(other));
        prop_assert_eq!(first == second, hours.0 == other, "{} {}", first, second);
        let filled_in = !first.contains(['{', '}']);
        prop_assert!(filled_in && first.ends_with("/manifest.m3u8"), "{}", first);
    }
}
