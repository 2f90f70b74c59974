//! Carries LOG files from a source into the buffer: what to read, how far, when a file is complete,
//! and when it may leave its source.
//!
//! Order of writes for one file: read → **commit** (raw bytes, progress and results together) →
//! central confirms its sessions (the sync, elsewhere) → the whole file is read from the source once
//! more and is, byte for byte, what the buffer holds → its size is asked and is still that →
//! **delete** → note the deletion. Deleting is the only thing here that cannot be undone: it must
//! never happen to a file of which one byte is not in the buffer, or one session not in central. A
//! file that turns out to be another one is read as what it is, and waits anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use chrono::NaiveDateTime;

use crate::{
    analyse,
    buffer::{Buffer, BufferError, FileProgress},
    config::{Nominal, SourceConfig},
    journal,
    model::{Limits, Machine},
    parse::Words,
    source::{Source, SourceError},
};

mod claims;
mod compute;
mod decide;
mod deletion;
mod departure;
mod folder;
mod implausible;
mod import;
mod intake;
mod judge;
mod keep;
mod pace;
mod reading;
mod replay;
mod report;
mod room;
mod trouble;
mod witness;

pub use decide::Moment;
pub use implausible::{Implausible, implausible_files};
pub use import::{ImportError, ImportReport, import_file};
pub use judge::judge_stale;
pub use replay::{ReplayReport, replay, replay_outdated};
pub use report::SourceReport;
pub use trouble::{FolderReport, TroubleNews, Troubles, news};

use folder::{FolderCycle, Listed};
use keep::{Kept, Origin, Waiting, keep};
use pace::{Budget, PacedSource, PacedWatch, in_turn};
use witness::SeenTime;

/// What of the configuration collecting depends on, for all sources.
#[derive(Clone, Debug)]
pub struct Settings {
    pub words: Words,
    pub options: analyse::Options,
    /// From when on something is an anomaly.
    pub limits: Limits,
    /// Machine (`nom`) -> what its TRS is measured by.
    pub nominals: BTreeMap<String, Nominal>,
    pub file_quiet: Duration,
    /// Whether there is a central that could confirm anything: without one nothing is deleted.
    pub has_central: bool,
    /// Bytes of files held in memory before they are made durable.
    pub batch_bytes: usize,
    /// Most bytes the buffer may use: then reading waits, and closing and deleting go on.
    pub max_buffer_bytes: u64,
}

/// The agent's side of a cycle: its clock, whether to stop, and who watches.
pub trait Watch {
    fn now(&self) -> Moment;
    /// Asked between files.
    fn must_stop(&self) -> bool;
    /// Whether files that were not read yet are left to the next cycle, which begins with the folder
    /// that was not reached.
    fn leaves_the_rest(&self) -> bool {
        false
    }
    /// One more of `of` files of the folder has been looked at.
    fn progress(&self, folder: &str, done: usize, of: usize);
    /// Sessions changed and are durable: the sync may have them.
    fn kept(&self);
}

/// What a folder brought and is not more than this waits for the other folders', so that a poll of
/// machines at work is one transaction: each one costs a card several pages of its own.
const TOGETHER_BYTES: usize = 64 << 10;

/// What is remembered of a source from one cycle to the next, so that the log says a thing once.
#[derive(Debug, Default)]
pub struct SourceMemory {
    folders: Option<Vec<String>>,
    told_root_refused: bool,
    /// File (the buffer's id) -> running time at which the source refused to delete it, or said that
    /// it had and shows it all the same.
    kept_by_source: BTreeMap<i64, Duration>,
    /// File (the buffer's id) -> how often in a row its listed size changed and no line came.
    idle_changes: BTreeMap<i64, u32>,
    /// The folder that the next cycle begins with.
    first_folder: Option<String>,
    /// What lasts of what could not be read; `None`: not looked up in the buffer yet.
    pub troubles: Option<Troubles>,
    /// Files (the buffer's ids) that the source said to have deleted and no listing has missed yet,
    /// by folder; `None` until the buffer was asked.
    said_deleted: BTreeMap<String, BTreeSet<i64>>,
    /// The time of a file that had just been written when the agent looked.
    seen_time: Option<SeenTime>,
    /// The running time at the end of the last look at all folders.
    looked_at: Option<Duration>,
    /// Times asked one by one, with the size that they were asked at.
    asked: BTreeMap<(String, String), (Option<u64>, NaiveDateTime)>,
    /// Folder and file -> why it could not be read, as it was told.
    told_failed: BTreeMap<(String, String), String>,
    /// Files whose dates were told to be implausible.
    told_implausible: BTreeSet<(String, String)>,
}

