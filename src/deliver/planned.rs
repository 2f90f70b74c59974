//! Planned days without a session: their times go to central alone, behind the sessions.
//!
//! What must never happen here: a session that waits because of such a day; a day of one machine that waits
//! because of another's for longer than a batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Deliverer, DrainError, Terms, connection::Connection};
use crate::{
    buffer::{Buffer, BufferError, TimesAlone},
    failpoints::{self, durably},
    logging,
    sync::postgres::{CentralError, Fault, PlannedDay, PlannedOutcome},
};

/// Days in one statement.
const AT_ONCE: usize = 60;
/// Waiting days that are looked at.
const MOST_WAITING: usize = 2000;
/// A machine of which central took no day is left alone for this long.
const HELD_BACK_FOR: Duration = Duration::from_secs(3600);

/// The machines whose days are left alone, and until when. Running times.
#[derive(Debug, Default)]
pub(super) struct PlannedDays {
    held_back: BTreeMap<String, Duration>,
    /// Machines whose centre was made since one of their days last passed.
    centre_made: BTreeSet<String>,
}

impl PlannedDays {
    fn due(&self, buffer: &Buffer, now: Duration) -> Result<Vec<TimesAlone>, BufferError> {
        let mut days = buffer.outbox().times_alone(MOST_WAITING)?;
        days.retain(|day| self.held_back.get(&day.machine.nom).is_none_or(|until| *until <= now));
        days.truncate(AT_ONCE);
        Ok(days)
    }

    fn hold_back(&mut self, nom: &str, now: Duration) {
        self.held_back.insert(nom.to_owned(), now + HELD_BACK_FOR);
    }
}

impl Deliverer {
    /// Whether the times of a planned day wait and may travel now.
    pub(super) fn has_planned(&self, buffer: &Buffer) -> Result<bool, BufferError> {
        let now = self.runtime.uptime();
        Ok(!self.connection.lacks_times() && !self.planned.due(buffer, now)?.is_empty())
    }

    /// Delivers the times of planned days without a session, as far as they pass.
    pub(super) fn deliver_planned(&mut self, buffer: &mut Buffer) -> Result<(), DrainError> {
        while !self.connection.lacks_times() && !self.runtime.is_ending() {
            let days = self.planned.due(buffer, self.runtime.uptime())?;
            if days.is_empty() {
                break;
            }
            self.deliver_days(buffer, &days)?;
        }
        Ok(())
    }

    /// Delivers days in one statement; what central does not take is found by halving.
    fn deliver_days(&mut self, buffer: &mut Buffer, days: &[TimesAlone]) -> Result<(), DrainError> {
        let error = match self.connection.deliver_planned(days, self.terms) {
            Ok(outcomes) => return self.planned_outcomes(buffer, days, outcomes),
            Err(error) => error,
        };
        match (error.fault(), days) {
            (Fault::Session | Fault::Unknown(_), [day]) => {
                self.hold_back(day, &error.reason());
                Ok(())
            }
            (Fault::Session | Fault::Unknown(_), _) => {
                let (first, second) = days.split_at(days.len() / 2);
                self.deliver_days(buffer, first)?;
                self.deliver_days(buffer, second)
            }
            (Fault::Transfer | Fault::Central, _) => Err(error.into()),
        }
    }

    fn planned_outcomes(
        &mut self,
        buffer: &mut Buffer,
        days: &[TimesAlone],
        outcomes: Vec<PlannedOutcome>,
    ) -> Result<(), DrainError> {
        let mut confirmed = Vec::new();
        let mut without_centre: BTreeMap<&str, &TimesAlone> = BTreeMap::new();
        for (day, outcome) in days.iter().zip(outcomes) {
            match outcome {
                // The times of a day that central has a session of are that session's.
                PlannedOutcome::Equal | PlannedOutcome::HasSession => {
                    self.planned.centre_made.remove(&day.machine.nom);
                    confirmed.push(day.clone());
                }
                PlannedOutcome::Claimed(_) => {
                    self.planned.hold_back(&day.machine.nom, self.runtime.uptime());
                }
                PlannedOutcome::NoCentre if day.times.is_none() => confirmed.push(day.clone()),
                PlannedOutcome::NoCentre => {
                    without_centre.insert(&day.machine.nom, day);
                }
                PlannedOutcome::Differs => self.hold_back(day, "central did not keep its rows"),
            }
        }
        buffer.outbox_mut().mark_times_alone(&confirmed)?;
        for day in without_centre.into_values() {
            self.make_centre(day)?;
        }
        Ok(())
    }

    /// The next batch then finds it.
    fn make_centre(&mut self, day: &TimesAlone) -> Result<(), CentralError> {
        if !self.planned.centre_made.insert(day.machine.nom.clone()) {
            self.hold_back(day, "central did not keep the machine's centre");
            return Ok(());
        }
        match self.connection.ensure_centres(std::slice::from_ref(&day.machine)) {
            Ok(()) => Ok(()),
            Err(error) if matches!(error.fault(), Fault::Session | Fault::Unknown(_)) => {
                self.hold_back(day, &error.reason());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn hold_back(&mut self, day: &TimesAlone, reason: &str) {
        logging::planned_day_set_aside(&day.machine.nom, day.day, reason, HELD_BACK_FOR);
        self.planned.hold_back(&day.machine.nom, self.runtime.uptime());
    }
}

impl Connection {
    /// Makes central's rows of planned days without a session equal to `days`.
    pub(super) fn deliver_planned(
        &mut self,
        days: &[TimesAlone],
        terms: Terms,
    ) -> Result<Vec<PlannedOutcome>, CentralError> {
        let days = planned_days(days, terms);
        let (central, claims) = self.central();
        let done = durably(failpoints::Step::Deliver, || central.deliver_planned(claims, &days));
        done.map_err(|error| self.with_unfit(error))
    }

    /// What central holds of planned days without a session.
    pub(super) fn compare_planned(
        &mut self,
        days: &[TimesAlone],
        terms: Terms,
    ) -> Result<Vec<PlannedOutcome>, CentralError> {
        let days = planned_days(days, terms);
        let (central, claims) = self.central();
        central.compare_planned(claims, &days).map_err(|error| self.with_unfit(error))
    }
}

/// As the client of central takes them.
fn planned_days(days: &[TimesAlone], terms: Terms) -> Vec<PlannedDay<'_>> {
    let day_start = terms.day_start;
    days.iter()
        .map(|TimesAlone { machine, day, times, .. }| PlannedDay {
            machine,
            day: *day,
            day_start,
            times: times.as_ref(),
        })
        .collect()
}
