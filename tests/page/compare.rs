//! The comparison of machines and weeks says what the buffer holds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    browser::{Browser, DARK, DESKTOP, PHONE, TABLET},
    line::{Line, with_calendars},
};

/// Figures of one machine's sessions, summed as anybody would.
#[derive(Default)]
struct Sums {
    pieces: i64,
    stops: i64,
    stop_hours: f64,
    wait_hours: f64,
    effective_hours: f64,
    window_hours: f64,
    required_hours: f64,
    running_hours: f64,
    useful_hours: f64,
}

fn sums_of(sessions: &Value, machine: &str, days: std::ops::RangeInclusive<&str>) -> Sums {
    let mut sums = Sums::default();
    let all = sessions.as_array().unwrap().iter();
    for one in all.filter(|one| one["machine"] == machine) {
        if !days.contains(&one["date_production"].as_str().unwrap()) {
            continue;
        }
        let hours = |key: &str| one[key].as_str().map_or(0.0, |text| text.parse().unwrap());
        sums.pieces += one["total_pieces"].as_i64().unwrap();
        sums.stops += one["arrets"].as_array().unwrap().len() as i64;
        sums.stop_hours += hours("temps_arret_volontaire");
        sums.wait_hours += hours("temps_attente");
        sums.effective_hours += hours("temps_production_effectif");
        sums.window_hours += hours("duree_production_totale");
        sums.required_hours += hours("temps_requis");
        sums.running_hours += hours("temps_fonctionnement");
        sums.useful_hours += hours("temps_utile");
    }
    sums
}

/// What a row shows, by column: the value and the difference.
fn row(browser: &Browser, nom: &str) -> BTreeMap<&'static str, (String, Option<String>)> {
    let cells = browser.run(&format!(
        "return [...document.querySelector('#compared [data-nom=\"{nom}\"]').cells].slice(1).map((cell) => \
         [cell.firstChild.data, cell.querySelector('small span')?.parentNode.lastChild.data.trim() ?? null])"
    ));
    let keys = ["pieces", "trs", "do", "tp", "tq", "occupation", "stops", "stop-time", "waiting"];
    let cells = cells.as_array().unwrap();
    assert_eq!(cells.len(), keys.len());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    keys.into_iter()
        .zip(cells)
        .map(|(key, cell)| (key, (text(&cell[0]).unwrap(), text(&cell[1]))))
        .collect()
}

fn number(text: &str) -> f64 {
    let plain = |c: char| match c {
        '\u{2212}' => Some('-'),
        ',' => Some('.'),
        '0'..='9' | '.' => Some(c),
        _ => None,
    };
    text.chars().filter_map(plain).collect::<String>().parse().unwrap()
}

/// Hours of `26 h 20` and of `45 min`; what is below a minute is cut off.
fn hours(text: &str) -> f64 {
    let numbers: Vec<f64> = text.split('\u{a0}').filter_map(|one| one.parse().ok()).collect();
    match numbers.as_slice() {
        [minutes] if text.ends_with("min") => minutes / 60.0,
        [hours, minutes] => hours + minutes / 60.0,
        _ => panic!("{text}"),
    }
}

fn assert_near(shown: f64, wanted: f64, most: f64, what: &str) {
    assert!((shown - wanted).abs() <= most, "{what}: {shown} and not {wanted}");
}

