//! When the gateway shows itself in central, and what becomes of a row that does not pass.
//!
//! What must never happen here: this row holding up a session. It goes after the sessions, or once a
//! minute between two batches; its failure is told once and is nobody else's.

use std::{path::PathBuf, time::Duration};

use super::Courier;
use crate::{
    agent::clock,
    buffer::{Buffer, BufferError},
    config::Config,
    failpoints::{self, durably},
    logging,
    model::LinkName,
    sync::postgres::{CentralError, Edge, SourceLink},
    update,
};

/// An idle agent shows itself so often.
const EVERY: Duration = Duration::from_secs(300);
/// Between two rows of which the second tells nothing new; a connection that is open anyway.
const LEAST: Duration = Duration::from_secs(60);
/// After a failure: what an administrator has to mend, and the rest.
const REFUSED_FOR: Duration = Duration::from_secs(3600);
const FAILED_FOR: Duration = Duration::from_secs(300);

/// What stays the same about this gateway as long as the process runs.
#[derive(Clone, Debug)]
pub struct Gateway {
    sources: Vec<String>,
    state_dir: PathBuf,
    max_buffer_bytes: u64,
    interval_s: i32,
    update_result: PathBuf,
}

impl Gateway {
    pub fn of(config: &Config) -> Self {
        Self {
            sources: config.sources.iter().map(|source| source.name.clone()).collect(),
            state_dir: config.agent.state_dir.clone(),
            max_buffer_bytes: config.agent.max_buffer_bytes,
            // `once`, started by a timer, comes no more often than it is to poll.
            interval_s: i32::try_from(config.schedule.poll.max(EVERY).as_secs())
                .unwrap_or(i32::MAX),
            update_result: update::result_file(config),
        }
    }

