//! What a period adds up to, for each machine and for all of them, beside the period before: exact sums, from
//! which rates are computed once. Pure.
//!
//! What must never happen here: a mean of rates; a day that still runs beside one that is over.

use chrono::TimeDelta;

use super::Period;
use crate::{
    analyse::losses_of,
    model::{Day, DayTimes, Losses, Rates, ShiftTimes, Stamp, TimesSum},
};

/// A machine's day, with a session or with planned time.
#[derive(Clone, Debug)]
pub(crate) struct DayFacts {
    pub day: Day,
    /// All of the day's; of one shift, those in its required time.
    pub pieces: u32,
    /// Where required time went; `None`: there is no calendar.
    pub times: Option<DayTimes>,
}

/// A machine's days in the period and in the one before, in order.
#[derive(Clone, Debug)]
pub(crate) struct MachineFacts {
    pub nom: String,
    pub days: Vec<DayFacts>,
    pub cents_per_hour: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Planned {
    pub times: TimesSum,
    pub losses: Losses,
    total_ms: i64,
}

/// What some days add up to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Totals {
    pub pieces: u64,
    /// `None`: nothing was planned.
    pub planned: Option<Planned>,
}

/// The days that are over beside those of the period before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Compared {
    pub now: Totals,
    pub before: Totals,
    /// The last day that is compared.
    pub until: Day,
}

/// A machine, or all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Scope {
    pub nom: String,
    /// With the day that runs.
    pub totals: Totals,
    /// `None`: there is nothing to compare with.
    pub compared: Option<Compared>,
    /// The first day that still runs, and up to when it is known by its times.
    pub running: Option<(Day, Option<Stamp>)>,
}

/// All machines on one day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DayTotals {
    pub day: Day,
    pub totals: Totals,
    pub is_running: bool,
}

/// What the first page shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Summary {
    pub all: Scope,
    pub machines: Vec<Scope>,
    /// Machines whose required time is in `all`.
    pub measured: usize,
    /// Every day of the period on which something is known.
    pub days: Vec<DayTotals>,
}

impl Planned {
    fn of<'d>(
        days: impl Iterator<Item = &'d DayTimes> + Clone,
        day_start: TimeDelta,
        cents_per_hour: Option<u32>,
    ) -> Option<Self> {
        let planned = days.filter(|day| !day.parts.is_empty());
        let times = planned.clone().map(DayTimes::sum).reduce(|sum, more| sum.plus(&more))?;
        let total_ms = planned.clone().map(|day| day.total_ms(day_start)).sum();
        Some(Self { times, losses: losses_of(planned, cents_per_hour)?, total_ms })
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            times: self.times.plus(&other.times),
            losses: self.losses.plus(&other.losses),
            total_ms: self.total_ms + other.total_ms,
        }
    }

    pub(crate) fn rates(&self) -> Rates {
        self.times.rates(self.total_ms)
    }
}

impl Totals {
    fn of(days: &[&DayFacts], day_start: TimeDelta, cents_per_hour: Option<u32>) -> Self {
        let times = days.iter().filter_map(|day| day.times.as_ref());
        Self {
            pieces: days.iter().map(|day| u64::from(day.pieces)).sum(),
            planned: Planned::of(times, day_start, cents_per_hour),
        }
    }

    /// With the planned time of `other` if that is wanted: pieces are those of both.
    fn add(&mut self, other: &Self, with_planned: bool) {
        self.pieces += other.pieces;
        if let Some(more) = other.planned.as_ref().filter(|_| with_planned) {
            self.planned = Some(match &self.planned {
                Some(planned) => planned.plus(more),
                None => more.clone(),
            });
        }
    }

    pub(crate) fn rates(&self) -> Option<Rates> {
        self.planned.as_ref().map(Planned::rates)
    }

    pub(crate) fn trs_e2(&self) -> Option<i64> {
        self.rates().and_then(|rates| rates.trs_e2)
    }
}

impl DayFacts {
    /// It is not yet past, and a shift of it ends after what is known, or there is no calendar. A day that is past
    /// has all that will ever be known of it, as a rule.
    fn is_running(&self, today: Day) -> bool {
        let parts = self.times.as_ref().map_or(&[][..], |times| &times.parts);
        if self.day < today {
            return false;
        }
        match parts {
            [] => true,
            parts => parts.iter().any(|part: &ShiftTimes| part.is_running),
        }
    }
}

impl MachineFacts {
    fn within(&self, period: &Period) -> Vec<&DayFacts> {
        self.days.iter().filter(|day| period.holds(day.day)).collect()
    }

