//! The golden cases of planned time: LOGs, a calendar, and the times and rates that they amount to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use chrono::TimeDelta;
use cu_agent::{
    analyse::{self, Options, Part, parts_by_day},
    calendar::{Calendar, production_day},
    model::{Day, DayTimes, Session},
    parse::{Text, Words, parse},
};
use serde_json::Value;

use super::{
    agent::Agent,
    folder::Folder,
    golden::{self, File, machine_of},
};

pub struct PlannedCase {
    pub name: String,
    /// In the order of folder and file name.
    pub files: Vec<File>,
    /// The `[[calendar]]` tables as they are written.
    pub calendar: String,
    pub day_start: TimeDelta,
    pub settings: toml::Table,
    /// `postes`, `jours`, `semaines` and `mois`, with central's names.
    pub expected: Value,
}

/// Every case, in the order of the names.
pub fn cases() -> Vec<PlannedCase> {
    let all = fs::read_dir(golden::root().join("calendar")).unwrap();
    let mut roots: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
    roots.sort();
    assert!(roots.len() >= 20, "{} cases", roots.len());
    roots.iter().map(|root| PlannedCase::read(root)).collect()
}

impl PlannedCase {
    pub fn named(name: &str) -> Self {
        Self::read(&golden::root().join("calendar").join(name))
    }

    fn read(root: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        let mut calendar = text("calendar.toml");
        let mut day_start = TimeDelta::zero();
        if let Some(written) = calendar.lines().find_map(|line| line.strip_prefix("day_start = ")) {
            let (hours, minutes) = written.trim_matches('"').split_once(':').unwrap();
            let minutes = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
            day_start = TimeDelta::minutes(minutes);
            calendar = calendar.replacen("day_start", "# day_start", 1);
        }
        Self {
            name: root.file_name().unwrap().to_str().unwrap().to_owned(),
            files: files_below(root),
            calendar,
            day_start,
            settings: toml::from_str(&text("case.toml")).unwrap(),
            expected: serde_json::from_str(&text("expected.json")).unwrap(),
        }
    }

    /// In the order of their names.
    pub fn folders(&self) -> Vec<&str> {
        let mut folders: Vec<&str> = self.files.iter().map(|file| file.folder.as_str()).collect();
        folders.dedup();
        folders
    }

    pub fn nominal(&self, machine: &str) -> Option<u32> {
        let nominal = self.settings["nominal"].get(machine)?.as_integer().unwrap();
        Some(nominal.try_into().unwrap())
    }

    pub fn reject_event(&self) -> Option<&str> {
        self.settings.get("reject_event").map(|name| name.as_str().unwrap())
    }

    /// Every LOG is closed, as an imported one is.
    pub fn is_closed(&self) -> bool {
        self.settings["closed"].as_str() == Some("all")
    }

    /// An agent with the case's machines and calendar that has read all of its LOGs, and their folder.
    pub fn read_by_agent(&self) -> (Agent, Folder) {
        let folder = Folder::empty();
        for name in self.folders() {
            fs::create_dir_all(folder.file(name)).unwrap();
        }
        let mut agent = Agent::on_directory(folder.path());
        self.configure_machines(&mut agent);
        self.configure_calendar(&mut agent);
        let stick = Folder::empty();
        for file in &self.files {
            let name = format!("{}/{}", file.folder, file.name);
            if self.is_closed() {
                stick.put(&name, &file.bytes);
                let (machine, path) = (machine_of(&file.folder), stick.file(&name));
                let arguments = ["import", "--machine", machine, path.to_str().unwrap()];
                agent.command(&arguments).succeeded();
            } else {
                folder.put(&name, &file.bytes);
            }
        }
        agent.once().succeeded();
        (agent, folder)
    }

