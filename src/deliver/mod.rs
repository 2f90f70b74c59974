//! Carries sessions from the buffer to central: compares, delivers, notes what was confirmed. Buffer and
//! sync meet only here.
//!
//! Order of writes: central's transaction commits → the buffer notes the revision. A crash between
//! the two is harmless, because the next comparison finds central equal.
//!
//! What must never happen here: one session that central does not take keeping the others from it.

mod audit; // central compared with what it confirmed
mod backoff; // how long to wait after a failure
mod batch; // what becomes of the sessions of one exchange
mod calendar; // the plant's calendar, kept as central tells it
mod compare; // what a session needs in central
mod connection; // the connection, its schema, the claims on machines
mod link; // what buffer and log say of the link
mod planned; // planned days without a session
mod presence; // when the gateway writes its own row
mod quarantine; // which sessions are left alone, pure
mod security; // events of security
mod settings; // settings that central gives
mod settle; // what people did to the machines in central
mod shipment; // what goes in one statement, pure

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Local, TimeDelta};

use crate::{
    buffer::{Buffer, BufferError, Pending, Synced},
    config::CentralConfig,
    logging,
    model::{Language, LastUpdate, SelfUpdate, SettingsThere, SettingsTold, WallTime},
    sync::postgres::{CentralError, Claims, Retry, ServerEncoding},
};

use audit::Audits;
use calendar::PlantListener;
use connection::Connection;
use link::LinkState;
use planned::PlannedDays;
use presence::{PresenceReporter, Trigger};
use quarantine::{Quarantine, Turn};
use settle::Settler;
use shipment::StatementSize;

pub(crate) use backoff::Backoff;
pub(crate) use presence::Gateway;

/// Sessions compared, and at most delivered, in one exchange; no more are in memory.
const BATCH_SESSIONS: usize = 60;
/// Without work the deliverer looks after this time whether something has come due.
pub(crate) const IDLE_AFTER: Duration = Duration::from_secs(60);

/// What the process around a [`Deliverer`] provides: clocks, watchdog, shutdown.
pub(crate) trait Runtime: Send + Sync {
    /// The computer's running time.
    fn uptime(&self) -> Duration;
    /// The wall clock, which is only written down.
    fn wall(&self) -> DateTime<Local>;
    /// The wall clock as the buffer keeps it.
    fn noted_now(&self) -> WallTime;
    /// A step is done; the watchdog expects the next one soon.
    fn check_in(&self);
    /// The next step may take this long.
    fn expect_idle(&self, time: Duration);
    /// Whether nothing new is to be begun.
    fn is_ending(&self) -> bool;
    /// What became of the last update of this gateway.
    fn last_update(&self) -> Option<LastUpdate>;

    /// `None`: it has none.
    fn self_update(&self) -> Option<SelfUpdate>;

    /// What was heard of central's settings, once it is known what works without them; `None`: they are not asked
    /// for.
    fn settings_mark(&self) -> Option<String>;

    /// What central told of its settings.
    fn hear_settings(&self, there: &SettingsThere);

    /// `None`: it takes none.
    fn settings_told(&self) -> Option<SettingsTold>;
}

