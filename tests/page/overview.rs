//! The first page and what surrounds every page: the running day beside what is usual, what is wrong said first,
//! the way from page to page, a telephone, and how old what is shown is.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
};

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::{
    browser::{Browser, DESKTOP, PHONE, Screen, TABLET, WALL},
    line::{Line, of_three_machines, of_three_machines_with, start, today, with_calendars},
    support::{
        agent::Agent,
        folder::Folder,
        generate::{CENTRES, file_name, working_days},
        http, wait,
    },
};

/// A line with much that is wrong: central does not answer, an alarm stands, a machine was never read.
fn in_trouble() -> Line {
    of_three_machines_with(|agent, folder| {
        fs::create_dir(folder.file("NEUVE (PVC)")).unwrap();
        let machine = "source.0.folders.NEUVE (PVC)";
        agent.set(&format!("{machine}.nom"), "NEUVE");
        agent.set(&format!("{machine}.type_cu"), "PVC");
        agent.set("source.0.folders.DEM12 (PVC).objective_per_day", 600);
        agent.set("alarms.url", "http://127.0.0.1:9/");
        agent.set("alarms.disk_free", "1000000GiB");
        agent.set("alarms.silent_after", "30d");
    })
}

fn until_alarm(browser: &Browser, line: &Line) {
    wait::until("the alarm stands", wait::PATIENCE, || {
        browser.open(line.page, "/");
        browser
            .run("return document.querySelector('.trouble')?.textContent.includes('presque plein')")
            == true
    });
}

/// Moments of the pieces in a machine's LOG of one day, as `HH:MM:SS`.
fn pieces_of(line: &Line, centre: usize, day: NaiveDate) -> Vec<String> {
    let log = line.folder.file(&format!("{}/{}", CENTRES[centre].folder, file_name(day)));
    let log = fs::read_to_string(log).unwrap();
    let pieces = log.lines().filter(|line| line.contains("StukUitgevoerd"));
    pieces.map(|line| line[9..17].to_owned()).collect()
}

/// The lower of two halves of what is between the two in the middle.
fn median(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    let (lower, upper) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    lower + (upper - lower) / 2
}

#[test]
fn the_running_day_stands_beside_what_is_usual_at_the_same_hour_and_never_beside_whole_days() {
    let line = in_trouble();
    let until = "14:34:00";
    line.stop_clock_at(until);
    let browser = Browser::start("fr-FR");
    browser.open(line.page, "/");
    for (centre, nom) in ["DEM12", "DEMALU", "SU12"].into_iter().enumerate() {
        let days = working_days(NaiveDate::from_ymd_opt(2026, 10, 27).unwrap(), 22);
        let earlier = &days[days.len() - 10..];
        assert!(earlier.iter().all(|day| *day < today()));
        let counts: Vec<(usize, usize)> = earlier
            .iter()
            .map(|day| {
                let pieces = pieces_of(&line, centre, *day);
                (pieces.iter().filter(|at| at.as_str() <= until).count(), pieces.len())
            })
            .collect();
        let figure = |key: &str| browser.text(&format!("[data-nom='{nom}'] [data-figure='{key}']"));
        let usual = median(counts.iter().map(|(so_far, _)| *so_far).collect());
        assert_eq!(figure("usual"), format!("{usual} d'habitude à {}", &until[..5]), "{nom}");
        let rest = median(counts.iter().map(|(so_far, whole)| whole - so_far).collect());
        let now = pieces_of(&line, centre, today()).len();
        assert_eq!(figure("pieces"), now.to_string(), "{nom}");
        assert_eq!(figure("projected"), (now + rest).to_string(), "{nom}");
        if nom == "DEM12" {
            assert_eq!(figure("objective"), "objectif\u{202f}: 600");
        } else {
            let whole = median(counts.iter().map(|(_, whole)| *whole).collect());
            assert_eq!(figure("usual-whole"), format!("{whole} d'habitude"), "{nom}");
        }
        // The bar of today is open, and what the chart says counts the whole days only.
        let chart = browser.run(&format!(
            "const chart = document.querySelector('[data-nom={nom}] .chart'); \
             return [chart.querySelector('svg').getAttribute('aria-label'), !!chart.querySelector('.running'), !!chart.querySelector('.chosen'), chart.querySelector('.name').textContent]"
        ));
        let all: Vec<usize> = days
            .iter()
            .filter(|day| **day >= NaiveDate::from_ymd_opt(2026, 10, 28).unwrap())
            .map(|day| pieces_of(&line, centre, *day).len())
            .collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        let sentence = chart[0].as_str().unwrap();
        let wanted = format!(
            "Pièces, {} jours de production sur 30\u{202f}: de {least} à {most}, ",
            all.len()
        );
        assert!(sentence.starts_with(&wanted), "{sentence}: {wanted}");
        assert!(sentence.ends_with("le jour en cours n'y est pas compté"), "{sentence}");
        assert_eq!(
            [&chart[1], &chart[2], &chart[3]],
            [&json!(true), &json!(false), &json!("Pièces · en cours")]
        );
    }
    // A day that is over is compared with nothing of this hour.
    browser.open(line.page, "/day/2026-11-25?lang=en");
    let left = browser.run("return document.querySelectorAll('[data-figure=usual],[data-figure=projected],.running').length");
    assert_eq!(left, 0);
    assert_trouble_is_said_first(&line, &browser);
}

