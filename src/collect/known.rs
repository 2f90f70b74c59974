//! What the buffer knows of a folder's files. Of a folder of thousands it is remembered from one cycle to the
//! next: most files are old, and most cycles bring nothing.
//!
//! What must never happen here: something remembered that the buffer does not hold any more.

use std::collections::BTreeMap;

use super::memory::SourceMemory;
use crate::{
    buffer::{Buffer, BufferError, FileProgress, Moment},
    model::{Day, ShortText},
    source::Entry,
};

/// From so many files on they are asked for together and not one by one.
const FEW_FILES: usize = 32;

/// Fewer are asked for again: that takes a few milliseconds, and no memory between the cycles.
const MANY_FILES: usize = 2000;

/// The files of a folder by their names, as the buffer was at one moment.
#[derive(Debug)]
pub(super) struct KnownFiles {
    pub by_name: BTreeMap<ShortText, FileProgress>,
    /// The day of the last event of each file, by the buffer's ids; `None`: not asked for yet.
    last_days: Option<BTreeMap<i64, Day>>,
    moment: Moment,
}

impl KnownFiles {
    /// Of the files that a folder shows. Of a folder that shows few, years of deleted ones are not gone
    /// through.
    pub(super) fn of(
        buffer: &Buffer,
        memory: &mut SourceMemory,
        (source, folder): (&str, &str),
        entries: &[Entry],
    ) -> Result<Self, BufferError> {
        let moment = buffer.moment()?;
        if let Some(known) = memory.known.remove(folder)
            && known.moment == moment
        {
            return Ok(known);
        }
        let files = buffer.files();
        let by_name = if entries.len() > FEW_FILES {
            files.folder_progress(source, folder)?
        } else {
            let files =
                entries.iter().map(|entry| files.file_progress(source, folder, &entry.name));
            let by_name = |file: FileProgress| (file.name.clone(), file);
            files
                .filter_map(Result::transpose)
                .map(|file| file.map(by_name))
                .collect::<Result<_, _>>()?
        };
        Ok(Self { by_name, last_days: None, moment })
    }

    pub(super) fn get(&self, name: &str) -> Option<&FileProgress> {
        self.by_name.get(name)
    }

    /// Each of `entries`, which are in order of their names, with what is known of the file. Both are gone
    /// through side by side: to search for twenty thousand names takes several times as long.
    pub(super) fn beside<'a>(
        &'a self,
        entries: &'a [Entry],
    ) -> impl Iterator<Item = (&'a Entry, Option<&'a FileProgress>)> {
        let mut known = self.by_name.iter().peekable();
        entries.iter().map(move |entry| {
            while known.next_if(|(name, _)| **name < entry.name).is_some() {}
            (entry, known.next_if(|(name, _)| **name == entry.name).map(|(_, file)| file))
        })
    }

    /// The day of the last event of each file. They are taken out: what is written meanwhile may change them.
    pub(super) fn take_last_days(
        &mut self,
        buffer: &Buffer,
        (source, folder): (&str, &str),
    ) -> Result<BTreeMap<i64, Day>, BufferError> {
        match self.last_days.take() {
            Some(days) => Ok(days),
            None => buffer.files().last_days(source, folder),
        }
    }

    pub(super) fn put_last_days(&mut self, days: BTreeMap<i64, Day>) {
        self.last_days = Some(days);
    }

    /// Remembers them for the next cycle if there are many and nothing was written since they were asked for.
    pub(super) fn remember(
        self,
        buffer: &Buffer,
        memory: &mut SourceMemory,
        folder: &str,
    ) -> Result<(), BufferError> {
        if self.by_name.len() >= MANY_FILES && buffer.moment()? == self.moment {
            memory.known.insert(folder.to_owned(), self);
        }
        Ok(())
    }
}
