//! What is known at one moment: put together from the buffer, the counts of the loops and the disk.
//!
//! What must never happen here: a length of time taken from a clock that cannot have been right.

use std::{collections::BTreeMap, time::Duration};

use chrono::{NaiveDateTime, TimeDelta};

use super::{AgentView, Facts, LinkFact, MachineFact, UnreadableFact};
use crate::{
    buffer::{Buffer, BufferError, LinkState, MachineReport, is_on_read_only_disk},
    calendar::Calendars,
    config::{Config, SourceConfig},
    model::{Day, FaultKind, LinkFault, LinkName, WallTime},
    status::counters::{Counters, Hidden},
};

/// Anomalies of older days than yesterday are no news, whenever they are read; but for those of the working
/// day before today.
const NEWS_DAYS: TimeDelta = TimeDelta::days(1);
/// Reasons for setting aside that are looked at.
const MOST_REASONS: usize = 1000;

/// What the buffer keeps and the loops have counted, at one moment.
pub(super) fn facts(
    config: &Config,
    agent: &dyn AgentView,
    counts: &Counters,
    buffer: &Buffer,
) -> Result<Facts, BufferError> {
    let known = Known {
        counts,
        links: buffer.links().all()?,
        uptime: agent.uptime(),
        ages: Ages { agent, clock_is_believed: agent.clock_is_believed() },
    };
    let reports = buffer.reports().machines()?;
    let calendars = config.planning(&buffer.plant().kept()?).calendars;
    let mut machines = Vec::new();
    let mut sources = Vec::new();
    for source in &config.sources {
        sources.push((source.name.clone(), known.source(&source.name)));
        machines.extend(known.machines(source, &reports, &calendars));
    }
    let disk = rustix::fs::statvfs(&config.agent.state_dir).ok();
    let clock_is_believed = known.ages.clock_is_believed;
    Ok(Facts {
        clock_is_believed,
        machines,
        sources,
        central: config.central.as_ref().map(|_| known.central()),
        is_read_only: is_on_read_only_disk(&config.agent.state_dir),
        free_bytes: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        is_at_cap: counts.at_cap_since.is_some(),
        set_aside: set_aside(buffer)?,
        failed_update: config.update.as_ref().and_then(|_| agent.failed_update()),
        refused_settings: agent.refused_settings(),
        pending_sessions: buffer.reports().totals()?.pending_sessions,
        news_from: clock_is_believed.then(|| news_days(config, agent.wall_time()).0),
        critical_anomalies: if clock_is_believed {
            critical_anomalies(config, agent.wall_time(), buffer)?
        } else {
            Vec::new()
        },
    })
}

/// What links and machines are judged by.
struct Known<'k> {
    counts: &'k Counters,
    links: Vec<LinkState>,
    uptime: Duration,
    ages: Ages<'k>,
}

