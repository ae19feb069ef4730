//! The text of an hour's `manifest.m3u8` from its rows: pure.
//!
//! It lies beside the segments in S3 and plays as it lies: bare file names, true durations, and every gap said
//! with its reason. While the hour is open it ends before the first segment that is still on its way, so that it
//! grows at its end; but `retry` may put a failed segment back on its way, and then it becomes shorter for a while
//! and takes the segment in where it belongs. So it has no type that promises otherwise until the hour is over.

use std::fmt::Write as _;
use std::time::Duration;

use crate::segment::gap::TOLERANCE;
use crate::segment::{self, Segment, State, Timestamp};

/// What is known beside the rows.
pub struct Hour<'a> {
    /// All rows of the hour in sequence order, any state.
    pub segments: &'a [Segment],
    /// The gaps that touch the hour, in order of time; also one that began hours before.
    pub gaps: &'a [segment::Gap],
    /// The hour is over and nothing of it can still become uploaded.
    pub ended: bool,
    pub target: Duration,
}

/// Time without footage.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gap {
    start: Timestamp,
    end: Timestamp,
    cause: &'static str,
    reason: String,
}

enum Item<'a> {
    Segment(&'a Segment),
    Gap(Gap),
}

/// The playlist, or `None` while it would hold no segment.
pub fn text(hour: &Hour<'_>) -> Option<String> {
    let items = items(hour);
    let segments = || {
        items.iter().filter_map(|item| match item {
            Item::Segment(segment) => Some(*segment),
            Item::Gap(_) => None,
        })
    };
    let first = segments().next()?;
    let longest = segments().map(|segment| segment.duration).chain([hour.target]).max()?;
    let mut text = String::new();
    // writing into a String cannot fail
    let _ = write!(
        text,
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n{}\
         #EXT-X-INDEPENDENT-SEGMENTS\n",
        longest.as_secs_f64().ceil().max(1.0),
        first.sequence,
        if hour.ended { "#EXT-X-PLAYLIST-TYPE:VOD\n" } else { "" },
    );
    let mut before: Option<&Segment> = None;
    let mut gap_since = false;
    for item in &items {
        match item {
            Item::Gap(gap) => {
                write_gap(&mut text, gap);
                gap_since = true;
            }
            Item::Segment(segment) => {
                write_segment(&mut text, segment, before, gap_since);
                before = Some(segment);
                gap_since = false;
            }
        }
    }
    if hour.ended {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    Some(text)
}

fn write_segment(text: &mut String, segment: &Segment, before: Option<&Segment>, gap_since: bool) {
    let same_run = before.is_some_and(|before| before.run == segment.run && !gap_since);
    // a clock that was set back leaves no gap, but the sum of the durations is not the time any more
    let joined = same_run && before.is_some_and(|before| before.end().since(segment.start) <= TOLERANCE);
    if before.is_some() && !same_run {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if !joined {
        let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", segment.start.rfc3339());
    }
    let _ = writeln!(text, "#EXTINF:{:.6},\n{}", segment.duration.as_secs_f64(), segment.file);
}

fn write_gap(text: &mut String, gap: &Gap) {
    let _ = writeln!(
        text,
        "#EXT-X-DATERANGE:ID=\"gap-{}\",CLASS=\"gap\",START-DATE=\"{}\",DURATION={:.3},X-CAUSE=\"{}\",X-REASON=\"{}\"",
        gap.start.as_millis(),
        gap.start.rfc3339(),
        gap.end.since(gap.start).as_secs_f64(),
        gap.cause,
        quotable(&gap.reason),
    );
}

fn items<'a>(hour: &Hour<'a>) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'a>> = Vec::new();
    let mut gaps = hour.gaps.iter().peekable();
    let mut before: Option<&Segment> = None;
    for segment in hour.segments {
        if segment.state.is_pending() && !hour.ended {
            return items;
        }
        while let Some(gap) = gaps.next_if(|gap| gap.end <= segment.start.plus(TOLERANCE)) {
            push_noted(&mut items, gap, before);
        }
        match missing(segment.state) {
            None => items.push(Item::Segment(segment)),
            Some((cause, reason)) => {
                let (start, end) = (segment.start, segment.end());
                push_gap(&mut items, Gap { start, end, cause, reason: reason.into() });
            }
        }
        before = Some(segment);
    }
    gaps.for_each(|gap| push_noted(&mut items, gap, before));
    items
}

/// A gap of the database, where it follows the segment before: rows are in the order of recording, and where a clock
/// was set back a gap may belong to an earlier life of the same hour.
fn push_noted(items: &mut Vec<Item<'_>>, gap: &segment::Gap, before: Option<&Segment>) {
    if before.is_none_or(|before| before.end() <= gap.start.plus(TOLERANCE)) {
        let (start, end, cause) = (gap.start, gap.end, gap.cause.as_str());
        push_gap(items, Gap { start, end, cause, reason: gap.reason.clone() });
    }
}

/// Neighbouring gaps with one reason are one gap.
fn push_gap(items: &mut Vec<Item<'_>>, gap: Gap) {
    match items.last_mut() {
        Some(Item::Gap(last)) if last.reason == gap.reason && gap.start.since(last.end) <= TOLERANCE => {
            last.end = gap.end;
        }
        _ => items.push(Item::Gap(gap)),
    }
}

/// Why a row is not in the list, in a word and in a sentence; `None` if it is.
fn missing(state: State) -> Option<(&'static str, &'static str)> {
    match state {
        State::Uploaded | State::Cleaned => None,
        State::Lost => Some(("lost", "recorded, but the file was lost before its upload")),
        State::Dropped => Some(("dropped", "recorded, but the disk was full before its upload")),
        State::Failed => Some(("refused", "recorded, but S3 refused the upload")),
        State::Created | State::Uploading | State::Retry => Some(("waiting", "recorded, not uploaded yet")),
    }
}

/// A quoted string of a playlist holds neither quotes nor line ends.
fn quotable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
