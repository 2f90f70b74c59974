//! Sessions to deliver, and a feeder that carries them to central as the agent does: states, plan,
//! missing centres, delivery.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use cu_agent::{
    config::CentralConfig,
    model::{
        CentralSession, Day, Delivery, DetailCounts, Figures, Job, Language, LocalSession, Machine,
        Numbered, Piece, Stamp, Stop, Wait,
    },
    sync::{
        plan::{Identity, Step, plan},
        postgres::{
            Central, CentralError, Claims, GatewayRow, Inexact, Order, Outcome, SourceLink,
            digest_of_whole,
        },
    },
};

use super::postgres::Database;

pub fn day(text: &str) -> Day {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
}

/// The moment `seconds` after the day's midnight.
pub fn at(day: Day, seconds: i64) -> Stamp {
    Stamp::from_naive(day.and_time(chrono::NaiveTime::MIN)).plus_ms(seconds * 1000)
}

fn numbered<T>(rows: Vec<T>) -> Vec<Numbered<T>> {
    (1..).zip(rows).map(|(number, row)| Numbered { number, row }).collect()
}

/// A whole session of `pieces` pieces, one every 40 s from 05:00, a wait of 7.5 s behind every other
/// piece, a stop of five minutes and a job every 40 pieces. Revision 1.
pub fn session(nom: &str, date: &str, pieces: u32) -> Delivery {
    let day = day(date);
    let moment = |n: u32| at(day, 18_000 + 40 * i64::from(n));
    let list: Vec<_> = (0..pieces)
        .map(|n| Piece {
            at: moment(n),
            details: format!("1 B{} H{}", 159_464 + n, n % 4 + 1).into(),
        })
        .collect();
    let waits: Vec<_> = (0..pieces)
        .step_by(2)
        .map(|n| Wait { start: moment(n).plus_ms(5_000), end: moment(n).plus_ms(12_500) })
        .collect();
    let stops: Vec<_> = (20..pieces)
        .step_by(40)
        .map(|n| Stop { start: moment(n).plus_ms(1_000), end: moment(n).plus_ms(31_000) })
        .collect();
    let jobs: Vec<_> = (0..pieces)
        .step_by(40)
        .map(|n| Job {
            at: moment(n),
            reference: format!("61{}", 12 + n / 40 % 3).into(),
            length_e2: 658_459,
            colour: if n % 80 == 0 { "654".into() } else { "N/A".into() },
        })
        .collect();
    let window_ms = list.last().map_or(0, |last| last.at.0 - list[0].at.0);
    let (wait_ms, stop_ms) = (waits.len() as i64 * 5_000, stops.len() as i64 * 30_000);
    Delivery {
        machine: Machine { nom: nom.into(), type_cu: nom.into() },
        day,
        revision: 1,
        figures: Figures {
            events: (list.len() + waits.len() + 2 * stops.len() + jobs.len()) as u64,
            first_piece: list.first().map(|p| p.at),
            last_piece: list.last().map(|p| p.at),
            first_start: stops.first().map(|s| s.end),
            last_stop: stops.last().map(|s| s.start),
            total_pieces: pieces,
            window_ms,
            wait_ms,
            stop_ms,
            effective_ms: window_ms - wait_ms - stop_ms,
            raw_wait_ms: waits.len() as i64 * 7_500,
            raw_stop_ms: stop_ms,
        },
        log_sources: format!("{nom} (PVC)/{}.LOG", day.format("%Y%m%d")),
        counts: DetailCounts {
            pieces,
            waits: waits.len() as u32,
            stops: stops.len() as u32,
            jobs: jobs.len() as u32,
            anomalies: 0,
        },
        pieces: numbered(list),
        waits: numbered(waits),
        stops: numbered(stops),
        jobs: numbered(jobs),
        anomalies: Vec::new(),
        language: Language::French,
        day_start: TimeDelta::zero(),
        nominal_per_hour: None,
        rejects: 0,
        times: None,
        pieces_outside: None,
    }
}

/// A gateway without trouble.
pub fn edge() -> GatewayRow {
    GatewayRow {
        version: "0.9.0",
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
        machines: vec!["DEM12".into()],
        calendar: String::new(),
        buffer_bytes: 5_000_000,
        max_buffer_bytes: 2_000_000_000,
        free_bytes: Some(8_000_000_000),
        update: None,
        self_update: None,
        last_security_event: 0,
        settings: None,
    }
}

/// The same session, one revision later, with only the rows numbered above `already` sent.
pub fn grown(mut whole: Delivery, already: &Delivery) -> Delivery {
    whole.revision = already.revision + 1;
    whole.pieces.retain(|p| p.number > already.counts.pieces);
    whole.waits.retain(|p| p.number > already.counts.waits);
    whole.stops.retain(|p| p.number > already.counts.stops);
    whole.jobs.retain(|p| p.number > already.counts.jobs);
    whole
}

