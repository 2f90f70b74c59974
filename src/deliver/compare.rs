//! What a session needs in central: the plan, and the look at every row of the buffer that it asks for.

use super::{DrainError, Terms, connection::Connection};
use crate::{
    buffer::{Buffer, BufferError, Pending},
    model::{CentralSession, ContentDigest, Delivery},
    sync::{
        plan::{Step, plan},
        postgres::{Digester, States},
    },
};

/// What of a session goes to central, and what its values amount to there.
pub(super) struct Content {
    pub(super) delivery: Delivery,
    pub(super) digest: ContentDigest,
}

impl Content {
    /// With the detail rows that changed after `since_revision`; the digest is that of all rows.
    pub(super) fn read(
        buffer: &Buffer,
        connection: &Connection,
        terms: Terms,
        session_id: i64,
        since_revision: i64,
    ) -> Result<Self, BufferError> {
        let mut digester =
            Digester::new(terms.language, connection.encoding(), connection.inexact().clone());
        let mut delivery =
            buffer.outbox().delivery(session_id, since_revision, &mut |row| digester.add(row))?;
        delivery.language = terms.language;
        delivery.day_start = terms.day_start;
        Ok(Self { digest: digester.finish(&delivery), delivery })
    }
}

/// The step for a session; [`Step::Digest`] if the session changed meanwhile and is to be looked at again.
pub(super) struct Planned {
    pub(super) step: Step,
    /// The header alone, where its digest had to be computed.
    pub(super) header: Option<Content>,
}

/// What central holds of the batch, and what each session needs there. `sent`: the digest of what the drain
/// under way has delivered of a session.
pub(super) fn compared(
    buffer: &Buffer,
    connection: &mut Connection,
    terms: Terms,
    batch: &[Pending],
    sent: impl Fn(&Pending) -> Option<ContentDigest>,
) -> Result<(States, Vec<Planned>), DrainError> {
    let mut states = None;
    if batch.iter().all(|one| one.session.synced_revision == 0 && sent(one).is_none()) {
        let of_new = connection.states(batch, false)?;
        // One that is there at this revision was delivered, and the answer lost.
        let is_there = |(pending, held): (&Pending, &Option<CentralSession>)| {
            held.as_ref().is_some_and(|held| held.revision == Some(pending.session.revision))
        };
        if !batch.iter().zip(&of_new.sessions).any(is_there) {
            states = Some(of_new);
        }
    }
    let mut once = |connection: &mut Connection| {
        let states = match states.take() {
            Some(states) => states,
            None => connection.states(batch, true)?,
        };
        let plans: Result<Vec<Planned>, BufferError> = batch
            .iter()
            .zip(&states.sessions)
            .map(|(pending, held)| {
                planned(buffer, connection, terms, pending, held.as_ref(), sent(pending))
            })
            .collect();
        Ok::<_, DrainError>((states, plans?))
    };
    let (states, plans) = once(connection)?;
    let is_difference = |plan: &Planned| match plan.step {
        Step::Deliver { because, .. } => because.is_difference(),
        Step::Confirm | Step::Digest | Step::Refuse(_) => false,
    };
    // Perhaps central cannot hold what was delivered.
    if plans.iter().any(is_difference) && connection.learn_inexact()? {
        return once(connection);
    }
    Ok((states, plans))
}

/// What `pending` needs, given what central holds; `sent`: the digest of what this drain delivered of it.
fn planned(
    buffer: &Buffer,
    connection: &Connection,
    terms: Terms,
    pending: &Pending,
    held: Option<&CentralSession>,
    sent: Option<ContentDigest>,
) -> Result<Planned, BufferError> {
    let identity = connection.identity();
    let mut session = pending.session.clone();
    session.content = sent;
    let step = plan(&session, held, identity);
    if step != Step::Digest {
        return Ok(Planned { step, header: None });
    }
    connection.check_in();
    // No row is as new as that.
    let header = Content::read(buffer, connection, terms, pending.id, i64::MAX)?;
    if header.delivery.revision != session.revision {
        return Ok(Planned { step, header: None });
    }
    session.content = Some(header.digest);
    Ok(Planned { step: plan(&session, held, identity), header: Some(header) })
}
