//! Planned time in `cu-agent report`: the figures of the contract's cases, losses that add up as they are
//! printed, and money, in every form that a report has.

use std::{collections::BTreeMap, fs};

use chrono::NaiveDate;
use serde_json::Value;

use crate::support::{
    agent::Agent,
    clock::{Wrong, WrongClock},
    folder::Folder,
    generate::{CENTRES, Dirt, Flaw, file_name, flawed_log_of_day, log_of_day, working_days},
    golden::machine_of,
    planned::{self, PlannedCase},
};

/// An agent that has read a case's files, with its calendar and a price for each machine's hour.
fn read(case: &PlannedCase, cost: Option<toml::Value>) -> (Folder, Agent) {
    let folder = Folder::empty();
    for name in case.folders() {
        fs::create_dir_all(folder.file(name)).unwrap();
    }
    let mut agent = Agent::on_directory(folder.path());
    case.configure_machines(&mut agent);
    case.configure_calendar(&mut agent);
    if let Some(cost) = cost {
        for name in case.folders() {
            agent.set(&format!("source.0.folders.{name}.cost_per_hour"), cost.clone());
        }
    }
    if case.is_closed() {
        let stick = Folder::empty();
        for file in &case.files {
            let name = format!("{}/{}", file.folder, file.name);
            stick.put(&name, &file.bytes);
            let machine = machine_of(&file.folder);
            let path = stick.file(&name);
            agent.command(&["import", "--machine", machine, path.to_str().unwrap()]).succeeded();
        }
    } else {
        for file in &case.files {
            folder.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
        }
        agent.once().succeeded();
    }
    (folder, agent)
}

/// The days that the case's answers tell of.
fn period(case: &PlannedCase) -> [String; 4] {
    let days = case.expected["jours"].as_array().unwrap();
    let mut days: Vec<&str> =
        days.iter().map(|day| day["date_production"].as_str().unwrap()).collect();
    days.sort_unstable();
    let (first, last) = (days.first().copied(), days.last().copied());
    // A case without planned days has LOGs of June 2025.
    let (first, last) = (first.unwrap_or("2025-06-01"), last.unwrap_or("2025-06-30"));
    ["--from", first, "--to", last].map(str::to_owned)
}

fn report(agent: &Agent, case: &PlannedCase, more: &[&str]) -> String {
    let period = period(case);
    let period: Vec<&str> = period.iter().map(String::as_str).collect();
    agent.command(&[&["report"], &period[..], more].concat()).succeeded().stdout.clone()
}

fn json(agent: &Agent, case: &PlannedCase) -> Value {
    serde_json::from_str(&report(agent, case, &["--format", "json"])).unwrap()
}

/// `rows` of all machines.
fn planned_rows(json: &Value, rows: &str) -> Vec<Value> {
    let machines = json["machines"].as_array().unwrap();
    machines
        .iter()
        .flat_map(|machine| machine["planned"][rows].as_array().unwrap().clone())
        .collect()
}

/// Digits without the point: all decimals of a report have a fixed number of them.
fn digits(value: &Value) -> i64 {
    value.as_str().map_or(0, |text| text.replace('.', "").parse().unwrap())
}

const LOSSES: [&str; 6] = ["arret", "attente", "demarrage", "fin", "cadence", "rebut"];

#[test]
fn the_report_has_the_figures_of_every_case_of_the_contract() {
    for case in planned::cases() {
        let (_folder, agent) = read(&case, None);
        let json = json(&agent, &case);
        let key = |row: &Value| {
            ["machine", "date_production", "semaine", "numero"].map(|key| row[key].to_string())
        };
        for rows in ["postes", "jours", "semaines"] {
            let found: BTreeMap<_, Value> =
                planned_rows(&json, rows).into_iter().map(|row| (key(&row), row)).collect();
            let expected = case.expected[rows].as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{} {rows}", case.name);
            for row in expected {
                let found = &found[&key(row)];
                // Nothing is planned on such a day: its pieces alone are told.
                let is_planned = row["postes"] != 0;
                for (name, value) in row.as_object().unwrap() {
                    if name != "dossier" && (is_planned || name != "connu_jusqua") {
                        assert_eq!(&found[name], value, "{} {rows} {name} of {row}", case.name);
                    }
                }
            }
        }
        let page = report(&agent, &case, &["--details"]);
        for row in case.expected["postes"].as_array().unwrap() {
            if let Some(trs) = row["trs"].as_str() {
                let cell = format!("<td class=\"trs\">{}</td>", trs.replace('.', ","));
                assert!(page.contains(&cell), "{}: {cell}", case.name);
            }
        }
    }
}

