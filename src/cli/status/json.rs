//! `cu-agent status --json`. Its keys are an interface: they are added to, never renamed.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use super::{ImplausibleDate, Shown, WeeklyReports, central, folder_state, host};
use crate::{
    buffer::{AsideReport, FileReport, Holder, LinkState, MachineReport, known_version},
    cli::times::DayRow,
    config::{Config, SourceConfig},
    logging,
    model::{
        Collected, Day, FolderTold, KeptCalendar, Language, LinkTold, ReportName, ServiceTold,
        SettingsTold, SourceTold, StatusTold, Trouble, WallTime, Week,
    },
    settings,
};

/// What is shown of a state directory, as indented JSON with its keys in alphabetical order.
pub(super) fn json(config: &Config, shown: &Shown) -> serde_json::Result<String> {
    // By way of a map, which sorts the keys.
    Ok(format!("{:#}\n", serde_json::to_value(Status::of(config, shown))?))
}

/// Shown as text.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Status<'s> {
    agent: &'s str,
    version: &'static str,
    sessions: u64,
    pending_sessions: u64,
    /// Planned days without a session whose times wait for central.
    pending_planned_days: u64,
    set_aside_sessions: u64,
    oldest_pending_day: Option<Text<Day>>,
    files: u64,
    refused_files: u64,
    raw_bytes: u64,
    buffer_bytes: u64,
    max_buffer_bytes: u64,
    disk_read_only: bool,
    /// The part that updaters read.
    #[serde(flatten)]
    told: StatusTold,
    central: Link<'s>,
    changed_texts: Option<Changed<'s>>,
    /// The plant's, as central last told it; `None`: it has none, or told nothing yet.
    calendar: Option<Calendar<'s>>,
    /// From central; `None`: none are taken.
    settings: Option<Settings<'s>>,
    /// `None`: no weekly reports are configured.
    reports: Option<Reports<'s>>,
    troubles: Vec<NotRead<'s>>,
    machines: Vec<Machine<'s>>,
    set_aside: Vec<Aside<'s>>,
    implausible_dates: Vec<Implausible<'s>>,
    remarkable_files: Vec<File<'s>>,
}

#[derive(Serialize)]
struct Link<'s> {
    state: &'static str,
    since: Option<WallTime>,
    error: Option<&'s str>,
    /// Which of several configured servers it is.
    host: Option<&'s str>,
}

/// Texts that central holds in similar characters.
#[derive(Serialize)]
struct Changed<'s> {
    encoding: &'s str,
    texts: u64,
}

/// The version in use, and central's newest if it cannot be used.
#[derive(Serialize)]
struct Calendar<'s> {
    version: Option<i64>,
    written_by: Option<&'s str>,
    written_at: Option<&'s str>,
    kept_since: Option<WallTime>,
    refused_version: Option<i64>,
    refusal: Option<&'s str>,
}

impl<'s> Calendar<'s> {
    fn of(kept: &'s KeptCalendar) -> Option<Self> {
        let KeptCalendar { good, since, refused, .. } = kept;
        (good.is_some() || refused.is_some()).then(|| Self {
            version: good.as_ref().map(|good| good.version),
            written_by: good.as_ref().map(|good| good.written_by.as_str()),
            written_at: good.as_ref().map(|good| good.written_at.as_str()),
            kept_since: *since,
            refused_version: refused.as_ref().map(|refused| refused.version),
            refusal: refused.as_ref().map(|refused| refused.why.as_str()),
        })
    }
}

/// Serials of the settings from central, and which keys are theirs.
#[derive(Serialize)]
struct Settings<'s> {
    in_use: Option<u64>,
    on_trial: Option<u64>,
    refused: Option<u64>,
    refusal: Option<String>,
    from_central: &'s [String],
    left_as_configured: &'s [String],
    /// Why nothing is known of them.
    error: Option<String>,
}

