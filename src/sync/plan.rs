//! Decides what a session needs in central. Pure: no IO, no clock. It owns the rule that a buffer
//! which knows less than central never overwrites it (invariant 6).

use std::fmt;

use crate::model::{CentralSession, ContentDigest, LocalSession};

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
    /// Whether central holds exactly this revision shows only when the digest of what would be delivered
    /// is known (`LocalSession::content`): compute it, and ask again.
    Digest,
    /// Send the header and every detail row changed after `since_revision` (0: every row).
    Deliver { since_revision: i64, because: Because },
    /// Keep what central holds, and report.
    Refuse(Refusal),
}

/// Why a session is delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Because {
    /// Central has no row for this machine and day.
    New,
    /// Central holds what it confirmed, and that is not the newest.
    Grown,
    /// A value of the header is not the one that was delivered; all detail rows are.
    HeaderDiffers,
    /// Detail rows are not those that were delivered.
    RowsDiffer,
    /// What central holds is older than what it confirmed, or of another writer.
    OtherHistory,
}

impl Because {
    /// Somebody, or central itself, changed what was delivered.
    pub fn is_difference(self) -> bool {
        matches!(self, Self::HeaderDiffers | Self::RowsDiffer)
    }

    /// Central did not hold what it should: it has to be seen that it keeps it this time.
    pub fn is_doubtful(self) -> bool {
        self.is_difference() || self == Self::OtherHistory
    }
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

fn every_row(because: Because) -> Step {
    Step::Deliver { since_revision: 0, because }
}

/// What `local` needs in central, given what central holds.
pub fn plan(local: &LocalSession, central: Option<&CentralSession>, identity: &Identity) -> Step {
    let Some(central) = central else {
        return every_row(Because::New);
    };
    let written_here = central.agent_id.as_deref() == Some(identity.agent_id.as_str())
        && central.buffer_id.as_deref() == Some(identity.buffer_id.as_str());
    let same_events = central.events == i64::try_from(local.events).ok();
    match central.revision {
        Some(revision) if written_here && revision == local.revision && same_events => {
            compared(local, central)
        }
        Some(revision)
            if written_here
                && revision < local.revision
                && (1..=local.synced_revision).contains(&revision) =>
        {
            // What central holds is of this buffer's own history.
            if revision < local.synced_revision {
                // Nobody knows any more what the rows were at that time.
                every_row(Because::OtherHistory)
            } else if central.numbering_broken || has_other_rows(local.confirmed, central) {
                every_row(Because::RowsDiffer)
            } else {
                // A gap in central's rows that no digest told shows in the counts after the
                // delivery, and is then mended by sending every row.
                Step::Deliver { since_revision: revision, because: Because::Grown }
            }
        }
        // Another buffer's row, or one that this buffer does not know to have delivered: the answer
        // was lost, or the buffer was put back to an earlier state and went another way since. Its
        // revisions then say nothing about the rows, so all of them go.
        revision => match refusal(local, central) {
            None => every_row(Because::OtherHistory),
            // The figure of events itself may be what somebody changed. Where every row is this
            // buffer's, central holds no more.
            Some(refusal) if written_here && revision == Some(local.revision) => {
                match compared(local, central) {
                    step @ (Step::Digest
                    | Step::Deliver { because: Because::HeaderDiffers, .. }) => step,
                    _ => Step::Refuse(refusal),
                }
            }
            Some(refusal) => Step::Refuse(refusal),
        },
    }
}

/// The step for a row of this buffer's that has the session's own revision.
fn compared(local: &LocalSession, central: &CentralSession) -> Step {
    if central.counts != local.counts || central.numbering_broken {
        return every_row(Because::RowsDiffer);
    }
    let Some(held) = central.content else {
        // Central cannot tell more than these figures.
        return if central.total_pieces == Some(local.counts.pieces) {
            Step::Confirm
        } else {
            every_row(Because::RowsDiffer)
        };
    };
    if local.revision == local.synced_revision && local.confirmed == Some(held) {
        return Step::Confirm;
    }
    match local.content {
        None => Step::Digest,
        Some(content) if content == held => Step::Confirm,
        Some(content) if content.rows == held.rows => {
            Step::Deliver { since_revision: local.revision, because: Because::HeaderDiffers }
        }
        Some(_) => every_row(Because::RowsDiffer),
    }
}

/// Whether central's rows are known not to be those that it confirmed.
fn has_other_rows(confirmed: Option<ContentDigest>, central: &CentralSession) -> bool {
    match (confirmed, central.content) {
        (Some(confirmed), Some(held)) => confirmed.rows != held.rows,
        _ => false,
    }
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

    const CONTENT: ContentDigest = ContentDigest { header: [1; 8], rows: [2; 8] };
    const OTHER_HEADER: ContentDigest = ContentDigest { header: [9; 8], ..CONTENT };
    const OTHER_ROWS: ContentDigest = ContentDigest { header: [9; 8], rows: [9; 8] };

    fn local(revision: i64) -> LocalSession {
        LocalSession {
            machine: Machine { nom: "DEM12".into(), type_cu: "DEM12".into() },
            day: NaiveDate::from_ymd_opt(2025, 5, 28).unwrap(),
            revision,
            synced_revision: revision,
            events: 30,
            counts: COUNTS,
            confirmed: Some(CONTENT),
            content: None,
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
            content: Some(CONTENT),
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
            content: None,
            ..central(0)
        }
    }

    const ROWS: Step = Step::Deliver { since_revision: 0, because: Because::RowsDiffer };
    const ANOTHER: Step = Step::Deliver { since_revision: 0, because: Because::OtherHistory };

    #[test]
    fn each_state_of_central_gets_its_step() {
        let fewer_events = |central| Step::Refuse(Refusal::FewerEvents { local: 30, central });
        let fewer_pieces = |central| Step::Refuse(Refusal::FewerPieces { local: 10, central });
        let other = |f: fn(&mut CentralSession)| {
            let mut c = central(4);
            f(&mut c);
            c
        };
        let new = Step::Deliver { since_revision: 0, because: Because::New };
        let table: Vec<(&str, Option<CentralSession>, Step)> = vec![
            ("missing", None, new),
            ("equal", Some(central(4)), Step::Confirm),
            ("older than confirmed", Some(central(2)), ANOTHER),
            ("a piece row deleted", Some(other(|c| c.counts.pieces = 9)), ROWS),
            ("a wait row added", Some(other(|c| c.counts.waits = 4)), ROWS),
            ("numbering broken", Some(other(|c| c.numbering_broken = true)), ROWS),
            ("a value changed", Some(other(|c| c.content = Some(OTHER_HEADER))), Step::Digest),
            (
                "central cannot compute it, and its own figure is another",
                Some(other(|c| (c.content, c.total_pieces) = (None, Some(11)))),
                ROWS,
            ),
            ("central cannot compute it", Some(other(|c| c.content = None)), Step::Confirm),
            (
                "buffer restored, same number reached with other events",
                Some(other(|c| c.events = Some(29))),
                ANOTHER,
            ),
            (
                "same number, more events, rows of which some are other ones",
                Some(other(|c| (c.events, c.counts.pieces) = (Some(33), 11))),
                fewer_events(33),
            ),
            ("buffer restored, as many events", Some(central(9)), ANOTHER),
            (
                "buffer restored, fewer events",
                Some(CentralSession { events: Some(31), ..central(9) }),
                fewer_events(31),
            ),
            ("new buffer", Some(other(|c| c.buffer_id = Some("b0".into()))), ANOTHER),
            (
                "new buffer that knows less",
                Some(other(|c| {
                    c.buffer_id = Some("b0".into());
                    c.events = Some(100);
                })),
                fewer_events(100),
            ),
            ("another agent's row", Some(other(|c| c.agent_id = Some("x".into()))), ANOTHER),
            ("python's row", Some(made_by_python(Some(10), 10)), ANOTHER),
            ("python's row with more", Some(made_by_python(Some(12), 10)), fewer_pieces(12)),
            ("python's header too low", Some(made_by_python(Some(0), 11)), fewer_pieces(11)),
            ("python's row without figure", Some(made_by_python(None, 3)), ANOTHER),
        ];
        for (name, held, step) in table {
            assert_eq!(plan(&local(4), held.as_ref(), &me()), step, "{name}");
        }
    }

    #[test]
    fn what_differs_goes_and_nothing_else_does() {
        let header = Step::Deliver { since_revision: 4, because: Because::HeaderDiffers };
        let holding = |content| CentralSession { content: Some(content), ..central(4) };
        let computed = LocalSession { content: Some(CONTENT), ..local(4) };
        // Of a buffer of the release before, or where the answer was lost, nothing is known of it.
        let unknown = LocalSession { confirmed: None, ..computed.clone() };
        let lost =
            LocalSession { synced_revision: 3, confirmed: Some(OTHER_ROWS), ..computed.clone() };
        for (what, local) in [("known", &computed), ("unknown", &unknown), ("lost", &lost)] {
            assert_eq!(plan(local, Some(&holding(CONTENT)), &me()), Step::Confirm, "{what}");
            assert_eq!(plan(local, Some(&holding(OTHER_HEADER)), &me()), header, "{what}");
            assert_eq!(plan(local, Some(&holding(OTHER_ROWS)), &me()), ROWS, "{what}");
            let not_computed = LocalSession { content: None, ..local.clone() };
            let step = plan(&not_computed, Some(&holding(OTHER_ROWS)), &me());
            assert_eq!(step, Step::Digest, "{what}");
        }
        // What was confirmed was told in another language, or compared in fewer columns.
        let otherwise = LocalSession { confirmed: Some(OTHER_ROWS), ..computed.clone() };
        assert_eq!(plan(&otherwise, Some(&holding(CONTENT)), &me()), Step::Confirm);
        // Only the number of events was changed: central holds no row more.
        let more = CentralSession { events: Some(99), ..holding(OTHER_HEADER) };
        assert_eq!(plan(&computed, Some(&more), &me()), header);
        assert_eq!(plan(&local(4), Some(&more), &me()), Step::Digest);
        let with_rows = CentralSession { events: Some(99), ..holding(OTHER_ROWS) };
        let refused = Step::Refuse(Refusal::FewerEvents { local: 30, central: 99 });
        assert_eq!(plan(&computed, Some(&with_rows), &me()), refused);
    }

    #[test]
    fn a_session_that_grew_is_sent_by_its_changes_only_on_rows_that_are_known() {
        let grown = LocalSession { synced_revision: 2, ..local(4) };
        let since = Step::Deliver { since_revision: 2, because: Because::Grown };
        let holding = |content| CentralSession { content, ..central(2) };
        assert_eq!(plan(&grown, Some(&central(2)), &me()), since);
        // The header goes anyway.
        assert_eq!(plan(&grown, Some(&holding(Some(OTHER_HEADER))), &me()), since);
        assert_eq!(plan(&grown, Some(&holding(Some(OTHER_ROWS))), &me()), ROWS);
        assert_eq!(plan(&grown, Some(&holding(None)), &me()), since);
        let unknown = LocalSession { confirmed: None, ..grown.clone() };
        assert_eq!(plan(&unknown, Some(&holding(Some(OTHER_ROWS))), &me()), since);
        let broken = CentralSession { numbering_broken: true, ..central(2) };
        assert_eq!(plan(&grown, Some(&broken), &me()), ROWS);
    }

    #[test]
    fn a_revision_that_this_buffer_does_not_know_to_have_delivered_gets_every_row() {
        let grown = LocalSession { synced_revision: 2, ..local(4) };
        // Restored from an older backup: what its rows were then is not known any more.
        assert_eq!(plan(&grown, Some(&central(1)), &me()), ANOTHER);
        // The answer was lost, or this buffer lost its newest pages: nobody knows which.
        assert_eq!(plan(&grown, Some(&central(3)), &me()), ANOTHER);
        let doubted = LocalSession { synced_revision: 0, ..local(4) };
        assert_eq!(plan(&doubted, Some(&central(0)), &me()), ANOTHER, "a number of nobody's");
        // Here what central holds tells.
        assert_eq!(plan(&grown, Some(&central(4)), &me()), Step::Digest);
    }

    #[test]
    fn a_refusal_says_what_is_kept() {
        let text = Refusal::FewerEvents { local: 3, central: 7 }.to_string();
        assert!(text.contains("central holds more") && text.contains('7') && text.contains('3'));
    }
}
