//! Carries sessions from the buffer to central: compares, delivers, notes what was confirmed. The
//! buffer and the sync never meet but here.
//!
//! Order of writes: central's transaction commits → the buffer notes the revision. A crash between
//! the two is harmless, because the next comparison finds central equal.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{LoopHandle, Shutdown, clock::Clock};
use crate::{
    buffer::{Buffer, BufferError, Pending},
    config::CentralConfig,
    failpoints::{self, durably},
    logging,
    model::{Day, Language, LinkName, Machine, printable},
    sync::{
        plan::{Identity, Step, plan},
        postgres::{
            Central, CentralError, Claimed, Claims, Retry, SchemaState, Server, States,
            sessions_pass_without,
        },
    },
};

mod audit;
mod edge;
mod parcel;

use audit::Audits;
pub use edge::Gateway;
use edge::{Occasion, Showing};
use parcel::{Parcel, Size};

/// Sessions compared, and at most delivered, in one exchange; no more are in memory.
const BATCH_SESSIONS: usize = 60;
/// A session that was set aside is tried again this much later, or by the next process.
const SET_ASIDE_FOR: Duration = Duration::from_secs(3600);
/// One that could not be delivered in time: another program holds a lock, perhaps.
const LATE_ASIDE_FOR: Duration = Duration::from_secs(300);
/// A session that another holds or changes meanwhile is tried so often in one drain.
const MOST_TRIES: u32 = 2;
/// Sessions that were set aside in one drain and are named in the log; the others are counted.
const NAMED_IN_LOG: u64 = 10;
/// Longest error of central's that is kept and shown.
const MOST_ERROR_CHARS: usize = 1000;
/// A takeover of a database of years: several migrations, each with minutes of its own.
const MIGRATING: Duration = Duration::from_secs(2 * 3600);
/// Without work the courier looks after this whether something has come due.
pub const IDLE_AFTER: Duration = Duration::from_secs(60);

/// How long a session is left alone.
struct Aside {
    /// Running time.
    until: Duration,
    /// Not any longer than it is at this revision.
    only_revision: Option<i64>,
}

impl Aside {
    fn is_over(&self, now: Duration, revision: i64) -> bool {
        self.until <= now || self.only_revision.is_some_and(|only| only != revision)
    }
}

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

    /// Whether central came to hold more, or is known to.
    fn has_progress(&self) -> bool {
        self.delivered + self.confirmed > 0
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
    language: Language,
    application_name: String,
    claims: Claims,
    gateway: Gateway,
    showing: Showing,
    clock: Clock,
    pulse: LoopHandle,
    central: Option<Central>,
    /// As it was when the last connection was opened.
    server: Option<Server>,
    schema_ready: bool,
    /// Sessions that are left alone for a while.
    aside: BTreeMap<i64, Aside>,
    /// Sessions whose delivery failed though nothing else travelled with it, and how often. They go
    /// last and alone, so that none of them holds up another.
    suspects: BTreeMap<i64, u32>,
    /// Sessions that the drain under way could not bring on, and how often.
    passed_over: BTreeMap<i64, u32>,
    /// Machines that are another's, as reported.
    claimed: BTreeMap<String, Claimed>,
    audits: Audits,
    size: Size,
    /// What the drain under way did so far.
    report: DrainReport,
    /// The link was down, and something has passed since.
    came_back: bool,
    /// This process's log tells that the link is down.
    told_down: bool,
}

