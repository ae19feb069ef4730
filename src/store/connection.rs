//! Opens the database: folders, settings, migration. Called by [`super::Store::open`].
//!
//! Never deletes or repairs anything: a database that cannot be used is an error with a next step, or, for the
//! recorder itself, moved aside (`damage`).

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::migrate::migrate;
use super::sql::SqlContext;
use super::{damage, reserve};
use crate::error::{Context, Error, Kind, Result};
use crate::segment::Timestamp;

/// How long to wait for another process's transaction; ours are far shorter. A camera's thread waits here while its
/// frames come in, and a stop waits for the camera's thread.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// After a burst the write-ahead log shrinks back to this.
const WAL_LIMIT_BYTES: i64 = 64 << 20;

/// Of each connection's own cache. The kernel has the pages as well, so that a miss costs one short read. With SQLite's 2,000 KiB the
/// writer would keep its newest 14,000 rows, two hours of twenty cameras, and seem to leak until then. A transaction that changes
/// more than fits writes pages to the log before its commit, which readers do not see.
const CACHE_KIB: i64 = 256;

/// One connection to write, one to read, so that a long read never holds up a row.
pub(super) fn open(database: &Path) -> Result<(Connection, Connection)> {
    if let Some(folder) = parent(database) {
        create_folder(folder, "storage.database")?;
    }
    // the first process to come creates and migrates, the others wait for it here: SQLite itself would answer
    // "locked" at once while the journal mode changes
    let _first_come = serialize(database)?;
    open_alone(database)
}

/// As [`open`], but a damaged database of ours does not stop the start: it is moved aside, to the path that is
/// returned, and a new one is made.
pub(super) fn open_or_replace(database: &Path) -> Result<((Connection, Connection), Option<PathBuf>)> {
    if let Some(folder) = parent(database) {
        create_folder(folder, "storage.database")?;
    }
    let _first_come = serialize(database)?;
    if !damage::is_noted(database)? {
        match open_alone(database) {
            Err(error) if error.kind() == Kind::Damaged && damage::was_ours(database) => {
                log::error!("[store] {error}");
            }
            other => return other.map(|connections| (connections, None)),
        }
    }
    let aside = damage::set_aside(database, Timestamp::now())?;
    Ok((open_alone(database)?, Some(aside)))
}

/// With the lock of [`serialize`] held. The disk may have been full when the program ended: the room that is kept for
/// rows is for opening, too.
fn open_alone(database: &Path) -> Result<(Connection, Connection)> {
    match open_pair(database) {
        Err(error) if error.kind() == Kind::Disk && reserve::open(database) => open_pair(database),
        answer => answer,
    }
}

fn open_pair(database: &Path) -> Result<(Connection, Connection)> {
    let mut writer = connect(database)?;
    migrate(&mut writer, database)?;
    let reader = connect(database)?;
    reader.pragma_update(None, "query_only", true).sql(|| what(database))?;
    Ok((writer, reader))
}

/// Creates a folder if it is missing and makes sure that we may write in it.
pub(super) fn create_folder(folder: &Path, key: &str) -> Result<()> {
    fs::create_dir_all(folder).context(Kind::Disk, || {
        format!("create folder {} (correct {key}, or give this user write access)", folder.display())
    })?;
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
        .context(Kind::Disk, || {
            format!("write in folder {} (correct {key}, or give this user write access)", folder.display())
        })
}

/// `<database>.<suffix>`: our own files beside the database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// The folder of a file that is not just a name.
pub(super) fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

fn serialize(database: &Path) -> Result<File> {
    let path = beside(database, "open.lock");
    let what = || format!("lock {} (give this user write access)", path.display());
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).context(Kind::Disk, what)?;
    file.lock().context(Kind::Disk, what)?;
    Ok(file)
}

fn what(database: &Path) -> String {
    format!("open database {}", database.display())
}

fn connect(database: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags).sql(|| what(database))?;
    configure(&connection, database)?;
    Ok(connection)
}

