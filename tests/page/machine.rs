//! The page of one machine: its figures are the buffer's, and each hour and each stop can be looked at closely.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::Value;

use crate::{
    browser::{Browser, DARK, DESKTOP, PHONE, Screen, TABLET, WALL},
    line::with_calendars,
    support::{http::get, wait},
};

const SCREENS: [(&str, Screen); 5] =
    [("desktop", DESKTOP), ("wall", WALL), ("dark", DARK), ("tablet", TABLET), ("phone", PHONE)];

/// A machine's day as `sessions --json` has it.
pub struct Day {
    session: Value,
    pub stops: Vec<(NaiveDateTime, NaiveDateTime)>,
    pub waits: Vec<(NaiveDateTime, NaiveDateTime)>,
    pub pieces: Vec<(NaiveDateTime, String)>,
}

fn moment(value: &Value) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(value.as_str().unwrap(), "%Y-%m-%d %H:%M:%S%.f").unwrap()
}

impl Day {
    pub fn of(sessions: &Value, machine: &str, day: &str) -> Self {
        let is_it = |one: &&Value| one["machine"] == machine && one["date_production"] == day;
        let session = sessions.as_array().unwrap().iter().find(is_it).unwrap().clone();
        let rows = |name: &str| session[name].as_array().unwrap().clone();
        let seconds = |value: &Value| TimeDelta::seconds(value.as_i64().unwrap());
        let lasting = |row: &Value| (moment(&row[0]), moment(&row[0]) + seconds(&row[1]));
        Self {
            stops: rows("arrets").iter().map(|row| (moment(&row[0]), moment(&row[1]))).collect(),
            waits: rows("attentes").iter().map(lasting).collect(),
            pieces: rows("pieces")
                .iter()
                .map(|row| (moment(&row[0]), row[1].as_str().unwrap().to_owned()))
                .collect(),
            session,
        }
    }

    /// Seconds of production, waiting and stops from first to last piece.
    fn seconds(&self, key: &str) -> f64 {
        self.session[key].as_str().unwrap().parse::<f64>().unwrap() * 3600.0
    }
}

pub fn span(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds}\u{a0}s"),
        60..3600 => format!("{}\u{a0}min", seconds / 60),
        _ => format!("{}\u{a0}h\u{a0}{:02}", seconds / 3600, seconds / 60 % 60),
    }
}

fn number(text: &str) -> f64 {
    let plain: String = text.chars().filter(|c| !"\u{202f}\u{a0}".contains(*c)).collect();
    plain.replace(',', ".").parse().unwrap_or_else(|_| panic!("{text:?}"))
}

/// Cells of a table's rows.
fn cells(browser: &Browser, rows: &str) -> Vec<Vec<String>> {
    let script = format!(
        "return [...document.querySelectorAll('{rows}')].map((row) => [...row.cells].map((cell) => cell.textContent))"
    );
    serde_json::from_value(browser.run(&script)).unwrap()
}

#[test]
fn the_figures_of_a_machines_page_are_the_buffers_and_its_tables_add_up() {
    let line = with_calendars();
    let browser = Browser::start("fr-FR");
    let sessions = line.agent.sessions_json();
    for (machine, date) in
        [("DEM12", "2026-11-26"), ("DEMALU", "2026-11-10"), ("SU12", "2026-11-09")]
    {
        let day = Day::of(&sessions, machine, date);
        browser.open(line.page, &format!("/machine/{machine}/{date}"));
        assert_eq!(browser.text("h1"), machine);
        assert!(browser.run("return document.title").as_str().unwrap().starts_with(machine));
        totals_are_the_buffers(&browser, &day);
        hours_add_up(&browser, &day);
        losses_are_ranked_and_add_up(&browser, &day);
        longest_come_first(&browser, "stops", &day.stops);
        longest_come_first(&browser, "waits", &day.waits);
        weeks_are_sums_of_their_days(&browser, &sessions, machine, date);
    }
    // The next day, the day before and the date stay on the machine.
    browser.open(line.page, "/machine/DEM12/2026-11-10?lang=en");
    for (rel, path) in
        [("prev", "/machine/DEM12/2026-11-09"), ("next", "/machine/DEM12/2026-11-11")]
    {
        let link =
            format!("return document.querySelector('header a[rel={rel}]').getAttribute('href')");
        assert_eq!(browser.run(&link), format!("{path}?lang=en"));
    }
    browser.run("document.querySelector('header input[type=date]').value = '2026-11-03'; document.querySelector('header form').requestSubmit()");
    wait::until("the machine's other day is open", wait::PATIENCE, || {
        browser.run("return location.pathname + location.search")
            == "/machine/DEM12?day=2026-11-03&lang=en"
    });
    // From there too an hour is one of that day.
    browser.run("document.querySelector('.hours a[href*=\\'hour=08\\']').click()");
    wait::until("an hour of that day is open", wait::PATIENCE, || {
        browser.run("return document.getElementById('line-h').textContent") == "From 08:00 to 09:00"
    });
    assert_eq!(browser.text(".date"), "Tuesday 2026-11-03");
}

