//! A whole plant for a test of faults: machines that write into a folder, an agent that collects it,
//! a central, and the comparison at the end.

use super::{
    agent::Agent,
    folder::Folder,
    net::Proxy,
    plant::Plant,
    postgres::Database,
    process::Output,
    rows::{assert_same, central_sessions},
    truth, wait,
};

pub struct Scene<'a> {
    pub folder: Folder,
    pub plant: Plant,
    pub database: Database<'a>,
    pub agent: Agent,
}

impl Scene<'static> {
    /// In a fresh database of the shared cluster.
    pub fn new(seed: u64) -> Self {
        Self::on(Database::fresh(), seed)
    }
}

impl<'a> Scene<'a> {
    pub fn on(database: Database<'a>, seed: u64) -> Self {
        let folder = Folder::of_three_machines();
        let plant = Plant::new(folder.path(), seed);
        let mut agent = Agent::on_directory(folder.path());
        agent.set_central(&database.config());
        agent.set("central.connect_timeout", "2s");
        agent.set("central.statement_timeout", "2s");
        Self { folder, plant, database, agent }
    }

    /// A proxy before central, which the agent is told to use.
    pub fn behind_proxy(&mut self) -> Proxy {
        let proxy = Proxy::to(self.database.cluster.port);
        self.agent.set("central.port", i64::from(proxy.port));
        proxy
    }

    /// The machines write for a day and go home.
    pub fn day(&mut self) {
        self.part_of_day();
        self.plant.next_day();
    }

    pub fn days(&mut self, count: usize) {
        for _ in 0..count {
            self.day();
        }
    }

    /// Each machine writes for a while.
    pub fn part_of_day(&mut self) {
        for _ in 0..30 {
            self.plant.write();
        }
    }

    pub fn once(&self) -> Output {
        self.agent.once()
    }

    /// Sessions that the files are by now, however much of them was read.
    pub fn sessions(&self) -> i64 {
        self.plant.truth().len() as i64
    }

    pub fn central_state(&self) -> String {
        self.agent.status_json()["central"]["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Central holds no session of which a part is missing, whatever was done to it.
    #[track_caller]
    pub fn assert_nothing_half_written(&self, what: &str) {
        let halves = self.database.psql(
            "SELECT c.nom, s.date_production, s.total_pieces, count(p.*)
             FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id
             LEFT JOIN piece_production p ON p.session_id = s.id
             GROUP BY 1, 2, 3 HAVING count(p.*) <> s.total_pieces OR max(p.numero_piece) <> count(p.*)",
        );
        assert_eq!(halves, "", "{what}: sessions with other pieces than their header says");
    }

    /// The service's central comes to hold every row of the truth.
    pub fn wait_until_equal(&mut self) {
        self.plant.finish();
        let truth = self.plant.truth();
        let deadline = std::time::Instant::now() + wait::PATIENCE;
        let mut what = String::from("in central");
        loop {
            let status = self.agent.status_json();
            if status["sessions"] == truth.len()
                && status["pending_sessions"] == 0
                && self.database.count("piece_production") >= truth_pieces(&truth)
            {
                break;
            }
            if std::time::Instant::now() > deadline {
                what = format!("in central, not within {:?}: {status:#}", wait::PATIENCE);
                break;
            }
            wait::any_moment(std::time::Duration::from_millis(50));
        }
        assert_same(&what, &central_sessions(&self.database), &truth);
    }

    /// `once` brings central to hold every row of the truth.
    #[track_caller]
    pub fn assert_equal_after_once(&mut self) {
        self.plant.finish();
        self.once().read_all();
        self.assert_equal();
    }

    #[track_caller]
    pub fn assert_equal(&self) {
        let truth = self.plant.truth();
        assert!(truth::rows(&truth) > 0, "the machines wrote nothing");
        assert_same("in central", &central_sessions(&self.database), &truth);
    }
}

fn truth_pieces(truth: &[super::golden::Expected]) -> u64 {
    truth.iter().map(|session| session.pieces.len() as u64).sum()
}
