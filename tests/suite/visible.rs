//! A failure of a folder or a file shows in every place where one can look: the exit code of `once`,
//! `status`, `status --json`, the page, `/metrics`; and where nothing of a machine can be read, in
//! `health` and as an alarm.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    thread,
};

use serde_json::Value;

use crate::support::{
    agent::{Agent, FOLDERS},
    folder::Folder,
    ftp::{Quirks, Script, ScriptedFtp},
    http, wait,
    webhook::{Manner, Webhook},
};

const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";
const DEM12: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";
/// What a server says that wants data connections to resume the session.
const NOT_RESUMED: &str = "450 TLS session of data connection has not resumed";

fn three_machines() -> Script {
    FOLDERS.iter().fold(Script::default(), |script, (folder, ..)| script.file(folder, LOG, PIECE))
}

/// One kind of failure of DEM12, and where it must show.
struct Case {
    what: &'static str,
    script: Script,
    kind: &'static str,
    /// What people must be able to read of it.
    words: &'static str,
    /// Nothing of the machine can be read.
    hides: bool,
}

fn cases() -> Vec<Case> {
    let mut without = three_machines();
    without.tree.remove(DEM12.as_bytes());
    let refused = |script: Script| {
        script.file(DEM12, "20250604.LOG", PIECE).answer("RETR 20250604.LOG", "550 \x1b[31mno")
    };
    let mut only_refused = refused(three_machines());
    only_refused.tree.get_mut(DEM12.as_bytes()).unwrap().remove(LOG.as_bytes());
    let of = |what, script, kind, words, hides| Case { what, script, kind, words, hides };
    vec![
        of("a missing folder", without, "folder-missing", "the folder is missing", true),
        of(
            "a folder that cannot be listed",
            three_machines().unlisted(DEM12, "550 Permission denied"),
            "folder-not-listed",
            "550 Permission denied",
            true,
        ),
        of(
            "a folder whose data connection does not resume the TLS session",
            three_machines().unlisted(DEM12, NOT_RESUMED),
            "folder-not-listed",
            NOT_RESUMED,
            true,
        ),
        of(
            "a folder whose only file is refused",
            only_refused,
            "no-file-read",
            "none can be read",
            true,
        ),
        of("a file that is refused", refused(three_machines()), "file-not-read", "550", false),
        of(
            "a file without one readable line",
            three_machines().file(DEM12, "20250604.LOG", b"\x00\x01\x02 no line at all\n"),
            "no-line-read",
            "none of its lines",
            false,
        ),
    ]
}

fn agent_on(server: &ScriptedFtp) -> Agent {
    let mut agent = Agent::new();
    agent.add_ftp("cu", &server.config());
    agent.set("schedule.poll", "200ms");
    agent
}

/// The trouble of that kind in DEM12 as programs see it.
fn trouble(status: &Value, kind: &str) -> Option<Value> {
    let all = status["troubles"].as_array()?;
    let is_it = |one: &&Value| one["kind"] == kind && one["folder"] == DEM12;
    all.iter().find(is_it).cloned()
}

#[test]
fn a_failure_of_a_folder_or_file_shows_wherever_one_looks() {
    thread::scope(|scope| {
        for case in cases() {
            scope.spawn(move || shows_everywhere(case));
        }
    });
}