fn totals_are_the_buffers(browser: &Browser, day: &Day) {
    let total = |key: &str| browser.text(&format!("[data-total={key}]"));
    for (key, column) in [
        ("producing", "temps_production_effectif"),
        ("waiting", "temps_attente"),
        ("stopped", "temps_arret_volontaire"),
    ] {
        // Hours have four decimals: a third of a second.
        let seconds = day.seconds(column);
        let near = [seconds - 0.2, seconds + 0.2].map(|near| span(near as i64));
        assert!(near.contains(&total(key)), "{key}: {} and {near:?}", total(key));
    }
    assert_eq!(number(&total("pieces")), day.pieces.len() as f64);
    let profiles: Vec<_> =
        day.session["jobs"].as_array().unwrap().iter().map(|job| (&job[1], &job[3])).collect();
    let changes = profiles.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(number(&total("changes")), changes as f64);
}

fn hours_add_up(browser: &Browser, day: &Day) {
    let rows = cells(browser, "#hours tbody tr");
    let (sum, hours) = rows.split_last().unwrap();
    for column in [1, 4, 5, 6, 7] {
        let added: f64 = hours.iter().map(|row| number(&row[column])).sum();
        assert!((added - number(&sum[column])).abs() < 1e-6, "column {column}: {rows:?}");
    }
    assert_eq!(number(&sum[1]), day.pieces.len() as f64);
    assert_eq!(number(&sum[4]), day.waits.len() as f64);
    assert_eq!(number(&sum[6]), day.stops.len() as f64);
    assert!((number(&sum[5]) - day.seconds("temps_attente") / 60.0).abs() < 0.06, "{sum:?}");
    assert!(
        (number(&sum[7]) - day.seconds("temps_arret_volontaire") / 60.0).abs() < 0.06,
        "{sum:?}"
    );
    for row in hours {
        let pieces =
            day.pieces.iter().filter(|(at, _)| at.format("%H\u{a0}h").to_string() == row[0]);
        assert_eq!(number(&row[1]), pieces.count() as f64, "{row:?}");
    }
}

fn losses_are_ranked_and_add_up(browser: &Browser, day: &Day) {
    let rows = cells(browser, "#losses tbody tr");
    let (sum, losses) = rows.split_last().unwrap();
    let minutes: Vec<f64> = losses.iter().map(|row| number(&row[2])).collect();
    assert!(minutes.is_sorted_by(|a, b| a >= b), "{rows:?}");
    assert!((minutes.iter().sum::<f64>() - number(&sum[2])).abs() < 1e-6, "{rows:?}");
    if let Some(required) = day.session["temps_requis"].as_str() {
        let useful = day.session["temps_utile"].as_str().unwrap();
        let lost = (number(required) - number(useful)) * 60.0;
        // A tenth of a minute for the rounding of each shift.
        assert!((number(&sum[2]) - lost).abs() < 0.3, "{rows:?}: {lost}");
    }
}

