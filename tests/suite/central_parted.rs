//! Central with `piece_production` parted by month (`migrations/postgres/optional/`): agents deliver
//! as before, every row lands in its month, and views and takeovers hold.

use crate::support::{
    agent::Agent,
    central::{Feeder, grown, session},
    folder::Folder,
    generate::{CENTRES, Dirt, file_name, log_of_day},
    postgres::{Database, server_major},
    rows::{assert_same, buffer_sessions, central_sessions},
};
use cu_agent::{
    model::Delivery,
    sync::{
        plan::Step,
        postgres::{Outcome, SchemaState, migration_script},
    },
};

/// What an administrator runs once, and the parts of the months of these tests.
pub const PARTED: &str = concat!(
    include_str!("../../migrations/postgres/optional/pieces_by_month.sql"),
    "SELECT cu_agent_mois('2025-04-01', '2025-07-31');\n"
);

/// Part and number of its pieces, those without any left out.
fn parts(db: &Database<'_>) -> String {
    db.psql("SELECT tableoid::regclass::text, count(*) FROM piece_production GROUP BY 1 ORDER BY 1")
}

/// Everything that people and dashboards read, without numbers of rows and times of writing.
fn read(db: &Database<'_>) -> String {
    db.psql(
        "SELECT c.nom, s.date_production, s.total_pieces, p.numero_piece, p.timestamp_production, p.details
         FROM piece_production p JOIN session_production s ON s.id = p.session_id
         JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1, 2, 4;
         SELECT nom, date_production, heure, pieces FROM v_production_horaire ORDER BY 1, 2, 3;
         SELECT nom, date_production, reference, couleur, jobs, pieces FROM v_profil ORDER BY 1, 2, 3, 4;
         SELECT nom, date_production, total_pieces, pieces_par_heure, attentes, arrets, jobs
         FROM v_production_jour ORDER BY 1, 2;
         SELECT nom, date_production, temps_production_effectif FROM v_session_formule_origine ORDER BY 1, 2",
    )
}

/// Two days of each of three months, two machines.
fn months() -> Vec<Delivery> {
    ["2025-04-30", "2025-05-01", "2025-05-31", "2025-06-01", "2025-06-30", "2025-07-01"]
        .iter()
        .flat_map(|date| [session("DEM12", date, 60), session("SU12", date, 90)])
        .collect()
}

#[test]
fn a_parted_central_takes_every_delivery_and_shows_what_a_plain_one_shows() {
    let (plain, parted) = (Database::fresh(), Database::fresh());
    let mut feeders = Vec::new();
    for db in [&plain, &parted] {
        let role = db.role();
        db.psql(&migration_script(&role));
        let mut feeder = Feeder::connect(&db.config_as(&role, &role));
        // One session was there before.
        feeder.sync(&[session("DEM12", "2025-05-02", 50)]);
        feeders.push(feeder);
    }
    parted.psql(PARTED);
    for feeder in &mut feeders {
        assert_eq!(feeder.central.schema_state().unwrap(), SchemaState::Ready);
        feeder.sync(&months());
        // The same again is nothing to do; a day grows; one shrinks; one is sent whole once more.
        for (step, _) in feeder.try_sync(&months()).unwrap() {
            assert_eq!(step, Step::Confirm);
        }
        let before = session("SU12", "2025-05-31", 90);
        feeder.sync(&[grown(session("SU12", "2025-05-31", 140), &before)]);
        let mut shrunk = session("DEM12", "2025-06-01", 20);
        shrunk.revision = 2;
        feeder.sync(&[shrunk]);
        let earlier = session("DEM12", "2025-05-02", 50);
        feeder.sync(&[grown(session("DEM12", "2025-05-02", 70), &earlier)]);
    }
    assert_eq!(read(&parted), read(&plain));
    assert_eq!(
        parts(&parted),
        "piece_production_2025_04|150\npiece_production_2025_05|350\n\
         piece_production_2025_06|260\npiece_production_2025_07|150\npiece_production_avant|70"
    );
}

#[test]
fn a_statement_on_one_month_looks_at_that_month_alone() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    db.psql(PARTED);
    feeder.sync(&months());
    db.psql("ANALYZE");
    let plan = db.psql(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM piece_production
         WHERE session_id BETWEEN 304000000 AND 304999999",
    );
    assert!(plan.contains("piece_production_2025_05"), "{plan}");
    assert!(!plan.contains("2025_04") && !plan.contains("2025_06"), "{plan}");
}

#[test]
fn lost_rows_come_back_and_other_writers_find_the_table_as_it_was() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    db.psql(PARTED);
    feeder.sync(&months());
    let before = read(&db);
    db.psql("DELETE FROM piece_production WHERE numero_piece % 3 = 0");
    feeder.sync(&months());
    assert_eq!(read(&db), before);
    // A program that knows nothing of parts.
    db.psql(
        "INSERT INTO piece_production (session_id, numero_piece, timestamp_production)
         SELECT max(id), 1000, '2025-07-01 12:00' FROM session_production",
    );
    let twice = db.try_psql(
        "INSERT INTO piece_production (session_id, numero_piece, timestamp_production)
         SELECT max(id), 1000, '2025-07-01 13:00' FROM session_production",
    );
    assert!(twice.unwrap_err().contains("duplicate key"));
    let orphan = db.try_psql(
        "INSERT INTO piece_production (session_id, numero_piece, timestamp_production)
         VALUES (304900000, 1, '2025-05-01 12:00')",
    );
    assert!(orphan.unwrap_err().contains("foreign key"));
}

