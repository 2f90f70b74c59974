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
    buffer::{Buffer, BufferError, FileProgress, FileState},
    config::{Nominal, SourceConfig},
    journal,
    model::{Limits, Machine, TroubleKind},
    parse::Words,
    source::{Entry, Source, SourceError},
};

mod claims;
mod compute;
mod decide;
mod deletion;
mod departure;
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
pub use import::{ImportError, ImportReport, import_file};
pub use judge::judge_stale;
pub use replay::{ReplayReport, replay, replay_outdated};
pub use report::SourceReport;
pub use trouble::{FolderReport, TroubleNews, Troubles, news};
pub use witness::{Implausible, implausible_files};

use decide::{Look, is_log, may_lag, newest_log};
use keep::{Kept, Origin, Waiting, keep};
use pace::{Budget, PacedSource, PacedWatch, in_turn};
use reading::{ReadError, Reading, Request, Target, known, read_file};
use room::{Room, make_room};
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

/// What is known of a file takes more than a short file's bytes: so many files are made durable at once.
const MOST_WAITING: usize = 1000;

/// What is remembered of a source from one cycle to the next, so that the log says a thing once.
#[derive(Debug, Default)]
pub struct SourceMemory {
    folders: Option<Vec<String>>,
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
    /// Times asked one by one, with the size that they were asked at.
    asked: BTreeMap<(String, String), (Option<u64>, NaiveDateTime)>,
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

/// A folder as its source shows it, and what the buffer knows of its files after reading.
struct Listed {
    entries: Vec<Entry>,
    known: BTreeMap<String, FileProgress>,
    /// Nothing was read since `known` was.
    is_current: bool,
    /// Times asked one by one, where the listing has none.
    asked: BTreeMap<String, NaiveDateTime>,
    /// Names of known files that brought more lines in this look.
    grew: BTreeSet<String>,
}

impl Listed {
    fn time_of(&self, entry: &Entry) -> Option<NaiveDateTime> {
        entry.modified.or_else(|| self.asked.get(&entry.name).copied())
    }

    fn bring_up_to_date(
        &mut self,
        buffer: &Buffer,
        source: &str,
        folder: &str,
    ) -> Result<(), BufferError> {
        if !std::mem::replace(&mut self.is_current, true) {
            // Twenty thousand files need not be in memory twice.
            self.known.clear();
            self.known = known(buffer, source, folder, &self.entries)?;
        }
        Ok(())
    }
}

/// One folder's part of a cycle.
struct FolderCycle<'c, 'r> {
    config: &'c SourceConfig,
    settings: &'c Settings,
    watch: &'c dyn Watch,
    folder: &'c str,
    machine: &'c Machine,
    report: &'r mut SourceReport,
    memory: &'r mut SourceMemory,
    /// Newer LOGs (the buffer's ids) that were read once more in this look, and whether they are what
    /// was read of them.
    confirmed_newer: BTreeMap<i64, bool>,
}

impl<'c, 'r> FolderCycle<'c, 'r> {
    fn new(
        config: &'c SourceConfig,
        settings: &'c Settings,
        watch: &'c dyn Watch,
        (folder, machine): (&'c str, &'c Machine),
        report: &'r mut SourceReport,
        memory: &'r mut SourceMemory,
    ) -> Self {
        let confirmed_newer = BTreeMap::new();
        Self { config, settings, watch, folder, machine, report, memory, confirmed_newer }
    }

    fn origin(&self) -> Origin<'c> {
        Origin {
            source: &self.config.name,
            folder: self.folder,
            machine: self.machine,
            max_file_bytes: self.config.max_file_bytes,
        }
    }

