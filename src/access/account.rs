//! Users as the commands make them.

use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::segment::Timestamp;
use crate::store::{Store, UserRow};

use super::password::Password;
use super::{Role, start};

/// A user's name: what HTTP Basic, a log and a terminal can all carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    pub fn new(text: &str) -> Result<Name> {
        let is_legal = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte));
        if !is_legal {
            let what =
                format!("user: found {text:?}, allowed 1 to 32 of a-z, 0-9, -, _ and .; choose another name");
            return Err(Error::new(Kind::Config, what));
        }
        Ok(Name(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub fn add_user(store: &Store, name: &Name, role: Role, password: &Password) -> Result<()> {
    let new = UserRow {
        name: name.0.clone(),
        role: role.as_str().to_owned(),
        password_hash: password.hash()?,
        changed: Timestamp::now(),
    };
    if store.add_user(&new)? {
        return Ok(());
    }
    let what =
        format!("add user {}: there is one of this name; `user passwd {0}` sets a new password", name.0);
    Err(Error::new(Kind::Config, what))
}

/// `database`: beside it may lie the first password, which is then over.
pub fn set_password(store: &Store, database: &Path, name: &Name, password: &Password) -> Result<()> {
    if !store.set_password(&name.0, &password.hash()?, Timestamp::now())? {
        return Err(nobody(store, name));
    }
    if name.0 == start::ADMIN {
        start::forget_admin_file(database);
    }
    Ok(())
}

/// That there is such a user: asked before a password is.
pub fn check_user(store: &Store, name: &Name) -> Result<()> {
    store.user(&name.0)?.map(|_| ()).ok_or_else(|| nobody(store, name))
}

/// There is no such user; there are these.
fn nobody(store: &Store, name: &Name) -> Error {
    let names: Vec<String> = store.users().unwrap_or_default().into_iter().map(|user| user.name).collect();
    let there = if names.is_empty() { "nobody yet".to_owned() } else { names.join(", ") };
    Error::new(Kind::Config, format!("user {}: there is no such user; there is {there}", name.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert!(Name::new("front-desk_2.pi").is_ok());
        for wrong in ["", "Ada", "ada lovelace", "ada:x", "ä", &"a".repeat(33)] {
            let error = Name::new(wrong).unwrap_err().to_string();
            assert!(error.contains("allowed 1 to 32"), "{error}");
        }
    }
}