fn shows_everywhere(Case { what, script, kind, words, hides }: Case) {
    let server = ScriptedFtp::start(script);
    let webhook = Webhook::start(Manner::Well);
    let mut agent = agent_on(&server);
    agent.once().exited(3).says("DEM12").says(words);
    let shown = trouble(&agent.status_json(), kind).unwrap_or_else(|| panic!("{what}: JSON"));
    assert!(shown["text"].as_str().unwrap().contains(words), "{what}: {shown}");
    assert_ne!(shown["since"].as_str().unwrap(), "", "{what}");
    let text = agent.command(&["status"]).succeeded().says(DEM12).says(words);
    assert!(!text.stdout.contains('\x1b'), "{what}: {text}");
    assert_eq!(text.stdout.contains("machine DEM12 unknown since"), hides, "{what}: {text}");

    agent.set("status.listen", "127.0.0.1:0");
    agent.set("agent.language", "en");
    agent.set("alarms.url", webhook.url("/alarms"));
    agent.set("alarms.source_after", "1s");
    agent.set("alarms.silent_after", "2s");
    agent.set("alarms.working_hours", "00:00-00:00");
    agent.set("alarms.working_days", "mon tue wed thu fri sat sun");
    let running = agent.run();
    let page = running.page();
    wait::until(&format!("{what} shows in the metrics"), wait::PATIENCE, || {
        let metrics = http::get(page, "/metrics").body;
        let readable = u8::from(!hides);
        metrics.contains(&format!(
            "cu_agent_machine_readable{{source=\"cu\",machine=\"DEM12\"}} {readable}\n"
        )) && metrics.contains(&format!("cu_agent_troubles{{source=\"cu\",kind=\"{kind}\"}} 1\n"))
    });
    let body = http::get(page, "/?lang=en").body;
    assert!(body.contains(DEM12) && body.contains(words), "{what} on the page: {body}");
    let state = body.split("data-nom=\"DEM12\"").nth(1).unwrap();
    let state = state.split("data-state=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(state, if hides { "unknown" } else { "silent" }, "{what}");
    if hides {
        wait::until(&format!("{what} shows in health"), wait::PATIENCE, || {
            let output = agent.command(&["health"]);
            output.code == 1 && output.stderr.contains("DEM12") && output.stderr.contains(words)
        });
        webhook.wait_for("raised machine-unreadable DEM12");
        webhook.wait_for("raised machine-silent SU12");
        let told = webhook.told();
        assert!(!told.iter().any(|one| one.contains("silent DEM12")), "{what}: {told:?}");
    } else {
        assert_eq!(agent.command(&["health"]).code, 0, "{what}");
    }
    running.terminate().0.succeeded();
}

#[test]
fn what_could_be_read_again_shows_nowhere_any_more() {
    let server = ScriptedFtp::start(three_machines().unlisted(DEM12, "550 Permission denied"));
    let agent = agent_on(&server);
    agent.once().exited(3);
    server.script().folder_answers.clear();
    agent.once().succeeded().says("resolved: the folder cannot be listed");
    assert_eq!(agent.status_json()["troubles"], serde_json::json!([]));
    agent.command(&["status"]).succeeded().does_not_say("cannot be read");
}

#[test]
fn once_that_reaches_none_of_its_folders_ends_with_1() {
    let nothing = ScriptedFtp::start(Script::default().folder("another"));
    agent_on(&nothing).once().exited(1).says("the folder is missing");
    let unlisted = FOLDERS.iter().fold(three_machines(), |script, (folder, ..)| {
        script.unlisted(folder, "550 Permission denied")
    });
    let server = ScriptedFtp::start(unlisted);
    agent_on(&server).once().exited(1).says("Permission denied").does_not_say("100 %");
}

#[test]
fn a_listing_answered_with_450_is_a_failure_for_check_once_and_the_service() {
    let server = ScriptedFtp::start(three_machines().unlisted(DEM12, NOT_RESUMED));
    let mut agent = agent_on(&server);
    agent.set("status.listen", "127.0.0.1:0");
    agent.command(&["check"]).exited(1).says(DEM12).says(NOT_RESUMED);
    let running = agent.run();
    let line = running.wait_for_line("the folder cannot be listed");
    assert!(line.contains(DEM12) && line.contains(NOT_RESUMED), "{line}");
    wait::until("health calls it ill", wait::PATIENCE, || {
        let output = agent.command(&["health"]);
        output.code == 1 && output.stderr.contains("DEM12") && output.stderr.contains(NOT_RESUMED)
    });
    running.terminate().0.succeeded();
    agent.once().exited(3).says(NOT_RESUMED).does_not_say("100 %");
    let shown = trouble(&agent.status_json(), "folder-not-listed").unwrap();
    assert!(shown["text"].as_str().unwrap().contains(NOT_RESUMED), "{shown}");
    // The other two machines are read all the same.
    assert_eq!(agent.status_number("sessions"), 2);
}

#[test]
fn an_empty_mlsd_is_no_empty_folder_where_another_way_is_full_or_fails() {
    let quirks = Quirks { empty_mlsd: true, ..Quirks::default() };
    let server = ScriptedFtp::start(Script { quirks, ..three_machines() });
    let agent = agent_on(&server);
    for verb in ["LIST", "NLST"] {
        server.script().answers.insert(verb.into(), NOT_RESUMED.into());
    }
    agent.once().exited(1).says(NOT_RESUMED).does_not_say("100 %");
    agent.command(&["check"]).exited(1).says(NOT_RESUMED);
    assert!(trouble(&agent.status_json(), "folder-not-listed").is_some());
    server.script().answers.clear();
    agent.once().succeeded();
    assert_eq!(agent.status_number("sessions"), 3);
    agent.command(&["check"]).says("all 3 mapped folders exist").does_not_say("FAIL");
}

#[test]
fn a_server_that_refuses_every_listing_is_up_and_ill_and_one_that_refuses_its_root_is_read() {
    let server = ScriptedFtp::start(
        FOLDERS.iter().fold(three_machines().unlisted("", NOT_RESUMED), |script, (folder, ..)| {
            script.unlisted(folder, NOT_RESUMED)
        }),
    );
    let mut agent = agent_on(&server);
    agent.set("status.listen", "127.0.0.1:0");
    let running = agent.run();
    wait::until("health calls it ill", wait::PATIENCE, || {
        let output = agent.command(&["health"]);
        output.code == 1 && output.stderr.contains(NOT_RESUMED)
    });
    agent.command(&["check"]).exited(1).says(NOT_RESUMED);
    for (folder, ..) in FOLDERS {
        server.script().folder_answers.remove(folder.as_bytes());
    }
    running.wait_for_line("resolved: the folder cannot be listed");
    wait::until("all are read", wait::PATIENCE, || agent.status_number("sessions") == 3);
    let (output, _) = running.terminate();
    let told = output.stderr.lines().filter(|line| line.contains("the root folder")).count();
    assert_eq!(told, 1, "{output}");
}

#[test]
fn check_lists_every_folder_and_fails_where_a_collection_would() {
    let server = ScriptedFtp::start(three_machines().unlisted(DEM12, "550 Permission denied"));
    let agent = agent_on(&server);
    let output = agent.command(&["check"]).exited(1);
    let line = output.stdout.lines().find(|line| line.starts_with("FAIL")).unwrap();
    assert!(line.contains(DEM12) && line.contains("550 Permission denied"), "{output}");
}

#[test]
fn check_notes_a_root_that_cannot_be_listed_and_fails_only_for_a_mapped_folder() {
    let server = ScriptedFtp::start(three_machines().unlisted("", "550 Permission denied"));
    let agent = agent_on(&server);
    let output = agent.command(&["check"]).succeeded().does_not_say("FAIL");
    let note = output.stdout.lines().find(|line| line.contains("the root folder")).unwrap();
    assert!(note.starts_with("note") && note.contains("550 Permission denied"), "{output}");
    output.says("all 3 mapped folders exist").says(", REST, SIZE");
    agent.once().succeeded();

    server.script().folder_answers.insert(DEM12.into(), NOT_RESUMED.into());
    let output = agent.command(&["check"]).exited(1).does_not_say("mapped folders exist");
    let failed: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.len() == 1 && failed[0].contains(DEM12), "{output}");
    server.script().tree.remove(DEM12.as_bytes());
    agent.command(&["check"]).exited(1).says("FAIL").says(DEM12);
}

