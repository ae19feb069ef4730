//! Time without footage: written in the transaction that adds a segment, explained by the runs of that time.
//!
//! Segments and gaps of a camera tile the time of its `coverage` row, from its first moment to its newest footage:
//! each insert keeps it so. A segment beyond the end leaves a gap before it, one within takes its time out of the
//! gaps there, and one that overlaps footage (a clock that went back) changes nothing.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Store;
use super::sql::{NEWEST, SqlContext, cause};
use crate::error::Result;
use crate::segment::gap::{TOLERANCE, explain};
use crate::segment::{CameraName, Cause, Gap, NewSegment, RunId, TimeSource, Timestamp, Why};

/// Within one run a hole this long is a step of the clock: the camera's own silence ends a run, or is part of a
/// segment's duration.
const STEP_MS: i64 = 2_000;
/// Runs from before this come from a clock that was not set yet; no camera was tried then.
const CLOCK_WAS_SET_MS: i64 = 946_684_800_000;

/// The time that segments and gaps tile, and the run of the footage at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Covered {
    pub start: Timestamp,
    pub end: Timestamp,
    pub end_run: RunId,
}

impl Store {
    /// The gaps that touch the time from `from` to `to`, in order.
    pub fn gaps(&self, camera: &CameraName, from: Timestamp, to: Timestamp) -> Result<Vec<Gap>> {
        self.read(|connection| gaps_between(connection, camera, from, to))
    }
}

/// Called before the segment's row is inserted, in the same transaction.
pub(super) fn account(tx: &Transaction<'_>, new: &NewSegment) -> Result<()> {
    let (start, end) = (new.start, new.end());
    let Some(covered) = covered(tx, &new.camera)? else {
        return first_of_all(tx, new);
    };
    if start > covered.end.plus(TOLERANCE) {
        let hole = (covered.end, start);
        let why = why_ended(tx, covered.end_run, hole, new)?;
        return explained(tx, new, hole, why);
    }
    if end.plus(TOLERANCE) < covered.start {
        let why = match new.time_source {
            TimeSource::Name => Why::new(Cause::Unknown, "no run is known from this time"),
            _ => Why::new(Cause::Clock, "the clock was set back"),
        };
        return explained(tx, new, (end, covered.start), why);
    }
    for (id, gap) in gaps_with_ids(tx, &new.camera, start, end)? {
        tx.prepare_cached("DELETE FROM gaps WHERE id = ?1")
            .and_then(|mut statement| statement.execute([id]))
            .sql(|| "shorten gap")?;
        if start > gap.start.plus(TOLERANCE) {
            before_within(tx, new, Gap { end: start, ..gap.clone() })?;
        }
        if gap.end > end.plus(TOLERANCE) {
            add(tx, &Gap { start: end, ..gap })?;
        }
    }
    Ok(())
}

/// What is left of a gap before a segment that lies in it. Years that a wrong clock left behind are lived through like
/// any other time: what happens in them has its own cause.
fn before_within(tx: &Transaction<'_>, new: &NewSegment, gap: Gap) -> Result<()> {
    let hole = (gap.start, gap.end);
    if gap.cause == Cause::Clock
        && let Some((end, run)) = newest(tx, &new.camera)?
        && end <= gap.start.plus(TOLERANCE)
        && gap.start <= end.plus(TOLERANCE)
    {
        let why = why_ended(tx, run, hole, new)?;
        return explained(tx, new, hole, why);
    }
    add(tx, &gap)
}

/// A camera's time begins with its first run, although nothing was recorded yet.
fn first_of_all(tx: &Transaction<'_>, new: &NewSegment) -> Result<()> {
    let what = || "find first run";
    let began = tx
        .prepare_cached(
            "SELECT started_at FROM runs WHERE camera = ?1 AND started_at >= ?2 ORDER BY started_at, id LIMIT 1",
        )
        .and_then(|mut statement| {
            statement.query_row(params![new.camera.as_str(), CLOCK_WAS_SET_MS], |row| row.get(0)).optional()
        })
        .sql(what)?;
    let Some(began) = began.map(Timestamp::from_millis) else { return Ok(()) };
    let others = outcomes(tx, &new.camera, (began, new.start), Some(new.run))?;
    // connecting for the first time is no gap
    let Some((began, _)) = others.first().cloned() else { return Ok(()) };
    if new.start <= began.plus(TOLERANCE) {
        return Ok(());
    }
    tx.prepare_cached("INSERT INTO coverage (camera, start_ms, end_ms, end_run) VALUES (?1, ?2, ?2, ?3)")
        .and_then(|mut statement| {
            statement.execute(params![new.camera.as_str(), began.as_millis(), new.run.0])
        })
        .sql(|| "begin coverage")?;
    add_all(tx, explain(&new.camera, (began, new.start), Why::new(Cause::Unknown, ""), others))
}

