//! What start does after a crash: rows and files agree again.
//!
//! Called with [`super::Role::Capture`] held and before the first camera starts, so that no file is being
//! written. Compares names and sizes, not hashes: a start must be quick; the uploader checks the bytes.
//! Never deletes footage: what does not play is moved aside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Transaction, params};

use super::sql::{HAS_FILE, SqlContext, camera, state, unsigned};
use super::{Inspected, Recovered, Store, coverage, files, rows};
use crate::error::Result;
use crate::segment::{CameraName, Cause, FileName, RunId, SegmentId, State, Timestamp, Why};

/// What a row says of its file.
pub(super) struct Expected {
    id: SegmentId,
    bytes: u64,
    state: State,
    doubtful: bool,
}

impl Store {
    /// Adopts orphans, marks vanished files lost, finishes interrupted unlinks. `inspect` reads a file's media.
    ///
    /// An adopted file gets the next sequence of its camera even where its time lies between older rows, because
    /// a sequence only rises. A vanished file whose upload is in doubt is left to the uploader: only S3 knows
    /// whether it arrived.
    pub fn recover_files(
        &self,
        now: Timestamp,
        inspect: &dyn Fn(&Path) -> Result<Inspected>,
    ) -> Result<Recovered> {
        self.require_marker()?;
        self.close_dead_runs(now)?;
        let mut recovered = Recovered::default();
        let mut cameras: BTreeSet<_> = files::cameras(&self.inner.segments_dir)?.into_iter().collect();
        cameras.extend(self.cameras_with_files()?);
        for camera in cameras {
            let orphans = self.compare(&camera, &mut recovered)?;
            self.adopt(&camera, &orphans, inspect, &mut recovered)?;
            if let Err(error) = self.sweep_thumbs(&camera) {
                // no footage: a start does not fail for it
                log::warn!("[store] remove old thumbnails of {camera}: {error}");
            }
        }
        Ok(recovered)
    }

    /// Runs that nobody ended: they lasted at least as long as their last segment.
    fn close_dead_runs(&self, now: Timestamp) -> Result<()> {
        self.write("end runs of a dead program", |tx| {
            let what = || "end runs of a dead program";
            let died = Why::new(Cause::ProgramDown, "program stopped without notice");
            let mut open = tx
                .prepare_cached("SELECT id, camera, started_at FROM runs WHERE ended_at IS NULL ORDER BY id")
                .sql(what)?;
            let open = open
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .and_then(Iterator::collect::<rusqlite::Result<Vec<(i64, String, i64)>>>)
                .sql(what)?;
            for (run, camera, started_at) in open {
                // a camera's runs rise with its rows: the first one from the end decides
                let mut last = tx
                    .prepare_cached(
                        "SELECT run, start_ms + duration_us / 1000 FROM segments \
                         WHERE camera = ?1 AND run <= ?2 \
                         AND id <= (SELECT segment FROM ends WHERE camera = ?1) ORDER BY id DESC LIMIT 1",
                    )
                    .sql(what)?;
                let mut last = last.query(params![camera, run]).sql(what)?;
                let mut ended_at = started_at.min(now.as_millis());
                if let Some(row) = last.next().sql(what)?
                    && row.get::<_, i64>(0).sql(what)? == run
                {
                    ended_at = row.get(1).sql(what)?;
                }
                let ended_at = Timestamp::from_millis(ended_at);
                rows::end_run(tx, RunId(run), ended_at, &died)?;
            }
            self.note_deaths(tx, now, &died)
        })
    }

    /// A program that died while a camera waited for its next run left none that could say so.
    fn note_deaths(&self, tx: &Transaction<'_>, now: Timestamp, died: &Why) -> Result<()> {
        let what = || "note the end of a dead program";
        let Some(last) = coverage::last_sign_of_life(tx)? else { return Ok(()) };
        let mut cameras = tx
            .prepare_cached(
                "SELECT name FROM cameras WHERE (SELECT cause FROM runs INDEXED BY runs_by_time \
                 WHERE camera = name ORDER BY started_at DESC, id DESC LIMIT 1) <> 'program_down'",
            )
            .sql(what)?;
        let cameras = cameras
            .query_map([], |row| camera(row, 0))
            .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
            .sql(what)?;
        cameras.iter().try_for_each(|camera| rows::note_outage(tx, camera, last.min(now), died))
    }

