//! Sums of machines over ISO weeks, and what a week is compared with. Pure: headers, times and the moment up to
//! which a machine was read are handed in.
//!
//! What must never happen here: a mean of rates; a running week measured by a whole one.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::day_view::begin_of;
use crate::{
    analyse::{DayEnds, Known, WaitStamp, day_until},
    model::{Day, DayTimes, Figures, Rates, Session, Stamp, TimesSum, Week, rate_e2},
};

/// Weeks beside one another, the chosen one last.
pub(crate) const WEEKS: usize = 8;
const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// What a machine did on some days: exact sums, from which rates are made once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sums {
    /// With a LOG.
    pub days: u32,
    pub pieces: u64,
    pub stops: u64,
    pub stop_ms: i64,
    pub wait_ms: i64,
    pub effective_ms: i64,
    pub window_ms: i64,
    /// Of required time; `None`: nothing was planned.
    pub times: Option<TimesSum>,
}

impl Sums {
    pub(crate) fn is_known(&self) -> bool {
        self.days > 0 || self.times.is_some()
    }

    fn add_day(&mut self, figures: &Figures, stops: u64) {
        self.days += 1;
        self.pieces += u64::from(figures.total_pieces);
        self.stops += stops;
        self.stop_ms += figures.stop_ms;
        self.wait_ms += figures.wait_ms;
        self.effective_ms += figures.effective_ms;
        self.window_ms += figures.window_ms;
    }

    fn add_times(&mut self, sum: &TimesSum) {
        self.times = Some(self.times.as_ref().map_or_else(|| sum.clone(), |own| own.plus(sum)));
    }

    /// Of both; only those with a TRS count for the sum of required time.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let mut sum = Self {
            days: self.days + other.days,
            pieces: self.pieces + other.pieces,
            stops: self.stops + other.stops,
            stop_ms: self.stop_ms + other.stop_ms,
            wait_ms: self.wait_ms + other.wait_ms,
            effective_ms: self.effective_ms + other.effective_ms,
            window_ms: self.window_ms + other.window_ms,
            times: self.times.clone(),
        };
        if let Some(times) = other.times.as_ref().filter(|_| other.trs_e2().is_some()) {
            sum.add_times(times);
        }
        sum
    }

    pub(crate) fn rates(&self) -> Option<Rates> {
        // No rate over total time is asked for.
        self.times.as_ref().map(|times| times.rates(0))
    }

    pub(crate) fn trs_e2(&self) -> Option<i64> {
        self.rates().and_then(|rates| rates.trs_e2)
    }

    pub(crate) fn occupation_e2(&self) -> Option<i64> {
        (self.window_ms > 0).then(|| rate_e2(self.effective_ms, self.window_ms))
    }
}

/// A day with a LOG.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LoggedDay {
    pub figures: Figures,
    pub stops: u64,
}

/// What the buffer holds of one machine over the weeks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct MachineDays {
    pub logged: BTreeMap<Day, LoggedDay>,
    pub times: BTreeMap<Day, DayTimes>,
}

impl MachineDays {
    /// Of those days whole.
    pub(crate) fn sums(&self, days: impl IntoIterator<Item = Day>) -> Sums {
        let mut sums = Sums::default();
        for day in days {
            if let Some(logged) = self.logged.get(&day) {
                sums.add_day(&logged.figures, logged.stops);
            }
            if let Some(times) = self.times.get(&day) {
                sums.add_times(&times.sum());
            }
        }
        sums
    }

    /// The last moment that the days of `week` tell of.
    pub(crate) fn last_sign(&self, week: Week) -> Option<Stamp> {
        let days = self.logged.range(week.monday()..=week.sunday());
        let signs = days.flat_map(|(_, day)| [day.figures.last_piece, day.figures.last_stop]);
        signs.flatten().max()
    }
}

/// How far the chosen week of a machine is known: what it is compared with ends a week before that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KnownWeek {
    /// Up to when the machine was read.
    pub read: Stamp,
    /// Up to when its required time counts.
    pub times: Stamp,
}

