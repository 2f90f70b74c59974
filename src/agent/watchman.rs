//! Looks now and then whether something is wrong that a person should be told, keeps it in the buffer,
//! and sends it. A thread of its own that nobody waits for.
//!
//! Order of writes: an alarm and its message are durable before anybody is told; that it was told is
//! noted after the receiver took it. A crash between the two tells it twice, with the same `id`. What
//! must never happen here: the buffer held while the network is waited for.

use std::{collections::BTreeMap, path::Path, sync::Arc, thread, time::Duration};

use chrono::{NaiveDateTime, TimeDelta, Timelike};

use super::{Stop, Vitals, update_result, wall, wall_clock_fault};
use crate::{
    buffer::{Buffer, BufferError, LinkState},
    config::Config,
    durable::Step,
    journal,
    model::{AlarmState, LinkName},
    notify::{Facts, LinkFact, MachineFact, PostError, Poster, UnreadableFact, alarms},
    retry,
    status::figures::{Counts, Hidden},
};

/// Without a cycle that ends, a look is taken all the same.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Anomalies of older days than yesterday are no news, whenever they are read.
const NEWS_DAYS: TimeDelta = TimeDelta::days(1);
/// Reasons for setting aside that are looked at.
const MOST_REASONS: usize = 1000;

pub(super) struct Watchman {
    config: Arc<Config>,
    poster: Poster,
    vitals: Vitals,
    stop: Stop,
    /// `None`: not read from the buffer yet.
    state: Option<AlarmState>,
    /// As it stands in the buffer of this name.
    saved: AlarmState,
    saved_in: String,
    failures: u32,
    /// Running time before which nothing is sent.
    wait_until: Duration,
    /// Good cycles that a heartbeat was sent for.
    beaten: u64,
    told: Told,
}

/// Says a lasting failure once, and once that it is over.
#[derive(Default)]
struct Told {
    alarms: bool,
    heartbeat: bool,
    buffer: bool,
}

impl Watchman {
    /// `None` where nobody is to be told, or the configuration's authority cannot be read.
    pub(super) fn new(config: &Arc<Config>, vitals: &Vitals, stop: &Stop) -> Option<Self> {
        let alarms = config.alarms.as_ref()?;
        let language = config.agent.language;
        let poster = match Poster::new(alarms, &config.agent.id, language) {
            Ok(poster) => poster,
            Err(error) => {
                journal::alarms_are_off(&error);
                return None;
            }
        };
        Some(Self {
            config: Arc::clone(config),
            poster,
            vitals: vitals.clone(),
            stop: stop.clone(),
            state: None,
            saved: AlarmState::default(),
            saved_in: String::new(),
            failures: 0,
            wait_until: Duration::ZERO,
            beaten: 0,
            told: Told::default(),
        })
    }

    /// For as long as the process lives.
    pub(super) fn watch(mut self) {
        thread::spawn(move || {
            while !self.stop.is_wished() {
                let seen = self.vitals.figures.snapshot().cycles;
                let is_well = self.vitals.verdict().is_well();
                self.turn(is_well);
                let now = self.vitals.clock.now().uptime;
                let until_next_try = self.wait_until.saturating_sub(now);
                let wait = if until_next_try.is_zero() { LOOK_EVERY } else { until_next_try };
                self.vitals.figures.wait_for_cycle(seen, wait.min(LOOK_EVERY));
            }
        });
    }

    /// One look, and what is to be told of it.
    pub(super) fn turn(&mut self, is_well: bool) {
        if is_well {
            self.beat();
        }
        if !self.poster.takes_alarms() {
            return;
        }
        match self.look() {
            Ok(()) => self.told.buffer = false,
            Err(error) => {
                // The loops tell of a lasting fault; what is in memory is told all the same.
                if !std::mem::replace(&mut self.told.buffer, true) {
                    log::debug!("alarms: {}", journal::chain(&error));
                }
            }
        }
        if self.vitals.clock.now().uptime >= self.wait_until {
            self.tell();
        }
    }

    /// A sign of life for each good cycle of a process that is well; those that were missed are not
    /// made up for.
    fn beat(&mut self) {
        let good_cycles = self.vitals.figures.snapshot().good_cycles;
        if good_cycles == self.beaten {
            return;
        }
        self.beaten = good_cycles;
        match self.poster.heartbeat() {
            Ok(()) => self.told.heartbeat = false,
            Err(error) => {
                if !std::mem::replace(&mut self.told.heartbeat, true) {
                    journal::heartbeat_failed(&error);
                }
            }
        }
    }