    fn edge(&self, buffer: &Buffer) -> Result<Edge, BufferError> {
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
        Ok(Edge {
            version: env!("CARGO_PKG_VERSION"),
            architecture: architecture(std::env::consts::ARCH),
            interval_s: self.interval_s,
            waiting_sessions: waiting.sessions,
            oldest_waiting_day: waiting.oldest_day,
            sources: links.collect(),
            buffer_bytes: buffer.size_bytes(),
            max_buffer_bytes: self.max_buffer_bytes,
            free_bytes: free.map(|free| free.f_bavail.saturating_mul(free.f_frsize)),
            update: update::last_update(&self.update_result),
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

/// Where the courier stands when it asks whether to write the row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occasion {
    /// Nothing else is to be done, and a connection may have to be opened.
    Idle,
    /// Between two batches of a drain.
    UnderWay,
    /// The sessions are done, the connection is open.
    AtEnd,
}

/// What was shown and what was told. Times are running times.
#[derive(Debug, Default)]
pub struct Showing {
    /// When the drain under way began: it begins with sessions.
    begun: Duration,
    shown: Option<(Duration, Edge)>,
    not_before: Duration,
    /// That the row does not pass was told.
    is_told: bool,
}

impl Showing {
    /// A drain begins.
    pub(super) fn begin(&mut self, now: Duration) {
        self.begun = now;
    }

    fn is_due(&self, occasion: Occasion, now: Duration, edge: &Edge) -> bool {
        if now < self.not_before {
            return false;
        }
        let age = |since: Duration| now.saturating_sub(since);
        let is_news = self.shown.as_ref().is_none_or(|(_, shown)| edge.is_news_after(shown));
        match (occasion, &self.shown) {
            (Occasion::UnderWay, None) => age(self.begun) >= LEAST,
            (Occasion::UnderWay, Some((at, _))) => age(self.begun.max(*at)) >= LEAST,
            (Occasion::AtEnd, Some((at, _))) => is_news || age(*at) >= LEAST,
            (Occasion::Idle, Some((at, _))) => age(*at) >= EVERY || is_news && age(*at) >= LEAST,
            (Occasion::AtEnd | Occasion::Idle, None) => true,
        }
    }

    fn passed(&mut self, now: Duration, edge: Edge) {
        self.shown = Some((now, edge));
        if std::mem::take(&mut self.is_told) {
            logging::edge_shown_again();
        }
    }

    /// Tells it once, until the row passes again.
    pub(super) fn failed(&mut self, now: Duration, error: &CentralError) {
        let is_standing = error.again() != crate::sync::postgres::Retry::Soon;
        self.not_before = now + if is_standing { REFUSED_FOR } else { FAILED_FOR };
        if !std::mem::replace(&mut self.is_told, true) {
            logging::edge_not_shown(error);
        }
    }
}

impl Courier {
    pub(super) fn edge_is_due(&self, buffer: &Buffer) -> Result<bool, BufferError> {
        let edge = self.gateway.edge(buffer)?;
        Ok(self.showing.is_due(Occasion::Idle, self.clock.now().uptime, &edge))
    }

    /// Writes the row where it is due and a connection is open. A failure stays here; where it took
    /// the connection along, that is given back.
    pub(super) fn show_edge(
        &mut self,
        buffer: &Buffer,
        occasion: Occasion,
    ) -> Result<(), BufferError> {
        let now = self.clock.now().uptime;
        if self.central.is_none() {
            return Ok(());
        }
        let edge = self.gateway.edge(buffer)?;
        if !self.showing.is_due(occasion, now, &edge) {
            return Ok(());
        }
        let (central, claims) = self.central();
        let wall = clock::wall();
        match durably(failpoints::Step::ShowEdge, || central.show_edge(claims, &edge, wall)) {
            Ok(is_crowded) => {
                if let Some(server) = &mut self.server {
                    server.is_crowded = is_crowded;
                }
                self.showing.passed(now, edge);
            }
            Err(error) => {
                self.showing.failed(self.clock.now().uptime, &error);
                if error.ends_connection() {
                    self.release();
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge() -> Edge {
        Edge {
            version: "0.1.0",
            architecture: "arm64",
            interval_s: 300,
            waiting_sessions: 0,
            oldest_waiting_day: None,
            sources: vec![SourceLink {
                name: "cu".into(),
                up: true,
                since: "2026-11-24 09:00:00".into(),
                error: None,
            }],
            buffer_bytes: 100,
            max_buffer_bytes: 1000,
            free_bytes: Some(5),
            update: None,
        }
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_idle_agent_shows_itself_every_five_minutes_and_news_within_one() {
        let mut showing = Showing::default();
        assert!(showing.is_due(Occasion::Idle, s(1000), &edge()), "the first time");
        showing.passed(s(1000), edge());
        let mut with_other_disk = edge();
        with_other_disk.free_bytes = Some(4);
        assert!(!showing.is_due(Occasion::Idle, s(1299), &with_other_disk));
        assert!(showing.is_due(Occasion::Idle, s(1300), &edge()));
        let mut down = edge();
        down.sources[0].up = false;
        assert!(!showing.is_due(Occasion::Idle, s(1059), &down));
        assert!(showing.is_due(Occasion::Idle, s(1060), &down));
    }

    #[test]
    fn at_a_contact_the_row_goes_once_a_minute_or_when_it_tells_something_new() {
        let mut showing = Showing::default();
        showing.begin(s(1000));
        assert!(!showing.is_due(Occasion::UnderWay, s(1059), &edge()), "sessions go first");
        assert!(showing.is_due(Occasion::UnderWay, s(1060), &edge()));
        assert!(showing.is_due(Occasion::AtEnd, s(1001), &edge()));
        showing.passed(s(1001), edge());
        assert!(!showing.is_due(Occasion::AtEnd, s(1060), &edge()));
        assert!(showing.is_due(Occasion::AtEnd, s(1061), &edge()));
        let mut waiting = edge();
        waiting.waiting_sessions = 3;
        assert!(showing.is_due(Occasion::AtEnd, s(1002), &waiting));
        assert!(!showing.is_due(Occasion::UnderWay, s(1060), &waiting));
        assert!(showing.is_due(Occasion::UnderWay, s(1061), &waiting));
        showing.begin(s(1301));
        assert!(!showing.is_due(Occasion::UnderWay, s(1360), &waiting), "in each drain");
        assert!(showing.is_due(Occasion::UnderWay, s(1361), &waiting));
    }

    #[test]
    fn a_row_that_does_not_pass_is_left_alone_for_a_while() {
        let mut showing = Showing::default();
        let silent = CentralError::NoAnswer { place: "x".into(), after: s(5) };
        showing.failed(s(1000), &silent);
        for occasion in [Occasion::Idle, Occasion::UnderWay, Occasion::AtEnd] {
            assert!(!showing.is_due(occasion, s(1299), &edge()), "{occasion:?}");
        }
        assert!(showing.is_due(Occasion::AtEnd, s(1300), &edge()));
        showing.failed(s(1300), &CentralError::ForeignMigration { version: 6 });
        assert!(!showing.is_due(Occasion::AtEnd, s(4899), &edge()));
        assert!(showing.is_due(Occasion::AtEnd, s(4900), &edge()));
    }

    #[test]
    fn architectures_have_debian_s_names() {
        let names = ["aarch64", "arm", "x86_64", "riscv64"].map(architecture);
        assert_eq!(names, ["arm64", "armhf", "amd64", "riscv64"]);
    }
}
