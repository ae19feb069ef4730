//! Hours with every kind of gap, and what a player's parser reads back.

use m3u8_rs::{MediaPlaylist, MediaPlaylistType, Playlist};

use super::*;
use crate::segment::{CameraName, Cause, FileName, RunId, SegmentId};

const START: i64 = 1_763_906_400_000;

/// A row: number, offset in ms, run, state.
fn row(number: u64, offset_ms: i64, run: i64, state: State) -> Segment {
    let start = Timestamp::from_millis(START + offset_ms);
    Segment {
        id: SegmentId(i64::try_from(number).unwrap()),
        camera: CameraName::new("cam").unwrap(),
        run: RunId(run),
        sequence: 100 + number,
        discontinuity: 0,
        start,
        time_source: crate::segment::TimeSource::Arrival,
        duration: Duration::from_micros(10_000_400),
        bytes: 1,
        md5: [0; 16],
        sha256: [0; 32],
        file: FileName::new(start.epoch_seconds()),
        key: String::new(),
        state,
        attempts: 0,
        doubtful: false,
        last_error: None,
    }
}

fn gap(from_ms: i64, to_ms: i64, cause: Cause, reason: &str) -> segment::Gap {
    let at = |ms| Timestamp::from_millis(START + ms);
    let camera = CameraName::new("cam").unwrap();
    segment::Gap { camera, start: at(from_ms), end: at(to_ms), cause, reason: reason.into() }
}

fn write(segments: &[Segment], ended: bool) -> String {
    write_with(segments, &[], ended)
}

fn write_with(segments: &[Segment], gaps: &[segment::Gap], ended: bool) -> String {
    let hour = Hour { segments, gaps, ended, target: Duration::from_secs(10) };
    text(&hour).unwrap_or_default()
}

fn parse(text: &str) -> MediaPlaylist {
    match m3u8_rs::parse_playlist_res(text.as_bytes()).unwrap() {
        Playlist::MediaPlaylist(playlist) => playlist,
        Playlist::MasterPlaylist(_) => panic!("not a media playlist"),
    }
}

#[test]
fn an_open_hour_promises_nothing_and_a_closed_one_is_a_recording() {
    let rows = [row(0, 0, 1, State::Uploaded), row(1, 10_000, 1, State::Cleaned)];
    assert_eq!(
        write(&rows, false),
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:11\n#EXT-X-MEDIA-SEQUENCE:100\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-23T14:00:00.000Z\n\
         #EXTINF:10.000400,\nsegment_1763906400.ts\n#EXTINF:10.000400,\nsegment_1763906410.ts\n"
    );
    let playlist = parse(&write(&rows, true));
    assert_eq!(playlist.playlist_type, Some(MediaPlaylistType::Vod));
    assert!(playlist.end_list);
    assert_eq!((playlist.media_sequence, playlist.target_duration), (100, 11));
}

#[test]
fn an_open_manifest_grows_at_its_end() {
    let mut rows: Vec<Segment> =
        (0..6).map(|n| row(n, 10_000 * i64::try_from(n).unwrap(), 1, State::Created)).collect();
    let mut before = String::new();
    for (uploaded, listed) in [(0, 1), (2, 1), (1, 3), (4, 3), (3, 5), (5, 6)] {
        rows[uploaded].state = State::Uploaded;
        let now = write(&rows, false);
        assert!(now.starts_with(&before), "{now}\ndoes not continue\n{before}");
        assert_eq!(parse(&now).segments.len(), listed);
        before = now;
    }
}

#[test]
fn a_segment_that_is_queued_again_comes_in_where_it_belongs() {
    let mut rows =
        [row(0, 0, 1, State::Uploaded), row(1, 10_000, 1, State::Failed), row(2, 20_000, 1, State::Uploaded)];
    for (state, listed) in [(State::Failed, 2), (State::Retry, 1), (State::Uploaded, 3)] {
        rows[1].state = state;
        let playlist = parse(&write(&rows, false));
        assert_eq!((playlist.segments.len(), playlist.playlist_type), (listed, None), "{state:?}");
    }
}

#[test]
fn nothing_is_written_before_the_first_uploaded_segment() {
    assert_eq!(write(&[row(0, 0, 1, State::Uploading)], false), "");
    assert_eq!(write(&[], true), "");
    assert_eq!(write(&[row(0, 0, 1, State::Lost)], true), "");
}

/// Length, cause and reason of each gap that the text tells.
#[track_caller]
fn assert_tells(rows: &[Segment], noted: &[segment::Gap], gaps: &[(&str, &str, &str)]) {
    let text = write_with(rows, noted, true);
    let found: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXT-X-DATERANGE:"))
        .map(|line| {
            let (_, rest) = line.split_once("DURATION=").unwrap();
            let (duration, rest) = rest.split_once(",X-CAUSE=").unwrap();
            let (cause, reason) = rest.split_once(",X-REASON=").unwrap();
            (duration, cause.trim_matches('"'), reason.trim_matches('"'))
        })
        .collect();
    assert_eq!(found, gaps, "{text}");
    parse(&text);
}

