//! What is remarkable about a day, by its own lines and by the machine's earlier days. A day that was
//! evaluated before an earlier one changed, or before it was over, is evaluated again at the end of the cycle.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use chrono::Days;

use super::{settings::Settings, timing::retime};
use crate::{
    analyse::{
        ANALYSIS_VERSION, DayEnds, Evidence, LineDefects, MOST_DAYS_APART, anomalies, digest,
    },
    buffer::{Batch, Buffer, BufferError, DayEvaluation, StoredDay},
    failpoints::Step,
    model::{Day, DayDigest, Session},
};

/// A day is evaluated by what happened in so many days before it: twenty Saturdays and a summer break.
const HISTORY_DAYS: Days = Days::new(200);

/// A machine's digests, brought up to date while its days are computed in order.
pub(super) struct History<'s> {
    machine_id: i64,
    nom: String,
    settings: &'s Settings,
    digests: BTreeMap<Day, DayDigest>,
    /// Days with any event, also some later than those that are evaluated.
    known_days: BTreeSet<Day>,
}

impl<'s> History<'s> {
    /// What the days from `first` to `last` may be evaluated by.
    pub(super) fn load(
        batch: &Batch<'_>,
        machine_id: i64,
        (first, last): (Day, Day),
        settings: &'s Settings,
    ) -> Result<Self, BufferError> {
        let digests = batch.digests(machine_id, earliest(first), last)?;
        Ok(Self {
            machine_id,
            nom: batch.machine_nom(machine_id)?,
            settings,
            digests: digests.into_iter().map(|digest| (digest.day, digest)).collect(),
            known_days: batch.known_days(machine_id, near_before(first), near_after(last))?,
        })
    }

    /// Notes that there are events of `day`: the day before it is over.
    pub(super) fn know(&mut self, batch: &Batch<'_>, day: Day) -> Result<(), BufferError> {
        if self.known_days.insert(day)
            && let Some(before) = self.known_days.range(near_before(day)..day).next_back()
        {
            batch.mark_day_stale(self.machine_id, *before)?;
        }
        Ok(())
    }

    /// Whether a later day is known, or each of the files that feed the day is complete.
    fn is_over(&self, batch: &Batch<'_>, day: Day, file_ids: &[i64]) -> Result<bool, BufferError> {
        let near = (Bound::Excluded(day), Bound::Included(near_after(day)));
        if self.known_days.range(near).next().is_some() {
            return Ok(true);
        }
        for file_id in file_ids {
            if !batch.is_complete(*file_id)? {
                return Ok(false);
            }
        }
        Ok(!file_ids.is_empty())
    }

    /// The name of the event that reports a rejected piece.
    pub(super) fn reject_event(&self) -> Option<&'s str> {
        self.settings.nominals.get(&self.nom)?.reject_event.as_deref()
    }

    /// Evaluates a day; where it changes what later days are compared with, they are marked.
    pub(super) fn evaluate(
        &mut self,
        batch: &Batch<'_>,
        day: Day,
        session: &Session,
        defects: LineDefects,
        ends: DayEnds,
        file_ids: &[i64],
    ) -> Result<DayEvaluation, BufferError> {
        let before = self.digests.range(earliest(day)..day);
        let history: Vec<DayDigest> = before.map(|(_, digest)| digest.clone()).collect();
        let is_over = self.is_over(batch, day, file_ids)?;
        let nominal = self.settings.nominals.get(&self.nom);
        let calendar = self.settings.calendars.of(&self.nom);
        let day_start = self.settings.options.day_start;
        let planned = calendar.map(|calendar| calendar.parts(day, day_start));
        let mut known = defects.clone();
        let rejects = nominal
            .and_then(|nominal| known.unknown.remove(nominal.reject_event.as_deref()?))
            .unwrap_or(0);
        let evidence = Evidence {
            day,
            session,
            defects: &known,
            history: &history,
            limits: &self.settings.limits,
            calendar,
            day_start,
            is_over,
        };
        let evaluation = DayEvaluation {
            anomalies: anomalies(&evidence),
            digest: digest(day, session, &defects, planned.as_deref()),
            nominal_per_hour: nominal.map(|nominal| nominal.per_hour),
            rejects,
            defects,
            ends,
        };
        let digest = evaluation.digest.clone();
        if self.digests.get(&day) != Some(&digest) {
            let last = day.checked_add_days(HISTORY_DAYS).unwrap_or(Day::MAX);
            batch.mark_stale(self.machine_id, day, last)?;
            self.digests.insert(day, digest);
        }
        Ok(evaluation)
    }

    /// Evaluates a day by the rows that are stored of it; whether its session changed by that.
    pub(super) fn evaluate_stored(
        &mut self,
        batch: &Batch<'_>,
        day: Day,
    ) -> Result<bool, BufferError> {
        let Some(stored) = batch.stored_day(self.machine_id, day)? else { return Ok(false) };
        let files = batch.files_of_day(self.machine_id, day)?;
        let ids: Vec<i64> = files.into_iter().map(|(id, _)| id).collect();
        let StoredDay { session, defects, ends } = stored;
        let evaluation = self.evaluate(batch, day, &session, defects, ends, &ids)?;
        batch.put_judged(self.machine_id, &evaluation, ANALYSIS_VERSION)
    }
}

/// A later day within this distance ends a day: farther ones are of a clock that jumped.
const NEAR_DAYS: Days = Days::new(MOST_DAYS_APART.unsigned_abs());

fn near_before(day: Day) -> Day {
    day.checked_sub_days(NEAR_DAYS).unwrap_or(Day::MIN)
}

fn near_after(day: Day) -> Day {
    day.checked_add_days(NEAR_DAYS).unwrap_or(Day::MAX)
}

fn earliest(day: Day) -> Day {
    day.checked_sub_days(HISTORY_DAYS).unwrap_or(Day::MIN)
}

/// Days of one machine that are evaluated in one transaction.
const DAYS_AT_ONCE: usize = 20;

/// Evaluates again what is stale; how many sessions changed by that.
pub fn reevaluate_stale(buffer: &mut Buffer, settings: &Settings) -> Result<u64, BufferError> {
    let mut changed = 0;
    while buffer.files().has_stale_days()? {
        let batch = buffer.batch()?;
        let stale = batch.stale_days(DAYS_AT_ONCE)?;
        let mut of_machines: BTreeMap<i64, Vec<Day>> = BTreeMap::new();
        for (machine_id, day) in stale {
            of_machines.entry(machine_id).or_default().push(day);
        }
        for (machine_id, days) in of_machines {
            let (Some(&first), Some(&last)) = (days.first(), days.last()) else { continue };
            let mut history = History::load(&batch, machine_id, (first, last), settings)?;
            let mut differ = BTreeSet::new();
            for day in &days {
                if history.evaluate_stored(&batch, *day)? {
                    differ.insert(*day);
                }
            }
            differ.extend(retime(
                &batch,
                machine_id,
                &days.into_iter().collect(),
                false,
                settings,
            )?);
            changed += differ.len() as u64;
        }
        batch.commit(Step::Replay)?;
    }
    Ok(changed)
}
