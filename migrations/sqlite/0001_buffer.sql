-- The gateway's buffer. Look with: sqlite3 -readonly buffer.db "SELECT * FROM day_summary"
--
-- Names in the singular are what the agent keeps (times in milliseconds since 1970-01-01 of the
-- machine's own clock); names in the plural are the same rows with times and durations to be read.

CREATE TABLE buffer (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    -- Made at random with the file: a rebuilt or copied buffer is told from the one before.
    buffer_id   TEXT NOT NULL,
    created_at  TEXT NOT NULL
) STRICT;

CREATE TABLE machine (
    id       INTEGER PRIMARY KEY,
    nom      TEXT NOT NULL UNIQUE,
    type_cu  TEXT NOT NULL
) STRICT;

-- A LOG file as read so far. A file that was rewritten from zero is a new generation of its name.
CREATE TABLE log_file (
    id              INTEGER PRIMARY KEY,
    source          TEXT NOT NULL,
    folder          TEXT NOT NULL,
    name            TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    machine_id      INTEGER NOT NULL REFERENCES machine (id),
    state           TEXT NOT NULL
        CHECK (state IN ('growing', 'closed', 'deleted', 'replaced', 'refused')),
    refusal         TEXT,
    -- The server's figures at the last look; together they say whether a look is needed.
    size_bytes      INTEGER,
    modified        TEXT,
    -- Bytes taken; always just behind a line end, but for a closed file's last line without one.
    consumed_bytes  INTEGER NOT NULL DEFAULT 0,
    -- SHA-256 of the last bytes taken, at most 1024: what the next reading must find there.
    tail_hash       BLOB,
    -- Start of a last line without line end that was taken when the file closed.
    open_line_at    INTEGER,
    -- The reading stands inside a line that is longer than any believed one.
    in_long_line    INTEGER NOT NULL DEFAULT 0,
    -- Since when nothing changed, on the computer's own running time (no wall clock is trusted).
    quiet_boot      TEXT,
    quiet_since_s   INTEGER,
    lines           INTEGER NOT NULL DEFAULT 0,
    events          INTEGER NOT NULL DEFAULT 0,
    rejected        INTEGER NOT NULL DEFAULT 0,
    first_read_at   TEXT,
    last_read_at    TEXT,
    UNIQUE (source, folder, name, generation)
) STRICT;

-- The bytes themselves, compressed with zstd. They are the truth that sessions are computed from.
-- `bytes` is NULL where an endless line was passed over.
CREATE TABLE raw_chunk (
    file_id       INTEGER NOT NULL REFERENCES log_file (id),
    start_byte    INTEGER NOT NULL,
    length_bytes  INTEGER NOT NULL,
    bytes         BLOB,
    PRIMARY KEY (file_id, start_byte)
) STRICT;

-- Lines that were not understood, by reason, with the first of each.
CREATE TABLE reject (
    file_id     INTEGER NOT NULL REFERENCES log_file (id),
    reason      TEXT NOT NULL,
    lines       INTEGER NOT NULL,
    first_line  INTEGER NOT NULL,
    sample      TEXT NOT NULL,
    PRIMARY KEY (file_id, reason)
) STRICT, WITHOUT ROWID;

-- Events whose name is none of the configured ones: a controller's update may bring new words.
CREATE TABLE unknown_event (
    file_id  INTEGER NOT NULL REFERENCES log_file (id),
    name     TEXT NOT NULL,
    events   INTEGER NOT NULL,
    PRIMARY KEY (file_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id                INTEGER PRIMARY KEY,
    machine_id        INTEGER NOT NULL REFERENCES machine (id),
    day               TEXT NOT NULL,
    -- Grows with every change; a row of the tables below carries the revision it last changed at.
    revision          INTEGER NOT NULL,
    -- The revision that central is known to hold, 0 if none.
    synced_revision   INTEGER NOT NULL DEFAULT 0,
    analysis_version  INTEGER NOT NULL,
    log_sources       TEXT NOT NULL,
    events            INTEGER NOT NULL,
    total_pieces      INTEGER NOT NULL,
    total_waits       INTEGER NOT NULL,
    total_stops       INTEGER NOT NULL,
    total_jobs        INTEGER NOT NULL,
    first_piece_ms    INTEGER,
    last_piece_ms     INTEGER,
    first_start_ms    INTEGER,
    last_stop_ms      INTEGER,
    window_ms         INTEGER NOT NULL,
    wait_ms           INTEGER NOT NULL,
    stop_ms           INTEGER NOT NULL,
    effective_ms      INTEGER NOT NULL,
    raw_wait_ms       INTEGER NOT NULL,
    raw_stop_ms       INTEGER NOT NULL,
    -- Why central's copy is not made equal for now.
    refusal           TEXT,
    refused_at        TEXT,
    UNIQUE (machine_id, day)
) STRICT;

CREATE INDEX session_pending ON session (day) WHERE revision > synced_revision;

-- Which files hold events of which session.
CREATE TABLE file_session (
    file_id     INTEGER NOT NULL REFERENCES log_file (id),
    session_id  INTEGER NOT NULL REFERENCES session (id),
    PRIMARY KEY (file_id, session_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_session_by_session ON file_session (session_id);

CREATE TABLE piece (
    session_id  INTEGER NOT NULL REFERENCES session (id),
    number      INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    details     TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE wait (
    session_id  INTEGER NOT NULL REFERENCES session (id),
    number      INTEGER NOT NULL,
    start_ms    INTEGER NOT NULL,
    end_ms      INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE stop (
    session_id  INTEGER NOT NULL REFERENCES session (id),
    number      INTEGER NOT NULL,
    start_ms    INTEGER NOT NULL,
    end_ms      INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    session_id  INTEGER NOT NULL REFERENCES session (id),
    number      INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    reference   TEXT NOT NULL,
    length_e2   INTEGER NOT NULL,
    colour      TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE anomaly (
    session_id  INTEGER NOT NULL REFERENCES session (id),
    number      INTEGER NOT NULL,
    code        TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

-- How the links to central and to each source were the last time it changed.
CREATE TABLE link (
    name        TEXT PRIMARY KEY,
    state       TEXT NOT NULL CHECK (state IN ('up', 'down')),
    since       TEXT NOT NULL,
    error       TEXT
) STRICT, WITHOUT ROWID;

CREATE VIEW day_summary AS
SELECT m.nom                                               AS machine,
       s.day,
       s.total_pieces                                      AS pieces,
       time(s.first_piece_ms / 1000, 'unixepoch')          AS first_piece,
       time(s.last_piece_ms / 1000, 'unixepoch')           AS last_piece,
       round(s.window_ms / 3600000.0, 2)                   AS window_h,
       round(s.effective_ms / 3600000.0, 2)                AS effective_h,
       round(s.wait_ms / 3600000.0, 2)                     AS wait_h,
       round(s.stop_ms / 3600000.0, 2)                     AS stop_h,
       round(100.0 * s.effective_ms / nullif(s.window_ms, 0), 1) AS occupation_percent,
       s.total_stops                                       AS stops,
       s.total_waits                                       AS waits,
       CASE WHEN s.refusal IS NOT NULL THEN 'set aside: ' || s.refusal
            WHEN s.synced_revision = s.revision THEN 'in central'
            ELSE 'waiting' END                             AS sync
FROM session s JOIN machine m ON m.id = s.machine_id
ORDER BY s.day, m.nom;

CREATE VIEW pieces AS
SELECT m.nom AS machine, s.day, p.number, datetime(p.at_ms / 1000, 'unixepoch') AS at, p.details
FROM piece p JOIN session s ON s.id = p.session_id JOIN machine m ON m.id = s.machine_id;

CREATE VIEW waits AS
SELECT m.nom AS machine, s.day, w.number, datetime(w.start_ms / 1000, 'unixepoch') AS start,
       (w.end_ms - w.start_ms) / 1000.0 AS seconds
FROM wait w JOIN session s ON s.id = w.session_id JOIN machine m ON m.id = s.machine_id;

CREATE VIEW stops AS
SELECT m.nom AS machine, s.day, t.number, datetime(t.start_ms / 1000, 'unixepoch') AS start,
       (t.end_ms - t.start_ms) / 1000.0 AS seconds
FROM stop t JOIN session s ON s.id = t.session_id JOIN machine m ON m.id = s.machine_id;

CREATE VIEW jobs AS
SELECT m.nom AS machine, s.day, j.number, datetime(j.at_ms / 1000, 'unixepoch') AS at,
       j.reference, j.length_e2 / 100.0 AS length_mm, j.colour
FROM job j JOIN session s ON s.id = j.session_id JOIN machine m ON m.id = s.machine_id;

CREATE VIEW files AS
SELECT f.source, f.folder || '/' || f.name AS file, f.generation, m.nom AS machine, f.state,
       f.consumed_bytes, f.lines, f.events, f.rejected, f.last_read_at, f.refusal
FROM log_file f JOIN machine m ON m.id = f.machine_id;
