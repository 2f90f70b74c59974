-- Settings that a plant gives all its gateways, signed: a row is a document of packaging/settings.sh with its
-- signatures, the row with the highest serial counts. `cu-agent central settings put` writes it. Gateways believe
-- the signatures, not who wrote the row.

CREATE TABLE IF NOT EXISTS cu_agent_reglages (
    serie      BIGINT PRIMARY KEY,
    document   BYTEA NOT NULL,
    signatures BYTEA NOT NULL,
    ecrit_par  TEXT NOT NULL DEFAULT current_user,
    ecrit_le   TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- What each gateway made of them. One that takes settings has a link with `reglages` among `liens`:
-- {"serie", "essai", "refusee", "raison"}, each missing if there is none. Nothing in it is taken for a number
-- that is not one, so that no row can make the view fail.

CREATE OR REPLACE VIEW v_parc AS
WITH agent AS (
    SELECT e.*,
           CASE WHEN e.version ~ '^\d+(\.\d+)*([-+].*)?$'
                THEN string_to_array(substring(e.version FROM '^[0-9.]+'), '.')::numeric[]
                     || CASE WHEN e.version ~ '^[0-9.]+-' THEN 0 ELSE 1 END::numeric END AS numeros,
           m.lien IS NOT NULL AS a_manifeste, m.lien ->> 'etat' = 'bas' AS manifeste_bas,
           CASE WHEN m.lien #>> '{manifeste,serie}' ~ '^\d{1,18}$'
                THEN (m.lien #>> '{manifeste,serie}')::bigint END AS manifeste_serie,
           CASE WHEN m.lien #>> '{manifeste,signe_s}' ~ '^\d{1,11}$'
                THEN to_timestamp((m.lien #>> '{manifeste,signe_s}')::double precision) END AS manifeste_signe_le,
           CASE WHEN m.lien #>> '{manifeste,expire_s}' ~ '^\d{1,11}$'
                THEN to_timestamp((m.lien #>> '{manifeste,expire_s}')::double precision) END AS manifeste_expire_le,
           CASE WHEN m.lien #>> '{manifeste,lu_s}' ~ '^\d{1,11}$'
                THEN to_timestamp((m.lien #>> '{manifeste,lu_s}')::double precision) END AS manifeste_lu_le,
           CASE WHEN r.reglages ->> 'serie' ~ '^\d{1,18}$'
                THEN (r.reglages ->> 'serie')::bigint END AS reglages_serie,
           CASE WHEN r.reglages ->> 'essai' ~ '^\d{1,18}$'
                THEN (r.reglages ->> 'essai')::bigint END AS reglages_essai,
           CASE WHEN r.reglages ->> 'refusee' ~ '^\d{1,18}$'
                THEN (r.reglages ->> 'refusee')::bigint END AS reglages_refusee,
           r.reglages ->> 'raison' AS reglages_raison
    FROM agent_edge e
    LEFT JOIN LATERAL (
        SELECT l AS lien FROM jsonb_array_elements(e.liens) l WHERE l ? 'manifeste' LIMIT 1
    ) m ON TRUE
    LEFT JOIN LATERAL (
        SELECT l -> 'reglages' AS reglages FROM jsonb_array_elements(e.liens) l WHERE l ? 'reglages' LIMIT 1
    ) r ON TRUE
), fleet AS (
    SELECT a.*,
           a.dernier_contact < now()
               - greatest(interval '30 minutes', 3 * a.intervalle_s * interval '1 second') AS muet,
           coalesce(a.numeros < max(a.numeros) OVER (), FALSE) AS perime,
           coalesce(a.attente_depuis < now() - interval '1 hour', FALSE) AS retard,
           coalesce(a.attente_depuis < now() - interval '15 minutes'
                    AND a.sessions_en_attente > a.attente_initiale, FALSE) AS retard_croissant,
           abs(a.ecart_horloge_s) > 120 AS horloge_fausse,
           EXISTS (SELECT FROM jsonb_array_elements(a.liens) l
                   WHERE l ->> 'etat' = 'bas' AND NOT l ? 'manifeste') AS lien_bas,
           coalesce(a.disque_libre_octets < 200000000, FALSE)
               OR a.tampon_octets > 0.9 * a.tampon_max_octets AS disque_plein,
           coalesce(a.mise_a_jour_resultat IN ('failed', 'rolled-back', 'refused'), FALSE)
               AS mise_a_jour_echouee,
           a.a_manifeste AND (
               a.manifeste_bas
               OR a.manifeste_expire_le < now()
               OR a.manifeste_lu_le IS NULL AND a.premier_contact < now() - interval '24 hours'
               -- By the gateway's clock, as both were.
               OR coalesce(a.manifeste_lu_le < a.dernier_contact
                   + a.ecart_horloge_s * interval '1 second' - interval '24 hours', FALSE)
               OR coalesce(a.manifeste_serie < max(a.manifeste_serie) OVER ()
                   AND max(a.manifeste_signe_le) OVER () < now() - interval '24 hours', FALSE)
           ) IS TRUE AS manifeste_fige
    FROM agent a
)
SELECT agent_id, hote, version, architecture,
       coalesce(nullif(concat_ws(', ',
           CASE WHEN muet THEN 'muet' END,
           CASE WHEN perime THEN 'périmé' END,
           CASE WHEN retard_croissant THEN 'retard croissant' WHEN retard THEN 'retard' END,
           CASE WHEN horloge_fausse THEN 'horloge fausse' END,
           CASE WHEN lien_bas THEN 'lien bas' END,
           CASE WHEN disque_plein THEN 'disque plein' END,
           CASE WHEN mise_a_jour_echouee THEN 'mise à jour échouée' END,
           CASE WHEN manifeste_fige THEN 'manifeste figé' END,
           CASE WHEN reglages_raison IS NOT NULL THEN 'réglages refusés' END), ''), 'ok') AS etat,
       muet, perime, retard, retard_croissant, horloge_fausse, lien_bas, disque_plein,
       mise_a_jour_echouee,
       premier_contact, dernier_contact, intervalle_s, ecart_horloge_s,
       sessions_en_attente, plus_ancien_jour, attente_depuis, attente_initiale,
       liens, tampon_octets, tampon_max_octets, disque_libre_octets,
       mise_a_jour_version, mise_a_jour_depuis, mise_a_jour_le, mise_a_jour_resultat,
       mise_a_jour_detail, tampon_id, instance_id,
       manifeste_fige, manifeste_serie, manifeste_signe_le, manifeste_expire_le, manifeste_lu_le,
       reglages_raison IS NOT NULL AS reglages_refuses, reglages_serie, reglages_essai, reglages_refusee,
       reglages_raison
FROM fleet;
