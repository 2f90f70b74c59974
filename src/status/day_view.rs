//! What the page knows: read from the buffer in one go, and nothing decided by how it is shown.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, TimeDelta};

use super::{
    gateway_health::{Health, read_until},
    month::{Month, month_of, planned_shifts, times_of},
    state::{State, last_sign, state},
    weeks::{WeekSums, weeks},
};
use crate::{
    analyse::{EarlierDay, UsualPieces, is_same_kind},
    buffer::{Buffer, BufferError, MachineReport, SessionFilter, SessionHeader, TimesByMachine},
    config::{Config, Planning, SourceConfig},
    model::{Day, DayTimes, Figures, NoTrs, Rates, Session, Stamp, WallTime},
    render::PlannedShift,
};

/// The gateway's clock, as the caller that may read it hands it over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WallClock {
    pub wall: NaiveDateTime,
    /// Why it cannot be right.
    pub fault: Option<String>,
}

/// Days of the small charts.
pub(crate) const MONTH_DAYS: i64 = 30;
/// A LOG that says nothing for this long, and for one more poll, is silent.
const QUIET_MS: i64 = 15 * 60_000;
/// Earlier days that the running one is measured by.
const MOST_EARLIER_DAYS: usize = 10;
/// Machines shown; the configuration of a gateway has a handful.
pub(super) const MOST_MACHINES: usize = 200;
/// A machine's clock this much ahead of the gateway's is worth a word.
const AHEAD_MS: i64 = 10 * 60_000;

/// Everything about one day, and how the gateway is.
#[derive(Clone, Debug)]
pub(crate) struct DayView {
    pub now: WallClock,
    pub day: Day,
    /// The day that is under way by the gateway's clock.
    pub today: Day,
    /// The only one that was asked for: its own days are the neighbours.
    pub machine: Option<String>,
    pub before: Option<Day>,
    pub after: Option<Day>,
    pub machines: Vec<MachineView>,
    pub health: Health,
}

/// One machine on the day that is shown.
#[derive(Clone, Debug)]
pub(crate) struct MachineView {
    pub nom: String,
    /// Only of the day that is under way.
    pub state: Option<State>,
    pub session: Session,
    /// Where the day stands towards central; `None`: there is neither a session nor a planned time.
    pub standing: Option<Standing>,
    /// Otherwise the day has no session, or is a planned one that nothing was heard of.
    pub has_log: bool,
    pub last_read_at: Option<WallTime>,
    /// Where the day's required time went.
    pub required: Option<RequiredTime>,
    /// Why the day has no TRS.
    pub no_trs: Option<NoTrs>,
    /// Day after day up to the one shown.
    pub month: Vec<MonthDay>,
    /// What a day of this kind usually has by now; only of the day that is under way.
    pub usual: Option<Usual>,
    /// The pieces that a day is to give, if that is set.
    pub objective: Option<u32>,
    /// What an hour of required time costs, if that is set.
    pub cents_per_hour: Option<u32>,
    /// What the calendar plans for the day.
    pub planned: Vec<PlannedShift>,
    /// The weeks of the month, newest first; only if the view is about this machine alone.
    pub weeks: Vec<WeekSums>,
}

/// What is usual at one moment of the running day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Usual {
    pub pieces: UsualPieces,
    /// Now; of a machine that cannot be read when it was last read: what came after that is not known of today
    /// either.
    pub until: Stamp,
}

/// The times of a day, and over how much total time its TRE is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RequiredTime {
    pub times: DayTimes,
    pub total_ms: i64,
}

impl RequiredTime {
    fn of(times: DayTimes, day_start: TimeDelta) -> Self {
        Self { total_ms: times.total_ms(day_start), times }
    }

    pub(crate) fn rates(&self) -> Rates {
        self.times.sum().rates(self.total_ms)
    }
}

/// A machine's day among others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MonthDay {
    pub day: Day,
    /// `None`: it has no session.
    pub figures: Option<Figures>,
    /// `None`: nothing was planned.
    pub rates: Option<Rates>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    InCentral,
    Waiting,
    SetAside(String),
    /// There is no central.
    Local,
}

