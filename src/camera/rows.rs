//! Closed segments → rows; what the database does not take is kept and tried again. The files are safe meanwhile:
//! after a crash, recovery adopts them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use super::failure::Failure;
use crate::error::Result;
use crate::segment::{CameraName, NewSegment, Segment};
use crate::store::Store;

pub struct Rows {
    camera: CameraName,
    store: Store,
    wake: Arc<Notify>,
    waiting: VecDeque<NewSegment>,
}

impl Rows {
    pub fn new(camera: CameraName, store: Store, wake: Arc<Notify>) -> Self {
        Self { camera, store, wake, waiting: VecDeque::new() }
    }

    pub fn camera(&self) -> &CameraName {
        &self.camera
    }

    /// Inserts this row, after those that still wait. On an error it waits, and recording may go on.
    pub fn add(&mut self, row: NewSegment) -> Result<(), Failure> {
        self.waiting.push_back(row);
        self.flush()
    }

    pub fn flush(&mut self) -> Result<(), Failure> {
        while let Some(row) = self.waiting.front() {
            match self.store.insert(row) {
                Ok(segment) => {
                    self.waiting.pop_front();
                    self.announce(&segment);
                }
                Err(error) => return Err(Failure::Database(error.to_string())),
            }
        }
        Ok(())
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
