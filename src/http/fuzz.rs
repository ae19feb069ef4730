//! Paths, ranges and playlists: whatever a stranger asks for, and what a player reads back.

use std::time::{Duration, SystemTime};

use hyper::Method;
use hyper::header::{HeaderMap, HeaderValue, RANGE};
use proptest::prelude::*;

use super::playlist::sliding;
use super::range::{Validators, Wanted, wanted};
use super::route::{Route, route};
use crate::fuzz::cases;
use crate::segment::{CameraName, FileName, RunId, Segment, SegmentId, State, TimeSource, Timestamp};

fn cameras() -> [CameraName; 2] {
    ["gate", "yard"].map(|name| CameraName::new(name).unwrap())
}

fn range(value: &[u8], length: u64) -> Wanted {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(RANGE, value);
    }
    wanted(&headers, &Validators { etag: "\"x\"".into(), modified: SystemTime::UNIX_EPOCH }, length)
}

/// Rows as the store gives them: numbers rise, mostly by one.
fn rows() -> impl Strategy<Value = Vec<Segment>> {
    let step = (
        prop_oneof![9 => Just(1u64), 1 => 2..5u64],
        prop_oneof![9 => Just(0u64), 1 => 1..3u64],
        1..70_000_000u64,
    );
    (0..1_000_000u64, 0..1000u64, prop::collection::vec(step, 1..30)).prop_map(|(sequence, breaks, steps)| {
        let (mut sequence, mut discontinuity) = (sequence, breaks);
        let mut start = Timestamp::from_seconds(1_763_906_400);
        let row = |(more, new_runs, micros): (u64, u64, u64)| {
            sequence += more;
            discontinuity += new_runs;
            let duration = Duration::from_micros(micros);
            let segment = row(sequence, discontinuity, start, duration);
            start = start.plus(duration).plus(Duration::from_secs(1));
            segment
        };
        steps.into_iter().map(row).collect()
    })
}

fn row(sequence: u64, discontinuity: u64, start: Timestamp, duration: Duration) -> Segment {
    Segment {
        id: SegmentId(1),
        camera: CameraName::new("gate").unwrap(),
        run: RunId(1),
        sequence,
        discontinuity,
        start,
        time_source: TimeSource::Arrival,
        duration,
        bytes: 1,
        md5: [0; 16],
        sha256: [0; 32],
        file: FileName::new(start.epoch_seconds()),
        key: String::new(),
        state: State::Created,
        attempts: 0,
        doubtful: false,
        last_error: None,
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn any_path_leads_to_what_is_ours_or_nowhere(
        path in prop_oneof![
            any::<String>(),
            "(/|cameras|gate|yard|segments|segment_|[0-9]{1,20}|\\.ts|\\.\\.|%2[eEfF]|%00|%[0-9a-f]|live\\.m3u8|\\?){0,9}",
        ],
    ) {
        let cameras = cameras();
        match route(&Method::GET, &path, cameras.iter()) {
            Ok(Route::Segment(camera, file)) => {
                prop_assert!(cameras.contains(&camera));
                let exact = format!("/cameras/{camera}/segments/{file}");
                prop_assert_eq!(route(&Method::GET, &exact, cameras.iter()), Ok(Route::Segment(camera, file)));
            }
            Ok(Route::Live(camera) | Route::Recent(camera)) => prop_assert!(cameras.contains(&camera)),
            Ok(_) => {}
            Err(refusal) => prop_assert!([400, 404].contains(&refusal.status), "{:?}", refusal),
        }
    }

    #[test]
    fn any_range_stays_within_the_file(
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "bytes=[0-9]{0,22}-[0-9]{0,22}(,[0-9-]{0,5})?".prop_map(String::into_bytes),
        ],
        length in prop_oneof![Just(0u64), 1..5000u64, any::<u64>()],
    ) {
        if let Wanted::Part(part) = range(&value, length) {
            prop_assert!(part.start < part.end && part.end <= length, "{:?} of {}", part, length);
        }
    }

    #[test]
    fn a_range_within_the_file_is_what_is_sent(length in 1..1_000_000u64, ends in (any::<u64>(), any::<u64>())) {
        let (a, b) = (ends.0 % length, ends.1 % length);
        let (first, last) = (a.min(b), a.max(b));
        prop_assert_eq!(range(format!("bytes={first}-{last}").as_bytes(), length), Wanted::Part(first..last + 1));
        prop_assert_eq!(range(format!("bytes={first}-").as_bytes(), length), Wanted::Part(first..length));
        let tail = length - first;
        prop_assert_eq!(range(format!("bytes=-{tail}").as_bytes(), length), Wanted::Part(first..length));
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_player_reads_the_rows_that_were_listed(rows in rows()) {
        let text = sliding(&rows, Duration::from_secs(10)).unwrap();
        let (rest, playlist) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
        prop_assert!(rest.is_empty());
        let listed = &rows[rows.len() - playlist.segments.len()..];
        prop_assert!(!listed.is_empty());
        let mut discontinuity = playlist.discontinuity_sequence;
        for ((number, entry), row) in (playlist.media_sequence..).zip(&playlist.segments).zip(listed) {
            discontinuity += u64::from(entry.discontinuity);
            prop_assert_eq!((number, discontinuity), (row.sequence, row.discontinuity));
            let uri = format!("/cameras/gate/segments/{}", row.file);
            prop_assert_eq!(&entry.uri, &uri);
            prop_assert!((f64::from(entry.duration) - row.duration.as_secs_f64()).abs() < 1e-4 * row.duration.as_secs_f64().max(1.0));
            prop_assert!(entry.duration.round() as u64 <= playlist.target_duration, "{}", text);
            let at = entry.program_date_time.as_ref().unwrap().timestamp_millis();
            prop_assert_eq!(at, row.start.as_millis());
        }
    }
}