    fn cameras_with_files(&self) -> Result<Vec<CameraName>> {
        self.read(|connection| {
            let what = || "list cameras";
            let sql = format!("SELECT DISTINCT camera FROM totals WHERE segments > 0 AND {HAS_FILE}");
            let mut statement = connection.prepare(&sql).sql(what)?;
            let rows = statement.query_map([], |row| camera(row, 0)).sql(what)?;
            rows.collect::<rusqlite::Result<_>>().sql(what)
        })
    }

    /// Settles everything that has a row; returns the files that have none, oldest first.
    fn compare(&self, camera: &CameraName, recovered: &mut Recovered) -> Result<Vec<(FileName, u64)>> {
        // rows before files: what retention of another process removes in between is a row that moves below
        let mut expected = self.expected_files(camera)?;
        let mut orphans = Vec::new();
        for (file, bytes) in files::segment_files(&self.inner.segments_dir, camera)? {
            match expected.remove(&file) {
                Some(row) if row.bytes == bytes => {}
                Some(row) => {
                    let why = format!("the file has {bytes} bytes instead of {}", row.bytes);
                    self.settle(camera, file, &row, &why, recovered)?;
                }
                None => match self.find(camera, file)?.map(|row| row.state) {
                    None => orphans.push((file, bytes)),
                    Some(State::Cleaned | State::Dropped) => {
                        recovered.unlinked += usize::from(files::remove(&self.file_path(camera, file))?);
                    }
                    Some(_) => {}
                },
            }
        }
        for (file, row) in expected {
            self.settle(camera, file, &row, "the file is gone", recovered)?;
        }
        Ok(orphans)
    }

    pub(super) fn expected_files(&self, camera: &CameraName) -> Result<BTreeMap<FileName, Expected>> {
        self.read(|connection| {
            let what = || "list rows with files";
            let mut statement = connection
                .prepare_cached(&format!(
                    "SELECT file_epoch, id, bytes, state, doubtful FROM segments INDEXED BY segments_files \
                     WHERE camera = ?1 AND {HAS_FILE}"
                ))
                .sql(what)?;
            let rows = statement
                .query_map([camera.as_str()], |row| {
                    let expected = Expected {
                        id: SegmentId(row.get(1)?),
                        bytes: unsigned(row, 2)?,
                        state: state(row, 3)?,
                        doubtful: row.get(4)?,
                    };
                    Ok((FileName::new(row.get(0)?), expected))
                })
                .sql(what)?;
            rows.collect::<rusqlite::Result<_>>().sql(what)
        })
    }

    /// A row whose file is not what it says: `lost`, or `cleaned` where S3 has the bytes.
    fn settle(
        &self,
        camera: &CameraName,
        file: FileName,
        row: &Expected,
        why: &str,
        recovered: &mut Recovered,
    ) -> Result<()> {
        if row.doubtful {
            log::warn!("[store] {file} of {camera}: {why}; S3 may have it, the uploader will look");
            return Ok(());
        }
        let to = if row.state == State::Uploaded { State::Cleaned } else { State::Lost };
        let moved = self.write("settle a row without its file", |tx| {
            tx.prepare_cached("UPDATE segments SET state = ?2, last_error = ?3 WHERE id = ?1 AND state = ?4")
                .and_then(|mut statement| {
                    statement.execute(params![row.id.0, to.as_str(), why, row.state.as_str()])
                })
                .sql(|| format!("settle {file} of {camera}"))
        })?;
        if moved == 0 {
            return Ok(()); // another process was faster; its word is newer
        }
        if to == State::Cleaned {
            log::warn!("[store] {file} of {camera}: {why}; it is uploaded, so nothing is lost");
            recovered.cleaned += 1;
            files::remove(&self.file_path(camera, file))?;
        } else {
            log::error!("[store] lost {file} of {camera}: {why}, and it was not uploaded; check the disk");
            recovered.lost += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
