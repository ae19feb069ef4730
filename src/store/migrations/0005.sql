-- What the receivers of alerts know, so that a restart tells nothing twice and forgets no end.

CREATE TABLE alerts (
    target   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    -- '' for what is not of a camera
    camera   TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    PRIMARY KEY (target, kind, camera)
) STRICT, WITHOUT ROWID;

-- One row: how many segments were lost when alerts looked last.
CREATE TABLE alert_losses (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    segments INTEGER NOT NULL
) STRICT;
