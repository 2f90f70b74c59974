//! Where the required time of each shift went: stop, wait, start, end or running. Each moment of required
//! time is exactly one of them. Terms and states are those of NF E60-182 and of the project's contract on
//! planned time; all lengths are exact milliseconds.

use std::{collections::BTreeSet, ops::Bound};

use chrono::TimeDelta;

use crate::{
    analyse::{
        intervals::{Span, covered, merged},
        session::span_of_pieces,
    },
    calendar::{Period, ShiftPart},
    model::{Day, DayTimes, Session, ShiftTimes, Stamp},
};

/// What of a day's events a session does not have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DayEnds {
    /// A stop that no start line ended.
    pub open_stop: Option<Stamp>,
    /// When each rejected piece was reported, in order.
    pub rejects: Vec<Stamp>,
    /// The day's last event, of any name.
    pub last_event: Option<Stamp>,
}

/// How much of a production day is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Before which alone figures count.
    pub until: Stamp,
    /// That is the end of the production day.
    pub is_over: bool,
}

/// The times of every planned part of `day` that has begun by then. A day without events has an empty
/// `session`.
pub fn day_times(
    day: Day,
    planned: &[ShiftPart],
    session: &Session,
    ends: &DayEnds,
    known: Known,
    nominal_per_hour: Option<u32>,
) -> DayTimes {
    let states = States::of(session, ends, known.until);
    let begun = planned.iter().filter(|part| part.opening.from < known.until);
    let parts = begun.map(|part| {
        let mut times = states.times(part, known.until);
        times.pieces = count_in(session.pieces.iter().map(|piece| piece.at), part);
        times.rejects = count_in(ends.rejects.iter().copied(), part);
        times
    });
    let is_outside = |at: Stamp| !planned.iter().any(|part| is_required(part, at));
    let outside = session.pieces.iter().filter(|piece| is_outside(piece.at)).count();
    DayTimes {
        day,
        known_until: known.until,
        is_over: known.is_over,
        nominal_per_hour,
        parts: parts.collect(),
        pieces_outside: count_of(outside),
    }
}

/// A known day that is farther away says nothing of a day: a controller whose clock jumped to 2055 makes no
/// years of planned time.
pub const MOST_DAYS_APART: i64 = 31;

/// Up to when figures of `day` count, which is `whole`: its end if a later day is known or every LOG that
/// feeds it `is_closed`, else its last event. `None`: nothing of it is known.
pub fn known_until(
    day: Day,
    whole: Period,
    known_days: &BTreeSet<Day>,
    is_closed: bool,
    last_event: Option<Stamp>,
) -> Option<Known> {
    let last = day.checked_add_signed(TimeDelta::days(MOST_DAYS_APART)).unwrap_or(Day::MAX);
    let mut later = known_days.range((Bound::Excluded(day), Bound::Included(last)));
    let until = if is_closed || later.next().is_some() { whole.to } else { last_event? };
    Some(Known { until, is_over: until == whole.to })
}

/// Days without any event of which the planned time counts all the same: those between two known days that
/// are not too far apart.
pub fn days_between(known_days: &BTreeSet<Day>) -> Vec<Day> {
    let pairs = known_days.iter().zip(known_days.iter().skip(1));
    let near = pairs.filter(|(a, b)| (**b - **a).num_days() <= MOST_DAYS_APART);
    near.flat_map(|(a, b)| a.iter_days().skip(1).take_while(move |day| day < b)).collect()
}

/// What a moment is, apart from whether it is required.
struct States {
    /// Unions: in order, neither touching nor overlapping.
    stops: Vec<Span>,
    stops_and_waits: Vec<Span>,
    /// First to last piece.
    window: Option<Span>,
}

impl States {
    fn of(session: &Session, ends: &DayEnds, known_until: Stamp) -> Self {
        let mut stops: Vec<Span> = session.stops.iter().map(Span::from).collect();
        let open = ends.open_stop.filter(|start| *start < known_until);
        stops.extend(open.map(|start| Span { start: start.0, end: known_until.0 }));
        let stops = merged(&mut stops);
        let waits = session.waits.iter().map(Span::from);
        let mut both: Vec<Span> = stops.iter().copied().chain(waits).collect();
        Self { stops_and_waits: merged(&mut both), window: span_of_pieces(&session.pieces), stops }
    }

