//! The time line of a machine's page: what is tapped is told as the buffer has it, on the longest night too.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use fastrand::Rng;

use crate::{
    browser::{Browser, DESKTOP, PHONE, until_text},
    line::{Line, start, with_calendars},
    machine::{Day, span},
    support::{agent::Agent, folder::Folder, http::get, seed::seed},
};

impl Day {
    /// What the page is to say of a moment, in French; `is_close`: with seconds.
    fn told_at(&self, at: NaiveDateTime, is_close: bool) -> String {
        let holds = |(from, to): &&(NaiveDateTime, NaiveDateTime)| *from <= at && at < *to;
        let sentence = |what: &str, from: NaiveDateTime, to: NaiveDateTime| {
            let length = to - from;
            let form = if is_close || length.num_seconds() < 60 { "%H:%M:%S" } else { "%H:%M" };
            let (from, to) = (from.format(form), to.format(form));
            format!("{what} de {from} à {to} ({})", span(length.num_seconds()))
        };
        if let Some((from, to)) = self.stops.iter().find(holds) {
            return sentence("Arrêt", *from, *to);
        }
        if let Some((from, to)) = self.waits.iter().filter(|(from, to)| from < to).find(holds) {
            return sentence("Attente", *from, *to);
        }
        let (first, last) = (self.pieces[0].0, self.pieces.last().unwrap().0);
        if at < first || at > last {
            return "Rien dans le journal à ce moment".to_owned();
        }
        let idle = || self.stops.iter().chain(&self.waits).filter(|(from, to)| from < to);
        let from = idle().map(|(_, to)| *to).filter(|to| *to <= at).fold(first, NaiveDateTime::max);
        let to =
            idle().map(|(from, _)| *from).filter(|from| *from > at).fold(last, NaiveDateTime::min);
        sentence("Production", from, to)
    }
}

/// Taps or clicks at random places of the time line that is open, and compares what is said with the buffer.
fn tap_at_random(browser: &Browser, day: &Day, kind: &str, rng: &mut Rng, taps: usize) {
    let place = browser.run(
        "const pick = document.querySelector('.pick'); pick.scrollIntoView({ block: 'center' }); \
         const box = pick.getBoundingClientRect(); \
         return [box.left, box.top, box.width, box.height, Number(pick.dataset.from), Number(pick.dataset.to)]",
    );
    let place: Vec<f64> = serde_json::from_value(place).unwrap();
    let [left, top, width, height, from, to] = place[..] else { panic!("{place:?}") };
    let is_close = to - from <= 3.0 * 3_600_000.0;
    // Those of the hour before or after are not drawn.
    let is_drawn = |(piece, _): &&(NaiveDateTime, String)| {
        (from..=to).contains(&(piece.and_utc().timestamp_millis() as f64))
    };
    for _ in 0..taps {
        let x = rng.i64(left.ceil() as i64..(left + width).floor() as i64);
        let y = (top + height / 4.0 + rng.f64() * height / 2.0) as i64;
        browser.point(kind, x, y);
        let part = (x as f64 - left) / width;
        let ms = (from + part * (to - from)).floor() as i64;
        let at = chrono::DateTime::from_timestamp_millis(ms).unwrap().naive_utc();
        let told = browser.text("#told");
        let wanted = day.told_at(at, is_close);
        assert!(told.starts_with(&at.format("%H:%M:%S · ").to_string()), "{kind} {x}: {told}");
        assert!(
            told.contains(&format!(" · {wanted}")),
            "{kind} at {at}: {told:?}, and not {wanted:?}"
        );
        let reach_ms = if kind == "mouse" { 3.0 } else { 8.0 } * (to - from) / width;
        let far = |(piece, _): &&(NaiveDateTime, String)| (*piece - at).num_milliseconds().abs();
        let nearest = day.pieces.iter().filter(is_drawn).min_by_key(far);
        let Some(nearest) = nearest else { continue };
        if (far(&nearest) as f64) < reach_ms - 1_000.0 {
            let named = |(at, details): &(NaiveDateTime, String)| {
                let at = at.format("%H:%M:%S");
                if details.is_empty() {
                    format!("Pièce {at}")
                } else {
                    format!("Pièce {at}, {details}")
                }
            };
            // Two may be equally near.
            let near = day.pieces.iter().filter(|one| far(one) <= far(&nearest) + 1_000);
            assert!(near.map(named).any(|text| told.contains(&text)), "{kind} at {at}: {told:?}");
        }
    }
}

