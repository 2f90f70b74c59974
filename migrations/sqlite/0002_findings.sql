-- What is remarkable about a day, and the day in the few numbers that later days are compared with.

ALTER TABLE session ADD COLUMN total_findings INTEGER NOT NULL DEFAULT 0;

-- Anomalies as people are shown them; docs/anomalies.md explains each code.
CREATE TABLE finding (
    session_id   INTEGER NOT NULL REFERENCES session (id),
    number       INTEGER NOT NULL,
    code         TEXT NOT NULL,
    gravity      TEXT NOT NULL CHECK (gravity IN ('low', 'medium', 'high')),
    from_ms      INTEGER,
    to_ms        INTEGER,
    -- Hundredths of the code's unit.
    value_e2     INTEGER NOT NULL,
    expected_e2  INTEGER,
    subject      TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_digest (
    session_id          INTEGER PRIMARY KEY REFERENCES session (id),
    stops               INTEGER NOT NULL,
    micro_stops_ms      INTEGER NOT NULL,
    short_stops_ms      INTEGER NOT NULL,
    long_stops_ms       INTEGER NOT NULL,
    longest_stop_ms     INTEGER NOT NULL,
    longest_silence_ms  INTEGER NOT NULL,
    start_loss_ms       INTEGER NOT NULL,
    end_loss_ms         INTEGER NOT NULL,
    torn_lines          INTEGER NOT NULL,
    malformed_lines     INTEGER NOT NULL,
    -- Events whose name nobody knows, `count name` each, one a line.
    unknown_events      TEXT NOT NULL,
    -- What the TRS is measured by, as configured when the day was computed.
    nominal_per_hour    INTEGER,
    rejects             INTEGER NOT NULL,
    -- An earlier day changed after this one was judged by it.
    is_stale            INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX day_digest_stale ON day_digest (session_id) WHERE is_stale;

CREATE VIEW findings AS
SELECT m.nom AS machine, s.day, f.number, f.gravity, f.code, f.subject,
       datetime(f.from_ms / 1000, 'unixepoch') AS "from",
       datetime(f.to_ms / 1000, 'unixepoch') AS "to",
       f.value_e2 / 100.0 AS value, f.expected_e2 / 100.0 AS expected
FROM finding f JOIN session s ON s.id = f.session_id JOIN machine m ON m.id = s.machine_id;
