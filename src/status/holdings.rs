//! What the buffer holds of what `/metrics` tells, read in one go.

use std::collections::BTreeSet;

use crate::{
    buffer::{AlarmCounts, Buffer, BufferError, LineTotals, Totals, is_on_read_only_disk},
    config::Config,
    model::{KeptCalendar, LinkName, Rates, TimesSum},
};

/// What the buffer holds, read in one go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Holdings {
    pub totals: Totals,
    pub lines: LineTotals,
    pub buffer_bytes: u64,
    /// At which the buffer is full.
    pub max_buffer_bytes: u64,
    pub free_bytes: Option<u64>,
    /// Nothing can be written to its disk.
    pub is_read_only: bool,
    /// The servers of central, if several are configured, and whether central is that one now.
    pub central_hosts: Vec<(String, bool)>,
    /// The version of the plant's calendar in use, 0 if none, and whether central's newest is refused;
    /// `None`: central told of none.
    pub calendar: Option<(i64, bool)>,
    /// Configured machines for whose newest day something was planned.
    pub planned: Vec<PlannedDay>,
    /// `None`: nobody is to be told.
    pub alarms: Option<AlarmCounts>,
}

/// The required time of a machine's newest day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedDay {
    pub machine: String,
    pub is_over: bool,
    pub sum: TimesSum,
    pub rates: Rates,
}

impl Holdings {
    /// `None`: there is no buffer yet.
    pub fn look(config: &Config) -> Result<Option<Self>, BufferError> {
        let Some(buffer) = Buffer::open_read_only(&config.agent.state_dir)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            totals: buffer.reports().totals()?,
            lines: buffer.reports().line_totals()?,
            buffer_bytes: buffer.size_bytes(),
            max_buffer_bytes: config.agent.max_buffer_bytes,
            free_bytes: rustix::fs::statvfs(&config.agent.state_dir)
                .ok()
                .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            is_read_only: is_on_read_only_disk(&config.agent.state_dir),
            central_hosts: central_hosts(config, &buffer)?,
            planned: planned_days(config, &buffer)?,
            calendar: calendar(&buffer)?,
            alarms: alarms(config, &buffer)?,
        }))
    }
}

fn planned_days(config: &Config, buffer: &Buffer) -> Result<Vec<PlannedDay>, BufferError> {
    let configured: BTreeSet<String> =
        config.fed_machines().into_iter().map(|fed| fed.machine.nom).collect();
    let newest = buffer.sessions().newest_times()?.into_iter();
    let planned = newest.filter(|(nom, _)| configured.contains(nom)).filter_map(|(nom, day)| {
        let times = day.1?;
        let rates = times.rates(config.analysis.day_start);
        Some(PlannedDay { machine: nom, is_over: times.is_over, sum: times.sum(), rates })
    });
    Ok(planned.collect())
}

fn calendar(buffer: &Buffer) -> Result<Option<(i64, bool)>, BufferError> {
    let KeptCalendar { good, refused, .. } = buffer.plant().kept()?;
    let version = good.as_ref().map_or(0, |good| good.version);
    Ok((good.is_some() || refused.is_some()).then_some((version, refused.is_some())))
}

fn central_hosts(config: &Config, buffer: &Buffer) -> Result<Vec<(String, bool)>, BufferError> {
    let Some(central) = config.central.as_ref().filter(|central| central.host.are_several()) else {
        return Ok(Vec::new());
    };
    let links = buffer.links().all()?;
    let used = links.into_iter().find(|link| link.name == LinkName::Central && link.up);
    let used = used.and_then(|link| link.host);
    Ok(central.places().map(|place| (place.clone(), used.as_ref() == Some(&place))).collect())
}

fn alarms(config: &Config, buffer: &Buffer) -> Result<Option<AlarmCounts>, BufferError> {
    if config.alarms.as_ref().is_none_or(|alarms| alarms.url.is_none()) {
        return Ok(None);
    }
    Ok(Some(buffer.reports().alarms()?))
}
