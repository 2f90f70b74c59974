//! What the page knows: read from the buffer in one go, and nothing decided by how it is shown.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, TimeDelta};

use super::state::{State, last_sign, state};
use crate::{
    buffer::{
        Buffer, BufferError, HeaderFilter, LinkState, MachineReport, SessionFilter, SessionHeader,
        Totals, is_on_read_only_disk,
    },
    config::Config,
    model::{Day, Figures, KeptCalendar, LinkName, Session, Stamp, Trouble, WallTime},
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
/// Machines shown; the configuration of a gateway has a handful.
const MOST_MACHINES: usize = 200;
/// A machine's clock this much ahead of the gateway's is worth a word.
const AHEAD_MS: i64 = 10 * 60_000;

/// Everything about one day, and how the gateway is.
#[derive(Clone, Debug)]
pub(crate) struct DayView {
    pub now: WallClock,
    pub day: Day,
    /// The day that is under way by the gateway's clock.
    pub today: Day,
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
    /// Where the session stands towards central; `None`: there is none.
    pub standing: Option<Standing>,
    pub last_read_at: Option<WallTime>,
    /// Day after day up to the one shown, each with its figures where it has a session.
    pub month: Vec<(Day, Option<Figures>)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    InCentral,
    Waiting,
    SetAside(String),
    /// There is no central.
    Local,
}

/// The agent's own health.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// `None`: nothing was collected yet.
    pub totals: Option<Totals>,
    pub has_central: bool,
    pub central: Option<LinkState>,
    /// Name, link, and the newest reading of one of its machines.
    pub sources: Vec<(String, Option<LinkState>, Option<WallTime>)>,
    pub buffer_bytes: u64,
    pub max_buffer_bytes: u64,
    pub free_bytes: Option<u64>,
    /// Nothing can be written to the disk of the buffer.
    pub is_read_only: bool,
    /// The machine whose LOG is ahead of the gateway's clock, and by how much.
    pub ahead: Option<(String, i64)>,
    /// What of the sources cannot be read.
    pub troubles: Vec<Trouble>,
    /// The plant's calendar, as central last told it.
    pub plant: KeptCalendar,
    /// Machines behind a source that does not answer, or whose folder cannot be read.
    pub unknown: BTreeSet<String>,
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

impl DayView {
    /// Looks once; a buffer that is not there yet is an empty view. `Ok(None)`: the wanted machine is
    /// unknown.
    pub(crate) fn look(
        config: &Config,
        now: WallClock,
        query: ViewQuery<'_>,
    ) -> Result<Option<Self>, BufferError> {
        let buffer = Buffer::open_read_only(&config.agent.state_dir)?;
        let stamp = Stamp::from_naive(now.wall);
        let reports =
            buffer.as_ref().map_or_else(|| Ok(Vec::new()), |buffer| buffer.reports().machines())?;
        let today = match now.fault {
            None => stamp.day(config.analysis.day_start),
            // A clock that cannot be right does not know the day: the newest one is shown.
            Some(_) => reports
                .iter()
                .filter_map(|report| report.last_day)
                .max()
                .unwrap_or_else(|| stamp.day(config.analysis.day_start)),
        };
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
            before: None,
            after: None,
            machines: Vec::new(),
            health: health(config, buffer.as_ref(), &reports)?,
            now,
        };
        let Some(buffer) = buffer else {
            view.machines = names.into_iter().map(|nom| empty_machine(nom, day)).collect();
            return Ok(Some(view));
        };
        (view.before, view.after) = buffer.sessions().neighbours(day)?;
        let month = month_of(&buffer, query.machine, day)?;
        let quiet_ms = QUIET_MS + i64::try_from(config.schedule.poll.as_millis()).unwrap_or(0);
        let mut sessions = sessions_of(&buffer, query.machine, day)?;
        for nom in names {
            let mut machine = empty_machine(nom, day);
            let headers = month.get(&machine.nom);
            for (day, figures) in &mut machine.month {
                *figures = headers.and_then(|headers| headers.get(day)).map(|h| h.figures.clone());
            }
            let report = reports.iter().find(|report| report.nom == machine.nom);
            machine.last_read_at = report.and_then(|report| report.last_read_at);
            machine.standing = headers
                .and_then(|headers| headers.get(&day))
                .map(|header| standing(header, config.central.is_some()));
            machine.session = sessions.remove(&machine.nom).unwrap_or_default();
            if day == today {
                let earlier = headers.and_then(|headers| headers.range(..day).next_back());
                let before = earlier.and_then(|(_, header)| {
                    header.figures.last_piece.max(header.figures.last_stop)
                });
                let known = state(Some(&machine.session), before, stamp, quiet_ms);
                let last = last_sign(&machine.session).or(before);
                machine.state = Some(if view.health.unknown.contains(&machine.nom) {
                    known.unread(last, stamp, quiet_ms)
                } else {
                    known
                });
                let ahead = last_sign(&machine.session).map_or(0, |last| last.0 - stamp.0);
                let most = view.health.ahead.as_ref().map_or(AHEAD_MS, |(_, most)| *most);
                if ahead > most && view.now.fault.is_none() {
                    view.health.ahead = Some((machine.nom.clone(), ahead));
                }
            }
            view.machines.push(machine);
        }
        Ok(Some(view))
    }

    pub(crate) fn is_today(&self) -> bool {
        self.day == self.today
    }
}

