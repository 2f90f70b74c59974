-- The plant's calendar: one truth for all gateways. A row is a version, as people wrote it; the newest
-- counts, the others are its history. `cu-agent central calendar put` writes it.

CREATE TABLE IF NOT EXISTS calendrier (
    -- One more than the version that it replaces: of two people who replace the same one, the second is
    -- refused.
    version     BIGINT PRIMARY KEY,
    -- For people: the machines that the text names; * for those that it does not name.
    machines    TEXT NOT NULL,
    -- TOML with [[calendar]] tables, as written.
    texte       TEXT NOT NULL,
    -- The role, and the person if one was given.
    ecrit_par   TEXT NOT NULL DEFAULT current_user,
    ecrit_le    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    commentaire TEXT
);
