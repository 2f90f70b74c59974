-- Which machine a centre and a session are, whatever people call the centre: a centre that was renamed
-- goes on being fed, and sessions whose centre was deleted find their way back. And who else writes to
-- what the agents write, so that it can be told by name at once.

ALTER TABLE cu_agent_machine
    -- As the gateway's configuration names it; NULL: an older release made the claim.
    ADD COLUMN IF NOT EXISTS machine TEXT;
ALTER TABLE session_production
    ADD COLUMN IF NOT EXISTS machine TEXT;

DELETE FROM cu_agent_machine m
WHERE NOT EXISTS (SELECT FROM centre_usinage c WHERE c.id = m.centre_usinage_id);
UPDATE cu_agent_machine m SET machine = c.nom::text
FROM centre_usinage c WHERE c.id = m.centre_usinage_id AND m.machine IS NULL;
UPDATE session_production s SET machine = c.nom::text
FROM centre_usinage c
WHERE c.id = s.centre_usinage_id AND s.agent_id IS NOT NULL AND s.machine IS NULL;

CREATE INDEX IF NOT EXISTS cu_agent_machine_nom ON cu_agent_machine (machine);
CREATE INDEX IF NOT EXISTS cu_agent_session_machine
    ON session_production (machine, centre_usinage_id) WHERE machine IS NOT NULL;

-- Detail rows without a session that equal a row of an agent's session: what an ORM left of a session
-- that it deleted, and that was delivered again since. They are kept in cu_agent_fusion as they were.
DO $orphans$
DECLARE
    d RECORD;
    found BIGINT;
BEGIN
    FOR d IN
        SELECT * FROM (VALUES
            ('piece_production', 'numero_piece', 'timestamp_production', ARRAY['details']),
            ('periode_attente', 'numero', 'timestamp_debut', ARRAY['timestamp_fin', 'duree_secondes']),
            ('periode_arret', 'numero', 'timestamp_debut', ARRAY['timestamp_fin', 'duree_secondes']),
            ('job_profil', 'numero', 'timestamp_debut', ARRAY['reference', 'longueur', 'couleur'])
        ) AS v (tbl, number, moment, others)
    LOOP
        EXECUTE format('SELECT 1 FROM %I WHERE session_id IS NULL LIMIT 1', d.tbl) INTO found;
        CONTINUE WHEN found IS NULL;
        EXECUTE format(
            'WITH twin AS (
                SELECT o.id, min(p.id) AS of
                FROM %1$I o
                JOIN %1$I p ON p.%2$I = o.%2$I AND p.%3$I = o.%3$I AND %4$s
                JOIN session_production s ON s.id = p.session_id AND s.agent_id IS NOT NULL
                WHERE o.session_id IS NULL GROUP BY o.id
            ), gone AS (
                DELETE FROM %1$I o USING twin t WHERE o.id = t.id RETURNING o.*
            )
            INSERT INTO cu_agent_fusion (nom_table, ancien_id, nouvel_id, ligne)
            SELECT %1$L, g.id, t.of, to_jsonb(g) FROM gone g JOIN twin t ON t.id = g.id',
            d.tbl, d.number, d.moment,
            (SELECT string_agg(format('p.%1$I IS NOT DISTINCT FROM o.%1$I', c), ' AND ')
             FROM unnest(d.others) c));
    END LOOP;
END
$orphans$;

-- What others wrote to the agents' rows: one row a minute for each writer, table, operation and session.
-- The agent whose machine it is tells of it, and removes what is older than thirty days.
CREATE TABLE IF NOT EXISTS cu_agent_ecriture (
    -- At random: no number can be behind after a restore, and no writer waits for another.
    id              UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    le              TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    application     TEXT NOT NULL,
    role            TEXT NOT NULL,
    -- NULL: on the server's own computer, by its socket.
    adresse         TEXT,
    nom_table       TEXT NOT NULL,
    operation       TEXT NOT NULL,
    machine         TEXT NOT NULL,
    date_production DATE,
    dite_le         TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS cu_agent_ecriture_a_dire ON cu_agent_ecriture (machine) WHERE dite_le IS NULL;
CREATE INDEX IF NOT EXISTS cu_agent_ecriture_le ON cu_agent_ecriture (le);

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
    ELSE
        number := r.id;
    END IF;
    IF number IS NULL THEN
        RETURN NULL;
    END IF;
    -- What this transaction has noted already costs no look at a table.
    key := concat_ws(' ', tbl, TG_OP, number::text) || ';';
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
    ELSIF kind = 'session' THEN
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

-- An ORM that deletes a session takes its details away from it first, and leaves them without any. Those of
-- an agent's session go with it: the agent delivers the whole session again.
CREATE OR REPLACE FUNCTION cu_agent_ote_detachee() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $detached$
BEGIN
    IF OLD.session_id IS NULL OR NEW.session_id IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'DELETE FROM %1$I.%2$I d WHERE d.id = $1 AND d.session_id IS NULL
           AND EXISTS (SELECT FROM %1$I.session_production s WHERE s.id = $2 AND s.agent_id IS NOT NULL)',
        TG_TABLE_SCHEMA, TG_TABLE_NAME)
    USING NEW.id, OLD.session_id;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$detached$;
REVOKE ALL ON FUNCTION cu_agent_ote_detachee() FROM PUBLIC;

-- Makes the triggers of one of the tables, `nom` by its usual name; those that are there are made again.
-- The agent's own rows cost one look at a setting each.
CREATE OR REPLACE FUNCTION cu_agent_surveiller(surveillee REGCLASS, nom TEXT) RETURNS VOID
LANGUAGE plpgsql AS $watch$
DECLARE
    is_other CONSTANT TEXT := 'current_setting(''application_name'') NOT LIKE ''cu-agent%''';
    kind TEXT := CASE nom WHEN 'centre_usinage' THEN 'centre'
                          WHEN 'session_production' THEN 'session' ELSE 'detail' END;
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
            'temps_arret_volontaire_ms', 'temps_attente_brut_ms', 'temps_arret_brut_ms']
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

DO $watched$
DECLARE
    nom TEXT;
BEGIN
    FOREACH nom IN ARRAY ARRAY['centre_usinage', 'session_production', 'piece_production',
                               'periode_attente', 'periode_arret', 'job_profil', 'anomalie'] LOOP
        PERFORM cu_agent_surveiller(nom::regclass, nom);
    END LOOP;
END
$watched$;

-- Agents that log in as another role than the one that runs this need nobody's help.
DO $grants$
DECLARE
    g RECORD;
BEGIN
    FOR g IN
        SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who,
               a.privilege_type AS privilege
        FROM pg_class c
        CROSS JOIN LATERAL aclexplode(c.relacl) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = 'cu_agent_machine'::regclass AND a.grantee <> c.relowner
          AND a.privilege_type IN ('SELECT', 'UPDATE', 'DELETE')
          AND (a.grantee = 0 OR r.rolname IS NOT NULL)
    LOOP
        EXECUTE format('GRANT %s ON cu_agent_ecriture TO %s', g.privilege, g.who);
    END LOOP;
END
$grants$;
