//! `cu-agent status`: machines, last reading, what waits, what was refused, links and disk.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{Exit, LogTo, configured, print, print_json};
use crate::{
    agent::Clock,
    buffer::{
        AsideReport, Buffer, BufferError, ChangedTexts, FileReport, Holder, LinkState,
        MachineReport, StateLock, Totals, is_on_read_only_disk,
    },
    collect::implausible_files,
    config::{Config, SourceConfig},
    model::{
        CentralTold, Collected, KeptCalendar, Language, LinkName, Trouble, TroubleKey, WallTime,
        printable,
    },
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
}

/// A machine whose LOG did not grow for this long, and one poll more, does not produce.
const SILENT_AFTER: Duration = Duration::from_secs(15 * 60);

pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let shown = look(&config, arguments.files)?;
    let is_read_only = shown.is_read_only;
    if arguments.json {
        print_json(&json::json(&config, &shown)?)?;
    } else {
        print(&text::text(&config, &shown))?;
    }
    Ok(if is_read_only { Exit::Failed } else { Exit::Done })
}

fn look(config: &Config, most_files: usize) -> Result<Shown, BufferError> {
    Ok(match Buffer::open_to_show(&config.agent.state_dir)? {
        None => Shown {
            totals: Totals::default(),
            machines: Vec::new(),
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
        },
        Some(buffer) => Shown {
            totals: buffer.reports().totals()?,
            machines: buffer.reports().machines()?,
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
        },
    })
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
