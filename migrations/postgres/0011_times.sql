-- Planned time: where the required time of each shift of a machine went, and the rates on it (TRS, TRG, TRE as
-- in NF E60-182). Until now the TRS was taken on first to last piece; without a calendar there is none any more.

-- One row a machine, production day and planned part of it. docs/trs.md of the agent explains each time.
CREATE TABLE IF NOT EXISTS temps_poste (
    -- Of a centre that was deleted, the rows stay: they are the machine's, whose next centre gets them.
    centre_usinage_id INTEGER NOT NULL,
    date_production   DATE NOT NULL,
    -- The part's place in the day by its begin, from 1.
    numero            INTEGER NOT NULL,
    poste             TEXT NOT NULL,
    -- Of the whole shift, of which the day may have a part only.
    debut_poste       TIMESTAMP NOT NULL,
    fin_poste         TIMESTAMP NOT NULL,
    -- Up to when figures count, on each row of a day that is not over.
    jusqua            TIMESTAMP,
    ouverture_ms      BIGINT NOT NULL,
    -- The sum of the five below.
    requis_ms         BIGINT NOT NULL,
    fonctionnement_ms BIGINT NOT NULL,
    arret_ms          BIGINT NOT NULL,
    attente_ms        BIGINT NOT NULL,
    demarrage_ms      BIGINT NOT NULL,
    fin_ms            BIGINT NOT NULL,
    pieces            INTEGER NOT NULL,
    -- As counted; the views never take more than there are pieces.
    pieces_rebut      INTEGER NOT NULL,
    -- Pieces an hour that the machine can make; NULL: not configured.
    cadence_nominale  INTEGER,
    -- Length of the production day up to `jusqua`, which depends on when the gateway's days begin. NULL: of a
    -- day that begins at midnight.
    total_ms          BIGINT,
    -- As the gateway's configuration names it.
    machine           TEXT,
    date_maj          TIMESTAMP DEFAULT LOCALTIMESTAMP,
    PRIMARY KEY (centre_usinage_id, date_production, numero)
);
CREATE INDEX IF NOT EXISTS cu_agent_temps_date ON temps_poste (date_production);
CREATE INDEX IF NOT EXISTS cu_agent_temps_machine ON temps_poste (machine, centre_usinage_id);

ALTER TABLE session_production
    -- Pieces of the day outside all required time; NULL: the machine has no calendar.
    ADD COLUMN IF NOT EXISTS pieces_hors_requis INTEGER;

-- In each view a rate comes from the exact fraction a / b and is rounded once, half up: in hundredths of a
-- percent div(2 * 10000 * a + b, 2 * b). PostgreSQL's own division is cut somewhere behind the point. Net and useful
-- time are fractions of an hour: net / sur and utile / sur. Sums over several nominal rates get
-- their product as common denominator.

CREATE OR REPLACE VIEW v_trs_poste AS
SELECT t.centre_usinage_id, c.nom, c.type_cu, t.date_production, t.numero, t.poste, t.debut_poste, t.fin_poste,
       coalesce(t.jusqua < t.fin_poste, FALSE) AS en_cours, t.jusqua,
       t.ouverture_ms::bigint AS ouverture_ms, t.requis_ms::bigint AS requis_ms,
       t.fonctionnement_ms::bigint AS fonctionnement_ms, t.arret_ms::bigint AS arret_ms,
       t.attente_ms::bigint AS attente_ms, t.demarrage_ms::bigint AS demarrage_ms, t.fin_ms::bigint AS fin_ms,
       div(20000 * t.ouverture_ms + 3600000, 7200000) * 0.0001 AS temps_ouverture,
       div(20000 * t.requis_ms + 3600000, 7200000) * 0.0001 AS temps_requis,
       div(20000 * t.fonctionnement_ms + 3600000, 7200000) * 0.0001 AS temps_fonctionnement,
       div(20000 * t.arret_ms + 3600000, 7200000) * 0.0001 AS temps_arret,
       div(20000 * t.attente_ms + 3600000, 7200000) * 0.0001 AS temps_attente,
       div(20000 * t.demarrage_ms + 3600000, 7200000) * 0.0001 AS temps_demarrage,
       div(20000 * t.fin_ms + 3600000, 7200000) * 0.0001 AS temps_fin,
       t.pieces, t.pieces_rebut, t.cadence_nominale,
       div(20000 * f.net + f.sur, 2 * f.sur) * 0.0001 AS temps_net,
       div(20000 * f.utile + f.sur, 2 * f.sur) * 0.0001 AS temps_utile,
       CASE WHEN t.requis_ms > 0
           THEN div(20000 * t.fonctionnement_ms + t.requis_ms, 2 * t.requis_ms) * 0.01 END AS taux_do,
       CASE WHEN f.sur_tp > 0 THEN div(20000 * f.net_ms + f.sur_tp, 2 * f.sur_tp) * 0.01 END AS taux_tp,
       CASE WHEN t.pieces_n > 0 THEN div(20000 * t.bonnes + t.pieces_n, 2 * t.pieces_n) * 0.01 END AS taux_tq,
       CASE WHEN f.sur_trs > 0 THEN div(20000 * f.utile_ms + f.sur_trs, 2 * f.sur_trs) * 0.01 END AS trs,
       CASE WHEN f.sur_trg > 0 THEN div(20000 * f.utile_ms + f.sur_trg, 2 * f.sur_trg) * 0.01 END AS trg,
       CASE WHEN f.sur_tre > 0 THEN div(20000 * f.utile_ms + f.sur_tre, 2 * f.sur_tre) * 0.01 END AS tre
