//! The union of a day's parts: every line as often as the part that holds it most often holds it,
//! sorted by time, lines of one second in file order.
//!
//! The order never rests on file names or arrival. Each part is sorted by time first (stably), and
//! parts stand in the order of their first time, last time, number of lines, and content. Within
//! one second, a later part adds behind the others what it holds beyond them.

use std::{
    borrow::Cow,
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use crate::{analyse::Part, parse::Event};

/// From this many lines in one second on, counting by hash beats comparing each with each.
const CROWDED_SECOND: usize = 32;

/// The day's events in their final order. One sorted part comes back borrowed.
pub(super) fn union<'e, 't>(parts: &'e [Part<'_, 't>]) -> Cow<'e, [Event<'t>]> {
    let mut sorted: Vec<Cow<'e, [Event<'t>]>> = parts
        .iter()
        .map(|part| sorted_by_time(part.events()))
        .filter(|part| !part.is_empty())
        .collect();
    if sorted.len() > 1 {
        sorted.sort_by(|a, b| order_of_parts(a, b));
        sorted.dedup_by(|later, earlier| order_of_parts(earlier, later).is_eq());
    }
    if sorted.len() > 1 {
        return Cow::Owned(merged(&sorted));
    }
    sorted.pop().unwrap_or_default()
}

/// Times of lines at which a clock stepped back, in order; a step that several parts show counts once.
pub(super) fn clock_steps(parts: &[Part<'_, '_>]) -> Vec<i64> {
    let mut most: BTreeMap<i64, usize> = BTreeMap::new();
    for part in parts {
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

fn sorted_by_time<'e, 't>(events: &'e [Event<'t>]) -> Cow<'e, [Event<'t>]> {
    if events.is_sorted_by_key(|event| event.seconds) {
        return Cow::Borrowed(events);
    }
    let mut events = events.to_vec();
    events.sort_by_key(|event| event.seconds);
    Cow::Owned(events)
}

fn order_of_parts(a: &[Event<'_>], b: &[Event<'_>]) -> Ordering {
    let seconds = |event: Option<&Event<'_>>| event.map(|event| event.seconds);
    let outline = |part: &[Event<'_>]| (seconds(part.first()), seconds(part.last()), part.len());
    let line =
        |event: &Event<'_>| (event.seconds, event.name().to_owned(), event.details().to_owned());
    outline(a).cmp(&outline(b)).then_with(|| {
        let first_difference = a.iter().zip(b).find(|(a, b)| !a.is_same_line(b));
        first_difference.map_or(Ordering::Equal, |(a, b)| line(a).cmp(&line(b)))
    })
}

/// Second by second over all parts; no part is empty.
fn merged<'t>(parts: &[Cow<'_, [Event<'t>]>]) -> Vec<Event<'t>> {
    let mut union = Vec::with_capacity(parts.iter().map(|part| part.len()).max().unwrap_or(0));
    let mut rests: Vec<&[Event<'t>]> = parts.iter().map(|part| &part[..]).collect();
    while let Some(second) = rests.iter().filter_map(|rest| rest.first()).map(|e| e.seconds).min() {
        let begin = union.len();
        for rest in &mut rests {
            let run = rest.iter().take_while(|event| event.seconds == second).count();
            let (run, behind) = rest.split_at(run);
            add_what_exceeds(&mut union, begin, run);
            *rest = behind;
        }
        rests.retain(|rest| !rest.is_empty());
    }
    union
}

/// Adds to `union[begin..]` the lines of `run` that it does not yet hold as often.
fn add_what_exceeds<'t>(union: &mut Vec<Event<'t>>, begin: usize, run: &[Event<'t>]) {
    let held = union.len() - begin;
    let common = union[begin..].iter().zip(run).take_while(|(a, b)| a.is_same_line(b)).count();
    // One continues the other, or there is only one: the usual case.
    if common == held || common == run.len() {
        union.extend_from_slice(&run[common..]);
    } else if held.max(run.len()) < CROWDED_SECOND {
        let mut taken = [false; CROWDED_SECOND];
        for event in run {
            let same = (0..held).find(|&at| !taken[at] && union[begin + at].is_same_line(event));
            match same {
                Some(at) => taken[at] = true,
                None => union.push(*event),
            }
        }
    } else {
        let mut counts: HashMap<_, usize> = HashMap::with_capacity(held);
        for event in &union[begin..] {
            *counts.entry(event.content()).or_default() += 1;
        }
        for event in run {
            match counts.get_mut(&event.content()) {
                Some(count) if *count > 0 => *count -= 1,
                _ => union.push(*event),
            }
        }
    }
}