    fn look(&mut self) -> Result<(), BufferError> {
        let Some(mut buffer) = Buffer::join(&self.config.agent.state_dir)? else { return Ok(()) };
        if self.saved_in != buffer.buffer_id() {
            // The first look, or a buffer that was begun anew: what is known goes into it.
            self.saved = buffer.alarms()?;
            buffer.buffer_id().clone_into(&mut self.saved_in);
        }
        let state = self.state.take().unwrap_or_else(|| self.saved.clone());
        let facts = self.facts(&buffer);
        // Whatever fails below, it is known what was told before.
        self.state = Some(state.clone());
        let now = now();
        let limits = self.config.alarms.as_ref().map(|alarms| alarms.limits.clone());
        let language = self.config.agent.language;
        let (next, made) = alarms(&state, &facts?, &limits.unwrap_or_default(), language, now);
        for message in &made {
            journal::alarm(message.event, &message.text);
        }
        self.state = Some(next);
        self.save(&mut buffer, Step::NoteAlarms)
    }

    fn save(&mut self, buffer: &mut Buffer, step: Step) -> Result<(), BufferError> {
        if let Some(state) = &self.state
            && *state != self.saved
        {
            buffer.save_alarms(state, step)?;
            self.saved = state.clone();
        }
        Ok(())
    }

    /// Sends what waits, oldest first, until one is not taken.
    fn tell(&mut self) {
        while let Some(state) = &mut self.state
            && let Some(message) = state.waiting.first()
            && !self.stop.is_wished()
        {
            if let Err(error) = self.poster.tell(message) {
                self.not_taken(&error);
                return;
            }
            state.waiting.remove(0);
            self.failures = 0;
            if std::mem::take(&mut self.told.alarms) {
                journal::alarms_are_taken_again();
            }
            let noted =
                Buffer::join(&self.config.agent.state_dir).and_then(|buffer| match buffer {
                    Some(mut buffer) => self.save(&mut buffer, Step::NoteAlarmTold),
                    None => Ok(()),
                });
            if let Err(error) = noted {
                // Noted with the next look; a crash before that tells it twice.
                log::debug!("alarms: {}", journal::chain(&error));
            }
        }
    }

    fn not_taken(&mut self, error: &PostError) {
        self.failures += 1;
        let wait = retry::wait(self.failures, fastrand::f64()).max(Duration::from_secs(1));
        self.wait_until = self.vitals.clock.now().uptime + wait;
        if !std::mem::replace(&mut self.told.alarms, true) {
            journal::alarms_are_not_taken(error);
        }
    }

    fn facts(&self, buffer: &Buffer) -> Result<Facts, BufferError> {
        let config = &self.config;
        let counts = self.vitals.figures.snapshot();
        let clock_is_believed = wall_clock_fault().is_none();
        let links = buffer.links()?;
        let link = |name: &LinkName| links.iter().find(|link| link.name == *name);
        let uptime = self.vitals.clock.now().uptime;
        let down_for = |link: &LinkState, since: Option<Duration>| {
            let seen = since.map_or(Duration::ZERO, |since| uptime.saturating_sub(since));
            seen.max(if clock_is_believed { age_of(&link.since) } else { Duration::ZERO })
        };
        let fact = |link: Option<&LinkState>, is_up, since| match (link, is_up) {
            // An earlier process may have seen it down: this one has to see for itself.
            (_, None) | (None, _) => LinkFact::Unknown,
            (_, Some(true)) => LinkFact::Up,
            (Some(link), Some(false)) => LinkFact::Down {
                length: down_for(link, since),
                error: link.error.clone().unwrap_or_default(),
            },
        };
        let is_up = |name: &str| counts.sources.get(name).and_then(|source| source.is_up);
        let hidden = |source: &str, nom: &str| {
            let Hidden { since, trouble } =
                counts.sources.get(source)?.machines.get(nom)?.as_ref()?;
            let noted = if clock_is_believed { age_of(&trouble.since) } else { Duration::ZERO };
            Some(UnreadableFact {
                length: uptime.saturating_sub(*since).max(noted),
                french: trouble.french(),
                english: trouble.text(),
            })
        };
        let reports = buffer.machines()?;
        let mut machines = Vec::new();
        let mut sources = Vec::new();
        for source in &config.sources {
            let since = counts.sources.get(&source.name).and_then(|source| source.down_since);
            let link = link(&LinkName::source(&source.name));
            sources.push((source.name.clone(), fact(link, is_up(&source.name), since)));
            machines.extend(source.folders.values().map(|machine| {
                let report = reports.iter().find(|report| report.nom == machine.nom);
                MachineFact {
                    nom: machine.nom.clone(),
                    last_read: report.and_then(|r| time(r.last_read_at.as_deref()?)),
                    source_is_up: is_up(&source.name) == Some(true),
                    unreadable: hidden(&source.name, &machine.nom),
                }
            }));
        }
        let central = config.central.as_ref().map(|_| {
            fact(link(&LinkName::Central), central_is_up(&counts), counts.central_down_since)
        });
        let disk = rustix::fs::statvfs(&config.agent.state_dir).ok();
        Ok(Facts {
            clock_is_believed,
            machines,
            sources,
            central,
            free_bytes: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            is_at_cap: counts.at_cap_since.is_some(),
            set_aside: set_aside(buffer)?,
            failed_update: config
                .update
                .as_ref()
                .and_then(|_| failed_update(&update_result::file_of(config))),
            grave_anomalies: if clock_is_believed { self.grave(buffer)? } else { Vec::new() },
        })
    }
}

