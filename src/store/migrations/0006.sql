-- Half the size of a row, of which a camera writes three million a year: no key that can be made from its name, no index of
-- keys and none of sequences, MD5 only while there is a file, and an index of names in the order of time, whose pages
-- are full. (In an index that begins with the camera, every camera but the last leaves its pages half empty.)

DROP TRIGGER segments_added;
DROP TRIGGER segments_moved;
DROP TRIGGER segments_covered;
DROP TRIGGER segments_stay;

CREATE TABLE smaller (
    id              INTEGER PRIMARY KEY,
    camera          TEXT NOT NULL,
    run             INTEGER NOT NULL REFERENCES runs (id),
    sequence        INTEGER NOT NULL,
    discontinuity   INTEGER NOT NULL,
    start_ms        INTEGER NOT NULL,
    duration_us     INTEGER NOT NULL,
    bytes           INTEGER NOT NULL,
    sha256          BLOB NOT NULL,
    file_epoch      INTEGER NOT NULL,       -- seconds; names the file
    -- where s3.prefix is not the default; frozen, as the key is
    named_key       TEXT,
    key             TEXT GENERATED ALWAYS AS (coalesce(named_key, 'cameras/' || camera
        || strftime('/%Y/%m/%d/%H/', file_epoch, 'unixepoch') || 'segment_' || file_epoch || '.ts')) VIRTUAL,
    state           TEXT NOT NULL CHECK (state IN
        ('created', 'uploading', 'retry', 'uploaded', 'failed', 'lost', 'dropped', 'cleaned')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    doubtful        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    created_at      INTEGER NOT NULL,
    uploaded_at     INTEGER,
    time_source     TEXT NOT NULL DEFAULT 'arrival' CHECK (time_source IN ('camera', 'arrival', 'name'))
) STRICT;

INSERT INTO smaller (id, camera, run, sequence, discontinuity, start_ms, duration_us, bytes, sha256, file_epoch, named_key,
        state, attempts, doubtful, next_attempt_at, last_error, created_at, uploaded_at, time_source)
    SELECT id, camera, run, sequence, discontinuity, start_ms, duration_us, bytes, sha256, file_epoch,
        nullif(key, 'cameras/' || camera
            || strftime('/%Y/%m/%d/%H/', file_epoch, 'unixepoch') || 'segment_' || file_epoch || '.ts'),
        state, attempts, doubtful, next_attempt_at, last_error, created_at, uploaded_at, time_source
    FROM segments ORDER BY id;

CREATE TABLE md5s (
    segment INTEGER PRIMARY KEY,
    md5     BLOB NOT NULL
) STRICT;
INSERT INTO md5s (segment, md5)
    SELECT id, md5 FROM segments WHERE state IN ('created', 'uploading', 'retry', 'uploaded', 'failed');

-- The newest row of each camera, from which the next one counts on.
CREATE TABLE ends (
    camera  TEXT PRIMARY KEY,
    segment INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO ends (camera, segment)
    -- SQLite takes the bare column from the row that holds the one maximum
    SELECT camera, id FROM (SELECT camera, id, max(sequence) FROM segments GROUP BY camera);

DROP TABLE segments;
ALTER TABLE smaller RENAME TO segments;

CREATE UNIQUE INDEX segments_names ON segments (file_epoch, camera);
CREATE INDEX segments_queue ON segments (start_ms, next_attempt_at, camera)
    WHERE state IN ('created', 'retry');
CREATE INDEX segments_files ON segments (camera, sequence)
    WHERE state IN ('created', 'uploading', 'retry', 'uploaded', 'failed');
CREATE INDEX segments_by_state ON segments (state, start_ms, next_attempt_at)
    WHERE state IN ('created', 'uploading', 'retry', 'uploaded', 'failed');

CREATE TRIGGER segments_added AFTER INSERT ON segments BEGIN
    INSERT INTO ends (camera, segment) VALUES (NEW.camera, NEW.id)
        ON CONFLICT (camera) DO UPDATE SET segment = excluded.segment;
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

-- Whatever moves the row: without a file nobody asks for it.
CREATE TRIGGER segments_gone AFTER UPDATE OF state ON segments
    WHEN NEW.state IN ('lost', 'dropped', 'cleaned') BEGIN
    DELETE FROM md5s WHERE segment = NEW.id;
END;

CREATE TRIGGER segments_covered AFTER INSERT ON segments BEGIN
    INSERT INTO coverage (camera, start_ms, end_ms, end_run)
        VALUES (NEW.camera, NEW.start_ms, NEW.start_ms + NEW.duration_us / 1000, NEW.run)
        ON CONFLICT (camera) DO UPDATE SET
            start_ms = min(start_ms, excluded.start_ms),
            end_run = CASE WHEN excluded.end_ms >= end_ms THEN excluded.end_run ELSE end_run END,
            end_ms = max(end_ms, excluded.end_ms);
END;

CREATE TRIGGER segments_stay BEFORE DELETE ON segments BEGIN
    SELECT RAISE(ABORT, 'rows of segments are never deleted: their names must stay taken');
END;
