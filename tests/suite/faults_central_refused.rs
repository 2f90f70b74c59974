//! Central takes some sessions and not others: constraints, triggers, locks. The others go on, the
//! refused ones are set aside with the reason, shown, and pass when the obstacle is gone.

use std::time::Duration;

use postgres::{Client, Config, NoTls};

use crate::support::{hand::every_value, postgres::PASSWORD, scene::Scene, wait};

/// (what, obstacle, how it goes away, what the reason says).
const OBSTACLES: [(&str, &str, &str, &str); 4] = [
    (
        "a constraint on a detail",
        "ALTER TABLE piece_production ADD CONSTRAINT neuf CHECK (numero_piece < 9)",
        "ALTER TABLE piece_production DROP CONSTRAINT neuf",
        "neuf",
    ),
    (
        "a constraint on a header",
        "ALTER TABLE session_production ADD CONSTRAINT pas_le_3 CHECK (date_production <> '2025-09-03')",
        "ALTER TABLE session_production DROP CONSTRAINT pas_le_3",
        "pas_le_3",
    ),
    (
        "a trigger that raises for one machine",
        "CREATE FUNCTION quota() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF (SELECT c.nom FROM centre_usinage c WHERE c.id = NEW.centre_usinage_id) = 'DEMALU'
             THEN RAISE EXCEPTION 'quota of DEMALU used up'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER quota BEFORE INSERT OR UPDATE ON session_production
             FOR EACH ROW EXECUTE FUNCTION quota();",
        "DROP TRIGGER quota ON session_production",
        "quota of DEMALU used up",
    ),
    (
        "an unknown error",
        "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.numero_piece = 7 AND NEW.details LIKE '%5%'
             THEN RAISE EXCEPTION 'strange' USING ERRCODE = 'ZX123'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER odd BEFORE INSERT OR UPDATE ON piece_production
             FOR EACH ROW EXECUTE FUNCTION odd();",
        "DROP TRIGGER odd ON piece_production",
        "strange",
    ),
];

#[test]
fn what_central_refuses_is_set_aside_with_its_reason_while_the_others_go_on() {
    for (seed, (what, obstacle, mend, reason)) in (31..).zip(OBSTACLES) {
        let mut scene = Scene::new(seed);
        // The tables exist before the obstacle does.
        scene.once().succeeded();
        scene.plant.finish();
        scene.once().succeeded();
        scene.database.psql(obstacle);
        scene.days(3);
        let output = scene.once();
        assert_eq!(output.code, 3, "{what}: {output}");
        let status = scene.agent.status_json();
        let aside = status["set_aside_sessions"].as_i64().unwrap();
        let waiting = status["pending_sessions"].as_i64().unwrap();
        let sessions = status["sessions"].as_i64().unwrap();
        assert!(aside > 0 && aside == waiting && aside < sessions, "{what}: {status:#}");
        let shown = status["set_aside"][0]["reason"].as_str().unwrap();
        assert!(shown.contains(reason), "{what}: {shown}");
        assert_eq!(status["central"]["state"], "up", "{what}: {status:#}");
        assert!(output.stderr.contains(reason), "{what}: {output}");
        let text = scene.agent.command(&["status"]).succeeded();
        assert!(text.stdout.contains(reason), "{what}: {text}");
        let table = scene.agent.command(&["sessions"]).succeeded();
        assert_eq!(
            table.stdout.matches("quarantined").count() as i64,
            aside,
            "{what}: {status:#} {table}"
        );
        assert!(scene.database.count("session_production") as i64 >= sessions - aside, "{what}");
        scene.assert_nothing_half_written(what);
        // Tried again by the next process, and known already: no second complaint.
        scene.once().exited(3).does_not_say("ERROR");
        scene.database.psql(mend);
        scene.assert_equal_after_once();
    }
}

