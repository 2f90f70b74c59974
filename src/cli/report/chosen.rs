//! What a report is asked of: which days, which machine, which shift. What is not there is refused with what
//! there is.

use super::Arguments;
use crate::{
    agent::{wall, wall_clock_fault},
    buffer::{Buffer, HeaderFilter},
    cli::UsageError,
    config::Config,
    model::{Day, Stamp, Week, printable},
    report::{Known, MOST_DAYS, Period, PeriodFault, Wanted, Which, period},
};

/// The days that are meant, by the gateway's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chosen {
    pub period: Period,
    /// The day that is under way.
    pub today: Day,
    /// The clock cannot be right: `today` is the newest day with a session.
    pub is_clock_wrong: bool,
    /// First and last day with a session, of the machines that are meant.
    pub known: Option<(Day, Day)>,
}

pub(super) fn days(
    buffer: &Buffer,
    config: &Config,
    arguments: &Arguments,
) -> anyhow::Result<Chosen> {
    let wanted = match (arguments.week, arguments.month) {
        (Some(week), _) => Wanted::Week(week),
        (_, Some(month)) => Wanted::Month(month),
        _ => Wanted::Days(arguments.from, arguments.to),
    };
    chosen(buffer, config, wanted, arguments.machine.as_deref())
}

/// The week of all machines.
pub(super) fn week(buffer: &Buffer, config: &Config, week: Week) -> anyhow::Result<Chosen> {
    chosen(buffer, config, Wanted::Week(Which::Named(week)), None)
}

fn chosen(
    buffer: &Buffer,
    config: &Config,
    wanted: Wanted,
    machine: Option<&str>,
) -> anyhow::Result<Chosen> {
    let known = known_days(buffer, machine)?;
    let newest = known.map(|(_, newest)| newest);
    let by_clock = Stamp::from_naive(wall().naive_local()).day(config.analysis.day_start);
    let fault = wall_clock_fault();
    let today = if fault.is_some() { newest.unwrap_or(by_clock) } else { by_clock };
    if let Some(fault) = fault.as_ref().filter(|_| wanted.depends_on_today()) {
        log::warn!("{fault}: the period is counted from {today}, the newest day with a session");
    }
    let period = period(wanted, Known { today, newest })
        .map_err(|fault| UsageError(told(fault, machine)))?;
    Ok(Chosen { period, today, is_clock_wrong: fault.is_some(), known })
}

impl Chosen {
    /// What is said of a period of which there is no session.
    pub(super) fn without_sessions(&self) -> String {
        let Period { from, to, .. } = self.period;
        match self.known {
            Some((first, last)) => {
                format!("no session from {from} to {to}: the known days go from {first} to {last}")
            }
            None => format!("no session from {from} to {to}, nor on any other day yet"),
        }
    }
}

fn told(fault: PeriodFault, machine: Option<&str>) -> String {
    match fault {
        PeriodFault::NoSession => match machine {
            Some(nom) => format!("there are no sessions of {} yet", printable(nom, 100)),
            None => "there are no sessions yet".into(),
        },
        PeriodFault::Reversed { from, to } => format!("--from {from} is later than {to}"),
        PeriodFault::TooLong => format!("choose a period of at most {MOST_DAYS} days"),
        PeriodFault::OutOfRange => "there is no such period in the calendar".into(),
    }
}

/// First and last day with a session.
fn known_days(buffer: &Buffer, machine: Option<&str>) -> anyhow::Result<Option<(Day, Day)>> {
    let year = |year| Day::from_ymd_opt(year, 1, 1).unwrap_or_default();
    let filter = HeaderFilter { from: year(1), to: year(9999), machine, most: usize::MAX };
    let headers = buffer.sessions().session_headers(&filter)?;
    Ok(headers.first().zip(headers.last()).map(|(first, last)| (first.day, last.day)))
}
