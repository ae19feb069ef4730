//! What the server makes for access when it starts: the first administrator, and the key for commands on this machine.
//!
//! Both are files beside the database that only the program's own user reads.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Name, Role, Token, account, password};
use crate::error::{Context, Kind, Result};
use crate::store::Store;

/// Holds the first administrator's password until another one is set.
pub const ADMIN_FILE: &str = "admin-password";
/// Holds what `status` shows to the running server.
pub const LOCAL_KEY_FILE: &str = "local-key";
pub(super) const ADMIN: &str = "admin";

/// Makes an administrator where there is nobody, with a random password. Returns the file that tells it.
pub(super) fn first_admin(store: &Store, database: &Path) -> Result<Option<PathBuf>> {
    if !store.users()?.is_empty() {
        return Ok(None);
    }
    let (name, password) = (Name::new(ADMIN)?, password::random()?);
    let file = beside(database, ADMIN_FILE);
    // the file first: a password that nobody can read would lock everybody out
    write(&file, &format!("user: {ADMIN}\npassword: {}\n", password.as_str()))?;
    account::add_user(store, &name, Role::Admin, &password)?;
    Ok(Some(file))
}

/// A new key for this life of the server.
pub(super) fn new_local_key(database: &Path) -> Result<Token> {
    let key = Token::new()?;
    write(&beside(database, LOCAL_KEY_FILE), key.as_str())?;
    Ok(key)
}

/// The running server's key; `None` where there is none that this user may read.
pub fn local_key(database: &Path) -> Option<Token> {
    Token::parse(fs::read_to_string(beside(database, LOCAL_KEY_FILE)).ok()?.trim())
}

/// The first password was replaced: what the file says is not true any more.
pub(super) fn forget_admin_file(database: &Path) {
    let _ = fs::remove_file(beside(database, ADMIN_FILE));
}

fn beside(database: &Path, name: &str) -> PathBuf {
    database.with_file_name(name)
}

/// Whole or not at all, and never readable by others, not even for a moment.
fn write(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    let written = fs::remove_file(&part).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    let written = written.and_then(|()| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&part, path)).context(Kind::Disk, || {
        format!("write {}: give this user write access to the folder of storage.database", path.display())
    })
}