fn configure(connection: &Connection, database: &Path) -> Result<()> {
    let what = || what(database);
    connection.busy_timeout(BUSY_TIMEOUT).sql(what)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).sql(what)?;
    if mode != "wal" {
        return Err(Error::new(
            Kind::Disk,
            format!(
                "{}: this file system cannot hold a write-ahead log (found journal mode {mode}); \
                 point storage.database at a local disk",
                what()
            ),
        ));
    }
    // FULL: the log is synced at each commit, so a row that was committed is there after the plug was pulled. With
    // NORMAL, committed moves could be gone: a `cleaned` row would be `uploaded` again with its file gone (recovery
    // settles that), but an `uploading` one would be `created` again, and its PUT not be preceded by HEAD.
    connection.pragma_update(None, "synchronous", "FULL").sql(what)?;
    connection.pragma_update(None, "foreign_keys", true).sql(what)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES).sql(what)?;
    // a negative number counts KiB, not pages
    connection.pragma_update(None, "cache_size", -CACHE_KIB).sql(what)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_are_created_and_the_settings_hold() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, reader) = open(&dir.path().join("a/b/segments.db")).unwrap();
        let pragma = |c: &Connection, name: &str| -> i64 {
            c.pragma_query_value(None, name, |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma(&writer, "synchronous"), 2);
        assert_eq!(pragma(&writer, "foreign_keys"), 1);
        assert_eq!(pragma(&writer, "busy_timeout"), 3_000);
        assert_eq!([&writer, &reader].map(|c| pragma(c, "cache_size")), [-CACHE_KIB; 2]);
        assert!(reader.execute("INSERT INTO runs (camera, started_at) VALUES ('a', 0)", []).is_err());
    }

    #[test]
    fn processes_that_start_together_all_get_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segments.db");
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || open(&path).map(|_| ()))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    }

    #[test]
    fn what_is_no_database_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segments.db");
        let text = "this is not a database, whatever its name says. ".repeat(100);
        fs::write(&path, &text).unwrap();
        let error = open(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(error.to_string().contains("move the database aside"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_database_cut_short_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segments.db");
        drop(open(&path).unwrap());
        File::options().write(true).open(&path).unwrap().set_len(6000).unwrap();
        let error = open(&path).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
        assert!(error.to_string().contains("move the database aside"), "{error}");
    }

    #[test]
    fn the_recorder_moves_a_damaged_database_of_its_own_aside_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segments.db");
        fs::write(&path, "notes of a person. ".repeat(100)).unwrap();
        assert_eq!(open_or_replace(&path).map(|_| ()).unwrap_err().kind(), Kind::Damaged);
        assert!(fs::read_to_string(&path).unwrap().starts_with("notes"), "it may be anything");

        fs::write(dir.path().join("segments.db.capture.lock"), "7").unwrap();
        let (_, aside) = open_or_replace(&path).unwrap();
        assert!(fs::read_to_string(aside.unwrap()).unwrap().starts_with("notes"));
        assert_eq!(open_or_replace(&path).unwrap().1, None, "the new one is well");
    }

    #[test]
    fn damage_that_opening_does_not_see_is_noted_for_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segments.db");
        drop(open(&path).unwrap());
        damage::note(&path, damage::identity(&path).unwrap().unwrap());
        assert!(open(&path).is_ok(), "commands that only look move nothing");
        let aside = open_or_replace(&path).unwrap().1.unwrap();
        assert!(aside.to_string_lossy().contains("segments.db.corrupt-"));
        assert_eq!(open_or_replace(&path).unwrap().1, None);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_a_disk_error_with_the_key_to_correct() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        let error = open(&dir.path().join("file/segments.db")).unwrap_err();
        assert_eq!(error.kind(), Kind::Disk);
        assert!(error.to_string().contains("storage.database"), "{error}");

        fs::create_dir(dir.path().join("folder.db")).unwrap();
        let error = open(&dir.path().join("folder.db")).unwrap_err();
        assert_eq!(error.kind(), Kind::Disk, "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}
