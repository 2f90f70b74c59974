//! A line of machines with a month behind it, in the middle of a working day.

use std::{fs, net::SocketAddr};

use chrono::{Local, NaiveDate, NaiveDateTime, NaiveTime};

use crate::support::{
    agent::Agent,
    clock::{Wrong, WrongClock},
    folder::Folder,
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    net::free_port,
    process::Running,
};

/// A Thursday; the agent's clock says 14:30.
pub fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 26).unwrap()
}

fn now() -> NaiveDateTime {
    today().and_time(NaiveTime::from_hms_opt(14, 30, 0).unwrap())
}

pub struct Line {
    pub agent: Agent,
    pub folder: Folder,
    pub running: Running,
    pub page: SocketAddr,
    pub clock: WrongClock,
}

/// Three machines with 23 working days each; central does not answer. DEM12 produces, DEMALU has
/// stopped at 14:20, SU12 is silent since noon.
pub fn of_three_machines() -> Line {
    of_three_machines_with(|_, _| ())
}

/// DEM12 works in three shifts, the first of which has a long name, DEMALU in two; SU12 has no calendar.
const CALENDARS: &str = r#"
[[calendar]]
machines = ["DEM12"]
  [[calendar.shift]]
  name = "équipe du matin de l'atelier de découpe et d'usinage des profilés renforcés"
  days = "mon-fri"
  time = "05:00-13:00"
  breaks = ["09:00-09:20"]
  [[calendar.shift]]
  name = "après-midi"
  days = "mon-fri"
  time = "13:00-21:00"
  breaks = ["17:00-17:20"]
  [[calendar.shift]]
  name = "nuit"
  days = "mon-fri"
  time = "21:00-05:00"
[[calendar]]
machines = ["DEMALU"]
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

/// The same line, with calendars.
pub fn with_calendars() -> Line {
    of_three_machines_with(|agent, _| set_calendars(agent, CALENDARS))
}

/// As many machines as are drawn small: DEMALU's files again, under other names.
pub fn of_many_machines() -> Line {
    of_three_machines_with(|agent, folder| {
        let more = "\"DEMALU\", \"M1\", \"M2\", \"M3\"";
        set_calendars(agent, &CALENDARS.replace("\"DEMALU\"", more));
        for nom in ["M1", "M2", "M3"] {
            for file in fs::read_dir(folder.file(CENTRES[1].folder)).unwrap() {
                let file = file.unwrap();
                let name = file.file_name().into_string().unwrap();
                folder.put(&format!("{nom}/{name}"), &fs::read(file.path()).unwrap());
            }
            let machine = format!("source.0.folders.{nom}");
            for (key, value) in [("nom", nom), ("type_cu", "ALU")] {
                agent.set(&format!("{machine}.{key}"), value);
            }
            agent.set(&format!("{machine}.nominal_per_hour"), 60);
        }
    })
}

/// Gives the agent the calendars of a configuration's text.
pub fn set_shifts(agent: &mut Agent, text: &str) {
    let written: toml::Table = toml::from_str(text).unwrap();
    agent.set("calendar", written["calendar"].clone());
}

fn set_calendars(agent: &mut Agent, text: &str) {
    set_shifts(agent, text);
    for (centre, nominal) in CENTRES.iter().zip([90, 60]) {
        agent.set(&format!("source.0.folders.{}.nominal_per_hour", centre.folder), nominal);
    }
}

pub fn of_three_machines_with(configure: impl FnOnce(&mut Agent, &Folder)) -> Line {
    let folder = Folder::of_three_machines();
    for (number, centre) in CENTRES.iter().enumerate() {
        for day in working_days(NaiveDate::from_ymd_opt(2026, 10, 27).unwrap(), 23) {
            let log = log_of_day(centre, day, 3, Dirt::None);
            let log =
                if day == today() { until(&log, ["14:28", "14:20", "12:00"][number]) } else { log };
            folder.put(&format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    let name = file_name(today());
    folder.append(&format!("DEM12 (PVC)/{name}"), &event("14:28:30", "StukUitgevoerd: 1 A"));
    folder.append(&format!("DEMALU (ALU)/{name}"), &event("14:20:10", "MachineStop:"));
    folder.append(&format!("SU12 (HYBRIDE)/{name}"), &event("12:00:10", "StukUitgevoerd: 1 A"));
    let mut agent = Agent::on_directory(folder.path());
    // Nobody listens there any more.
    let password_file = agent.secret("central.password", "geheim");
    agent.set("central.host", "127.0.0.1");
    agent.set("central.port", i64::from(free_port()));
    agent.set("central.database", "production");
    agent.set("central.user", "cu_agent");
    agent.set("central.tls", "disable");
    agent.set("central.password_file", password_file.to_str().unwrap());
    agent.set("agent.id", "ligne-1");
    configure(&mut agent, &folder);
    start(agent, folder)
}

/// Starts the service on a free port with the clock of [`now`], and waits for its first cycle.
pub fn start(mut agent: Agent, folder: Folder) -> Line {
    agent.set("status.listen", "127.0.0.1:0");
    let offset = now() - Local::now().naive_local();
    let clock = WrongClock::given_to(&mut agent, Wrong::By(offset.num_seconds()));
    let running = agent.run();
    running.wait_for_line("cycle:");
    let page = running.page();
    Line { agent, folder, running, page, clock }
}

impl Line {
    /// The gateway's clock stops at a time of today: figures up to now are those of this moment.
    pub fn stop_clock_at(&self, time: &str) {
        let time: NaiveTime = time.parse().unwrap();
        self.clock.set(Wrong::StoppedAt(today().and_time(time)));
    }

    /// Writes a line of today's LOG of DEM12.
    pub fn happens(&self, time: &str, what: &str) {
        let name = file_name(today());
        self.folder.append(&format!("DEM12 (PVC)/{name}"), &event(time, what));
    }
}

pub fn event(time: &str, what: &str) -> Vec<u8> {
    format!("{} {time}|@{what}\n", today().format("%Y%m%d")).into_bytes()
}

/// The lines of a LOG before a time of its day, without a stop that has not ended by then.
pub fn until(log: &[u8], time: &str) -> Vec<u8> {
    let text = String::from_utf8(log.to_vec()).unwrap();
    let mut lines: Vec<&str> = text.lines().take_while(|line| &line[9..14] < time).collect();
    let last = |lines: &[&str], word: &str| lines.iter().rposition(|line| line.contains(word));
    if let Some(stop) = last(&lines, "MachineStop")
        && last(&lines, "MachineStart").is_none_or(|start| start < stop)
    {
        lines.truncate(stop);
    }
    lines.join("\n").into_bytes().into_iter().chain(*b"\n").collect()
}
