//! The TRS wherever it is shown: the golden cases through the real binary, to the last digit in JSON, in CSV,
//! on the page and in the metrics; and what is said where there is none.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{
    agent::Agent,
    folder::Folder,
    http::get,
    planned::{self, PlannedCase},
};

const TIMES: [&str; 15] = [
    "temps_ouverture",
    "temps_requis",
    "temps_fonctionnement",
    "temps_arret",
    "temps_demarrage",
    "temps_fin",
    "pieces_rebut",
    "temps_net",
    "temps_utile",
    "taux_do",
    "taux_tp",
    "taux_tq",
    "trs",
    "trg",
    "tre",
];

fn key(row: &Value) -> (String, String) {
    let text = |key: &str| row[key].as_str().unwrap().to_owned();
    (text("machine"), text("date_production"))
}

fn rows<'v>(case: &'v PlannedCase, kind: &str) -> &'v Vec<Value> {
    case.expected[kind].as_array().unwrap()
}

/// Text or number as a cell of CSV has it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn assert_json(case: &PlannedCase, agent: &Agent) {
    let name = &case.name;
    let all = agent.sessions_json();
    let found: BTreeMap<_, _> = all.as_array().unwrap().iter().map(|row| (key(row), row)).collect();
    for day in rows(case, "jours") {
        let row = found.get(&key(day)).unwrap_or_else(|| panic!("{name}: {day} in {all:#}"));
        assert_eq!(row["pieces_hors_requis"], day["pieces_hors_requis"], "{name}: {day}");
        let shifts = row["postes"].as_array().unwrap();
        assert_eq!(shifts.len() as u64, day["postes"].as_u64().unwrap(), "{name}: {day}");
        if shifts.is_empty() {
            assert_eq!(row["trs"], Value::Null, "{name}: {day}");
            continue;
        }
        for key in TIMES {
            assert_eq!(row[key], day[key], "{name}: {key} of {day}");
        }
        assert_eq!(row["temps_attente_requis"], day["temps_attente"], "{name}: {day}");
        assert_eq!(row["pieces_requis"], day["pieces"], "{name}: {day}");
        assert_eq!(row["en_cours"], day["en_cours"], "{name}: {day}");
        let of_day = rows(case, "postes").iter().filter(|part| key(part) == key(day));
        for (shift, part) in shifts.iter().zip(of_day) {
            for (key, value) in shift.as_object().unwrap() {
                assert_eq!(value, &part[key], "{name}: {key} of {part}");
            }
            assert_eq!(row["jusqua"], part["jusqua"], "{name}: {part}");
        }
    }
    for ((machine, day), row) in found {
        let is_expected =
            rows(case, "jours").iter().any(|one| key(one).1 == day && key(one).0 == machine);
        assert!(is_expected || row["trs"].is_null(), "{name}: {machine} {day} has a TRS");
    }
}

fn assert_csv(case: &PlannedCase, csv: &str, way: &str) {
    let name = &case.name;
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let heads = lines.next().unwrap();
    let table: Vec<BTreeMap<&str, &str>> =
        lines.map(|cells| heads.iter().copied().zip(cells).collect()).collect();
    for day in rows(case, "jours").iter().filter(|day| day["postes"] != 0) {
        let (machine, date) = key(day);
        let is_own = |row: &&BTreeMap<&str, &str>| {
            row["machine"] == machine && row["date_production"] == date
        };
        let row = table.iter().find(is_own).unwrap_or_else(|| panic!("{name} {way}: {day}"));
        for key in TIMES.into_iter().chain(["pieces_hors_requis", "postes"]) {
            assert_eq!(row[key], cell(&day[key]), "{name} {way}: {key} of {day}");
        }
        assert_eq!(row["temps_attente_requis"], cell(&day["temps_attente"]), "{name}: {day}");
        assert_eq!(row["pieces_requis"], cell(&day["pieces"]), "{name}: {day}");
    }
}

fn days_of(case: &PlannedCase) -> (String, String) {
    let days = || rows(case, "jours").iter().map(|day| key(day).1);
    (days().min().unwrap(), days().max().unwrap())
}

#[test]
fn the_trs_of_every_case_is_that_of_the_contract_in_json_and_in_the_table() {
    for case in planned::cases() {
        let (agent, _folder) = case.read_by_agent();
        assert_json(&case, &agent);
        let table = agent.command(&["sessions", "--wide", "--last", "100"]).succeeded().stdout;
        for day in rows(&case, "jours").iter().filter(|day| !day["trs"].is_null()) {
            let (machine, date) = key(day);
            let line = table.lines().find(|line| {
                line.starts_with(&date) && line.split_whitespace().nth(1) == Some(&machine)
            });
            let line = line.unwrap_or_else(|| panic!("{}: {day} in\n{table}", case.name));
            for rate in ["taux_do", "trs", "trg"] {
                let rate = cell(&day[rate]);
                assert!(line.contains(&format!(" {rate} ")), "{}: {rate} in {line}", case.name);
            }
        }
    }
}

