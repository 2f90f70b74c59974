-- The durations of a session as the gateway knows them, to the millisecond, beside the rounded hours:
-- a rate computed from rounded hours is another one where a day has few pieces.

ALTER TABLE session_production
    ADD COLUMN IF NOT EXISTS duree_production_ms       BIGINT,
    ADD COLUMN IF NOT EXISTS temps_attente_ms          BIGINT,
    ADD COLUMN IF NOT EXISTS temps_arret_volontaire_ms BIGINT,
    ADD COLUMN IF NOT EXISTS temps_attente_brut_ms     BIGINT,
    ADD COLUMN IF NOT EXISTS temps_arret_brut_ms       BIGINT;

-- What the replaced service reported: effective = duration - raw waits - raw stops, so that history
-- stays comparable. Rows that it wrote itself are shown as it wrote them: it kept its raw sums and
-- its rates in the ordinary columns. Rows of an agent without milliseconds, which an earlier release wrote,
-- are computed from the hours.
CREATE OR REPLACE VIEW v_session_formule_origine AS
SELECT s.id, s.centre_usinage_id, c.nom, c.type_cu, s.date_production, s.total_pieces,
       s.heure_premiere_piece, s.heure_derniere_piece,
       s.duree_production_totale,
       round(f.attente / f.heure, 4) AS temps_attente,
       round(f.arret / f.heure, 4) AS temps_arret_volontaire,
       CASE WHEN f.etrangere AND s.temps_production_effectif IS NOT NULL
            THEN s.temps_production_effectif::numeric
            ELSE round((f.duree - f.attente - f.arret) / f.heure, 4) END AS temps_production_effectif,
       CASE WHEN f.etrangere AND s.taux_occupation IS NOT NULL THEN s.taux_occupation::numeric
            WHEN f.duree > 0 THEN round((f.duree - f.attente - f.arret) * 100 / f.duree, 2)
            ELSE 0.00 END AS taux_occupation,
       CASE WHEN f.etrangere AND s.taux_attente IS NOT NULL THEN s.taux_attente::numeric
            WHEN f.duree > 0 THEN round(f.attente * 100 / f.duree, 2)
            ELSE 0.00 END AS taux_attente,
       CASE WHEN f.etrangere AND s.taux_arret_volontaire IS NOT NULL THEN s.taux_arret_volontaire::numeric
            WHEN f.duree > 0 THEN round(f.arret * 100 / f.duree, 2)
            ELSE 0.00 END AS taux_arret_volontaire
FROM session_production s
LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id
CROSS JOIN LATERAL (
    SELECT s.revision IS NULL AS etrangere,
           CASE WHEN e.exacte THEN s.duree_production_ms ELSE s.duree_production_totale::numeric END AS duree,
           CASE WHEN e.exacte THEN s.temps_attente_brut_ms
                ELSE coalesce(s.temps_attente_brut, s.temps_attente, 0)::numeric END AS attente,
           CASE WHEN e.exacte THEN s.temps_arret_brut_ms
                ELSE coalesce(s.temps_arret_brut, s.temps_arret_volontaire, 0)::numeric END AS arret,
           -- An hour in the unit of the three.
           CASE WHEN e.exacte THEN 3600000.0 ELSE 1.0 END AS heure
    -- Milliseconds that the hours beside them do not come from are left over: another program wrote the row.
    FROM (SELECT coalesce(
              s.revision IS NOT NULL
              AND round(s.duree_production_ms / 3600000.0, 4) = s.duree_production_totale::numeric
              AND round(s.temps_attente_brut_ms / 3600000.0, 4) = s.temps_attente_brut::numeric
              AND round(s.temps_arret_brut_ms / 3600000.0, 4) = s.temps_arret_brut::numeric,
              FALSE) AS exacte) e
) f;

-- Rows that are removed from a session and were not the agent's own are kept as they were: whoever
-- may deliver may keep them.
DO $grants$
DECLARE
    g RECORD;
BEGIN
    FOR g IN
        SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who
        FROM pg_class c
        CROSS JOIN LATERAL aclexplode(c.relacl) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = 'cu_agent_machine'::regclass AND a.privilege_type = 'INSERT'
          AND a.grantee <> c.relowner AND (a.grantee = 0 OR r.rolname IS NOT NULL)
    LOOP
        EXECUTE format('GRANT SELECT, INSERT ON cu_agent_fusion TO %s', g.who);
    END LOOP;
END
$grants$;