FROM (
    SELECT p.centre_usinage_id, p.date_production, p.numero, p.poste, p.debut_poste, p.fin_poste, p.jusqua,
           p.ouverture_ms::numeric AS ouverture_ms, p.requis_ms::numeric AS requis_ms,
           p.fonctionnement_ms::numeric AS fonctionnement_ms, p.arret_ms::numeric AS arret_ms,
           p.attente_ms::numeric AS attente_ms, p.demarrage_ms::numeric AS demarrage_ms,
           p.fin_ms::numeric AS fin_ms,
           p.pieces, p.pieces_rebut, p.cadence_nominale, p.pieces::numeric AS pieces_n,
           greatest(p.pieces - p.pieces_rebut, 0)::numeric AS bonnes,
           coalesce(p.total_ms::numeric,
               round(extract(epoch FROM p.jusqua - p.date_production::timestamp)::numeric * 1000), 86400000) AS total_ms
    FROM temps_poste p
) t
LEFT JOIN centre_usinage c ON c.id = t.centre_usinage_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN t.cadence_nominale > 0 THEN t.cadence_nominale::numeric END AS sur
) n
CROSS JOIN LATERAL (
    SELECT t.pieces_n AS net, t.bonnes AS utile, n.sur,
           3600000 * t.pieces_n AS net_ms, 3600000 * t.bonnes AS utile_ms,
           n.sur * t.fonctionnement_ms AS sur_tp, n.sur * t.requis_ms AS sur_trs,
           n.sur * t.ouverture_ms AS sur_trg, n.sur * t.total_ms AS sur_tre
) f;

CREATE OR REPLACE VIEW v_trs_jour AS
SELECT t.centre_usinage_id, c.nom, c.type_cu, t.date_production, t.jusqua,
       t.en_cours, t.postes,
       div(20000 * t.ouverture_ms + 3600000, 7200000) * 0.0001 AS temps_ouverture,
       div(20000 * t.requis_ms + 3600000, 7200000) * 0.0001 AS temps_requis,
       div(20000 * t.fonctionnement_ms + 3600000, 7200000) * 0.0001 AS temps_fonctionnement,
       div(20000 * t.arret_ms + 3600000, 7200000) * 0.0001 AS temps_arret,
       div(20000 * t.attente_ms + 3600000, 7200000) * 0.0001 AS temps_attente,
       div(20000 * t.demarrage_ms + 3600000, 7200000) * 0.0001 AS temps_demarrage,
       div(20000 * t.fin_ms + 3600000, 7200000) * 0.0001 AS temps_fin,
       t.pieces_n::bigint AS pieces, t.pieces_rebut,
       (SELECT coalesce(sum(s.pieces_hors_requis), 0)::bigint FROM session_production s
        WHERE s.centre_usinage_id = t.centre_usinage_id
          AND s.date_production = t.date_production) AS pieces_hors_requis,
       div(20000 * f.net + f.sur, 2 * f.sur) * 0.0001 AS temps_net,
       div(20000 * f.utile + f.sur, 2 * f.sur) * 0.0001 AS temps_utile,
       CASE WHEN t.requis_ms > 0
           THEN div(20000 * t.fonctionnement_ms + t.requis_ms, 2 * t.requis_ms) * 0.01 END AS taux_do,
       CASE WHEN f.sur_tp > 0 THEN div(20000 * f.net_ms + f.sur_tp, 2 * f.sur_tp) * 0.01 END AS taux_tp,
       CASE WHEN t.pieces_n > 0 THEN div(20000 * t.bonnes + t.pieces_n, 2 * t.pieces_n) * 0.01 END AS taux_tq,
       CASE WHEN f.sur_trs > 0 THEN div(20000 * f.utile_ms + f.sur_trs, 2 * f.sur_trs) * 0.01 END AS trs,
       CASE WHEN f.sur_trg > 0 THEN div(20000 * f.utile_ms + f.sur_trg, 2 * f.sur_trg) * 0.01 END AS trg,
       CASE WHEN f.sur_tre > 0 THEN div(20000 * f.utile_ms + f.sur_tre, 2 * f.sur_tre) * 0.01 END AS tre
