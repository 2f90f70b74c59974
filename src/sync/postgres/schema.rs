//! Central's schema: numbered migrations, each applied in one transaction under an advisory lock and
//! recorded with its checksum. A released file never changes. Where the role may not change tables,
//! [`migration_script`] is what an administrator runs; it does and records exactly the same.

use std::{fmt::Write, time::Duration};

use postgres::error::SqlState;
use sha2::{Digest, Sha256};

use super::{
    Central, CentralError, GRACE,
    encoding::for_encoding,
    params::Params,
    sql_text::{for_any_server, literal},
    unreadable,
};
use crate::{
    failpoints::{Step, durably},
    model::printable,
};

pub struct Migration {
    pub version: i32,
    pub name: &'static str,
    pub sql: &'static str,
}

impl Migration {
    /// SHA-256 of the file, in hex.
    pub fn checksum(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes any text");
            hex
        })
    }
}

macro_rules! migration {
    ($version:literal, $name:literal, $file:literal) => {
        Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../../migrations/postgres/", $file)),
        }
    };
}

/// Every migration of this release, by version.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "tables", "0001_tables.sql"),
    migration!(2, "columns", "0002_columns.sql"),
    migration!(3, "merge", "0003_merge.sql"),
    migration!(4, "keys", "0004_keys.sql"),
    migration!(5, "views", "0005_views.sql"),
    migration!(6, "fleet", "0006_fleet.sql"),
    migration!(7, "anomalies", "0007_anomalies.sql"),
    migration!(8, "milliseconds", "0008_milliseconds.sql"),
    migration!(9, "claims", "0009_claims.sql"),
    migration!(10, "dashboards", "0010_dashboards.sql"),
    migration!(11, "times", "0011_times.sql"),
    migration!(12, "calendar", "0012_calendar.sql"),
    migration!(13, "material", "0013_material.sql"),
    migration!(14, "manifests", "0014_manifests.sql"),
    migration!(15, "security", "0015_security.sql"),
    migration!(16, "settings", "0016_settings.sql"),
    migration!(17, "moments", "0017_moments.sql"),
];

/// Migrations without which sessions are delivered all the same: an agent that was updated before an
/// administrator ran them goes on.
const SESSIONS_DO_WITHOUT: &[i32] =
    &[FLEET, DASHBOARDS, TIMES, CALENDAR, MATERIAL, MANIFESTS, SECURITY, SETTINGS, MOMENTS];
const FLEET: i32 = 6;
const DASHBOARDS: i32 = 10;
const TIMES: i32 = 11;
const CALENDAR: i32 = 12;
const MATERIAL: i32 = 13;
const MANIFESTS: i32 = 14;
const SECURITY: i32 = 15;
const SETTINGS: i32 = 16;
const MOMENTS: i32 = 17;

/// Whether nothing that sessions need is among `pending`.
pub fn sessions_pass_without(pending: &[i32]) -> bool {
    pending.iter().all(|version| SESSIONS_DO_WITHOUT.contains(version))
}

/// Whether the times of shifts have no table yet, so that sessions are delivered without theirs.
pub fn lacks_times(pending: &[i32]) -> bool {
    pending.contains(&TIMES)
}

/// Whether nothing that the gateway's own row needs is among `pending`.
pub fn gateway_row_passes_without(pending: &[i32]) -> bool {
    !pending.contains(&FLEET)
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SchemaState {
    Ready,
    /// Versions that have to be applied first.
    Behind {
        pending: Vec<i32>,
    },
    /// A later release was here. Its schema still serves this one: columns are only added.
    Newer {
        version: i32,
    },
}

/// Taking over a database of years may take minutes.
pub(super) const MIGRATION_WAIT: Duration = Duration::from_secs(15 * 60);
/// "cu-agent" as a number: the advisory lock that migrations hold.
const LOCK_KEY: i64 = 0x6375_6167_656e_7421;

const RECORD_TABLE: &str = "CREATE TABLE IF NOT EXISTS cu_agent_migration (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_by TEXT NOT NULL DEFAULT current_user
);";

