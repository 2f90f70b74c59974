//! When the gateway writes its own row in central, and what becomes of a row that does not pass.
//!
//! What must never happen here: this row holding up a session. It goes after the sessions, or once a
//! minute between two batches; its failure is logged once and affects nothing else.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;

use super::{Runtime, connection::Connection, security::SecurityCarrier, settings};
use crate::{
    buffer::{Buffer, BufferError},
    config::Config,
    logging,
    model::{FedMachine, LinkName},
    sync::postgres::{CentralError, GatewayRow, Retry, SourceLink},
};

/// An idle agent writes its row this often.
const EVERY: Duration = Duration::from_secs(300);
/// Between two rows of which the second says nothing new; a connection that is open anyway.
const LEAST: Duration = Duration::from_secs(60);
/// After a failure: what an administrator has to mend, and the rest.
const REFUSED_FOR: Duration = Duration::from_secs(3600);
const FAILED_FOR: Duration = Duration::from_secs(300);

/// What stays the same about this gateway as long as the process runs.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    sources: Vec<String>,
    machines: Vec<FedMachine>,
    state_dir: PathBuf,
    max_buffer_bytes: u64,
    interval_s: i32,
    day_start: TimeDelta,
}

impl Gateway {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            sources: config.sources.iter().map(|source| source.name.clone()).collect(),
            machines: config.fed_machines(),
            state_dir: config.agent.state_dir.clone(),
            day_start: config.analysis.day_start,
            max_buffer_bytes: config.agent.max_buffer_bytes,
            // `once`, started by a timer, comes no more often than it is to poll.
            interval_s: i32::try_from(config.schedule.poll.max(EVERY).as_secs())
                .unwrap_or(i32::MAX),
        }
    }

    /// What central is to know of its machines.
    pub(super) fn machines(&self) -> &[FedMachine] {
        &self.machines
    }

    /// When a production day begins.
    pub(super) fn day_start(&self) -> TimeDelta {
        self.day_start
    }

    fn row(&self, buffer: &Buffer, runtime: &dyn Runtime) -> Result<GatewayRow, BufferError> {
        let waiting = buffer.outbox().waiting()?;
        let links = buffer.links().all()?.into_iter().filter_map(|link| {
            let LinkName::Source(name) = link.name else { return None };
            self.sources.contains(&name).then_some(SourceLink {
                name,
                up: link.up,
                since: link.since,
                error: link.error,
            })
        });
        let free = rustix::fs::statvfs(&self.state_dir).ok();
        Ok(GatewayRow {
            version: env!("CARGO_PKG_VERSION"),
            architecture: architecture(std::env::consts::ARCH),
            interval_s: self.interval_s,
            waiting_sessions: waiting.sessions,
            oldest_waiting_day: waiting.oldest_day,
            sources: links.collect(),
            machines: self.machines.iter().map(|fed| fed.machine.nom.clone()).collect(),
            calendar: buffer.plant().mark()?,
            buffer_bytes: buffer.size_bytes(),
            max_buffer_bytes: self.max_buffer_bytes,
            free_bytes: free.map(|free| free.f_bavail.saturating_mul(free.f_frsize)),
            update: runtime.last_update(),
            self_update: runtime.self_update(),
            last_security_event: buffer.security().log()?.last_number,
            settings: runtime.settings_told(),
        })
    }
}

/// Debian's name of what Rust calls an architecture.
fn architecture(rust: &'static str) -> &'static str {
    match rust {
        "aarch64" => "arm64",
        "arm" => "armhf",
        "x86_64" => "amd64",
        other => other,
    }
}

/// Where the deliverer stands when it asks whether to write the row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trigger {
    /// Nothing else is to be done, and a connection may have to be opened.
    Idle,
    /// Between two batches of a drain.
    UnderWay,
    /// The sessions are done, the connection is open.
    AtEnd,
}

/// Writes the row when it is due.
pub(super) struct PresenceReporter {
    gateway: Gateway,
    runtime: Arc<dyn Runtime>,
    schedule: Schedule,
    security: SecurityCarrier,
    /// Central was asked for settings by this process.
    has_asked_settings: bool,
}

