//! `cu-agent run`: polls, ends on a signal, holds its buffer alone, tells its health.

use std::{net::TcpListener, time::Duration};

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Options, Vsftpd},
    golden,
    postgres::Database,
    rows::{assert_same, central_sessions, truth},
    wait,
};

const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";

fn agent_with_one_session() -> (Agent, Folder) {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    (agent, folder)
}

#[test]
fn health_is_1_while_nothing_runs_and_0_while_the_service_does_its_work() {
    let (agent, _folder) = agent_with_one_session();
    agent.command(&["health"]).exited(1);
    let running = agent.run();
    wait::until("the service is healthy", wait::PATIENCE, || agent.command(&["health"]).code == 0);
    running.terminate().0.succeeded();
    agent.command(&["health"]).exited(1);
}

#[test]
fn a_second_process_on_one_buffer_says_who_holds_it() {
    let (agent, _folder) = agent_with_one_session();
    let running = agent.run();
    running.wait_for_line("cycle:");
    for command in [&["run"][..], &["once"], &["replay"]] {
        agent.command(command).exited(1).says(&running.id().to_string());
    }
    // Looking is allowed.
    agent.command(&["status"]).succeeded();
    agent.command(&["sessions"]).succeeded();
    running.terminate().0.succeeded();
    agent.once().succeeded();
}

#[test]
fn a_lock_left_by_a_killed_process_holds_nobody_up() {
    let (agent, _folder) = agent_with_one_session();
    let running = agent.run();
    running.wait_for_line("cycle:");
    running.kill();
    agent.once().succeeded();
}

const SOON: Duration = Duration::from_secs(5);

#[test]
fn sigterm_and_sigint_end_an_idle_service_at_once() {
    let (agent, _folder) = agent_with_one_session();
    let running = agent.run();
    running.wait_for_line("cycle:");
    let (output, took) = running.terminate();
    output.succeeded();
    assert!(took < SOON, "{took:?}");
    let running = agent.run();
    running.wait_for_line("cycle:");
    running.signal("INT");
    running.output(SOON).succeeded();
}

#[test]
fn sigterm_during_a_cycle_ends_it_within_5_seconds_and_nothing_is_lost() {
    let case = golden::case("clean");
    let folder = Folder::of_case(&case);
    // Many files, so that the cycle is under way when the signal comes.
    for number in 0..200 {
        let file = &case.files[number % case.files.len()];
        folder.put(&format!("{}/copie {number}.LOG", file.folder), &file.bytes);
    }
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    let running = agent.run();
    running.wait_for_line(".LOG");
    let (output, took) = running.terminate();
    output.succeeded();
    assert!(took < SOON, "{took:?}");
    agent.once().succeeded();
    assert_same("afterwards", &central_sessions(&database), &truth(&case));
}

#[test]
fn sigterm_while_an_ftp_server_keeps_silent_ends_within_5_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Vsftpd::start(Options::default());
    let mut agent = Agent::on_ftp(&server);
    agent.set("source.0.port", i64::from(silent.local_addr().unwrap().port()));
    let running = agent.run();
    let (_open, _) = silent.accept().unwrap();
    let (output, took) = running.terminate();
    output.succeeded();
    assert!(took < SOON, "{took:?}");
}

#[test]
fn sigterm_while_central_keeps_silent_ends_within_5_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let database = Database::fresh();
    let (mut agent, _folder) = agent_with_one_session();
    agent.set_central(&database.config());
    agent.set("central.port", i64::from(silent.local_addr().unwrap().port()));
    let running = agent.run();
    let (_open, _) = silent.accept().unwrap();
    let (output, took) = running.terminate();
    output.succeeded();
    assert!(took < SOON, "{took:?}");
}

#[test]
fn the_service_reads_what_is_new_at_every_poll_and_syncs_it() {
    let (mut agent, folder) = agent_with_one_session();
    let database = Database::fresh();
    agent.set_central(&database.config());
    agent.once().succeeded();
    let running = agent.run();
    folder.append("DEM12 (PVC)/20250603.LOG", b"20250603 05:01:00|@StukUitgevoerd: 2\n");
    wait::until("the new line is in central", wait::PATIENCE, || {
        central_sessions(&database).first().is_some_and(|s| s.total_pieces == 2)
    });
    running.terminate().0.succeeded();
}
