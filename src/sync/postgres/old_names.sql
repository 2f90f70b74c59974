-- Rows of the names that one machine had become the machine's, as taking over merges rows named after files.
-- Of a day on both sides the fullest session stays. If an agent wrote one of the two, the details of the one
-- that goes are not added to the other's: both were computed from the same LOG. Every row that goes is kept
-- in cu_agent_fusion as it was.

CREATE TABLE cu_agent_fusion_centre AS
WITH machine AS (
    -- The machine's, whatever people call it.
    SELECT c.id FROM (SELECT {centre} AS id) c WHERE c.id IS NOT NULL
), former AS (
    SELECT c.id::bigint AS id FROM centre_usinage c
    WHERE c.id NOT IN (SELECT id FROM machine)
      AND coalesce(substring(c.nom FROM {file_name}), c.nom::text) = ANY ({old_names})
      -- People may have given the old name to the centre of another machine.
      AND NOT EXISTS (SELECT FROM cu_agent_machine m
                      WHERE m.centre_usinage_id = c.id
                        AND (m.agent_id <> {agent}
                             OR m.machine <> {machine} AND m.machine <> ALL ({old_names})))
      -- Nothing is given to a machine that another agent delivers.
      AND NOT EXISTS (SELECT FROM cu_agent_machine m JOIN machine t ON t.id = m.centre_usinage_id
                      WHERE m.agent_id <> {agent})
)
SELECT f.id AS ancien, coalesce((SELECT id FROM machine), (SELECT min(id) FROM former)) AS cible
FROM former f;

CREATE TABLE cu_agent_fusion_session AS
SELECT s.id::bigint AS ancien, s.date_production AS jour,
       first_value(s.id::bigint) OVER (
           PARTITION BY s.date_production
           ORDER BY coalesce(s.total_pieces, 0) DESC, (s.agent_id IS NULL), s.id) AS cible,
       max(CASE WHEN s.agent_id IS NULL THEN 0 ELSE 1 END) OVER (PARTITION BY s.date_production) = 1
           AS marquee
FROM session_production s
WHERE s.centre_usinage_id IN (SELECT ancien FROM cu_agent_fusion_centre UNION
                              SELECT cible FROM cu_agent_fusion_centre);

INSERT INTO cu_agent_fusion (nom_table, ancien_id, nouvel_id, ligne)
SELECT 'centre_usinage', f.ancien, f.cible, to_jsonb(c)
FROM cu_agent_fusion_centre f JOIN centre_usinage c ON c.id = f.ancien;

INSERT INTO cu_agent_fusion (nom_table, ancien_id, nouvel_id, ligne)
SELECT 'session_production', f.ancien, f.cible, to_jsonb(s)
FROM cu_agent_fusion_session f JOIN session_production s ON s.id = f.ancien
WHERE f.ancien <> f.cible;

DO $details$
DECLARE
    detail RECORD;
