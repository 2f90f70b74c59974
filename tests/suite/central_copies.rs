//! Copies of central that administrators make: tables replicated to another server, a standby that takes over,
//! a dump that is restored into a new cluster. The agent goes on with each, and whatever the copy lacks of what
//! central had confirmed comes back.

use cu_agent::sync::postgres::migration_script;

use crate::support::{
    central::SESSION_TABLES,
    postgres::{Cluster, Database, Options, clients_know_the_server},
    scene::Scene,
    wait,
};

/// Every row of every table but `agent_edge`, `cu_agent_migration`, whose times differ.
fn digest(db: &Database<'_>) -> String {
    let of = |table: &&str| {
        format!(
            "SELECT '{table}', count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t;\n"
        )
    };
    db.psql(&SESSION_TABLES.iter().map(of).collect::<String>())
}

#[test]
fn tables_that_are_replicated_take_every_change_and_the_subscriber_becomes_equal() {
    let cluster = Cluster::start_new(&Options {
        settings: vec!["wal_level=logical".into()],
        ..Options::default()
    });
    // Everything is published before there is anything: what the migrations do is published too.
    let db = cluster.database();
    db.psql("CREATE PUBLICATION usine FOR ALL TABLES");
    let mut scene = Scene::on(Database { cluster: &cluster, name: db.name.clone() }, 41);
    scene.day();
    scene.once().succeeded();
    let copy = Database::fresh();
    copy.psql(&migration_script("nobody"));
    copy.psql(&format!("TRUNCATE {}, agent_edge, cu_agent_migration", SESSION_TABLES.join(", ")));
    copy.psql(&format!(
        "CREATE SUBSCRIPTION usine_{0} CONNECTION '{1}' PUBLICATION usine",
        copy.name,
        cluster.conninfo(&db.name)
    ));
    scene.part_of_day();
    scene.once().succeeded();
    scene.days(2);
    scene.assert_equal_after_once();
    db.psql(
        "DELETE FROM piece_production WHERE numero_piece % 2 = 0;
         UPDATE periode_attente SET numero = numero + 1000;
         DELETE FROM anomalie; UPDATE session_production SET revision = 0",
    );
    scene.assert_equal_after_once();
    wait::until("the subscriber is equal", wait::PATIENCE, || digest(&copy) == digest(&db));
    copy.psql(&format!("DROP SUBSCRIPTION usine_{}", copy.name));
}

/// Whether central confirmed every session.
fn has_arrived(scene: &Scene<'_>) -> bool {
    let count = scene.database.try_psql("SELECT count(*) FROM session_production");
    count == Ok(scene.sessions().to_string()) && scene.agent.status_json()["pending_sessions"] == 0
}

#[test]
fn a_standby_that_takes_over_gets_what_it_lacks_of_what_the_old_primary_confirmed() {
    let primary = Cluster::start_new(&Options::default());
    let name = primary.database().name;
    let standby = primary.standby();
    let mut scene = Scene::on(Database { cluster: &primary, name: name.clone() }, 42);
    let proxy = scene.behind_proxy();
    scene.days(2);
    let running = scene.agent.run();
    wait::until("the primary has two days", wait::PATIENCE, || has_arrived(&scene));
    wait::until("and so has the standby", wait::PATIENCE, || {
        let count =
            |cluster: &Cluster| cluster.try_psql(&name, "SELECT count(*) FROM piece_production");
        count(&standby).is_ok_and(|pieces| Ok(pieces) == count(&primary))
    });
    // From now on the standby hears nothing.
    standby
        .try_psql(&name, "ALTER SYSTEM SET primary_conninfo = ''")
        .and_then(|_| standby.try_psql(&name, "SELECT pg_reload_conf()"))
        .unwrap();
    wait::until("the standby hears nothing", wait::PATIENCE, || {
        standby.try_psql(&name, "SELECT count(*) FROM pg_stat_wal_receiver").unwrap() == "0"
    });
    scene.days(2);
    wait::until("the primary has four days", wait::PATIENCE, || has_arrived(&scene));
    let confirmed = scene.database.count("piece_production");
    primary.kill();
    proxy.lead_to(standby.port);
    proxy.cut();
    scene.database = Database { cluster: &standby, name: name.clone() };
    let behind = scene.database.count("piece_production");
    assert!(behind < confirmed, "{behind} of {confirmed}: the standby lacks nothing");
    scene.part_of_day();
    scene.agent.command(&["check"]).says("read-only");
    assert_eq!(scene.database.psql("SELECT pg_promote()"), "t");
    scene.wait_until_equal();
    running.terminate().0.succeeded().does_not_say("two agents");
}

#[test]
fn a_dump_restored_into_a_new_cluster_goes_on_where_it_was() {
    // Debian's pg_dump refuses servers that are newer than itself.
    if !clients_know_the_server() {
        return;
    }
    let cluster = Cluster::start_new(&Options::default());
    for data_only in [false, true] {
        let mut scene = Scene::on(Database::fresh(), 43);
        scene.days(2);
        scene.part_of_day();
        scene.once().succeeded();
        let (old, name) = (scene.database.cluster, scene.database.name.clone());
        let db = cluster.database();
        if data_only {
            // The new tables are made by the migrations, which are recorded there already.
            db.psql(&migration_script("nobody"));
            db.psql(&old.dump(&name, &["--data-only", "--exclude-table=cu_agent_migration"]));
        } else {
            db.psql(&old.dump(&name, &["--no-owner"]));
        }
        // What was confirmed after the dump is not in it.
        scene.part_of_day();
        scene.once().succeeded();
        scene.agent.set_central(&db.config());
        scene.days(2);
        let mut scene = Scene { database: db, ..scene };
        scene.assert_equal_after_once();
        scene.once().succeeded().does_not_say("from what was delivered");
    }
}
