//! Time without footage, the few words that say why, and how the runs of that time explain it. Pure.

use std::time::Duration;

use super::{CameraName, Timestamp};

/// A hole up to this is rounding of clocks and frames; a longer one is a gap.
pub const TOLERANCE: Duration = Duration::from_millis(100);

/// Why nothing was recorded; the texts are what the database, `report`, metrics and the API show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// Refused, no route, no answer, or the camera ended the stream.
    Unreachable,
    /// User name, password or path refused.
    Denied,
    /// Connected, but nothing usable came.
    Stalled,
    /// A decoder or encoder failed, or the stream's codec cannot be recorded or has just changed.
    Codec,
    /// The pipeline's text or elements do not work.
    Pipeline,
    /// The segment folder could not be written.
    Disk,
    /// The program was not running.
    ProgramDown,
    /// The wall clock was set: nobody was without footage, the hours are missing from the clock.
    Clock,
    /// The camera was connected and sent no frames for a moment.
    Quiet,
    Unknown,
}

impl Cause {
    pub const ALL: [Cause; 10] = [
        Cause::Unreachable,
        Cause::Denied,
        Cause::Stalled,
        Cause::Codec,
        Cause::Pipeline,
        Cause::Disk,
        Cause::ProgramDown,
        Cause::Clock,
        Cause::Quiet,
        Cause::Unknown,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Unreachable => "unreachable",
            Cause::Denied => "denied",
            Cause::Stalled => "stalled",
            Cause::Codec => "codec",
            Cause::Pipeline => "pipeline",
            Cause::Disk => "disk",
            Cause::ProgramDown => "program_down",
            Cause::Clock => "clock",
            Cause::Quiet => "quiet",
            Cause::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Cause> {
        Cause::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// Time of one camera without footage; `end` is after `start`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub camera: CameraName,
    pub start: Timestamp,
    pub end: Timestamp,
    pub cause: Cause,
    /// The sentence for people.
    pub reason: String,
}

/// A cause with its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub cause: Cause,
    pub reason: String,
}

impl Why {
    pub fn new(cause: Cause, reason: impl Into<String>) -> Why {
        Why { cause, reason: reason.into() }
    }
}

/// A part of a hole that has one cause.
struct Piece {
    gap: Gap,
    /// How long its reason held at a stretch; of joined pieces the longest says why.
    reason_held: Duration,
}

/// Parts the hole from `start` to `end` by cause, in order and without a hole.
///
/// `before` says why the footage ended. `runs` are the attempts that began within the hole, in order of time; each
/// accounts for the time from its beginning to the next one's, because the wait after a failure is that failure's.
/// A run that recorded is left out by the caller: the moments until its first frame belong to the outage before.
pub fn explain(
    camera: &CameraName,
    (start, end): (Timestamp, Timestamp),
    before: Why,
    runs: impl IntoIterator<Item = (Timestamp, Why)>,
) -> Vec<Gap> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut from, mut why) = (start, before);
    for (began, next) in runs {
        let until = began.clamp(from, end);
        push(&mut pieces, camera, (from, until), why);
        (from, why) = (until, next);
    }
    push(&mut pieces, camera, (from, end), why);
    pieces.into_iter().map(|piece| piece.gap).collect()
}

/// Joins neighbours of one cause, and lets moments too short to be told go into the piece before or after them.
fn push(pieces: &mut Vec<Piece>, camera: &CameraName, (start, end): (Timestamp, Timestamp), why: Why) {
    let length = end.since(start);
    if length.is_zero() {
        return;
    }
    let alone = pieces.len() == 1;
    match pieces.last_mut() {
        Some(Piece { gap, reason_held }) if gap.cause == why.cause => {
            if gap.reason == why.reason {
                *reason_held += length;
            } else if length > *reason_held {
                (gap.reason, *reason_held) = (why.reason, length);
            }
            gap.end = end;
        }
        Some(Piece { gap, reason_held }) if alone && gap.end.since(gap.start) <= TOLERANCE => {
            (gap.cause, gap.reason, *reason_held) = (why.cause, why.reason, length);
            gap.end = end;
        }
        Some(Piece { gap, .. }) if length <= TOLERANCE => gap.end = end,
        _ => {
            let gap = Gap { camera: camera.clone(), start, end, cause: why.cause, reason: why.reason };
            pieces.push(Piece { gap, reason_held: length });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_reads_back_from_its_text() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
    }

    /// Explains the hole from 0 to 100 s; runs as (ms, cause, reason).
    fn explained(before: (Cause, &str), runs: &[(i64, Cause, &str)]) -> Vec<(i64, i64, Cause, String)> {
        let camera = CameraName::new("gate").unwrap();
        let at = Timestamp::from_millis;
        let runs = runs.iter().map(|(ms, cause, reason)| (at(*ms), Why::new(*cause, *reason)));
        explain(&camera, (at(0), at(100_000)), Why::new(before.0, before.1), runs)
            .into_iter()
            .map(|gap| (gap.start.as_millis(), gap.end.as_millis(), gap.cause, gap.reason))
            .collect()
    }

    #[test]
    fn a_hole_is_parted_by_what_failed_in_it() {
        use Cause::{Denied, ProgramDown, Stalled, Unreachable};
        let stalled = (Stalled, "stalled");
        for (before, runs, expected) in [
            (stalled, vec![], vec![(0, 100_000, Stalled, "stalled")]),
            // the wait after an attempt is that attempt's
            (
                stalled,
                vec![
                    (6_000, Unreachable, "refused"),
                    (8_000, Unreachable, "refused"),
                    (50_000, Denied, "401"),
                ],
                vec![
                    (0, 6_000, Stalled, "stalled"),
                    (6_000, 50_000, Unreachable, "refused"),
                    (50_000, 100_000, Denied, "401"),
                ],
            ),
            // of one cause's reasons the one that held longest
            (
                (Unreachable, "ended"),
                vec![(1_000, Unreachable, "refused"), (90_000, Unreachable, "no route")],
                vec![(0, 100_000, Unreachable, "refused")],
            ),
            // a moment is not told by itself, neither in the middle nor at the beginning
            (
                stalled,
                vec![(40_000, Denied, "401"), (40_080, Stalled, "stalled")],
                vec![(0, 100_000, Stalled, "stalled")],
            ),
            (stalled, vec![(100, ProgramDown, "stopped")], vec![(0, 100_000, ProgramDown, "stopped")]),
            // times outside of the hole, and a clock that went back
            (
                stalled,
                vec![(-5_000, Denied, "401"), (200_000, Unreachable, "refused")],
                vec![(0, 100_000, Denied, "401")],
            ),
            (
                stalled,
                vec![(50_000, Denied, "401"), (20_000, Unreachable, "refused")],
                vec![(0, 50_000, Stalled, "stalled"), (50_000, 100_000, Unreachable, "refused")],
            ),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(from, to, cause, reason)| (from, to, cause, reason.to_owned()))
                .collect();
            assert_eq!(explained(before, &runs), expected, "{runs:?}");
        }
    }
}
