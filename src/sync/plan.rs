//! Decides what a session needs in central. Pure: no IO, no clock. It owns the rule that a buffer
//! which knows less than central never overwrites it (invariant 6).

use std::fmt;

use crate::model::{CentralSession, LocalSession};

/// Who writes: the configured agent, and the buffer (one SQLite file's life) it writes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub agent_id: String,
    pub buffer_id: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Central holds exactly this revision: note it, send nothing.
    Confirm,
    /// Send the header and every detail row changed after `since_revision` (0: every row).
    /// `fresh`: central has no row for this machine and day.
    Deliver { since_revision: i64, fresh: bool },
    /// Keep what central holds, and report.
    Refuse(Refusal),
}

/// Why central's row is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Central's session was computed from more events than this buffer holds.
    FewerEvents { local: u64, central: u64 },
    /// Central's session was not written by an agent and holds more pieces than this buffer.
    FewerPieces { local: u32, central: u32 },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewerEvents { local, central } => write!(
                f,
                "central holds more: {central} events there, {local} in this buffer; central is kept"
            ),
            Self::FewerPieces { local, central } => write!(
                f,
                "central holds more: {central} pieces there, {local} in this buffer; central is kept"
            ),
        }
    }
}

const EVERY_ROW: Step = Step::Deliver { since_revision: 0, fresh: false };

/// What `local` needs in central, given what central holds.
pub fn plan(local: &LocalSession, central: Option<&CentralSession>, identity: &Identity) -> Step {
    let Some(central) = central else {
        return Step::Deliver { since_revision: 0, fresh: true };
    };
    let written_here = central.agent_id.as_deref() == Some(identity.agent_id.as_str())
        && central.buffer_id.as_deref() == Some(identity.buffer_id.as_str());
    let same_events = central.events == i64::try_from(local.events).ok();
    match central.revision {
        Some(revision)
            if written_here
                && revision <= local.synced_revision
                && (revision < local.revision || same_events) =>
        {
            // What was confirmed is of this buffer's own history.
            if revision == local.revision {
                if is_complete(local, central) { Step::Confirm } else { EVERY_ROW }
            } else if central.numbering_broken {
                EVERY_ROW
            } else {
                // A gap in central's rows shows in the counts after the delivery, and is then
                // mended by sending every row.
                Step::Deliver { since_revision: revision.max(0), fresh: false }
            }
        }
        // Another buffer's row, or one that this buffer does not know to have delivered: the answer
        // was lost, or the buffer was put back to an earlier state and went another way since. Its
        // revisions then say nothing about the rows, so all of them go.
        _ => refusal(local, central).map_or(EVERY_ROW, Step::Refuse),
    }
}

/// Central holds as many rows as the session has, rightly numbered.
fn is_complete(local: &LocalSession, central: &CentralSession) -> bool {
    central.counts == local.counts
        && central.total_pieces == Some(local.counts.pieces)
        && !central.numbering_broken
}

