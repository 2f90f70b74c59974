//! Central shows the fleet: each agent's row in `agent_edge`, and what `v_parc` says of it.

use std::time::Duration;

use chrono::{DateTime, Local, TimeDelta};
use cu_agent::{
    model::{GivenUp, LastUpdate, ManifestTimes, SelfUpdate, UpdateEnd},
    sync::postgres::{Central, CentralError, GatewayRow, SchemaState, sessions_pass_without},
};

use crate::support::{
    central::{Feeder, claims, day, edge},
    pgbouncer::PgBouncer,
    postgres::{Database, PASSWORD},
    scene::Scene,
    wait,
};

#[expect(clippy::disallowed_methods, reason = "the test plays the gateway's clock")]
fn wall() -> DateTime<Local> {
    Local::now()
}

fn show(central: &mut Central, agent: &str, edge: &GatewayRow) {
    let claims = claims(agent, &format!("tampon-{agent}"), &format!("instance-{agent}"));
    central.write_gateway_row(&claims, edge, wall()).unwrap();
}

fn state(db: &Database<'_>, agent: &str) -> String {
    db.psql(&format!("SELECT etat FROM v_parc WHERE agent_id = '{agent}'"))
}

#[test]
fn each_agent_has_one_row_that_says_what_it_said_last() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    let before = feeder.central.round_trips();
    show(&mut feeder.central, "ligne-1", &edge());
    let mut second = edge();
    second.waiting_sessions = 3;
    second.oldest_waiting_day = Some(day("2026-11-20"));
    second.sources[0].up = false;
    second.sources[0].error = Some(format!("no\0 route\n{}", "x".repeat(10_000)));
    second.update = Some(LastUpdate {
        version: Some("0.9.0".into()),
        from: Some("0.8.0".into()),
        at: DateTime::parse_from_rfc3339("2026-11-24T21:31:07+01:00").ok(),
        result: UpdateEnd::RolledBack,
        detail: Some("no collection".into()),
    });
    show(&mut feeder.central, "ligne-2", &edge());
    show(&mut feeder.central, "ligne-2", &second);
    let trips = feeder.central.round_trips() - before;
    assert_eq!(trips, 4, "one a row, and one to have the statement kept at its second use");
    assert_eq!(
        db.psql(
            "SELECT agent_id, hote, version, architecture, sessions_en_attente, plus_ancien_jour,
                     liens -> 0 ->> 'etat', left(liens -> 0 ->> 'erreur', 10),
                     length(liens -> 0 ->> 'erreur'), mise_a_jour_resultat,
                     mise_a_jour_le AT TIME ZONE 'UTC',
                     agent_id = 'ligne-2' AND dernier_contact > premier_contact
                 FROM agent_edge ORDER BY 1"
        ),
        "ligne-1|host-of-instance-ligne-1|0.9.0|arm64|0||haut|||||f\n\
         ligne-2|host-of-instance-ligne-2|0.9.0|arm64|3|2026-11-20|bas|no  route |300|rolled-back|\
         2026-11-24 20:31:07|t"
    );
}

