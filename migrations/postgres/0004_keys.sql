-- Numbers for the details that had none, the unique keys that the sync relies on, and indexes for
-- what dashboards ask for. An index that already does the work is not doubled.

UPDATE job_profil t SET numero = r.numero
FROM (SELECT id, row_number() OVER (PARTITION BY session_id ORDER BY timestamp_debut, id) AS numero
      FROM job_profil WHERE session_id IS NOT NULL) r
WHERE r.id = t.id AND t.numero IS DISTINCT FROM r.numero;

UPDATE periode_attente t SET numero = r.numero
FROM (SELECT id, row_number() OVER (PARTITION BY session_id ORDER BY timestamp_debut, id) AS numero
      FROM periode_attente WHERE session_id IS NOT NULL) r
WHERE r.id = t.id AND t.numero IS DISTINCT FROM r.numero;

UPDATE periode_arret t SET numero = r.numero
FROM (SELECT id, row_number() OVER (PARTITION BY session_id ORDER BY timestamp_debut, id) AS numero
      FROM periode_arret WHERE session_id IS NOT NULL) r
WHERE r.id = t.id AND t.numero IS DISTINCT FROM r.numero;

DO $keys$
DECLARE
    k RECORD;
BEGIN
    FOR k IN
        SELECT * FROM (VALUES
            ('centre_usinage',     ARRAY['nom']),
            ('session_production', ARRAY['centre_usinage_id', 'date_production']),
            ('job_profil',         ARRAY['session_id', 'numero']),
            ('periode_attente',    ARRAY['session_id', 'numero']),
            ('periode_arret',      ARRAY['session_id', 'numero']),
            ('piece_production',   ARRAY['session_id', 'numero_piece'])
        ) AS wanted (tbl, cols)
        WHERE NOT EXISTS (
            SELECT FROM pg_index i
            WHERE i.indrelid = wanted.tbl::regclass
              AND i.indisunique AND i.indisvalid AND i.indimmediate
              AND i.indpred IS NULL AND i.indexprs IS NULL
              AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text)
                   FROM pg_attribute a
                   WHERE a.attrelid = i.indrelid
                     AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
                  = (SELECT array_agg(c ORDER BY c) FROM unnest(wanted.cols) c))
    LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I UNIQUE (%s)', k.tbl,
                       'cu_agent_' || k.tbl || '_cle',
                       (SELECT string_agg(quote_ident(c), ', ') FROM unnest(k.cols) c));
    END LOOP;
END
$keys$;

CREATE INDEX IF NOT EXISTS cu_agent_session_date ON session_production (date_production);
-- Pieces arrive nearly in the order of time: a block-range index answers "between two moments" and
-- costs an insert next to nothing.
CREATE INDEX IF NOT EXISTS cu_agent_piece_moment ON piece_production USING brin (timestamp_production);
