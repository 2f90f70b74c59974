//! Databases that somebody else made are taken over without losing a row, and go on serving those
//! who made them.

use crate::support::{
    central::{Feeder, session},
    postgres::{Cluster, Database},
};
use cu_agent::sync::{
    plan::{Refusal, Step},
    postgres::{Central, MIGRATIONS, Outcome, SchemaState, migration_script},
};

pub const PYTHON: &str = include_str!("../fixtures/central/python.sql");
pub const PYTHON_FIRST: &str = include_str!("../fixtures/central/python_first.sql");
pub const ORM: &str = include_str!("../fixtures/central/orm.sql");
const ORM_WIDE: &str = include_str!("../fixtures/central/orm_wide.sql");

/// The tables of details, each with the column that tells when.
const DETAILS: [(&str, &str); 4] = [
    ("job_profil", "timestamp_debut"),
    ("periode_attente", "timestamp_debut"),
    ("periode_arret", "timestamp_debut"),
    ("piece_production", "timestamp_production"),
];

fn migrate(db: &Database<'_>) -> Vec<i32> {
    Central::connect(&db.config(), "cu-agent tests").unwrap().migrate().unwrap()
}

/// A session as the old service or the ORM wrote it: all date columns filled by the program.
pub fn old_session(centre: u32, date: &str, pieces: u32) -> String {
    format!(
        "INSERT INTO session_production (centre_usinage_id, date_production, heure_premiere_piece,
             heure_derniere_piece, total_pieces, duree_production_totale, taux_occupation,
             fichier_log_source, date_creation)
         VALUES ({centre}, '{date}', '{date} 05:00', '{date} 13:00', {pieces}, 8.0, 61.25,
                 'DEM12 (PVC)/{date}.LOG', now());
         INSERT INTO piece_production (session_id, numero_piece, timestamp_production, details, date_creation)
         SELECT currval(pg_get_serial_sequence('session_production', 'id')), n,
                timestamp '{date} 05:00' + n * interval '40 s', '1 B' || n || ' H1', now()
         FROM generate_series(1, {pieces}) n;
         INSERT INTO periode_attente (session_id, timestamp_debut, timestamp_fin, duree_secondes, date_creation)
         SELECT currval(pg_get_serial_sequence('session_production', 'id')),
                timestamp '{date} 06:00' - n * interval '1 h', timestamp '{date} 06:00', 7, now()
         FROM generate_series(1, 3) n;
         INSERT INTO periode_arret (session_id, timestamp_debut, timestamp_fin, duree_secondes, date_creation)
         VALUES (currval(pg_get_serial_sequence('session_production', 'id')),
                 '{date} 09:00', '{date} 09:05', 300, now());
         INSERT INTO job_profil (session_id, reference, longueur, couleur, timestamp_debut, date_creation)
         VALUES (currval(pg_get_serial_sequence('session_production', 'id')),
                 '6112', 6584.59, '654', '{date} 05:00', now());\n"
    )
}

/// Three machines' rows of an old database; `twice` adds what only databases without unique keys
/// hold: the same day again, and centres named after files.
fn fill(db: &Database<'_>, centre_columns: &str, centre_values: &str, twice: bool) {
    let mut script = String::new();
    for nom in ["DEM12_20250526", "DEM12_20250527", "DEM12", "SU12_20250528"] {
        script.push_str(&format!(
            "INSERT INTO centre_usinage (nom, type_cu{centre_columns}) VALUES ('{nom}', '{}'{centre_values});\n",
            nom.split('_').next().unwrap()
        ));
    }
    script.push_str(&old_session(1, "2025-05-26", 12));
    script.push_str(&old_session(2, "2025-05-27", 15));
    script.push_str(&old_session(3, "2025-05-28", 20));
    script.push_str(&old_session(4, "2025-05-28", 9));
    // The file's centre and the machine's own hold parts of one day.
    script.push_str(&old_session(3, "2025-05-27", 4));
    if twice {
        script.push_str(&old_session(3, "2025-05-28", 25));
        script.push_str(&old_session(3, "2025-05-28", 25));
    }
    // Somebody's own table and view on top.
    script.push_str(
        "CREATE TABLE remarque (id SERIAL PRIMARY KEY, texte TEXT,
             seance BIGINT, machine BIGINT);
         ALTER TABLE remarque ADD FOREIGN KEY (seance) REFERENCES session_production (id) ON DELETE CASCADE;
         ALTER TABLE remarque ADD FOREIGN KEY (machine) REFERENCES centre_usinage (id);
         INSERT INTO remarque (texte, seance, machine)
             SELECT 'vu', s.id, s.centre_usinage_id FROM session_production s;
         CREATE VIEW tableau_de_bord AS
             SELECT s.*, c.nom FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id;",
    );
    db.psql(&script);
}

