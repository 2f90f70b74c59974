//! Compares what central is believed to hold with what it holds, value by value: it may have been restored
//! from an older backup, or changed by hand. What it does not hold as it was delivered waits again.

use std::{fmt, time::Duration};

use super::{
    DrainError, Runtime, Terms,
    compare::{Planned, compared},
    connection::Connection,
};
use crate::{
    buffer::{Buffer, Pending, Synced, TimesAlone},
    logging,
    model::Day,
    sync::{
        plan::{Because, Step},
        postgres::PlannedOutcome,
    },
};

/// Sessions compared in one exchange.
const AT_ONCE: usize = 200;
/// How often the newest confirmed sessions are compared with central, and how often all are.
const EVERY: Duration = Duration::from_secs(3600);
const ALL_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Between two whole comparisons the very newest sessions are looked at this often, if a connection is open.
const GLANCE_EVERY: Duration = Duration::from_secs(300);
const AT_A_GLANCE: usize = 10;
/// Sessions that a line of the log names.
const MOST_NAMED: usize = 5;

/// Running times of the last comparisons.
#[derive(Debug, Default)]
pub(super) struct Audits {
    newest_at: Option<Duration>,
    all_at: Option<Duration>,
    /// The last comparison of any kind.
    looked_at: Option<Duration>,
    /// Central was seen to hold less than it confirmed.
    is_in_doubt: bool,
    /// Central's table of times is new: sessions that lack theirs did not lose them.
    are_times_new: bool,
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

    /// As [`Self::doubt`]; sessions that lack their times are completed.
    pub(super) fn expect_times(&mut self) {
        self.doubt();
        self.are_times_new = true;
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        is_older(self.newest_at, now, EVERY)
    }

    pub(super) fn is_glance_due(&self, now: Duration) -> bool {
        is_older(self.looked_at, now, GLANCE_EVERY)
    }

    /// Looks at the very newest sessions; whether any of them differs. Then all are compared next.
    pub(super) fn glance(
        &mut self,
        connection: &mut Connection,
        buffer: &mut Buffer,
        terms: Terms,
        now: Duration,
    ) -> Result<bool, DrainError> {
        let page = buffer.outbox().confirmed(AT_A_GLANCE, None)?;
        let mut found = Differences::default();
        Comparison { connection, terms }.compare(buffer, &page, &mut found)?;
        found.log();
        self.looked_at = Some(now);
        if found.any() {
            self.doubt();
        }
        Ok(found.any())
    }

    /// The newest sessions and some of the others, taken anywhere, so that processes which live for
    /// a moment (`once`, every few minutes) see all of them in time. All of them once a day, and
    /// if something turned out to be lost.
    pub(super) fn run(
        &mut self,
        connection: &mut Connection,
        buffer: &mut Buffer,
        terms: Terms,
        runtime: &dyn Runtime,
    ) -> Result<(), DrainError> {
        let now = runtime.uptime();
        // A process compares all when it has run for a day: not at each of its starts.
        let all_at = *self.all_at.get_or_insert(now);
        let all_due = self.is_in_doubt || is_older(Some(all_at), now, ALL_EVERY);
        let mut found = Differences { are_times_new: self.are_times_new, ..Differences::default() };
        let mut comparison = Comparison { connection, terms };
        let mut page = buffer.outbox().confirmed(AT_ONCE, None)?;
        comparison.compare(buffer, &page, &mut found)?;
        if !all_due && !found.any() && page.len() == AT_ONCE {
            let begin = buffer.outbox().any_confirmed(fastrand::f64())?;
            let others = buffer.outbox().confirmed(AT_ONCE, begin.as_ref())?;
            comparison.compare(buffer, &others, &mut found)?;
        }
        if all_due || found.any() {
            while let Some(last) = page.last().filter(|_| page.len() == AT_ONCE) {
                if runtime.is_ending() {
                    return Ok(());
                }
                page = buffer.outbox().confirmed(AT_ONCE, Some(last))?;
                comparison.compare(buffer, &page, &mut found)?;
            }
            self.all_at = Some(now);
            self.is_in_doubt = false;
            self.are_times_new = false;
        }
        comparison.compare_planned(buffer, all_due || found.any(), &mut found)?;
        found.log();
        self.newest_at = Some(now);
        self.looked_at = Some(now);
        Ok(())
    }
}

fn is_older(at: Option<Duration>, now: Duration, age: Duration) -> bool {
    at.is_none_or(|at| now.saturating_sub(at) >= age)
}

