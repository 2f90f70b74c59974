//! What the agent's role may do: daily work needs SELECT, INSERT, UPDATE and DELETE, and where the
//! schema is behind, the message is the command that an administrator runs.

use crate::support::{
    agent::{Agent, FOLDERS},
    central::{Feeder, SESSION_TABLES, session},
    folder::Folder,
    golden,
    postgres::{Cluster, Database, Options, servers_speak_french},
};
use cu_agent::sync::postgres::{
    Central, CentralError, MIGRATIONS, Retry, SchemaState, migration_script,
};

#[test]
fn a_role_with_row_rights_only_does_the_daily_work() {
    let db = Database::fresh();
    Feeder::new(&db);
    let role = db.role();
    // Nothing on sequences, nothing on the schema beyond what everybody has.
    db.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let mut feeder = Feeder::connect(&db.config_as(&role, &role));
    assert_eq!(feeder.central.schema_state().unwrap(), SchemaState::Ready);
    assert_eq!(feeder.central.migrate().unwrap(), Vec::<i32>::new());
    feeder.sync(&[session("DEM12", "2025-05-28", 30)]);
    let mut more = session("DEM12", "2025-05-28", 10);
    more.revision = 2;
    feeder.sync(&[more]);
    assert_eq!(db.count("piece_production"), 10);
}

#[test]
fn a_role_that_may_not_migrate_gets_the_administrator_s_command_and_that_command_works() {
    let python = include_str!("../fixtures/central/python.sql");
    for (tables, name) in [("", "empty"), (python, "python")] {
        let db = Database::fresh();
        db.psql(tables);
        let role = db.role();
        db.psql(&format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        ));
        let mut central = Central::connect(&db.config_as(&role, &role), "cu-agent tests").unwrap();
        assert!(matches!(central.schema_state().unwrap(), SchemaState::Behind { .. }));
        let error = central.migrate().unwrap_err();
        assert!(matches!(error, CentralError::MayNotMigrate { .. }), "{name}: {error:?}");
        assert_eq!(error.again(), Retry::Slowly);
        let text = error.to_string();
        let command = format!(
            "cu-agent central migrate --print | psql -v ON_ERROR_STOP=1 -h 127.0.0.1 -p {} -d {} -U postgres",
            db.cluster.port, db.name
        );
        assert!(text.contains(&command) && text.contains(&role), "{text}");
        db.psql(&migration_script(&role));
        let mut feeder = Feeder::connect(&db.config_as(&role, &role));
        assert_eq!(feeder.central.schema_state().unwrap(), SchemaState::Ready, "{name}");
        feeder.sync(&[session("DEM12", "2025-05-28", 30)]);
    }
}

#[test]
fn a_schema_that_is_behind_is_told_from_a_role_that_lacks_a_right() {
    let db = Database::fresh();
    let role = db.role();
    let mut feeder = Feeder::connect(&db.config_as(&role, &role));
    let error = feeder.try_sync(&[session("DEM12", "2025-05-28", 1)]).unwrap_err();
    assert!(matches!(error, CentralError::SchemaBehind { .. }), "{error}");
    Feeder::new(&db);
    let error = feeder.try_sync(&[session("DEM12", "2025-05-28", 1)]).unwrap_err();
    assert!(matches!(error, CentralError::Forbidden { .. }), "{error}");
    assert!(
        error.to_string().contains("central.user") && error.to_string().contains("--print"),
        "{error}"
    );
}

#[test]
fn a_role_that_may_create_but_does_not_own_the_old_tables_is_helped_half_way() {
    let db = Database::fresh();
    db.psql(include_str!("../fixtures/central/python.sql"));
    let role = db.role();
    db.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON ALL TABLES IN SCHEMA public TO {role};
         GRANT CREATE ON SCHEMA public TO {role}"
    ));
    let mut feeder = Feeder::connect(&db.config_as(&role, &role));
    let error = feeder.central.migrate().unwrap_err();
    assert!(matches!(error, CentralError::MayNotMigrate { .. }), "{error:?}");
    // The connection is as good as before, and the administrator's script goes on from there.
    assert_eq!(
        feeder.central.schema_state().unwrap(),
        SchemaState::Behind { pending: MIGRATIONS.iter().map(|m| m.version).skip(1).collect() }
    );
    db.psql(&migration_script(&role));
    assert_eq!(feeder.central.schema_state().unwrap(), SchemaState::Ready);
    feeder.sync(&[session("DEM12", "2025-05-28", 30)]);
}

