//! The board for the wall: filled whatever its size, read at three metres, trouble first, and every
//! figure the buffer's.

use std::{collections::BTreeMap, fs};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    board_line::{Doing, Machine, line_of, line_with, some_machines},
    browser::{Browser, DESKTOP, PHONE, Screen, WALL, until_text},
    line::{Line, today},
    support::{clock::Wrong, folder::Folder, http, wait},
};

const PORTRAIT: Screen = Screen { width: 1080, height: 1920, ..DESKTOP };
const SIZES: [(&str, Screen); 6] = [
    ("720p", Screen { width: 1280, height: 720, ..DESKTOP }),
    ("1080p", WALL),
    ("portrait", PORTRAIT),
    ("768p", Screen { width: 1366, height: 768, ..DESKTOP }),
    ("xga", Screen { width: 1024, height: 768, is_dark: true, ..DESKTOP }),
    ("2160p", Screen { width: 3840, height: 2160, is_dark: true, ..DESKTOP }),
];

/// One line for each thing that a person before the screen would stumble over.
const UNREADABLE: &str = "
    const found = [], high = innerHeight, root = document.documentElement;
    if (root.scrollHeight > high || document.body.scrollHeight > high || root.scrollWidth > innerWidth)
      found.push(`scrolls: ${document.body.scrollWidth}x${document.body.scrollHeight}`);
    const tiles = [...document.querySelectorAll('.page:not([hidden]) .tile')];
    const size = (one) => parseFloat(getComputedStyle(one).fontSize);
    let filled = 0;
    for (const tile of tiles) {
      const nom = tile.dataset.nom, edge = tile.getBoundingClientRect();
      filled += edge.width * edge.height;
      const word = size(tile.querySelector('.word'));
      const least = innerWidth === 1920 && high === 1080 ? 28 : 0.02 * high;
      if (word < least) found.push(`${nom}: a state of ${word} px`);
      for (const figure of tile.querySelectorAll('[data-figure]:not([data-figure=against])'))
        if (size(figure) <= word) found.push(`${nom}: ${figure.dataset.figure} of ${size(figure)} px, its state ${word}`);
      const texts = document.createTreeWalker(tile, NodeFilter.SHOW_TEXT), range = document.createRange();
      while (texts.nextNode()) {
        range.selectNodeContents(texts.currentNode);
        for (const box of range.getClientRects())
          if (box.left < edge.left || box.right > edge.right || box.top < edge.top - 1 || box.bottom > edge.bottom + 1)
            found.push(`${nom}: outside its tile: ${texts.currentNode.data}`);
      }
    }
    if (tiles.length && filled < 0.65 * innerWidth * high) found.push(`empty: ${filled / innerWidth / high}`);
    return found";

fn assert_fits(browser: &Browser, what: &str) {
    let found = browser.run(UNREADABLE);
    assert_eq!(found, json!([]), "{what}");
    assert_eq!(browser.boxes(), Vec::<String>::new(), "{what}");
}

/// What a script's function gives for each tile of every page, in their order.
fn tiles(browser: &Browser, function: &str) -> Vec<Value> {
    let all = browser.run(&format!(
        "return [...document.querySelectorAll('.tile')].map((tile) => ({function})(tile))"
    ));
    all.as_array().unwrap().clone()
}

fn figure(browser: &Browser, nom: &str, figure: &str) -> String {
    browser.text(&format!("[data-nom='{nom}'] [data-figure='{figure}']"))
}

/// Asks now for what the open board would ask for within ten seconds.
fn look(browser: &Browser) {
    browser.run("document.dispatchEvent(new Event('visibilitychange'))");
}