impl PresenceReporter {
    pub(super) fn new(gateway: Gateway, runtime: Arc<dyn Runtime>) -> Self {
        let (schedule, has_asked_settings) = (Schedule::default(), false);
        let security = SecurityCarrier::default();
        Self { gateway, runtime, schedule, security, has_asked_settings }
    }

    /// A drain begins.
    pub(super) fn begin(&mut self) {
        self.schedule.begun = self.runtime.uptime();
    }

    pub(super) fn is_due(&self, buffer: &Buffer, trigger: Trigger) -> Result<bool, BufferError> {
        let row = self.gateway.row(buffer, &*self.runtime)?;
        let now = self.runtime.uptime();
        Ok(self.schedule.is_due(trigger, now, &row) || self.settings_wait(trigger, now))
    }

    /// Writes the row if it is due and a connection is open. A failure stays here; if it took
    /// the connection along, that is given back.
    pub(super) fn report(
        &mut self,
        connection: &mut Connection,
        buffer: &mut Buffer,
        trigger: Trigger,
    ) -> Result<(), BufferError> {
        let now = self.runtime.uptime();
        if !connection.is_open() {
            return Ok(());
        }
        let row = self.gateway.row(buffer, &*self.runtime)?;
        if !self.schedule.is_due(trigger, now, &row) && !self.settings_wait(trigger, now) {
            return Ok(());
        }
        match connection.write_gateway_row(&row) {
            Ok(updates) => {
                self.schedule.passed(now, row);
                buffer.links_mut().note_central(|told| told.updates = updates)?;
                self.security.carry(connection, buffer)?;
                self.ask_settings(connection);
            }
            Err(error) => {
                self.failed(&error);
                if error.ends_connection() {
                    connection.close();
                }
            }
        }
        Ok(())
    }

    /// Whether the first question for settings is to be asked: it waits until each source was tried.
    fn settings_wait(&self, trigger: Trigger, now: Duration) -> bool {
        !self.has_asked_settings
            && trigger != Trigger::UnderWay
            && now >= self.schedule.not_before
            && self.runtime.settings_mark().is_some()
    }

    fn ask_settings(&mut self, connection: &mut Connection) {
        if !connection.is_open() {
            return;
        }
        self.has_asked_settings |= self.runtime.settings_mark().is_some();
        settings::ask(connection, &*self.runtime);
    }

    /// Central did not answer: it is shown the row when it does, and tells of its calendar.
    pub(super) fn forget(&mut self) {
        self.schedule.shown = None;
    }

    /// The row cannot be written for now.
    pub(super) fn failed(&mut self, error: &CentralError) {
        self.schedule.failed(self.runtime.uptime(), error);
    }
}

/// What was written and what was logged. Times are running times.
#[derive(Debug, Default)]
struct Schedule {
    /// When the drain under way began: it begins with sessions.
    begun: Duration,
    shown: Option<(Duration, GatewayRow)>,
    not_before: Duration,
    /// That the row does not pass was logged.
    is_failure_logged: bool,
}

impl Schedule {
    fn is_due(&self, trigger: Trigger, now: Duration, row: &GatewayRow) -> bool {
        if now < self.not_before {
            return false;
        }
        let age = |since: Duration| now.saturating_sub(since);
        let is_news = self.shown.as_ref().is_none_or(|(_, shown)| row.is_news_after(shown));
        match (trigger, &self.shown) {
            (Trigger::UnderWay, None) => age(self.begun) >= LEAST,
            (Trigger::UnderWay, Some((at, _))) => age(self.begun.max(*at)) >= LEAST,
            (Trigger::AtEnd, Some((at, _))) => is_news || age(*at) >= LEAST,
            (Trigger::Idle, Some((at, _))) => age(*at) >= EVERY || is_news && age(*at) >= LEAST,
            (Trigger::AtEnd | Trigger::Idle, None) => true,
        }
    }

    fn passed(&mut self, now: Duration, row: GatewayRow) {
        self.shown = Some((now, row));
        if std::mem::take(&mut self.is_failure_logged) {
            logging::edge_shown_again();
        }
    }

