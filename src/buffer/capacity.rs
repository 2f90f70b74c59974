//! What the buffer weighs, and what of it may go: first raw bytes, then whole sessions, oldest
//! first, and only what central is known to hold.

use rusqlite::{Connection, params};

use super::{Batch, Buffer, BufferError, error::During};

/// What was dropped to make room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Evicted {
    /// Files that gave up their raw bytes.
    pub files: u64,
    pub sessions: u64,
}

/// Bytes of the database file that hold something; free pages are used again before it grows.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT (page_count - freelist_count) * page_size
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        )?
        .query_row([], |row| row.get(0))
}

/// Files that are complete and whose sessions are all in central, oldest first.
const FILES: &str = "SELECT f.id FROM log_file f
    WHERE f.state IN ('closed', 'deleted', 'replaced')
        AND EXISTS (SELECT 1 FROM raw_chunk c WHERE c.file_id = f.id)
        AND EXISTS (SELECT 1 FROM file_session fs WHERE fs.file_id = f.id)
        AND NOT EXISTS (SELECT 1 FROM file_session fs JOIN session s ON s.id = fs.session_id
            WHERE fs.file_id = f.id AND s.synced_revision <> s.revision)
    ORDER BY f.id";

/// Sessions in central none of whose files has raw bytes or may still grow, oldest first.
const SESSIONS: &str = "SELECT s.id FROM session s
    WHERE s.synced_revision = s.revision
        AND NOT EXISTS (SELECT 1 FROM file_session fs JOIN log_file f ON f.id = fs.file_id
            WHERE fs.session_id = s.id AND (f.state IN ('growing', 'refused')
                OR EXISTS (SELECT 1 FROM raw_chunk c WHERE c.file_id = f.id)))
    ORDER BY s.day, s.id";

const OF_SESSION: [&str; 8] =
    ["piece", "wait", "stop", "job", "anomaly", "finding", "day_digest", "file_session"];

impl Buffer {
    pub fn used_bytes(&self) -> Result<u64, BufferError> {
        used_bytes(&self.connection).during("measure it", &self.path)
    }
}

impl Batch<'_> {
    /// Drops what central holds until at most `target_bytes` are used, or nothing more can go.
    pub fn evict(&self, target_bytes: u64) -> Result<Evicted, BufferError> {
        let transaction = &self.transaction;
        let ids = |sql: &str| -> rusqlite::Result<Vec<i64>> {
            transaction.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        let evict = || -> rusqlite::Result<Evicted> {
            let mut evicted = Evicted::default();
            for file_id in ids(FILES)? {
                if used_bytes(transaction)? <= target_bytes {
                    return Ok(evicted);
                }
                transaction.execute("DELETE FROM raw_chunk WHERE file_id = ?1", [file_id])?;
                evicted.files += 1;
            }
            for session_id in ids(SESSIONS)? {
                if used_bytes(transaction)? <= target_bytes {
                    return Ok(evicted);
                }
                for table in OF_SESSION {
                    let sql = format!("DELETE FROM {table} WHERE session_id = ?1");
                    transaction.prepare_cached(&sql)?.execute(params![session_id])?;
                }
                transaction.execute("DELETE FROM session WHERE id = ?1", [session_id])?;
                evicted.sessions += 1;
            }
            Ok(evicted)
        };
        let waiting = || -> rusqlite::Result<u64> {
            transaction.query_row(
                "SELECT count(*) FROM session WHERE +revision > +synced_revision",
                [],
                |row| row.get(0),
            )
        };
        let before = if cfg!(debug_assertions) { waiting().ok() } else { None };
        let evicted = evict().during("make room", self.path)?;
        debug_assert!(
            before.is_none_or(|before| waiting().is_ok_and(|now| now == before)),
            "invariant 6: only what central has confirmed may go"
        );
        Ok(evicted)
    }
}
