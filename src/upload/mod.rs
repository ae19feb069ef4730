//! The uploader: rows → S3, verified.
//!
//! ```text
//! store rows ─▶ worker ─▶ attempt (HEAD?, PUT, proof) ─▶ s3 (rust-s3 signs, one HTTP client sends, throttle holds back)
//!                 │  ▲         └▶ answer: what does this answer mean?
//!                 │  └ link: one backoff for all; suspects: one segment's own trouble (pure)
//!                 └▶ manifests ─▶ manifest: the hour's playlist text; proof: is it really there?
//! ```
//! Started by the composition root with a [`Store`] and stopped by a [`Shutdown`]; it never deletes a local file.
//! The promise: a row is `uploaded` only after S3 confirmed these bytes, and no object is written twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::S3Config;
use crate::error::Result;
use crate::shutdown::Shutdown;
use crate::status::Board;
use crate::store::Store;

pub(crate) mod answer;
mod attempt;
mod check;
mod finish;
mod link;
mod manifest;
mod manifests;
mod probe;
mod proof;
mod rights;
pub(crate) mod s3;
mod steps;
mod suspects;
mod throttle;
mod worker;

pub use check::{Line, check_s3, check_s3_as};
pub use s3::Source;

/// What the uploader is given.
pub struct Uploader {
    pub config: S3Config,
    pub store: Store,
    pub board: Board,
    /// "Look now": a row was added.
    pub wake: Arc<Notify>,
    /// Target length of a segment, for manifests' TARGETDURATION.
    pub segment_duration: Duration,
}

impl Uploader {
    /// Uploads until `shutdown`, then finishes what it can within `drain`. Returns when nothing of it runs any
    /// more. Fails only on a configuration that can never work; trouble with S3 is waited out and shown on the
    /// board.
    pub async fn run(self, shutdown: Shutdown, drain: Duration) -> Result<()> {
        let source = Source::Chain { profile: self.config.profile.clone() };
        self.run_as(source, shutdown, drain).await
    }

    /// As [`Self::run`], with credentials from elsewhere than the machine: for demonstrations and tests.
    pub async fn run_as(self, source: Source, shutdown: Shutdown, drain: Duration) -> Result<()> {
        let client = s3::S3::new(&self.config, source)?;
        let worker = worker::Worker::new(
            client,
            self.config,
            self.store,
            self.board,
            self.wake,
            self.segment_duration,
        );
        worker.run(shutdown, drain).await;
        Ok(())
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble_tests;