#[test]
fn useful_time_and_losses_are_the_required_time_of_every_shift_day_and_week() {
    for case in planned::cases() {
        let (_folder, agent) = read(&case, Some(toml::Value::Float(85.5)));
        let json = json(&agent, &case);
        for rows in ["postes", "jours", "semaines", "periode"] {
            for row in planned_rows(&json, rows) {
                let lost = |unit: &str| -> i64 {
                    LOSSES.iter().map(|loss| digits(&row[format!("perte_{loss}_{unit}")])).sum()
                };
                let of = |name: &str| digits(&row[name]);
                assert_eq!(of("pertes_min"), lost("min"), "{}: {row}", case.name);
                assert_eq!(
                    of("requis_min") + of("plus_vite_min"),
                    of("utile_min") + lost("min"),
                    "{}: {row}",
                    case.name,
                );
                assert_eq!(of("pertes_eur"), lost("eur"), "{}: {row}", case.name);
                let exact = of("pertes_min") * 855 * 10 / 600;
                let parts = row["postes"].as_i64().unwrap_or(1);
                // A tenth of a minute costs 14.25 cents, and each part was rounded once.
                assert!((exact - of("pertes_eur")).abs() <= 100 * parts, "{}: {row}", case.name);
            }
        }
    }
}

/// The cells of each row of the tables of one class, without tags.
fn tables(page: &str, class: &str) -> Vec<Vec<Vec<String>>> {
    let text = |cell: &str| {
        let mut text = String::new();
        let mut is_tag = false;
        for char in cell.chars() {
            match char {
                '<' => is_tag = true,
                '>' => is_tag = false,
                char if !is_tag => text.push(char),
                _ => {}
            }
        }
        text
    };
    let table = |table: &str| {
        let body = table.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
        let row = |row: &str| {
            let cells = row.replace("</th>", "</td>");
            let cells = cells.split("</td>").map(text).collect::<Vec<_>>();
            cells[..cells.len() - 1].to_vec()
        };
        body.split("<tr").skip(1).map(|one| row(&format!("<tr{one}"))).collect()
    };
    page.split(&format!("<table class=\"{class}\">"))
        .skip(1)
        .map(|rest| table(rest.split("</table>").next().unwrap()))
        .collect()
}

/// A printed French number in its last decimal.
fn printed(cell: &str) -> i64 {
    let digits: String =
        cell.chars().filter(|char| char.is_ascii_digit() || *char == '−').collect();
    digits.replace('−', "-").parse().unwrap()
}

/// Of every table of losses: what is lost adds up to its total, and with useful time to all required time.
fn assert_columns(page: &str, case: &str) -> usize {
    let rankings = tables(page, "losses");
    for ranking in &rankings {
        let total = ranking.iter().position(|row| row[0] == "Total des pertes").unwrap();
        let required = ranking.len() - 1;
        assert_eq!(ranking[required][0], "Temps requis", "{case}");
        for column in (1..ranking[0].len()).filter(|column| *column != 2) {
            let cells: Vec<i64> = ranking.iter().map(|row| printed(&row[column])).collect();
            assert_eq!(cells[..total].iter().sum::<i64>(), cells[total], "{case} {ranking:?}");
            assert_eq!(cells[total..required].iter().sum::<i64>(), cells[required], "{case}");
        }
        let minutes: Vec<i64> = ranking[..total].iter().map(|row| printed(&row[1])).collect();
        assert!(minutes.is_sorted_by(|a, b| a >= b), "{case}: the most first: {minutes:?}");
        assert_eq!(printed(&ranking[required][3]), 10_000, "{case}: 100,00 %");
    }
    rankings.len()
}

