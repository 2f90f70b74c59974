//! The gateway's page as a server: who gets an answer, what a browser may do with it, and that no
//! client keeps the agent from its work. What the page looks like is tested in `tests/page`.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use crate::support::{
    agent::Agent,
    folder::Folder,
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    http::{self, get, send},
    process::Running,
    wait,
};

const LOG: &str = "DEM12 (PVC)/20250603.LOG";
const DAY: &str = "/day/2025-06-03";

fn piece(second: usize) -> Vec<u8> {
    format!("20250603 05:{:02}:{:02}|@StukUitgevoerd: 1 A\n", second / 60, second % 60).into_bytes()
}

/// A service that reads one LOG and shows its page on a free port.
fn service() -> (Agent, Folder, Running, SocketAddr) {
    let folder = Folder::of_three_machines();
    folder.put(LOG, &piece(0));
    let agent = Agent::on_directory(folder.path()).with("status.listen", "127.0.0.1:0");
    let running = agent.run();
    running.wait_for_line("cycle:");
    let page = running.page();
    (agent, folder, running, page)
}

fn pieces(agent: &Agent) -> i64 {
    agent.sessions_json()[0]["total_pieces"].as_i64().unwrap()
}

/// Writes one more line and waits until the agent has read it.
fn collects_one_more(agent: &Agent, folder: &Folder) {
    let before = pieces(agent);
    folder.append(LOG, &piece(usize::try_from(before).unwrap()));
    wait::until("one more piece is read", Duration::from_secs(20), || pieces(agent) > before);
}

#[test]
fn only_a_request_by_this_computers_names_is_answered() {
    let (_agent, _folder, running, page) = service();
    let ask =
        |hosts: &str| send(page, &format!("GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"));
    for good in ["Host: 127.0.0.1\r\n", "Host: localhost:1\r\n", "Host: [::1]:80\r\n"] {
        ask(good).unwrap().is(200);
    }
    for bad in [
        "Host: evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host:\r\n",
        "",
    ] {
        let refused = ask(bad).unwrap();
        assert!(matches!(refused.status, 400 | 421), "{bad:?}: {}", refused.status);
        assert!(!refused.body.contains("DEM12"), "{bad:?}: {}", refused.body);
    }
    send(page, "GET / HTTP/1.0\r\n\r\n").unwrap().is(421);
    // A proxy's way of asking: the host stands in the target, and the header counts.
    let target =
        format!("GET http://evil.example/ HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n");
    send(page, &target).unwrap().is(200);
    running.terminate().0.succeeded();
}

#[test]
fn a_name_from_the_configuration_is_answered_too() {
    let (mut agent, _folder, running, _) = service();
    running.terminate().0.succeeded();
    agent.set("status.names", "passerelle.usine.lan");
    let running = agent.run();
    let ask = "GET / HTTP/1.1\r\nHost: Passerelle.usine.lan:9780\r\nConnection: close\r\n\r\n";
    send(running.page(), ask).unwrap().is(200);
    running.terminate().0.succeeded();
}

