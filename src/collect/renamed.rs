//! Files of a folder that are no LOG but are called as one that was read: `20250603.LOG.1`,
//! `20250603.BAK`. They are not read; people who rotate LOGs are told before unread lines are gone.

use super::folder::{FolderCycle, Listed};
use crate::{
    buffer::{Buffer, BufferError},
    source::{Entry, logs_before_renaming},
};

impl FolderCycle<'_, '_> {
    /// Notes what the folder shows of them. Everything that was read is in the buffer.
    pub(super) fn note_renamed(
        &mut self,
        buffer: &Buffer,
        listed: &Listed,
    ) -> Result<(), BufferError> {
        let is_listed = |name: &str| {
            listed.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).is_ok()
        };
        for entry in &listed.renamed {
            let why = unread_of(buffer, (&self.config.name, self.folder), entry, &is_listed)?;
            if let Some(why) = why {
                self.report.folder(self.folder).renamed_log(&entry.name, &why);
            }
        }
        Ok(())
    }
}

/// Why lines of a file that is no LOG may never be read; `None` if it is none that was read, or shows no
/// more bytes than were read of it.
pub fn unread_of(
    buffer: &Buffer,
    (source, folder): (&str, &str),
    entry: &Entry,
    is_listed: &dyn Fn(&str) -> bool,
) -> Result<Option<String>, BufferError> {
    for log in logs_before_renaming(&entry.name) {
        let Some(read_bytes) = buffer.files().bytes_read(source, folder, &log, is_listed(&log))?
        else {
            continue;
        };
        if entry.size.is_some_and(|size| size <= read_bytes) {
            return Ok(None);
        }
        let size = entry.size.map_or_else(|| "unknown".to_owned(), |size| size.to_string());
        return Ok(Some(format!(
            "{read_bytes} bytes were read as {log}, its size is {size}; to have the rest read, give it a name that ends in .LOG"
        )));
    }
    Ok(None)
}