#[test]
fn every_gap_says_where_how_long_and_why() {
    let uploaded = |number, offset, run| row(number, offset, run, State::Uploaded);
    let outage = "the camera \"closed\"\nthe connection";
    let told = "the camera 'closed' the connection";
    for (rows, noted, gaps) in [
        // between two runs
        (
            vec![uploaded(0, 0, 1), uploaded(1, 40_000, 2)],
            vec![gap(10_000, 40_000, Cause::Unreachable, outage)],
            vec![("30.000", "unreachable", told)],
        ),
        // one after the other, then inside a run
        (
            vec![uploaded(0, 0, 1), uploaded(1, 40_000, 2), uploaded(2, 55_000, 2)],
            vec![
                gap(10_000, 20_000, Cause::Unreachable, outage),
                gap(20_000, 40_000, Cause::Denied, "401"),
                gap(50_000, 55_000, Cause::Clock, "set forward"),
            ],
            vec![
                ("10.000", "unreachable", told),
                ("20.000", "denied", "401"),
                ("5.000", "clock", "set forward"),
            ],
        ),
        // from an hour before into this one, and from this one into the next
        (
            vec![uploaded(0, 20_000, 1)],
            vec![
                gap(-9_000_000, 20_000, Cause::ProgramDown, "stopped"),
                gap(30_000, 9_000_000, Cause::Stalled, "silent"),
            ],
            vec![("9020.000", "program_down", "stopped"), ("8970.000", "stalled", "silent")],
        ),
        // rounding is no gap
        (vec![uploaded(0, 0, 1), uploaded(1, 10_100, 2)], vec![], vec![]),
        // the clock was set back: the gap of the hour's first life is told in its place only
        (
            vec![uploaded(0, 0, 1), uploaded(1, 40_000, 2), uploaded(2, 5_000, 2), uploaded(3, 45_000, 2)],
            vec![gap(15_000, 40_000, Cause::Unreachable, outage)],
            vec![("25.000", "unreachable", told)],
        ),
    ] {
        assert_tells(&rows, &noted, &gaps);
    }
}

#[test]
fn what_was_recorded_but_is_not_in_s3_is_a_gap_too() {
    let uploaded = |number, offset, run| row(number, offset, run, State::Uploaded);
    for (rows, gaps) in [
        // two lost ones are one gap, the dropped one another
        (
            vec![
                uploaded(0, 0, 1),
                row(1, 10_000, 1, State::Lost),
                row(2, 20_000, 1, State::Lost),
                row(3, 30_000, 1, State::Dropped),
                uploaded(4, 40_000, 1),
            ],
            vec![
                ("20.000", "lost", "recorded, but the file was lost before its upload"),
                ("10.000", "dropped", "recorded, but the disk was full before its upload"),
            ],
        ),
        // at the end, and at the beginning
        (
            vec![row(0, 0, 1, State::Failed), uploaded(1, 10_000, 1), row(2, 20_000, 1, State::Failed)],
            vec![
                ("10.000", "refused", "recorded, but S3 refused the upload"),
                ("10.000", "refused", "recorded, but S3 refused the upload"),
            ],
        ),
    ] {
        assert_tells(&rows, &[], &gaps);
    }
}

#[test]
fn players_are_told_of_a_jump_exactly_where_one_is() {
    let rows = [
        row(0, 0, 1, State::Lost),
        row(1, 10_000, 1, State::Uploaded),
        row(2, 20_000, 1, State::Uploaded),
        row(3, 30_000, 1, State::Lost),
        row(4, 40_000, 1, State::Uploaded),
        row(5, 50_000, 2, State::Uploaded),
        row(6, 60_000, 2, State::Uploaded),
    ];
    let playlist = parse(&write(&rows, true));
    let jumps: Vec<(bool, bool)> =
        playlist.segments.iter().map(|s| (s.discontinuity, s.program_date_time.is_some())).collect();
    assert_eq!(jumps, [(false, true), (false, false), (true, true), (true, true), (false, false)]);
    assert_eq!(playlist.media_sequence, 101);
}

#[test]
fn after_the_clock_was_set_back_the_time_is_said_again_and_the_durations_stay() {
    let rows = [
        row(0, 0, 1, State::Uploaded),
        row(1, 10_000, 1, State::Uploaded),
        row(2, -3_580_000, 1, State::Uploaded),
        row(3, -3_570_000, 1, State::Uploaded),
    ];
    let playlist = parse(&write(&rows, true));
    let times: Vec<_> = playlist.segments.iter().map(|segment| segment.program_date_time.is_some()).collect();
    assert_eq!(times, [true, false, true, false]);
    let told = playlist.segments[2].program_date_time.unwrap().timestamp_millis();
    assert_eq!(told, START - 3_580_000);
    assert!(playlist.segments.iter().all(|segment| !segment.discontinuity && segment.duration > 10.0));
}
