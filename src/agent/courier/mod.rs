//! Carries sessions from the buffer to central: compares, delivers, notes what was confirmed. The
//! buffer and the sync never meet but here.
//!
//! Order of writes: central's transaction commits → the buffer notes the revision. A crash between
//! the two is harmless, because the next comparison finds central equal.

use std::{collections::BTreeMap, time::Duration};

use super::{clock::Clock, stop::Stop};
use crate::{
    buffer::{Buffer, BufferError, CENTRAL, Pending},
    config::CentralConfig,
    durable::{self, durably},
    journal,
    model::{CentralSession, Day, Delivery, Machine},
    sync::{
        plan::{Identity, Step, plan},
        postgres::{Central, CentralError, Claims, Order, Outcome, Retry, SchemaState, States},
    },
};

/// Sessions compared, and at most delivered, in one exchange.
const BATCH_SESSIONS: usize = 60;
/// Detail rows delivered in one statement: about 200 kB on the wire. A line or a server that is too
/// slow for that gets fewer, down to the second figure.
const BATCH_ROWS: usize = 12_000;
const LEAST_BATCH_ROWS: usize = 500;
/// Sessions compared in one exchange when looking for what central lost.
const AUDIT_SESSIONS: usize = 200;
/// How often the newest confirmed sessions are compared with central, and how often all are.
const AUDIT_EVERY: Duration = Duration::from_secs(3600);
const AUDIT_ALL_EVERY: Duration = Duration::from_secs(24 * 3600);
/// A session that was set aside is tried again this much later.
const SET_ASIDE_FOR: Duration = Duration::from_secs(3600);
/// A connection without work is given back after this.
pub const IDLE_AFTER: Duration = Duration::from_secs(60);

/// What one drain did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DrainReport {
    pub delivered: u64,
    /// Central already held them.
    pub confirmed: u64,
    pub set_aside: u64,
    pub rows: u64,
}