fn explained(
    tx: &Transaction<'_>,
    new: &NewSegment,
    hole: (Timestamp, Timestamp),
    before: Why,
) -> Result<()> {
    let runs = outcomes(tx, &new.camera, hole, Some(new.run))?;
    add_all(tx, explain(&new.camera, hole, before, runs))
}

/// Why the footage of `run` ended where the hole begins.
fn why_ended(
    tx: &Transaction<'_>,
    run: RunId,
    (start, end): (Timestamp, Timestamp),
    new: &NewSegment,
) -> Result<Why> {
    if run != new.run {
        return Ok(why_of(tx, run)?.unwrap_or_else(not_noted));
    }
    Ok(match new.time_source {
        TimeSource::Name => Why::new(Cause::Unknown, "nothing is known between files that were adopted"),
        _ if end.as_millis() - start.as_millis() > STEP_MS => {
            Why::new(Cause::Clock, "the clock was set forward")
        }
        _ => Why::new(Cause::Quiet, "the camera sent no video"),
    })
}

/// Why a run ended, in its own words; `None` while nobody noted it.
pub(super) fn why_of(connection: &Connection, run: RunId) -> Result<Option<Why>> {
    connection
        .prepare_cached("SELECT cause, reason FROM runs WHERE id = ?1 AND cause IS NOT NULL")
        .and_then(|mut statement| statement.query_row([run.0], |row| why(row, 0)).optional())
        .sql(|| "read run")
}

/// Where the end of a run was not noted.
pub(super) fn not_noted() -> Why {
    Why::new(Cause::Unknown, "the end of the run before was not noted")
}

/// Why the run before this one ended: the files that are adopted in this one are its, as far as anybody knows.
pub(super) fn why_before(connection: &Connection, camera: &CameraName, run: RunId) -> Result<Why> {
    let found = connection
        .prepare_cached(
            "SELECT cause, reason FROM runs WHERE camera = ?1 AND id < ?2 AND cause IS NOT NULL \
             ORDER BY id DESC LIMIT 1",
        )
        .and_then(|mut statement| {
            statement.query_row(params![camera.as_str(), run.0], |row| why(row, 0)).optional()
        })
        .sql(|| "find the run before")?;
    Ok(found.unwrap_or_else(|| Why::new(Cause::Unknown, "no run is known from this time")))
}

/// When a file began that only its name tells of, to the second: where the footage before it ended within that
/// second, it went on from there.
pub(super) fn start_within(
    connection: &Connection,
    camera: &CameraName,
    named: Timestamp,
) -> Result<Timestamp> {
    let end = covered(connection, camera)?.map(|covered| covered.end);
    Ok(end.filter(|end| *end >= named && end.since(named) < Duration::from_secs(1)).unwrap_or(named))
}

/// Runs that began in the hole and ended, in order of time, without the one that recorded.
pub(super) fn outcomes(
    connection: &Connection,
    camera: &CameraName,
    (start, end): (Timestamp, Timestamp),
    but: Option<RunId>,
) -> Result<Vec<(Timestamp, Why)>> {
    let what = || "list runs";
    let mut statement = connection
        .prepare_cached(
            "SELECT started_at, cause, reason FROM runs INDEXED BY runs_by_time WHERE camera = ?1 \
             AND started_at >= ?2 AND started_at < ?3 AND cause IS NOT NULL AND id IS NOT ?4 \
             ORDER BY started_at, id",
        )
        .sql(what)?;
    let (start, end) = (start.as_millis(), end.as_millis());
    let rows = statement
        .query_map(params![camera.as_str(), start, end, but.map(|run| run.0)], |row| {
            Ok((Timestamp::from_millis(row.get(0)?), why(row, 1)?))
        })
        .sql(what)?;
    let mut outcomes: Vec<(Timestamp, Why)> = Vec::new();
    for row in rows {
        let (began, why) = row.sql(what)?;
        // a camera that is off for weeks fails in the same words every minute
        if outcomes.last().is_none_or(|(_, last)| *last != why) {
            outcomes.push((began, why));
        }
    }
    Ok(outcomes)
}