#[test]
fn nothing_runs_in_a_browser_but_the_one_script_that_the_policy_names() {
    let (_agent, _folder, running, page) = service();
    let targets = [
        "/",
        DAY,
        "/machine/DEM12",
        "/machine/DEM12/2025-06-03?lang=en",
        "/board",
        "/mur?lang=en",
        "/compare",
        "/comparer?week=last",
        "/no/such/page",
    ];
    for target in targets {
        let answer = get(page, target);
        let policy = answer.header("content-security-policy").unwrap();
        let rules: Vec<&str> = policy.split("; ").collect();
        for (tag, rule) in [("style", "style-src"), ("script", "script-src")] {
            let parts: Vec<&str> = answer.body.split(&format!("<{tag}>")).collect();
            assert_eq!(parts.len(), 2, "{target} has one {tag}");
            let text = parts[1].split(&format!("</{tag}>")).next().unwrap();
            let hash = STANDARD.encode(Sha256::digest(text));
            let named = rules.iter().find_map(|one| one.strip_prefix(&format!("{rule} "))).unwrap();
            assert!(named.split(' ').any(|one| one == format!("'sha256-{hash}'")), "{policy}");
            assert!(named.split(' ').all(|one| one.starts_with("'sha256-")), "{policy}");
        }
        for rule in [
            "default-src 'none'",
            "img-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(rules.contains(&rule), "{policy}");
        }
        assert_eq!(rules.len(), 8, "{policy}");
        for banned in
            [" style=", "javascript:", "onclick", "onload", "http://", "https://", "<script "]
        {
            assert!(!answer.body.contains(banned), "{target}: {banned}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    running.terminate().0.succeeded();
}

#[test]
fn a_method_that_asks_for_a_change_is_refused_and_changes_nothing() {
    let (agent, _folder, running, page) = service();
    let before = agent.sessions_json();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let ask = format!(
            "{method} {DAY} HTTP/1.1\r\nHost: {page}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nday"
        );
        let refused = send(page, &ask).unwrap().is(405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    }
    let ask = format!("HEAD {DAY} HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n");
    let head = send(page, &ask).unwrap().is(200);
    assert_eq!(head.body, "");
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 1000);
    assert_eq!(agent.sessions_json(), before);
    running.terminate().0.succeeded();
}

#[test]
fn nonsense_is_refused_without_harm() {
    let (_agent, _folder, running, page) = service();
    for (target, status) in [
        ("/machine/nobody", 404),
        ("/machine/DEM12/2025-02-30", 404),
        ("/machine/DEM12/../../etc/passwd", 404),
        ("/day/99999-01-01", 404),
        ("/day?day=", 404),
        ("/day/0000-00-00", 404),
        ("/%FF", 400),
        ("/day/9998-12-31", 200),
        ("/day/1970-01-01", 200),
        ("/machine/DEM12/9998-12-31", 200),
        ("/sessions.csv?from=x", 400),
        ("/sessions.csv?from=9998-12-31&to=1970-01-01", 200),
        ("/sessions.csv?machine=%27%3B%20DROP%20TABLE%20session", 200),
        ("/?lang=xx", 200),
    ] {
        assert_eq!(get(page, target).status, status, "{target}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: {page}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: {page}\r\n{}\r\n", "A: b\r\n".repeat(1000));
    for text in
        [long.as_str(), many.as_str(), "\r\n\r\n\r\n\0\0\0", "\u{16}\u{3}\u{1} TLS?\r\n\r\n"]
    {
        let mut stream = http::connect(page);
        // The server may have enough before all of it is sent.
        stream.write_all(text.as_bytes()).ok();
        if let Some(answer) = http::answer(stream) {
            assert!((400..500).contains(&answer.status), "{}", answer.status);
        }
    }
    let markup = get(page, "/machine/%3Cscript%3Ealert(1)%3C%2Fscript%3E").is(404);
    assert!(!markup.body.contains("<script>alert"), "{}", markup.body);
    get(page, "/").is(200);
    running.terminate().0.succeeded();
}

#[test]
fn slow_clients_hold_up_neither_the_page_nor_the_collection() {
    let (agent, folder, running, page) = service();
    // More than there are places, each of them never finishing its request.
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = http::connect(page);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    get(page, DAY).is(200);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    collects_one_more(&agent, &folder);
    // None of them is kept for ever: each is closed, with or without a word.
    for stream in slow {
        if let Some(answer) = http::answer(stream) {
            assert_eq!(answer.status, 408);
        }
    }
    running.terminate().0.succeeded();
}

#[test]
fn many_clients_do_not_keep_a_growing_log_from_being_read() {
    let (agent, folder, running, page) = service();
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in 0..20 {
            let (is_over, answered) = (&is_over, &answered);
            scope.spawn(move || {
                let mut number = 0;
                while !is_over.load(Ordering::Relaxed) {
                    number += 1;
                    // Never the same page twice: nothing kept serves it.
                    let ask = format!(
                        "GET {DAY}?x={client}-{number} HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n"
                    );
                    let mut stream = http::connect(page);
                    if stream.write_all(ask.as_bytes()).is_ok()
                        && http::answer(stream).is_some_and(|answer| answer.status == 200)
                    {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for _ in 0..3 {
            collects_one_more(&agent, &folder);
        }
        wait::until("all of them were answered now and then", wait::PATIENCE, || {
            answered.load(Ordering::Relaxed) >= 40
        });
        is_over.store(true, Ordering::Relaxed);
    });
    running.terminate().0.succeeded();
}

#[test]
fn a_port_that_is_taken_is_said_once_and_tried_again_while_collecting_goes_on() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = Folder::of_three_machines();
    folder.put(LOG, &piece(0));
    let agent = Agent::on_directory(folder.path()).with("status.listen", address.to_string());
    let running = agent.run();
    running.wait_for_line("cannot serve the status page");
    running.wait_for_line("cycle:");
    collects_one_more(&agent, &folder);
    drop(taken);
    assert_eq!(running.page(), address);
    get(address, "/").is(200);
    assert_eq!(running.log().matches("cannot serve the status page").count(), 1);
    running.terminate().0.succeeded();
}

#[test]
fn without_an_address_there_is_no_page() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path()).with("status.listen", "");
    let running = agent.run();
    running.wait_for_line("cycle:");
    assert!(!running.log().contains("the status page is at"));
    running.terminate().0.succeeded();
}

#[test]
fn the_csv_holds_the_sessions_of_the_buffer() {
    let folder = Folder::of_three_machines();
    let first = NaiveDate::from_ymd_opt(2025, 5, 26).unwrap();
    for centre in &CENTRES {
        for day in working_days(first, 3) {
            let log = log_of_day(centre, day, 1, Dirt::Some);
            folder.put(&format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    let agent = Agent::on_directory(folder.path()).with("status.listen", "127.0.0.1:0");
    let running = agent.run();
    running.wait_for_line("cycle:");
    let page = running.page();
    let csv = get(page, "/sessions.csv?from=2025-05-01&to=2025-05-31").is(200);
    assert_eq!(
        csv.header("content-disposition"),
        Some("attachment; filename=\"sessions_2025-05-01_2025-05-31.csv\"")
    );
    let mut lines = csv.body.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let sessions = agent.sessions_json();
    assert_eq!(rows.len(), sessions.as_array().unwrap().len());
    assert_eq!(rows.len(), 9);
    for (row, session) in rows.iter().zip(sessions.as_array().unwrap()) {
        for (name, value) in names.iter().zip(row) {
            let wanted = match *name {
                "nombre_attentes" => session["attentes"].as_array().unwrap().len().into(),
                "nombre_arrets" => session["arrets"].as_array().unwrap().len().into(),
                "nombre_profils" => session["jobs"].as_array().unwrap().len().into(),
                "dans_central" => "non".into(),
                // Of a machine without a calendar.
                "postes" => "".into(),
                name if session[name].is_null() => "".into(),
                name => session[name].clone(),
            };
            let wanted = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
            let wanted = wanted.strip_suffix(".000").unwrap_or(&wanted);
            assert_eq!(*value, wanted, "{name} of {row:?}");
        }
    }
    let of_one = get(page, "/sessions.csv?from=2025-05-01&to=2025-05-31&machine=SU12").is(200);
    assert_eq!(of_one.body.lines().count(), 4);
    running.terminate().0.succeeded();
}

#[test]
fn no_page_shows_a_password() {
    const PASSWORD: &str = "gEheim-9781";
    let folder = Folder::of_three_machines();
    folder.put(LOG, &piece(0));
    let mut agent = Agent::on_directory(folder.path()).with("status.listen", "127.0.0.1:0");
    let password_file = agent.secret("password", PASSWORD);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (key, value) in [("kind", "ftp"), ("name", "ftp"), ("host", "127.0.0.1"), ("user", "cu")] {
        agent.set(&format!("central.{key}"), value);
    }
    agent.unset("central.kind");
    agent.unset("central.name");
    agent.set("central.database", "production");
    agent.set("central.port", i64::from(silent.port()));
    agent.set("central.tls", "disable");
    agent.set("central.password_file", password_file.to_str().unwrap());
    let running = agent.run();
    running.wait_for_line("link down");
    let page = running.page();
    for target in ["/", DAY, "/machine/DEM12", "/sessions.csv", "/nothing"] {
        let answer = get(page, target);
        assert!(!answer.body.contains(PASSWORD), "{target}");
        assert!(!answer.body.contains(password_file.to_str().unwrap()), "{target}");
    }
    assert!(get(page, "/?lang=en").body.contains("unreachable since"));
    running.terminate().0.succeeded();
}

#[test]
fn a_buffer_that_is_not_there_and_forty_machines_are_pages_below_100_kb() {
    let folder = Folder::empty();
    let day = NaiveDate::from_ymd_opt(2025, 5, 28).unwrap();
    let names: Vec<(String, String)> =
        (1..=40).map(|number| (format!("CU{number:02} (PVC)"), format!("CU{number:02}"))).collect();
    for (number, (name, _)) in names.iter().enumerate() {
        let log = log_of_day(&CENTRES[number % CENTRES.len()], day, number as u64, Dirt::None);
        folder.put(&format!("{name}/{}", file_name(day)), &log);
    }
    let mut agent = Agent::on_directory(folder.path()).with("status.listen", "127.0.0.1:0");
    let mapping: Vec<(&str, &str)> =
        names.iter().map(|(folder, nom)| (folder.as_str(), nom.as_str())).collect();
    agent.map_folders(0, &mapping);
    for (folder, _) in &names {
        agent.set(&format!("source.0.folders.{folder}.nominal_per_hour"), 60);
    }
    let calendar = "[[calendar]]
        [[calendar.shift]]
        name = \"matin\"
        days = \"mon-fri\"
        time = \"05:00-13:00\"
        [[calendar.shift]]
        name = \"après-midi\"
        days = \"mon-fri\"
        time = \"13:00-21:00\"";
    let written: toml::Table = toml::from_str(calendar).unwrap();
    agent.set("calendar", written["calendar"].clone());
    let running = agent.run();
    running.wait_for_line("cycle:");
    let page = running.page();
    for target in ["/", "/day/2025-05-28", "/machine/CU07/2025-05-28"] {
        let answer = get(page, target).is(200);
        println!("{target}: {} bytes", answer.body.len());
        assert!(answer.body.len() < 100_000, "{target}: {} bytes", answer.body.len());
        assert!(answer.body.contains("CU07"));
    }
    running.terminate().0.succeeded();
}
