//! Makes what was read durable: raw bytes, progress, counts and the sessions they change, of several
//! files in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::{Duration, Instant},
};

use super::{
    compute::{AtHand, Touched, recompute},
    decide::MOST_DAYS,
    reading::{Reading, Target},
    report::SourceReport,
    settings::Settings,
    verifier::Segment,
    watch::Watch,
};
use crate::{
    analyse::days_touched,
    buffer::{
        Batch, Buffer, BufferError, FileProgress, FileState, FileTally, OTHER_NAMES, Refusal,
    },
    failpoints::Step,
    logging,
    model::{Day, Machine, WallTime},
    parse::{Reject, Tally, Text, parse},
};

/// Where the readings of a batch come from and what they feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'o> {
    pub source: &'o str,
    pub folder: &'o str,
    pub machine: &'o Machine,
    /// Of one file, and of all files of one day together: they are in memory together.
    pub max_file_bytes: u64,
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

pub(super) fn bytes_of(waiting: &[Waiting<'_>]) -> usize {
    waiting.iter().map(|waiting| waiting.reading.bytes()).sum()
}

/// Makes the waiting readings durable in one transaction and says what they were.
pub(super) fn keep_all(
    buffer: &mut Buffer,
    waiting: &mut Vec<Waiting<'_>>,
    settings: &Settings,
    watch: &dyn Watch,
    report: &mut SourceReport,
) -> Result<Vec<FileProgress>, BufferError> {
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let waiting = std::mem::take(waiting);
    let now = watch.now();
    let at_keeping = Instant::now();
    let (kept, changed) = match keep(buffer, &waiting, settings, now.wall_time()) {
        Ok(all) => all,
        // What one of them holds fits no row: the others are kept without it.
        Err(error) if error.concerns_data() && waiting.len() > 1 => {
            let mut each = Vec::new();
            for one in waiting {
                each.extend(keep_all(buffer, &mut vec![one], settings, watch, report)?);
            }
            return Ok(each);
        }
        Err(error) if error.concerns_data() => {
            let Waiting { origin, reading, .. } = &waiting[0];
            report.files_failed += 1;
            logging::file_failed(origin.source, origin.folder, reading.name(), &error);
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    report.keep_time += at_keeping.elapsed();
    report.sessions_changed += changed;
    if changed > 0 {
        watch.kept();
    }
    for (Kept { file, bytes, events, rejected }, waiting) in kept.iter().zip(&waiting) {
        let Origin { source, folder, .. } = waiting.origin;
        if let Some(refusal) = &file.refusal {
            report.files_refused += 1;
            logging::file_refused(source, folder, &file.name, &refusal.to_string());
            report.folder(folder).files_without_bytes += 1;
            continue;
        }
        report.files_read += 1;
        report.note_lines(buffer, folder, file, *events, *rejected)?;
        report.bytes += bytes;
        report.events += events;
        report.rejected += rejected;
        let took = now.uptime.saturating_sub(waiting.begun);
        logging::file_read(folder, &file.name, *events, *rejected, *bytes, took);
    }
    Ok(kept.into_iter().map(|kept| kept.file).collect())
}

/// Keeps the readings in one transaction and returns each one's progress, in their order, and how
/// many sessions changed. Readings of one folder stand side by side.
pub(super) fn keep(
    buffer: &mut Buffer,
    waiting: &[Waiting<'_>],
    settings: &Settings,
    wall: WallTime,
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
        let mut added = Added::default();
        for Waiting { reading, .. } in of_folder {
            if added.touched.len() >= DAYS_AT_ONCE {
                let Added { touched, at_hand, .. } = std::mem::take(&mut added);
                changed += recompute(&batch, machine_id, &touched, &at_hand, settings)?;
            }
            let one = keep_one(&batch, origin, machine_id, reading, &mut added, settings, wall)?;
            if let [Segment::Lines { start: 0, bytes }] = reading.segments.as_slice()
                && one.file.refusal.is_none()
            {
                added.at_hand.insert(one.file.id, bytes);
            }
            kept.push(one);
        }
        changed += recompute(&batch, machine_id, &added.touched, &added.at_hand, settings)?;
    }
    batch.commit(Step::Keep)?;
    Ok((kept, changed))
}

/// What the readings of a folder add to its days, until those are computed.
#[derive(Default)]
struct Added<'b> {
    touched: Touched,
    at_hand: AtHand<'b>,
    /// Bytes that this batch adds to a day.
    bytes: BTreeMap<Day, u64>,
    /// Bytes of a day before this batch: summed up once, for a day may have tens of thousands of files.
    before: BTreeMap<Day, u64>,
}

fn keep_one(
    batch: &Batch<'_>,
    origin: Origin<'_>,
    machine_id: i64,
    reading: &Reading,
    added: &mut Added<'_>,
    settings: &Settings,
    wall: WallTime,
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
    let mut read = Lines::default();
    let mut own_bytes = 0;
    for segment in &reading.segments {
        match segment {
            Segment::Lines { bytes, .. } => {
                let lines = Lines::of(bytes, settings);
                read.tally.add(&lines.tally);
                read.days.extend(lines.days);
                own_bytes += bytes.len() as u64;
            }
            Segment::Overlong { begins: true, .. } => read.tally.add(&one_overlong_line()),
            Segment::Overlong { .. } => {}
        }
    }
    let whole_bytes = file.consumed_bytes.saturating_add(own_bytes);
    if let Some(refusal) = refusal(batch, origin, &file, whole_bytes, &read.days, added)? {
        reading.refuse(&mut file, refusal);
        batch.save_progress(&file, None)?;
        return Ok(Kept { file, bytes: 0, events: 0, rejected: 0 });
    }
    if let Some(open_line) = file.open_line_at.take() {
        batch.truncate(file.id, open_line)?;
        recount(batch, file.id, settings)?;
    }
    let mut bytes_read = 0;
    for segment in &reading.segments {
        match segment {
            Segment::Lines { start, bytes } => {
                batch.append(file.id, *start, bytes)?;
                bytes_read += bytes.len() as u64;
            }
            Segment::Overlong { start, length, .. } => {
                batch.pass_over(file.id, *start, *length)?;
                bytes_read += length;
            }
        }
    }
    for day in read.days {
        let name = format!("{folder}/{}", file.name);
        added.touched.entry(day).or_default().insert(file.id, name);
        *added.bytes.entry(day).or_default() += own_bytes;
    }
    let tally = read.tally;
    if tally != Tally::default() {
        batch.add_tally(file.id, &counted(&tally))?;
    }
    reading.apply_to(&mut file);
    batch.save_progress(&file, (bytes_read > 0).then_some(wall))?;
    Ok(Kept { file, bytes: bytes_read, events: tally.events, rejected: tally.rejected() })
}

/// Days that are touched before they are computed: what is known of each takes memory.
const DAYS_AT_ONCE: usize = 1000;

/// The lines of a reading, counted, and the days that they are of.
#[derive(Default)]
struct Lines {
    tally: Tally,
    days: BTreeSet<Day>,
}

impl Lines {
    fn of(bytes: &[u8], settings: &Settings) -> Self {
        let text = Text::new(bytes);
        let parsed = parse(&text, &settings.words);
        let days = days_touched(&parsed.events, settings.options.day_start);
        Self { tally: parsed.tally, days: days.into_keys().collect() }
    }
}

/// Why a reading that holds lines of `days` is not kept: it would ask for more memory than a file may.
/// The union of a day's files is computed in memory, so they may be no larger than one.
fn refusal(
    batch: &Batch<'_>,
    origin: Origin<'_>,
    file: &FileProgress,
    own_bytes: u64,
    days: &BTreeSet<Day>,
    added: &mut Added<'_>,
) -> Result<Option<Refusal>, BufferError> {
    if days.len() > MOST_DAYS {
        return Ok(Some(Refusal::TooManyDays { days: days.len(), most_days: MOST_DAYS }));
    }
    for day in days {
        let before = match added.before.entry(*day) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => *unknown.insert(batch.bytes_of_day(file.machine_id, *day)?),
        };
        let is_own = file.consumed_bytes > 0 && batch.feeds(file.id, file.machine_id, *day)?;
        let own_before = if is_own { file.consumed_bytes } else { 0 };
        let others = before.saturating_sub(own_before);
        let others = others.saturating_add(added.bytes.get(day).copied().unwrap_or(0));
        let together = own_bytes.saturating_add(others);
        if others > 0 && together > origin.max_file_bytes {
            let (day, bytes, max_file_bytes) = (*day, together, origin.max_file_bytes);
            return Ok(Some(Refusal::DayTooLarge { day, bytes, max_file_bytes }));
        }
    }
    Ok(None)
}

/// Counts a file's lines again from what is kept of it.
fn recount(batch: &Batch<'_>, file_id: i64, settings: &Settings) -> Result<(), BufferError> {
    let mut tally = Tally::default();
    batch.each_chunk(file_id, |chunk| {
        match &chunk.bytes {
            Some(bytes) => tally.add(&parse(&Text::new(bytes), &settings.words).tally),
            None => tally.add(&one_overlong_line()),
        }
        Ok(())
    })?;
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
    let names = tally.unknown.counts.iter().map(|(name, count)| (name.clone(), *count));
    let others = (tally.unknown.uncounted > 0).then_some(tally.unknown.uncounted);
    let others = others.map(|count| (OTHER_NAMES.to_owned(), count));
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
        unknown: names.chain(others).collect(),
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
