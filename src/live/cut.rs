//! Where parts and segments of a live stream end. Pure.
//!
//! Called by the ring for every frame. Every part begins with a keyframe where one comes, or players stall
//! (measured with parts that had the keyframe in their middle). All parts but a segment's last must last at
//! least 85 % of PART-TARGET (RFC 8216bis, 4.4.4.9), so the number of frames in a part is chosen to fit the GOP.

use std::time::Duration;

use super::fmp4::Fragment;

/// TARGETDURATION. It must never change, so it cannot follow the GOPs.
pub const TARGET: Duration = Duration::from_secs(2);
/// A keyframe after this much ends a segment.
const ENOUGH: Duration = Duration::from_millis(1500);
/// No segment may last longer: EXTINF rounds to TARGETDURATION up to here. Without a keyframe until then, the
/// next segment begins without one.
pub const LONGEST: Duration = Duration::from_millis(2450);
const LONGEST_PART: Duration = Duration::from_millis(270);
/// Frames of an encoder of ours differ by less.
const STEADY: Duration = Duration::from_millis(2);
const SHORTEST_PART: Duration = Duration::from_millis(165);

/// How long parts are, for as long as the stream is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    frames: u32,
    /// PART-TARGET.
    pub target: Duration,
}

/// The part and the segment that are open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    /// Frames of the part.
    pub frames: u32,
    pub part: Duration,
    pub segment: Duration,
    /// The segment begins with a keyframe.
    pub is_independent: bool,
}

/// What ends with a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Nothing,
    Part,
    Segment,
}

impl Parts {
    /// For a stream whose first GOP was these frames; as close to a quarter of a second as fits.
    pub fn for_gop(lengths: &[Duration]) -> Parts {
        let frames = u32::try_from(lengths.len()).unwrap_or(u32::MAX).max(1);
        let gop: Duration = lengths.iter().sum();
        let frame = (gop / frames).max(Duration::from_millis(1));
        let most = u32::try_from(LONGEST_PART.as_micros() / frame.as_micros()).unwrap_or(1).max(1);
        let least = u32::try_from(SHORTEST_PART.as_micros().div_ceil(frame.as_micros())).unwrap_or(1).max(1);
        // the last part of a segment may be short
        let is_segment = gop >= ENOUGH;
        let fits = |part: &u32| {
            let rest = frames % part;
            is_segment || rest == 0 || rest * 100 >= part * 85
        };
        let longer = most + 1..=frames;
        let part = (least..=most).rev().find(fits).or_else(|| longer.into_iter().find(fits)).unwrap_or(most);
        // cameras' clocks tremble, and PART-TARGET is what players stay behind: room for it only where it is needed
        let trembles = lengths.iter().any(|length| length.abs_diff(frame) > STEADY);
        let exact = (frame * part).mul_f64(if trembles { 1.08 } else { 1.02 });
        let target = Duration::from_millis(u64::try_from(exact.as_micros().div_ceil(1000)).unwrap_or(1000));
        Parts { frames: part, target }
    }

    /// What must end before `next` is added, because it lasts longer than could be foreseen.
    pub fn before(&self, open: Open, next: &Fragment) -> End {
        if open.frames > 0 && open.segment + next.duration > LONGEST + Duration::from_millis(49) {
            End::Segment
        } else if open.frames > 0 && open.part + next.duration > self.target {
            End::Part
        } else {
            End::Nothing
        }
    }

