//! `cu-agent status`: machines, last reading, what waits, what was refused, links and disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use chrono::TimeDelta;

use super::{Exit, LogTo, configured, painted::When, print_json, weekly_report::last_week};
use crate::{
    agent::{Clock, wall_clock_fault},
    buffer::{
        AsideReport, Buffer, BufferError, ChangedTexts, FileReport, HeaderFilter, Holder,
        LinkState, MachineReport, StateLock, Totals, is_on_read_only_disk,
    },
    collect::implausible_files,
    config::{Config, SourceConfig},
    model::{
        CentralTold, Collected, Day, DayTimes, KeptCalendar, Language, LinkName, NoTrs, Trouble,
        TroubleKey, WallTime, Week, printable,
    },
    weekly::{ReportFolder, Unsent},
};

mod json;
mod text;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Output as JSON.
    #[arg(long)]
    json: bool,
    /// Show at most N files with rejected lines.
    #[arg(long, value_name = "N", default_value_t = 20)]
    files: usize,
}

/// Longest name of a file that is shown.
const MOST_NAME_CHARS: usize = 200;

/// Reasons for quarantining sessions that are shown.
const MOST_REASONS: usize = 20;

/// Everything that is shown, read in one go.
struct Shown {
    totals: Totals,
    machines: Vec<MachineReport>,
    /// Of each machine its newest day, with its times if it has any.
    newest: BTreeMap<String, (Day, Option<DayTimes>)>,
    /// Machines with a calendar.
    planned: BTreeSet<String>,
    set_aside: Vec<AsideReport>,
    files: Vec<FileReport>,
    links: Vec<LinkState>,
    changed_texts: Option<ChangedTexts>,
    /// The plant's, as central last told it.
    calendar: KeptCalendar,
    troubles: Vec<Trouble>,
    implausible: Vec<ImplausibleDate>,
    /// Of the machines in central.
    told: CentralTold,
    buffer_bytes: u64,
    /// Nothing can be written to the disk of the state directory.
    is_read_only: bool,
    /// The file's schema; `None` where there is no buffer.
    schema: Option<usize>,
    /// Machines whose LOG grew a moment ago.
    producing: BTreeSet<String>,
    /// Who works on the buffer, and what it has collected.
    holder: Option<(Holder, Option<Collected>)>,
    /// `None`: none are configured.
    reports: Option<WeeklyReports>,
}

/// What the folder of weekly reports holds, and what it should.
struct WeeklyReports {
    newest: Option<Week>,
    /// The last week that is over, if it has sessions and should have been written by now.
    missing: Option<Week>,
    unsent: Unsent,
    /// Why the folder cannot be looked at.
    unreadable: Option<String>,
}

impl WeeklyReports {
    fn failure(&self) -> Option<&str> {
        self.unreadable.as_deref().or(self.unsent.failure.as_deref())
    }
}

/// The timer's hour on Monday, with its delay.
const WRITTEN_BY: TimeDelta = TimeDelta::hours(8);

fn weekly_reports(
    config: &Config,
    buffer: Option<&Buffer>,
) -> Result<Option<WeeklyReports>, BufferError> {
    let Some(report) = &config.report else { return Ok(None) };
    let folder = ReportFolder::at(&report.folder);
    let weeks = folder.weeks();
    let unsent = match (&weeks, &report.url) {
        (Ok(_), Some(_)) => folder.unsent().unwrap_or_default(),
        _ => Unsent::default(),
    };
    let unreadable = weeks.as_ref().err().map(ToString::to_string);
    let mut whole = weeks.unwrap_or_default();
    whole.retain(|_, kept| kept.digest.is_some());
    let day_start = config.analysis.day_start;
    let last = last_week(day_start);
    let is_late = wall_clock_fault().is_none()
        && last_week(day_start + WRITTEN_BY) == last
        && !whole.contains_key(&last);
    let has_sessions = |buffer: &Buffer| {
        let (from, to) = (last.monday(), last.sunday());
        let filter = HeaderFilter { from, to, machine: None, most: 1 };
        buffer.sessions().session_headers(&filter).map(|headers| !headers.is_empty())
    };
    let is_missing = is_late && buffer.map_or(Ok(false), has_sessions)?;
    let missing = is_missing.then_some(last);
    let newest = whole.keys().next_back().copied();
    Ok(Some(WeeklyReports { newest, missing, unsent, unreadable }))
}

impl Shown {
    fn newest_of(&self, nom: &str) -> Option<&DayTimes> {
        self.newest.get(nom)?.1.as_ref()
    }

    /// Why the machine's newest day has no TRS; of a machine without a day nothing is said.
    fn no_trs(&self, nom: &str) -> Option<NoTrs> {
        let (_, times) = self.newest.get(nom)?;
        NoTrs::of(times.as_ref(), self.planned.contains(nom))
    }
}

/// A machine whose LOG did not grow for this long, and one poll more, does not produce.
const SILENT_AFTER: Duration = Duration::from_secs(15 * 60);

pub(super) fn run(config: &Path, arguments: &Arguments, colour: When) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let shown = look(&config, arguments.files)?;
    let is_read_only = shown.is_read_only;
    if arguments.json {
        print_json(&json::json(&config, &shown)?)?;
    } else {
        text::text(&config, &shown).print(colour)?;
    }
    Ok(if is_read_only { Exit::Failed } else { Exit::Done })
}