/// Which part of the view is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ViewQuery<'w> {
    /// `None`: the day that is under way.
    pub day: Option<Day>,
    pub machine: Option<&'w str>,
}

/// When production day `day` begins.
pub(crate) fn begin_of(day: Day, day_start: TimeDelta) -> Stamp {
    Stamp::from_naive(day.and_time(chrono::NaiveTime::MIN)).plus_ms(day_start.num_milliseconds())
}

/// The day that is under way.
pub(super) fn today(config: &Config, now: &WallClock, reports: &[MachineReport]) -> Day {
    let by_the_clock = Stamp::from_naive(now.wall).day(config.analysis.day_start);
    match now.fault {
        None => by_the_clock,
        // A clock that cannot be right does not know the day: the newest one is shown.
        Some(_) => {
            reports.iter().filter_map(|report| report.last_day).max().unwrap_or(by_the_clock)
        }
    }
}

impl DayView {
    /// Looks once; a buffer that is not there yet is an empty view. `Ok(None)`: the wanted machine is
    /// unknown.
    pub(crate) fn look(
        config: &Config,
        now: WallClock,
        query: ViewQuery<'_>,
    ) -> Result<Option<Self>, BufferError> {
        let buffer = Buffer::open_read_only(&config.agent.state_dir)?;
        let reports =
            buffer.as_ref().map_or_else(|| Ok(Vec::new()), |buffer| buffer.reports().machines())?;
        let today = today(config, &now, &reports);
        let day = query.day.unwrap_or(today);
        let mut names = machine_names(config, &reports);
        if let Some(wanted) = query.machine {
            names.retain(|nom| nom == wanted);
            if names.is_empty() {
                return Ok(None);
            }
        }
        let mut view = Self {
            day,
            today,
            machine: query.machine.map(str::to_owned),
            before: None,
            after: None,
            machines: Vec::new(),
            health: Health::look(config, buffer.as_ref(), &reports)?,
            now,
        };
        let Some(buffer) = buffer else {
            view.machines = names.into_iter().map(|nom| empty_machine(nom, day)).collect();
            return Ok(Some(view));
        };
        (view.before, view.after) = buffer.sessions().neighbours(day, query.machine)?;
        let mut stored = Stored::look(config, &buffer, &view)?;
        let quiet_ms = QUIET_MS + i64::try_from(config.schedule.poll.as_millis()).unwrap_or(0);
        for nom in names {
            let report = reports.iter().find(|report| report.nom == nom);
            let mut machine = stored.take(nom, report);
            if day == today {
                let before = stored.last_sign_before(&machine.nom);
                view.note_state(&mut machine, before, quiet_ms);
                machine.usual = view.usual(&buffer, &machine, config)?;
            }
            view.machines.push(machine);
        }
        Ok(Some(view))
    }

    /// How the machine is now; `before` is its last sign of an earlier day.
    fn note_state(&mut self, machine: &mut MachineView, before: Option<Stamp>, quiet_ms: i64) {
        let stamp = Stamp::from_naive(self.now.wall);
        let known = state(Some(&machine.session), before, stamp, quiet_ms);
        let last = last_sign(&machine.session).or(before);
        machine.state = Some(if self.health.unknown.contains(&machine.nom) {
            known.unread(last, stamp, quiet_ms)
        } else {
            known
        });
        let ahead = last_sign(&machine.session).map_or(0, |last| last.0 - stamp.0);
        let most = self.health.ahead.as_ref().map_or(AHEAD_MS, |(_, most)| *most);
        if ahead > most && self.now.fault.is_none() {
            self.health.ahead = Some((machine.nom.clone(), ahead));
        }
    }

