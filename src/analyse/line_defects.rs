//! What a day's LOG holds beside the session: torn lines, lines that are none, words that nobody
//! knows. Counted like events are: each line as often as the file that holds it most often holds it,
//! so that a file read twice, renamed or cut in two changes nothing.

use std::{cmp::Ordering, collections::BTreeMap};

use chrono::TimeDelta;

use crate::{
    analyse::Part,
    model::{Day, ShortText, Stamp},
    parse::{Event, Kind, NAMES_LIMIT, RejectedLine, Words},
};

/// Characters kept of an unknown name.
const NAME_CHARS: usize = 80;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LineDefects {
    pub torn_lines: u32,
    /// Lines that are no event and not torn, and jobs without reference or length.
    pub malformed_lines: u32,
    /// Events by unknown name, at most [`NAMES_LIMIT`] names.
    pub unknown: BTreeMap<ShortText, u32>,
}

/// A file's rejected lines by the production day they stand in: that of the event before it, or of the first
/// one. A file without any event has no day.
pub fn rejected_by_day<'t>(
    events: &[Event<'_>],
    rejected: &[RejectedLine<'t>],
    day_start: TimeDelta,
) -> BTreeMap<Day, Vec<RejectedLine<'t>>> {
    let mut days: BTreeMap<Day, Vec<RejectedLine<'t>>> = BTreeMap::new();
    for one in rejected {
        let beside = one.events_before.saturating_sub(1);
        if let Some(event) = events.get(beside) {
            let day = Stamp::from_seconds(event.seconds).day(day_start);
            days.entry(day).or_default().push(*one);
        }
    }
    days
}

/// The defects of one day from each file's part of it and each file's rejected lines of it, in any order.
pub fn line_defects(
    parts: &[Part<'_, '_>],
    rejected: &[&[RejectedLine<'_>]],
    words: &Words,
) -> LineDefects {
    let mut defects = LineDefects::default();
    let order =
        |a: &RejectedLine<'_>, b: &RejectedLine<'_>| (a.torn, a.text).cmp(&(b.torn, b.text));
    most_often(rejected.iter().map(|of_file| of_file.iter()), order, |one, count| {
        let counted = if one.torn { &mut defects.torn_lines } else { &mut defects.malformed_lines };
        *counted = counted.saturating_add(count);
    });
    let odd = parts.iter().map(|part| {
        let is_odd = |event: &&Event<'_>| match event.kind {
            Kind::Other => true,
            Kind::Job => event.job().is_none(),
            _ => false,
        };
        part.events().iter().filter(is_odd)
    });
    let order = |a: &Event<'_>, b: &Event<'_>| {
        (a.kind, a.seconds, a.content()).cmp(&(b.kind, b.seconds, b.content()))
    };
    most_often(odd, order, |event, count| {
        let (name, details) = event.content();
        let counted = if event.kind == Kind::Job {
            &mut defects.malformed_lines
        } else if details.is_empty() && words.begins_a_word(name) {
            &mut defects.torn_lines
        } else {
            let name = shown(name);
            if !defects.unknown.contains_key(&name) && defects.unknown.len() >= NAMES_LIMIT {
                return;
            }
            defects.unknown.entry(name).or_default()
        };
        *counted = counted.saturating_add(count);
    });
    debug_assert!(defects.unknown.len() <= NAMES_LIMIT, "invariant 8: names are bounded");
    defects
}

/// Hands over every line of several files, as often as the file that holds it most often holds it; in
/// order, so that what a bound leaves out does not depend on the files' order. A line costs two words
/// of memory, also where a day holds hundreds of thousands that all differ.
fn most_often<'l, R: 'l>(
    files: impl Iterator<Item = impl Iterator<Item = &'l R>>,
    order: impl Fn(&R, &R) -> Ordering,
    mut take: impl FnMut(&'l R, u32),
) {
    let mut all: Vec<(&R, u32)> = Vec::new();
    for (file, rows) in (0..).zip(files) {
        all.extend(rows.map(|row| (row, file)));
    }
    all.sort_unstable_by(|(a, of_a), (b, of_b)| order(a, b).then_with(|| of_a.cmp(of_b)));
    for same in all.chunk_by(|(a, _), (b, _)| order(a, b).is_eq()) {
        let in_files = same.chunk_by(|(_, of_a), (_, of_b)| of_a == of_b).map(<[_]>::len);
        let most = in_files.max().unwrap_or_default();
        take(same[0].0, u32::try_from(most).unwrap_or(u32::MAX));
    }
}

fn shown(name: &str) -> ShortText {
    let dotted = |c: char| if c.is_control() { '·' } else { c };
    name.chars().take(NAME_CHARS).map(dotted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analyse::parts_by_day,
        parse::{Text, parse},
    };

    fn defects_of(files: &[&str]) -> LineDefects {
        let texts: Vec<Text<'_>> = files.iter().map(|file| Text::new(file.as_bytes())).collect();
        let words = Words::default();
        let parsed: Vec<_> = texts.iter().map(|text| parse(text, &words)).collect();
        let (mut parts, mut rejected) = (Vec::new(), Vec::new());
        for one in &parsed {
            parts.extend(parts_by_day(&one.events, TimeDelta::zero()).into_values());
            let days = rejected_by_day(&one.events, &one.rejected, TimeDelta::zero());
            rejected.extend(days.into_values());
        }
        let rejected: Vec<&[RejectedLine<'_>]> = rejected.iter().map(Vec::as_slice).collect();
        line_defects(&parts, &rejected, &words)
    }

    const LINES: [&str; 6] = [
        "20250603 05:00:00|@StukUitgevoerd: 1\n",
        "20250603 05:0\n",
        "20250603 05:00:20|@Stuk\n",
        "### herstart\n",
        "20250603 05:00:30|@JobProfiel: L:1\n",
        "20250603 05:00:40|@Onderhoud: filter\n",
    ];

    #[test]
    fn each_kind_of_defect_is_counted_as_what_it_is() {
        let found = defects_of(&[&LINES.concat()]);
        assert_eq!((found.torn_lines, found.malformed_lines), (2, 2));
        assert_eq!(found.unknown, BTreeMap::from([("Onderhoud".into(), 1)]));
    }

    #[test]
    fn a_file_sent_twice_or_cut_in_two_has_the_same_defects() {
        let whole = defects_of(&[&LINES.concat()]);
        assert_eq!(defects_of(&[&LINES.concat(), &LINES.concat()]), whole);
        assert_eq!(defects_of(&[&LINES[3..].concat(), &LINES[..3].concat()]), whole);
        assert_eq!(defects_of(&[&LINES[..4].concat(), &LINES.concat()]), whole);
    }

    #[test]
    fn a_line_that_stands_twice_in_one_file_counts_twice() {
        let found = defects_of(&[&(LINES.concat() + LINES[5] + LINES[3])]);
        assert_eq!(found.unknown.values().sum::<u32>(), 2);
        assert_eq!(found.malformed_lines, 3);
    }
}