#[test]
fn a_running_service_leaves_what_is_set_aside_alone_and_goes_on_with_the_rest() {
    let mut scene = Scene::new(41);
    let proxy = scene.behind_proxy();
    scene.once().succeeded();
    scene.database.psql(
        "ALTER TABLE session_production ADD CONSTRAINT pas_le_3 CHECK (date_production <> '2025-09-03')",
    );
    scene.days(2);
    let running = scene.agent.run();
    running.wait_for_line("quarantined");
    let aside = |scene: &Scene<'_>| scene.agent.status_number("set_aside_sessions");
    for _ in 0..3 {
        scene.day();
        let sessions = scene.sessions();
        wait::until("the new day is in central", wait::PATIENCE, || {
            scene.database.count("session_production") as i64 == sessions - aside(&scene)
                && scene.agent.status_number("sessions") == sessions
        });
    }
    let round_trips = proxy.round_trips();
    running.wait_for_nth_line("cycle:", running.log().matches("cycle:").count() + 2);
    assert!(proxy.round_trips() <= round_trips + 4, "it keeps asking central");
    let log = running.terminate().0.succeeded().stderr;
    assert_eq!(log.matches("quarantined, retrying").count() as i64, aside(&scene), "{log}");
    scene.database.psql("ALTER TABLE session_production DROP CONSTRAINT pas_le_3");
    scene.assert_equal_after_once();
}

#[test]
fn a_trigger_that_swallows_rows_is_noticed() {
    let mut scene = Scene::new(42);
    scene.once().succeeded();
    scene.plant.finish();
    scene.once().succeeded();
    scene.database.psql(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.numero_piece = 3 THEN RETURN NULL; END IF; RETURN NEW; END $$;
         CREATE TRIGGER swallow BEFORE INSERT ON piece_production
             FOR EACH ROW EXECUTE FUNCTION swallow();",
    );
    scene.days(2);
    scene.once();
    // The next comparison counts the rows.
    scene.once().exited(3);
    let status = scene.agent.status_json();
    let reason = status["set_aside"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("did not keep every row"), "{status:#}");
    scene.database.psql("DROP TRIGGER swallow ON piece_production");
    scene.assert_equal_after_once();
}

/// (what, what is done first, what keeps central from holding what it is sent, its mend, what the reason says).
const CHANGES: [(&str, &str, &str, &str, &str); 3] = [
    (
        "a trigger that changes a figure of the header",
        "",
        "CREATE FUNCTION arrondir() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             NEW.taux_attente := round(NEW.taux_attente) + 1; RETURN NEW; END $$;
         CREATE TRIGGER arrondir BEFORE INSERT OR UPDATE ON session_production
             FOR EACH ROW EXECUTE FUNCTION arrondir();
         UPDATE session_production SET total_pieces = total_pieces",
        "DROP TRIGGER arrondir ON session_production",
        "did not keep the header as delivered",
    ),
    (
        "a trigger that keeps the old row of a detail",
        "UPDATE periode_attente SET duree_secondes = 1 WHERE numero = 1",
        "CREATE FUNCTION garder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
         CREATE TRIGGER garder BEFORE UPDATE ON periode_attente
             FOR EACH ROW EXECUTE FUNCTION garder()",
        "DROP TRIGGER garder ON periode_attente",
        "did not keep the detail rows as delivered",
    ),
    (
        "a trigger that keeps the old header",
        "UPDATE session_production SET revision = 0",
        "CREATE FUNCTION garder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
         CREATE TRIGGER garder BEFORE UPDATE ON session_production
             FOR EACH ROW EXECUTE FUNCTION garder()",
        "DROP TRIGGER garder ON session_production",
        "did not keep the session as delivered",
    ),
];

#[test]
fn what_central_does_not_keep_as_delivered_is_set_aside_by_name_and_the_others_go_on() {
    for (seed, (what, first, obstacle, mend, reason)) in (81..).zip(CHANGES) {
        let mut scene = Scene::new(seed);
        scene.days(2);
        scene.assert_equal_after_once();
        scene.database.psql(first);
        scene.database.psql(obstacle);
        scene.day();
        let output = scene.once();
        assert_eq!(output.code, 3, "{what}: {output}");
        assert!(output.stderr.contains(reason), "{what}: {output}");
        let status = scene.agent.status_json();
        let shown = status["set_aside"][0]["reason"].as_str().unwrap_or_default();
        assert!(shown.contains(reason), "{what}: {status:#}");
        // New days arrive all the same.
        let sessions = scene.sessions() as u64;
        assert_eq!(scene.database.count("session_production"), sessions, "{what}");
        scene.database.psql(mend);
        scene.assert_equal_after_once();
    }
}

