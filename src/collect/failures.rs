//! How what a folder lists, and what of it cannot be read, gets into the report of a cycle, and into
//! the log once.

use std::error::Error;

use super::folder::FolderCycle;
use crate::{
    logging,
    model::{TroubleKey, TroubleKind},
    source::{Entry, SourceError},
};

/// So many files that cannot be read are remembered as logged; a folder may hold no more.
const MOST_FAILED_FILES: usize = 100_000;

impl FolderCycle<'_, '_> {
    pub(super) fn folder_failed(&mut self, kind: TroubleKind, error: &SourceError) {
        // The kind says what is the matter; beside it stand the source's own words.
        let said = match error {
            SourceError::FolderMissing { answer, .. } | SourceError::List { answer, .. } => {
                answer.clone()
            }
            error => logging::chain(error),
        };
        self.report.folder(self.folder).failure = Some((kind, said));
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
            |name: &String| entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).is_ok();
        self.memory.failed_files.retain(|(of, name), _| of != self.folder || is_listed(name));
    }

    /// A file was read to its end: logged if it was logged that it could not be.
    pub(super) fn file_well(&mut self, name: &str) {
        let failed = &mut self.memory.failed_files;
        if !failed.is_empty() && failed.remove(&(self.folder.to_owned(), name.to_owned())).is_some()
        {
            logging::file_read_again(&self.config.name, self.folder, name);
        }
    }

    /// A file could not be read to its end; `has_bytes`: something of it was.
    pub(super) fn file_failed(&mut self, name: &str, error: &dyn Error, has_bytes: bool) {
        self.report.files_failed += 1;
        self.tell_failed(name, error);
        let report = self.report.folder(self.folder);
        report.file_failed(name, &logging::chain(error));
        report.files_without_bytes += u64::from(!has_bytes);
    }

    /// Logs once, for each reason, that a file cannot be read.
    pub(super) fn tell_failed(&mut self, name: &str, error: &dyn Error) {
        let why = logging::chain(error);
        let key = (self.folder.to_owned(), name.to_owned());
        let failed = &mut self.memory.failed_files;
        // Those beyond the limit are logged with each try.
        let is_remembered = failed.len() < MOST_FAILED_FILES || failed.contains_key(&key);
        if !is_remembered || failed.entry(key).or_default().begins_with(why) {
            logging::file_failed(&self.config.name, self.folder, name, error);
        }
    }
}
