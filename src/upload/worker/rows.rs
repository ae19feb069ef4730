//! The worker and this machine: taking rows over after a crash, writing how attempts ended, and waiting while
//! the database or the segment folder is away.
//!
//! Never gives a row up for trouble of this kind: footage waits until the machine is well again.

use std::time::Instant;

use super::super::answer::Trouble;
use super::Worker;
use crate::error::Error;
use crate::status::UploadState;
use crate::store::Store;

impl Worker {
    /// Rows that a dead process left in `uploading` wait again, in doubt. No upload may start before: its own row
    /// would look the same. Returns whether that is done.
    pub(super) async fn recover(&mut self) -> bool {
        if self.state.recovered {
            return true;
        }
        match self.store.call(Store::recover_uploads).await {
            Ok(rows) => {
                self.state.recovered = true;
                self.rows_work();
                if rows > 0 {
                    log::info!("[upload] {rows} interrupted uploads will be looked up in S3 first");
                }
            }
            Err(error) => self.rows_fail("recover interrupted uploads", &error),
        }
        self.state.recovered
    }

    /// Writes down one by one how attempts ended; what the database does not take now is tried again, behind the
    /// others. Success, the usual end, comes here only if a turn could not write it.
    pub(super) async fn save(&mut self) {
        for _ in 0..self.state.unsaved.len() {
            let Some((id, finish)) = self.state.unsaved.pop_front() else { return };
            let again = finish.clone();
            if let Err(error) = self.store.call(move |store| finish.apply(store, id)).await {
                self.rows_fail("write how an upload ended", &error);
                self.state.unsaved.push_back((id, again));
            }
        }
    }

    /// Trouble on this machine: nothing is uploaded until it heals.
    pub(super) fn rows_fail(&mut self, what: &str, error: &Error) {
        let trouble = Trouble::waiting(format!("{what}: {error}"));
        if self.state.link.is_up() {
            self.board.set_upload(UploadState::Waiting, Some(trouble.reason.clone()));
        }
        if let Some(line) = self.state.rows.failed(Instant::now(), &trouble, fastrand::f64()) {
            log::error!("[upload] {line}; uploads wait for it");
        }
    }

    pub(super) fn rows_work(&mut self) {
        if self.state.rows.is_up() || !self.state.unsaved.is_empty() {
            return;
        }
        if let Some(line) = self.state.rows.succeeded(Instant::now()) {
            log::info!("[upload] database and segment folder {line}");
        }
        if self.state.link.is_up() {
            self.board.set_upload(UploadState::Ok, None);
        }
    }
}