impl Known<'_> {
    fn source(&self, name: &str) -> LinkFact {
        let source = self.counts.sources.get(name);
        let since = source.and_then(|source| source.down_since);
        let fault = source.and_then(|source| source.fault.clone());
        self.link(&LinkName::source(name), self.is_up(name), since, fault)
    }

    fn central(&self) -> LinkFact {
        let Counters { central_down_since, central_fault, .. } = self.counts;
        let is_up = self.counts.central_is_up();
        self.link(&LinkName::Central, is_up, *central_down_since, central_fault.clone())
    }

    fn is_up(&self, source: &str) -> Option<bool> {
        self.counts.sources.get(source).and_then(|source| source.is_up)
    }

    fn link(
        &self,
        name: &LinkName,
        is_up: Option<bool>,
        since: Option<Duration>,
        fault: Option<LinkFault>,
    ) -> LinkFact {
        let link = self.links.iter().find(|link| link.name == *name);
        match (link, is_up) {
            // An earlier process may have seen it down: this one has to see for itself.
            (_, None) | (None, _) => LinkFact::Unknown,
            (_, Some(true)) => LinkFact::Up,
            (Some(link), Some(false)) => LinkFact::Down {
                length: self.length(since, link.since),
                fault: fault.unwrap_or_else(|| LinkFault {
                    kind: FaultKind::Other,
                    place: String::new(),
                    said: link.error.clone(),
                }),
            },
        }
    }

    /// How long something has lasted: as this process saw it, or longer as it was noted.
    fn length(&self, since: Option<Duration>, noted: Option<WallTime>) -> Duration {
        let seen = since.map_or(Duration::ZERO, |since| self.uptime.saturating_sub(since));
        seen.max(self.ages.of(noted))
    }

    fn machines(
        &self,
        source: &SourceConfig,
        reports: &[MachineReport],
        calendars: &Calendars,
    ) -> Vec<MachineFact> {
        let all = source.folders.values().map(|machine| {
            let report = reports.iter().find(|report| report.nom == machine.nom);
            MachineFact {
                nom: machine.nom.clone(),
                last_read: report.and_then(|report| report.last_read_at).map(WallTime::naive),
                is_known: self.is_up(&source.name) == Some(true)
                    && self.has_looked_at(&source.name, &machine.nom),
                unreadable: self.unreadable(&source.name, &machine.nom),
                calendar: calendars.of(&machine.nom).cloned(),
            }
        });
        all.collect()
    }

    /// Whether this process has tried to read anything of the machine: an earlier one may have failed.
    fn has_looked_at(&self, source: &str, nom: &str) -> bool {
        self.counts.sources.get(source).is_some_and(|source| source.machines.contains_key(nom))
    }

    fn unreadable(&self, source: &str, nom: &str) -> Option<UnreadableFact> {
        let Hidden { since, trouble } =
            self.counts.sources.get(source)?.machines.get(nom)?.as_ref()?;
        Some(UnreadableFact {
            length: self.length(Some(*since), trouble.since),
            trouble: trouble.clone(),
        })
    }
}

/// How long ago times were noted by the wall clock.
struct Ages<'a> {
    agent: &'a dyn AgentView,
    clock_is_believed: bool,
}

impl Ages<'_> {
    /// Nothing if the clock cannot have been right, now or then.
    fn of(&self, noted: Option<WallTime>) -> Duration {
        if !self.clock_is_believed {
            return Duration::ZERO;
        }
        let noted = noted.map(WallTime::naive).filter(|noted| self.agent.is_believable(noted));
        let age = noted.map(|noted| self.agent.wall_time() - noted);
        age.and_then(|age| age.to_std().ok()).unwrap_or_default()
    }
}

/// By machine: sessions, and the first reason.
fn set_aside(buffer: &Buffer) -> Result<Vec<(String, u64, String)>, BufferError> {
    let mut machines: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for aside in buffer.reports().set_aside_sessions(MOST_REASONS)? {
        let machine = machines.entry(aside.nom).or_insert((0, aside.reason));
        machine.0 += aside.sessions;
    }
    Ok(machines.into_iter().map(|(nom, (sessions, reason))| (nom, sessions, reason)).collect())
}

/// The first and the last day of which an anomaly is news.
fn news_days(config: &Config, now: NaiveDateTime) -> (Day, Day) {
    let today = (now - config.analysis.day_start).date();
    let from = today.checked_sub_signed(NEWS_DAYS).unwrap_or(today);
    (from, today.checked_add_signed(NEWS_DAYS).unwrap_or(today))
}

