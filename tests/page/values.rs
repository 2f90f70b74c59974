//! What the page says is what the buffer holds.

use serde_json::Value;

use crate::{
    browser::{Browser, DESKTOP, until_text},
    line::{Line, of_three_machines, start, today},
    support::{agent::Agent, folder::Folder, wait},
};

/// Figures of one machine's card.
fn shown(browser: &Browser, nom: &str, figure: &str) -> String {
    browser.text(&format!("[data-nom='{nom}'] [data-figure='{figure}']"))
}

/// Rounded half up to one decimal, with the language's point.
fn one_decimal(value: f64, point: &str) -> String {
    let tenths = (value * 10.0 + 0.5 + 1e-9).floor() as i64;
    format!("{}{point}{}", tenths / 10, tenths % 10)
}

/// Thousands apart, as the language of this decimal point writes them.
fn counted(value: i64, point: &str) -> String {
    let separator = if point == "," { "\u{202f}" } else { "," };
    match (value / 1000, value % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands}{separator}{rest:03}"),
    }
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

fn assert_day_is_shown(line: &Line, browser: &Browser, day: &str, point: &str) {
    let sessions = line.agent.sessions_json();
    let of_day: Vec<&Value> = sessions
        .as_array()
        .unwrap()
        .iter()
        .filter(|session| session["date_production"] == day)
        .collect();
    assert_eq!(of_day.len(), 3, "{day}");
    let percent = if point == "," { "\u{a0}%" } else { "%" };
    for session in of_day {
        let nom = session["machine"].as_str().unwrap();
        let pieces = session["total_pieces"].as_i64().unwrap();
        assert_eq!(shown(browser, nom, "pieces"), counted(pieces, point), "{day} {nom}");
        let occupation = one_decimal(number(&session["taux_occupation"]), point);
        assert_eq!(
            shown(browser, nom, "occupation"),
            format!("{occupation}{percent}"),
            "{day} {nom}"
        );
        let waiting = one_decimal(number(&session["taux_attente"]), point);
        assert!(
            shown(browser, nom, "waiting").starts_with(&format!("{waiting}{percent} · ")),
            "{day} {nom}"
        );
        let stops = session["arrets"].as_array().unwrap().len();
        assert!(shown(browser, nom, "stops").starts_with(&format!("{stops} · ")), "{day} {nom}");
        let time = |key: &str| session[key].as_str().unwrap()[11..16].to_owned();
        let window = format!("{}–{}", time("heure_premiere_piece"), time("heure_derniere_piece"));
        assert_eq!(shown(browser, nom, "window"), window, "{day} {nom}");
        // The hours have four decimals: what they make of a rhythm may differ in its last digit.
        let rhythm = pieces as f64 / number(&session["temps_production_effectif"]);
        let text = shown(browser, nom, "rhythm").replace(',', ".");
        let text: f64 = text.strip_suffix("\u{a0}p/h").unwrap().parse().unwrap();
        assert!((text - rhythm).abs() < 0.06, "{day} {nom}: {text} and {rhythm}");
        // The drawing has a tick for each piece that has one of its own, and a sentence with all.
        let sentence = browser.text(&format!("[data-nom='{nom}'] .timeline > desc"));
        assert!(sentence.starts_with(&format!("{} pi", counted(pieces, point))), "{sentence}");
    }
}

#[test]
fn every_figure_of_every_machine_is_the_buffers_in_french_and_in_english() {
    let line = of_three_machines();
    let browser = Browser::start("fr-FR");
    browser.look_with(DESKTOP);
    browser.open(line.page, "/");
    assert_eq!(browser.run("return document.documentElement.lang"), "fr");
    assert_eq!(browser.text("h1"), "jeudi 26/11/2026");
    assert_day_is_shown(&line, &browser, &today().to_string(), ",");
    browser.open(line.page, "/day/2026-11-10");
    assert_day_is_shown(&line, &browser, "2026-11-10", ",");
    browser.open(line.page, "/day/2026-11-10?lang=en");
    assert_eq!(browser.run("return document.documentElement.lang"), "en");
    assert_eq!(browser.text("h1"), "Tuesday 2026-11-10");
    assert_day_is_shown(&line, &browser, "2026-11-10", ".");
    // The language goes along.
    browser.run("document.querySelector('[data-nom=SU12] a.more').click()");
    wait::until("the machine's page is open", wait::PATIENCE, || {
        browser.run("return location.pathname + location.search")
            == "/machine/SU12/2026-11-10?lang=en"
    });
    assert_eq!(browser.text("[data-nom=SU12] h1"), "SU12");
    drop(browser);
    let english = Browser::start("en-GB");
    english.open(line.page, "/");
    assert_eq!(english.run("return document.documentElement.lang"), "en");
    let state = english.text("[data-nom=DEM12] .state");
    assert!(state.starts_with("Producing since "), "{state}");
}