/// Everything a detail row says, without its session and number.
pub fn contents(db: &Database<'_>) -> Vec<String> {
    DETAILS
        .iter()
        .map(|(table, at)| {
            db.psql(&format!(
                "SELECT md5(string_agg(t, '' ORDER BY t)) FROM (
                     SELECT (to_jsonb({table}) - 'session_id' - 'numero' - 'numero_piece')::text AS t
                     FROM {table} ORDER BY {at}) x"
            ))
        })
        .collect()
}

fn expect_one_row_a_machine_and_day(db: &Database<'_>) {
    assert_eq!(db.psql("SELECT nom FROM centre_usinage ORDER BY nom"), "DEM12\nSU12");
    assert_eq!(
        db.psql(
            "SELECT c.nom, s.date_production FROM session_production s
             JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1, 2"
        ),
        "DEM12|2025-05-26\nDEM12|2025-05-27\nDEM12|2025-05-28\nSU12|2025-05-28"
    );
    for (table, at) in DETAILS {
        let number = if table == "piece_production" { "numero_piece" } else { "numero" };
        assert_eq!(
            db.psql(&format!(
                "SELECT count(*) FROM (
                     SELECT {number}, row_number() OVER (PARTITION BY session_id ORDER BY {at}, {number}) AS n
                     FROM {table}) x WHERE {number} IS DISTINCT FROM n"
            )),
            "0",
            "{table} is numbered in the order of time"
        );
    }
}

fn take_over(
    ddl: &str,
    centre_columns: &str,
    centre_values: &str,
    twice: bool,
) -> Database<'static> {
    let db = Database::fresh();
    db.psql(ddl);
    fill(&db, centre_columns, centre_values, twice);
    let sessions_before = db.count("session_production");
    let before = contents(&db);
    assert_eq!(migrate(&db), MIGRATIONS.iter().map(|m| m.version).collect::<Vec<_>>());
    assert_eq!(contents(&db), before, "every detail row is still there, unchanged");
    let merged = db.count("cu_agent_fusion WHERE nom_table = 'session_production'");
    assert_eq!(db.count("session_production") + merged, sessions_before);
    assert_eq!(
        db.psql("SELECT count(*) FROM cu_agent_fusion WHERE nom_table = 'centre_usinage' AND ligne ? 'nom'"),
        "3"
    );
    expect_one_row_a_machine_and_day(&db);
    assert_eq!(db.count("remarque"), sessions_before, "other people's rows follow");
    assert_eq!(
        db.psql(
            "SELECT count(*) FROM remarque r JOIN session_production s ON s.id = r.seance
             WHERE r.machine = s.centre_usinage_id"
        ),
        sessions_before.to_string()
    );
    assert_eq!(db.psql("SELECT count(DISTINCT nom) FROM tableau_de_bord"), "2");
    db
}

