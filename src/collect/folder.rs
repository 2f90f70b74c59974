//! One folder's part of a cycle: its listing, what of it is new, and the reading of that.
//!
//! What must never happen here: a file that ends the reading of the others, unless its source itself is
//! gone; what was read dropped because a transfer broke off behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use chrono::NaiveDateTime;

use super::{
    commit::{Origin, Waiting, bytes_of, keep, keep_all},
    decide::{Look, Start, may_lag, newest_log},
    known::KnownFiles,
    memory::SourceMemory,
    reading::{Reading, Request, Target, read_file},
    report::SourceReport,
    room::{Room, make_room},
    settings::Settings,
    watch::Watch,
};
use crate::{
    buffer::{Buffer, BufferError, FileProgress, FileState},
    config::SourceConfig,
    logging,
    model::{Machine, ShortText, TroubleKind},
    source::{Entry, Source, SourceError, is_log, may_be_renamed_log},
};

/// What is known of a file takes more than a short file's bytes: so many files are made durable at once.
///
/// Each time the days they are of are computed from all of their files, so a day of a hundred thousand
/// files should not take many times.
const MOST_WAITING: usize = 2000;

/// Most files that are looked at although they are no LOG.
const MOST_OTHERS: usize = 200;

/// A folder as its source shows it, and what the buffer knows of its files after reading.
pub(super) struct Listed {
    pub entries: Vec<Entry>,
    /// Files that are no LOG.
    pub renamed: Vec<Entry>,
    pub known: KnownFiles,
    /// Nothing was read since `known` was.
    is_current: bool,
    /// Times asked one by one, where the listing has none.
    pub asked: BTreeMap<ShortText, NaiveDateTime>,
    /// Names of known files that brought more lines in this look.
    pub grew: BTreeSet<ShortText>,
}

impl Listed {
    /// Its LOG files, in order of their names, with what is known of each.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Entry, Option<&FileProgress>)> {
        self.known.beside(&self.entries)
    }

    pub(super) fn time_of(&self, entry: &Entry) -> Option<NaiveDateTime> {
        entry.modified.or_else(|| self.asked.get(&entry.name).copied())
    }

    pub(super) fn bring_up_to_date(
        &mut self,
        buffer: &Buffer,
        memory: &mut SourceMemory,
        place: (&str, &str),
    ) -> Result<(), BufferError> {
        if !std::mem::replace(&mut self.is_current, true) {
            // Twenty thousand files need not be in memory twice.
            self.known.by_name.clear();
            self.known = KnownFiles::of(buffer, memory, place, &self.entries)?;
        }
        Ok(())
    }
}

/// One folder's part of a cycle.
pub(super) struct FolderCycle<'c, 'r> {
    pub config: &'c SourceConfig,
    pub settings: &'c Settings,
    pub watch: &'c dyn Watch,
    pub folder: &'c str,
    pub machine: &'c Machine,
    pub report: &'r mut SourceReport,
    pub memory: &'r mut SourceMemory,
    /// Newer LOGs (the buffer's ids) that were read once more in this look, and whether they are what
    /// was read of them.
    pub confirmed_newer: BTreeMap<i64, bool>,
}

impl<'c, 'r> FolderCycle<'c, 'r> {
    pub(super) fn new(
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

    pub(super) fn waiting(&self, reading: Reading, begun: Duration) -> Waiting<'c> {
        Waiting { origin: self.origin(), reading, begun }
    }

