//! Which dates the files of a source bear: the server's, and that of their last event.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use rusqlite::params;

use super::{BufferError, Files, Reports, error::During};
use crate::model::Day;

/// A file with the dates that are claimed of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DatedFile {
    pub folder: String,
    pub name: String,
    /// The server's modification time.
    pub modified: Option<NaiveDateTime>,
    /// The day of its last event.
    pub last_event: Option<Day>,
}

impl Files<'_> {
    /// The day of the last event of each file of a folder, by file.
    pub fn last_days(&self, source: &str, folder: &str) -> Result<BTreeMap<i64, Day>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT f.id, max(s.day) FROM log_file f
                 JOIN file_session fs ON fs.file_id = f.id JOIN session s ON s.id = fs.session_id
                 WHERE f.source = ?1 AND f.folder = ?2 AND f.state IN ('growing', 'closed')
                 GROUP BY f.id",
            )
            .and_then(|mut select| {
                select
                    .query_map(params![source, folder], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })
            .during("look up the days of files", &self.buffer.path)
    }
}

impl Reports<'_> {
    /// The dates of the files of a source that are still there, as far as the buffer knows.
    pub fn dated_files(&self, source: &str) -> Result<Vec<DatedFile>, BufferError> {
        self.buffer
            .connection
            .prepare(
                "SELECT f.folder, f.name, f.modified, max(s.day) FROM log_file f
                 LEFT JOIN file_session fs ON fs.file_id = f.id
                 LEFT JOIN session s ON s.id = fs.session_id
                 WHERE f.source = ?1 AND f.state IN ('growing', 'closed')
                 GROUP BY f.id ORDER BY f.folder, f.name",
            )
            .and_then(|mut select| {
                select
                    .query_map([source], |row| {
                        Ok(DatedFile {
                            folder: row.get(0)?,
                            name: row.get(1)?,
                            modified: row.get(2)?,
                            last_event: row.get(3)?,
                        })
                    })?
                    .collect()
            })
            .during("look up the dates of files", &self.buffer.path)
    }
}
