//! The runs of one camera in the database, so that every moment without footage finds its cause there.
//!
//! Called by the supervisor at the beginning and the end of each run. What the database does not take waits in its
//! place among the rows: an end that nobody noted would be a gap that nobody can explain.

use super::failure::Failure;
use super::rows::Rows;
use crate::segment::{Cause, RunId, Timestamp};

#[derive(Default)]
pub struct Book {
    current: Option<RunId>,
    /// Why the last run ended.
    last: Option<Cause>,
}

impl Book {
    /// Notes the beginning of a run, before anything of it is built: whatever fails then is its failure.
    pub fn begin(&mut self, rows: &mut Rows, now: Timestamp) -> RunId {
        let run = rows.begin_run(now);
        self.current = Some(run);
        run
    }

    /// Why the last run ended.
    pub fn last(&self) -> Option<Cause> {
        self.last
    }

    /// Notes the end of the run that began last, also of one that ended in a panic.
    pub fn end(&mut self, rows: &mut Rows, failure: &Failure, now: Timestamp) {
        self.last = Some(failure.cause());
        if let Some(run) = self.current.take() {
            rows.end_run(run, now, failure.why());
        }
    }

    /// The camera is given up because the program stops; what is missing from now on is the program's.
    pub fn close(&mut self, rows: &mut Rows, now: Timestamp) {
        if self.last != Some(Cause::ProgramDown) {
            let run = rows.begin_run(now);
            rows.end_run(run, now, Failure::Stopped.why());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rusqlite::Connection;

    use super::*;
    use crate::config::StorageConfig;
    use crate::segment::{CameraName, FileName, NewSegment, Prefix, TimeSource};
    use crate::status::Board;
    use crate::store::Store;

    #[test]
    fn what_the_database_refused_is_noted_when_it_takes_rows_again() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("segments.db");
        let storage = StorageConfig {
            segments_dir: folder.path().join("segments"),
            database: database.clone(),
            ..StorageConfig::default()
        };
        let store = Store::open(&storage, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
        let camera = CameraName::new("gate").unwrap();
        let at = |seconds| Timestamp::from_seconds(1_763_902_800 + seconds);
        let record = |rows: &mut Rows, run, from: i64| {
            let file = FileName::new(at(from).epoch_seconds());
            let duration = Duration::from_secs(10);
            let (start, camera) = (at(from), camera.clone());
            let (time_source, bytes, md5, sha256) = (TimeSource::Arrival, 1, [0; 16], [0; 32]);
            rows.add(NewSegment { camera, run, start, time_source, duration, bytes, md5, sha256, file });
        };
        let mut rows = Rows::new(camera.clone(), store.clone(), Board::new(), Arc::default());
        let mut book = Book::default();
        let first = book.begin(&mut rows, at(0));
        record(&mut rows, first, 0);
        let elsewhere = Connection::open(&database).unwrap();
        elsewhere
            .execute_batch(
                "CREATE TRIGGER no BEFORE UPDATE ON runs BEGIN SELECT raise(ABORT, 'no'); END;
                 CREATE TRIGGER new BEFORE INSERT ON runs BEGIN SELECT raise(ABORT, 'no'); END;",
            )
            .unwrap();
        book.end(&mut rows, &Failure::Ended, at(10));
        book.begin(&mut rows, at(20));
        book.end(&mut rows, &Failure::Denied, at(31));
        let last = book.begin(&mut rows, at(40));
        record(&mut rows, last, 41);
        assert!(last.0 < 0, "{last:?}");
        elsewhere.execute_batch("DROP TRIGGER no; DROP TRIGGER new").unwrap();
        book.close(&mut rows, at(51));
        assert_eq!(rows.flush(), 0);
        let gaps: Vec<_> = store.gaps(&camera, at(0), at(99)).unwrap();
        let told: Vec<_> = gaps.iter().map(|gap| (gap.start, gap.end, gap.cause)).collect();
        let expected = [(at(10), at(20), Cause::Unreachable), (at(20), at(41), Cause::Denied)];
        assert_eq!(told, expected, "{gaps:?}");
    }
}