FROM (
    SELECT g.centre_usinage_id, g.date_production, max(g.jusqua) AS jusqua, bool_or(g.en_cours) AS en_cours,
           sum(g.postes)::bigint AS postes, sum(g.total_ms) AS total_ms,
           sum(g.ouverture_ms) AS ouverture_ms, sum(g.requis_ms) AS requis_ms,
           sum(g.fonctionnement_ms) AS fonctionnement_ms, sum(g.arret_ms) AS arret_ms,
           sum(g.attente_ms) AS attente_ms, sum(g.demarrage_ms) AS demarrage_ms, sum(g.fin_ms) AS fin_ms,
           sum(g.pieces) AS pieces_n, sum(g.pieces_rebut)::bigint AS pieces_rebut, sum(g.bonnes) AS bonnes,
           -- Of each nominal rate, its pieces.
           bool_and(g.cadence IS NOT NULL) AS cadencee, array_agg(g.cadence) AS cadences,
           array_agg(g.pieces) AS pieces_de, array_agg(g.bonnes) AS bonnes_de
    FROM (
        SELECT p.centre_usinage_id, p.date_production,
               CASE WHEN p.cadence_nominale > 0 THEN p.cadence_nominale::numeric END AS cadence,
               max(p.jusqua) AS jusqua, bool_or(coalesce(p.jusqua < p.fin_poste, FALSE)) AS en_cours,
               count(*) AS postes,
               sum(p.ouverture_ms) AS ouverture_ms, sum(p.requis_ms) AS requis_ms,
               sum(p.fonctionnement_ms) AS fonctionnement_ms, sum(p.arret_ms) AS arret_ms,
               sum(p.attente_ms) AS attente_ms, sum(p.demarrage_ms) AS demarrage_ms, sum(p.fin_ms) AS fin_ms,
               sum(p.pieces)::numeric AS pieces, sum(p.pieces_rebut) AS pieces_rebut,
               sum(greatest(p.pieces - p.pieces_rebut, 0))::numeric AS bonnes,
               -- Once a day: each has a first part.
               coalesce(sum(coalesce(p.total_ms::numeric,
                   round(extract(epoch FROM p.jusqua - p.date_production::timestamp)::numeric * 1000), 86400000))
                   FILTER (WHERE p.numero = 1), 0) AS total_ms
        FROM temps_poste p
        GROUP BY 1, 2, 3
    ) g
    GROUP BY 1, 2
) t
LEFT JOIN centre_usinage c ON c.id = t.centre_usinage_id
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN NOT t.cadencee THEN NULL
        WHEN cardinality(t.cadences) = 1 THEN ARRAY[t.pieces_de[1], t.bonnes_de[1], t.cadences[1]]
        ELSE (
            WITH RECURSIVE somme (i, net, utile, sur) AS (
                SELECT 1, t.pieces_de[1], t.bonnes_de[1], t.cadences[1]
                UNION ALL
                SELECT i + 1, net * t.cadences[i + 1] + t.pieces_de[i + 1] * sur,
                       utile * t.cadences[i + 1] + t.bonnes_de[i + 1] * sur, sur * t.cadences[i + 1]
                FROM somme WHERE i < cardinality(t.cadences)
            )
            SELECT ARRAY[net, utile, sur] FROM somme ORDER BY i DESC LIMIT 1
        ) END AS fraction
) x
CROSS JOIN LATERAL (
    SELECT x.fraction[1] AS net, x.fraction[2] AS utile, x.fraction[3] AS sur
) n
CROSS JOIN LATERAL (
    SELECT n.net, n.utile, n.sur, 3600000 * n.net AS net_ms, 3600000 * n.utile AS utile_ms,
           n.sur * t.fonctionnement_ms AS sur_tp, n.sur * t.requis_ms AS sur_trs,
           n.sur * t.ouverture_ms AS sur_trg, n.sur * t.total_ms AS sur_tre
) f;

