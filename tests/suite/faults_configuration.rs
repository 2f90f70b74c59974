//! Machines removed, renamed or moved to another source while their sessions wait: the backlog is
//! delivered all the same.

use crate::support::{
    agent::Agent,
    folder::Folder,
    golden::{self, Expected},
    net::free_port,
    postgres::Database,
    rows::{assert_same, buffer_sessions, central_sessions, truth},
    truth,
};

/// An agent whose central cannot be reached, with the sessions of `clean` waiting.
fn with_backlog(folder: &Folder, database: &Database<'_>) -> Agent {
    let mut agent = Agent::on_directory(folder.path()).central(database);
    agent.set("central.port", i64::from(free_port()));
    agent.once().exited(3);
    assert_eq!(agent.status_number("pending_sessions"), 6);
    agent
}

fn central_is_back(agent: &mut Agent, database: &Database<'_>) {
    agent.set("central.port", i64::from(database.config().port));
    agent.once().succeeded();
    assert_eq!(agent.status_number("pending_sessions"), 0);
}

fn sorted(mut sessions: Vec<Expected>) -> Vec<Expected> {
    sessions
        .sort_by(|a, b| (&a.dossier, &a.date_production).cmp(&(&b.dossier, &b.date_production)));
    sessions
}

#[test]
fn sessions_of_a_machine_that_was_removed_are_still_delivered() {
    let case = golden::case("clean");
    let (folder, database) = (Folder::of_case(&case), Database::fresh());
    let mut agent = with_backlog(&folder, &database);
    agent.map_folders(0, &[("SU12 (HYBRIDE)", "SU12")]);
    central_is_back(&mut agent, &database);
    assert_same("all three machines", &central_sessions(&database), &truth(&case));
}

#[test]
fn sessions_of_a_source_that_was_removed_are_still_delivered() {
    let case = golden::case("clean");
    let (folder, database) = (Folder::of_case(&case), Database::fresh());
    let mut agent = with_backlog(&folder, &database);
    let empty = Folder::of_three_machines();
    agent.set("source.0.name", "autre");
    agent.set("source.0.path", empty.path().to_str().unwrap());
    central_is_back(&mut agent, &database);
    assert_same("all three machines", &central_sessions(&database), &truth(&case));
}

#[test]
fn a_renamed_machine_keeps_its_backlog_under_the_old_name_and_goes_on_under_the_new_one() {
    let case = golden::case("clean");
    let (folder, database) = (Folder::of_case(&case), Database::fresh());
    let mut agent = with_backlog(&folder, &database);
    agent.map_folders(
        0,
        &[("DEM12 (PVC)", "DEM12 bis"), ("DEMALU (ALU)", "DEMALU"), ("SU12 (HYBRIDE)", "SU12")],
    );
    central_is_back(&mut agent, &database);
    assert_same("the backlog", &central_sessions(&database), &truth(&case));
    // The file that goes on is the new name's, from its first line.
    let file = case.files.iter().rfind(|file| file.folder == "DEM12 (PVC)").unwrap();
    let more = b"20250527 23:30:00|@StukUitgevoerd: tard\n";
    folder.append(&format!("{}/{}", file.folder, file.name), more);
    agent.once().succeeded();
    let mut wanted = truth(&case);
    wanted.extend(truth::of_machine("DEM12 bis", &[[&file.bytes[..], more].concat()]));
    assert_same("both names", &central_sessions(&database), &sorted(wanted));
}

#[test]
fn a_file_of_a_renamed_machine_still_leaves_only_when_it_is_in_central() {
    let case = golden::case("clean");
    let (folder, database) = (Folder::of_case(&case), Database::fresh());
    for file in &case.files {
        let time = format!("2025-05-{} 22:00:00", &file.name[6..8]);
        folder.date(&format!("{}/{}", file.folder, file.name), &time);
    }
    let mut agent = with_backlog(&folder, &database);
    agent.map_folders(0, &[("DEM12 (PVC)", "DEM12 bis")]);
    agent.set("source.0.delete", "after-sync");
    agent.set("schedule.file_quiet", "0s");
    let name = "DEM12 (PVC)/20250526.LOG";
    let more = b"20250526 23:30:00|@StukUitgevoerd: tard\n";
    folder.append(name, more);
    folder.date(name, "2025-05-26 23:30:00");
    // What is read whole for the new name waits for a LOG that is begun after it.
    let next = b"20250528 05:00:00|@StukUitgevoerd: 1\n";
    folder.put("DEM12 (PVC)/20250528.LOG", next);
    folder.date("DEM12 (PVC)/20250528.LOG", "2025-05-28 05:00:00");
    for _ in 0..2 {
        agent.once().exited(3);
    }
    assert!(folder.exists(name), "nothing of it is in central");
    central_is_back(&mut agent, &database);
    for _ in 0..2 {
        agent.once().succeeded();
    }
    assert!(!folder.exists(name), "all of it is in central");
    let mut wanted = truth(&case);
    let files = [[&case.files[0].bytes[..], more].concat(), next.to_vec()];
    wanted.extend(truth::of_machine("DEM12 bis", &files));
    assert_same("both names", &central_sessions(&database), &sorted(wanted));
}

#[test]
fn a_machine_that_moved_to_another_source_has_every_line_once() {
    let case = golden::case("clean");
    let (folder, database) = (Folder::of_case(&case), Database::fresh());
    let mut agent = with_backlog(&folder, &database);
    // The new server got copies of what the old one had, one of them longer by now.
    let moved = Folder::empty();
    let more = b"20250527 23:30:00|@StukUitgevoerd: tard\n";
    let mut files = Vec::new();
    for file in case.files.iter().filter(|file| file.folder == "DEM12 (PVC)") {
        let last = if file.name == "20250527.LOG" { &more[..] } else { b"" };
        files.push([&file.bytes[..], last].concat());
        moved.put(&format!("Machine 12/{}", file.name), files.last().unwrap());
    }
    agent.map_folders(0, &[("DEMALU (ALU)", "DEMALU"), ("SU12 (HYBRIDE)", "SU12")]);
    agent.add_directory("nouveau", moved.path());
    agent.map_folders(1, &[("Machine 12", "DEM12")]);
    central_is_back(&mut agent, &database);
    let mut wanted = truth(&case);
    wanted.retain(|session| session.dossier != "DEM12");
    wanted.extend(truth::of_machine("DEM12", &files));
    let wanted = sorted(wanted);
    assert_same("central", &central_sessions(&database), &wanted);
    assert_same("the buffer", &buffer_sessions(&agent), &wanted);
}
