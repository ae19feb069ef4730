-- Who may look: people and their passwords, the browsers they are logged in with, and links for others.

CREATE TABLE users (
    name          TEXT PRIMARY KEY,
    role          TEXT NOT NULL CHECK (role IN ('viewer', 'admin')),
    -- argon2id, as a PHC string
    password_hash TEXT NOT NULL,
    changed_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The token itself is known to the browser alone.
CREATE TABLE sessions (
    token_sha256 BLOB PRIMARY KEY,
    user         TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    expires_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user);

CREATE TABLE shares (
    -- never used twice, so that a number that somebody noted means one link
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    token_sha256 BLOB NOT NULL UNIQUE,
    camera       TEXT NOT NULL,
    is_live_only INTEGER NOT NULL CHECK (is_live_only IN (0, 1)),
    note         TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER NOT NULL
) STRICT;