impl<'s> Settings<'s> {
    fn of(config: &'s Config) -> Option<Self> {
        let (told, error) = match settings::told(config)? {
            Ok(told) => (told, None),
            Err(error) => (SettingsTold::default(), Some(logging::chain(&error))),
        };
        let (refused, refusal) =
            told.refused.map(|refused| (refused.serial, refused.reason)).unzip();
        Some(Self {
            in_use: told.kept,
            on_trial: told.trial,
            refused: refused.flatten(),
            refusal,
            from_central: &config.from_central.taken,
            left_as_configured: &config.from_central.left,
            error,
        })
    }
}

/// The weekly reports.
#[derive(Serialize)]
struct Reports<'s> {
    newest_week: Option<Text<Week>>,
    missing_week: Option<Text<Week>>,
    waiting: Vec<Text<ReportName>>,
    failure: Option<&'s str>,
}

impl<'s> Reports<'s> {
    fn of(shown: &'s WeeklyReports) -> Self {
        Self {
            newest_week: shown.newest.map(Text),
            missing_week: shown.missing.map(Text),
            waiting: shown.unsent.names.iter().copied().map(Text).collect(),
            failure: shown.failure(),
        }
    }
}

#[derive(Serialize)]
struct NotRead<'s> {
    source: &'s str,
    folder: &'s str,
    /// `None`: the folder itself.
    file: Option<&'s str>,
    kind: &'static str,
    since: Option<WallTime>,
    text: String,
}

#[derive(Serialize)]
struct Machine<'s> {
    nom: &'s str,
    sessions: u64,
    pending_sessions: u64,
    last_day: Option<Text<Day>>,
    last_read_at: Option<WallTime>,
    /// Where the required time of `last_day` went, and its TRS, with central's names.
    required_time: DayRow,
    /// Why `last_day` has no TRS.
    no_trs: Option<&'static str>,
}

#[derive(Serialize)]
struct Aside<'s> {
    machine: &'s str,
    reason: &'s str,
    sessions: u64,
    first_day: Text<Day>,
    last_day: Text<Day>,
    since: Option<WallTime>,
}

#[derive(Serialize)]
struct Implausible<'s> {
    source: &'s str,
    file: &'s str,
    reason: &'s str,
}

#[derive(Serialize)]
struct File<'s> {
    source: &'s str,
    /// `folder/name`.
    file: String,
    state: &'s str,
    refusal: Option<&'s str>,
    lines: u64,
    events: u64,
    rejects: Vec<Rejected<'s>>,
    unknown_events: Vec<Unknown<'s>>,
}

#[derive(Serialize)]
struct Rejected<'s> {
    reason: &'s str,
    lines: u64,
    first_line: u64,
    sample: &'s str,
}

#[derive(Serialize)]
struct Unknown<'s> {
    name: &'s str,
    events: u64,
}

impl<'s> Status<'s> {
    fn of(config: &'s Config, shown: &'s Shown) -> Self {
        let Shown { totals, links, troubles, .. } = shown;
        let (state, link) = central(config, links);
        Self {
            agent: &config.agent.id,
            version: env!("CARGO_PKG_VERSION"),
            sessions: totals.sessions,
            pending_sessions: totals.pending_sessions,
            pending_planned_days: totals.pending_planned_days,
            set_aside_sessions: totals.set_aside_sessions,
            oldest_pending_day: totals.oldest_pending_day.map(Text),
            files: totals.files,
            refused_files: totals.refused_files,
            raw_bytes: totals.raw_bytes,
            buffer_bytes: shown.buffer_bytes,
            max_buffer_bytes: config.agent.max_buffer_bytes,
            disk_read_only: shown.is_read_only,
            told: told(config, shown),
            central: Link::of(state, link),
            changed_texts: shown
                .changed_texts
                .as_ref()
                .map(|changed| Changed { encoding: &changed.encoding, texts: changed.texts }),
            calendar: Calendar::of(&shown.calendar),
            settings: Settings::of(config),
            reports: shown.reports.as_ref().map(Reports::of),
            troubles: troubles.iter().map(NotRead::of).collect(),
            machines: shown.machines.iter().map(|one| Machine::of(one, config, shown)).collect(),
            set_aside: shown.set_aside.iter().map(Aside::of).collect(),
            implausible_dates: shown.implausible.iter().map(Implausible::of).collect(),
            remarkable_files: shown.files.iter().map(File::of).collect(),
        }
    }
}