/// The page and the metrics of the service that shows a case.
struct Shown {
    page: std::net::SocketAddr,
    agent: Agent,
    _running: crate::support::process::Running,
    _folder: Folder,
}

fn show(case: &PlannedCase) -> Shown {
    let (mut agent, folder) = case.read_by_agent();
    agent.set("status.listen", "127.0.0.1:0");
    let running = agent.run();
    running.wait_for_line("cycle:");
    Shown { page: running.page(), agent, _running: running, _folder: folder }
}

/// The text of a figure in a machine's panel.
fn figure(page: &str, machine: &str, name: &str) -> Option<String> {
    let panel = page.split(&format!("data-nom=\"{machine}\"")).nth(1)?;
    let panel = panel.split("</section>").next()?;
    let rest = panel.split(&format!("data-figure=\"{name}\">")).nth(1)?;
    let text = rest.split("</dd>").next()?;
    Some(text.replace("<small>", "").replace("</small>", ""))
}

#[test]
fn the_page_its_csv_and_the_metrics_show_the_figures_of_the_contract() {
    for name in
        ["two-shifts-with-breaks", "planned-day-without-log", "rejects", "shift-cut-at-day-end"]
    {
        let case = PlannedCase::named(name);
        let shown = show(&case);
        let (from, to) = days_of(&case);
        let csv = get(shown.page, &format!("/sessions.csv?from={from}&to={to}")).is(200).body;
        assert_csv(&case, &csv, "page");
        for day in rows(&case, "jours").iter().filter(|day| day["postes"] != 0) {
            let (machine, date) = key(day);
            for target in
                [format!("/day/{date}?lang=en"), format!("/machine/{machine}/{date}?lang=en")]
            {
                let page = get(shown.page, &target).is(200).body;
                for (shown_as, key) in [
                    ("trs", "trs"),
                    ("do", "taux_do"),
                    ("tp", "taux_tp"),
                    ("tq", "taux_tq"),
                    ("trg", "trg"),
                ] {
                    let rate =
                        day[key].as_str().map_or("–".to_owned(), |rate| format!("{rate}%"));
                    assert_eq!(
                        figure(&page, &machine, shown_as),
                        Some(rate),
                        "{name} {target} {key}"
                    );
                }
                let until = (!rows(&case, "postes")
                    .iter()
                    .any(|part| key_is(part, &machine, &date) && part["jusqua"].is_null()))
                .then(|| day["connu_jusqua"].as_str().unwrap()[11..16].to_owned());
                let mark = until.map(|until| format!("TRS until {until}<"));
                assert_eq!(page.contains("TRS until "), mark.is_some(), "{name} {target}");
                assert!(mark.is_none_or(|mark| page.contains(&mark)), "{name} {target}");
            }
        }
        assert_metrics(&case, &get(shown.page, "/metrics").is(200).body);
        let report = ["report", "--format", "csv", "--from", &from, "--to", &to];
        shown.agent.command(&report).succeeded();
    }
}

fn key_is(row: &Value, machine: &str, date: &str) -> bool {
    key(row) == (machine.to_owned(), date.to_owned())
}