-- ISO weeks, Monday to Sunday.
CREATE OR REPLACE VIEW v_trs_semaine AS
SELECT t.centre_usinage_id, c.nom, c.type_cu, to_char(t.debut, 'IYYY-"W"IW') AS semaine, t.debut, t.debut + 6 AS fin,
       t.en_cours, t.postes,
       div(20000 * t.ouverture_ms + 3600000, 7200000) * 0.0001 AS temps_ouverture,
       div(20000 * t.requis_ms + 3600000, 7200000) * 0.0001 AS temps_requis,
       div(20000 * t.fonctionnement_ms + 3600000, 7200000) * 0.0001 AS temps_fonctionnement,
       div(20000 * t.arret_ms + 3600000, 7200000) * 0.0001 AS temps_arret,
       div(20000 * t.attente_ms + 3600000, 7200000) * 0.0001 AS temps_attente,
       div(20000 * t.demarrage_ms + 3600000, 7200000) * 0.0001 AS temps_demarrage,
       div(20000 * t.fin_ms + 3600000, 7200000) * 0.0001 AS temps_fin,
       t.pieces_n::bigint AS pieces, t.pieces_rebut,
       (SELECT coalesce(sum(s.pieces_hors_requis), 0)::bigint FROM session_production s
        WHERE s.centre_usinage_id = t.centre_usinage_id
          AND s.date_production BETWEEN t.debut AND t.debut + 6) AS pieces_hors_requis,
       div(20000 * f.net + f.sur, 2 * f.sur) * 0.0001 AS temps_net,
       div(20000 * f.utile + f.sur, 2 * f.sur) * 0.0001 AS temps_utile,
       CASE WHEN t.requis_ms > 0
           THEN div(20000 * t.fonctionnement_ms + t.requis_ms, 2 * t.requis_ms) * 0.01 END AS taux_do,
       CASE WHEN f.sur_tp > 0 THEN div(20000 * f.net_ms + f.sur_tp, 2 * f.sur_tp) * 0.01 END AS taux_tp,
       CASE WHEN t.pieces_n > 0 THEN div(20000 * t.bonnes + t.pieces_n, 2 * t.pieces_n) * 0.01 END AS taux_tq,
       CASE WHEN f.sur_trs > 0 THEN div(20000 * f.utile_ms + f.sur_trs, 2 * f.sur_trs) * 0.01 END AS trs,
       CASE WHEN f.sur_trg > 0 THEN div(20000 * f.utile_ms + f.sur_trg, 2 * f.sur_trg) * 0.01 END AS trg,
       CASE WHEN f.sur_tre > 0 THEN div(20000 * f.utile_ms + f.sur_tre, 2 * f.sur_tre) * 0.01 END AS tre
FROM (
    SELECT g.centre_usinage_id, g.debut, max(g.jusqua) AS jusqua, bool_or(g.en_cours) AS en_cours,
           sum(g.postes)::bigint AS postes, sum(g.total_ms) AS total_ms,
           sum(g.ouverture_ms) AS ouverture_ms, sum(g.requis_ms) AS requis_ms,
           sum(g.fonctionnement_ms) AS fonctionnement_ms, sum(g.arret_ms) AS arret_ms,
           sum(g.attente_ms) AS attente_ms, sum(g.demarrage_ms) AS demarrage_ms, sum(g.fin_ms) AS fin_ms,
           sum(g.pieces) AS pieces_n, sum(g.pieces_rebut)::bigint AS pieces_rebut, sum(g.bonnes) AS bonnes,
           -- Of each nominal rate, its pieces.
           bool_and(g.cadence IS NOT NULL) AS cadencee, array_agg(g.cadence) AS cadences,
           array_agg(g.pieces) AS pieces_de, array_agg(g.bonnes) AS bonnes_de
    FROM (
        SELECT p.centre_usinage_id, date_trunc('week', p.date_production::timestamp)::date AS debut,
               CASE WHEN p.cadence_nominale > 0 THEN p.cadence_nominale::numeric END AS cadence,
               max(p.jusqua) AS jusqua, bool_or(coalesce(p.jusqua < p.fin_poste, FALSE)) AS en_cours,
               count(*) AS postes,
               sum(p.ouverture_ms) AS ouverture_ms, sum(p.requis_ms) AS requis_ms,
               sum(p.fonctionnement_ms) AS fonctionnement_ms, sum(p.arret_ms) AS arret_ms,
               sum(p.attente_ms) AS attente_ms, sum(p.demarrage_ms) AS demarrage_ms, sum(p.fin_ms) AS fin_ms,
               sum(p.pieces)::numeric AS pieces, sum(p.pieces_rebut) AS pieces_rebut,
               sum(greatest(p.pieces - p.pieces_rebut, 0))::numeric AS bonnes,
               -- Once a day: each has a first part.
               coalesce(sum(coalesce(p.total_ms::numeric,
                   round(extract(epoch FROM p.jusqua - p.date_production::timestamp)::numeric * 1000), 86400000))
                   FILTER (WHERE p.numero = 1), 0) AS total_ms
        FROM temps_poste p
        GROUP BY 1, 2, 3
    ) g
    GROUP BY 1, 2
) t
LEFT JOIN centre_usinage c ON c.id = t.centre_usinage_id
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN NOT t.cadencee THEN NULL
        WHEN cardinality(t.cadences) = 1 THEN ARRAY[t.pieces_de[1], t.bonnes_de[1], t.cadences[1]]
        ELSE (
            WITH RECURSIVE somme (i, net, utile, sur) AS (
                SELECT 1, t.pieces_de[1], t.bonnes_de[1], t.cadences[1]
                UNION ALL
                SELECT i + 1, net * t.cadences[i + 1] + t.pieces_de[i + 1] * sur,
                       utile * t.cadences[i + 1] + t.bonnes_de[i + 1] * sur, sur * t.cadences[i + 1]
                FROM somme WHERE i < cardinality(t.cadences)
            )
            SELECT ARRAY[net, utile, sur] FROM somme ORDER BY i DESC LIMIT 1
        ) END AS fraction
) x
CROSS JOIN LATERAL (
    SELECT x.fraction[1] AS net, x.fraction[2] AS utile, x.fraction[3] AS sur
) n
CROSS JOIN LATERAL (
    SELECT n.net, n.utile, n.sur, 3600000 * n.net AS net_ms, 3600000 * n.utile AS utile_ms,
           n.sur * t.fonctionnement_ms AS sur_tp, n.sur * t.requis_ms AS sur_trs,
           n.sur * t.ouverture_ms AS sur_trg, n.sur * t.total_ms AS sur_tre
) f;

