//! The pictures of the README: a plant of six machines with calendars and objectives at half past two, and the
//! report of its week. `make pictures` writes them below docs/pictures; nothing of them is by chance.

use std::{fs, path::Path};

use chrono::{NaiveDate, TimeDelta};

use crate::{
    browser::{Browser, DARK, DESKTOP, PHONE, Screen, WALL},
    line::{event, today, until},
    plants::{Doing, Machine, Plant},
    support::{
        generate::{CENTRES, Centre, Dirt, file_name, log_of_day, working_days},
        http,
    },
};

/// Name, which of the three centres it works like, when its LOG of today ends, and what it does then.
const MACHINES: [(&str, usize, &str, Doing, Option<i64>); 6] = [
    ("DEM12", 0, "14:29", Doing::Producing, Some(480)),
    ("DEM14", 0, "14:28", Doing::Producing, Some(480)),
    ("DEMALU", 1, "14:11", Doing::Stopped, Some(340)),
    ("QUADRA", 1, "14:29", Doing::Producing, Some(340)),
    ("SU12", 2, "14:29", Doing::Producing, Some(800)),
    ("SU15", 2, "14:26", Doing::Waiting, Some(800)),
];
const NOMINAL_PER_HOUR: [i64; 3] = [78, 58, 112];
const WIDE: Screen = Screen { height: 1000, ..DESKTOP };
const MOST_BYTES: u64 = 150_000;

fn plant() -> Plant {
    let machines = MACHINES.map(|(nom, like, _, doing, objective)| Machine {
        nom: nom.to_owned(),
        doing,
        has_calendar: true,
        nominal_per_hour: Some(NOMINAL_PER_HOUR[like]),
        objective,
    });
    Plant::with(machines.into(), false, |folder, path| {
        let (nom, like, end, doing, _) =
            MACHINES.into_iter().find(|(nom, ..)| path.ends_with(nom)).unwrap();
        let centre = Centre { nom, ..CENTRES[like] };
        for day in working_days(first_day(), 39) {
            let log = log_of_day(&centre, day, 3, Dirt::None);
            let is_today = day == today();
            let log = if is_today { until(&log, end) } else { log };
            folder.put(&format!("{path}/{}", file_name(day)), &log);
            let last = match doing {
                Doing::Stopped => "MachineStop:",
                Doing::Waiting => "MachineWait: 540 sec",
                _ => "StukUitgevoerd: 1 B120415 D1",
            };
            if is_today {
                let name = format!("{path}/{}", file_name(day));
                folder.append(&name, &event(&format!("{end}:40"), last));
            }
        }
    })
}

fn first_day() -> NaiveDate {
    today() - TimeDelta::days(7 * 7 + 3)
}

#[test]
#[ignore = "writes into docs: make pictures"]
fn the_pictures_of_the_readme() {
    let plant = plant();
    let page = plant.line.page;
    let browser = Browser::start("fr-FR");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    let take = |name: &str, screen: Screen, target: &str| {
        browser.look_with(screen);
        browser.open(page, target);
        browser.run("return document.fonts.ready.then(() => 0)");
        browser.picture(&folder.join(format!("{name}.png")));
    };
    take("page-today", WIDE, "/");
    take("page-machine-dark", Screen { height: 1000, ..DARK }, "/machine/DEMALU");
    take("compare", WIDE, "/compare");
    take("page-phone", PHONE, "/");
    if http::get(page, "/board").status == 200 {
        take("board", WALL, "/board");
    }
    let week = ["report", "--from", "2026-11-16", "--to", "2026-11-20", "--machine", "DEM12"];
    let report = plant.line.agent.command(&week).succeeded().stdout;
    browser.look_with(Screen { width: 900, height: 1200, ..DESKTOP });
    browser.open_html(&report);
    browser.picture(&folder.join("report.png"));
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        let bytes = file.metadata().unwrap().len();
        assert!(bytes <= MOST_BYTES, "{}: {bytes} bytes", file.path().display());
    }
}