/// Nothing new for three hours: a machine that could be read made nothing.
#[test]
fn a_silent_machine_is_measured_by_the_present_hour_and_an_unread_one_by_when_it_was_read() {
    let line = of_three_machines();
    line.stop_clock_at("17:45:00");
    let browser = Browser::start("fr-FR");
    let assert_by = |hour: &dyn Fn(&str) -> String| {
        for nom in ["DEM12", "DEMALU", "SU12"] {
            let hour = hour(nom);
            browser.open(line.page, "/");
            let said = browser.text(&format!("[data-nom={nom}] [data-figure=usual]"));
            assert!(said.ends_with(&format!(" d'habitude à {hour}")), "{nom}: {said}");
            browser.open(line.page, &format!("/machine/{nom}"));
            let said = browser.text("main");
            assert!(said.contains(&format!("Habituel à {hour}")), "{nom}: {said}");
            browser.open(line.page, "/mur");
            let said = browser.text(&format!("[data-nom={nom}] .usual dt"));
            assert_eq!(said, format!("Habituel à {hour}"), "{nom}");
        }
    };
    assert_by(&|_| "17:45".to_owned());
    assert_eq!(browser.text("[data-nom=DEM12] .word"), "Silencieuse");

    fs::rename(line.folder.path(), line.folder.path().with_extension("away")).unwrap();
    wait::until("the source is gone", wait::PATIENCE, || {
        browser.open(line.page, "/mur");
        browser.text("[data-nom=DEM12] .word") == "Inconnu"
    });
    let status = line.agent.status_json();
    assert_by(&|nom| {
        let machines = status["machines"].as_array().unwrap();
        let machine = machines.iter().find(|one| one["nom"] == nom).unwrap();
        machine["last_read_at"].as_str().unwrap()[11..16].to_owned()
    });
}