/// What of the configuration is in the values that central gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Of the sentences of anomalies.
    pub(crate) language: Language,
    /// How long after midnight production days begin.
    pub(crate) day_start: TimeDelta,
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
    pub(crate) fn add(&mut self, more: &Self) {
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

/// Makes central equal to the buffer, one [`drain`](Self::drain) at a time.
pub(crate) struct Deliverer {
    runtime: Arc<dyn Runtime>,
    terms: Terms,
    connection: Connection,
    quarantine: Quarantine,
    audits: Audits,
    settler: Settler,
    planned: PlannedDays,
    presence: PresenceReporter,
    plant: PlantListener,
    size: StatementSize,
    link: LinkState,
    /// What the drain under way did so far.
    report: DrainReport,
    /// What it delivered because central held other values, and has not seen there since. By the session's
    /// id; no more than one batch.
    unverified: BTreeMap<i64, Synced>,
}

impl Deliverer {
    pub(crate) fn new(
        config: CentralConfig,
        terms: Terms,
        claims: Claims,
        gateway: Gateway,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        let machines = gateway.machines().iter().map(|fed| fed.machine.nom.clone()).collect();
        Self {
            terms,
            connection: Connection::new(config, claims, machines, Arc::clone(&runtime)),
            quarantine: Quarantine::default(),
            audits: Audits::default(),
            settler: Settler::new(gateway.machines().to_vec(), gateway.day_start()),
            planned: PlannedDays::default(),
            presence: PresenceReporter::new(gateway, Arc::clone(&runtime)),
            plant: PlantListener::default(),
            size: StatementSize::default(),
            link: LinkState::default(),
            report: DrainReport::default(),
            unverified: BTreeMap::new(),
            runtime,
        }
    }

    /// See [`Connection::release_for_others`].
    pub(crate) fn release_for_others(&mut self, was_idle: bool) {
        self.connection.release_for_others(was_idle);
    }

    /// Whether there is anything that could be done now.
    pub(crate) fn has_work(&self, buffer: &Buffer) -> Result<bool, BufferError> {
        Ok(self.audits.is_due(self.runtime.uptime())
            || !self.due(buffer, 1)?.is_empty()
            || self.has_planned(buffer)?
            || self.presence.is_due(buffer, Trigger::Idle)?)
    }

    /// Whether the last drain made central hold more, though it may have failed in the end.
    pub(crate) fn made_progress(&self) -> bool {
        self.report.has_progress()
    }

    /// What the last drain did, though it may have failed in the end.
    pub(crate) fn report(&self) -> DrainReport {
        self.report
    }

    /// Makes central equal to the buffer, as far as it can be now.
    pub(crate) fn drain(&mut self, buffer: &mut Buffer) -> Result<DrainReport, DrainError> {
        self.report = DrainReport::default();
        self.unverified.clear();
        self.connection.doubt_columns();
        self.presence.begin();
        let mut result = self.drain_connected(buffer);
        if !matches!(result, Err(DrainError::Buffer(_))) && !self.runtime.is_ending() {
            // Also if the sessions do not pass: then somebody should see it.
            self.presence.report(&mut self.connection, buffer, Trigger::AtEnd)?;
            self.plant.hear(&mut self.connection, buffer, self.runtime.noted_now())?;
        }
        if result.is_ok() && self.connection.is_open() && self.hears_of_writers(buffer)? {
            result = self.drain_connected(buffer);
        }
        self.quarantine.drain_ended();
        if result.is_ok() {
            self.link.note_up(buffer, self.connection.host(), self.runtime.noted_now())?;
        }
        self.link.log_sent(&self.report);
        if let Some((encoding, texts)) = self.connection.take_changed_texts() {
            let now = self.runtime.noted_now();
            buffer.links_mut().note_changed_texts(&encoding, texts, now)?;
            logging::texts_changed(&encoding, texts);
        }
        if let Err(DrainError::Central(error)) = &result {
            // A session keeps what it was begun with: that central is read-only, say, or an address
            // that central no longer has. The next try begins from scratch.
            self.connection.close();
            if error.again() == Retry::Slowly {
                self.connection.forget_schema();
            }
            // What central held before an outage is not taken on trust after it.
            self.audits.forget();
            self.presence.forget();
            self.link.note_down(buffer, error, self.runtime.noted_now())?;
        }
        result.map(|()| self.report)
    }

    fn drain_connected(&mut self, buffer: &mut Buffer) -> Result<(), DrainError> {
        self.connect(buffer)?;
        while !self.runtime.is_ending() {
            self.presence.report(&mut self.connection, buffer, Trigger::UnderWay)?;
            self.plant.hear(&mut self.connection, buffer, self.runtime.noted_now())?;
            if !self.connection.is_open() {
                // The row took the connection along.
                self.connect(buffer)?;
            }
            self.hears_of_writers(buffer)?;
            let now = self.runtime.uptime();
            let audit_is_due = self.audits.is_due(now);
            if self.settler.is_due(audit_is_due, now) {
                self.settler.run(&mut self.connection, buffer, now)?;
            }
            if audit_is_due {
                if self.connection.lacks_times() {
                    // An administrator may have made the table meanwhile.
                    self.connection.forget_schema();
                    self.connect(buffer)?;
                }
                self.audits.run(&mut self.connection, buffer, self.terms, &*self.runtime)?;
            }
            let batch = self.due(buffer, BATCH_SESSIONS)?;
            if batch.is_empty() {
                self.deliver_planned(buffer)?;
                if self.audits.is_glance_due(now)
                    && self.audits.glance(&mut self.connection, buffer, self.terms, now)?
                {
                    continue;
                }
                break;
            }
            self.sync_batch(buffer, &batch)?;
        }
        Ok(())
    }

    /// Tells what other programs wrote to the agent's rows. Then all that central holds is compared, at once.
    fn hears_of_writers(&mut self, buffer: &mut Buffer) -> Result<bool, DrainError> {
        let wrote = self.connection.take_news()
            && self.settler.look_at_writers(&mut self.connection, buffer, &*self.runtime)?;
        if wrote {
            self.audits.doubt();
        }
        Ok(wrote)
    }

    fn connect(&mut self, buffer: &mut Buffer) -> Result<(), DrainError> {
        if self.connection.open()?.may_hold_other_data {
            self.audits.forget();
        }
        if self.connection.encoding() != ServerEncoding::Utf8 {
            self.connection.note_delivered(buffer.outbox().delivered_machines()?);
        }
        let has_delivered = || buffer.outbox().has_delivered();
        if let Some(error) = self.connection.prepare_schema(has_delivered)? {
            self.presence.failed(&error);
        }
        if let Some(has_times) = self.connection.take_has_times() {
            let lacked_times = buffer.links().central_told()?.lacks_times;
            if lacked_times && has_times {
                self.audits.expect_times();
            }
            if lacked_times == has_times {
                buffer.links_mut().note_central(|told| told.lacks_times = !has_times)?;
            }
        }
        Ok(())
    }

    /// At most `most` waiting sessions that may travel now; one of those that go last if no other is
    /// left.
    fn due(&self, buffer: &Buffer, most: usize) -> Result<Vec<Pending>, BufferError> {
        self.runtime.check_in();
        let now = self.runtime.uptime();
        let turn = |id, revision| self.quarantine.turn(id, revision, now);
        let due = buffer.outbox().pending(most, |id, revision| turn(id, revision) == Turn::Now)?;
        if due.is_empty() && self.quarantine.has_suspects() {
            buffer.outbox().pending(1, |id, revision| turn(id, revision) != Turn::Later)
        } else {
            Ok(due)
        }
    }
}
