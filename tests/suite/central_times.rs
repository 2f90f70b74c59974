//! The times of shifts in central: its rows are what the gateway computed, whatever else writes to them.

use std::collections::BTreeMap;

use cu_agent::sync::postgres::{MIGRATIONS, Migration};

use crate::{
    central_times_views::{VIEWS, assert_shown},
    support::{
        agent::Agent,
        folder::Folder,
        golden::machine_of,
        hand::every_value,
        planned::{self, PlannedCase},
        postgres::Database,
    },
};

/// An agent of the case's machines on its LOGs and calendar.
fn agent_of(case: &PlannedCase, folder: &Folder, db: &Database<'_>) -> Agent {
    for name in case.folders() {
        std::fs::create_dir_all(folder.file(name)).unwrap();
    }
    let mut agent = Agent::on_directory(folder.path()).central(db);
    case.configure_machines(&mut agent);
    case.configure_calendar(&mut agent);
    agent
}

fn put(case: &PlannedCase, folder: &Folder) {
    for file in &case.files {
        folder.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
    }
}

/// The case with its LOGs in place, delivered.
fn delivered(name: &str, folder: &Folder, db: &Database<'_>) -> Agent {
    let case = PlannedCase::named(name);
    let agent = agent_of(&case, folder, db);
    put(&case, folder);
    agent.once().succeeded();
    agent
}

/// Which version of each row of the tables of sessions is there.
fn versions(db: &Database<'_>) -> BTreeMap<String, String> {
    let rows = db.psql(
        "SELECT 't ' || date_production || ' ' || numero || '|' || xmin FROM temps_poste
         UNION ALL SELECT 's ' || date_production || '|' || xmin FROM session_production
         UNION ALL SELECT 'p ' || id || '|' || xmin FROM piece_production",
    );
    let pair = |row: &str| row.split_once('|').map(|(row, xmin)| (row.to_owned(), xmin.to_owned()));
    rows.lines().filter_map(pair).collect()
}

fn changed(before: &BTreeMap<String, String>, db: &Database<'_>) -> Vec<String> {
    let now = versions(db).into_iter();
    now.filter(|(row, xmin)| before.get(row) != Some(xmin)).map(|(row, _)| row).collect()
}

#[test]
fn every_case_of_planned_time_travels_from_its_logs_to_the_views_to_the_last_digit() {
    for case in planned::cases() {
        let (db, folder) = (Database::fresh(), Folder::empty());
        let agent = agent_of(&case, &folder, &db);
        if case.is_closed() {
            let stick = Folder::empty();
            put(&case, &stick);
            for file in &case.files {
                let path = stick.file(&format!("{}/{}", file.folder, file.name));
                let machine = machine_of(&file.folder);
                agent
                    .command(&["import", "--machine", machine, path.to_str().unwrap()])
                    .succeeded();
            }
        } else {
            put(&case, &folder);
        }
        agent.once().succeeded();
        let mut seen = BTreeMap::new();
        assert_shown(&db, &case, |folder| machine_of(folder).to_owned(), &mut seen);
        for (_, view, _) in VIEWS {
            let shown = seen.get(view).copied().unwrap_or_default();
            assert_eq!(u64::try_from(shown).unwrap(), db.count(view), "{}: {view}", case.name);
        }
        // The header's rates are the day's.
        let differ = db.psql(
            "SELECT s.date_production FROM session_production s
             LEFT JOIN v_trs_jour j USING (centre_usinage_id, date_production)
             WHERE ROW(s.taux_performance, s.taux_qualite, s.taux_trs)
                   IS DISTINCT FROM ROW(j.taux_tp, j.taux_tq, j.trs)",
        );
        assert_eq!(differ, "", "{}", case.name);
        let before = versions(&db);
        agent.once().succeeded();
        assert_eq!(changed(&before, &db), Vec::<String>::new(), "{}: a quiet poll", case.name);
    }
}

#[test]
fn a_planned_day_without_a_log_has_rows_and_no_session_and_is_healed_alone() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let mut agent = delivered("planned-day-without-log", &folder, &db);
    let alone =
        "SELECT DISTINCT t.date_production FROM temps_poste t LEFT JOIN session_production s
         USING (centre_usinage_id, date_production) WHERE s.id IS NULL ORDER BY 1";
    let days = db.psql(alone);
    assert_ne!(days, "", "some day has no session");
    let held = every_value(&db);
    let hands = [
        format!("DELETE FROM temps_poste WHERE date_production IN ({alone})"),
        format!(
            "UPDATE temps_poste SET demarrage_ms = demarrage_ms - 1 WHERE date_production IN ({alone})"
        ),
        format!(
            "INSERT INTO temps_poste SELECT centre_usinage_id, date_production, numero + 7, poste,
                 debut_poste, fin_poste, jusqua, ouverture_ms, requis_ms, fonctionnement_ms, arret_ms,
                 attente_ms, demarrage_ms, fin_ms, pieces, pieces_rebut
             FROM temps_poste WHERE date_production IN ({alone})"
        ),
        "UPDATE temps_poste SET poste = poste || ' '".into(),
        "UPDATE temps_poste SET machine = NULL".into(),
        "UPDATE temps_poste SET centre_usinage_id = 77".into(),
        "UPDATE session_production SET pieces_hors_requis = 7".into(),
        "UPDATE session_production SET centre_usinage_id = NULL; DELETE FROM centre_usinage".into(),
        "TRUNCATE temps_poste".into(),
    ];
    for hand in hands {
        db.psql(&hand);
        assert_ne!(every_value(&db), held, "{hand}");
        agent.once().succeeded();
        assert_eq!(every_value(&db), held, "{hand}");
    }
    // What is not planned any more goes, and comes back.
    agent.unset("calendar");
    agent.once().succeeded();
    assert_eq!((db.count("temps_poste"), db.count("v_trs_jour")), (0, 0));
    assert_eq!(db.psql("SELECT DISTINCT pieces_hors_requis FROM session_production"), "");
    PlannedCase::named("planned-day-without-log").configure_calendar(&mut agent);
    agent.once().succeeded();
    assert_eq!(without_revisions(&every_value(&db)), without_revisions(&held));
}

