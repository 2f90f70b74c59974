//! Times of the wall clock in the buffer's columns, which are text.

use rusqlite::{Row, ToSql, types::ToSqlOutput};

use crate::model::WallTime;

impl ToSql for WallTime {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

/// What a column notes; `None`: nothing, or a text that is no time. Such times are shown and decide
/// nothing: one that is damaged must not keep the rest of its row from anybody.
pub(super) fn noted(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<WallTime>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// A moment for tests to note.
#[cfg(test)]
pub(super) fn now() -> WallTime {
    "2026-11-28 10:00:00".parse().unwrap()
}
