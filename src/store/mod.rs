//! Rows and files: the queue that every other part reads. SQL lives only in this folder.
//!
//! All methods block for the length of a small transaction; async callers go through [`Store::call`].
//! Several processes may share one database; [`Store::lock`] says which of them captures, uploads, serves.
//!
//! Where to find what: `rows` (what capture writes, what viewers read), `queue` and `claim` (the uploader's
//! moves), `gaps` (time without footage) and `coverage` (what became of a time), `manifests`, `stats`, `recover` and `adopt`
//! (start after a crash), `retain` with the pure `plan` (what may go), `space` (how full the disk is), `reserve` (the
//! database's own room on it), `alerts` (what was told), `accounts` (who may log in), `footage`, `thumbs` (pictures beside the segments), `accounts` (who may look), `verify` (fsck), `connection`, `migrate`, `damage` and `lock` (opening).
//! The order that keeps footage safe is always the same: a file is complete before its row says so, and a row gives a
//! file up before the file goes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::config::StorageConfig;
use crate::error::{Error, Kind, Result};
use crate::segment::{CameraName, Cause, FileName, Prefix, State, Timestamp};
use crate::status::CameraState;
pub use accounts::{SessionRow, ShareRow, UserRow};
pub use alerts::ToldAlert;
pub use claim::Moves;
pub use space::{Low, Space};
use sql::SqlContext;

mod accounts;
mod adopt;
mod alerts;
mod claim;
mod connection;
mod coverage;
mod damage;
mod files;
mod footage;
mod gaps;
mod lock;
mod manifests;
mod marker;
mod migrate;
mod plan;
mod queue;
mod recover;
mod reserve;
mod retain;
mod rows;
mod space;
mod sql;
mod stats;
#[cfg(test)]
mod testing;
mod thumbs;
mod tiling;
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
    /// The file that the connections have open; `None` where there is none.
    identity: Option<damage::Identity>,
    /// Why this store was opened without its database: every call answers so.
    closed: Option<(Kind, String)>,
    /// Opened on a disk that could not be written: it stays so for these connections, whatever becomes of the disk.
    read_only: bool,
    /// SQLite's first word about damage.
    damage: OnceLock<String>,
    segments_dir: PathBuf,
    prefix: Prefix,
    limits: plan::Limits,
}

/// Why the parts must be started again over a newly opened store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reopen {
    /// SQLite says that the database is damaged: opening moves it aside.
    Damaged(String),
    /// Another file, or none, lies at the database's path: what is written goes where nobody will look.
    Replaced,
    /// The database could not be opened at start, and now it can.
    Back,
}

/// What [`Store::open_for_recording`] made of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    AsItWas,
    /// It was damaged and lies here now; the new one is empty.
    SetAside(PathBuf),
    /// It cannot be used now; footage is recorded, rows wait.
    Closed(String),
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
    /// Their bytes together.
    pub dropped_bytes: u64,
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

impl CameraStats {
    /// Segments and bytes of all cameras in the states that `counts`.
    pub fn total(all: &[CameraStats], counts: impl Fn(State) -> bool) -> (u64, u64) {
        let states = all.iter().flat_map(|stats| &stats.by_state).filter(|(state, ..)| counts(*state));
        states.fold((0, 0), |(segments, sum), (_, count, bytes)| (segments + count, sum + bytes))
    }
}

/// How much of a camera's time is footage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footage {
    pub camera: CameraName,
    /// From its first run to the end of its newest segment; footage and gaps tile it.
    pub covered: Duration,
    pub gaps: Vec<(Cause, Duration)>,
}

/// Segments of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    pub segments: u64,
    pub bytes: u64,
    /// From the first one's start to the last one's end.
    pub span: Duration,
}

