//! What the page says if a request cannot be answered: to people a page in their language, to programs a line in both,
//! each with what was wrong and what to do.

use std::{io::Write, net::SocketAddr};

use crate::support::{
    agent::Agent,
    folder::Folder,
    http::{self, Response, send},
    process::Running,
};

fn service() -> (Agent, Folder, Running, SocketAddr) {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", b"20250603 05:00:00|@StukUitgevoerd: 1 A\n");
    let agent = Agent::on_directory(folder.path())
        .with("status.listen", "127.0.0.1:0")
        .with("status.names", "passerelle.usine.lan");
    let running = agent.run();
    running.wait_for_line("cycle:");
    let page = running.page();
    (agent, folder, running, page)
}

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const PROGRAM: &str = "Accept: */*\r\n";

fn ask(page: SocketAddr, line: &str, headers: &str) -> Response {
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {page}\r\n") };
    send(page, &format!("{line} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")).unwrap()
}

/// As a browser of each language and as a program: the status, the kind of answer, and a part of what each says.
fn assert_said(
    page: SocketAddr,
    line: &str,
    headers: &str,
    status: u16,
    french: &str,
    english: &str,
) {
    for (language, said, other) in [("fr", french, english), ("en", english, french)] {
        let accept = format!("{headers}{BROWSER}Accept-Language: {language}\r\n");
        let answer = ask(page, line, &accept).is(status);
        let kind = answer.header("content-type").unwrap();
        assert_eq!(kind, "text/html; charset=utf-8", "{line}");
        assert!(answer.body.contains(&format!("<html lang=\"{language}\">")), "{line}");
        assert!(answer.body.contains(said), "{line} in {language}: {}", answer.body);
        assert!(!answer.body.contains(other), "{line} in {language}: {}", answer.body);
        assert!(answer.header("content-security-policy").is_some(), "{line}");
        let accept = format!("{headers}{PROGRAM}Accept-Language: {language}\r\n");
        let answer = ask(page, line, &accept).is(status);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{line}");
        let lines: Vec<&str> = answer.body.lines().collect();
        assert_eq!(lines.len(), 2, "{line}: {}", answer.body);
        assert!(lines[0].contains(said) && lines[1].contains(other), "{line}: {}", answer.body);
    }
}

#[test]
fn each_error_says_what_was_wrong_and_what_to_do_in_french_and_in_english() {
    let (_agent, _folder, running, page) = service();
    for (line, status, french, english) in [
        (
            "GET /nope",
            404,
            "Il n'y a pas de page à l'adresse «\u{a0}/nope\u{a0}»",
            "There is no page at “/nope”",
        ),
        (
            "GET /machine/dem12",
            404,
            "Aucune machine ne s'appelle «\u{a0}dem12\u{a0}»",
            "No machine is called “dem12”",
        ),
        (
            "GET /machine/nope/2025-06-03",
            404,
            "Aucune machine ne s'appelle",
            "No machine is called",
        ),
        (
            "GET /machine/DEM12/2025-02-30",
            404,
            "«\u{a0}2025-02-30\u{a0}» n'est pas une date",
            "“2025-02-30” is not a date",
        ),
        (
            "GET /machine/DEM12?day=3/6/2025",
            404,
            "«\u{a0}3/6/2025\u{a0}» n'est pas une date",
            "“3/6/2025” is not a date",
        ),
        ("GET /day?day=hier", 404, "«\u{a0}hier\u{a0}» n'est pas une date", "“hier” is not a date"),
        ("GET /day?day=", 404, "Il manque la date", "The date is missing"),
        (
            "GET /sessions.csv?from=31-05-2025",
            400,
            "from\u{202f}: une date s'écrit AAAA-MM-JJ",
            "from: expected a date such as 2025-05-28",
        ),
        ("GET /%FF", 400, "L'adresse n'est pas un texte en UTF-8", "This URL is not valid UTF-8"),
        ("DELETE /", 405, "La méthode DELETE n'est pas acceptée", "Method DELETE is not accepted"),
    ] {
        assert_said(page, line, "", status, french, english);
    }
    let long = format!("GET /{}", "x".repeat(3000));
    assert_said(
        page,
        &long,
        "",
        414,
        "L'adresse a trop de caractères",
        "The URL has too many characters",
    );
    let many = "A: b\r\n".repeat(80);
    assert_said(page, "GET /", &many, 431, "trop d'en-têtes", "too many headers");
    let large = format!("Cookie: {}\r\n", "x".repeat(20_000));
    assert_said(page, "GET /", &large, 431, "trop d'en-têtes", "too many headers");
    // An unknown machine's page lists those that there are, with links; a program gets their names.
    let answer = ask(page, "GET /machine/x?lang=en", BROWSER).is(404);
    for nom in ["DEM12", "DEMALU", "SU12"] {
        assert!(answer.body.contains(&format!("href=\"/machine/{nom}?lang=en\"")), "{nom}");
    }
    assert!(
        ask(page, "GET /machine/x", PROGRAM)
            .body
            .contains("Machines connues\u{202f}: DEM12, DEMALU, SU12.")
    );
    // In the other language it is the same page, and no address of another place.
    for (target, again) in [
        ("/day?day=hier&lang=fr", "/day?day=hier&amp;lang=en"),
        ("//evil.example/x", "/evil.example/x?lang=en"),
        ("/\\evil.example", "/%5Cevil.example?lang=en"),
    ] {
        let answer = ask(page, &format!("GET {target}"), BROWSER).is(404);
        assert!(answer.body.contains(&format!("href=\"{again}\" lang=\"en\"")), "{target}");
    }
    running.terminate().0.succeeded();
}

