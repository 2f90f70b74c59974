//! The agent's log: its set-up, and one function per message that an operator acts on. WARN: nothing
//! is lost, no action is needed at once. ERROR: loss, or an operator is needed.

use std::{collections::BTreeMap, error::Error, fmt, path::Path, time::Duration};

mod journald;
mod log_once;
mod machines;
mod one_line;
mod plant_calendar;
mod security;
mod settings;
mod stderr;

pub(crate) use journald::marked_for_journal;
pub(crate) use log_once::LogOnce;
pub(crate) use machines::*;
use one_line::MOST_CHARS;
pub(crate) use plant_calendar::*;
pub(crate) use security::*;
pub(crate) use settings::*;

use crate::{
    config::Config,
    model::{AlarmEvent, Day, Language, LinkName, Machine, ReportName, Trouble, printable},
    text::counted,
};

/// Starts the log on standard error. In systemd's journal each line has a priority; elsewhere its time is what `now` says.
pub(crate) fn start(level: log::LevelFilter, now: stderr::WallClock) {
    stderr::start(level, now);
}

/// An error with all its causes on one line, made safe to print.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text += ": ";
            text += &inner_text;
        }
        cause = inner.source();
    }
    printable(&text, MOST_CHARS)
}

/// Folders found against folders mapped.
pub(crate) fn folders(source: &str, found: &[String], mapped: &BTreeMap<String, Machine>) {
    let missing: Vec<&str> =
        mapped.keys().filter(|name| !found.contains(name)).map(String::as_str).collect();
    let unmapped: Vec<&str> =
        found.iter().filter(|name| !mapped.contains_key(*name)).map(String::as_str).collect();
    let quoted = |names: &[&str]| {
        names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    };
    log::info!(
        "{source}: {} of {} configured folders found",
        mapped.len() - missing.len(),
        mapped.len()
    );
    if !missing.is_empty() {
        log::warn!(
            "{source}: folders missing, their machines are not read: {}; correct [source.folders] or create them",
            quoted(&missing)
        );
    }
    if !unmapped.is_empty() {
        log::info!("{source}: ignoring folders not mapped to a machine: {}", quoted(&unmapped));
    }
}

/// Logged once until the root can be listed.
pub(crate) fn root_refused(source: &str, error: &dyn Error) {
    log::warn!(
        "{source}: the root folder cannot be listed, listing the mapped folders by name instead: {}",
        chain(error)
    );
}

/// What of a source cannot be read; logged when it begins and when it is over.
pub(crate) fn trouble(trouble: &Trouble) {
    log::warn!(
        "{}: {:?}: {}",
        trouble.key.source,
        trouble.key.place(),
        trouble.text(Language::English)
    );
}

pub(crate) fn trouble_over(trouble: &Trouble) {
    let (source, place) = (&trouble.key.source, trouble.key.place());
    log::info!("{source}: {place:?}: resolved: {}", trouble.key.kind.text(Language::English));
}

pub(crate) fn file_read(
    folder: &str,
    name: &str,
    events: u64,
    rejected: u64,
    bytes: u64,
    took: Duration,
) {
    log::info!(
        "{folder}/{name}: {}, {}, {bytes} bytes, {} ms",
        counted(events, "event", "events"),
        counted(rejected, "rejected line", "rejected lines"),
        took.as_millis()
    );
}

pub(crate) fn file_failed(source: &str, folder: &str, name: &str, error: &dyn Error) {
    log::warn!(
        "{source}: {folder}/{name} could not be read, retrying at the next poll: {}",
        chain(error)
    );
}

pub(crate) fn file_read_again(source: &str, folder: &str, name: &str) {
    log::info!("{source}: {folder}/{name} can be read again");
}

pub(crate) fn file_refused(source: &str, folder: &str, name: &str, refusal: &str) {
    log::warn!("{source}: {folder}/{name} refused: {refusal}");
}

pub(crate) fn file_deleted(
    source: &str,
    folder: &str,
    name: &str,
    bytes: u64,
    witnesses: &dyn std::fmt::Display,
) {
    log::info!(
        "{source}: {folder}/{name} deleted on the source: all its {bytes} bytes were read and its sessions are in central; {witnesses}"
    );
}

