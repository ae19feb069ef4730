//! Rows → the text of a sliding HLS playlist. Pure.
//!
//! Called by the handler for `live.m3u8` and `recent.m3u8`, which differ only in how many rows they are given.
//! Must never let the media sequence of a segment or its discontinuity sequence differ between two answers:
//! players identify a segment by them (RFC 8216, 6.2.2).

use std::fmt::Write;
use std::time::Duration;

use crate::segment::Segment;

/// The playlist of `segments`, one camera's newest rows in sequence order; `None` if there are none.
///
/// A segment's number in a playlist is the first one's plus its place, so the list can hold no hole. Where rows
/// are missing (a `lost` file, an old `failed` one that outlived its neighbours) only what follows is listed.
///
/// URIs are absolute paths, because the same text is served at two places.
pub fn sliding(segments: &[Segment], target: Duration) -> Option<String> {
    let segments = &segments[last_break(segments)..];
    let first = segments.first()?;
    let mut text = String::with_capacity(256 + segments.len() * 160);
    let _ = write!(
        text,
        "#EXTM3U\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-TARGETDURATION:{}\n\
         #EXT-X-MEDIA-SEQUENCE:{}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
        target_seconds(segments, target),
        first.sequence,
        first.discontinuity,
    );
    let mut discontinuity = first.discontinuity;
    for segment in segments {
        if segment.discontinuity != discontinuity {
            discontinuity = segment.discontinuity;
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let _ = write!(
            text,
            "#EXT-X-PROGRAM-DATE-TIME:{}\n\
             #EXTINF:{}.{:06},\n\
             /cameras/{}/segments/{}\n",
            segment.start,
            segment.duration.as_secs(),
            segment.duration.subsec_micros(),
            segment.camera,
            segment.file,
        );
    }
    Some(text)
}

/// Where the unbroken list that ends with the newest segment begins.
fn last_break(segments: &[Segment]) -> usize {
    segments
        .windows(2)
        .rposition(|pair| {
            let follows = pair[0].sequence.checked_add(1) == Some(pair[1].sequence);
            // a run that left no row in the list cannot be counted by one DISCONTINUITY
            let counted = matches!(pair[1].discontinuity.checked_sub(pair[0].discontinuity), Some(0 | 1));
            !(follows && counted)
        })
        .map_or(0, |broken| broken + 1)
}

/// EXTINF *rounded to the nearest integer* must not exceed TARGETDURATION (RFC 8216, 4.3.3.1). Rounding like
/// the standard keeps the number still where an encoder's 10.07 s would make it flicker between 10 and 11; only
/// a passthrough camera with long GOPs lifts it.
fn target_seconds(segments: &[Segment], target: Duration) -> u64 {
    let longest = segments.iter().map(|segment| segment.duration).max().unwrap_or_default();
    let configured = target.as_secs() + u64::from(target.subsec_nanos() > 0);
    let rounded = longest.as_secs() + u64::from(longest.subsec_nanos() >= 500_000_000);
    configured.max(rounded).max(1)
}

#[cfg(test)]
mod tests {
    use m3u8_rs::MediaPlaylist;

    use super::*;
    use crate::segment::{CameraName, FileName, RunId, SegmentId, State, Timestamp};

    const TARGET: Duration = Duration::from_secs(10);

    fn segment(sequence: u64, discontinuity: u64) -> Segment {
        let start = Timestamp::from_seconds(1_763_906_000 + i64::try_from(sequence).unwrap() * 10);
        Segment {
            id: SegmentId(1),
            camera: CameraName::new("gate").unwrap(),
            run: RunId(1),
            sequence,
            discontinuity,
            start,
            time_source: crate::segment::TimeSource::Arrival,
            duration: TARGET,
            bytes: 1000,
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

    fn parsed(segments: &[Segment]) -> MediaPlaylist {
        let text = sliding(segments, TARGET).unwrap();
        let (rest, playlist) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
        assert!(rest.is_empty(), "{rest:?}");
        playlist
    }

    /// (media sequence, discontinuity sequence, URI) of every entry, as a player counts them.
    fn counted(segments: &[Segment]) -> Vec<(u64, u64, String)> {
        let playlist = parsed(segments);
        let mut discontinuity = playlist.discontinuity_sequence;
        (playlist.media_sequence..)
            .zip(playlist.segments)
            .map(|(sequence, entry)| {
                discontinuity += u64::from(entry.discontinuity);
                (sequence, discontinuity, entry.uri)
            })
            .collect()
    }

    #[test]
    fn the_text_is_exactly_this() {
        let mut segments = vec![segment(41, 3), segment(42, 3), segment(43, 4)];
        segments[1].duration = Duration::from_micros(9_933_333);
        segments[2].start = Timestamp::from_millis(1_763_906_437_250);
        assert_eq!(
            sliding(&segments, TARGET).unwrap(),
            "#EXTM3U\n\
             #EXT-X-VERSION:3\n\
             #EXT-X-TARGETDURATION:10\n\
             #EXT-X-MEDIA-SEQUENCE:41\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:3\n\
             #EXT-X-PROGRAM-DATE-TIME:2025-11-23T14:00:10.000Z\n\
             #EXTINF:10.000000,\n\
             /cameras/gate/segments/segment_1763906410.ts\n\
             #EXT-X-PROGRAM-DATE-TIME:2025-11-23T14:00:20.000Z\n\
             #EXTINF:9.933333,\n\
             /cameras/gate/segments/segment_1763906420.ts\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-PROGRAM-DATE-TIME:2025-11-23T14:00:37.250Z\n\
             #EXTINF:10.000000,\n\
             /cameras/gate/segments/segment_1763906430.ts\n"
        );
    }

    #[test]
    fn a_player_reads_it_as_a_live_playlist_without_end() {
        let playlist = parsed(&[segment(1, 0), segment(2, 0)]);
        assert!(!playlist.end_list);
        assert_eq!(playlist.playlist_type, None);
        assert_eq!((playlist.version, playlist.target_duration), (Some(3), 10));
        assert!(playlist.segments.iter().all(|entry| entry.program_date_time.is_some()));
        assert!((playlist.segments[0].duration - 10.0).abs() < 1e-6);
    }

    #[test]
    fn nothing_recorded_is_no_playlist() {
        assert_eq!(sliding(&[], TARGET), None);
    }

    #[test]
    fn no_segments_numbers_change_while_the_window_slides_over_new_runs() {
        let rows: Vec<_> = (100..130).map(|sequence| segment(sequence, sequence / 4)).collect();
        let truth: Vec<_> = rows
            .iter()
            .map(|row| (row.sequence, row.discontinuity, format!("/cameras/gate/segments/{}", row.file)))
            .collect();
        for width in 1..=rows.len() {
            for (at, window) in rows.windows(width).enumerate() {
                assert_eq!(counted(window), truth[at..at + width]);
            }
        }
    }

    #[test]
    fn a_hole_in_the_rows_ends_the_list_before_it() {
        for (rows, listed) in [
            (vec![(5, 0), (6, 0), (8, 0)], vec![8]),
            (vec![(5, 0), (1001, 7), (1002, 7)], vec![1001, 1002]),
            (vec![(5, 0), (7, 0), (9, 0), (10, 1)], vec![9, 10]),
            // two discontinuities between neighbours, and one that goes back
            (vec![(5, 0), (6, 2), (7, 2)], vec![6, 7]),
            (vec![(5, 3), (6, 2)], vec![6]),
            (vec![(5, 0), (6, 0), (7, 1)], vec![5, 6, 7]),
        ] {
            let segments: Vec<_> = rows.into_iter().map(|(row, run)| segment(row, run)).collect();
            let sequences: Vec<_> = counted(&segments).into_iter().map(|(sequence, ..)| sequence).collect();
            assert_eq!(sequences, listed);
        }
    }

    #[test]
    fn the_target_duration_covers_every_segment_and_does_not_flicker() {
        for (target_ms, longest_ms, seconds) in [
            (10_000, 10_000, 10),
            (10_000, 10_067, 10),
            (10_000, 10_499, 10),
            (10_000, 10_500, 11),
            (10_000, 15_000, 15),
            (10_000, 2_000, 10),
            (2_500, 2_500, 3),
            (500, 400, 1),
        ] {
            let mut long = segment(1, 0);
            long.duration = Duration::from_millis(longest_ms);
            let seconds_of = target_seconds(&[segment_of(100), long], Duration::from_millis(target_ms));
            assert_eq!(seconds_of, seconds, "{target_ms} ms, {longest_ms} ms");
        }
    }

    fn segment_of(ms: u64) -> Segment {
        Segment { duration: Duration::from_millis(ms), ..segment(0, 0) }
    }
}