/// What the buffer would say of the session.
pub fn local(delivery: &Delivery) -> LocalSession {
    LocalSession {
        machine: delivery.machine.clone(),
        day: delivery.day,
        revision: delivery.revision,
        synced_revision: 0,
        events: delivery.figures.events,
        counts: delivery.counts,
        confirmed: None,
        content: None,
    }
}

/// The plan for a session. A delivery of a part counts as what central holds: only the whole one tells.
pub fn planned(
    local: &LocalSession,
    delivery: &Delivery,
    held: Option<&CentralSession>,
    identity: &Identity,
) -> Step {
    let step = plan(local, held, identity);
    if step != Step::Digest {
        return step;
    }
    let is_whole = delivery.pieces.len() == delivery.counts.pieces as usize
        && delivery.waits.len() == delivery.counts.waits as usize;
    let content = if is_whole {
        Some(digest_of_whole(delivery, &Inexact::default()))
    } else {
        held.and_then(|held| held.content)
    };
    plan(&LocalSession { content, ..local.clone() }, held, identity)
}

fn key(session: &Delivery) -> (String, Day) {
    (session.machine.nom.clone(), session.day)
}

/// The tables that sessions are written to, and the claims on machines.
pub const SESSION_TABLES: [&str; 9] = [
    "centre_usinage",
    "session_production",
    "piece_production",
    "periode_attente",
    "periode_arret",
    "job_profil",
    "anomalie",
    "temps_poste",
    "cu_agent_machine",
];

pub fn claims(agent: &str, buffer: &str, instance: &str) -> Claims {
    Claims::new(
        Identity { agent_id: agent.into(), buffer_id: buffer.into() },
        instance.into(),
        format!("host-of-{instance}"),
    )
}

/// The whole chain as it is printed.
pub fn chain(error: &CentralError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// An agent's connection to central.
pub struct Feeder {
    pub central: Central,
    pub claims: Claims,
    /// The revision of each session that central confirmed, as a buffer notes it.
    pub confirmed: BTreeMap<(String, Day), i64>,
}

impl Feeder {
    /// Connects as superuser and migrates.
    pub fn new(db: &Database<'_>) -> Self {
        let mut feeder = Self::connect(&db.config());
        feeder.central.migrate().unwrap();
        feeder
    }

    /// Connects, nothing else.
    pub fn connect(config: &CentralConfig) -> Self {
        Self {
            central: Central::connect(config, "cu-agent tests").unwrap(),
            claims: claims("ligne-1", "buffer-1", "instance-1"),
            confirmed: BTreeMap::new(),
        }
    }

    /// The plan for each session, and what became of those that were delivered.
    pub fn try_sync(
        &mut self,
        sessions: &[Delivery],
    ) -> Result<Vec<(Step, Option<Outcome>)>, CentralError> {
        let keys: Vec<_> = sessions.iter().map(|s| (s.machine.nom.as_str(), s.day)).collect();
        let states = self.central.states(&mut self.claims, &keys)?;
        if !states.missing_centres.is_empty() {
            let machines: Vec<_> = sessions.iter().map(|s| s.machine.clone()).collect();
            self.central.ensure_centres(&self.claims, &machines)?;
        }
        let steps: Vec<_> = sessions
            .iter()
            .zip(&states.sessions)
            .map(|(s, held)| {
                let synced = self.confirmed.get(&key(s)).copied();
                let local = LocalSession { synced_revision: synced.unwrap_or(0), ..local(s) };
                planned(&local, s, held.as_ref(), &self.claims.identity)
            })
            .collect();
        let orders: Vec<_> = sessions
            .iter()
            .zip(&states.sessions)
            .zip(&steps)
            .filter(|(_, step)| matches!(step, Step::Deliver { .. }))
            .map(|((delivery, held), _)| Order { delivery, replaces: held.as_ref() })
            .collect();
        let mut outcomes = if orders.is_empty() {
            Vec::new()
        } else {
            self.central.deliver(&mut self.claims, &orders)?
        }
        .into_iter();
        Ok(steps
            .into_iter()
            .zip(sessions)
            .map(|(step, session)| {
                let outcome = match step {
                    Step::Deliver { .. } => outcomes.next(),
                    Step::Confirm | Step::Digest | Step::Refuse(_) => None,
                };
                if step == Step::Confirm || outcome == Some(Outcome::Written { complete: true }) {
                    self.confirmed.insert(key(session), session.revision);
                }
                (step, outcome)
            })
            .collect())
    }

    /// As [`Self::try_sync`], and every session must be complete in central afterwards.
    pub fn sync(&mut self, sessions: &[Delivery]) {
        for (step, outcome) in self.try_sync(sessions).unwrap() {
            match (&step, &outcome) {
                (Step::Confirm, None) | (_, Some(Outcome::Written { complete: true })) => {}
                other => panic!("not in central: {other:?}"),
            }
        }
    }
}