/// Bytes, and a few more lines that the agent has not seen.
fn grown(bytes: &[u8]) -> Vec<u8> {
    [bytes, b"20250603 06:00:00|@StukUitgevoerd: 2 B\n"].concat()
}

#[test]
fn a_log_that_was_renamed_before_it_was_read_to_its_end_is_told_once_and_shows() {
    for renamed in ["20250603.LOG.1", "20250603.BAK", "20250603.log~", "20250603 (old).txt"] {
        let folder = Folder::of_three_machines();
        folder.put(&format!("{DEM12}/{LOG}"), PIECE);
        folder.put(&format!("{DEM12}/Thumbs.db"), PIECE);
        let mut agent = Agent::on_directory(folder.path());
        agent.set("schedule.poll", "100ms");
        agent.once().succeeded();
        // All of it was read: nothing is lost with it.
        folder.rename(&format!("{DEM12}/{LOG}"), &format!("{DEM12}/{renamed}"));
        agent.once().succeeded().does_not_say(renamed);
        agent.command(&["check"]).succeeded().does_not_say(renamed);
        // It had grown before it was renamed, and its successor is there already.
        folder.put(&format!("{DEM12}/{renamed}"), &grown(PIECE));
        folder.put(&format!("{DEM12}/{LOG}"), b"20250603 07:00:00|@MachineStop\n");
        let output = agent.once().exited(3).says(renamed);
        let warned = output.stderr.lines().filter(|line| line.contains("WARN")).count();
        assert_eq!(warned, 1, "{output}");
        let shown = trouble(&agent.status_json(), "renamed-log").unwrap();
        assert_eq!(shown["file"], renamed);
        agent.command(&["status"]).succeeded().says(renamed);
        agent.command(&["check"]).exited(1).says(renamed).says("ends in .LOG");
        let running = agent.run();
        running.wait_for_nth_line("cycle:", 3);
        assert!(!running.log().contains(renamed), "told once: {}", running.log());
        running.terminate().0.succeeded();
        // Done as told: its lines are read.
        folder.rename(&format!("{DEM12}/{renamed}"), &format!("{DEM12}/20250603_1.LOG"));
        agent.once().succeeded().says("resolved");
        assert!(trouble(&agent.status_json(), "renamed-log").is_none());
        let pieces = agent.sessions_json()[0]["pieces"].as_array().unwrap().len();
        assert_eq!(pieces, 2, "{renamed}");
    }
}