CREATE OR REPLACE VIEW v_trs_mois AS
SELECT t.centre_usinage_id, c.nom, c.type_cu, to_char(t.debut, 'YYYY-MM') AS mois, t.debut,
       (t.debut + interval '1 month' - interval '1 day')::date AS fin,
       t.en_cours, t.postes,
       div(20000 * t.ouverture_ms + 3600000, 7200000) * 0.0001 AS temps_ouverture,
       div(20000 * t.requis_ms + 3600000, 7200000) * 0.0001 AS temps_requis,
       div(20000 * t.fonctionnement_ms + 3600000, 7200000) * 0.0001 AS temps_fonctionnement,
       div(20000 * t.arret_ms + 3600000, 7200000) * 0.0001 AS temps_arret,
       div(20000 * t.attente_ms + 3600000, 7200000) * 0.0001 AS temps_attente,
       div(20000 * t.demarrage_ms + 3600000, 7200000) * 0.0001 AS temps_demarrage,
       div(20000 * t.fin_ms + 3600000, 7200000) * 0.0001 AS temps_fin,
       t.pieces_n::bigint AS pieces, t.pieces_rebut,
       (SELECT coalesce(sum(s.pieces_hors_requis), 0)::bigint FROM session_production s
        WHERE s.centre_usinage_id = t.centre_usinage_id
          AND s.date_production >= t.debut
          AND s.date_production < (t.debut + interval '1 month')::date) AS pieces_hors_requis,
       div(20000 * f.net + f.sur, 2 * f.sur) * 0.0001 AS temps_net,
       div(20000 * f.utile + f.sur, 2 * f.sur) * 0.0001 AS temps_utile,
       CASE WHEN t.requis_ms > 0
           THEN div(20000 * t.fonctionnement_ms + t.requis_ms, 2 * t.requis_ms) * 0.01 END AS taux_do,
       CASE WHEN f.sur_tp > 0 THEN div(20000 * f.net_ms + f.sur_tp, 2 * f.sur_tp) * 0.01 END AS taux_tp,
       CASE WHEN t.pieces_n > 0 THEN div(20000 * t.bonnes + t.pieces_n, 2 * t.pieces_n) * 0.01 END AS taux_tq,
       CASE WHEN f.sur_trs > 0 THEN div(20000 * f.utile_ms + f.sur_trs, 2 * f.sur_trs) * 0.01 END AS trs,
       CASE WHEN f.sur_trg > 0 THEN div(20000 * f.utile_ms + f.sur_trg, 2 * f.sur_trg) * 0.01 END AS trg,
       CASE WHEN f.sur_tre > 0 THEN div(20000 * f.utile_ms + f.sur_tre, 2 * f.sur_tre) * 0.01 END AS tre