    fn times(&self, part: &ShiftPart, known_until: Stamp) -> ShiftTimes {
        let is_running = known_until < part.opening.to;
        let cut = |period: Period| Period { to: period.to.min(known_until), ..period };
        let mut times = ShiftTimes {
            number: part.number,
            shift: part.shift.clone(),
            planned_from: part.planned.from,
            planned_to: part.planned.to,
            is_running,
            opening_ms: cut(part.opening).length_ms(),
            ..ShiftTimes::default()
        };
        for period in part.required.iter().map(|period| cut(*period)) {
            if period.from < period.to {
                self.add(&mut times, Span { start: period.from.0, end: period.to.0 });
            }
        }
        debug_assert_eq!(
            times.required_ms,
            times.running_ms + times.stop_ms + times.wait_ms + times.start_ms + times.end_ms,
            "every moment of required time is exactly one thing"
        );
        times
    }

    /// Adds a stretch of required time.
    fn add(&self, times: &mut ShiftTimes, stretch: Span) {
        let length = stretch.end - stretch.start;
        let stop = covered(&self.stops, stretch);
        let busy = covered(&self.stops_and_waits, stretch);
        let rest_in = |part: Option<Span>| {
            part.map_or(0, |part| part.end - part.start - covered(&self.stops_and_waits, part))
        };
        let (before, after) = match self.window {
            None => (Some(stretch), None),
            Some(window) => (
                stretch.inside(Span { start: i64::MIN, end: window.start }),
                stretch.inside(Span { start: window.end, end: i64::MAX }),
            ),
        };
        let (start, end) = (rest_in(before), rest_in(after));
        times.required_ms += length;
        times.stop_ms += stop;
        times.wait_ms += busy - stop;
        times.start_ms += start;
        times.end_ms += end;
        times.running_ms += length - busy - start - end;
    }
}

/// Moments beyond what is known are not there to be counted, so the whole part is looked at: an event in the
/// second up to which time is known counts.
fn count_in(moments: impl Iterator<Item = Stamp>, part: &ShiftPart) -> u32 {
    count_of(moments.filter(|at| is_required(part, *at)).count())
}

fn is_required(part: &ShiftPart, at: Stamp) -> bool {
    part.required.iter().any(|period| period.contains(at))
}

