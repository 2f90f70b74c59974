//! Central's connections: a gateway keeps one while there is room, and makes room where there is none.

use cu_agent::sync::postgres::{Central, migration_script};

use crate::support::{
    agent::Agent,
    central::Feeder,
    folder::Folder,
    golden,
    postgres::{Cluster, Database, Options},
    wait,
};

fn cluster(max_connections: u32) -> Cluster {
    Cluster::start_new(&Options {
        settings: vec![format!("max_connections={max_connections}")],
        ..Options::default()
    })
}

/// Those that came first would keep their connections from poll to poll.
#[test]
fn more_gateways_than_connections_all_get_in_though_each_has_news_at_every_poll() {
    const GATEWAYS: usize = 12;
    // Three are the superuser's.
    let cluster = cluster(9);
    let db = cluster.database();
    let role = db.role();
    db.psql(&migration_script(&role));
    let folder = Folder::of_three_machines();
    folder.put_case(&golden::cases()[0]);
    let agents: Vec<Agent> = (0..GATEWAYS)
        .map(|number| {
            let mut agent = Agent::on_directory(folder.path());
            agent.map_folders(0, &[("SU12 (HYBRIDE)", &format!("SU12-{number}"))]);
            agent.set("agent.id", format!("ligne-{number}"));
            agent.set_central(&db.config_as(&role, &role));
            agent
        })
        .collect();
    let _running: Vec<_> = agents.iter().map(Agent::run).collect();
    let mut second = 0;
    wait::until("every gateway is in central", 3 * wait::PATIENCE, || {
        // More often than anybody polls.
        second += 1;
        let line = format!(
            "20250603 {:02}:{:02}:{:02}|@StukUitgevoerd:1 B{second}\n",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        folder.append("SU12 (HYBRIDE)/20250603.LOG", line.as_bytes());
        wait::any_moment(std::time::Duration::from_millis(200));
        db.psql("SELECT count(DISTINCT agent_id) FROM session_production") == GATEWAYS.to_string()
    });
    assert!(cluster.log().contains("connection slots"), "connections were scarce");
}

#[test]
fn a_connection_tells_whether_the_server_is_another_one_and_whether_it_is_crowded() {
    let mut cluster = cluster(9);
    let db = cluster.database();
    let (name, config) = (db.name.clone(), db.config());
    let server = || Central::connect(&config, "cu-agent tests").unwrap().server().clone();
    let first = server();
    assert_eq!(server(), first);
    assert!(!first.is_crowded);
    let others: Vec<_> = (0..4).map(|_| Feeder::connect(&config)).collect();
    assert!(server().is_crowded);
    drop(others);
    // The same name, another database: restored from a backup.
    let admin = cluster.database();
    admin.psql(&format!(
        "CREATE DATABASE copie TEMPLATE {name}; DROP DATABASE {name}; ALTER DATABASE copie RENAME TO {name}"
    ));
    let restored = server();
    assert_ne!(restored.incarnation, first.incarnation);
    cluster.stop();
    cluster.start();
    assert_ne!(server().incarnation, restored.incarnation);
}

/// The service's connections to central, by the process that serves each.
fn held(db: &Database<'_>) -> String {
    db.psql(
        "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name LIKE 'cu-agent essai%'",
    )
}

/// A machine at work: one more piece.
fn piece(folder: &Folder, number: u32) {
    let line = format!("20250603 22:{:02}:{:02}|@StukUitgevoerd:1 B1\n", number / 60, number % 60);
    folder.append("SU12 (HYBRIDE)/20250603.LOG", line.as_bytes());
}

#[test]
fn a_connection_is_kept_from_growth_to_growth_and_given_back_where_they_become_scarce() {
    let cluster = cluster(9);
    let db = cluster.database();
    let (folder, other) = (Folder::of_three_machines(), Folder::empty());
    let mut agent = Agent::on_directory(folder.path()).central(&db);
    agent.add_directory("autre", &other.file("logs"));
    agent.map_folders(1, &[("CU9", "CU9")]);
    std::fs::create_dir_all(other.file("logs/CU9")).unwrap();
    agent.set("schedule.poll", "200ms");
    let _running = agent.run();
    let arrives = |number: u32| {
        piece(&folder, number);
        wait::until("the piece is in central", wait::PATIENCE, || {
            db.try_psql("SELECT count(*) FROM piece_production") == Ok(number.to_string())
        });
    };
    arrives(1);
    let first = held(&db);
    assert!(!first.is_empty() && !first.contains(' '), "{first:?}");
    for number in 2..5 {
        arrives(number);
        assert_eq!(held(&db), first);
    }
    // Others come. The gateway learns it with its next row, which a source that fails makes due.
    let _others: Vec<_> = (0..4).map(|_| Feeder::connect(&db.config())).collect();
    other.rename("logs", "elsewhere");
    let mut number = 5;
    wait::until("the connection is given back", wait::PATIENCE, || {
        arrives(number);
        number += 1;
        held(&db).is_empty()
    });
}

#[test]
fn a_kept_connection_that_central_ended_meanwhile_is_opened_anew_and_is_no_outage() {
    let db = Database::fresh();
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path()).central(&db).with("schedule.poll", "200ms");
    let running = agent.run();
    for number in 1..4 {
        piece(&folder, number);
        wait::until("the piece is in central", wait::PATIENCE, || {
            db.try_psql("SELECT count(*) FROM piece_production") == Ok(number.to_string())
        });
        let before = held(&db);
        assert_eq!(db.psql(&format!("SELECT pg_terminate_backend({before})")), "t");
        wait::until("the connection has ended", wait::PATIENCE, || {
            db.psql(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {before}")) == "0"
        });
        assert_eq!(held(&db), "");
    }
    let log = running.log();
    assert!(!log.contains("lost") && !log.contains("WARN") && !log.contains("warn"), "{log}");
}
