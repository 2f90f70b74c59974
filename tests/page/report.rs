//! The printed report: printed to PDF by the browser, its pages counted and read.

use std::{fs, path::PathBuf, process::Command};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::{
    browser::{Browser, DARK, DESKTOP, PHONE, Screen, pictures},
    support::{
        agent::Agent,
        folder::Folder,
        generate::{CENTRES, Centre, Dirt, file_name, log_of_day, working_days},
        seed::seed,
    },
};

/// Machines whose folders hold `days` each.
struct Plant {
    agent: Agent,
    _folder: Folder,
}

const SHIFTS: &str = r#"
[[calendar]]
  [[calendar.shift]]
  name = "matin"
  days = "mon-fri"
  time = "05:00-13:00"
  breaks = ["09:00-09:20"]
  [[calendar.shift]]
  name = "après-midi"
  days = "mon-fri"
  time = "13:00-21:00"
  breaks = ["17:00-17:20"]
"#;

fn calendar(text: &str) -> toml::Value {
    let written: toml::Table = toml::from_str(text).unwrap();
    written["calendar"].clone()
}

impl Plant {
    /// Machines by name with the days that they work; `None` in place of a calendar: there is none.
    fn new(machines: &[(String, Vec<NaiveDate>)], shifts: Option<&str>) -> Self {
        let folder = Folder::empty();
        let mut agent = Agent::new();
        let source = agent.add_directory("cu", folder.path());
        // The three machines of the golden cases are not here.
        agent.set(&format!("{source}.folders"), toml::Table::new());
        for (number, (nom, days)) in machines.iter().enumerate() {
            let like: &Centre = &CENTRES[number % CENTRES.len()];
            let name = format!("F{number:02}");
            fs::create_dir_all(folder.file(&name)).unwrap();
            for day in days {
                let log = log_of_day(like, *day, number as u64, Dirt::None);
                folder.put(&format!("{name}/{}", file_name(*day)), &log);
            }
            let key = format!("{source}.folders.{name}");
            agent.set(&format!("{key}.nom"), nom.as_str());
            agent.set(&format!("{key}.type_cu"), "ALU");
            if shifts.is_some() {
                agent.set(&format!("{key}.nominal_per_hour"), 60 + 15 * (number % 3) as i64);
            }
        }
        if let Some(shifts) = shifts {
            agent.set("calendar", calendar(shifts));
        }
        agent.set("agent.id", "ligne-1");
        agent.once().succeeded();
        Self { agent, _folder: folder }
    }

    /// Writes a report and opens it.
    fn open(&self, browser: &Browser, arguments: &[&str]) -> PathBuf {
        let file = self.agent.dir().join("report.html");
        let file_text = file.to_str().unwrap().to_owned();
        let all = [&["report", "-o", &file_text], arguments].concat();
        self.agent.command(&all).succeeded();
        browser.open_file(&file);
        file
    }
}

/// A report as it comes out of a printer.
struct Printed {
    pages: Vec<String>,
}

/// Prints what is open; the PDF is kept as `name`.
fn print(browser: &Browser, name: &str) -> Printed {
    let pdf = browser.devtools(
        "Page.printToPDF",
        json!({ "preferCSSPageSize": true, "printBackground": true, "transferMode": "ReturnAsBase64" }),
    );
    fs::create_dir_all(pictures()).unwrap();
    let path = pictures().join(format!("{name}.pdf"));
    fs::write(&path, STANDARD.decode(pdf["data"].as_str().unwrap()).unwrap()).unwrap();
    let text = Command::new("pdftotext").arg("-layout").arg(&path).arg("-").output();
    let text = text.expect("tests/install-test-tools.sh page installs poppler-utils");
    let text = String::from_utf8(text.stdout).unwrap();
    let mut pages: Vec<String> = text.split('\u{c}').map(str::to_owned).collect();
    assert_eq!(pages.pop().as_deref(), Some(""), "a form feed ends each page");
    Printed { pages }
}

