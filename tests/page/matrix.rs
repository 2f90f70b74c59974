//! Every page on every screen, in both languages, light and dark, of plants of no, one, three, twelve and forty
//! machines, while all is well, while a source is dead and while the gateway does not answer: nothing overlaps,
//! nothing is cut, axe-core finds nothing, the browser has no complaint, and a page is at most 100 kB.
//!
//! A new page joins by a line in [`PAGES`]. Boxes are measured in all combinations but light and dark, which take
//! turns; axe looks at so many that each pair of values meets. `make test-page-all` leaves nothing out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    browser::{Browser, DESKTOP, PHONE, Screen, TABLET, WALL},
    plants::Plant,
    support::{http, wait},
};

/// Name and address; `{machine}` is the plant's first machine.
const PAGES: [(&str, &str); 8] = [
    ("today", "/"),
    ("day", "/day/2026-11-24"),
    ("machine", "/machine/{machine}"),
    ("compare", "/compare"),
    ("compare-last", "/compare?week=last&sort=trs"),
    ("board", "/board"),
    ("not-found", "/no/such/page"),
    ("no-text", "/%FF"),
];
const SCREENS: [(&str, Screen); 4] =
    [("phone", PHONE), ("tablet", TABLET), ("desktop", DESKTOP), ("wall", WALL)];
const LANGUAGES: [&str; 2] = ["fr", "en"];
const SCHEMES: [&str; 2] = ["light", "dark"];
const MACHINES: [usize; 5] = [0, 1, 3, 12, 40];
const STATES: [State; 3] = [State::Well, State::SourceDead, State::Stale];
const MOST_BYTES: usize = 100_000;

/// How the gateway is. With more than one machine its link is down throughout.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum State {
    Well,
    SourceDead,
    /// The open page gets no answer any more.
    Stale,
}

/// One combination, as places in the lists above: page, screen, language, scheme, machines, state.
type Look = [usize; 6];
const SIZES: Look =
    [PAGES.len(), SCREENS.len(), LANGUAGES.len(), SCHEMES.len(), MACHINES.len(), STATES.len()];

/// Looks in which each value of each parameter meets each value of every other one; always the same ones.
fn pairwise() -> BTreeSet<Look> {
    let mut rng = fastrand::Rng::with_seed(16);
    let mut open: BTreeSet<[usize; 4]> = BTreeSet::new();
    for first in 0..SIZES.len() {
        for second in first + 1..SIZES.len() {
            for a in 0..SIZES[first] {
                open.extend((0..SIZES[second]).map(|b| [first, a, second, b]));
            }
        }
    }
    let met = |look: &Look, pair: &[usize; 4]| look[pair[0]] == pair[1] && look[pair[2]] == pair[3];
    let mut looks = BTreeSet::new();
    while let Some(&[first, a, second, b]) = open.iter().next() {
        // Of some drawn around a pair that has not met, the one in which most others meet.
        let drawn = (0..60).map(|_| {
            let mut look: Look = SIZES.map(|size| rng.usize(0..size));
            (look[first], look[second]) = (a, b);
            look
        });
        let best = drawn.max_by_key(|look| open.iter().filter(|pair| met(look, pair)).count());
        let best = best.unwrap();
        open.retain(|pair| !met(&best, pair));
        looks.insert(best);
    }
    looks
}

#[test]
fn a_few_looks_let_each_pair_of_values_meet() {
    let looks = pairwise();
    assert!(looks.len() < 50, "{}", looks.len());
    assert_eq!(looks, pairwise());
    for (page, machines) in (0..PAGES.len()).flat_map(|page| (0..5).map(move |of| (page, of))) {
        assert!(looks.iter().any(|look| look[0] == page && look[4] == machines));
    }
}

/// What of the combinations is looked at, and what of these by axe.
struct Extent {
    is_whole: bool,
    by_axe: BTreeSet<Look>,
}

impl Extent {
    fn schemes(&self, turn: usize) -> Vec<usize> {
        if self.is_whole { vec![0, 1] } else { vec![turn % 2] }
    }

    /// Of a plant in trouble the languages take turns.
    fn has(&self, page: usize, language: usize, machines: usize, state: usize) -> bool {
        let is_of =
            |look: &Look| [look[0], look[2], look[4], look[5]] == [page, language, machines, state];
        let is_turn = (page + language + state).is_multiple_of(2);
        self.is_whole || state == 0 || is_turn || self.by_axe.iter().any(is_of)
    }

    fn is_for_axe(&self, look: Look) -> bool {
        self.is_whole || self.by_axe.contains(&look)
    }
}

/// What is wrong, and in which looks.
#[derive(Default)]
struct Wrong(BTreeMap<String, Vec<String>>);

impl Wrong {
    fn add(&mut self, thing: String, look: &str) {
        self.0.entry(thing).or_default().push(look.to_owned());
    }

    #[track_caller]
    fn assert_none(&self) {
        let line = |(thing, looks): (&String, &Vec<String>)| {
            format!("{thing}\n      {}, and {} more", looks[0], looks.len() - 1)
        };
        let lines: Vec<String> = self.0.iter().map(line).collect();
        assert!(lines.is_empty(), "{} things:\n{}", lines.len(), lines.join("\n"));
    }
}

/// One plant in one browser.
struct Looking<'e> {
    /// Its place in [`MACHINES`].
    machines: usize,
    plant: Plant,
    browser: Browser,
    extent: &'e Extent,
    wrong: Wrong,
    looks: usize,
    heaviest: usize,
    /// What opening, measuring and axe took.
    took: [Duration; 3],
}

