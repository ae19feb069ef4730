//! The uploader's view of the rows: what is due, and the moves of a segment's life.
//!
//! Every move names the states it may come from, in the same statement that moves: two processes can never both
//! believe that they moved a row.

use rusqlite::{OptionalExtension, Params, Transaction, params};

use super::Store;
use super::rows::segments;
use super::sql::{COLUMNS, HAS_FILE, SqlContext, state};
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, Segment, SegmentId, State, Timestamp};

/// Errors are for people; one that quotes a whole page of XML is cut.
const MAX_ERROR_CHARS: usize = 500;

impl Store {
    /// Up to `limit` rows in `created`, or in `retry` and due; oldest start first.
    pub fn next_uploads(&self, now: Timestamp, limit: usize) -> Result<Vec<Segment>> {
        // `created` rows have a next_attempt_at of 0: always due
        let sql = format!(
            "SELECT {COLUMNS} FROM segments INDEXED BY segments_queue \
             WHERE state IN ('created', 'retry') AND next_attempt_at <= ?1 ORDER BY start_ms LIMIT ?2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| segments(connection, &sql, [now.as_millis(), limit], "list next uploads"))
    }

    /// When the next `retry` row becomes due; `None` if none waits.
    pub fn next_retry_at(&self) -> Result<Option<Timestamp>> {
        let sql = format!(
            "SELECT min(next_attempt_at) FROM segments INDEXED BY segments_by_state \
             WHERE {HAS_FILE} AND state = 'retry'"
        );
        self.read(|connection| {
            let at: Option<i64> = connection
                .prepare_cached(&sql)
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .sql(|| "find next retry")?;
            Ok(at.map(Timestamp::from_millis))
        })
    }

    /// `created`/`retry` → `uploading`, and `doubtful` from here on until the attempt's end is known.
    ///
    /// # Errors
    /// `Kind::Data` when the row waits no more, for example because retention just dropped it: leave it alone.
    pub fn begin_upload(&self, id: SegmentId) -> Result<()> {
        self.step(id, "begin upload", |tx| {
            run(
                tx,
                "UPDATE segments SET state = 'uploading', doubtful = 1 \
                 WHERE id = ?1 AND state IN ('created', 'retry')",
                [id.0],
            )
        })
        .and_then(|left| match left {
            None => Ok(()),
            Some(state) => Err(refused(id, "begin upload", state)),
        })
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
        update: impl FnOnce(&Transaction<'_>) -> Result<usize>,
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
        update: impl FnOnce(&Transaction<'_>) -> Result<usize>,
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
mod tests {
    use super::super::testing::{Bench, HOUR, at, bench, cam};
    use super::*;

    fn due(bench: &Bench, now: i64) -> Vec<i64> {
        let due = bench.store.next_uploads(at(now), 10).unwrap();
        due.iter().map(|segment| segment.file.epoch_seconds() - HOUR).collect()
    }

    #[test]
    fn the_oldest_start_goes_first_over_all_cameras() {
        let bench = bench();
        let (a, b) = (bench.run("a"), bench.run("b"));
        bench.segment("a", a, HOUR + 20);
        bench.segment("b", b, HOUR + 10);
        bench.segment("a", a, HOUR + 30);
        assert_eq!(due(&bench, HOUR), [10, 20, 30]);
        assert_eq!(bench.store.next_uploads(at(HOUR), 2).unwrap().len(), 2);
    }

    #[test]
    fn a_retry_waits_until_it_is_due() {
        let bench = bench();
        let run = bench.run("a");
        let segment = bench.segment("a", run, HOUR);
        assert_eq!(bench.store.next_retry_at().unwrap(), None);
        bench.store.begin_upload(segment.id).unwrap();
        assert_eq!(due(&bench, HOUR + 1000), [0; 0], "nobody else may take it");
        bench.store.finish_retry(segment.id, at(HOUR + 60), true, false, "400").unwrap();
        assert_eq!(bench.store.next_retry_at().unwrap(), Some(at(HOUR + 60)));
        assert_eq!(due(&bench, HOUR + 59), [0; 0]);
        assert_eq!(due(&bench, HOUR + 60), [0]);
        let row = bench.again(&segment);
        assert_eq!((row.attempts, row.doubtful, row.last_error.as_deref()), (1, false, Some("400")));
    }

    #[test]
    fn doubt_begins_with_the_attempt_and_ends_with_its_known_end() {
        let bench = bench();
        let run = bench.run("a");
        let segment = bench.segment("a", run, HOUR);
        bench.store.begin_upload(segment.id).unwrap();
        assert!(bench.again(&segment).doubtful);
        bench.store.finish_retry(segment.id, at(HOUR), false, true, "timeout").unwrap();
        let row = bench.again(&segment);
        assert!(row.doubtful);
        assert_eq!(row.attempts, 0, "the link is to blame");
        bench.store.begin_upload(segment.id).unwrap();
        bench.store.finish_uploaded(segment.id, at(HOUR + 9)).unwrap();
        let row = bench.again(&segment);
        assert_eq!((row.state, row.doubtful, row.last_error), (State::Uploaded, false, None));
    }

    #[test]
    fn what_a_dead_uploader_left_is_due_at_once_and_doubtful() {
        let bench = bench();
        let run = bench.run("a");
        let segment = bench.segment("a", run, HOUR);
        bench.store.begin_upload(segment.id).unwrap();
        assert_eq!(bench.store.recover_uploads().unwrap(), 1);
        assert_eq!(due(&bench, 0), [0]);
        assert!(bench.again(&segment).doubtful);
        assert_eq!(bench.store.recover_uploads().unwrap(), 0);
    }

    #[test]
    fn failed_rows_wait_for_a_person_who_may_choose_a_camera() {
        let bench = bench();
        for camera in ["a", "b"] {
            let run = bench.run(camera);
            let segment = bench.segment(camera, run, HOUR);
            bench.store.begin_upload(segment.id).unwrap();
            bench.store.finish_failed(segment.id, &"x".repeat(9000)).unwrap();
            let row = bench.again(&segment);
            assert_eq!((row.state, row.attempts), (State::Failed, 1));
            assert_eq!(row.last_error.unwrap().len(), MAX_ERROR_CHARS);
        }
        assert_eq!(due(&bench, i64::MAX / 1000), [0; 0]);
        assert_eq!(bench.store.retry_failed(Some(&cam("b"))).unwrap(), 1);
        assert_eq!(bench.store.next_uploads(at(HOUR), 9).unwrap()[0].attempts, 0);
        assert_eq!(bench.store.retry_failed(None).unwrap(), 1);
    }

    #[test]
    fn moves_that_the_life_of_a_segment_does_not_know_are_refused() {
        let bench = bench();
        let run = bench.run("a");
        let segment = bench.segment("a", run, HOUR);
        let refused = |result: Result<()>| assert_eq!(result.unwrap_err().kind(), Kind::Data);
        refused(bench.store.finish_uploaded(segment.id, at(HOUR)));
        refused(bench.store.finish_retry(segment.id, at(HOUR), true, true, "x"));
        refused(bench.store.finish_failed(segment.id, "x"));
        bench.store.begin_upload(segment.id).unwrap();
        refused(bench.store.begin_upload(segment.id));
        bench.store.finish_uploaded(segment.id, at(HOUR)).unwrap();
        refused(bench.store.begin_upload(segment.id));
        refused(bench.store.finish_lost(segment.id, "x"));
        assert_eq!(bench.state(&segment), State::Uploaded);
        let unknown = bench.store.begin_upload(SegmentId(99)).unwrap_err();
        assert_eq!(unknown.kind(), Kind::Internal);
    }

    #[test]
    fn the_end_of_an_attempt_does_not_revive_a_row_that_was_given_up() {
        let bench = bench();
        let run = bench.run("a");
        for (epoch, state) in [(HOUR, State::Dropped), (HOUR + 10, State::Lost)] {
            let segment = bench.segment("a", run, epoch);
            bench.sql(&format!(
                "UPDATE segments SET state = '{}' WHERE id = {}",
                state.as_str(),
                segment.id.0
            ));
            assert!(bench.store.begin_upload(segment.id).is_err());
            bench.store.finish_uploaded(segment.id, at(HOUR)).unwrap();
            bench.store.finish_retry(segment.id, at(HOUR), true, true, "x").unwrap();
            bench.store.finish_failed(segment.id, "x").unwrap();
            bench.store.finish_lost(segment.id, "x").unwrap();
            assert_eq!(bench.state(&segment), state);
        }
    }

    #[test]
    fn an_unplugged_disk_loses_no_segment() {
        let bench = bench();
        let run = bench.run("a");
        let segment = bench.segment("a", run, HOUR);
        let folder = bench.dir.path().join("segments");
        std::fs::rename(&folder, bench.dir.path().join("unplugged")).unwrap();
        let error = bench.store.finish_lost(segment.id, "the file is gone").unwrap_err();
        assert_eq!(error.kind(), Kind::Disk);
        assert_eq!(bench.state(&segment), State::Created);
    }

    #[tokio::test]
    async fn async_callers_get_the_answer_and_a_panic_is_an_error() {
        let bench = bench();
        let run = bench.store.call(|store| store.begin_run(&cam("a"), at(HOUR))).await.unwrap();
        assert_eq!(run.0, 1);
        let panicked: Result<()> = bench.store.call(|_| panic!("a bug")).await;
        assert_eq!(panicked.unwrap_err().kind(), Kind::Internal);
    }
}
