//! `cu-agent status`: machines, last reading, what waits, what was refused, links and disk.

use std::{collections::BTreeSet, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{Exit, LogTo, configured, print, print_json, table::table};
use crate::{
    agent::Clock,
    buffer::{
        AsideReport, Buffer, BufferError, FileReport, Holder, LinkState, MachineReport, StateLock,
        Totals, known_version,
    },
    collect::implausible_files,
    config::{Config, SourceConfig},
    model::{Collected, Language, LinkName, ServiceTold, Trouble, TroubleKey, printable},
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// For programs.
    #[arg(long)]
    json: bool,
    /// At most this many files with refused or odd lines.
    #[arg(long, value_name = "N", default_value_t = 20)]
    files: usize,
}

/// Longest name of a file that is shown.
const MOST_NAME_CHARS: usize = 200;

/// Reasons for setting sessions aside that are shown.
const MOST_REASONS: usize = 20;

/// Files with implausible dates that are shown to people.
const MOST_IMPLAUSIBLE: usize = 20;

/// Everything that is shown, read in one go.
struct Shown {
    totals: Totals,
    machines: Vec<MachineReport>,
    set_aside: Vec<AsideReport>,
    files: Vec<FileReport>,
    links: Vec<LinkState>,
    troubles: Vec<Trouble>,
    implausible: Vec<ImplausibleDate>,
    buffer_bytes: u64,
    /// The file's schema; `None` where there is no buffer.
    schema: Option<usize>,
    /// Machines whose LOG grew a moment ago.
    producing: BTreeSet<String>,
    /// Who works on the buffer, and what it has collected.
    holder: Option<(Holder, Option<Collected>)>,
}

/// A machine whose LOG did not grow for this long, and one poll more, does not produce.
const SILENT_AFTER: Duration = Duration::from_secs(15 * 60);

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let shown = look(&config, arguments.files)?;
    if arguments.json {
        print_json(&format!("{:#}\n", as_json(&config, &shown)))?;
    } else {
        print(&as_text(&config, &shown))?;
    }
    Ok(Exit::Done)
}