fn refusal(local: &LocalSession, central: &CentralSession) -> Option<Refusal> {
    if let Some(events) = central.events {
        let events = u64::try_from(events).unwrap_or(0);
        return (local.events < events)
            .then_some(Refusal::FewerEvents { local: local.events, central: events });
    }
    let pieces = central.total_pieces.unwrap_or(0).max(central.distinct_pieces);
    (local.counts.pieces < pieces)
        .then_some(Refusal::FewerPieces { local: local.counts.pieces, central: pieces })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DetailCounts, Machine};
    use chrono::NaiveDate;

    const COUNTS: DetailCounts =
        DetailCounts { pieces: 10, waits: 3, stops: 2, jobs: 1, anomalies: 4 };

    fn me() -> Identity {
        Identity { agent_id: "ligne-1".into(), buffer_id: "b1".into() }
    }

    fn local(revision: i64) -> LocalSession {
        LocalSession {
            machine: Machine { nom: "DEM12".into(), type_cu: "DEM12".into() },
            day: NaiveDate::from_ymd_opt(2025, 5, 28).unwrap(),
            revision,
            synced_revision: revision,
            events: 30,
            counts: COUNTS,
        }
    }

    fn central(revision: i64) -> CentralSession {
        CentralSession {
            id: 1,
            revision: Some(revision),
            agent_id: Some("ligne-1".into()),
            buffer_id: Some("b1".into()),
            events: Some(30),
            counts: COUNTS,
            total_pieces: Some(10),
            distinct_pieces: 10,
            numbering_broken: false,
        }
    }

    fn made_by_python(total_pieces: Option<u32>, distinct_pieces: u32) -> CentralSession {
        CentralSession {
            revision: None,
            agent_id: None,
            buffer_id: None,
            events: None,
            total_pieces,
            distinct_pieces,
            ..central(0)
        }
    }

    #[test]
    fn each_state_of_central_gets_its_step() {
        let since = |since_revision| Step::Deliver { since_revision, fresh: false };
        let fewer_events = |central| Step::Refuse(Refusal::FewerEvents { local: 30, central });
        let fewer_pieces = |central| Step::Refuse(Refusal::FewerPieces { local: 10, central });
        let other = |f: fn(&mut CentralSession)| {
            let mut c = central(4);
            f(&mut c);
            c
        };
        let table: Vec<(&str, Option<CentralSession>, Step)> = vec![
            ("missing", None, Step::Deliver { since_revision: 0, fresh: true }),
            ("equal", Some(central(4)), Step::Confirm),
            ("behind", Some(central(2)), since(2)),
            ("a piece row deleted", Some(other(|c| c.counts.pieces = 9)), since(0)),
            ("a wait row added", Some(other(|c| c.counts.waits = 4)), since(0)),
            ("header changed by hand", Some(other(|c| c.total_pieces = Some(11))), since(0)),
            ("numbering broken", Some(other(|c| c.numbering_broken = true)), since(0)),
            (
                "behind, numbering broken",
                Some(CentralSession { numbering_broken: true, ..central(2) }),
                since(0),
            ),
            (
                "buffer restored, same number reached with other events",
                Some(other(|c| c.events = Some(29))),
                since(0),
            ),
            (
                "buffer restored, same number reached with fewer events",
                Some(other(|c| c.events = Some(33))),
                fewer_events(33),
            ),
            ("buffer restored, as many events", Some(central(9)), since(0)),
            (
                "buffer restored, fewer events",
                Some(CentralSession { events: Some(31), ..central(9) }),
                fewer_events(31),
            ),
            ("new buffer", Some(other(|c| c.buffer_id = Some("b0".into()))), since(0)),
            (
                "new buffer that knows less",
                Some(other(|c| {
                    c.buffer_id = Some("b0".into());
                    c.events = Some(100);
                })),
                fewer_events(100),
            ),
            ("another agent's row", Some(other(|c| c.agent_id = Some("x".into()))), since(0)),
            ("python's row", Some(made_by_python(Some(10), 10)), since(0)),
            ("python's row with more", Some(made_by_python(Some(12), 10)), fewer_pieces(12)),
            ("python's header too low", Some(made_by_python(Some(0), 11)), fewer_pieces(11)),
            ("python's row without figure", Some(made_by_python(None, 3)), since(0)),
        ];
        for (name, held, step) in table {
            assert_eq!(plan(&local(4), held.as_ref(), &me()), step, "{name}");
        }
    }

    #[test]
    fn a_revision_that_this_buffer_does_not_know_to_have_delivered_gets_every_row() {
        let grown = LocalSession { synced_revision: 2, ..local(4) };
        let since = |since_revision| Step::Deliver { since_revision, fresh: false };
        // As confirmed: only what changed since.
        assert_eq!(plan(&grown, Some(&central(2)), &me()), since(2));
        // Restored from an older backup: what it lost.
        assert_eq!(plan(&grown, Some(&central(1)), &me()), since(1));
        // The answer was lost, or this buffer lost its newest pages: nobody knows which.
        assert_eq!(plan(&grown, Some(&central(3)), &me()), since(0));
        assert_eq!(plan(&grown, Some(&central(4)), &me()), since(0));
    }

    #[test]
    fn a_refusal_says_what_is_kept() {
        let text = Refusal::FewerEvents { local: 3, central: 7 }.to_string();
        assert!(text.contains("central holds more") && text.contains('7') && text.contains('3'));
    }
}