#[test]
fn a_row_that_a_policy_refuses_is_told_from_a_missing_right_in_whatever_language_the_server_speaks()
{
    let cluster = Cluster::start_new(&Options { locale: Some("fr_FR"), ..Options::default() });
    let reasons = ["C", "fr_FR.UTF-8"].map(|language| {
        let db = cluster.database();
        Feeder::new(&db);
        let role = db.role();
        db.psql(&format!("ALTER ROLE {role} SET lc_messages = '{language}'"));
        let mut feeder = Feeder::connect(&db.config_as(&role, &role));
        let error = feeder.try_sync(&[session("DEM12", "2025-05-28", 1)]).unwrap_err();
        assert!(matches!(error, CentralError::Forbidden { .. }), "{language}: {error:?}");
        db.psql(&format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
             ALTER TABLE session_production ENABLE ROW LEVEL SECURITY;
             CREATE POLICY nothing_new ON session_production USING (true) WITH CHECK (false)"
        ));
        let mut feeder = Feeder::connect(&db.config_as(&role, &role));
        let error = feeder.try_sync(&[session("DEM12", "2025-05-28", 1)]).unwrap_err();
        assert_eq!(error.again(), Retry::Never, "{language}: {error:?}");
        let CentralError::Refused { reason, .. } = error else { panic!("{language}: {error:?}") };
        assert!(reason.contains("42501") && reason.contains("session_production"), "{reason}");
        reason
    });
    assert_eq!(reasons[0] != reasons[1], servers_speak_french(), "{reasons:?}");
}

/// The statements of the recipe in `docs/security.md`, as they are printed there.
fn recipe() -> &'static str {
    let text = include_str!("../../docs/security.md");
    let behind = text.split_once("### One role per gateway").unwrap().1;
    behind.split_once("```sql\n").unwrap().1.split_once("```").unwrap().0
}

#[test]
fn each_gateway_s_role_sees_and_writes_its_own_machines_only() {
    let db = Database::fresh();
    Feeder::new(&db);
    db.psql(recipe());
    let folder = Folder::of_three_machines();
    folder.put_case(&golden::cases()[0]);
    let gateway = |number: usize, machines: &[(&str, &str)]| {
        let mut agent = Agent::on_directory(folder.path());
        agent.map_folders(0, machines);
        agent.set("agent.id", format!("ligne-{number}"));
        agent.set_central(
            &db.config_as(&format!("ligne_{number}"), &format!("password of line {number}")),
        );
        agent
    };
    let [dem12, demalu, su12] = FOLDERS.map(|(folder, nom, _)| (folder, nom));
    let first = gateway(1, &[dem12, demalu]);
    let second = gateway(2, &[su12]);
    for agent in [&first, &second] {
        agent.once().succeeded();
        // New sessions, and known ones.
        agent.once().succeeded();
        agent.command(&["check"]).succeeded().does_not_say("REVOKE");
        assert_eq!(agent.status_number("pending_sessions"), 0);
    }
    assert_eq!(
        db.psql("SELECT string_agg(agent_id, ' ' ORDER BY 1) FROM agent_edge"),
        "ligne-1 ligne-2"
    );
    let all: u64 = db.count("session_production");
    let mut seen = 0;
    for (role, other) in [("ligne_1", "SU12"), ("ligne_2", "DEM12")] {
        let as_role = |sql: &str| db.try_psql(&format!("SET ROLE {role}; {sql}"));
        for table in [&SESSION_TABLES[..], &["cu_agent_ecriture", "agent_edge"]].concat() {
            // Nothing of the others' is found, to be read, changed or deleted.
            let mine = as_role(&format!("SELECT count(*) FROM {table}")).unwrap();
            let deleted = as_role(&format!(
                "BEGIN; WITH d AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM d; ROLLBACK"
            ));
            // A key of other rows may forbid the deletion; more than its own it never finds.
            assert!(deleted.is_err() || deleted.as_ref() == Ok(&mine), "{table}: {deleted:?}");
            if table == "session_production" {
                seen += mine.parse::<u64>().unwrap();
            }
        }
        let found = as_role(&format!("SELECT count(*) FROM centre_usinage WHERE nom = '{other}'"));
        assert_eq!(found.unwrap(), "0");
        for intrusion in [
            format!("INSERT INTO centre_usinage (nom, type_cu) VALUES ('{other}-2', 'x')"),
            "INSERT INTO agent_edge SELECT 'ligne-3', tampon_id, instance_id, hote, version, architecture, now(), now(), 300, 0, 0, NULL, NULL, NULL, '[]', 0, 0 FROM agent_edge".into(),
            "INSERT INTO cu_agent_role VALUES (current_user, 'x', 'x')".into(),
            "SELECT * FROM v_production_jour".into(),
        ] {
            assert!(as_role(&intrusion).is_err(), "{role}: {intrusion}");
        }
        // By number, where it is known.
        let id = db.psql(&format!("SELECT s.id FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id WHERE c.nom = '{other}' LIMIT 1"));
        let forged = format!(
            "INSERT INTO piece_production (session_id, numero_piece, timestamp_production) VALUES ({id}, 9999, now())"
        );
        assert!(as_role(&forged).unwrap_err().contains("row-level security"));
        let changed = as_role(&format!(
            "WITH u AS (UPDATE session_production SET total_pieces = 0 WHERE id = {id} RETURNING 1) SELECT count(*) FROM u"
        ));
        assert_eq!(changed.unwrap(), "0");
    }
    assert_eq!(seen, all, "each session is one role's");
    assert!(all > 1);
}
