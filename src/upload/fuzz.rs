//! Answers of strange stores, and manifests as a player reads them back.

use std::time::Duration;

use proptest::option;
use proptest::prelude::*;

use super::answer::{self, Answer, Expected, Head, Place, Put};
use super::manifest;
use crate::fuzz::cases;
use crate::segment::{
    CameraName, Cause, FileName, Gap, RunId, Segment, SegmentId, State, TimeSource, Timestamp,
};

const MD5: &str = "0123456789abcdef0123456789abcdef";
const START: i64 = 1_763_906_400_000;

fn place() -> Place {
    Place { host: "s3.example".into(), bucket: "footage".into(), region: "us-east-1".into() }
}

fn answers() -> impl Strategy<Value = Answer> {
    let code = prop_oneof![
        any::<String>(),
        proptest::sample::select(vec![
            "NoSuchBucket",
            "NoSuchKey",
            "SlowDown",
            "AccessDenied",
            "BadDigest",
            "ExpiredToken",
            "RequestTimeTooSkewed",
            "ConditionalRequestConflict",
            "QuotaExceeded",
            "KMS.DisabledException",
            "PermanentRedirect",
        ])
        .prop_map(str::to_owned),
    ];
    let status = prop_oneof![any::<u16>(), 100..600u16, Just(200), Just(412), Just(409), Just(404)];
    let etag = prop_oneof![any::<String>(), Just(MD5.to_owned())];
    let length = prop_oneof![any::<u64>(), Just(7)];
    let numbers = (status, option::of(length), option::of(any::<i64>()));
    (numbers, option::of(code), option::of(any::<String>()), option::of(etag), option::of(any::<String>()))
        .prop_map(|((status, content_length, date), code, message, etag, text)| Answer {
            status,
            code,
            message,
            etag,
            content_length,
            content_type: text.clone(),
            sha256_hex: text.clone(),
            date: date.map(Timestamp::from_millis),
            region: text,
            body: String::new(),
        })
}

/// Rows of an hour, in order, some of them missing, some after a hole, some of a new run.
fn hour() -> impl Strategy<Value = Vec<Segment>> {
    let states = proptest::sample::select(State::ALL.to_vec());
    let state = prop_oneof![3 => Just(State::Uploaded), 1 => states];
    let step = (state, any::<bool>(), prop_oneof![4 => Just(0u64), 1 => 0..20_000u64], 1..30_000u64);
    prop::collection::vec(step, 0..30).prop_map(|steps| {
        let (mut start, mut run) = (Timestamp::from_millis(START), 1);
        let row = |(number, (state, new_run, hole_ms, ms)): (usize, (State, bool, u64, u64))| {
            run += i64::from(new_run);
            start = start.plus(Duration::from_millis(hole_ms));
            let duration = Duration::from_millis(ms);
            let segment = row(number as u64, run, start, duration, state);
            start = start.plus(duration);
            segment
        };
        steps.into_iter().enumerate().map(row).collect()
    })
}

fn row(number: u64, run: i64, start: Timestamp, duration: Duration, state: State) -> Segment {
    Segment {
        id: SegmentId(1),
        camera: CameraName::new("cam").unwrap(),
        run: RunId(run),
        sequence: 100 + number,
        discontinuity: 0,
        start,
        time_source: TimeSource::Arrival,
        duration,
        bytes: 1,
        md5: [0; 16],
        sha256: [0; 32],
        file: FileName::new(START / 1000 + number as i64),
        key: String::new(),
        state,
        attempts: 0,
        doubtful: false,
        last_error: None,
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn only_the_right_etag_of_a_success_confirms_and_every_trouble_has_a_sentence(answer in answers(), now in any::<i64>()) {
        let (now, place) = (Timestamp::from_millis(now), place());
        let success = (200..300).contains(&answer.status);
        match answer::put(&Ok(answer.clone()), MD5, &place, now) {
            Put::Confirmed => prop_assert!(success && answer.etag.as_deref() == Some(MD5)),
            Put::Unproven => prop_assert!(success),
            Put::Blamed { reason, .. } => prop_assert!((400..500).contains(&answer.status) && !reason.is_empty()),
            Put::Link(trouble) => prop_assert!(!success && !trouble.reason.is_empty()),
            Put::Exists | Put::Conflict => prop_assert!(!success),
        }
        let expected = Expected { bytes: 7, md5_hex: MD5.into(), sha256_hex: "ab".into() };
        if answer::head(&Ok(answer.clone()), &expected, &place, now) == Head::Same {
            prop_assert!(success && answer.content_length == Some(7), "{:?}", answer);
        }
        if answer::plain(&Ok(answer.clone()), &place, now).is_ok() {
            prop_assert!(success, "{:?}", answer);
        }
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_player_reads_the_hour_that_was_written(
        rows in hour(),
        ended in any::<bool>(),
        reason in option::of(any::<String>()),
    ) {
        let gap = |(row, reason): (&Segment, String)| {
            let (start, end) = (row.end(), row.end().plus(Duration::from_secs(3)));
            Gap { camera: row.camera.clone(), start, end, cause: Cause::Unknown, reason }
        };
        let gaps: Vec<_> = rows.first().zip(reason).map(gap).into_iter().collect();
        let target = Duration::from_secs(10);
        let hour = manifest::Hour { segments: &rows, gaps: &gaps, ended, target };
        let known = rows.iter().take_while(|row| ended || !row.state.is_pending());
        let listed: Vec<_> =
            known.filter(|row| matches!(row.state, State::Uploaded | State::Cleaned)).collect();
        let Some(text) = manifest::text(&hour) else {
            prop_assert!(listed.is_empty());
            return Ok(());
        };
        let playlist = match m3u8_rs::parse_playlist_res(text.as_bytes()) {
            Ok(m3u8_rs::Playlist::MediaPlaylist(playlist)) => playlist,
            other => panic!("{other:?}: {text}"),
        };
        prop_assert_eq!(playlist.end_list, ended);
        prop_assert_eq!(playlist.segments.len(), listed.len(), "{}", text);
        let mut before: Option<&Segment> = None;
        for (entry, row) in playlist.segments.iter().zip(listed) {
            prop_assert_eq!(&entry.uri, &row.file.to_string());
            prop_assert!((f64::from(entry.duration) - row.duration.as_secs_f64()).abs() < 0.01);
            prop_assert!(entry.duration.ceil() as u64 <= playlist.target_duration);
            // a break wherever the video does not simply go on
            let follows = before.is_none_or(|before| before.run == row.run && before.sequence + 1 == row.sequence);
            prop_assert!(entry.discontinuity || follows, "{}: {}", row.file, text);
            if let Some(at) = &entry.program_date_time {
                prop_assert_eq!(at.timestamp_millis(), row.start.as_millis());
            }
            prop_assert!(entry.program_date_time.is_some() || !entry.discontinuity);
            before = Some(row);
        }
    }
}