fn look(config: &Config, most_files: usize) -> Result<Shown, BufferError> {
    Ok(match Buffer::open_to_show(&config.agent.state_dir)? {
        None => Shown {
            totals: Totals::default(),
            machines: Vec::new(),
            newest: BTreeMap::new(),
            planned: BTreeSet::new(),
            set_aside: Vec::new(),
            files: Vec::new(),
            links: Vec::new(),
            changed_texts: None,
            calendar: KeptCalendar::default(),
            troubles: Vec::new(),
            implausible: Vec::new(),
            told: CentralTold::default(),
            buffer_bytes: 0,
            is_read_only: is_on_read_only_disk(&config.agent.state_dir),
            schema: None,
            producing: BTreeSet::new(),
            holder: StateLock::holder(&config.agent.state_dir),
            reports: weekly_reports(config, None)?,
        },
        Some(buffer) => Shown {
            totals: buffer.reports().totals()?,
            machines: buffer.reports().machines()?,
            newest: buffer.sessions().newest_times()?,
            planned: planned_machines(config, &buffer)?,
            set_aside: buffer.reports().set_aside_sessions(MOST_REASONS)?,
            files: buffer.reports().remarkable_files(most_files)?,
            links: buffer.links().all()?,
            changed_texts: buffer.links().changed_texts()?,
            calendar: buffer.plant().kept()?,
            troubles: configured_troubles(config, buffer.links().troubles()?),
            implausible: implausible_dates(config, &buffer)?,
            told: buffer.links().central_told()?,
            buffer_bytes: buffer.size_bytes(),
            is_read_only: is_on_read_only_disk(&config.agent.state_dir),
            schema: Some(buffer.schema_version()?),
            producing: producing(config, &buffer)?,
            holder: StateLock::holder(&config.agent.state_dir),
            reports: weekly_reports(config, Some(&buffer))?,
        },
    })
}

/// Machines with a calendar, the days of which may not be timed by it yet.
pub(super) fn planned_machines(
    config: &Config,
    buffer: &Buffer,
) -> Result<BTreeSet<String>, BufferError> {
    let mut planned = buffer.sessions().planned_machines()?;
    let own = config.fed_machines().into_iter().map(|fed| fed.machine.nom);
    planned.extend(own.filter(|nom| config.calendars.of(nom).is_some()));
    Ok(planned)
}

/// Those of folders that the configuration still maps.
fn configured_troubles(config: &Config, mut troubles: Vec<Trouble>) -> Vec<Trouble> {
    troubles.retain(|Trouble { key, .. }| config.maps(&key.source, &key.folder));
    troubles
}

/// How a folder is, in one word, with since when and why: `unknown` behind a source that does not
/// answer or was not tried yet, `read`, or the kind of its trouble.
fn folder_state(
    folder: &str,
    link: Option<&LinkState>,
    source: &SourceConfig,
    troubles: &[Trouble],
) -> (&'static str, Option<WallTime>, Option<String>) {
    let is_own = |key: &TroubleKey| key.source == source.name && key.folder == folder;
    match link {
        None => ("unknown", None, None),
        Some(link) if !link.up => ("unknown", link.since, link.error.clone()),
        Some(_) => {
            let hides = |one: &&Trouble| is_own(&one.key) && one.key.kind.hides_machine();
            match troubles.iter().find(hides) {
                Some(one) => (one.key.kind.as_str(), one.since, Some(one.text(Language::English))),
                None => ("read", None, None),
            }
        }
    }
}

/// A file whose dates nothing else bears out.
pub(super) struct ImplausibleDate {
    pub source: String,
    /// `folder/name`.
    pub file: String,
    pub reason: String,
}

/// Of all sources; nothing is deleted by such a date.
pub(super) fn implausible_dates(
    config: &Config,
    buffer: &Buffer,
) -> Result<Vec<ImplausibleDate>, BufferError> {
    let mut all = Vec::new();
    for source in &config.sources {
        for (file, claim) in implausible_files(buffer.reports().dated_files(&source.name)?) {
            let name = printable(&format!("{}/{}", file.folder, file.name), MOST_NAME_CHARS);
            let source = source.name.clone();
            all.push(ImplausibleDate { source, file: name, reason: claim.to_string() });
        }
    }
    Ok(all)
}

/// By the computer's running time. A file that did not grow since it was started belongs to nobody
/// who produces now.
fn producing(config: &Config, buffer: &Buffer) -> Result<BTreeSet<String>, BufferError> {
    let now = Clock::start().now();
    let silent_after = SILENT_AFTER + config.schedule.poll;
    let growing = buffer.reports().growing()?.into_iter().filter_map(|(nom, mark)| {
        let mark = mark.filter(|mark| *mark.boot == *now.boot)?;
        (now.quiet_for(Some(&mark)) < silent_after).then_some(nom)
    });
    Ok(growing.collect())
}

/// Central's state in one word, with since when and why.
fn central<'l>(config: &Config, links: &'l [LinkState]) -> (&'static str, Option<&'l LinkState>) {
    let link = links.iter().find(|link| link.name == LinkName::Central);
    match (&config.central, link) {
        (None, _) => ("off", None),
        (Some(_), None) => ("unknown", None),
        (Some(_), Some(link)) => (if link.up { "up" } else { "down" }, Some(link)),
    }
}

/// Which of several servers a central that answers is.
fn host(link: Option<&LinkState>) -> Option<&str> {
    link.filter(|link| link.up)?.host.as_deref()
}