#[test]
fn a_foreign_name_is_told_which_names_are_accepted_and_none_of_them() {
    let (_agent, _folder, running, page) = service();
    let foreign = "Host: usine.evil.example\r\n";
    assert_said(
        page,
        "GET /machine/DEM12",
        foreign,
        421,
        "«\u{a0}usine.evil.example\u{a0}» n'est pas un nom de cette passerelle",
        "Unknown host name “usine.evil.example”",
    );
    for accept in [BROWSER, PROGRAM, ""] {
        let answer = ask(page, "GET /machine/x", &format!("{foreign}{accept}")).is(421);
        assert!(answer.body.contains("[status]") && answer.body.contains("IP"), "{}", answer.body);
        for told in
            ["DEM12", "DEMALU", "essai", "passerelle.usine.lan", "href=\"/machine", "href=\"/?"]
        {
            assert!(!answer.body.contains(told), "{told}: {}", answer.body);
        }
    }
    let hostile = "Host: <script>alert(1)</script>\r\n";
    let answer = ask(page, "GET /", &format!("{hostile}{BROWSER}"));
    assert!([400, 421].contains(&answer.status));
    assert!(!answer.body.contains("<script>alert"), "{}", answer.body);
    running.terminate().0.succeeded();
}

#[test]
fn an_error_without_its_body_has_the_same_head_and_what_is_endless_is_ended() {
    let (_agent, _folder, running, page) = service();
    for (line, headers, status) in
        [("/nope", BROWSER, 404), ("/machine/x", PROGRAM, 404), ("/", BROWSER, 200)]
    {
        let whole = ask(page, &format!("GET {line}"), headers).is(status);
        let head = ask(page, &format!("HEAD {line}"), headers).is(status);
        assert_eq!(head.body, "");
        for name in ["content-type", "content-length", "cache-control", "content-security-policy"] {
            assert_eq!(head.header(name), whole.header(name), "{line}: {name}");
        }
    }
    // Beyond what is taken at all the connection ends.
    let endless = format!("GET / HTTP/1.1\r\nHost: {page}\r\nX: {}", "x".repeat(200_000));
    let mut stream = http::connect(page);
    stream.write_all(endless.as_bytes()).ok();
    assert!(http::answer(stream).is_none_or(|answer| answer.status == 431));
    running.terminate().0.succeeded();
}

#[test]
fn a_buffer_that_cannot_be_read_is_said_and_the_page_comes_back_by_itself() {
    let (agent, _folder, running, page) = service();
    let buffer = rusqlite::Connection::open(agent.buffer()).unwrap();
    let version = |version: i64| buffer.pragma_update(None, "user_version", version).unwrap();
    let known: i64 = buffer.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    // As a newer release leaves it.
    version(known + 1000);
    assert_said(
        page,
        "GET /?a",
        "",
        503,
        "Le tampon de la passerelle ne peut pas être lu",
        "The gateway's buffer cannot be read",
    );
    let said = ask(page, "GET /machine/DEM12", BROWSER).is(503);
    assert!(said.body.contains("http-equiv=\"refresh\""), "{}", said.body);
    assert!(ask(page, "GET /sessions.csv", PROGRAM).is(503).body.contains("cu-agent check"));
    version(known);
    ask(page, "GET /?b", BROWSER).is(200);
    running.terminate().0.succeeded();
}
