//! The views that dashboards read: they show what the tables hold, and a month of them is found by
//! indexes, however many years there are.

use crate::support::{
    central::Feeder,
    postgres::Database,
    years::{Question, Years, of_api, of_views},
};

/// The views as the first releases made them, under other names.
fn plain_views() -> String {
    include_str!("../../migrations/postgres/0005_views.sql").replace("VIEW v_", "VIEW plain_v_")
}

#[test]
fn hours_and_profiles_show_every_piece_and_job_whatever_their_moments_are() {
    let db = Database::fresh();
    Feeder::new(&db);
    db.psql(&plain_views());
    let seed = fastrand::u32(..);
    // Moments of few seconds and two minutes around an hour: many are equal; some jobs have none, or no
    // number, and some sessions no job or no piece.
    db.psql(&format!(
        "SELECT setseed({seed} / 4294967296.0);
         INSERT INTO centre_usinage (nom, type_cu) VALUES ('A', 'PVC'), ('B', 'ALU');
         INSERT INTO session_production (centre_usinage_id, date_production)
         SELECT c.id, '2025-05-01'::date + n FROM centre_usinage c, generate_series(1, 20) n;
         INSERT INTO piece_production (session_id, numero_piece, timestamp_production)
         SELECT s.id, n, s.date_production + interval '8 hours' + random() * 40 * interval '3 seconds'
                         - interval '1 minute'
         FROM session_production s, generate_series(1, 30) n WHERE s.id % 7 <> 0;
         UPDATE piece_production SET timestamp_production = date_trunc('minute', timestamp_production)
         WHERE random() < 0.6;
         INSERT INTO job_profil (session_id, numero, reference, couleur, timestamp_debut)
         SELECT s.id, CASE WHEN random() < 0.8 THEN n END, '61' || (random() * 2)::int,
                CASE WHEN random() < 0.7 THEN (random() * 2)::int::text END,
                CASE WHEN random() < 0.9 THEN date_trunc(CASE WHEN random() < 0.7 THEN 'minute' ELSE 'second' END,
                    s.date_production + interval '8 hours' + random() * 40 * interval '3 seconds') END
         FROM session_production s, generate_series(1, 6) n WHERE s.id % 5 <> 0;"
    ));
    for view in ["v_production_horaire", "v_profil"] {
        let differ = db.psql(&format!(
            "(TABLE {view} EXCEPT ALL TABLE plain_{view}) UNION ALL
             (TABLE plain_{view} EXCEPT ALL TABLE {view}) LIMIT 5"
        ));
        assert_eq!(differ, "", "seed {seed}: {view}");
    }
    let shown = "SELECT (SELECT sum(pieces) FROM v_profil), (SELECT sum(jobs) FROM v_profil),
         (SELECT sum(pieces) FROM v_production_horaire)";
    let held = "SELECT count(*), (SELECT count(*) FROM job_profil), count(*) FROM piece_production";
    assert_eq!(db.psql(shown), db.psql(held), "seed {seed}");
}

#[test]
fn a_month_of_years_is_found_by_indexes_and_never_by_reading_all_pieces() {
    for is_scattered in [false, true] {
        let db = Database::fresh();
        Feeder::new(&db);
        // Half of the average at least, so 10⁵ pieces.
        Years { machines: 8, days: 120, pieces: 100, is_scattered }.fill(&db);
        assert!(db.count("piece_production") > 80_000);
        finds_a_month_by_indexes(&db, is_scattered);
    }
}

fn finds_a_month_by_indexes(db: &Database<'_>, is_scattered: bool) {
    let details = of_api().into_iter().filter(|Question { name, .. }| {
        name.ends_with(" of a session") || name.starts_with("waits ") || name.starts_with("stops ")
    });
    // Of this few stops a month is a third of the table, and lies in each of its blocks.
    let is_too_small =
        |question: &Question| is_scattered && question.name == "stops of a month, summed by day";
    for question in of_views().into_iter().chain(details).filter(|one| !is_too_small(one)) {
        let plan = db.psql(&format!("EXPLAIN {}", question.sql));
        for table in ["piece_production", "periode_attente", "periode_arret", "job_profil"] {
            let whole = format!("Seq Scan on {table} ");
            assert!(!plan.contains(&whole), "{}\n{plan}", question.name);
        }
        // Compiling a query to machine code takes longer than such a month.
        assert!(!plan.contains("JIT"), "{}\n{plan}", question.name);
        assert_ne!(
            db.psql(&format!("SELECT count(*) FROM ({}) x", question.sql)),
            "0",
            "{}",
            question.name
        );
    }
}