#[test]
fn a_month_that_nobody_made_a_part_for_is_kept_with_the_old_rows() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    db.psql(PARTED);
    let early = session("DEM12", "2025-08-15", 40);
    feeder.sync(std::slice::from_ref(&early));
    assert_eq!(db.psql("SELECT cu_agent_mois('2025-07-01', '2025-09-01')"), "2");
    // Its session goes on where it began.
    feeder.sync(&[grown(session("DEM12", "2025-08-15", 60), &early)]);
    feeder.sync(&[session("DEM12", "2025-08-16", 30)]);
    assert_eq!(parts(&db), "piece_production_2025_08|30\npiece_production_avant|60");
}

#[test]
fn databases_of_others_are_parted_after_their_takeover() {
    for (name, tables) in [
        ("python", include_str!("../fixtures/central/python.sql")),
        ("python_first", include_str!("../fixtures/central/python_first.sql")),
        ("orm", include_str!("../fixtures/central/orm.sql")),
        ("orm_wide", include_str!("../fixtures/central/orm_wide.sql")),
    ] {
        let db = Database::fresh();
        db.psql(tables);
        let mut feeder = Feeder::new(&db);
        feeder.sync(&months());
        db.psql("CREATE VIEW tableau_de_bord AS SELECT session_id, count(*) AS n FROM piece_production GROUP BY 1");
        let before = read(&db);
        db.psql(PARTED);
        assert_eq!(read(&db), before, "{name}");
        assert_eq!(parts(&db), "piece_production_avant|900", "{name}");
        for (step, _) in feeder.try_sync(&months()).unwrap() {
            assert_eq!(step, Step::Confirm, "{name}");
        }
        feeder.sync(&[session("DEM12", "2025-05-20", 33)]);
        assert_eq!(
            db.psql("SELECT n FROM tableau_de_bord ORDER BY session_id DESC LIMIT 1"),
            "33",
            "{name}: a view of somebody's own shows the new parts too"
        );
        let numbers = "SELECT count(*) = count(DISTINCT id) FROM piece_production";
        assert_eq!(db.psql(numbers), "t", "{name}: numbers of rows go on");
    }
}

#[test]
fn the_script_refuses_what_it_would_lose_and_changes_nothing_then() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    feeder.sync(&[session("DEM12", "2025-05-28", 20)]);
    db.psql("CREATE TABLE remarque (piece INTEGER REFERENCES piece_production (id))");
    let error = db.try_psql(PARTED).unwrap_err();
    assert!(error.contains("of remarque"), "{error}");
    db.psql("DROP TABLE remarque");
    assert_eq!(parts(&db), "piece_production|20");
    db.psql(PARTED);
    let error = db.try_psql(PARTED).unwrap_err();
    assert!(error.contains("perhaps it is parted already"), "{error}");
    assert_eq!(parts(&db), "piece_production_avant|20");
    feeder.sync(&[session("DEM12", "2025-05-28", 20)]);
}

/// A part that was taken off is not written again: its sessions are refused by name, the others pass,
/// and all is well when it is put back.
#[test]
fn a_month_that_was_taken_off_is_refused_by_name_and_holds_up_no_other() {
    let db = Database::fresh();
    let mut feeder = Feeder::new(&db);
    db.psql(PARTED);
    feeder.sync(&months());
    let how = if server_major() < 14 { "" } else { "CONCURRENTLY" };
    db.psql(&format!(
        "ALTER TABLE piece_production DETACH PARTITION piece_production_2025_04 {how}"
    ));
    let error = feeder.try_sync(&months()[..1]).unwrap_err();
    assert!(error.reason().contains("no partition"), "{}", error.reason());
    feeder.sync(&months()[2..]);
    db.psql(
        "ALTER TABLE piece_production ATTACH PARTITION piece_production_2025_04
         FOR VALUES FROM (303000000) TO (304000000)",
    );
    for (step, outcome) in feeder.try_sync(&months()).unwrap() {
        assert_eq!((step, outcome), (Step::Confirm, None::<Outcome>));
    }
}

#[test]
fn a_whole_agent_delivers_into_a_parted_central_what_its_buffer_holds() {
    let folder = Folder::of_three_machines();
    let agent_of = |db: &Database<'_>| {
        let role = db.role();
        db.psql(&migration_script(&role));
        let mut agent = Agent::on_directory(folder.path());
        agent.set_central(&db.config_as(&role, &role));
        agent
    };
    let db = Database::fresh();
    let agent = agent_of(&db);
    db.psql(PARTED);
    for day in ["2025-05-30", "2025-06-02"] {
        let day = day.parse().unwrap();
        for centre in &CENTRES {
            let log = log_of_day(centre, day, 7, Dirt::Some);
            folder.put(&format!("{}/{}", centre.folder, file_name(day)), &log);
        }
        agent.once().succeeded();
    }
    assert_same("the parted central", &central_sessions(&db), &buffer_sessions(&agent));
    assert_eq!(
        db.psql("SELECT DISTINCT tableoid::regclass FROM piece_production ORDER BY 1"),
        "piece_production_2025_05\npiece_production_2025_06"
    );
    // The buffer is lost; a new one finds everything in place.
    let before = read(&db);
    agent.lose_buffer();
    agent.once().succeeded();
    assert_eq!(read(&db), before);
}
