//! Makes what was read durable: raw bytes, progress, counts and the sessions they change, of several
//! files in one transaction.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Settings,
    compute::{AtHand, Touched, recompute},
    intake::Stretch,
    reading::{Reading, Target},
};
use crate::{
    analyse::days_touched,
    buffer::{Batch, Buffer, BufferError, FileProgress, FileState, FileTally},
    durable::Step,
    model::Machine,
    parse::{Reject, Tally, Text, parse},
};

/// Where the readings of a batch come from and what they feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'o> {
    pub source: &'o str,
    pub folder: &'o str,
    pub machine: &'o Machine,
}

/// A reading that is made durable with others in one transaction.
#[derive(Debug)]
pub(super) struct Waiting<'o> {
    pub origin: Origin<'o>,
    pub reading: Reading,
    /// Running time at which the reading began.
    pub begun: Duration,
}

/// What became of one reading.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub file: FileProgress,
    pub bytes: u64,
    pub events: u64,
    pub rejected: u64,
}

/// Keeps the readings in one transaction and returns each one's progress, in their order, and how
/// many sessions changed. Readings of one folder stand side by side.
pub(super) fn keep(
    buffer: &mut Buffer,
    waiting: &[Waiting<'_>],
    settings: &Settings,
    wall: &str,
) -> Result<(Vec<Kept>, u64), BufferError> {
    let batch = buffer.batch()?;
    let mut kept = Vec::with_capacity(waiting.len());
    let mut changed = 0;
    let of_one_folder = |one: &Waiting<'_>, next: &Waiting<'_>| {
        (one.origin.source, one.origin.folder) == (next.origin.source, next.origin.folder)
    };
    for of_folder in waiting.chunk_by(of_one_folder) {
        let origin = of_folder[0].origin;
        let machine_id = batch.machine(origin.machine)?;
        let mut touched = Touched::new();
        let mut at_hand = AtHand::new();
        for Waiting { reading, .. } in of_folder {
            let one = keep_one(&batch, origin, machine_id, reading, &mut touched, settings, wall)?;
            if let [Stretch::Lines { start: 0, bytes }] = reading.stretches.as_slice() {
                at_hand.insert(one.file.id, bytes);
            }
            kept.push(one);
        }
        changed += recompute(&batch, machine_id, &touched, &at_hand, settings)?;
    }
    batch.commit(Step::Keep)?;
    Ok((kept, changed))
}

fn keep_one(
    batch: &Batch<'_>,
    origin: Origin<'_>,
    machine_id: i64,
    reading: &Reading,
    touched: &mut Touched,
    settings: &Settings,
    wall: &str,
) -> Result<Kept, BufferError> {
    let Origin { source, folder, .. } = origin;
    let mut file = match &reading.target {
        Target::Known(known) if known.machine_id == machine_id => known.clone(),
        // The folder was given to another machine: what is read from now on is that one's.
        Target::Known(known) => {
            batch.new_generation(source, folder, &known.name, machine_id, wall)?
        }
        Target::New(name) => batch.new_generation(source, folder, name, machine_id, wall)?,
    };
    if let Some(open_line) = file.open_line_at.take() {
        batch.truncate(file.id, open_line)?;
        recount(batch, file.id, settings)?;
    }
    let mut tally = Tally::default();
    let mut bytes_read = 0;
    for stretch in &reading.stretches {
        match stretch {
            Stretch::Lines { start, bytes } => {
                batch.append(file.id, *start, bytes)?;
                bytes_read += bytes.len() as u64;
                let text = Text::new(bytes);
                let parsed = parse(&text, &settings.words);
                tally.add(&parsed.tally);
                for day in days_touched(&parsed.events, settings.options.day_start).into_keys() {
                    let name = format!("{folder}/{}", file.name);
                    touched.entry(day).or_default().insert(file.id, name);
                }
            }
            Stretch::Endless { start, length, begins } => {
                batch.pass_over(file.id, *start, *length)?;
                bytes_read += length;
                if *begins {
                    tally.add(&one_overlong_line());
                }
            }
        }
    }
    if tally != Tally::default() {
        batch.add_tally(file.id, &counted(&tally))?;
    }
    reading.apply_to(&mut file);
    batch.save_progress(&file, (bytes_read > 0).then_some(wall))?;
    Ok(Kept { file, bytes: bytes_read, events: tally.events, rejected: tally.rejected() })
}

/// Counts a file's lines anew from what is kept of it.
fn recount(batch: &Batch<'_>, file_id: i64, settings: &Settings) -> Result<(), BufferError> {
    let mut tally = Tally::default();
    for chunk in batch.chunks(file_id)? {
        match &chunk.bytes {
            Some(bytes) => tally.add(&parse(&Text::new(bytes), &settings.words).tally),
            None => tally.add(&one_overlong_line()),
        }
    }
    batch.reset_tally(file_id)?;
    batch.add_tally(file_id, &counted(&tally))
}

fn one_overlong_line() -> Tally {
    let rejected = crate::parse::Rejected {
        count: 1,
        first_line: 1,
        sample: "a line without an end, not kept".into(),
    };
    Tally { lines: 1, rejects: BTreeMap::from([(Reject::Overlong, rejected)]), ..Tally::default() }
}

fn counted(tally: &Tally) -> FileTally {
    FileTally {
        lines: tally.lines,
        events: tally.events,
        rejects: tally
            .rejects
            .iter()
            .map(|(reject, rejected)| {
                (reject.as_str(), rejected.count, rejected.first_line, rejected.sample.clone())
            })
            .collect(),
        unknown: tally.unknown.counts.iter().map(|(name, count)| (name.clone(), *count)).collect(),
    }
}

/// Marks a file as complete and makes one chunk of its many.
pub(super) fn close(
    batch: &Batch<'_>,
    file: &mut FileProgress,
    compact_up_to_bytes: u64,
) -> Result<(), BufferError> {
    file.state = FileState::Closed;
    if file.open_line_at.is_none() {
        batch.compact(file.id, compact_up_to_bytes)?;
    }
    batch.save_progress(file, None)
}