/// Sessions that central does not hold as they were delivered.
#[derive(Debug, Default)]
struct Differences {
    header: u64,
    rows: u64,
    /// Missing, older than confirmed, or of another writer.
    other: u64,
    named: Vec<(String, Day)>,
    /// Planned days without a session.
    planned: u64,
    /// Sessions of an earlier release, which did not write all columns, or of before there were times.
    to_complete: u64,
    are_times_new: bool,
}

impl Differences {
    fn add(&mut self, pending: &Pending, step: &Step) {
        match step {
            Step::Deliver { because: Because::HeaderDiffers, .. }
                if pending.session.confirmed.is_none() || self.are_times_new =>
            {
                self.to_complete += 1;
                return;
            }
            Step::Deliver { because: Because::HeaderDiffers, .. } => self.header += 1,
            Step::Deliver { because: Because::RowsDiffer, .. } => self.rows += 1,
            _ => self.other += 1,
        }
        self.name(&pending.session.machine.nom, pending.session.day);
    }

    fn add_planned(&mut self, day: &TimesAlone) {
        if self.are_times_new {
            self.to_complete += 1;
            return;
        }
        self.planned += 1;
        self.name(&day.machine.nom, day.day);
    }

    fn name(&mut self, nom: &str, day: Day) {
        if self.named.len() < MOST_NAMED {
            self.named.push((nom.to_owned(), day));
        }
    }

    fn lost(&self) -> u64 {
        self.header + self.rows + self.other + self.planned
    }

    fn any(&self) -> bool {
        self.lost() + self.to_complete > 0
    }

    fn log(&self) {
        if self.lost() > 0 {
            logging::central_lost(self.lost(), self);
        }
        if self.to_complete > 0 {
            logging::central_completed(self.to_complete);
        }
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.header, "in the header"),
            (self.rows, "in rows"),
            (self.other, "missing, older or of another writer"),
            (self.planned, "in the times of planned days"),
        ];
        let kinds: Vec<String> = kinds
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let named: Vec<String> =
            self.named.iter().map(|(nom, day)| format!("{nom} {day}")).collect();
        let more = if self.lost() > self.named.len() as u64 { ", …" } else { "" };
        write!(f, "{}: {}{more}", kinds.join(", "), named.join(", "))
    }
}

struct Comparison<'c> {
    connection: &'c mut Connection,
    terms: Terms,
}

impl Comparison<'_> {
    /// Adds to `found` the sessions that central does not hold as they are here; they wait again.
    fn compare(
        &mut self,
        buffer: &mut Buffer,
        page: &[Pending],
        found: &mut Differences,
    ) -> Result<(), DrainError> {
        if page.is_empty() {
            return Ok(());
        }
        let mut lost = Vec::new();
        let mut noted = Vec::new();
        let (_, plans) = compared(buffer, self.connection, self.terms, page, |_| None)?;
        for (pending, Planned { step, header }) in page.iter().zip(plans) {
            if self.connection.is_foreign(&pending.session.machine.nom) {
                continue;
            }
            match (step, header) {
                // It changed meanwhile, and waits.
                (Step::Confirm, None) | (Step::Digest, _) => {}
                // An earlier release noted no digest, or it was told in another language.
                (Step::Confirm, Some(header)) => noted.push(Synced {
                    id: pending.id,
                    revision: header.delivery.revision,
                    content: Some(header.digest),
                }),
                (step, _) => {
                    found.add(pending, &step);
                    lost.push(pending.id);
                }
            }
        }
        if !noted.is_empty() {
            buffer.outbox_mut().mark_synced(&noted)?;
        }
        if !lost.is_empty() {
            buffer.outbox_mut().unconfirm(&lost)?;
        }
        Ok(())
    }
    /// The same of planned days without a session: all of them, or the newest.
    fn compare_planned(
        &mut self,
        buffer: &mut Buffer,
        all: bool,
        found: &mut Differences,
    ) -> Result<(), DrainError> {
        if self.connection.lacks_times() {
            return Ok(());
        }
        let mut days = buffer.outbox().confirmed_times_alone()?;
        if !all {
            days.drain(..days.len().saturating_sub(AT_ONCE));
        }
        for page in days.chunks(AT_ONCE) {
            let outcomes = self.connection.compare_planned(page, self.terms)?;
            let mut lost = Vec::new();
            for (day, outcome) in page.iter().zip(outcomes) {
                if matches!(outcome, PlannedOutcome::Differs | PlannedOutcome::NoCentre) {
                    found.add_planned(day);
                    lost.push(day.clone());
                }
            }
            buffer.outbox_mut().unconfirm_times_alone(&lost)?;
        }
        Ok(())
    }
}