#[test]
fn a_tap_anywhere_on_the_time_line_says_what_the_buffer_has_there() {
    let line = with_calendars();
    let browser = Browser::start("fr-FR");
    let sessions = line.agent.sessions_json();
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    for (machine, date, query) in [
        ("DEM12", "2026-11-10", String::new()),
        ("DEMALU", "2026-11-12", format!("?hour={:02}", rng.u8(6..12))),
        ("SU12", "2026-11-11", String::new()),
    ] {
        let day = Day::of(&sessions, machine, date);
        for (screen, kind) in [(DESKTOP, "mouse"), (PHONE, "touch")] {
            browser.look_with(screen);
            browser.open(line.page, &format!("/machine/{machine}/{date}{query}"));
            tap_at_random(&browser, &day, kind, &mut rng, 10);
        }
    }
    keys_go_from_mark_to_mark(&line, &browser, &Day::of(&sessions, "DEM12", "2026-11-10"));
    // What was chosen stays chosen while the page renews itself.
    browser.open(line.page, "/machine/DEM12");
    browser.run("document.querySelector('.pick').focus()");
    browser.press("\u{e015}");
    let told = browser.text("#told");
    assert!(told.contains("Arrêt de "), "{told}");
    let pieces = Day::of(&sessions, "DEM12", "2026-11-26").pieces.len();
    browser.run("document.querySelector('.pick').isOld = true");
    line.happens("14:28:40", "StukUitgevoerd: 1 A");
    until_text(&browser, "[data-figure=pieces]", &(pieces + 1).to_string());
    assert_eq!(browser.run("return document.querySelector('.pick').isOld ?? 'new'"), "new");
    assert_eq!(browser.text("#told"), told);
    assert_eq!(browser.run("return document.activeElement.className.split(' ')[0]"), "pick");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn keys_go_from_mark_to_mark(line: &Line, browser: &Browser, day: &Day) {
    browser.look_with(DESKTOP);
    browser.open(line.page, "/machine/DEM12/2026-11-10");
    browser.run("document.querySelector('.pick').focus()");
    // Down goes from stop to stop.
    for (from, _) in day.stops.iter().take(5) {
        browser.press("\u{e015}");
        let told = browser.text("#told");
        assert!(told.contains(&day.told_at(*from, false)), "{told}");
    }
    browser.press("\u{e013}");
    assert!(browser.text("#told").contains(&day.told_at(day.stops[3].0, false)));
    // Right goes through everything in its order, from the beginning on.
    browser.press("\u{e011}");
    let mut before = String::new();
    for _ in 0..25 {
        let told = browser.text("#told");
        assert!(told[..8] >= before[..], "{before} {told}");
        before = told[..8].to_owned();
        browser.press("\u{e014}");
    }
    let seen = browser
        .run("const box = getComputedStyle(document.activeElement); return box.outlineStyle");
    assert_eq!(seen, "solid", "the focus is seen");
}

const LONG: &str = "Centre d'usinage <b>n° 4</b> & \"déligneuse\" à têtes multiples du hall B";

/// A line of a LOG.
fn event(at: NaiveDateTime, what: &str) -> String {
    format!("{}|@{what}\n", at.format("%Y%m%d %H:%M:%S"))
}

/// A night of 900 pieces and 600 waits in which the clock is set back, from 05:00 to 05:00, of a machine with a
/// long name, an objective and a price; and one without any data.
fn long_night() -> Line {
    let day = NaiveDate::from_ymd_opt(2026, 11, 25).unwrap();
    let begin = day.and_hms_opt(21, 2, 0).unwrap();
    let mut log = event(begin - TimeDelta::minutes(1), "MachineStart:");
    for number in 0..900 {
        // At 03:00 it is 02:00 again.
        let seconds = number * 31;
        let seconds = if seconds > 6 * 3600 { seconds - 3600 } else { seconds };
        let at = begin + TimeDelta::seconds(seconds);
        if number % 30 == 0 {
            let profile = ["R:6112 L:6500.00 C:654", "R:<i>76281</i> L:4900.5 C:WS"]
                [(number / 30 % 2) as usize];
            log += &event(at, &format!("JobProfiel: {profile}"));
        }
        log += &event(at, &format!("StukUitgevoerd: {number} <u>&amp;"));
        if number % 3 != 0 {
            log +=
                &event(at + TimeDelta::seconds(5), &format!("MachineWait: {} sec", 3 + number % 9));
        }
        if number % 100 == 50 {
            log += &event(at + TimeDelta::seconds(15), "MachineStop:");
            log += &event(at + TimeDelta::seconds(28), "MachineStart:");
        }
    }
    let folder = Folder::empty();
    folder.put("A/20261125.LOG", log.as_bytes());
    folder
        .put("B/20261020.LOG", event(begin - TimeDelta::days(36), "StukUitgevoerd: 1").as_bytes());
    let mut agent = Agent::on_directory(folder.path());
    agent.map_folders(0, &[("A", LONG), ("B", "B")]);
    agent.set("source.0.folders.A.type_cu", "CU");
    agent.set("source.0.folders.A.nominal_per_hour", 120);
    agent.set("source.0.folders.A.cost_per_hour", 85.5);
    agent.set("source.0.folders.A.objective_per_day", 1_200);
    agent.set("analysis.day_start", "05:00");
    let calendar = "[[calendar]]
        [[calendar.shift]]
        name = \"matin <1>\"
        days = \"mon-fri\"
        time = \"05:00-13:00\"
        [[calendar.shift]]
        name = \"après-midi\"
        days = \"mon-fri\"
        time = \"13:00-21:00\"
        [[calendar.shift]]
        name = \"équipe de nuit de tout l'atelier\"
        days = \"mon-fri\"
        time = \"21:00-05:00\"
        breaks = [\"01:00-01:20\"]";
    let written: toml::Table = toml::from_str(calendar).unwrap();
    agent.set("calendar", written["calendar"].clone());
    start(agent, folder)
}

#[test]
fn a_long_night_with_nine_hundred_pieces_and_hostile_names_is_a_page_below_100_kb() {
    let line = long_night();
    let browser = Browser::start("fr-FR");
    let path = format!(
        "/machine/{}",
        percent_encoding::utf8_percent_encode(LONG, percent_encoding::NON_ALPHANUMERIC)
    );
    let sessions = line.agent.sessions_json();
    let day = Day::of(&sessions, LONG, "2026-11-25");
    assert_eq!((day.pieces.len(), day.waits.len()), (900, 600));
    let body = get(line.page, &format!("{path}/2026-11-25")).is(200).body;
    println!("{} bytes", body.len());
    assert!(body.len() < 100_000, "{} bytes", body.len());
    for banned in ["<b>n°", "<u>", "<i>", "matin <1>"] {
        assert!(!body.contains(banned), "{banned}");
    }
    let mut rng = Rng::with_seed(16);
    for (screen_name, screen) in [("desktop", DESKTOP), ("phone", PHONE)] {
        browser.look_with(screen);
        for (name, query) in
            [("night", ""), ("night-hour", "?hour=02"), ("night-stop", "?at=00:10")]
        {
            browser.open(line.page, &format!("{path}/2026-11-25{query}"));
            let kind = if screen.is_mobile { "touch" } else { "mouse" };
            tap_at_random(&browser, &day, kind, &mut rng, 3);
            assert_eq!(browser.boxes(), Vec::<String>::new(), "{query} on {screen_name}");
            if screen.is_mobile {
                assert_eq!(browser.axe(), Vec::<String>::new(), "{query} on {screen_name}");
            }
            browser.keep_picture(&format!("machine-{name}-{screen_name}"));
        }
        // Of the next date, and named so.
        browser.open(line.page, &format!("{path}/2026-11-25?hour=02"));
        assert_eq!(browser.text("#line-h"), "De 02:00 à 03:00");
        assert_eq!(
            browser.run("return document.querySelectorAll('#events tr').length > 100"),
            true
        );
        browser.open(line.page, &format!("{path}/2026-11-25"));
        assert!(browser.text("#losses .sum").contains('€'), "{}", browser.text("#losses .sum"));
        // A month without anything, and a day without a line.
        browser.open(line.page, "/machine/B/2026-11-26");
        assert!(browser.text("main").contains("Rien dans le journal de la machine pour ce jour."));
        assert_eq!(browser.boxes(), Vec::<String>::new(), "no data on {screen_name}");
        assert_eq!(browser.axe(), Vec::<String>::new(), "no data on {screen_name}");
        browser.keep_picture(&format!("machine-no-data-{screen_name}"));
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
