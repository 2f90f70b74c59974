//! A plant drawn at random: LOGs of three machines, the calendar, and what both amount to, computed here from
//! the LOGs and never from central.

use std::{collections::BTreeMap, fs};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use cu_agent::{
    analyse::Options,
    config::parse_calendars,
    model::{Day, DayTimes, Session, ShiftTimes},
    parse::Text,
};

use crate::support::{
    agent::{Agent, FOLDERS},
    folder::Folder,
    golden::machine_of,
    planned::planned_days,
    postgres::Database,
    reference,
};

/// SU12 works at night, DEMALU has no nominal rate.
const CALENDAR: &str = r#"
[[calendar]]
machines = ["DEM12", "DEMALU"]
  [[calendar.shift]]
  name = "matin"
  days = "mon-sun"
  time = "05:00-13:00"
  breaks = ["09:00-09:20"]
  [[calendar.shift]]
  name = "après-midi"
  days = "mon-sat"
  time = "13:00-21:00"
[[calendar]]
machines = ["SU12"]
  [[calendar.shift]]
  name = "nuit"
  days = "mon-sun"
  time = "21:00-05:00"
  breaks = ["00:30-01:00"]
"#;
const NOMINAL: [(&str, u32); 2] = [("DEM12", 90), ("SU12", 70)];
const REJECT: &str = "StukAfgekeurd";
pub const DAY_START: TimeDelta = TimeDelta::hours(5);
pub const DAYS: u64 = 9;

/// A Thursday, so that weeks and the month are cut.
pub fn first_day() -> Day {
    NaiveDate::from_ymd_opt(2025, 5, 29).unwrap()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LastState {
    Producing,
    Waiting,
    Stopped,
}

pub struct Machine {
    pub nom: &'static str,
    pub nominal: Option<u32>,
    pub sessions: BTreeMap<Day, Session>,
    pub times: Vec<DayTimes>,
    /// What the last line of each production day says, and when that was.
    pub last: BTreeMap<Day, (LastState, NaiveDateTime)>,
}

/// A planned part of a day.
pub struct Part<'p> {
    pub nom: &'static str,
    pub nominal: Option<u32>,
    pub day: &'p DayTimes,
    pub times: &'p ShiftTimes,
}

