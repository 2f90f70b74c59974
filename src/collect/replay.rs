//! Sessions recomputed from the raw bytes that the buffer holds: after an update whose analysis
//! differs, or on demand after a change of event names or of the day's start.

use std::collections::BTreeSet;

use super::{
    compute::{AtHand, Touched, recompute},
    evaluate::reevaluate_stale,
    settings::Settings,
    timing::apply_calendars,
};
use crate::{
    analyse::{ANALYSIS_VERSION, days_touched},
    buffer::{Buffer, BufferError, HeldFile},
    failpoints::Step,
    parse::{Text, parse},
};

/// What a replay did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReplayReport {
    pub files: u64,
    pub sessions_changed: u64,
}

/// Computes every session again whose raw bytes are held. One machine is one transaction.
pub fn replay(
    buffer: &mut Buffer,
    settings: &Settings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<ReplayReport, BufferError> {
    let files = buffer.files().held_files()?;
    // Also those whose raw bytes made room: their days are evaluated by their rows.
    let machines: BTreeSet<i64> = buffer.files().machine_ids()?.into_iter().collect();
    let mut report = ReplayReport::default();
    for machine_id in machines {
        let of_machine: Vec<&HeldFile> =
            files.iter().filter(|file| file.machine_id == machine_id).collect();
        let batch = buffer.batch()?;
        // Sessions whose events went to another day must lose them, so all known days are touched.
        let mut touched = Touched::new();
        for day in batch.days_of_machine(machine_id)? {
            touched.entry(day).or_default();
        }
        for file in &of_machine {
            batch.each_chunk(file.id, |chunk| {
                let Some(bytes) = &chunk.bytes else { return Ok(()) };
                let text = Text::new(bytes);
                let events = parse(&text, &settings.words).events;
                for day in days_touched(&events, settings.options.day_start).into_keys() {
                    touched.entry(day).or_default().insert(file.id, file.label.clone());
                }
                Ok(())
            })?;
            report.files += 1;
            progress(usize::try_from(report.files).unwrap_or(usize::MAX), files.len());
        }
        // A few days at a time keeps memory to what a few days take.
        while !touched.is_empty() {
            let rest = match touched.keys().nth(DAYS_AT_ONCE).copied() {
                Some(next) => touched.split_off(&next),
                None => Touched::new(),
            };
            let changed = recompute(&batch, machine_id, &touched, &AtHand::new(), settings)?;
            report.sessions_changed += changed;
            touched = rest;
        }
        // Days may be known now that were not, or the other way round.
        batch.set_times_basis(machine_id, &[])?;
        batch.commit(Step::Replay)?;
    }
    report.sessions_changed += reevaluate_stale(buffer, settings)?;
    report.sessions_changed += apply_calendars(buffer, settings, progress)?;
    Ok(report)
}

const DAYS_AT_ONCE: usize = 20;

/// Replays where sessions of an older analysis are held, and applies calendars that changed.
pub fn replay_outdated(
    buffer: &mut Buffer,
    settings: &Settings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Option<ReplayReport>, BufferError> {
    if buffer.files().has_sessions_before(ANALYSIS_VERSION)? {
        return replay(buffer, settings, progress).map(Some);
    }
    apply_calendars(buffer, settings, progress)?;
    Ok(None)
}
