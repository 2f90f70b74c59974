//! `docs/switching-over.md` and its French version: the same commands in both, and every one of them does
//! what the page says, on the database that the Python service left.

use std::{fs, path::Path, process::Command};

use super::central_takeover::PYTHON;
use crate::support::{agent::Agent, folder::Folder, golden, postgres::Database};

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The commands and statements of a page, in order: each line of a `sh` block, each `sql` block.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut rest = page;
    while let Some((_, block)) = rest.split_once("\n```") {
        let (language, body) = block.split_once('\n').unwrap();
        let (body, behind) = body.split_once("\n```").unwrap();
        match language {
            "sh" => commands.extend(body.lines().map(str::to_owned)),
            "sql" => commands.push(body.to_owned()),
            other => panic!("a block of {other:?} is run by nothing"),
        }
        rest = behind;
    }
    commands
}

#[test]
fn the_pages_on_switching_over_have_the_same_commands() {
    let english = commands(&page("switching-over.md"));
    assert!(english.len() > 10, "{english:?}");
    assert_eq!(commands(&page("switching-over.fr.md")), english);
}

/// What the Python service had written of the days that `LOG` files show, and of one before.
fn left_by_the_service(db: &Database<'_>, days: &str) {
    db.psql(PYTHON);
    let mut script =
        "INSERT INTO centre_usinage (nom, type_cu) VALUES ('DEM12', 'DEM12');".to_owned();
    for day in days.lines() {
        let fields: Vec<&str> = day.split('|').collect();
        let [date, pieces, hours, occupation] = fields[..] else { panic!("{day}") };
        script += &format!(
            "INSERT INTO session_production (centre_usinage_id, date_production, total_pieces,
                 duree_production_totale, taux_occupation)
             VALUES (1, '{date}', {pieces}, {hours}, {occupation});"
        );
    }
    db.psql(&script);
}

#[test]
fn the_commands_on_switching_over_do_what_the_page_says() {
    let case = golden::case("edge/outside-and-overlap");
    let folder = Folder::of_case(&case);
    let formula = "SELECT date_production, total_pieces, duree_production_totale, taux_occupation
        FROM v_session_formule_origine";
    let trial = Database::fresh();
    Agent::on_directory(folder.path()).central(&trial).once().succeeded();
    let days = trial.psql(formula);
    let db = Database::fresh();
    left_by_the_service(&db, &days);
    let agent = Agent::on_directory(folder.path()).central(&db);
    let copy = format!("{}_ancien", db.name);
    let shell = |command: &str| {
        let words = command.replace("production_ancien", &copy);
        let words = words.replace("-d production ", &format!("-d {} ", db.name));
        let words =
            words.replace("production.dump production", &format!("production.dump {}", db.name));
        let words = words.replace("--template=production ", &format!("--template={} ", db.name));
        let central = db.config();
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &words])
            .current_dir(agent.dir())
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", central.port.to_string())
            .env("PGUSER", &central.user)
            .env("PGPASSWORD", central.password.expose())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}\n{error}");
    };
    let mut shown = Vec::new();
    for command in commands(&page("switching-over.md")) {
        if let Some(arguments) = command.strip_prefix("cu-agent ") {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            agent.command(&arguments).succeeded();
        } else if command.starts_with("SELECT") {
            shown.push(db.psql(&command));
        } else {
            shell(&command);
        }
    }
    let [differing, by_design] = &shown[..] else { panic!("two questions, not {shown:?}") };
    assert_eq!(differing, "", "both say the same by the old formula");
    assert!(by_design.starts_with("DEM12|2025-06-0"), "and not by the agent's: {by_design}");
    assert!(agent.dir().join("production.dump").is_file());
    assert_eq!(db.psql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{copy}'")), "0");
    assert_eq!(db.psql("SELECT to_regclass('ancien_service') IS NULL"), "t");
}

/// The variables of the old container in front of an agent whose source is a directory.
#[test]
fn the_old_container_s_variables_are_named_by_check_and_log_and_never_win_over_another_source() {
    let folder = Folder::of_case(&golden::case("edge/stops"));
    let mut agent = Agent::on_directory(folder.path());
    for (name, value) in [
        ("FTP_HOST", "10.0.0.99"),
        ("FTP_PASS", "vieux-secret"),
        ("POSTGRES_HOST", ""),
        ("POSTGRES_PORT", ""),
        ("DELETE_AFTER_SYNC", "true"),
        ("UPDATE_INTERVAL", "300"),
        ("LOGS_DIRECTORY", "/app/logs"),
        ("MYSQL_HOST", "\"\""),
    ] {
        agent.set_environment(name, value);
    }
    let check = agent.command(&["check"]).succeeded().does_not_say("vieux-secret");
    let once = agent.once().succeeded().does_not_say("vieux-secret");
    for name in ["FTP_HOST", "FTP_PASS", "DELETE_AFTER_SYNC", "UPDATE_INTERVAL", "LOGS_DIRECTORY"] {
        let line = format!("{name} is ignored");
        assert!(check.stdout.contains(&line), "{name}\n{check}");
        assert_eq!(once.stderr.matches(&line).count(), 1, "{name}\n{once}");
    }
    check.does_not_say("MYSQL").does_not_say("POSTGRES");
    assert_eq!(agent.status_number("sessions"), 1);
}
