//! Every playlist that a stream goes through, held against the letter of RFC 8216bis.

use std::collections::BTreeMap;
use std::time::Duration;

use super::playlist::text;
use super::ring::Ring;
use super::ring::testing::feed;
use crate::segment::{CameraName, Timestamp};

const T0: i64 = 1_763_906_399_000;

fn name() -> CameraName {
    CameraName::new("gate").unwrap()
}

#[test]
fn the_text_is_exactly_this() {
    let mut ring = Ring::new(41, 41);
    ring.begin();
    feed(&mut ring, T0, 15 + 3, 15);
    let start = Timestamp::from_millis(T0);
    let second = Timestamp::from_millis(T0 + 1000);
    assert_eq!(
        text(&ring, &name()).unwrap(),
        format!(
            "#EXTM3U\n\
             #EXT-X-VERSION:9\n\
             #EXT-X-TARGETDURATION:2\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.750\n\
             #EXT-X-PART-INF:PART-TARGET=0.205\n\
             #EXT-X-MEDIA-SEQUENCE:41\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:41\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MAP:URI=\"/cameras/gate/live/init_42.mp4\"\n\
             #EXT-X-PROGRAM-DATE-TIME:{start}\n\
             #EXT-X-PART:DURATION=0.200001,URI=\"/cameras/gate/live/41.0.m4s\",INDEPENDENT=YES\n\
             #EXT-X-PART:DURATION=0.200001,URI=\"/cameras/gate/live/41.1.m4s\"\n\
             #EXT-X-PART:DURATION=0.200001,URI=\"/cameras/gate/live/41.2.m4s\"\n\
             #EXT-X-PART:DURATION=0.200001,URI=\"/cameras/gate/live/41.3.m4s\"\n\
             #EXT-X-PART:DURATION=0.200001,URI=\"/cameras/gate/live/41.4.m4s\"\n\
             #EXTINF:1.000005,\n\
             /cameras/gate/live/41.m4s\n\
             #EXT-X-PROGRAM-DATE-TIME:{second}\n\
             #EXT-X-PART:DURATION=0.200001,URI=\"/cameras/gate/live/42.0.m4s\",INDEPENDENT=YES\n\
             #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"/cameras/gate/live/42.1.m4s\"\n"
        )
    );
}

#[test]
fn there_is_no_playlist_before_there_is_a_segment() {
    let mut ring = Ring::new(0, 0);
    assert_eq!(text(&ring, &name()), None);
    ring.begin();
    feed(&mut ring, T0, 14, 15);
    assert_eq!(text(&ring, &name()), None);
}

#[test]
fn a_camera_that_went_away_leaves_the_hint_and_announces_the_break() {
    let mut ring = Ring::new(0, 0);
    ring.begin();
    let at = feed(&mut ring, T0, 40, 15);
    ring.end();
    let away = text(&ring, &name()).unwrap();
    assert!(away.ends_with(
        "#EXT-X-DISCONTINUITY\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"/cameras/gate/live/2.0.m4s\"\n"
    ));
    ring.begin();
    feed(&mut ring, at + 20_000, 5, 15);
    let back = text(&ring, &name()).unwrap();
    let end = back.rsplit_once("#EXT-X-DISCONTINUITY\n").unwrap().1;
    let mut lines = end.lines();
    assert_eq!(lines.next(), Some("#EXT-X-MAP:URI=\"/cameras/gate/live/init_2.mp4\""));
    assert!(lines.next().unwrap().starts_with("#EXT-X-PROGRAM-DATE-TIME:"));
    assert!(lines.next().unwrap().ends_with("live/2.0.m4s\",INDEPENDENT=YES"), "{end}");
    assert_eq!(lines.next(), Some("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"/cameras/gate/live/2.1.m4s\""));
}

/// What one reader has learnt from all answers so far.
#[derive(Default)]
struct Reader {
    sequence: u64,
    discontinuity: u64,
    part_target: Option<String>,
    hint: Option<String>,
    /// URI of a segment or a part → its line with the duration.
    known: BTreeMap<String, String>,
    /// URI of a segment → its (media, discontinuity) sequence.
    numbers: BTreeMap<String, (u64, u64)>,
}

fn value<'a>(text: &'a str, tag: &str) -> &'a str {
    let mut found = text.lines().filter_map(|line| line.strip_prefix(tag));
    let value = found.next().unwrap_or_else(|| panic!("no {tag} in {text}"));
    assert!(found.next().is_none(), "two {tag} in {text}");
    value
}

