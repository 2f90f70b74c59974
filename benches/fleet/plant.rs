//! The plant: one shared folder of LOG files, and agents that each read it as three machines of
//! their own. The same content under other names is other rows in central.

use std::{collections::BTreeMap, fs, io::Write, path::PathBuf, time::Duration};

use chrono::NaiveDate;
use cu_agent::config::CentralConfig;
use tempfile::TempDir;

use super::{
    load,
    support::{
        agent::Agent,
        generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
        golden::Expected,
        postgres::Database,
        process::Running,
        truth, wait,
    },
};

/// The day of the steady state begins with what was written until then.
const BEGIN: &str = "08:00:00";
const IMPORTED_AT_ONCE: usize = 2;

/// Makes central's tables as an administrator does, pieces parted by month where that is wished; the role
/// that the agents log in as.
pub fn prepare(database: &Database<'_>, parted: bool) -> String {
    let role = database.role();
    database.psql(&cu_agent::sync::postgres::migration_script(&role));
    if parted {
        database.psql(concat!(
            include_str!("../../migrations/postgres/optional/pieces_by_month.sql"),
            "SELECT cu_agent_mois('2024-01-01', '2026-12-31');"
        ));
    }
    database.psql("CREATE EXTENSION pgstattuple");
    role
}

pub struct Plant {
    folder: TempDir,
    agents: Vec<Agent>,
    running: Vec<Running>,
    days: Vec<NaiveDate>,
    /// The lines of each machine's last day, by the minute; how many minutes are written.
    last_day: Vec<BTreeMap<String, Vec<u8>>>,
    written: usize,
}

impl Plant {
    /// Every agent's buffer holds the outage's days and waits for central.
    pub fn build(
        agents: usize,
        days: usize,
        poll: Duration,
        central: &CentralConfig,
        tls: bool,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let days = working_days(NaiveDate::from_ymd_opt(2025, 5, 5).unwrap(), days + 1);
        let (last, outage) = days.split_last().unwrap();
        let mut last_day = Vec::new();
        for centre in &CENTRES {
            fs::create_dir(folder.path().join(centre.folder)).unwrap();
            for day in outage {
                let path = folder.path().join(centre.folder).join(file_name(*day));
                fs::write(path, log_of_day(centre, *day, 1, Dirt::None)).unwrap();
            }
            let mut minutes: BTreeMap<String, Vec<u8>> = BTreeMap::new();
            for line in log_of_day(centre, *last, 1, Dirt::None).split_inclusive(|b| *b == b'\n') {
                // "20250528 08:15:02|@…"
                let minute = String::from_utf8(line[9..14].to_vec()).unwrap();
                minutes.entry(minute.max(BEGIN[..5].to_owned())).or_default().extend(line);
            }
            last_day.push(minutes);
        }
        let mut plant = Self {
            folder,
            agents: (0..agents).map(|number| agent(number, poll)).collect(),
            running: Vec::new(),
            days,
            last_day,
            written: 0,
        };
        for agent in &mut plant.agents {
            let key = agent.add_directory("cu", plant.folder.path());
            let id = agent_number(agent);
            let mapping: Vec<_> = CENTRES.iter().map(|c| (c.folder, machine(c.nom, &id))).collect();
            let mapping: Vec<_> = mapping.iter().map(|(f, nom)| (*f, nom.as_str())).collect();
            agent.map_folders(0, &mapping);
            agent.set(&format!("{key}.delete"), "never");
        }
        for some in plant.agents.chunks(IMPORTED_AT_ONCE) {
            let commands: Vec<_> = some.iter().map(|agent| agent.start(&["once"])).collect();
            for command in commands {
                command.output(wait::PATIENCE).succeeded();
            }
        }
        for agent in &mut plant.agents {
            agent.set_central(central);
            if tls {
                agent.set("central.tls", "require");
            }
        }
        plant
    }

    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    pub fn sessions_of_one(&self) -> usize {
        CENTRES.len() * (self.days.len() - 1)
    }

    pub fn sessions(&self) -> usize {
        self.agents.len() * self.sessions_of_one()
    }

    /// Power comes back: all at once.
    pub fn start(&mut self) {
        self.running = self.agents.iter().map(Agent::run).collect();
    }

    pub fn cpu_seconds(&self) -> f64 {
        self.running.iter().map(|agent| load::cpu_of(agent.id()).0).sum()
    }

    /// The day after the outage, up to [`BEGIN`].
    pub fn begin_day(&mut self) {
        self.grow();
    }

    /// Every machine writes its next minute.
    pub fn grow(&mut self) {
        let hour = 8 + self.written / 60;
        let minute = format!("{hour:02}:{:02}", self.written % 60);
        for (number, minutes) in self.last_day.iter().enumerate() {
            let Some(lines) = minutes.get(&minute) else { continue };
            let path = self.growing(number);
            let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            file.write_all(lines).unwrap();
        }
        self.written += 1;
    }

    fn growing(&self, machine: usize) -> PathBuf {
        let day = *self.days.last().unwrap();
        self.folder.path().join(CENTRES[machine].folder).join(file_name(day))
    }

    fn truth(&self, machine: usize) -> Vec<Expected> {
        let folder = self.folder.path().join(CENTRES[machine].folder);
        let files = fs::read_dir(folder).unwrap();
        let files: Vec<_> = files.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
        truth::of_machine(CENTRES[machine].nom, &files)
    }

