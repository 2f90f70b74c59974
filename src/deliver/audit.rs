//! Compares what central is believed to hold with what it holds: it may have been restored from an
//! older backup, or changed by hand. What it lost waits again.

use std::time::Duration;

use super::{DrainError, Runtime, connection::Connection};
use crate::{
    buffer::{Buffer, Pending},
    logging,
    sync::plan::{Step, plan},
};

/// Sessions compared in one exchange.
const AT_ONCE: usize = 200;
/// How often the newest confirmed sessions are compared with central, and how often all are.
const EVERY: Duration = Duration::from_secs(3600);
const ALL_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Running times of the last comparisons.
#[derive(Debug, Default)]
pub(super) struct Audits {
    newest_at: Option<Duration>,
    all_at: Option<Duration>,
    /// Central was seen to hold less than it confirmed.
    is_in_doubt: bool,
}

impl Audits {
    /// The next drain begins with a comparison.
    pub(super) fn forget(&mut self) {
        self.newest_at = None;
    }

    /// The next thing to do is to compare all.
    pub(super) fn doubt(&mut self) {
        self.newest_at = None;
        self.is_in_doubt = true;
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        is_older(self.newest_at, now, EVERY)
    }

    /// The newest sessions and some of the others, taken anywhere, so that processes which live for
    /// a moment (`once`, every few minutes) see all of them in time. All of them once a day, and
    /// if something turned out to be lost.
    pub(super) fn run(
        &mut self,
        connection: &mut Connection,
        buffer: &mut Buffer,
        runtime: &dyn Runtime,
    ) -> Result<(), DrainError> {
        let now = runtime.uptime();
        // A process compares all when it has run for a day: not at each of its starts.
        let all_at = *self.all_at.get_or_insert(now);
        let all_due = self.is_in_doubt || is_older(Some(all_at), now, ALL_EVERY);
        let mut page = buffer.outbox().confirmed(AT_ONCE, None)?;
        let mut lost = compare(connection, buffer, &page)?;
        if !all_due && lost == 0 && page.len() == AT_ONCE {
            let begin = buffer.outbox().any_confirmed(fastrand::f64())?;
            let others = buffer.outbox().confirmed(AT_ONCE, begin.as_ref())?;
            lost += compare(connection, buffer, &others)?;
        }
        if all_due || lost > 0 {
            while let Some(last) = page.last().filter(|_| page.len() == AT_ONCE) {
                if runtime.is_ending() {
                    return Ok(());
                }
                page = buffer.outbox().confirmed(AT_ONCE, Some(last))?;
                lost += compare(connection, buffer, &page)?;
            }
            self.all_at = Some(now);
            self.is_in_doubt = false;
        }
        if lost > 0 {
            logging::central_lost(lost);
        }
        self.newest_at = Some(now);
        Ok(())
    }
}

fn is_older(at: Option<Duration>, now: Duration, age: Duration) -> bool {
    at.is_none_or(|at| now.saturating_sub(at) >= age)
}

/// How many of the sessions central does not hold as they are here; they wait again.
fn compare(
    connection: &mut Connection,
    buffer: &mut Buffer,
    page: &[Pending],
) -> Result<usize, DrainError> {
    if page.is_empty() {
        return Ok(0);
    }
    let states = connection.states(page)?;
    let lost: Vec<i64> = page
        .iter()
        .zip(&states.sessions)
        .filter(|(pending, held)| {
            !connection.is_foreign(&pending.session.machine.nom)
                && plan(&pending.session, held.as_ref(), connection.identity()) != Step::Confirm
        })
        .map(|(pending, _)| pending.id)
        .collect();
    if !lost.is_empty() {
        buffer.outbox_mut().unconfirm(&lost)?;
    }
    Ok(lost.len())
}
