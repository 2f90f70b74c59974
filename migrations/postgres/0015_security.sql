-- What those who look after the gateways' security want to hear of: refused log-ins, certificates and host
-- keys that changed or were refused, changes of the configuration and of the publisher's keys, updates. A
-- role that does not own the table may add events, and can neither read, change nor remove any.

CREATE TABLE IF NOT EXISTS evenement_securite (
    agent_id    TEXT NOT NULL,
    tampon_id   TEXT NOT NULL,
    -- Counts within a buffer; a gap shows events that found no room while central was away.
    numero      BIGINT NOT NULL,
    -- By the gateway's own clock, in its local time.
    horodatage  TIMESTAMP,
    recu_le     TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    -- connexion_refusee, certificat_refuse, certificat_change, cle_hote_refusee, cle_hote_changee,
    -- configuration_changee, cles_changees, mise_a_jour
    genre       TEXT NOT NULL,
    -- The link, server, file or version that it is about.
    objet       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (agent_id, tampon_id, numero)
);

CREATE INDEX IF NOT EXISTS evenement_securite_recu_le ON evenement_securite (recu_le);

-- Who may write a gateway's row may add its events, and who reads the fleet may read them.
DO $grants$
DECLARE
    g RECORD;
BEGIN
    FOR g IN
        SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who,
               c.relname = 'agent_edge' AS is_agent
        FROM pg_class c
        CROSS JOIN LATERAL aclexplode(c.relacl) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE a.grantee <> c.relowner
          AND ((c.oid = 'agent_edge'::regclass AND a.privilege_type = 'INSERT')
               OR (c.oid = 'v_parc'::regclass AND a.privilege_type = 'SELECT'))
          AND (a.grantee = 0 OR r.rolname IS NOT NULL)
    LOOP
        EXECUTE format('GRANT %s ON evenement_securite TO %s',
                       CASE WHEN g.is_agent THEN 'INSERT' ELSE 'SELECT' END, g.who);
    END LOOP;
END
$grants$;
