-- What dashboards ask for, in time: the two views that count pieces go from the sessions asked for to their
-- pieces, and never through the pieces of all years.

-- The key on (session_id, numero_piece) finds them too. But of an index on more than one column the server
-- does not know that the rows of a session lie together, and it takes a month of a plant for a hundred times
-- the work that it is: it would rather read the whole table, and compile the query to machine code first.
-- Equal keys are kept once, so that this index is small.
CREATE INDEX IF NOT EXISTS cu_agent_piece_session ON piece_production (session_id);

-- Pieces an hour of the clock.
CREATE OR REPLACE VIEW v_production_horaire AS
SELECT s.centre_usinage_id, c.nom, c.type_cu, s.date_production, h.heure, h.pieces
FROM session_production s
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id
CROSS JOIN LATERAL (
    SELECT date_trunc('hour', p.timestamp_production) AS heure, count(*) AS pieces
    FROM piece_production p
    WHERE p.session_id = s.id
    GROUP BY date_trunc('hour', p.timestamp_production)
) h;

-- Jobs and pieces per reference and colour: a piece belongs to the latest job of its session at or
-- before it. Pieces made before the day's first job line stand on a line without a reference.
CREATE OR REPLACE VIEW v_profil AS
SELECT s.centre_usinage_id, c.nom, c.type_cu, s.date_production, u.reference, u.couleur, u.jobs, u.pieces
FROM session_production s
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id
CROSS JOIN LATERAL (
    -- The jobs in order, as the bounds of buckets: of several at one moment the last one counts.
    SELECT array_agg(j.id ORDER BY j.timestamp_debut, j.numero NULLS FIRST, j.id) AS ids,
           array_agg(j.timestamp_debut::timestamp
                     ORDER BY j.timestamp_debut, j.numero NULLS FIRST, j.id) AS debuts
    FROM job_profil j
    WHERE j.session_id = s.id AND j.timestamp_debut IS NOT NULL
) o
CROSS JOIN LATERAL (
    SELECT j.reference, j.couleur, count(j.id) AS jobs,
           coalesce(sum(b.pieces), 0)::bigint AS pieces
    FROM (SELECT id, reference, couleur FROM job_profil WHERE session_id = s.id) j
    FULL JOIN (
        SELECT o.ids[n.place] AS job, n.pieces
        FROM (
            SELECT coalesce(width_bucket(p.timestamp_production::timestamp, o.debuts), 0) AS place,
                   count(*) AS pieces
            FROM piece_production p
            WHERE p.session_id = s.id
            GROUP BY 1
        ) n
    ) b ON b.job = j.id
    GROUP BY j.reference, j.couleur
) u;
