//! Pieces by what they are cut from: cycles, waits, and the changes from one profile to the next.

use std::collections::BTreeMap;

use super::{Changes, Cycles, Patterns, Profile};
use crate::{
    analyse::{
        digest::{stops_inside, waits_inside, window},
        intervals::{Span, covered, merged},
    },
    model::{Session, Stamp},
};

/// Adds a session's profiles; its cycles go to `cycles`, because medians do not add up.
pub(super) fn add(patterns: &mut Patterns, cycles: &mut Cycles, session: &Session) {
    let mut spans = stops_inside(session);
    let stops = merged(&mut spans);
    spans.extend(waits_inside(session));
    let idle = merged(&mut spans);

    let mut gaps: BTreeMap<Option<Profile>, Gaps> = BTreeMap::new();
    let mut changes: Vec<(Span, Option<Profile>)> = Vec::new();
    let mut sequence: Vec<Profile> = Vec::new();
    let mut before: Option<(Stamp, Option<Profile>)> = None;
    for piece in &session.pieces {
        let profile = profile_at(session, piece.at);
        let of_profile = patterns.of_profile(&profile);
        of_profile.pieces += 1;
        let is_same = before.as_ref().is_some_and(|(_, earlier)| *earlier == profile);
        if !is_same {
            of_profile.runs += 1;
            sequence.extend(profile.clone());
        }
        if let Some((at, earlier)) = &before {
            let gap = Span { start: at.0, end: piece.at.0 };
            let idle_ms = covered(&idle, gap);
            if is_same {
                gaps.entry(profile.clone()).or_default().add(gap, &stops);
                of_profile.effective_ms += gap.end - gap.start - idle_ms;
                if idle_ms == 0 {
                    of_profile.cycles += 1;
                    if patterns.profiles.contains_key(&profile) {
                        cycles.add(&profile, gap.end - gap.start);
                    }
                }
            } else if earlier.is_some() {
                changes.push((gap, profile.clone()));
            }
        }
        before = Some((piece.at, profile));
    }
    add_changes(&mut patterns.changes, &changes, &stops, &gaps);
    add_waits(patterns, session);
    add_bars(patterns, session);
    patterns.sequence = sequence;
}

/// The last job at or before.
fn profile_at(session: &Session, at: Stamp) -> Option<Profile> {
    let jobs = session.jobs.partition_point(|job| job.at <= at);
    let job = &session.jobs[jobs.checked_sub(1)?];
    Some(Profile::of(job))
}

fn add_changes(
    total: &mut Changes,
    changes: &[(Span, Option<Profile>)],
    stops: &[Span],
    gaps: &BTreeMap<Option<Profile>, Gaps>,
) {
    let all = gaps
        .values()
        .fold(Gaps::default(), |sum, of| Gaps { count: sum.count + of.count, ms: sum.ms + of.ms });
    let mut cost_ms = 0;
    for (gap, profile) in changes {
        let ordinary = gaps.get(profile).unwrap_or(&all).mean_ms();
        total.count += 1;
        total.span_ms += gap.end - gap.start;
        cost_ms += gap.end - gap.start - covered(stops, *gap) - ordinary;
    }
    // Summed before it is cut at nothing: some changes take less than an ordinary piece.
    total.cost_ms += cost_ms.max(0);
}

/// Times from piece to piece of one profile, less stops; waits are part of them, as they are of changes.
#[derive(Clone, Copy, Default)]
struct Gaps {
    count: i64,
    ms: i64,
}

impl Gaps {
    fn add(&mut self, gap: Span, stops: &[Span]) {
        self.count += 1;
        self.ms += gap.end - gap.start - covered(stops, gap);
    }

    fn mean_ms(self) -> i64 {
        if self.count == 0 { 0 } else { self.ms / self.count }
    }
}

fn add_bars(patterns: &mut Patterns, session: &Session) {
    for job in &session.jobs {
        let of_profile = patterns.of_profile(&Some(Profile::of(job)));
        of_profile.bars += 1;
        of_profile.length_e2 += job.length_e2;
    }
}

fn add_waits(patterns: &mut Patterns, session: &Session) {
    let Some(window) = window(session) else { return };
    for wait in &session.waits {
        let Some(inside) = Span::from(wait).inside(window) else { continue };
        let profile = profile_at(session, Stamp(inside.start));
        let of_profile = patterns.of_profile(&profile);
        of_profile.waits += 1;
        of_profile.wait_ms += inside.end - inside.start;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{patterns_of, profile};

    #[test]
    fn a_change_costs_what_it_takes_beyond_stops_and_an_ordinary_cycle() {
        let found = patterns_of(&[
            "05:00:00 job A",
            "05:00:00 piece",
            "05:01:00 piece",
            "05:02:00 piece",
            "05:03:00 job B",
            "05:04:00 stop",
            "05:14:00 start",
            "05:22:00 piece",
            "05:22:30 piece",
            "05:23:00 piece",
        ]);
        assert_eq!(found.changes.count, 1);
        assert_eq!(found.changes.span_ms, 20 * 60_000);
        // 20 minutes less 10 of a stop and B's cycle of 30 s.
        assert_eq!(found.changes.cost_ms, 570_000);
        let of = |reference: &str| found.profiles[&Some(profile(reference))];
        assert_eq!(of("A").median_cycle_ms, Some(60_000));
        assert_eq!((of("B").cycles, of("B").median_cycle_ms), (2, Some(30_000)));
        assert_eq!((of("A").pieces, of("B").pieces, of("A").runs), (3, 3, 1));
    }

    #[test]
    fn changes_that_take_no_longer_than_other_pieces_cost_nothing() {
        // From piece to piece one minute and five by turns, with a change in every second one of each.
        let mut lines = vec!["05:00:00 job A".to_owned(), "05:00:00 piece".to_owned()];
        let mut minute = 0;
        for number in 0..24 {
            minute += if number % 2 == 0 { 1 } else { 5 };
            let at = format!("{:02}:{:02}", 5 + minute / 60, minute % 60);
            if number % 4 < 2 {
                lines.push(format!("{at}:00 job {}", if number % 4 == 0 { "B" } else { "A" }));
            }
            lines.push(format!("{at}:00 piece"));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = patterns_of(&lines);
        assert_eq!(found.changes.count, 12);
        assert_eq!(found.changes.span_ms, 36 * 60_000);
        assert_eq!(found.changes.cost_ms, 0);
    }

    #[test]
    fn a_wait_belongs_to_the_profile_in_which_it_begins_and_breaks_a_cycle() {
        let found = patterns_of(&[
            "05:00:00 piece",
            "05:01:00 job A",
            "05:01:00 piece",
            "05:01:10 wait 20",
            "05:02:00 piece",
            "05:02:30 piece",
        ]);
        let of_a = found.profiles[&Some(profile("A"))];
        assert_eq!((of_a.waits, of_a.wait_ms), (1, 20_000));
        assert_eq!((of_a.cycles, of_a.median_cycle_ms), (1, Some(30_000)));
        assert_eq!(of_a.effective_ms, 70_000);
        assert_eq!(found.profiles[&None].pieces, 1);
        assert_eq!(found.changes.count, 0, "nothing is known of what was machined before");
    }
}