/// The process at work: its number and, once it has collected, its version and the sources that did
/// not answer.
fn service((holder, collected): &(Holder, Option<Collected>)) -> ServiceTold {
    let (process, since) = match holder {
        Holder::Known(known) => (Some(known.process), known.since),
        Holder::Said(_) | Holder::Unnamed => (None, None),
    };
    ServiceTold { process, since, collected: collected.clone() }
}

impl<'s> Link<'s> {
    fn of(state: &'static str, link: Option<&'s LinkState>) -> Self {
        let error = link.and_then(|link| link.error.as_deref());
        Self { state, since: link.and_then(|link| link.since), error, host: host(link) }
    }
}

fn told(config: &Config, shown: &Shown) -> StatusTold {
    let of = |source| source_told(source, &shown.links, &shown.troubles);
    StatusTold {
        producing: shown.producing.clone(),
        schema: shown.schema,
        schema_known: Some(known_version()),
        service: shown.holder.as_ref().map(service),
        sources: config.sources.iter().map(of).collect(),
        in_central: shown.told.clone(),
    }
}

fn source_told(source: &SourceConfig, links: &[LinkState], troubles: &[Trouble]) -> SourceTold {
    let link = links.iter().find(|link| link.name.is_source(&source.name));
    let folders = source.folders.iter().map(|(folder, machine)| {
        let (state, since, error) = folder_state(folder, link, source, troubles);
        FolderTold {
            folder: folder.clone(),
            machine: machine.nom.clone(),
            state: state.to_owned(),
            since,
            error,
        }
    });
    SourceTold {
        name: source.name.clone(),
        state: match link {
            None => LinkTold::Unknown,
            Some(link) if link.up => LinkTold::Up,
            Some(_) => LinkTold::Down,
        },
        since: link.and_then(|link| link.since),
        error: link.and_then(|link| link.error.clone()),
        folders: folders.collect(),
    }
}

impl<'s> NotRead<'s> {
    fn of(trouble: &'s Trouble) -> Self {
        Self {
            source: &trouble.key.source,
            folder: &trouble.key.folder,
            file: Some(trouble.key.file.as_str()).filter(|file| !file.is_empty()),
            kind: trouble.key.kind.as_str(),
            since: trouble.since,
            text: trouble.text(Language::English),
        }
    }
}

impl<'s> Machine<'s> {
    fn of(machine: &'s MachineReport, config: &Config, shown: &Shown) -> Self {
        let times = shown.newest_of(&machine.nom);
        let no_trs = shown.no_trs(&machine.nom);
        Self {
            required_time: DayRow::of(times, config.analysis.day_start),
            no_trs: no_trs.map(|why| why.text(Language::English)),
            nom: &machine.nom,
            sessions: machine.sessions,
            pending_sessions: machine.pending_sessions,
            last_day: machine.last_day.map(Text),
            last_read_at: machine.last_read_at,
        }
    }
}

impl<'s> Aside<'s> {
    fn of(aside: &'s AsideReport) -> Self {
        Self {
            machine: &aside.nom,
            reason: &aside.reason,
            sessions: aside.sessions,
            first_day: Text(aside.first_day),
            last_day: Text(aside.last_day),
            since: aside.since,
        }
    }
}

impl<'s> Implausible<'s> {
    fn of(date: &'s ImplausibleDate) -> Self {
        Self { source: &date.source, file: &date.file, reason: &date.reason }
    }
}

impl<'s> File<'s> {
    fn of(file: &'s FileReport) -> Self {
        let rejected = |(reason, lines, first_line, sample): &'s (String, u64, u64, String)| {
            Rejected { reason, lines: *lines, first_line: *first_line, sample }
        };
        let unknown = |(name, events): &'s (String, u64)| Unknown { name, events: *events };
        Self {
            source: &file.source,
            file: format!("{}/{}", file.folder, file.name),
            state: &file.state,
            refusal: file.refusal.as_deref(),
            lines: file.lines,
            events: file.events,
            rejects: file.rejects.iter().map(rejected).collect(),
            unknown_events: file.unknown.iter().map(unknown).collect(),
        }
    }
}
