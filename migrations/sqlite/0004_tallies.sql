-- What is asked of the whole history (how many files, bytes, lines, sessions) stands with the
-- machine, so that the answer costs as much after a year as on the first day. The triggers keep it
-- true in the transaction of whoever writes; a poll that writes nothing else does not write this.

ALTER TABLE machine ADD COLUMN total_files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE machine ADD COLUMN total_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE machine ADD COLUMN total_lines INTEGER NOT NULL DEFAULT 0;
ALTER TABLE machine ADD COLUMN total_events INTEGER NOT NULL DEFAULT 0;
ALTER TABLE machine ADD COLUMN total_sessions INTEGER NOT NULL DEFAULT 0;
-- When bytes of one of its files were last taken.
ALTER TABLE machine ADD COLUMN last_read_at TEXT;

-- Lines of `reject` by reason.
CREATE TABLE reject_tally (
    reason  TEXT PRIMARY KEY,
    lines   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

UPDATE machine SET total_files = f.files, total_bytes = f.bytes, total_lines = f.lines,
    total_events = f.events, last_read_at = f.last_read_at
FROM (SELECT machine_id, count(*) AS files, sum(consumed_bytes) AS bytes, sum(lines) AS lines,
          sum(events) AS events, max(last_read_at) AS last_read_at
      FROM log_file GROUP BY machine_id) AS f
WHERE f.machine_id = machine.id;

UPDATE machine SET total_sessions = s.sessions
FROM (SELECT machine_id, count(*) AS sessions FROM session GROUP BY machine_id) AS s
WHERE s.machine_id = machine.id;

INSERT INTO reject_tally SELECT reason, sum(lines) FROM reject GROUP BY reason;

CREATE TRIGGER tally_file AFTER INSERT ON log_file BEGIN
    UPDATE machine SET total_files = total_files + 1,
        total_bytes = total_bytes + new.consumed_bytes, total_lines = total_lines + new.lines,
        total_events = total_events + new.events,
        last_read_at = coalesce(new.last_read_at, last_read_at)
    WHERE id = new.machine_id;
END;

CREATE TRIGGER tally_reading
AFTER UPDATE OF consumed_bytes, lines, events, last_read_at ON log_file
WHEN (old.consumed_bytes, old.lines, old.events, old.last_read_at)
    IS NOT (new.consumed_bytes, new.lines, new.events, new.last_read_at)
BEGIN
    UPDATE machine SET total_bytes = total_bytes + new.consumed_bytes - old.consumed_bytes,
        total_lines = total_lines + new.lines - old.lines,
        total_events = total_events + new.events - old.events,
        last_read_at = iif(new.last_read_at IS NOT old.last_read_at,
            coalesce(new.last_read_at, last_read_at), last_read_at)
    WHERE id = new.machine_id;
END;

-- A file or a session stays with its machine: nothing has to count a move.
CREATE TRIGGER file_keeps_machine BEFORE UPDATE OF machine_id ON log_file
WHEN old.machine_id <> new.machine_id BEGIN
    SELECT raise(ABORT, 'a file stays with its machine');
END;

CREATE TRIGGER session_keeps_machine BEFORE UPDATE OF machine_id ON session
WHEN old.machine_id <> new.machine_id BEGIN
    SELECT raise(ABORT, 'a session stays with its machine');
END;

CREATE TRIGGER tally_file_gone AFTER DELETE ON log_file BEGIN
    UPDATE machine SET total_files = total_files - 1,
        total_bytes = total_bytes - old.consumed_bytes, total_lines = total_lines - old.lines,
        total_events = total_events - old.events
    WHERE id = old.machine_id;
END;

CREATE TRIGGER tally_session AFTER INSERT ON session BEGIN
    UPDATE machine SET total_sessions = total_sessions + 1 WHERE id = new.machine_id;
END;

CREATE TRIGGER tally_session_gone AFTER DELETE ON session BEGIN
    UPDATE machine SET total_sessions = total_sessions - 1 WHERE id = old.machine_id;
END;

CREATE TRIGGER tally_reject AFTER INSERT ON reject BEGIN
    INSERT INTO reject_tally VALUES (new.reason, new.lines)
    ON CONFLICT (reason) DO UPDATE SET lines = lines + excluded.lines;
END;

CREATE TRIGGER tally_rejected_again AFTER UPDATE OF lines ON reject BEGIN
    UPDATE reject_tally SET lines = lines + new.lines - old.lines WHERE reason = new.reason;
END;

CREATE TRIGGER tally_reject_gone AFTER DELETE ON reject BEGIN
    UPDATE reject_tally SET lines = lines - old.lines WHERE reason = old.reason;
    DELETE FROM reject_tally WHERE reason = old.reason AND lines = 0;
END;

-- The few files among the many; `state` is written only where it changes.
CREATE INDEX log_file_growing ON log_file (machine_id) WHERE state = 'growing';
CREATE INDEX log_file_refused ON log_file (id) WHERE state = 'refused';

-- What waits, by machine without a look at each session; and what of it is set aside.
DROP INDEX session_pending;
CREATE INDEX session_pending ON session (day, machine_id) WHERE revision > synced_revision;
CREATE INDEX session_refused ON session (machine_id) WHERE refusal IS NOT NULL;
