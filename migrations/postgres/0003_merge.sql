-- One row a machine, one session a (machine, production day). Older releases named a centre after
-- its file (DEM12_20250528), and databases without unique keys hold a day several times.
-- Every detail row is kept and moves to the session that stays; the rows that go are kept in
-- cu_agent_fusion as they were. Rows without centre or session are left alone.

CREATE TABLE cu_agent_fusion_centre AS
WITH named AS (
    SELECT id, nom,
           coalesce(
               substring(nom FROM
                   '^(.+)_(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[._ -].*)?$'),
               nom::text) AS machine
    FROM centre_usinage
)
SELECT id::bigint AS ancien, nom::text AS nom, machine,
       -- The machine's own row stays; where there is none, its oldest file's row takes the name.
       first_value(id::bigint) OVER (PARTITION BY machine ORDER BY nom <> machine, id) AS cible
FROM named;

CREATE TABLE cu_agent_fusion_session AS
SELECT s.id::bigint AS ancien, c.cible AS centre,
       -- The fullest session stays, the oldest of equals.
       first_value(s.id::bigint) OVER (
           PARTITION BY c.cible, s.date_production
           ORDER BY coalesce(s.total_pieces, 0) DESC, s.id) AS cible
FROM session_production s
JOIN cu_agent_fusion_centre c ON c.ancien = s.centre_usinage_id;

INSERT INTO cu_agent_fusion (nom_table, ancien_id, nouvel_id, ligne)
SELECT 'centre_usinage', f.ancien, f.cible, to_jsonb(c)
FROM cu_agent_fusion_centre f JOIN centre_usinage c ON c.id = f.ancien
WHERE f.ancien <> f.cible OR f.nom <> f.machine;

INSERT INTO cu_agent_fusion (nom_table, ancien_id, nouvel_id, ligne)
SELECT 'session_production', f.ancien, f.cible, to_jsonb(s)
FROM cu_agent_fusion_session f JOIN session_production s ON s.id = f.ancien
WHERE f.ancien <> f.cible;

-- Pieces get negative numbers first: a unique key on them, where there is one, holds at each step.
UPDATE piece_production p
SET session_id = r.cible, numero_piece = -r.numero
FROM (
    SELECT p.id, f.cible,
           row_number() OVER (PARTITION BY f.cible ORDER BY p.timestamp_production, p.numero_piece, p.id)
               AS numero
    FROM piece_production p
    JOIN cu_agent_fusion_session f ON f.ancien = p.session_id
    WHERE f.cible IN (SELECT cible FROM cu_agent_fusion_session WHERE ancien <> cible)
) r
WHERE r.id = p.id;

UPDATE piece_production p
SET numero_piece = -r.numero
FROM (
    SELECT id, row_number() OVER (
               PARTITION BY session_id ORDER BY timestamp_production, numero_piece, id) AS numero
    FROM piece_production
    WHERE session_id IN (
        SELECT session_id FROM piece_production
        WHERE session_id IS NOT NULL
        GROUP BY session_id HAVING count(DISTINCT numero_piece) < count(*))
) r
WHERE r.id = p.id;

UPDATE piece_production SET numero_piece = -numero_piece
WHERE numero_piece < 0 AND session_id IS NOT NULL;

-- Whatever else refers to a row that goes, tables of others included, follows it.
DO $follow$
DECLARE
    link RECORD;
BEGIN
    FOR link IN
        WITH referring AS (
            SELECT k.conrelid, k.conkey[1] AS attnum, k.confrelid
            FROM pg_constraint k
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = k.confkey[1]
            WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND a.attname = 'id'
              AND k.confrelid IN ('centre_usinage'::regclass, 'session_production'::regclass)
            UNION
            -- The known details, foreign key or not.
            SELECT a.attrelid, a.attnum, 'session_production'::regclass
            FROM pg_attribute a
            WHERE a.attname = 'session_id'
              AND a.attrelid IN ('job_profil'::regclass, 'periode_attente'::regclass,
                                 'periode_arret'::regclass, 'piece_production'::regclass)
        )
        SELECT a.attrelid::regclass AS tbl, a.attname AS col,
               CASE WHEN r.confrelid = 'session_production'::regclass
                    THEN 'cu_agent_fusion_session' ELSE 'cu_agent_fusion_centre' END AS map
        FROM referring r
        JOIN pg_attribute a ON a.attrelid = r.conrelid AND a.attnum = r.attnum
        -- Sessions change centre below, when only one of each day is left.
        WHERE NOT (r.conrelid = 'session_production'::regclass AND a.attname = 'centre_usinage_id')
    LOOP
        EXECUTE format('UPDATE %s t SET %I = f.cible FROM %I f WHERE f.ancien = t.%I AND f.ancien <> f.cible',
                       link.tbl, link.col, link.map, link.col);
    END LOOP;
END
$follow$;

DELETE FROM session_production s
USING cu_agent_fusion_session f WHERE f.ancien = s.id AND f.ancien <> f.cible;

UPDATE session_production s SET centre_usinage_id = f.centre
FROM cu_agent_fusion_session f WHERE f.ancien = s.id AND s.centre_usinage_id <> f.centre;

DELETE FROM centre_usinage c
USING cu_agent_fusion_centre f WHERE f.ancien = c.id AND f.ancien <> f.cible;

UPDATE centre_usinage c SET nom = f.machine
FROM cu_agent_fusion_centre f WHERE f.ancien = c.id AND c.nom <> f.machine;

DROP TABLE cu_agent_fusion_session;
DROP TABLE cu_agent_fusion_centre;
