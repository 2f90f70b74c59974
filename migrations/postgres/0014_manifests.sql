-- Which manifest of self-update each gateway believed last, and which gateways' manifests stand still: the
-- publisher cannot be read, an old copy is served, or nothing was published before the manifest expired. A
-- gateway with self-update has a link with `manifeste` among `liens`: {"serie", "signe_s", "expire_s", "lu_s"},
-- times as seconds since 1970, all missing before the first manifest. Nothing in it is taken for a number that
-- is not one, so that no row can make the view fail.
--
-- One publisher a fleet: serials are compared with the highest of all gateways.

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
                THEN to_timestamp((m.lien #>> '{manifeste,lu_s}')::double precision) END AS manifeste_lu_le
    FROM agent_edge e
    LEFT JOIN LATERAL (
        SELECT l AS lien FROM jsonb_array_elements(e.liens) l WHERE l ? 'manifeste' LIMIT 1
    ) m ON TRUE
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
           CASE WHEN manifeste_fige THEN 'manifeste figé' END), ''), 'ok') AS etat,
       muet, perime, retard, retard_croissant, horloge_fausse, lien_bas, disque_plein,
       mise_a_jour_echouee,
       premier_contact, dernier_contact, intervalle_s, ecart_horloge_s,
       sessions_en_attente, plus_ancien_jour, attente_depuis, attente_initiale,
       liens, tampon_octets, tampon_max_octets, disque_libre_octets,
       mise_a_jour_version, mise_a_jour_depuis, mise_a_jour_le, mise_a_jour_resultat,
       mise_a_jour_detail, tampon_id, instance_id,
       manifeste_fige, manifeste_serie, manifeste_signe_le, manifeste_expire_le, manifeste_lu_le
FROM fleet;