impl Reader {
    fn read(&mut self, text: &str) {
        let head = ["#EXTM3U", "#EXT-X-VERSION:9", "#EXT-X-TARGETDURATION:2"];
        assert!(text.lines().zip(head).all(|(line, expected)| line == expected), "{text}");
        for forbidden in ["#EXT-X-ENDLIST", "#EXT-X-PLAYLIST-TYPE", "\n\n"] {
            assert!(!text.contains(forbidden), "{text}");
        }
        let target: f64 = value(text, "#EXT-X-PART-INF:PART-TARGET=").parse().unwrap();
        let told = value(text, "#EXT-X-PART-INF:PART-TARGET=").to_owned();
        assert_eq!(*self.part_target.get_or_insert_with(|| told.clone()), told, "it must never change");
        let control = value(text, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=");
        assert!(control.parse::<f64>().unwrap() >= 3.0 * target - 1e-9, "{text}");
        let sequence: u64 = value(text, "#EXT-X-MEDIA-SEQUENCE:").parse().unwrap();
        let discontinuity: u64 = value(text, "#EXT-X-DISCONTINUITY-SEQUENCE:").parse().unwrap();
        assert!(sequence >= self.sequence && discontinuity >= self.discontinuity, "{text}");
        (self.sequence, self.discontinuity) = (sequence, discontinuity);
        self.hint_comes_true(text);
        self.segments(text, target);
    }

    /// The part that was announced last is the next one that was added.
    fn hint_comes_true(&mut self, text: &str) {
        let hint = value(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=").trim_matches('"').to_owned();
        assert!(text.ends_with(&format!("URI=\"{hint}\"\n")), "the hint stands at the end: {text}");
        assert!(!text.contains(&format!("#EXT-X-PART:DURATION=0,URI=\"{hint}\"")));
        if let Some(before) = self.hint.replace(hint.clone())
            && before != hint
        {
            assert!(
                text.contains(&format!("URI=\"{before}\"")),
                "{before} was announced and never came: {text}"
            );
        }
    }

    fn segments(&mut self, text: &str, target: f64) {
        let (mut sequence, mut discontinuity) = (self.sequence, self.discontinuity);
        let (mut has_map, mut has_time, mut parts) = (false, false, Vec::new());
        let (mut listed, mut lasts) = (Vec::new(), 0.0);
        let mut length = None;
        for line in text.lines().skip(7) {
            if line == "#EXT-X-DISCONTINUITY" {
                discontinuity += 1;
                (has_map, has_time) = (false, false);
            } else if line.starts_with("#EXT-X-MAP:") {
                has_map = true;
            } else if line.starts_with("#EXT-X-PROGRAM-DATE-TIME:") {
                has_time = true;
            } else if let Some(part) = line.strip_prefix("#EXT-X-PART:DURATION=") {
                let (seconds, rest) = part.split_once(",URI=\"").unwrap();
                let uri = rest.split('"').next().unwrap();
                self.same(uri, line);
                let seconds: f64 = seconds.parse().unwrap();
                assert!(seconds <= target, "{line} in {text}");
                if parts.is_empty() {
                    assert!(uri.ends_with(&format!("/{sequence}.0.m4s")), "{uri} in {text}");
                }
                parts.push(seconds);
                lasts += seconds;
                listed.push((lasts, seconds));
            } else if let Some(seconds) = line.strip_prefix("#EXTINF:") {
                let seconds: f64 = seconds.trim_end_matches(',').parse().unwrap();
                assert!(seconds.round() <= 2.0, "{line} in {text}");
                length = Some(seconds);
            } else if !line.starts_with('#') {
                assert!(has_map && has_time && length.is_some(), "{line} in {text}");
                self.same(line, &format!("{length:?}"));
                let numbers = *self.numbers.entry(line.to_owned()).or_insert((sequence, discontinuity));
                assert_eq!(numbers, (sequence, discontinuity), "{line} has another number now: {text}");
                assert!(line.ends_with(&format!("/{sequence}.m4s")), "{line} in {text}");
                sequence += 1;
                let length = length.take().unwrap();
                if parts.is_empty() {
                    lasts += length;
                } else {
                    assert!((parts.iter().sum::<f64>() - length).abs() < 1e-3, "{line} in {text}");
                }
                let all_but_last = parts.len().saturating_sub(1);
                assert!(
                    parts[..all_but_last].iter().all(|part| *part >= target * 0.85),
                    "{parts:?} in {text}"
                );
                parts.clear();
            }
        }
        assert!(parts.iter().all(|part| *part >= target * 0.85), "{parts:?} in {text}");
        assert!(listed.iter().all(|(end, seconds)| lasts - (end - seconds) <= 6.0), "old parts: {text}");
    }

    /// A name stands for the same bytes for ever.
    fn same(&mut self, uri: &str, told: &str) {
        let before = self.known.entry(uri.to_owned()).or_insert_with(|| told.to_owned());
        assert_eq!(before, told, "{uri} is another one now");
    }
}

#[test]
fn every_playlist_of_a_long_stream_with_breaks_keeps_the_rfc() {
    let mut ring = Ring::new(500, 500);
    let (mut reader, mut at) = (Reader::default(), T0);
    for run in [300_usize, 7, 52, 1, 200, 31, 900] {
        ring.begin();
        at += 3000;
        for number in 0..run {
            let fragment = super::fmp4::Fragment {
                bytes: bytes::Bytes::from_static(b"x"),
                duration: super::ring::testing::FRAME,
                is_key: number % 15 == 0,
                ends_gop: number % 15 == 14,
            };
            at += 67;
            if ring.push(fragment, Timestamp::from_millis(at)) {
                reader.read(&text(&ring, &name()).unwrap());
            }
        }
        ring.end();
        // what was announced before the end may never come; players wait for what follows the break
        reader.hint = None;
        reader.read(&text(&ring, &name()).unwrap());
    }
    assert!(reader.numbers.len() > 40, "{}", reader.numbers.len());
    let listed: Duration = ring.listed().map(|segment| segment.duration()).sum();
    assert!(listed >= Duration::from_secs(6), "three target durations must be listed");
}
