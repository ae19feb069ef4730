//! Runs and closed segments → rows. What the database does not take waits here and is tried again, and recording
//! goes on: the files are safe, and after a crash recovery adopts them.
//!
//! A run that the database did not number gets a number of ours until it does, so that a camera can begin to record
//! at any time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::segment::{CameraName, NewSegment, RunId, Segment, Timestamp, Why};
use crate::status::Board;
use crate::stills;
use crate::store::Store;

/// Between two attempts at a database that refused; each may itself wait for a lock.
const RETRY: Duration = Duration::from_secs(5);

pub struct Rows {
    camera: CameraName,
    store: Store,
    board: Board,
    wake: Arc<Notify>,
    /// In the order in which they happened.
    waiting: VecDeque<Waiting>,
    /// The database's number of each run that began without one.
    numbered: HashMap<RunId, RunId>,
    /// Numbers of ours are negative: the database gives none of those.
    last_own: i64,
    /// When the database refused last; `None` while it takes rows.
    refused_at: Option<Instant>,
}

/// What the database has not taken yet.
enum Waiting {
    Begin(RunId, Timestamp),
    Row(NewSegment),
    End(RunId, Timestamp, Why),
}

/// What the database has just taken.
enum Written {
    Run(RunId, RunId),
    Row(Segment),
    End(RunId),
}

impl Rows {
    pub fn new(camera: CameraName, store: Store, board: Board, wake: Arc<Notify>) -> Self {
        Self {
            camera,
            store,
            board,
            wake,
            waiting: VecDeque::new(),
            numbered: HashMap::new(),
            last_own: 0,
            refused_at: None,
        }
    }

    /// Notes what is recorded.
    pub fn note_codec(&self, codec: stills::Codec) {
        self.board.set_codec(&self.camera, codec.as_str());
    }

