//! What a server's sizes are worth: which look at a file they ask for, and that it is told once where they
//! say nothing. What must never happen here: a file read from its beginning at every poll because of a
//! size alone.

use super::{
    decide::{IDLE_CHANGES, Look, look, may_lag},
    folder::{FolderCycle, Outcome},
    reading::Reading,
};
use crate::{
    buffer::{Buffer, BufferError, FileProgress},
    logging,
    source::{Entry, Source},
};

impl FolderCycle<'_, '_> {
    /// What the listing says of a file. A size that often changed and brought no line is no measure: it
    /// only says that there may be more behind the bytes taken.
    pub(super) fn looked(&self, entry: &Entry, known: Option<&FileProgress>) -> Look {
        let look = look(entry, known, self.config.max_file_bytes);
        let changes = known.and_then(|file| self.memory.idle_changes.get(&file.id));
        if look == Look::FromStart
            && changes.is_some_and(|changes| *changes >= IDLE_CHANGES)
            && may_lag(known)
        {
            return Look::Resume;
        }
        look
    }

    /// Notes what a changed size brought, and tells once of a server whose sizes say nothing.
    pub(super) fn note_idle_change(
        &mut self,
        entry: &Entry,
        known: Option<&FileProgress>,
        reading: Option<&Reading>,
    ) {
        let (Some(file), Some(reading)) = (known, reading) else { return };
        if !reading.goes_on_with(file) || reading.brings_lines() {
            self.memory.idle_changes.remove(&file.id);
        } else if entry.size.is_some() && entry.size != file.size_bytes {
            let changes = self.memory.idle_changes.entry(file.id).or_default();
            *changes = changes.saturating_add(1);
            if *changes == IDLE_CHANGES {
                let name = &entry.name;
                logging::listed_size_says_nothing(&self.config.name, self.folder, name);
            }
        }
    }

    /// What came behind the bytes taken of a file whose listing did not change, if anything did, and
    /// whether the source is gone.
    pub(super) fn read_behind(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        known: Option<&FileProgress>,
    ) -> Result<(Option<Reading>, bool), BufferError> {
        let (reading, is_gone) = match self.read(buffer, source, entry, known, true, false)? {
            Outcome::Read(reading) => (reading, false),
            Outcome::SourceGone(reading) => (reading, true),
        };
        let is_news = |read: &Reading| !known.is_some_and(|file| read.is_nothing_new(file));
        Ok((reading.filter(is_news), is_gone))
    }
}
