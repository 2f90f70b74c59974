//! Sessions on their way: how many go in one statement, and what becomes of one that does not pass.
//!
//! What must never happen here: one session that central does not take keeping the others from it.

use super::{Courier, DrainError, LATE_ASIDE_FOR, SET_ASIDE_FOR};
use crate::{
    agent::Shutdown,
    buffer::{Buffer, Pending},
    failpoints::{self, durably},
    model::{CentralSession, Delivery},
    sync::postgres::{CentralError, Order, Outcome, Retry},
};

/// Detail rows delivered in one statement: about 200 kB on the wire. A line or a server that is too
/// slow for that gets fewer, down to the second figure.
const MOST_ROWS: usize = 12_000;
const LEAST_ROWS: usize = 500;
const MOST_PARCELS: usize = 60;
/// A session that breaks the connection each time it travels alone is set aside after this often.
const BREAKS_ALLOWED: u32 = 3;
/// Unknown answers taken for the sessions' own fault only if another session passes meanwhile.
const ODD_ANSWERS: usize = 3;

/// What goes in one statement at most, as the line has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    rows: usize,
    parcels: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { rows: MOST_ROWS, parcels: MOST_PARCELS }
    }
}

impl Size {
    fn shrink(&mut self) {
        self.rows = (self.rows / 2).max(LEAST_ROWS);
        self.parcels = (self.parcels / 2).max(1);
    }

    fn grow(&mut self) {
        self.rows = (self.rows * 2).min(MOST_ROWS);
        self.parcels = (self.parcels * 2).min(MOST_PARCELS);
    }

    /// How many of the parcels go in the next statement: one at least, and new sessions apart from
    /// known ones, because central need not look for rows in the way of new ones.
    fn fitting(self, parcels: &[Parcel<'_>]) -> usize {
        let is_new = parcels.first().is_some_and(Parcel::is_new);
        let mut rows = 0;
        let fitting = parcels
            .iter()
            .take(self.parcels)
            .take_while(|parcel| {
                rows += parcel.rows();
                rows <= self.rows && parcel.is_new() == is_new
            })
            .count();
        fitting.max(1)
    }
}

/// A session on its way, and what central held when that was decided.
pub struct Parcel<'p> {
    pub pending: &'p Pending,
    pub held: Option<CentralSession>,
    pub delivery: Delivery,
    /// Every detail row is in it.
    pub whole: bool,
}

impl Parcel<'_> {
    fn is_new(&self) -> bool {
        self.held.is_none()
    }

    fn rows(&self) -> usize {
        let Delivery { pieces, waits, stops, jobs, findings, .. } = &self.delivery;
        pieces.len() + waits.len() + stops.len() + jobs.len() + findings.len()
    }
}

/// Sessions that central answered in a way the agent does not know.
type Odd<'p> = Vec<(&'p Pending, CentralError)>;

impl Courier {
    /// Delivers all parcels, statement by statement.
    pub(super) fn deliver_all(
        &mut self,
        buffer: &mut Buffer,
        mut deliveries: Vec<Parcel<'_>>,
        stop: &Shutdown,
    ) -> Result<(), DrainError> {
        deliveries.sort_by_key(|parcel| !parcel.is_new());
        let mut rest = deliveries.as_slice();
        let mut odd = Odd::new();
        while !rest.is_empty() && !stop.must_stop() {
            let (next, behind) = rest.split_at(self.size.fitting(rest));
            self.deliver(buffer, next, &mut odd)?;
            rest = behind;
        }
        if odd.is_empty() {
            return Ok(());
        }
        // Others passed on the same connection, or did when these were set aside before: it is these
        // sessions, and not central.
        let is_known = |(pending, error): &(&Pending, CentralError)| {
            pending.refusal.as_ref() == Some(&error.reason())
        };
        if self.report.delivered > 0 || odd.iter().all(is_known) {
            let odd = odd.iter().map(|(pending, error)| (*pending, error.reason()));
            self.set_aside(buffer, odd.collect(), SET_ASIDE_FOR)?;
            return Ok(());
        }
        let (_, error) = odd.swap_remove(0);
        Err(error.into())
    }