    /// Gives the agent the case's machines and day start on its first source, without a calendar.
    pub fn configure_machines(&self, agent: &mut Agent) {
        let mut folders = toml::Table::new();
        for folder in self.folders() {
            let nom = machine_of(folder);
            let mut machine = toml::Table::new();
            machine.insert("nom".into(), nom.into());
            machine.insert("type_cu".into(), nom.into());
            if let Some(nominal) = self.nominal(nom) {
                machine.insert("nominal_per_hour".into(), i64::from(nominal).into());
            }
            if let Some(reject) = self.reject_event() {
                machine.insert("reject_event".into(), reject.into());
            }
            folders.insert(folder.into(), machine.into());
        }
        agent.set("source.0.folders", folders);
        let minutes = self.day_start.num_minutes();
        agent.set("analysis.day_start", format!("{:02}:{:02}", minutes / 60, minutes % 60));
    }

    /// Gives the agent the case's calendar in its own configuration, without machines that it does not have.
    pub fn configure_calendar(&self, agent: &mut Agent) {
        let written: toml::Table = toml::from_str(&self.calendar).unwrap();
        let Some(mut calendars) = written.get("calendar").cloned() else { return };
        let own: Vec<&str> = self.folders().into_iter().map(machine_of).collect();
        let list = calendars.as_array_mut().unwrap();
        list.retain_mut(|calendar| {
            let Some(machines) = calendar.get_mut("machines") else { return true };
            let machines = machines.as_array_mut().unwrap();
            machines.retain(|nom| own.contains(&nom.as_str().unwrap()));
            !machines.is_empty()
        });
        agent.set("calendar", calendars);
    }
}

/// A calendar of two shifts with breaks on each day, for every machine.
pub fn two_shifts() -> toml::Value {
    let text = "[[calendar]]
        [[calendar.shift]]
        name = 'matin'
        days = 'mon-sun'
        time = '05:00-13:00'
        breaks = ['09:00-09:20']
        [[calendar.shift]]
        name = 'après-midi'
        days = 'mon-sun'
        time = '13:00-21:00'
        breaks = ['17:00-17:20']";
    let written: toml::Table = toml::from_str(text).unwrap();
    written["calendar"].clone()
}

/// The times of one machine's days, of which some may have no event, from all that its LOGs say.
pub fn planned_days(
    calendar: &Calendar,
    options: Options,
    reject: Option<&str>,
    is_closed: bool,
    nominal: Option<u32>,
    texts: &[Text<'_>],
) -> Vec<DayTimes> {
    let words = Words::default();
    let parsed: Vec<_> = texts.iter().map(|text| parse(text, &words)).collect();
    let mut of_day: BTreeMap<Day, Vec<Part<'_, '_>>> = BTreeMap::new();
    for parsed in &parsed {
        for (day, part) in parts_by_day(&parsed.events, options.day_start) {
            of_day.entry(day).or_default().push(part);
        }
    }
    let known_days: BTreeSet<Day> = of_day.keys().copied().collect();
    let mut all = known_days.clone();
    all.extend(analyse::days_between(&known_days));
    let times = |day: Day| {
        let parts = of_day.get(&day).map_or(&[][..], Vec::as_slice);
        let ends = analyse::day_ends(parts, reject);
        let session = if parts.is_empty() {
            Session::default()
        } else {
            analyse::session_of_day(parts, &options)
        };
        let whole = production_day(day, options.day_start);
        let known = analyse::known_until(day, whole, &known_days, is_closed, ends.last_event);
        let planned = calendar.parts(day, options.day_start);
        analyse::day_times(day, &planned, &session, &ends, known.unwrap(), nominal)
    };
    all.into_iter().map(times).collect()
}

fn files_below(root: &Path) -> Vec<File> {
    let sorted = |path: &Path| {
        let mut all: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    };
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let folders = sorted(root).into_iter().filter(|path| path.is_dir());
    folders
        .flat_map(|folder| {
            let files = sorted(&folder).into_iter();
            let file = |file: PathBuf| File {
                folder: name(&folder),
                name: name(&file),
                bytes: fs::read(&file).unwrap(),
            };
            files.map(file).collect::<Vec<_>>()
        })
        .collect()
}