/// In the reader's language, before any figure; machines stay in the order of their names.
fn assert_trouble_is_said_first(line: &Line, browser: &Browser) {
    until_alarm(browser, line);
    let said = browser.text(".trouble");
    for part in [
        "disque presque plein",
        "depuis le 26/11/2026 à 14:3",
        "NEUVE\u{202f}: aucun fichier LOG n'a jamais été lu\u{202f}; à vérifier\u{202f}: dossier «\u{a0}NEUVE (PVC)\u{a0}» de la source «\u{a0}cu\u{a0}»",
        "Base centrale\u{202f}: injoignable depuis",
    ] {
        assert!(said.contains(part), "{part:?} in {said:?}");
    }
    let order = browser.run(
        "const at = (selector) => document.querySelector(selector).getBoundingClientRect().top; \
         return [at('.counters') < at('.trouble'), at('.trouble') < at('[data-nom]'), [...document.querySelectorAll('.counters li')].map((one) => one.textContent), [...document.querySelectorAll('[data-nom]')].map((one) => one.dataset.nom)]",
    );
    assert_eq!(
        order,
        json!([
            true,
            true,
            ["1 à l'arrêt", "2 silencieuses", "1 en production"],
            ["DEM12", "DEMALU", "NEUVE", "SU12"]
        ])
    );
    let never = "[data-nom=NEUVE] [data-figure=never-read]";
    assert!(browser.text(never).starts_with("Jamais lue\u{202f}: aucun fichier LOG"));
    browser.open(line.page, "/machine/NEUVE?lang=en");
    assert!(browser.text(never).contains("look at folder “NEUVE (PVC)” of source “cu”"));
    // Its text was made in French: it is no text for a reader of English, its title is.
    let said = browser.text(".trouble");
    assert!(said.contains("disk nearly full") && said.contains("since 2026-11-26 14:3"), "{said}");
    assert!(!said.contains("disque"), "{said}");
}

fn where_it_is(browser: &Browser) -> Value {
    browser.run("return location.pathname + location.search")
}

fn click(browser: &Browser, selector: &str, wanted: &str) {
    browser.run(&format!("document.querySelector({}).click()", json!(selector)));
    wait::until(&format!("{selector} leads to {wanted}"), wait::PATIENCE, || {
        where_it_is(browser) == wanted && browser.run("return document.readyState") == "complete"
    });
}

#[test]
fn previous_next_date_and_language_stay_on_the_machine() {
    let line = of_three_machines();
    // A day that only another machine has is no neighbour.
    line.folder.put("SU12 (HYBRIDE)/20261107.LOG", b"20261107 05:00:00|@StukUitgevoerd: 1\n");
    let browser = Browser::start("fr-FR");
    browser.look_with(PHONE);
    browser.open(line.page, "/machine/DEM12");
    click(&browser, "a[rel=prev]", "/machine/DEM12/2026-11-25");
    click(&browser, "a[rel=prev]", "/machine/DEM12/2026-11-24");
    click(&browser, "a[rel=next]", "/machine/DEM12/2026-11-25");
    browser.run("document.querySelector('.days input[type=date]').value = '2026-11-09'");
    click(&browser, ".days button", "/machine/DEM12?day=2026-11-09");
    assert!(
        browser
            .run("return document.title")
            .as_str()
            .unwrap()
            .starts_with("DEM12 · lundi 09/11/2026")
    );
    click(&browser, ".language", "/machine/DEM12?day=2026-11-09&lang=en");
    assert!(
        browser
            .run("return document.title")
            .as_str()
            .unwrap()
            .starts_with("DEM12 · Monday 2026-11-09")
    );
    click(&browser, "a[rel=prev]", "/machine/DEM12/2026-11-06?lang=en");
    browser.run("document.querySelector('.days input[type=date]').value = '2026-11-10'");
    click(&browser, ".days button", "/machine/DEM12?day=2026-11-10&lang=en");
    click(&browser, ".days a:not([rel])", "/machine/DEM12?lang=en");
    click(&browser, ".places a", "/?lang=en");
    let places = browser.run(
        "return [...document.querySelectorAll('.places a')].map((one) => one.getAttribute('href'))",
    );
    assert_eq!(places, json!(["/?lang=en", "/board?lang=en", "/compare?lang=en"]));
    // The same for all machines.
    browser.run("document.querySelector('.days input[type=date]').value = '2026-11-10'");
    click(&browser, ".days button", "/day?day=2026-11-10&lang=en");
    click(&browser, ".language", "/day?day=2026-11-10&lang=fr");
}