/// Tables, and whether a new row is of the day that is kept out.
const OLD_ROWS: [(&str, &str); 7] = [
    ("session_production", "NEW.date_production = day"),
    ("piece_production", "NEW.timestamp_production::date = day"),
    ("periode_attente", "NEW.timestamp_debut::date = day"),
    ("periode_arret", "NEW.timestamp_debut::date = day"),
    ("job_profil", "NEW.timestamp_debut::date = day"),
    ("anomalie", "NEW.timestamp_debut::date = day"),
    ("centre_usinage", "NEW.nom = 'DEM12'"),
];

#[test]
fn a_trigger_that_returns_the_old_row_keeps_out_what_it_names_and_nothing_else() {
    std::thread::scope(|scope| {
        for part in OLD_ROWS.chunks(4) {
            scope.spawn(move || {
                for (table, is_kept_out) in part {
                    keeps_out(table, is_kept_out);
                }
            });
        }
    });
}

fn keeps_out(table: &str, is_kept_out: &str) {
    let mut scene = Scene::new(86);
    scene.agent.command(&["central", "migrate"]).succeeded();
    scene.days(3);
    let day = "(SELECT DATE '2025-09-03')";
    scene.database.psql(&format!(
        "CREATE FUNCTION garder() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE day DATE := {day}; BEGIN
             IF {is_kept_out} THEN RETURN OLD; END IF; RETURN NEW; END $$;
         CREATE TRIGGER garder BEFORE INSERT OR UPDATE ON {table}
             FOR EACH ROW EXECUTE FUNCTION garder()"
    ));
    // Rows of a new session that are missing show in the next comparison.
    scene.once();
    let output = scene.once();
    let status = scene.agent.status_json();
    let waiting = status["set_aside_sessions"].as_u64().unwrap();
    let sessions = scene.sessions() as u64;
    assert_eq!(status["pending_sessions"].as_u64(), Some(waiting), "{table}: {output}");
    // Not every day has a row of each table.
    assert!(waiting <= 4, "{table}: {output}");
    if waiting > 0 {
        assert_eq!(output.code, 3, "{table}: {output}");
        let reason = status["set_aside"][0]["reason"].as_str().unwrap_or_default();
        let is_told = reason.contains("did not keep") || reason.contains("kept no row");
        assert!(is_told && reason.contains("garder"), "{table}: {status:#}");
    } else {
        let may_lack =
            !matches!(table, "session_production" | "piece_production" | "centre_usinage");
        assert!(may_lack, "{table}: {output}");
    }
    let there = scene.database.psql(
        "SELECT count(*) FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id
         WHERE s.date_production <> '2025-09-03' AND c.nom <> 'DEM12'",
    );
    assert_eq!(there, ((sessions / 3 - 1) * 2).to_string(), "{table}: {output}");
    scene.database.psql(&format!("DROP TRIGGER garder ON {table}"));
    scene.assert_equal_after_once();
}

#[test]
fn a_running_service_sends_what_central_does_not_keep_once_an_hour_at_most() {
    let mut scene = Scene::new(84);
    scene.days(2);
    scene.assert_equal_after_once();
    scene.database.psql("UPDATE periode_attente SET duree_secondes = 1 WHERE numero = 1");
    scene.database.psql(
        "CREATE TABLE essais (n BIGINT GENERATED ALWAYS AS IDENTITY);
         CREATE FUNCTION garder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO essais DEFAULT VALUES; RETURN OLD; END $$;
         CREATE TRIGGER garder BEFORE UPDATE ON periode_attente
             FOR EACH ROW EXECUTE FUNCTION garder()",
    );
    let running = scene.agent.run();
    running.wait_for_line("did not keep the detail rows");
    let tries = scene.database.count("essais");
    running.wait_for_nth_line("cycle:", running.log().matches("cycle:").count() + 3);
    assert_eq!(scene.database.count("essais"), tries);
    running.terminate().0.succeeded();
}

