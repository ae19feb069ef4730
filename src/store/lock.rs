//! Roles: who may capture, upload or serve from one database.
//!
//! A role is a locked file beside the database. The kernel frees it when its process dies, however it dies, so
//! a stale lock cannot exist; the process id inside is only for the message.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::connection::beside;
use super::{Role, RoleLock};
use crate::error::{Context, Error, Kind, Result};

/// [`is_held`] of another process takes the lock for a moment; so one refusal is not believed.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(30);
/// A round of retention takes seconds on a slow disk.
const LONGEST_ROUND: Duration = Duration::from_secs(30);

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Role::Capture => "capture",
            Role::Upload => "upload",
            Role::Serve => "serve",
        }
    }
}

pub(super) fn take(database: &Path, role: Role) -> Result<RoleLock> {
    let mut file = lock_file(database, role)?;
    for attempt in 1..=TRIES {
        match file.try_lock() {
            Ok(()) => {
                if let Err(error) = note_owner(&mut file) {
                    // the lock itself holds: a full or read-only disk must not keep anybody from recording
                    log::debug!("{}: note the process id: {error}", what(database, role));
                }
                return Ok(RoleLock { _file: file });
            }
            Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => {
                return Err(Error::with_source(Kind::Disk, what(database, role), error));
            }
        }
    }
    let mut owner = String::new();
    // the text is only for the message; a lock without it is a lock all the same
    let _ = file.read_to_string(&mut owner);
    let owner = match owner.trim() {
        "" => "another process".to_owned(),
        pid => format!("process {pid}"),
    };
    Err(Error::new(
        Kind::Data,
        format!(
            "{}: {owner} has it; stop that process first, or give this one its own storage.database \
             and storage.segments_dir",
            what(database, role)
        ),
    ))
}

/// Whether anybody, this process included, has the role now.
pub(super) fn is_held(database: &Path, role: Role) -> Result<bool> {
    match lock_file(database, role)?.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::with_source(Kind::Disk, what(database, role), error)),
    }
}

/// Waits until nobody else gives files up, and keeps others from it until the file is closed: two processes that
/// look at one disk at the same time would each give up what one of them had to.
pub(super) fn retain_alone(database: &Path) -> Result<File> {
    let file = open(database, "retain")?;
    let what = || format!("wait for another process that cleans the files of {}", database.display());
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if since.elapsed() < LONGEST_ROUND => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(Kind::Data, format!("{}: it hangs; stop it", what())));
            }
            Err(TryLockError::Error(error)) => return Err(Error::with_source(Kind::Disk, what(), error)),
        }
    }
}

fn lock_file(database: &Path, role: Role) -> Result<File> {
    open(database, role.as_str())
}

fn open(database: &Path, name: &str) -> Result<File> {
    let path = beside(database, &format!("{name}.lock"));
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        // a lock needs no right to write: one left on a disk that turned read-only serves as well
        .or_else(|error| File::open(&path).map_err(|_| error))
        .context(Kind::Disk, || format!("open {} (give this user write access)", path.display()))
}

fn note_owner(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn what(database: &Path, role: Role) -> String {
    format!("take the {} role of {}", role.as_str(), database.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_one_owner_and_the_refusal_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("segments.db");
        let held = take(&database, Role::Capture).unwrap();
        let error = take(&database, Role::Capture).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        let wanted = format!("process {} has it", std::process::id());
        assert!(error.to_string().contains(&wanted), "{error}");
        take(&database, Role::Upload).unwrap();
        assert!(is_held(&database, Role::Capture).unwrap());
        drop(held);
        assert!(!is_held(&database, Role::Capture).unwrap());
        take(&database, Role::Capture).unwrap();
    }

    #[test]
    fn of_two_processes_that_clean_one_waits_for_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("segments.db");
        let first = retain_alone(&database).unwrap();
        let order = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let _alone = retain_alone(&database).unwrap();
                order.lock().unwrap().push("second");
            });
            std::thread::sleep(3 * PAUSE);
            order.lock().unwrap().push("first");
            drop(first);
            second.join().unwrap();
        });
        assert_eq!(*order.lock().unwrap(), ["first", "second"]);
    }

    #[test]
    fn a_lock_file_left_by_a_dead_process_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("segments.db");
        std::fs::write(dir.path().join("segments.db.capture.lock"), "999999999").unwrap();
        let _held = take(&database, Role::Capture).unwrap();
        let owner = std::fs::read_to_string(dir.path().join("segments.db.capture.lock")).unwrap();
        assert_eq!(owner, std::process::id().to_string());
    }
}