/// A function or an operator in the schemas of the path that has the name of one of the server's own, made
/// by a role that is neither this one nor the schema's owner nor a superuser.
const FOREIGN_FUNCTIONS: &str = "SELECT f.what, r.rolname::text FROM (
        SELECT p.oid::regprocedure::text AS what, p.proowner AS owner, p.pronamespace AS place
        FROM pg_catalog.pg_proc p WHERE EXISTS (SELECT FROM pg_catalog.pg_proc b
            WHERE b.proname = p.proname AND b.pronamespace = 'pg_catalog'::regnamespace::oid)
        UNION ALL
        SELECT 'operator ' || o.oprname::text, o.oprowner, o.oprnamespace
        FROM pg_catalog.pg_operator o WHERE EXISTS (SELECT FROM pg_catalog.pg_operator b
            WHERE b.oprname = o.oprname AND b.oprnamespace = 'pg_catalog'::regnamespace::oid)
    ) f
    JOIN pg_catalog.pg_namespace n ON n.oid = f.place
    JOIN pg_catalog.pg_roles r ON r.oid = f.owner
    WHERE n.nspname = ANY (pg_catalog.current_schemas(FALSE)) AND n.nspname <> 'pg_catalog'
      AND r.rolname <> current_user AND NOT r.rolsuper AND r.oid <> n.nspowner
    LIMIT 1";

/// `lock_timeout` bounds the wait for tables in use; the next attempt goes on where this one stopped. The
/// migrations mean the same whatever somebody set for the role, the database or the server.
pub(super) fn begin() -> String {
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED;\n\
         SET LOCAL statement_timeout = '{wait}s';\n\
         SET LOCAL lock_timeout = '30s';\n\
         SET LOCAL idle_in_transaction_session_timeout = '{wait}s';\n\
         SET LOCAL client_min_messages = warning;\n\
         SET LOCAL standard_conforming_strings = on;\n\
         SET LOCAL row_security = on;\n\
         SET LOCAL transform_null_equals = off;\n\
         SET LOCAL quote_all_identifiers = off;\n\
         SET LOCAL default_table_access_method = heap;\n\
         SET LOCAL work_mem = '64MB';\n\
         DO $since_17$ BEGIN\n\
         \x20   IF current_setting('transaction_timeout', TRUE) IS NOT NULL THEN\n\
         \x20       SET LOCAL transaction_timeout = 0;\n\
         \x20   END IF;\nEND $since_17$;\n\
         SET LOCAL application_name = 'cu-agent migration';\n\
         SELECT pg_advisory_xact_lock({LOCK_KEY});\n",
        wait = MIGRATION_WAIT.as_secs()
    )
}

fn record(migration: &Migration) -> String {
    format!(
        "INSERT INTO cu_agent_migration (version, name, checksum) VALUES ({}, '{}', '{}');\n",
        migration.version,
        migration.name,
        migration.checksum()
    )
}

