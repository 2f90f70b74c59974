//! What is remarkable about a day, by its own lines and by the machine's earlier days. A day that was
//! evaluated before an earlier one changed is evaluated again at the end of the cycle.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;

use super::{settings::Settings, timing::retime};
use crate::{
    analyse::{ANALYSIS_VERSION, DayEnds, Evidence, LineDefects, anomalies, digest},
    buffer::{Batch, Buffer, BufferError, DayEvaluation},
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
        })
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
    ) -> Result<DayEvaluation, BufferError> {
        let before = self.digests.range(earliest(day)..day);
        let history: Vec<DayDigest> = before.map(|(_, digest)| digest.clone()).collect();
        let nominal = self.settings.nominals.get(&self.nom);
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
        };
        let evaluation = DayEvaluation {
            anomalies: anomalies(&evidence),
            digest: digest(day, session, &defects),
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
        let evaluation = self.evaluate(batch, day, &stored.session, stored.defects, stored.ends)?;
        batch.put_judged(self.machine_id, &evaluation, ANALYSIS_VERSION)
    }
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
