-- What is remarkable about a day, one row an anomaly, and the TRS (OEE) of machines whose nominal
-- rhythm is known. docs/anomalies.md of the agent explains each code.

CREATE TABLE IF NOT EXISTS anomalie (
    session_id      INTEGER NOT NULL REFERENCES session_production (id) ON DELETE CASCADE,
    numero          INTEGER NOT NULL,
    code            VARCHAR(50) NOT NULL,
    -- faible, moyenne, forte
    gravite         VARCHAR(10) NOT NULL,
    timestamp_debut TIMESTAMP,
    timestamp_fin   TIMESTAMP,
    -- In the code's unit: a number, days, percent, pieces per hour or minutes.
    valeur          DECIMAL(18,2) NOT NULL,
    attendu         DECIMAL(18,2),
    texte           TEXT NOT NULL,
    date_creation   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (session_id, numero)
);

ALTER TABLE session_production
    -- Pieces an hour that the machine can make, and rejected pieces, as configured on the gateway.
    ADD COLUMN IF NOT EXISTS cadence_nominale INTEGER,
    ADD COLUMN IF NOT EXISTS rebuts           INTEGER,
    -- In percent; the availability is taux_occupation. A performance above 100 shows that
    -- cadence_nominale is too low.
    ADD COLUMN IF NOT EXISTS taux_performance DECIMAL(9,2),
    ADD COLUMN IF NOT EXISTS taux_qualite     DECIMAL(5,2),
    ADD COLUMN IF NOT EXISTS taux_trs         DECIMAL(9,2);

CREATE OR REPLACE VIEW v_anomalie AS
SELECT s.centre_usinage_id, c.nom, c.type_cu, s.date_production, a.numero, a.code, a.gravite,
       a.timestamp_debut, a.timestamp_fin, a.valeur, a.attendu, a.texte
FROM anomalie a
JOIN session_production s ON s.id = a.session_id
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id;

-- The day of each machine on one line: new columns behind the ones that were there.
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
       s.fichier_log_source, s.date_maj,
       s.cadence_nominale, s.rebuts,
       CASE WHEN s.taux_trs IS NOT NULL THEN s.taux_occupation END AS taux_disponibilite,
       s.taux_performance, s.taux_qualite, s.taux_trs,
       (SELECT count(*) FROM anomalie a WHERE a.session_id = s.id) AS anomalies,
       (SELECT count(*) FROM anomalie a WHERE a.session_id = s.id AND a.gravite = 'forte')
           AS anomalies_fortes
FROM session_production s
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id;