/// The agent delivers into it: a new day, a day that the old service had, a day it knows less of.
fn deliver_into(db: &Database<'_>) {
    let mut feeder = Feeder::connect(&db.config());
    assert_eq!(feeder.central.schema_state().unwrap(), SchemaState::Ready);
    let id = |date: &str| {
        db.psql(&format!(
            "SELECT s.id FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id
             WHERE c.nom = 'DEM12' AND s.date_production = '{date}'"
        ))
    };
    let kept = id("2025-05-28");
    feeder.sync(&[
        session("DEM12", "2025-05-28", 60),
        session("DEM12", "2025-05-29", 30),
        session("DEMALU", "2025-05-29", 8),
        session("SU12", "2025-05-30", 0),
    ]);
    assert_eq!(id("2025-05-28"), kept, "the session keeps its id");
    assert_eq!(db.count(&format!("piece_production WHERE session_id = {kept}")), 60);
    assert_eq!(db.count(&format!("periode_attente WHERE session_id = {kept}")), 30);
    let refused = feeder.try_sync(&[session("DEM12", "2025-05-26", 3)]).unwrap();
    assert_eq!(
        refused,
        [(Step::Refuse(Refusal::FewerPieces { local: 3, central: 12 }), None)],
        "invariant 6"
    );
    // Everything again: nothing changes.
    let before =
        db.psql("SELECT md5(string_agg(x::text, '' ORDER BY id)) FROM session_production x");
    feeder.sync(&[session("DEM12", "2025-05-28", 60), session("DEM12", "2025-05-29", 30)]);
    assert_eq!(
        db.psql("SELECT md5(string_agg(x::text, '' ORDER BY id)) FROM session_production x"),
        before
    );
}

/// What the old service ran for each file, and dashboards for each page.
fn old_statements_still_work(db: &Database<'_>) {
    db.psql(
        "INSERT INTO centre_usinage (nom, type_cu, description) VALUES ('DEM12', 'DEM12', 'x')
             ON CONFLICT (nom) DO UPDATE SET type_cu = EXCLUDED.type_cu RETURNING id;
         INSERT INTO session_production (centre_usinage_id, date_production, heure_premiere_piece,
             heure_derniere_piece, total_pieces, duree_production_totale, taux_occupation, fichier_log_source)
         SELECT id, '2025-06-01', '2025-06-01 05:00', '2025-06-01 12:00', 2, 7.0, 55.5, 'f'
             FROM centre_usinage WHERE nom = 'DEM12'
             ON CONFLICT (centre_usinage_id, date_production)
             DO UPDATE SET total_pieces = EXCLUDED.total_pieces RETURNING id;
         INSERT INTO piece_production (session_id, numero_piece, timestamp_production, details)
         SELECT max(id), 1, '2025-06-01 05:00', 'd' FROM session_production;
         INSERT INTO periode_attente (session_id, timestamp_debut, timestamp_fin, duree_secondes)
         SELECT max(id), '2025-06-01 05:00', '2025-06-01 05:01', 60 FROM session_production;
         INSERT INTO job_profil (session_id, reference, longueur, couleur, timestamp_debut)
         SELECT max(id), '6112', 6000, '654', '2025-06-01 05:00' FROM session_production;",
    );
    assert_eq!(
        db.psql(
            "SELECT c.nom, s.date_production, s.total_pieces, s.taux_occupation
             FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id
             WHERE s.date_production = '2025-06-01' AND c.actif"
        )
        .split('|')
        .take(3)
        .collect::<Vec<_>>(),
        ["DEM12", "2025-06-01", "2"]
    );
    assert_eq!(
        db.psql(
            "SELECT count(*) FROM session_production s JOIN piece_production p ON p.session_id = s.id
             WHERE s.date_production = '2025-06-01' AND p.date_creation IS NOT NULL"
        ),
        "1"
    );
}

#[test]
fn an_empty_database_gets_the_tables_of_the_contract() {
    let db = Database::fresh();
    let mut central = Central::connect(&db.config(), "cu-agent tests").unwrap();
    let pending: Vec<i32> = MIGRATIONS.iter().map(|m| m.version).collect();
    assert_eq!(central.schema_state().unwrap(), SchemaState::Behind { pending: pending.clone() });
    assert_eq!(central.migrate().unwrap(), pending);
    assert_eq!(central.schema_state().unwrap(), SchemaState::Ready);
    assert_eq!(central.migrate().unwrap(), Vec::<i32>::new());
    let columns = |table: &str| {
        db.psql(&format!(
            "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
             FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
        ))
    };
    assert_eq!(
        columns("centre_usinage"),
        "id integer, nom character varying(100), type_cu character varying(50), description text, \
         actif boolean, date_creation timestamp without time zone"
    );
    let session = columns("session_production");
    for expected in [
        "duree_production_totale numeric(10,4), temps_attente numeric(10,4)",
        "taux_occupation numeric(5,2), taux_attente numeric(5,2), taux_arret_volontaire numeric(5,2)",
        "fichier_log_source character varying(255)",
        "agent_id text, tampon_id text, revision bigint, evenements bigint",
    ] {
        assert!(session.contains(expected), "{expected} in {session}");
    }
    Feeder::connect(&db.config()).sync(&[crate::support::central::session(
        "DEM12",
        "2025-05-28",
        5,
    )]);
    old_statements_still_work(&db);
}

