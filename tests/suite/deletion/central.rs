//! What central would hold: the pieces of each session as they were delivered.

use std::collections::BTreeMap;

use cu_agent::{
    buffer::{Buffer, Synced},
    model::Day,
};

use super::plant::{Line, MACHINES};

#[derive(Default)]
pub struct ModelCentral {
    sessions: BTreeMap<(String, Day), Vec<String>>,
}

/// How far a delivery comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    Confirmed,
    /// Central has it, and the agent does not get to know.
    AnswerLost,
}

impl ModelCentral {
    /// Delivers the waiting sessions that `chosen` picks by their place.
    pub fn take(&mut self, buffer: &mut Buffer, how: Delivery, chosen: impl Fn(usize) -> bool) {
        for (place, pending) in
            buffer.outbox().pending(usize::MAX, |_, _| true).unwrap().into_iter().enumerate()
        {
            if !chosen(place) {
                continue;
            }
            let delivery = buffer.outbox().delivery(pending.id, 0, &mut |_| {}).unwrap();
            let pieces =
                delivery.pieces.iter().map(|piece| piece.row.details.to_string()).collect();
            self.sessions.insert((delivery.machine.nom.clone(), delivery.day), pieces);
            if how == Delivery::Confirmed {
                buffer
                    .outbox_mut()
                    .mark_synced(&[Synced {
                        id: pending.id,
                        revision: delivery.revision,
                        content: None,
                    }])
                    .unwrap();
            }
        }
    }

    /// Central is restored from a backup without one of its sessions, and the agent finds out.
    pub fn lose_one(&mut self, buffer: &mut Buffer, number: usize) {
        let confirmed = buffer.outbox().confirmed(i64::MAX as usize, None).unwrap();
        if confirmed.is_empty() {
            return;
        }
        let lost = &confirmed[number % confirmed.len()];
        let session = &lost.session;
        self.sessions.remove(&(session.machine.nom.clone(), session.day));
        buffer.outbox_mut().unconfirm(&[lost.id]).unwrap();
    }

    pub fn holds(&self, machine: usize, line: Line) -> bool {
        self.count(machine, line) > 0
    }

    /// How often a line stands in central.
    pub fn count(&self, machine: usize, line: Line) -> usize {
        let wanted = format!("n{line:06}.");
        let of_machine = self.sessions.iter().filter(|((nom, _), _)| nom == MACHINES[machine].1);
        of_machine.flat_map(|(_, pieces)| pieces).filter(|piece| **piece == wanted).count()
    }
}
