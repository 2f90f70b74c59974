//! Machines that had other names in central: their rows become the machine's, by the agent's command and by
//! the script that it prints; and what `check --replace` says before.

use cu_agent::sync::postgres::Central;
use fastrand::Rng;

use super::central_takeover::{ORM, PYTHON, PYTHON_FIRST, contents, old_session};
use crate::support::{agent::Agent, folder::Folder, golden, postgres::Database, rows};

const DEM12: &str = "source.0.folders.DEM12 (PVC)";

/// On the database, with PVC as DEM12's old name.
fn agent(folder: &Folder, db: &Database<'_>) -> Agent {
    let mut agent = Agent::on_directory(folder.path()).central(db);
    agent.set(&format!("{DEM12}.old_names"), vec!["PVC".to_owned()]);
    agent
}

fn centre(nom: &str, extra: bool) -> String {
    let (columns, values) =
        if extra { (", actif, date_creation", ", TRUE, now()") } else { ("", "") };
    format!(
        "INSERT INTO centre_usinage (nom, type_cu{columns}) VALUES ('{nom}', 'DEM12'{values});\n"
    )
}

/// Draws centres of old and new names with days of May; who has which is returned as (machine, day).
fn fill(db: &Database<'_>, extra: bool, rng: &mut Rng) -> Vec<(String, String)> {
    let mut names = vec!["PVC", "DEM12", "PVC_20250501", "PVC_20250502", "PVCX_20250503", "SU12"];
    rng.shuffle(&mut names);
    let kept = rng.usize(3..=names.len());
    names.truncate(kept);
    let mut script = String::new();
    let mut days = Vec::new();
    for (at, nom) in names.iter().enumerate() {
        script += &centre(nom, extra);
        let machine = match nom.split('_').next().unwrap() {
            "PVC" => "DEM12",
            other => other,
        };
        let mut of_centre: Vec<u32> = (1..6).collect();
        rng.shuffle(&mut of_centre);
        for day in &of_centre[..rng.usize(1..4)] {
            let date = format!("2025-05-{day:02}");
            script += &old_session(at as u32 + 1, &date, rng.u32(1..8));
            days.push((machine.to_owned(), date));
        }
    }
    script +=
        "CREATE TABLE remarque (texte TEXT, seance INTEGER REFERENCES session_production (id),
            machine INTEGER REFERENCES centre_usinage (id));
        INSERT INTO remarque SELECT 'vu', id, centre_usinage_id FROM session_production;";
    db.psql(&script);
    days.sort();
    days.dedup();
    days
}

fn days_of(db: &Database<'_>) -> Vec<(String, String)> {
    let rows = db.psql(
        "SELECT c.nom, s.date_production FROM session_production s
         JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1, 2",
    );
    let pair = |row: &str| row.split_once('|').map(|(nom, day)| (nom.to_owned(), day.to_owned()));
    rows.lines().filter_map(pair).collect()
}

#[test]
fn rows_of_old_names_become_the_machines_and_none_is_lost_whatever_is_there() {
    for (round, (ddl, extra)) in
        [(PYTHON_FIRST, false), (ORM, true), (PYTHON, false), (PYTHON_FIRST, false)]
            .iter()
            .enumerate()
    {
        let db = Database::fresh();
        db.psql(ddl);
        let days = fill(&db, *extra, &mut Rng::with_seed(round as u64 + 1));
        let sessions = db.count("session_production");
        let before = contents(&db);
        let folder = Folder::empty();
        let agent = agent(&folder, &db);
        if round == 1 {
            let script = agent.command(&["central", "migrate", "--print"]).succeeded().stdout;
            db.psql(&script);
            db.psql(&script);
        } else {
            agent.command(&["central", "migrate"]).succeeded();
        }
        assert_eq!(contents(&db), before, "every detail row is still there, round {round}");
        assert_eq!(days_of(&db), days, "round {round}");
        let merged = db.count("cu_agent_fusion WHERE nom_table = 'session_production'");
        assert_eq!(db.count("session_production") + merged, sessions);
        assert_eq!(db.count("centre_usinage WHERE nom LIKE 'PVC%' AND nom <> 'PVCX'"), 0);
        let followed = "remarque r JOIN session_production s ON s.id = r.seance
            WHERE r.machine = s.centre_usinage_id";
        assert_eq!(db.count(followed), sessions, "other people's rows follow");
        let twice = "(SELECT session_id, numero_piece AS n FROM piece_production UNION ALL
             SELECT session_id, numero FROM periode_attente WHERE numero IS NULL) x WHERE n IS NULL OR n < 1";
        assert_eq!(db.count(twice), 0);
        agent.command(&["central", "migrate"]).succeeded().says("no rows of its old names");
        assert_eq!(days_of(&db), days);
    }
}

