//! Machines made up for the board: what each does at half past two of a Thursday is said, and its LOG is
//! written so.

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use crate::{
    line::{Line, set_shifts, start, today},
    support::{
        agent::Agent,
        folder::Folder,
        generate::{file_name, working_days},
    },
};

/// What a machine does at half past two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    Producing,
    /// Since so many minutes.
    Stopped(i64),
    Waiting(i64),
    Silent(i64),
}

#[derive(Clone, Debug)]
pub struct Machine {
    pub nom: String,
    pub doing: Doing,
    /// Seconds from one piece to the next, today; on other days about a hundred.
    pub every_s: i64,
    pub objective: Option<u32>,
}

impl Machine {
    pub fn new(nom: &str, doing: Doing, every_s: i64) -> Self {
        Self { nom: nom.to_owned(), doing, every_s, objective: None }
    }

    /// When it last gave a sign of itself, in minutes before half past two.
    pub fn quiet_for(&self) -> i64 {
        match self.doing {
            Doing::Producing => 1,
            Doing::Stopped(minutes) | Doing::Waiting(minutes) | Doing::Silent(minutes) => minutes,
        }
    }

    fn log_of_today(&self) -> String {
        let end = time(14, 30) - TimeDelta::minutes(self.quiet_for());
        let mut log = pieces(today(), self.every_s, end);
        let at = format!("{} {}", today().format("%Y%m%d"), end.format("%H:%M:%S"));
        match self.doing {
            Doing::Stopped(_) => log += &format!("{at}|@MachineStop:\n"),
            Doing::Waiting(minutes) => {
                log += &format!("{at}|@MachineWait: {} sec\n", minutes * 60 + 600)
            }
            Doing::Producing | Doing::Silent(_) => log += &format!("{at}|@StukUitgevoerd: 9 A\n"),
        }
        log
    }
}

fn time(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
}

/// Pieces from five o'clock on, before `end`.
fn pieces(day: NaiveDate, every_s: i64, end: NaiveTime) -> String {
    let mut log = String::new();
    let mut at = time(5, 0) + TimeDelta::seconds(57);
    while at < end {
        log +=
            &format!("{} {}|@StukUitgevoerd: 1 A\n", day.format("%Y%m%d"), at.format("%H:%M:%S"));
        at += TimeDelta::seconds(every_s);
    }
    log
}

const SHIFTS: &str = r#"
[[calendar]]
machines = [NAMES]
  [[calendar.shift]]
  name = "matin"
  days = "mon-fri"
  time = "05:00-13:00"
  breaks = ["09:00-09:20"]
  [[calendar.shift]]
  name = "après-midi"
  days = "mon-fri"
  time = "13:00-21:00"
"#;

/// A line of these machines in the middle of a Thursday, with `earlier` days behind it; most have a
/// calendar. Without any there are three of which nothing was ever read.
pub fn line_of(machines: &[Machine], earlier: usize) -> Line {
    line_with(machines, earlier, |_| ())
}

pub fn line_with(machines: &[Machine], earlier: usize, configure: impl FnOnce(&mut Agent)) -> Line {
    let folder = Folder::empty();
    let days = working_days(today() - TimeDelta::days(7), earlier);
    for (number, machine) in machines.iter().enumerate() {
        for (back, day) in (0..).zip(days.iter().filter(|day| **day < today())) {
            let log = pieces(*day, 95 + 5 * back, time(21, 0) - TimeDelta::minutes(back * 10));
            folder.put(&format!("F{number}/{}", file_name(*day)), log.as_bytes());
        }
        folder.put(&format!("F{number}/{}", file_name(today())), machine.log_of_today().as_bytes());
    }
    let mut agent = Agent::on_directory(folder.path());
    if !machines.is_empty() {
        let folders: Vec<String> = (0..machines.len()).map(|number| format!("F{number}")).collect();
        let mapping = folders.iter().zip(machines);
        let mapping: Vec<(&str, &str)> =
            mapping.map(|(folder, machine)| (folder.as_str(), machine.nom.as_str())).collect();
        agent.map_folders(0, &mapping);
    }
    for (number, machine) in machines.iter().enumerate() {
        let key = format!("source.0.folders.F{number}");
        agent.set(&format!("{key}.type_cu"), "PVC");
        if number % 5 != 4 {
            agent.set(&format!("{key}.nominal_per_hour"), 45);
        }
        if let Some(objective) = machine.objective {
            agent.set(&format!("{key}.objective_per_day"), i64::from(objective));
        }
    }
    let planned = machines.iter().take(machines.len().div_ceil(4) * 3);
    let names: Vec<String> = planned.map(|one| format!("{:?}", one.nom)).collect();
    if !names.is_empty() {
        set_shifts(&mut agent, &SHIFTS.replace("NAMES", &names.join(", ")));
    }
    agent.set("agent.id", "ligne-1");
    configure(&mut agent);
    start(agent, folder)
}

pub fn some_machines(count: usize) -> Vec<Machine> {
    let mut machines: Vec<Machine> = (1..=count)
        .map(|number| {
            let doing = match number % 8 {
                2 => Doing::Stopped(12 + number as i64),
                5 => Doing::Waiting(4),
                7 => Doing::Silent(100 + number as i64),
                _ => Doing::Producing,
            };
            Machine::new(&format!("DEM{number:02}"), doing, 80 + 10 * (number as i64 % 5))
        })
        .collect();
    for machine in machines.iter_mut().step_by(2) {
        machine.objective = Some(600);
    }
    machines
}
