//! The way to central: every wait is bounded, every trouble has its own message and its own pace of
//! trying again, and no message holds the password.

use std::time::{Duration, Instant};

use crate::support::{
    central::{Feeder, chain, grown, session},
    net::Proxy,
    pgbouncer::{PgBouncer, Pool},
    postgres::{Cluster, Database, Options},
    wait,
};
use cu_agent::{
    config::CentralConfig,
    sync::postgres::{Central, CentralError, Fault, Retry, SchemaState},
};

fn refused(config: &CentralConfig) -> CentralError {
    match Central::connect(config, "cu-agent tests") {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

#[test]
fn each_mistake_in_the_configuration_names_its_key() {
    let db = Database::fresh();
    let role = db.role();
    let good = db.config_as(&role, &role);
    Central::connect(&good, "cu-agent tests").unwrap();
    let table: Vec<(CentralConfig, &str, Retry)> = vec![
        (db.config_as(&role, "wrong-secret"), "central.password", Retry::Slowly),
        (db.config_as("nobody", "wrong-secret"), "central.user", Retry::Slowly),
        (
            CentralConfig { database: "no_such".into(), ..good.clone() },
            "central.database",
            Retry::Slowly,
        ),
        (
            CentralConfig { host: "no-such-host.invalid".parse().unwrap(), ..good.clone() },
            "central.host",
            Retry::Soon,
        ),
        (CentralConfig { port: 1, ..good.clone() }, "central.port", Retry::Soon),
    ];
    for (config, key, retry) in table {
        let error = refused(&config);
        let text = chain(&error);
        assert!(text.contains(key), "{key}: {text}");
        assert_eq!(error.again(), retry, "{text}");
        assert!(
            !text.contains("wrong-secret") && !format!("{error:?}").contains("wrong-secret"),
            "{text}"
        );
    }
}

#[test]
fn a_server_that_accepts_and_stays_silent_costs_the_time_out_and_no_more() {
    let db = Database::fresh();
    let proxy = Proxy::to(db.cluster.port);
    let config = CentralConfig {
        port: proxy.port,
        connect_timeout: Duration::from_millis(300),
        statement_timeout: Duration::from_millis(300),
        ..db.config()
    };
    proxy.black_hole(true);
    for tls in [cu_agent::config::CentralTls::Disable, cu_agent::config::CentralTls::Require] {
        let start = Instant::now();
        let error = refused(&CentralConfig { tls, ..config.clone() });
        assert!(matches!(error, CentralError::Silent { .. }), "{error:?}");
        assert_eq!(error.again(), Retry::Soon);
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
    // And in the middle of the work.
    proxy.black_hole(false);
    let mut central = Central::connect(&config, "cu-agent tests").unwrap();
    central.schema_state().unwrap();
    proxy.black_hole(true);
    let start = Instant::now();
    let error = central.schema_state().unwrap_err();
    assert!(matches!(error, CentralError::NoAnswer { .. }), "{error:?}");
    assert!(error.ends_connection() && error.fault() == Fault::Transfer);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let start = Instant::now();
    drop(central);
    assert!(start.elapsed() < Duration::from_secs(3), "good-bye took {:?}", start.elapsed());
}

#[test]
fn a_connection_idle_for_longer_than_a_statement_may_take_still_works() {
    let db = Database::fresh();
    let config = CentralConfig {
        statement_timeout: Duration::from_millis(100),
        connect_timeout: Duration::from_millis(400),
        ..db.config()
    };
    let mut central = Central::connect(&config, "cu-agent tests").unwrap();
    let start = Instant::now();
    wait::until("the deadline of the log-in has passed", wait::PATIENCE, || {
        start.elapsed() > Duration::from_millis(600)
    });
    assert!(matches!(central.schema_state(), Ok(SchemaState::Behind { .. })));
}

#[test]
fn a_lock_held_by_another_is_tried_again_later() {
    let db = Database::fresh();
    Feeder::new(&db);
    let config = CentralConfig { statement_timeout: Duration::from_millis(500), ..db.config() };
    let mut feeder = Feeder::connect(&config);
    let mut holder = Feeder::connect(&db.config());
    holder.sync(&[session("DEM12", "2025-05-28", 3)]);
    std::thread::scope(|scope| {
        // Another program holds the tables until it sees the agent's attempt.
        let other = scope.spawn(|| {
            db.psql(
                "BEGIN; LOCK TABLE session_production; CREATE TABLE IF NOT EXISTS seen (x int);
                 SELECT pg_sleep(3); COMMIT;",
            )
        });
        wait::until("the lock is held", wait::PATIENCE, || {
            db.psql("SELECT count(*) FROM pg_locks l WHERE l.relation = 'session_production'::regclass AND mode = 'AccessExclusiveLock' AND granted") == "1"
        });
        let error = feeder.try_sync(&[session("DEM12", "2025-05-28", 4)]).unwrap_err();
        assert!(matches!(error, CentralError::Busy { .. }), "{}", chain(&error));
        assert_eq!(error.again(), Retry::Soon);
        other.join().unwrap();
    });
    feeder.sync(&[session("SU12", "2025-05-28", 4)]);
}

#[test]
fn a_read_only_central_is_named_as_such() {
    let db = Database::fresh();
    Feeder::new(&db);
    db.psql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", db.name));
    let error = refused(&db.config());
    assert!(matches!(error, CentralError::NotWritable { .. }), "{}", chain(&error));
    assert!(error.to_string().contains("default_transaction_read_only"), "{error}");
    assert_eq!(error.again(), Retry::Soon);

    // It became so under an open connection.
    let writable = "SET default_transaction_read_only = off;";
    db.psql(&format!("{writable} ALTER DATABASE {} RESET default_transaction_read_only", db.name));
    let mut feeder = Feeder::connect(&db.config());
    db.psql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", db.name));
    feeder.sync(&[session("DEM12", "2025-05-28", 1)]);
}

#[test]
fn a_server_that_dies_or_restarts_is_found_again() {
    let mut cluster = Cluster::start_new(&Options::default());
    let name = cluster.database().name;
    let config = cluster_config(&cluster, &name);
    let mut feeder = Feeder::connect(&config);
    feeder.central.migrate().unwrap();
    feeder.sync(&[session("DEM12", "2025-05-28", 10)]);
    for stop in [Cluster::stop, Cluster::kill] {
        stop(&cluster);
        let error = feeder.try_sync(&[session("DEM12", "2025-05-29", 10)]).unwrap_err();
        assert_eq!(error.again(), Retry::Soon, "{}", chain(&error));
        assert!(error.ends_connection(), "{}", chain(&error));
        let error = refused(&config);
        assert!(matches!(error, CentralError::Reach { .. }), "{}", chain(&error));
        cluster.start();
        feeder.central = Central::connect(&config, "cu-agent tests").unwrap();
        feeder.sync(&[session("DEM12", "2025-05-28", 10)]);
    }
    let answer = cluster.try_psql(&name, "SELECT count(*) FROM piece_production").unwrap();
    assert_eq!(answer, "10");
}

fn cluster_config(cluster: &Cluster, database: &str) -> CentralConfig {
    CentralConfig { port: cluster.port, database: database.into(), ..Database::fresh().config() }
}

#[test]
fn everything_works_through_pgbouncer_in_transaction_mode() {
    let db = Database::fresh();
    let role = db.role();
    let bouncer = PgBouncer::before(db.cluster, &[(&role, &role)]);
    let config = CentralConfig { port: bouncer.port, ..db.config() };
    let mut feeder = Feeder::connect(&config);
    feeder.central.migrate().unwrap();
    assert_eq!(feeder.central.schema_state().unwrap(), SchemaState::Ready);
    db.psql(&cu_agent::sync::postgres::migration_script(&role));
    // More clients than server connections, taking turns on them.
    std::thread::scope(|scope| {
        for client in 0..8_u32 {
            let config = CentralConfig { port: bouncer.port, ..db.config_as(&role, &role) };
            scope.spawn(move || {
                let mut feeder = Feeder::connect(&config);
                for d in 1..=5 {
                    let nom = format!("M{client}");
                    feeder.sync(&[session(&nom, &format!("2025-05-{d:02}"), 40)]);
                    feeder.sync(&[session(&nom, &format!("2025-05-{d:02}"), 40)]);
                }
            });
        }
    });
    assert_eq!(db.count("session_production"), 40);
    assert_eq!(db.count("piece_production"), 1_600);
    let error = refused(&CentralConfig { port: bouncer.port, ..db.config_as(&role, "wrong") });
    assert!(chain(&error).contains("central.password"), "{}", chain(&error));
}

#[test]
fn a_pooler_that_takes_the_log_in_s_options_and_forgets_them_gets_no_named_statements() {
    let db = Database::fresh();
    let bouncer = PgBouncer::with(
        db.cluster,
        &[],
        Pool::transactions(3, 50).configured("ignore_startup_parameters = options"),
    );
    let config = CentralConfig { port: bouncer.port, ..db.config() };
    Feeder::connect(&config).central.migrate().unwrap();
    // More clients than server connections; a name of one would be unknown, or another's, to the next.
    std::thread::scope(|scope| {
        for client in 0..6_u32 {
            let config = config.clone();
            scope.spawn(move || {
                let mut feeder = Feeder::connect(&config);
                for d in 1..=4 {
                    let nom = format!("M{client}");
                    feeder.sync(&[session(&nom, &format!("2025-05-{d:02}"), 40)]);
                    feeder.sync(&[session(&nom, &format!("2025-05-{d:02}"), 41)]);
                }
            });
        }
    });
    assert_eq!(db.count("piece_production"), 6 * 4 * 41);
}

#[test]
fn a_table_that_was_changed_under_the_open_connection_is_written_all_the_same() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    let before = session("DEM12", "2025-05-28", 40);
    feeder.sync(std::slice::from_ref(&before));
    // What the server keeps of the question for states gives another type from now on.
    db.psql("ALTER TABLE session_production ALTER COLUMN agent_id TYPE VARCHAR(200)");
    let mut after = session("DEM12", "2025-05-28", 45);
    after.revision = 2;
    feeder.sync(&[grown(after, &before)]);
    assert_eq!(db.count("piece_production"), 45);
}
