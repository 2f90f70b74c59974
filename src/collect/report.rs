//! What one cycle over one source came to.

use std::{collections::BTreeMap, time::Duration};

use super::{pace::Budget, trouble::FolderReport};
use crate::{
    buffer::{Buffer, BufferError, FileProgress},
    source::SourceError,
};

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
