//! Days of a machine that works in shifts with breaks, as people really keep them: a few minutes late, a break
//! that is taken a little early, a machine that is switched off for lunch or just left alone. And the same
//! days with one thing wrong that only a calendar shows.

use chrono::NaiveDate;

use super::{
    Centre, Flaw, Line,
    flaw::{self, Shape},
    job, piece,
    random::Random,
    shares,
};

/// A shift's part of a day, in seconds since the midnight that the production day is named after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedShift {
    /// Between breaks.
    pub required: Vec<(i64, i64)>,
    /// Whether the shift itself begins and ends here, and not the production day.
    pub begins: bool,
    pub ends: bool,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlannedFlaw {
    /// Nobody begins for two hours.
    LateStart,
    /// Nothing at all in the last two hours.
    EarlyEnd,
    /// A stop two hours before the end, and no line behind it.
    BreakdownToTheEnd,
    /// A break takes 50 minutes longer.
    OverrunBreak,
    /// Nobody comes to the last of several shifts.
    MissingShift,
    /// One that needs no calendar to be found.
    Other(Flaw),
}

impl PlannedFlaw {
    pub fn all() -> impl Iterator<Item = Self> {
        [
            Self::LateStart,
            Self::EarlyEnd,
            Self::BreakdownToTheEnd,
            Self::OverrunBreak,
            Self::MissingShift,
        ]
        .into_iter()
        .chain(Flaw::ALL.map(Self::Other))
    }

    /// Whether a day of these shifts can have it.
    pub fn fits(self, shifts: &[PlannedShift]) -> bool {
        let [first, .., last] = shifts else {
            let [only] = shifts else { return false };
            return self.fits_in(only, only);
        };
        self == Self::MissingShift || self.fits_in(first, last)
    }

    fn fits_in(self, first: &PlannedShift, last: &PlannedShift) -> bool {
        let hours = |shift: &PlannedShift| {
            shift.required.iter().map(|(from, to)| to - from).sum::<i64>() / 3600
        };
        match self {
            Self::LateStart => first.begins && hours(first) >= 4,
            Self::EarlyEnd | Self::BreakdownToTheEnd => last.ends && hours(last) >= 4,
            Self::OverrunBreak => {
                first.required.get(1).is_some_and(|(from, to)| to - from > 2 * OVERRUN)
            }
            Self::MissingShift => false,
            // A line behind the last one may belong to the next production day.
            Self::Other(Flaw::WaitOutsideProduction) => last.ends,
            Self::Other(_) => hours(first) >= 4,
        }
    }
}

/// How a break or a handover looks in the LOG.
#[derive(Clone, Copy)]
enum Pause {
    Silent,
    Stopped,
    Waited,
}

const LOST: i64 = 2 * 3600;
const OVERRUN: i64 = 50 * 60;