/// A date of a file that nothing else confirms. Logged once.
pub(crate) fn implausible_date(
    source: &str,
    folder: &str,
    name: &str,
    claim: &dyn std::fmt::Display,
) {
    log::warn!(
        "{source}: {folder}/{name} has an implausible date: {claim}; no file is deleted because of it"
    );
}

/// The source said that a file is deleted, and lists it as it was.
pub(crate) fn deletion_without_effect(source: &str, folder: &str, name: &str) {
    log::warn!(
        "{source}: {folder}/{name} is still there although the server confirmed its deletion; retrying in an hour \
         (allow the agent's user to delete there, or set delete = \"never\")"
    );
}

pub(crate) fn deletion_refused(source: &str, folder: &str, name: &str, error: &dyn Error) {
    log::warn!(
        "{source}: {folder}/{name} could not be deleted, retrying in an hour: {} \
         (allow the agent's user to delete there, or set delete = \"never\")",
        chain(error)
    );
}

/// The listed size of a file changes and no line comes: from here on it only says that there may be more.
pub(crate) fn listed_size_says_nothing(source: &str, folder: &str, name: &str) {
    log::warn!(
        "{source}: the listed size of {folder}/{} keeps changing but no new line arrives; from now on the size is used only to detect changes",
        printable(name, 255)
    );
}

/// What the source holds under the name is not what was read: nothing is deleted.
pub(crate) fn file_not_deleted(source: &str, folder: &str, name: &str) {
    log::warn!(
        "{source}: {folder}/{name} changed at its source since it was read; reading it again instead of deleting it"
    );
}

pub(crate) fn started(config: &Config, buffer: &Path) {
    log::info!(
        "cu-agent {} started: agent {:?}, {} sources, central {}, buffer {}",
        env!("CARGO_PKG_VERSION"),
        config.agent.id,
        config.sources.len(),
        config.central.as_ref().map_or("none".to_owned(), |central| central.host.to_string()),
        buffer.display()
    );
}

/// The service manager's watchdog will end the process and restart it.
pub(crate) fn loop_hangs(name: &str) {
    log::error!("worker {name} is stuck; systemd will restart the agent");
}

pub(crate) fn ended() {
    log::info!("stopped");
}

/// The shutdown was requested while a server was being waited for; what was read before is kept.
pub(crate) fn ended_while_waiting() {
    log::info!("stopped while waiting for a server; everything read before is kept");
}

/// What a cycle over one source came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cycle<'c> {
    pub source: &'c str,
    pub files_listed: u64,
    pub files_read: u64,
    pub files_failed: u64,
    /// Read, but not one line of them was understood.
    pub files_without_lines: u64,
    pub sessions_changed: u64,
    pub took: Duration,
}

/// One line per cycle: files, and if any was tried, success rate and files per minute.
pub(crate) fn cycle(cycle: Cycle<'_>) {
    let Cycle { source, files_listed, files_read, files_failed, sessions_changed, took, .. } =
        cycle;
    let tried = files_read + files_failed;
    let mut rates = String::new();
    if tried > 0 {
        let understood = files_read.saturating_sub(cycle.files_without_lines);
        let success = 100.0 * understood as f64 / tried as f64;
        let minutes = took.as_secs_f64().max(0.001) / 60.0;
        let per_minute = files_read as f64 / minutes;
        rates = format!("{success:.0} % success, {per_minute:.0} files per minute, ");
    }
    log::info!(
        "{source}: cycle: {files_read} of {files_listed} files read, {files_failed} failed, {rates}{} changed, {} ms",
        counted(sessions_changed, "session", "sessions"),
        took.as_millis()
    );
}

pub(crate) fn link_down(link: &LinkName, error: &str) {
    log::warn!("{link}: link down, retrying: {error}");
}

pub(crate) fn link_up(link: &LinkName, sessions: u64, rows: u64) {
    log::info!("{link}: link up, {} sent", sessions_with_rows(sessions, rows));
}

/// Nothing that the agent itself needs is among `pending`.
pub(crate) fn schema_behind(pending: &[i32], error: &dyn Error) {
    log::warn!(
        "central: migrations {pending:?} were not applied, sessions are delivered without: {}",
        chain(error)
    );
}