FROM (
    SELECT g.centre_usinage_id, g.debut, max(g.jusqua) AS jusqua, bool_or(g.en_cours) AS en_cours,
           sum(g.postes)::bigint AS postes, sum(g.total_ms) AS total_ms,
           sum(g.ouverture_ms) AS ouverture_ms, sum(g.requis_ms) AS requis_ms,
           sum(g.fonctionnement_ms) AS fonctionnement_ms, sum(g.arret_ms) AS arret_ms,
           sum(g.attente_ms) AS attente_ms, sum(g.demarrage_ms) AS demarrage_ms, sum(g.fin_ms) AS fin_ms,
           sum(g.pieces) AS pieces_n, sum(g.pieces_rebut)::bigint AS pieces_rebut, sum(g.bonnes) AS bonnes,
           -- Of each nominal rate, its pieces.
           bool_and(g.cadence IS NOT NULL) AS cadencee, array_agg(g.cadence) AS cadences,
           array_agg(g.pieces) AS pieces_de, array_agg(g.bonnes) AS bonnes_de
    FROM (
        SELECT p.centre_usinage_id, date_trunc('month', p.date_production::timestamp)::date AS debut,
               CASE WHEN p.cadence_nominale > 0 THEN p.cadence_nominale::numeric END AS cadence,
               max(p.jusqua) AS jusqua, bool_or(coalesce(p.jusqua < p.fin_poste, FALSE)) AS en_cours,
               count(*) AS postes,
               sum(p.ouverture_ms) AS ouverture_ms, sum(p.requis_ms) AS requis_ms,
               sum(p.fonctionnement_ms) AS fonctionnement_ms, sum(p.arret_ms) AS arret_ms,
               sum(p.attente_ms) AS attente_ms, sum(p.demarrage_ms) AS demarrage_ms, sum(p.fin_ms) AS fin_ms,
               sum(p.pieces)::numeric AS pieces, sum(p.pieces_rebut) AS pieces_rebut,
               sum(greatest(p.pieces - p.pieces_rebut, 0))::numeric AS bonnes,
               -- Once a day: each has a first part.
               coalesce(sum(coalesce(p.total_ms::numeric,
                   round(extract(epoch FROM p.jusqua - p.date_production::timestamp)::numeric * 1000), 86400000))
                   FILTER (WHERE p.numero = 1), 0) AS total_ms
        FROM temps_poste p
        GROUP BY 1, 2, 3
    ) g
    GROUP BY 1, 2
) t
LEFT JOIN centre_usinage c ON c.id = t.centre_usinage_id
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN NOT t.cadencee THEN NULL
        WHEN cardinality(t.cadences) = 1 THEN ARRAY[t.pieces_de[1], t.bonnes_de[1], t.cadences[1]]
        ELSE (
            WITH RECURSIVE somme (i, net, utile, sur) AS (
                SELECT 1, t.pieces_de[1], t.bonnes_de[1], t.cadences[1]
                UNION ALL
                SELECT i + 1, net * t.cadences[i + 1] + t.pieces_de[i + 1] * sur,
                       utile * t.cadences[i + 1] + t.bonnes_de[i + 1] * sur, sur * t.cadences[i + 1]
                FROM somme WHERE i < cardinality(t.cadences)
            )
            SELECT ARRAY[net, utile, sur] FROM somme ORDER BY i DESC LIMIT 1
        ) END AS fraction
) x
CROSS JOIN LATERAL (
    SELECT x.fraction[1] AS net, x.fraction[2] AS utile, x.fraction[3] AS sur
) n
CROSS JOIN LATERAL (
    SELECT n.net, n.utile, n.sur, 3600000 * n.net AS net_ms, 3600000 * n.utile AS utile_ms,
           n.sur * t.fonctionnement_ms AS sur_tp, n.sur * t.requis_ms AS sur_trs,
           n.sur * t.ouverture_ms AS sur_trg, n.sur * t.total_ms AS sur_tre
) f;

-- The day's TRS and its factors, in the columns that were there and of the types that they had.
DO $day$
DECLARE
    types TEXT[];
BEGIN
    SELECT array_agg(coalesce(format_type(a.atttypid, a.atttypmod), w.usual) ORDER BY w.place) INTO types
    FROM unnest(ARRAY['taux_disponibilite', 'taux_performance', 'taux_qualite', 'taux_trs'],
                ARRAY['numeric(5,2)', 'numeric(9,2)', 'numeric(5,2)', 'numeric(9,2)'])
        WITH ORDINALITY AS w (name, usual, place)
    LEFT JOIN pg_attribute a ON a.attrelid = to_regclass('v_production_jour') AND a.attname = w.name;
    EXECUTE format($view$
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
       v.taux_do::%1$s AS taux_disponibilite,
       (CASE WHEN v.taux_tp > 9999999.99 THEN 9999999.99 ELSE v.taux_tp END)::%2$s AS taux_performance,
       v.taux_tq::%3$s AS taux_qualite,
       (CASE WHEN v.trs > 9999999.99 THEN 9999999.99 ELSE v.trs END)::%4$s AS taux_trs,
       (SELECT count(*) FROM anomalie a WHERE a.session_id = s.id) AS anomalies,
       (SELECT count(*) FROM anomalie a WHERE a.session_id = s.id AND a.gravite = 'forte')
           AS anomalies_fortes
FROM session_production s
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id
LEFT JOIN LATERAL (
    SELECT j.taux_do, j.taux_tp, j.taux_tq, j.trs FROM v_trs_jour j
    WHERE j.centre_usinage_id = s.centre_usinage_id AND j.date_production = s.date_production
) v ON TRUE$view$, types[1], types[2], types[3], types[4]);
END
$day$;

-- The triggers of 0009, which know the new table and the new column.

