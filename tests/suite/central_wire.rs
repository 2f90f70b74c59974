//! What a delivery costs on the line: round trips, bytes, and patience with a slow one.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};

use crate::support::{
    central::{Feeder, edge, grown, session},
    net::Proxy,
    postgres::Database,
};
use cu_agent::config::CentralConfig;

/// A feeder whose line to a central with tables is counted from its log-in on.
fn counted(db: &Database<'_>) -> (Feeder, Proxy) {
    Feeder::new(db);
    let proxy = Proxy::to(db.cluster.port);
    let config = CentralConfig { port: proxy.port, ..db.config() };
    (Feeder::connect(&config), proxy)
}

#[test]
fn opening_a_connection_costs_one_question_of_the_agent_s_own() {
    let db = Database::fresh();
    let (_feeder, proxy) = counted(&db);
    // Start-up, two for SCRAM, and the question, whose parts may come in two.
    let bytes = proxy.bytes_up() + proxy.bytes_down();
    assert!(proxy.round_trips() <= 5, "{}", proxy.round_trips());
    assert!(bytes < 3_400, "{bytes} bytes");
}

#[test]
fn twenty_days_of_three_machines_take_three_round_trips_and_two_fifths_of_their_own_bytes() {
    let db = Database::fresh();
    let (mut feeder, proxy) = counted(&db);
    let (bytes, turns) = (proxy.bytes_up() + proxy.bytes_down(), proxy.round_trips());
    let sessions: Vec<_> = ["DEM12", "DEMALU", "SU12"]
        .iter()
        .flat_map(|nom| (1..=20).map(move |d| session(nom, &format!("2025-05-{d:02}"), 467)))
        .collect();
    feeder.sync(&sessions);
    assert_eq!(feeder.central.round_trips(), 3, "states, centres, delivery");
    assert_eq!(proxy.round_trips() - turns, 3);
    let passed = proxy.bytes_up() + proxy.bytes_down() - bytes;
    // The rows' own bytes, as COPY writes them; without the headers, which would add a hundredth.
    let own = db.psql(
        "COPY (SELECT numero_piece, timestamp_production, details FROM piece_production) TO STDOUT;
         COPY (SELECT numero, timestamp_debut, timestamp_fin, duree_secondes FROM periode_attente) TO STDOUT;
         COPY (SELECT numero, timestamp_debut, timestamp_fin, duree_secondes FROM periode_arret) TO STDOUT;
         COPY (SELECT numero, timestamp_debut, reference, longueur, couleur FROM job_profil) TO STDOUT;",
    );
    assert!(
        passed * 5 < own.len() as u64 * 2,
        "{passed} bytes passed, {} are the rows' own",
        own.len()
    );
    assert_eq!(db.count("piece_production"), 28_020);
    // One session at a time: two trips each, once the server has been told to keep both statements.
    for (d, trips) in [(21, 4), (22, 2), (23, 2), (24, 2)] {
        let before = feeder.central.round_trips();
        feeder.sync(&[session("DEM12", &format!("2025-05-{d}"), 467)]);
        assert_eq!(feeder.central.round_trips() - before, trips, "day {d}");
    }
}

#[test]
fn a_day_that_grew_by_five_pieces_and_the_gateway_s_row_cost_three_round_trips_and_less_than_3800_bytes()
 {
    let db = Database::fresh();
    let (mut feeder, proxy) = counted(&db);
    let mut already = session("DEM12", "2025-05-28", 400);
    feeder.sync(std::slice::from_ref(&already));
    let wall = DateTime::<Local>::from(SystemTime::UNIX_EPOCH);
    // At its second use a statement is given the server to keep, which costs a trip. A delivery to a
    // session that is there is another statement than the first one was.
    for (pieces, trips) in [(405, 4), (410, 5), (415, 3), (420, 3)] {
        let (bytes, turns) = (proxy.bytes_up() + proxy.bytes_down(), proxy.round_trips());
        let mut whole = session("DEM12", "2025-05-28", pieces);
        whole.revision = already.revision + 1;
        feeder.sync(&[grown(whole.clone(), &already)]);
        already = whole;
        feeder.central.write_gateway_row(&feeder.claims, &edge(), wall).unwrap();
        let passed = proxy.bytes_up() + proxy.bytes_down() - bytes;
        assert_eq!(proxy.round_trips() - turns, trips, "{pieces} pieces");
        assert!(trips > 3 || passed < 3_800, "{passed} bytes");
    }
    assert_eq!(db.count("piece_production"), 420);
}