#[test]
fn a_months_table_and_its_charts_have_one_row_and_one_bar_a_session() {
    let line = of_three_machines();
    let browser = Browser::start("fr-FR");
    browser.open(line.page, "/machine/DEM12");
    let rows = browser.run(
        "return [...document.querySelectorAll('#month tr:not(.week):has(td)')].map((row) => [...row.cells].map((cell) => cell.textContent))",
    );
    let sessions = line.agent.sessions_json();
    let mut wanted: Vec<Vec<String>> = sessions
        .as_array()
        .unwrap()
        .iter()
        .filter(|session| session["machine"] == "DEM12")
        .map(|session| {
            let time = |key: &str| session[key].as_str().unwrap()[11..16].to_owned();
            let rate = |key: &str| one_decimal(number(&session[key]), ",");
            vec![
                session["date_production"].as_str().unwrap().to_owned(),
                counted(session["total_pieces"].as_i64().unwrap(), ","),
                time("heure_premiere_piece"),
                time("heure_derniere_piece"),
                rate("taux_occupation"),
                rate("taux_attente"),
                rate("taux_arret_volontaire"),
            ]
        })
        .collect();
    wanted.reverse();
    let shown: Vec<Vec<String>> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let cell = |at: usize| row[at].as_str().unwrap().to_owned();
            let (_, date) = row[0].as_str().unwrap().split_once('\u{a0}').unwrap();
            let day = format!("2026-{}-{}", &date[3..5], &date[..2]);
            vec![day, cell(1), cell(2), cell(3), cell(5), cell(6), cell(7)]
        })
        .collect();
    assert_eq!(shown, wanted);
    // Whole weeks: the month's first day is a Wednesday.
    assert_eq!(wanted.len(), 23);
    for chart in 0..3 {
        let bars = browser.run(&format!(
            "const chart = document.querySelectorAll('.chart')[{chart}]; \
             return chart.querySelector('.bars').getAttribute('d').split('M').length - 1 + chart.querySelector('.chosen,.running').getAttribute('d').split('M').length - 1"
        ));
        assert_eq!(bars, 22, "chart {chart}");
    }
}

#[test]
fn each_machines_state_now_and_the_link_that_is_down_are_said() {
    let line = of_three_machines();
    let browser = Browser::start("fr-FR");
    browser.open(line.page, "/");
    assert_eq!(
        browser.text("[data-nom=DEM12][data-state=producing] .state").split(" depuis").next(),
        Some("En production")
    );
    assert_eq!(
        browser.text("[data-nom=DEMALU][data-state=stopped] .state"),
        "À l'arrêt depuis 14:20"
    );
    assert_eq!(
        browser.text("[data-nom=SU12][data-state=silent] .state"),
        "Silencieuse depuis 12:00"
    );
    wait::until("the link is told down", wait::PATIENCE, || {
        browser.open(line.page, "/");
        browser.run("return !!document.querySelector('.trouble')") == true
    });
    assert!(
        browser.text(".trouble").contains("injoignable depuis"),
        "{}",
        browser.text(".trouble")
    );
    let health = browser.text(".health");
    let pending = line.agent.status_number("pending_sessions");
    assert_eq!(pending, 69);
    assert!(health.contains("69 sessions,"), "{health}");
    assert!(health.contains("la plus ancienne du mardi 27/10/2026"), "{health}");
    assert!(
        health.contains(concat!("cu-agent ", env!("CARGO_PKG_VERSION"), ", ligne-1")),
        "{health}"
    );
}

#[test]
fn an_open_page_renews_itself_says_what_changed_and_when_the_gateway_is_gone() {
    let mut line = of_three_machines();
    let browser = Browser::start("fr-FR");
    browser.open(line.page, "/");
    let before: u32 = shown(&browser, "DEM12", "pieces").parse().unwrap();
    browser.run("window.opened = 'once'; document.querySelector('[data-nom=SU12] a.more').focus()");
    line.happens("14:28:40", "StukUitgevoerd: 1 A");
    line.happens("14:28:50", "MachineStop:");
    until_text(&browser, "[data-nom=DEM12] [data-figure=pieces]", &(before + 1).to_string());
    until_text(&browser, "[data-nom=DEM12] .state", "À l'arrêt depuis 14:28");
    until_text(&browser, "#said", "DEM12\u{202f}: À l'arrêt depuis 14:28");
    assert_eq!(browser.run("return window.opened"), "once", "the page was not loaded anew");
    assert_eq!(browser.run("return document.activeElement.getAttribute('href')"), "/machine/SU12");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // The gateway goes, and comes back at the same place.
    line.running.terminate().0.succeeded();
    wait::until("the page says that it is old", wait::PATIENCE, || {
        browser.run("return !document.getElementById('stale').hidden") == true
    });
    assert!(browser.text("#stale").contains("La passerelle ne répond plus"));
    line.agent.set("status.listen", line.page.to_string());
    line.running = line.agent.run();
    wait::until("the page is new again", wait::PATIENCE, || {
        browser.run("return document.getElementById('stale').hidden") == true
    });
}

#[test]
fn no_machine_has_data_and_forty_machines_have() {
    let browser = Browser::start("fr-FR");
    browser.look_with(DESKTOP);
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    let line = start(agent, folder);
    browser.open(line.page, "/");
    let states =
        "return [...document.querySelectorAll('[data-state]')].map((one) => one.dataset.state)";
    assert_eq!(browser.run(states), serde_json::json!(["silent", "silent", "silent"]));
    assert_eq!(browser.run("return document.querySelectorAll('.timeline').length"), 0);
    browser.keep_picture("empty");

    let folder = Folder::empty();
    let names: Vec<(String, String)> =
        (1..=40).map(|number| (format!("CU{number:02} (PVC)"), format!("CU{number:02}"))).collect();
    for (folder_name, nom) in &names {
        let log = format!(
            "20261126 05:00:00|@StukUitgevoerd: 1\n20261126 14:2{}:00|@StukUitgevoerd: 2\n",
            &nom[3..]
        );
        folder.put(&format!("{folder_name}/20261126.LOG"), log.as_bytes());
    }
    let mut agent = Agent::on_directory(folder.path());
    let mapping: Vec<(&str, &str)> =
        names.iter().map(|(folder, nom)| (folder.as_str(), nom.as_str())).collect();
    agent.map_folders(0, &mapping);
    let line = start(agent, folder);
    browser.open(line.page, "/");
    let producing =
        browser.run("return document.querySelectorAll('[data-state=producing] .timeline').length");
    assert_eq!(producing, 40);
    assert_eq!(browser.axe(), Vec::<String>::new());
    browser.keep_picture("forty-machines");
}