/// The LOG of one machine and production day; empty if nothing is planned.
pub fn log_of_planned_day(
    centre: &Centre,
    day: NaiveDate,
    shifts: &[PlannedShift],
    seed: u64,
    flaw: Option<PlannedFlaw>,
) -> Vec<u8> {
    let number = i64::from(chrono::Datelike::num_days_from_ce(&day));
    let mut random = Random::new(seed, centre.nom, number);
    let mut spans = worked_spans(shifts, flaw, &mut random);
    if flaw == Some(PlannedFlaw::LateStart) {
        put_off(&mut spans, LOST);
    }
    let cut = match flaw {
        Some(PlannedFlaw::EarlyEnd | PlannedFlaw::BreakdownToTheEnd) => {
            spans.last().map(|span| span.1 - LOST)
        }
        _ => None,
    };
    if spans.is_empty() {
        return Vec::new();
    }
    let shape = match flaw {
        Some(PlannedFlaw::Other(flaw)) => Shape::of(flaw),
        _ => Shape::ORDINARY,
    };
    let mut lines = lines_of(centre, day, &spans, &shape, &mut random);
    if let Some(PlannedFlaw::Other(flaw)) = flaw {
        // In the longest stretch without a break, so that the flaw is as long as it is meant.
        let longest = spans.iter().max_by_key(|span| span.1 - span.0).map_or(0, |span| span.0);
        let middle = match flaw {
            Flaw::Silence | Flaw::RhythmDrop => {
                lines.partition_point(|line| line.second <= longest + 1200)
            }
            _ => lines.len() / 2,
        };
        return flaw::written(lines, flaw, middle, &mut random);
    }
    if let Some(cut) = cut {
        lines.retain(|line| line.second < cut);
        // It ends with a piece, and no stop is open then.
        let stop = |event: &str| event == "MachineStop" || event == "MachineStart";
        while lines.last().is_some_and(|line| !line.event.starts_with("StukUitgevoerd")) {
            lines.pop();
        }
        let open = lines.iter().rev().find(|line| stop(&line.event));
        let is_open = open.is_some_and(|line| line.event == "MachineStop");
        let mut add = |second, event: &str| lines.push(Line { day, second, event: event.into() });
        if is_open {
            add(cut - 60, "MachineStart");
            add(cut - 30, &piece(9_999, &mut random));
        }
        if flaw == Some(PlannedFlaw::BreakdownToTheEnd) {
            add(cut, "MachineStop");
        }
    }
    lines.iter().flat_map(|line| format!("{}\n", line.text()).into_bytes()).collect()
}

fn put_off(spans: &mut Vec<(i64, i64, Pause)>, by: i64) {
    let mut from = spans.first().map_or(0, |span| span.0) + by;
    spans.retain(|span| span.1 > from + 600);
    if let Some(first) = spans.first_mut() {
        from = from.max(first.0);
        first.0 = from;
    }
}

/// When there was work, and how the pause behind it looks.
fn worked_spans(
    shifts: &[PlannedShift],
    flaw: Option<PlannedFlaw>,
    random: &mut Random,
) -> Vec<(i64, i64, Pause)> {
    let minutes = |random: &mut Random, least: u64, most: u64| {
        i64::try_from(random.between(least * 60, most * 60)).unwrap_or(0)
    };
    let count = match flaw {
        Some(PlannedFlaw::MissingShift) => shifts.len() - 1,
        _ => shifts.len(),
    };
    let mut overrun = (flaw == Some(PlannedFlaw::OverrunBreak)).then_some(OVERRUN);
    let mut spans: Vec<(i64, i64, Pause)> = Vec::new();
    for shift in &shifts[..count] {
        let last = shift.required.len() - 1;
        for (at, &(from, to)) in shift.required.iter().enumerate() {
            let late = match (at, shift.begins) {
                (0, false) => 0,
                // Now and then somebody is late, as everywhere.
                (0, true) if random.one_in(10) => minutes(random, 10, 18),
                (0, true) => minutes(random, 2, 10),
                _ => minutes(random, 0, 5) + overrun.take().unwrap_or(0),
            };
            let early = match (at == last, shift.ends) {
                (true, false) => 0,
                (true, true) => minutes(random, 1, 9),
                _ => minutes(random, 0, 4),
            };
            let pause =
                random.one_of(&[Pause::Silent, Pause::Silent, Pause::Stopped, Pause::Waited]);
            if from + late + 120 < to - early {
                spans.push((from + late, to - early, pause));
            }
        }
    }
    spans
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Piece,
    Job,
    Wait(i64),
    Stop(i64),
}