impl<'e> Looking<'e> {
    fn at(machines: usize, extent: &'e Extent) -> Self {
        let plant = Plant::of(MACHINES[machines]);
        let browser = Browser::start("fr-FR");
        browser.devtools("Network.enable", json!({}));
        Self {
            machines,
            plant,
            browser,
            extent,
            wrong: Wrong::default(),
            looks: 0,
            heaviest: 0,
            took: [Duration::ZERO; 3],
        }
    }

    /// Looks at each page in each state.
    fn at_all(mut self) -> Wrong {
        let started = Instant::now();
        for (state, now) in STATES.into_iter().enumerate() {
            if now == State::SourceDead {
                self.plant.lose_a_source();
                wait::until("the source is told dead", wait::PATIENCE, || {
                    let page = http::get(self.plant.line.page, "/").body;
                    page.contains("class=\"trouble\"")
                });
            }
            for (page, language) in (0..PAGES.len()).flat_map(|page| [(page, 0), (page, 1)]) {
                if self.extent.has(page, language, self.machines, state) {
                    self.at_page(page, language, state);
                }
            }
        }
        let machines = MACHINES[self.machines];
        for complaint in self.browser.complaints().into_iter().filter(|one| !is_expected(one)) {
            self.wrong.add(complaint, &format!("{machines} machines"));
        }
        let [open, boxes, axe] = self.took;
        println!(
            "{} looks at {machines} machines in {:.1?}: opening {open:.1?}, boxes {boxes:.1?}, axe {axe:.1?}; at most {} bytes",
            self.looks,
            started.elapsed(),
            self.heaviest
        );
        self.wrong
    }

    /// On each screen, opened once.
    fn at_page(&mut self, page: usize, language: usize, state: usize) {
        let (name, target) = PAGES[page];
        let (code, now) = (LANGUAGES[language], STATES[state]);
        let nom = &self.plant.machines[0].nom;
        let mark = if target.contains('?') { '&' } else { '?' };
        let target = target.replace("{machine}", nom) + &format!("{mark}lang={code}");
        let what = format!("{} machines, {now:?}, {code}", MACHINES[self.machines]);
        let bytes = http::get(self.plant.line.page, &target).body.len();
        self.heaviest = self.heaviest.max(bytes);
        if bytes > MOST_BYTES {
            self.wrong.add(format!("{name}: {bytes} bytes"), &what);
        }
        let started = Instant::now();
        self.browser.look_with(SCREENS[0].1);
        self.browser.open(self.plant.line.page, &target);
        self.took[0] += started.elapsed();
        if now == State::Stale && !grows_stale(&self.browser) {
            self.wrong.add(format!("{name}: does not say that it is old"), &what);
        }
        for (screen, (screen_name, wanted)) in SCREENS.into_iter().enumerate() {
            for scheme in self.extent.schemes(page + screen + language) {
                let started = Instant::now();
                self.browser.look_with(Screen { is_dark: scheme == 1, ..wanted });
                let mut found = self.browser.boxes();
                self.took[1] += started.elapsed();
                self.looks += 1;
                let look = [page, screen, language, scheme, self.machines, state];
                if self.extent.is_for_axe(look) {
                    let started = Instant::now();
                    found.extend(self.browser.axe());
                    self.took[2] += started.elapsed();
                }
                let what = format!("{what}, {screen_name}, {}", SCHEMES[scheme]);
                if !found.is_empty() {
                    let words = format!("wrong, {name}, {what}").replace(", ", "-");
                    self.browser.keep_picture(&words.replace(' ', "-"));
                }
                for thing in found {
                    self.wrong.add(format!("{name}: {thing}"), &what);
                }
            }
        }
        connect(&self.browser, true);
    }
}

fn connect(browser: &Browser, is_online: bool) {
    let blocked = if is_online { json!([]) } else { json!(["*"]) };
    browser.devtools("Network.setBlockedURLs", json!({ "urls": blocked }));
}

/// The open page asks in vain; whether it says so, if it is one that asks.
fn grows_stale(browser: &Browser) -> bool {
    if browser.run("return !document.getElementById('stale')") == true {
        return true;
    }
    connect(browser, false);
    browser.run("document.dispatchEvent(new Event('visibilitychange'))");
    let says = "return !!document.querySelector('[role=alert]:not([hidden])')";
    let deadline = Instant::now() + Duration::from_secs(3);
    while browser.run(says) != true {
        if Instant::now() > deadline {
            return false;
        }
        wait::any_moment(Duration::from_millis(20));
    }
    true
}

/// What was asked in vain, and the page that is not there.
fn is_expected(complaint: &str) -> bool {
    complaint.contains("ERR_BLOCKED_BY_CLIENT")
        || complaint.contains("the server responded with a status of 40")
}

fn assert_fits(machines: usize) {
    let extent = Extent { is_whole: false, by_axe: pairwise() };
    Looking::at(machines, &extent).at_all().assert_none();
}

#[test]
fn every_page_of_no_machine_fits_every_screen_in_every_state() {
    assert_fits(0);
}

#[test]
fn every_page_of_one_machine_fits_every_screen_in_every_state() {
    assert_fits(1);
}

#[test]
fn every_page_of_three_machines_fits_every_screen_in_every_state() {
    assert_fits(2);
}

#[test]
fn every_page_of_twelve_machines_fits_every_screen_in_every_state() {
    assert_fits(3);
}

#[test]
fn every_page_of_forty_machines_fits_every_screen_in_every_state() {
    assert_fits(4);
}

#[test]
#[ignore = "minutes: make test-page-all"]
fn nothing_is_left_out() {
    let extent = Extent { is_whole: true, by_axe: BTreeSet::new() };
    for machines in 0..MACHINES.len() {
        Looking::at(machines, &extent).at_all().assert_none();
    }
}
