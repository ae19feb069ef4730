//! What became of a camera's time, from rows, gaps and, for the end that is still open, the runs.
//!
//! Reads only; the telling is `segment::coverage`'s.

use rusqlite::{Connection, OptionalExtension, params};

use super::gaps::{covered, gaps_between, newest, not_noted, outcomes, why_of};
use super::sql::{SqlContext, state};
use super::{Role, Store};
use crate::error::Result;
use crate::segment::coverage::{Facts, Tile, tiles};
use crate::segment::gap::{TOLERANCE, explain};
use crate::segment::{CameraName, Cause, Gap, RunId, Timestamp, Why};
use crate::status::CameraState;

/// A file may be named later than its segment began, where its second was taken before a clock went back.
const NAMED_WITHIN_S: i64 = 3_600;

/// Where the footage ends, and why.
struct End {
    at: Timestamp,
    /// `None` while nobody noted it: the run still lasts, or its program died.
    why: Option<Why>,
    run: Option<RunId>,
}

impl Store {
    /// What became of the time from `from` to `to`, or to `now` if that is earlier: in order, without hole or overlap.
    pub fn coverage(
        &self,
        camera: &CameraName,
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Tile>> {
        let capturing = self.is_running(Role::Capture)?;
        let to = to.min(now);
        self.read(|connection| {
            // one snapshot: a segment that comes in meanwhile is a row or an open end, not both
            let tx = connection.unchecked_transaction().sql(|| "read coverage")?;
            let covered = covered(&tx, camera)?;
            let mut facts = Facts {
                first: covered.map(|covered| covered.start),
                segments: segments_between(&tx, camera, from, to)?,
                ..Facts::default()
            };
            if let Some(end) = footage_end(&tx, camera, now)? {
                facts.first = facts.first.or(Some(end.at));
                open_end(&tx, camera, &end, (from, to), capturing.then_some(now), &mut facts)?;
            }
            // after the open end, which is truer where a wrong clock once left years behind
            facts.gaps.extend(gaps_between(&tx, camera, from, to)?);
            Ok(tiles(from, to, facts))
        })
    }
}

fn segments_between(
    connection: &Connection,
    camera: &CameraName,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, Timestamp, crate::segment::State)>> {
    let what = || "list segments of a time";
    let mut statement = connection.prepare_cached(SEGMENTS_BETWEEN).sql(what)?;
    let names = (from.epoch_seconds() - NAMED_WITHIN_S, to.epoch_seconds() + NAMED_WITHIN_S);
    let rows = statement
        .query_map(params![camera.as_str(), names.0, names.1, from.as_millis(), to.as_millis()], |row| {
            Ok((Timestamp::from_millis(row.get(0)?), Timestamp::from_millis(row.get(1)?), state(row, 2)?))
        })
        .sql(what)?;
    rows.collect::<rusqlite::Result<_>>().sql(what)
}

/// By names: they are in the order of time, near enough, and have an index.
const SEGMENTS_BETWEEN: &str = "SELECT start_ms, start_ms + duration_us / 1000, state FROM segments \
     WHERE camera = ?1 AND file_epoch BETWEEN ?2 AND ?3 \
     AND start_ms < ?5 AND start_ms + duration_us / 1000 > ?4";

/// The end of the newest footage before `now`; the first run's beginning where there is none. `None`: never tried.
fn footage_end(connection: &Connection, camera: &CameraName, now: Timestamp) -> Result<Option<End>> {
    if let Some(covered) = covered(connection, camera)? {
        let of_run =
            |at, run| -> Result<_> { Ok(Some(End { at, why: why_of(connection, run)?, run: Some(run) })) };
        if covered.end <= now {
            return of_run(covered.end, covered.end_run);
        }
        // a clock was wrong once: footage lies in the future
        return match newest(connection, camera)? {
            Some((end, run)) if end < now => of_run(end, run),
            _ => Ok(None),
        };
    }
    let first = connection
        .prepare_cached("SELECT min(started_at) FROM runs WHERE camera = ?1")
        .and_then(|mut statement| statement.query_row([camera.as_str()], |row| row.get::<_, Option<i64>>(0)))
        .sql(|| "find first run")?;
    Ok(first.map(|at| End { at: Timestamp::from_millis(at), why: None, run: None }))
}

/// From the end of the footage on: the segment being written, or a gap that still lasts. `now` is given while a
/// recorder runs.
fn open_end(
    connection: &Connection,
    camera: &CameraName,
    end: &End,
    (from, to): (Timestamp, Timestamp),
    now: Option<Timestamp>,
    facts: &mut Facts,
) -> Result<()> {
    let mut gap_end = to;
    if now.is_some()
        && let Some(since) = recording_since(connection, camera)?
    {
        gap_end = since.clamp(end.at, to.max(end.at));
        facts.open = Some((gap_end, to));
    }
    if gap_end <= end.at.plus(TOLERANCE) {
        // the first moment of a run is no gap yet
        facts.open = facts.open.map(|(_, to)| (end.at, to));
        return Ok(());
    }
    let hole = (end.at.max(from), gap_end);
    if hole.0 >= hole.1 {
        return Ok(());
    }
    let mut runs = outcomes(connection, camera, hole, end.run)?;
    let earlier = last_outcome(connection, camera, (end.at, hole.0), end.run)?;
    if now.is_some() && end.run.is_none() && earlier.is_none() && runs.is_empty() {
        // connecting for the first time is no gap; its row, once there is one, says the same
        facts.first = facts.open.map(|(since, _)| since);
        return Ok(());
    }
    let down = || Why::new(Cause::ProgramDown, "the recorder is not running");
    let why = match earlier.or_else(|| end.why.clone()) {
        Some(why) => why,
        None if now.is_none() => down(),
        None => not_noted(),
    };
    if now.is_none() && runs.last().map_or(&why, |(_, why)| why).cause != Cause::ProgramDown {
        let last = last_sign_of_life(connection)?.unwrap_or(end.at);
        runs.retain(|(began, _)| *began < last);
        runs.push((last, down()));
    }
    facts.gaps.extend(explain(camera, hole, why, runs).into_iter().map(|gap| whole(gap, end.at)));
    Ok(())
}

/// A gap that began before the time asked for is told whole.
fn whole(gap: Gap, footage_end: Timestamp) -> Gap {
    if gap.start <= footage_end { Gap { start: footage_end, ..gap } } else { gap }
}

/// Since when the camera's own thread says that it records.
fn recording_since(connection: &Connection, camera: &CameraName) -> Result<Option<Timestamp>> {
    let found: Option<(String, i64)> = connection
        .prepare_cached("SELECT state, since FROM cameras WHERE name = ?1")
        .and_then(|mut statement| {
            statement.query_row([camera.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .sql(|| "read camera state")?;
    let records = |state: &str| {
        matches!(CameraState::parse(state), Some(CameraState::Recording | CameraState::Draining))
    };
    Ok(found.filter(|(state, _)| records(state)).map(|(_, since)| Timestamp::from_millis(since)))
}

/// How the last run ended that began in this time.
fn last_outcome(
    connection: &Connection,
    camera: &CameraName,
    (from, to): (Timestamp, Timestamp),
    but: Option<RunId>,
) -> Result<Option<Why>> {
    let id: Option<i64> = connection
        .prepare_cached(
            "SELECT id FROM runs INDEXED BY runs_by_time WHERE camera = ?1 AND started_at >= ?2 \
             AND started_at < ?3 AND cause IS NOT NULL AND id IS NOT ?4 ORDER BY started_at DESC, id DESC LIMIT 1",
        )
        .and_then(|mut statement| {
            let run = but.map(|run| run.0);
            statement
                .query_row(params![camera.as_str(), from.as_millis(), to.as_millis(), run], |row| row.get(0))
                .optional()
        })
        .sql(|| "find last run")?;
    id.map_or(Ok(None), |id| why_of(connection, RunId(id)))
}

/// The latest moment at which a recorder certainly ran: a run, a row or a camera's state was written then.
pub(super) fn last_sign_of_life(connection: &Connection) -> Result<Option<Timestamp>> {
    let latest: Option<i64> = connection
        .prepare_cached(
            "SELECT max(at) FROM (
                 SELECT max(coalesce(ended_at, started_at)) AS at
                     FROM (SELECT ended_at, started_at FROM runs ORDER BY id DESC LIMIT 100)
                 UNION ALL SELECT max(start_ms + duration_us / 1000)
                     FROM (SELECT start_ms, duration_us FROM segments ORDER BY id DESC LIMIT 100)
                 UNION ALL SELECT max(since) FROM cameras)",
        )
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .sql(|| "find the last sign of life")?;
    Ok(latest.map(Timestamp::from_millis))
}

#[cfg(test)]
mod tests;