/// Lines at the machine's usual pace while there is work.
fn lines_of(
    centre: &Centre,
    day: NaiveDate,
    spans: &[(i64, i64, Pause)],
    shape: &Shape,
    random: &mut Random,
) -> Vec<Line> {
    let worked: i64 = spans.iter().map(|span| span.1 - span.0).sum();
    let worked_u = u64::try_from(worked).unwrap_or(0);
    let per_mille = |random: &mut Random| random.between(90, 110) * 10;
    // A seventh of the time is waited, the rest of what is not effective is stopped.
    let wait = worked_u * 140 / 1000 * per_mille(random) / 1000 * shape.wait / 100;
    let idle = worked_u * (1000 - centre.occupation_per_mille) / 1000 * per_mille(random) / 1000;
    let stop = idle.saturating_sub(wait * 100 / shape.wait).max(worked_u / 20) * shape.stop / 100;
    let mean = (centre.stops.0 + centre.stops.1) / 2;
    let stops =
        (worked_u * mean / 44_500 * random.between(90, 110) / 100 * shape.stop_count / 100).max(1);
    let effective = i64::try_from(worked_u.saturating_sub(wait + stop).max(1)).unwrap_or(1);
    let pieces = centre.pieces_of_20_days * worked_u / (20 * 44_500) * random.between(92, 108)
        / 100
        * shape.pieces
        / 100;
    let effective_u = effective.unsigned_abs();
    let at = |random: &mut Random| random.between(0, effective_u - 1).cast_signed();
    let mut events = vec![(0, Event::Piece), (effective, Event::Piece)];
    for _ in 0..pieces.saturating_sub(2) {
        let at = at(random);
        events.push((at, Event::Piece));
        if random.one_in(8) {
            events.push((at, Event::Job));
        }
    }
    for seconds in shares(wait, (wait / 40).max(1), random) {
        events.push((at(random), Event::Wait(seconds.cast_signed())));
    }
    for seconds in shares(stop, stops, random) {
        events.push((at(random), Event::Stop(seconds.cast_signed())));
    }
    events.sort_unstable();
    let clock = Clock { spans };
    let mut lines: Vec<Line> = Vec::with_capacity(events.len() + 40);
    let mut write = |second: i64, event: String| lines.push(Line { day, second, event });
    if let Some(first) = spans.first() {
        write(first.0 - random.between(5, 60).cast_signed(), "MachineStart".into());
    }
    let (mut idle_so_far, mut number) = (0, 0);
    // Pauses behind which nothing was written yet.
    let mut pauses = spans.windows(2).peekable();
    let mut is_stopped_to = i64::MIN;
    for (at, event) in events {
        let second = clock.at(at + idle_so_far);
        while let Some([before, after]) = pauses.next_if(|pair| pair[1].0 <= second) {
            let is_idle = is_stopped_to >= before.1;
            match before.2 {
                Pause::Stopped if !is_idle => {
                    write(before.1 + 1, "MachineStop".into());
                    write(after.0 - 1, "MachineStart".into());
                }
                Pause::Waited if !is_idle => {
                    write(before.1 + 1, format!("MachineWait: {} sec", after.0 - before.1 - 2));
                }
                _ => {}
            }
        }
        match event {
            Event::Piece => {
                number += 1;
                write(second, piece(number, random));
            }
            Event::Job => write(second, job(centre, random)),
            Event::Wait(seconds) => {
                write(second, format!("MachineWait: {seconds} sec"));
                idle_so_far += seconds;
                is_stopped_to = second + seconds;
            }
            Event::Stop(seconds) => {
                write(second, "MachineStop".into());
                idle_so_far += seconds;
                let end = clock.at(at + idle_so_far);
                write(end, "MachineStart".into());
                is_stopped_to = end;
            }
        }
    }
    if let Some(last) = spans.last() {
        write(last.1 + random.between(5, 60).cast_signed(), "MachineStop".into());
    }
    lines.sort_by_key(|line| line.second);
    lines
}

/// From seconds of work to those of the day.
struct Clock<'s> {
    spans: &'s [(i64, i64, Pause)],
}

impl Clock<'_> {
    fn at(&self, worked: i64) -> i64 {
        let mut left = worked;
        for (from, to, _) in self.spans {
            if left <= to - from {
                return from + left;
            }
            left -= to - from;
        }
        self.spans.last().map_or(0, |span| span.1)
    }
}
