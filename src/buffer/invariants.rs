//! The buffer's invariants (`docs/architecture.md`) at the places where its own writes could break
//! them, asserted in builds with debug assertions.
//!
//! What is asserted here is what this process does, never what it found on the disk: rows that a card
//! garbled are refused as errors where they are read ([`BufferError::Damaged`](super::BufferError),
//! `Unpack`), so that the agent starts anyway.

use std::{cell::RefCell, collections::BTreeMap};

use rusqlite::Connection;

use super::{FileProgress, TAIL_BYTES, tail_hash};

/// Where the raw bytes end that a batch appended to files whose progress it has not saved yet.
#[derive(Default)]
pub(super) struct Unsaved(RefCell<BTreeMap<i64, End>>);

#[derive(Clone, Copy)]
struct End {
    byte: u64,
    /// The last byte ends a line, or is part of one too long to be kept.
    is_line_end: bool,
    /// Of the last bytes, where the appended ones are enough of them.
    tail_hash: Option<[u8; 32]>,
}

impl Unsaved {
    /// `bytes` are about to be kept from `start` of the file on.
    pub(super) fn appended(&self, file_id: i64, start: u64, bytes: &[u8]) {
        if cfg!(debug_assertions) {
            let tail = bytes.len().checked_sub(TAIL_BYTES).map(|from| tail_hash(&bytes[from..]));
            let is_line_end = bytes.ends_with(b"\n") || bytes.ends_with(b"\r");
            self.note(file_id, start, bytes.len() as u64, is_line_end, tail);
        }
    }

    /// `length` bytes of a line too long to be kept stand at `start` of the file.
    pub(super) fn passed_over(&self, file_id: i64, start: u64, length: u64) {
        if cfg!(debug_assertions) {
            self.note(file_id, start, length, true, None);
        }
    }

    fn note(
        &self,
        file_id: i64,
        start: u64,
        length: u64,
        is_line_end: bool,
        tail_hash: Option<[u8; 32]>,
    ) {
        let end = End { byte: start.saturating_add(length), is_line_end, tail_hash };
        let before = self.0.borrow_mut().insert(file_id, end);
        assert!(
            before.is_none_or(|before| before.byte == start),
            "invariant 2: bytes of file {file_id} from {start} on do not follow those before them"
        );
    }

    /// The file's progress is about to be saved: it says where the appended bytes end.
    pub(super) fn is_saved_by(&self, file: &FileProgress) {
        let Some(end) = self.0.borrow_mut().remove(&file.id) else { return };
        debug_assert_eq!(
            end.byte, file.consumed_bytes,
            "invariant 1: raw bytes and progress of file {} end together",
            file.id
        );
        debug_assert!(
            end.is_line_end || file.open_line_at.is_some(),
            "invariant 2: file {} is consumed to a line end, or its last line is noted as open",
            file.id
        );
        debug_assert!(
            end.tail_hash.is_none() || end.tail_hash == file.tail_hash,
            "invariant 2: the next reading of file {} checks the bytes that are kept",
            file.id
        );
    }

    /// The batch is about to become durable.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

/// Whether a commit of this connection is on the disk when it returns, as invariant 1 rests on. What
/// cannot be asked is another fault's affair.
pub(super) fn commits_are_durable(connection: &Connection) -> bool {
    const FULL: i64 = 2;
    let setting = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    !setting("synchronous").is_ok_and(|level| level < FULL)
        && !setting("foreign_keys").is_ok_and(|are_on| are_on == 0)
}

#[cfg(test)]
mod tests {
    use crate::{
        buffer::{Batch, Buffer, FileProgress, tail_hash, times::now},
        failpoints::Step,
        model::Machine,
    };

    const LINES: &[u8] = b"20250603 05:00:00|@MachineStart\n";

    /// What a reading of [`LINES`] makes of the progress of a new file.
    fn progress_of(batch: &Batch<'_>) -> FileProgress {
        let machine = Machine { nom: "A".into(), type_cu: "A".into() };
        let machine_id = batch.machine(&machine).unwrap();
        let mut file = batch.new_generation("s", "A", "a.LOG", machine_id, now()).unwrap();
        file.consumed_bytes = LINES.len() as u64;
        file.tail_hash = Some(tail_hash(LINES));
        file
    }

    /// Does what is to be refused with a batch of a new buffer.
    fn in_a_batch(act: impl FnOnce(Batch<'_>, FileProgress)) {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "first", now()).unwrap();
        let batch = buffer.batch().unwrap();
        let file = progress_of(&batch);
        act(batch, file);
    }

    #[test]
    fn bytes_with_their_progress_become_durable() {
        in_a_batch(|batch, file| {
            batch.append(file.id, 0, LINES).unwrap();
            batch.save_progress(&file, Some(now())).unwrap();
            batch.commit(Step::Keep).unwrap();
        });
    }

    #[test]
    #[should_panic(expected = "invariant 1: raw bytes without their progress")]
    fn bytes_without_their_progress_are_never_committed() {
        in_a_batch(|batch, file| {
            batch.append(file.id, 0, LINES).unwrap();
            let _ = batch.commit(Step::Keep);
        });
    }

    #[test]
    #[should_panic(expected = "end together")]
    fn progress_never_says_more_than_the_bytes_that_are_kept() {
        in_a_batch(|batch, file| {
            batch.append(file.id, 0, &LINES[..4]).unwrap();
            let _ = batch.save_progress(&file, Some(now()));
        });
    }

    #[test]
    #[should_panic(expected = "consumed to a line end")]
    fn progress_never_stands_within_a_line_that_may_grow() {
        in_a_batch(|batch, mut file| {
            batch.append(file.id, 0, &LINES[..4]).unwrap();
            file.consumed_bytes = 4;
            let _ = batch.save_progress(&file, Some(now()));
        });
    }

    #[test]
    #[should_panic(expected = "do not follow those before them")]
    fn bytes_are_never_kept_behind_a_gap() {
        in_a_batch(|batch, file| {
            batch.append(file.id, 0, LINES).unwrap();
            let _ = batch.append(file.id, 100, LINES);
        });
    }
}
