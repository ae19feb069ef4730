-- Every second of a camera is footage or a gap with a cause; where a segment's time comes from.

-- Why a run ended, in one of a few words; `reason` keeps the sentence.
ALTER TABLE runs ADD COLUMN cause TEXT CHECK (cause IN
    ('unreachable', 'denied', 'stalled', 'codec', 'pipeline', 'disk', 'program_down', 'clock',
     'quiet', 'unknown'));
CREATE INDEX runs_by_time ON runs (camera, started_at);

UPDATE runs SET cause = CASE
        WHEN reason IN ('stopped', 'program stopped without notice', 'adopted after a crash') THEN 'program_down'
        ELSE 'unknown' END
    WHERE ended_at IS NOT NULL;

-- 'camera': the camera's own clock, by RTCP. 'arrival': when its first frame came. 'name': adopted without a row.
ALTER TABLE segments ADD COLUMN time_source TEXT NOT NULL DEFAULT 'arrival'
    CHECK (time_source IN ('camera', 'arrival', 'name'));

-- Time without footage between two segments. Segments and gaps of a camera tile its time: no hole, no overlap.
CREATE TABLE gaps (
    id       INTEGER PRIMARY KEY,
    camera   TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms   INTEGER NOT NULL CHECK (end_ms > start_ms),
    cause    TEXT NOT NULL CHECK (cause IN
        ('unreachable', 'denied', 'stalled', 'codec', 'pipeline', 'disk', 'program_down', 'clock',
         'quiet', 'unknown')),
    reason   TEXT NOT NULL
) STRICT;
CREATE INDEX gaps_by_time ON gaps (camera, start_ms);

-- The time that segments and gaps of a camera tile, and the run of the footage at its end.
CREATE TABLE coverage (
    camera   TEXT PRIMARY KEY,
    start_ms INTEGER NOT NULL,
    end_ms   INTEGER NOT NULL,
    end_run  INTEGER NOT NULL REFERENCES runs (id)
) STRICT, WITHOUT ROWID;

-- Rows from before there were gaps: the same tolerance, and the reason of the run before where one is known.
INSERT INTO gaps (camera, start_ms, end_ms, cause, reason)
    SELECT camera, ended, start_ms,
            coalesce((SELECT cause FROM runs WHERE id = before AND before <> run), 'unknown'),
            coalesce((SELECT reason FROM runs WHERE id = before AND before <> run), 'recorded by an older version')
    FROM (SELECT camera, start_ms, run,
            max(start_ms + duration_us / 1000) OVER earlier AS ended,
            lag(run) OVER (PARTITION BY camera ORDER BY start_ms, id) AS before
        FROM segments
        WINDOW earlier AS (PARTITION BY camera ORDER BY start_ms, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
    WHERE start_ms > ended + 100;
INSERT INTO coverage (camera, start_ms, end_ms, end_run)
    -- SQLite takes the bare column from the row that holds the one maximum
    SELECT first.camera, first.start_ms, last.end_ms, last.run
    FROM (SELECT camera, min(start_ms) AS start_ms FROM segments GROUP BY camera) AS first
    JOIN (SELECT camera, max(start_ms + duration_us / 1000) AS end_ms, run FROM segments GROUP BY camera) AS last
        USING (camera);

CREATE TRIGGER segments_covered AFTER INSERT ON segments BEGIN
    INSERT INTO coverage (camera, start_ms, end_ms, end_run)
        VALUES (NEW.camera, NEW.start_ms, NEW.start_ms + NEW.duration_us / 1000, NEW.run)
        ON CONFLICT (camera) DO UPDATE SET
            start_ms = min(start_ms, excluded.start_ms),
            end_run = CASE WHEN excluded.end_ms >= end_ms THEN excluded.end_run ELSE end_run END,
            end_ms = max(end_ms, excluded.end_ms);
END;
