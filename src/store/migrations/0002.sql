-- Every second of a camera is footage or a gap with a cause; where a segment's time comes from.

-- Why a run ended, in one of a few words; `reason` keeps the sentence.
ALTER TABLE runs ADD COLUMN cause TEXT CHECK (cause IN
    ('unreachable', 'denied', 'stalled', 'codec', 'pipeline', 'disk', 'database', 'program_down', 'clock',
     'quiet', 'unknown'));

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
        ('unreachable', 'denied', 'stalled', 'codec', 'pipeline', 'disk', 'database', 'program_down', 'clock',
         'quiet', 'unknown')),
    reason   TEXT NOT NULL
) STRICT;
CREATE INDEX gaps_by_time ON gaps (camera, start_ms);
