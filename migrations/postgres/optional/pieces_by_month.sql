-- Optional: piece_production parted by month of production. Not one of the numbered migrations: no
-- agent applies it, and the agents' statements are the same with it and without. docs/scaling.md says
-- when it is worth while. To be run once, by the owner of the tables or a superuser, in their schema:
--
--   psql -v ON_ERROR_STOP=1 -d DATABASE -f pieces_by_month.sql
--
-- It makes everything of the next twelve months and of the present one; a task of each month does
-- the same again:  SELECT cu_agent_mois(current_date, (current_date + interval '12 months')::date)
--
-- How: a piece belongs to its session's part, and a session's number says its month. Number
-- 304000017 is the 17th session of May 2025: (2025 - 2000) * 12 + (5 - 1), then six digits. So the unique key
-- that the agents rely on, (session_id, numero_piece), holds the key of the parts. Sessions numbered
-- before, and those of months that nobody made a part for, have ordinary numbers and stay together
-- in piece_production_avant, which is the table that was there: no row is copied.
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '30s';
SET LOCAL statement_timeout = 0;
SET LOCAL client_min_messages = warning;
-- As the numbered migrations do, so that none of them runs at the same time.
SELECT pg_advisory_xact_lock(x'63756167656e7421'::bigint);
LOCK TABLE session_production, piece_production IN ACCESS EXCLUSIVE MODE;

-- What would be lost on the way is refused here, before anything is changed.
DO $refused$
DECLARE
    pieces REGCLASS := 'piece_production'::regclass;
    found TEXT;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = pieces) <> 'r' THEN
        RAISE EXCEPTION 'piece_production is no plain table; perhaps it is parted already';
    END IF;
    IF NOT EXISTS (SELECT FROM cu_agent_migration WHERE version = 4) THEN
        RAISE EXCEPTION 'run the numbered migrations first: cu-agent central migrate';
    END IF;
    IF EXISTS (SELECT FROM session_production WHERE id >= 100000000) THEN
        RAISE EXCEPTION 'a session is numbered 100000000 or above; those numbers are for months';
    END IF;
    IF EXISTS (SELECT FROM piece_production WHERE session_id IS NULL) THEN
        RAISE EXCEPTION 'there are pieces without a session_id; give them one or delete them';
    END IF;
    SELECT string_agg(what, ', ') INTO found FROM (
        SELECT 'foreign key ' || conname || ' of ' || conrelid::regclass AS what
        FROM pg_constraint WHERE contype = 'f' AND confrelid = pieces
        UNION ALL
        SELECT 'trigger ' || tgname FROM pg_trigger
        WHERE tgrelid = pieces AND NOT tgisinternal AND tgname NOT LIKE 'cu\_agent\_%'
        UNION ALL
        SELECT 'policy ' || polname FROM pg_policy WHERE polrelid = pieces
        UNION ALL
        SELECT 'rights on column ' || attname FROM pg_attribute
        WHERE attrelid = pieces AND attacl IS NOT NULL
        UNION ALL
        SELECT 'materialized view ' || c.oid::regclass
        FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = pieces AND c.relkind = 'm'
        UNION ALL
        SELECT 'unique index ' || i.indexrelid::regclass FROM pg_index i
        WHERE i.indrelid = pieces AND i.indisunique AND NOT i.indisprimary
          AND NOT EXISTS (SELECT FROM pg_attribute a
                          WHERE a.attrelid = pieces AND a.attname = 'session_id'
                            AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
    ) x;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'piece_production has what a parted table cannot have, or what this script does not carry over: %', found
            USING HINT = 'Drop it, run this script, and make it anew where it can be.';
    END IF;
END
$refused$;

DO $parted$
DECLARE
    pieces REGCLASS := 'piece_production'::regclass;
    owner NAME := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = pieces);
    views TEXT[];
    statement TEXT;
    counter TEXT := pg_get_serial_sequence('piece_production', 'id');
    is_identity BOOLEAN;
    follows BIGINT;
    r RECORD;
