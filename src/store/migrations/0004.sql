-- Time without footage by cause, so that nobody has to add up the gaps of years: kept by triggers, as `totals` is.
CREATE TABLE gap_totals (
    camera TEXT NOT NULL,
    cause  TEXT NOT NULL,
    ms     INTEGER NOT NULL,
    PRIMARY KEY (camera, cause)
) STRICT, WITHOUT ROWID;

INSERT INTO gap_totals (camera, cause, ms)
    SELECT camera, cause, sum(end_ms - start_ms) FROM gaps GROUP BY camera, cause;

CREATE TRIGGER gap_added AFTER INSERT ON gaps BEGIN
    INSERT INTO gap_totals (camera, cause, ms) VALUES (NEW.camera, NEW.cause, NEW.end_ms - NEW.start_ms)
        ON CONFLICT (camera, cause) DO UPDATE SET ms = ms + excluded.ms;
END;

CREATE TRIGGER gap_changed AFTER UPDATE ON gaps BEGIN
    UPDATE gap_totals SET ms = ms - (OLD.end_ms - OLD.start_ms) WHERE camera = OLD.camera AND cause = OLD.cause;
    INSERT INTO gap_totals (camera, cause, ms) VALUES (NEW.camera, NEW.cause, NEW.end_ms - NEW.start_ms)
        ON CONFLICT (camera, cause) DO UPDATE SET ms = ms + excluded.ms;
END;

CREATE TRIGGER gap_removed AFTER DELETE ON gaps BEGIN
    UPDATE gap_totals SET ms = ms - (OLD.end_ms - OLD.start_ms) WHERE camera = OLD.camera AND cause = OLD.cause;
END;
