//! Agents behind PgBouncer. Nothing that they do rests on a connection staying theirs, so both of its
//! modes serve, and many agents share few connections.

use cu_agent::sync::postgres::migration_script;

use crate::support::{
    agent::{Agent, FOLDERS},
    folder::Folder,
    golden,
    pgbouncer::{PgBouncer, Pool},
    postgres::{Cluster, Database, PASSWORD},
    wait,
};

const AGENTS: usize = 6;
const POOL: u32 = 2;

/// Every row of every table, without numbers of rows and times of writing.
fn rows(db: &Database<'_>) -> String {
    let mut script = "SELECT c.nom, s.date_production, s.revision, s.total_pieces, s.agent_id
         FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1, 2;"
        .to_owned();
    for (table, number) in [
        ("piece_production", "numero_piece"),
        ("periode_attente", "numero"),
        ("periode_arret", "numero"),
        ("job_profil", "numero"),
        ("anomalie", "numero"),
    ] {
        script.push_str(&format!(
            "SELECT c.nom, s.date_production, to_jsonb(d) - 'id' - 'session_id' - 'date_creation'
             FROM {table} d JOIN session_production s ON s.id = d.session_id
             JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1, 2, d.{number};"
        ));
    }
    db.psql(&script)
}

/// Agents with machines of their own, all at once; `port`: where they find central.
fn deliver(db: &Database<'_>, role: &str, port: u16, folder: &Folder) {
    let agents: Vec<Agent> = (0..AGENTS)
        .map(|number| {
            let mut agent = Agent::on_directory(folder.path());
            let machines = FOLDERS.map(|(folder, nom, _)| (folder, format!("{nom}-{number}")));
            let machines: Vec<_> = machines.iter().map(|(f, nom)| (*f, nom.as_str())).collect();
            agent.map_folders(0, &machines);
            agent.set("agent.id", format!("ligne-{number}"));
            agent.set_central(&db.config_as(role, role));
            agent.set("central.port", i64::from(port));
            agent
        })
        .collect();
    let running: Vec<_> = agents.iter().map(|agent| agent.start(&["once"])).collect();
    for one in running {
        one.output(2 * wait::PATIENCE).succeeded();
    }
    // The same again writes nothing.
    let before = db.psql("SELECT max(date_maj), count(*) FROM session_production");
    agents[0].once().succeeded();
    assert_eq!(db.psql("SELECT max(date_maj), count(*) FROM session_production"), before);
}

#[test]
fn agents_behind_pgbouncer_deliver_the_same_rows_in_either_mode_as_without_it() {
    let folder = Folder::of_three_machines();
    folder.put_case(&golden::cases()[0]);
    let cluster = Cluster::shared();
    let mut held = Vec::new();
    for pool in [None, Some(Pool::sessions(POOL, 50)), Some(Pool::transactions(POOL, 50))] {
        let db = cluster.database();
        let role = db.role();
        db.psql(&migration_script(&role));
        let bouncer = pool.map(|pool| PgBouncer::with(cluster, &[(&role, &role)], pool));
        let port = bouncer.as_ref().map_or(cluster.port, |bouncer| bouncer.port);
        deliver(&db, &role, port, &folder);
        assert_eq!(db.count("agent_edge"), AGENTS as u64);
        held.push(rows(&db));
    }
    assert!(held[0].lines().count() > AGENTS * 3);
    assert!(held[1] == held[0], "by session");
    assert!(held[2] == held[0], "by transaction");
}

/// What a connection that changes hands between two transactions would lose, or hand to another client.
#[test]
fn nothing_of_the_agent_is_left_on_a_connection_after_its_transactions() {
    let folder = Folder::of_three_machines();
    folder.put_case(&golden::cases()[0]);
    let db = Database::fresh();
    // The superuser: it migrates too.
    let bouncer = PgBouncer::with(db.cluster, &[], Pool::transactions(1, 50));
    let mut agent = Agent::on_directory(folder.path()).central(&db);
    agent.set("central.port", i64::from(bouncer.port));
    agent.once().succeeded();
    agent.once().succeeded();
    let backends = || {
        db.psql(&format!(
            "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND client_port IS NOT NULL AND client_port > 0",
            db.name
        ))
    };
    let pid = backends();
    let mut next = postgres::Config::new()
        .host("127.0.0.1")
        .port(bouncer.port)
        .user("postgres")
        .password(PASSWORD)
        .dbname(&db.name)
        .connect(postgres::NoTls)
        .unwrap();
    let mut ask = |sql: &str| -> Vec<String> {
        let messages = next.simple_query(sql).unwrap();
        messages
            .iter()
            .filter_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .collect()
    };
    assert_eq!(ask("SELECT pg_backend_pid()"), [pid], "the connection that the agent had");
    let nothing: [String; 0] = [];
    for lasting in [
        "SELECT name FROM pg_prepared_statements",
        "SELECT pg_listening_channels()",
        "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        "SELECT name FROM pg_cursors WHERE is_holdable",
        "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()",
        // What PgBouncer sets for its client.
        "SELECT name FROM pg_settings WHERE source = 'session' AND name NOT IN
             ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')",
    ] {
        assert_eq!(ask(lasting), nothing, "{lasting}");
    }
}
