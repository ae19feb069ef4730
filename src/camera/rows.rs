//! Closed segments → rows. What the database does not take waits here and is tried again, and recording goes on:
//! the files are safe, and after a crash recovery adopts them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::error::Error;
use crate::segment::{CameraName, NewSegment, Segment};
use crate::status::Board;
use crate::store::Store;

/// Between two attempts at a database that refused; each may itself wait for a lock.
const RETRY: Duration = Duration::from_secs(5);

pub struct Rows {
    camera: CameraName,
    store: Store,
    board: Board,
    wake: Arc<Notify>,
    waiting: VecDeque<NewSegment>,
    /// When the database refused last; `None` while it takes rows.
    refused_at: Option<Instant>,
}

impl Rows {
    pub fn new(camera: CameraName, store: Store, board: Board, wake: Arc<Notify>) -> Self {
        Self { camera, store, board, wake, waiting: VecDeque::new(), refused_at: None }
    }

    pub fn camera(&self) -> &CameraName {
        &self.camera
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Inserts this row, after those that still wait.
    pub fn add(&mut self, row: NewSegment) {
        self.waiting.push_back(row);
        self.flush_when_due();
    }

    /// Tries what waits, unless the database refused a moment ago. Cheap when nothing waits.
    pub fn flush_when_due(&mut self) {
        if !self.waiting.is_empty() && self.refused_at.is_none_or(|at| at.elapsed() >= RETRY) {
            self.flush();
        }
    }

    /// Tries what waits. Returns how many rows still do.
    pub fn flush(&mut self) -> usize {
        while let Some(row) = self.waiting.front() {
            match self.store.insert(row) {
                Ok(segment) => {
                    self.waiting.pop_front();
                    self.announce(&segment);
                }
                Err(error) => {
                    self.refused(&error);
                    return self.waiting.len();
                }
            }
        }
        if self.refused_at.take().is_some() {
            log::info!("[{}] the database takes rows again; all that waited are in", self.camera);
            self.board.set_unwritten(&self.camera, None);
        }
        0
    }

    fn refused(&mut self, error: &Error) {
        if self.refused_at.is_none() {
            log::error!(
                "[{}] write row: {error}; recording goes on, the files wait for their rows",
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
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StorageConfig;
    use crate::segment::{FileName, Prefix, RunId, Timestamp};

    #[test]
    fn a_database_that_refuses_costs_no_row() {
        let folder = tempfile::tempdir().unwrap();
        let storage = StorageConfig {
            segments_dir: folder.path().join("segments"),
            database: folder.path().join("segments.db"),
            ..StorageConfig::default()
        };
        let store = Store::open(&storage, &Prefix::new(Prefix::DEFAULT).unwrap()).unwrap();
        let (camera, board) = (CameraName::new("gate").unwrap(), Board::new());
        let run = store.begin_run(&camera, Timestamp::from_seconds(1)).unwrap();
        let row = |run| NewSegment {
            camera: camera.clone(),
            run,
            start: Timestamp::from_seconds(10),
            time_source: crate::segment::TimeSource::Arrival,
            duration: Duration::from_secs(2),
            bytes: 1,
            md5: [0; 16],
            sha256: [0; 32],
            file: FileName::new(10),
        };
        let mut rows = Rows::new(camera.clone(), store, board.clone(), Arc::default());
        // a run that does not exist: the database refuses its rows
        rows.add(row(RunId(99)));
        assert!(board.snapshot().storage_reason.is_some_and(|trouble| trouble.fatal));
        rows.waiting[0].run = run;
        assert_eq!(rows.flush(), 0);
        assert_eq!(board.snapshot().storage_reason, None);
    }
}