pub struct Plant {
    pub machines: Vec<Machine>,
    logs: BTreeMap<(&'static str, String), String>,
}

/// The lines of one machine and day: pieces, with stops, waits, profiles and rejects among them.
fn draw_day(
    rng: &mut fastrand::Rng,
    lines: &mut Vec<(NaiveDateTime, String)>,
    from: NaiveDateTime,
    to: NaiveDateTime,
) {
    let mut at = from + TimeDelta::seconds(rng.i64(60..2400));
    let mut piece = 0;
    let mut add = |at: &mut NaiveDateTime, text: String, seconds: i64| {
        lines.push((*at, text));
        *at += TimeDelta::seconds(seconds);
    };
    add(
        &mut at,
        format!("JobProfiel: R:61{} L:{}.50 C:654", rng.u32(12..15), rng.u32(5000..7000)),
        20,
    );
    while at < to {
        match rng.u32(0..100) {
            0..5 => {
                add(&mut at, "MachineStop: 1".into(), rng.i64(20..2500));
                add(&mut at, "MachineStart: 1".into(), rng.i64(5..60));
            }
            5..14 => {
                let seconds = rng.i64(5..900);
                add(&mut at, format!("MachineWait: {seconds} sec"), seconds + rng.i64(1..30));
            }
            14..17 => {
                let colour = ["654", "N/A", "WS"][rng.usize(0..3)];
                let job = format!(
                    "JobProfiel: R:61{} L:{}.00 C:{colour}",
                    rng.u32(12..15),
                    rng.u32(5000..7000)
                );
                add(&mut at, job, rng.i64(5..60));
            }
            17..20 => add(&mut at, format!("{REJECT}: {piece} kras"), rng.i64(2..20)),
            _ => {
                piece += 1;
                add(&mut at, format!("StukUitgevoerd: {piece} N"), rng.i64(60..420));
            }
        }
    }
}

impl Plant {
    pub fn draw(rng: &mut fastrand::Rng) -> Self {
        let days: Vec<Day> = first_day().iter_days().take(DAYS as usize).collect();
        let calendars = parse_calendars("calendar.toml", CALENDAR).unwrap();
        let mut logs: BTreeMap<(&'static str, String), String> = BTreeMap::new();
        let mut machines = Vec::new();
        for (place, (folder, nom, _)) in FOLDERS.into_iter().enumerate() {
            let mut lines = Vec::new();
            let night = if nom == "SU12" { 16 } else { 0 };
            for day in &days {
                // A planned day without a LOG, and a day that goes on.
                if *day != days[0] && Some(day) != days.last() && rng.u32(0..9) == 0 {
                    continue;
                }
                let from = day.and_time(Default::default()) + DAY_START + TimeDelta::hours(night);
                let hours = if Some(day) == days.last() { rng.i64(2..6) } else { rng.i64(6..8) };
                draw_day(rng, &mut lines, from, from + TimeDelta::hours(hours));
            }
            let end = lines.last().unwrap().0 + TimeDelta::seconds(3000);
            lines.push((end, "StukUitgevoerd: 999 N".into()));
            match place {
                1 => lines.push((end + TimeDelta::seconds(40), "MachineStop: 1".into())),
                2 => lines.push((end + TimeDelta::seconds(40), "MachineWait: 7 sec".into())),
                _ => {}
            }
            for (at, text) in &lines {
                let line = format!("{}|@{text}\n", at.format("%Y%m%d %H:%M:%S"));
                *logs.entry((folder, at.format("%Y%m%d").to_string())).or_default() += &line;
            }
            let files: Vec<Vec<u8>> = logs
                .iter()
                .filter(|(key, _)| key.0 == folder)
                .map(|(_, text)| text.clone().into_bytes())
                .collect();
            let options = Options { day_start: DAY_START, ..Options::default() };
            let nominal =
                NOMINAL.iter().find(|(name, _)| *name == nom).map(|(_, nominal)| *nominal);
            let texts: Vec<Text<'_>> = files.iter().map(|bytes| Text::new(bytes)).collect();
            let calendar = calendars.of(machine_of(folder)).unwrap();
            machines.push(Machine {
                nom,
                nominal,
                sessions: reference::sessions(&files, &options),
                times: planned_days(
                    calendar,
                    options,
                    nominal.map(|_| REJECT),
                    false,
                    nominal,
                    &texts,
                ),
                last: last_states(&lines),
            });
        }
        Self { machines, logs }
    }

    /// Central as a real agent fills it from the LOGs; the agent and its folder.
    pub fn deliver(&self, database: &Database<'_>) -> (Agent, Folder) {
        let folder = Folder::empty();
        for ((machine, day), text) in &self.logs {
            fs::create_dir_all(folder.file(machine)).unwrap();
            folder.put(&format!("{machine}/{day}.LOG"), text.as_bytes());
        }
        let mut agent = Agent::on_directory(folder.path()).central(database);
        agent.set("analysis.day_start", "05:00");
        for (name, _, _) in FOLDERS {
            let nom = machine_of(name);
            let mut machine = toml::Table::new();
            machine.insert("nom".into(), nom.into());
            machine.insert("type_cu".into(), nom.into());
            if let Some((_, nominal)) = NOMINAL.iter().find(|(name, _)| *name == nom) {
                machine.insert("nominal_per_hour".into(), i64::from(*nominal).into());
                machine.insert("reject_event".into(), REJECT.into());
            }
            agent.set(&format!("source.0.folders.{name}"), machine);
        }
        let calendar: toml::Table = toml::from_str(CALENDAR).unwrap();
        agent.set("calendar", calendar["calendar"].clone());
        agent.once().succeeded();
        (agent, folder)
    }

    /// Every planned part of the days, in order of machine and begin.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.machines.iter().flat_map(|machine| {
            machine.times.iter().flat_map(move |day| {
                day.parts.iter().map(move |times| Part {
                    nom: machine.nom,
                    nominal: machine.nominal,
                    day,
                    times,
                })
            })
        })
    }
}

/// What the lines of each production day say last, and when. Of a reject central does not know when it was.
fn last_states(lines: &[(NaiveDateTime, String)]) -> BTreeMap<Day, (LastState, NaiveDateTime)> {
    let mut last = BTreeMap::new();
    for (at, text) in lines.iter().filter(|(_, text)| !text.starts_with(REJECT)) {
        let state = match text.split(':').next().unwrap() {
            "MachineStop" => LastState::Stopped,
            "MachineWait" => LastState::Waiting,
            _ => LastState::Producing,
        };
        last.insert((*at - DAY_START).date(), (state, *at));
    }
    last
}