    fn scope(&self, period: &Period, today: Day, day_start: TimeDelta) -> Scope {
        let days = self.within(period);
        let total = |days: &[&DayFacts]| Totals::of(days, day_start, self.cents_per_hour);
        let running = days.iter().find(|day| day.is_running(today));
        let until = match running {
            Some(running) => running.day.pred_opt(),
            None if today > period.to => Some(period.to),
            None if days.iter().any(|day| day.day == today) => Some(today),
            None => today.pred_opt(),
        };
        let until = until.filter(|until| *until >= period.from);
        let compared = until.and_then(|until| {
            let before = self.within(&period.before_up_to(until)?);
            if before.is_empty() {
                return None;
            }
            let now: Vec<&DayFacts> = days.iter().copied().filter(|one| one.day <= until).collect();
            Some(Compared { now: total(&now), before: total(&before), until })
        });
        let known_until = |day: &DayFacts| day.times.as_ref().map(|times| times.known_until);
        Scope {
            nom: self.nom.clone(),
            totals: total(&days),
            compared,
            running: running.map(|day| (day.day, known_until(day))),
        }
    }
}

/// The period of all `machines`, on the day `today`.
pub(crate) fn summary(
    period: &Period,
    today: Day,
    day_start: TimeDelta,
    machines: &[MachineFacts],
) -> Summary {
    let scopes: Vec<Scope> =
        machines.iter().map(|machine| machine.scope(period, today, day_start)).collect();
    // A machine without a nominal rate would take the rate from all others.
    let has_trs = |totals: &Totals| totals.trs_e2().is_some();
    let is_planned = |totals: &Totals| totals.planned.is_some();
    let any_trs = scopes.iter().any(|scope| has_trs(&scope.totals));
    let is_measured = |totals: &Totals| if any_trs { has_trs(totals) } else { is_planned(totals) };
    let mut all = Totals::default();
    let mut compared: Option<Compared> = None;
    for scope in &scopes {
        all.add(&scope.totals, is_measured(&scope.totals));
        let Some(one) = &scope.compared else { continue };
        let with_planned = is_measured(&one.now) && is_measured(&one.before);
        let nothing =
            || Compared { now: Totals::default(), before: Totals::default(), until: one.until };
        let sum = compared.get_or_insert_with(nothing);
        sum.now.add(&one.now, with_planned);
        sum.before.add(&one.before, with_planned);
        sum.until = sum.until.min(one.until);
    }
    let measured = scopes.iter().filter(|scope| is_measured(&scope.totals)).count();
    let days = period.each_day().filter_map(|day| {
        let mut of_day = DayTotals { day, totals: Totals::default(), is_running: false };
        let mut is_known = false;
        for (machine, scope) in machines.iter().zip(&scopes) {
            let Ok(at) = machine.days.binary_search_by_key(&day, |one| one.day) else { continue };
            let facts = &machine.days[at];
            let totals = Totals::of(&[facts], day_start, machine.cents_per_hour);
            of_day.totals.add(&totals, is_measured(&scope.totals));
            of_day.is_running |= facts.is_running(today);
            is_known = true;
        }
        is_known.then_some(of_day)
    });
    let running = scopes.iter().filter_map(|scope| scope.running).min_by_key(|(day, _)| *day);
    Summary {
        days: days.collect(),
        all: Scope { nom: String::new(), totals: all, compared, running },
        machines: scopes,
        measured,
    }
}