/// What a finger cannot hit: links, buttons, fields and summaries below 44 × 44 px. A link within a sentence is as high
/// as its line (WCAG 2.5.8).
const SMALL_TARGETS: &str = "
  for (const one of document.querySelectorAll('details')) one.open = true;
  return [...document.querySelectorAll('a[href],button,input:not([type=hidden]),summary,select,[tabindex=\"0\"]')].filter((one) => {
    const box = one.getBoundingClientRect();
    const inSentence = one.tagName === 'A' && getComputedStyle(one).display === 'inline'
      && [...one.parentElement.childNodes].some((node) => node.nodeType === 3 && /\\w{2}/.test(node.data));
    return !one.matches('.skip') && box.width > 0 && !inSentence && (box.width < 43.9 || box.height < 43.9);
  }).map((one) => one.outerHTML.slice(0, 80) + ' ' + JSON.stringify(one.getBoundingClientRect()));";

/// Tables that are wider than their place and do not show at their edge that there is more.
const CUT_TABLES: &str = "
  return [...document.querySelectorAll('table')].filter((table) => {
    const place = table.closest('.scroll');
    if (!place) return table.scrollWidth > table.parentElement.clientWidth + 1;
    const style = getComputedStyle(place);
    return place.scrollWidth > place.clientWidth + 1
      && !(style.backgroundAttachment.includes('local') && style.backgroundAttachment.includes('scroll'));
  }).map((table) => table.textContent.slice(0, 60));";

#[test]
fn a_telephone_shows_the_first_machine_at_once_and_everything_can_be_touched_with_a_glove() {
    let line = in_trouble();
    let browser = Browser::start("fr-FR");
    browser.look_with(PHONE);
    until_alarm(&browser, &line);
    let below = browser.run(
        "const one = document.querySelector('[data-nom=DEM12]'); \
         return [...one.querySelectorAll('h2,.state,.more,[data-figure=pieces],[data-figure=usual],[data-figure=projected],[data-figure=objective],[data-figure=last-hour],[data-figure=rhythm],[data-figure=stops]')] \
           .map((one) => [one.dataset.figure ?? one.className, one.getBoundingClientRect().bottom])",
    );
    let below = below.as_array().unwrap();
    assert_eq!(below.len(), 10, "{below:?}");
    assert!(below.iter().all(|one| one[1].as_f64().unwrap() <= 844.0), "{below:?}");
    browser.keep_picture("trouble-phone");
    for (target, is_page) in [
        ("/", true),
        ("/day/2026-11-10?lang=en", true),
        ("/machine/DEM12", true),
        ("/machine/NEUVE", true),
        ("/machine/nobody", false),
        ("/day?day=", false),
        ("/no/such/page", false),
    ] {
        browser.open(line.page, target);
        assert_eq!(browser.run(SMALL_TARGETS), json!([]), "{target}");
        assert_eq!(browser.run(CUT_TABLES), json!([]), "{target}");
        assert_eq!(browser.boxes(), Vec::<String>::new(), "{target}");
        assert!(is_page || browser.axe().is_empty(), "{target}: {:?}", browser.axe());
        browser.keep_picture(&format!("telephone{}", target.replace(['/', '?', '='], "-")));
    }
}

/// A browser whose clock is five hours ahead, and whose clock and running time a test moves.
const WRONG_CLOCK: &str = "
  window.ahead = 5 * 3600000; window.slept = 0;
  const now = Date.now.bind(Date), ran = performance.now.bind(performance);
  Date.now = () => now() + window.ahead;
  performance.now = () => ran() + window.slept;";