    /// What ends with `last`, which `open` holds already.
    pub fn end(&self, open: Open, last: &Fragment) -> End {
        // where GOPs are longer than segments, or of changing lengths, an early end keeps the parts legal
        let is_short = open.part < self.target.mul_f64(0.85);
        let may_end = open.segment >= ENOUGH
            || !open.is_independent
            || (is_short && open.segment >= Duration::from_secs(1));
        if last.ends_gop && may_end || open.segment + last.duration > LONGEST {
            End::Segment
        } else if last.ends_gop || open.frames >= self.frames {
            End::Part
        } else {
            End::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Lengths of parts, segment by segment, of a stream with this many frames a GOP and a second.
    fn cut(gop: u32, fps: u32, total: u32) -> (Parts, Vec<Vec<Duration>>) {
        let frame = Duration::from_secs(1) / fps;
        let parts = Parts::for_gop(&vec![frame; gop as usize]);
        let (mut segments, mut open) = (vec![Vec::new()], Open { is_independent: true, ..Open::default() });
        for number in 1..=total {
            let last = Fragment {
                bytes: Bytes::new(),
                duration: frame,
                is_key: (number - 1) % gop == 0,
                ends_gop: number % gop == 0,
            };
            open.frames += 1;
            open.part += frame;
            open.segment += frame;
            let end = parts.end(open, &last);
            if end != End::Nothing {
                segments.last_mut().unwrap().push(std::mem::take(&mut open.part));
                open.frames = 0;
            }
            if end == End::Segment {
                segments.push(Vec::new());
                open = Open { is_independent: last.ends_gop, ..Open::default() };
            }
        }
        segments.pop();
        (parts, segments)
    }

    #[test]
    fn parts_and_segments_keep_the_letter_of_the_rfc_at_every_frame_rate_and_gop() {
        for fps in [1, 2, 5, 8, 10, 12, 15, 20, 24, 25, 30, 50, 60] {
            for tenths in [5, 7, 10, 11, 15, 20, 23, 25, 30, 40, 100] {
                let (parts, segments) = cut((fps * tenths / 10).max(1), fps, fps * 60);
                let seconds = f64::from(tenths) / 10.0;
                assert!(
                    (10..=60).contains(&segments.len()),
                    "{fps} fps, a GOP of {seconds} s: {}",
                    segments.len()
                );
                for segment in &segments {
                    let length: Duration = segment.iter().sum();
                    let told = format!("{fps} fps, a GOP of {seconds} s: {parts:?} {segment:?}");
                    assert!(length <= LONGEST, "{told}");
                    let (last, others) = segment.split_last().unwrap();
                    assert!(*last <= parts.target, "{told}");
                    assert!(others.iter().all(|part| *part <= parts.target), "{told}");
                    assert!(others.iter().all(|part| *part >= parts.target.mul_f64(0.85)), "{told}");
                }
            }
        }
    }

    #[test]
    fn segments_are_two_seconds_where_keyframes_allow_it() {
        for (gop, fps, expected_ms) in
            [(15, 15, 2000), (30, 15, 2000), (50, 25, 2000), (24, 12, 2000), (45, 15, 2400), (12, 15, 1600)]
        {
            let (_, segments) = cut(gop, fps, fps * 20);
            let length: Duration = segments[0].iter().sum();
            assert!(length.as_millis().abs_diff(expected_ms) <= 1, "{gop} at {fps}: {length:?}");
        }
    }

    #[test]
    fn a_fifth_of_a_second_is_three_frames_at_fifteen() {
        let frame = Duration::from_secs(1) / 15;
        let mut lengths = vec![frame; 15];
        assert_eq!(Parts::for_gop(&lengths), Parts { frames: 3, target: Duration::from_millis(204) });
        lengths[3] += Duration::from_millis(9);
        lengths[4] -= Duration::from_millis(9);
        assert_eq!(Parts::for_gop(&lengths), Parts { frames: 3, target: Duration::from_millis(216) });
    }

    #[test]
    fn trembling_frames_never_make_a_part_too_long() {
        let tremble = |number: u64| Duration::from_micros(54_667 + (number * 7 % 9) * 3000);
        let parts = Parts::for_gop(&(0..15).map(tremble).collect::<Vec<_>>());
        let mut open = Open { is_independent: true, ..Open::default() };
        for number in 0..1000_u64 {
            let duration = tremble(number);
            let last = Fragment { bytes: Bytes::new(), duration, is_key: false, ends_gop: false };
            assert_eq!(parts.before(open, &last), End::Nothing);
            open.frames += 1;
            open.part += duration;
            if parts.end(open, &last) != End::Nothing {
                assert!(open.part <= parts.target && open.part >= parts.target.mul_f64(0.85), "{open:?}");
                (open.frames, open.part) = (0, Duration::ZERO);
            }
        }
        // a frame that was late by a whole part
        let late = Fragment { bytes: Bytes::new(), duration: parts.target, is_key: false, ends_gop: false };
        let open = Open { frames: 2, part: tremble(0), segment: tremble(0), is_independent: true };
        assert_eq!(parts.before(open, &late), End::Part);
        let open = Open { segment: LONGEST, ..open };
        assert_eq!(parts.before(open, &late), End::Segment);
    }
}
