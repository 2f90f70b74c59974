//! Sessions on their way, and how many of them go in one statement. Pure.

use crate::{
    buffer::Pending,
    model::{CentralSession, ContentDigest, Delivery},
    sync::plan::Because,
};

/// Detail rows delivered in one statement: about 250 kB on the wire. A line or a server that is too
/// slow for that gets fewer, down to the second figure.
const MOST_ROWS: usize = 12_000;
const LEAST_ROWS: usize = 500;
const MOST_SHIPMENTS: usize = 60;

/// What goes in one statement at most, as the line has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StatementSize {
    rows: usize,
    shipments: usize,
}

impl Default for StatementSize {
    fn default() -> Self {
        Self { rows: MOST_ROWS, shipments: MOST_SHIPMENTS }
    }
}

impl StatementSize {
    pub(super) fn shrink(&mut self) {
        self.rows = (self.rows / 2).max(LEAST_ROWS);
        self.shipments = (self.shipments / 2).max(1);
    }

    pub(super) fn grow(&mut self) {
        self.rows = (self.rows * 2).min(MOST_ROWS);
        self.shipments = (self.shipments * 2).min(MOST_SHIPMENTS);
    }

    /// How many of the shipments go in the next statement: one at least, and new sessions apart from
    /// known ones, because central need not look for rows in the way of new ones.
    pub(super) fn fitting(self, shipments: &[Shipment<'_>]) -> usize {
        let is_new = shipments.first().is_some_and(Shipment::is_new);
        let mut rows = 0;
        let fitting = shipments
            .iter()
            .take(self.shipments)
            .take_while(|shipment| {
                rows += shipment.rows();
                rows <= self.rows && shipment.is_new() == is_new
            })
            .count();
        fitting.max(1)
    }
}

/// A session on its way, and what central held when that was decided.
pub(super) struct Shipment<'p> {
    pub(super) pending: &'p Pending,
    pub(super) held: Option<CentralSession>,
    pub(super) delivery: Delivery,
    /// Of what central holds afterwards.
    pub(super) digest: ContentDigest,
    /// Every detail row is in it.
    pub(super) whole: bool,
    pub(super) because: Because,
}

impl Shipment<'_> {
    pub(super) fn is_new(&self) -> bool {
        self.held.is_none()
    }

    pub(super) fn rows(&self) -> usize {
        let Delivery { pieces, waits, stops, jobs, anomalies, .. } = &self.delivery;
        pieces.len() + waits.len() + stops.len() + jobs.len() + anomalies.len()
    }
}
