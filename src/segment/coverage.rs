//! What became of each moment of a camera: footage, its way to S3, or a gap with a cause. Pure.
//!
//! Called by the store with rows, gaps and the open end as facts; read by `report`, the timeline and metrics.

use std::time::Duration;

use super::gap::TOLERANCE;
use super::{Gap, State, Timestamp};

/// What a moment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// In S3.
    Uploaded,
    /// Recorded, and on its way to S3.
    Waiting,
    /// In the segment that is being written.
    Open,
    /// Recorded, but not in S3 and not on its way: `Failed`, `Lost` or `Dropped`.
    Missing(State),
    /// Nothing was recorded; the gap is whole, also where the tile shows only a part of it.
    Gap(Gap),
    /// Before this camera was recorded for the first time.
    Before,
    /// Nobody knows: a broken promise.
    Unaccounted,
}

impl What {
    /// Whether there is footage, in S3 or on its way.
    pub fn is_footage(&self) -> bool {
        matches!(self, What::Uploaded | What::Waiting | What::Open)
    }
}

/// A stretch of time that is all the same; `end` is after `start`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub start: Timestamp,
    pub end: Timestamp,
    pub what: What,
}

impl Tile {
    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }
}

/// What is known of the time asked for.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Since when the camera is recorded, or was tried to be; `None`: never.
    pub first: Option<Timestamp>,
    /// Start, end and state of each segment, in any order; they may overlap where a clock went back.
    pub segments: Vec<(Timestamp, Timestamp, State)>,
    pub gaps: Vec<Gap>,
    /// The segment that is being written now.
    pub open: Option<(Timestamp, Timestamp)>,
}

/// The time from `from` to `to` in order, without hole or overlap. Where footage overlaps, the moment is told once, as
/// the best that became of it.
pub fn tiles(from: Timestamp, to: Timestamp, facts: Facts) -> Vec<Tile> {
    let mut layers: Vec<(What, Vec<(Timestamp, Timestamp)>)> = Vec::new();
    let of = |wanted: fn(State) -> bool| {
        let wanted = facts.segments.iter().filter(|(.., state)| wanted(*state));
        wanted.map(|(start, end, _)| (*start, *end)).collect::<Vec<_>>()
    };
    layers.push((What::Uploaded, of(|state| matches!(state, State::Uploaded | State::Cleaned))));
    layers.push((What::Waiting, of(State::is_pending)));
    layers.push((What::Open, facts.open.into_iter().collect()));
    layers.push((What::Missing(State::Failed), of(|state| state == State::Failed)));
    layers.push((What::Missing(State::Dropped), of(|state| state == State::Dropped)));
    layers.push((What::Missing(State::Lost), of(|state| state == State::Lost)));
    for gap in facts.gaps {
        let span = (gap.start, gap.end);
        layers.push((What::Gap(gap), vec![span]));
    }
    let mut painted = Vec::new();
    for (what, spans) in layers {
        paint(&mut painted, (from, to), &what, spans);
    }
    close_holes(painted, (from, to), facts.first)
}