fn assert_metrics(case: &PlannedCase, metrics: &str) {
    let sample = |name: &str, labels: &str| -> Option<f64> {
        let start = format!("{name}{{{labels}}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(line.parse().unwrap())
    };
    let newest: BTreeMap<String, &Value> =
        rows(case, "jours").iter().map(|day| (key(day).0, day)).collect();
    for (machine, day) in newest {
        let label = format!("machine=\"{machine}\"");
        for (name, key) in [
            ("cu_agent_trs_ratio", "trs"),
            ("cu_agent_trg_ratio", "trg"),
            ("cu_agent_tre_ratio", "tre"),
            ("cu_agent_availability_ratio", "taux_do"),
            ("cu_agent_performance_ratio", "taux_tp"),
            ("cu_agent_quality_ratio", "taux_tq"),
        ] {
            let expected = day[key].as_str().map(|rate| rate.parse::<f64>().unwrap());
            let found = sample(name, &label).map(|ratio| (ratio * 10_000.0).round() / 100.0);
            assert_eq!(found, expected, "{} {name} of {day}", case.name);
        }
        if day["postes"] == 0 {
            continue;
        }
        let of_machine: Vec<&Value> =
            rows(case, "postes").iter().filter(|part| key(part) == key(day)).collect();
        for (state, key) in [
            ("running", "fonctionnement_ms"),
            ("stop", "arret_ms"),
            ("wait", "attente_ms"),
            ("start", "demarrage_ms"),
            ("end", "fin_ms"),
        ] {
            let ms: i64 = of_machine.iter().map(|part| part[key].as_i64().unwrap()).sum();
            let labels = format!("{label},state=\"{state}\"");
            let seconds = sample("cu_agent_required_seconds", &labels).unwrap();
            assert_eq!((seconds * 1000.0).round() as i64, ms, "{} {state} of {day}", case.name);
        }
        let is_over = of_machine.iter().all(|part| part["jusqua"].is_null());
        let over = sample("cu_agent_day_over", &label);
        assert_eq!(over, Some(f64::from(u8::from(is_over))), "{}: {day}", case.name);
    }
}

#[test]
fn a_machine_without_a_trs_is_told_how_to_get_one_wherever_it_would_be_shown() {
    for (name, machine, why, hint) in [
        ("machine-without-calendar", "SU12", "no calendar", "[[calendar]]"),
        ("no-nominal", "DEM12", "no nominal_per_hour", "set nominal_per_hour"),
    ] {
        let case = PlannedCase::named(name);
        let shown = show(&case);
        let date = shown.agent.sessions_json()[0]["date_production"].as_str().unwrap().to_owned();
        for arguments in [vec!["sessions", "--date", &date], vec!["status"]] {
            let text = shown.agent.command(&arguments).succeeded().stdout;
            // The newest day of the other case begins before its shift: nothing lacks there.
            if arguments[0] == "status" && name == "no-nominal" {
                continue;
            }
            assert!(text.contains(why) && text.contains(hint), "{name} {arguments:?}:\n{text}");
        }
        let page = get(shown.page, &format!("/day/{date}?lang=en")).is(200).body;
        assert!(page.contains(&format!("TRS: {why}; to get a TRS")), "{name}: {page}");
        assert!(page.contains(hint), "{name}: {page}");
        let french = get(shown.page, &format!("/day/{date}?lang=fr")).is(200).body;
        assert!(french.contains("pour obtenir un TRS"), "{name}: {french}");
        let metrics = get(shown.page, "/metrics").is(200).body;
        assert!(!metrics.contains(&format!("cu_agent_trs_ratio{{machine=\"{machine}\"}}")));
        assert_eq!(figure(&page, machine, "trs").is_some(), name == "no-nominal");
    }
}

#[test]
fn a_planned_day_without_any_log_is_a_day_with_its_required_time_as_late_start() {
    let case = PlannedCase::named("planned-day-without-log");
    let shown = show(&case);
    let sessions = shown.agent.sessions_json();
    let empty: Vec<&Value> =
        sessions.as_array().unwrap().iter().filter(|row| row["total_pieces"] == 0).collect();
    assert_eq!(empty.len(), 1, "{sessions:#}");
    assert_eq!(empty[0]["date_production"], "2025-06-03");
    assert_eq!(empty[0]["temps_demarrage"], "15.3333");
    let table = shown.agent.command(&["sessions"]).succeeded().stdout;
    let days: Vec<&str> =
        table.lines().skip(1).take_while(|line| !line.is_empty()).map(|line| &line[..10]).collect();
    assert_eq!(days, ["2025-06-02", "2025-06-03", "2025-06-04"], "{table}");
    // It is reached by the page's arrows, and stands in the month of those behind it.
    let before = get(shown.page, "/day/2025-06-04?lang=en").is(200).body;
    assert!(before.contains("href=\"/day/2025-06-03?lang=en\""), "{before}");
    let month = get(shown.page, "/machine/DEM12/2025-06-04?lang=en").is(200).body;
    assert!(month.contains("href=\"/machine/DEM12/2025-06-03?lang=en\""), "{month}");
    let page = get(shown.page, "/day/2025-06-03?lang=en").is(200).body;
    assert_eq!(figure(&page, "DEM12", "pieces").as_deref(), Some("0"), "{page}");
    assert!(page.contains("Late start 7\u{a0}h\u{a0}40"), "{page}");
}

#[test]
fn status_says_the_newest_days_trs_and_until_when() {
    let case = PlannedCase::named("in-progress");
    let (agent, _folder) = case.read_by_agent();
    let machine = &agent.status_json()["machines"][0];
    let day = rows(&case, "jours").last().unwrap();
    assert_eq!(machine["no_trs"], Value::Null, "{machine:#}");
    for key in TIMES {
        assert_eq!(machine["required_time"][key], day[key], "{key} of {machine:#}");
    }
    assert_eq!(machine["required_time"]["jusqua"], day["connu_jusqua"]);
    let text = agent.command(&["status"]).succeeded().stdout;
    assert!(text.contains("29.03 until 10:30"), "{text}");
}
