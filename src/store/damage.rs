//! What becomes of a database that is damaged, or is not the one any more that lies at its path.
//!
//! Called by `connection` at open and by the store while it works. Never deletes anything: a damaged database is
//! moved aside, together with its log, for a person to look at. The files are what matters, and recovery adopts them.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::connection::{beside, parent};
use super::{Role, files};
use crate::error::{Context, Kind, Result};
use crate::segment::Timestamp;

/// Which file a path names: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

/// `None`: there is nothing at the path.
pub(super) fn identity(database: &Path) -> Result<Option<Identity>> {
    match fs::metadata(database) {
        Ok(found) => Ok(Some(Identity(found.dev(), found.ino()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(Kind::Disk, || format!("look at {}", database.display())),
    }
}

/// Leaves word for the next start that this file is damaged: where the damage lies in a page that opening does not
/// read, nobody would notice again. The file is named by its inode, because another process may have replaced it.
pub(super) fn note(database: &Path, identity: Identity) {
    let path = note_path(database);
    if let Err(error) = fs::write(&path, note_text(identity)) {
        log::warn!(
            "[store] write {}: {error}; the next start may not notice the damage at once",
            path.display()
        );
    }
}

/// Whether [`note`] was written about the file that is there now. A note about another one is removed.
pub(super) fn is_noted(database: &Path) -> Result<bool> {
    let path = note_path(database);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(false) };
    if identity(database)?.is_some_and(|found| text == note_text(found)) {
        return Ok(true);
    }
    files::remove(&path)?;
    Ok(false)
}

/// Whether this program has used this database before: only then may a file that is no database be moved; it could
/// be anything that a mistyped storage.database names.
pub(super) fn was_ours(database: &Path) -> bool {
    [Role::Capture, Role::Upload, Role::Serve]
        .iter()
        .any(|role| beside(database, &format!("{}.lock", role.as_str())).exists())
}

/// Moves the database and its log aside. The log goes first: left alone, SQLite would play it into the next database.
pub(super) fn set_aside(database: &Path, now: Timestamp) -> Result<PathBuf> {
    let aside = free_place(database, now)?;
    for suffix in ["-wal", "-shm", ""] {
        let (from, to) = (with_suffix(database, suffix), with_suffix(&aside, suffix));
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).context(Kind::Disk, || {
                    format!("move the damaged {} to {}", from.display(), to.display())
                });
            }
        }
        files::sync(parent(database).unwrap_or(Path::new(".")))?;
    }
    files::remove(&note_path(database))?;
    Ok(aside)
}

fn free_place(database: &Path, now: Timestamp) -> Result<PathBuf> {
    let stamp: String =
        now.rfc3339().chars().take(19).filter(|letter| letter.is_ascii_alphanumeric()).collect();
    let mut place = beside(database, &format!("corrupt-{stamp}Z"));
    let mut copies = 0;
    while files::exists(&place)? {
        copies += 1;
        place = beside(database, &format!("corrupt-{stamp}Z.{copies}"));
    }
    Ok(place)
}

fn note_path(database: &Path) -> PathBuf {
    beside(database, "damaged")
}

fn note_text(identity: Identity) -> String {
    format!("device {} inode {}\n", identity.0, identity.1)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, at};
    use super::*;

    #[test]
    fn database_and_log_are_moved_together_and_never_onto_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("segments.db");
        for round in ["first", "second"] {
            fs::write(&database, round).unwrap();
            fs::write(dir.path().join("segments.db-wal"), round).unwrap();
            set_aside(&database, at(HOUR)).unwrap();
            assert!(!database.exists() && !dir.path().join("segments.db-wal").exists());
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("segments.db.corrupt-20251123T130000Z"), "first");
        assert_eq!(read("segments.db.corrupt-20251123T130000Z-wal"), "first");
        assert_eq!(read("segments.db.corrupt-20251123T130000Z.1"), "second");
        assert_eq!(read("segments.db.corrupt-20251123T130000Z.1-wal"), "second");
    }

    #[test]
    fn a_note_about_another_file_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("segments.db");
        fs::write(&database, "old").unwrap();
        note(&database, identity(&database).unwrap().unwrap());
        assert!(is_noted(&database).unwrap());
        fs::rename(&database, dir.path().join("aside")).unwrap();
        fs::write(&database, "new").unwrap();
        assert!(!is_noted(&database).unwrap());
        assert!(!note_path(&database).exists());
    }
}
