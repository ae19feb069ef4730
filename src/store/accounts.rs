//! Who may look: rows of users, of their sessions in browsers, and of links for others.
//!
//! Called by `access` and by the commands `user` and `share`. Tokens are known here by their SHA-256 only, passwords by
//! their argon2id hash: who reads the database can log in with nothing of it.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::Store;
use super::sql::{SqlContext, camera};
use crate::error::Result;
use crate::segment::{CameraName, Timestamp};

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// Somebody with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    pub name: String,
    /// `viewer` or `admin`.
    pub role: String,
    /// A PHC string.
    pub password_hash: String,
    /// When the password was set.
    pub changed: Timestamp,
}

/// A browser that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    pub user: String,
    pub role: String,
    pub expires: Timestamp,
}

/// A link for somebody without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRow {
    pub id: i64,
    pub camera: CameraName,
    pub is_live_only: bool,
    pub note: String,
    pub created: Timestamp,
    pub expires: Timestamp,
}

const USER: &str = "name, role, password_hash, changed_ms";
const SHARE: &str = "id, camera, is_live_only, note, created_ms, expires_ms";

impl Store {
    /// By name.
    pub fn users(&self) -> Result<Vec<UserRow>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(&format!("SELECT {USER} FROM users ORDER BY name"))
                .sql(|| "read users")?;
            let rows = statement.query_map([], user).sql(|| "read users")?;
            rows.collect::<rusqlite::Result<_>>().sql(|| "read users")
        })
    }

    pub fn user(&self, name: &str) -> Result<Option<UserRow>> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {USER} FROM users WHERE name = ?1"))
                .and_then(|mut statement| statement.query_row([name], user).optional())
                .sql(|| "find the user")
        })
    }

    /// Whether the user is new; an existing one stays as it is.
    pub fn add_user(&self, new: &UserRow) -> Result<bool> {
        self.write("add the user", |tx| {
            let added = tx
                .execute(
                    "INSERT INTO users (name, role, password_hash, changed_ms) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (name) DO NOTHING",
                    params![new.name, new.role, new.password_hash, new.changed.as_millis()],
                )
                .sql(|| "add the user")?;
            Ok(added > 0)
        })
    }

    /// Whether there is such a user. The new password ends all sessions that the old one began.
    pub fn set_password(&self, name: &str, password_hash: &str, now: Timestamp) -> Result<bool> {
        self.write("set the password", |tx| {
            let changed = tx
                .execute(
                    "UPDATE users SET password_hash = ?2, changed_ms = ?3 WHERE name = ?1",
                    params![name, password_hash, now.as_millis()],
                )
                .sql(|| "set the password")?;
            end_sessions_of(tx, name)?;
            Ok(changed > 0)
        })
    }

    /// Whether there was such a user. All sessions end.
    pub fn remove_user(&self, name: &str) -> Result<bool> {
        self.write("remove the user", |tx| {
            end_sessions_of(tx, name)?;
            let removed =
                tx.execute("DELETE FROM users WHERE name = ?1", [name]).sql(|| "remove the user")?;
            Ok(removed > 0)
        })
    }

    /// Also forgets sessions that are over.
    pub fn begin_session(
        &self,
        token: &TokenHash,
        user: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<()> {
        self.write("log in", |tx| {
            tx.execute("DELETE FROM sessions WHERE expires_ms <= ?1", [now.as_millis()])
                .and_then(|_| {
                    tx.execute(
                        "INSERT INTO sessions (token_sha256, user, expires_ms) VALUES (?1, ?2, ?3)",
                        params![token, user, expires.as_millis()],
                    )
                })
                .sql(|| "log in")?;
            Ok(())
        })
    }

    /// `None` where it never was, is over, or was ended.
    pub fn session(&self, token: &TokenHash, now: Timestamp) -> Result<Option<SessionRow>> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT users.name, users.role, sessions.expires_ms FROM sessions \
                     JOIN users ON users.name = sessions.user WHERE token_sha256 = ?1 AND expires_ms > ?2",
                )
                .and_then(|mut statement| {
                    let session = |row: &Row<'_>| {
                        Ok(SessionRow {
                            user: row.get(0)?,
                            role: row.get(1)?,
                            expires: Timestamp::from_millis(row.get(2)?),
                        })
                    };
                    statement.query_row(params![token, now.as_millis()], session).optional()
                })
                .sql(|| "find the session")
        })
    }

    /// A session that is used goes on.
    pub fn extend_session(&self, token: &TokenHash, expires: Timestamp) -> Result<()> {
        self.write("extend the session", |tx| {
            tx.execute(
                "UPDATE sessions SET expires_ms = ?2 WHERE token_sha256 = ?1",
                params![token, expires.as_millis()],
            )
            .sql(|| "extend the session")?;
            Ok(())
        })
    }

    pub fn end_session(&self, token: &TokenHash) -> Result<()> {
        self.write("log out", |tx| {
            tx.execute("DELETE FROM sessions WHERE token_sha256 = ?1", [token]).sql(|| "log out")?;
            Ok(())
        })
    }

    /// Returns its number. Also forgets links that have been over for a month.
    pub fn add_share(&self, token: &TokenHash, new: &ShareRow) -> Result<i64> {
        const KEPT_MS: i64 = 30 * 86_400_000;
        self.write("make the link", |tx| {
            tx.execute("DELETE FROM shares WHERE expires_ms < ?1", [new.created.as_millis() - KEPT_MS])
                .and_then(|_| {
                    tx.execute(
                        "INSERT INTO shares (token_sha256, camera, is_live_only, note, created_ms, expires_ms) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        params![
                            token,
                            new.camera.as_str(),
                            new.is_live_only,
                            new.note,
                            new.created.as_millis(),
                            new.expires.as_millis()
                        ],
                    )
                })
                .sql(|| "make the link")?;
            Ok(tx.last_insert_rowid())
        })
    }

    /// `None` where it never was, is over, or was revoked.
    pub fn share(&self, token: &TokenHash, now: Timestamp) -> Result<Option<ShareRow>> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {SHARE} FROM shares WHERE token_sha256 = ?1 AND expires_ms > ?2"
                ))
                .and_then(|mut statement| {
                    statement.query_row(params![token, now.as_millis()], share).optional()
                })
                .sql(|| "find the link")
        })
    }

    /// Those that work, oldest first.
    pub fn shares(&self, now: Timestamp) -> Result<Vec<ShareRow>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(&format!("SELECT {SHARE} FROM shares WHERE expires_ms > ?1 ORDER BY id"))
                .sql(|| "read the links")?;
            let rows = statement.query_map([now.as_millis()], share).sql(|| "read the links")?;
            rows.collect::<rusqlite::Result<_>>().sql(|| "read the links")
        })
    }

    /// Whether there was such a link.
    pub fn revoke_share(&self, id: i64) -> Result<bool> {
        self.write("revoke the link", |tx| {
            let revoked = tx.execute("DELETE FROM shares WHERE id = ?1", [id]).sql(|| "revoke the link")?;
            Ok(revoked > 0)
        })
    }
}

