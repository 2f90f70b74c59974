//! `cu-agent report --format xlsx`, read by another program: the values of `--format json` as numbers, dates
//! and lengths of time, and nothing from outside that a spreadsheet would run.

use std::{fs, path::PathBuf};

use chrono::NaiveDate;
use serde_json::Value;

use crate::support::{
    agent::Agent,
    folder::Folder,
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    spreadsheet::{Row, Spreadsheet},
};

const SHEETS: [&str; 10] = [
    "Synthèse",
    "Sessions",
    "Postes",
    "Jours",
    "Semaines",
    "Pertes",
    "Arrêts",
    "Profils",
    "Matière",
    "Anomalies",
];
const RANGE: [&str; 4] = ["--from", "2025-03-03", "--to", "2025-03-14"];

/// Two weeks of two machines, of which one has shifts, a nominal rate and a price.
fn scene() -> (Folder, Agent) {
    let folder = Folder::of_three_machines();
    for centre in &CENTRES[..2] {
        for day in working_days(NaiveDate::from_ymd_opt(2025, 3, 3).unwrap(), 10) {
            let log = log_of_day(centre, day, 5, Dirt::None);
            folder.put(&format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    let mut agent = Agent::on_directory(folder.path());
    let machine = "source.0.folders.DEM12 (PVC)";
    agent.set(&format!("{machine}.nominal_per_hour"), 60);
    agent.set(&format!("{machine}.cost_per_hour"), 45);
    let calendar: toml::Value = toml::from_str(
        r#"machines = ["DEM12"]
           shift = [
               { name = "=matin", days = "mon tue wed thu fri", time = "05:00-13:00", breaks = ["09:00-09:20"] },
               { name = "soir", days = "mon tue wed thu fri", time = "13:00-21:00" },
           ]"#,
    )
    .map(toml::Value::Table)
    .unwrap();
    agent.set("calendar", toml::Value::Array(vec![calendar]));
    agent.once().succeeded();
    (folder, agent)
}

fn file(agent: &Agent, more: &[&str]) -> PathBuf {
    let file = agent.dir().join("report.xlsx");
    let path = file.to_str().unwrap();
    let arguments = [&["report", "--format", "xlsx", "-o", path], more].concat();
    agent.command(&arguments).succeeded();
    file
}

fn decimal(value: &Value) -> Option<f64> {
    value.as_str().map(|text| text.parse().unwrap()).or_else(|| value.as_f64())
}

#[track_caller]
fn same(found: Option<f64>, expected: Option<f64>, what: &str) {
    match (found, expected) {
        (Some(found), Some(expected)) => {
            assert!(
                (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
                "{what}: {found} {expected}"
            );
        }
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
}

/// Planned time of a row of the spreadsheet and of JSON.
fn same_times(row: &Row<'_>, json: &Value) {
    for (head, name) in [
        ("Temps d'ouverture", "ouverture_ms"),
        ("Temps requis", "requis_ms"),
        ("Fonctionnement", "fonctionnement_ms"),
        ("Arrêt", "arret_ms"),
        ("Attente", "attente_ms"),
        ("Démarrage tardif", "demarrage_ms"),
        ("Fin anticipée", "fin_ms"),
    ] {
        assert_eq!(row.cell(head)["format"], "[h]:mm");
        same(row.number(head), decimal(&json[name]), &format!("{head} of {json}"));
    }
    for (head, name, factor) in [
        ("Pièces", "pieces", 1.0),
        ("Rebuts", "pieces_rebut", 1.0),
        ("Cadence nominale, p/h", "cadence_nominale", 1.0),
        ("Temps net", "temps_net", 3_600_000.0),
        ("Temps utile", "temps_utile", 3_600_000.0),
        ("Disponibilité (Do)", "taux_do", 0.01),
        ("Performance (Tp)", "taux_tp", 0.01),
        ("Qualité (Tq)", "taux_tq", 0.01),
        ("TRS", "trs", 0.01),
        ("TRG", "trg", 0.01),
        ("TRE", "tre", 0.01),
        ("Temps utile, min", "utile_min", 1.0),
        ("Plus vite que nominal, min", "plus_vite_min", 1.0),
        ("Pertes, min", "pertes_min", 1.0),
        ("Perdu en arrêts, min", "perte_arret_min", 1.0),
        ("Perdu en attentes, min", "perte_attente_min", 1.0),
        ("Perdu au démarrage, min", "perte_demarrage_min", 1.0),
        ("Perdu en fin, min", "perte_fin_min", 1.0),
        ("Perdu en cadence, min", "perte_cadence_min", 1.0),
        ("Perdu en rebuts, min", "perte_rebut_min", 1.0),
        ("Coût des pertes", "pertes_eur", 1.0),
    ] {
        let expected = decimal(&json[name]).map(|value| value * factor);
        same(row.number(head), expected, &format!("{head} of {json}"));
    }
    assert_eq!(row.cell("TRS")["format"], "0.00%");
    assert_eq!(row.text("En cours"), if json["en_cours"] == true { "oui" } else { "non" });
}

#[test]
fn every_sheet_has_the_values_of_json_as_numbers_dates_and_lengths_of_time() {
    let (_folder, agent) = scene();
    let json = agent.command(&[&["report", "--format", "json"], &RANGE[..]].concat()).succeeded();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let book = Spreadsheet::open(&file(&agent, &RANGE));
    assert_eq!(book.sheets(), SHEETS);
    let machines = json["machines"].as_array().unwrap();
    let of = |list: &str| -> Vec<(String, Value)> {
        let rows = machines.iter().flat_map(|machine| {
            let nom = machine["machine"].as_str().unwrap().to_owned();
            let rows = machine.pointer(list).unwrap().as_array().unwrap().clone();
            rows.into_iter().map(move |row| (nom.clone(), row))
        });
        rows.collect()
    };

    let sessions = of("/sessions");
    let rows = book.rows("Sessions");
    assert_eq!((rows.len(), sessions.len()), (20, 20));
    for (row, (nom, session)) in rows.iter().zip(&sessions) {
        assert_eq!(row.text("Machine"), nom);
        assert_eq!(row.cell("Jour")["format"], "dd/mm/yyyy");
        assert_eq!(row.text("Jour")[..10], session["date_production"].as_str().unwrap()[..]);
        same(row.number("Pièces"), session["total_pieces"].as_f64(), "pieces");
        for (head, name) in
            [("Première pièce", "heure_premiere_piece"), ("Dernière pièce", "heure_derniere_piece")]
        {
            assert_eq!(row.cell(head)["kind"], "date");
            assert_eq!(row.text(head), session[name].as_str().unwrap());
        }
        let occupation = decimal(&session["taux_occupation"]).map(|value| value / 100.0);
        same(row.number("Occupation"), occupation, "occupation");
        let hours = row.number("Production effective").unwrap() / 3_600_000.0;
        let expected = decimal(&session["temps_production_effectif"]).unwrap();
        assert!((hours - expected).abs() < 0.000_06, "{hours} {expected}");
        let count = |list: &str| Some(session[list].as_array().unwrap().len() as f64);
        same(row.number("Arrêts"), count("arrets"), "stops");
        same(row.number("Attentes"), count("attentes"), "waits");
        same(row.number("Profils"), count("jobs"), "jobs");
        same(row.number("Anomalies"), count("anomalies"), "anomalies");
    }

    let stops: Vec<&Value> =
        sessions.iter().flat_map(|(_, one)| one["arrets"].as_array().unwrap()).collect();
    let rows = book.rows("Arrêts");
    assert!(!stops.is_empty() && rows.len() == stops.len());
    for (row, stop) in rows.iter().zip(stops) {
        assert_eq!(
            [row.text("Début"), row.text("Fin")],
            [stop[0].as_str().unwrap(), stop[1].as_str().unwrap()]
        );
        assert_eq!(row.cell("Durée")["format"], "[h]:mm:ss");
    }

    for (sheet, list) in [
        ("Postes", "/planned/postes"),
        ("Jours", "/planned/jours"),
        ("Semaines", "/planned/semaines"),
    ] {
        let (rows, expected) = (book.rows(sheet), of(list));
        assert!(rows.len() == expected.len() && !rows.is_empty(), "{sheet}");
        for (row, (nom, json)) in rows.iter().zip(&expected) {
            assert_eq!(row.text("Machine"), nom);
            same_times(row, json);
            match sheet {
                "Postes" => assert_eq!(row.text("Poste"), json["poste"].as_str().unwrap()),
                "Jours" => {
                    assert_eq!(&row.text("Jour")[..10], json["date_production"].as_str().unwrap())
                }
                _ => assert_eq!(row.text("Semaine"), json["semaine"].as_str().unwrap()),
            }
        }
    }

    let material = of("/material");
    let rows = book.rows("Matière");
    assert!(!rows.is_empty() && rows.len() == material.len());
    for (row, (_, json)) in rows.iter().zip(&material) {
        assert_eq!(row.text("Référence"), json["reference"].as_str().unwrap_or_default());
        same(row.number("Longueur, m"), decimal(&json["metres"]), "metres");
        same(row.number("Barres"), json["barres"].as_f64(), "bars");
        same(row.number("Pièces"), json["pieces"].as_f64(), "pieces");
    }

    let rows = book.rows("Pertes");
    for (_, period) in of("/planned/periode") {
        let codes = period["classement"].as_str().unwrap().split(' ');
        for (row, code) in rows.iter().zip(codes) {
            same(row.number("Temps, min"), decimal(&period[&format!("perte_{code}_min")]), code);
            same(row.number("Coût"), decimal(&period[&format!("perte_{code}_eur")]), code);
        }
    }
    assert_eq!(rows.len(), 6, "a machine with shifts");

    let rows = book.rows("Synthèse");
    assert_eq!(rows.len(), 2);
    for (row, machine) in rows.iter().zip(machines) {
        assert_eq!(row.text("Machine"), machine["machine"].as_str().unwrap());
        same(row.number("Pièces"), machine["patterns"]["pieces"].as_f64(), "pieces");
        let trs = machine["planned"]["periode"].as_array().unwrap().first();
        let trs = trs.and_then(|period| decimal(&period["trs"])).map(|trs| trs / 100.0);
        same(row.number("TRS"), trs, "TRS");
    }
    let rows = book.rows("Profils");
    let pieces: f64 = rows.iter().filter_map(|row| row.number("Pièces")).sum();
    let expected: f64 =
        of("/patterns/profiles").iter().map(|(_, of)| of["pieces"].as_f64().unwrap()).sum();
    assert!(pieces > 0.0 && (pieces - expected).abs() < 0.5, "{pieces} {expected}");
    let anomalies: Vec<&Value> =
        sessions.iter().flat_map(|(_, one)| one["anomalies"].as_array().unwrap()).collect();
    let rows = book.rows("Anomalies");
    assert_eq!(rows.len(), anomalies.len());
    for (row, anomaly) in rows.iter().zip(anomalies) {
        assert_eq!(row.text("Anomalie"), anomaly["texte"].as_str().unwrap());
        assert_eq!(row.text("Gravité"), anomaly["gravite"].as_str().unwrap());
        same(row.number("Valeur"), decimal(&anomaly["valeur"]), "value");
    }
}

#[test]
fn headings_stay_and_filter_and_the_same_period_is_the_same_bytes_in_either_language() {
    let (_folder, mut agent) = scene();
    let first = fs::read(file(&agent, &RANGE)).unwrap();
    let again = fs::read(file(&agent, &RANGE)).unwrap();
    assert!(first == again, "the same rows are the same bytes");
    let piped = agent.command(&[&["report", "--format", "xlsx"], &RANGE[..]].concat()).succeeded();
    assert!(piped.stdout.starts_with("PK"), "also to a pipe");
    let book = Spreadsheet::open(&file(&agent, &RANGE));
    assert_eq!(book.0["created"], "2025-03-14 00:00:00");
    for (name, sheet) in book.0["sheets"].as_object().unwrap() {
        assert_eq!(sheet["freeze"], "A2", "{name}");
        assert_eq!(sheet["filter"], sheet["range"], "{name}");
        assert!(sheet["narrowest"].as_f64().unwrap() >= 6.0, "{name}");
    }
    agent.set("agent.language", "en");
    let book = Spreadsheet::open(&file(&agent, &RANGE));
    assert_eq!(book.sheets()[..4], ["Summary", "Sessions", "Shifts", "Days"]);
    let rows = book.rows("Days");
    assert_eq!(rows[0].cell("Day")["format"], "yyyy-mm-dd");
    assert!(rows[0].number("TRS (OEE)").is_some());
}

#[test]
fn nothing_from_a_log_or_a_name_is_a_formula_or_breaks_the_file() {
    let folder = Folder::of_three_machines();
    let log = "20250603 05:00:00|@JobStart: =HYPERLINK(\"http://x\")|6500,00|+cmd|' /C calc'!A0\n\
               20250603 05:00:01|@StukUitgevoerd: 1 A\n\
               20250603 05:10:00|@=1+1\n\
               20250603 05:11:00|@_x0041_\u{1}\u{ffff}\u{202e}<t>&amp;\n\
               20250603 06:00:00|@StukUitgevoerd: 2 A\n";
    for name in ["20250603.LOG", "20250603=1+1_x0007_.LOG"] {
        folder.put(&format!("DEM12 (PVC)/{name}"), log.as_bytes());
    }
    let mut agent = Agent::on_directory(folder.path());
    agent.map_folders(0, &[("DEM12 (PVC)", "@SUM(A1)"), ("DEMALU (ALU)", "=2+2<&>'\"")]);
    folder.put("DEMALU (ALU)/20250603.LOG", log.as_bytes());
    agent.once();
    let book = Spreadsheet::open(&file(&agent, &["--from", "2025-06-03", "--to", "2025-06-03"]));
    let mut quoted = 0;
    for cell in book.cells() {
        assert_ne!(cell["kind"], "formula", "{cell}");
        let text = cell["value"].as_str().unwrap_or_default();
        if cell["kind"] == "text" && text.starts_with(['=', '+', '-', '@']) {
            assert_eq!(cell["quoted"], true, "{cell}");
            quoted += 1;
        }
    }
    assert!(quoted > 0);
    let noms: Vec<String> =
        book.rows("Synthèse").iter().map(|row| row.text("Machine").to_owned()).collect();
    assert_eq!(noms, ["=2+2<&>'\"", "@SUM(A1)"]);
    let empty = Spreadsheet::open(&file(&agent, &["--from", "2020-01-01", "--to", "2020-01-02"]));
    assert_eq!(empty.sheets(), SHEETS, "a period without anything is a book without rows");
}
