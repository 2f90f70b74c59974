//! `/metrics`, `/healthz` and `cu-agent health`: the figures are the buffer's, and an agent that only
//! looks alive is told from one that is.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Options, Vsftpd},
    golden,
    net::free_port,
    postgres::Database,
    wait,
};

/// Serves the status on a free port, which is returned.
fn with_page(agent: &mut Agent) -> u16 {
    let port = free_port();
    agent.set("status.listen", format!("127.0.0.1:{port}"));
    port
}

/// Status and body; `None` while nobody listens.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The samples as the Prometheus project's own parser of OpenMetrics understands them: name, labels
/// in order, value.
fn parsed(text: &str) -> Vec<(String, Value, f64)> {
    let script = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(json.dumps([[s.name, s.labels, s.value] for f in parse(sys.stdin.read()) for s in f.samples]))
";
    // Debian's Python, which has the package of tests/install-test-tools.sh.
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "not OpenMetrics:\n{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn value(samples: &[(String, Value, f64)], name: &str) -> f64 {
    let found = samples.iter().filter(|(key, ..)| key == name);
    let values: Vec<f64> = found.map(|(.., value)| *value).collect();
    assert_eq!(values.len(), 1, "{name} in {samples:?}");
    values[0]
}

#[test]
fn metrics_are_open_metrics_and_their_figures_are_the_buffers() {
    let case = golden::case("dirty");
    let (folder, database) = (Folder::of_case(&case), Database::fresh());
    let mut agent = Agent::new().central(&database);
    let name = "cu \"ligne\\1\"\nest";
    agent.add_directory(name, folder.path());
    let port = with_page(&mut agent);
    let running = agent.run();
    wait::until("all is in central", wait::PATIENCE, || {
        get(port, "/metrics").is_some_and(|(_, text)| {
            text.contains("\ncu_agent_sessions_pending 0\n")
                && !text.contains("\ncu_agent_sessions 0\n")
                && text.contains("\ncu_agent_central_up 1\n")
        })
    });
    let (status, text) = get(port, "/metrics").unwrap();
    assert_eq!(status, 200);
    let samples = parsed(&text);
    let buffer = Connection::open(agent.buffer()).unwrap();
    let number = |sql: &str| buffer.query_row(sql, [], |row| row.get::<_, f64>(0)).unwrap();
    for (name, sql) in [
        ("cu_agent_sessions", "SELECT count(*) * 1.0 FROM session"),
        ("cu_agent_buffer_files", "SELECT count(*) * 1.0 FROM log_file"),
        ("cu_agent_buffer_lines", "SELECT sum(lines) * 1.0 FROM log_file"),
        ("cu_agent_buffer_events", "SELECT sum(events) * 1.0 FROM log_file"),
        ("cu_agent_files_read_total", "SELECT count(*) * 1.0 FROM log_file"),
        ("cu_agent_read_bytes_total", "SELECT sum(consumed_bytes) * 1.0 FROM log_file"),
        ("cu_agent_events_total", "SELECT sum(events) * 1.0 FROM log_file"),
        ("cu_agent_rejects_total", "SELECT sum(rejected) * 1.0 FROM log_file"),
        ("cu_agent_sync_sessions_total", "SELECT count(*) * 1.0 FROM session"),
    ] {
        assert_eq!(value(&samples, name), number(sql), "{name}");
    }
    let mut by_reason =
        buffer.prepare("SELECT reason, sum(lines) * 1.0 FROM reject GROUP BY 1").unwrap();
    let reasons: Vec<(String, f64)> = by_reason
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(reasons.len() > 2, "the dirty case has rejects");
    for (reason, lines) in reasons {
        let found = samples.iter().any(|(key, labels, value)| {
            key == "cu_agent_buffer_rejects" && labels["reason"] == reason && *value == lines
        });
        assert!(found, "{reason}: {lines}");
    }
    let read = samples.iter().find(|(key, ..)| key == "cu_agent_source_up").unwrap();
    assert_eq!(read.1["source"], name, "the name survives its escaping");
    assert_eq!(value(&samples, "cu_agent_healthy"), 1.0);
    assert_eq!(value(&samples, "cu_agent_oldest_pending_seconds"), 0.0);
    let info = samples.iter().find(|(key, ..)| key == "cu_agent_build_info").unwrap();
    assert_eq!(info.1["version"], env!("CARGO_PKG_VERSION"));
    for stage in ["read", "keep", "sync"] {
        let took = samples.iter().find(|(key, labels, _)| {
            key == "cu_agent_stage_seconds_total" && labels["stage"] == stage
        });
        assert!(took.unwrap().2 > 0.0, "{stage}");
    }
    running.terminate().0.succeeded();
}

