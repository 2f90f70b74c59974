//! A disk that refuses to make durable what was written: it counts as lost, and is done again.

use std::fs;

use crate::support::{
    agent::Agent,
    folder::Folder,
    golden,
    postgres::Database,
    preload,
    rows::{assert_same, central_sessions, truth},
    wait,
};

#[test]
fn an_io_error_on_fsync_counts_as_lost_and_the_work_goes_on_when_the_disk_does() {
    let case = golden::case("clean");
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let mut agent =
        Agent::on_directory(folder.path()).central(&database).with("schedule.poll", "1s");
    let dying = agent.dir().join("dying");
    agent.set_environment("LD_PRELOAD", &preload::library(agent.dir(), "failing_fsync"));
    agent.set_environment("FAIL_FSYNC_WHILE", dying.to_str().unwrap());
    let running = agent.run();
    running.wait_for_line("cycle:");
    fs::write(&dying, "").unwrap();
    folder.put_case(&case);
    let said = running.wait_for_line("ERROR");
    assert!(said.contains("buffer.db") && said.contains("disk I/O error"), "{said}");
    assert_eq!(agent.status_number("sessions"), 0, "nothing that is not durable is shown as kept");
    fs::remove_file(&dying).unwrap();
    wait::until("all is in central", wait::PATIENCE, || {
        database.count("session_production") == 6 && agent.status_number("pending_sessions") == 0
    });
    let log = running.terminate().0.succeeded().stderr;
    assert!(log.contains("works again"), "{log}");
    assert!(log.matches("ERROR").count() < 10, "a lasting failure is told once\n{log}");
    assert_same("after the failing disk", &central_sessions(&database), &truth(&case));
    agent.command(&["check"]).succeeded();
}