#[test]
fn the_view_flags_each_kind_of_trouble_and_nothing_else() {
    let db = Database::fresh();
    let mut central = Feeder::new(&db).central;
    show(&mut central, "a", &edge());
    assert_eq!(state(&db, "a"), "ok");
    let spoilt = |column: &str, good: &str| -> String {
        db.psql(&format!("UPDATE agent_edge SET {column} WHERE agent_id = 'a'"));
        let told = state(&db, "a");
        db.psql(&format!("UPDATE agent_edge SET {good} WHERE agent_id = 'a'"));
        assert_eq!(state(&db, "a"), "ok", "after {column}");
        told
    };
    let now = "dernier_contact = now(), intervalle_s = 300";
    assert_eq!(spoilt("dernier_contact = now() - interval '29 min'", now), "ok");
    assert_eq!(spoilt("dernier_contact = now() - interval '31 min'", now), "muet");
    // One that polls every hour is given three of them.
    let hourly = "intervalle_s = 3600, dernier_contact = now() - interval";
    assert_eq!(spoilt(&format!("{hourly} '170 min'"), now), "ok");
    assert_eq!(spoilt(&format!("{hourly} '190 min'"), now), "muet");
    let none = "attente_depuis = NULL, attente_initiale = NULL, sessions_en_attente = 0";
    let waits = |since: &str, then: u32, n: u32| {
        format!(
            "attente_depuis = now() - interval '{since}', attente_initiale = {then}, sessions_en_attente = {n}"
        )
    };
    assert_eq!(spoilt(&waits("10 min", 2, 5), none), "ok");
    assert_eq!(spoilt(&waits("20 min", 5, 5), none), "ok");
    assert_eq!(spoilt(&waits("20 min", 2, 5), none), "retard croissant");
    assert_eq!(spoilt(&waits("2 hours", 5, 2), none), "retard");
    for seconds in ["-3600", "121"] {
        let wrong = format!("ecart_horloge_s = {seconds}");
        assert_eq!(spoilt(&wrong, "ecart_horloge_s = 0.4"), "horloge fausse");
    }
    let link = |state: &str| format!("liens = '[{{\"nom\":\"cu\",\"etat\":\"{state}\"}}]'");
    assert_eq!(spoilt(&link("bas"), &link("haut")), "lien bas");
    let room = "disque_libre_octets = 8000000000, tampon_octets = 5";
    assert_eq!(spoilt("disque_libre_octets = 1000000", room), "disque plein");
    assert_eq!(spoilt("tampon_octets = 1900000000", room), "disque plein");
    assert_eq!(spoilt("disque_libre_octets = NULL", room), "ok");
    for result in ["failed", "rolled-back", "refused"] {
        let result = format!("mise_a_jour_resultat = '{result}'");
        assert_eq!(spoilt(&result, "mise_a_jour_resultat = 'installed'"), "mise à jour échouée");
    }
}

#[test]
fn a_gateway_whose_manifests_stand_still_is_named_within_two_days() {
    let db = Database::fresh();
    let mut central = Feeder::new(&db).central;
    let hours = |hours: i64| wall().fixed_offset() + TimeDelta::hours(hours);
    let read = |serial: u64, signed_h: i64, expires_h: i64, read_h: i64| {
        let (signed_at, expires, read_at) = (hours(signed_h), hours(expires_h), hours(read_h));
        let times = ManifestTimes { serial, signed_at, expires, read_at };
        believing(Some(times), &[])
    };
    // Of each: what it says, and what is said of it beside a fleet whose newest manifest has serial 50.
    for (row, expected) in [
        (edge(), "ok"),
        (read(50, -30, 900, -7), "ok"),
        (read(50, -30, 900, -25), "manifeste figé"),
        (read(50, -30, -1, -1), "manifeste figé"),
        (read(49, -900, 900, -1), "manifeste figé"),
        (believing(None, &[]), "ok"),
    ] {
        db.psql("DELETE FROM agent_edge");
        show(&mut central, "newest", &read(50, -30, 900, -1));
        show(&mut central, "a", &row);
        assert_eq!(state(&db, "a"), expected, "{:?}", row.self_update);
        assert_eq!(state(&db, "newest"), "ok", "beside {:?}", row.self_update);
    }
    // None was ever believed.
    db.psql("UPDATE agent_edge SET premier_contact = now() - interval '25 hours'");
    assert_eq!(state(&db, "a"), "manifeste figé");
    // The newest of the fleet was signed just now: the others have until tomorrow.
    show(&mut central, "newest", &read(51, -20, 900, -1));
    show(&mut central, "a", &read(50, -30, 900, -1));
    assert_eq!(state(&db, "a"), "ok");
    // A publisher that stands still is no source that is down; and what is no manifest harms no other row.
    show(&mut central, "a", &read(50, -30, 900, -25));
    assert_eq!(
        db.psql("SELECT lien_bas, manifeste_serie FROM v_parc WHERE agent_id = 'a'"),
        "f|50"
    );
    for odd in
        ["[]", "7", "{\"serie\": \"9e99\", \"lu_s\": {}, \"signe_s\": 1e300, \"expire_s\": -1}"]
    {
        db.psql(&format!(
            "UPDATE agent_edge SET liens = '[{{\"nom\": \"x\", \"etat\": \"haut\", \"manifeste\": {odd}}}]' WHERE agent_id = 'a'"
        ));
        assert_eq!(state(&db, "newest"), "ok", "{odd}");
        assert_eq!(state(&db, "a"), "manifeste figé", "{odd}");
    }
}

