//! What becomes of the sessions of one exchange: confirmed, delivered, refused, or left for later.
//!
//! What must never happen here: one session that central does not take keeping the others from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Deliverer, DrainError,
    compare::{Content, Planned, compared},
    quarantine::{Cause, Verdict},
    shipment::Shipment,
};
use crate::{
    buffer::{Buffer, BufferError, Pending, Synced},
    logging,
    model::{ContentDigest, Machine},
    sync::{
        plan::{Because, Step},
        postgres::{AnswerCode, CentralError, Fault, Order, Outcome, States},
    },
};

/// Unknown answers taken for the sessions' own fault only if another session passes meanwhile.
const ODD_ANSWERS: usize = 3;
/// Sessions that were set aside in one drain and are named in the log; the others are counted.
const NAMED_IN_LOG: u64 = 10;

/// A session that is left alone for a while.
struct Refused<'p> {
    pending: &'p Pending,
    cause: Cause,
    /// For people.
    reason: String,
}

/// A session that central answered in a way the agent does not know.
struct Odd<'p> {
    pending: &'p Pending,
    code: AnswerCode,
    error: CentralError,
}

/// What the sessions of a batch need.
#[derive(Default)]
struct Sorted<'p> {
    confirmed: Vec<Synced>,
    refused: Vec<Refused<'p>>,
    shipments: Vec<Shipment<'p>>,
}

impl Deliverer {
    /// Brings one batch as far as it goes. Each of its sessions is then confirmed or has a standing in
    /// quarantine, so that the next batch is another one.
    pub(super) fn sync_batch(
        &mut self,
        buffer: &mut Buffer,
        batch: &[Pending],
    ) -> Result<(), DrainError> {
        let (mut states, mut plans) = self.compared(buffer, batch)?;
        let mut refused = Vec::new();
        let missing: BTreeSet<&Machine> = batch
            .iter()
            .map(|one| &one.session.machine)
            .filter(|machine| states.missing_centres.contains(&machine.nom))
            .collect();
        if !missing.is_empty() {
            let missing: Vec<Machine> = missing.into_iter().cloned().collect();
            let without = self.ensure_centres(&missing)?;
            for pending in batch {
                let nom = &pending.session.machine.nom;
                if let Some((_, reason)) = without.iter().find(|(refused, _)| refused == nom) {
                    let reason = reason.clone();
                    refused.push(Refused { pending, cause: Cause::Refused, reason });
                }
            }
            // Of a centre that was deleted, sessions may be left: they are not sent, but moved.
            if self.settler.run(&mut self.connection, buffer, self.runtime.uptime())? {
                (states, plans) = self.compared(buffer, batch)?;
            }
        }
        let without: Vec<i64> = refused.iter().map(|one| one.pending.id).collect();
        let Sorted { confirmed, refused: more, mut shipments } =
            self.sorted(buffer, batch, states, plans)?;
        refused.extend(more);
        shipments.retain(|shipment| !without.contains(&shipment.pending.id));
        if !refused.is_empty() {
            self.set_aside(buffer, refused)?;
        }
        if !confirmed.is_empty() {
            buffer.outbox_mut().mark_synced(&confirmed)?;
            for one in &confirmed {
                // What this drain delivered was counted then.
                if self.unverified.remove(&one.id).is_none() {
                    self.report.confirmed += 1;
                }
                self.quarantine.passed(one.id);
            }
        }
        if self.report.has_progress() {
            self.link.note_up(buffer, self.connection.host(), self.runtime.noted_now())?;
        }
        self.deliver_all(buffer, shipments)
    }

    /// Makes the rows of machines that central does not know yet; those that it refuses, and why. A machine
    /// that a policy, a constraint or a trigger keeps out keeps no other one out.
    fn ensure_centres(
        &mut self,
        missing: &[Machine],
    ) -> Result<Vec<(String, String)>, CentralError> {
        let error = match self.connection.ensure_centres(missing) {
            Ok(()) => return Ok(Vec::new()),
            Err(error) => error,
        };
        match (error.fault(), missing) {
            (Fault::Session | Fault::Unknown(_), [machine]) => {
                Ok(vec![(machine.nom.clone(), error.reason())])
            }
            (Fault::Session | Fault::Unknown(_), _) => {
                let (first, second) = missing.split_at(missing.len() / 2);
                let mut refused = self.ensure_centres(first)?;
                refused.extend(self.ensure_centres(second)?);
                Ok(refused)
            }
            _ => Err(error),
        }
    }

    /// What central holds of the batch, and what each session needs there.
    fn compared(
        &mut self,
        buffer: &Buffer,
        batch: &[Pending],
    ) -> Result<(States, Vec<Planned>), DrainError> {
        let sent = |pending: &Pending| sent_of(&self.unverified, pending);
        compared(buffer, &mut self.connection, self.terms, batch, sent)
    }