/// Waits until the three places where one can ask say the same: `said`, or that all is well.
fn all_say(agent: &Agent, port: u16, said: Option<&str>) {
    let (code, status) = if said.is_some() { (1, 503) } else { (0, 200) };
    wait::until(&format!("all places say {said:?}"), wait::PATIENCE, || {
        let output = agent.command(&["health"]);
        let Some((answered, line)) = get(port, "/healthz") else { return false };
        let metrics = get(port, "/metrics").map_or_else(String::new, |(_, text)| text);
        output.code == code
            && answered == status
            && metrics.contains(&format!("\ncu_agent_healthy {}\n", 1 - code))
            && said.is_none_or(|said| output.stderr.contains(said) && line.contains(said))
    });
}

const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";

#[test]
fn an_agent_that_reads_nothing_of_what_is_there_is_ill_and_well_again_when_it_does() {
    let server = Vsftpd::start(Options::default());
    for (folder, ..) in crate::support::agent::FOLDERS {
        server.make_folder(folder);
    }
    let mut agent = Agent::on_ftp(&server);
    let port = with_page(&mut agent);
    let running = agent.run();
    all_say(&agent, port, None);
    // Put there under a name that is no LOG's, so that it is never seen readable.
    server.put("DEM12 (PVC)/20250603.part", PIECE);
    let part = server.root().join("DEM12 (PVC)/20250603.part");
    let file = part.with_extension("LOG");
    let mode = |file, mode| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    mode(&part, 0o000);
    fs::rename(&part, &file).unwrap();
    all_say(&agent, port, Some("there are files, but none can be read"));
    mode(&file, 0o644);
    all_say(&agent, port, None);
    running.terminate().0.succeeded();
}

#[test]
fn an_agent_without_its_folders_without_room_or_without_its_buffer_is_ill() {
    let folder = Folder::empty();
    let mut agent = Agent::new();
    agent.add_directory("cu", folder.path());
    let port = with_page(&mut agent);
    let running = agent.run();
    all_say(&agent, port, Some("none of the configured folders exists"));
    folder.make_three_machines();
    all_say(&agent, port, None);
    running.terminate().0.succeeded();

    agent.set("agent.max_buffer_size", "1MiB");
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let buffer = || Connection::open(agent.buffer()).unwrap();
    buffer().execute_batch("CREATE TABLE ballast AS SELECT zeroblob(2 << 20)").unwrap();
    let running = agent.run();
    all_say(&agent, port, Some("the buffer is full"));
    buffer().execute_batch("DROP TABLE ballast").unwrap();
    all_say(&agent, port, None);

    buffer().execute_batch("ALTER TABLE log_file RENAME TO gone").unwrap();
    wait::until("health tells that the buffer is refused", wait::PATIENCE, || {
        agent.command(&["health"]).code == 1
            && get(port, "/healthz").is_some_and(|(status, line)| {
                status == 503 && line.contains("the buffer cannot be used")
            })
    });
    running.kill();
}

#[test]
fn a_process_that_stands_still_is_ill_though_it_holds_its_lock() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    let running = agent.run();
    wait::until("it is well", wait::PATIENCE, || agent.command(&["health"]).code == 0);
    running.signal("STOP");
    agent.command(&["health"]).exited(1).says("is stuck");
    running.signal("CONT");
    agent.command(&["health"]).succeeded().says("healthy");
    running.kill();
    agent.command(&["health"]).exited(1).says("not running");
}
