//! The union of a day's parts: every line as often as the part that holds it most often holds it,
//! sorted by time, lines of one second in file order.
//!
//! The order never rests on file names or arrival. Each part is sorted by time (stably), and parts
//! stand in the order of their first time, last time, number of lines, and content. Within one
//! second, what a part holds beyond the earlier ones goes before the next line that they share, or
//! to the end; a part that holds nothing beyond another says nothing about the order.

use std::{
    borrow::Cow,
    cmp::Ordering,
    collections::{BTreeMap, HashMap, HashSet},
};

use crate::{analyse::Part, parse::Event};

/// The day's events in their final order. One sorted part comes back borrowed.
pub(super) fn union<'e, 't>(parts: &'e [Part<'_, 't>]) -> Cow<'e, [Event<'t>]> {
    let mut sorted: Vec<Cow<'e, [Event<'t>]>> =
        parts.iter().map(sorted_by_time).filter(|part| !part.is_empty()).collect();
    if sorted.len() > 1 {
        sorted.sort_by(|a, b| order_of_parts(a, b));
        sorted.dedup_by(|later, earlier| order_of_parts(earlier, later).is_eq());
    }
    debug_assert!(
        sorted.is_sorted_by(|a, b| order_of_parts(a, b).is_lt()),
        "invariant 3: parts have one order, whatever order they came in"
    );
    if sorted.len() > 1 {
        let union = merged(&sorted);
        debug_assert!(
            sorted.iter().all(|part| part.len() <= union.len())
                && union.len() <= sorted.iter().map(|part| part.len()).sum(),
            "invariant 3: a line counts as often as the part that holds it most often holds it"
        );
        return Cow::Owned(union);
    }
    sorted.pop().unwrap_or_default()
}

/// Times of lines at which a clock stepped back, in order; a step that several parts show counts once.
pub(super) fn clock_steps(parts: &[Part<'_, '_>]) -> Vec<i64> {
    let mut most: BTreeMap<i64, usize> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.has_steps()) {
        let mut in_part: BTreeMap<i64, usize> = BTreeMap::new();
        for event in part.events().iter().filter(|event| event.stepped_back) {
            *in_part.entry(event.seconds).or_default() += 1;
        }
        for (seconds, count) in in_part {
            let most = most.entry(seconds).or_default();
            *most = count.max(*most);
        }
    }
    most.into_iter().flat_map(|(seconds, count)| std::iter::repeat_n(seconds, count)).collect()
}