    /// All rows of details and sessions, which are as many as the LOG files say, numbered from 1 to n
    /// without a gap, no two of one number, and the same for every agent. How many they are.
    pub fn assert_every_row_is_there_once(&self, database: &Database<'_>) -> u64 {
        let got = held(database, "");
        let wanted = self.wanted(|_| true);
        assert_eq!(got, wanted, "a day of every machine: agents, different contents, rows");
        // One agent's pieces, one by one.
        for (number, centre) in CENTRES.iter().enumerate() {
            let pieces: String = self
                .truth(number)
                .iter()
                .flat_map(|session| &session.pieces)
                .map(|(at, details)| format!("{at}|{details}\n"))
                .collect();
            let held = database.psql(&format!(
                "SELECT to_char(p.timestamp_production, 'YYYY-MM-DD HH24:MI:SS.MS'), p.details
                 FROM piece_production p JOIN session_production s ON s.id = p.session_id
                 JOIN centre_usinage c ON c.id = s.centre_usinage_id
                 WHERE c.nom = '{}' ORDER BY s.date_production, p.numero_piece",
                machine(centre.nom, "000")
            ));
            assert!(held.trim_end() == pieces.trim_end(), "pieces of {}", centre.nom);
        }
        let all = "SELECT (SELECT count(*) FROM session_production) + (SELECT count(*) FROM piece_production)
                 + (SELECT count(*) FROM periode_attente) + (SELECT count(*) FROM periode_arret)
                 + (SELECT count(*) FROM job_profil) + (SELECT count(*) FROM anomalie)";
        database.psql(all).parse().unwrap()
    }

    /// The day that grew reaches central as it stands in the files, for every agent.
    pub fn assert_the_day_is_there(&self, database: &Database<'_>) {
        let day = self.days.last().unwrap().to_string();
        let wanted = self.wanted(|session| session.date_production == day);
        let filter = format!("WHERE s.date_production = '{day}'");
        wait::until("the last minutes are in central", 5 * wait::PATIENCE, || {
            wait::any_moment(Duration::from_millis(500));
            held(database, &filter) == wanted
        });
    }

    fn wanted(&self, of: impl Fn(&Expected) -> bool) -> String {
        let mut lines = Vec::new();
        for (number, centre) in CENTRES.iter().enumerate() {
            for session in self.truth(number).iter().filter(|session| of(session)) {
                lines.push(format!(
                    "{}|{}|{}|1|{}|{}|{}|{}|t",
                    centre.nom,
                    session.date_production,
                    self.agents.len(),
                    session.pieces.len(),
                    session.attentes.len(),
                    session.arrets.len(),
                    session.jobs.len(),
                ));
            }
        }
        lines.sort();
        lines.join("\n")
    }
}

/// A line a (kind of machine, day): agents that have it, different contents among them, rows of each
/// table (those of all agents if they are the same), and whether each is there once.
fn held(database: &Database<'_>, filter: &str) -> String {
    let details = [
        ("piece_production", "numero_piece", "timestamp_production, details"),
        ("periode_attente", "numero", "timestamp_debut, timestamp_fin, duree_secondes"),
        ("periode_arret", "numero", "timestamp_debut, timestamp_fin, duree_secondes"),
        ("job_profil", "numero", "timestamp_debut, reference, longueur, couleur"),
    ];
    let mut with = format!("WITH s AS MATERIALIZED (SELECT * FROM session_production s {filter})");
    let (mut joins, mut rows, mut content, mut once) =
        (String::new(), Vec::new(), Vec::new(), Vec::new());
    for (table, number, columns) in details {
        with.push_str(&format!(
            ", {table}_c AS MATERIALIZED (SELECT session_id, count(*) AS n, count(DISTINCT {number}) AS d,
                     max({number}) AS most, sum(hashtextextended(concat_ws('|', {number}, {columns}), 0)) AS h
             FROM {table} WHERE session_id IN (SELECT id FROM s) GROUP BY 1)"
        ));
        joins.push_str(&format!(" LEFT JOIN {table}_c ON {table}_c.session_id = s.id"));
        rows.push(format!("max(coalesce({table}_c.n, 0))"));
        content.push(format!("{table}_c.h"));
        once.push(format!(
            "bool_and(coalesce({table}_c.n = {table}_c.d AND {table}_c.n = {table}_c.most, TRUE))"
        ));
    }
    database.psql(&format!(
        "{with} SELECT split_part(c.nom, '-', 1), s.date_production, count(*),
             count(DISTINCT ROW({content}, s.total_pieces, s.temps_attente)), {rows}, {once}
         FROM s JOIN centre_usinage c ON c.id = s.centre_usinage_id {joins}
         GROUP BY 1, 2 ORDER BY 1, 2",
        content = content.join(", "),
        rows = rows.join(", "),
        once = once.join(" AND "),
    ))
}

fn agent(number: usize, poll: Duration) -> Agent {
    Agent::new()
        .with("agent.id", format!("ligne-{number:03}"))
        .with("agent.log_level", "warn")
        .with("schedule.poll", format!("{}s", poll.as_secs()))
}

fn agent_number(agent: &mut Agent) -> String {
    agent.text("agent.id").rsplit('-').next().unwrap().to_owned()
}

fn machine(nom: &str, agent: &str) -> String {
    format!("{nom}-{agent}")
}
