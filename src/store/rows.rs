//! What capture writes (runs, names, rows, camera states) and what viewers read of it.
//!
//! Never moves a row from one state to another: that is `queue`, `recover` and `retain`.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, named_params, params};

use super::sql::{COLUMNS, HAS_FILE, NEWEST, SqlContext, segment, signed, unsigned};
use super::{Store, files, gaps};
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, FileName, NewSegment, RunId, Segment, SegmentId, State, Timestamp, Why};
use crate::status::CameraState;

/// 9999-12-31T23:59:59Z, the last that SQLite can write out.
const LAST_SECOND: i64 = 253_402_300_799;

impl Store {
    /// Notes the start of a run; its number is what segments and manifests refer to.
    pub fn begin_run(&self, camera: &CameraName, now: Timestamp) -> Result<RunId> {
        self.write("begin run", |tx| begin_run(tx, camera, now))
    }

    /// Notes the end of a run; gaps after it are explained by this. The first end stands: a second call changes
    /// nothing.
    pub fn end_run(&self, run: RunId, now: Timestamp, why: &Why) -> Result<()> {
        self.write("end run", |tx| end_run(tx, run, now, why))
    }

    /// Folder of one camera's files; created if missing, and proved to take a file.
    ///
    /// # Errors
    /// `Kind::Disk` also when the disk is full, and when it is not mounted: below its mount point nobody would find
    /// the footage again.
    pub fn camera_dir(&self, camera: &CameraName) -> Result<PathBuf> {
        self.require_marker()?;
        let folder = self.inner.segments_dir.join(camera.as_str());
        files::create_synced(&folder)?;
        files::prove_writable(&folder)?;
        Ok(folder)
    }

    /// The first name at or after `wanted` that neither a row (of any state) nor a file has.
    ///
    /// Recording must go on while the database answers nothing; then the files alone decide. A name of a row whose
    /// file is gone could only be met again with the clock set back at the same time, and its object in S3 is not
    /// overwritten even then.
    pub fn free_name(&self, camera: &CameraName, wanted: FileName) -> Result<FileName> {
        let folder = self.inner.segments_dir.join(camera.as_str());
        self.free_name_by_rows(camera, &folder, wanted).or_else(|_| {
            let mut name = wanted;
            while files::exists(&folder.join(name.to_string()))? {
                name = name.next();
            }
            Ok(name)
        })
    }

    fn free_name_by_rows(&self, camera: &CameraName, folder: &Path, wanted: FileName) -> Result<FileName> {
        self.read(|connection| {
            let what = || "look for a free name";
            let mut statement = connection
                .prepare_cached(
                    "SELECT file_epoch FROM segments WHERE camera = ?1 AND file_epoch >= ?2 \
                     ORDER BY file_epoch",
                )
                .sql(what)?;
            let mut taken = statement.query(params![camera.as_str(), wanted.epoch_seconds()]).sql(what)?;
            let mut next_taken = || -> Result<Option<i64>> {
                taken.next().sql(what)?.map(|row| row.get(0)).transpose().sql(what)
            };
            let mut row = next_taken()?;
            let mut name = wanted;
            loop {
                if row == Some(name.epoch_seconds()) {
                    row = next_taken()?;
                } else if !files::exists(&folder.join(name.to_string()))? {
                    return Ok(name);
                }
                name = name.next();
            }
        })
    }

    /// Adds the row `created`. The file must be on disk, synced, folder synced. Gives key, sequence and
    /// discontinuity.
    pub fn insert(&self, new: &NewSegment) -> Result<Segment> {
        self.write("add segment", |tx| self.insert_in(tx, new, 0))
    }