-- Called by triggers on the rows of writers that are not agents. Whatever goes wrong here, the other
-- program's statement succeeds, and waits for nobody. Works with the rights of its owner, because the
-- other program need not have any on these tables; nobody else may make a trigger of it.
CREATE OR REPLACE FUNCTION cu_agent_note_ecriture() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $note$
DECLARE
    kind TEXT := TG_ARGV[0];
    tbl TEXT := TG_ARGV[1];
    r RECORD;
    number BIGINT;
    centre BIGINT;
    seen TEXT;
    key TEXT;
    whose TEXT;
    day DATE;
    is_known BOOLEAN := FALSE;
    who TEXT := coalesce(nullif(nullif(current_setting('role', TRUE), 'none'), ''), session_user::text);
    what TEXT := left(current_setting('application_name', TRUE), 200);
    client TEXT := host(inet_client_addr());
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        EXECUTE format(
            'INSERT INTO %1$I.cu_agent_ecriture (application, role, adresse, nom_table, operation, machine)
             SELECT DISTINCT $1, $2, $3, $4, $5, m.machine FROM %1$I.cu_agent_machine m
             WHERE m.machine IS NOT NULL', TG_TABLE_SCHEMA)
        USING what, who, client, tbl, TG_OP;
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN r := OLD; ELSE r := NEW; END IF;
    IF kind = 'detail' THEN
        number := r.session_id;
        IF number IS NULL AND TG_OP = 'UPDATE' THEN number := OLD.session_id; END IF;
    ELSIF kind = 'poste' THEN
        number := r.centre_usinage_id;
    ELSE
        number := r.id;
    END IF;
    IF number IS NULL THEN
        RETURN NULL;
    END IF;
    -- What this transaction has noted already costs no look at a table.
    key := concat_ws(' ', tbl, TG_OP, number::text) || ';';
    IF kind = 'poste' THEN
        key := concat_ws(' ', tbl, TG_OP, number::text, r.date_production::text) || ';';
    END IF;
    seen := coalesce(current_setting('cu_agent.ecrit', TRUE), '');
    IF strpos(seen, key) > 0 THEN
        RETURN NULL;
    END IF;
    -- A change of columns that are not the agents' is nobody's business here. Which those are is an
    -- argument and no condition of the trigger: that would keep people from changing a column's type.
    IF TG_OP = 'UPDATE' AND NOT EXISTS (
        SELECT FROM jsonb_each(to_jsonb(OLD)) o JOIN jsonb_each(to_jsonb(NEW)) n ON n.key = o.key
        WHERE o.key = ANY (string_to_array(TG_ARGV[2], ',')) AND n.value <> o.value) THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('cu_agent.ecrit', right(seen, 16000) || key, TRUE);
    IF kind = 'detail' THEN
        EXECUTE format(
            'SELECT s.machine, s.centre_usinage_id, s.date_production FROM %I.session_production s
             WHERE s.id = $1', TG_TABLE_SCHEMA)
        INTO whose, centre, day USING number;
    ELSIF kind IN ('session', 'poste') THEN
        centre := r.centre_usinage_id;
        day := r.date_production;
        whose := r.machine;
        IF TG_OP = 'UPDATE' AND OLD.machine IS NOT NULL THEN
            whose := OLD.machine;
        END IF;
    ELSE
        centre := number;
    END IF;
    -- A serializable transaction that looked at more could be ended because of what others write there.
    IF current_setting('transaction_isolation') = 'serializable' THEN
        IF kind = 'centre' THEN whose := r.nom; END IF;
    ELSIF whose IS NULL AND centre IS NOT NULL THEN
        EXECUTE format('SELECT m.machine FROM %I.cu_agent_machine m WHERE m.centre_usinage_id = $1',
                       TG_TABLE_SCHEMA)
        INTO whose USING centre;
    END IF;
    IF whose IS NULL THEN
        RETURN NULL;
    END IF;
    IF current_setting('transaction_isolation') <> 'serializable' THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM %I.cu_agent_ecriture w
                 WHERE w.le > clock_timestamp() - interval ''1 minute'' AND w.dite_le IS NULL
                   AND w.machine = $1 AND w.application = $2 AND w.role = $3
                   AND w.adresse IS NOT DISTINCT FROM $4 AND w.nom_table = $5 AND w.operation = $6
                   AND w.date_production IS NOT DISTINCT FROM $7)', TG_TABLE_SCHEMA)
        INTO is_known USING whose, what, who, client, tbl, TG_OP, day;
    END IF;
    IF NOT is_known THEN
        EXECUTE format(
            'INSERT INTO %I.cu_agent_ecriture
                 (application, role, adresse, nom_table, operation, machine, date_production)
             VALUES ($1, $2, $3, $4, $5, $6, $7)', TG_TABLE_SCHEMA)
        USING what, who, client, tbl, TG_OP, whose, day;
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$note$;
REVOKE ALL ON FUNCTION cu_agent_note_ecriture() FROM PUBLIC;

-- Makes the triggers of one of the tables, `nom` by its usual name; those that are there are made again.
-- The agent's own rows cost one look at a setting each.
CREATE OR REPLACE FUNCTION cu_agent_surveiller(surveillee REGCLASS, nom TEXT) RETURNS VOID
LANGUAGE plpgsql AS $watch$
DECLARE
    is_other CONSTANT TEXT := 'current_setting(''application_name'') NOT LIKE ''cu-agent%''';
    kind TEXT := CASE nom WHEN 'centre_usinage' THEN 'centre'
                          WHEN 'session_production' THEN 'session'
                          WHEN 'temps_poste' THEN 'poste' ELSE 'detail' END;
    -- What the agents write. Other columns are people's to change as they like.
    own TEXT[];
BEGIN
    own := CASE nom
        WHEN 'centre_usinage' THEN ARRAY['id', 'nom', 'type_cu']
        WHEN 'session_production' THEN ARRAY[
            'id', 'centre_usinage_id', 'date_production', 'heure_premiere_piece', 'heure_derniere_piece',
            'heure_premier_machine_start', 'heure_dernier_machine_stop', 'total_pieces',
            'duree_production_totale', 'temps_attente', 'temps_arret_volontaire',
            'temps_production_effectif', 'taux_occupation', 'taux_attente', 'taux_arret_volontaire',
            'temps_attente_brut', 'temps_arret_brut', 'fichier_log_source', 'cadence_nominale', 'rebuts',
            'taux_performance', 'taux_qualite', 'taux_trs', 'agent_id', 'tampon_id', 'revision',
            'evenements', 'machine', 'duree_production_ms', 'temps_attente_ms',
            'temps_arret_volontaire_ms', 'temps_attente_brut_ms', 'temps_arret_brut_ms',
            'pieces_hors_requis']
        WHEN 'temps_poste' THEN ARRAY[
            'centre_usinage_id', 'date_production', 'numero', 'poste', 'debut_poste', 'fin_poste', 'jusqua',
            'ouverture_ms', 'requis_ms', 'fonctionnement_ms', 'arret_ms', 'attente_ms', 'demarrage_ms',
            'fin_ms', 'pieces', 'pieces_rebut', 'cadence_nominale', 'total_ms', 'machine']
        WHEN 'piece_production' THEN ARRAY['session_id', 'numero_piece', 'timestamp_production', 'details']
        WHEN 'job_profil' THEN ARRAY['session_id', 'numero', 'reference', 'longueur', 'couleur', 'timestamp_debut']
        WHEN 'anomalie' THEN ARRAY['session_id', 'numero', 'code', 'gravite', 'timestamp_debut',
            'timestamp_fin', 'valeur', 'attendu', 'texte']
        ELSE ARRAY['session_id', 'numero', 'timestamp_debut', 'timestamp_fin', 'duree_secondes']
    END;
    EXECUTE format('DROP TRIGGER IF EXISTS cu_agent_ecriture ON %s', surveillee);
    EXECUTE format('DROP TRIGGER IF EXISTS cu_agent_vidage ON %s', surveillee);
    EXECUTE format('DROP TRIGGER IF EXISTS cu_agent_ote_detachee ON %s', surveillee);
    EXECUTE format(
        'CREATE TRIGGER cu_agent_ecriture AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW WHEN (%s)
         EXECUTE FUNCTION cu_agent_note_ecriture(%L, %L, %L)',
        surveillee, is_other, kind, nom, array_to_string(own, ','));
    EXECUTE format(
        'CREATE TRIGGER cu_agent_vidage AFTER TRUNCATE ON %s FOR EACH STATEMENT WHEN (%s)
         EXECUTE FUNCTION cu_agent_note_ecriture(%L, %L)', surveillee, is_other, kind, nom);
    -- An anomaly cannot be without its session. Triggers go in the order of their names: what was written
    -- is noted first.
    IF kind = 'detail' AND nom <> 'anomalie' THEN
        EXECUTE format(
            'CREATE TRIGGER cu_agent_ote_detachee AFTER UPDATE ON %s FOR EACH ROW WHEN (%s)
             EXECUTE FUNCTION cu_agent_ote_detachee()', surveillee, is_other);
    END IF;
END
$watch$;

SELECT cu_agent_surveiller('temps_poste'::regclass, 'temps_poste'),
       cu_agent_surveiller('session_production'::regclass, 'session_production');

-- Agents and readers that log in as another role than the one that runs this need nobody's help. Whoever
-- owns v_production_jour reads v_trs_jour for it.
DO $grants$
DECLARE
    g RECORD;
BEGIN
    FOR g IN
        SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who,
               c.relname = 'cu_agent_machine' AS is_agent, a.privilege_type AS privilege
        FROM pg_class c
        CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE a.grantee <> (SELECT t.relowner FROM pg_class t WHERE t.oid = 'temps_poste'::regclass)
          AND (c.oid = 'cu_agent_machine'::regclass
               AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
               OR c.oid = 'v_production_jour'::regclass AND a.privilege_type = 'SELECT')
          AND (a.grantee = 0 OR r.rolname IS NOT NULL)
    LOOP
        IF g.is_agent THEN
            EXECUTE format('GRANT %s ON temps_poste TO %s', g.privilege, g.who);
        END IF;
        IF g.privilege = 'SELECT' THEN
            EXECUTE format('GRANT SELECT ON v_trs_poste, v_trs_jour, v_trs_semaine, v_trs_mois TO %s', g.who);
        END IF;
    END LOOP;
END
$grants$;