pub(super) fn covered(connection: &Connection, camera: &CameraName) -> Result<Option<Covered>> {
    connection
        .prepare_cached("SELECT start_ms, end_ms, end_run FROM coverage WHERE camera = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([camera.as_str()], |row| {
                    Ok(Covered {
                        start: Timestamp::from_millis(row.get(0)?),
                        end: Timestamp::from_millis(row.get(1)?),
                        end_run: RunId(row.get(2)?),
                    })
                })
                .optional()
        })
        .sql(|| "read coverage")
}

/// End and run of the segment that was added last.
pub(super) fn newest(connection: &Connection, camera: &CameraName) -> Result<Option<(Timestamp, RunId)>> {
    connection
        .prepare_cached(&format!("SELECT start_ms + duration_us / 1000, run FROM segments WHERE {NEWEST}"))
        .and_then(|mut statement| {
            statement
                .query_row([camera.as_str()], |row| {
                    Ok((Timestamp::from_millis(row.get(0)?), RunId(row.get(1)?)))
                })
                .optional()
        })
        .sql(|| "find newest segment")
}

pub(super) fn gaps_between(
    connection: &Connection,
    camera: &CameraName,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Gap>> {
    Ok(gaps_with_ids(connection, camera, from, to)?.into_iter().map(|(_, gap)| gap).collect())
}

/// Gaps do not overlap, so of those that began earlier only the last can reach into the time asked for.
fn gaps_with_ids(
    connection: &Connection,
    camera: &CameraName,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(i64, Gap)>> {
    let what = || "list gaps";
    let mut statement = connection
        .prepare_cached(
            "SELECT id, start_ms, end_ms, cause, reason FROM gaps WHERE camera = ?1 AND end_ms > ?2 \
             AND start_ms < ?3 AND start_ms >= coalesce((SELECT start_ms FROM gaps WHERE camera = ?1 \
             AND start_ms < ?2 ORDER BY start_ms DESC LIMIT 1), ?2) ORDER BY start_ms",
        )
        .sql(what)?;
    let rows = statement
        .query_map(params![camera.as_str(), from.as_millis(), to.as_millis()], |row| {
            let (start, end) = (Timestamp::from_millis(row.get(1)?), Timestamp::from_millis(row.get(2)?));
            let Why { cause, reason } = why(row, 3)?;
            Ok((row.get(0)?, Gap { camera: camera.clone(), start, end, cause, reason }))
        })
        .sql(what)?;
    rows.collect::<rusqlite::Result<_>>().sql(what)
}

fn why(row: &Row<'_>, index: usize) -> rusqlite::Result<Why> {
    let reason: Option<String> = row.get(index + 1)?;
    Ok(Why { cause: cause(row, index)?, reason: reason.unwrap_or_default() })
}

fn add_all(tx: &Transaction<'_>, gaps: Vec<Gap>) -> Result<()> {
    gaps.iter().try_for_each(|gap| add(tx, gap))
}

/// The hour in which the gap begins shows it too, although its manifest may be final.
fn add(tx: &Transaction<'_>, gap: &Gap) -> Result<()> {
    let what = || "add gap";
    let (start, end) = (gap.start.as_millis(), gap.end.as_millis());
    tx.prepare_cached(
        "INSERT INTO gaps (camera, start_ms, end_ms, cause, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .and_then(|mut statement| {
        statement.execute(params![gap.camera.as_str(), start, end, gap.cause.as_str(), gap.reason])
    })
    .sql(what)?;
    let hour = gap.start.hour();
    if gap.end.hour() > hour {
        tx.prepare_cached(
            "UPDATE manifests SET changes = changes + 1, ended = 0 \
             WHERE camera = ?1 AND hour = ?2 AND changes > 0",
        )
        .and_then(|mut statement| statement.execute(params![gap.camera.as_str(), hour.as_millis()]))
        .sql(what)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
