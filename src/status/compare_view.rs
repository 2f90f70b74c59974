//! What the comparison shows: read from the buffer in one pass over headers and times; rows of pieces and stops
//! are read only of the one day a machine that is compared in part.

use std::collections::BTreeMap;

use super::{
    compare_weeks::{KnownWeek, LoggedDay, MachineDays, Sums, WEEKS},
    day_view::{MOST_MACHINES, WallClock, begin_of, machine_names, today},
    gateway_health::{look_for_unread, read_until},
};
use crate::{
    analyse::{DayEnds, day_times},
    buffer::{Buffer, BufferError, HeaderFilter, MachineReport},
    config::{Config, Planning},
    model::{Day, NoTrs, Session, Stamp, Week},
};

/// Machines over the weeks up to the chosen one.
#[derive(Clone, Debug)]
pub(crate) struct CompareView {
    pub now: WallClock,
    pub week: Week,
    /// The week that is under way by the gateway's clock.
    pub this_week: Week,
    /// The weeks beside one another, the chosen one last.
    pub weeks: [Week; WEEKS],
    /// In the order of their names.
    pub machines: Vec<MachineWeeks>,
}

/// One machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MachineWeeks {
    pub nom: String,
    /// Of [`CompareView::weeks`], as far as each is known.
    pub weeks: Vec<Sums>,
    /// Of the week before the chosen one, up to the same moment; `None`: there is nothing to compare with.
    pub before: Option<Sums>,
    /// Up to when the chosen week was read; `None`: to its end.
    pub until: Option<Stamp>,
    /// Why the chosen week has no TRS.
    pub no_trs: Option<NoTrs>,
}

impl MachineWeeks {
    /// Of the chosen week.
    pub(crate) fn sums(&self) -> &Sums {
        self.weeks.last().expect("there is a chosen week")
    }

    /// It has something to show of the chosen week: a machine that could be read and made nothing made 0 pieces.
    pub(crate) fn is_known(&self) -> bool {
        self.sums().is_known() || self.before.is_some()
    }
}

/// Which week is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WantedWeek {
    UnderWay,
    /// The newest whole one.
    Last,
    Named(Week),
}

impl CompareView {
    pub(crate) fn look(
        config: &Config,
        now: WallClock,
        wanted: WantedWeek,
    ) -> Result<Self, BufferError> {
        let buffer = Buffer::open_read_only(&config.agent.state_dir)?;
        let reports =
            buffer.as_ref().map_or_else(|| Ok(Vec::new()), |buffer| buffer.reports().machines())?;
        let this_week = Week::of(today(config, &now, &reports));
        let week = match wanted {
            WantedWeek::UnderWay => this_week,
            WantedWeek::Last => this_week.before(1),
            WantedWeek::Named(week) => week,
        };
        let weeks = std::array::from_fn(|at| week.before((WEEKS - 1 - at) as i64));
        let mut view = Self { now, week, this_week, weeks, machines: Vec::new() };
        let names = machine_names(config, &reports);
        view.machines = match &buffer {
            Some(buffer) => view.read(config, buffer, &reports, names)?,
            None => names.into_iter().map(MachineWeeks::empty).collect(),
        };
        Ok(view)
    }

