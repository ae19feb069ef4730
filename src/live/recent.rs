//! The newest frames, for viewers who get each at once. Pure.
//!
//! Kept by the hub. A viewer who falls behind what is kept goes on at the newest keyframe: nobody's slowness costs
//! memory, or anybody else a frame.

use std::collections::VecDeque;
use std::time::Duration;

use super::fmp4::Fragment;

/// What is kept before the newest keyframe, for viewers who are a little late.
const LATE: Duration = Duration::from_secs(2);
/// Where keyframes are further apart than this holds, viewers who come wait for the next one.
const MOST_BYTES: usize = 8 << 20;
const MOST_FRAMES: usize = 1000;

#[derive(Debug, Default)]
pub struct Recent {
    frames: VecDeque<Fragment>,
    /// Number of the oldest frame that is kept; numbers only rise.
    first: u64,
    newest_key: Option<u64>,
    bytes: usize,
    length: Duration,
}

impl Recent {
    pub fn push(&mut self, fragment: Fragment) {
        if fragment.is_key {
            self.newest_key = Some(self.first + self.frames.len() as u64);
        }
        self.bytes += fragment.bytes.len();
        self.length += fragment.duration;
        self.frames.push_back(fragment);
        while self.is_too_long() {
            self.drop_oldest();
        }
        self.newest_key = self.newest_key.filter(|key| *key >= self.first);
    }

    /// What follows does not belong to what is kept.
    pub fn clear(&mut self) {
        while !self.frames.is_empty() {
            self.drop_oldest();
        }
        self.newest_key = None;
    }

    /// The frame for a viewer who had all before `next`, or has just come; and what he needs next. `None` while
    /// there is none.
    pub fn get(&self, next: Option<u64>) -> Option<(&Fragment, u64)> {
        let end = self.first + self.frames.len() as u64;
        let number = next.filter(|next| (self.first..=end).contains(next)).or(self.newest_key)?;
        let fragment = self.frames.get(usize::try_from(number - self.first).ok()?)?;
        Some((fragment, number + 1))
    }

    fn is_too_long(&self) -> bool {
        let before_key = self.newest_key.is_some_and(|key| key > self.first);
        self.frames.len() > MOST_FRAMES || self.bytes > MOST_BYTES || (before_key && self.length > LATE)
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.frames.pop_front() {
            self.first += 1;
            self.bytes -= oldest.bytes.len();
            self.length = self.length.saturating_sub(oldest.duration);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn push(recent: &mut Recent, size: usize, is_key: bool) {
        let duration = Duration::from_millis(100);
        recent.push(Fragment { bytes: Bytes::from(vec![0; size]), duration, is_key, ends_gop: false });
    }

    #[test]
    fn a_viewer_begins_with_the_newest_keyframe_and_gets_every_frame_once() {
        let mut recent = Recent::default();
        assert!(recent.get(None).is_none());
        for number in 0..25 {
            push(&mut recent, 10, number % 10 == 0);
        }
        let (first, mut next) = recent.get(None).unwrap();
        assert!(first.is_key);
        let mut got = 1;
        while let Some((frame, after)) = recent.get(Some(next)) {
            assert!(!frame.is_key);
            (next, got) = (after, got + 1);
        }
        assert_eq!((got, next), (5, 25));
        push(&mut recent, 10, false);
        assert_eq!(recent.get(Some(next)).unwrap().1, 26);
    }

    #[test]
    fn who_is_too_late_goes_on_at_a_keyframe() {
        let mut recent = Recent::default();
        for number in 0..100 {
            push(&mut recent, 10, number % 10 == 0);
        }
        assert!(recent.get(Some(85)).is_some_and(|(_, next)| next == 86), "two seconds late is not too late");
        let (frame, next) = recent.get(Some(3)).unwrap();
        assert!(frame.is_key);
        assert_eq!(next, 91);
        recent.clear();
        assert!(recent.get(Some(next)).is_none() && recent.get(None).is_none());
        push(&mut recent, 10, true);
        assert_eq!(recent.get(Some(3)).unwrap().1, 101);
    }

    #[test]
    fn memory_is_bounded_also_without_keyframes() {
        let mut recent = Recent::default();
        for number in 0..3000 {
            push(&mut recent, 100_000, number == 0);
            assert!(recent.bytes <= MOST_BYTES);
        }
        assert!(recent.get(None).is_none(), "no keyframe is left to begin with");
        for _ in 0..3000 {
            push(&mut recent, 1, false);
            assert!(recent.frames.len() <= MOST_FRAMES);
        }
    }
}
