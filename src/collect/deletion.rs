//! The deletion of a LOG that may leave its source, and what the source makes of it.
//!
//! What must never happen here: a file deleted of which the source holds one byte that the buffer
//! does not, or whose sessions are not all in central.

use std::{collections::BTreeSet, time::Duration};

use super::{
    folder::{FolderCycle, Listed, Outcome},
    reading::{ReadError, is_still_what_is_kept},
    witness::Witnesses,
};
use crate::{
    analyse::days_touched,
    buffer::{Buffer, BufferError, FileProgress, FileState},
    failpoints::{Step, durably},
    logging,
    parse::{Text, parse},
    source::{Entry, Source, SourceError},
};

/// A file that its source refused to delete is read and compared again no sooner: a server that lets
/// nobody delete may hold hundreds of them.
const REFUSED_FOR: Duration = Duration::from_secs(3600);

impl FolderCycle<'_, '_> {
    /// Notes which of the files that the source said to have deleted its listing misses: only then is
    /// one of that name another file. Of the others it is told, once, that they are still there.
    pub(super) fn note_gone(
        &mut self,
        buffer: &mut Buffer,
        listed: &Listed,
    ) -> Result<(), BufferError> {
        let said = match self.memory.said_deleted.remove(self.folder) {
            Some(said) => said,
            None => buffer.files().said_deleted(&self.config.name, self.folder)?,
        };
        if said.is_empty() {
            self.memory.said_deleted.insert(self.folder.to_owned(), said);
            return Ok(());
        }
        let listed: BTreeSet<i64> = listed.known.by_name.values().map(|file| file.id).collect();
        let is_listed = |id: &i64| listed.contains(id);
        let (there, gone): (BTreeSet<i64>, BTreeSet<i64>) = said.into_iter().partition(is_listed);
        self.memory.said_deleted.insert(self.folder.to_owned(), there);
        if gone.is_empty() {
            return Ok(());
        }
        let batch = buffer.batch()?;
        for id in gone {
            self.memory.kept_by_source.remove(&id);
            batch.note_gone(id)?;
        }
        batch.commit(Step::NoteDeleted)
    }

    /// Whether a file that the source said to have deleted and still shows is asked for again: an hour
    /// after it was noticed, in each process.
    pub(super) fn is_to_be_deleted_again(&mut self, file: &FileProgress) -> bool {
        let uptime = self.watch.now().uptime;
        if self.memory.kept_by_source.contains_key(&file.id) {
            return true;
        }
        logging::deletion_without_effect(&self.config.name, self.folder, &file.name);
        self.memory.kept_by_source.insert(file.id, uptime);
        false
    }

    /// Invariant 5: closed, everything confirmed in central, and the source holds to the last byte
    /// what the buffer holds.
    pub(super) fn delete(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        file: &FileProgress,
        newer: Option<(&Entry, &FileProgress)>,
        witnesses: &Witnesses,
    ) -> Result<(), BufferError> {
        let uptime = self.watch.now().uptime;
        if !self.may_be_asked_to_delete(file, uptime)
            || !buffer.files().is_confirmed(file.id)?
            || !buffer.files().is_whole(file)?
            || !self.is_all_confirmed(buffer, file)?
        {
            return Ok(());
        }
        if let Some((entry, newer)) = newer
            && !self.is_confirmed_newer(buffer, source, entry, newer)?
        {
            return Ok(());
        }
        match is_still_what_is_kept(source, buffer, self.folder, file) {
            Ok(true) => {}
            Ok(false) => {
                logging::file_not_deleted(&self.config.name, self.folder, &file.name);
                return self.read_anew(buffer, source, entry, file);
            }
            Err(ReadError::Source(error)) => {
                self.source_failed(&file.name, error);
                return Ok(());
            }
            Err(ReadError::Buffer(error)) => return Err(error),
        }
        if !self.has_size_of_what_is_kept(source, entry, file) {
            return Ok(());
        }
        if let Err(error) = durably(Step::Delete, || source.delete(self.folder, &file.name)) {
            if matches!(
                error,
                SourceError::FileRefused { .. }
                    | SourceError::FileUnusable { .. }
                    | SourceError::Disk { .. }
            ) {
                logging::deletion_refused(&self.config.name, self.folder, &file.name, &error);
                self.memory.kept_by_source.insert(file.id, uptime);
            } else {
                self.source_failed(&file.name, error);
            }
            return Ok(());
        }
        if let Some(at) = self.memory.kept_by_source.get_mut(&file.id) {
            // Asked again in vain, perhaps: the next listings tell.
            *at = uptime;
        }
        if self.memory.said_deleted.entry(self.folder.to_owned()).or_default().insert(file.id) {
            self.report.files_deleted += 1;
            let (name, bytes) = (&file.name, file.consumed_bytes);
            logging::file_deleted(&self.config.name, self.folder, name, bytes, witnesses);
        }
        let deleted = FileProgress { state: FileState::Deleted, ..file.clone() };
        let batch = buffer.batch()?;
        batch.save_progress(&deleted, None)?;
        batch.commit(Step::NoteDeleted)
    }

