//! Segments, parts and numbers of streams with breaks.

use super::testing::feed;
use super::*;

const T0: i64 = 1_763_906_399_000;

#[test]
fn the_first_gop_is_a_segment_and_the_next_ones_are_two_seconds() {
    let mut ring = Ring::new(100, 100);
    ring.begin();
    feed(&mut ring, T0, 14, 15);
    assert!(ring.is_empty() && ring.growing().is_none());
    let mut ring = Ring::new(100, 100);
    ring.begin();
    feed(&mut ring, T0, 15 + 30 + 6, 15);
    let shape: Vec<_> =
        ring.listed().map(|segment| (segment.sequence, segment.parts.len(), segment.init)).collect();
    assert_eq!(shape, [(100, 5, 101), (101, 10, 101), (102, 2, 101)]);
    assert_eq!(ring.next_part(), (102, 2));
    assert!(ring.listed().all(LiveSegment::is_independent));
    assert_eq!(ring.part(101, 9), Found::Here(ring.segments[1].parts[9].bytes.clone()));
    assert_eq!(ring.part(102, 2), Found::Soon);
    for (sequence, part) in [(99, 0), (101, 10), (102, 3), (103, 0)] {
        assert_eq!(ring.part(sequence, part), Found::Nowhere, "{sequence}.{part}");
    }
    assert_eq!(ring.segment(101).unwrap().concat().len(), 30 * 100);
    assert_eq!(ring.segment(102), None);
}

#[test]
fn a_part_that_was_announced_comes_or_is_the_first_of_the_next_segment() {
    let mut ring = Ring::new(7, 7);
    ring.begin();
    let mut at = feed(&mut ring, T0, 15, 15);
    for number in 0..300 {
        let announced = ring.next_part();
        let fragment = Fragment {
            bytes: Bytes::from_static(b"x"),
            duration: testing::FRAME,
            is_key: number % 15 == 0,
            ends_gop: number % 15 == 14,
        };
        at += 67;
        if ring.push(fragment, Timestamp::from_millis(at)) {
            assert!(matches!(ring.part(announced.0, announced.1), Found::Here(_)), "{announced:?}");
        }
    }
}

#[test]
fn numbers_only_rise_over_runs_and_over_forgetting() {
    let mut ring = Ring::new(1000, 1000);
    let (mut last, mut at) = ((0, 1000), T0);
    for round in 0..6 {
        ring.begin();
        at = feed(&mut ring, at + 5000, 52, 15);
        ring.end();
        assert!(ring.is_broken());
        let newest = ring.listed().last().unwrap();
        assert!(newest.sequence > last.0, "{last:?} {newest:?}");
        // after forgetting there is nothing that it could be discontinuous with
        let rises = u64::from(round % 2 == 1);
        assert_eq!(newest.discontinuity, last.1 + rises, "{last:?} {newest:?}");
        last = (newest.sequence, newest.discontinuity);
        if round % 2 == 1 {
            ring.clear();
            assert!(ring.is_empty());
        }
    }
    // a run without a frame leaves no trace
    ring.begin();
    ring.begin();
    at = feed(&mut ring, at, 15, 15);
    assert_eq!(ring.listed().last().unwrap().discontinuity, last.1);
    ring.end();
    ring.begin();
    ring.begin();
    feed(&mut ring, at, 15, 15);
    assert_eq!(ring.listed().last().unwrap().discontinuity, last.1 + 1);
}

#[test]
fn memory_is_bounded_in_segments_and_in_bytes() {
    let mut ring = Ring::new(0, 0);
    ring.begin();
    feed(&mut ring, T0, 3000, 15);
    let listed = ring.listed().count() - usize::from(ring.growing().is_some());
    assert_eq!((ring.segments.len(), listed), (KEPT, LISTED));
    let mut ring = Ring::new(0, 0);
    ring.begin();
    for number in 0..600 {
        let fragment = Fragment {
            bytes: Bytes::from(vec![0; 400_000]),
            duration: testing::FRAME,
            is_key: number % 15 == 0,
            ends_gop: number % 15 == 14,
        };
        ring.push(fragment, Timestamp::from_millis(T0));
    }
    assert_eq!(ring.segments.len(), FEWEST);
}

#[test]
fn times_follow_the_media_and_a_clock_that_was_set() {
    let mut ring = Ring::new(0, 0);
    ring.begin();
    feed(&mut ring, T0, 15 + 60, 15);
    let starts: Vec<_> = ring.segments.iter().map(|segment| segment.start.as_millis() - T0).collect();
    assert!(
        starts[0].abs() <= 2 && (starts[1] - 1000).abs() <= 3 && (starts[2] - 3000).abs() <= 4,
        "{starts:?}"
    );
    feed(&mut ring, T0 + 3_600_000, 60, 15);
    let newest = ring.segments.back().unwrap().start.as_millis() - T0;
    assert!(newest > 3_600_000, "{newest}");
}
