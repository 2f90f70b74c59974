//! What one cycle over one source came to, and how its failures get into it.

use std::{collections::BTreeMap, error::Error, time::Duration};

use super::{FolderReport, SourceMemory, folder::FolderCycle, pace::Budget};
use crate::{
    buffer::{Buffer, BufferError, FileProgress},
    journal,
    model::{TroubleKey, TroubleKind},
    source::{Entry, SourceError},
};

/// So many files that cannot be read are remembered as told; a folder may hold no more.
const MOST_TOLD: usize = 100_000;

/// What one cycle over one source did.
#[derive(Debug, Default)]
pub struct SourceReport {
    pub files_listed: u64,
    pub files_read: u64,
    /// Files that could not be read this time.
    pub files_failed: u64,
    pub files_refused: u64,
    /// Files of which not one line could be read.
    pub files_without_lines: u64,
    pub files_deleted: u64,
    pub bytes: u64,
    pub events: u64,
    pub rejected: u64,
    pub sessions_changed: u64,
    /// Time for parsing, analysing and making durable.
    pub keep_time: Duration,
    /// The buffer is at its cap: what is new was not read.
    pub at_cap: bool,
    /// Its time was over before everything new was read; the next cycle goes on.
    pub goes_on: bool,
    /// The folders that were looked at.
    pub folders: BTreeMap<String, FolderReport>,
    /// Why the source could not be gone through to its end.
    pub error: Option<SourceError>,
}

impl SourceReport {
    pub(super) fn folder(&mut self, folder: &str) -> &mut FolderReport {
        self.folders.entry(folder.to_owned()).or_default()
    }

    /// Whether any line of a file was understood; `events` and `rejected` are those of its last part.
    pub(super) fn note_lines(
        &mut self,
        buffer: &Buffer,
        folder: &str,
        file: &FileProgress,
        events: u64,
        rejected: u64,
    ) -> Result<(), BufferError> {
        if events > 0 || (rejected > 0 && buffer.files().events_of(file.id)? > 0) {
            self.folder(folder).lines_read(&file.name);
        } else if rejected > 0 {
            self.files_without_lines += 1;
            self.folder(folder).no_line_read(&file.name, rejected);
        }
        Ok(())
    }

    /// A cycle that was given up for want of progress is a failure of its source.
    pub(super) fn note_given_up(&mut self, budget: &Budget) {
        if self.error.is_none() && budget.has_given_up() {
            self.error = Some(SourceError::TooSlow {
                seconds: budget.patience().as_secs(),
                read: self.files_read,
                listed: self.files_listed,
            });
        }
    }
}

impl SourceMemory {
    /// False where the root was listed without the folder, which was told as missing then.
    pub fn shows(&self, folder: &str) -> bool {
        self.folders.as_ref().is_none_or(|found| found.iter().any(|name| name == folder))
    }
}

impl FolderCycle<'_, '_> {
    pub(super) fn folder_failed(&mut self, kind: TroubleKind, error: &SourceError) {
        self.report.folder(self.folder).failure = Some((kind, journal::chain(error)));
    }

    /// Notes what the folder lists, and what is remembered of its files.
    pub(super) fn note_listed(&mut self, entries: &[Entry]) {
        let key = TroubleKey {
            source: self.config.name.clone(),
            folder: self.folder.to_owned(),
            file: String::new(),
            kind: TroubleKind::FolderMissing,
        };
        let report = self.report.folder(self.folder);
        report.files_listed = entries.len() as u64;
        if let Some(known) = &self.memory.troubles {
            report.remember_lineless(known, &key);
        }
        report.forget_unlisted(|name| {
            entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).is_ok()
        });
        let is_listed =
            |name: &String| entries.binary_search_by(|entry| entry.name.cmp(name)).is_ok();
        self.memory.told_failed.retain(|(of, name), _| of != self.folder || is_listed(name));
    }

    /// A file was read to its end: told where it was told that it could not be.
    pub(super) fn file_well(&mut self, name: &str) {
        let told = &mut self.memory.told_failed;
        if !told.is_empty() && told.remove(&(self.folder.to_owned(), name.to_owned())).is_some() {
            journal::file_read_again(&self.config.name, self.folder, name);
        }
    }

    /// A file could not be read to its end; `has_bytes`: something of it was.
    pub(super) fn file_failed(&mut self, name: &str, error: &dyn Error, has_bytes: bool) {
        self.report.files_failed += 1;
        self.tell_failed(name, error);
        let report = self.report.folder(self.folder);
        report.file_failed(name, &journal::chain(error));
        report.files_without_bytes += u64::from(!has_bytes);
    }

    /// Tells once, for each reason, that a file cannot be read.
    pub(super) fn tell_failed(&mut self, name: &str, error: &dyn Error) {
        let why = journal::chain(error);
        let key = (self.folder.to_owned(), name.to_owned());
        let told = &mut self.memory.told_failed;
        if told.get(&key) != Some(&why) {
            journal::file_failed(&self.config.name, self.folder, name, error);
            if told.len() < MOST_TOLD || told.contains_key(&key) {
                told.insert(key, why);
            }
        }
    }
}
