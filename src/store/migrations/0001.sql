-- Rows of `segments` are never deleted: a name once given must stay taken (design: a name is never used twice).

CREATE TABLE cameras (
    name   TEXT PRIMARY KEY,
    state  TEXT NOT NULL,
    reason TEXT,
    since  INTEGER NOT NULL                 -- ms since 1970
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY,
    camera     TEXT NOT NULL,
    started_at INTEGER NOT NULL,            -- ms since 1970
    ended_at   INTEGER,
    reason     TEXT
) STRICT;
CREATE INDEX runs_open ON runs (camera, id) WHERE ended_at IS NULL;

CREATE TABLE segments (
    id              INTEGER PRIMARY KEY,
    camera          TEXT NOT NULL,
    run             INTEGER NOT NULL REFERENCES runs (id),
    sequence        INTEGER NOT NULL,
    discontinuity   INTEGER NOT NULL,
    start_ms        INTEGER NOT NULL,
    duration_us     INTEGER NOT NULL,
    bytes           INTEGER NOT NULL,
    md5             BLOB NOT NULL,
    sha256          BLOB NOT NULL,
    file_epoch      INTEGER NOT NULL,       -- seconds; names the file
    key             TEXT NOT NULL UNIQUE,
    state           TEXT NOT NULL CHECK (state IN
        ('created', 'uploading', 'retry', 'uploaded', 'failed', 'lost', 'dropped', 'cleaned')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    doubtful        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    created_at      INTEGER NOT NULL,
    uploaded_at     INTEGER,
    UNIQUE (camera, file_epoch),
    UNIQUE (camera, sequence)
) STRICT;

-- Nearly all rows end as `cleaned`; these hold the few that still matter, so that no hot query meets the rest.
CREATE INDEX segments_queue ON segments (start_ms, next_attempt_at, camera)
    WHERE state IN ('created', 'retry');
CREATE INDEX segments_files ON segments (camera, sequence)
    WHERE state IN ('created', 'uploading', 'retry', 'uploaded', 'failed');
CREATE INDEX segments_by_state ON segments (state, start_ms, next_attempt_at)
    WHERE state IN ('created', 'uploading', 'retry', 'uploaded', 'failed');

-- Counts that would take seconds to count.
CREATE TABLE totals (
    camera   TEXT NOT NULL,
    state    TEXT NOT NULL,
    segments INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (camera, state)
) STRICT, WITHOUT ROWID;

-- One row per camera and hour with segments. `ended`: the manifest in S3 is final.
CREATE TABLE manifests (
    camera          TEXT NOT NULL,
    hour            INTEGER NOT NULL,       -- ms since 1970
    changes         INTEGER NOT NULL DEFAULT 0,
    written_changes INTEGER NOT NULL DEFAULT 0,
    written_at      INTEGER,
    pending         INTEGER NOT NULL DEFAULT 0,
    ended           INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (camera, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifests_open ON manifests (hour, camera) WHERE ended = 0 AND changes > 0;

-- Triggers, so that no way of changing a row, a person's own SQL included, can forget the counts.
CREATE TRIGGER segments_added AFTER INSERT ON segments BEGIN
    INSERT INTO totals (camera, state, segments, bytes) VALUES (NEW.camera, NEW.state, 1, NEW.bytes)
        ON CONFLICT (camera, state)
        DO UPDATE SET segments = segments + 1, bytes = bytes + excluded.bytes;
    INSERT INTO manifests (camera, hour, pending) VALUES (
            NEW.camera,
            (NEW.file_epoch - NEW.file_epoch % 3600) * 1000,
            NEW.state IN ('created', 'uploading', 'retry'))
        ON CONFLICT (camera, hour) DO UPDATE SET pending = pending + excluded.pending;
END;

CREATE TRIGGER segments_moved AFTER UPDATE OF state ON segments WHEN OLD.state <> NEW.state BEGIN
    UPDATE totals SET segments = segments - 1, bytes = bytes - OLD.bytes
        WHERE camera = OLD.camera AND state = OLD.state;
    INSERT INTO totals (camera, state, segments, bytes) VALUES (NEW.camera, NEW.state, 1, NEW.bytes)
        ON CONFLICT (camera, state)
        DO UPDATE SET segments = segments + 1, bytes = bytes + excluded.bytes;
    UPDATE manifests SET
            pending = pending - (OLD.state IN ('created', 'uploading', 'retry'))
                              + (NEW.state IN ('created', 'uploading', 'retry')),
            changes = changes + (NEW.state IN ('uploaded', 'lost', 'dropped')),
            ended = ended AND NEW.state NOT IN ('uploaded', 'lost', 'dropped')
        WHERE camera = NEW.camera AND hour = (NEW.file_epoch - NEW.file_epoch % 3600) * 1000;
END;

CREATE TRIGGER segments_stay BEFORE DELETE ON segments BEGIN
    SELECT RAISE(ABORT, 'rows of segments are never deleted: their names must stay taken');
END;
