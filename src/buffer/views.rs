//! The buffer's questions and notes, by who asks them. Each view is borrowed from an open [`Buffer`] and
//! has the methods of one purpose; `tests/suite/rooms.rs` says which module may borrow which.
//!
//! What must never happen here: a view that writes and is borrowed by one who only reads. What changes
//! files, bytes and sessions is no view but a [`Batch`](super::Batch).

use super::Buffer;

/// How far files were read, what of them is held, what they feed: for `collect`.
#[derive(Clone, Copy)]
pub struct Files<'b> {
    pub(super) buffer: &'b Buffer,
}

/// What waits for central and what central has confirmed: for deliveries.
#[derive(Clone, Copy)]
pub struct Outbox<'b> {
    pub(super) buffer: &'b Buffer,
}

/// Notes what central confirmed, refused or lost: for deliveries.
pub struct OutboxMut<'b> {
    pub(super) buffer: &'b mut Buffer,
}

/// Figures of the buffer as a whole, of its machines and of its files: for what people ask.
#[derive(Clone, Copy)]
pub struct Reports<'b> {
    pub(super) buffer: &'b Buffer,
}

/// Sessions with their details and anomalies, one by one or by their headers: for what people ask.
#[derive(Clone, Copy)]
pub struct SessionReader<'b> {
    pub(super) buffer: &'b Buffer,
}

/// How the links to central and to the sources are, and what of the sources cannot be read.
#[derive(Clone, Copy)]
pub struct Links<'b> {
    pub(super) buffer: &'b Buffer,
}

/// Notes how links are, and what cannot be read: for those who use them.
pub struct LinksMut<'b> {
    pub(super) buffer: &'b mut Buffer,
}

/// Alarms that stand or wait to be sent, and the anomalies that raise some: for alarms.
#[derive(Clone, Copy)]
pub struct AlarmLog<'b> {
    pub(super) buffer: &'b Buffer,
}

/// Keeps what stands and what waits: for alarms.
pub struct AlarmLogMut<'b> {
    pub(super) buffer: &'b mut Buffer,
}

/// The plant's calendar as central last told it.
#[derive(Clone, Copy)]
pub struct PlantView<'b> {
    pub(super) buffer: &'b Buffer,
}

/// Keeps what central told of it: for deliveries.
pub struct PlantViewMut<'b> {
    pub(super) buffer: &'b mut Buffer,
}

/// What was noticed of the gateway's security.
#[derive(Clone, Copy)]
pub struct SecurityNotes<'b> {
    pub(super) buffer: &'b Buffer,
}

/// Keeps what was noticed, and what of it central holds.
pub struct SecurityNotesMut<'b> {
    pub(super) buffer: &'b mut Buffer,
}

impl Buffer {
    pub fn security(&self) -> SecurityNotes<'_> {
        SecurityNotes { buffer: self }
    }

    pub fn security_mut(&mut self) -> SecurityNotesMut<'_> {
        SecurityNotesMut { buffer: self }
    }

    pub fn files(&self) -> Files<'_> {
        Files { buffer: self }
    }

    pub fn outbox(&self) -> Outbox<'_> {
        Outbox { buffer: self }
    }

    pub fn outbox_mut(&mut self) -> OutboxMut<'_> {
        OutboxMut { buffer: self }
    }

    pub fn reports(&self) -> Reports<'_> {
        Reports { buffer: self }
    }

    pub fn sessions(&self) -> SessionReader<'_> {
        SessionReader { buffer: self }
    }

    pub fn links(&self) -> Links<'_> {
        Links { buffer: self }
    }

    pub fn links_mut(&mut self) -> LinksMut<'_> {
        LinksMut { buffer: self }
    }

    pub fn alarm_log(&self) -> AlarmLog<'_> {
        AlarmLog { buffer: self }
    }

    pub fn alarm_log_mut(&mut self) -> AlarmLogMut<'_> {
        AlarmLogMut { buffer: self }
    }

    pub fn plant(&self) -> PlantView<'_> {
        PlantView { buffer: self }
    }

    pub fn plant_mut(&mut self) -> PlantViewMut<'_> {
        PlantViewMut { buffer: self }
    }
}
