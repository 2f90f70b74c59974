//! The agent's log: its set-up, and one function per message that an operator acts on. WARN: nothing
//! is lost, someone may want to look. ERROR: loss, or an operator is needed.

use std::{collections::BTreeMap, error::Error, path::Path, time::Duration};

use simplelog::{ConfigBuilder, WriteLogger};

mod journald;
mod log_once;
mod one_line;

pub use journald::marked_for_journal;
pub use log_once::LogOnce;
use one_line::{MOST_CHARS, OWN_TARGET, OneLine};

use crate::{
    config::Config,
    model::{AlarmEvent, Day, Language, LinkName, Machine, Trouble, printable},
};

/// Starts the log on standard error. In systemd's journal each line has a priority, and its time is
/// the journal's affair.
pub fn start(level: log::LevelFilter) {
    // A second start (in tests) keeps the first logger.
    if journald::is_journal() {
        journald::JournalLogger::init(level).ok();
        return;
    }
    let mut config = ConfigBuilder::new();
    config
        .set_target_level(log::LevelFilter::Off)
        .set_thread_level(log::LevelFilter::Off)
        .set_location_level(log::LevelFilter::Off)
        .add_filter_allow_str(OWN_TARGET)
        .set_time_format_rfc3339();
    let logger = *WriteLogger::new(level, config.build(), std::io::stderr());
    if log::set_boxed_logger(Box::new(OneLine(logger))).is_ok() {
        log::set_max_level(level);
    }
}

/// An error with all its causes on one line, printable whoever wrote them.
pub fn chain(error: &dyn Error) -> String {
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
pub fn folders(source: &str, found: &[String], mapped: &BTreeMap<String, Machine>) {
    let missing: Vec<&str> =
        mapped.keys().filter(|name| !found.contains(name)).map(String::as_str).collect();
    let unmapped: Vec<&str> =
        found.iter().filter(|name| !mapped.contains_key(*name)).map(String::as_str).collect();
    let quoted = |names: &[&str]| {
        names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    };
    log::info!("{source}: {} of {} folders found", mapped.len() - missing.len(), mapped.len());
    if !missing.is_empty() {
        log::warn!("{source}: folders missing on the server: {}", quoted(&missing));
    }
    if !unmapped.is_empty() {
        log::info!("{source}: folders not mapped to a machine, left alone: {}", quoted(&unmapped));
    }
}

/// Told once until the root can be listed.
pub fn root_refused(source: &str, error: &dyn Error) {
    log::warn!("{source}: its root: {}; the mapped folders are asked for by name", chain(error));
}

/// What of a source cannot be read; told when it begins and when it is over.
pub fn trouble(trouble: &Trouble) {
    log::warn!(
        "{}: {:?}: {}",
        trouble.key.source,
        trouble.key.place(),
        trouble.text(Language::English)
    );
}

pub fn trouble_over(trouble: &Trouble) {
    let (source, place) = (&trouble.key.source, trouble.key.place());
    log::info!("{source}: {place:?}: over: {}", trouble.key.kind.text(Language::English));
}

pub fn file_read(folder: &str, name: &str, events: u64, rejected: u64, bytes: u64, took: Duration) {
    log::info!(
        "{folder}/{name}: {events} events, {rejected} rejects, {bytes} bytes, {} ms",
        took.as_millis()
    );
}

pub fn file_failed(source: &str, folder: &str, name: &str, error: &dyn Error) {
    log::warn!("{source}: {folder}/{name} not read this time: {}", chain(error));
}

pub fn file_read_again(source: &str, folder: &str, name: &str) {
    log::info!("{source}: {folder}/{name} is read again");
}

pub fn file_refused(source: &str, folder: &str, name: &str, refusal: &str) {
    log::warn!("{source}: {folder}/{name} refused: {refusal}");
}

pub fn file_deleted(
    source: &str,
    folder: &str,
    name: &str,
    bytes: u64,
    witnesses: &dyn std::fmt::Display,
) {
    log::info!(
        "{source}: {folder}/{name} deleted, its {bytes} bytes and sessions are in central; {witnesses}"
    );
}

/// A date of a file that nothing else bears out. Told once.
pub fn implausible_date(source: &str, folder: &str, name: &str, claim: &dyn std::fmt::Display) {
    log::warn!(
        "{source}: {folder}/{name} has an implausible date: {claim}; nothing is deleted by it"
    );
}

/// The source said that a file is deleted, and lists it as it was.
pub fn deletion_without_effect(source: &str, folder: &str, name: &str) {
    log::warn!(
        "{source}: {folder}/{name} is still there although the server said that it deleted it; tried again in an hour \
         (allow the agent's user to delete there, or set delete = \"never\")"
    );
}

pub fn deletion_refused(source: &str, folder: &str, name: &str, error: &dyn Error) {
    log::warn!(
        "{source}: {folder}/{name} stays on the source, tried again in an hour: {} \
         (allow the agent's user to delete there, or set delete = \"never\")",
        chain(error)
    );
}

/// The listed size of a file changes and no line comes: from here on it only says that there may be more.
pub fn listed_size_says_nothing(source: &str, folder: &str, name: &str) {
    log::warn!(
        "{source}: the listed size of {folder}/{} keeps changing although no line came; it is taken as a sign of change only",
        printable(name, 255)
    );
}

/// What the source holds under the name is not what was read: nothing is deleted.
pub fn file_not_deleted(source: &str, folder: &str, name: &str) {
    log::warn!(
        "{source}: {folder}/{name} is not what was read of it any more, read again, not deleted"
    );
}

pub fn started(config: &Config, buffer: &Path) {
    log::info!(
        "cu-agent {} started: agent {:?}, {} sources, central {}, buffer {}",
        env!("CARGO_PKG_VERSION"),
        config.agent.id,
        config.sources.len(),
        config.central.as_ref().map_or("none".to_owned(), |central| central.host.clone()),
        buffer.display()
    );
}

/// The service manager's watchdog will end the process and start it anew.
pub fn loop_hangs(name: &str) {
    log::error!("the loop {name:?} hangs: the watchdog is not fed any more");
}

pub fn ended() {
    log::info!("stopped");
}

/// The end was wished while a server was being waited for; what was read before is kept.
pub fn ended_while_waiting() {
    log::info!("stopped while waiting for a server; what was read before is kept");
}

/// What a cycle over one source came to.
#[derive(Clone, Copy, Debug)]
pub struct Cycle<'c> {
    pub source: &'c str,
    pub files_listed: u64,
    pub files_read: u64,
    pub files_failed: u64,
    /// Read, and not one line of them understood.
    pub files_without_lines: u64,
    pub sessions_changed: u64,
    pub took: Duration,
}

