-- Alarms: what stands, and what of it is still to be told. Both are small: one row for each thing
-- that is wrong, at most two messages for each.

CREATE TABLE alarm (
    kind     TEXT NOT NULL,
    -- The machine or source it is about; empty where there is only one of its kind.
    subject  TEXT NOT NULL,
    text     TEXT NOT NULL,
    -- The gateway's wall clock when it was raised, and when it was last put among the messages.
    since    TEXT NOT NULL,
    told_at  TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

-- Leaves when the receiver has taken it, however long the network is down.
CREATE TABLE alarm_message (
    number   INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    event    TEXT NOT NULL CHECK (event IN ('raised', 'repeated', 'cleared')),
    text     TEXT NOT NULL,
    since    TEXT NOT NULL,
    at       TEXT NOT NULL
) STRICT;
