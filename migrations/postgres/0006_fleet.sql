-- The gateways themselves: one row an agent, written by the agent at its contacts, and a view that
-- flags those that somebody should look at. All moments are central's own unless their name or
-- comment says otherwise: a gateway's clock may be wrong.

CREATE TABLE IF NOT EXISTS agent_edge (
    agent_id              TEXT PRIMARY KEY,
    tampon_id             TEXT NOT NULL,
    -- New with each start of the process.
    instance_id           TEXT NOT NULL,
    hote                  TEXT NOT NULL,
    version               TEXT NOT NULL,
    architecture          TEXT NOT NULL,
    premier_contact       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    dernier_contact       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    -- The agent shows itself at least this often while it runs and reaches central.
    intervalle_s          INTEGER NOT NULL,
    -- The gateway's clock minus central's, the way of the message included.
    ecart_horloge_s       NUMERIC(14,1) NOT NULL,
    sessions_en_attente   BIGINT NOT NULL,
    plus_ancien_jour      DATE,
    -- Since when something waits at every contact, and how much it was then.
    attente_depuis        TIMESTAMPTZ,
    attente_initiale      BIGINT,
    -- [{"nom", "etat": "haut" | "bas", "depuis": by the gateway's clock, "erreur"}]
    liens                 JSONB NOT NULL,
    tampon_octets         BIGINT NOT NULL,
    tampon_max_octets     BIGINT NOT NULL,
    disque_libre_octets   BIGINT,
    -- The last field update, as the updater noted it (by the gateway's clock).
    mise_a_jour_version   TEXT,
    mise_a_jour_depuis    TEXT,
    mise_a_jour_le        TIMESTAMPTZ,
    mise_a_jour_resultat  TEXT,
    mise_a_jour_detail    TEXT
);

-- `numeros` is the version as numbers, a pre-release before its release; NULL where it is no version.
CREATE OR REPLACE VIEW v_parc AS
WITH agent AS (
    SELECT e.*,
           CASE WHEN e.version ~ '^\d+(\.\d+)*([-+].*)?$'
                THEN string_to_array(substring(e.version FROM '^[0-9.]+'), '.')::numeric[]
                     || CASE WHEN e.version ~ '^[0-9.]+-' THEN 0 ELSE 1 END::numeric END AS numeros
    FROM agent_edge e
), fleet AS (
    SELECT a.*,
           a.dernier_contact < now()
               - greatest(interval '30 minutes', 3 * a.intervalle_s * interval '1 second') AS muet,
           coalesce(a.numeros < max(a.numeros) OVER (), FALSE) AS perime,
           coalesce(a.attente_depuis < now() - interval '1 hour', FALSE) AS retard,
           coalesce(a.attente_depuis < now() - interval '15 minutes'
                    AND a.sessions_en_attente > a.attente_initiale, FALSE) AS retard_croissant,
           abs(a.ecart_horloge_s) > 120 AS horloge_fausse,
           EXISTS (SELECT FROM jsonb_array_elements(a.liens) l WHERE l ->> 'etat' = 'bas') AS lien_bas,
           coalesce(a.disque_libre_octets < 200000000, FALSE)
               OR a.tampon_octets > 0.9 * a.tampon_max_octets AS disque_plein,
           coalesce(a.mise_a_jour_resultat IN ('failed', 'rolled-back', 'refused'), FALSE)
               AS mise_a_jour_echouee
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
           CASE WHEN mise_a_jour_echouee THEN 'mise à jour échouée' END), ''), 'ok') AS etat,
       muet, perime, retard, retard_croissant, horloge_fausse, lien_bas, disque_plein,
       mise_a_jour_echouee,
       premier_contact, dernier_contact, intervalle_s, ecart_horloge_s,
       sessions_en_attente, plus_ancien_jour, attente_depuis, attente_initiale,
       liens, tampon_octets, tampon_max_octets, disque_libre_octets,
       mise_a_jour_version, mise_a_jour_depuis, mise_a_jour_le, mise_a_jour_resultat,
       mise_a_jour_detail, tampon_id, instance_id
FROM fleet;

-- Whoever may renew claims may show itself, and whoever reads the day of each machine may read the
-- fleet: agents that log in as another role than the one that runs this need nobody's help.
DO $grants$
DECLARE
    g RECORD;
BEGIN
    FOR g IN
        SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who,
               c.relname = 'cu_agent_machine' AS is_agent, a.privilege_type AS privilege
        FROM pg_class c
        CROSS JOIN LATERAL aclexplode(c.relacl) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE a.grantee <> c.relowner
          AND ((c.oid = 'cu_agent_machine'::regclass
                AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
               OR (c.oid = 'v_production_jour'::regclass AND a.privilege_type = 'SELECT'))
          AND (a.grantee = 0 OR r.rolname IS NOT NULL)
    LOOP
        IF g.is_agent THEN
            EXECUTE format('GRANT %s ON agent_edge TO %s', g.privilege, g.who);
        END IF;
        IF g.privilege = 'SELECT' THEN
            EXECUTE format('GRANT SELECT ON v_parc TO %s', g.who);
        END IF;
    END LOOP;
END
$grants$;
