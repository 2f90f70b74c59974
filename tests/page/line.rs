//! A line of machines with a month behind it, in the middle of a working day.

use std::net::{SocketAddr, TcpListener};

use chrono::{Local, NaiveDate, NaiveDateTime, NaiveTime};

use crate::support::{
    agent::Agent,
    clock::{Wrong, WrongClock},
    folder::Folder,
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
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
    _clock: WrongClock,
}

/// Three machines with 23 working days each; central does not answer. DEM12 produces, DEMALU has
/// stopped at 14:20, SU12 is silent since noon.
pub fn of_three_machines() -> Line {
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
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let password_file = agent.secret("central.password", "geheim");
    agent.set("central.host", "127.0.0.1");
    agent.set("central.port", i64::from(closed.port()));
    agent.set("central.database", "production");
    agent.set("central.user", "cu_agent");
    agent.set("central.tls", "disable");
    agent.set("central.password_file", password_file.to_str().unwrap());
    agent.set("agent.id", "ligne-1");
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
    Line { agent, folder, running, page, _clock: clock }
}

impl Line {
    /// Writes a line of today's LOG of DEM12.
    pub fn happens(&self, time: &str, what: &str) {
        let name = file_name(today());
        self.folder.append(&format!("DEM12 (PVC)/{name}"), &event(time, what));
    }
}

fn event(time: &str, what: &str) -> Vec<u8> {
    format!("{} {time}|@{what}\n", today().format("%Y%m%d")).into_bytes()
}

/// The lines of a LOG before a time of its day, without a stop that has not ended by then.
fn until(log: &[u8], time: &str) -> Vec<u8> {
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