/// One line a cycle: files, and where any was tried, success rate and files a minute.
pub fn cycle(cycle: Cycle<'_>) {
    let Cycle { source, files_listed, files_read, files_failed, sessions_changed, took, .. } =
        cycle;
    let tried = files_read + files_failed;
    let mut rates = String::new();
    if tried > 0 {
        let understood = files_read.saturating_sub(cycle.files_without_lines);
        let success = 100.0 * understood as f64 / tried as f64;
        let minutes = took.as_secs_f64().max(0.001) / 60.0;
        let a_minute = files_read as f64 / minutes;
        rates = format!("{success:.0} % success, {a_minute:.0} files a minute, ");
    }
    log::info!(
        "{source}: cycle: {files_read} of {files_listed} files read, {files_failed} failed, {rates}{sessions_changed} sessions changed, {} ms",
        took.as_millis()
    );
}

pub fn link_down(link: &LinkName, error: &str) {
    log::warn!("{link}: link down: {error}");
}

pub fn link_up(link: &LinkName, sessions: u64, rows: u64) {
    log::info!("{link}: link up, {sessions} sessions with {rows} rows sent");
}

pub fn source_up(link: &LinkName) {
    log::info!("{link}: link up");
}

pub fn sent(sessions: u64, rows: u64, found_equal: u64, set_aside: u64) {
    log::info!(
        "central: {sessions} sessions with {rows} rows sent, {found_equal} found equal, {set_aside} set aside"
    );
}

pub fn schema_newer(version: i32) {
    log::info!("central: its tables are of a newer release (migration {version}); they serve");
}

pub fn schema_migrated(pending: &[i32], applied: &[i32]) {
    log::info!("central: migrations {applied:?} of {pending:?} applied");
}

/// The gateway's own row in central: sessions go on without it. Told once.
pub fn edge_not_shown(error: &dyn Error) {
    log::warn!(
        "central: this gateway does not stand in agent_edge for now, sessions are delivered all the same: {}",
        chain(error)
    );
}

pub fn edge_shown_again() {
    log::info!("central: this gateway stands in agent_edge again");
}