#[test]
fn columns_that_cannot_hold_what_is_delivered_are_named_and_do_not_keep_the_queue() {
    let mut scene = Scene::new(85);
    scene.days(1);
    scene.assert_equal_after_once();
    scene.database.psql(
        "DROP VIEW v_session_formule_origine, v_production_jour CASCADE;
         ALTER TABLE session_production ALTER COLUMN temps_attente TYPE NUMERIC(10,1);
         ALTER TABLE periode_attente ALTER COLUMN timestamp_fin TYPE TIMESTAMP(0)",
    );
    scene
        .once()
        .succeeded()
        .says("not compared: session_production.temps_attente, periode_attente.timestamp_fin");
    scene.days(2);
    scene.once().succeeded();
    let before = every_value(&scene.database);
    scene.once().succeeded().does_not_say("from what was delivered");
    // The other values are compared as before.
    scene.database.psql(
        "UPDATE session_production SET taux_attente = 1; UPDATE periode_attente SET duree_secondes = 1",
    );
    scene.once().succeeded().says("from what was delivered");
    assert_eq!(every_value(&scene.database), before);
}

#[test]
fn a_wrong_password_is_not_tried_every_few_seconds_and_everything_passes_once_it_is_right() {
    let mut scene = Scene::new(45);
    let role = scene.database.role();
    scene.database.psql(&format!("ALTER ROLE {role} SUPERUSER"));
    scene.agent.set_central(&scene.database.config_as(&role, &role));
    let proxy = scene.behind_proxy();
    scene.day();
    scene.once().succeeded();
    scene.database.psql(&format!("ALTER ROLE {role} PASSWORD 'another'"));
    let running = scene.agent.run();
    let line = running.wait_for_line("central: link down");
    assert!(line.contains("central.password_file"), "{line}");
    let log_ins = proxy.connections();
    // What is collected meanwhile does not make the password right.
    for _ in 0..6 {
        scene.day();
        wait::any_moment(Duration::from_secs(1));
    }
    assert_eq!(proxy.connections(), log_ins, "log-ins within six seconds of one that was refused");
    scene.database.psql(&format!("ALTER ROLE {role} PASSWORD '{role}'"));
    scene.wait_until_equal();
    assert!(proxy.connections() <= log_ins + 3, "{} log-ins", proxy.connections() - log_ins);
    running.terminate().0.succeeded();
}

fn another_program(scene: &Scene<'_>) -> Client {
    Config::new()
        .host("127.0.0.1")
        .port(scene.database.cluster.port)
        .user("postgres")
        .password(PASSWORD)
        .dbname(&scene.database.name)
        .connect(NoTls)
        .unwrap()
}

#[test]
fn a_row_that_another_program_holds_for_minutes_keeps_no_other_session_waiting() {
    let mut scene = Scene::new(43);
    scene.day();
    scene.part_of_day();
    scene.once().succeeded();
    let mut other = another_program(&scene);
    other
        .batch_execute(
            "BEGIN; SELECT 1 FROM session_production WHERE date_production >= '2025-09-02' FOR UPDATE",
        )
        .unwrap();
    scene.part_of_day();
    scene.days(3);
    let sessions = scene.sessions() as u64;
    let begun = std::time::Instant::now();
    scene.once().exited(3);
    assert!(begun.elapsed().as_secs() < 5, "it waited for the lock: {:?}", begun.elapsed());
    assert_eq!(scene.database.count("session_production"), sessions);
    assert_eq!(scene.central_state(), "up");
    let waiting = scene.agent.status_number("pending_sessions");
    assert!((1..=3).contains(&waiting), "{waiting} wait");
    other.batch_execute("ROLLBACK").unwrap();
    scene.assert_equal_after_once();
}

#[test]
fn tables_that_another_program_holds_for_a_while_are_waited_for() {
    let mut scene = Scene::new(44);
    scene.day();
    scene.once().succeeded();
    let mut other = another_program(&scene);
    other.batch_execute("BEGIN; LOCK TABLE session_production, piece_production").unwrap();
    let running = scene.agent.run();
    scene.days(2);
    let line = running.wait_for_line("central: link down");
    assert!(line.contains("lock"), "{line}");
    scene.day();
    other.batch_execute("COMMIT").unwrap();
    scene.wait_until_equal();
    let log = running.terminate().0.succeeded().stderr;
    assert_eq!(log.matches("central: link down").count(), 1, "{log}");
}
