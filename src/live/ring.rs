//! The last minute of one camera's live stream: segments made of parts, in memory. Pure.
//!
//! Filled by the hub, fragment by fragment, and read by the playlist and by viewers. Numbers of segments and of
//! discontinuities only rise, also where everything was forgotten in between.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::cut::{End, LONGEST, Open, Parts};
use super::fmp4::Fragment;
use crate::segment::Timestamp;

/// Segments in the playlist: 14 s, more than the three target durations that must be there.
pub const LISTED: usize = 7;
/// Segments that can still be fetched: what a slow viewer's playlist lists must stay as long again.
const KEPT: usize = 2 * LISTED;
/// A camera's main stream of 8 Mbit/s keeps its whole ring; beyond it, it becomes shorter.
const MOST_BYTES: usize = 40 << 20;
/// However big: three target durations, and one more.
const FEWEST: usize = 4;
/// The most that one segment's start is moved to follow drift, and from where on the clock was set.
const SLEW_MS: i64 = 20;
const STEP_MS: i64 = 2_000;

#[derive(Clone, Debug)]
pub struct Part {
    pub bytes: Bytes,
    pub duration: Duration,
    pub is_independent: bool,
}

#[derive(Clone, Debug)]
pub struct LiveSegment {
    /// Media sequence.
    pub sequence: u64,
    /// Discontinuity sequence.
    pub discontinuity: u64,
    /// Which init segment its parts need.
    pub init: u64,
    /// Wall-clock time of its first frame.
    pub start: Timestamp,
    pub parts: Vec<Part>,
}

impl LiveSegment {
    pub fn duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }

    pub fn is_independent(&self) -> bool {
        self.parts.first().is_some_and(|part| part.is_independent)
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }
}

/// What a viewer gets who asks for a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    Here(T),
    /// The next one to come.
    Soon,
    /// Too old, or never announced.
    Nowhere,
}

#[derive(Debug)]
pub struct Ring {
    segments: VecDeque<LiveSegment>,
    open: Option<LiveSegment>,
    part: OpenPart,
    parts: Option<Parts>,
    /// The first GOP, whose length decides how long parts are.
    first_gop: Vec<(Fragment, Timestamp)>,
    next_sequence: u64,
    next_discontinuity: u64,
    init: u64,
    /// The next fragment does not follow the last one.
    is_broken: bool,
}

#[derive(Debug, Default)]
struct OpenPart {
    bytes: Vec<u8>,
    frames: u32,
    duration: Duration,
    is_independent: bool,
}

impl Ring {
    /// Both must be beyond all that an earlier ring of this camera gave.
    pub fn new(sequence: u64, discontinuity: u64) -> Ring {
        Ring {
            segments: VecDeque::new(),
            open: None,
            part: OpenPart::default(),
            parts: None,
            first_gop: Vec::new(),
            next_sequence: sequence,
            next_discontinuity: discontinuity,
            init: sequence,
            is_broken: false,
        }
    }

    /// A new run: what follows needs another init segment, whose number is returned.
    pub fn begin(&mut self) -> u64 {
        self.end();
        self.init += 1;
        self.init
    }

    /// The run ended: what is open is closed.
    pub fn end(&mut self) {
        self.cut_first_gop();
        self.close_part();
        self.close_segment();
        self.is_broken = true;
    }

    /// Nobody watches: forgets the media, and keeps counting. What comes next stands in no list beside what was there,
    /// and time goes on: it is no discontinuity.
    pub fn clear(&mut self) {
        self.end();
        self.segments.clear();
        self.parts = None;
    }

    /// Takes the next fragment, whose last moment is `now`. Returns whether there is a new part.
    pub fn push(&mut self, fragment: Fragment, now: Timestamp) -> bool {
        if self.parts.is_some() {
            return self.add(&fragment, now);
        }
        let ends = fragment.ends_gop;
        self.first_gop.push((fragment, now));
        let length: Duration = self.first_gop.iter().map(|(fragment, _)| fragment.duration).sum();
        let is_long = length + length / 8 > LONGEST;
        (ends || is_long) && self.cut_first_gop()
    }

    /// Cuts what was gathered. It becomes a segment of its own, so that players without parts can start.
    fn cut_first_gop(&mut self) -> bool {
        let gathered = std::mem::take(&mut self.first_gop);
        let lengths: Vec<Duration> = gathered.iter().map(|(fragment, _)| fragment.duration).collect();
        if gathered.is_empty() {
            return false;
        }
        self.parts = Some(Parts::for_gop(&lengths));
        for (fragment, at) in &gathered {
            self.add(fragment, *at);
        }
        self.close_part();
        self.close_segment();
        true
    }

    fn add(&mut self, fragment: &Fragment, now: Timestamp) -> bool {
        let Some(parts) = self.parts else { return false };
        let before = parts.before(self.measure(), fragment);
        self.close(before);
        if self.open.is_none() {
            self.open = Some(self.next_segment(now.minus(fragment.duration)));
        }
        if self.part.frames == 0 {
            self.part.is_independent = fragment.is_key;
        }
        self.part.bytes.extend_from_slice(&fragment.bytes);
        self.part.frames += 1;
        self.part.duration += fragment.duration;
        let end = parts.end(self.measure(), fragment);
        self.close(end);
        before != End::Nothing || end != End::Nothing
    }