    /// `followers`: how many older-than-now segments come right after it (adoption).
    pub(super) fn insert_in(
        &self,
        tx: &Transaction<'_>,
        new: &NewSegment,
        followers: usize,
    ) -> Result<Segment> {
        let what = || format!("add segment {} of {}", new.file, new.camera);
        let (sequence, discontinuity) = next_place(tx, new, followers)?;
        gaps::account(tx, new)?;
        let key = self.inner.prefix.key(&new.camera, new.file);
        // the default is told by the other columns (migration 6), while a year has four digits
        let is_told = self.inner.prefix.is_default() && (0..=LAST_SECOND).contains(&new.file.epoch_seconds());
        let named_key = (!is_told).then_some(&key);
        let duration_us = i64::try_from(new.duration.as_micros()).unwrap_or(i64::MAX);
        tx.prepare_cached(
            "INSERT INTO segments (camera, run, sequence, discontinuity, start_ms, duration_us, bytes, \
             sha256, file_epoch, named_key, state, created_at, time_source) VALUES (:camera, :run, :sequence, \
             :discontinuity, :start_ms, :duration_us, :bytes, :sha256, :file_epoch, :named_key, 'created', :created_at, \
             :time_source)",
        )
        .and_then(|mut statement| {
            statement.insert(named_params! {
                ":camera": new.camera.as_str(),
                ":run": new.run.0,
                ":sequence": signed(sequence),
                ":discontinuity": signed(discontinuity),
                ":start_ms": new.start.as_millis(),
                ":duration_us": duration_us,
                ":bytes": signed(new.bytes),
                ":sha256": new.sha256,
                ":file_epoch": new.file.epoch_seconds(),
                ":named_key": named_key,
                ":created_at": Timestamp::now().as_millis(),
                ":time_source": new.time_source.as_str(),
            })
        })
        .and_then(|id| {
            let mut md5 = tx.prepare_cached("INSERT INTO md5s (segment, md5) VALUES (?1, ?2)")?;
            md5.execute(params![id, new.md5]).map(|_| id)
        })
        .map(|id| Segment {
            id: SegmentId(id),
            camera: new.camera.clone(),
            run: new.run,
            sequence,
            discontinuity,
            start: new.start,
            time_source: new.time_source,
            duration: new.duration,
            bytes: new.bytes,
            md5: new.md5,
            sha256: new.sha256,
            file: new.file,
            key,
            state: State::Created,
            attempts: 0,
            doubtful: false,
            last_error: None,
        })
        .sql(what)
    }

    /// Written on changes only, so that other processes see it.
    pub fn set_camera_state(
        &self,
        camera: &CameraName,
        state: CameraState,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        self.write("note camera state", |tx| {
            tx.prepare_cached(
                "INSERT INTO cameras (name, state, reason, since) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (name) DO UPDATE SET state = ?2, reason = ?3, since = ?4 \
                 WHERE state <> ?2 OR reason IS NOT ?3",
            )
            .and_then(|mut statement| {
                statement.execute(params![camera.as_str(), state.as_str(), reason, now.as_millis()])
            })
            .sql(|| format!("note state of {camera}"))?;
            Ok(())
        })
    }

    /// Where the segment's file is, or was.
    pub fn path(&self, segment: &Segment) -> PathBuf {
        self.file_path(&segment.camera, segment.file)
    }

    pub(super) fn file_path(&self, camera: &CameraName, file: FileName) -> PathBuf {
        self.inner.segments_dir.join(camera.as_str()).join(file.to_string())
    }

    /// Of the newest `limit` rows, those that have a file, in sequence order.
    ///
    /// Rows without a file count, too: were older ones listed in their place, a live window would go back.
    pub fn newest(&self, camera: &CameraName, limit: usize) -> Result<Vec<Segment>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM segments INDEXED BY segments_files WHERE camera = ?1 AND {HAS_FILE} \
             AND sequence > (SELECT sequence FROM segments WHERE {NEWEST}) - ?2 ORDER BY sequence"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            segments(connection, &sql, params![camera.as_str(), limit], "list newest segments")
        })
    }

    /// The first segment that is still on this machine, in sequence order.
    pub fn oldest_file(&self, camera: &CameraName) -> Result<Option<Segment>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM segments INDEXED BY segments_files WHERE camera = ?1 AND {HAS_FILE} \
             ORDER BY sequence LIMIT 1"
        );
        let found =
            self.read(|connection| segments(connection, &sql, [camera.as_str()], "find the oldest segment"))?;
        Ok(found.into_iter().next())
    }

    /// The segment on this machine that holds `at`, or else the last one before it.
    pub fn file_at(&self, camera: &CameraName, at: Timestamp) -> Result<Option<Segment>> {
        // from the newest on: what is asked for is seldom old, and only rows with files are met
        let sql = format!(
            "SELECT {COLUMNS} FROM segments INDEXED BY segments_files WHERE camera = ?1 AND {HAS_FILE} \
             AND start_ms <= ?2 ORDER BY sequence DESC LIMIT 1"
        );
        let params = params![camera.as_str(), at.as_millis()];
        let found =
            self.read(|connection| segments(connection, &sql, params, "find the segment of a time"))?;
        Ok(found.into_iter().next())
    }

    /// The first segment on this machine that begins after `at`.
    pub fn file_after(&self, camera: &CameraName, at: Timestamp) -> Result<Option<Segment>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM segments INDEXED BY segments_files WHERE camera = ?1 AND {HAS_FILE} \
             AND start_ms > ?2 ORDER BY sequence LIMIT 1"
        );
        let params = params![camera.as_str(), at.as_millis()];
        let found = self.read(|connection| segments(connection, &sql, params, "find the next segment"))?;
        Ok(found.into_iter().next())
    }

    /// Segments on this machine from this sequence on, at most `limit`.
    pub fn files_from(&self, camera: &CameraName, sequence: u64, limit: usize) -> Result<Vec<Segment>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM segments INDEXED BY segments_files WHERE camera = ?1 AND {HAS_FILE} \
             AND sequence >= ?2 ORDER BY sequence LIMIT ?3"
        );
        let params = params![camera.as_str(), signed(sequence), i64::try_from(limit).unwrap_or(i64::MAX)];
        self.read(|connection| segments(connection, &sql, params, "list segments that follow"))
    }

    /// The row of one name, whatever its state.
    pub fn find(&self, camera: &CameraName, file: FileName) -> Result<Option<Segment>> {
        let sql = format!("SELECT {COLUMNS} FROM segments WHERE camera = ?1 AND file_epoch = ?2");
        let found = self.read(|connection| {
            segments(connection, &sql, params![camera.as_str(), file.epoch_seconds()], "find segment")
        })?;
        Ok(found.into_iter().next())
    }
}