#[test]
fn texts_of_every_kind_arrive_as_they_are() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    let all = [
        "",
        "1 B159464 H1",
        "",
        "2 B000000 M4",
        "7",
        "  ",
        "12 \u{e9}t\u{e9} \u{20ac}",
        "abcdef",
        "f0f1 ff a",
        "x,y;z|'\\\"",
        "",
        "FFFF",
        "-1.5e-3",
        "0000000000",
        "",
        "",
    ];
    let digits = ["", "", "5 B1 D", "5 B1 D\t", "99 H+M-G", "", ""];
    let mut sessions = Vec::new();
    for (d, texts) in (1..).zip([&all[..], &digits[..], &all[..1], &digits[2..3], &all[1..4]]) {
        let count = texts.len() as u32;
        let mut delivery = session("DEM12", &format!("2025-05-{d:02}"), count);
        for (piece, text) in delivery.pieces.iter_mut().zip(texts) {
            piece.row.details = (*text).into();
        }
        sessions.push(delivery);
    }
    // Hundreds of one kind, of odd and even lengths.
    for (d, count) in [(20, 301), (21, 302)] {
        sessions.push(session("DEM12", &format!("2025-05-{d}"), count));
    }
    feeder.sync(&sessions);
    let held = db.psql(
        "SELECT coalesce(json_agg(details ORDER BY date_production, numero_piece), '[]')
         FROM piece_production p JOIN session_production s ON s.id = p.session_id",
    );
    let held: Vec<String> = serde_json::from_str(&held).unwrap();
    let sent: Vec<String> =
        sessions.iter().flat_map(|s| &s.pieces).map(|p| p.row.details.to_string()).collect();
    assert_eq!(held, sent);
}

#[test]
fn moments_of_every_kind_arrive_as_they_are() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    let mut delivery = session("DEM12", "2025-05-28", 12);
    let midnight = delivery.pieces[0].row.at.plus_ms(-18_000_000);
    // Before and after the day, backwards, fractions, further than two bytes of seconds.
    let moments_ms = [
        -1,
        0,
        1,
        65_535_000,
        65_536_000,
        131_072_000,
        90_000_000,
        86_399_999,
        500,
        1_500,
        2_501,
        2_501,
    ];
    for (piece, ms) in delivery.pieces.iter_mut().zip(moments_ms) {
        piece.row.at = midnight.plus_ms(ms);
    }
    feeder.sync(&[delivery]);
    let held = db.psql(
        "SELECT string_agg((extract(epoch FROM timestamp_production - '2025-05-28') * 1000)::bigint::text,
                           ' ' ORDER BY numero_piece) FROM piece_production",
    );
    let sent: Vec<String> = moments_ms.iter().map(ToString::to_string).collect();
    assert_eq!(held, sent.join(" "));
}

#[test]
fn a_slow_radio_link_costs_its_round_trips_and_no_more() {
    let db = Database::fresh();
    let (mut feeder, proxy) = counted(&db);
    proxy.delay(Duration::from_millis(50), Duration::from_millis(50));
    let start = std::time::Instant::now();
    feeder.sync(&[session("DEM12", "2025-05-28", 467)]);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(2), "three trips of 100 ms: {took:?}");
}

#[test]
fn a_line_slower_than_the_time_out_is_not_taken_for_a_silent_server() {
    let db = Database::fresh();
    Feeder::new(&db);
    let proxy = Proxy::to(db.cluster.port);
    let config = CentralConfig {
        port: proxy.port,
        statement_timeout: Duration::from_millis(200),
        ..db.config()
    };
    let mut feeder = Feeder::connect(&config);
    feeder.central.states(&mut feeder.claims, &[]).unwrap();
    proxy.limit(8_000);
    let start = std::time::Instant::now();
    let sessions: Vec<_> =
        (1..=5).map(|d| session("DEM12", &format!("2025-05-{d:02}"), 467)).collect();
    feeder.sync(&sessions);
    assert!(start.elapsed() > Duration::from_secs(6), "{:?}", start.elapsed());
    assert_eq!(db.count("piece_production"), 5 * 467);
}