#[test]
fn machines_and_weeks_are_compared_by_sums_of_what_the_buffer_holds() {
    let line = with_calendars();
    let sessions = line.agent.sessions_json();
    let browser = Browser::start("fr-FR");
    browser.look_with(DESKTOP);
    browser.open(line.page, "/compare?week=last");
    for nom in ["DEM12", "DEMALU", "SU12"] {
        let (own, before) = (
            sums_of(&sessions, nom, "2026-11-16"..="2026-11-22"),
            sums_of(&sessions, nom, "2026-11-09"..="2026-11-15"),
        );
        let shown = row(&browser, nom);
        let value = |key: &str| number(&shown[key].0);
        let delta = |key: &str| number(shown[key].1.as_ref().unwrap());
        assert_eq!(value("pieces"), own.pieces as f64, "{nom}");
        assert_eq!(delta("pieces"), (own.pieces - before.pieces) as f64, "{nom}");
        assert_eq!(value("stops"), own.stops as f64, "{nom}");
        assert_eq!(delta("stops"), (own.stops - before.stops) as f64, "{nom}");
        assert_near(hours(&shown["stop-time"].0), own.stop_hours, 0.018, nom);
        assert_near(hours(&shown["waiting"].0), own.wait_hours, 0.018, nom);
        let occupation = |sums: &Sums| 100.0 * sums.effective_hours / sums.window_hours;
        assert_near(value("occupation"), occupation(&own), 0.06, nom);
        assert_near(delta("occupation"), occupation(&own) - occupation(&before), 0.11, nom);
        if nom == "SU12" {
            assert_eq!(shown["trs"], ("–".into(), None));
            continue;
        }
        let trs = |sums: &Sums| 100.0 * sums.useful_hours / sums.required_hours;
        assert_near(value("trs"), trs(&own), 0.011, nom);
        assert_near(delta("trs"), trs(&own) - trs(&before), 0.021, nom);
        assert_near(value("do"), 100.0 * own.running_hours / own.required_hours, 0.011, nom);
    }
    assert!(browser.text("[data-nom=SU12]").contains("pas de calendrier"));
    let all = ["DEM12", "DEMALU", "SU12"]
        .map(|nom| sums_of(&sessions, nom, "2026-11-16"..="2026-11-22").pieces);
    assert_eq!(number(&row(&browser, "")["pieces"].0), all.iter().sum::<i64>() as f64);
    assert_weeks_are_the_buffers(&browser, &sessions);
    the_running_week_is_compared_up_to_the_same_hour(&line, &browser, &sessions);
    rows_are_in_the_order_that_was_asked_for(&line, &browser);
}

fn assert_weeks_are_the_buffers(browser: &Browser, sessions: &Value) {
    let spoken = browser.run(
        "return [...document.querySelectorAll('.multiples li')].map((one) => one.querySelector('svg').getAttribute('aria-label'))",
    );
    for (nom, spoken) in ["DEM12", "DEMALU", "SU12"].into_iter().zip(spoken.as_array().unwrap()) {
        let weeks = [
            "2026-10-26"..="2026-11-01",
            "2026-11-02"..="2026-11-08",
            "2026-11-09"..="2026-11-15",
            "2026-11-16"..="2026-11-22",
        ];
        let pieces =
            weeks.map(|days| format!(" · {}", sums_of(sessions, nom, days).pieces)).concat();
        let spoken = spoken.as_str().unwrap();
        assert!(spoken.starts_with("Pièces, S40–S47"), "{nom}: {spoken}");
        assert!(spoken.replace('\u{202f}', "").ends_with(&pieces), "{nom}: {pieces}: {spoken}");
    }
}