BEGIN
    FOR detail IN
        SELECT * FROM (VALUES
            ('piece_production', 'numero_piece', 'timestamp_production'),
            ('periode_attente',  'numero',       'timestamp_debut'),
            ('periode_arret',    'numero',       'timestamp_debut'),
            ('job_profil',       'numero',       'timestamp_debut')
        ) AS d (tbl, numero, moment)
    LOOP
        EXECUTE format(
            'INSERT INTO cu_agent_fusion (nom_table, ancien_id, nouvel_id, ligne)
             SELECT %L, f.ancien, f.cible, to_jsonb(t)
             FROM %I t JOIN cu_agent_fusion_session f ON f.ancien = t.session_id
             WHERE f.ancien <> f.cible AND f.marquee', detail.tbl, detail.tbl);
        EXECUTE format(
            'DELETE FROM %I t USING cu_agent_fusion_session f
             WHERE f.ancien = t.session_id AND f.ancien <> f.cible AND f.marquee', detail.tbl);
        -- Negative numbers first: the unique key on them holds at each step.
        EXECUTE format(
            'UPDATE %1$I t SET session_id = r.cible, %2$I = -r.n
             FROM (SELECT t.id, f.cible,
                          row_number() OVER (PARTITION BY f.cible ORDER BY t.%3$I, t.%2$I, t.id) AS n
                   FROM %1$I t JOIN cu_agent_fusion_session f ON f.ancien = t.session_id
                   WHERE f.cible IN (SELECT cible FROM cu_agent_fusion_session
                                     WHERE ancien <> cible AND NOT marquee)) r
             WHERE r.id = t.id', detail.tbl, detail.numero, detail.moment);
        EXECUTE format(
            'UPDATE %1$I t SET %2$I = -t.%2$I
             FROM cu_agent_fusion_session f
             WHERE f.cible = t.session_id AND f.ancien <> f.cible AND NOT f.marquee AND t.%2$I < 0',
            detail.tbl, detail.numero);
    END LOOP;
END
$details$;

-- Anomalies belong to the session that they were found in.
DELETE FROM anomalie a USING cu_agent_fusion_session f
WHERE f.ancien = a.session_id AND f.ancien <> f.cible;

-- Of a day that several centres have times of, those stay that belong to the session that stays.
CREATE TABLE cu_agent_fusion_temps AS
SELECT t.centre, t.jour, f.cible,
       row_number() OVER (PARTITION BY t.jour ORDER BY EXISTS (
               SELECT FROM cu_agent_fusion_session x JOIN session_production s ON s.id = x.cible
               WHERE x.jour = t.jour AND s.centre_usinage_id = t.centre) DESC,
           t.centre = f.cible DESC, t.centre) AS place
FROM (SELECT DISTINCT p.centre_usinage_id::bigint AS centre, p.date_production AS jour FROM temps_poste p) t
JOIN (SELECT ancien, cible FROM cu_agent_fusion_centre UNION
      SELECT cible, cible FROM cu_agent_fusion_centre) f ON f.ancien = t.centre;

INSERT INTO cu_agent_fusion (nom_table, ancien_id, nouvel_id, ligne)
SELECT 'temps_poste', f.centre, f.cible, to_jsonb(t)
FROM temps_poste t
JOIN cu_agent_fusion_temps f ON f.centre = t.centre_usinage_id AND f.jour = t.date_production
WHERE f.place > 1;

DELETE FROM temps_poste t USING cu_agent_fusion_temps f
WHERE f.centre = t.centre_usinage_id AND f.jour = t.date_production AND f.place > 1;

UPDATE temps_poste t SET centre_usinage_id = f.cible, machine = {machine}
FROM cu_agent_fusion_temps f
WHERE f.centre = t.centre_usinage_id AND f.jour = t.date_production AND f.place = 1;

DROP TABLE cu_agent_fusion_temps;

-- Whatever else refers to a row that goes, tables of others included, follows it.
DO $follow$
DECLARE
    link RECORD;
BEGIN
    FOR link IN
        SELECT a.attrelid::regclass AS tbl, a.attname AS col,
               CASE WHEN k.confrelid = 'session_production'::regclass
                    THEN 'cu_agent_fusion_session' ELSE 'cu_agent_fusion_centre' END AS map
        FROM pg_constraint k
        JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND f.attname = 'id'
          AND k.confrelid IN ('centre_usinage'::regclass, 'session_production'::regclass)
          -- Sessions change centre below, when only one of each day is left.
          AND NOT (k.conrelid = 'session_production'::regclass AND a.attname = 'centre_usinage_id')
    LOOP
        EXECUTE format('UPDATE %s t SET %I = f.cible FROM %I f WHERE f.ancien = t.%I AND f.ancien <> f.cible',
                       link.tbl, link.col, link.map, link.col);
    END LOOP;
END
$follow$;

DELETE FROM session_production s
USING cu_agent_fusion_session f WHERE f.ancien = s.id AND f.ancien <> f.cible;

UPDATE session_production s SET centre_usinage_id = f.cible
FROM cu_agent_fusion_centre f WHERE f.ancien = s.centre_usinage_id AND f.ancien <> f.cible;

DELETE FROM cu_agent_machine m
USING cu_agent_fusion_centre f WHERE f.ancien = m.centre_usinage_id AND f.ancien <> f.cible;

DELETE FROM centre_usinage c
USING cu_agent_fusion_centre f WHERE f.ancien = c.id AND f.ancien <> f.cible;

UPDATE session_production s SET machine = {machine}
FROM cu_agent_fusion_centre f
WHERE f.cible = s.centre_usinage_id AND s.machine IS NOT NULL AND s.machine <> {machine};

UPDATE centre_usinage c SET nom = {machine}
FROM cu_agent_fusion_centre f
WHERE f.cible = c.id AND c.id = f.ancien AND c.nom <> {machine}
  AND NOT EXISTS (SELECT FROM centre_usinage x WHERE x.nom = {machine});

-- A centre of another name is known to be the machine's by its sessions, if its claim is lost.
UPDATE session_production s SET machine = {machine}
FROM cu_agent_fusion_centre f JOIN centre_usinage c ON c.id = f.cible
WHERE f.cible = s.centre_usinage_id AND c.nom <> {machine} AND s.machine IS NULL;

DROP TABLE cu_agent_fusion_session;
DROP TABLE cu_agent_fusion_centre;