fn monday() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 16).unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| match number {
            0..3 => CENTRES[number].nom.to_owned(),
            _ => format!("Machine {number}"),
        })
        .collect()
}

fn plant(count: usize, days: usize, shifts: Option<&str>) -> Plant {
    let from = NaiveDate::from_ymd_opt(2026, 11, 2).unwrap();
    let machines: Vec<(String, Vec<NaiveDate>)> =
        names(count).into_iter().map(|nom| (nom, working_days(from, days))).collect();
    Plant::new(&machines, shifts)
}

/// What is printed, as wide as the paper is between its margins, without a scroll bar.
fn look_at_paper(browser: &Browser) {
    browser.devtools(
        "Emulation.setDeviceMetricsOverride",
        json!({ "width": 703, "height": 1032, "deviceScaleFactor": 1, "mobile": true }),
    );
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" }));
}

fn look_at_screen(browser: &Browser, screen: Screen) {
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "" }));
    browser.look_with(screen);
}

/// Prints the report that is open, which has so many pages, each whole: nothing is cut or lies on something else,
/// and what a page ends with is no heading.
fn assert_pages(browser: &Browser, name: &str, pages: usize) -> Printed {
    look_at_paper(browser);
    let found = browser.boxes();
    assert!(found.is_empty(), "{name}: {found:#?}");
    let headings = browser.run(
        "return [...document.querySelectorAll('h1, h2, h3')].map((one) => one.textContent.trim())",
    );
    let headings: Vec<String> = serde_json::from_value(headings).unwrap();
    let printed = print(browser, name);
    assert_eq!(printed.pages.len(), pages, "{name}: pages");
    for (number, page) in printed.pages.iter().enumerate() {
        let last = page.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let ends_with = headings.iter().find(|heading| last.trim() == heading.as_str());
        assert_eq!(ends_with, None, "{name}: page {} ends with a heading", number + 1);
    }
    printed
}