/// `passed_over` says why others were not taken.
pub(crate) fn central_at(host: &str, passed_over: Option<&impl fmt::Display>) {
    match passed_over {
        None => log::info!("central: connected to {host}"),
        Some(others) => log::warn!("central: connected to {host}; not used: {others}"),
    }
}

pub(crate) fn source_up(link: &LinkName) {
    log::info!("{link}: link up");
}

pub(crate) fn sent(sessions: u64, rows: u64, found_equal: u64, set_aside: u64) {
    log::info!(
        "central: {} sent, {found_equal} already up to date, {set_aside} quarantined",
        sessions_with_rows(sessions, rows)
    );
}

fn sessions_with_rows(sessions: u64, rows: u64) -> String {
    let sessions = counted(sessions, "session", "sessions");
    format!("{sessions} with {}", counted(rows, "row", "rows"))
}

pub(crate) fn central_unfit(what: &dyn std::fmt::Display) {
    log::error!("central: {what}");
}

pub(crate) fn texts_changed(encoding: &str, texts: u64) {
    if texts > 0 {
        log::info!(
            "central: its database is in {encoding}, which does not have every character of {texts} texts: similar ones were written"
        );
    }
}

pub(crate) fn schema_newer(version: i32) {
    log::info!(
        "central: its tables are from a newer release (migration {version}), which this release can use"
    );
}

pub(crate) fn schema_migrated(pending: &[i32], applied: &[i32]) {
    log::info!("central: applied migrations {applied:?} of {pending:?}");
}

/// The gateway's own row in central: sessions are delivered without it. Logged once.
pub(crate) fn edge_not_shown(error: &dyn Error) {
    log::warn!(
        "central: cannot update this gateway's row in agent_edge; sessions are still delivered: {}",
        chain(error)
    );
}

pub(crate) fn edge_shown_again() {
    log::info!("central: this gateway's row in agent_edge is updated again");
}

/// Central was restored from an older backup, or rows were changed by hand; `which` says how many in what, and
/// names some.
pub(crate) fn central_lost(sessions: u64, which: &dyn std::fmt::Display) {
    log::warn!(
        "central: {} from what was delivered (a backup restored, or rows changed by hand?); sending again: {which}",
        counted(sessions, "session differs", "sessions differ")
    );
}

/// Sessions that an earlier release delivered get what this one writes in addition.
pub(crate) fn central_completed(sessions: u64) {
    log::info!(
        "central: {} with what this release adds",
        counted(
            sessions,
            "session of an earlier release is delivered",
            "sessions of an earlier release are delivered"
        )
    );
}

/// Columns of central's have a type that cannot hold what is delivered; nobody notices a change there.
pub(crate) fn not_compared(columns: &[String]) {
    if !columns.is_empty() {
        log::warn!(
            "central: columns whose type cannot hold what is delivered are not compared: {}",
            columns.join(", ")
        );
    }
}

pub(crate) fn set_aside(nom: &str, day: Day, reason: &str, again_after: Duration) {
    let minutes = counted(again_after.as_secs() / 60, "minute", "minutes");
    log::error!("{nom} {day}: session quarantined, retrying in {minutes}: {reason}");
}

pub(crate) fn planned_day_set_aside(nom: &str, day: Day, reason: &str, again_after: Duration) {
    let minutes = counted(again_after.as_secs() / 60, "minute", "minutes");
    log::error!(
        "{nom} {day}: the times of this planned day are not in central, retrying in {minutes}: {reason}"
    );
}

pub(crate) fn alarm(event: AlarmEvent, text: &str) {
    match event {
        AlarmEvent::Raised | AlarmEvent::Repeated => {
            log::warn!("alarm {}: {text}", event.as_str());
        }
        AlarmEvent::Cleared => log::info!("alarm cleared: {text}"),
    }
}

pub(crate) fn alarms_are_off(error: &dyn Error) {
    log::error!("alarms are off: {}; correct this and restart the agent", chain(error));
}

/// They wait in the buffer.
pub(crate) fn alarms_are_not_taken(error: &dyn Error) {
    log::warn!("alarms cannot be sent, retrying: {}", chain(error));
}