BEGIN
    -- A view goes on showing the table that it was made of, whatever that is called later.
    SELECT array_agg(format('CREATE OR REPLACE VIEW %s %s AS %s', v.oid::regclass,
               CASE WHEN v.reloptions IS NOT NULL
                    THEN format('WITH (%s)', array_to_string(v.reloptions, ', ')) END,
               pg_get_viewdef(v.oid)))
    INTO views
    FROM pg_class v
    WHERE v.relkind = 'v' AND v.oid IN (
        SELECT w.ev_class FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = pieces);

    -- The agents' own triggers are made again below, on the whole.
    FOR r IN SELECT tgname FROM pg_trigger WHERE tgrelid = pieces AND NOT tgisinternal LOOP
        EXECUTE format('DROP TRIGGER %I ON piece_production', r.tgname);
    END LOOP;

    ALTER TABLE piece_production RENAME TO piece_production_avant;
    CREATE TABLE piece_production (LIKE piece_production_avant
        INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING COMMENTS INCLUDING STORAGE)
        PARTITION BY RANGE (session_id);
    EXECUTE format('ALTER TABLE piece_production OWNER TO %I', owner);

    -- Numbers of rows go on where they were.
    SELECT attidentity <> '' INTO is_identity FROM pg_attribute
    WHERE attrelid = pieces AND attname = 'id';
    IF is_identity THEN
        EXECUTE format('SELECT last_value + 1 FROM %s', counter) INTO follows;
        ALTER TABLE piece_production_avant ALTER COLUMN id DROP IDENTITY;
        ALTER TABLE piece_production ALTER COLUMN id SET NOT NULL;
        EXECUTE format('ALTER TABLE piece_production ALTER COLUMN id
            ADD GENERATED BY DEFAULT AS IDENTITY (START WITH %s)', follows);
    ELSIF counter IS NOT NULL THEN
        EXECUTE format('ALTER SEQUENCE %s OWNED BY piece_production.id', counter);
    END IF;

    -- Keys and indexes keep their names; those of the old table get others.
    FOR r IN
        SELECT i.indexrelid, c.relname, i.indisunique,
               substring(pg_get_indexdef(i.indexrelid) FROM ' (USING .*)$') AS how
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = pieces AND NOT i.indisprimary
    LOOP
        EXECUTE format('ALTER INDEX %s RENAME TO %I', r.indexrelid::regclass,
                       left(r.relname, 57) || '_avant');
        EXECUTE format('CREATE %s INDEX %I ON piece_production %s',
                       CASE WHEN r.indisunique THEN 'UNIQUE' END, r.relname, r.how);
    END LOOP;
    FOR r IN
        SELECT conname, pg_get_constraintdef(oid) AS what FROM pg_constraint
        WHERE conrelid = pieces AND contype = 'f'
    LOOP
        EXECUTE format('ALTER TABLE piece_production ADD CONSTRAINT %I %s', r.conname, r.what);
    END LOOP;
    FOR r IN
        SELECT a.privilege_type, a.is_grantable,
               CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS who
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE c.oid = pieces
    LOOP
        EXECUTE format('GRANT %s ON piece_production TO %s %s', r.privilege_type, r.who,
                       CASE WHEN r.is_grantable THEN 'WITH GRANT OPTION' END);
    END LOOP;

    -- Looks through the old rows once, to be sure of their numbers.
    ALTER TABLE piece_production ATTACH PARTITION piece_production_avant
        FOR VALUES FROM (MINVALUE) TO (100000000);
    FOREACH statement IN ARRAY coalesce(views, '{}') LOOP
        EXECUTE statement;
    END LOOP;
    IF to_regprocedure('cu_agent_surveiller(regclass, text)') IS NOT NULL THEN
        PERFORM cu_agent_surveiller('piece_production'::regclass, 'piece_production');
    END IF;
END
$parted$;

-- Parts for the months from `de` to `a`, both included; how many are new. An empty part is attached
-- beside the work of the agents: it waits for those that write sessions at this moment, and they for it,
-- no longer than a statement takes.
CREATE FUNCTION cu_agent_mois(de DATE, a DATE) RETURNS INTEGER
LANGUAGE plpgsql AS $mois$
DECLARE
    mois DATE;
    part TEXT;
    premier INTEGER;
    neuves INTEGER := 0;
BEGIN
    FOR mois IN SELECT generate_series(date_trunc('month', de), a, interval '1 month')::date LOOP
        part := 'piece_production_' || to_char(mois, 'YYYY_MM');
        premier := ((extract(year FROM mois) - 2000) * 12 + extract(month FROM mois) - 1) * 1000000;
        IF premier < 100000000 THEN
            RAISE EXCEPTION 'months before May 2008 have no numbers of their own: %', mois;
        END IF;
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE piece_production INCLUDING DEFAULTS
            INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE, PRIMARY KEY (id))', part);
        EXECUTE format('ALTER TABLE piece_production ATTACH PARTITION %I
            FOR VALUES FROM (%s) TO (%s)', part, premier, premier + 1000000);
        -- Last: what finds it numbers sessions for this part.
        EXECUTE format('CREATE SEQUENCE %I AS integer MINVALUE %s MAXVALUE %s',
                       part || '_session', premier + 1, premier + 999999);
        neuves := neuves + 1;
    END LOOP;
    RETURN neuves;
END
$mois$;

-- With the rights of its owner: the agents' role need not know of these sequences.
DO $number$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION cu_agent_session_du_mois() RETURNS TRIGGER
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        DECLARE
            numeros REGCLASS := to_regclass(%L
                || '.piece_production_' || to_char(NEW.date_production, 'YYYY_MM') || '_session');
        BEGIN
            IF numeros IS NOT NULL THEN
                NEW.id := nextval(numeros);
            END IF;
            RETURN NEW;
        END
        $body$ $create$, quote_ident(current_schema()));
END
$number$;
CREATE TRIGGER cu_agent_session_du_mois BEFORE INSERT ON session_production
    FOR EACH ROW EXECUTE FUNCTION cu_agent_session_du_mois();

SELECT cu_agent_mois(current_date, (current_date + interval '12 months')::date) AS parts \gset
COMMIT;
-- Only a person or a task looks at the parted table as a whole; autovacuum looks at its parts.
ANALYZE piece_production;
