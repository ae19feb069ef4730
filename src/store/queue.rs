//! The uploader's view of the rows: what is due, and the moves of a segment's life.
//!
//! Every move names the states it may come from, in the same statement that moves: two processes can never both
//! believe that they moved a row.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Params, Transaction, params};

use super::Store;
use super::rows::segments;
use super::sql::{COLUMNS, HAS_FILE, SqlContext, state};
use crate::config::UploadOrder;
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, Segment, SegmentId, State, Timestamp};

/// Errors are for people; one that quotes a whole page of XML is cut.
const MAX_ERROR_CHARS: usize = 500;
/// No wait is meant to be longer (the uploader's cap is 10 min): a row that says so was written under a clock that
/// ran ahead, and would otherwise wait until that time comes.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

impl Store {
    /// Up to `limit` rows in `created`, or in `retry` and due, by their start in `order`. Takes as long however many
    /// wait: the index is read from one of its ends.
    pub fn next_uploads(&self, now: Timestamp, order: UploadOrder, limit: usize) -> Result<Vec<Segment>> {
        self.read(|connection| next_uploads(connection, now, order, limit))
    }

    /// `uploading` → `uploaded`: S3 confirmed these bytes.
    pub fn finish_uploaded(&self, id: SegmentId, now: Timestamp) -> Result<()> {
        self.finish(id, "note upload", |tx| {
            run(
                tx,
                "UPDATE segments SET state = 'uploaded', doubtful = 0, uploaded_at = ?2, \
                 next_attempt_at = 0, last_error = NULL WHERE id = ?1 AND state = 'uploading'",
                params![id.0, now.as_millis()],
            )
        })
    }

    /// `uploading` → `retry`; `blame` counts the attempt against the object, `doubtful` says whether the PUT may
    /// have arrived.
    pub fn finish_retry(
        &self,
        id: SegmentId,
        next_attempt_at: Timestamp,
        blame: bool,
        doubtful: bool,
        error: &str,
    ) -> Result<()> {
        self.finish(id, "note retry", |tx| {
            run(
                tx,
                "UPDATE segments SET state = 'retry', next_attempt_at = ?2, attempts = attempts + ?3, \
                 doubtful = ?4, last_error = ?5 WHERE id = ?1 AND state = 'uploading'",
                params![id.0, next_attempt_at.as_millis(), blame, doubtful, cut(error)],
            )
        })
    }

    /// `uploading` → `failed`; the attempt that led here is counted, too. The file stays.
    pub fn finish_failed(&self, id: SegmentId, error: &str) -> Result<()> {
        self.finish(id, "note failure", |tx| {
            run(
                tx,
                "UPDATE segments SET state = 'failed', next_attempt_at = 0, attempts = attempts + 1, \
                 last_error = ?2 WHERE id = ?1 AND state = 'uploading'",
                params![id.0, cut(error)],
            )
        })
    }

    /// Any state that waits, or `failed` → `lost`: the file vanished or is not what the row says.
    ///
    /// # Errors
    /// `Kind::Disk` when the whole segment folder is gone: an unplugged disk is no lost segment.
    pub fn finish_lost(&self, id: SegmentId, error: &str) -> Result<()> {
        self.require_marker()?;
        self.finish(id, "note loss", |tx| {
            run(
                tx,
                "UPDATE segments SET state = 'lost', next_attempt_at = 0, last_error = ?2 \
                 WHERE id = ?1 AND state IN ('created', 'uploading', 'retry', 'failed')",
                params![id.0, cut(error)],
            )
        })
    }

    /// `failed` → `retry`, attempts back to 0, all cameras or one. Returns how many.
    pub fn retry_failed(&self, camera: Option<&CameraName>) -> Result<usize> {
        let sql = format!(
            "UPDATE segments INDEXED BY segments_by_state SET state = 'retry', attempts = 0, \
             next_attempt_at = 0 WHERE {HAS_FILE} AND state = 'failed' AND (?1 IS NULL OR camera = ?1)"
        );
        self.write("retry failed segments", |tx| run(tx, &sql, [camera.map(CameraName::as_str)]))
    }

    /// Rows left in `uploading` by a process that died → `retry`, due now, doubtful.
    ///
    /// Only the process that holds [`super::Role::Upload`] may call it, before its first upload.
    pub fn recover_uploads(&self) -> Result<usize> {
        let sql = format!(
            "UPDATE segments INDEXED BY segments_by_state SET state = 'retry', doubtful = 1, \
             next_attempt_at = 0 WHERE {HAS_FILE} AND state = 'uploading'"
        );
        self.write("recover uploads", |tx| run(tx, &sql, []))
    }

    /// An attempt's end. A row that was given up meanwhile stays given up, and that is no error: the uploader
    /// could not have known.
    fn finish(
        &self,
        id: SegmentId,
        what: &'static str,
        update: impl Fn(&Transaction<'_>) -> Result<usize>,
    ) -> Result<()> {
        match self.step(id, what, update)? {
            None => Ok(()),
            Some(state @ (State::Dropped | State::Lost)) => {
                log::warn!("[store] {what} of row {}: it became {} meanwhile", id.0, state.as_str());
                Ok(())
            }
            Some(state) => Err(refused(id, what, state)),
        }
    }

    /// Moves one row; if it did not move, says which state it is in.
    fn step(
        &self,
        id: SegmentId,
        what: &'static str,
        update: impl Fn(&Transaction<'_>) -> Result<usize>,
    ) -> Result<Option<State>> {
        self.write(what, |tx| {
            if update(tx)? == 1 {
                return Ok(None);
            }
            tx.prepare_cached("SELECT state FROM segments WHERE id = ?1")
                .and_then(|mut statement| statement.query_row([id.0], |row| state(row, 0)).optional())
                .sql(|| what)?
                .map(Some)
                .ok_or_else(|| Error::new(Kind::Internal, format!("{what}: there is no row {}", id.0)))
        })
    }
}

pub(super) fn next_uploads(
    connection: &Connection,
    now: Timestamp,
    order: UploadOrder,
    limit: usize,
) -> Result<Vec<Segment>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let never_meant = now.plus(LONGEST_WAIT).as_millis();
    segments(connection, &next_sql(order), [now.as_millis(), never_meant, limit], "list next uploads")
}

/// `created` rows have a next_attempt_at of 0: always due.
fn next_sql(order: UploadOrder) -> String {
    let direction = match order {
        UploadOrder::OldestFirst => "ASC",
        UploadOrder::NewestFirst => "DESC",
    };
    format!(
        "SELECT {COLUMNS} FROM segments INDEXED BY segments_queue WHERE state IN ('created', 'retry') \
         AND (next_attempt_at <= ?1 OR next_attempt_at > ?2) ORDER BY start_ms {direction} LIMIT ?3"
    )
}

fn run(tx: &Transaction<'_>, sql: &str, params: impl Params) -> Result<usize> {
    tx.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).sql(|| "move segment")
}

fn refused(id: SegmentId, what: &str, state: State) -> Error {
    Error::new(Kind::Data, format!("{what} of row {}: it is {} already", id.0, state.as_str()))
}

fn cut(error: &str) -> String {
    error.chars().take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests;