/// A gateway with self-update, on which these versions were rolled back.
fn believing(manifest: Option<ManifestTimes>, given_up: &[&str]) -> GatewayRow {
    let given_up = given_up.iter().map(|&version| version.to_owned()).collect();
    GatewayRow { self_update: Some(SelfUpdate { manifest, given_up, key_set: None }), ..edge() }
}

#[test]
fn each_gateway_learns_on_how_many_others_a_version_was_rolled_back() {
    let db = Database::fresh();
    let mut central = Feeder::new(&db).central;
    show(&mut central, "a", &believing(None, &["0.3.0"]));
    show(&mut central, "b", &believing(None, &["0.2.0", "0.3.0", "0.3.0"]));
    show(&mut central, "c", &edge());
    // Rows that somebody wrote by hand count as nothing, and keep no gateway from showing itself.
    for (agent, odd) in
        [("d", "7"), ("e", "[3]"), ("f", "[{\"manifeste\": {\"abandonnees\": \"0.3.0\"}}]")]
    {
        show(&mut central, agent, &edge());
        db.psql(&format!("UPDATE agent_edge SET liens = '{odd}' WHERE agent_id = '{agent}'"));
    }
    let claims = claims("c", "tampon-c", "instance-c");
    let seen = central.write_gateway_row(&claims, &edge(), wall()).unwrap().updates;
    let of = |version: &str, gateways| GivenUp { version: version.into(), gateways };
    assert_eq!(seen.given_up, [of("0.3.0", 2), of("0.2.0", 1)]);
    assert_eq!(seen.gateways, 6);
}

#[test]
fn versions_are_compared_as_numbers_and_a_pre_release_comes_before_its_release() {
    let db = Database::fresh();
    let mut central = Feeder::new(&db).central;
    let ranked = ["0.9.0", "0.10.0-rc.1", "0.10.0"];
    for (number, version) in ranked.into_iter().enumerate() {
        show(&mut central, &format!("a{number}"), &GatewayRow { version, ..edge() });
    }
    show(&mut central, "odd", &GatewayRow { version: "trunk", ..edge() });
    let outdated = "SELECT string_agg(agent_id, ' ' ORDER BY agent_id) FROM v_parc WHERE perime";
    assert_eq!(db.psql(outdated), "a0 a1");
    db.psql("DELETE FROM agent_edge WHERE agent_id = 'a2'");
    assert_eq!(db.psql(outdated), "a0");
    assert_eq!(state(&db, "a0"), "périmé");
}

#[test]
fn a_backlog_is_dated_by_central_from_the_first_contact_that_had_one() {
    let db = Database::fresh();
    let mut central = Feeder::new(&db).central;
    let waiting = |n| GatewayRow { waiting_sessions: n, ..edge() };
    show(&mut central, "a", &waiting(2));
    db.psql("UPDATE agent_edge SET attente_depuis = now() - interval '3 hours'");
    show(&mut central, "a", &waiting(7));
    assert_eq!(state(&db, "a"), "retard croissant");
    show(&mut central, "a", &waiting(0));
    assert_eq!(db.psql("SELECT attente_depuis, attente_initiale FROM agent_edge"), "|");
    show(&mut central, "a", &waiting(1));
    assert_eq!(state(&db, "a"), "ok");
}