/// By machine and day: the first anomaly of high severity, and how many there are.
fn critical_anomalies(
    config: &Config,
    now: NaiveDateTime,
    buffer: &Buffer,
) -> Result<Vec<(String, String)>, BufferError> {
    let language = config.agent.language;
    let (from, last) = news_days(config, now);
    let mut days: Vec<(String, String, usize)> = Vec::new();
    for (nom, day, anomaly) in buffer.alarm_log().critical_anomalies(from, last)? {
        let subject = format!("{nom} {day}");
        match days.last_mut() {
            Some((known, _, more)) if *known == subject => *more += 1,
            _ => days.push((subject, anomaly.text(language), 0)),
        }
    }
    let all = days.into_iter().map(|(subject, text, more)| match more {
        0 => (subject, text),
        more => (subject, format!("{text} (+ {more})")),
    });
    Ok(all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailedUpdate, RefusedSettings};

    fn time(text: &str) -> Option<WallTime> {
        text.parse().ok()
    }

    /// An agent whose clock says half past nine on 24 November 2026, and was set that month.
    struct Agent;

    impl AgentView for Agent {
        fn uptime(&self) -> Duration {
            Duration::from_secs(600)
        }

        fn wall_time(&self) -> NaiveDateTime {
            time("2026-11-24 09:30:00").unwrap().naive()
        }

        fn clock_is_believed(&self) -> bool {
            true
        }

        fn is_believable(&self, noted: &NaiveDateTime) -> bool {
            *noted >= time("2026-11-01 00:00:00").unwrap().naive()
        }

        fn is_healthy(&self) -> bool {
            true
        }

        fn is_ending(&self) -> bool {
            false
        }

        fn failed_update(&self) -> Option<FailedUpdate> {
            None
        }

        fn refused_settings(&self) -> Option<RefusedSettings> {
            None
        }
    }

    #[test]
    fn a_time_noted_by_a_clock_that_was_not_set_is_no_age() {
        let ages = Ages { agent: &Agent, clock_is_believed: true };
        assert_eq!(ages.of(time("2026-11-24 09:00:00")), Duration::from_secs(1800));
        assert_eq!(ages.of(time("1970-01-01 00:05:00")), Duration::ZERO);
        assert_eq!(ages.of(time("2999-01-01 00:00:00")), Duration::ZERO);
        assert_eq!(ages.of(time("not a time")), Duration::ZERO);
        let unset = Ages { agent: &Agent, clock_is_believed: false };
        assert_eq!(unset.of(time("2026-11-24 09:00:00")), Duration::ZERO);
    }

    fn said(error: &str) -> LinkFault {
        LinkFault { kind: FaultKind::Other, place: String::new(), said: Some(error.into()) }
    }

    #[test]
    fn a_link_is_down_for_as_long_as_was_noted_and_unknown_until_this_process_has_seen_it() {
        let down = LinkState {
            name: LinkName::source("cu"),
            up: false,
            since: time("2026-11-24 09:00:00"),
            error: Some("no route".into()),
            host: None,
        };
        let mut counts = Counters::default();
        let fact = |counts: &Counters| {
            let ages = Ages { agent: &Agent, clock_is_believed: true };
            let links = vec![down.clone()];
            Known { counts, links, uptime: Agent.uptime(), ages }.source("cu")
        };
        assert_eq!(fact(&counts), LinkFact::Unknown);
        counts.sources.entry("cu".into()).or_default().note_link(false, Duration::from_secs(590));
        let length = Duration::from_secs(1800);
        assert_eq!(fact(&counts), LinkFact::Down { length, fault: said("no route") });
        counts.sources.entry("cu".into()).or_default().note_link(true, Duration::from_secs(595));
        assert_eq!(fact(&counts), LinkFact::Up);
    }

    #[test]
    fn nothing_is_known_of_a_machine_before_this_process_has_looked_at_its_folder() {
        let mut counts = Counters::default();
        let cu = counts.sources.entry("cu".into()).or_default();
        cu.note_link(true, Duration::from_secs(590));
        cu.note_machine("DEM12", None, Duration::from_secs(590));
        let ages = Ages { agent: &Agent, clock_is_believed: true };
        let known = Known { counts: &counts, links: Vec::new(), uptime: Agent.uptime(), ages };
        assert!(known.has_looked_at("cu", "DEM12"));
        assert!(!known.has_looked_at("cu", "SU12") && !known.has_looked_at("other", "DEM12"));
    }
}