fn empty_machine(nom: String, day: Day) -> MachineView {
    let days = (0..MONTH_DAYS)
        .rev()
        .filter_map(|back| day.checked_sub_signed(TimeDelta::days(back)).map(|day| (day, None)));
    MachineView {
        nom,
        state: None,
        session: Session::default(),
        standing: None,
        last_read_at: None,
        month: days.collect(),
    }
}

/// Those of the configuration, and those that the buffer still knows.
fn machine_names(config: &Config, reports: &[MachineReport]) -> Vec<String> {
    let mapped = config.sources.iter().flat_map(|source| source.folders.values());
    let names: BTreeSet<String> = mapped
        .map(|machine| machine.nom.clone())
        .chain(reports.iter().map(|report| report.nom.clone()))
        .collect();
    names.into_iter().take(MOST_MACHINES).collect()
}

type Month = BTreeMap<String, BTreeMap<Day, SessionHeader>>;

fn month_of(buffer: &Buffer, machine: Option<&str>, day: Day) -> Result<Month, BufferError> {
    let from = day.checked_sub_signed(TimeDelta::days(MONTH_DAYS - 1)).unwrap_or(day);
    let most = MOST_MACHINES * MONTH_DAYS as usize;
    let filter = HeaderFilter { from, to: day, machine, most };
    let mut month = Month::new();
    for header in buffer.sessions().session_headers(&filter)? {
        month.entry(header.nom.clone()).or_default().insert(header.day, header);
    }
    Ok(month)
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

fn health(
    config: &Config,
    buffer: Option<&Buffer>,
    reports: &[MachineReport],
) -> Result<Health, BufferError> {
    let links = buffer.map_or_else(|| Ok(Vec::new()), |buffer| buffer.links().all())?;
    let link = |name: &LinkName| links.iter().find(|link| link.name == *name).cloned();
    let read_at =
        |nom: &str| reports.iter().find(|report| report.nom == nom).and_then(|r| r.last_read_at);
    let mut troubles = buffer.map_or_else(|| Ok(Vec::new()), |buffer| buffer.links().troubles())?;
    troubles.retain(|Trouble { key, .. }| config.maps(&key.source, &key.folder));
    let mut unknown = BTreeSet::new();
    for source in &config.sources {
        let is_down = link(&LinkName::source(&source.name)).is_some_and(|link| !link.up);
        for (folder, machine) in &source.folders {
            let is_hidden = troubles.iter().any(|Trouble { key, .. }| {
                key.source == source.name && key.folder == *folder && key.kind.hides_machine()
            });
            if is_down || is_hidden {
                unknown.insert(machine.nom.clone());
            }
        }
    }
    Ok(Health {
        troubles,
        unknown,
        totals: buffer.map(|buffer| buffer.reports().totals()).transpose()?,
        has_central: config.central.is_some(),
        plant: buffer.map(|buffer| buffer.plant().kept()).transpose()?.unwrap_or_default(),
        central: config.central.as_ref().and_then(|_| link(&LinkName::Central)),
        sources: config
            .sources
            .iter()
            .map(|source| {
                let newest = source.folders.values().filter_map(|m| read_at(&m.nom)).max();
                (source.name.clone(), link(&LinkName::source(&source.name)), newest)
            })
            .collect(),
        buffer_bytes: buffer.map_or(0, Buffer::size_bytes),
        max_buffer_bytes: config.agent.max_buffer_bytes,
        is_read_only: is_on_read_only_disk(&config.agent.state_dir),
        free_bytes: rustix::fs::statvfs(&config.agent.state_dir)
            .ok()
            .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        ahead: None,
    })
}
