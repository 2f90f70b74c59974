//! The times of days: where the required time of each shift went, from the rows that are stored and the
//! machine's calendar. What must never happen here: times that depend on when or in which order files came.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::{evaluate::reevaluate_stale, settings::Settings};
use crate::{
    analyse::{DayEnds, MOST_DAYS_APART, day_times, days_between, known_until},
    buffer::{Batch, Buffer, BufferError, TimesBasis},
    calendar::{Calendar, production_day},
    failpoints::Step,
    model::{Day, Session, Stamp},
};

/// Days of one machine that are timed in one transaction.
const DAYS_AT_ONCE: usize = 20;

/// In place of a basis: the times of the machine's days were not all computed by the same one.
const OF_SEVERAL: &[u8] = b"several";

/// The days that a LOG line can have.
const FIRST_DAY: Day = Day::from_ymd_opt(0, 1, 1).expect("a date");
const LAST_DAY: Day = Day::from_ymd_opt(9999, 12, 31).expect("a date");

/// Stores the times of `days` of a machine and says which days changed by that. `is_new`: a day among them was not
/// known before, so that planned days beside it may lie between two known days now.
pub(super) fn retime(
    batch: &Batch<'_>,
    machine_id: i64,
    days: &BTreeSet<Day>,
    is_new: bool,
    settings: &Settings,
) -> Result<BTreeSet<Day>, BufferError> {
    let mut changed = BTreeSet::new();
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else { return Ok(changed) };
    let nom = batch.machine_nom(machine_id)?;
    // Another thread may know another calendar by now: then all days are looked at again.
    let (known, own) = (batch.times_basis(machine_id)?, basis(&nom, settings));
    if known != own && known != OF_SEVERAL {
        let are_first =
            known.is_empty() && batch.known_days(machine_id, FIRST_DAY, LAST_DAY)?.is_subset(days);
        batch.set_times_basis(machine_id, if are_first { &own } else { OF_SEVERAL })?;
    }
    if settings.calendars.of(&nom).is_none() {
        return Ok(changed);
    }
    let timing = Timing::load(batch, machine_id, &nom, (first, last), settings)?;
    let mut all = days.clone();
    if is_new {
        let (before, after) = (timing.known_before(first), timing.known_after(last));
        let beside = |day: &Day| {
            before.is_none_or(|before| before < *day) && after.is_none_or(|after| *day < after)
        };
        all.extend(days_between(&timing.known_days).into_iter().filter(beside));
    }
    for day in all {
        if timing.put(batch, day)? {
            changed.insert(day);
        }
    }
    Ok(changed)
}

