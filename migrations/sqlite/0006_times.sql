-- Planned time: the calendar as central last told it, and where the required time of each shift went.

CREATE TABLE calendar (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    -- What central last said of its newest version, so that it says it once.
    mark             TEXT NOT NULL,
    -- The last version that could be used, as it was written; NULL: none could yet.
    version          INTEGER,
    text             TEXT,
    written_by       TEXT,
    written_at       TEXT,
    fetched_at       TEXT,
    -- Central's newest version, if this release cannot use it, and why.
    refused_version  INTEGER,
    refusal          TEXT
) STRICT;

-- By which calendar, day start and rhythm the times of the machine's days were computed.
ALTER TABLE machine ADD COLUMN times_basis BLOB;

-- One row per part of a shift in a production day; docs/trs.md explains each time.
CREATE TABLE shift_times (
    machine_id        INTEGER NOT NULL REFERENCES machine (id),
    day               TEXT NOT NULL,
    number            INTEGER NOT NULL,
    shift             TEXT NOT NULL,
    planned_from_ms   INTEGER NOT NULL,
    planned_to_ms     INTEGER NOT NULL,
    is_running        INTEGER NOT NULL,
    known_until_ms    INTEGER NOT NULL,
    is_day_over       INTEGER NOT NULL,
    opening_ms        INTEGER NOT NULL,
    required_ms       INTEGER NOT NULL,
    running_ms        INTEGER NOT NULL,
    stop_ms           INTEGER NOT NULL,
    wait_ms           INTEGER NOT NULL,
    start_ms          INTEGER NOT NULL,
    end_ms            INTEGER NOT NULL,
    pieces            INTEGER NOT NULL,
    rejects           INTEGER NOT NULL,
    nominal_per_hour  INTEGER,
    PRIMARY KEY (machine_id, day, number)
) STRICT, WITHOUT ROWID;

-- The times of a day travel with its session. Of a planned day that has none they travel alone; a row
-- stays until central has confirmed that there are none any more.
CREATE TABLE times_alone (
    machine_id       INTEGER NOT NULL REFERENCES machine (id),
    day              TEXT NOT NULL,
    revision         INTEGER NOT NULL,
    synced_revision  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (machine_id, day)
) STRICT, WITHOUT ROWID;

-- Pieces outside the required time of every shift; NULL without a calendar.
ALTER TABLE session ADD COLUMN pieces_outside INTEGER;

-- What central confirmed before says nothing of the times and the TRS on them.
UPDATE session SET synced_digest = NULL WHERE synced_digest IS NOT NULL;

-- What the times of a day need beside its rows, so that another calendar needs no LOG: the day's last
-- event, the beginning of a stop that no start line ended, and when each reject was reported, in
-- milliseconds with blanks between them.
ALTER TABLE session ADD COLUMN last_event_ms INTEGER;
ALTER TABLE day_digest ADD COLUMN open_stop_ms INTEGER;
ALTER TABLE day_digest ADD COLUMN reject_ms TEXT NOT NULL DEFAULT '';

-- A day is over when every LOG that feeds it is closed: what was not known before is then evaluated.
CREATE TRIGGER day_over AFTER UPDATE OF state ON log_file
WHEN (old.state = 'growing') <> (new.state = 'growing') BEGIN
    UPDATE day_digest SET is_stale = 1 WHERE session_id IN (
        SELECT session_id FROM file_session WHERE file_id = new.id);
END;

CREATE VIEW times AS
SELECT m.nom AS machine, t.day, t.number, t.shift,
       datetime(t.planned_from_ms / 1000, 'unixepoch') AS planned_from,
       datetime(t.planned_to_ms / 1000, 'unixepoch') AS planned_to,
       iif(t.is_day_over, NULL, datetime(t.known_until_ms / 1000, 'unixepoch')) AS known_until,
       round(t.opening_ms / 3600000.0, 2) AS opening_h, round(t.required_ms / 3600000.0, 2) AS required_h,
       round(t.running_ms / 3600000.0, 2) AS running_h, round(t.stop_ms / 3600000.0, 2) AS stop_h,
       round(t.wait_ms / 3600000.0, 2) AS wait_h, round(t.start_ms / 3600000.0, 2) AS start_h,
       round(t.end_ms / 3600000.0, 2) AS end_h, t.pieces, t.rejects
FROM shift_times t JOIN machine m ON m.id = t.machine_id;