fn sorted_by_time<'e, 't>(part: &'e Part<'_, 't>) -> Cow<'e, [Event<'t>]> {
    if part.is_sorted() {
        return Cow::Borrowed(part.events());
    }
    let mut events = part.events().to_vec();
    events.sort_by_key(|event| event.seconds);
    Cow::Owned(events)
}

fn order_of_parts(a: &[Event<'_>], b: &[Event<'_>]) -> Ordering {
    let seconds = |event: Option<&Event<'_>>| event.map(|event| event.seconds);
    let outline = |part: &[Event<'_>]| (seconds(part.first()), seconds(part.last()), part.len());
    outline(a).cmp(&outline(b)).then_with(|| {
        let order_of_lines = |a: &Event<'_>, b: &Event<'_>| {
            a.seconds.cmp(&b.seconds).then_with(|| a.content().cmp(&b.content()))
        };
        let orders = a.iter().zip(b).map(|(a, b)| order_of_lines(a, b));
        orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    })
}

/// Second by second over all parts; no part is empty.
fn merged<'t>(parts: &[Cow<'_, [Event<'t>]>]) -> Vec<Event<'t>> {
    let mut union = Vec::with_capacity(parts.iter().map(|part| part.len()).max().unwrap_or(0));
    let mut rests: Vec<&[Event<'t>]> = parts.iter().map(|part| &part[..]).collect();
    // Second -> the parts whose next line is of it: a day may have a hundred thousand parts, and a look
    // at each of them second by second would take hours.
    let mut next: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (index, rest) in rests.iter().enumerate() {
        next.entry(rest[0].seconds).or_default().push(index);
    }
    let mut runs: Vec<&[Event<'t>]> = Vec::new();
    while let Some((second, mut indexes)) = next.pop_first() {
        indexes.sort_unstable();
        for index in indexes {
            let rest = rests[index];
            let run = rest.iter().take_while(|event| event.seconds == second).count();
            let (run, behind) = rest.split_at(run);
            rests[index] = behind;
            runs.push(run);
            if let Some(event) = behind.first() {
                next.entry(event.seconds).or_default().push(index);
            }
        }
        add_second(&mut union, &runs);
        runs.clear();
    }
    union
}

/// Adds the union of the parts' lines of one second.
fn add_second<'t>(union: &mut Vec<Event<'t>>, runs: &[&[Event<'t>]]) {
    if let [run] = runs {
        return union.extend_from_slice(run);
    }
    let is_few = runs.len() <= FEW_RUNS;
    let mut lines: Vec<Event<'t>> = Vec::new();
    let mut known = HashSet::new();
    for run in beyond_the_others(runs) {
        let may_share = is_few || run.iter().any(|event| known.contains(&event.content()));
        if may_share && !lines.is_empty() {
            lines = woven(&lines, run);
        } else {
            lines.extend_from_slice(run);
        }
        if !is_few {
            known.extend(run.iter().map(Event::content));
        }
    }
    union.append(&mut lines);
}

/// So many runs of a second are compared each with each; of more, only those that share a line.
const FEW_RUNS: usize = 8;

/// The runs that no other one holds; of equal ones the first.
fn beyond_the_others<'e, 't>(runs: &[&'e [Event<'t>]]) -> Vec<&'e [Event<'t>]> {
    let is_within = |index: usize, run: &[Event<'t>], other_index: usize| {
        let other = runs[other_index];
        let is_first_of_equals = other.len() > run.len() || other_index < index;
        is_first_of_equals && other_index != index && holds(other, run)
    };
    let mut holders: HashMap<_, Vec<usize>> = HashMap::new();
    if runs.len() > FEW_RUNS {
        for (index, run) in runs.iter().enumerate() {
            for event in *run {
                let of_line = holders.entry(event.content()).or_default();
                if of_line.last() != Some(&index) {
                    of_line.push(index);
                }
            }
        }
    }
    let mut beyond = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        // What holds the run holds its rarest line.
        let of_lines = run.iter().filter_map(|event| holders.get(&event.content()));
        let is_within_another = match of_lines.min_by_key(|of_line| of_line.len()) {
            Some(others) => others.iter().any(|other| is_within(index, run, *other)),
            None => (0..runs.len()).any(|other| is_within(index, run, other)),
        };
        if !is_within_another {
            beyond.push(*run);
        }
    }
    beyond
}

/// Whether `run` has every line of `part` at least as often.
fn holds(run: &[Event<'_>], part: &[Event<'_>]) -> bool {
    if run.len() < part.len() {
        return false;
    }
    if run.iter().zip(part).all(|(a, b)| a.is_same_line(b)) {
        return true;
    }
    let mut counts: HashMap<_, usize> = HashMap::with_capacity(run.len());
    for event in run {
        *counts.entry(event.content()).or_default() += 1;
    }
    part.iter().all(|event| match counts.get_mut(&event.content()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    })
}

/// `lines`, and what `run` holds beyond them, before the next line that both share.
fn woven<'t>(lines: &[Event<'t>], run: &[Event<'t>]) -> Vec<Event<'t>> {
    // Places of equal lines, the first one last.
    let mut places: HashMap<_, Vec<usize>> = HashMap::with_capacity(lines.len());
    for (place, event) in lines.iter().enumerate().rev() {
        places.entry(event.content()).or_default().push(place);
    }
    let mut beyond: Vec<(usize, Event<'t>)> = Vec::new();
    let mut unplaced = 0;
    for event in run {
        match places.get_mut(&event.content()).and_then(Vec::pop) {
            Some(place) => {
                for (before, _) in &mut beyond[unplaced..] {
                    *before = place;
                }
                unplaced = beyond.len();
            }
            None => beyond.push((lines.len(), *event)),
        }
    }
    // Stable: lines that go to the same place keep their order.
    beyond.sort_by_key(|(before, _)| *before);
    let mut woven = Vec::with_capacity(lines.len() + beyond.len());
    let mut beyond = beyond.into_iter().peekable();
    for (place, event) in lines.iter().enumerate() {
        while let Some((_, added)) = beyond.next_if(|(before, _)| *before == place) {
            woven.push(added);
        }
        woven.push(*event);
    }
    woven.extend(beyond.map(|(_, added)| added));
    woven
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use chrono::{NaiveDate, TimeDelta};

    use super::*;
    use crate::{
        analyse::part_of_day,
        parse::{Text, Words, parse},
    };

    /// Each part is written as `second:letters`, a line a letter; the union comes back so, too.
    fn union_of(parts: &[&str]) -> String {
        let logs: Vec<Vec<u8>> = parts.iter().map(|part| log(part)).collect();
        let texts: Vec<Text<'_>> = logs.iter().map(|log| Text::new(log)).collect();
        let parsed: Vec<_> = texts.iter().map(|text| parse(text, &Words::default())).collect();
        let day = NaiveDate::from_ymd_opt(2025, 6, 3).unwrap();
        let parts: Vec<_> =
            parsed.iter().map(|p| part_of_day(&p.events, day, TimeDelta::zero())).collect();
        let mut found = String::new();
        let mut second = None;
        for event in union(&parts).iter() {
            if second.replace(event.seconds) != Some(event.seconds) {
                found += &format!(" {}:", event.seconds % 60);
            }
            found += event.details();
        }
        found.trim().into()
    }

    fn log(part: &str) -> Vec<u8> {
        let mut log = String::new();
        for second in part.split_whitespace() {
            let (second, letters) = second.split_once(':').unwrap();
            for letter in letters.chars() {
                log += &format!("20250603 05:00:{second:0>2}|@StukUitgevoerd: {letter}\n");
            }
        }
        log.into_bytes()
    }

    /// In every order of two or three parts.
    fn assert_union(parts: &[&str], expected: &str) {
        for rotation in 0..parts.len() {
            let mut parts = parts.to_vec();
            parts.rotate_left(rotation);
            assert_eq!(union_of(&parts), expected, "{parts:?}");
            parts.reverse();
            assert_eq!(union_of(&parts), expected, "{parts:?}");
        }
    }

    #[test]
    fn very_many_parts_come_to_what_a_few_do() {
        // More runs of one second than are compared each with each.
        let parts =
            ["1:ab", "1:b", "1:c", "1:d", "1:e", "1:f", "1:g", "1:h", "1:ha", "1:c", "1:zz"];
        let found = union_of(&parts);
        let mut letters: Vec<char> = found.trim_start_matches("1:").chars().collect();
        letters.sort_unstable();
        assert_eq!(letters, "abcdefghzz".chars().collect::<Vec<_>>());
        let mut turned = parts.to_vec();
        turned.reverse();
        assert_eq!(union_of(&turned), found);
    }

    #[test]
    fn forty_thousand_parts_of_one_second_and_of_all_seconds_are_merged_in_a_moment() {
        let begin = Instant::now();
        for of_second in [true, false] {
            let logs: Vec<Vec<u8>> = (0..40_000)
                .map(|number| {
                    let at = if of_second { 0 } else { number % 3600 };
                    let time = format!("20250603 05:{:02}:{:02}", at / 60, at % 60);
                    format!("{time}|@StukUitgevoerd: {number}\n").into_bytes()
                })
                .collect();
            let texts: Vec<Text<'_>> = logs.iter().map(|log| Text::new(log)).collect();
            let parsed: Vec<_> = texts.iter().map(|text| parse(text, &Words::default())).collect();
            let day = NaiveDate::from_ymd_opt(2025, 6, 3).unwrap();
            let parts: Vec<_> =
                parsed.iter().map(|p| part_of_day(&p.events, day, TimeDelta::zero())).collect();
            assert_eq!(union(&parts).len(), 40_000);
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    }

    #[test]
    fn each_line_counts_as_often_as_the_file_that_holds_it_most_often() {
        assert_union(&["1:a 2:bb 3:c", "2:b 3:c 4:d"], "1:a 2:bb 3:c 4:d");
        assert_union(&["1:aa", "1:a", "1:aab"], "1:aab");
        assert_union(&["1:abab", "1:bbb"], "1:ababb");
    }

    #[test]
    fn the_same_part_twice_is_the_same_day() {
        assert_union(&["1:ab 2:c", "1:ab 2:c"], "1:ab 2:c");
        assert_union(&["1:ab 2:c", "1:ab 2:c", "1:ab 2:c"], "1:ab 2:c");
    }

    #[test]
    fn a_fragment_of_a_file_changes_nothing_wherever_it_was_cut() {
        assert_union(&["1:dcba 2:zyx", "1:ba 2:z"], "1:dcba 2:zyx");
        assert_union(&["1:dcba 2:zyx", "1:a", "1:d"], "1:dcba 2:zyx");
        assert_union(&["1:dcba 2:zyx", "2:yx", "2:z"], "1:dcba 2:zyx");
    }

    #[test]
    fn files_that_were_cut_within_a_second_are_joined_in_time_order() {
        assert_union(&["1:a 2:zy", "2:xw 3:b"], "1:a 2:zyxw 3:b");
        assert_union(&["1:a 2:zy", "2:yx 3:b"], "1:a 2:zyx 3:b");
        assert_union(&["2:cb", "2:ba 3:z"], "2:cba 3:z");
        assert_union(&["2:ba", "2:cb 3:z"], "2:cba 3:z");
    }

    #[test]
    fn a_clock_that_stepped_back_is_put_in_order_and_no_line_is_lost() {
        assert_union(&["3:a 1:b 2:c 3:d"], "1:b 2:c 3:ad");
        assert_union(&["3:a 1:b 2:c 3:d", "1:b 2:c"], "1:b 2:c 3:ad");
    }
}
