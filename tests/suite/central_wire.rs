//! What a delivery costs on the line: round trips, bytes, and patience with a slow one.

use std::time::Duration;

use crate::support::{
    central::{Feeder, session},
    net::Proxy,
    postgres::Database,
};
use cu_agent::config::CentralConfig;

#[test]
fn twenty_days_of_three_machines_take_three_round_trips_and_less_than_900_kb() {
    let db = Database::fresh();
    Feeder::new(&db);
    let proxy = Proxy::to(db.cluster.port);
    let mut config = db.config();
    config.port = proxy.port;
    let mut feeder = Feeder::connect(&config);
    let (bytes, turns) = (proxy.bytes_up(), proxy.round_trips());
    let sessions: Vec<_> = ["DEM12", "DEMALU", "SU12"]
        .iter()
        .flat_map(|nom| (1..=20).map(move |d| session(nom, &format!("2025-05-{d:02}"), 467)))
        .collect();
    feeder.sync(&sessions);
    assert_eq!(feeder.central.round_trips(), 3, "states, centres, delivery");
    assert_eq!(proxy.round_trips() - turns, 3);
    let sent = proxy.bytes_up() - bytes;
    assert!(sent < 900_000, "{sent} bytes");
    let csv = db.psql(
        "COPY (SELECT numero_piece, timestamp_production, details FROM piece_production) TO STDOUT CSV;
         COPY (SELECT numero, timestamp_debut, timestamp_fin, duree_secondes FROM periode_attente) TO STDOUT CSV;
         COPY (SELECT numero, timestamp_debut, timestamp_fin, duree_secondes FROM periode_arret) TO STDOUT CSV;
         COPY (SELECT numero, timestamp_debut, reference, longueur, couleur FROM job_profil) TO STDOUT CSV;",
    );
    assert!((sent as f64) < 0.6 * csv.len() as f64, "{sent} bytes sent, {} as CSV", csv.len());
    assert_eq!(db.count("piece_production"), 28_020);
    // One session at a time: two trips each.
    let before = feeder.central.round_trips();
    for d in 21..=24 {
        feeder.sync(&[session("DEM12", &format!("2025-05-{d}"), 467)]);
    }
    assert_eq!(feeder.central.round_trips() - before, 8);
}

#[test]
fn a_slow_radio_link_costs_its_round_trips_and_no_more() {
    let db = Database::fresh();
    Feeder::new(&db);
    let proxy = Proxy::to(db.cluster.port);
    let mut config = db.config();
    config.port = proxy.port;
    let mut feeder = Feeder::connect(&config);
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
