//! The database's versions: a numbered list of SQL, applied in order when the store opens.
//!
//! Called by `connection` only. Never edit a migration that was released: add one at the end, whose number
//! becomes the new version (`user_version`).

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::sql::SqlContext;
use crate::error::{Error, Kind, Result};

/// Migration n (from 1) takes a database of version n − 1 to version n.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
];

/// "cctv" as ASCII: tells our database from any other program's.
const APPLICATION_ID: i32 = 0x6363_7476;

/// Brings the database to the newest version, in one transaction: after a crash it is all old or all new.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    apply(connection, path, MIGRATIONS)
}

fn apply(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<()> {
    let what = || format!("migrate database {}", path.display());
    if is_current(connection, migrations.len()).sql(what)? {
        // no write lock for nothing: another process may hold it for long, and recording must begin all the same
        return Ok(());
    }
    keep_old(connection, path, migrations.len());
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).sql(what)?;
    let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0)).sql(what)?;
    let application: i32 = tx.pragma_query_value(None, "application_id", |row| row.get(0)).sql(what)?;
    let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).sql(what)?;
    if application != APPLICATION_ID && (tables > 0 || version != 0) {
        return Err(Error::new(
            Kind::Config,
            format!(
                "open database {}: it belongs to another program; point storage.database elsewhere",
                path.display()
            ),
        ));
    }
    let known = migrations.len();
    let done = usize::try_from(version).ok().filter(|done| *done <= known).ok_or_else(|| {
        // no restart helps
        Error::new(
            Kind::Config,
            format!(
                "database {} is of version {version}, this program knows up to {known}; \
                 install the newer program or point storage.database elsewhere{}",
                path.display(),
                older_copy(path, known)
            ),
        )
    })?;
    if done == known {
        return Ok(());
    }
    if done > 0 {
        log::info!(
            "[store] migrating {} to version {known}; with years of rows this takes minutes",
            path.display()
        );
    }
    for sql in &migrations[done..] {
        tx.execute_batch(sql).sql(what)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID).sql(what)?;
    tx.pragma_update(None, "user_version", i64::try_from(known).unwrap_or(i64::MAX)).sql(what)?;
    tx.commit().sql(what)?;
    if done > 0 {
        log::info!("[store] migrated {} from version {done} to {known}", path.display());
    }
    Ok(())
}

/// A copy of the old version beside the database, for whoever has to go back. Recording must begin all the same where there
/// is no room for one.
fn keep_old(connection: &Connection, path: &Path, known: usize) {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap_or(0);
    let is_older = usize::try_from(version).is_ok_and(|version| (1..known).contains(&version));
    let copy = copy_of(path, version);
    if !is_older || !path.exists() || copy.exists() {
        return;
    }
    match connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()]) {
        Ok(_) => log::info!("[store] the database of version {version} is kept as {}", copy.display()),
        Err(error) => {
            let _ = std::fs::remove_file(&copy);
            log::warn!("[store] no copy of the database is kept before it is migrated: {error}");
        }
    }
}

fn copy_of(database: &Path, version: i64) -> PathBuf {
    database.with_extension(format!("db.v{version}"))
}

/// Says where the newest copy is that this program could read; empty where there is none.
fn older_copy(database: &Path, known: usize) -> String {
    let versions = (1..=i64::try_from(known).unwrap_or(i64::MAX)).rev();
    let copy = versions.map(|version| copy_of(database, version)).find(|copy| copy.exists());
    copy.map(|copy| format!(" (as it was before the newer program migrated it: {})", copy.display()))
        .unwrap_or_default()
}