    /// Logs it once, until the row passes again.
    fn failed(&mut self, now: Duration, error: &CentralError) {
        let is_standing = error.again() != Retry::Soon;
        self.not_before = now + if is_standing { REFUSED_FOR } else { FAILED_FOR };
        if !std::mem::replace(&mut self.is_failure_logged, true) {
            logging::edge_not_shown(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> GatewayRow {
        GatewayRow {
            version: "0.1.0",
            architecture: "arm64",
            interval_s: 300,
            waiting_sessions: 0,
            oldest_waiting_day: None,
            sources: vec![SourceLink {
                name: "cu".into(),
                up: true,
                since: "2026-11-24 09:00:00".parse().ok(),
                error: None,
            }],
            machines: Vec::new(),
            calendar: String::new(),
            buffer_bytes: 100,
            max_buffer_bytes: 1000,
            free_bytes: Some(5),
            update: None,
            self_update: None,
            last_security_event: 0,
            settings: None,
        }
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_idle_agent_shows_itself_every_five_minutes_and_news_within_one() {
        let mut schedule = Schedule::default();
        assert!(schedule.is_due(Trigger::Idle, s(1000), &row()), "the first time");
        schedule.passed(s(1000), row());
        let mut with_other_disk = row();
        with_other_disk.free_bytes = Some(4);
        assert!(!schedule.is_due(Trigger::Idle, s(1299), &with_other_disk));
        assert!(schedule.is_due(Trigger::Idle, s(1300), &row()));
        let mut down = row();
        down.sources[0].up = false;
        assert!(!schedule.is_due(Trigger::Idle, s(1059), &down));
        assert!(schedule.is_due(Trigger::Idle, s(1060), &down));
    }

    #[test]
    fn at_a_contact_the_row_goes_once_a_minute_or_when_it_tells_something_new() {
        let mut schedule = Schedule { begun: s(1000), ..Schedule::default() };
        assert!(!schedule.is_due(Trigger::UnderWay, s(1059), &row()), "sessions go first");
        assert!(schedule.is_due(Trigger::UnderWay, s(1060), &row()));
        assert!(schedule.is_due(Trigger::AtEnd, s(1001), &row()));
        schedule.passed(s(1001), row());
        assert!(!schedule.is_due(Trigger::AtEnd, s(1060), &row()));
        assert!(schedule.is_due(Trigger::AtEnd, s(1061), &row()));
        let mut waiting = row();
        waiting.waiting_sessions = 3;
        assert!(schedule.is_due(Trigger::AtEnd, s(1002), &waiting));
        assert!(!schedule.is_due(Trigger::UnderWay, s(1060), &waiting));
        assert!(schedule.is_due(Trigger::UnderWay, s(1061), &waiting));
        schedule.begun = s(1301);
        assert!(!schedule.is_due(Trigger::UnderWay, s(1360), &waiting), "in each drain");
        assert!(schedule.is_due(Trigger::UnderWay, s(1361), &waiting));
    }

    #[test]
    fn a_row_that_does_not_pass_is_left_alone_for_a_while() {
        let mut schedule = Schedule::default();
        let silent = CentralError::NoAnswer { place: "x".into(), after: s(5) };
        schedule.failed(s(1000), &silent);
        for trigger in [Trigger::Idle, Trigger::UnderWay, Trigger::AtEnd] {
            assert!(!schedule.is_due(trigger, s(1299), &row()), "{trigger:?}");
        }
        assert!(schedule.is_due(Trigger::AtEnd, s(1300), &row()));
        schedule.failed(s(1300), &CentralError::ForeignMigration { version: 6 });
        assert!(!schedule.is_due(Trigger::AtEnd, s(4899), &row()));
        assert!(schedule.is_due(Trigger::AtEnd, s(4900), &row()));
    }

    #[test]
    fn architectures_have_debian_s_names() {
        let names = ["aarch64", "arm", "x86_64", "riscv64"].map(architecture);
        assert_eq!(names, ["arm64", "armhf", "amd64", "riscv64"]);
    }
}
