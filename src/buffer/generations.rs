//! What was read of a name in all of its generations.

use rusqlite::params;

use super::{BufferError, Files, error::During};

impl Files<'_> {
    /// The most bytes that were taken of a name, in any generation; `None` if it was never read. If the
    /// name `is_listed`, its newest generation is not what was renamed, unless it is the only one.
    pub fn bytes_read(
        &self,
        source: &str,
        folder: &str,
        name: &str,
        is_listed: bool,
    ) -> Result<Option<u64>, BufferError> {
        let sql = "SELECT max(consumed_bytes) FROM log_file
            WHERE source = ?1 AND folder = ?2 AND name = ?3
                AND (NOT ?4 OR generation = 1 OR generation < (SELECT max(generation) FROM log_file
                    WHERE source = ?1 AND folder = ?2 AND name = ?3))";
        self.buffer
            .connection
            .prepare_cached(sql)
            .and_then(|mut select| {
                select.query_row(params![source, folder, name, is_listed], |row| row.get(0))
            })
            .during("read file progress", &self.buffer.path)
    }
}