/// Runs a query for [`COLUMNS`].
pub(super) fn segments(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    what: &str,
) -> Result<Vec<Segment>> {
    let mut statement = connection.prepare_cached(sql).sql(|| what)?;
    let rows = statement.query_map(params, segment).sql(|| what)?;
    rows.collect::<rusqlite::Result<_>>().sql(|| what)
}

pub(super) fn begin_run(tx: &Transaction<'_>, camera: &CameraName, now: Timestamp) -> Result<RunId> {
    tx.prepare_cached("INSERT INTO runs (camera, started_at) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.insert(params![camera.as_str(), now.as_millis()]))
        .map(RunId)
        .sql(|| format!("begin run of {camera}"))
}

pub(super) fn note_outage(tx: &Transaction<'_>, camera: &CameraName, at: Timestamp, why: &Why) -> Result<()> {
    let run = begin_run(tx, camera, at)?;
    end_run(tx, run, at, why)
}

pub(super) fn end_run(tx: &Transaction<'_>, run: RunId, at: Timestamp, why: &Why) -> Result<()> {
    let known = tx
        .prepare_cached(
            "UPDATE runs SET ended_at = coalesce(ended_at, ?2), reason = coalesce(reason, ?3), \
             cause = coalesce(cause, ?4) WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![run.0, at.as_millis(), why.reason, why.cause.as_str()])
        })
        .sql(|| format!("end run {}", run.0))?;
    if known == 0 {
        return Err(Error::new(Kind::Internal, format!("end run {}: there is no such run", run.0)));
    }
    Ok(())
}

/// Where a camera without rows begins to count: the seconds since 2020.
///
/// Not at 0, because the camera may be an old one whose database was lost, and its players must see the numbers
/// rise. A camera closes at most one segment a second (its name is that second), so whatever it counted before
/// stays below the clock. Discontinuities are counted from the hours, because hls.js keeps an array with a place for
/// each; only a camera that began a run every hour since 2020 has counted further.
fn floor(now: Timestamp, file: FileName, followers: usize) -> u64 {
    const SINCE: i64 = 1_577_836_800;
    let clock = now.epoch_seconds() - SINCE;
    // a machine that does not know the time yet may still have files that do
    let seconds = if clock > 0 { clock } else { file.epoch_seconds() - SINCE };
    u64::try_from(seconds).unwrap_or(0).saturating_sub(followers as u64)
}

/// Both numbers go on from the camera's last row, whatever became of it.
fn next_place(tx: &Transaction<'_>, new: &NewSegment, followers: usize) -> Result<(u64, u64)> {
    let last = tx
        .prepare_cached(&format!("SELECT sequence, discontinuity, run FROM segments WHERE {NEWEST}"))
        .and_then(|mut statement| {
            statement
                .query_row([new.camera.as_str()], |row| {
                    Ok((unsigned(row, 0)?, unsigned(row, 1)?, RunId(row.get(2)?)))
                })
                .optional()
        })
        .sql(|| format!("find last segment of {}", new.camera))?;
    Ok(match last {
        None => {
            let floor = floor(Timestamp::now(), new.file, followers);
            (floor, floor / 3600)
        }
        Some((sequence, discontinuity, run)) => (sequence + 1, discontinuity + u64::from(run != new.run)),
    })
}

impl Store {
    /// How many runs of the camera are known.
    pub fn runs(&self, camera: &CameraName) -> Result<u64> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT count(*) FROM runs WHERE camera = ?1")
                .and_then(|mut statement| statement.query_row([camera.as_str()], |row| unsigned(row, 0)))
                .sql(|| "count runs")
        })
    }
}

#[cfg(test)]
mod tests;
