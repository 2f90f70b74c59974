//! For everyone: judged by axe-core on each page, wide, narrow and dark; by keyboard; with what is
//! asked of the network.

use crate::{
    browser::{Browser, DARK, DESKTOP, PHONE, Screen, WALL},
    line::{Line, of_many_machines, of_three_machines, with_calendars},
};

const PAGES: [(&str, &str); 5] = [
    ("today", "/"),
    ("today-english", "/?lang=en"),
    ("day", "/day/2026-11-10"),
    ("machine", "/machine/DEMALU"),
    ("not-found", "/no/such/page"),
];

const SCREENS: [(&str, Screen); 3] = [("desktop", DESKTOP), ("phone", PHONE), ("dark", DARK)];

/// Axe finds nothing, nothing has to be scrolled sideways, and a picture is kept.
fn assert_for_everyone(browser: &Browser, line: &Line, (name, target): (&str, &str), screen: &str) {
    browser.open(line.page, target);
    browser.run("for (const one of document.querySelectorAll('details')) one.open = true");
    assert_eq!(browser.axe(), Vec::<String>::new(), "{target} on {screen}");
    let wider = browser
        .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wider, 0, "{target} on {screen} has to be scrolled sideways");
    browser.run("for (const one of document.querySelectorAll('details')) one.open = false");
    browser.keep_picture(&format!("{name}-{screen}"));
}

#[test]
fn axe_finds_nothing_on_any_page_wide_narrow_or_dark_and_pictures_are_kept() {
    let line = of_three_machines();
    let browser = Browser::start("fr-FR");
    for (screen_name, screen) in SCREENS {
        browser.look_with(screen);
        for page in PAGES {
            assert_for_everyone(&browser, &line, page, screen_name);
        }
    }
}

#[test]
fn required_time_of_long_names_three_shifts_and_a_running_day_is_for_everyone() {
    let line = with_calendars();
    let browser = Browser::start("fr-FR");
    for (screen_name, screen) in SCREENS {
        browser.look_with(screen);
        for page in [
            ("required", "/"),
            ("required-english", "/?lang=en"),
            ("required-day", "/day/2026-11-10"),
            ("required-machine", "/machine/DEM12"),
        ] {
            assert_for_everyone(&browser, &line, page, screen_name);
        }
    }
}

#[test]
fn required_time_of_many_machines_fits_a_wall() {
    let line = of_many_machines();
    let browser = Browser::start("fr-FR");
    for (screen_name, screen) in [("wall", WALL), ("phone", PHONE)] {
        browser.look_with(screen);
        assert_for_everyone(&browser, &line, ("required-many", "/"), screen_name);
    }
}

#[test]
fn axe_finds_what_is_wrong() {
    let line = of_three_machines();
    let browser = Browser::start("fr-FR");
    browser.open(line.page, "/");
    browser.run("document.querySelector('html').removeAttribute('lang')");
    let found = browser.axe();
    assert!(found.len() == 1 && found[0].starts_with("html-has-lang"), "{found:?}");
}

#[test]
fn everything_is_reached_by_keyboard_and_the_first_stop_skips_the_header() {
    let line = of_three_machines();
    let browser = Browser::start("fr-FR");
    browser.look_with(DESKTOP);
    browser.open(line.page, "/machine/DEMALU");
    let focus = "const one = document.activeElement; return one.className || one.tagName";
    browser.press_tab();
    assert_eq!(browser.run(focus), "skip");
    let wanted = browser.run(
        "return [...document.querySelectorAll('a[href],button,input:not([type=hidden]),summary')].filter((one) => one.checkVisibility()).length",
    );
    let mut reached = 1;
    let mut presses = 0;
    // A date is three fields behind one another, a region that scrolls is a stop of its own.
    while presses < 300 && browser.run("return document.activeElement === document.body") == false {
        browser.press_tab();
        presses += 1;
        let is_new = browser.run(
            "const one = document.activeElement; \
             if (one === document.body || one.seen || !one.matches('a[href],button,input,summary')) return false; \
             one.seen = true; return true",
        );
        reached += i64::from(is_new == true);
    }
    assert_eq!(wanted, reached);
}

#[test]
fn nothing_is_asked_of_any_other_place_and_nothing_is_blocked() {
    let line = of_three_machines();
    let browser = Browser::start("fr-FR");
    for (_, target) in &PAGES[..4] {
        browser.open(line.page, target);
        let foreign = browser.run(
            "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => !name.startsWith(location.origin))",
        );
        assert_eq!(foreign, serde_json::json!([]), "{target}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
