//! Two agents on one machine: by mistake in the configuration, by a copied card, by a second process.
//! It is said within one sync, and central's rows of a session are always of one writer.

use std::{fs, process::Command};

use crate::support::{
    agent::Agent,
    rows::{assert_same, central_sessions},
    scene::Scene,
    wait,
};

/// Sessions whose rows are not of one writer: their header says another count.
fn assert_not_interleaved(scene: &Scene<'_>) {
    scene.assert_nothing_half_written("two agents");
}

#[test]
fn a_machine_claimed_by_two_agents_is_reported_by_the_second_and_written_by_the_first() {
    let mut scene = Scene::new(71);
    scene.days(2);
    scene.plant.finish();
    scene.once().succeeded();
    let truth = scene.plant.truth();
    let mut second = Agent::on_directory(scene.folder.path()).central(&scene.database);
    second.set("agent.id", "autre");
    scene.plant.finish();
    let output = second.once().exited(3);
    let claims: Vec<&str> =
        output.stderr.lines().filter(|line| line.contains("two agents claim")).collect();
    assert_eq!(claims.len(), 3, "one line a machine: {output}");
    assert!(claims[0].contains("ERROR") && claims[0].contains("`essai`"), "{output}");
    assert_same("what the first wrote", &central_sessions(&scene.database), &truth);
    let status = second.status_json();
    assert_eq!(status["set_aside_sessions"], status["sessions"], "{status:#}");
    assert!(
        status["set_aside"][0]["reason"].as_str().unwrap().contains("delivered by agent `essai`"),
        "{status:#}"
    );
    second.once().exited(3);
    // The first goes on, and is the only writer.
    scene.assert_equal_after_once();
    assert_eq!(scene.database.psql("SELECT DISTINCT agent_id FROM session_production"), "essai");
    assert_not_interleaved(&scene);
    // The machine moves: the first is not seen for a day.
    scene.database.psql("UPDATE cu_agent_machine SET vu_le = now() - interval '25 hours'");
    scene.day();
    scene.plant.finish();
    second.once().succeeded();
    scene.assert_equal();
    scene.once().exited(3).says("two agents claim");
    // And back at once, by an administrator.
    scene.database.psql("DELETE FROM cu_agent_machine");
    scene.assert_equal_after_once();
}

#[test]
fn a_copied_card_is_noticed_by_the_older_process_and_central_stays_of_one_writer() {
    let mut scene = Scene::new(72);
    scene.days(2);
    scene.once().succeeded();
    let copy = Agent::on_directory(scene.folder.path()).central(&scene.database);
    fs::create_dir_all(copy.state_dir()).unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(scene.agent.state_dir().join("."))
        .arg(copy.state_dir())
        .status()
        .unwrap();
    assert!(copied.success());

    let older = scene.agent.run();
    scene.day();
    let in_central = |scene: &Scene<'_>| scene.database.count("session_production") as i64;
    let sessions = scene.sessions();
    wait::until("the older one writes", wait::PATIENCE, || in_central(&scene) == sessions);
    let newer = copy.run();
    newer.wait_for_line("cycle:");
    scene.day();
    older.wait_for_line("two agents claim");
    wait::until("the older one shows it", wait::PATIENCE, || {
        scene.agent.status_number("set_aside_sessions") > 0
    });
    assert_not_interleaved(&scene);
    scene.plant.finish();
    let truth = scene.plant.truth();
    wait::until("the newer one brings everything", wait::PATIENCE, || {
        copy.status_number("sessions") == truth.len() as i64
            && copy.status_number("pending_sessions") == 0
            && in_central(&scene) == truth.len() as i64
    });
    wait::until("it is equal", wait::PATIENCE, || central_sessions(&scene.database) == truth);
    // What the operator does: end one of the two, start the other anew.
    newer.terminate().0.succeeded();
    older.terminate().0.succeeded();
    scene.day();
    scene.assert_equal_after_once();
    assert_eq!(scene.agent.status_number("set_aside_sessions"), 0);
}

#[test]
fn a_claim_that_nobody_renewed_for_a_day_is_taken_back_without_anybody_s_help() {
    let mut scene = Scene::new(73);
    scene.day();
    scene.once().succeeded();
    let running = scene.agent.run();
    scene.day();
    let sessions = scene.sessions();
    wait::until("it writes", wait::PATIENCE, || {
        scene.database.count("session_production") as i64 == sessions
    });
    // A copy ran for a moment, long ago.
    scene.database.psql(
        "UPDATE cu_agent_machine SET instance_id = 'copy', vu_le = now() - interval '25 hours'",
    );
    scene.day();
    scene.wait_until_equal();
    assert!(!running.log().contains("two agents claim"), "{}", running.log());
    running.terminate().0.succeeded();
}

#[test]
fn a_second_process_on_one_buffer_is_turned_away_while_the_first_delivers() {
    let mut scene = Scene::new(74);
    scene.days(2);
    let running = scene.agent.run();
    running.wait_for_line("central: link up");
    let file = scene.folder.path().join("DEM12 (PVC)/20250901.LOG");
    let import = ["import", "--machine", "DEM12", file.to_str().unwrap()];
    for command in [&["run"][..], &["once"], &["replay"], &import] {
        scene.agent.command(command).exited(1).says(&format!("process {}", running.id()));
    }
    scene.wait_until_equal();
    running.terminate().0.succeeded();
}