#[test]
fn how_old_what_is_shown_is_goes_by_the_gateways_clock_whatever_the_browsers_says() {
    let mut line = of_three_machines();
    let browser = Browser::start("fr-FR");
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WRONG_CLOCK }));
    browser.open(line.page, "/");
    let is_hidden = || browser.run("return document.getElementById('stale').hidden");
    // A clock that is wrong, and one that is put right, is no age.
    assert_eq!(is_hidden(), true);
    browser.run("window.ahead = -3 * 3600000");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(is_hidden(), true);
    // A tablet wakes up: what it shows may be old, and the next answer decides.
    browser.run(
        "window.before = document.getElementById('live').dataset.now; window.ahead += 3600000",
    );
    wait::until("the page asks by itself and is new", wait::PATIENCE, || {
        browser.run("return document.getElementById('stale').querySelector('b').textContent")
            == "Mise à jour en cours."
            && is_hidden() == true
    });
    // The gateway goes while two hours pass: one of them the tablet sleeps.
    line.running.terminate().0.succeeded();
    browser.run("window.slept += 2 * 3600000; window.ahead += 2 * 3600000");
    let known = |text: &str| {
        let said = browser.text("#stale");
        said.contains("La passerelle ne répond plus.") && said.contains(text)
    };
    wait::until("the page says how old it is", wait::PATIENCE, || known("il y a 2\u{a0}h\u{a0}00"));
    let said = browser.text("#stale");
    assert!(
        said.contains("Dernier état connu\u{202f}: 14:3")
            && said.contains("à l'horloge de la passerelle"),
        "{said}"
    );
    browser.keep_picture("stale");
    browser.run("window.ahead += 3600000");
    wait::until("what is sure is the least", wait::PATIENCE, || known("il y a au moins 2\u{a0}h"));
    // Something answers, and cannot show the page: that is no silence.
    let failing = TcpListener::bind(line.page).unwrap();
    failing.set_nonblocking(true).unwrap();
    wait::until("a page that fails is told as such", wait::PATIENCE, || {
        if let Ok((mut stream, _)) = failing.accept() {
            stream.read(&mut [0; 4096]).ok();
            let answer = "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
        browser
            .text("#stale")
            .contains("La passerelle répond, mais ne peut pas montrer cette page.")
    });
    drop(failing);
    line.agent.set("status.listen", line.page.to_string());
    line.running = line.agent.run();
    wait::until("the page is new again", wait::PATIENCE, || is_hidden() == true);
}

/// A line of `count` machines, each with one day.
fn of(count: usize) -> Line {
    let folder = Folder::empty();
    let mut agent = Agent::on_directory(folder.path());
    let names: Vec<(String, String)> = (1..=count)
        .map(|number| (format!("CU{number:02} (PVC)"), format!("CU{number:02}")))
        .collect();
    // Enough days for a usual one, at the end of which a machine is all that it can be.
    for (name, _) in &names {
        for day in ["20261120", "20261123", "20261124", "20261125", "20261126"] {
            let mut log = String::new();
            for hour in 5..14 {
                log += &format!(
                    "{day} {hour:02}:00:00|@StukUitgevoerd: 1\n{day} {hour:02}:20:00|@MachineStop:\n{day} {hour:02}:45:00|@MachineStart:\n"
                );
            }
            log += &format!("{day} 14:25:00|@StukUitgevoerd: 2\n");
            folder.put(&format!("{name}/{day}.LOG"), log.as_bytes());
        }
    }
    let mapping: Vec<(&str, &str)> =
        names.iter().map(|(folder, nom)| (folder.as_str(), nom.as_str())).collect();
    agent.map_folders(0, &mapping);
    start(agent, folder)
}

#[test]
fn one_three_and_forty_machines_fit_four_screens_in_less_than_100_kb() {
    let browser = Browser::start("fr-FR");
    let screens: [(&str, Screen, &str); 4] = [
        ("desktop", DESKTOP, "/"),
        ("tablet", TABLET, "/?lang=en"),
        ("wall", WALL, "/"),
        ("phone", PHONE, "/"),
    ];
    for (name, line) in [("one", of(1)), ("calendars", with_calendars()), ("forty", of(40))] {
        for (screen_name, screen, target) in screens {
            browser.look_with(screen);
            browser.open(line.page, target);
            assert_eq!(browser.boxes(), Vec::<String>::new(), "{name} on {screen_name}");
            browser.keep_picture(&format!("overview-{name}-{screen_name}"));
        }
        assert_eq!(browser.axe(), Vec::<String>::new(), "{name}");
        let bytes = http::get(line.page, "/").is(200).body.len();
        assert!(bytes < 100_000, "{name}: {bytes} bytes");
    }
}