pub(crate) fn alarms_are_taken_again() {
    log::info!("alarm delivery restored");
}

pub(crate) fn heartbeat_failed(error: &dyn Error) {
    log::warn!("the heartbeat cannot be sent, retrying: {}", chain(error));
}

pub(crate) fn reports_are_not_sent(error: &dyn Error) {
    log::error!(
        "weekly reports are not sent: {}; correct this and restart the agent",
        chain(error)
    );
}

/// They wait in their folder.
pub(crate) fn reports_are_not_taken(error: &dyn Error) {
    log::warn!("weekly reports cannot be sent, retrying: {}", chain(error));
}

pub(crate) fn reports_are_sent_again() {
    log::info!("delivery of weekly reports restored");
}

pub(crate) fn report_was_sent(name: &ReportName, host: &str) {
    log::info!("weekly report {name} sent to {host}");
}

pub(crate) fn reports_are_not_found(error: &dyn Error) {
    log::warn!("weekly reports: {}", chain(error));
}

pub(crate) fn health_cannot_answer(path: &Path, error: &dyn Error) {
    log::warn!(
        "cannot listen at {}, so cu-agent health gets no answer: {}",
        path.display(),
        chain(error)
    );
}

pub(crate) fn buffer_failed(error: &dyn Error) {
    log::error!("{}; retrying", chain(error));
}

pub(crate) fn imported(file: &Path, nom: &str, events: u64, rejected: u64, bytes: u64) {
    log::info!(
        "{}: imported for {nom}, {}, {}, {bytes} bytes",
        file.display(),
        counted(events, "event", "events"),
        counted(rejected, "rejected line", "rejected lines")
    );
}

/// What it held is read again from the sources, or is in central already.
pub(crate) fn buffer_set_aside(reason: &dyn Error, kept_as: &Path) {
    log::error!(
        "{}; it was renamed to {}, and a new buffer is being filled from the sources",
        chain(reason),
        kept_as.display()
    );
}

/// After a downgrade: what was read since the schema changed is read again.
pub(crate) fn buffer_went_back(kept_as: &Path) {
    log::error!(
        "the buffer was written by a newer cu-agent; it was renamed to {}, and the copy made before the upgrade is used: what was read since is read again",
        kept_as.display()
    );
}

pub(crate) fn buffer_works_again() {
    log::info!("the buffer works again");
}

pub(crate) fn page_listens(at: std::net::SocketAddr) {
    log::info!("the status page is at http://{at}/");
}

/// Logged once; it is retried for as long as the service runs.
pub(crate) fn page_cannot_listen(at: std::net::SocketAddr, error: &dyn Error) {
    log::warn!(
        "status.listen = \"{at}\": cannot serve the status page, retrying: {}; collecting continues",
        chain(error)
    );
}

pub(crate) fn page_failed(target: &str) {
    log::error!("the status page failed to answer {target:?}; collecting continues");
}

pub(crate) fn made_room(files: u64, sessions: u64) {
    log::info!(
        "the buffer had reached agent.max_buffer_size: removed the raw bytes of {} and {} to make room; all of that is in central",
        counted(files, "file", "files"),
        counted(sessions, "session", "sessions")
    );
}

pub(crate) fn at_cap(at_cap: bool, max_bytes: u64) {
    if at_cap {
        log::error!(
            "the buffer is full (agent.max_buffer_size = {max_bytes}) and all of it still waits for central: reading has stopped until central accepts sessions; to read on without it, raise agent.max_buffer_size"
        );
    } else {
        log::info!("the buffer has room again: reading continues");
    }
}

/// A day whose raw bytes made room got another file.
pub(crate) fn day_kept<'n>(day: Day, files: impl Iterator<Item = &'n String>) {
    let files: Vec<&str> = files.map(String::as_str).collect();
    log::warn!(
        "{day}: the session stays as it is: older raw bytes of this day were removed to make room, so it cannot be recomputed with {}",
        files.join(", ")
    );
}

pub(crate) fn update_step(what: &str) {
    log::info!("update: {what}");
}

/// The power was cut, or the updater killed, while an update was under way.
pub(crate) fn update_taken_up(version: &str, phase: &str) {
    log::warn!("update: the update to {version} was interrupted while {phase}; resuming it");
}