#[test]
fn the_gateway_s_clock_is_compared_with_central_s_and_stamps_nothing() {
    let db = Database::fresh();
    let mut central = Feeder::new(&db).central;
    let me = claims("a", "b", "c");
    let years = TimeDelta::days(20 * 365);
    for (clock, seconds) in [(wall() + years, 630_720_000), (wall() - years, -630_720_000)] {
        central.write_gateway_row(&me, &edge(), clock).unwrap();
        let near = db.psql(&format!(
            "SELECT abs(ecart_horloge_s - ({seconds})) < 30,
                 abs(extract(epoch FROM now() - dernier_contact)) < 30 FROM agent_edge"
        ));
        assert_eq!(near, "t|t");
        assert_eq!(state(&db, "a"), "horloge fausse");
    }
    central.write_gateway_row(&me, &edge(), wall()).unwrap();
    assert_eq!(state(&db, "a"), "ok");
}

#[test]
fn rights_on_the_claims_are_rights_on_the_row_and_no_more_is_needed() {
    let db = Database::fresh();
    let (agent, reader) = (db.role(), db.role());
    Feeder::new(&db);
    // As it was before this release, with what an administrator granted then.
    db.psql(&format!(
        "DROP VIEW v_parc; DROP TABLE agent_edge, cu_agent_ecriture;
         DELETE FROM cu_agent_migration WHERE version IN (6, 9);
         GRANT SELECT, INSERT, UPDATE, DELETE ON cu_agent_machine TO {agent};
         GRANT SELECT ON v_production_jour TO {reader}"
    ));
    Feeder::new(&db);
    let mut central = Central::connect(&db.config_as(&agent, &agent), "cu-agent tests").unwrap();
    show(&mut central, "a", &edge());
    show(&mut central, "a", &edge());
    let seen = db.psql(&format!("SET ROLE {reader}; SELECT agent_id, etat FROM v_parc"));
    assert_eq!(seen, "a|ok");
    let refused = db.try_psql(&format!("SET ROLE {reader}; DELETE FROM agent_edge")).unwrap_err();
    assert!(refused.contains("permission denied"), "{refused}");
}

#[test]
fn the_row_passes_through_pgbouncer() {
    let db = Database::fresh();
    Feeder::new(&db);
    let pooler = PgBouncer::before(db.cluster, &[]);
    let mut config = db.config_as("postgres", PASSWORD);
    config.port = pooler.port;
    let mut central = Central::connect(&config, "cu-agent tests").unwrap();
    for _ in 0..3 {
        show(&mut central, "a", &edge());
    }
    assert_eq!(db.psql("SELECT agent_id FROM agent_edge"), "a");
}

#[test]
fn an_agent_shows_itself_also_when_nothing_waits() {
    let mut scene = Scene::new(71);
    scene.agent.set("agent.id", "ligne-7");
    let running = scene.agent.run();
    wait::until("its row is there", wait::PATIENCE, || {
        scene.database.try_psql("SELECT 1 FROM agent_edge").is_ok_and(|rows| rows == "1")
    });
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        scene.database.psql(
            "SELECT agent_id, version, sessions_en_attente, intervalle_s, tampon_octets > 0,
                 disque_libre_octets > 0, abs(ecart_horloge_s) < 60 FROM agent_edge"
        ),
        format!("ligne-7|{version}|0|300|t|t|t")
    );
    running.terminate().0.succeeded();
    scene.day();
    scene.assert_equal_after_once();
    assert_eq!(
        scene.database.psql(
            "SELECT sessions_en_attente, liens -> 0 ->> 'nom', liens -> 0 ->> 'etat' FROM v_parc"
        ),
        "0|cu|haut"
    );
}