#[test]
fn the_python_service_s_database_is_taken_over() {
    // Some installations made the pieces' number unique by hand.
    let ddl =
        format!("{PYTHON} ALTER TABLE piece_production ADD UNIQUE (session_id, numero_piece);");
    let db = take_over(&ddl, "", "", false);
    deliver_into(&db);
    old_statements_still_work(&db);
}

#[test]
fn the_python_service_s_first_database_without_unique_keys_is_taken_over() {
    let db = take_over(PYTHON_FIRST, "", "", true);
    deliver_into(&db);
    old_statements_still_work(&db);
}

#[test]
fn a_database_that_an_orm_made_is_taken_over() {
    let db = take_over(ORM, ", actif, date_creation", ", TRUE, now()", true);
    deliver_into(&db);
    old_statements_still_work(&db);
    // The ORM goes on as before, without knowing of numbers.
    db.psql(
        &old_session(1, "2025-07-01", 3)
            .replace("VALUES (1,", "VALUES ((SELECT max(id) FROM centre_usinage),"),
    );
    assert_eq!(db.count("session_production WHERE date_production = '2025-07-01'"), 1);
}

#[test]
fn a_database_with_an_orm_s_own_never_empty_columns_is_taken_over() {
    let db = Database::fresh();
    db.psql(ORM_WIDE);
    migrate(&db);
    Feeder::connect(&db.config())
        .sync(&[session("DEM12", "2025-05-28", 30), session("SU12", "2025-05-28", 0)]);
    assert_eq!(
        db.psql(
            "SELECT s.total_pieces, s.duree_production_totale, s.updated_at IS NOT NULL, c.actif, c.version
             FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1"
        ),
        "0|0|t|t|0\n30|0.3222|t|t|0"
    );
    assert_eq!(
        db.psql("SELECT taux_occupation FROM v_session_formule_origine ORDER BY 1"),
        "0.00\n87.72"
    );
}

#[test]
fn rows_without_centre_or_session_are_left_alone() {
    let db = Database::fresh();
    db.psql(PYTHON);
    db.psql(
        "INSERT INTO session_production (date_production) VALUES ('2025-05-28'), ('2025-05-28');
         INSERT INTO piece_production (numero_piece, timestamp_production) VALUES (1, now()), (1, now()), (-4, now());
         INSERT INTO periode_arret (timestamp_debut, timestamp_fin, duree_secondes) VALUES (now(), now(), 0);",
    );
    migrate(&db);
    assert_eq!(db.count("session_production WHERE centre_usinage_id IS NULL"), 2);
    assert_eq!(db.psql("SELECT numero_piece FROM piece_production ORDER BY id"), "1\n1\n-4");
    assert_eq!(db.count("periode_arret WHERE numero IS NULL"), 1);
}

#[test]
fn a_name_that_only_looks_like_a_file_is_kept() {
    let db = Database::fresh();
    db.psql(PYTHON);
    db.psql(
        "INSERT INTO centre_usinage (nom, type_cu) VALUES
             ('DEM12_99999999', 'X'), ('A_2025', 'X'), ('_20250528', 'X'), ('PVC_20250528.LOG', 'X')",
    );
    migrate(&db);
    assert_eq!(
        db.psql("SELECT nom FROM centre_usinage ORDER BY nom COLLATE \"C\""),
        "A_2025\nDEM12_99999999\nPVC\n_20250528"
    );
}