    /// Reads what is new and puts it among what waits to be made durable; returns the folder as
    /// listed, `None` where it could not be.
    pub(super) fn read_new(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        waiting: &mut Vec<Waiting<'c>>,
    ) -> Result<Option<Listed>, BufferError> {
        let Some((entries, renamed)) = self.list(source) else { return Ok(None) };
        let place = (self.config.name.as_str(), self.folder);
        let known = KnownFiles::of(buffer, self.memory, place, &entries)?;
        let mut listed = Listed {
            entries,
            renamed,
            known,
            is_current: true,
            asked: BTreeMap::new(),
            grew: BTreeSet::new(),
        };
        if !self.has_room(buffer)? {
            return Ok(Some(listed));
        }
        let newest = newest_log(&listed.entries).filter(|_| !source.lists_true_sizes());
        let machine_id = buffer.files().machine_id(&self.machine.nom)?;
        self.expect_unknown(source, &listed);
        let mut waiting_bytes = bytes_of(waiting);
        for (at, (entry, known)) in listed.known.beside(&listed.entries).enumerate() {
            if self.watch.must_stop() {
                break;
            }
            if self.watch.leaves_the_rest() {
                self.report.goes_on = true;
                break;
            }
            self.watch.progress(self.folder, at, listed.entries.len());
            // A folder that changed hands is another machine's from its next growth on.
            let is_own = known.is_some_and(|file| Some(file.machine_id) == machine_id);
            let is_hint = newest == Some(at) && is_own && may_lag(known);
            let Some(looked) = self.look_at(buffer, source, entry, known, is_hint)? else {
                continue;
            };
            listed.is_current &= !looked.is_changed;
            if looked.grew {
                listed.grew.insert(entry.name.clone());
            }
            if let Some(reading) = looked.reading {
                waiting_bytes += reading.bytes();
                waiting.push(self.waiting(reading, looked.begun));
            }
            if looked.is_gone {
                break;
            }
            if waiting_bytes >= self.settings.batch_bytes || waiting.len() >= MOST_WAITING {
                self.keep_all(buffer, waiting)?;
                waiting_bytes = 0;
            }
        }
        Ok(Some(listed))
    }

    /// Names the files that are read from their beginning. The one that is written at the moment is not among
    /// them: its day is known until the moment at which it is opened.
    fn expect_unknown(&self, source: &mut dyn Source, listed: &Listed) {
        let newest = newest_log(&listed.entries);
        let files = listed.known.beside(&listed.entries).enumerate();
        let unknown = files.filter(|(at, (entry, known))| {
            let is_too_large = entry.size.is_some_and(|size| size > self.config.max_file_bytes);
            known.is_none() && Some(*at) != newest && !is_too_large
        });
        source.expect(self.folder, unknown.map(|(_, (entry, _))| entry.name.clone()).collect());
    }

    /// Reads of a listed file what is new; `None` where there is nothing to be read. With `is_hint` its
    /// listed size is not believed to say so.
    fn look_at(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        known: Option<&FileProgress>,
        is_hint: bool,
    ) -> Result<Option<Looked>, BufferError> {
        let look = self.looked(entry, known);
        if look == Look::Skip && !is_hint {
            if known.is_some_and(|file| file.state == FileState::Refused) {
                self.report.folder(self.folder).files_without_bytes += 1;
            }
            return Ok(None);
        }
        let begun = self.watch.now().uptime;
        match look {
            Look::Refuse(refusal) => {
                let target = match known {
                    Some(file) => Target::Known(file.clone()),
                    None => Target::New(entry.name.clone()),
                };
                let reading = Some(Reading::refused(target, entry, refusal));
                Ok(Some(Looked { reading, begun, is_changed: true, grew: false, is_gone: false }))
            }
            look => {
                let (reading, is_gone) = if look == Look::Skip {
                    self.read_behind(buffer, source, entry, known)?
                } else {
                    self.read_changed(buffer, source, entry, known, look == Look::Resume)?
                };
                let is_changed = look != Look::Skip || reading.is_some();
                let grew = reading
                    .as_ref()
                    .zip(known)
                    .is_some_and(|(reading, file)| reading.shows_growth(file));
                Ok(Some(Looked { reading, begun, is_changed, grew, is_gone }))
            }
        }
    }