impl Footage {
    pub fn recorded(&self) -> Duration {
        self.covered.saturating_sub(self.gaps.iter().map(|(_, gap)| *gap).sum())
    }
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
        let connections = connection::open(&config.database)?;
        let store = Store::over(config, prefix, connections, None)?;
        store.check_marker()?;
        Ok(store)
    }

    /// As [`Store::open`], for a recorder that nobody watches: whatever becomes of a database that it has used before,
    /// footage is recorded. A damaged one is moved aside; over one that cannot be opened now (locked, or on a disk
    /// that cannot be written) every call fails until [`Store::reopen_because`] says that it is back.
    ///
    /// # Errors
    /// What a person must correct: a database never used before, another program's, a newer version's, the wrong disk.
    pub fn open_for_recording(config: &StorageConfig, prefix: &Prefix) -> Result<(Store, Opened)> {
        connection::create_folder(&config.segments_dir, "storage.segments_dir")?;
        match connection::open_or_replace(&config.database) {
            Ok((connections, aside)) => {
                let store = Store::over(config, prefix, connections, None)?;
                store.check_marker()?;
                Ok((store, aside.map_or(Opened::AsItWas, Opened::SetAside)))
            }
            Err(error)
                if matches!(error.kind(), Kind::Disk | Kind::Unreachable)
                    && damage::was_ours(&config.database) =>
            {
                let why = error.to_string();
                let stand_in = || Connection::open_in_memory().sql(|| "open a database in memory");
                let connections = (stand_in()?, stand_in()?);
                let store = Store::over(config, prefix, connections, Some((error.kind(), why.clone())))?;
                store.require_marker()?;
                Ok((store, Opened::Closed(why)))
            }
            Err(error) => Err(error),
        }
    }

    fn over(
        config: &StorageConfig,
        prefix: &Prefix,
        (writer, reader): (Connection, Connection),
        closed: Option<(Kind, String)>,
    ) -> Result<Store> {
        let limits = plan::Limits {
            local_buffer: config.local_buffer,
            max_size_bytes: config.max_size_bytes,
            min_free_bytes: config.min_free_bytes,
        };
        let read_only = writer.is_readonly("main").sql(|| "look at the database")?;
        let inner = Inner {
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            identity: damage::identity(&config.database)?,
            database: config.database.clone(),
            closed,
            read_only,
            damage: OnceLock::new(),
            segments_dir: config.segments_dir.clone(),
            prefix: prefix.clone(),
            limits,
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Whether the parts must be started again over a newly opened store, and why. Cheap; asked every second.
    pub fn reopen_because(&self) -> Option<Reopen> {
        if self.inner.closed.is_some() {
            return match connection::open(&self.inner.database) {
                Err(error) if error.kind() != Kind::Damaged => None,
                _ => Some(Reopen::Back),
            };
        }
        if self.inner.read_only && self.takes_rows() {
            return Some(Reopen::Back);
        }
        if let Some(damage) = self.inner.damage.get() {
            return Some(Reopen::Damaged(damage.clone()));
        }
        // a path that cannot be looked at says nothing about the file
        let found = damage::identity(&self.inner.database).ok()?;
        (found != self.inner.identity).then_some(Reopen::Replaced)
    }

    /// Whether a row could be written after opening anew: a connection opened on a read-only disk stays read-only.
    pub fn takes_rows(&self) -> bool {
        let opened = connection::open(&self.inner.database);
        opened.is_ok_and(|(mut writer, _)| {
            writer.transaction_with_behavior(TransactionBehavior::Immediate).is_ok()
        })
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

    /// One transaction that takes SQLite's write lock at once, so that what it reads cannot change under it. On a full
    /// disk it is tried again with the room that is kept for it, so `work` may run twice.
    fn write<T>(&self, what: &str, mut work: impl FnMut(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.require_open()?;
        let result = match self.write_once(what, &mut work) {
            Err(error) if error.kind() == Kind::Disk && reserve::open(&self.inner.database) => {
                self.write_once(what, &mut work)
            }
            answer => answer,
        };
        self.watched(result)
    }

    fn write_once<T>(&self, what: &str, work: &mut impl FnMut(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = guard(&self.inner.writer);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).sql(|| what)?;
        let value = work(&tx)?;
        tx.commit().sql(|| what)?;
        Ok(value)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.require_open()?;
        self.watched(work(&guard(&self.inner.reader)))
    }

    fn require_open(&self) -> Result<()> {
        match &self.inner.closed {
            None => Ok(()),
            Some((kind, why)) => Err(Error::new(*kind, why.clone())),
        }
    }

    /// Remembers the first word of damage, also for the next start.
    fn watched<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && error.kind() == Kind::Damaged
            && self.inner.damage.set(error.to_string()).is_ok()
            && let Some(identity) = self.inner.identity
        {
            damage::note(&self.inner.database, identity);
        }
        result
    }
}

/// A panic elsewhere rolled its transaction back; the connection is as good as before.
fn guard(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
