//! What became of a camera's time, as JSON: tiles without hole or overlap. Pure.

use std::time::Duration;

use serde::Serialize;

use super::query::moment;
use crate::http::route::Refusal;
use crate::segment::coverage::{Tile, What};
use crate::segment::{CameraName, State, Timestamp};
use crate::words::ago;

const DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// Reading a month takes tenths of a second, and no screen shows more.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);
/// A camera that came and went every few seconds for a month would make a document of many megabytes.
const MOST_TILES: usize = 10_000;

/// `from` and `to` as asked for: 24 hours, to now, where nothing is said.
pub fn window(query: Option<&str>, now: Timestamp) -> Result<(Timestamp, Timestamp), Refusal> {
    let (from, to) = (moment(query, "from")?, moment(query, "to")?);
    let to = to.unwrap_or_else(|| now.max(from.unwrap_or(now)));
    let from = from.unwrap_or_else(|| to.minus(DEFAULT));
    if from > to {
        let error = format!("from ({from}) is after to ({to})");
        return Err(Refusal::new(400, error, "give from before to, or leave one of them out"));
    }
    if to.since(from) > LONGEST {
        let length = ago(to.since(from).as_secs());
        let error = format!("from {from} to {to} is {length}; at most 31 days are told at once");
        return Err(Refusal::new(400, error, "ask for a part of it, or for one part after the other"));
    }
    Ok((from, to))
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    pub camera: String,
    pub from: String,
    pub to: String,
    pub now: String,
    /// Start of the oldest segment on this machine: from here on there is something to play.
    pub playable_from: Option<String>,
    /// There were too many tiles: the oldest are left out, and `from` is where the rest begins.
    pub truncated: bool,
    pub tiles: Vec<TileReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TileReport {
    pub start: String,
    pub end: String,
    pub seconds: f64,
    pub kind: &'static str,
    pub cause: Option<&'static str>,
    pub reason: Option<String>,
}

impl Timeline {
    pub fn new(
        camera: &CameraName,
        (from, to, now): (Timestamp, Timestamp, Timestamp),
        mut tiles: Vec<Tile>,
        oldest: Option<Timestamp>,
    ) -> Timeline {
        let left_out = tiles.len().saturating_sub(MOST_TILES);
        tiles.drain(..left_out);
        let from = if left_out > 0 { tiles.first().map_or(from, |tile| tile.start) } else { from };
        Timeline {
            camera: camera.to_string(),
            from: from.rfc3339(),
            to: to.rfc3339(),
            now: now.rfc3339(),
            playable_from: oldest.map(Timestamp::rfc3339),
            truncated: left_out > 0,
            tiles: tiles.into_iter().map(TileReport::new).collect(),
        }
    }
}

impl TileReport {
    fn new(tile: Tile) -> TileReport {
        let seconds = tile.length().as_secs_f64();
        let (kind, cause, reason) = told(tile.what);
        TileReport { start: tile.start.rfc3339(), end: tile.end.rfc3339(), seconds, kind, cause, reason }
    }
}

fn told(what: What) -> (&'static str, Option<&'static str>, Option<String>) {
    match what {
        What::Uploaded => ("uploaded", None, None),
        What::Waiting => ("waiting", None, None),
        What::Open => ("open", None, None),
        What::Missing(state) => (state.as_str(), None, Some(why_missing(state).to_owned())),
        What::Gap(gap) => ("gap", Some(gap.cause.as_str()), Some(gap.reason)),
        What::Before => ("before", None, None),
        What::Unaccounted => ("unknown", None, Some("no row says what became of this time".to_owned())),
    }
}

fn why_missing(state: State) -> &'static str {
    match state {
        State::Failed => "S3 refused it; the file is kept on this machine",
        State::Dropped => "the disk was full before it could be uploaded",
        _ => "its file vanished or was changed before it was uploaded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Cause, Gap};

    const NOW: Timestamp = Timestamp::from_seconds(1_763_906_400);

    #[test]
    fn a_window_is_a_day_unless_it_is_told_otherwise() {
        let at = |seconds: i64| NOW.as_millis() + seconds * 1000;
        for (query, expected) in [
            (None, Ok((at(-86_400), at(0)))),
            (Some("from=1763906300"), Ok((at(-100), at(0)))),
            (Some("to=1763906300"), Ok((at(-86_500), at(-100)))),
            (Some("from=1763906300&to=1763906310"), Ok((at(-100), at(-90)))),
            (Some("from=1763906300&to=1763906300"), Ok((at(-100), at(-100)))),
            (Some("from=1763906500"), Ok((at(100), at(100)))),
            (Some("from=1761228000"), Ok((at(-2_678_400), at(0)))),
            (Some("from=1761227999"), Err(400)),
            (Some("from=10&to=5"), Err(400)),
            (Some("from=x"), Err(400)),
            (Some("to=x"), Err(400)),
        ] {
            let found = window(query, NOW);
            let found = found.map(|(from, to)| (from.as_millis(), to.as_millis()));
            assert_eq!(found.map_err(|refusal| refusal.status), expected, "{query:?}");
        }
        let refusal = window(Some("from=2025-01-01T00:00:00Z"), NOW).unwrap_err();
        assert!(refusal.error.contains("326 d") && refusal.error.contains("31 days"), "{refusal:?}");
    }

    fn tile(start: i64, end: i64, what: What) -> Tile {
        Tile { start: Timestamp::from_seconds(start), end: Timestamp::from_seconds(end), what }
    }

    #[test]
    fn every_kind_of_tile_has_its_word_and_gaps_their_reason() {
        let camera = CameraName::new("gate").unwrap();
        let (start, end) = (Timestamp::from_seconds(1), Timestamp::from_seconds(9));
        let gap =
            Gap { camera: camera.clone(), start, end, cause: Cause::Unreachable, reason: "no route".into() };
        for (what, expected) in [
            (What::Uploaded, ("uploaded", None, None)),
            (What::Waiting, ("waiting", None, None)),
            (What::Open, ("open", None, None)),
            (What::Before, ("before", None, None)),
            (What::Gap(gap), ("gap", Some("unreachable"), Some("no route"))),
            (What::Missing(State::Lost), ("lost", None, Some("its file vanished"))),
            (What::Missing(State::Dropped), ("dropped", None, Some("the disk was full"))),
            (What::Missing(State::Failed), ("failed", None, Some("S3 refused it"))),
            (What::Unaccounted, ("unknown", None, Some("no row says"))),
        ] {
            let (kind, cause, reason) = told(what);
            assert_eq!((kind, cause), (expected.0, expected.1));
            assert_eq!(reason.is_some(), expected.2.is_some());
            assert!(reason.unwrap_or_default().starts_with(expected.2.unwrap_or_default()));
        }
        let tiles = vec![tile(0, 5, What::Uploaded), tile(5, 9, What::Open)];
        let timeline = Timeline::new(&camera, (tiles[0].start, tiles[1].end, NOW), tiles, None);
        assert_eq!((timeline.truncated, timeline.tiles.len()), (false, 2));
        assert_eq!((timeline.tiles[1].seconds, timeline.tiles[1].kind), (4.0, "open"));
    }

    #[test]
    fn a_flapping_camera_makes_no_endless_document() {
        let camera = CameraName::new("gate").unwrap();
        let many: Vec<_> = (0..20_000).map(|i| tile(i, i + 1, What::Open)).collect();
        let (from, to) = (many[0].start, many[19_999].end);
        let timeline = Timeline::new(&camera, (from, to, NOW), many, Some(from));
        assert!(timeline.truncated && timeline.tiles.len() == MOST_TILES);
        assert_eq!(timeline.from, timeline.tiles[0].start);
        assert_eq!(timeline.tiles[MOST_TILES - 1].end, to.rfc3339());
    }
}