fn longest_come_first(browser: &Browser, id: &str, all: &[(NaiveDateTime, NaiveDateTime)]) {
    let mut all = all.to_vec();
    all.sort_by_key(|(from, to)| (*from - *to, *from));
    let shown = cells(browser, &format!("#{id} tbody tr"));
    assert_eq!(shown.len(), all.len().min(10));
    for (row, (from, to)) in shown.iter().zip(&all) {
        let time = |at: &NaiveDateTime| at.format("%H:%M:%S").to_string();
        assert_eq!(row[..2], [time(from), time(to)]);
    }
    let rest = cells(browser, &format!("#{id}-rest tbody tr")).len();
    assert_eq!(rest, if id == "stops" { all.len().saturating_sub(10) } else { 0 });
}

fn weeks_are_sums_of_their_days(browser: &Browser, sessions: &Value, machine: &str, date: &str) {
    let shown = NaiveDate::parse_from_str(date, "%Y-%m-%d").unwrap();
    let mut weeks: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for session in sessions.as_array().unwrap().iter().filter(|one| one["machine"] == machine) {
        let day: NaiveDate = session["date_production"].as_str().unwrap().parse().unwrap();
        let first = shown - TimeDelta::days(29);
        let from = first - TimeDelta::days(first.weekday().num_days_from_monday().into());
        if (from..=shown).contains(&day) || day.iso_week() == shown.iso_week() {
            let week = format!("{}-W{:02}", day.iso_week().year(), day.iso_week().week());
            weeks.entry(week).or_default().push(session);
        }
    }
    let keys = browser.run(
        "return [...document.querySelectorAll('#month .week')].map((row) => row.dataset.week)",
    );
    let wanted: Vec<&String> = weeks.keys().rev().collect();
    assert_eq!(keys, serde_json::json!(wanted), "{machine} {date}");
    for (week, days) in &weeks {
        let row = &cells(browser, &format!("#month [data-week=\"{week}\"]"))[0];
        let pieces: f64 = days.iter().map(|day| day["total_pieces"].as_f64().unwrap()).sum();
        assert_eq!(number(&row[1]), pieces, "{machine} {week}: {row:?}");
        let sum = |key: &str| -> f64 {
            days.iter().filter_map(|day| day[key].as_str()).map(number).sum()
        };
        let occupation = sum("temps_production_effectif") / sum("duree_production_totale") * 100.0;
        assert!(
            (number(&row[5]) - occupation).abs() < 0.06,
            "{machine} {week}: {row:?} {occupation}"
        );
        if sum("temps_requis") > 0.0 {
            // Required time is whole seconds, of which four decimals of an hour say enough.
            let seconds: f64 = days
                .iter()
                .filter_map(|day| day["temps_requis"].as_str())
                .map(|hours| (number(hours) * 3600.0).round())
                .sum();
            let good: f64 = days
                .iter()
                .filter_map(|day| {
                    Some(day["pieces_requis"].as_f64()? / day["cadence_nominale"].as_f64()?)
                })
                .sum();
            let trs = (good * 3600.0 / seconds * 10_000.0 + 0.5 + 1e-7).floor() / 100.0;
            assert_eq!(number(&row[8]), trs, "{machine} {week}: {row:?}");
        }
    }
}