#[test]
fn an_agent_whose_sessions_do_not_pass_shows_its_backlog() {
    let mut scene = Scene::new(72);
    Feeder::new(&scene.database);
    scene.database.psql("ALTER TABLE session_production ADD CHECK (total_pieces < 0)");
    scene.day();
    scene.once().exited(3);
    let waiting = scene.database.psql("SELECT sessions_en_attente FROM agent_edge");
    assert_eq!(waiting, scene.sessions().to_string());
}

#[test]
fn a_role_without_rights_on_the_row_delivers_sessions_and_says_so_once() {
    let mut scene = Scene::new(73);
    Feeder::new(&scene.database);
    let role = scene.database.role();
    scene.database.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         REVOKE ALL ON agent_edge FROM {role}"
    ));
    scene.agent.set_central(&scene.database.config_as(&role, &role));
    scene.day();
    let running = scene.agent.run();
    scene.wait_until_equal();
    scene.plant.next_day();
    scene.day();
    scene.wait_until_equal();
    let line = running.wait_for_line("cannot update this gateway's row in agent_edge");
    assert!(line.contains("central migrate --print") && line.contains(&role), "{line}");
    let log = running.terminate().0.succeeded().stderr;
    assert_eq!(log.matches("cannot update this gateway's row in agent_edge").count(), 1, "{log}");
    assert_eq!(log.matches("link down").count(), 0, "{log}");
    assert_eq!(scene.database.count("agent_edge"), 0);
}

#[test]
fn under_the_schema_of_the_release_before_sessions_pass_and_the_administrator_s_command_is_named() {
    let mut scene = Scene::new(74);
    Feeder::new(&scene.database);
    let role = scene.database.role();
    scene.database.psql(&format!(
        "DROP VIEW v_parc; DROP TABLE agent_edge; DELETE FROM cu_agent_migration WHERE version = 6;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let config = scene.database.config_as(&role, &role);
    let mut central = Central::connect(&config, "cu-agent tests").unwrap();
    assert_eq!(central.schema_state().unwrap(), SchemaState::Behind { pending: vec![6] });
    let error = central.migrate().unwrap_err();
    assert!(matches!(error, CentralError::MayNotMigrate { .. }), "{error:?}");
    scene.agent.set_central(&config);
    scene.day();
    let output = scene.once().succeeded().says("cannot update this gateway's row in agent_edge");
    let told = output.stderr.matches("central migrate --print").count();
    assert_eq!(told, 1, "{}", output.stderr);
    scene.assert_equal();
    let script = scene.agent.command(&["central", "migrate", "--print"]).succeeded().stdout;
    scene.database.psql(&script);
    scene.once().succeeded().does_not_say("agent_edge");
    assert_eq!(scene.database.count("agent_edge"), 1);
}

#[test]
fn a_row_that_another_program_holds_keeps_no_session_waiting() {
    let mut scene = Scene::new(75);
    scene.once().succeeded();
    let mut config = postgres::Config::new();
    config.host("127.0.0.1").port(scene.database.cluster.port).user("postgres");
    let mut other =
        config.password(PASSWORD).dbname(&scene.database.name).connect(postgres::NoTls).unwrap();
    let mut held = other.transaction().unwrap();
    held.batch_execute("LOCK TABLE agent_edge").unwrap();
    scene.day();
    let begun = std::time::Instant::now();
    scene.assert_equal_after_once();
    assert!(begun.elapsed() < Duration::from_secs(30), "it waited {:?}", begun.elapsed());
    held.rollback().unwrap();
    scene.once().succeeded();
    assert_eq!(state(&scene.database, "essai"), "ok");
}

#[test]
fn only_what_sessions_need_holds_them_up() {
    assert!(sessions_pass_without(&[6]) && sessions_pass_without(&[10]));
    assert!(sessions_pass_without(&[6, 10, 11]));
    assert!(!sessions_pass_without(&[5, 6]));
}