fn count_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Piece, Stop, Wait};

    fn times_of(
        planned: &[ShiftPart],
        session: &Session,
        ends: &DayEnds,
        until: Stamp,
    ) -> DayTimes {
        day_times(Day::default(), planned, session, ends, Known { until, is_over: false }, None)
    }

    fn at(minutes: i64) -> Stamp {
        Stamp(minutes * 60_000)
    }

    fn period(from: i64, to: i64) -> Period {
        Period { from: at(from), to: at(to) }
    }

    /// A session of pieces, stops and waits in random order of a day of 1,440 minutes, with milliseconds.
    fn at_random(rng: &mut fastrand::Rng) -> (Session, DayEnds) {
        let mut session = Session::default();
        let moment = |rng: &mut fastrand::Rng| Stamp(rng.i64(0..86_400_000));
        for _ in 0..rng.usize(0..8) {
            session.pieces.push(Piece { at: moment(rng), details: "".into() });
        }
        session.pieces.sort_by_key(|piece| piece.at);
        for _ in 0..rng.usize(0..6) {
            let start = moment(rng);
            session.stops.push(Stop { start, end: start.plus_ms(rng.i64(0..20_000_000)) });
        }
        for _ in 0..rng.usize(0..6) {
            let start = moment(rng).plus_ms(-1_000_000);
            session.waits.push(Wait { start, end: start.plus_ms(rng.i64(0..20_000_000)) });
        }
        let open_stop = rng.bool().then(|| moment(rng));
        (session, DayEnds { open_stop, ..DayEnds::default() })
    }

    /// Parts that cover the day from cut point to cut point, every second one a break.
    fn part(number: u32, cuts: &[i64]) -> ShiftPart {
        let opening = Period { from: Stamp(cuts[0]), to: Stamp(*cuts.last().unwrap()) };
        let required =
            cuts.chunks_exact(2).map(|cut| Period { from: Stamp(cut[0]), to: Stamp(cut[1]) });
        ShiftPart {
            number,
            shift: "p".into(),
            planned: opening,
            opening,
            required: required.collect(),
        }
    }

    fn sum(times: &[ShiftTimes]) -> [i64; 6] {
        let of = |of: fn(&ShiftTimes) -> i64| times.iter().map(of).sum();
        [
            of(|times| times.required_ms),
            of(|times| times.running_ms),
            of(|times| times.stop_ms),
            of(|times| times.wait_ms),
            of(|times| times.start_ms),
            of(|times| times.end_ms),
        ]
    }

    #[test]
    fn moving_the_cut_points_at_random_loses_no_millisecond() {
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (session, ends) = at_random(&mut rng);
            let known_until = Stamp(rng.i64(1..=86_400_000));
            let whole = [part(1, &[0, 86_400_000])];
            let whole = times_of(&whole, &session, &ends, known_until);
            // The same day in pieces without gaps.
            let mut cuts: Vec<i64> = (0..rng.usize(1..6)).map(|_| rng.i64(1..86_400_000)).collect();
            cuts.extend([0, 86_400_000]);
            cuts.sort_unstable();
            cuts.dedup();
            let parts: Vec<ShiftPart> =
                (1..).zip(cuts.windows(2)).map(|(number, cut)| part(number, cut)).collect();
            let parted = times_of(&parts, &session, &ends, known_until);
            assert_eq!(sum(&parted.parts), sum(&whole.parts), "seed {seed}");
            assert_eq!(sum(&whole.parts)[0], known_until.0, "seed {seed}");
            let pieces: u32 = parted.parts.iter().map(|times| times.pieces).sum();
            let known = session.pieces.iter().filter(|piece| piece.at <= known_until).count();
            assert!(pieces as usize >= known, "seed {seed}");
            for times in &parted.parts {
                let [required, rest @ ..] = sum(std::slice::from_ref(times));
                assert_eq!(required, rest.iter().sum::<i64>(), "seed {seed}");
                assert!(rest.iter().all(|part| *part >= 0), "seed {seed}: {times:?}");
            }
        }
    }

    #[test]
    fn every_millisecond_is_what_asking_for_it_alone_says() {
        for seed in 0..60 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let scale = |at: Stamp| Stamp(at.0 / 86_400);
            let (mut session, mut ends) = at_random(&mut rng);
            session.pieces.iter_mut().for_each(|piece| piece.at = scale(piece.at));
            for stop in &mut session.stops {
                *stop = Stop { start: scale(stop.start), end: scale(stop.end) };
            }
            for wait in &mut session.waits {
                *wait = Wait { start: scale(wait.start), end: scale(wait.end) };
            }
            ends.open_stop = ends.open_stop.map(scale);
            let part = part(1, &[100, 300, 350, 351, 500, 900]);
            let known_until = Stamp(rng.i64(101..1000));
            let times = times_of(std::slice::from_ref(&part), &session, &ends, known_until);
            let mut expected = [0; 6];
            for ms in (0..known_until.0).filter(|ms| is_required(&part, Stamp(*ms))) {
                let in_span = |start: Stamp, end: Stamp| (start.0..end.0).contains(&ms);
                let window = session.pieces.first().zip(session.pieces.last());
                let state = if session.stops.iter().any(|stop| in_span(stop.start, stop.end))
                    || ends.open_stop.is_some_and(|start| start.0 <= ms)
                {
                    2
                } else if session.waits.iter().any(|wait| in_span(wait.start, wait.end)) {
                    3
                } else {
                    match window {
                        None => 4,
                        Some((first, _)) if ms < first.at.0 => 4,
                        Some((_, last)) if ms >= last.at.0 => 5,
                        Some(_) => 1,
                    }
                };
                expected[0] += 1;
                expected[state] += 1;
            }
            assert_eq!(sum(&times.parts), expected, "seed {seed}");
        }
    }

    #[test]
    fn a_part_that_has_not_begun_is_not_reported_and_a_piece_in_the_last_known_second_counts() {
        let required = vec![period(300, 540), period(560, 780)];
        let opening = period(300, 780);
        let morning =
            ShiftPart { number: 1, shift: "matin".into(), planned: opening, opening, required };
        let opening = period(780, 1260);
        let required = vec![opening];
        let afternoon =
            ShiftPart { number: 2, shift: "soir".into(), planned: opening, opening, required };
        let piece = |minutes| Piece { at: at(minutes), details: "".into() };
        let session = Session {
            pieces: vec![piece(299), piece(310), piece(550), piece(600)],
            ..Session::default()
        };
        let day = times_of(&[morning, afternoon], &session, &DayEnds::default(), at(600));
        assert_eq!(day.parts.len(), 1);
        assert!(day.parts[0].is_running);
        assert_eq!((day.parts[0].pieces, day.pieces_outside), (2, 2));
        assert_eq!(day.parts[0].required_ms, (240 + 40) * 60_000);
    }
}
