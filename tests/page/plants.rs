//! Plants of any number of machines with weeks behind them, in the middle of a working day: some produce, wait,
//! are stopped or silent; names, calendars, objectives and nominal rates differ, and some are missing.

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use crate::{
    line::{Line, start, today},
    support::{
        agent::Agent,
        folder::Folder,
        generate::{file_name, working_days},
        net::free_port,
    },
};

/// What a machine does at 14:30.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    Producing,
    Waiting,
    Stopped,
    Silent,
    /// It never had a LOG.
    Nothing,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    pub nom: String,
    pub doing: Doing,
    pub has_calendar: bool,
    pub nominal_per_hour: Option<i64>,
    pub objective: Option<i64>,
}

/// Names as they are in plants: most are short, one is long, one cannot be broken.
fn name(number: usize) -> String {
    match number {
        2 => "Centre d'usinage double tête n° 3".to_owned(),
        7 => "SCHIRMER-BAZ-1000-G6V".to_owned(),
        _ => format!("CU{:02}", number + 1),
    }
}

fn machine(number: usize) -> Machine {
    let doing = match number % 10 {
        1 | 6 => Doing::Stopped,
        3 => Doing::Waiting,
        5 => Doing::Silent,
        9 => Doing::Nothing,
        _ => Doing::Producing,
    };
    Machine {
        nom: name(number),
        doing,
        has_calendar: number % 6 != 4,
        nominal_per_hour: (number % 8 != 6).then_some(4 + (number % 5) as i64),
        objective: (number.is_multiple_of(3)).then_some(60),
    }
}

/// Eight weeks back: each of the last two weeks' days, and some of the weeks before.
fn days() -> Vec<NaiveDate> {
    let first = today() - TimeDelta::days(7 * 7 + 3);
    let recent = today() - TimeDelta::days(10);
    let all = working_days(first, 39).into_iter().enumerate();
    all.filter(|(at, day)| *day >= recent || at % 3 == 0).map(|(_, day)| day).collect()
}

/// A few dozen lines of a day, drawn by machine and day.
fn log_of(machine: &Machine, number: usize, day: NaiveDate) -> String {
    let seed = number as u64 * 10_000 + u64::try_from((day - NaiveDate::MIN).num_days()).unwrap();
    let mut rng = fastrand::Rng::with_seed(seed);
    let at = |minute: i64| {
        let at = day.and_time(NaiveTime::MIN) + TimeDelta::minutes(minute) + TimeDelta::seconds(9);
        at.format("%Y%m%d %H:%M:%S").to_string()
    };
    let until = match machine.doing {
        _ if day < today() => 20 * 60,
        Doing::Silent => 12 * 60,
        _ => 14 * 60 + 20,
    };
    let mut log = format!("{}|@JobProfiel: R:6112 L:5{}0.00 C:654\n", at(304), rng.u8(10..99));
    let (mut minute, mut pieces) = (305, 0);
    while minute < until {
        match rng.u8(0..12) {
            0 => {
                let end = (minute + rng.i64(4..25)).min(until);
                log += &format!("{}|@MachineStop:\n{}|@MachineStart:\n", at(minute), at(end));
                minute = end;
            }
            1 => log += &format!("{}|@MachineWait: {} sec\n", at(minute), rng.u32(60..600)),
            _ => {
                pieces += 1;
                log += &format!("{}|@StukUitgevoerd: {pieces} B{:06} D1\n", at(minute), pieces);
            }
        }
        minute += rng.i64(5..14);
    }
    if day == today() {
        log += &match machine.doing {
            Doing::Stopped => format!("{}|@MachineStop:\n", at(until)),
            Doing::Waiting => format!("{}|@MachineWait: 580 sec\n", at(until)),
            Doing::Silent => String::new(),
            _ => format!("{}|@StukUitgevoerd: {} B1 D1\n", at(14 * 60 + 28), pieces + 1),
        };
    }
    log
}

