//! Bars, metres and pieces by reference and colour: central's view, the report's CSV and JSON, and its page
//! say what a count of the raw LOG lines says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{agent::Agent, folder::Folder, postgres::Database};

/// Of a machine, day, reference and colour; pieces before the first job have neither.
type Key = (String, String, String, String);

/// Bars, length in hundredths of a millimetre, pieces.
type Counted = BTreeMap<Key, (u64, u64, u64)>;

/// A LOG of random jobs and pieces, many in one second, some jobs torn or without a colour.
fn log(rng: &mut fastrand::Rng, day: &str) -> String {
    let mut seconds = 5 * 3600;
    let mut lines = String::new();
    for _ in 0..rng.u32(100..300) {
        seconds += rng.u32(0..3) * rng.u32(0..40);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let stamp = format!("{day} {hour:02}:{minute:02}:{second:02}");
        let (reference, length) = (6112 + rng.u32(0..4), rng.u32(0..620_000));
        let (whole, cents) = (length / 100, length % 100);
        lines += &match rng.u8(0..8) {
            0 => format!("{stamp}|@JobProfiel: R:{reference} L:{whole}.{cents:02} C:654\n"),
            1 => format!("{stamp}|@JobProfiel: C:LAQ R:{reference} L:{whole}\n"),
            2 if rng.bool() => format!("{stamp}|@JobProfiel: R:{reference} L:{whole}.{cents:02}\n"),
            3 if rng.bool() => format!("{stamp}|@JobProfiel: R:{reference} C:654\n"),
            _ => format!("{stamp}|@StukUitgevoerd: 1 B{}\n", rng.u32(..)),
        };
    }
    lines
}

/// What the lines say: a job is a bar, and a piece is of the last job at or before its second.
fn count(machine: &str, day: &str, log: &str, counted: &mut Counted) {
    let date = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]);
    let mut jobs: Vec<(&str, Key)> = Vec::new();
    for line in log.lines() {
        let Some((stamp, details)) = line.split_once("|@JobProfiel: ") else { continue };
        let field = |name: &str| details.split(' ').find_map(|word| word.strip_prefix(name));
        let (Some(reference), Some(length)) = (field("R:"), field("L:")) else { continue };
        let colour = field("C:").unwrap_or("N/A");
        let (whole, cents) = length.split_once('.').unwrap_or((length, "00"));
        let key = (machine.to_owned(), date.clone(), reference.to_owned(), colour.to_owned());
        let sums = counted.entry(key.clone()).or_default();
        sums.0 += 1;
        sums.1 += whole.parse::<u64>().unwrap() * 100 + cents.parse::<u64>().unwrap();
        jobs.push((stamp, key));
    }
    for line in log.lines() {
        let Some((stamp, _)) = line.split_once("|@StukUitgevoerd") else { continue };
        let job = jobs.iter().rfind(|(at, _)| *at <= stamp).map(|(_, key)| key.clone());
        let none = (machine.to_owned(), date.clone(), String::new(), String::new());
        counted.entry(job.unwrap_or(none)).or_default().2 += 1;
    }
}

/// Rows of machine, day, reference, colour, bars, metres, pieces.
fn parsed<'r>(rows: impl Iterator<Item = Vec<&'r str>>) -> Counted {
    rows.map(|row| {
        let text = |at: usize| row[at].to_owned();
        let number = |at: usize| row[at].replace('.', "").parse::<u64>().unwrap();
        ((text(0), text(1), text(2), text(3)), (number(4), number(5), number(6)))
    })
    .collect()
}

#[test]
fn material_is_the_same_in_the_view_the_report_and_a_count_of_the_raw_lines() {
    let db = Database::fresh();
    let mut rng = fastrand::Rng::with_seed(614);
    let folder = Folder::of_three_machines();
    let mut counted = Counted::new();
    for (machine, name) in [("DEM12", "DEM12 (PVC)"), ("SU12", "SU12 (HYBRIDE)")] {
        for day in ["20250602", "20250603", "20250604"] {
            let log = log(&mut rng, day);
            count(machine, day, &log, &mut counted);
            folder.put(&format!("{name}/{day}.LOG"), log.as_bytes());
        }
    }
    let agent = Agent::on_directory(folder.path()).central(&db);
    agent.once().succeeded();

    let view = db.psql(
        "SELECT concat_ws(',', nom, date_production, coalesce(reference, ''), coalesce(couleur, ''),
             barres, metres, pieces) FROM v_matiere",
    );
    let view = parsed(view.lines().map(|line| line.split(',').collect()));
    assert_eq!(view, counted, "the view");

    let range = ["--from", "2025-06-02", "--to", "2025-06-04"];
    let report = |more: &[&str]| {
        agent.command(&[&["report"], &range[..], more].concat()).succeeded().stdout.clone()
    };
    let csv = report(&["--format", "csv", "--table", "material"]);
    let heading = "machine,date_production,reference,couleur,barres,metres,pieces";
    assert_eq!(csv.lines().next(), Some(heading));
    let rows = csv.lines().skip(1).map(|line| line.split(',').collect());
    assert_eq!(parsed(rows), counted, "the CSV");

    let json: Value = serde_json::from_str(&report(&["--format", "json"])).unwrap();
    let machines = json["machines"].as_array().unwrap();
    let rows: Vec<&Value> =
        machines.iter().flat_map(|machine| machine["material"].as_array().unwrap()).collect();
    assert_eq!(rows.len(), counted.len());

    let page = report(&["--machine", "SU12", "--details"]);
    let of_machine = || counted.iter().filter(|((machine, ..), _)| machine == "SU12");
    let sum = |of: fn(&(u64, u64, u64)) -> u64| of_machine().map(|(_, sums)| of(sums)).sum::<u64>();
    let (bars, length, pieces) = (sum(|of| of.0), sum(|of| of.1), sum(|of| of.2));
    let centimetres = (length + 500) / 1000;
    let total = format!(
        "Total</th><td>{bars}</td><td>{},{:02}</td><td>{pieces}</td>",
        centimetres / 100,
        centimetres % 100
    );
    assert!(page.contains(&total), "{total} in {page}");
}