impl Courier {
    pub fn new(
        config: CentralConfig,
        language: Language,
        agent_id: &str,
        buffer_id: &str,
        gateway: Gateway,
        clock: Clock,
        pulse: LoopHandle,
    ) -> Self {
        let identity = Identity { agent_id: agent_id.to_owned(), buffer_id: buffer_id.to_owned() };
        Self {
            application_name: format!("cu-agent {agent_id}"),
            claims: Claims::new(identity, super::clock::random_id(), super::clock::host_name()),
            config,
            gateway,
            showing: Showing::default(),
            language,
            clock,
            pulse,
            central: None,
            server: None,
            schema_ready: false,
            aside: BTreeMap::new(),
            suspects: BTreeMap::new(),
            passed_over: BTreeMap::new(),
            claimed: BTreeMap::new(),
            audits: Audits::default(),
            size: Size::default(),
            report: DrainReport::default(),
            came_back: false,
            told_down: false,
        }
    }

    /// Gives the connection back.
    fn release(&mut self) {
        self.central = None;
    }

    /// Gives the connection back where others may want it: at once where central has few left, and after
    /// a while without work where it is a pooler's, whose own limit nobody sees from here. Otherwise it
    /// stays: a log-in costs more than a day's news.
    pub fn release_for_others(&mut self, was_idle: bool) {
        let is_crowded = self.server.as_ref().is_some_and(|server| server.is_crowded);
        let is_pooled = self.central.as_ref().is_some_and(|central| !central.has_own_session());
        if is_crowded || is_pooled && was_idle {
            self.release();
        }
    }

    /// The delivering loop's signs of life.
    pub fn pulse(&self) -> &LoopHandle {
        &self.pulse
    }

    /// Whether there is anything that could be done now.
    pub fn has_work(&self, buffer: &Buffer) -> Result<bool, BufferError> {
        Ok(self.audit_is_due() || !self.due(buffer, 1)?.is_empty() || self.edge_is_due(buffer)?)
    }

    /// Whether the last drain made central hold more, though it may have failed in the end.
    pub fn made_progress(&self) -> bool {
        self.report.has_progress()
    }

    /// What the last drain did, though it may have failed in the end.
    pub fn report(&self) -> DrainReport {
        self.report
    }

    /// Makes central equal to the buffer, as far as it can be now.
    pub fn drain(
        &mut self,
        buffer: &mut Buffer,
        stop: &Shutdown,
    ) -> Result<DrainReport, DrainError> {
        self.report = DrainReport::default();
        self.showing.begin(self.clock.now().uptime);
        let result = self.drain_connected(buffer, stop);
        if !matches!(result, Err(DrainError::Buffer(_))) && !stop.must_stop() {
            // Also where the sessions do not pass: then somebody should see it.
            self.show_edge(buffer, Occasion::AtEnd)?;
        }
        self.passed_over.clear();
        let report = self.report;
        if result.is_ok() {
            self.note_link_up(buffer)?;
        }
        if std::mem::take(&mut self.came_back) {
            logging::link_up(&LinkName::Central, report.delivered, report.rows);
        } else if report != DrainReport::default() {
            let DrainReport { delivered, rows, confirmed, set_aside } = report;
            logging::sent(delivered, rows, confirmed, set_aside);
        }
        if let Err(DrainError::Central(error)) = &result {
            // A session keeps what it was begun with: that central is read-only, say, or an address
            // that central no longer has. The next try begins anew.
            self.release();
            if error.again() == Retry::Slowly {
                self.schema_ready = false;
            }
            // What central held before an outage is not taken on trust after it.
            self.audits.forget();
            // What a server says of itself is as long as it likes.
            let text = printable(&logging::chain(error), MOST_ERROR_CHARS);
            let news = buffer.links_mut().note_link(
                &LinkName::Central,
                Some(&text),
                &self.clock.now().wall_text(),
            )?;
            // Also where an earlier process knew it: this one's log is to tell it.
            if news || !self.told_down {
                logging::link_down(&LinkName::Central, &text);
            }
            self.told_down = true;
        }
        result.map(|()| report)
    }

    /// The link counts as up as soon as something has passed, however much still waits. It is not
    /// said before the end of the drain, when it is known what was sent.
    fn note_link_up(&mut self, buffer: &mut Buffer) -> Result<(), BufferError> {
        self.came_back |= buffer.links_mut().note_link(
            &LinkName::Central,
            None,
            &self.clock.now().wall_text(),
        )?;
        self.told_down = false;
        Ok(())
    }

