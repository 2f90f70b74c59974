//! What systemd hears of the service, and what its journal gets.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    agent::Agent,
    folder::Folder,
    manager::Manager,
    postgres::{Cluster, Options as ClusterOptions},
    preload, wait,
};

const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";
const WATCHDOG: Duration = Duration::from_millis(1500);

fn attended(mut agent: Agent, manager: &Manager) -> Agent {
    agent.set_environment("NOTIFY_SOCKET", manager.socket().to_str().unwrap());
    agent.set_environment("WATCHDOG_USEC", &WATCHDOG.as_micros().to_string());
    agent
}

fn folder_with_a_piece() -> Folder {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    folder
}

#[test]
fn the_manager_hears_ready_then_signs_of_life_and_a_status_then_stopping() {
    let folder = folder_with_a_piece();
    let manager = Manager::listening();
    let agent = attended(Agent::on_directory(folder.path()), &manager);
    let running = agent.run();
    manager.wait_for("READY=1");
    manager.wait_for("STATUS=all sources answer");
    // Longer than the watchdog's period: the loops rest, and resting is no hanging.
    wait::until("the watchdog is fed again and again", wait::PATIENCE, || {
        manager.count("WATCHDOG=1") > 6
    });
    running.terminate().0.succeeded();
    manager.wait_for("STOPPING=1");
    let heard = manager.heard();
    assert_eq!(heard[0], "READY=1", "{heard:?}");
    let stopping = heard.iter().position(|line| line == "STOPPING=1").unwrap();
    let ready = heard.iter().position(|line| line.contains("all sources")).unwrap();
    assert!(ready < stopping, "{heard:?}");
}

#[test]
fn the_status_line_tells_a_source_that_does_not_answer_and_a_central_that_is_away() {
    let mut cluster = Cluster::start_new(&ClusterOptions::default());
    let folder = folder_with_a_piece();
    let manager = Manager::listening();
    let mut agent = attended(Agent::on_directory(folder.path()), &manager);
    agent.set_central(&cluster.database().config());
    agent.once().succeeded();
    cluster.stop();
    folder.append("DEM12 (PVC)/20250603.LOG", b"20250603 05:01:00|@StukUitgevoerd: 2\n");
    let running = agent.run();
    manager.wait_for("central does not accept sessions, they wait in the buffer");
    cluster.start();
    manager.wait_for("all sources answer; central answers");
    std::fs::remove_dir_all(folder.path()).unwrap();
    manager.wait_for("no answer from source cu");
    running.terminate().0.succeeded();
}

#[test]
fn a_loop_that_hangs_is_named_and_the_watchdog_is_fed_no_more_though_the_other_loop_goes_on() {
    let folder = folder_with_a_piece();
    let cluster = Cluster::start_new(&ClusterOptions::default());
    let manager = Manager::listening();
    let mut agent =
        Agent::on_directory(folder.path()).central(&cluster.database()).with("schedule.poll", "1s");
    for key in ["connect_timeout", "statement_timeout"] {
        agent.set(&format!("central.{key}"), "1s");
    }
    let mut agent = attended(agent, &manager);
    let hanging = agent.dir().join("hanging");
    agent.set_environment("LD_PRELOAD", &preload::library(agent.dir(), "hanging_opendir"));
    agent.set_environment("HANG_OPENDIR_WHILE", hanging.to_str().unwrap());
    let mut running = agent.run();
    manager.wait_for("WATCHDOG=1");
    std::fs::write(&hanging, "").unwrap();
    let line = running.wait_for_line("is stuck");
    assert!(line.contains("collect") && line.contains("ERROR"), "{line}");
    // systemd would end it now. It must not be told otherwise for as long as that takes.
    let told = Instant::now();
    wait::until("the watchdog would strike", wait::PATIENCE, || told.elapsed() > WATCHDOG * 3);
    let last = manager.last("WATCHDOG=1").unwrap();
    assert!(last < told, "fed {:?} after the loop was found hanging", last - told);
    assert!(running.is_running());
}

#[test]
fn without_a_usable_configuration_it_ends_with_2_and_says_what_to_edit() {
    let manager = Manager::listening();
    let mut agent = attended(Agent::new(), &manager);
    agent.set("agent.colour", "red");
    let output = agent.run().output(wait::PATIENCE).exited(2).says("agent.colour");
    let file = agent.config_file();
    output.says(file.to_str().unwrap());
    manager.wait_for(&format!("STATUS=waiting for a usable {}: edit it", file.display()));
    assert_eq!(manager.count("READY=1"), 0);
}

/// Runs the binary with a standard error that JOURNAL_STREAM names, as systemd does, or names wrongly.
fn stderr_as_journal(agent: &Agent, arguments: &[&str], is_named: bool) -> String {
    agent.once(); // Writes the configuration.
    let stream =
        if is_named { "$(stat --dereference --format %d:%i /proc/self/fd/2)" } else { "1:1" };
    let script = format!("export JOURNAL_STREAM={stream}; exec \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cu-agent"), "--config"])
        .arg(agent.config_file())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn in_the_journal_every_line_has_a_priority_and_no_time_stamp() {
    let folder = folder_with_a_piece();
    let agent = Agent::on_directory(folder.path());
    folder.append("DEM12 (PVC)/20250603.LOG", b"20250603 05:01:00|@StukUitgevoerd: 2\n");
    std::fs::remove_dir_all(folder.path().join("SU12 (HYBRIDE)")).unwrap();
    let log = stderr_as_journal(&agent, &["once"], true);
    assert!(!log.is_empty());
    for line in log.lines() {
        assert!(["<3>", "<4>", "<6>"].iter().any(|one| line.starts_with(one)), "{line}");
        assert!(!line.contains("INFO") && !line.contains("20:"), "{line}");
    }
    assert!(log.lines().any(|line| line.starts_with("<4>") && line.contains("SU12")), "{log}");
}

#[test]
fn a_refused_configuration_is_an_error_in_the_journal_on_each_of_its_lines() {
    let agent = Agent::new().with("agent.colour", "red");
    let log = stderr_as_journal(&agent, &["run"], true);
    assert!(log.lines().count() > 1, "{log}");
    assert!(log.lines().all(|line| line.starts_with("<3>")), "{log}");
}

#[test]
fn a_standard_error_that_is_not_the_journal_keeps_its_time_stamps() {
    let folder = folder_with_a_piece();
    let log = stderr_as_journal(&Agent::on_directory(folder.path()), &["once"], false);
    assert!(log.lines().all(|line| line.starts_with("20")), "{log}");
    assert!(!log.contains("<6>"), "{log}");
}