impl DrainReport {
    pub fn add(&mut self, more: &Self) {
        self.delivered += more.delivered;
        self.confirmed += more.confirmed;
        self.set_aside += more.set_aside;
        self.rows += more.rows;
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    #[error(transparent)]
    Buffer(#[from] BufferError),
    #[error(transparent)]
    Central(#[from] CentralError),
}

pub struct Courier {
    config: CentralConfig,
    application_name: String,
    claims: Claims,
    clock: Clock,
    central: Option<Central>,
    schema_ready: bool,
    /// Running time until which a session is left alone.
    aside_until: BTreeMap<i64, Duration>,
    audited_at: Option<Duration>,
    audited_all_at: Option<Duration>,
    /// Detail rows that go in one statement, as the line has shown.
    batch_rows: usize,
    /// Exchanges of connections that were given back.
    past_round_trips: u64,
}

impl Courier {
    pub fn new(config: CentralConfig, agent_id: &str, buffer_id: &str, clock: Clock) -> Self {
        let identity = Identity { agent_id: agent_id.to_owned(), buffer_id: buffer_id.to_owned() };
        Self {
            application_name: format!("cu-agent {agent_id}"),
            claims: Claims::new(identity, super::clock::random_id(), super::clock::host_name()),
            config,
            clock,
            central: None,
            schema_ready: false,
            aside_until: BTreeMap::new(),
            audited_at: None,
            audited_all_at: None,
            batch_rows: BATCH_ROWS,
            past_round_trips: 0,
        }
    }

    /// Exchanges with central so far.
    pub fn round_trips(&self) -> u64 {
        self.past_round_trips + self.central.as_ref().map_or(0, Central::round_trips)
    }

    /// Gives the connection back.
    pub fn release(&mut self) {
        if let Some(central) = self.central.take() {
            self.past_round_trips += central.round_trips();
        }
    }

    pub fn is_connected(&self) -> bool {
        self.central.is_some()
    }

    /// Whether there is anything that could be done now.
    pub fn has_work(&self, buffer: &Buffer) -> Result<bool, BufferError> {
        Ok(self.audit_is_due() || !self.due(buffer)?.is_empty())
    }

    /// Makes central equal to the buffer, as far as it can be now.
    pub fn drain(&mut self, buffer: &mut Buffer, stop: &Stop) -> Result<DrainReport, DrainError> {
        let result = self.drain_connected(buffer, stop);
        let now = self.clock.now().wall;
        match &result {
            Ok(report) => {
                let DrainReport { delivered, rows, confirmed, set_aside } = *report;
                if buffer.note_link(CENTRAL, None, &now)? {
                    journal::link_up("central", delivered, rows);
                } else if *report != DrainReport::default() {
                    journal::sent(delivered, rows, confirmed, set_aside);
                }
            }
            Err(DrainError::Central(error)) => {
                if error.ends_connection() || self.central.as_ref().is_some_and(Central::is_closed)
                {
                    self.release();
                }
                if error.again() == Retry::Slowly {
                    self.schema_ready = false;
                }
                // What central held before an outage is not taken on trust after it.
                self.audited_at = None;
                let text = journal::chain(error);
                if buffer.note_link(CENTRAL, Some(&text), &now)? {
                    journal::link_down("central", &text);
                }
            }
            Err(DrainError::Buffer(_)) => {}
        }
        result
    }

    fn drain_connected(
        &mut self,
        buffer: &mut Buffer,
        stop: &Stop,
    ) -> Result<DrainReport, DrainError> {
        self.connect()?;
        if self.audit_is_due() {
            self.audit(buffer, stop)?;
        }
        let mut report = DrainReport::default();
        loop {
            let due = self.due(buffer)?;
            if due.is_empty() || stop.is_set() {
                return Ok(report);
            }
            let batch = &due[..due.len().min(BATCH_SESSIONS)];
            if !self.sync_batch(buffer, batch, &mut report)? {
                return Ok(report);
            }
        }
    }

    fn connect(&mut self) -> Result<(), CentralError> {
        if self.central.as_ref().is_some_and(Central::is_closed) {
            self.release();
        }
        let mut central = match self.central.take() {
            Some(central) => central,
            None => Central::connect(&self.config, &self.application_name)?,
        };
        if !self.schema_ready {
            match central.schema_state()? {
                SchemaState::Ready => {}
                SchemaState::Newer { version } => journal::schema_newer(version),
                SchemaState::Behind { pending } => {
                    let applied = central.migrate()?;
                    journal::schema_migrated(&pending, &applied);
                }
            }
            self.schema_ready = true;
        }
        self.central = Some(central);
        Ok(())
    }

    fn central(&mut self) -> (&mut Central, &mut Claims) {
        let central = self.central.as_mut().expect("connect ran before");
        (central, &mut self.claims)
    }

    /// Waiting sessions that are not set aside for now.
    fn due(&self, buffer: &Buffer) -> Result<Vec<Pending>, BufferError> {
        let now = self.clock.now().uptime;
        let mut pending = buffer.pending()?;
        pending.retain(|one| self.aside_until.get(&one.id).is_none_or(|until| *until <= now));
        Ok(pending)
    }

    fn audit_is_due(&self) -> bool {
        let now = self.clock.now().uptime;
        self.audited_at.is_none_or(|at| now.saturating_sub(at) >= AUDIT_EVERY)
    }

    /// Compares what central is believed to hold with what it holds: it may have been restored from
    /// an older backup, or changed by hand. The newest sessions always, all of them once a day.
    fn audit(&mut self, buffer: &mut Buffer, stop: &Stop) -> Result<(), DrainError> {
        let now = self.clock.now().uptime;
        let all_due =
            self.audited_all_at.is_none_or(|at| now.saturating_sub(at) >= AUDIT_ALL_EVERY)
                && self.audited_at.is_some();
        let mut confirmed = buffer.confirmed()?;
        if !all_due {
            confirmed.truncate(AUDIT_SESSIONS);
        }
        let mut lost = Vec::new();
        for batch in confirmed.chunks(AUDIT_SESSIONS) {
            if stop.is_set() {
                return Ok(());
            }
            let States { sessions, .. } = self.states(batch)?;
            for (pending, held) in batch.iter().zip(&sessions) {
                let step = plan(&pending.session, held.as_ref(), &self.claims.identity);
                if step != Step::Confirm {
                    lost.push(pending.id);
                }
            }
        }
        if !lost.is_empty() {
            buffer.unconfirm(&lost)?;
            journal::central_lost(lost.len());
        }
        self.audited_at = Some(now);
        if all_due || self.audited_all_at.is_none() {
            self.audited_all_at = Some(now);
        }
        Ok(())
    }

    fn states(&mut self, batch: &[Pending]) -> Result<States, CentralError> {
        let keys: Vec<(&str, Day)> =
            batch.iter().map(|one| (one.session.machine.nom.as_str(), one.session.day)).collect();
        let (central, claims) = self.central();
        central.states(claims, &keys)
    }

    /// Brings one batch as far as it goes; `false` where nothing moved and going on would spin.
    fn sync_batch(
        &mut self,
        buffer: &mut Buffer,
        batch: &[Pending],
        report: &mut DrainReport,
    ) -> Result<bool, DrainError> {
        let states = self.states(batch)?;
        let missing: Vec<Machine> = batch
            .iter()
            .map(|one| &one.session.machine)
            .filter(|machine| states.missing_centres.contains(&machine.nom))
            .cloned()
            .collect();
        if !missing.is_empty() {
            let (central, _) = self.central();
            durably(durable::Step::EnsureCentres, || central.ensure_centres(&missing))?;
        }
        let mut moved = false;
        let mut confirmed = Vec::new();
        let mut deliveries = Vec::new();
        for (pending, held) in batch.iter().zip(states.sessions) {
            let nom = &pending.session.machine.nom;
            if let Some(claimed) = states.claimed.iter().find(|claimed| claimed.nom == *nom) {
                self.set_aside(buffer, pending, &claimed.to_string(), report)?;
                moved = true;
                continue;
            }
            match plan(&pending.session, held.as_ref(), &self.claims.identity) {
                Step::Confirm => confirmed.push((pending.id, pending.session.revision)),
                Step::Refuse(refusal) => {
                    self.set_aside(buffer, pending, &refusal.to_string(), report)?;
                    moved = true;
                }
                Step::Deliver { since_revision, .. } => {
                    let delivery = buffer.delivery(pending.id, since_revision)?;
                    let whole = since_revision == 0;
                    deliveries.push(Parcel { pending, held, delivery, whole });
                }
            }
        }
        if !confirmed.is_empty() {
            buffer.mark_synced(&confirmed)?;
            report.confirmed += confirmed.len() as u64;
            moved = true;
        }
        // New sessions go together: central then need not look for rows in their way.
        deliveries.sort_by_key(|parcel| parcel.held.is_some());
        for group in deliveries.chunk_by(|one, other| one.held.is_some() == other.held.is_some()) {
            for parcels in by_rows(group, self.batch_rows) {
                moved |= self.deliver(buffer, parcels, report)?;
            }
        }
        Ok(moved)
    }

    /// Delivers parcels in one statement; what central refuses is found by halving and set aside.
    fn deliver(
        &mut self,
        buffer: &mut Buffer,
        parcels: &[Parcel<'_>],
        report: &mut DrainReport,
    ) -> Result<bool, DrainError> {
        let orders: Vec<Order<'_>> = parcels
            .iter()
            .map(|parcel| Order { delivery: &parcel.delivery, replaces: parcel.held.as_ref() })
            .collect();
        let (central, claims) = self.central();
        let delivered = durably(durable::Step::Deliver, || central.deliver(claims, &orders));
        let outcomes = match delivered {
            Ok(outcomes) => outcomes,
            Err(error) if error.again() == Retry::Never => {
                if let [parcel] = parcels {
                    self.set_aside(buffer, parcel.pending, &journal::chain(&error), report)?;
                    return Ok(true);
                }
                let (first, second) = parcels.split_at(parcels.len() / 2);
                let moved = self.deliver(buffer, first, report)?;
                return Ok(self.deliver(buffer, second, report)? || moved);
            }
            Err(error) => {
                if error.smaller_may_pass() {
                    self.batch_rows = (self.batch_rows / 2).max(LEAST_BATCH_ROWS);
                }
                return Err(error.into());
            }
        };
        self.batch_rows = (self.batch_rows * 2).min(BATCH_ROWS);
        let mut written = Vec::new();
        let mut moved = false;
        for (parcel, outcome) in parcels.iter().zip(outcomes) {
            match outcome {
                Outcome::Written { complete: true } => {
                    written.push((parcel.pending.id, parcel.delivery.revision));
                    report.delivered += 1;
                    report.rows += parcel.rows() as u64;
                }
                Outcome::Written { complete: false } if parcel.whole => {
                    let reason = "central did not keep every row that was delivered (a trigger?)";
                    self.set_aside(buffer, parcel.pending, reason, report)?;
                    moved = true;
                }
                // Rows that were believed to be there are not: the next round sends every row.
                Outcome::Written { complete: false } => moved = true,
                Outcome::Claimed(claimed) => {
                    self.set_aside(buffer, parcel.pending, &claimed.to_string(), report)?;
                    moved = true;
                }
                Outcome::Overtaken | Outcome::NoCentre => {}
            }
        }
        if !written.is_empty() {
            buffer.mark_synced(&written)?;
            moved = true;
        }
        Ok(moved)
    }

    fn set_aside(
        &mut self,
        buffer: &mut Buffer,
        pending: &Pending,
        reason: &str,
        report: &mut DrainReport,
    ) -> Result<(), BufferError> {
        let now = self.clock.now();
        self.aside_until.insert(pending.id, now.uptime + SET_ASIDE_FOR);
        report.set_aside += 1;
        if pending.refusal.as_deref() != Some(reason) {
            journal::set_aside(&pending.session.machine.nom, pending.session.day, reason);
        }
        buffer.set_aside(pending, reason, &now.wall)
    }
}

/// A session on its way, and what central held when that was decided.
struct Parcel<'p> {
    pending: &'p Pending,
    held: Option<CentralSession>,
    delivery: Delivery,
    /// Every detail row is in it.
    whole: bool,
}

impl Parcel<'_> {
    fn rows(&self) -> usize {
        let Delivery { pieces, waits, stops, jobs, .. } = &self.delivery;
        pieces.len() + waits.len() + stops.len() + jobs.len()
    }
}

/// Cuts parcels into statements of at most `most_rows` rows; one parcel alone may have more.
fn by_rows<'s, 'p>(mut parcels: &'s [Parcel<'p>], most_rows: usize) -> Vec<&'s [Parcel<'p>]> {
    let mut cuts = Vec::new();
    while !parcels.is_empty() {
        let mut rows = 0;
        let fitting = parcels
            .iter()
            .take_while(|parcel| {
                rows += parcel.rows();
                rows <= most_rows
            })
            .count();
        let (cut, rest) = parcels.split_at(fitting.max(1));
        cuts.push(cut);
        parcels = rest;
    }
    cuts
}
