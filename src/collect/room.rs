//! Keeps the buffer below its cap. What must never happen here: a byte thrown away that central does
//! not have the sessions of.

use crate::{
    buffer::{Buffer, BufferError, Evicted},
    failpoints::Step,
};

/// What there is room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    Enough,
    /// What central holds was spared.
    Made(Evicted),
    /// Everything that is left is still needed: nothing more can be read for now.
    None,
}

/// Makes room where the buffer is at `max_bytes`: down to nine tenths of it, so that this is rare.
pub(super) fn make_room(buffer: &mut Buffer, max_bytes: u64) -> Result<Room, BufferError> {
    if buffer.used_bytes()? < max_bytes {
        return Ok(Room::Enough);
    }
    let batch = buffer.batch()?;
    let spared = batch.evict(max_bytes / 10 * 9)?;
    batch.commit(Step::Prune)?;
    if buffer.used_bytes()? >= max_bytes {
        return Ok(Room::None);
    }
    // Another source's thread may have made it before this one's turn came.
    Ok(if spared == Evicted::default() { Room::Enough } else { Room::Made(spared) })
}