#[test]
fn a_day_that_the_agent_wrote_is_not_doubled_by_the_old_name_s_rows_of_it() {
    let case = golden::case("edge/stops");
    let folder = Folder::of_case(&case);
    let db = Database::fresh();
    let agent = agent(&folder, &db);
    agent.once().succeeded();
    db.psql(&centre("PVC_20250603", false));
    let of_pvc = db.psql("SELECT id FROM centre_usinage WHERE nom = 'PVC_20250603'");
    // The same day, from the same LOG, with fewer pieces; and a day of its own.
    db.psql(&old_session(of_pvc.parse().unwrap(), "2025-06-03", 1));
    db.psql(&old_session(of_pvc.parse().unwrap(), "2025-06-04", 3));
    agent
        .command(&["check", "--replace"])
        .succeeded()
        .says("DEM12: 1 centre of its old names (PVC) would be merged")
        .says("2 sessions; 1 day exists on both sides");
    agent.command(&["central", "migrate"]).succeeded().says("merged into it, with 2 sessions");
    agent.once().succeeded();
    assert_eq!(days_of(&db)[1], ("DEM12".into(), "2025-06-04".into()));
    // What the old service wrote is not in the shape of the agent's rows.
    for table in ["job_profil", "periode_attente", "periode_arret", "piece_production"] {
        db.psql(&format!(
            "DELETE FROM {table} t USING session_production s
             WHERE s.id = t.session_id AND s.date_production = '2025-06-04'"
        ));
    }
    db.psql("DELETE FROM session_production WHERE date_production = '2025-06-04'");
    rows::assert_same("the agent's day", &rows::central_sessions(&db), &rows::truth(&case));
    assert_eq!(
        db.count("cu_agent_fusion WHERE nom_table = 'piece_production'"),
        1,
        "kept as it was"
    );
}

#[test]
fn a_centre_that_another_agent_delivers_is_left_alone_and_named() {
    for of_other in ["PVC", "DEM12"] {
        let db = Database::fresh();
        let folder = Folder::empty();
        let agent = agent(&folder, &db);
        agent.command(&["central", "migrate"]).succeeded();
        db.psql(
            &(centre("PVC", false) + &centre("DEM12", false) + &old_session(1, "2025-05-01", 2)),
        );
        db.psql(&format!(
            "INSERT INTO cu_agent_machine (centre_usinage_id, agent_id, tampon_id, instance_id, hote)
             SELECT id, 'autre', 't', 'i', 'h' FROM centre_usinage WHERE nom = '{of_other}'"
        ));
        agent.command(&["check", "--replace"]).succeeded().says("1 centre left alone");
        agent.command(&["central", "migrate"]).exited(3).says("1 centre left alone");
        assert_eq!(db.psql("SELECT nom FROM centre_usinage ORDER BY nom"), "DEM12\nPVC");
        assert_eq!(db.count("cu_agent_fusion"), 0);
    }
}