/// Puts `what` wherever nothing is yet.
fn paint(
    tiles: &mut Vec<Tile>,
    (from, to): (Timestamp, Timestamp),
    what: &What,
    mut spans: Vec<(Timestamp, Timestamp)>,
) {
    spans.sort_unstable();
    let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (start, end) in spans {
        let (start, end) = (start.max(from), end.min(to));
        match joined.last_mut() {
            _ if start >= end => {}
            Some(last) if start <= last.1.plus(TOLERANCE) => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    let mut added = Vec::new();
    for (mut start, end) in joined {
        let first = tiles.partition_point(|tile| tile.end <= start);
        for tile in tiles[first..].iter().take_while(|tile| tile.start < end) {
            if start < tile.start {
                added.push(Tile { start, end: tile.start, what: what.clone() });
            }
            start = start.max(tile.end);
        }
        if start < end {
            added.push(Tile { start, end, what: what.clone() });
        }
    }
    if !added.is_empty() {
        tiles.extend(added);
        tiles.sort_by_key(|tile| tile.start);
    }
}

/// Holes within the tolerance go to a neighbour; what is left is from before the first recording, or unaccounted.
fn close_holes(
    painted: Vec<Tile>,
    (from, to): (Timestamp, Timestamp),
    first: Option<Timestamp>,
) -> Vec<Tile> {
    let mut tiles: Vec<Tile> = Vec::new();
    let first = first.unwrap_or(to).clamp(from, to.max(from));
    let mut cursor = from;
    for tile in painted {
        fill(&mut tiles, (cursor, tile.start), first);
        cursor = tile.end;
        match tiles.last_mut() {
            Some(last) if last.what == tile.what => last.end = tile.end,
            // the rounding before it was too short for a tile
            last => {
                let start = last.map_or(from, |last| last.end);
                tiles.push(Tile { start, ..tile });
            }
        }
    }
    fill(&mut tiles, (cursor, to), first);
    if let Some(last) = tiles.last_mut() {
        last.end = last.end.max(to);
    }
    tiles
}

fn fill(tiles: &mut Vec<Tile>, (start, end): (Timestamp, Timestamp), first: Timestamp) {
    let known = first.clamp(start, end.max(start));
    if start < known {
        tiles.push(Tile { start, end: known, what: What::Before });
    }
    if end.since(known) > TOLERANCE {
        tiles.push(Tile { start: known, end, what: What::Unaccounted });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{CameraName, Cause};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn gap(start: i64, end: i64) -> Gap {
        Gap {
            camera: CameraName::new("gate").unwrap(),
            start: at(start),
            end: at(end),
            cause: Cause::Denied,
            reason: "401".into(),
        }
    }

    /// The first 100 seconds as text, a tile a word.
    fn told(
        first: Option<i64>,
        segments: &[(i64, i64, State)],
        gaps: &[(i64, i64)],
        open: Option<(i64, i64)>,
    ) -> String {
        let facts = Facts {
            first: first.map(at),
            segments: segments.iter().map(|(start, end, state)| (at(*start), at(*end), *state)).collect(),
            gaps: gaps.iter().map(|(start, end)| gap(*start, *end)).collect(),
            open: open.map(|(start, end)| (at(start), at(end))),
        };
        let tiles = tiles(at(0), at(100_000), facts);
        assert!(tiles.windows(2).all(|pair| pair[0].end == pair[1].start), "{tiles:?}");
        assert!(tiles.iter().all(|tile| tile.start < tile.end), "{tiles:?}");
        assert_eq!(tiles.iter().map(Tile::length).sum::<Duration>(), Duration::from_secs(100));
        let word = |tile: Tile| {
            let what = match tile.what {
                What::Uploaded => "up",
                What::Waiting => "wait",
                What::Open => "open",
                What::Missing(state) => state.as_str(),
                What::Gap(_) => "gap",
                What::Before => "before",
                What::Unaccounted => "?",
            };
            format!("{what}:{}", tile.end.as_millis())
        };
        tiles.into_iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_moment_is_told_once() {
        use State::{Cleaned, Created, Dropped, Failed, Lost, Retry, Uploaded};
        let none = (None, &[][..], &[][..], None);
        for ((first, segments, gaps, open), expected) in [
            (none, "before:100000"),
            ((Some(0), &[][..], &[][..], None), "?:100000"),
            ((Some(-9), &[(-5_000, 200_000, Uploaded)][..], &[][..], None), "up:100000"),
            // states, and neighbours of one kind joined
            (
                (
                    Some(10_000),
                    &[
                        (10_000, 20_000, Cleaned),
                        (20_000, 30_000, Uploaded),
                        (30_000, 40_000, Retry),
                        (40_000, 50_000, Created),
                    ][..],
                    &[(60_000, 100_000)][..],
                    Some((50_000, 60_000)),
                ),
                "before:10000 up:30000 wait:50000 open:60000 gap:100000",
            ),
            (
                (
                    Some(0),
                    &[(0, 10_000, Lost), (10_000, 20_000, Dropped), (20_000, 30_000, Failed)][..],
                    &[(30_000, 100_000)][..],
                    None,
                ),
                "lost:10000 dropped:20000 failed:30000 gap:100000",
            ),
            // rounding is nobody's, a hole beyond it is told
            (
                (Some(80), &[(80, 50_000, Uploaded), (50_100, 99_950, Uploaded)][..], &[][..], None),
                "before:80 up:100000",
            ),
            (
                (Some(0), &[(60, 50_000, Uploaded), (50_101, 100_000, Uploaded)][..], &[][..], None),
                "up:50000 ?:50101 up:100000",
            ),
            // a clock that went back: overlaps count once, as the best of them, and the order of rows does not matter
            (
                (
                    Some(0),
                    &[(30_000, 90_000, Created), (0, 50_000, Uploaded), (40_000, 45_000, Lost)][..],
                    &[(90_000, 100_000)][..],
                    None,
                ),
                "up:50000 wait:90000 gap:100000",
            ),
            // a gap never hides footage
            ((Some(0), &[(0, 40_000, Uploaded)][..], &[(-9_000, 100_000)][..], None), "up:40000 gap:100000"),
        ] {
            assert_eq!(told(first, segments, gaps, open), expected, "{segments:?} {gaps:?}");
        }
    }

    #[test]
    fn a_time_that_has_not_come_has_no_tile() {
        assert_eq!(tiles(at(5), at(5), Facts::default()), []);
        assert_eq!(tiles(at(5), at(1), Facts { first: Some(at(0)), ..Facts::default() }), []);
    }
}
