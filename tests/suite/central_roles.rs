//! What the agent's role may do: daily work needs SELECT, INSERT, UPDATE and DELETE, and where the
//! schema is behind, the message is the command that an administrator runs.

use crate::support::{
    central::{Feeder, session},
    postgres::Database,
};
use cu_agent::sync::postgres::{Central, CentralError, Retry, SchemaState, migration_script};

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
        SchemaState::Behind { pending: vec![2, 3, 4, 5, 6, 7] }
    );
    db.psql(&migration_script(&role));
    assert_eq!(feeder.central.schema_state().unwrap(), SchemaState::Ready);
    feeder.sync(&[session("DEM12", "2025-05-28", 30)]);
}