    fn read(
        &self,
        config: &Config,
        buffer: &Buffer,
        reports: &[MachineReport],
        names: Vec<String>,
    ) -> Result<Vec<MachineWeeks>, BufferError> {
        let (from, to) = (self.weeks[0].monday(), self.week.sunday());
        let most = MOST_MACHINES * WEEKS * 7;
        let filter = HeaderFilter { from, to, machine: None, most };
        let mut all: BTreeMap<String, MachineDays> = BTreeMap::new();
        for header in buffer.sessions().session_headers(&filter)? {
            let day = LoggedDay { figures: header.figures, stops: header.counts.stops.into() };
            all.entry(header.nom).or_default().logged.insert(header.day, day);
        }
        for (nom, times) in buffer.sessions().times_by_machine(None, from, to)? {
            let days = times.into_iter().map(|times| (times.day, times));
            all.entry(nom).or_default().times.extend(days);
        }
        let planned = buffer.sessions().planned_machines()?;
        let planning = config.planning(&buffer.plant().kept()?);
        // Of the others silence says that they made nothing.
        let unread = look_for_unread(config, buffer)?;
        let mut machines = Vec::new();
        for nom in names {
            let days = all.remove(&nom).unwrap_or_default();
            let mut machine = MachineWeeks::empty(nom);
            machine.weeks = self.weeks.iter().map(|week| days.sums(week.days())).collect();
            let nom = &machine.nom;
            let has_calendar = planned.contains(nom) || planning.calendars.of(nom).is_some();
            machine.no_trs = no_trs(machine.sums(), has_calendar);
            let report = reports.iter().find(|report| report.nom == *nom);
            let read_at = report.and_then(|report| report.last_read_at);
            let read_at =
                read_at.map(|at| Stamp::from_naive(at.naive())).max(days.last_sign(self.week));
            let now = Stamp::from_naive(self.now.wall);
            let read = read_at.map(|at| read_until(at, unread.contains(nom), now));
            let compared =
                Compared { config, planning: &planning, buffer, days: &days, week: self.week };
            if let Some(read) = read {
                (machine.before, machine.until) = if self.now.fault.is_none() {
                    compared.before(nom, read)?
                } else {
                    // A clock that cannot be right knows no hour, and no week that is over.
                    let is_over = self.week < self.this_week;
                    (is_over.then(|| days.sums(self.week.before(1).days())), None)
                };
                machine.before = machine.before.take().filter(Sums::is_known);
            }
            machines.push(machine);
        }
        Ok(machines)
    }
}

/// A machine's week, to be compared with the one before.
struct Compared<'c> {
    config: &'c Config,
    planning: &'c Planning,
    buffer: &'c Buffer,
    days: &'c MachineDays,
    week: Week,
}

impl Compared<'_> {
    /// The week before up to the same moment, and that moment if the week has not ended by then.
    fn before(&self, nom: &str, read: Stamp) -> Result<(Option<Sums>, Option<Stamp>), BufferError> {
        let Self { config, planning, buffer, days, week } = *self;
        let day_start = config.analysis.day_start;
        if read < begin_of(week.monday(), day_start) {
            return Ok((None, None));
        }
        let Some(known) = KnownWeek::of(days, week, read, day_start) else {
            return Ok((Some(days.sums(week.before(1).days())), None));
        };
        let mut stored: BTreeMap<Day, (Session, DayEnds)> = BTreeMap::new();
        for day in known.cut_days(day_start) {
            if days.logged.contains_key(&day) && !stored.contains_key(&day) {
                stored.extend(buffer.sessions().day_with_ends(nom, day)?.map(|found| (day, found)));
            }
        }
        let wait_stamp = config.analysis.wait_stamp;
        let before = known.before(
            days,
            week,
            &stored,
            wait_stamp,
            day_start,
            |day, session, ends, known| {
                let nominal = days.times.get(&day)?.nominal_per_hour;
                let planned = planning.calendars.of(nom)?.parts(day, day_start);
                Some(day_times(day, &planned, session, ends, known, nominal))
            },
        );
        let is_open = read < begin_of(week.before(-1).monday(), day_start);
        Ok((Some(before), is_open.then_some(read)))
    }
}

impl MachineWeeks {
    fn empty(nom: String) -> Self {
        let weeks = vec![Sums::default(); WEEKS];
        Self { nom, weeks, before: None, until: None, no_trs: None }
    }
}

fn no_trs(sums: &Sums, has_calendar: bool) -> Option<NoTrs> {
    match &sums.times {
        _ if sums.trs_e2().is_some() => None,
        None if has_calendar => Some(NoTrs::NoRequiredTime),
        None => Some(NoTrs::NoCalendar),
        Some(times) if times.required_ms == 0 => Some(NoTrs::NoRequiredTime),
        Some(_) => Some(NoTrs::NoNominalRate),
    }
}