    fn waiting(&self, reading: Reading, begun: Duration) -> Waiting<'c> {
        Waiting { origin: self.origin(), reading, begun }
    }

    /// Reads what is new and puts it among what waits to be made durable; returns the folder as
    /// listed, `None` where it could not be.
    fn read_new(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        waiting: &mut Vec<Waiting<'c>>,
    ) -> Result<Option<Listed>, BufferError> {
        let mut entries = match source.list(self.folder) {
            Ok(listing) => {
                self.report.folder(self.folder).unread = listing.unread;
                listing.entries
            }
            Err(error @ SourceError::FolderMissing { .. }) => {
                self.folder_failed(TroubleKind::FolderMissing, &error);
                return Ok(None);
            }
            Err(error) if error.concerns_one_file() => {
                self.folder_failed(TroubleKind::FolderNotListed, &error);
                return Ok(None);
            }
            Err(error) => {
                self.report.error = Some(error);
                return Ok(None);
            }
        };
        self.report.folders_found += 1;
        entries.retain(|entry| is_log(&entry.name));
        entries = entries.into_iter().map(Entry::bounded).collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        self.report.files_listed += entries.len() as u64;
        self.note_listed(&entries);
        let known = known(buffer, &self.config.name, self.folder, &entries)?;
        let mut listed = Listed {
            entries,
            known,
            is_current: true,
            asked: BTreeMap::new(),
            grew: BTreeSet::new(),
        };
        if !self.has_room(buffer)? {
            return Ok(Some(listed));
        }
        let newest = newest_log(&listed.entries).filter(|_| !source.lists_true_sizes());
        for (at, entry) in listed.entries.iter().enumerate() {
            if self.watch.must_stop() {
                break;
            }
            if self.watch.leaves_the_rest() {
                self.report.goes_on = true;
                break;
            }
            self.watch.progress(self.folder, at, listed.entries.len());
            let known = listed.known.get(&entry.name);
            let begun = self.watch.now();
            let is_hint = newest == Some(at) && may_lag(known);
            match self.looked(entry, known) {
                Look::Skip if is_hint => {
                    let (news, is_gone) = self.read_behind(buffer, source, entry, known)?;
                    if let Some(reading) = news {
                        listed.is_current = false;
                        if known.is_some_and(|file| departure::shows_growth(&reading, file)) {
                            listed.grew.insert(entry.name.clone());
                        }
                        waiting.push(self.waiting(reading, begun.uptime));
                    }
                    if is_gone {
                        break;
                    }
                }
                Look::Skip => {
                    if known.is_some_and(|file| file.state == FileState::Refused) {
                        self.report.folder(self.folder).files_without_bytes += 1;
                    }
                    continue;
                }
                Look::Refuse(refusal) => {
                    listed.is_current = false;
                    let target = match known {
                        Some(file) => Target::Known(file.clone()),
                        None => Target::New(entry.name.clone()),
                    };
                    let refused = Reading::refused(target, entry, refusal);
                    waiting.push(self.waiting(refused, begun.uptime));
                }
                action => {
                    listed.is_current = false;
                    let resume = action == Look::Resume;
                    match self.read(buffer, source, entry, known, resume, false)? {
                        Outcome::Read(reading) => {
                            self.note_idle_change(entry, known, reading.as_ref());
                            if let (Some(reading), Some(file)) = (&reading, known)
                                && departure::shows_growth(reading, file)
                            {
                                listed.grew.insert(entry.name.clone());
                            }
                            waiting.extend(reading.map(|read| self.waiting(read, begun.uptime)));
                        }
                        Outcome::SourceGone(reading) => {
                            waiting.extend(reading.map(|read| self.waiting(read, begun.uptime)));
                            break;
                        }
                    }
                }
            }
            if bytes_of(waiting) >= self.settings.batch_bytes || waiting.len() >= MOST_WAITING {
                self.keep_all(buffer, waiting)?;
            }
        }
        Ok(Some(listed))
    }

    /// Whether more may be read; what central holds makes room first.
    fn has_room(&mut self, buffer: &mut Buffer) -> Result<bool, BufferError> {
        match make_room(buffer, self.settings.max_buffer_bytes)? {
            Room::Enough => {}
            Room::Made(spared) => journal::made_room(spared.files, spared.sessions),
            Room::None => {
                self.report.at_cap = true;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        known: Option<&FileProgress>,
        resume: bool,
        complete: bool,
    ) -> Result<Outcome, BufferError> {
        // A file that was another machine's is read whole for this one: the folder has changed hands.
        let machine_id = buffer.machine_id(&self.machine.nom)?;
        let known = known.filter(|file| Some(file.machine_id) == machine_id);
        let request = Request {
            folder: self.folder,
            entry,
            known,
            resume,
            complete,
            max_file_bytes: self.config.max_file_bytes,
            part_bytes: self.settings.batch_bytes,
        };
        let moment = self.watch.now();
        let mut keep_part = |buffer: &mut Buffer, part: Reading| {
            let begun = Instant::now();
            let now = self.watch.now();
            let part = self.waiting(part, now.uptime);
            let (kept, changed) = keep(buffer, &[part], self.settings, &now.wall)?;
            self.report.keep_time += begun.elapsed();
            self.report.sessions_changed += changed;
            let kept = kept.into_iter().next().expect("one reading gives one progress");
            self.report.bytes += kept.bytes;
            self.report.events += kept.events;
            self.report.rejected += kept.rejected;
            Ok(kept.file)
        };
        match read_file(source, buffer, &request, &moment, &mut keep_part) {
            Ok((reading, None)) => Ok(Outcome::Read(reading)),
            Ok((reading, Some(error))) => {
                self.file_failed(&entry.name, &error, reading.is_some());
                if error.concerns_one_file() {
                    return Ok(Outcome::Read(reading));
                }
                self.report.error = Some(error);
                Ok(Outcome::SourceGone(reading))
            }
            Err(ReadError::Buffer(error)) if error.concerns_data() => {
                self.report.files_failed += 1;
                journal::file_failed(&self.config.name, self.folder, &entry.name, &error);
                Ok(Outcome::Read(None))
            }
            Err(ReadError::Buffer(error)) => Err(error),
            Err(ReadError::Source(error)) => {
                self.file_failed(&entry.name, &error, false);
                Ok(Outcome::Read(None))
            }
        }
    }

    fn keep_all(
        &mut self,
        buffer: &mut Buffer,
        waiting: &mut Vec<Waiting<'_>>,
    ) -> Result<Vec<FileProgress>, BufferError> {
        keep_all(buffer, waiting, self.settings, self.watch, self.report)
    }
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
            journal::file_refused(source, folder, &file.name, refusal);
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

/// What came of reading one file.
enum Outcome {
    Read(Option<Reading>),
    /// The source itself failed; what came in complete lines is kept.
    SourceGone(Option<Reading>),
}

/// The words of the configuration as the parser wants them.
pub fn words(names: &crate::config::EventNames) -> Result<Words, crate::parse::WordError> {
    Words::new(&names.piece, &names.wait, &names.stop, &names.start, &names.job)
}
