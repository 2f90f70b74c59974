//! Compares what central is believed to hold with what it holds: it may have been restored from an
//! older backup, or changed by hand. What it lost waits again.

use std::time::Duration;

use super::{Courier, DrainError};
use crate::{
    agent::Shutdown,
    buffer::{Buffer, Pending},
    logging,
    sync::{
        plan::{Step, plan},
        postgres::States,
    },
};

/// Sessions compared in one exchange.
const AT_ONCE: usize = 200;
/// How often the newest confirmed sessions are compared with central, and how often all are.
const EVERY: Duration = Duration::from_secs(3600);
const ALL_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Running times of the last comparisons.
#[derive(Debug, Default)]
pub struct Audits {
    newest_at: Option<Duration>,
    all_at: Option<Duration>,
    /// Central was seen to hold less than it confirmed.
    is_in_doubt: bool,
}

impl Audits {
    /// The next drain begins with a comparison.
    pub fn forget(&mut self) {
        self.newest_at = None;
    }

    /// The next thing to do is to compare all.
    pub fn doubt(&mut self) {
        self.newest_at = None;
        self.is_in_doubt = true;
    }

    fn is_due(at: Option<Duration>, now: Duration, every: Duration) -> bool {
        at.is_none_or(|at| now.saturating_sub(at) >= every)
    }
}

impl Courier {
    pub(super) fn audit_is_due(&self) -> bool {
        Audits::is_due(self.audits.newest_at, self.clock.now().uptime, EVERY)
    }

    /// The newest sessions and some of the others, taken anywhere, so that processes which live for
    /// a moment (`once`, every few minutes) see all of them in time. All of them once a day, and
    /// where something turned out to be lost.
    pub(super) fn audit(&mut self, buffer: &mut Buffer, stop: &Shutdown) -> Result<(), DrainError> {
        let now = self.clock.now().uptime;
        // A process compares all when it has run for a day: not at each of its starts.
        let all_at = *self.audits.all_at.get_or_insert(now);
        let all_due = self.audits.is_in_doubt || Audits::is_due(Some(all_at), now, ALL_EVERY);
        let mut page = buffer.outbox().confirmed(AT_ONCE, None)?;
        let mut lost = self.compare(buffer, &page)?;
        if !all_due && lost == 0 && page.len() == AT_ONCE {
            let begin = buffer.outbox().any_confirmed(fastrand::f64())?;
            lost += self.compare(buffer, &buffer.outbox().confirmed(AT_ONCE, begin.as_ref())?)?;
        }
        if all_due || lost > 0 {
            while let Some(last) = page.last().filter(|_| page.len() == AT_ONCE) {
                if stop.must_stop() {
                    return Ok(());
                }
                page = buffer.outbox().confirmed(AT_ONCE, Some(last))?;
                lost += self.compare(buffer, &page)?;
            }
            self.audits.all_at = Some(now);
            self.audits.is_in_doubt = false;
        }
        if lost > 0 {
            logging::central_lost(lost);
        }
        self.audits.newest_at = Some(now);
        Ok(())
    }

    /// How many of the sessions central does not hold as they are here; they wait again.
    fn compare(&mut self, buffer: &mut Buffer, page: &[Pending]) -> Result<usize, DrainError> {
        if page.is_empty() {
            return Ok(0);
        }
        let States { sessions, claimed, .. } = self.states(page)?;
        self.report_claims(page, &claimed);
        let is_mine = |one: &Pending| !self.claimed.contains_key(&one.session.machine.nom);
        let lost: Vec<i64> = page
            .iter()
            .zip(&sessions)
            .filter(|(pending, held)| {
                is_mine(pending)
                    && plan(&pending.session, held.as_ref(), &self.claims.identity) != Step::Confirm
            })
            .map(|(pending, _)| pending.id)
            .collect();
        if !lost.is_empty() {
            buffer.outbox_mut().unconfirm(&lost)?;
        }
        Ok(lost.len())
    }
}