#[test]
fn the_printed_columns_and_rows_of_losses_add_up() {
    for case in planned::cases() {
        for cost in [None, Some(toml::Value::Integer(61))] {
            let has_cost = cost.is_some();
            let (_folder, agent) = read(&case, cost);
            let page = report(&agent, &case, &["--details"]);
            let rankings = assert_columns(&page, &case.name);
            let is_planned = !case.expected["jours"].as_array().unwrap().is_empty();
            assert_eq!(rankings > 0, is_planned, "{}", case.name);
            assert_eq!(page.contains("€"), has_cost && is_planned, "{}", case.name);
            for table in tables(&page, "planned by-line") {
                let rows = table.iter().map(|row| row[1..].iter().map(|cell| printed(cell)));
                let rows: Vec<Vec<i64>> = rows.map(Iterator::collect).collect();
                for row in &rows {
                    let minutes = &row[..row.len() - usize::from(has_cost)];
                    let (required, parts) = minutes.split_last().unwrap();
                    assert_eq!(parts.iter().sum::<i64>(), *required, "{}: {row:?}", case.name);
                }
                // Shifts, days, weeks and the period each add up to the last row.
                let is = |name: &str, at: usize| table[at][0].starts_with(name);
                let is_sum = |at: usize| is("Période", at) || is("Semaine", at);
                let is_day = |at: usize| !is_sum(at) && table[at][0].contains('/');
                let days: Vec<usize> = (0..rows.len()).filter(|at| is_day(*at)).collect();
                let shifts: Vec<usize> =
                    (0..rows.len()).filter(|at| !is_sum(*at) && !is_day(*at)).collect();
                for (column, total) in rows.last().unwrap().iter().enumerate() {
                    for part in [&days, &shifts] {
                        let sum: i64 = part.iter().map(|at| rows[*at][column]).sum();
                        assert_eq!(sum, *total, "{} {column}: {table:?}", case.name);
                    }
                }
            }
        }
    }
}

#[test]
fn a_late_start_and_a_breakdown_are_told_in_minutes_and_in_money() {
    let case = PlannedCase::named("late-start-and-breakdown");
    let (_folder, mut agent) = read(&case, Some(toml::Value::Float(600.5)));
    let page = report(&agent, &case, &[]);
    let rows = &tables(&page, "losses")[0];
    let row = |name: &str| rows.iter().find(|row| row[0] == name).unwrap();
    assert_eq!(row("Démarrage tardif")[1], "180,0");
    assert_eq!(row("Démarrage tardif")[4], "1\u{202f}801,50\u{a0}€");
    // The stop begins 5 s after the last piece.
    assert_eq!((&*row("Arrêts")[1], &*row("Fin anticipée")[1]), ("179,9", "0,1"));
    // 181 pieces at 90 an hour are 120.67 min of useful time, in 120 min.
    assert_eq!(row("Plus vite que la cadence nominale")[1], "−0,7");
    assert!(page.contains("nominal_per_hour"), "what a rate above nominal means is said");
    assert!(page.contains("<dt>TRS</dt><dd><b>25,14\u{a0}%</b>"), "{page}");
    agent.set("agent.language", "en");
    let page = report(&agent, &case, &[]);
    assert!(page.contains("Late start") && page.contains("€1,801.50"), "{page}");
}

#[test]
fn a_machine_without_calendar_or_nominal_rate_is_told_how_to_get_a_trs() {
    let case = PlannedCase::named("machine-without-calendar");
    let (_folder, agent) = read(&case, None);
    let page = report(&agent, &case, &[]);
    assert!(page.contains("Pas de TRS\u{202f}: cette machine n'a pas de calendrier."), "{page}");
    assert!(page.contains("[[calendar]]") && !page.contains("class=\"trs\""), "{page}");

    let case = PlannedCase::named("no-nominal");
    let (_folder, agent) = read(&case, None);
    let page = report(&agent, &case, &[]);
    assert!(page.contains("nominal_per_hour dans [source.folders]"), "{page}");
    assert!(!page.contains("Perte de cadence"), "what is not known is no loss");
}

/// The numbers of minutes in a French sentence, in tenths.
fn minutes_in(sentence: &str) -> Vec<i64> {
    let words: Vec<&str> = sentence.split([' ', '\u{202f}', '(', ')']).collect();
    let number = |word: &&str| word.split_once("\u{a0}min").map(|(number, _)| (*number).to_owned());
    let tenths = |text: String| {
        let (whole, tenth) = text.split_once(',').unwrap_or((&text, "0"));
        whole.parse::<i64>().unwrap() * 10 + tenth.parse::<i64>().unwrap()
    };
    words.iter().filter_map(number).map(tenths).collect()
}