impl Central {
    /// Compares the recorded migrations with this release's. One round trip.
    pub fn schema_state(&mut self) -> Result<SchemaState, CentralError> {
        let sql = "SELECT version, checksum FROM cu_agent_migration ORDER BY version";
        let applied = match self.ask(sql, &Params::default()) {
            Ok(rows) => rows
                .iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                .collect::<Result<Vec<(i32, String)>, postgres::Error>>()
                .map_err(unreadable)?,
            // No such table: nothing was ever applied here.
            Err(CentralError::SchemaBehind { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let known = |version: i32| MIGRATIONS.iter().find(|m| m.version == version);
        for (version, checksum) in &applied {
            if known(*version).is_some_and(|m| m.checksum() != *checksum) {
                return Err(CentralError::ForeignMigration { version: *version });
            }
        }
        let pending: Vec<i32> = MIGRATIONS
            .iter()
            .map(|m| m.version)
            .filter(|version| !applied.iter().any(|(v, _)| v == version))
            .collect();
        if !pending.is_empty() {
            return Ok(SchemaState::Behind { pending });
        }
        Ok(match applied.iter().map(|(v, _)| *v).find(|v| known(*v).is_none()) {
            Some(version) => SchemaState::Newer { version },
            None => SchemaState::Ready,
        })
    }

    /// Applies what is missing, and says which versions it applied. Safe when two agents start at
    /// once: the second waits and finds the work done.
    pub fn migrate(&mut self) -> Result<Vec<i32>, CentralError> {
        let SchemaState::Behind { pending } = self.schema_state()? else {
            return Ok(Vec::new());
        };
        self.no_foreign_functions()?;
        let mut applied = Vec::new();
        for migration in MIGRATIONS.iter().filter(|m| pending.contains(&m.version)) {
            match self.apply(migration) {
                Ok(true) => applied.push(migration.version),
                Ok(false) => {}
                Err(error) => {
                    // The connection may be gone; then so is the transaction.
                    self.run("ROLLBACK", GRACE).ok();
                    return Err(self.explain_migration(migration, error));
                }
            }
        }
        // The tables are there now.
        self.greet()?;
        Ok(applied)
    }

    /// The migrations name functions without their schema, as people write them.
    fn no_foreign_functions(&mut self) -> Result<(), CentralError> {
        let rows = self.ask(FOREIGN_FUNCTIONS, &Params::default())?;
        match rows.first() {
            None => Ok(()),
            Some(row) => {
                let text = |place| row.try_get(place).map(|text| printable(text, 200));
                Err(CentralError::ForeignFunction {
                    what: text(0).map_err(unreadable)?,
                    owner: text(1).map_err(unreadable)?,
                })
            }
        }
    }

    /// False: another agent was faster.
    fn apply(&mut self, migration: &Migration) -> Result<bool, postgres::Error> {
        self.run(&format!("{}{RECORD_TABLE}", begin()), MIGRATION_WAIT)?;
        let done = self.client().query_typed(
            "SELECT FROM cu_agent_migration WHERE version = $1",
            &[(&migration.version, postgres::types::Type::INT4)],
        )?;
        if !done.is_empty() {
            self.run("ROLLBACK", GRACE)?;
            return Ok(false);
        }
        let script = format!("{}\n{}COMMIT;", migration.sql, record(migration));
        // The views hold words: in another encoding without their accents.
        let script = for_encoding(&script, self.server.encoding);
        durably(Step::MigrateCentral, || self.run(&script, MIGRATION_WAIT))?;
        Ok(true)
    }

    /// Why the tables could not be changed.
    pub(super) fn explain_schema_change(&self, error: postgres::Error) -> CentralError {
        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            return CentralError::MayNotMigrate {
                user: self.place.user.clone(),
                command: self.place.migrate_command(),
                source: error,
            };
        }
        self.place.explain(error, MIGRATION_WAIT)
    }

    fn explain_migration(&self, migration: &Migration, error: postgres::Error) -> CentralError {
        match self.explain_schema_change(error) {
            CentralError::Refused { source, .. }
            | CentralError::SchemaBehind { source }
            | CentralError::Altered { source, .. }
            | CentralError::Answer { source } => {
                CentralError::Migrate { version: migration.version, name: migration.name, source }
            }
            other => other,
        }
    }
}

/// Every migration as a script for `psql -v ON_ERROR_STOP=1`, to be run by the owner of the tables
/// or a superuser, as often as one likes: what is applied already is skipped. Grants `role` what the
/// agent's daily work needs.
pub fn migration_script(role: &str) -> String {
    let mut script = format!(
        "-- cu-agent: central's schema, {count} migrations; those already applied are skipped.\n\
         -- Run in the schema that holds the tables (first of search_path), as their owner or superuser:\n\
         --   cu-agent central migrate --print | psql -v ON_ERROR_STOP=1 -d DATABASE\n\
         \\set ON_ERROR_STOP on\n\
         \n\
         SET work_mem = '64MB';\n\n\
         -- Nothing that another role made is called in place of the server's own.\n\
         DO $foreign$\nDECLARE\n    found RECORD;\nBEGIN\n\
         \x20   FOR found IN {FOREIGN_FUNCTIONS} LOOP\n\
         \x20       RAISE EXCEPTION 'role % made % in the schema of the tables; drop it first', found.rolname, found.what;\n\
         \x20   END LOOP;\nEND\n$foreign$;\n\n\
         {begin}{RECORD_TABLE}\nCOMMIT;\n",
        count = MIGRATIONS.len(),
        begin = begin(),
    );
    for migration in MIGRATIONS {
        let Migration { version, name, sql } = migration;
        script.push_str(&format!(
            "\n-- ---- {version} {name}\n{begin}\
             SELECT NOT EXISTS (SELECT FROM cu_agent_migration WHERE version = {version}) AS cu_agent_due \\gset\n\
             \\if :cu_agent_due\n{sql}\n{record}\\endif\nCOMMIT;\n",
            sql = for_any_server(sql),
            begin = begin(),
            record = record(migration),
        ));
    }
    let role = literal(role);
    let grants = format!(
        "\n-- ---- what the role of the agent needs every day\n\
         DO $grants$\nDECLARE\n    t TEXT;\n    s REGCLASS;\n    highest BIGINT;\n    role NAME := {role};\nBEGIN\n\
         \x20   IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN\n\
         \x20       RAISE WARNING 'there is no role %, nothing is granted', role;\n\
         \x20       RETURN;\n    END IF;\n\
         \x20   EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role);\n\
         \x20   FOREACH t IN ARRAY ARRAY['centre_usinage', 'session_production', 'job_profil',\n\
         \x20       'periode_attente', 'periode_arret', 'piece_production', 'anomalie',\n\
         \x20       'temps_poste', 'cu_agent_machine', 'agent_edge', 'cu_agent_ecriture'] LOOP\n\
         \x20       EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I', t, role);\n\
         \x20       IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = t::regclass AND attname = 'id') THEN\n\
         \x20           -- Its sequence, no matter who owns it.\n\
         \x20           FOR s IN SELECT d.objid FROM pg_depend d WHERE d.classid = 'pg_class'::regclass\n\
         \x20                   AND d.refobjid = t::regclass AND d.deptype = 'i' AND d.refobjsubid > 0\n\
         \x20               UNION SELECT d.refobjid FROM pg_attrdef f\n\
         \x20               JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid\n\
         \x20               JOIN pg_sequence q ON q.seqrelid = d.refobjid\n\
         \x20               WHERE f.adrelid = t::regclass LOOP\n\
         \x20               EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', s, role);\n\
         \x20               EXECUTE format('SELECT max(id) FROM %I', t) INTO highest;\n\
         \x20               -- As after a restore.\n\
         \x20               IF highest > coalesce(pg_sequence_last_value(s), 0) THEN\n\
         \x20                   PERFORM setval(s, highest);\n\
         \x20               END IF;\n\
         \x20           END LOOP;\n        END IF;\n    END LOOP;\n\
         \x20   EXECUTE format('GRANT INSERT ON cu_agent_fusion, evenement_securite TO %I', role);\n\
         \x20   EXECUTE format('GRANT SELECT, INSERT ON calendrier, cu_agent_reglages TO %I', role);\n\
         \x20   EXECUTE format('GRANT SELECT ON cu_agent_migration, cu_agent_fusion, v_session_formule_origine,\n\
         \x20       v_production_horaire, v_production_jour, v_profil, v_matiere, v_parc, v_anomalie,\n\
         \x20       v_trs_poste, v_trs_jour, v_trs_semaine, v_trs_mois TO %I', role);\nEND\n$grants$;\n"
    );
    script + &for_any_server(&grants)
}