/// Computes every day again of the machines whose calendar is not the one by which their days were timed;
/// how many changed by that. `progress` is told the days done and to do of a machine.
pub fn apply_calendars(
    buffer: &mut Buffer,
    settings: &Settings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<u64, BufferError> {
    let mut changed = 0;
    for TimesBasis { machine_id, nom, basis: known } in buffer.files().times_bases()? {
        let basis = basis(&nom, settings);
        if known != basis {
            changed += retime_all(buffer, machine_id, &nom, settings, progress)?;
            let batch = buffer.batch()?;
            batch.set_times_basis(machine_id, &basis)?;
            batch.commit(Step::Replay)?;
        }
    }
    Ok(changed + reevaluate_stale(buffer, settings)?)
}

/// Whether the times of some machine's days were not all computed by the same calendar.
pub fn has_mixed_times(buffer: &Buffer) -> Result<bool, BufferError> {
    let bases = buffer.files().times_bases()?;
    Ok(bases.iter().any(|TimesBasis { basis, .. }| basis == OF_SEVERAL))
}

/// What the times of a machine depend on beside its events; empty without a calendar.
fn basis(nom: &str, settings: &Settings) -> Vec<u8> {
    let Some(calendar) = settings.calendars.of(nom) else { return Vec::new() };
    let mut calendar = calendar.clone();
    // Where it is written says nothing of what is planned.
    calendar.place.clear();
    let nominal = settings.nominals.get(nom).map(|nominal| nominal.per_hour);
    let basis = format!("{calendar:?} {:?} {nominal:?}", settings.options.day_start);
    Sha256::digest(basis).to_vec()
}

fn retime_all(
    buffer: &mut Buffer,
    machine_id: i64,
    nom: &str,
    settings: &Settings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<u64, BufferError> {
    let mut rest: Vec<Day> = {
        let batch = buffer.batch()?;
        let known = batch.known_days(machine_id, FIRST_DAY, LAST_DAY)?;
        let mut all = batch.days_with_times(machine_id)?;
        if settings.calendars.of(nom).is_some() {
            all.extend(days_between(&known));
            all.extend(known);
        }
        all.into_iter().collect()
    };
    let (mut changed, all) = (0, rest.len());
    while let (Some(&first), Some(&last)) =
        (rest.first(), rest.get(DAYS_AT_ONCE - 1).or(rest.last()))
    {
        let batch = buffer.batch()?;
        let timing = Timing::load(&batch, machine_id, nom, (first, last), settings)?;
        for day in rest.drain(..DAYS_AT_ONCE.min(rest.len())) {
            changed += u64::from(timing.put(&batch, day)?);
            // Its anomalies rest on the calendar, too.
            batch.mark_day_stale(machine_id, day)?;
        }
        batch.commit(Step::Replay)?;
        progress(all - rest.len(), all);
    }
    Ok(changed)
}

/// What the times of some days of a machine are computed by.
struct Timing<'s> {
    machine_id: i64,
    /// `None`: its times are taken away.
    calendar: Option<&'s Calendar>,
    nominal_per_hour: Option<u32>,
    day_start: TimeDelta,
    /// Those that say how far the days are known.
    known_days: BTreeSet<Day>,
}

impl<'s> Timing<'s> {
    fn load(
        batch: &Batch<'_>,
        machine_id: i64,
        nom: &str,
        (first, last): (Day, Day),
        settings: &'s Settings,
    ) -> Result<Self, BufferError> {
        let apart = TimeDelta::days(MOST_DAYS_APART);
        let first = first.checked_sub_signed(apart).unwrap_or(FIRST_DAY).max(FIRST_DAY);
        let last = last.checked_add_signed(apart).unwrap_or(LAST_DAY).min(LAST_DAY);
        Ok(Self {
            machine_id,
            calendar: settings.calendars.of(nom),
            nominal_per_hour: settings.nominals.get(nom).map(|nominal| nominal.per_hour),
            day_start: settings.options.day_start,
            known_days: batch.known_days(machine_id, first, last)?,
        })
    }

    fn known_before(&self, day: Day) -> Option<Day> {
        self.known_days.range(..day).next_back().copied()
    }

    fn known_after(&self, day: Day) -> Option<Day> {
        self.known_days.range(day..).find(|known| **known > day).copied()
    }

    /// Computes and stores the times of a day; whether they changed.
    fn put(&self, batch: &Batch<'_>, day: Day) -> Result<bool, BufferError> {
        let Some(calendar) = self.calendar else {
            return batch.put_times(self.machine_id, day, None);
        };
        let is_known = self.known_days.contains(&day);
        let stored = if is_known { batch.stored_day(self.machine_id, day)? } else { None };
        let (session, ends) = stored.map_or_else(
            || (Session::default(), DayEnds::default()),
            |stored| (stored.session, stored.ends),
        );
        let last_event = ends.last_event.or_else(|| last_row(&session));
        let is_closed = is_known && batch.is_day_closed(self.machine_id, day)?;
        let whole = production_day(day, self.day_start);
        let is_between = is_known
            || self
                .known_before(day)
                .zip(self.known_after(day))
                .is_some_and(|(before, after)| (after - before).num_days() <= MOST_DAYS_APART);
        let known = known_until(day, whole, &self.known_days, is_closed, last_event);
        let Some(known) = known.filter(|_| is_between) else {
            return batch.put_times(self.machine_id, day, None);
        };
        let planned = calendar.parts(day, self.day_start);
        let times = day_times(day, &planned, &session, &ends, known, self.nominal_per_hour);
        batch.put_times(self.machine_id, day, Some(&times))
    }
}

/// The last moment that a day's rows tell, of a day that an earlier release computed and whose LOG is gone.
fn last_row(session: &Session) -> Option<Stamp> {
    let figures = &session.figures;
    let rows = [
        figures.last_piece,
        figures.last_stop,
        session.jobs.last().map(|job| job.at),
        session.waits.iter().map(|wait| wait.start).max(),
        session.stops.iter().map(|stop| stop.end).max(),
    ];
    rows.into_iter().flatten().max()
}
