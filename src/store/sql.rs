//! Between SQLite's words and ours: errors, and a row read into a [`Segment`].
//!
//! Used by every file of this folder. Decides nothing about states.

use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{ErrorCode, Row};

use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, Cause, FileName, RunId, Segment, SegmentId, State, TimeSource, Timestamp};

/// The newest row of a camera, `?1`.
pub(super) const NEWEST: &str = "id = (SELECT segment FROM ends WHERE camera = ?1)";

/// The states that [`State::has_file`] names. The partial indexes say exactly this, and SQLite uses them only
/// for queries that repeat it.
pub(super) const HAS_FILE: &str = "state IN ('created', 'uploading', 'retry', 'uploaded', 'failed')";

/// What [`segment`] reads, in its order. MD5 is all zeros where there is no file.
pub(super) const COLUMNS: &str = "id, camera, run, sequence, discontinuity, start_ms, duration_us, bytes, \
     coalesce((SELECT md5 FROM md5s WHERE segment = segments.id), zeroblob(16)), sha256, file_epoch, key, state, attempts, doubtful, last_error, time_source";

/// Turns SQLite's errors into ours: `.sql(|| "insert segment")`.
pub(super) trait SqlContext<T> {
    fn sql<M: Into<String>>(self, what: impl FnOnce() -> M) -> Result<T>;
}

impl<T> SqlContext<T> for rusqlite::Result<T> {
    fn sql<M: Into<String>>(self, what: impl FnOnce() -> M) -> Result<T> {
        self.map_err(|error| {
            let (kind, next_step) = judge(&error);
            // the cause stands inside, because the next step comes after it
            Error::new(kind, format!("{}: {error}{next_step}", what().into()))
        })
    }
}

fn judge(error: &rusqlite::Error) -> (Kind, &'static str) {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => (
            Kind::Damaged,
            "; move the database aside and start again: recovery adopts the files that are on disk (a recorder \
             that used this database before does so by itself)",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Kind::Unreachable, "; find the process that holds the database for so long (fuser names it)")
        }
        Some(ErrorCode::DiskFull) => (Kind::Disk, "; free space on the disk of storage.database"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
            Kind::Disk,
            "; give this user write access to storage.database and its folder, or point it elsewhere",
        ),
        Some(ErrorCode::SystemIoFailure) => (Kind::Disk, "; check the disk of storage.database"),
        Some(ErrorCode::ConstraintViolation) => (Kind::Data, ""),
        _ if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => {
            (Kind::Data, "; run `check store`")
        }
        _ => (Kind::Internal, ""),
    }
}

/// Reads one row of [`COLUMNS`].
pub(super) fn segment(row: &Row<'_>) -> rusqlite::Result<Segment> {
    Ok(Segment {
        id: SegmentId(row.get(0)?),
        camera: camera(row, 1)?,
        run: RunId(row.get(2)?),
        sequence: unsigned(row, 3)?,
        discontinuity: unsigned(row, 4)?,
        start: Timestamp::from_millis(row.get(5)?),
        time_source: time_source(row, 16)?,
        duration: Duration::from_micros(unsigned(row, 6)?),
        bytes: unsigned(row, 7)?,
        md5: row.get(8)?,
        sha256: row.get(9)?,
        file: FileName::new(row.get(10)?),
        key: row.get(11)?,
        state: state(row, 12)?,
        attempts: row.get(13)?,
        doubtful: row.get(14)?,
        last_error: row.get(15)?,
    })
}

pub(super) fn camera(row: &Row<'_>, index: usize) -> rusqlite::Result<CameraName> {
    let text: String = row.get(index)?;
    CameraName::new(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}

pub(super) fn state(row: &Row<'_>, index: usize) -> rusqlite::Result<State> {
    let text: String = row.get(index)?;
    State::parse(&text).ok_or_else(|| {
        let error = Error::new(Kind::Data, format!("{text:?} is no state"));
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}

fn time_source(row: &Row<'_>, index: usize) -> rusqlite::Result<TimeSource> {
    let text: String = row.get(index)?;
    TimeSource::parse(&text).ok_or_else(|| {
        let error = Error::new(Kind::Data, format!("{text:?} is no source of time"));
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}

pub(super) fn cause(row: &Row<'_>, index: usize) -> rusqlite::Result<Cause> {
    let text: String = row.get(index)?;
    Cause::parse(&text).ok_or_else(|| {
        let error = Error::new(Kind::Data, format!("{text:?} is no cause of a gap"));
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}

pub(super) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(index)?;
    u64::try_from(number).map_err(|_| {
        let error = Error::new(Kind::Data, format!("{number} is negative"));
        rusqlite::Error::FromSqlConversionFailure(index, Type::Integer, Box::new(error))
    })
}

/// SQLite's integers are signed; sizes and counts beyond 2⁶³ do not occur, and if they did they would be capped.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indexes_and_the_vocabulary_agree_on_who_has_a_file() {
        for state in State::ALL {
            assert_eq!(HAS_FILE.contains(&format!("'{}'", state.as_str())), state.has_file(), "{state:?}");
        }
        assert!(include_str!("migrations/0006.sql").contains(&format!("WHERE {HAS_FILE}")));
    }

    #[test]
    fn the_kind_of_an_error_tells_a_full_disk_from_a_missing_right_and_from_damage() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let run = |sql: &str| connection.execute_batch(sql).sql(|| "try").unwrap_err();
        connection.execute_batch("CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)").unwrap();
        assert_eq!(run("INSERT INTO t VALUES (1)").kind(), Kind::Data);
        assert_eq!(run("no SQL").kind(), Kind::Internal);
        connection.execute_batch("PRAGMA max_page_count = 3").unwrap();
        let full = run("INSERT INTO t VALUES (zeroblob(100000))");
        assert_eq!(full.kind(), Kind::Disk);
        assert!(full.to_string().ends_with("; free space on the disk of storage.database"), "{full}");
        connection.execute_batch("PRAGMA query_only = 1").unwrap();
        let denied = run("INSERT INTO t VALUES (2)");
        assert_eq!(denied.kind(), Kind::Disk);
        assert!(denied.to_string().contains("write access"), "{denied}");
    }

    #[test]
    fn a_row_with_a_state_of_another_program_is_damaged_data_not_a_panic() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let read = |sql: &str| connection.query_row(sql, [], |row| state(row, 0)).sql(|| "read").unwrap_err();
        let error = read("SELECT 'archived'");
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.to_string().contains("archived"), "{error}");
    }
}
