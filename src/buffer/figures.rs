//! The figures of a session as its row holds them, and the session with all its detail rows.

use rusqlite::{Connection, Row};

use super::details::all;
use crate::model::{Figures, Session, Stamp};

/// The header columns in the order of [`read_figures`].
pub(super) const FIGURES: &str = "events, first_piece_ms, last_piece_ms, first_start_ms,
    last_stop_ms, total_pieces, window_ms, wait_ms, stop_ms, effective_ms, raw_wait_ms, raw_stop_ms";

pub(super) fn read_figures(row: &Row<'_>, first: usize) -> rusqlite::Result<Figures> {
    let stamp = |at: usize| row.get::<_, Option<i64>>(first + at).map(|ms| ms.map(Stamp));
    Ok(Figures {
        events: row.get(first)?,
        first_piece: stamp(1)?,
        last_piece: stamp(2)?,
        first_start: stamp(3)?,
        last_stop: stamp(4)?,
        total_pieces: row.get(first + 5)?,
        window_ms: row.get(first + 6)?,
        wait_ms: row.get(first + 7)?,
        stop_ms: row.get(first + 8)?,
        effective_ms: row.get(first + 9)?,
        raw_wait_ms: row.get(first + 10)?,
        raw_stop_ms: row.get(first + 11)?,
    })
}

/// All rows of a session whose figures are known.
pub(super) fn with_rows(
    connection: &Connection,
    id: i64,
    figures: Figures,
) -> rusqlite::Result<Session> {
    Ok(Session {
        figures,
        pieces: all(connection, id)?,
        waits: all(connection, id)?,
        stops: all(connection, id)?,
        jobs: all(connection, id)?,
        log_defects: all(connection, id)?,
    })
}