/// Collects everything new of one source.
///
/// Errors of files, folders and the source itself are counted and reported; only the buffer's own
/// failure ends a cycle with an error.
pub fn collect(
    buffer: &mut Buffer,
    source: &mut dyn Source,
    config: &SourceConfig,
    settings: &Settings,
    watch: &dyn Watch,
    memory: &mut SourceMemory,
) -> Result<SourceReport, BufferError> {
    let budget = Budget::of(pace::patience(config));
    let paced_watch = PacedWatch { watch, budget: &budget };
    let mut paced = PacedSource { source, watch, budget: &budget };
    let mut report = collect_within(buffer, &mut paced, config, settings, &paced_watch, memory)?;
    report.note_given_up(&budget);
    Ok(report)
}

/// [`collect`], within the budget of `source` and `watch`.
fn collect_within(
    buffer: &mut Buffer,
    source: &mut dyn Source,
    config: &SourceConfig,
    settings: &Settings,
    watch: &dyn Watch,
    memory: &mut SourceMemory,
) -> Result<SourceReport, BufferError> {
    let mut report = SourceReport::default();
    match source.folders() {
        Ok(mut found) => {
            found.sort();
            if memory.folders.as_ref() != Some(&found) {
                journal::folders(&config.name, &found, &config.folders);
                memory.folders = Some(found);
            }
            memory.told_root_refused = false;
        }
        // The server answers, and what is mapped is asked for by its name: each folder tells what it is.
        Err(error @ SourceError::List { .. }) => {
            memory.folders = None;
            if !std::mem::replace(&mut memory.told_root_refused, true) {
                journal::root_refused(&config.name, &error);
            }
        }
        Err(error) => {
            report.error = Some(error);
            return Ok(report);
        }
    }
    let mut listings: Vec<(&str, &Machine, Listed)> = Vec::new();
    let mut waiting = Vec::new();
    let order = in_turn(config, memory.first_folder.take().as_deref());
    for (at, (folder, machine)) in order.iter().enumerate() {
        if watch.must_stop() || watch.leaves_the_rest() {
            report.goes_on = true;
            memory.first_folder = Some((*folder).clone());
            break;
        }
        let report = &mut report;
        let mut cycle =
            FolderCycle::new(config, settings, watch, (folder, machine), report, memory);
        let listed = cycle.read_new(buffer, source, &mut waiting)?;
        listings.extend(listed.map(|listed| (folder.as_str(), *machine, listed)));
        if report.goes_on || report.error.is_some() {
            // Whatever ended it here, the others come first next time.
            let next = order.get(at + 1).or(order.first());
            memory.first_folder = next.map(|(folder, _)| (*folder).clone());
            break;
        }
        if bytes_of(&waiting) >= TOGETHER_BYTES {
            keep_all(buffer, &mut waiting, settings, watch, report)?;
        }
    }
    keep_all(buffer, &mut waiting, settings, watch, &mut report)?;
    if watch.must_stop() {
        return Ok(report);
    }
    for (folder, _, listed) in &mut listings {
        listed.bring_up_to_date(buffer, &config.name, folder)?;
    }
    let judged = judge_stale(buffer, settings)?;
    if judged > 0 {
        report.sessions_changed += judged;
        watch.kept();
    }
    if report.error.is_some() {
        return Ok(report);
    }
    for (folder, machine, listed) in &mut listings {
        let report = &mut report;
        let mut cycle =
            FolderCycle::new(config, settings, watch, (folder, machine), report, memory);
        cycle.ask_times(source, listed);
    }
    let times = departure::Times::of(&listings, memory, watch.now().uptime);
    for (folder, machine, listed) in &listings {
        if watch.must_stop() || report.error.is_some() {
            return Ok(report);
        }
        let report = &mut report;
        let mut cycle =
            FolderCycle::new(config, settings, watch, (folder, machine), report, memory);
        cycle.close_and_delete(buffer, source, listed, &times)?;
    }
    Ok(report)
}

fn bytes_of(waiting: &[Waiting<'_>]) -> usize {
    waiting.iter().map(|waiting| waiting.reading.bytes()).sum()
}

/// Makes the waiting readings durable in one transaction and says what they were.
fn keep_all(
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
    let (kept, changed) = match keep(buffer, &waiting, settings, &now.wall) {
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
            journal::file_failed(origin.source, origin.folder, reading.name(), &error);
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
            journal::file_refused(source, folder, &file.name, &refusal.to_string());
            report.folder(folder).files_without_bytes += 1;
            continue;
        }
        report.files_read += 1;
        report.note_lines(buffer, folder, file, *events, *rejected)?;
        report.bytes += bytes;
        report.events += events;
        report.rejected += rejected;
        let took = now.uptime.saturating_sub(waiting.begun);
        journal::file_read(folder, &file.name, *events, *rejected, *bytes, took);
    }
    Ok(kept.into_iter().map(|kept| kept.file).collect())
}

/// The words of the configuration as the parser wants them.
pub fn words(names: &crate::config::EventNames) -> Result<Words, crate::parse::WordError> {
    Words::new(&names.piece, &names.wait, &names.stop, &names.start, &names.job)
}