    /// The folder's LOG files by name, and its other files; `None` where it could not be listed, which is
    /// noted.
    fn list(&mut self, source: &mut dyn Source) -> Option<(Vec<Entry>, Vec<Entry>)> {
        let listing = match source.list(self.folder) {
            Ok(listing) => listing,
            Err(error @ SourceError::FolderMissing { .. }) => {
                self.folder_failed(TroubleKind::FolderMissing, &error);
                return None;
            }
            Err(error) if error.concerns_one_file() => {
                self.folder_failed(TroubleKind::FolderNotListed, &error);
                return None;
            }
            Err(error) => {
                self.report.error = Some(error);
                return None;
            }
        };
        self.report.folder(self.folder).unread = listing.unread;
        let entries = listing.entries.into_iter().map(Entry::bounded);
        let (mut entries, mut others): (Vec<Entry>, Vec<Entry>) =
            entries.partition(|entry| is_log(&entry.name));
        others.sort_by_key(|entry| !may_be_renamed_log(&entry.name));
        others.truncate(MOST_OTHERS);
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        // A server may show a name twice; it is one file.
        entries.dedup_by(|one, other| one.name == other.name);
        self.report.files_listed += entries.len() as u64;
        self.note_listed(&entries);
        Some((entries, others))
    }

    /// A file whose listing changed, and whether the source is gone.
    fn read_changed(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        known: Option<&FileProgress>,
        resume: bool,
    ) -> Result<(Option<Reading>, bool), BufferError> {
        match self.read(buffer, source, entry, known, resume, false)? {
            Outcome::Read(reading) => {
                self.note_idle_change(entry, known, reading.as_ref());
                Ok((reading, false))
            }
            Outcome::SourceGone(reading) => Ok((reading, true)),
        }
    }

    /// Whether more may be read; what central holds makes room first.
    fn has_room(&mut self, buffer: &mut Buffer) -> Result<bool, BufferError> {
        match make_room(buffer, self.settings.max_buffer_bytes)? {
            Room::Enough => {}
            Room::Made(spared) => logging::made_room(spared.files, spared.sessions),
            Room::None => {
                self.report.at_cap = true;
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn read(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        known: Option<&FileProgress>,
        resume: bool,
        complete: bool,
    ) -> Result<Outcome, BufferError> {
        // A file that was another machine's is read whole for this one: the folder has changed hands.
        let machine_id = buffer.files().machine_id(&self.machine.nom)?;
        let known = known.filter(|file| Some(file.machine_id) == machine_id);
        let request = Request {
            folder: self.folder,
            entry,
            start: Start::of(known, resume),
            complete,
            max_file_bytes: self.config.max_file_bytes,
            part_bytes: self.settings.batch_bytes,
        };
        let moment = self.watch.now();
        let mut keep_part = |buffer: &mut Buffer, part: Reading| {
            let begun = Instant::now();
            let now = self.watch.now();
            let part = self.waiting(part, now.uptime);
            let (kept, changed) = keep(buffer, &[part], self.settings, now.wall_time())?;
            self.report.keep_time += begun.elapsed();
            self.report.sessions_changed += changed;
            let kept = kept.into_iter().next().expect("one reading gives one progress");
            self.report.bytes += kept.bytes;
            self.report.events += kept.events;
            self.report.rejected += kept.rejected;
            Ok(kept.file)
        };
        match read_file(source, buffer, &request, &moment, &mut keep_part) {
            Ok((reading, None)) => {
                self.file_well(&entry.name);
                Ok(Outcome::Read(reading))
            }
            Ok((reading, Some(error))) => {
                self.file_failed(&entry.name, &error, reading.is_some());
                if error.concerns_one_file() {
                    return Ok(Outcome::Read(reading));
                }
                self.report.error = Some(error);
                Ok(Outcome::SourceGone(reading))
            }
            Err(error) if error.concerns_data() => {
                self.file_failed(&entry.name, &error, false);
                Ok(Outcome::Read(None))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn keep_all(
        &mut self,
        buffer: &mut Buffer,
        waiting: &mut Vec<Waiting<'_>>,
    ) -> Result<Vec<FileProgress>, BufferError> {
        keep_all(buffer, waiting, self.settings, self.watch, self.report)
    }
}

/// What came of looking at a listed file.
struct Looked {
    reading: Option<Reading>,
    /// The running time at its beginning.
    begun: Duration,
    /// What is known of the file may not hold any more.
    is_changed: bool,
    /// The machine writes into it.
    grew: bool,
    /// The source itself failed.
    is_gone: bool,
}

/// What came of reading one file.
pub(super) enum Outcome {
    Read(Option<Reading>),
    /// The source itself failed; what came in complete lines is kept.
    SourceGone(Option<Reading>),
}
