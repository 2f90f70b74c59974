//! What the pages know of the gateway itself: links, disk, what cannot be read, what a person has to know.
//!
//! What must never happen here: a machine that nobody can read counted among those that are silent.

use std::collections::{BTreeMap, BTreeSet};

use super::concerns::Concerns;
use crate::{
    buffer::{Buffer, BufferError, LinkState, MachineReport, Totals, is_on_read_only_disk},
    config::Config,
    model::{KeptCalendar, LinkName, SettingsTold, Stamp, Trouble, WallTime},
};

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
    /// Weekly reports that nobody took yet, as the service knows; `None`: nobody is to get them.
    pub reports_waiting: Option<u64>,
    /// How it stands with the settings from central, as the service knows; `None`: it takes none.
    pub settings: Option<SettingsTold>,
    /// Machines behind a source that does not answer, or whose folder cannot be read.
    pub unknown: BTreeSet<String>,
    /// When each machine was last read.
    pub read_at: BTreeMap<String, WallTime>,
    pub concerns: Concerns,
}

impl Health {
    /// Looks once; without a buffer nothing was collected yet.
    pub(super) fn look(
        config: &Config,
        buffer: Option<&Buffer>,
        reports: &[MachineReport],
    ) -> Result<Self, BufferError> {
        let links = buffer.map_or_else(|| Ok(Vec::new()), |buffer| buffer.links().all())?;
        let link = |name: &LinkName| links.iter().find(|link| link.name == *name).cloned();
        let read_at = |nom: &str| {
            reports.iter().find(|report| report.nom == nom).and_then(|r| r.last_read_at)
        };
        let mut troubles =
            buffer.map_or_else(|| Ok(Vec::new()), |buffer| buffer.links().troubles())?;
        troubles.retain(|Trouble { key, .. }| config.maps(&key.source, &key.folder));
        let unknown = unread_machines(config, &links, &troubles);
        let read = reports.iter().filter_map(|one| Some((one.nom.clone(), one.last_read_at?)));
        Ok(Self {
            reports_waiting: None,
            settings: None,
            concerns: Concerns::look(buffer, config, reports)?,
            read_at: read.collect(),
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
}

/// Machines behind a source that does not answer, or whose folder cannot be read.
fn unread_machines(config: &Config, links: &[LinkState], troubles: &[Trouble]) -> BTreeSet<String> {
    let mut unread = BTreeSet::new();
    for source in &config.sources {
        let name = LinkName::source(&source.name);
        let is_down = links.iter().any(|link| link.name == name && !link.up);
        for (folder, machine) in &source.folders {
            let is_hidden = troubles.iter().any(|Trouble { key, .. }| {
                key.source == source.name && key.folder == *folder && key.kind.hides_machine()
            });
            if is_down || is_hidden {
                unread.insert(machine.nom.clone());
            }
        }
    }
    unread
}

/// The same, read from the buffer.
pub(super) fn look_for_unread(
    config: &Config,
    buffer: &Buffer,
) -> Result<BTreeSet<String>, BufferError> {
    Ok(unread_machines(config, &buffer.links().all()?, &buffer.links().troubles()?))
}

/// Up to when it is known what a machine did. One that could be read and wrote nothing did nothing; of one that
/// cannot be read, what came after `read_at` is not known.
pub(super) fn read_until(read_at: Stamp, is_unread: bool, now: Stamp) -> Stamp {
    if is_unread { read_at.min(now) } else { now }
}