    fn measure(&self) -> Open {
        let part = self.part.duration;
        let listed = self.open.as_ref().map(LiveSegment::duration).unwrap_or_default();
        let first = self.open.as_ref().and_then(|open| open.parts.first());
        let is_independent = first.map_or(self.part.is_independent, |first| first.is_independent);
        Open { frames: self.part.frames, part, segment: listed + part, is_independent }
    }

    fn close(&mut self, end: End) {
        if end != End::Nothing {
            self.close_part();
        }
        if end == End::Segment {
            self.close_segment();
        }
    }

    fn next_segment(&mut self, measured: Timestamp) -> LiveSegment {
        let before = if std::mem::take(&mut self.is_broken) { None } else { self.segments.back() };
        if before.is_none() && !self.segments.is_empty() {
            self.next_discontinuity += 1;
        }
        let start = before.map_or(measured, |before| follow(before.start.plus(before.duration()), measured));
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        LiveSegment {
            sequence,
            discontinuity: self.next_discontinuity,
            init: self.init,
            start,
            parts: Vec::new(),
        }
    }

    fn close_part(&mut self) {
        let part = std::mem::take(&mut self.part);
        if let (Some(open), true) = (&mut self.open, part.frames > 0) {
            open.parts.push(Part {
                // grown by doubling: without its spare room
                bytes: part.bytes.into_boxed_slice().into(),
                duration: part.duration,
                is_independent: part.is_independent,
            });
        }
    }

    fn close_segment(&mut self) {
        let Some(segment) = self.open.take() else { return };
        self.segments.push_back(segment);
        let mut bytes: usize = self.segments.iter().map(LiveSegment::bytes).sum();
        while self.segments.len() > KEPT || (bytes > MOST_BYTES && self.segments.len() > FEWEST) {
            bytes -= self.segments.pop_front().map_or(0, |segment| segment.bytes());
        }
    }

    /// The segments of the playlist, oldest first; the last may still be open.
    pub fn listed(&self) -> impl Iterator<Item = &LiveSegment> {
        self.segments.iter().skip(self.segments.len().saturating_sub(LISTED)).chain(self.growing())
    }

    /// The open segment, once it has a part.
    pub fn growing(&self) -> Option<&LiveSegment> {
        self.open.as_ref().filter(|open| !open.parts.is_empty())
    }

    pub fn newest_complete(&self) -> Option<u64> {
        self.segments.back().map(|segment| segment.sequence)
    }

    #[cfg(test)]
    pub fn numbers(&self) -> (u64, u64) {
        (self.next_sequence, self.next_discontinuity)
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The run ended, and its successor has brought nothing yet.
    pub fn is_broken(&self) -> bool {
        self.is_broken && self.open.is_none()
    }

    pub fn parts(&self) -> Option<Parts> {
        self.parts
    }

    /// (segment, part) of the part that comes next.
    pub fn next_part(&self) -> (u64, usize) {
        match &self.open {
            Some(open) => (open.sequence, open.parts.len()),
            None => (self.next_sequence, 0),
        }
    }

    pub fn part(&self, sequence: u64, index: usize) -> Found<Bytes> {
        let part = self.find(sequence).and_then(|segment| segment.parts.get(index));
        match part {
            Some(part) => Found::Here(part.bytes.clone()),
            None if self.next_part() == (sequence, index) => Found::Soon,
            None => Found::Nowhere,
        }
    }

    /// How many parts a complete segment has.
    pub fn parts_of(&self, sequence: u64) -> Option<usize> {
        self.segments.iter().find(|segment| segment.sequence == sequence).map(|segment| segment.parts.len())
    }

    /// A complete segment, part by part.
    pub fn segment(&self, sequence: u64) -> Option<Vec<Bytes>> {
        let segment = self.segments.iter().find(|segment| segment.sequence == sequence)?;
        Some(segment.parts.iter().map(|part| part.bytes.clone()).collect())
    }

    fn find(&self, sequence: u64) -> Option<&LiveSegment> {
        self.segments.iter().chain(&self.open).find(|segment| segment.sequence == sequence)
    }

    /// Which init segments are still needed.
    pub fn needs_init(&self, init: u64) -> bool {
        init == self.init || self.segments.iter().any(|segment| segment.init == init)
    }
}

/// Starts follow media time, and the clock slowly; a clock that was set is taken over at once.
fn follow(predicted: Timestamp, measured: Timestamp) -> Timestamp {
    let error_ms = measured.as_millis() - predicted.as_millis();
    if error_ms.abs() > STEP_MS {
        measured
    } else {
        Timestamp::from_millis(predicted.as_millis() + error_ms.clamp(-SLEW_MS, SLEW_MS))
    }
}

#[cfg(test)]
pub mod testing {
    //! Streams for the tests of this folder.

    use super::*;

    pub const FRAME: Duration = Duration::from_micros(66_667);

    /// Pushes `frames` at 15 a second with a keyframe every `gop`, ending with `at_ms`; returns when they end.
    pub fn feed(ring: &mut Ring, at_ms: i64, frames: usize, gop: usize) -> i64 {
        let begin = Timestamp::from_millis(at_ms);
        let mut at = begin;
        for number in 0..frames {
            at = begin.plus(FRAME * u32::try_from(number + 1).unwrap());
            let fragment = Fragment {
                bytes: Bytes::from(vec![u8::try_from(number % 251).unwrap(); 100]),
                duration: FRAME,
                is_key: number % gop == 0,
                ends_gop: (number + 1) % gop == 0,
            };
            ring.push(fragment, at);
        }
        at.as_millis()
    }
}

#[cfg(test)]
mod tests;
