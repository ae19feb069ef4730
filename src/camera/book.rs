//! The runs of one camera in the database, so that every moment without footage finds its cause there.
//!
//! Called by the supervisor at the beginning and the end of each run. What the database does not take is owed and
//! paid before the next run begins: an end that nobody noted would be a gap that nobody can explain.

use super::failure::Failure;
use crate::error::Result;
use crate::segment::{CameraName, Cause, RunId, Timestamp, Why};
use crate::store::Store;

pub struct Book {
    camera: CameraName,
    store: Store,
    current: Option<RunId>,
    /// Why the last run ended.
    last: Option<Cause>,
    /// The end of a run that the database did not take.
    owed_end: Option<(RunId, Timestamp, Why)>,
    /// Since when no run could begin, because the database refused it.
    refused: Option<(Timestamp, Why)>,
}

impl Book {
    pub fn new(camera: CameraName, store: Store) -> Self {
        Self { camera, store, current: None, last: None, owed_end: None, refused: None }
    }

    /// Notes the beginning of a run, before anything of it is built: whatever fails then is its failure.
    pub fn begin(&mut self, now: Timestamp) -> Result<RunId, Failure> {
        let begun = self.pay().and_then(|()| self.store.begin_run(&self.camera, now));
        let run = begun.map_err(|error| {
            let failure = Failure::Database(error.to_string());
            self.refused.get_or_insert_with(|| (now, failure.why()));
            failure
        })?;
        self.current = Some(run);
        Ok(run)
    }

    /// Notes the end of the run that began last, also of one that ended in a panic.
    pub fn end(&mut self, failure: &Failure, now: Timestamp) {
        self.last = Some(failure.cause());
        let Some(run) = self.current.take() else { return };
        if let Err(error) = self.store.end_run(run, now, &failure.why()) {
            log::warn!("[{}] note the end of run {}: {error}; it is tried again", self.camera, run.0);
            self.owed_end = Some((run, now, failure.why()));
        }
    }

    /// The camera is given up because the program stops; what is missing from now on is the program's.
    pub fn close(&mut self, now: Timestamp) {
        let noted = self.pay().and_then(|()| match self.last {
            Some(Cause::ProgramDown) => Ok(()),
            _ => self.store.note_outage(&self.camera, now, &Failure::Stopped.why()),
        });
        if let Err(error) = noted {
            log::warn!("[{}] note the stop: {error}", self.camera);
        }
    }

    fn pay(&mut self) -> Result<()> {
        if let Some((run, at, why)) = &self.owed_end {
            self.store.end_run(*run, *at, why)?;
            self.owed_end = None;
        }
        if let Some((since, why)) = &self.refused {
            self.store.note_outage(&self.camera, *since, why)?;
            self.refused = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::Connection;

    use super::*;
    use crate::config::StorageConfig;
    use crate::segment::{FileName, NewSegment, Prefix, TimeSource};

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
        let record = |run, from: i64| {
            let file = FileName::new(at(from).epoch_seconds());
            let duration = Duration::from_secs(10);
            let (start, camera) = (at(from), camera.clone());
            let (time_source, md5, sha256) = (TimeSource::Arrival, [0; 16], [0; 32]);
            store
                .insert(&NewSegment {
                    camera,
                    run,
                    start,
                    time_source,
                    duration,
                    bytes: 1,
                    md5,
                    sha256,
                    file,
                })
                .unwrap();
        };
        let mut book = Book::new(camera.clone(), store.clone());
        let first = book.begin(at(0)).unwrap();
        record(first, 0);
        let elsewhere = Connection::open(&database).unwrap();
        elsewhere
            .execute_batch(
                "CREATE TRIGGER no BEFORE UPDATE ON runs BEGIN SELECT raise(ABORT, 'no'); END;
                 CREATE TRIGGER new BEFORE INSERT ON runs BEGIN SELECT raise(ABORT, 'no'); END;",
            )
            .unwrap();
        book.end(&Failure::Ended, at(10));
        assert!(matches!(book.begin(at(20)), Err(Failure::Database(_))));
        assert!(matches!(book.begin(at(22)), Err(Failure::Database(_))));
        elsewhere.execute_batch("DROP TRIGGER no; DROP TRIGGER new").unwrap();
        let second = book.begin(at(30)).unwrap();
        book.end(&Failure::Denied, at(31));
        record(book.begin(at(40)).unwrap(), 41);
        book.close(at(51));
        let gaps: Vec<_> = store.gaps(&camera, at(0), at(99)).unwrap();
        let told: Vec<_> = gaps.iter().map(|gap| (gap.start, gap.end, gap.cause)).collect();
        let expected = [
            (at(10), at(20), Cause::Unreachable),
            (at(20), at(30), Cause::Database),
            (at(30), at(41), Cause::Denied),
        ];
        assert_eq!((told, second > first), (expected.to_vec(), true), "{gaps:?}");
    }
}