    fn drain_connected(&mut self, buffer: &mut Buffer, stop: &Shutdown) -> Result<(), DrainError> {
        self.connect()?;
        while !stop.must_stop() {
            self.show_edge(buffer, Occasion::UnderWay)?;
            if self.central.is_none() {
                // The row took the connection along.
                self.connect()?;
            }
            if self.audit_is_due() {
                self.audit(buffer, stop)?;
            }
            let batch = self.due(buffer, BATCH_SESSIONS)?;
            if batch.is_empty() {
                break;
            }
            self.sync_batch(buffer, &batch, stop)?;
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), CentralError> {
        self.pulse.checkin();
        if self.central.as_mut().is_some_and(Central::is_closed) {
            // It may have been restarted with other data.
            self.audits.forget();
            self.release();
        }
        let mut central = match self.central.take() {
            Some(central) => central,
            None => self.open()?,
        };
        if !self.schema_ready {
            match central.schema_state()? {
                SchemaState::Ready => {}
                SchemaState::Newer { version } => logging::schema_newer(version),
                SchemaState::Behind { pending } => {
                    self.pulse.expect_idle(MIGRATING);
                    match central.migrate() {
                        Ok(applied) => logging::schema_migrated(&pending, &applied),
                        Err(error) if sessions_pass_without(&pending) && !central.is_closed() => {
                            self.showing.failed(self.clock.now().uptime, &error);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            self.schema_ready = true;
        }
        self.central = Some(central);
        Ok(())
    }

    fn open(&mut self) -> Result<Central, CentralError> {
        let central = Central::connect(&self.config, &self.application_name)?;
        let server = central.server();
        let before = self.server.replace(server.clone());
        if before.is_some_and(|before| before.incarnation != server.incarnation) {
            // Restarted or restored while this gateway held no connection.
            self.audits.forget();
        }
        Ok(central)
    }

    /// For the next exchange; each is a sign of life.
    fn central(&mut self) -> (&mut Central, &mut Claims) {
        self.pulse.checkin();
        let central = self.central.as_mut().expect("connect ran before");
        (central, &mut self.claims)
    }

    /// At most `most` waiting sessions that are not set aside for now; one of the suspects where
    /// nothing else waits.
    fn due(&self, buffer: &Buffer, most: usize) -> Result<Vec<Pending>, BufferError> {
        self.pulse.checkin();
        let now = self.clock.now().uptime;
        let is_due = |id, revision| {
            self.aside.get(&id).is_none_or(|aside| aside.is_over(now, revision))
                && self.passed_over.get(&id).is_none_or(|times| *times < MOST_TRIES)
        };
        let due = buffer.outbox().pending(most, |id, revision| {
            is_due(id, revision) && !self.suspects.contains_key(&id)
        })?;
        if due.is_empty() && !self.suspects.is_empty() {
            buffer.outbox().pending(1, is_due)
        } else {
            Ok(due)
        }
    }

    fn states(&mut self, batch: &[Pending]) -> Result<States, CentralError> {
        let keys: Vec<(&str, Day)> =
            batch.iter().map(|one| (one.session.machine.nom.as_str(), one.session.day)).collect();
        let (central, claims) = self.central();
        central.states(claims, &keys)
    }

    /// Brings one batch as far as it goes. Each of its sessions is then confirmed, set aside, a
    /// suspect or passed over, so that the next batch is another one.
    fn sync_batch(
        &mut self,
        buffer: &mut Buffer,
        batch: &[Pending],
        stop: &Shutdown,
    ) -> Result<(), DrainError> {
        let states = self.states(batch)?;
        let missing: BTreeSet<&Machine> = batch
            .iter()
            .map(|one| &one.session.machine)
            .filter(|machine| states.missing_centres.contains(&machine.nom))
            .collect();
        if !missing.is_empty() {
            let missing: Vec<Machine> = missing.into_iter().cloned().collect();
            let (central, _) = self.central();
            durably(failpoints::Step::EnsureCentres, || central.ensure_centres(&missing))?;
        }
        self.report_claims(batch, &states.claimed);
        let mut confirmed = Vec::new();
        let mut refused = Vec::new();
        let mut know_less = Vec::new();
        let mut deliveries = Vec::new();
        for (pending, held) in batch.iter().zip(states.sessions) {
            let nom = &pending.session.machine.nom;
            let revision = held.as_ref().and_then(|held| held.revision).unwrap_or(0);
            if revision < pending.session.synced_revision {
                self.audits.doubt();
            }
            if let Some(claimed) = states.claimed.iter().find(|claimed| claimed.nom == *nom) {
                refused.push((pending, claimed.to_string()));
                continue;
            }
            match plan(&pending.session, held.as_ref(), &self.claims.identity) {
                Step::Confirm => confirmed.push((pending.id, pending.session.revision)),
                Step::Refuse(refusal) => {
                    know_less.push((pending.id, pending.session.revision));
                    refused.push((pending, refusal.to_string()));
                }
                Step::Deliver { since_revision, .. } => {
                    let mut delivery = buffer.outbox().delivery(pending.id, since_revision)?;
                    delivery.language = self.language;
                    let whole = since_revision == 0;
                    deliveries.push(Parcel { pending, held, delivery, whole });
                }
            }
        }
        if !refused.is_empty() {
            self.set_aside(buffer, refused, SET_ASIDE_FOR)?;
        }
        // A buffer that is rebuilt knows more with every file that it reads.
        for (id, revision) in know_less {
            if let Some(aside) = self.aside.get_mut(&id) {
                aside.only_revision = Some(revision);
            }
        }
        if !confirmed.is_empty() {
            buffer.outbox_mut().mark_synced(&confirmed)?;
            self.report.confirmed += confirmed.len() as u64;
        }
        if self.report.has_progress() {
            self.note_link_up(buffer)?;
        }
        self.deliver_all(buffer, deliveries, stop)
    }

    /// Says once that a machine is another's, and once that it no longer is.
    fn report_claims(&mut self, batch: &[Pending], claimed: &[Claimed]) {
        for pending in batch {
            let nom = &pending.session.machine.nom;
            match (claimed.iter().find(|claimed| claimed.nom == *nom), self.claimed.get(nom)) {
                (None, None) => {}
                (None, Some(_)) => {
                    self.claimed.remove(nom);
                    logging::claim_over(nom);
                }
                (Some(now), Some(told)) if told.instance_id == now.instance_id => {}
                (Some(now), _) => {
                    logging::claimed(nom, now);
                    self.claimed.insert(nom.clone(), now.clone());
                }
            }
        }
    }

    /// Leaves sessions alone for a while. A machine that is another's was reported as such.
    fn set_aside(
        &mut self,
        buffer: &mut Buffer,
        refused: Vec<(&Pending, String)>,
        time: Duration,
    ) -> Result<(), BufferError> {
        let now = self.clock.now();
        self.aside.retain(|_, aside| aside.until > now.uptime);
        for (pending, reason) in &refused {
            let aside = Aside { until: now.uptime + time, only_revision: None };
            self.aside.insert(pending.id, aside);
            self.suspects.remove(&pending.id);
            self.report.set_aside += 1;
            let nom = &pending.session.machine.nom;
            if pending.refusal.as_ref() != Some(reason)
                && !self.claimed.contains_key(nom)
                && self.report.set_aside <= NAMED_IN_LOG
            {
                logging::set_aside(nom, pending.session.day, reason, time);
            }
        }
        buffer.outbox_mut().set_aside(&refused, &now.wall_text())
    }
}