/// Each advice of a loss starts from the ranking's own figure; whether there was one.
fn assert_advice(day: Option<&Value>, advice: &Value) -> bool {
    let text = advice["texte"].as_str().unwrap();
    let minutes = minutes_in(text);
    if let Some(rest) = text.split("; regrouper").nth(1) {
        let number = |text: &str| text.split(' ').find_map(|word| word.parse::<i64>().ok());
        let count = number(text).unwrap();
        let saved = number(rest.split("éviterait").nth(1).unwrap()).unwrap();
        let won = (minutes[0] * saved * 2 + count) / (2 * count);
        assert_eq!(minutes[..2], [minutes[0], won], "{text}");
        return false;
    }
    // Behind the name of the loss, which may hold the length of a stop.
    let minutes = minutes_in(text.split_once("\u{202f}:").unwrap().1);
    assert_eq!(minutes[0] - minutes[1], minutes[2], "cost less usual is what is won: {text}");
    let names = [
        ("Arrêts", "arret"),
        ("Attentes", "attente"),
        ("Démarrage tardif", "demarrage"),
        ("Fin anticipée", "fin"),
        ("Perte de cadence", "cadence"),
        ("Rebuts", "rebut"),
    ];
    let loss = names.into_iter().find(|(name, _)| text.starts_with(name));
    let Some((_, loss)) = loss else { return false };
    let row = day.expect("a loss of a planned day");
    assert_eq!(digits(&row[format!("perte_{loss}_min")]), minutes[0], "{text} of {row}");
    true
}

#[test]
fn the_arithmetic_of_advice_adds_up_as_it_is_printed_and_starts_from_the_losses() {
    let folder = Folder::of_three_machines();
    let days = working_days(NaiveDate::from_ymd_opt(2025, 3, 3).unwrap(), 14);
    for centre in &CENTRES {
        for (at, day) in days.iter().enumerate() {
            let log = match at {
                10 => flawed_log_of_day(centre, *day, 3, Flaw::LongStop),
                _ => log_of_day(centre, *day, 3, Dirt::None),
            };
            folder.put(&format!("{}/{}", centre.folder, file_name(*day)), &log);
        }
    }
    let mut agent = Agent::on_directory(folder.path());
    agent.set("anomalies.advice_minutes", 1);
    agent.set("source.0.folders.DEM12 (PVC).nominal_per_hour", 90);
    // SU12 has no calendar: its advice rests on its log alone.
    let calendar = "[[calendar]]\nmachines = [\"DEM12\", \"DEMALU\"]\n[[calendar.shift]]\nname = \"jour\"\n\
                    days = \"mon-fri\"\ntime = \"05:00-17:00\"\nbreaks = [\"09:00-09:20\"]\n";
    let calendar: toml::Table = toml::from_str(calendar).unwrap();
    agent.set("calendar", calendar["calendar"].clone());
    agent.once().succeeded();
    let (first, last) = (days[0].to_string(), days[13].to_string());
    let arguments = ["report", "--format", "json", "--from", &first, "--to", &last];
    let json: Value = serde_json::from_str(&agent.command(&arguments).succeeded().stdout).unwrap();
    let (mut of_losses, mut others) = (0, 0);
    for machine in json["machines"].as_array().unwrap() {
        let rows = machine["planned"]["jours"].as_array().unwrap();
        for session in machine["sessions"].as_array().unwrap() {
            let date = &session["date_production"];
            let row = rows.iter().find(|row| row["date_production"] == *date);
            for advice in session["conseils"].as_array().unwrap() {
                if assert_advice(row, advice) {
                    of_losses += 1;
                } else {
                    others += 1;
                }
            }
        }
    }
    assert!(of_losses > 5 && others > 5, "{of_losses} of losses, {others} others");
}

#[test]
fn a_planned_day_without_any_log_is_a_day_and_a_running_one_is_marked() {
    let case = PlannedCase::named("planned-day-without-log");
    let (_folder, mut agent) = read(&case, None);
    let page = report(&agent, &case, &[]);
    assert!(page.contains("(aucun LOG)"), "{page}");
    // By the gateway's clock the day is past: that is all that is known of it.
    assert!(page.contains("connu jusqu'à 08:40") && !page.contains("en cours"), "{page}");
    // With a clock that cannot be right, the newest day is the one that is under way.
    let _clock = WrongClock::given_to(&mut agent, Wrong::NeverSet);
    let page = report(&agent, &case, &[]);
    assert!(page.contains("en cours, jusqu'à 08:40"), "{page}");
    let csv = report(&agent, &case, &["--format", "csv", "--table", "days"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 4, "{csv}");
    assert!(lines[2].starts_with("DEM12,2025-06-03,2025-06-04 00:00:00,non,,2,0,"), "{csv}");
    assert!(lines[3].contains(",oui,2025-06-04 08:40:00,1,"), "{csv}");
    let shifts = report(&agent, &case, &["--format", "csv", "--table", "shifts"]);
    assert_eq!(shifts.lines().count(), 6, "{shifts}");
    let refused = agent.command(&["report", "--table", "shifts"]).exited(2).stderr.clone();
    assert!(refused.contains("--format csv"), "{refused}");
}
