-- Figures for people and dashboards, computed from the tables when asked for.

-- What the replaced service reported: effective = duration - raw waits - raw stops, so that history
-- stays comparable. Rows that it wrote itself hold its raw sums in the ordinary columns.
CREATE OR REPLACE VIEW v_session_formule_origine AS
SELECT s.id, s.centre_usinage_id, c.nom, c.type_cu, s.date_production, s.total_pieces,
       s.heure_premiere_piece, s.heure_derniere_piece,
       s.duree_production_totale,
       o.attente AS temps_attente,
       o.arret AS temps_arret_volontaire,
       o.effectif AS temps_production_effectif,
       CASE WHEN s.duree_production_totale > 0
            THEN round(o.effectif * 100 / s.duree_production_totale::numeric, 2) ELSE 0.00 END AS taux_occupation,
       CASE WHEN s.duree_production_totale > 0
            THEN round(o.attente * 100 / s.duree_production_totale::numeric, 2) ELSE 0.00 END AS taux_attente,
       CASE WHEN s.duree_production_totale > 0
            THEN round(o.arret * 100 / s.duree_production_totale::numeric, 2) ELSE 0.00 END
           AS taux_arret_volontaire
FROM session_production s
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id
CROSS JOIN LATERAL (
    SELECT b.attente, b.arret, s.duree_production_totale::numeric - b.attente - b.arret AS effectif
    FROM (SELECT coalesce(s.temps_attente_brut, s.temps_attente, 0)::numeric AS attente,
                 coalesce(s.temps_arret_brut, s.temps_arret_volontaire, 0)::numeric AS arret) b
) o;

-- Pieces an hour of the clock.
CREATE OR REPLACE VIEW v_production_horaire AS
SELECT s.centre_usinage_id, c.nom, c.type_cu, s.date_production,
       date_trunc('hour', p.timestamp_production) AS heure,
       count(*) AS pieces
FROM piece_production p
JOIN session_production s ON s.id = p.session_id
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id
GROUP BY s.centre_usinage_id, c.nom, c.type_cu, s.date_production,
         date_trunc('hour', p.timestamp_production);

-- The day of each machine on one line.
CREATE OR REPLACE VIEW v_production_jour AS
SELECT s.centre_usinage_id, c.nom, c.type_cu, s.date_production, s.total_pieces,
       s.heure_premiere_piece, s.heure_derniere_piece,
       s.duree_production_totale, s.temps_production_effectif, s.temps_attente,
       s.temps_arret_volontaire, s.taux_occupation, s.taux_attente, s.taux_arret_volontaire,
       CASE WHEN s.duree_production_totale > 0
            THEN round(s.total_pieces / s.duree_production_totale::numeric, 2) ELSE 0.00 END
           AS pieces_par_heure,
       (SELECT count(*) FROM periode_attente a WHERE a.session_id = s.id) AS attentes,
       (SELECT count(*) FROM periode_arret a WHERE a.session_id = s.id) AS arrets,
       (SELECT count(*) FROM job_profil j WHERE j.session_id = s.id) AS jobs,
       s.fichier_log_source, s.date_maj
FROM session_production s
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id;

-- Jobs and pieces per reference and colour: a piece belongs to the latest job of its session at or
-- before it. Pieces made before the day's first job line stand on a line without a reference.
CREATE OR REPLACE VIEW v_profil AS
SELECT s.centre_usinage_id, c.nom, c.type_cu, s.date_production, u.reference, u.couleur,
       count(*) FILTER (WHERE u.est_job) AS jobs,
       count(*) FILTER (WHERE NOT u.est_job) AS pieces
FROM (
    SELECT session_id, reference, couleur, TRUE AS est_job FROM job_profil
    UNION ALL
    SELECT p.session_id, j.reference, j.couleur, FALSE
    FROM piece_production p
    LEFT JOIN LATERAL (
        SELECT reference, couleur FROM job_profil j
        WHERE j.session_id = p.session_id AND j.timestamp_debut <= p.timestamp_production
        ORDER BY j.timestamp_debut DESC, j.numero DESC NULLS LAST, j.id DESC
        LIMIT 1
    ) j ON TRUE
) u
JOIN session_production s ON s.id = u.session_id
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id
GROUP BY s.centre_usinage_id, c.nom, c.type_cu, s.date_production, u.reference, u.couleur;