fn look(config: &Config, most_files: usize) -> Result<Shown, BufferError> {
    Ok(match Buffer::open_to_show(&config.agent.state_dir)? {
        None => Shown {
            totals: Totals::default(),
            machines: Vec::new(),
            set_aside: Vec::new(),
            files: Vec::new(),
            links: Vec::new(),
            troubles: Vec::new(),
            implausible: Vec::new(),
            buffer_bytes: 0,
            schema: None,
            producing: BTreeSet::new(),
            holder: StateLock::holder(&config.agent.state_dir),
        },
        Some(buffer) => Shown {
            totals: buffer.totals()?,
            machines: buffer.machines()?,
            set_aside: buffer.set_aside_sessions(MOST_REASONS)?,
            files: buffer.remarkable_files(most_files)?,
            links: buffer.links()?,
            troubles: configured_troubles(config, buffer.troubles()?),
            implausible: implausible_dates(config, &buffer)?,
            buffer_bytes: buffer.size_bytes(),
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
fn folder_state<'s>(
    folder: &str,
    link: Option<&'s LinkState>,
    source: &SourceConfig,
    troubles: &'s [Trouble],
) -> (&'static str, Option<&'s str>, Option<String>) {
    let is_own = |key: &TroubleKey| key.source == source.name && key.folder == folder;
    match link {
        None => ("unknown", None, None),
        Some(link) if !link.up => ("unknown", Some(&link.since), link.error.clone()),
        Some(_) => {
            let hides = |one: &&Trouble| is_own(&one.key) && one.key.kind.hides_machine();
            match troubles.iter().find(hides) {
                Some(one) => {
                    (one.key.kind.as_str(), Some(&one.since), Some(one.text(Language::English)))
                }
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
        for (file, claim) in implausible_files(buffer.dated_files(&source.name)?) {
            let name = printable(&format!("{}/{}", file.folder, file.name), MOST_NAME_CHARS);
            let source = source.name.clone();
            all.push(ImplausibleDate { source, file: name, reason: claim.to_string() });
        }
    }
    Ok(all)
}

fn implausible_as_json(dates: &[ImplausibleDate]) -> Value {
    let one = |date: &ImplausibleDate| json!({ "source": date.source, "file": date.file, "reason": date.reason });
    dates.iter().map(one).collect()
}

fn implausible_as_text(dates: &[ImplausibleDate], most: usize) -> String {
    if dates.is_empty() {
        return String::new();
    }
    let mut text =
        format!("\nfiles with implausible dates, {}; nothing is deleted by them:\n", dates.len());
    for ImplausibleDate { file, reason, .. } in dates.iter().take(most) {
        text += &format!("  {file}: {reason}\n");
    }
    text
}

/// By the computer's running time. A file that did not grow since it was started belongs to nobody
/// who produces now.
fn producing(config: &Config, buffer: &Buffer) -> Result<BTreeSet<String>, BufferError> {
    let now = Clock::start().now();
    let silent_after = SILENT_AFTER + config.schedule.poll;
    let growing = buffer.growing()?.into_iter().filter_map(|(nom, mark)| {
        let mark = mark.filter(|mark| *mark.boot == *now.boot)?;
        (now.quiet_for(Some(&mark)) < silent_after).then_some(nom)
    });
    Ok(growing.collect())
}

/// The process at work, for programs: its number and, once it has collected, its version and the
/// sources that did not answer.
fn service((holder, collected): &(Holder, Option<Collected>)) -> ServiceTold {
    let (process, since) = match holder {
        Holder::Known(known) => (Some(known.process), known.since.clone()),
        Holder::Said(_) | Holder::Unnamed => (None, None),
    };
    ServiceTold { process, since, collected: collected.clone() }
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

fn as_json(config: &Config, shown: &Shown) -> Value {
    let Shown { totals, machines, set_aside, files, links, troubles, buffer_bytes, .. } = shown;
    let (state, link) = central(config, links);
    json!({
        "agent": config.agent.id,
        "version": env!("CARGO_PKG_VERSION"),
        "sessions": totals.sessions,
        "pending_sessions": totals.pending_sessions,
        "set_aside_sessions": totals.set_aside_sessions,
        "oldest_pending_day": totals.oldest_pending_day.map(|day| day.to_string()),
        "files": totals.files,
        "refused_files": totals.refused_files,
        "raw_bytes": totals.raw_bytes,
        "buffer_bytes": buffer_bytes,
        "max_buffer_bytes": config.agent.max_buffer_bytes,
        "schema": shown.schema,
        "schema_known": known_version(),
        "producing": shown.producing,
        "service": shown.holder.as_ref().map(service),
        "central": {
            "state": state,
            "since": link.map(|link| &link.since),
            "error": link.and_then(|link| link.error.as_ref()),
        },
        "sources": config.sources.iter().map(|source| {
            let link = links.iter().find(|link| link.name.is_source(&source.name));
            json!({
                "name": source.name,
                "state": link.map_or("unknown", |link| if link.up { "up" } else { "down" }),
                "since": link.map(|link| &link.since),
                "error": link.and_then(|link| link.error.as_ref()),
                "folders": source.folders.iter().map(|(folder, machine)| {
                    let (state, since, error) = folder_state(folder, link, source, troubles);
                    json!({
                        "folder": folder,
                        "machine": machine.nom,
                        "state": state,
                        "since": since,
                        "error": error,
                    })
                }).collect::<Vec<_>>(),
            })
        }).collect::<Vec<_>>(),
        "troubles": troubles.iter().map(|one| json!({
            "source": one.key.source,
            "folder": one.key.folder,
            "file": Some(&one.key.file).filter(|file| !file.is_empty()),
            "kind": one.key.kind.as_str(),
            "since": one.since,
            "text": one.text(Language::English),
        })).collect::<Vec<_>>(),
        "machines": machines.iter().map(|machine| json!({
            "nom": machine.nom,
            "sessions": machine.sessions,
            "pending_sessions": machine.pending_sessions,
            "last_day": machine.last_day.map(|day| day.to_string()),
            "last_read_at": machine.last_read_at,
        })).collect::<Vec<_>>(),
        "set_aside": set_aside.iter().map(|aside| json!({
            "machine": aside.nom,
            "reason": aside.reason,
            "sessions": aside.sessions,
            "first_day": aside.first_day.to_string(),
            "last_day": aside.last_day.to_string(),
            "since": aside.since,
        })).collect::<Vec<_>>(),
        "implausible_dates": implausible_as_json(&shown.implausible),
        "remarkable_files": files.iter().map(|file| json!({
            "source": file.source,
            "file": format!("{}/{}", file.folder, file.name),
            "state": file.state,
            "refusal": file.refusal,
            "lines": file.lines,
            "events": file.events,
            "rejects": file.rejects.iter().map(|(reason, lines, first_line, sample)| json!({
                "reason": reason, "lines": lines, "first_line": first_line, "sample": sample,
            })).collect::<Vec<_>>(),
            "unknown_events": file.unknown.iter().map(|(name, events)| json!({
                "name": name, "events": events,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn as_text(config: &Config, shown: &Shown) -> String {
    let Shown { totals, machines, set_aside, files, links, troubles, buffer_bytes, .. } = shown;
    let mut text = format!(
        "agent {} (cu-agent {})\n\nsessions   {} in the buffer, {} waiting for central",
        config.agent.id,
        env!("CARGO_PKG_VERSION"),
        totals.sessions,
        totals.pending_sessions
    );
    if let Some(day) = totals.oldest_pending_day {
        text += &format!(", the oldest of {day}");
    }
    if totals.set_aside_sessions > 0 {
        text += &format!(", {} of them set aside (see below)", totals.set_aside_sessions);
    }
    let (state, link) = central(config, links);
    text += &format!("\ncentral    {state}{}", since(link));
    for source in &config.sources {
        let link = links.iter().find(|link| link.name.is_source(&source.name));
        let state = link.map_or("unknown", |link| if link.up { "up" } else { "down" });
        text += &format!("\nsource     {} {state}{}", source.name, since(link));
    }
    text += &format!(
        "\nbuffer     {} on disk of at most {}; {} files, {} refused\n",
        bytes(*buffer_bytes),
        bytes(config.agent.max_buffer_bytes),
        totals.files,
        totals.refused_files
    );
    if !machines.is_empty() {
        let rows: Vec<Vec<String>> = machines
            .iter()
            .map(|machine| {
                vec![
                    machine.nom.clone(),
                    machine.sessions.to_string(),
                    machine.pending_sessions.to_string(),
                    machine.last_day.map_or("-".into(), |day| day.to_string()),
                    machine.last_read_at.clone().unwrap_or_else(|| "-".into()),
                ]
            })
            .collect();
        let heads = ["machine", ">sessions", ">waiting", "last day", "last reading"];
        text += &format!("\n{}", table(&heads, &rows));
    }
    let hidden = unknown_machines(config, links, troubles);
    if !(hidden.is_empty() && troubles.is_empty()) {
        text += "\ncannot be read:\n";
    }
    for line in hidden {
        text += &format!("  {line}\n");
    }
    for one in troubles {
        text += &format!(
            "  {:?} since {}: {}\n",
            one.key.place(),
            one.since,
            one.text(Language::English)
        );
    }
    if !set_aside.is_empty() {
        text += "\nset aside, tried again slowly:\n";
    }
    for AsideReport { nom, reason, sessions, first_day, last_day, .. } in set_aside {
        let (nom, reason) = (shown_name(nom), printable(reason, MOST_REASON_CHARS));
        text += &format!("  {nom} {first_day} to {last_day}, {sessions} sessions: {reason}\n");
    }
    text += &implausible_as_text(&shown.implausible, MOST_IMPLAUSIBLE);
    if !files.is_empty() {
        text += "\nfiles with something to look at:\n";
    }
    for file in files {
        text += &format!(
            "  {}/{}: {} lines, {} events\n",
            shown_name(&file.folder),
            shown_name(&file.name),
            file.lines,
            file.events
        );
        if let Some(refusal) = &file.refusal {
            text += &format!("    refused: {}\n", printable(refusal, MOST_REASON_CHARS));
        }
        for (reason, lines, first_line, sample) in &file.rejects {
            text += &format!("    {reason}: {lines} (first in line {first_line}: {sample:?})\n");
        }
        for (name, events) in &file.unknown {
            text += &format!("    unknown event {name:?}: {events}\n");
        }
    }
    text
}

/// Names and reasons are of files, servers and central: each stays on its line.
fn shown_name(name: &str) -> String {
    printable(name, 255)
}

const MOST_REASON_CHARS: usize = 2000;

/// Of machines behind a source that does not answer, or whose folder cannot be read, nobody knows
/// whether they work.
fn unknown_machines(config: &Config, links: &[LinkState], troubles: &[Trouble]) -> Vec<String> {
    let mut lines = Vec::new();
    for source in &config.sources {
        let Some(link) = links.iter().find(|link| link.name.is_source(&source.name)) else {
            continue;
        };
        for (folder, machine) in &source.folders {
            let (state, since, _) = folder_state(folder, Some(link), source, troubles);
            if let (true, Some(since)) = (state != "read", since) {
                let why = if link.up { "its folder" } else { "its source" };
                let nom = &machine.nom;
                lines.push(format!("machine {nom} unknown since {since}: {why} cannot be read"));
            }
        }
    }
    lines
}

fn since(link: Option<&LinkState>) -> String {
    link.map_or(String::new(), |link| {
        let error = link
            .error
            .as_ref()
            .map_or(String::new(), |error| format!(": {}", printable(error, MOST_REASON_CHARS)));
        format!(" since {}{error}", link.since)
    })
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