#[test]
fn the_board_fills_every_screen_and_is_read_at_three_metres() {
    let browser = Browser::start("fr-FR");
    let mut lines = Vec::new();
    for count in [0, 1, 3, 12, 40] {
        let line = line_of(&some_machines(count), 5);
        for ((name, screen), target) in SIZES.iter().zip(["/board?lang=en", "/mur"].iter().cycle())
        {
            browser.look_with(*screen);
            browser.open(line.page, target);
            assert_fits(&browser, &format!("{count} machines at {name}"));
            browser.keep_picture(&format!("board-{count}-{name}"));
            if ["1080p", "xga"].contains(name) {
                assert_eq!(browser.axe(), Vec::<String>::new(), "{count} machines at {name}");
            }
        }
        // On a telephone it is scrolled, downwards only.
        browser.look_with(PHONE);
        browser.open(line.page, "/mur");
        assert_eq!(browser.boxes(), Vec::<String>::new(), "{count} machines on a telephone");
        browser.keep_picture(&format!("board-{count}-phone"));
        let bytes = http::get(line.page, "/mur").is(200).body.len();
        assert!(bytes <= 100_000, "{count} machines are {bytes} bytes");
        // A board that is open when its gateway goes complains.
        lines.push(line);
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn median(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Behind every moment at which the files were read.
const NOW: &str = "14:34:00";

/// What the buffer says of one machine at [`NOW`], with a decimal comma.
struct Truth {
    pieces: i64,
    usual: i64,
    rest: i64,
    trs: Option<String>,
}

impl Truth {
    fn of(line: &Line, sessions: &Value, nom: &str) -> Self {
        let of_machine = |one: &&Value| one["machine"] == nom;
        let sessions: Vec<&Value> =
            sessions.as_array().unwrap().iter().filter(of_machine).collect();
        let day = |one: &Value| one["date_production"].as_str().unwrap().to_owned();
        let today = today().to_string();
        let running = sessions.iter().find(|one| day(one) == today).unwrap();
        let buffer = Connection::open(line.agent.buffer()).unwrap();
        let earlier: Vec<(i64, i64)> = sessions
            .iter()
            .filter(|one| day(one) != today)
            .map(|one| {
                let pieces = one["pieces"].as_array().unwrap();
                let time = |piece: &&Value| piece[0].as_str().unwrap()[11..19] <= *NOW;
                (pieces.iter().filter(time).count() as i64, pieces.len() as i64)
            })
            .collect();
        assert_eq!(earlier.len(), 5, "{nom}");
        let trs = buffer.query_row(
            "SELECT (t.pieces - t.rejects) * 3600000, t.nominal_per_hour * t.required_ms
             FROM shift_times t JOIN machine m ON m.id = t.machine_id
             WHERE m.nom = ?1 AND t.day = ?2 AND t.shift = 'après-midi'",
            [nom, &today],
            |row| Ok((row.get::<_, f64>(0)?, row.get::<_, Option<f64>>(1)?)),
        );
        let trs = trs.ok().and_then(|(useful, whole)| {
            let hundredths = (useful * 10_000.0 / whole?).round() as i64;
            Some(format!("{},{:02}\u{a0}%", hundredths / 100, hundredths % 100))
        });
        Self {
            pieces: running["total_pieces"].as_i64().unwrap(),
            usual: median(earlier.iter().map(|(so_far, _)| *so_far).collect()),
            rest: median(earlier.iter().map(|(so_far, whole)| whole - so_far).collect()),
            trs,
        }
    }
}

#[test]
fn every_figure_on_the_board_is_the_buffers_and_an_objective_is_shown() {
    let mut machines = some_machines(8);
    machines[0].objective = Some(1_250);
    let line = line_of(&machines, 5);
    line.stop_clock_at(NOW);
    let sessions = line.agent.sessions_json();
    let browser = Browser::start("fr-FR");
    browser.look_with(WALL);
    for (target, point, thousands) in [("/mur", ",", "\u{202f}"), ("/board?lang=en", ".", ",")] {
        browser.open(line.page, target);
        let mut rates = 0;
        for machine in &machines {
            let nom = machine.nom.as_str();
            let shown = |name| figure(&browser, nom, name);
            let truth = Truth::of(&line, &sessions, nom);
            assert_eq!(shown("pieces"), truth.pieces.to_string(), "{nom}");
            assert_eq!(shown("usual"), truth.usual.to_string(), "{nom}");
            let against = (100 * (truth.pieces - truth.usual)) as f64 / truth.usual as f64;
            let sign = if against.round() == 0.0 {
                '±'
            } else if against > 0.0 {
                '+'
            } else {
                '−'
            };
            let percent = if point == "," { "\u{a0}%" } else { "%" };
            assert_eq!(
                shown("against"),
                format!("{sign}{}{percent}", against.abs().round()),
                "{nom}"
            );
            assert_eq!(
                shown("projected"),
                format!("≈\u{a0}{}", truth.pieces + truth.rest),
                "{nom}"
            );
            let trs = truth.trs.map_or("–".to_owned(), |trs| match point {
                "," => trs,
                _ => trs.replace(',', ".").replace('\u{a0}', ""),
            });
            rates += i32::from(trs != "–");
            assert_eq!(shown("trs"), trs, "{nom}");
        }
        assert!((3..8).contains(&rates), "{rates} machines have a TRS");
        assert_eq!(figure(&browser, "DEM01", "objective"), format!("1{thousands}250"));
        let has_one =
            browser.run("return document.querySelectorAll('[data-figure=objective]').length");
        assert_eq!(has_one, 4);
        // Far below the objective: the bar is as long as its share.
        let bar = browser
            .run("return document.querySelector('[data-nom=DEM01] .done').getAttribute('width')");
        let truth = Truth::of(&line, &sessions, "DEM01");
        assert_eq!(bar, (truth.pieces * 1000 / 1250).to_string());
    }
    let tile = browser.text("[data-nom=DEM05] .trs");
    assert!(tile.ends_with("no nominal rate set"), "{tile}");
    let tile = browser.text("[data-nom=DEM08] .trs");
    assert!(tile.ends_with("no calendar"), "{tile}");
}

/// As the board sorts machines.
fn trouble_first(machines: &[Machine]) -> Vec<String> {
    let mut sorted = machines.to_vec();
    sorted.sort_by_key(|machine| {
        let urgency = match machine.doing {
            Doing::Stopped(_) => 1,
            Doing::Silent(_) => 2,
            Doing::Waiting(_) => 3,
            Doing::Producing => 4,
        };
        let longest_first = if urgency == 4 { 0 } else { -machine.quiet_for() };
        (urgency, longest_first, machine.nom.clone())
    });
    sorted.into_iter().map(|machine| machine.nom).collect()
}

#[test]
fn trouble_comes_first_the_counters_are_of_every_machine_and_pages_turn() {
    let machines = some_machines(40);
    let line = line_of(&machines, 0);
    let browser = Browser::start("fr-FR");
    browser.look_with(WALL);
    browser.open(line.page, "/mur?theme=dark");
    let order = tiles(&browser, "(tile) => tile.dataset.nom");
    assert_eq!(order, trouble_first(&machines));
    assert_eq!(
        browser.text(".counts"),
        "25 en production, 5 à l'arrêt, 5 silencieuses, 5 en attente"
    );
    let is_dark = "return getComputedStyle(document.documentElement).colorScheme";
    assert_eq!(browser.run(is_dark), "dark");
    // Each page is shown for a while, the last is followed by the first.
    assert_eq!(browser.text(".pager p"), "page 1/4");
    assert_eq!(browser.run("return document.getElementById('live').dataset.turn"), "15");
    browser.run("document.getElementById('live').dataset.turn = '0.5'");
    for page in ["2", "3", "4", "1"] {
        until_text(&browser, "#page", page);
        let shown = browser.run("return [...document.querySelectorAll('.page:not([hidden])')].map((one) => one.dataset.page)");
        assert_eq!(shown, json!([page]));
    }
    // By hand, and held there; asking again does not turn back.
    browser.run("document.getElementById('pause').click()");
    let held = browser.text("#page");
    browser.run("document.getElementById('next').click()");
    let next = (held.parse::<u32>().unwrap() % 4 + 1).to_string();
    assert_eq!(browser.text("#page"), next);
    look(&browser);
    wait::any_moment(std::time::Duration::from_millis(1200));
    assert_eq!(browser.text("#page"), next);
    assert_eq!(browser.run("return document.getElementById('pause').ariaPressed"), "true");
    // Without a script the address chooses the page, and the next follows by itself.
    let page = http::get(line.page, "/mur?page=2").is(200).body;
    assert!(page.contains(r#"<noscript><meta http-equiv="refresh" content="15;url=/mur?page=3">"#));
    let seen = |page: &str| page.matches(" hidden>").count();
    assert!(page.contains(r#"data-page="2">"#) && !page.contains(r#"data-page="1">"#), "{page}");
    let last = http::get(line.page, "/board?page=4&lang=en&theme=light").is(200).body;
    assert!(
        last.contains("content=\"15;url=/board?page=1&amp;theme=light&amp;lang=en\""),
        "{last}"
    );
    assert_eq!(seen(&page), seen(&last));
}

#[test]
fn a_source_central_or_gateway_that_is_gone_is_unmistakable_on_the_board() {
    let yard = Folder::empty();
    yard.put("R1/20261126.LOG", b"20261126 14:20:00|@StukUitgevoerd: 1 A\n");
    let line = line_with(&some_machines(3), 5, |agent| {
        agent.add_directory("cour", yard.path());
        agent.map_folders(1, &[("R1", "ROBOT")]);
        agent.set("alarms.url", "http://127.0.0.1:9/");
        agent.set("alarms.disk_free", "1000000GiB");
        agent.set("alarms.silent_after", "30d");
        let password_file = agent.secret("central.password", "geheim");
        agent.set("central.host", "127.0.0.1");
        agent.set("central.port", 9);
        agent.set("central.database", "production");
        agent.set("central.user", "cu_agent");
        agent.set("central.tls", "disable");
        agent.set("central.password_file", password_file.to_str().unwrap());
    });
    let browser = Browser::start("fr-FR");
    browser.look_with(WALL);
    browser.open(line.page, "/mur");
    assert_eq!(browser.text("[data-nom=ROBOT] .word"), "En production");
    // The gateway's clock, not the browser's.
    assert!(browser.text("#clock").starts_with("14:3"), "{}", browser.text("#clock"));
    assert!(browser.text(".read").starts_with("lu il y a "), "{}", browser.text(".read"));

    fs::rename(yard.path(), yard.path().with_extension("away")).unwrap();
    wait::until("the source is gone", wait::PATIENCE, || {
        look(&browser);
        browser.run("return !!document.querySelector('.banners .bad')") == true
    });
    let banner = browser.text(".banners .bad");
    assert!(banner.starts_with("Source cour injoignable depuis 14:3"), "{banner}");
    assert!(banner.ends_with("\u{202f}: 1 machine inconnue"), "{banner}");
    assert_eq!(tiles(&browser, "(tile) => tile.dataset.nom")[0], "ROBOT");
    let head = browser.text("[data-nom=ROBOT][data-state=unknown] .head");
    assert!(head.starts_with("ROBOTInconnu depuis "), "{head}");
    assert!(head.ends_with("cour injoignable"), "{head}");
    until_text(&browser, "#said", "ROBOT\u{202f}: Inconnu depuis moins d'1\u{a0}min");
    let central = "Base centrale injoignable depuis 14:3";
    assert!(browser.text(".banners .small").starts_with(central));
    wait::until("the alarm is shown", wait::PATIENCE, || {
        look(&browser);
        let banners = browser.text(".banners");
        banners.contains("Alarme\u{202f}: disque presque plein\u{202f}; ")
            && banners.contains("\u{a0}Mio libres")
    });
    assert_fits(&browser, "with a dead source");
    assert_eq!(browser.axe(), Vec::<String>::new());
    browser.keep_picture("board-dead-source");

    line.running.signal("STOP");
    look(&browser);
    wait::until("the gateway is gone", wait::PATIENCE, || {
        browser.run("return !document.getElementById('stale').hidden") == true
    });
    let stale = browser.text("#stale");
    let wanted = "La passerelle ne répond plus. Derniers chiffres\u{202f}: 14:3";
    assert!(stale.starts_with(wanted), "{stale}");
    let age = "return getComputedStyle(document.querySelector('.page')).opacity";
    assert!(browser.run(age).as_str().unwrap().parse::<f64>().unwrap() < 0.5);
    let before = browser.text("#stale .ago");
    wait::until("it says how long", wait::PATIENCE, || browser.text("#stale .ago") != before);
    browser.keep_picture("board-dead-gateway");
    line.running.signal("CONT");
    look(&browser);
    wait::until("the gateway is back", wait::PATIENCE, || {
        look(&browser);
        browser.run("return document.getElementById('stale').hidden") == true
    });
    line.clock.set(Wrong::NeverSet);
    wait::until("the clock is wrong", wait::PATIENCE, || {
        look(&browser);
        browser.text(".banners").contains("L'horloge de la passerelle n'est pas plausible")
    });
    let since = browser.text("[data-nom=DEM02] .since");
    assert_eq!(since, "depuis le 26/11, 14:16");
}

/// A name that some plant may give a machine.
fn some_name(rng: &mut fastrand::Rng, number: usize) -> String {
    let signs: Vec<char> =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_<>&\"'./éàçœ漢字  WM@"
            .chars()
            .collect();
    let length = if rng.bool() { rng.usize(1..12) } else { rng.usize(12..97) };
    let middle: String = (0..length).map(|_| signs[rng.usize(0..signs.len())]).collect();
    format!("{number}{middle}.")
}

#[test]
fn any_machines_of_any_names_fit_any_screen() {
    let seed = 20_261_126;
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let browser = Browser::start("fr-FR");
    for count in [2, 5, 7, 8, 10, 11, 27] {
        let mut machines = Vec::new();
        for number in 0..count {
            let minutes = rng.i64(2..540);
            let doing = match rng.u8(0..4) {
                0 => Doing::Producing,
                1 => Doing::Stopped(minutes),
                2 => Doing::Waiting(minutes),
                _ => Doing::Silent(minutes.max(17)),
            };
            let mut machine = Machine::new(&some_name(&mut rng, number), doing, rng.i64(20..200));
            machine.objective = rng.bool().then(|| rng.u32(10..2000));
            machines.push(machine);
        }
        let line = line_of(&machines, rng.usize(0..5));
        for _ in 0..3 {
            let (width, height) = (rng.u32(1000..3840), rng.u32(700..2160));
            let height = height.clamp(width / 2, width * 2);
            let screen = Screen { width, height, is_mobile: false, is_dark: rng.bool() };
            let target = ["/mur", "/board?lang=en"][rng.usize(0..2)];
            browser.look_with(screen);
            browser.open(line.page, target);
            browser.keep_picture("board-random");
            assert_fits(&browser, &format!("{target} with {machines:#?} on {screen:?}"));
        }
        browser.open(line.page, "/mur");
        assert_eq!(tiles(&browser, "(tile) => tile.dataset.nom"), trouble_first(&machines));
        let titles =
            "(tile) => { const a = tile.querySelector('h2 a'); return a.title || a.textContent }";
        assert_eq!(tiles(&browser, titles), trouble_first(&machines), "each name is told in full");
        let since = tiles(
            &browser,
            "(tile) => [tile.dataset.nom, tile.querySelector('.since').textContent]",
        );
        let since: BTreeMap<&str, &str> =
            since.iter().map(|one| (one[0].as_str().unwrap(), one[1].as_str().unwrap())).collect();
        for machine in machines.iter().filter(|machine| machine.doing != Doing::Producing) {
            // A test that takes a while sees another minute.
            let wanted = [0, 1, 2].map(|more| match machine.quiet_for() + more {
                minutes if minutes <= 90 => format!("depuis {minutes}\u{a0}min"),
                minutes => format!("depuis {}\u{a0}h\u{a0}{:02}", minutes / 60, minutes % 60),
            });
            let shown = since[machine.nom.as_str()];
            assert!(wanted.iter().any(|wanted| wanted == shown), "{machine:?}: {shown}");
        }
    }
}
