//! Rows and files: the queue that every other part reads. SQL lives only in this folder.
//!
//! All methods block for the length of a small transaction; async callers go through [`Store::call`].
//! Several processes may share one database; [`Store::lock`] says which of them captures, uploads, serves.
//!
//! Where to find what: `rows` (what capture writes, what viewers read), `queue` and
//! `claim` (the uploader's moves),
//! `manifests`, `stats`, `recover` and `adopt` (start after a crash), `retain` with the pure `plan` (what may go),
//! `verify` (fsck), `connection`, `migrate` and `lock` (opening). The order that keeps footage safe is always
//! the same: a file is complete before its row says so, and a row gives a file up before the file goes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::config::StorageConfig;
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, FileName, Prefix, RunId, State, Timestamp};
use crate::status::CameraState;
pub use claim::Moves;
use sql::SqlContext;

mod adopt;
mod claim;
mod connection;
mod files;
mod lock;
mod manifests;
mod marker;
mod migrate;
mod plan;
mod queue;
mod recover;
mod retain;
mod rows;
mod sql;
mod stats;
#[cfg(test)]
mod testing;
mod verify;

/// A handle on the database and the segment folder; clones share both.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    database: PathBuf,
    segments_dir: PathBuf,
    prefix: Prefix,
    limits: plan::Limits,
}

/// The parts that one process at a time may be, per database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Capture,
    Upload,
    Serve,
}

/// Held for the life of the part; dropping it lets another process have the role.
pub struct RoleLock {
    /// Closing the file frees the lock.
    _file: std::fs::File,
}

/// What is known of one file without its row; a probe of the caller reads it from the media itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// From the first frame to the end of the last.
    pub duration: Duration,
    pub frames: u64,
    /// The file begins with a frame that decodes by itself.
    pub starts_with_keyframe: bool,
}

/// What recovery did at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub adopted: usize,
    pub lost: usize,
    /// Rows were `cleaned` or `dropped`, the unlink had not happened yet.
    pub unlinked: usize,
    /// Files that hold no playable frame, moved aside into `unplayable/`.
    pub unplayable: usize,
    /// Uploaded before the crash, and the file is gone: the row is `cleaned` now.
    pub cleaned: usize,
    /// Files of no byte at all, removed.
    pub empty: usize,
}

/// What retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    pub cleaned: usize,
    /// Uploaded files that went before their time, because space was short.
    pub cleaned_early: usize,
    /// Un-uploaded segments given up, oldest first.
    pub dropped: Vec<(CameraName, FileName)>,
    /// Space is short and nothing more can go.
    pub still_short: bool,
}

/// Counts for one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraStats {
    pub camera: CameraName,
    /// Segments and bytes by state; states with none are absent.
    pub by_state: Vec<(State, u64, u64)>,
    pub newest_end: Option<Timestamp>,
    pub oldest_pending: Option<Timestamp>,
    /// The last state this camera's thread wrote, also from another process.
    pub last_state: Option<(CameraState, Option<String>, Timestamp)>,
}

/// A run's end as the manifest and reports need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    pub run: RunId,
    pub ended_at: Option<Timestamp>,
    /// `None` while it lasts, and after a crash until [`Store::recover_files`] notes it.
    pub reason: Option<String>,
}

/// An hour of a camera whose manifest must still be written, or written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenManifest {
    pub camera: CameraName,
    /// Start of the UTC hour.
    pub hour: Timestamp,
    /// Rises with every row of the hour that becomes uploaded, lost or dropped.
    pub changes: u64,
    /// `changes` as the manifest in S3 shows it; equal to `changes` when nothing is new.
    pub written_changes: u64,
    pub written_at: Option<Timestamp>,
    /// Rows of the hour that may still become uploaded.
    pub pending: u64,
}

impl Store {
    /// Opens or creates database and folder, migrates, refuses a database of a newer version.
    pub fn open(config: &StorageConfig, prefix: &Prefix) -> Result<Store> {
        connection::create_folder(&config.segments_dir, "storage.segments_dir")?;
        let (writer, reader) = connection::open(&config.database)?;
        let limits = plan::Limits {
            local_buffer: config.local_buffer,
            max_size_bytes: config.max_size_bytes,
            min_free_bytes: config.min_free_bytes,
        };
        let inner = Inner {
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            database: config.database.clone(),
            segments_dir: config.segments_dir.clone(),
            prefix: prefix.clone(),
            limits,
        };
        let store = Store { inner: Arc::new(inner) };
        store.check_marker()?;
        Ok(store)
    }

    /// Runs a blocking method off the async threads.
    ///
    /// # Errors
    /// What `work` returns, and `Kind::Internal` if it panicked or the runtime is going down.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || work(&store))
            .await
            .unwrap_or_else(|error| Err(Error::with_source(Kind::Internal, "ask the store", error)))
    }

    /// Takes a role; refuses with the other process's id when it is taken.
    pub fn lock(&self, role: Role) -> Result<RoleLock> {
        lock::take(&self.inner.database, role)
    }

    /// Whether any process, this one included, has the role now.
    pub fn is_running(&self, role: Role) -> Result<bool> {
        lock::is_held(&self.inner.database, role)
    }

    /// One transaction that takes SQLite's write lock at once, so that what it reads cannot change under it.
    fn write<T>(&self, what: &str, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = guard(&self.inner.writer);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).sql(|| what)?;
        let value = work(&tx)?;
        tx.commit().sql(|| what)?;
        Ok(value)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(&guard(&self.inner.reader))
    }
}

/// A panic elsewhere rolled its transaction back; the connection is as good as before.
fn guard(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
