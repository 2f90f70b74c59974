-- The role that dashboards read with: it sees what they ask for and can change nothing. To be run by the
-- owner of the tables or a superuser, once the agents have made central's tables; again after an upgrade
-- that adds views. It may be run as often as one likes.
--
--   psql -v ON_ERROR_STOP=1 -d DATABASE -f role.sql
--   psql -v ON_ERROR_STOP=1 -d DATABASE -v role=tableaux -v schema=usine -f role.sql
--
-- It sets no password: \password cu_tableaux asks for one and sends it encrypted.
\set ON_ERROR_STOP on
\if :{?role} \else \set role cu_tableaux \endif
\if :{?schema} \else \set schema public \endif

BEGIN;
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS is_new \gset
\if :is_new
    CREATE ROLE :"role" LOGIN;
\endif
-- Dashboards name no schema: it is found by this path. A question that runs for long is ended.
ALTER ROLE :"role" SET search_path = :"schema";
ALTER ROLE :"role" SET default_transaction_read_only = on;
ALTER ROLE :"role" SET statement_timeout = '30s';
SET LOCAL search_path = :"schema";

GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT SELECT ON centre_usinage, session_production, periode_attente, periode_arret, job_profil, temps_poste,
    v_production_jour, v_production_horaire, v_profil, v_matiere,
    v_trs_poste, v_trs_jour, v_trs_semaine, v_trs_mois, v_parc
    TO :"role";

-- With one role for each gateway (docs/security.md), tables are read by policies: this one reads every row.
SELECT format('DROP POLICY IF EXISTS tableaux ON %s', c.oid::regclass),
       format('CREATE POLICY tableaux ON %s FOR SELECT TO %I USING (TRUE)', c.oid::regclass, :'role')
FROM pg_class c
WHERE c.relrowsecurity AND c.oid IN (
    'centre_usinage'::regclass, 'session_production'::regclass, 'periode_attente'::regclass,
    'periode_arret'::regclass, 'job_profil'::regclass, 'temps_poste'::regclass) \gexec
COMMIT;