#[test]
fn a_renamed_log_is_told_on_every_way_of_listing_a_server() {
    for refused in [&[][..], &["MLSD"], &["MLSD", "LIST"]] {
        let mut script = three_machines();
        for command in refused {
            script = script.answer(command, "502 not here");
        }
        let server = ScriptedFtp::start(script);
        let agent = agent_on(&server);
        agent.once().succeeded();
        let of_dem12 = |script: &mut Script| {
            script.tree.get_mut(DEM12.as_bytes()).unwrap().remove(LOG.as_bytes());
            std::mem::take(script).file(DEM12, "20250603.LOG.1", &grown(PIECE))
        };
        let mut script = server.script();
        *script = of_dem12(&mut script);
        drop(script);
        agent.once().exited(3).says("20250603.LOG.1");
    }
}

#[test]
fn a_folder_that_the_agent_may_not_write_fails_the_check_if_logs_are_to_be_deleted() {
    let folder = Folder::of_three_machines();
    let mut agent = Agent::on_directory(folder.path());
    fs::create_dir(agent.state_dir()).unwrap();
    chown(agent.state_dir(), Some(54_321), Some(54_321)).unwrap();
    for path in [agent.dir(), folder.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    agent.command(&["check"]).succeeded();
    agent.set("source.0.delete", "after-sync");
    let output = agent.command(&["check"]).exited(1);
    let output = output.says(DEM12).says("could not be deleted").says("user 54321");
    assert_eq!(output.stdout.matches("FAIL").count(), 3, "{output}");
    for (name, ..) in FOLDERS {
        fs::set_permissions(folder.file(name), fs::Permissions::from_mode(0o1777)).unwrap();
    }
    agent.command(&["check"]).succeeded();
    folder.put(&format!("{DEM12}/{LOG}"), PIECE);
    agent.command(&["check"]).exited(1).says("sticky bit").says(LOG);
    chown(folder.file(&format!("{DEM12}/{LOG}")), Some(54_321), None).unwrap();
    agent.command(&["check"]).succeeded();
}

#[test]
fn a_name_in_a_listing_that_cannot_be_used_is_told_once_and_shows() {
    let folder = Folder::of_three_machines();
    folder.put(&format!("{DEM12}/{LOG}"), PIECE);
    folder.put(&format!("{DEM12}/2025\n0604.LOG"), PIECE);
    let agent = Agent::on_directory(folder.path());
    let output = agent.once().exited(3);
    let warned = output.stderr.lines().filter(|line| line.contains("WARN")).count();
    assert_eq!(warned, 1, "{output}");
    agent.command(&["check"]).exited(1).says("2025 0604.LOG");
    let shown = trouble(&agent.status_json(), "listing-not-read").unwrap();
    assert!(shown["text"].as_str().unwrap().contains("2025 0604.LOG"), "{shown}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_once_for_each_reason_and_once_when_it_is_read_again() {
    let refusing = |answer: &str| three_machines().answer("RETR", answer);
    let server = ScriptedFtp::start(refusing("550 no access"));
    let mut agent = agent_on(&server);
    agent.set("schedule.poll", "100ms");
    let running = agent.run();
    let told = |words: &str| {
        let of_file = format!("cu: {DEM12}/{LOG} ");
        running.log().lines().filter(|line| line.contains(&of_file) && line.contains(words)).count()
    };
    running.wait_for_nth_line("cycle:", 4);
    assert_eq!(told("550 no access"), 1, "{}", running.log());
    server.script().answers.insert("RETR".into(), "450 locked".into());
    let cycles = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", cycles + 4);
    assert_eq!(told("450 locked"), 1, "{}", running.log());
    server.script().answers.clear();
    let cycles = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", cycles + 3);
    assert_eq!(told("can be read again"), 1, "{}", running.log());
    running.terminate().0.succeeded();
}

#[test]
fn machines_behind_a_source_that_does_not_answer_are_unknown_and_not_silent() {
    let server = ScriptedFtp::start(three_machines());
    let mut agent = agent_on(&server);
    agent.once().succeeded();
    drop(server);
    agent.set("status.listen", "127.0.0.1:0");
    let running = agent.run();
    let page = running.page();
    wait::until("the page calls them unknown", wait::PATIENCE, || {
        http::get(page, "/").body.matches("data-state=\"unknown\"").count() == 3
    });
    let body = http::get(page, "/").body;
    assert!(body.contains("Inconnu") && !body.contains("Silencieuse"), "{body}");
    let status = agent.status_json();
    let folders = status["sources"][0]["folders"].as_array().unwrap().clone();
    assert_eq!(folders.len(), 3);
    assert!(folders.iter().all(|folder| folder["state"] == "unknown"), "{status:#}");
    running.terminate().0.succeeded();
}