#[test]
fn a_planned_day_that_central_does_not_take_is_said_to_wait() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let mut agent = delivered("planned-day-without-log", &folder, &db);
    assert_eq!(agent.status_number("pending_planned_days"), 0);
    db.psql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN RAISE 'not here' USING ERRCODE = 'check_violation'; END$$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON temps_poste FOR EACH ROW
             WHEN (NEW.demarrage_ms = NEW.requis_ms) EXECUTE FUNCTION refuse()",
    );
    agent.set("source.0.folders.DEM12 (PVC).nominal_per_hour", 5);
    agent.once().exited(3).says("without a LOG wait");
    assert_eq!(agent.status_number("pending_planned_days"), 1);
    agent.command(&["status"]).says("1 planned day without a LOG waiting for central");
    db.psql("DROP TRIGGER refuse ON temps_poste");
    agent.once().succeeded();
    assert_eq!(agent.status_number("pending_planned_days"), 0);
}

fn without_revisions(values: &str) -> String {
    let parts = values.split("\"revision\": ");
    parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect()
}

#[test]
fn a_changed_calendar_sends_only_what_changed() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let mut agent = delivered("two-shifts-with-breaks", &folder, &db);
    let parts = db.count("temps_poste");
    assert!(parts >= 2, "{parts} parts");
    let before = versions(&db);
    let case = PlannedCase::named("two-shifts-with-breaks");
    // The second shift's break is another one; the first shift's rows are what they were.
    let mut calendar: toml::Table = toml::from_str(&case.calendar).unwrap();
    let shift = &mut calendar["calendar"][0]["shift"][1];
    shift["breaks"] = toml::Value::Array(vec!["17:00-17:25".into()]);
    agent.set("calendar", calendar["calendar"].clone());
    agent.once().succeeded();
    let written = changed(&before, &db);
    assert_eq!(written, ["s 2025-06-03", "t 2025-06-03 2"]);
    let held = every_value(&db);
    agent.command(&["replay"]).succeeded();
    let before = versions(&db);
    agent.once().succeeded();
    assert_eq!(changed(&before, &db), Vec::<String>::new());
    assert_eq!(every_value(&db), held);
}

#[test]
fn a_buffer_that_knows_less_of_a_day_never_writes_its_times_over_a_session_s() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let agent = delivered("holiday-and-extra-opening", &folder, &db);
    let of_day = "SELECT * FROM temps_poste WHERE date_production = '2025-05-31'";
    let held = db.psql(of_day);
    assert_ne!(held, "", "the day has times");
    // The buffer is lost, and the LOG of a day between others too: the day looks as if nothing was done.
    agent.lose_buffer();
    std::fs::remove_file(folder.file("DEM12 (PVC)/20250531.LOG")).unwrap();
    agent.once();
    agent.once();
    assert_eq!(db.psql(of_day), held);
}

#[test]
fn another_writer_of_times_is_named() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let agent = delivered("planned-day-without-log", &folder, &db);
    db.psql("SET application_name = 'tableur'; UPDATE temps_poste SET pieces = pieces + 1, date_maj = now()");
    let noted = db
        .psql("SELECT DISTINCT application, nom_table, operation, machine FROM cu_agent_ecriture");
    assert_eq!(noted, "tableur|temps_poste|UPDATE|DEM12");
    agent.once().succeeded().says("tableur");
    db.psql("UPDATE temps_poste SET date_maj = now()");
    assert_eq!(
        db.psql("SELECT count(*) FROM cu_agent_ecriture WHERE dite_le IS NULL"),
        "0",
        "nobody's business"
    );
}

#[test]
fn a_central_without_the_table_of_times_gets_sessions_and_later_their_times() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let role = db.role();
    db.psql(
        "CREATE TABLE cu_agent_migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL,
             checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now(),
             applied_by TEXT NOT NULL DEFAULT current_user)",
    );
    for migration in MIGRATIONS.iter().filter(|migration| migration.version < 11) {
        let Migration { version, name, sql } = migration;
        db.psql(&format!(
            "{sql} INSERT INTO cu_agent_migration VALUES ({version}, '{name}', '{}')",
            migration.checksum()
        ));
    }
    db.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"
    ));
    let case = PlannedCase::named("planned-day-without-log");
    let mut agent = agent_of(&case, &folder, &db);
    agent.set_central(&db.config_as(&role, &role));
    put(&case, &folder);
    agent.once().succeeded().says("migrations [11");
    assert!(db.count("session_production") >= 2);
    assert_eq!(agent.status_json()["in_central"]["lacks_times"], true);
    let before = versions_of_sessions(&db);
    agent.once().succeeded();
    assert_eq!(versions_of_sessions(&db), before, "nothing is sent twice");
    let script = agent.command(&["central", "migrate", "--print"]).succeeded().stdout;
    db.psql(&script);
    agent.once().succeeded().does_not_say("were not applied");
    let mut seen = BTreeMap::new();
    assert_shown(&db, &case, |folder| machine_of(folder).to_owned(), &mut seen);
}

fn versions_of_sessions(db: &Database<'_>) -> String {
    db.psql("SELECT id, xmin FROM session_production ORDER BY id")
}
