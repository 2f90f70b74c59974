//! A card that became read-only, as Linux makes one that fails: a real ext4 file system that is aborted
//! while the real binary works on it. Shown everywhere; what was read stays readable; nothing is lost.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::faults_buffer::{Mounted, run};
use crate::support::{
    agent::Agent,
    folder::Folder,
    http,
    postgres::Database,
    wait,
    webhook::{Manner, Webhook},
};

const ONE: &[u8] = b"20250610 05:00:00|@StukUitgevoerd: 1 A\n";
const TWO: &[u8] = b"20250611 05:00:00|@StukUitgevoerd: 1 A\n";

fn agent(folder: &Folder, database: &Database<'_>) -> Agent {
    folder.put("DEM12 (PVC)/20250610.LOG", ONE);
    Agent::on_directory(folder.path()).central(database).with("schedule.poll", "1s")
}

/// An ext4 file system in `image`, mounted at `at`.
fn card(image: &Path, at: &Path) -> Mounted {
    if !image.exists() {
        fs::File::create(image).unwrap().set_len(16 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image));
    }
    fs::create_dir_all(at).unwrap();
    run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(at));
    Mounted::at(at)
}

/// What the kernel does when it can no longer trust the card.
fn fail(at: &Path) {
    run(Command::new("mount").args(["-o", "remount,abort"]).arg(at));
}

fn remount(at: &Path, how: &str) {
    run(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(at));
}

/// What `status` shows of a card that nothing can be written to.
fn assert_shown(agent: &Agent, sessions: i64) {
    let status = agent.command(&["status"]).exited(1);
    let status =
        status.says("is read-only").says("dmesg").says(&format!("{sessions} in the buffer"));
    assert_eq!(status.stdout.matches("read-only").count(), 1, "{status}");
    let json = agent.command(&["status", "--json"]).exited(1).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["disk_read_only"], &json["sessions"]), (&true.into(), &sessions.into()));
    agent.command(&["check"]).exited(1).says("FAIL  disk: ").says("is read-only");
    let once = agent.once().exited(1).says("is read-only").says("agent.state_dir").says("dmesg");
    once.does_not_say("owner");
    agent.command(&["sessions"]).succeeded().says("2025-06-10");
}

#[test]
fn a_card_that_became_read_only_under_the_service_shows_everywhere_and_loses_nothing() {
    let (folder, database) = (Folder::of_three_machines(), Database::fresh());
    let webhook = Webhook::start(Manner::Well);
    let mut agent = agent(&folder, &database).with("status.listen", "127.0.0.1:0");
    agent.set("alarms.url", webhook.url("/topic"));
    agent.set("alarms.disk_free", "0B");
    let image = agent.dir().join("card");
    let disk = card(&image, &agent.state_dir());
    let running = agent.run();
    wait::until("the first day is in central", wait::PATIENCE, || {
        agent.status_number("sessions") == 1 && agent.status_number("pending_sessions") == 0
    });
    agent.command(&["status"]).succeeded().does_not_say("read-only");
    let page = running.page();
    assert!(http::get(page, "/metrics").body.contains("\ncu_agent_disk_read_only 0\n"));
    fail(&agent.state_dir());
    folder.put("DEM12 (PVC)/20250611.LOG", TWO);
    let said = running.wait_for_line("is read-only");
    assert!(said.contains("ERROR") && said.contains("dmesg"), "{said}");
    assert_shown(&agent, 1);
    agent.command(&["health"]).exited(1).says("is read-only");
    assert!(http::get(page, "/healthz").is(503).body.contains("is read-only"));
    // An answer is kept for a moment.
    wait::until("metrics and page show it", wait::PATIENCE, || {
        http::get(page, "/metrics").body.contains("\ncu_agent_disk_read_only 1\n")
            && http::get(page, "/").is(200).body.contains("lecture seule")
    });
    let alarm = webhook.wait_for("raised disk-read-only");
    assert!(alarm.json()["message"].as_str().unwrap().contains("lecture seule"));
    let (output, _) = running.terminate();
    let errors: Vec<&str> = output.stderr.lines().filter(|line| line.contains("[ERROR]")).collect();
    assert!(errors.len() <= 2, "a lasting failure is told once: {errors:#?}");
    assert_eq!(output.stderr.matches("is read-only").count(), 1, "{output}");
    // Nobody works on it now, and a write-ahead log lies beside the buffer.
    assert_shown(&agent, 1);
    agent.command(&["run"]).exited(1).says("is read-only").says("dmesg");
    drop(disk);
    // The card is repaired.
    let _disk = card(&image, &agent.state_dir());
    agent.once().succeeded();
    assert_eq!(database.count("session_production"), 2);
    agent.command(&["check"]).succeeded();
    agent.command(&["status"]).succeeded();
}

#[test]
fn a_buffer_that_was_closed_is_shown_from_a_read_only_card_and_a_new_one_is_not_begun() {
    let (folder, database) = (Folder::of_three_machines(), Database::fresh());
    let mut agent = agent(&folder, &database);
    // What a name may hold that an address of SQLite's does not take.
    let state_dir = agent.dir().join("état ?immutable=0#%20");
    agent.set("agent.state_dir", state_dir.to_str().unwrap());
    let _disk = card(&agent.dir().join("card"), &state_dir);
    remount(&state_dir, "ro");
    agent.once().exited(1).says("is read-only").says("agent.state_dir");
    agent.command(&["status"]).exited(1).says("is read-only").says("0 in the buffer");
    agent.command(&["check"]).exited(1).says("is read-only");
    remount(&state_dir, "rw");
    agent.once().succeeded();
    assert!(!state_dir.join("buffer.db-wal").exists(), "the buffer was closed");
    remount(&state_dir, "ro");
    assert_shown(&agent, 1);
    remount(&state_dir, "rw");
    folder.put("DEM12 (PVC)/20250611.LOG", TWO);
    agent.once().succeeded();
    assert_eq!(database.count("session_production"), 2);
}

#[test]
fn the_service_goes_on_by_itself_when_the_card_can_be_written_again() {
    let (folder, database) = (Folder::of_three_machines(), Database::fresh());
    let agent = agent(&folder, &database);
    fs::create_dir_all(agent.state_dir()).unwrap();
    let running = agent.run();
    wait::until("the first day is in central", wait::PATIENCE, || {
        agent.status_number("sessions") == 1 && agent.status_number("pending_sessions") == 0
    });
    // The kernel refuses to take writing from a file system with open files, unless it fails; over the
    // directory it may lay the same one, to be read only.
    run(Command::new("mount").arg("--bind").arg(agent.state_dir()).arg(agent.state_dir()));
    let cover = Mounted::at(&agent.state_dir());
    remount(&agent.state_dir(), "bind,ro");
    running.wait_for_line("is read-only");
    folder.put("DEM12 (PVC)/20250611.LOG", TWO);
    agent.command(&["health"]).exited(1).says("is read-only");
    drop(cover);
    running.wait_for_line("the buffer works again");
    wait::until("the second day is in central", wait::PATIENCE, || {
        database.count("session_production") == 2
    });
    let (output, _) = running.terminate();
    let output = output.succeeded();
    assert_eq!(output.stderr.matches("[ERROR]").count(), 1, "{output}");
    agent.command(&["status"]).succeeded();
}
