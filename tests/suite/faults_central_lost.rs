//! Central no longer holds what it confirmed: restored from an older backup, made anew, changed by
//! hand. That is noticed without any new file, and mended.

use crate::support::{scene::Scene, wait};

/// What somebody did to central.
const BY_HAND: [(&str, &str); 12] = [
    (
        "one piece deleted",
        "DELETE FROM piece_production WHERE id = (SELECT min(id) FROM piece_production)",
    ),
    (
        "the last piece of each session deleted",
        "DELETE FROM piece_production p USING session_production s
         WHERE s.id = p.session_id AND p.numero_piece = s.total_pieces",
    ),
    ("all waits deleted", "DELETE FROM periode_attente"),
    ("all stops deleted", "DELETE FROM periode_arret"),
    ("all jobs deleted", "DELETE FROM job_profil"),
    (
        "a piece added",
        "INSERT INTO piece_production (session_id, numero_piece, timestamp_production, details)
         SELECT session_id, max(numero_piece) + 1, now(), 'x' FROM piece_production GROUP BY 1 LIMIT 1",
    ),
    ("numbers changed", "UPDATE piece_production SET numero_piece = numero_piece + 100000"),
    ("a header changed", "UPDATE session_production SET total_pieces = total_pieces + 1"),
    (
        "a session deleted",
        "CREATE TEMP TABLE gone AS SELECT max(id) AS id FROM session_production;
         DELETE FROM piece_production WHERE session_id IN (SELECT id FROM gone);
         DELETE FROM periode_attente WHERE session_id IN (SELECT id FROM gone);
         DELETE FROM periode_arret WHERE session_id IN (SELECT id FROM gone);
         DELETE FROM job_profil WHERE session_id IN (SELECT id FROM gone);
         DELETE FROM session_production WHERE id IN (SELECT id FROM gone);",
    ),
    (
        "a machine deleted with everything",
        "CREATE TEMP TABLE gone AS SELECT s.id FROM session_production s
             JOIN centre_usinage c ON c.id = s.centre_usinage_id WHERE c.nom = 'SU12';
         DELETE FROM piece_production WHERE session_id IN (SELECT id FROM gone);
         DELETE FROM periode_attente WHERE session_id IN (SELECT id FROM gone);
         DELETE FROM periode_arret WHERE session_id IN (SELECT id FROM gone);
         DELETE FROM job_profil WHERE session_id IN (SELECT id FROM gone);
         DELETE FROM session_production WHERE id IN (SELECT id FROM gone);
         DELETE FROM cu_agent_machine;
         DELETE FROM centre_usinage WHERE nom = 'SU12';",
    ),
    ("everything emptied", "TRUNCATE centre_usinage CASCADE"),
    (
        "revisions forgotten",
        "UPDATE session_production SET revision = NULL, agent_id = NULL, tampon_id = NULL, evenements = NULL",
    ),
];

#[test]
fn rows_lost_or_changed_by_hand_come_back_without_new_files() {
    let mut scene = Scene::new(21);
    scene.days(3);
    scene.assert_equal_after_once();
    for (what, damage) in BY_HAND {
        scene.database.psql(damage);
        let output = scene.once();
        assert_eq!(output.code, 0, "{what}: {output}");
        assert!(output.stderr.contains("differ from what was delivered"), "{what}: {output}");
        scene.assert_equal();
    }
    scene.once().succeeded().does_not_say("differ from what was delivered");
}