fn end_sessions_of(tx: &Transaction<'_>, user: &str) -> Result<()> {
    tx.execute("DELETE FROM sessions WHERE user = ?1", [user]).sql(|| "end the user's sessions")?;
    Ok(())
}

fn user(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        name: row.get(0)?,
        role: row.get(1)?,
        password_hash: row.get(2)?,
        changed: Timestamp::from_millis(row.get(3)?),
    })
}

fn share(row: &Row<'_>) -> rusqlite::Result<ShareRow> {
    Ok(ShareRow {
        id: row.get(0)?,
        camera: camera(row, 1)?,
        is_live_only: row.get(2)?,
        note: row.get(3)?,
        created: Timestamp::from_millis(row.get(4)?),
        expires: Timestamp::from_millis(row.get(5)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, bench, cam};
    use super::*;

    fn ada(hash: &str) -> UserRow {
        UserRow { name: "ada".into(), role: "admin".into(), password_hash: hash.into(), changed: at(1) }
    }

    #[test]
    fn a_user_is_added_once_and_a_new_password_ends_the_sessions() {
        let bench = bench();
        let store = &bench.store;
        assert!(store.add_user(&ada("first")).unwrap());
        assert!(!store.add_user(&ada("second")).unwrap());
        assert_eq!(store.user("ada").unwrap(), Some(ada("first")));
        store.begin_session(&[1; 32], "ada", at(10), at(20)).unwrap();
        let session = store.session(&[1; 32], at(19)).unwrap().unwrap();
        assert_eq!((session.user.as_str(), session.role.as_str()), ("ada", "admin"));
        assert_eq!(store.session(&[1; 32], at(20)).unwrap(), None, "it is over");
        store.extend_session(&[1; 32], at(30)).unwrap();
        assert!(store.session(&[1; 32], at(20)).unwrap().is_some());
        assert!(store.set_password("ada", "new", at(21)).unwrap());
        assert_eq!(store.session(&[1; 32], at(22)).unwrap(), None);
        assert!(!store.set_password("eve", "new", at(21)).unwrap());
        store.begin_session(&[2; 32], "ada", at(30), at(40)).unwrap();
        store.begin_session(&[3; 32], "ada", at(30), at(40)).unwrap();
        store.end_session(&[2; 32]).unwrap();
        assert_eq!(store.session(&[2; 32], at(31)).unwrap(), None);
        assert!(store.remove_user("ada").unwrap() && !store.remove_user("ada").unwrap());
        assert_eq!(store.session(&[3; 32], at(31)).unwrap(), None);
        assert_eq!(store.users().unwrap(), []);
    }

    #[test]
    fn a_link_works_until_its_time_or_its_revocation() {
        let bench = bench();
        let store = &bench.store;
        let new = |expires| ShareRow {
            id: 0,
            camera: cam("gate"),
            is_live_only: true,
            note: "police".into(),
            created: at(100),
            expires: at(expires),
        };
        let first = store.add_share(&[1; 32], &new(200)).unwrap();
        let second = store.add_share(&[2; 32], &new(300)).unwrap();
        assert_eq!(store.share(&[1; 32], at(199)).unwrap(), Some(ShareRow { id: first, ..new(200) }));
        assert_eq!(store.share(&[1; 32], at(200)).unwrap(), None);
        assert_eq!(store.shares(at(250)).unwrap(), [ShareRow { id: second, ..new(300) }]);
        assert!(store.revoke_share(second).unwrap() && !store.revoke_share(second).unwrap());
        assert_eq!(store.share(&[2; 32], at(250)).unwrap(), None);
        assert!(store.add_share(&[3; 32], &new(400)).unwrap() > second, "numbers are not used twice");
    }
}