    pub fn camera(&self) -> &CameraName {
        &self.camera
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Begins a run, with a number of our own while the database refuses.
    pub fn begin_run(&mut self, now: Timestamp) -> RunId {
        self.last_own -= 1;
        let own = RunId(self.last_own);
        self.put(Waiting::Begin(own, now));
        self.numbered.get(&own).copied().unwrap_or(own)
    }

    /// Notes the end of a run, after the rows that still wait.
    pub fn end_run(&mut self, run: RunId, now: Timestamp, why: Why) {
        self.put(Waiting::End(run, now, why));
    }

    /// Inserts this row, after those that still wait.
    pub fn add(&mut self, row: NewSegment) {
        self.put(Waiting::Row(row));
    }

    fn put(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
        self.flush_when_due();
    }

    /// Tries what waits, unless the database refused a moment ago. Cheap when nothing waits.
    pub fn flush_when_due(&mut self) {
        if !self.waiting.is_empty() && self.refused_at.is_none_or(|at| at.elapsed() >= RETRY) {
            self.flush();
        }
    }

    /// Tries what waits. Returns how many segments still do.
    pub fn flush(&mut self) -> usize {
        while let Some(first) = self.waiting.front() {
            if let Err(error) = self.write(first).map(|written| self.written(written)) {
                self.refused(&error);
                return self.waiting.iter().filter(|one| matches!(one, Waiting::Row(_))).count();
            }
        }
        if self.refused_at.take().is_some() {
            log::info!("[{}] the database takes rows again; all that waited are in", self.camera);
            self.board.set_unwritten(&self.camera, None);
        }
        0
    }

    fn write(&self, waiting: &Waiting) -> Result<Written> {
        match waiting {
            Waiting::Begin(own, at) => {
                self.store.begin_run(&self.camera, *at).map(|run| Written::Run(*own, run))
            }
            Waiting::Row(row) => {
                let row = NewSegment { run: self.number(row.run), ..row.clone() };
                self.store.insert(&row).map(Written::Row)
            }
            Waiting::End(run, at, why) => {
                self.store.end_run(self.number(*run), *at, why).map(|()| Written::End(*run))
            }
        }
    }

    fn written(&mut self, written: Written) {
        self.waiting.pop_front();
        match written {
            Written::Run(own, run) => drop(self.numbered.insert(own, run)),
            Written::Row(segment) => self.announce(&segment),
            // nothing comes after the end of a run
            Written::End(run) => drop(self.numbered.remove(&run)),
        }
    }

    fn number(&self, run: RunId) -> RunId {
        self.numbered.get(&run).copied().unwrap_or(run)
    }

    fn refused(&mut self, error: &Error) {
        if self.refused_at.is_none() {
            log::error!(
                "[{}] write row: {error}; recording goes on, its files wait for their rows",
                self.camera
            );
        }
        self.refused_at = Some(Instant::now());
        self.board.set_unwritten(&self.camera, Some(error.to_string()));
    }

    fn announce(&self, segment: &Segment) {
        log::debug!(
            "[{}] closed {}: {:.3} s, {} bytes",
            self.camera,
            segment.file,
            segment.duration.as_secs_f64(),
            segment.bytes
        );
        self.board.counters().recorded(&self.camera, segment.bytes);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StorageConfig;
    use crate::segment::{Cause, FileName, Prefix};

    fn store(folder: &tempfile::TempDir) -> Store {
        let storage = StorageConfig {
            segments_dir: folder.path().join("segments"),
            database: folder.path().join("segments.db"),
            ..StorageConfig::default()
        };
        Store::open(&storage, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap()
    }

    fn row(camera: &CameraName, run: RunId, start: i64) -> NewSegment {
        NewSegment {
            camera: camera.clone(),
            run,
            start: Timestamp::from_seconds(start),
            time_source: crate::segment::TimeSource::Arrival,
            duration: Duration::from_secs(2),
            bytes: 1,
            md5: [0; 16],
            sha256: [0; 32],
            file: FileName::new(start),
        }
    }

    #[test]
    fn a_database_that_refuses_costs_no_row() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let (camera, board) = (CameraName::new("gate").unwrap(), Board::new());
        let run = store.begin_run(&camera, Timestamp::from_seconds(1)).unwrap();
        let row = |run| row(&camera, run, 10);
        let mut rows = Rows::new(camera.clone(), store, board.clone(), Arc::default());
        // a run that does not exist: the database refuses its rows
        rows.add(row(RunId(99)));
        assert!(board.snapshot().storage_reason.is_some_and(|trouble| trouble.fatal));
        assert_eq!(rows.flush(), 1);
        rows.waiting[0] = Waiting::Row(row(run));
        assert_eq!(rows.flush(), 0);
        assert_eq!(board.snapshot().storage_reason, None);
    }

    #[test]
    fn a_run_begins_while_the_database_refuses_and_is_numbered_later() {
        let folder = tempfile::tempdir().unwrap();
        let (store, camera) = (store(&folder), CameraName::new("gate").unwrap());
        let at = Timestamp::from_seconds;
        let mut rows = Rows::new(camera.clone(), store.clone(), Board::new(), Arc::default());
        let locker = rusqlite::Connection::open(folder.path().join("segments.db")).unwrap();
        locker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let first = rows.begin_run(at(1));
        assert!(first.0 < 0, "{first:?}");
        rows.add(row(&camera, first, 10));
        rows.end_run(first, at(12), Why::new(Cause::Stalled, "stalled"));
        let second = rows.begin_run(at(13));
        rows.add(row(&camera, second, 20));
        locker.execute_batch("ROLLBACK").unwrap();
        assert_eq!(rows.flush(), 0);
        rows.add(row(&camera, second, 30));
        rows.end_run(second, at(33), Why::new(Cause::ProgramDown, "stopped"));

        assert!(rows.is_empty() && rows.numbered.is_empty());
        let stored = store.newest(&camera, 9).unwrap();
        let runs: Vec<i64> = stored.iter().map(|row| row.run.0).collect();
        assert_eq!(runs, [1, 2, 2]);
        assert_eq!(store.run_end(RunId(1)), (Some(at(12)), Some("stalled".into())));
        assert_eq!(store.run_end(RunId(2)).0, Some(at(33)));
    }
}
