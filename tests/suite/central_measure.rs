use crate::support::{
    central::{Feeder, session},
    net::Proxy,
    postgres::Database,
};
use std::time::Instant;
#[test]
fn measure() {
    let db = Database::fresh();
    let mut config = db.config();
    Feeder::new(&db);
    if std::env::var("EXPLAIN").is_ok() {
        db.psql(&format!("ALTER DATABASE {0} SET log_min_duration_statement=20;   ", db.name));
    }
    let proxy = Proxy::to(config.port);
    let mut all = Vec::new();
    for m in ["DEM12", "DEMALU", "SU12"] {
        for d in 1..=20 {
            all.push(session(m, &format!("2025-05-{d:02}"), 467));
        }
    }
    for direct in [true, false] {
        for round in 0..3 {
            db.psql("TRUNCATE piece_production, periode_attente, periode_arret, job_profil, session_production, centre_usinage CASCADE; TRUNCATE cu_agent_machine; CHECKPOINT");
            if !direct {
                config.port = proxy.port;
            }
            let mut f = Feeder::connect(&config);
            let (b0, t0) = (proxy.bytes_up(), Instant::now());
            f.central
                .ensure_centres(&all.iter().map(|s| s.machine.clone()).collect::<Vec<_>>())
                .unwrap();
            f.sync(&all);
            println!(
                "direct {direct} round {round}: {:?} bytes {} trips {}",
                t0.elapsed(),
                proxy.bytes_up() - b0,
                f.central.round_trips()
            );
            let t0 = Instant::now();
            f.sync(&all);
            println!("  confirm {:?}", t0.elapsed());
            let again: Vec<_> = all
                .iter()
                .cloned()
                .map(|mut s| {
                    s.revision = 2;
                    s
                })
                .collect();
            let t0 = Instant::now();
            f.sync(&again);
            println!("  redeliver all {:?}", t0.elapsed());
        }
    }
    if std::env::var("EXPLAIN").is_ok() {
        std::fs::write("/tmp/cu-explain.log", db.cluster.log()).unwrap();
    }
    let mut csv = 0;
    for t in
        ["session_production", "piece_production", "periode_attente", "periode_arret", "job_profil"]
    {
        let c = db.psql(&format!("COPY (SELECT * FROM {t}) TO STDOUT CSV"));
        csv += c.len();
        println!("{t} csv {} rows {}", c.len(), db.count(t));
    }
    println!("csv {csv}");
}
