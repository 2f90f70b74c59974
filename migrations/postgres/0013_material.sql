-- Material from the job lines: each tells of one bar, its reference, its length and its colour. A piece is of
-- the latest job of its session at or before it, as in v_profil; pieces made before the day's first job line
-- stand on a line without a reference. A bar without a length counts as a bar and adds no metre.

CREATE OR REPLACE VIEW v_matiere AS
SELECT s.centre_usinage_id, c.nom, c.type_cu, s.date_production, u.reference, u.couleur, u.barres, u.metres, u.pieces
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
    SELECT j.reference, j.couleur, count(j.id) AS barres,
           (coalesce(sum(j.longueur), 0) * 0.001)::numeric(15, 5) AS metres,
           coalesce(sum(b.pieces), 0)::bigint AS pieces
    FROM (SELECT id, reference, couleur, longueur FROM job_profil WHERE session_id = s.id) j
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
