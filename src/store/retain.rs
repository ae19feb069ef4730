//! Carries out the retention plan: the row gives a file up first, then the file goes.
//!
//! A crash between the two leaves a file that no row wants; [`super::Store::recover_files`] finishes it.

use std::time::Duration;

use rusqlite::{Connection, Row, Transaction, params};

use super::plan::{Candidate, Facts, believed_free, plan};
use super::sql::{HAS_FILE, SqlContext, camera, unsigned};
use super::{Retained, Store, files, lock};
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, FileName, SegmentId, State, Timestamp};

/// Rows a round; short enough that nobody waits long for the database.
const BATCH: usize = 500;

impl Store {
    /// Applies local buffer, quota and free-space rules once.
    pub fn retain(&self, now: Timestamp) -> Result<Retained> {
        self.require_marker()?;
        let at_start = self.disk()?;
        let (mut freed_bytes, mut freed_files) = (0, 0);
        let mut retained = Retained::default();
        loop {
            // each round by itself, so that `clean` beside a recorder makes it wait for a moment only
            let _alone = lock::retain_alone(&self.inner.database)?;
            let mut facts = self.facts()?;
            let disk = self.disk()?;
            facts.free_bytes = believed_free(at_start.free_bytes, freed_bytes, disk.free_bytes);
            facts.floor_bytes = disk.floor_bytes();
            facts.short_files =
                disk.short_files(believed_free(at_start.free_files, freed_files, disk.free_files));
            let plan = plan(&self.inner.limits, &facts, now);

            let cleaned = self.give_up(&plan.clean, State::Cleaned)?;
            let early = self.give_up(&plan.clean_early, State::Cleaned)?;
            let dropped = self.give_up(&plan.drop, State::Dropped)?;
            for (_, _, bytes) in cleaned.iter().chain(&early).chain(&dropped) {
                freed_bytes += bytes;
                freed_files += 1;
            }
            retained.cleaned += cleaned.len();
            retained.cleaned_early += early.len();
            retained.dropped_bytes += dropped.iter().map(|(.., bytes)| bytes).sum::<u64>();
            retained.dropped.extend(dropped.into_iter().map(|(camera, file, _)| (camera, file)));
            if !plan.again {
                retained.still_short = plan.still_short;
                return Ok(retained);
            }
        }
    }

    fn facts(&self) -> Result<Facts> {
        self.read(|connection| {
            let total_bytes = connection
                .prepare_cached(&format!("SELECT coalesce(sum(bytes), 0) FROM totals WHERE {HAS_FILE}"))
                .and_then(|mut statement| statement.query_row([], |row| unsigned(row, 0)))
                .sql(|| "read used space")?;
            let uploaded = oldest(connection, &by_state(State::Uploaded))?;
            let mut waiting = oldest(connection, QUEUED)?;
            waiting.extend(oldest(connection, &by_state(State::Failed))?);
            waiting.sort_by_key(|(start, candidate)| (*start, candidate.id));
            let full = |list: &[_]| list.len() >= BATCH;
            Ok(Facts {
                total_bytes,
                free_bytes: 0,
                floor_bytes: 0,
                short_files: 0,
                more_uploaded: full(&uploaded),
                more_waiting: full(&waiting),
                uploaded: candidates(uploaded),
                waiting: candidates(waiting),
            })
        })
    }

    /// Rows first, in one transaction, then their files. Returns what really went.
    fn give_up(&self, files: &[Candidate], to: State) -> Result<Vec<(CameraName, FileName, u64)>> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let given_up = self.write("give files up", |tx| {
            let moved = files.iter().map(|file| move_row(tx, file.id, to));
            moved.filter_map(Result::transpose).collect::<Result<Vec<_>>>()
        })?;
        for (camera, file, bytes) in &given_up {
            // whoever called says how many were lost: a line for each would fill the log of a week without S3
            log::debug!("[store] {} {file} of {camera} ({bytes} bytes)", to.as_str());
            if let Err(error) = files::remove(&self.file_path(camera, *file)) {
                // its row no longer wants it: recovery tries again at the next start
                log::warn!("[store] {error}");
            }
        }
        Ok(given_up)
    }
}

const QUEUED: &str = "INDEXED BY segments_queue WHERE state IN ('created', 'retry')";

fn by_state(state: State) -> String {
    format!("INDEXED BY segments_by_state WHERE {HAS_FILE} AND state = '{}'", state.as_str())
}

fn oldest(connection: &Connection, which: &str) -> Result<Vec<(Timestamp, Candidate)>> {
    let what = || "list oldest files";
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT id, start_ms, duration_us, bytes FROM segments {which} ORDER BY start_ms LIMIT {BATCH}"
        ))
        .sql(what)?;
    let rows = statement.query_map([], candidate).sql(what)?;
    rows.collect::<rusqlite::Result<_>>().sql(what)
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<(Timestamp, Candidate)> {
    let start = Timestamp::from_millis(row.get(1)?);
    let end = start.plus(Duration::from_micros(unsigned(row, 2)?));
    Ok((start, Candidate { id: SegmentId(row.get(0)?), end, bytes: unsigned(row, 3)? }))
}

fn candidates(found: Vec<(Timestamp, Candidate)>) -> Vec<Candidate> {
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// `None`: the row is in another state by now, for example because its upload began.
fn move_row(tx: &Transaction<'_>, id: SegmentId, to: State) -> Result<Option<(CameraName, FileName, u64)>> {
    let from = match to {
        State::Cleaned => "'uploaded'",
        State::Dropped => "'created', 'retry', 'failed'",
        _ => return Err(Error::new(Kind::Internal, format!("retention never makes a row {}", to.as_str()))),
    };
    let mut statement = tx
        .prepare_cached(&format!(
            "UPDATE segments SET state = ?2 WHERE id = ?1 AND state IN ({from}) \
             RETURNING camera, file_epoch, bytes"
        ))
        .sql(|| "give file up")?;
    let mut rows = statement.query(params![id.0, to.as_str()]).sql(|| "give file up")?;
    let row = rows.next().sql(|| "give file up")?;
    row.map(|row| Ok((camera(row, 0)?, FileName::new(row.get(1)?), unsigned(row, 2)?)))
        .transpose()
        .sql(|| "give file up")
}

#[cfg(test)]
mod tests;