    /// What days of the same kind within the month had by this hour; a clock that cannot be right knows no hour.
    fn usual(
        &self,
        buffer: &Buffer,
        machine: &MachineView,
        config: &Config,
    ) -> Result<Option<Usual>, BufferError> {
        let (None, Some(read_at)) = (&self.now.fault, machine.last_read_at) else {
            return Ok(None);
        };
        let is_unread = self.health.unknown.contains(&machine.nom);
        let now = Stamp::from_naive(self.now.wall);
        let until = read_until(Stamp::from_naive(read_at.naive()), is_unread, now);
        let day = self.day;
        if until < begin_of(day, config.analysis.day_start) {
            return Ok(None);
        }
        let mut days = Vec::new();
        let earlier = machine.month.iter().rev().filter(|one| one.day < day);
        for one in earlier.filter(|one| is_same_kind(one.day, day)) {
            let whole = one.figures.as_ref().map_or(0, |figures| figures.total_pieces);
            if whole > 0 {
                let back_ms = (day - one.day).num_milliseconds();
                let so_far = buffer.sessions().pieces_until(
                    &machine.nom,
                    one.day,
                    until.plus_ms(-back_ms),
                )?;
                days.push(EarlierDay { so_far, whole });
            }
            if days.len() == MOST_EARLIER_DAYS {
                break;
            }
        }
        Ok(UsualPieces::of(&days).map(|pieces| Usual { pieces, until }))
    }

    pub(crate) fn is_today(&self) -> bool {
        self.day == self.today
    }
}

/// What the buffer has of all machines around the day that is shown.
struct Stored<'c> {
    config: &'c Config,
    day: Day,
    /// The view is about one machine.
    is_of_one: bool,
    month: Month,
    times: TimesByMachine,
    sessions: BTreeMap<String, Session>,
    /// Machines of which planned time is kept.
    planned: BTreeSet<String>,
    planning: Planning,
}

impl<'c> Stored<'c> {
    fn look(config: &'c Config, buffer: &Buffer, view: &DayView) -> Result<Self, BufferError> {
        let (machine, day) = (view.machine.as_deref(), view.day);
        Ok(Self {
            config,
            day,
            is_of_one: machine.is_some(),
            month: month_of(buffer, machine, day)?,
            times: times_of(buffer, machine, day)?,
            sessions: sessions_of(buffer, machine, day)?,
            planned: buffer.sessions().planned_machines()?,
            planning: config.planning(&view.health.plant),
        })
    }

    /// The machine's day; once for each machine.
    fn take(&mut self, nom: String, report: Option<&MachineReport>) -> MachineView {
        let Self { config, day, .. } = *self;
        let day_start = config.analysis.day_start;
        let mut machine = empty_machine(nom, day);
        let headers = self.month.get(&machine.nom);
        for one in &mut machine.month {
            let header = headers.and_then(|headers| headers.get(&one.day));
            one.figures = header.filter(|one| one.has_log).map(|one| one.figures.clone());
        }
        let has_calendar =
            self.planned.contains(&machine.nom) || config.calendars.of(&machine.nom).is_some();
        let times = self.times.remove(&machine.nom).unwrap_or_default();
        if self.is_of_one {
            let logged = headers.into_iter().flatten().filter(|(_, header)| header.has_log);
            let figures = logged.map(|(day, header)| (*day, header.figures.clone())).collect();
            machine.weeks = weeks(&figures, &times, day_start);
        }
        machine.planned = planned_shifts(&self.planning, &machine.nom, day, config);
        machine.plan(times, day, has_calendar, day_start);
        machine.last_read_at = report.and_then(|report| report.last_read_at);
        let header = headers.and_then(|headers| headers.get(&day));
        machine.standing = header.map(|header| standing(header, config.central.is_some()));
        machine.has_log = header.is_some_and(|header| header.has_log);
        machine.note_settings(config);
        machine.session = self.sessions.remove(&machine.nom).unwrap_or_default();
        machine
    }

    /// Of an earlier day; a planned day without any LOG has none.
    fn last_sign_before(&self, nom: &str) -> Option<Stamp> {
        let mut earlier = self.month.get(nom)?.range(..self.day).rev();
        let (_, header) = earlier.find(|(_, header)| header.has_log)?;
        header.figures.last_piece.max(header.figures.last_stop)
    }
}

impl MonthDay {
    /// It has a session, or was planned.
    pub(crate) fn is_known(&self) -> bool {
        self.figures.is_some() || self.rates.is_some()
    }
}

impl MachineView {
    pub(crate) fn has_trs_in_month(&self) -> bool {
        self.month.iter().any(|one| one.rates.is_some_and(|rates| rates.trs_e2.is_some()))
    }