#[test]
fn a_central_restored_from_an_older_backup_is_sent_what_it_lost() {
    let mut scene = Scene::new(22);
    scene.days(2);
    scene.part_of_day();
    scene.once().succeeded();
    let admin = scene.database.cluster.database();
    let name = scene.database.name.clone();
    admin.psql(&format!("CREATE DATABASE {name}_backup TEMPLATE {name}"));
    // Rows of the backup's last day change, others are added.
    scene.part_of_day();
    scene.days(2);
    scene.assert_equal_after_once();
    let then = scene.database.psql("SELECT now()");
    let running = scene.agent.run();
    // It has claimed its machines; the backup tells of claims of an earlier process.
    wait::until("the service has compared", wait::PATIENCE, || {
        let claimed = format!("SELECT bool_and(vu_le > '{then}') FROM cu_agent_machine");
        scene.database.psql(&claimed) == "t"
    });
    admin.psql(&format!(
        "DROP DATABASE {name} WITH (FORCE); ALTER DATABASE {name}_backup RENAME TO {name}"
    ));
    // New files make the service look at central; what else it lost comes with them.
    scene.day();
    scene.wait_until_equal();
    running.terminate().0.succeeded().does_not_say("two agents claim");
}

#[test]
fn an_empty_database_in_central_s_place_gets_nothing_until_a_person_makes_its_tables() {
    let mut scene = Scene::new(23);
    scene.days(3);
    scene.assert_equal_after_once();
    let name = scene.database.name.clone();
    let admin = scene.database.cluster.database();
    admin.psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    admin.psql(&format!("CREATE DATABASE {name}"));
    let stopped = |scene: &Scene<'_>| {
        scene.once().exited(3).says("holds none of the agent's tables");
        scene.agent.command(&["check"]).exited(1).says("run: cu-agent central migrate");
        let error = scene.agent.status_json()["central"]["error"].to_string();
        assert!(error.contains("has delivered to central before"), "{error}");
        tables(scene)
    };
    scene.day();
    assert_eq!(stopped(&scene), "0");
    scene.agent.command(&["central", "migrate"]).succeeded();
    scene.assert_equal_after_once();
    // The schema moved away, and an empty one in its place.
    scene.database.psql("ALTER SCHEMA public RENAME TO old; CREATE SCHEMA public");
    let before = tables(&scene);
    assert_eq!(stopped(&scene), before);
    scene.database.psql("DROP SCHEMA public; ALTER SCHEMA old RENAME TO public");
    scene.assert_equal_after_once();
    // The search path leads elsewhere.
    scene
        .database
        .psql(&format!("CREATE SCHEMA other; ALTER DATABASE {name} SET search_path = other"));
    stopped(&scene);
    scene.database.psql(&format!("ALTER DATABASE {name} RESET search_path"));
    scene.day();
    scene.assert_equal_after_once();
}

/// Tables of every schema but the server's own.
fn tables(scene: &Scene<'_>) -> String {
    scene.database.psql(
        "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
}

#[test]
fn an_old_session_among_hundreds_that_vanished_is_found_in_time() {
    let mut scene = Scene::new(24);
    for _ in 0..150 {
        for _ in 0..6 {
            scene.plant.write();
        }
        scene.plant.next_day();
    }
    scene.assert_equal_after_once();
    assert!(scene.sessions() > 250, "{} sessions", scene.sessions());
    let vanish = |which: &str| {
        scene.database.psql(&format!(
            "CREATE TEMP TABLE gone AS SELECT id FROM session_production {which} LIMIT 1;
             DELETE FROM piece_production WHERE session_id IN (SELECT id FROM gone);
             DELETE FROM periode_attente WHERE session_id IN (SELECT id FROM gone);
             DELETE FROM periode_arret WHERE session_id IN (SELECT id FROM gone);
             DELETE FROM job_profil WHERE session_id IN (SELECT id FROM gone);
             DELETE FROM session_production WHERE id IN (SELECT id FROM gone);"
        ));
    };
    // Beyond the newest ones: a process that lives for a moment finds it in one of its runs.
    vanish("ORDER BY date_production");
    let sessions = scene.sessions() as u64;
    let found = (0..60).any(|_| {
        scene.once().succeeded();
        scene.database.count("session_production") == sessions
    });
    assert!(found, "the oldest session did not come back");
    // Where one is missing, all are compared at once.
    vanish("ORDER BY date_production");
    vanish("ORDER BY date_production DESC");
    scene.once().succeeded();
    scene.assert_equal();
}
