//! Alarms and the heartbeat: the real binary against a real HTTP server that is well, away, deaf,
//! broken or rude. What is repeated, and when, is tested purely in `src/alarms/decide`.

use std::{fs, thread, time::Duration, time::Instant};

use rusqlite::Connection;

use crate::support::{
    agent::Agent,
    certificate::Certificate,
    damage,
    folder::Folder,
    http,
    net::free_port,
    postgres::{Database, answers},
    process::Running,
    wait,
    webhook::{Manner, Webhook},
};

const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";
const SOURCE_RAISED: &str = "raised source-unreachable cu";
const SOURCE_CLEARED: &str = "cleared source-unreachable cu";

/// An agent whose source is a folder that can be taken away, told to `webhook`. No machine is missed.
fn agent(folder: &Folder, webhook: &Webhook) -> Agent {
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let mut agent = Agent::on_directory(folder.path());
    agent.set("alarms.url", webhook.url("/topic-that-nobody-knows"));
    agent.set("alarms.source_after", "1s");
    agent.set("alarms.silent_after", "30d");
    agent.set("alarms.disk_free", "0B");
    agent
}

fn take_away(folder: &Folder) {
    fs::rename(folder.path(), folder.path().with_extension("away")).unwrap();
}

fn bring_back(folder: &Folder) {
    fs::rename(folder.path().with_extension("away"), folder.path()).unwrap();
}

fn count(agent: &Agent, table: &str) -> i64 {
    let Ok(buffer) = Connection::open(agent.buffer()) else { return 0 };
    buffer.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap_or(0)
}

/// Waits for `more` cycles after those that the log tells of.
fn cycles(running: &Running, more: usize) {
    let seen = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", seen + more);
}

#[test]
fn alarms_and_the_page_are_in_the_one_language_whichever_key_sets_it() {
    for key in ["agent.language", "status.language"] {
        let (folder, webhook) = (Folder::of_three_machines(), Webhook::start(Manner::Well));
        let mut agent = agent(&folder, &webhook);
        agent.set(key, "en");
        agent.set("status.listen", "127.0.0.1:0");
        let running = agent.run();
        cycles(&running, 1);
        let page = http::get(running.page(), "/").body;
        assert!(page.contains("lang=\"en\""), "{key}: {page}");
        take_away(&folder);
        let json = webhook.wait_for(SOURCE_RAISED).json();
        let message = json["message"].as_str().unwrap();
        assert!(message.starts_with("source cu has been unreachable"), "{key}: {message}");
        let is_warned = running.log().contains("status.language is replaced by agent.language");
        assert_eq!(is_warned, key == "status.language", "{}", running.log());
    }
}

#[test]
fn an_alarm_is_told_once_says_what_a_person_needs_and_is_cleared() {
    let (folder, webhook) = (Folder::of_three_machines(), Webhook::start(Manner::Well));
    let mut agent = agent(&folder, &webhook);
    let token = agent.secret("alarms.token", "tk_nobody_sees_this");
    agent.set("alarms.token_file", token.to_str().unwrap());
    let running = agent.run();
    cycles(&running, 1);
    take_away(&folder);
    let raised = webhook.wait_for(SOURCE_RAISED);
    assert_eq!(raised.target, "/topic-that-nobody-knows");
    assert_eq!(raised.header("content-type"), Some("application/json"));
    assert_eq!(raised.header("authorization"), Some("Bearer tk_nobody_sees_this"));
    let json = raised.json();
    assert_eq!(json["agent"], "essai");
    assert_eq!(json["title"], "essai\u{202f}: source injoignable cu");
    assert!(json["message"].as_str().unwrap().starts_with("la source cu ne répond plus"), "{json}");
    assert!(json["id"].as_str().unwrap().starts_with("essai/source-unreachable/cu/raised/"));
    cycles(&running, 3);
    assert_eq!(webhook.told(), [SOURCE_RAISED], "once, however long it lasts");
    bring_back(&folder);
    webhook.wait_for(SOURCE_CLEARED);
    cycles(&running, 2);
    assert_eq!(webhook.told(), [SOURCE_RAISED, SOURCE_CLEARED]);
    running.terminate().0.succeeded();
    assert_eq!(count(&agent, "alarm") + count(&agent, "alarm_message"), 0, "nothing is left");
}

#[test]
fn whatever_the_receiver_does_the_alarm_waits_and_arrives_once_when_it_is_well() {
    thread::scope(|scope| {
        for manner in [Manner::Away, Manner::Deaf, Manner::Broken, Manner::Rude] {
            scope.spawn(move || {
                let (folder, webhook) = (Folder::of_three_machines(), Webhook::start(manner));
                let agent = agent(&folder, &webhook);
                take_away(&folder);
                let running = agent.run();
                running.wait_for_line("alarms cannot be sent, retrying: ");
                assert_eq!(count(&agent, "alarm_message"), 1, "{manner:?}");
                webhook.set(Manner::Well);
                webhook.wait_for(SOURCE_RAISED);
                running.wait_for_line("alarm delivery restored");
                cycles(&running, 2);
                assert_eq!(webhook.told(), [SOURCE_RAISED], "{manner:?}");
                running.terminate().0.succeeded();
                bring_back(&folder);
            });
        }
    });
}