const SHIFTS: &str = r#"
  [[calendar.shift]]
  name = "matin"
  days = "mon-fri"
  time = "05:00-13:00"
  breaks = ["09:00-09:20"]
  [[calendar.shift]]
  name = "après-midi"
  days = "mon-fri"
  time = "13:00-21:00"
  breaks = ["17:00-17:20"]
"#;

/// A plant; with more than one machine its central does not answer, and the second half of its machines is
/// behind a source of its own.
pub struct Plant {
    pub machines: Vec<Machine>,
    pub line: Line,
}

const HALLS: [&str; 2] = ["hall-a", "hall-b"];

impl Plant {
    /// Of no machine: of one that never had a LOG, because a configuration names at least one.
    pub fn of(count: usize) -> Self {
        let mut machines: Vec<Machine> = (0..count.max(1)).map(machine).collect();
        if count == 0 {
            machines[0].doing = Doing::Nothing;
        }
        let has_central = machines.len() > 1;
        Self::with(machines, has_central, |_, _| ())
    }

    /// `put` may write other LOGs into a machine's folder first.
    pub fn with(machines: Vec<Machine>, has_central: bool, put: impl Fn(&Folder, &str)) -> Self {
        let folder = Folder::empty();
        let mut agent = Agent::new();
        let halls = if machines.len() > 1 { &HALLS[..] } else { &HALLS[..1] };
        let size = machines.len().div_ceil(halls.len()).max(1);
        let mut parts = machines.chunks(size);
        for (hall, name) in halls.iter().enumerate() {
            std::fs::create_dir_all(folder.file(name)).unwrap();
            agent.add_directory(name, &folder.file(name));
            let part = parts.next().unwrap_or_default();
            let mut folders = toml::Table::new();
            for machine in part {
                let nom = machine.nom.replace('/', "-");
                std::fs::create_dir_all(folder.file(&format!("{name}/{nom}"))).unwrap();
                put(&folder, &format!("{name}/{nom}"));
                folders.insert(nom, toml_of(machine).into());
            }
            agent.set(&format!("source.{hall}.folders"), folders);
        }
        for (number, machine) in machines.iter().enumerate() {
            if machine.doing == Doing::Nothing {
                continue;
            }
            for day in days() {
                let path = format!("{}/{}/{}", HALLS[number / size], machine.nom, file_name(day));
                if !folder.exists(&path) {
                    folder.put(&path, log_of(machine, number, day).as_bytes());
                }
            }
        }
        let planned: Vec<String> = machines
            .iter()
            .filter(|machine| machine.has_calendar)
            .map(|machine| format!("{:?}", machine.nom))
            .collect();
        if !planned.is_empty() {
            let text = format!("[[calendar]]\nmachines = [{}]\n{SHIFTS}", planned.join(", "));
            let written: toml::Table = toml::from_str(&text).unwrap();
            agent.set("calendar", written["calendar"].clone());
        }
        if has_central {
            // Nobody listens there any more.
            let password_file = agent.secret("central.password", "geheim");
            agent.set("central.host", "127.0.0.1");
            agent.set("central.port", i64::from(free_port()));
            agent.set("central.database", "production");
            agent.set("central.user", "cu_agent");
            agent.set("central.tls", "disable");
            agent.set("central.password_file", password_file.to_str().unwrap());
        }
        agent.set("agent.id", "atelier-nord");
        let line = start(agent, folder);
        Self { machines, line }
    }

    /// The source of the last machines does not answer any more.
    pub fn lose_a_source(&self) {
        let lost = HALLS[usize::from(self.machines.len() > 1)];
        self.line.folder.rename(lost, "lost");
    }
}

fn toml_of(machine: &Machine) -> toml::Table {
    let mut table = toml::Table::new();
    table.insert("nom".into(), machine.nom.clone().into());
    table.insert("type_cu".into(), "PVC".into());
    if let Some(nominal) = machine.nominal_per_hour {
        table.insert("nominal_per_hour".into(), nominal.into());
    }
    if let Some(objective) = machine.objective {
        table.insert("objective_per_day".into(), objective.into());
    }
    table
}