fn is_current(connection: &Connection, known: usize) -> rusqlite::Result<bool> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(application == APPLICATION_ID && usize::try_from(version) == Ok(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(|row| row.unwrap()).collect()
    }

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn every_old_version_becomes_what_a_new_database_is() {
        let mut fresh = Connection::open_in_memory().unwrap();
        migrate(&mut fresh, Path::new("fresh")).unwrap();
        for old in 0..=MIGRATIONS.len() {
            let mut database = Connection::open_in_memory().unwrap();
            apply(&mut database, Path::new("old"), &MIGRATIONS[..old]).unwrap();
            assert_eq!(version(&database), i64::try_from(old).unwrap());
            migrate(&mut database, Path::new("old")).unwrap();
            assert_eq!(schema(&database), schema(&fresh), "from version {old}");
            assert_eq!(version(&database), version(&fresh));
        }
    }

    #[test]
    fn the_old_version_is_kept_beside_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segments.db");
        let mut database = Connection::open(&path).unwrap();
        apply(&mut database, &path, &MIGRATIONS[..2]).unwrap();
        database.execute("INSERT INTO runs (camera, started_at) VALUES ('cam', 5)", []).unwrap();
        migrate(&mut database, &path).unwrap();
        let copy = Connection::open(folder.path().join("segments.db.v2")).unwrap();
        assert_eq!(version(&copy), 2);
        let started: i64 = copy.query_row("SELECT started_at FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!(started, 5);
        // a new database has nothing to keep
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 2);
    }

    #[test]
    fn rows_live_through_a_later_migration() {
        let mut database = Connection::open_in_memory().unwrap();
        migrate(&mut database, Path::new("db")).unwrap();
        database.execute("INSERT INTO runs (camera, started_at) VALUES ('cam', 7)", []).unwrap();
        let mut later = MIGRATIONS.to_vec();
        later.push("ALTER TABLE runs ADD COLUMN note TEXT;");
        apply(&mut database, Path::new("db"), &later).unwrap();
        let started: i64 = database.query_row("SELECT started_at FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!((started, version(&database)), (7, i64::try_from(later.len()).unwrap()));
    }

    #[test]
    fn rows_of_version_5_keep_their_keys_and_only_files_keep_their_md5() {
        let mut database = Connection::open_in_memory().unwrap();
        apply(&mut database, Path::new("db"), &MIGRATIONS[..5]).unwrap();
        let row = |id: i64, key: &str, state: &str| {
            format!(
                "INSERT INTO segments (id, camera, run, sequence, discontinuity, start_ms, duration_us, bytes, md5, sha256,
                     file_epoch, key, state, created_at)
                 VALUES ({id}, 'gate', 1, {id}, 1, 0, 1, 7, x'0{id}', x'', 1763906399 + {id}, '{key}', '{state}', 0);"
            )
        };
        let default = "cameras/gate/2025/11/23/13/segment_1763906400.ts".replace("/13/", "/14/");
        database
            .execute_batch(&format!(
                "INSERT INTO runs (camera, started_at) VALUES ('gate', 0); {} {} {}",
                row(1, &default, "created"),
                row(2, "site-7/gate/2025/11/23/14/segment_1763906401.ts", "uploaded"),
                row(3, "cameras/gate/2025/11/23/14/segment_1763906402.ts", "cleaned"),
            ))
            .unwrap();
        let keys = |database: &Connection| -> Vec<String> {
            let mut keys = database.prepare("SELECT key FROM segments ORDER BY id").unwrap();
            keys.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let before = keys(&database);
        migrate(&mut database, Path::new("db")).unwrap();
        assert_eq!(keys(&database), before);
        let number = |sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(number("SELECT count(*) FROM segments WHERE named_key IS NOT NULL"), 1);
        assert_eq!(number("SELECT sum(segment) FROM md5s WHERE hex(md5) = '0' || segment"), 1 + 2);
        assert_eq!(number("SELECT segment FROM ends WHERE camera = 'gate'"), 3);
        database.execute_batch("UPDATE segments SET state = 'cleaned' WHERE id = 2").unwrap();
        assert_eq!(number("SELECT count(*) FROM md5s"), 1);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_old_version_whole() {
        let mut database = Connection::open_in_memory().unwrap();
        migrate(&mut database, Path::new("db")).unwrap();
        let before = schema(&database);
        let mut later = MIGRATIONS.to_vec();
        later.push("CREATE TABLE half (a); this is not SQL;");
        assert!(apply(&mut database, Path::new("db"), &later).is_err());
        assert_eq!(schema(&database), before);
        assert_eq!(version(&database), i64::try_from(MIGRATIONS.len()).unwrap());
    }

    #[test]
    fn a_newer_database_is_refused_with_both_versions() {
        let mut database = Connection::open_in_memory().unwrap();
        migrate(&mut database, Path::new("db")).unwrap();
        database.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut database, Path::new("x.db")).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let wanted =
            format!("database x.db is of version 99, this program knows up to {};", MIGRATIONS.len());
        assert!(error.to_string().starts_with(&wanted), "{error}");
    }

    #[test]
    fn who_goes_back_is_told_of_the_copy_that_the_older_program_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segments.db");
        let mut newer = MIGRATIONS.to_vec();
        newer.push("CREATE TABLE later (a)");
        let mut database = Connection::open(&path).unwrap();
        migrate(&mut database, &path).unwrap();
        apply(&mut database, &path, &newer).unwrap();
        let error = migrate(&mut database, &path).unwrap_err();
        let copy = dir.path().join(format!("segments.db.v{}", MIGRATIONS.len()));
        assert!(copy.exists() && error.to_string().contains(&*copy.to_string_lossy()), "{error}");
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let mut database = Connection::open_in_memory().unwrap();
        database.execute_batch("CREATE TABLE theirs (a)").unwrap();
        let error = migrate(&mut database, Path::new("x.db")).unwrap_err();
        assert!(error.to_string().contains("belongs to another program"), "{error}");
        assert_eq!(schema(&database), ["CREATE TABLE theirs (a)"]);
    }
}
