-- Waits and stops between two moments. No block-range index, as pieces have one: after a takeover or weeks
-- without a link rows lie scattered, where it reads the whole table.

CREATE INDEX IF NOT EXISTS cu_agent_attente_moment ON periode_attente (timestamp_debut);
CREATE INDEX IF NOT EXISTS cu_agent_arret_moment ON periode_arret (timestamp_debut);