fn the_running_week_is_compared_up_to_the_same_hour(
    line: &Line,
    browser: &Browser,
    sessions: &Value,
) {
    browser.open(line.page, "/comparer");
    let basis = browser.run("return document.querySelector('.basis').textContent");
    let basis = basis.as_str().unwrap().replace(['\u{a0}', '\u{202f}'], " ");
    assert!(basis.contains("comparée aux mêmes jours de la semaine 47"), "{basis}");
    assert!(basis.contains("jeu. 26/11 14:3"), "{basis}");
    for nom in ["DEM12", "DEMALU", "SU12"] {
        let own = sums_of(sessions, nom, "2026-11-23"..="2026-11-29").pieces;
        let up_to = |minute: &str| {
            let whole = sums_of(sessions, nom, "2026-11-16"..="2026-11-18").pieces;
            let all = sessions.as_array().unwrap().iter();
            let mut day =
                all.filter(|one| one["machine"] == nom && one["date_production"] == "2026-11-19");
            let pieces = day.next().unwrap()["pieces"].as_array().unwrap();
            let limit = format!("2026-11-19 {minute}");
            let earlier = pieces.iter().filter(|piece| piece[0].as_str().unwrap() < &*limit);
            whole + earlier.count() as i64
        };
        let shown = row(browser, nom);
        assert_eq!(number(&shown["pieces"].0), own as f64, "{nom}");
        let delta = number(shown["pieces"].1.as_ref().unwrap());
        let (least, most) = ((own - up_to("14:32")) as f64, (own - up_to("14:30")) as f64);
        assert!((least..=most).contains(&delta), "{nom}: {delta} not in {least} to {most}");
    }
    // What a difference is stands in a word and in a shape too.
    let words = browser.run(
        "return [...document.querySelectorAll('#compared td small:has(span)')].every((one) => \
         ({ hausse: '▲', baisse: '▼', égal: '=' })[one.querySelector('i').textContent.trim()] === one.querySelector('span').textContent)",
    );
    assert_eq!(words, true);
}

fn rows_are_in_the_order_that_was_asked_for(line: &Line, browser: &Browser) {
    let order = |target: &str| {
        browser.open(line.page, target);
        browser.run(
            "return [...document.querySelectorAll('#compared tbody tr')].map((one) => one.dataset.nom)",
        )
    };
    assert_eq!(order("/compare?sort=-machine"), json!(["SU12", "DEMALU", "DEM12"]));
    assert_eq!(order("/compare?sort=nonsense"), json!(["DEM12", "DEMALU", "SU12"]));
    assert_eq!(order("/compare?sort=pieces&lang=en"), json!(["SU12", "DEM12", "DEMALU"]));
    assert_eq!(browser.text("#compared [aria-sort=descending]"), "Pieces\u{a0}▾");
    // The machine without a TRS is last either way, and a click on a head orders by it.
    browser.run("[...document.querySelectorAll('#compared thead a')].find((one) => one.textContent === 'TRS').click()");
    crate::support::wait::until("the order is that of TRS", crate::support::wait::PATIENCE, || {
        browser.run("return location.search") == "?sort=trs&lang=en"
    });
    assert_eq!(order("/compare?sort=trs"), json!(["DEMALU", "DEM12", "SU12"]));
    assert_eq!(order("/compare?sort=-trs"), json!(["DEM12", "DEMALU", "SU12"]));
    // A week that is none is no page, and one of which nothing is known says so.
    let at = |target: &str| crate::support::http::get(line.page, target);
    assert_eq!(at("/compare?week=2026-W54").status, 404);
    assert_eq!(at("/compare?week=1999-W01").is(200).body.matches("<td>–").count(), 4 * 9);
}

#[test]
fn the_comparison_is_for_everyone_and_its_pictures_are_kept() {
    let line = with_calendars();
    let browser = Browser::start("fr-FR");
    for (name, screen) in
        [("desktop", DESKTOP), ("dark", DARK), ("tablet", TABLET), ("phone", PHONE)]
    {
        browser.look_with(screen);
        for (week, target) in
            [("running", "/compare?lang=fr"), ("last", "/compare?week=last&lang=en&sort=trs")]
        {
            browser.open(line.page, target);
            assert_eq!(browser.boxes(), Vec::<String>::new(), "{target} {name}");
            assert_eq!(browser.axe(), Vec::<String>::new(), "{target} {name}");
            browser.keep_picture(&format!("compare-{week}-{name}"));
        }
    }
    // The machine's name stays where the table is swiped, and the page itself does not move.
    browser.run("document.querySelector('#compared').closest('.scroll').scrollLeft = 9999");
    let left = browser
        .run("return document.querySelector('#compared tbody th').getBoundingClientRect().left");
    assert!((0.0..40.0).contains(&left.as_f64().unwrap()), "{left}");
    browser.keep_picture("compare-swiped-phone");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