    fn sorted<'p>(
        &mut self,
        buffer: &Buffer,
        batch: &'p [Pending],
        states: States,
        plans: Vec<Planned>,
    ) -> Result<Sorted<'p>, BufferError> {
        let mut sorted = Sorted::default();
        for ((pending, held), Planned { step, header }) in
            batch.iter().zip(states.sessions).zip(plans)
        {
            let session = &pending.session;
            let held_revision = held.as_ref().and_then(|held| held.revision).unwrap_or(0);
            if held_revision < session.synced_revision {
                self.audits.doubt();
            }
            let is_claimed_by = states.claimed.iter().find(|one| one.nom == session.machine.nom);
            if let Some(claimed) = is_claimed_by {
                let reason = claimed.to_string();
                sorted.refused.push(Refused { pending, cause: Cause::Refused, reason });
                continue;
            }
            match step {
                Step::Digest => self.quarantine.passed_over(pending.id),
                Step::Confirm => sorted.confirmed.push(Synced {
                    id: pending.id,
                    revision: session.revision,
                    content: held.and_then(|held| held.content),
                }),
                Step::Refuse(refusal) => sorted.refused.push(Refused {
                    pending,
                    cause: Cause::KnowsLess { revision: session.revision },
                    reason: refusal.to_string(),
                }),
                Step::Deliver { because, .. }
                    if because.is_doubtful() && sent_of(&self.unverified, pending).is_some() =>
                {
                    self.unverified.remove(&pending.id);
                    let cause = self.quarantine.not_kept(pending.id);
                    sorted.refused.push(Refused { pending, cause, reason: not_kept(because) });
                }
                Step::Deliver { since_revision, because } => {
                    if because.is_difference() && session.synced_revision > 0 {
                        // What was changed here may have been changed elsewhere.
                        self.audits.doubt();
                    }
                    let content = match header {
                        Some(header) if because == Because::HeaderDiffers => header,
                        _ => self.read(buffer, pending.id, since_revision)?,
                    };
                    sorted.shipments.push(Shipment {
                        pending,
                        held,
                        delivery: content.delivery,
                        digest: content.digest,
                        whole: since_revision == 0,
                        because,
                    });
                }
            }
        }
        Ok(sorted)
    }

    fn read(&self, buffer: &Buffer, id: i64, since_revision: i64) -> Result<Content, BufferError> {
        Content::read(buffer, &self.connection, self.terms, id, since_revision)
    }

    /// Leaves sessions alone for a while. A machine that another agent feeds was logged as such.
    fn set_aside(
        &mut self,
        buffer: &mut Buffer,
        refused: Vec<Refused<'_>>,
    ) -> Result<(), BufferError> {
        let now = self.runtime.uptime();
        let mut noted = Vec::with_capacity(refused.len());
        for Refused { pending, cause, reason } in refused {
            let time = cause.lasts();
            self.quarantine.set_aside(pending.id, cause, now);
            self.report.set_aside += 1;
            let nom = &pending.session.machine.nom;
            if pending.refusal.as_ref() != Some(&reason)
                && !self.connection.is_foreign(nom)
                && self.report.set_aside <= NAMED_IN_LOG
            {
                logging::set_aside(nom, pending.session.day, &reason, time);
            }
            noted.push((pending, reason));
        }
        buffer.outbox_mut().set_aside(&noted, self.runtime.noted_now())
    }

    /// Delivers all shipments, statement by statement.
    fn deliver_all(
        &mut self,
        buffer: &mut Buffer,
        mut shipments: Vec<Shipment<'_>>,
    ) -> Result<(), DrainError> {
        shipments.sort_by_key(|shipment| !shipment.is_new());
        let mut rest = shipments.as_slice();
        let mut odd = Vec::new();
        while !rest.is_empty() && !self.runtime.is_ending() {
            let (next, behind) = rest.split_at(self.size.fitting(rest));
            self.deliver(buffer, next, &mut odd)?;
            rest = behind;
        }
        if odd.is_empty() {
            return Ok(());
        }
        // Others passed on the same connection, or did when these were set aside before: it is these
        // sessions, and not central.
        let is_known = |Odd { pending, code, .. }: &Odd<'_>| {
            self.quarantine.is_known(pending.id, code, pending.refusal.is_some())
        };
        if self.report.delivered > 0 || odd.iter().all(is_known) {
            let refused = odd.into_iter().map(|Odd { pending, code, error }| Refused {
                pending,
                cause: Cause::Unknown(code),
                reason: error.reason(),
            });
            self.set_aside(buffer, refused.collect())?;
            return Ok(());
        }
        Err(odd.swap_remove(0).error.into())
    }

    /// Delivers shipments in one statement; what central does not take is found by halving.
    fn deliver<'p>(
        &mut self,
        buffer: &mut Buffer,
        shipments: &[Shipment<'p>],
        odd: &mut Vec<Odd<'p>>,
    ) -> Result<(), DrainError> {
        let orders: Vec<Order<'_>> = shipments
            .iter()
            .map(|one| Order { delivery: &one.delivery, replaces: one.held.as_ref() })
            .collect();
        let error = match self.connection.deliver(&orders) {
            Ok(outcomes) => {
                self.size.grow();
                return Ok(self.delivered(buffer, shipments, outcomes)?);
            }
            Err(error) => error,
        };
        match (error.fault(), shipments) {
            (Fault::Session, [Shipment { pending, .. }]) => {
                let reason = error.reason();
                let refused = Refused { pending, cause: Cause::Refused, reason };
                Ok(self.set_aside(buffer, vec![refused])?)
            }
            (Fault::Unknown(code), [Shipment { pending, .. }]) => {
                if odd.len() + 1 >= ODD_ANSWERS
                    && self.report.delivered == 0
                    && pending.refusal.is_none()
                {
                    return Err(error.into());
                }
                odd.push(Odd { pending, code, error });
                Ok(())
            }
            (Fault::Session | Fault::Unknown(_), _) => {
                let (first, second) = shipments.split_at(shipments.len() / 2);
                self.deliver(buffer, first, odd)?;
                self.deliver(buffer, second, odd)
            }
            (Fault::Transfer, _) => self.did_not_pass(buffer, shipments, error),
            (Fault::Central, _) => Err(error.into()),
        }
    }

    /// The next try brings fewer at once, until one alone does not pass: that one then goes last.
    fn did_not_pass(
        &mut self,
        buffer: &mut Buffer,
        shipments: &[Shipment<'_>],
        error: CentralError,
    ) -> Result<(), DrainError> {
        self.size.shrink();
        let [Shipment { pending, .. }] = shipments else { return Err(error.into()) };
        match self.quarantine.did_not_pass(pending.id, error.ends_connection()) {
            Verdict::TryAgain => Err(error.into()),
            Verdict::SetAside => {
                let reason = error.reason();
                let refused = Refused { pending, cause: Cause::Late, reason };
                self.set_aside(buffer, vec![refused])?;
                if error.ends_connection() { Err(error.into()) } else { Ok(()) }
            }
        }
    }

    fn delivered(
        &mut self,
        buffer: &mut Buffer,
        shipments: &[Shipment<'_>],
        outcomes: Vec<Outcome>,
    ) -> Result<(), BufferError> {
        let mut written = Vec::new();
        let mut refused = Vec::new();
        for (shipment, outcome) in shipments.iter().zip(outcomes) {
            let pending = shipment.pending;
            let refusal = match outcome {
                Outcome::Written { complete: true } => {
                    let synced = Synced {
                        id: pending.id,
                        revision: shipment.delivery.revision,
                        content: Some(shipment.digest),
                    };
                    if shipment.because.is_doubtful() {
                        // The next round sees whether central keeps it this time.
                        self.unverified.insert(pending.id, synced);
                    } else {
                        self.quarantine.passed(pending.id);
                        written.push(synced);
                    }
                    self.report.delivered += 1;
                    self.report.rows += shipment.rows() as u64;
                    continue;
                }
                Outcome::Written { complete: false } if shipment.whole => {
                    format!(
                        "central did not keep every row that was delivered (a trigger?){}",
                        self.connection.swallowers()
                    )
                }
                // Nobody else made the row meanwhile: it was looked for, and was not there.
                Outcome::Overtaken
                    if shipment.is_new() && self.quarantine.was_passed_over(pending.id) =>
                {
                    format!(
                        "central took the session and kept no row of it (a trigger or a rule?){}",
                        self.connection.swallowers()
                    )
                }
                // It was made, and the answer was that it was.
                Outcome::NoCentre if self.quarantine.was_passed_over(pending.id) => format!(
                    "central took the machine's centre and kept no row of it (a trigger or a rule?){}",
                    self.connection.swallowers()
                ),
                Outcome::Claimed(claimed) => claimed.to_string(),
                // Rows that were believed to be there are not: the next round sends every row.
                Outcome::Written { complete: false } | Outcome::Overtaken | Outcome::NoCentre => {
                    self.quarantine.passed_over(pending.id);
                    continue;
                }
            };
            refused.push(Refused { pending, cause: Cause::Refused, reason: refusal });
        }
        if !written.is_empty() {
            buffer.outbox_mut().mark_synced(&written)?;
            self.link.note_up(buffer, self.connection.host(), self.runtime.noted_now())?;
        }
        if !refused.is_empty() {
            self.set_aside(buffer, refused)?;
        }
        Ok(())
    }
}

/// The digest of what the drain under way delivered of the session, if it is to be seen that it is kept.
fn sent_of(unverified: &BTreeMap<i64, Synced>, pending: &Pending) -> Option<ContentDigest> {
    let sent = unverified.get(&pending.id)?;
    if sent.revision == pending.session.revision { sent.content } else { None }
}

/// Why a session is left alone that central holds with other values than it has just been sent.
fn not_kept(because: Because) -> String {
    let what = match because {
        Because::HeaderDiffers => "the header",
        Because::RowsDiffer => "the detail rows",
        Because::New | Because::Grown | Because::OtherHistory => "the session",
    };
    format!(
        "central did not keep {what} as delivered (a trigger, a generated column, a column's type, or another program?)"
    )
}