#[test]
fn the_printed_script_does_the_same_and_may_run_twice() {
    let by_agent = take_over(ORM, ", actif, date_creation", ", TRUE, now()", true);
    let by_script = Database::fresh();
    by_script.psql(ORM);
    fill(&by_script, ", actif, date_creation", ", TRUE, now()", true);
    let role = by_script.role();
    by_script.psql(&migration_script(&role));
    by_script.psql(&migration_script(&role));
    let schema = |db: &Database<'_>| {
        db.psql(
            "SELECT table_name, column_name, data_type, column_default FROM information_schema.columns
                 WHERE table_schema = 'public' ORDER BY 1, ordinal_position;
             SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
             SELECT version, name, checksum FROM cu_agent_migration ORDER BY 1;
             SELECT id, centre_usinage_id, date_production, total_pieces FROM session_production ORDER BY 1",
        )
    };
    assert_eq!(schema(&by_script), schema(&by_agent));
    // The role that the script granted to does the daily work.
    let mut feeder = Feeder::connect(&by_script.config_as(&role, &role));
    assert_eq!(feeder.central.schema_state().unwrap(), SchemaState::Ready);
    let outcome = feeder.try_sync(&[session("DEM12", "2025-05-29", 3)]).unwrap();
    assert_eq!(outcome[0].1, Some(Outcome::Written { complete: true }));
}

#[test]
fn two_agents_that_start_at_once_migrate_once() {
    let db = Database::fresh();
    let config = db.config();
    let applied: Vec<Vec<i32>> = std::thread::scope(|scope| {
        let agents: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    Central::connect(&config, "cu-agent tests").unwrap().migrate().unwrap()
                })
            })
            .collect();
        agents.into_iter().map(|agent| agent.join().unwrap()).collect()
    });
    let mut all: Vec<i32> = applied.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, MIGRATIONS.iter().map(|m| m.version).collect::<Vec<_>>());
}

#[test]
fn a_migration_that_fails_leaves_the_database_as_it_was() {
    let db = Database::fresh();
    db.psql(PYTHON);
    // Somebody's table holds the name that a view needs.
    db.psql("CREATE TABLE v_profil (x INTEGER)");
    let mut central = Central::connect(&db.config(), "cu-agent tests").unwrap();
    let error = central.migrate().unwrap_err();
    assert!(error.to_string().contains("cannot apply migration 5 (views)"), "{error}");
    let from_views: Vec<i32> = MIGRATIONS.iter().map(|m| m.version).filter(|v| *v >= 5).collect();
    assert_eq!(
        central.schema_state().unwrap(),
        SchemaState::Behind { pending: from_views.clone() }
    );
    db.psql("DROP TABLE v_profil");
    assert_eq!(central.migrate().unwrap(), from_views);
}

#[test]
fn a_schema_of_a_later_release_still_serves_and_a_foreign_one_is_named() {
    let db = Database::fresh();
    migrate(&db);
    db.psql("INSERT INTO cu_agent_migration (version, name, checksum) VALUES (99, 'later', 'x')");
    let mut central = Central::connect(&db.config(), "cu-agent tests").unwrap();
    assert_eq!(central.schema_state().unwrap(), SchemaState::Newer { version: 99 });
    db.psql("UPDATE cu_agent_migration SET checksum = 'x' WHERE version = 2");
    let error = central.schema_state().unwrap_err();
    assert!(error.to_string().contains("migration 2"), "{error}");
}

#[test]
fn tables_live_in_the_first_schema_of_the_search_path() {
    let db = Database::fresh();
    let role = db.role();
    db.psql(&format!("CREATE SCHEMA {role} AUTHORIZATION {role}"));
    let mut feeder = Feeder::connect(&db.config_as(&role, &role));
    feeder.central.migrate().unwrap();
    feeder.sync(&[session("DEM12", "2025-05-28", 2)]);
    assert_eq!(db.count(&format!("{role}.piece_production")), 2);
    assert!(Cluster::shared().try_psql(&db.name, "SELECT * FROM public.piece_production").is_err());
}