/// Central was restored from an older backup, or rows were changed by hand.
pub fn central_lost(sessions: usize) {
    log::warn!("central: {sessions} sessions are not what was delivered; they are sent again");
}

/// A machine is fed by another agent, or by a copy of this one: an operator ends one of the two.
pub fn claimed(nom: &str, by: &dyn std::fmt::Display) {
    log::error!(
        "{nom}: two agents claim this machine, nothing is sent for it: {by}; see \"Two agents\" in docs/guarantees.md"
    );
}

pub fn claim_over(nom: &str) {
    log::info!("{nom}: no other agent claims this machine any more");
}

pub fn set_aside(nom: &str, day: Day, reason: &str, again_after: Duration) {
    let minutes = again_after.as_secs() / 60;
    log::error!("{nom} {day}: set aside, tried again after {minutes} minutes: {reason}");
}

pub fn alarm(event: AlarmEvent, text: &str) {
    match event {
        AlarmEvent::Raised | AlarmEvent::Repeated => {
            log::warn!("alarm {}: {text}", event.as_str());
        }
        AlarmEvent::Cleared => log::info!("alarm cleared: {text}"),
    }
}

pub fn alarms_are_off(error: &dyn Error) {
    log::error!("alarms are not sent: {}", chain(error));
}

/// They wait in the buffer.
pub fn alarms_are_not_taken(error: &dyn Error) {
    log::warn!("alarms wait: {}", chain(error));
}

pub fn alarms_are_taken_again() {
    log::info!("alarms are taken again");
}

pub fn heartbeat_failed(error: &dyn Error) {
    log::warn!("the heartbeat is not taken: {}", chain(error));
}

pub fn health_cannot_answer(path: &Path, error: &dyn Error) {
    log::warn!("cu-agent health will get no answer at {}: {}", path.display(), chain(error));
}

pub fn buffer_failed(error: &dyn Error) {
    log::error!("{}", chain(error));
}

pub fn imported(file: &Path, nom: &str, events: u64, rejected: u64, bytes: u64) {
    log::info!(
        "{}: imported for {nom}, {events} events, {rejected} rejects, {bytes} bytes",
        file.display()
    );
}

/// What it held is read again from the sources, or is in central already.
pub fn buffer_set_aside(reason: &dyn Error, kept_as: &Path) {
    log::error!(
        "{}; it is kept as {}, and a new buffer is filled from the sources",
        chain(reason),
        kept_as.display()
    );
}

/// An older version was put back: what was read since the schema changed is read again.
pub fn buffer_went_back(kept_as: &Path) {
    log::error!(
        "the buffer was written by a newer cu-agent; it is kept as {}, and the copy made before goes on: what was read since is read again",
        kept_as.display()
    );
}

pub fn buffer_works_again() {
    log::info!("the buffer works again");
}

pub fn page_listens(at: std::net::SocketAddr) {
    log::info!("the page is at http://{at}/");
}

/// Said once; it is tried again for as long as the service runs.
pub fn page_cannot_listen(at: std::net::SocketAddr, error: &dyn Error) {
    log::warn!(
        "status.listen = \"{at}\": no page yet, tried again: {}; collecting goes on",
        chain(error)
    );
}

pub fn page_failed(target: &str) {
    log::error!("the page {target:?} has a fault; collecting goes on");
}

pub fn made_room(files: u64, sessions: u64) {
    log::info!(
        "the buffer was at its cap: raw bytes of {files} files and {sessions} sessions, all in central, made room"
    );
}

pub fn at_cap(at_cap: bool, max_bytes: u64) {
    if at_cap {
        log::error!(
            "the buffer is at agent.max_buffer_size = {max_bytes} and all of it still waits for central: nothing more is read until there is room"
        );
    } else {
        log::info!("the buffer has room again: reading goes on");
    }
}

/// A day whose raw bytes made room got another file.
pub fn day_kept<'n>(day: Day, files: impl Iterator<Item = &'n String>) {
    let files: Vec<&str> = files.map(String::as_str).collect();
    log::warn!(
        "{day}: kept as it is, its older raw bytes made room and cannot be joined with {}",
        files.join(", ")
    );
}

pub fn update_step(what: &str) {
    log::info!("update: {what}");
}

/// The power was cut, or the updater killed, while an update was under way.
pub fn update_taken_up(version: &str, phase: &str) {
    log::warn!("update: the one to {version} was interrupted while {phase}; it is taken up again");
}