impl KnownWeek {
    /// `None`: the whole `week` is known. `read` is when the machine was last read.
    pub(crate) fn of(
        days: &MachineDays,
        week: Week,
        read: Stamp,
        day_start: TimeDelta,
    ) -> Option<Self> {
        let end = begin_of(week.before(-1).monday(), day_start);
        let last = days.times.range(week.monday()..=week.sunday()).next_back();
        let times = match last {
            Some((_, times)) if !times.is_over => times.known_until.min(read),
            _ => read,
        };
        (times < end).then_some(Self { read: read.min(end), times })
    }

    /// The days of the week before of which a part only is compared: where reading and times end.
    pub(crate) fn cut_days(&self, day_start: TimeDelta) -> [Day; 2] {
        [self.read, self.times].map(|until| until.plus_ms(-WEEK_MS).day(day_start))
    }

    /// The sums of the week before `week` up to the same moments of it. `stored` has those of [`Self::cut_days`]
    /// that have a session, `retime` makes a day's times from it.
    pub(crate) fn before(
        &self,
        days: &MachineDays,
        week: Week,
        stored: &BTreeMap<Day, (Session, DayEnds)>,
        wait_stamp: WaitStamp,
        day_start: TimeDelta,
        retime: impl Fn(Day, &Session, &DayEnds, Known) -> Option<DayTimes>,
    ) -> Sums {
        let mut sums = Sums::default();
        let [read, times] = [self.read, self.times].map(|until| until.plus_ms(-WEEK_MS));
        let nothing = (Session::default(), DayEnds::default());
        for day in week.before(1).days() {
            let end = begin_of(day, day_start).plus_ms(WEEK_MS / 7);
            match (days.logged.get(&day), stored.get(&day)) {
                (Some(logged), _) if end <= read => sums.add_day(&logged.figures, logged.stops),
                (Some(_), Some((session, ends))) if begin_of(day, day_start) < read => {
                    let (session, _) = day_until(session, ends, read, wait_stamp);
                    if !session.pieces.is_empty() || !session.stops.is_empty() {
                        sums.add_day(&session.figures, session.stops.len() as u64);
                    }
                }
                _ => {}
            }
            let Some(whole) = days.times.get(&day) else { continue };
            if end <= times {
                sums.add_times(&whole.sum());
            } else if begin_of(day, day_start) < times {
                let (session, ends) = stored.get(&day).unwrap_or(&nothing);
                let (session, ends) = day_until(session, ends, times, wait_stamp);
                let known = Known { until: times.min(whole.known_until), is_over: false };
                let cut = retime(day, &session, &ends, known).filter(|cut| !cut.parts.is_empty());
                if let Some(cut) = cut {
                    sums.add_times(&cut.sum());
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        analyse::{self, Options, day_ends, day_times, known_until, parts_by_day, session_of_day},
        calendar::{Calendar, Calendars, production_day},
        config::parse_calendars,
        parse::{Text, Words, parse},
    };

    const NOMINAL: Option<u32> = Some(77);
    const SHIFTS: &str = "[[calendar]]
        [[calendar.shift]]
        name = 'matin'
        days = 'mon-sat'
        time = '05:00-13:00'
        breaks = ['09:00-09:20']
        [[calendar.shift]]
        name = 'nuit'
        days = 'mon-fri'
        time = '21:00-05:00'";

    /// Lines of two weeks in order, each with its moment; some days have none.
    fn lines_at_random(rng: &mut fastrand::Rng, monday: Day) -> Vec<(Stamp, String)> {
        let mut lines = Vec::new();
        for day in monday.iter_days().take(14) {
            if rng.u8(0..5) == 0 {
                continue;
            }
            let mut second = rng.u32(0..30_000);
            let mut is_stopped = false;
            while second < 86_000 {
                // A stop whose start line is lost leaves no row.
                let drawn = if is_stopped { 1 } else { rng.u8(0..12) };
                is_stopped = drawn == 0;
                let event = match drawn {
                    0 => "MachineStop:".to_owned(),
                    1 | 2 => "MachineStart:".to_owned(),
                    3 => format!("MachineWait: {} sec", rng.u32(1..900)),
                    4 => "Afkeur:".to_owned(),
                    _ => "StukUitgevoerd: 1 A".to_owned(),
                };
                let at = day.and_time(chrono::NaiveTime::MIN) + TimeDelta::seconds(second.into());
                let line = format!("{}|@{event}\n", at.format("%Y%m%d %H:%M:%S"));
                lines.push((Stamp::from_naive(at), line));
                second += rng.u32(60..9_000);
            }
        }
        lines
    }

    struct Held {
        days: MachineDays,
        stored: BTreeMap<Day, (Session, DayEnds)>,
    }

    /// What a buffer holds that read these lines; `until` closes nothing: the last day goes on.
    fn held(
        lines: &[(Stamp, String)],
        calendar: &Calendar,
        options: &Options,
        until: Option<Stamp>,
    ) -> Held {
        let text: String = lines.iter().map(|(_, line)| line.as_str()).collect();
        let text = Text::new(text.as_bytes());
        let parsed = parse(&text, &Words::default());
        let mut of_day: BTreeMap<Day, Vec<_>> = BTreeMap::new();
        for (day, part) in parts_by_day(&parsed.events, options.day_start) {
            of_day.entry(day).or_default().push(part);
        }
        let mut known_days: BTreeSet<Day> = of_day.keys().copied().collect();
        // That the day of the moment has begun is known: the days before it are over.
        known_days.extend(until.map(|until| until.day(options.day_start)));
        let mut held = Held { days: MachineDays::default(), stored: BTreeMap::new() };
        let mut all = known_days.clone();
        all.extend(analyse::days_between(&known_days));
        for day in all {
            let parts = of_day.get(&day).map_or(&[][..], Vec::as_slice);
            let session =
                if parts.is_empty() { Session::default() } else { session_of_day(parts, options) };
            let ends = day_ends(parts, Some("Afkeur"));
            let whole = production_day(day, options.day_start);
            let known = match until.filter(|until| *until < whole.to) {
                Some(until) => Some(Known { until, is_over: false }),
                None => known_until(day, whole, &known_days, false, ends.last_event),
            };
            let planned = calendar.parts(day, options.day_start);
            if let Some(known) = known {
                let times = day_times(day, &planned, &session, &ends, known, NOMINAL);
                if !times.parts.is_empty() {
                    held.days.times.insert(day, times);
                }
            }
            if !parts.is_empty() {
                let stops = session.stops.len() as u64;
                let logged = LoggedDay { figures: session.figures.clone(), stops };
                held.days.logged.insert(day, logged);
                held.stored.insert(day, (session, ends));
            }
        }
        held
    }

    fn calendars() -> Calendars {
        parse_calendars("test", SHIFTS).unwrap()
    }

    #[test]
    fn a_running_week_is_compared_with_what_the_week_before_was_at_the_same_moment() {
        let mut rng = fastrand::Rng::with_seed(2026);
        let calendars = calendars();
        let calendar = calendars.of("M").unwrap();
        let monday: Day = "2026-11-16".parse().unwrap();
        let week = Week::of(monday).before(-1);
        for turn in 0..150 {
            let day_start = TimeDelta::minutes([0, 300, 345][turn % 3]);
            let options = Options { day_start, ..Options::default() };
            let lines = lines_at_random(&mut rng, monday);
            // From a moment of the second week on nothing is known yet.
            let begin = begin_of(week.monday(), day_start);
            let read = begin.plus_ms(rng.i64(1..WEEK_MS) / 1000 * 1000);
            let known: Vec<_> = lines.iter().filter(|(at, _)| *at <= read).cloned().collect();
            let now = held(&known, calendar, &options, None);
            let Some(part) = KnownWeek::of(&now.days, week, read, day_start) else {
                panic!("{read:?} is in the week");
            };
            // The same machine, had nobody read its first week beyond that moment.
            let back = |at: Stamp| at.plus_ms(-WEEK_MS);
            let sums = |until: Stamp| {
                let earlier: Vec<_> =
                    lines.iter().filter(|(at, _)| *at <= until).cloned().collect();
                let held = held(&earlier, calendar, &options, Some(until));
                held.days.sums(week.before(1).days())
            };
            let wanted = Sums { times: None, ..sums(back(part.read)) };
            let cut = part.before(
                &now.days,
                week,
                &now.stored,
                WaitStamp::Start,
                day_start,
                |day, session, ends, known| {
                    Some(day_times(
                        day,
                        &calendar.parts(day, day_start),
                        session,
                        ends,
                        known,
                        NOMINAL,
                    ))
                },
            );
            assert_eq!(
                Sums { times: None, days: wanted.days, ..cut.clone() },
                wanted,
                "turn {turn}"
            );
            let (own, wanted) = (cut.times.map(pair), sums(back(part.times)).times.map(pair));
            // Planned days before the first LOG are known of neither.
            let is_planned = |held: &Held| held.days.times.keys().any(|day| *day < week.monday());
            if is_planned(&now) && now.days.logged.keys().next().is_some_and(|day| *day == monday) {
                assert_eq!(own, wanted, "turn {turn}");
            }
        }
    }

    fn pair(times: TimesSum) -> (i64, i64, i64, i64, u64, Option<i64>) {
        let trs = times.rates(0).trs_e2;
        (times.required_ms, times.running_ms, times.stop_ms, times.wait_ms, times.pieces, trs)
    }

    #[test]
    fn rates_of_a_week_are_of_its_sums_and_a_whole_week_is_not_cut() {
        let mut rng = fastrand::Rng::with_seed(7);
        let calendars = calendars();
        let monday: Day = "2026-11-16".parse().unwrap();
        let options = Options::default();
        for _ in 0..50 {
            let lines = lines_at_random(&mut rng, monday);
            let Held { days, .. } = held(&lines, calendars.of("M").unwrap(), &options, None);
            let week = Week::of(monday);
            let sums = days.sums(week.days());
            let of_week =
                || days.logged.iter().filter(|(day, _)| week.has(**day)).map(|(_, day)| day);
            let pieces: u64 = of_week().map(|day| u64::from(day.figures.total_pieces)).sum();
            let (effective, window) = of_week().fold((0, 0), |(effective, window), day| {
                (effective + day.figures.effective_ms, window + day.figures.window_ms)
            });
            assert_eq!(sums.pieces, pieces);
            let share = (window > 0).then(|| rate_e2(effective, window));
            assert_eq!(sums.occupation_e2(), share);
            let parts = days.times.values().filter(|times| week.has(times.day));
            let parts: Vec<_> = parts.flat_map(|times| &times.parts).collect();
            let required: i64 = parts.iter().map(|part| part.required_ms).sum();
            let planned: u32 =
                parts.iter().map(|part| part.pieces - part.rejects.min(part.pieces)).sum();
            if let Some(trs) = sums.trs_e2() {
                let exact = f64::from(planned) / 77.0 / (required as f64 / 3_600_000.0) * 10_000.0;
                assert!((trs as f64 - exact).abs() <= 0.5 + 1e-6, "{trs} {exact}");
            }
            let end = begin_of(week.before(-1).monday(), TimeDelta::zero());
            let is_cut = KnownWeek::of(&days, week, end, TimeDelta::zero()).is_some();
            let last = days.times.range(..=week.sunday()).next_back();
            assert_eq!(is_cut, last.is_some_and(|(_, times)| !times.is_over));
        }
    }

    #[test]
    fn machines_without_a_trs_take_nothing_from_the_trs_of_all() {
        let part = |nominal| DayTimes {
            day: "2026-11-16".parse().unwrap(),
            known_until: Stamp(0),
            is_over: true,
            nominal_per_hour: nominal,
            parts: vec![crate::model::ShiftTimes {
                required_ms: 3_600_000,
                running_ms: 1_800_000,
                pieces: 30,
                ..Default::default()
            }],
            pieces_outside: 0,
        };
        let of = |nominal| {
            let mut sums = Sums { pieces: 30, days: 1, ..Sums::default() };
            sums.add_times(&part(nominal).sum());
            sums
        };
        let all =
            [of(Some(60)), of(None), Sums { pieces: 5, days: 1, ..Sums::default() }, of(Some(120))];
        let sum = all.iter().fold(Sums::default(), |sum, more| sum.plus(more));
        assert_eq!((sum.pieces, sum.days), (95, 4));
        // 30 / 60 h and 30 / 120 h of two hours.
        assert_eq!(sum.trs_e2(), Some(3_750));
    }
}
