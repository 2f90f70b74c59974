//! Central no longer holds what it confirmed: restored from an older backup, made anew, changed by
//! hand. That is noticed without any new file, and mended.

use crate::support::{hand::every_value, scene::Scene, wait};

/// What somebody did to central.
const BY_HAND: [(&str, &str); 25] = [
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
        "a rate and a time",
        "UPDATE session_production SET taux_occupation = 99.99, temps_attente = 0",
    ),
    ("a moment emptied", "UPDATE session_production SET heure_premiere_piece = NULL"),
    ("exact milliseconds", "UPDATE session_production SET temps_attente_brut_ms = 1"),
    ("the file", "UPDATE session_production SET fichier_log_source = 'x.LOG'"),
    ("the number of events", "UPDATE session_production SET evenements = evenements + 1000"),
    ("a wait's duration", "UPDATE periode_attente SET duree_secondes = duree_secondes + 1"),
    (
        "a stop's end",
        "UPDATE periode_arret SET timestamp_fin = timestamp_fin + interval '1 microsecond'",
    ),
    (
        "a piece's moment",
        "UPDATE piece_production SET timestamp_production = timestamp_production - interval '1 s'
         WHERE id = (SELECT max(id) FROM piece_production)",
    ),
    ("a piece's details", "UPDATE piece_production SET details = details || ' ' WHERE numero_piece = 2"),
    (
        "two pieces swapped",
        "UPDATE piece_production p
         SET timestamp_production = q.timestamp_production, details = q.details
         FROM piece_production q WHERE q.session_id = p.session_id
             AND (p.numero_piece, q.numero_piece) IN ((1, 2), (2, 1))",
    ),
    ("a job's colour", "UPDATE job_profil SET couleur = NULL WHERE numero = 1"),
    ("sentences of anomalies", "UPDATE anomalie SET texte = 'ok', gravite = 'faible'"),
    (
        "the replaced service ran",
        "UPDATE session_production SET total_pieces = total_pieces - 1, taux_occupation = 12.5;
         DELETE FROM periode_attente;
         INSERT INTO periode_attente (session_id, timestamp_debut, timestamp_fin, duree_secondes)
         SELECT id, '2025-09-01 05:00', '2025-09-01 05:01', 60 FROM session_production",
    ),
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
    let before = every_value(&scene.database);
    for (what, damage) in BY_HAND {
        scene.database.psql(damage);
        assert_ne!(every_value(&scene.database), before, "{what}");
        let output = scene.once();
        assert_eq!(output.code, 0, "{what}: {output}");
        assert!(output.stderr.contains("from what was delivered"), "{what}: {output}");
        assert_eq!(every_value(&scene.database), before, "{what}");
    }
    scene.assert_equal();
    scene.once().succeeded().does_not_say("from what was delivered");
}

#[test]
fn what_differs_is_told_by_kind_and_by_name() {
    let mut scene = Scene::new(25);
    scene.days(2);
    scene.assert_equal_after_once();
    scene.database.psql(
        "UPDATE session_production SET taux_attente = 1 WHERE date_production =
             (SELECT min(date_production) FROM session_production);
         UPDATE piece_production SET details = 'x' WHERE session_id =
             (SELECT id FROM session_production ORDER BY date_production DESC, id DESC LIMIT 1)",
    );
    scene.once().succeeded().says("in the header, 1 in rows: ");
    scene.assert_equal();
}

#[test]
fn rows_without_a_number_are_removed_and_kept_once_elsewhere() {
    let mut scene = Scene::new(26);
    scene.days(1);
    scene.assert_equal_after_once();
    let before = every_value(&scene.database);
    let kept = || {
        scene
            .database
            .psql("SELECT nom_table, ligne ->> 'duree_secondes' FROM cu_agent_fusion ORDER BY 1, 2")
    };
    for _ in 0..2 {
        scene.database.psql(
            "INSERT INTO periode_arret (session_id, timestamp_debut, timestamp_fin, duree_secondes)
             SELECT min(id), '2025-09-01 12:00', '2025-09-01 12:45', 2700 FROM session_production;
             INSERT INTO periode_attente (session_id, timestamp_debut, timestamp_fin, duree_secondes)
             SELECT min(id), '2025-09-01 12:00', '2025-09-01 12:00:09', 9 FROM session_production;
             INSERT INTO periode_attente (session_id, numero, timestamp_debut, timestamp_fin, duree_secondes)
             SELECT session_id, max(numero) + 1, now(), now(), 1 FROM periode_attente
             WHERE numero IS NOT NULL GROUP BY 1",
        );
        scene.once().succeeded();
        assert_eq!(every_value(&scene.database), before);
        assert_eq!(kept(), "periode_arret|2700\nperiode_attente|9");
    }
}

#[test]
fn columns_and_comments_of_others_stay_as_they_are() {
    let mut scene = Scene::new(27);
    scene.days(1);
    scene.assert_equal_after_once();
    scene.database.psql(
        "ALTER TABLE session_production ADD COLUMN equipe TEXT, ADD COLUMN valide BOOLEAN;
         ALTER TABLE periode_arret ADD COLUMN motif TEXT;
         UPDATE session_production SET equipe = 'nuit', valide = TRUE, taux_attente = 1;
         UPDATE periode_arret SET motif = 'pause', duree_secondes = 1",
    );
    scene.once().succeeded();
    scene.assert_equal();
    let others = "SELECT count(*) FILTER (WHERE equipe = 'nuit' AND valide) = count(*)
                  FROM session_production;
                  SELECT count(*) FILTER (WHERE motif = 'pause') = count(*) FROM periode_arret";
    assert_eq!(scene.database.psql(others), "t\nt");
}

/// What a release before the one that notes digests and milliseconds left behind.
const FORMER_CENTRAL: &str = "UPDATE session_production SET duree_production_ms = NULL,
    temps_attente_ms = NULL, temps_arret_volontaire_ms = NULL, temps_attente_brut_ms = NULL,
    temps_arret_brut_ms = NULL";

#[test]
fn sessions_of_the_release_before_are_completed_without_their_rows() {
    let mut scene = Scene::new(28);
    scene.days(4);
    scene.assert_equal_after_once();
    let before = every_value(&scene.database);
    scene.database.psql(FORMER_CENTRAL);
    scene
        .database
        .psql("CREATE TABLE ids AS SELECT id, xmin::text AS version FROM piece_production");
    rusqlite::Connection::open(scene.agent.buffer())
        .unwrap()
        .execute("UPDATE session SET synced_digest = NULL", [])
        .unwrap();
    scene
        .once()
        .succeeded()
        .says("sessions of an earlier release")
        .does_not_say("from what was delivered")
        .says("with 0 rows sent");
    assert_eq!(every_value(&scene.database), before);
    let untouched = "SELECT count(*) FROM piece_production p
        JOIN ids i ON i.id = p.id AND i.version = p.xmin::text";
    assert_eq!(
        scene.database.psql(untouched),
        scene.database.count("piece_production").to_string()
    );
    scene.once().succeeded().does_not_say("earlier release");
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