#[test]
fn a_receiver_that_hangs_never_holds_up_reading_or_the_end() {
    let (folder, webhook) = (Folder::of_three_machines(), Webhook::start(Manner::Deaf));
    let mut agent = agent(&folder, &webhook);
    agent.set("alarms.disk_free", "1000000GiB");
    agent.set("alarms.heartbeat_url", webhook.url("/heartbeat"));
    let running = agent.run();
    cycles(&running, 1);
    wait::until("the agent waits for an answer", wait::PATIENCE, || webhook.connections() > 0);
    let begun = Instant::now();
    for minute in 1..=5 {
        // Each line in a cycle of its own.
        let line = format!("20250603 05:0{minute}:00|@StukUitgevoerd: 1 A\n");
        let seen = running.log().matches("20250603.LOG: 1 event,").count();
        folder.append("DEM12 (PVC)/20250603.LOG", line.as_bytes());
        running.wait_for_nth_line("20250603.LOG: 1 event,", seen + 1);
    }
    let took = begun.elapsed();
    println!("five lines, each in a cycle of its own at a poll of 1 s, read in {took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(webhook.taken().len(), 0, "it has hung all the time");
    let (output, took) = running.terminate();
    output.succeeded();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn an_alarm_survives_sigkill_and_a_week_without_a_network() {
    let (folder, webhook) = (Folder::of_three_machines(), Webhook::start(Manner::Away));
    let agent = agent(&folder, &webhook);
    take_away(&folder);
    let running = agent.run();
    running.wait_for_line("alarms cannot be sent, retrying: ");
    running.kill();
    // A week passes: all that is noted is a week old.
    let week_ago = "UPDATE alarm SET since = datetime(since, '-7 days'), told_at = since;
        UPDATE alarm_message SET since = datetime(since, '-7 days'), at = datetime(at, '-7 days')";
    Connection::open(agent.buffer()).unwrap().execute_batch(week_ago).unwrap();
    let running = agent.run();
    running.wait_for_line("alarms cannot be sent, retrying: ");
    cycles(&running, 2);
    assert_eq!(count(&agent, "alarm_message"), 1, "the first one, and no seven repetitions");
    running.kill();
    webhook.set(Manner::Well);
    let running = agent.run();
    webhook.wait_for(SOURCE_RAISED);
    wait::until("it is noted that it was told", wait::PATIENCE, || {
        count(&agent, "alarm_message") == 0
    });
    running.kill();
    let running = agent.run();
    cycles(&running, 3);
    assert_eq!(webhook.told(), [SOURCE_RAISED], "a killed agent knows what it has told");
    running.kill();
    let yesterday = "UPDATE alarm SET told_at = datetime(told_at, '-1 day')";
    Connection::open(agent.buffer()).unwrap().execute_batch(yesterday).unwrap();
    let running = agent.run();
    webhook.wait_for("repeated source-unreachable cu");
    running.terminate().0.succeeded();
    bring_back(&folder);
    agent.once().succeeded();
    assert_eq!(webhook.told().last().unwrap(), SOURCE_CLEARED, "once tells, too");
}

/// By the computer's clock: `2026-11-24` and `20261124`.
fn today() -> (String, String) {
    let day: String = Connection::open_in_memory()
        .unwrap()
        .query_row("SELECT date('now', 'localtime')", [], |row| row.get(0))
        .unwrap();
    let digits = day.replace('-', "");
    (day, digits)
}

#[test]
fn every_kind_of_alarm_comes_from_its_real_cause() {
    let webhook = Webhook::start(Manner::Well);
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let mut agent = agent(&folder, &webhook).central(&database);
    agent.once().succeeded();
    agent.set("alarms.disk_free", "1000000GiB");
    agent.set("alarms.silent_after", "2s");
    agent.set("alarms.working_hours", "00:00-00:00");
    agent.set("alarms.working_days", "mon tue wed thu fri sat sun");
    agent.set("alarms.central_after", "1s");
    agent.set("update.manifest_url", "https://127.0.0.1:1/manifest");
    agent.set("update.public_key", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
    let updates = agent.dir().join("updates");
    fs::create_dir(&updates).unwrap();
    agent.set("update.directory", updates.to_str().unwrap());
    let result = r#"{"version": "9.0.0", "result": "rolled-back", "detail": "it did not start"}"#;
    fs::write(updates.join("result.json"), result).unwrap();
    let (day, digits) = today();
    let back = format!(
        "{digits} 05:00:00|@StukUitgevoerd: 1 A\n{digits} 04:00:00|@StukUitgevoerd: 1 A\n\
         {digits} 03:00:00|@StukUitgevoerd: 1 A\n"
    );
    folder.put(&format!("DEMALU (ALU)/{digits}.LOG"), back.as_bytes());
    damage::refuse_sessions(&database);
    folder.append("DEM12 (PVC)/20250603.LOG", b"20250603 05:01:00|@StukUitgevoerd: 1 A\n");
    let running = agent.run();
    for alarm in [
        "raised disk-nearly-full",
        "raised machine-silent DEM12",
        "raised machine-silent SU12",
        "raised session-set-aside DEM12",
        "raised update-failed",
        &format!("raised grave-anomaly DEMALU {day}"),
    ] {
        webhook.wait_for(alarm);
    }
    running.terminate().0.succeeded();
    damage::take_sessions_again(&database);
    agent.set("alarms.disk_free", "0B");
    let port = database.config().port;
    agent.set("central.port", 1);
    let running = agent.run();
    webhook.wait_for("cleared disk-nearly-full");
    webhook.wait_for("raised central-unreachable");
    running.terminate().0.succeeded();
    agent.set("central.port", i64::from(port));
    folder.append("DEM12 (PVC)/20250603.LOG", b"20250603 05:02:00|@StukUitgevoerd: 1 A\n");
    let running = agent.run();
    for alarm in [
        "cleared central-unreachable",
        "cleared session-set-aside DEM12",
        "cleared machine-silent DEM12",
    ] {
        webhook.wait_for(alarm);
    }
    running.terminate().0.succeeded();
}

#[test]
fn a_machine_is_missed_by_its_own_calendar_and_not_by_the_hours_of_the_others() {
    let (folder, webhook) = (Folder::of_three_machines(), Webhook::start(Manner::Well));
    let mut agent = agent(&folder, &webhook);
    agent.set("alarms.silent_after", "2s");
    // No machine without a calendar is expected at any time.
    agent.set("alarms.working_hours", "00:00-00:01");
    agent.set("alarms.working_days", "sun");
    let (day, _) = today();
    let shift = |machines: &str, closed: &str| {
        format!(
            "[[calendar]]\nmachines = [\"{machines}\"]\nclosed = [{closed}]\n[[calendar.shift]]\n\
             name = \"tout\"\ndays = \"mon-sun\"\ntime = \"00:00-00:00\"\n"
        )
    };
    // Closed from yesterday on, so that a midnight within the test changes nothing.
    let closed = format!("\"2025-01-01/{day}\", \"{day}/2999-12-31\"");
    let text = shift("DEM12", "") + &shift("SU12", &closed);
    let calendars = text.parse::<toml::Table>().unwrap().remove("calendar").unwrap();
    agent.set("calendar", calendars);
    let running = agent.run();
    webhook.wait_for("raised machine-silent DEM12");
    cycles(&running, 4);
    assert_eq!(webhook.told(), ["raised machine-silent DEM12"]);
    // The day is closed for it, too: there is nothing to miss any more.
    running.terminate().0.succeeded();
    let text = shift("DEM12", &closed) + &shift("SU12", &closed);
    agent.set("calendar", text.parse::<toml::Table>().unwrap().remove("calendar").unwrap());
    let running = agent.run();
    webhook.wait_for("cleared machine-silent DEM12");
    running.terminate().0.succeeded();
}

#[test]
fn the_heartbeat_beats_at_each_good_cycle_and_stops_with_them() {
    let (folder, webhook) = (Folder::of_three_machines(), Webhook::start(Manner::Well));
    let database = Database::fresh();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    agent.set("alarms.heartbeat_url", webhook.url("/ping"));
    agent.once().succeeded();
    assert_eq!(webhook.heartbeats(), 1, "once is a cycle, too");
    let running = agent.run();
    wait::until("three heartbeats came", wait::PATIENCE, || webhook.heartbeats() >= 3);
    take_away(&folder);
    running.wait_for_line("link down");
    cycles(&running, 1);
    let before = webhook.heartbeats();
    cycles(&running, 3);
    assert_eq!(webhook.heartbeats(), before, "no cycle was good");
    bring_back(&folder);
    wait::until("it beats again", wait::PATIENCE, || webhook.heartbeats() > before);
    let output = running.terminate().0.succeeded();
    let cycles = output.stderr.matches("cycle:").count();
    assert!(webhook.heartbeats() <= cycles + 1, "one for each cycle at most: {cycles}");
}

#[test]
fn over_tls_only_a_receiver_of_the_configured_authority_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(dir.path(), "IP:127.0.0.1", false);
    let webhook = Webhook::start_tls(dir.path(), &certificate);
    let folder = Folder::of_three_machines();
    let mut agent = agent(&folder, &webhook);
    agent.set("alarms.url", format!("https://127.0.0.1:{}/x", webhook.port));
    take_away(&folder);
    let running = agent.run();
    running.wait_for_line("set `alarms.ca_file` to the certificate of that authority");
    running.terminate().0.succeeded();
    assert_eq!(webhook.told(), Vec::<String>::new());
    agent.set("alarms.ca_file", certificate.ca_file.to_str().unwrap());
    let running = agent.run();
    webhook.wait_for(SOURCE_RAISED);
    running.terminate().0.succeeded();
    bring_back(&folder);
}

#[test]
fn a_receiver_whose_certificate_is_its_own_authority_is_told_if_the_file_holds_that_certificate() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let certificate = Certificate::self_signed(dirs[0].path(), "IP:127.0.0.1");
    let webhook = Webhook::start_tls(dirs[0].path(), &certificate);
    let other_name = Certificate::self_signed(dirs[1].path(), "DNS:other.example");
    let strange = Webhook::start_tls(dirs[1].path(), &other_name);
    let folder = Folder::of_three_machines();
    let mut agent = agent(&folder, &webhook);
    take_away(&folder);
    for (port, given, refusal) in [
        (webhook.port, None, "is self-signed; set `alarms.ca_file` to it"),
        (webhook.port, Some(&other_name), "is self-signed; set `alarms.ca_file` to it"),
        (strange.port, Some(&other_name), "certificate is for a name other than"),
    ] {
        agent.set("alarms.url", format!("https://127.0.0.1:{port}/x"));
        if let Some(given) = given {
            agent.set("alarms.ca_file", given.ca_file.to_str().unwrap());
        }
        let running = agent.run();
        running.wait_for_line(refusal);
        running.terminate().0.succeeded();
    }
    assert_eq!((webhook.told().len(), strange.told().len()), (0, 0));
    agent.set("alarms.url", format!("https://127.0.0.1:{}/x", webhook.port));
    agent.set("alarms.ca_file", certificate.ca_file.to_str().unwrap());
    let running = agent.run();
    webhook.wait_for(SOURCE_RAISED);
    running.terminate().0.succeeded();
    bring_back(&folder);
}

#[test]
fn a_receiver_s_certificate_that_no_authority_could_vouch_for_is_named_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::of_three_machines();
    let webhook = Webhook::start(Manner::Well);
    let mut agent = agent(&folder, &webhook);
    agent.set("alarms.disk_free", "1000000GiB");
    for (shown, said) in Certificate::unusable(dir.path()) {
        let port = free_port();
        let mut server = shown.serve(port);
        wait::until("the receiver listens", wait::PATIENCE, || answers(port));
        agent.set("alarms.url", format!("https://127.0.0.1:{port}/x"));
        agent.set("alarms.ca_file", shown.ca_file.to_str().unwrap());
        let output = agent.once();
        assert!(output.stderr.contains(said), "{said}: {output}");
        // That the key changed is another line.
        let mut lines = output.stderr.lines().filter(|line| !line.contains("security:"));
        assert!(!lines.any(|line| line.contains("ca_file")), "no authority is blamed: {output}");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}

#[test]
fn addresses_and_token_stand_in_no_line_of_the_most_talkative_log_and_in_no_refusal() {
    let secrets = ["topic-that-nobody-knows", "uuid-of-a-check", "tk_nobody_sees_this"];
    let (folder, webhook) = (Folder::of_three_machines(), Webhook::start(Manner::Broken));
    let mut agent = agent(&folder, &webhook);
    let token = agent.secret("alarms.token", secrets[2]);
    agent.set("alarms.token_file", token.to_str().unwrap());
    agent.set("alarms.heartbeat_url", webhook.url("/uuid-of-a-check"));
    agent.set("agent.log_level", "trace");
    let running = agent.run();
    running.wait_for_line("the heartbeat cannot be sent, retrying: ");
    take_away(&folder);
    running.wait_for_line("alarms cannot be sent, retrying: ");
    let mut outputs = vec![running.terminate().0.stderr];
    bring_back(&folder);
    for command in [&["check"][..], &["status"], &["status", "--json"], &["health"]] {
        outputs.push(agent.command(command).to_string());
    }
    agent.set("alarms.url", "ftp://topic-that-nobody-knows");
    agent.set("alarms.heartbeat_url", "https:// uuid-of-a-check");
    let refused = agent.command(&["check"]).exited(2).says("alarms.url").says("https://");
    outputs.push(refused.says("alarms.heartbeat_url").to_string());
    for output in outputs {
        for secret in secrets {
            assert!(!output.contains(secret), "{secret} is shown:\n{output}");
        }
    }
}