/// A shown figure as its digits.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[test]
fn a_week_a_month_and_a_day_are_one_page_for_all_machines_and_one_for_each() {
    let browser = Browser::start("fr-FR");
    let three = plant(3, 14, Some(SHIFTS));
    for (name, arguments) in [
        ("report-week", &["--week", "2026-W47"][..]),
        ("report-month", &["--month", "2026-11"]),
        ("report-day", &["--from", "2026-11-18", "--to", "2026-11-18"]),
        ("report-shift", &["--week", "2026-W47", "--shift", "matin"]),
        ("report-english", &["--week", "2026-W47", "--lang", "en"]),
    ] {
        three.open(&browser, arguments);
        let printed = assert_pages(&browser, name, 4);
        for (number, page) in printed.pages.iter().enumerate() {
            let number = number + 1;
            assert!(page.contains(&format!("page {number} / 4")), "{name}: {page}");
            assert!(page.contains("ligne-1"), "{name}: {page}");
        }
    }
    three.open(&browser, &["--week", "2026-W47", "--machine", "SU12"]);
    assert_pages(&browser, "report-one-machine", 2);
    // Details go on over as many pages as they need.
    three.open(&browser, &["--week", "2026-W47", "--machine", "SU12", "--details"]);
    look_at_paper(&browser);
    let printed = print(&browser, "report-details");
    assert!(printed.pages.len() > 3, "{}", printed.pages.len());
    let number = printed.pages[1].replace(' ', "");
    assert!(number.contains(&format!("2/{}", printed.pages.len())), "{number}");

    // What the paper says is what is told to programs.
    let json = three.agent.command(&["report", "--week", "2026-W47", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.succeeded().stdout).unwrap();
    three.open(&browser, &["--week", "2026-W47"]);
    let mut all = 0;
    for machine in json["machines"].as_array().unwrap() {
        let nom = machine["machine"].as_str().unwrap();
        let sessions = machine["sessions"].as_array().unwrap();
        let pieces: i64 = sessions.iter().map(|one| one["total_pieces"].as_i64().unwrap()).sum();
        all += pieces;
        let of_row = |cell: &str| browser.text(&format!(".machines tr[data-nom='{nom}'] {cell}"));
        assert_eq!(digits(&of_row(".pieces")), pieces.to_string(), "{nom}");
        let period = &machine["planned"]["periode"][0];
        assert_eq!(of_row(".trs").replace(',', "."), period["trs"].as_str().unwrap(), "{nom}");
        let of_page = browser.text(&format!(".sheet.machine[data-nom='{nom}'] .keys .trs b"));
        assert!(of_page.replace(',', ".").starts_with(period["trs"].as_str().unwrap()), "{nom}");
    }
    assert_eq!(digits(&browser.text(".first .keys .pieces b")), all.to_string());

    // On a screen, too, nothing is cut, and everyone can read it.
    for (name, screen) in [("desktop", DESKTOP), ("dark", DARK), ("phone", PHONE)] {
        look_at_screen(&browser, screen);
        browser.keep_picture(&format!("report-{name}"));
        let found = browser.boxes();
        assert!(found.is_empty(), "{name}: {found:#?}");
        let axe = browser.axe();
        assert!(axe.is_empty(), "{name}: {axe:#?}");
    }
}

/// Ten shifts a day.
fn ten_shifts() -> String {
    let shift = |number: usize| {
        let (from, to) = (4 + number, 5 + number);
        format!(
            "[[calendar.shift]]\nname = \"équipe numéro {number} de l'atelier\"\ndays = \"mon-sun\"\n\
             time = \"{from:02}:00-{to:02}:00\"\n"
        )
    };
    format!("[[calendar]]\n{}", (0..10).map(shift).collect::<String>())
}

#[test]
fn forty_machines_are_one_page_and_whatever_a_plant_is_a_machine_has_one() {
    let browser = Browser::start("fr-FR");
    let forty = plant(40, 5, Some(SHIFTS));
    forty.open(&browser, &["--week", "2026-W45"]);
    let printed = assert_pages(&browser, "report-forty", 1);
    assert!(printed.pages[0].contains("--details"), "{}", printed.pages[0]);

    let names = ["W".repeat(100), "é<b>&".repeat(20)];
    let names = names.map(|name| name.trim().to_owned());
    let month: Vec<NaiveDate> =
        NaiveDate::from_ymd_opt(2026, 10, 1).unwrap().iter_days().take(31).collect();
    let machines: Vec<(String, Vec<NaiveDate>)> =
        names.iter().map(|nom| (nom.clone(), month.clone())).collect();
    let hostile = Plant::new(&machines, Some(&ten_shifts()));
    for (name, arguments) in [
        ("report-hostile-month", &["--month", "2026-10"][..]),
        ("report-hostile-week", &["--week", "2026-W42"]),
        ("report-hostile-day", &["--from", "2026-10-20", "--to", "2026-10-20", "--lang", "en"]),
    ] {
        hostile.open(&browser, arguments);
        assert_pages(&browser, name, 3);
    }

    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    for round in 0..2 {
        let letters = ['W', 'i', 'é', ' ', '-', '漢', 'a', '0', '<'];
        let count = rng.usize(1..14);
        let machines: Vec<(String, Vec<NaiveDate>)> = (0..count)
            .map(|number| {
                let length = rng.usize(0..60);
                let end: String =
                    (0..length).map(|_| *rng.choice(letters.iter()).unwrap()).collect();
                let days = monday().iter_days().take(7).filter(|_| rng.u8(..4) > 0).collect();
                (format!("{number} {end}").trim().to_owned(), days)
            })
            .collect();
        let with_days = machines.iter().filter(|(_, days)| !days.is_empty()).count();
        let ten = ten_shifts();
        let shifts = *rng.choice([None, Some(SHIFTS), Some(&*ten)].iter()).unwrap();
        let plant = Plant::new(&machines, shifts);
        plant.open(&browser, &["--week", "2026-W47"]);
        let pages = if with_days > 6 { 1 } else { 1 + with_days };
        assert_pages(&browser, &format!("report-random-{round}"), pages);
    }
}
