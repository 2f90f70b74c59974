//! Central is away: for weeks, for moments, in a loop, or there without answering. What waits is one
//! row a session; it drains when it can, and central ends equal.

use crate::support::{
    postgres::{Cluster, Options},
    scene::Scene,
    wait,
};

#[test]
fn weeks_without_central_cost_one_waiting_row_a_session_and_drain_today_first_then_oldest_first() {
    let mut scene = Scene::new(1);
    let proxy = scene.behind_proxy();
    proxy.refuse(true);
    let running = scene.agent.run();
    // Days are read in parts, so that most sessions change many times before central is back.
    for _ in 0..8 {
        scene.part_of_day();
        scene.days(3);
        let sessions = scene.sessions();
        wait::until("all days are in the buffer", wait::PATIENCE, || {
            scene.agent.status_number("sessions") == sessions
        });
        assert_eq!(scene.agent.status_number("pending_sessions"), sessions);
    }
    assert_eq!(scene.central_state(), "down");
    assert_eq!(running.log().matches("central: link down").count(), 1, "{}", running.log());
    running.terminate().0.succeeded();

    proxy.refuse(false);
    scene.assert_equal_after_once();
    assert_eq!(scene.central_state(), "up");
    let first_try = scene.database.psql(
        "SELECT c.nom || ' ' || date_production FROM session_production s
         JOIN centre_usinage c ON c.id = centre_usinage_id ORDER BY s.id",
    );
    let arrived: Vec<&str> = first_try.lines().collect();
    let mut days: Vec<(String, String)> = scene
        .plant
        .truth()
        .into_iter()
        .map(|session| (session.date_production, session.dossier))
        .collect();
    days.sort();
    let newest = |nom: &str| days.iter().rev().find(|day| day.1 == nom).unwrap().0.clone();
    let (mut order, others): (Vec<_>, Vec<_>) =
        days.iter().cloned().partition(|(day, nom)| newest(nom) == *day);
    order.extend(others);
    let order: Vec<String> = order.into_iter().map(|(day, nom)| format!("{nom} {day}")).collect();
    assert!(order.len() > 60, "more than one batch: {}", order.len());
    assert_eq!(arrived, order);
}

#[test]
fn a_central_that_refuses_every_connection_is_reported_once_and_caught_up_with() {
    let mut scene = Scene::new(2);
    let proxy = scene.behind_proxy();
    scene.day();
    let running = scene.agent.run();
    running.wait_for_line("central: link up");
    proxy.refuse(true);
    proxy.cut();
    scene.days(3);
    running.wait_for_line("central: link down");
    wait::until("it was tried again", wait::PATIENCE, || proxy.refused() > 3);
    assert_eq!(scene.central_state(), "down");
    proxy.refuse(false);
    scene.wait_until_equal();
    let log = running.terminate().0.succeeded().stderr;
    assert_eq!(log.matches("central: link down").count(), 1, "{log}");
    assert_eq!(log.matches("central: link up").count(), 2, "{log}");
}

#[test]
fn a_central_that_accepts_and_stays_silent_holds_up_neither_collecting_nor_the_end() {
    let mut scene = Scene::new(3);
    let proxy = scene.behind_proxy();
    scene.day();
    let running = scene.agent.run();
    running.wait_for_line("central: link up");
    for silent in [true, false, true] {
        proxy.black_hole(silent);
        if !silent {
            // What fell into the hole is not sent again by anybody.
            proxy.cut();
        }
        scene.days(2);
        let sessions = scene.sessions();
        wait::until("the days are in the buffer", wait::PATIENCE, || {
            scene.agent.status_number("sessions") == sessions
        });
    }
    let (output, took) = running.terminate();
    output.succeeded();
    assert!(took.as_secs() < 5, "{took:?}");
    proxy.black_hole(false);
    proxy.cut();
    scene.assert_equal_after_once();
}

#[test]
fn once_ends_on_sigterm_while_central_keeps_silent() {
    let mut scene = Scene::new(4);
    let proxy = scene.behind_proxy();
    // Longer than the end may take, on however slow a machine: it never gives up by itself.
    scene.agent.set("central.connect_timeout", "60s");
    scene.agent.set("central.statement_timeout", "60s");
    scene.day();
    scene.once().succeeded();
    scene.day();
    proxy.cut_after(600);
    proxy.black_hole(true);
    let running = scene.agent.start(&["once"]);
    wait::until("the agent is connected", wait::PATIENCE, || proxy.connections() > 1);
    let (output, took) = running.terminate();
    assert!([0, 3].contains(&output.code), "{output}");
    assert!(took.as_secs() < 6, "{took:?}");
    proxy.forget_cut();
    proxy.black_hole(false);
    scene.assert_equal_after_once();
}

#[test]
fn a_central_that_restarts_in_a_loop_ends_equal() {
    let mut cluster = Cluster::start_new(&Options::default());
    let name = cluster.database().name;
    let mut scene = Scene::new(5);
    scene.agent.set("central.port", i64::from(cluster.port));
    scene.agent.set("central.database", name.as_str());
    let running = scene.agent.run();
    for round in 0..6 {
        scene.days(2);
        if round % 2 == 0 {
            cluster.stop()
        } else {
            cluster.kill()
        }
        scene.part_of_day();
        cluster.start();
        wait::any_moment(std::time::Duration::from_millis(150 * round));
    }
    let database = crate::support::postgres::Database { cluster: &cluster, name };
    let mut scene =
        Scene { folder: scene.folder, plant: scene.plant, database, agent: scene.agent };
    scene.wait_until_equal();
    running.terminate().0.succeeded();
}

#[test]
fn a_central_that_was_read_only_is_written_as_soon_as_it_may_be() {
    let mut scene = Scene::new(6);
    scene.day();
    scene.once().succeeded();
    let admin = scene.database.cluster.database();
    let name = scene.database.name.clone();
    let set = |value: &str| admin.psql(&format!("ALTER DATABASE {name} {value}"));
    set("SET default_transaction_read_only = on");
    let running = scene.agent.run();
    scene.days(2);
    let line = running.wait_for_line("central: link down");
    assert!(line.contains("read-only"), "{line}");
    let sessions = scene.sessions();
    wait::until("the days wait", wait::PATIENCE, || {
        scene.agent.status_number("sessions") == sessions
    });
    set("RESET default_transaction_read_only");
    scene.wait_until_equal();
    let log = running.terminate().0.succeeded().stderr;
    assert_eq!(log.matches("central: link down").count(), 1, "{log}");
}
