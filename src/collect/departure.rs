//! A folder's files at their end: which are complete, and which may leave their source.
//!
//! What must never happen here: a file deleted of which the source holds one byte that the buffer
//! does not, or whose sessions are not all in central; a file closed by the gateway's own clock.

use std::{collections::BTreeMap, time::Duration};

use chrono::NaiveDateTime;

use super::{
    FolderCycle, Listed, Outcome,
    decide::{Dates, day_in_name, is_over},
    keep::close,
    reading::{ReadError, is_still_what_is_kept},
};
use crate::{
    analyse::days_touched,
    buffer::{Buffer, BufferError, FileProgress, FileState},
    config::DeletePolicy,
    durable::{Step, durably},
    journal,
    model::Day,
    parse::{Text, parse},
    source::{Entry, Source, SourceError},
};

/// Files up to this size get one chunk when they close.
const COMPACT_UP_TO_BYTES: u64 = 8 << 20;

/// A file that its source refused to delete is read and compared again no sooner: a server that lets
/// nobody delete may hold hundreds of them.
const REFUSED_FOR: Duration = Duration::from_secs(3600);

/// Files that close, or are marked, in one transaction.
const AT_ONCE: usize = 256;

/// Of a folder whose listing has no times, so many of the latest files are asked for theirs: enough
/// to see the server's day behind a file or two that claim to be of the future.
const TIMES_ASKED: usize = 3;

impl FolderCycle<'_, '_> {
    /// Asks for the times that a listing without them (vsftpd's) leaves open, where a file waits for
    /// them. Never for more than a few files: for old ones it is enough to know the server's day.
    pub(super) fn ask_times(&mut self, source: &mut dyn Source, listed: &mut Listed) {
        let now = self.watch.now();
        let waits = listed.entries.iter().any(|entry| {
            listed.known.get(&entry.name).is_some_and(|file| {
                file.state == FileState::Growing
                    && is_unchanged(entry, file)
                    && now.quiet_for(file.quiet.as_ref()) >= self.settings.file_quiet
            })
        });
        if !waits {
            return;
        }
        let mut timeless: Vec<(Option<Day>, &str)> = listed
            .entries
            .iter()
            .filter(|entry| entry.modified.is_none())
            .map(|entry| (day_in_name(&entry.name), entry.name.as_str()))
            .collect();
        timeless.sort_unstable();
        for (_, name) in timeless.into_iter().rev().take(TIMES_ASKED) {
            if self.watch.must_stop() || self.report.error.is_some() {
                return;
            }
            match source.modified(self.folder, name) {
                Ok(time) => listed.asked.extend(time.map(|time| (name.to_owned(), time))),
                Err(error) => self.source_failed(name, error),
            }
        }
    }

    /// Closes files that are complete, and deletes those that may go.
    pub(super) fn close_and_delete(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        listed: &Listed,
        newest_server_time: Option<NaiveDateTime>,
    ) -> Result<(), BufferError> {
        // What an older version, put back, would not know of must still be there to be read again.
        let may_delete = self.may_delete() && !buffer.may_go_back();
        let has_work = listed.known.values().any(|file| match file.state {
            FileState::Growing => true,
            FileState::Closed => may_delete,
            _ => false,
        });
        if !has_work {
            return Ok(());
        }
        let dates = self.dates(buffer, listed)?;
        let day_start = self.settings.options.day_start;
        let mut ends = Ends::default();
        for (entry, own) in listed.entries.iter().zip(&dates) {
            let Some(file) = listed.known.get(&entry.name) else { continue };
            if self.watch.must_stop() || self.report.error.is_some() {
                break;
            }
            match file.state {
                FileState::Growing
                    if is_unchanged(entry, file)
                        && is_over(*own, &dates, newest_server_time, day_start) =>
                {
                    self.close_when_quiet(buffer, source, entry, file, &mut ends)?;
                }
                FileState::Closed if is_unchanged(entry, file) && may_delete => {
                    self.delete(buffer, source, entry, file)?;
                }
                _ => {}
            }
            ends.commit(buffer, AT_ONCE)?;
        }
        ends.commit(buffer, 1)
    }

    fn dates(&self, buffer: &Buffer, listed: &Listed) -> Result<Vec<Dates>, BufferError> {
        let days: BTreeMap<i64, Day> = buffer.last_days(&self.config.name, self.folder)?;
        let of_events =
            |name: &str| listed.known.get(name).and_then(|file| days.get(&file.id).copied());
        Ok(listed
            .entries
            .iter()
            .map(|entry| Dates {
                day: day_in_name(&entry.name).max(of_events(&entry.name)),
                modified: listed.time_of(entry),
            })
            .collect())
    }

    fn close_when_quiet(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        file: &FileProgress,
        ends: &mut Ends,
    ) -> Result<(), BufferError> {
        let now = self.watch.now();
        if file.quiet.as_ref().is_none_or(|mark| mark.boot != now.boot) {
            // The first look of this boot: from here on it is known how long nothing changes.
            ends.marked.push(FileProgress { quiet: Some(now.mark()), ..file.clone() });
        }
        if now.quiet_for(file.quiet.as_ref()) < self.settings.file_quiet {
            return Ok(());
        }
        // A listing without times does not show that a file was rewritten at its old length. A file
        // of a folder that changed hands is closed as the former machine's.
        let is_own = buffer.machine_id(&self.machine.nom)? == Some(file.machine_id);
        let is_sure = entry.modified.is_some() || !is_own;
        if is_sure && entry.size == Some(file.consumed_bytes) {
            ends.closed.push(file.clone());
            return Ok(());
        }
        // A last line without an end counts now, and sizes that listings do not tell are learnt.
        if let Outcome::Read(Some(reading)) =
            self.read(buffer, source, entry, Some(file), is_sure, true)?
        {
            let is_same = reading.goes_on_with(file) && !reading.brings_lines();
            let mut waiting = vec![self.waiting(reading, now.uptime)];
            if let Some(kept) = self.keep_all(buffer, &mut waiting)?.pop()
                && kept.state == FileState::Growing
                && is_same
            {
                ends.closed.push(kept);
            }
        }
        Ok(())
    }