#[test]
fn an_hour_and_the_minutes_around_a_stop_are_pages_of_their_own() {
    let line = with_calendars();
    let browser = Browser::start("fr-FR");
    let day = Day::of(&line.agent.sessions_json(), "DEM12", "2026-11-10");
    browser.look_with(PHONE);
    browser.open(line.page, "/machine/DEM12/2026-11-10");
    let small = browser.run(
        "return [...document.querySelectorAll('.hours a, .steps button, #stops a, #waits a, #month a')].filter((one) => { const box = one.getBoundingClientRect(); return box.width < 44 || box.height < 44; }).length",
    );
    assert_eq!(small, 0, "each target has 44 px");
    // Day → hour → the next one → the whole day.
    let follow = |selector: &str, path: &str| {
        browser.run(&format!("document.querySelector('{selector}').click()"));
        wait::until(path, wait::PATIENCE, || {
            browser.run("return location.pathname + location.search") == path
        });
    };
    let place = "/machine/DEM12/2026-11-10";
    follow(".hours a[href=\"?hour=09\"]", &format!("{place}?hour=09"));
    assert_eq!(browser.text("#line-h"), "De 09:00 à 10:00");
    let rows = cells(&browser, "#events tbody tr");
    let pieces = day.pieces.iter().filter(|(at, _)| at.format("%H").to_string() == "09");
    assert_eq!(rows.iter().filter(|row| row[1] == "Pièce").count(), pieces.count());
    assert!(rows.iter().any(|row| row[1] == "Pause"), "{rows:?}");
    follow(".beside-it [rel=next]", &format!("{place}?hour=10"));
    follow(".hours .whole", place);
    // Day → stop → its minutes around.
    let mut longest = day.stops.clone();
    longest.sort_by_key(|(from, to)| (*from - *to, *from));
    let (from, to) = longest[0];
    follow("#stops a", &format!("{place}?at={}", from.format("%H:%M:%S")));
    let rows = cells(&browser, "#events tbody tr");
    let time = |at: NaiveDateTime| at.format("%H:%M:%S").to_string();
    assert!(rows.iter().any(|row| row[0] == time(from) && row[1] == "Arrêt"), "{rows:?}");
    assert!(rows.iter().any(|row| row[0] == time(to) && row[1] == "Fin d'arrêt"), "{rows:?}");
    let around = |at: NaiveDateTime| {
        from - TimeDelta::minutes(10) <= at && at <= to + TimeDelta::minutes(10)
    };
    let pieces = day.pieces.iter().filter(|(at, _)| around(*at));
    for (at, details) in pieces {
        assert!(rows.iter().any(|row| row[0] == time(*at) && row[2] == *details), "{at}: {rows:?}");
    }
    // All of it is there for a browser without a script, and nothing that needs one is shown.
    let body = get(line.page, place).is(200).body;
    for wanted in [
        "class=\"pick\" hidden",
        "id=\"told\" hidden",
        "class=\"steps\" hidden",
        "href=\"?hour=09\"",
    ] {
        assert!(body.contains(wanted), "{wanted}");
    }
    for nonsense in ["?hour=24x", "?hour=99", "?at=25", "?at=09:61"] {
        assert_eq!(get(line.page, &format!("{place}{nonsense}")).status, 404, "{nonsense}");
    }
}

#[test]
fn a_machines_page_fits_every_screen() {
    let line = with_calendars();
    let browser = Browser::start("fr-FR");
    for (screen_name, screen) in SCREENS {
        browser.look_with(screen);
        for (name, target) in [
            ("machine-running", "/machine/DEM12"),
            ("machine-english", "/machine/SU12/2026-11-10?lang=en"),
            ("machine-hour", "/machine/DEM12/2026-11-26?hour=09"),
            ("machine-stop", "/machine/DEMALU/2026-11-10?at=09:00"),
        ] {
            browser.open(line.page, target);
            browser.run("document.querySelector('.pick').click()");
            assert_eq!(browser.boxes(), Vec::<String>::new(), "{target} on {screen_name}");
            if ["desktop", "phone", "dark"].contains(&screen_name) {
                assert_eq!(browser.axe(), Vec::<String>::new(), "{target} on {screen_name}");
                browser.keep_picture(&format!("{name}-{screen_name}"));
            }
        }
    }
    browser.look_with(PHONE);
    browser.open(line.page, "/machine/DEM12");
    // The state and the main figures are within the first screen of a telephone.
    for selector in
        [".state", "[data-figure=pieces]", "[data-figure=trs]", "[data-figure=projected]"]
    {
        let bottom = browser.run(&format!(
            "return document.querySelector('{selector}').getBoundingClientRect().bottom"
        ));
        assert!(bottom.as_f64().unwrap() < f64::from(PHONE.height), "{selector}: {bottom}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