impl Summary {
    /// The best and the worst of the days that are over, by TRS if there is one and by pieces otherwise.
    pub(crate) fn best_and_worst(&self) -> Option<(&DayTotals, &DayTotals)> {
        let over = || self.days.iter().filter(|day| !day.is_running);
        let has_trs = over().any(|day| day.totals.trs_e2().is_some());
        let value = |day: &DayTotals| {
            if has_trs { day.totals.trs_e2() } else { i64::try_from(day.totals.pieces).ok() }
        };
        let days: Vec<(i64, &DayTotals)> =
            over().filter_map(|day| Some((value(day)?, day))).collect();
        let worst = days.iter().min_by_key(|(value, day)| (*value, day.day))?;
        let best = days.iter().max_by_key(|(value, day)| (*value, std::cmp::Reverse(day.day)))?;
        (best.0 > worst.0).then_some((best.1, worst.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Known, Wanted, period};

    const HOUR: i64 = 3_600_000;
    const NOMINAL: u32 = 60;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn week() -> Period {
        let wanted = Wanted::Days(Some(day("2026-11-23")), Some(day("2026-11-29")));
        period(wanted, Known { today: day("2026-11-29"), newest: None }).unwrap()
    }

    /// A day of one shift of 8 h with so many pieces.
    fn facts(text: &str, pieces: u32, is_running: bool, nominal: Option<u32>) -> DayFacts {
        let of = day(text);
        let hours = if is_running { 4 } else { 8 };
        let part = ShiftTimes {
            number: 1,
            opening_ms: hours * HOUR,
            required_ms: hours * HOUR,
            running_ms: hours * HOUR,
            is_running,
            pieces,
            ..ShiftTimes::default()
        };
        let begin = Stamp::from_naive(of.and_time(chrono::NaiveTime::MIN));
        let times = DayTimes {
            day: of,
            known_until: begin.plus_ms(if is_running { 12 } else { 24 } * HOUR),
            is_over: !is_running,
            nominal_per_hour: nominal,
            parts: vec![part],
            pieces_outside: 0,
        };
        DayFacts { day: of, pieces, times: Some(times) }
    }

    fn machine(nom: &str, days: Vec<DayFacts>) -> MachineFacts {
        MachineFacts { nom: nom.into(), days, cents_per_hour: None }
    }

    fn of(machines: &[MachineFacts], today: &str) -> Summary {
        summary(&week(), day(today), TimeDelta::zero(), machines)
    }

    #[test]
    fn rates_of_all_machines_are_those_of_the_sums_and_no_means() {
        let a = machine("A", vec![facts("2026-11-23", 240, false, Some(NOMINAL))]);
        let b = machine(
            "B",
            vec![
                facts("2026-11-23", 480, false, Some(NOMINAL)),
                facts("2026-11-24", 480, false, Some(NOMINAL)),
            ],
        );
        let summary = of(&[a, b], "2026-12-01");
        // 20 h of 24 h; the mean of 50 % and 100 % would be 75 %.
        assert_eq!(summary.all.totals.trs_e2(), Some(8_333));
        assert_eq!((summary.all.totals.pieces, summary.measured), (1_200, 2));
        let (best, worst) = summary.best_and_worst().unwrap();
        assert_eq!((best.day, worst.day), (day("2026-11-24"), day("2026-11-23")));
    }

    #[test]
    fn a_machine_without_a_nominal_rate_takes_the_trs_from_no_other() {
        let a = machine("A", vec![facts("2026-11-23", 240, false, Some(NOMINAL))]);
        let b = machine("B", vec![facts("2026-11-23", 100, false, None)]);
        let none = DayFacts { day: day("2026-11-23"), pieces: 7, times: None };
        let summary = of(&[a, b, machine("C", vec![none])], "2026-12-01");
        assert_eq!(summary.all.totals.trs_e2(), Some(5_000));
        assert_eq!((summary.all.totals.pieces, summary.measured), (347, 1));
    }

    #[test]
    fn a_day_that_runs_counts_and_is_compared_with_none() {
        let days = vec![
            facts("2026-11-16", 400, false, Some(NOMINAL)),
            facts("2026-11-17", 400, false, Some(NOMINAL)),
            facts("2026-11-18", 400, false, Some(NOMINAL)),
            facts("2026-11-23", 480, false, Some(NOMINAL)),
            facts("2026-11-24", 120, true, Some(NOMINAL)),
        ];
        let summary = of(&[machine("A", days)], "2026-11-24");
        let compared = summary.all.compared.as_ref().unwrap();
        assert_eq!(summary.all.totals.pieces, 600);
        assert_eq!((compared.now.pieces, compared.before.pieces), (480, 400));
        assert_eq!(compared.until, day("2026-11-23"));
        assert_eq!(summary.all.running.unwrap().0, day("2026-11-24"));
        assert!(summary.best_and_worst().is_none(), "one day is neither");
        assert!(summary.days[1].is_running);
        // On Monday morning, Friday is over, although no line of a later day says so yet.
        let friday = vec![
            facts("2026-11-20", 400, false, Some(NOMINAL)),
            facts("2026-11-27", 120, true, Some(NOMINAL)),
        ];
        let of_monday = of(&[machine("A", friday)], "2026-11-30");
        assert_eq!(of_monday.all.compared.unwrap().now.pieces, 120);
        assert!(of_monday.all.running.is_none());
    }

    #[test]
    fn a_running_week_is_compared_with_the_same_days_and_a_past_one_with_all() {
        let plain = |text: &str, pieces| DayFacts { day: day(text), pieces, times: None };
        let days =
            ["2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-23", "2026-11-24"];
        let days: Vec<DayFacts> = days.iter().map(|text| plain(text, 10)).collect();
        let before = |today| {
            let of = of(&[machine("A", days.clone())], today);
            of.all.compared.map(|compared| (compared.now.pieces, compared.before.pieces))
        };
        assert_eq!(before("2026-11-24"), Some((10, 10)), "the 24th runs");
        assert_eq!(before("2026-11-25"), Some((20, 20)));
        assert_eq!(before("2026-12-01"), Some((20, 40)));
        assert_eq!(before("2026-11-23"), None, "the first day runs");
    }
}