    /// Takes the `times` of the month up to `day`.
    fn plan(&mut self, times: Vec<DayTimes>, day: Day, has_calendar: bool, day_start: TimeDelta) {
        for one in times {
            if let Some(known) = self.month.iter_mut().find(|known| known.day == one.day) {
                known.rates = Some(one.rates(day_start));
            }
            if one.day == day {
                self.required = Some(RequiredTime::of(one, day_start));
            }
        }
        let times = self.required.as_ref().map(|required| &required.times);
        self.no_trs = NoTrs::of(times, has_calendar);
    }

    /// What the configuration says of the machine.
    fn note_settings(&mut self, config: &Config) {
        let set = |of: fn(&SourceConfig) -> &BTreeMap<String, u32>| {
            config.sources.iter().find_map(|source| of(source).get(&self.nom)).copied()
        };
        let (objective, cents) = (set(|source| &source.objectives), set(|source| &source.costs));
        (self.objective, self.cents_per_hour) = (objective, cents);
    }

    /// Why the day has no TRS, if anything is shown of it.
    pub(crate) fn shown_no_trs(&self) -> Option<NoTrs> {
        self.no_trs.filter(|_| self.has_log || self.required.is_some())
    }

    /// The shifts that are planned for the day.
    pub(crate) fn shifts(&self) -> &[PlannedShift] {
        &self.planned
    }

    /// Those of the shifts that have begun.
    pub(crate) fn begun_shifts(&self) -> Vec<(Stamp, Stamp)> {
        let parts = self.required.iter().flat_map(|required| &required.times.parts);
        parts.map(|part| (part.planned_from, part.planned_to)).collect()
    }
}

fn empty_machine(nom: String, day: Day) -> MachineView {
    let days = (0..MONTH_DAYS)
        .rev()
        .filter_map(|back| day.checked_sub_signed(TimeDelta::days(back)))
        .map(|day| MonthDay { day, figures: None, rates: None });
    MachineView {
        nom,
        state: None,
        session: Session::default(),
        standing: None,
        has_log: false,
        last_read_at: None,
        required: None,
        no_trs: None,
        month: days.collect(),
        usual: None,
        objective: None,
        cents_per_hour: None,
        planned: Vec::new(),
        weeks: Vec::new(),
    }
}

/// All machines that there are pages of.
pub(crate) fn known_machines(config: &Config) -> Result<Vec<String>, BufferError> {
    let buffer = Buffer::open_read_only(&config.agent.state_dir)?;
    let reports =
        buffer.as_ref().map_or_else(|| Ok(Vec::new()), |buffer| buffer.reports().machines())?;
    Ok(machine_names(config, &reports))
}

/// Those of the configuration, and those that the buffer still knows.
pub(super) fn machine_names(config: &Config, reports: &[MachineReport]) -> Vec<String> {
    let mapped = config.sources.iter().flat_map(|source| source.folders.values());
    let names: BTreeSet<String> = mapped
        .map(|machine| machine.nom.clone())
        .chain(reports.iter().map(|report| report.nom.clone()))
        .collect();
    names.into_iter().take(MOST_MACHINES).collect()
}

fn sessions_of(
    buffer: &Buffer,
    machine: Option<&str>,
    day: Day,
) -> Result<BTreeMap<String, Session>, BufferError> {
    let filter = SessionFilter { machine: machine.map(str::to_owned), day: Some(day) };
    let mut sessions = BTreeMap::new();
    buffer
        .sessions()
        .each_session(&filter, |stored| {
            sessions.insert(stored.nom, stored.session);
            Ok::<_, std::convert::Infallible>(())
        })?
        .unwrap_or_else(|never| match never {});
    Ok(sessions)
}

pub(crate) fn standing(header: &SessionHeader, has_central: bool) -> Standing {
    match &header.refusal {
        _ if !has_central => Standing::Local,
        _ if header.revision == header.synced_revision => Standing::InCentral,
        Some(reason) => Standing::SetAside(reason.clone()),
        None => Standing::Waiting,
    }
}