    fn may_delete(&self) -> bool {
        self.settings.has_central && self.config.delete == DeletePolicy::AfterSync
    }

    /// Invariant 5: closed, everything confirmed in central, and the source holds to the last byte
    /// what the buffer holds.
    fn delete(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        file: &FileProgress,
    ) -> Result<(), BufferError> {
        let uptime = self.watch.now().uptime;
        if let Some(refused) = self.memory.kept_by_source.get(&file.id)
            && uptime.saturating_sub(*refused) < REFUSED_FOR
        {
            return Ok(());
        }
        if !buffer.is_confirmed(file.id)?
            || !buffer.is_whole(file)?
            || !self.is_all_confirmed(buffer, file)?
        {
            return Ok(());
        }
        match is_still_what_is_kept(source, buffer, self.folder, file) {
            Ok(true) => {}
            Ok(false) => {
                journal::file_not_deleted(&self.config.name, self.folder, &file.name);
                return self.read_anew(buffer, source, entry, file);
            }
            Err(ReadError::Source(error)) => {
                self.source_failed(&file.name, error);
                return Ok(());
            }
            Err(ReadError::Buffer(error)) => return Err(error),
        }
        match source.size(self.folder, &file.name) {
            Ok(Some(size)) if size != file.consumed_bytes => return Ok(()),
            // A server that tells no size has just handed over the bytes themselves.
            Ok(_) => {}
            Err(error) => {
                self.source_failed(&file.name, error);
                return Ok(());
            }
        }
        if let Err(error) = durably(Step::Delete, || source.delete(self.folder, &file.name)) {
            if matches!(error, SourceError::FileRefused { .. } | SourceError::Disk { .. }) {
                journal::deletion_refused(&self.config.name, self.folder, &file.name, &error);
                // Those of an hour ago are asked for anew, or gone.
                let refused = &mut self.memory.kept_by_source;
                refused.retain(|_, at| uptime.saturating_sub(*at) < REFUSED_FOR);
                refused.insert(file.id, uptime);
            } else {
                self.source_failed(&file.name, error);
            }
            return Ok(());
        }
        self.report.files_deleted += 1;
        journal::file_deleted(&self.config.name, self.folder, &file.name, file.consumed_bytes);
        let deleted = FileProgress { state: FileState::Deleted, ..file.clone() };
        let batch = buffer.batch()?;
        batch.save_progress(&deleted, None)?;
        batch.commit(Step::NoteDeleted)
    }

    /// Whether every day of which the kept bytes hold an event is a session in central. A day whose
    /// older raw bytes made room takes nothing new, and is not fed by this file.
    fn is_all_confirmed(&self, buffer: &Buffer, file: &FileProgress) -> Result<bool, BufferError> {
        let confirmed = buffer.confirmed_days(file.id)?;
        let day_start = self.settings.options.day_start;
        let mut is_in_central = true;
        buffer.each_chunk(file.id, |chunk| {
            let Some(bytes) = chunk.bytes.filter(|_| is_in_central) else { return Ok(()) };
            let text = Text::new(&bytes);
            let events = parse(&text, &self.settings.words).events;
            let days = days_touched(&events, day_start);
            is_in_central = days.keys().all(|day| confirmed.contains(day));
            Ok(())
        })?;
        Ok(is_in_central)
    }

    /// The file is not the one that was closed: its growth, or a new generation of its name.
    fn read_anew(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        file: &FileProgress,
    ) -> Result<(), BufferError> {
        let begun = self.watch.now().uptime;
        match self.read(buffer, source, entry, Some(file), false, false)? {
            Outcome::Read(reading) | Outcome::SourceGone(reading) => {
                let mut waiting: Vec<_> =
                    reading.into_iter().map(|read| self.waiting(read, begun)).collect();
                self.keep_all(buffer, &mut waiting)?;
                Ok(())
            }
        }
    }

    pub(super) fn source_failed(&mut self, name: &str, error: SourceError) {
        journal::file_failed(&self.config.name, self.folder, name, &error);
        if !error.concerns_one_file() {
            self.report.error = Some(error);
        }
    }
}

fn is_unchanged(entry: &Entry, file: &FileProgress) -> bool {
    file.size_bytes == entry.size && file.modified == entry.modified
}

/// Files whose new state waits for a common transaction: a folder may hold twenty thousand.
#[derive(Default)]
struct Ends {
    marked: Vec<FileProgress>,
    closed: Vec<FileProgress>,
}

impl Ends {
    /// Makes what waits durable, each kind once it is `at_least` so many.
    fn commit(&mut self, buffer: &mut Buffer, at_least: usize) -> Result<(), BufferError> {
        if self.marked.len() >= at_least {
            let batch = buffer.batch()?;
            for file in self.marked.drain(..) {
                batch.save_progress(&file, None)?;
            }
            batch.commit(Step::MarkQuiet)?;
        }
        if self.closed.len() >= at_least {
            let batch = buffer.batch()?;
            for mut file in self.closed.drain(..) {
                close(&batch, &mut file, COMPACT_UP_TO_BYTES)?;
            }
            batch.commit(Step::Close)?;
        }
        Ok(())
    }
}