#[test]
fn old_names_go_into_the_machine_s_centre_whatever_people_call_it_and_into_no_other() {
    let case = golden::case("edge/stops");
    for printed in [false, true] {
        let folder = Folder::of_case(&case);
        folder.put("SU12 (HYBRIDE)/20250603.LOG", b"20250603 05:00:00|@StukUitgevoerd: 1 A\n");
        let db = Database::fresh();
        let agent = agent(&folder, &db);
        agent.once().succeeded();
        // The old name itself is what people call the centre of another machine now.
        db.psql(
            &("UPDATE centre_usinage SET nom = 'Centre 12' WHERE nom = 'DEM12';
               UPDATE centre_usinage SET nom = 'PVC' WHERE nom = 'SU12';"
                .to_owned()
                + &centre("PVC_20250604", false)),
        );
        let of_pvc = db.psql("SELECT id FROM centre_usinage WHERE nom = 'PVC_20250604'");
        db.psql(&old_session(of_pvc.parse().unwrap(), "2025-06-04", 3));
        let check = agent.command(&["check", "--replace"]);
        check.says("1 centre of its old names (PVC) would be merged").says("1 centre left alone");
        if printed {
            db.psql(&agent.command(&["central", "migrate", "--print"]).succeeded().stdout);
        } else {
            agent
                .command(&["central", "migrate"])
                .exited(3)
                .says("merged into it, with 1 session;");
        }
        let expected =
            [("Centre 12", "2025-06-03"), ("Centre 12", "2025-06-04"), ("PVC", "2025-06-03")];
        let expected = expected.map(|(nom, day)| (nom.to_owned(), day.to_owned()));
        assert_eq!(days_of(&db), expected, "printed: {printed}");
        // And goes on being the machine's without its claim.
        db.psql("DELETE FROM cu_agent_machine");
        folder.put("DEM12 (PVC)/20250605.LOG", b"20250605 05:00:00|@StukUitgevoerd: 1 A\n");
        agent.once().succeeded();
        assert_eq!(days_of(&db)[2], ("Centre 12".into(), "2025-06-05".into()));
    }
}

#[test]
fn a_machine_s_old_name_is_nobody_else_s() {
    let folder = Folder::empty();
    let mut agent = Agent::on_directory(folder.path());
    agent.set(&format!("{DEM12}.old_names"), vec!["SU12".to_owned()]);
    agent.command(&["check"]).exited(2).says("is the nom of another folder");
    agent.set(&format!("{DEM12}.old_names"), vec!["X".to_owned(), "a\\b".to_owned()]);
    agent.command(&["check"]).exited(2).says("a list of at most 20 names");
    agent.set(&format!("{DEM12}.old_names"), vec!["X".to_owned()]);
    agent.set("source.0.folders.SU12 (HYBRIDE).old_names", vec!["X".to_owned()]);
    agent.command(&["check"]).exited(2).says("give it to one machine only");
}

#[test]
fn check_replace_says_whose_tables_they_are_what_becomes_of_them_and_who_writes_and_changes_nothing()
 {
    let folder = Folder::empty();
    for (ddl, extra, kind) in [
        ("", false, "central is empty"),
        (PYTHON, false, "made by the Python service"),
        (PYTHON_FIRST, false, "made by the Python service"),
        (ORM, true, "made by the REST API's ORM"),
    ] {
        let db = Database::fresh();
        let agent = Agent::on_directory(folder.path()).central(&db);
        if !ddl.is_empty() {
            db.psql(ddl);
            let script = centre("DEM12", extra)
                + &centre("DEM12_20250502", extra)
                + &old_session(1, "2025-05-02", 4)
                + &old_session(2, "2025-05-02", 5);
            db.psql(&script);
        }
        let _other = Central::connect(&db.config(), "ftp_log_service").unwrap();
        let tables =
            "SELECT string_agg(relname || relkind::text, ',' ORDER BY relname) FROM pg_class";
        let before = db.psql(tables);
        let output = agent.command(&["check", "--replace"]).succeeded().says(kind);
        let output =
            output.says("role postgres is connected as \"ftp_log_service\" (1 connection)");
        if !ddl.is_empty() {
            output
                .says("2 in centre_usinage, 2 in session_production, 9 in piece_production")
                .says("1 centre is named after a file")
                .says("1 session shares machine and day")
                .says("2 sessions of the last 7 days not written by an agent");
        }
        assert_eq!(db.psql(tables), before, "{kind}");
        agent.command(&["check"]).succeeded().does_not_say("replace");
    }
    let db = Database::fresh();
    let folder = Folder::of_case(&golden::case("edge/stops"));
    let agent = Agent::on_directory(folder.path()).central(&db);
    agent.once().succeeded();
    agent
        .command(&["check", "--replace"])
        .succeeded()
        .says("central has an agent's tables, up to date")
        .does_not_say("not written by an agent");
}