impl Watchman {
    /// By machine and day: the first anomaly of high gravity, and how many there are.
    fn grave(&self, buffer: &Buffer) -> Result<Vec<(String, String)>, BufferError> {
        let language = self.config.agent.language;
        let today = (now() - self.config.analysis.day_start).date();
        let from = today.checked_sub_signed(NEWS_DAYS).unwrap_or(today);
        let mut days: Vec<(String, String, usize)> = Vec::new();
        for (nom, day, finding) in buffer.grave_findings(from)? {
            let subject = format!("{nom} {day}");
            match days.last_mut() {
                Some((known, _, more)) if *known == subject => *more += 1,
                _ => days.push((subject, finding.text(language), 0)),
            }
        }
        let all = days.into_iter().map(|(subject, text, more)| match more {
            0 => (subject, text),
            more => (subject, format!("{text} (+ {more})")),
        });
        Ok(all.collect())
    }
}

/// What this process has seen of central; `None` before anything was asked of it.
pub(super) fn central_is_up(counts: &Counts) -> Option<bool> {
    match (counts.central_down_since, counts.last_sync) {
        (Some(_), _) => Some(false),
        (None, Some(_)) => Some(true),
        (None, None) => None,
    }
}

fn now() -> NaiveDateTime {
    let now = wall().naive_local();
    now.with_nanosecond(0).unwrap_or(now)
}

fn time(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()
}

/// How long ago a noted time was; none where it was noted by a clock that cannot have been right.
fn age_of(noted: &str) -> Duration {
    let age = time(noted).filter(super::clock::is_believable).map(|since| now() - since);
    age.and_then(|age| age.to_std().ok()).unwrap_or_default()
}

/// By machine: sessions, and the first reason.
fn set_aside(buffer: &Buffer) -> Result<Vec<(String, u64, String)>, BufferError> {
    let mut machines: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for aside in buffer.set_aside_sessions(MOST_REASONS)? {
        let machine = machines.entry(aside.nom).or_insert((0, aside.reason));
        machine.0 += aside.sessions;
    }
    Ok(machines.into_iter().map(|(nom, (sessions, reason))| (nom, sessions, reason)).collect())
}

/// What a field update that did not end well left; one that is missing or cannot be understood says
/// nothing.
fn failed_update(file: &Path) -> Option<String> {
    let update = update_result::last_update(file).filter(|update| update.result != "installed")?;
    let version = update.version.as_deref().unwrap_or("?");
    Some(format!("{version}, {} : {}", update.result, update.detail.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn of_field_updates_only_one_that_did_not_end_well_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("result.json");
        let of = |text: &str| {
            fs::write(&file, text).unwrap();
            failed_update(&file)
        };
        assert_eq!(failed_update(&dir.path().join("none")), None);
        assert_eq!(of("{\"resu"), None);
        assert_eq!(of(r#"{"version":"0.2.0","result":"exploded","detail":""}"#), None);
        assert_eq!(of(r#"{"version":"0.2.0","result":"installed","detail":""}"#), None);
        assert_eq!(
            of(r#"{"version":"0.2.0","result":"rolled-back","detail":"it crashes"}"#).as_deref(),
            Some("0.2.0, rolled-back : it crashes")
        );
    }

    #[test]
    fn a_time_noted_by_a_clock_that_was_not_set_is_no_age() {
        assert_eq!(age_of("1970-01-01 00:05:00"), Duration::ZERO);
        assert_eq!(age_of("2999-01-01 00:00:00"), Duration::ZERO);
        assert_eq!(age_of("not a time"), Duration::ZERO);
    }
}