    /// Delivers parcels in one statement; what central does not take is found by halving.
    fn deliver<'p>(
        &mut self,
        buffer: &mut Buffer,
        parcels: &[Parcel<'p>],
        odd: &mut Odd<'p>,
    ) -> Result<(), DrainError> {
        let orders: Vec<Order<'_>> = parcels
            .iter()
            .map(|parcel| Order { delivery: &parcel.delivery, replaces: parcel.held.as_ref() })
            .collect();
        let (central, claims) = self.central();
        match durably(failpoints::Step::Deliver, || central.deliver(claims, &orders)) {
            Ok(outcomes) => {
                self.size.grow();
                self.delivered(buffer, parcels, outcomes)
            }
            Err(error) if error.is_about_the_data() => match parcels {
                [parcel] if error.again() == Retry::Never => {
                    let reason = error.reason();
                    Ok(self.set_aside(buffer, vec![(parcel.pending, reason)], SET_ASIDE_FOR)?)
                }
                [parcel]
                    if odd.len() + 1 >= ODD_ANSWERS
                        && self.report.delivered == 0
                        && parcel.pending.refusal.is_none() =>
                {
                    Err(error.into())
                }
                [parcel] => {
                    odd.push((parcel.pending, error));
                    Ok(())
                }
                _ => {
                    let (first, second) = parcels.split_at(parcels.len() / 2);
                    self.deliver(buffer, first, odd)?;
                    self.deliver(buffer, second, odd)
                }
            },
            Err(error) => self.did_not_pass(buffer, parcels, error),
        }
    }

    /// The next try brings fewer at once, until one alone does not pass: that one then goes last.
    fn did_not_pass(
        &mut self,
        buffer: &mut Buffer,
        parcels: &[Parcel<'_>],
        error: CentralError,
    ) -> Result<(), DrainError> {
        if !error.smaller_may_pass() {
            return Err(error.into());
        }
        self.size.shrink();
        let [parcel] = parcels else { return Err(error.into()) };
        let breaks = self.suspects.entry(parcel.pending.id).or_default();
        let was_suspect = *breaks > 0;
        *breaks += 1;
        // A suspect travels when nothing else is left: the connection is known to serve.
        if was_suspect && (*breaks > BREAKS_ALLOWED || !error.ends_connection()) {
            let reason = error.reason();
            self.set_aside(buffer, vec![(parcel.pending, reason)], LATE_ASIDE_FOR)?;
            if !error.ends_connection() {
                return Ok(());
            }
        }
        Err(error.into())
    }

    fn delivered(
        &mut self,
        buffer: &mut Buffer,
        parcels: &[Parcel<'_>],
        outcomes: Vec<Outcome>,
    ) -> Result<(), DrainError> {
        let mut written = Vec::new();
        let mut refused = Vec::new();
        for (parcel, outcome) in parcels.iter().zip(outcomes) {
            self.suspects.remove(&parcel.pending.id);
            match outcome {
                Outcome::Written { complete: true } => {
                    written.push((parcel.pending.id, parcel.delivery.revision));
                    self.report.delivered += 1;
                    self.report.rows += parcel.rows() as u64;
                }
                Outcome::Written { complete: false } if parcel.whole => {
                    let reason = "central did not keep every row that was delivered (a trigger?)";
                    refused.push((parcel.pending, reason.to_owned()));
                }
                Outcome::Claimed(claimed) => refused.push((parcel.pending, claimed.to_string())),
                // Rows that were believed to be there are not: the next round sends every row.
                Outcome::Written { complete: false } | Outcome::Overtaken | Outcome::NoCentre => {
                    *self.passed_over.entry(parcel.pending.id).or_default() += 1;
                }
            }
        }
        if !written.is_empty() {
            buffer.outbox_mut().mark_synced(&written)?;
            self.note_link_up(buffer)?;
        }
        if !refused.is_empty() {
            self.set_aside(buffer, refused, SET_ASIDE_FOR)?;
        }
        Ok(())
    }
}