    /// Whether the source may be asked: it has not refused to delete the file, or said that it had and
    /// shows it all the same, within the hour.
    fn may_be_asked_to_delete(&mut self, file: &FileProgress, uptime: Duration) -> bool {
        let was_said_deleted =
            self.memory.said_deleted.get(self.folder).is_some_and(|said| said.contains(&file.id));
        if was_said_deleted && !self.is_to_be_deleted_again(file) {
            return false;
        }
        let refused = self.memory.kept_by_source.get(&file.id);
        refused.is_none_or(|refused| uptime.saturating_sub(*refused) >= REFUSED_FOR)
    }

    /// Whether the source says once more that the file is as long as what is kept of it.
    fn has_size_of_what_is_kept(
        &mut self,
        source: &mut dyn Source,
        entry: &Entry,
        file: &FileProgress,
    ) -> bool {
        match source.size(self.folder, &file.name) {
            Ok(Some(size)) => size == file.consumed_bytes,
            // Then the listing's size has to agree with the bytes that came.
            Ok(None) => entry.size.is_none_or(|size| size == file.consumed_bytes),
            Err(error) => {
                self.source_failed(&file.name, error);
                false
            }
        }
    }

    /// Whether a second reading finds the newer LOG as the first did, once in a look: what RETR gave
    /// once is a claim too.
    fn is_confirmed_newer(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        newer: &FileProgress,
    ) -> Result<bool, BufferError> {
        if let Some(known) = self.confirmed_newer.get(&newer.id) {
            return Ok(*known);
        }
        let is_confirmed =
            buffer.files().is_whole(newer)? && self.reads_on(buffer, source, entry, newer)?;
        self.confirmed_newer.insert(newer.id, is_confirmed);
        Ok(is_confirmed)
    }

    /// Reads a whole file once more: whether it begins with what is kept of it. What came since, or
    /// another file of its name, is kept.
    fn reads_on(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        file: &FileProgress,
    ) -> Result<bool, BufferError> {
        let begun = self.watch.now().uptime;
        let (reading, is_there) =
            match self.read(buffer, source, entry, Some(file), false, false)? {
                Outcome::Read(reading) => (reading, true),
                Outcome::SourceGone(reading) => (reading, false),
            };
        let Some(reading) = reading else { return Ok(false) };
        let goes_on = reading.goes_on_with(file);
        if !goes_on || reading.brings_lines() {
            self.keep_all(buffer, &mut vec![self.waiting(reading, begun)])?;
        }
        Ok(goes_on && is_there)
    }

    /// Whether every day of which the kept bytes hold an event is a session in central. A day whose
    /// older raw bytes made room takes nothing new, and is not fed by this file.
    fn is_all_confirmed(&self, buffer: &Buffer, file: &FileProgress) -> Result<bool, BufferError> {
        let confirmed = buffer.files().confirmed_days(file.id)?;
        let day_start = self.settings.options.day_start;
        let mut is_in_central = true;
        buffer.files().each_chunk(file.id, |chunk| {
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
}

/// The newer LOG by which a file may go.
pub(super) fn newer_of<'l>(
    witnesses: &Witnesses,
    listed: &'l Listed,
) -> Option<(&'l Entry, &'l FileProgress)> {
    let name = witnesses.newer.as_ref()?;
    let at = listed.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
    let entry = &listed.entries[at];
    Some((entry, listed.known.get(name)?))
}
