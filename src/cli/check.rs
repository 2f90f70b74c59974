//! `cu-agent check`: configuration, sources, central, disk and clock; each failure says how to fix it.

mod calendars;
mod replace;
mod settings;
mod sources;
mod start;

use std::path::Path;

use rustix::{
    fs::{Access, access},
    io::Errno,
};

mod host_keys;
mod hosts;

use super::{
    Exit, LogTo, configured,
    painted::{Painted, Tone, When},
    status::{ImplausibleDate, implausible_dates},
};
use crate::{
    agent::wall_clock_fault,
    alarms::Poster,
    buffer::{Buffer, BufferError, is_on_read_only_disk},
    config::{CentralConfig, CentralTls, Config, ignored_variables},
    logging,
    model::{CentralTold, Language, printable},
    sync::postgres::{
        CalendarThere, Central, CentralError, SchemaState, Server, ServerEncoding, Unfit, Weight,
        namesake,
    },
    text::counted,
    weekly::ReportPoster,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Look also at what central holds before the agent takes over from another service: who made its
    /// tables, what the migrations will change, and who else writes there. Counts every row; changes
    /// nothing.
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(config: &Path, arguments: &Arguments, colour: When) -> anyhow::Result<Exit> {
    let path = config;
    let config = configured(path, LogTo::StderrWarnings)?;
    let mut lines = Lines::default();
    lines.good("configuration", &format!("{} is usable", path.display()));
    settings::check(&mut lines, &config);
    start::check_files(&mut lines, path, &config);
    // What keeps it from being opened is reported with the buffer.
    let buffer = Buffer::open_read_only(&config.agent.state_dir).ok().flatten();
    for ignored in ignored_variables(&config, &|name| std::env::var(name).ok()) {
        lines.note("configuration", &ignored);
    }
    for source in &config.sources {
        sources::check(&mut lines, source, buffer.as_ref());
    }
    let mut calendar = None;
    match &config.central {
        Some(central) => {
            let delivered = |buffer: &Buffer| buffer.reports().delivered_machines().ok();
            let delivered = buffer.as_ref().and_then(delivered).unwrap_or_default();
            calendar = check_central(&mut lines, &config, central, &delivered);
        }
        None => lines.good("central", "not configured; sessions stay in the buffer"),
    }
    calendars::check(&mut lines, &config, buffer.as_ref(), calendar.as_ref());
    if arguments.replace {
        replace::check(&mut lines, &config);
    }
    let holder = start::check_state_dir(&mut lines, &config.agent.state_dir);
    if holder.is_ok() {
        check_buffer(&mut lines, &config);
    }
    start::check_page(&mut lines, &config, holder.ok().flatten().as_ref());
    start::check_update(&mut lines, &config);
    check_dates(&mut lines, &config);
    check_disk(&mut lines, &config);
    check_clock(&mut lines);
    check_alarms(&mut lines, &config);
    check_report(&mut lines, &config);
    lines.text.print(colour)?;
    Ok(if lines.all_good { Exit::Done } else { Exit::Failed })
}

struct Lines {
    text: Painted,
    all_good: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self { text: Painted::default(), all_good: true }
    }
}

impl Lines {
    fn good(&mut self, what: &str, text: &str) {
        self.add(Tone::Good, "ok", what, text);
    }

    fn note(&mut self, what: &str, text: &str) {
        self.add(Tone::Warn, "note", what, text);
    }

    fn bad(&mut self, what: &str, text: &str) {
        self.all_good = false;
        self.add(Tone::Bad, "FAIL", what, text);
    }

    fn add(&mut self, tone: Tone, mark: &str, what: &str, text: &str) {
        self.text.put(Some(tone), mark);
        self.text.push(&format!("{}{what}: {text}\n", " ".repeat(6 - mark.len())));
    }
}

/// Longest text of a server that is shown.
const LINE_CHARS: usize = 300;

/// `delivered`: machines of which central has confirmed something. What it has of the plant's calendar, if it
/// answers.
fn check_central(
    lines: &mut Lines,
    whole: &Config,
    config: &CentralConfig,
    delivered: &[String],
) -> Option<CalendarThere> {
    let what = "central";
    if config.host.are_several() {
        hosts::check(lines, config);
    }
    let mut creators = Vec::new();
    let mut server = None;
    let mut unfit = Vec::new();
    let mut host = String::new();
    let mut seen = Ok(Vec::new());
    let mut calendar = None;
    let state = Central::connect(config, "cu-agent check").and_then(|mut central| {
        host = if config.host.are_several() { central.host() } else { config.host.to_string() };
        server = Some(central.server().clone());
        creators = central.other_creators()?;
        if !delivered.is_empty() {
            central.expect_tables()?;
        }
        let state = central.schema_state()?;
        if !matches!(state, SchemaState::Behind { .. }) {
            unfit = central.unfit()?;
            seen = machines_there(&mut central, whole);
        }
        // What the first delivery makes is not missed.
        if !delivered.is_empty() || !matches!(state, SchemaState::Behind { .. }) {
            calendar = Some(central.plant_calendar()?);
        }
        Ok(state)
    });
    match state {
        Ok(SchemaState::Ready) => {
            lines.good(what, &format!("{host} answers, its tables are up to date"));
        }
        Ok(SchemaState::Newer { version }) => lines.good(
            what,
            &format!("{host} answers, its tables are from a newer release (migration {version})"),
        ),
        Ok(SchemaState::Behind { pending }) => lines.note(
            what,
            &format!(
                "{host} answers; migrations {pending:?} will be applied at the first delivery, or an administrator applies them with: cu-agent central migrate --print"
            ),
        ),
        // Told of each.
        Err(CentralError::NoHost { .. }) => {}
        Err(error) => lines.bad(what, &logging::chain(&error)),
    }
    match seen {
        Ok(notes) => notes.iter().for_each(|note| lines.note(what, note)),
        Err(error) => lines.bad(what, &logging::chain(&error)),
    }
    check_fitness(lines, what, &unfit, server.as_ref());
    for reason in server.iter().flat_map(|server| same_names(whole, server, delivered)) {
        lines.bad(what, &reason);
    }
    if let Some(note) = unprotected(config) {
        lines.note(what, note);
    }
    for creator in creators {
        lines.note(
            what,
            &format!(
                "role {} may create functions and tables in schema {}, which holds the agent's tables; to prevent that, an administrator runs: {}",
                printable(&creator.role, 100),
                printable(&creator.schema, 100),
                printable(&creator.mend(), 300)
            ),
        );
    }
    calendar
}

/// What of central's tables and of its encoding keeps texts or rows out.
fn check_fitness(lines: &mut Lines, what: &str, unfit: &[Unfit], server: Option<&Server>) {
    for one in unfit {
        match one.weight {
            Weight::Possible => lines.note(what, &one.to_string()),
            Weight::Mendable => {
                lines.bad(
                    what,
                    &format!("{one} (or `cu-agent central migrate`, if central.user may)"),
                );
            }
            Weight::Certain => lines.bad(what, &one.to_string()),
        }
    }
    if let Some(server) = server.filter(|server| server.encoding != ServerEncoding::Utf8) {
        let text = format!(
            "its database is in {}, which does not have every character: texts are written with similar ones (`cu-agent status` counts them); a database in UTF8 has them all",
            server.encoding_name
        );
        lines.note(what, &text);
    }
}

/// Machines whose name is another's in what the database's encoding has of it.
fn same_names(config: &Config, server: &Server, delivered: &[String]) -> Vec<String> {
    let machines = config.fed_machines();
    let noms = || machines.iter().map(|fed| fed.machine.nom.as_str());
    let reason = |nom| {
        let all = delivered.iter().map(String::as_str).chain(noms());
        let other = namesake(nom, all, server.encoding)?;
        let why = logging::same_machine_name(other, &server.encoding_name);
        Some(format!("{}: {why}", printable(nom, 100)))
    };
    noms().filter_map(reason).collect()
}

/// What people and other programs did to the agent's machines there.
fn machines_there(central: &mut Central, config: &Config) -> Result<Vec<String>, CentralError> {
    let machines: Vec<String> =
        config.fed_machines().into_iter().map(|fed| fed.machine.nom).collect();
    let mut notes = Vec::new();
    for one in central.centre_names(&machines)? {
        if one.machine != one.centre {
            notes.push(one.to_string());
        }
    }
    let left = central.left_over(&config.agent.id)?;
    if left.sessions > 0 {
        notes.push(format!(
            "{} in no centre; to see: {}",
            counted(
                left.sessions,
                "session that agents delivered is",
                "sessions that agents delivered are"
            ),
            logging::STRAY_SESSIONS
        ));
    }
    if left.details > 0 {
        notes.push(format!(
            "{} of pieces, waits, stops or jobs belong to no session, and nobody knows to which they did; to see some: SELECT * FROM piece_production WHERE session_id IS NULL LIMIT 20 (likewise periode_attente, periode_arret, job_profil)",
            counted(left.details, "row", "rows")
        ));
    }
    let mut told = CentralTold::default();
    told.add_writes(central.recent_foreign_writes(&machines)?.into_iter().rev().collect());
    notes.extend(
        told.writers.iter().map(|write| {
            format!("{write}; the agent restores what it delivered; stop this writer")
        }),
    );
    Ok(notes)
}

/// What the configured connection to central leaves unprotected.
fn unprotected(config: &CentralConfig) -> Option<&'static str> {
    match (config.tls, config.only_scram) {
        (CentralTls::VerifyFull, _) => None,
        (CentralTls::Disable, true) => Some(
            "tls = \"disable\": nothing is encrypted and the server is not verified: somebody between gateway and server could read and change all data except the password, and could take the server's place after the login; set central.tls = \"verify-full\"",
        ),
        (CentralTls::Disable, false) => Some(
            "tls = \"disable\" with require_auth = \"any\": nothing is encrypted and the server is not verified: somebody between gateway and server could read and change all data and obtain the password; set central.tls = \"verify-full\"",
        ),
        (CentralTls::Require, true) => Some(
            "tls = \"require\": the connection is encrypted, but the server is not verified: somebody between gateway and server could read and change all data except the password; set central.tls = \"verify-full\"",
        ),
        (CentralTls::Require, false) => Some(
            "tls = \"require\" with require_auth = \"any\": the connection is encrypted, but the server is not verified: somebody between gateway and server could read and change all data and obtain the password; set central.tls = \"verify-full\"",
        ),
    }
}

fn check_buffer(lines: &mut Lines, config: &Config) {
    let what = "buffer";
    let state_dir = &config.agent.state_dir;
    match Buffer::open_read_only(state_dir) {
        Ok(Some(buffer)) => match buffer.check().and_then(|()| buffer.reports().totals()) {
            Ok(totals) => lines.good(
                what,
                &format!(
                    "{} with {}, {} waiting",
                    buffer.path().display(),
                    counted(totals.sessions, "session", "sessions"),
                    totals.pending_sessions
                ),
            ),
            Err(error) => lines.bad(what, &buffer_trouble(&error)),
        },
        Ok(None) => {
            lines.good(what, &format!("will be created in {} on first run", state_dir.display()));
        }
        Err(error) => lines.bad(what, &buffer_trouble(&error)),
    }
}

/// From what the buffer knows: a check reads no LOG.
fn check_dates(lines: &mut Lines, config: &Config) {
    let dates = match Buffer::open_read_only(&config.agent.state_dir) {
        Ok(Some(buffer)) => implausible_dates(config, &buffer).unwrap_or_default(),
        // Reported with the buffer.
        Ok(None) | Err(_) => return,
    };
    for ImplausibleDate { source, file, reason } in dates.iter().take(MOST_DATES) {
        let text = format!(
            "{file} has an implausible date: {reason}; no file is deleted because of it; set the clock of the machine or of the server, or remove the copy"
        );
        lines.note(&format!("source {source}"), &text);
    }
}

/// Files with implausible dates that are named.
const MOST_DATES: usize = 20;

/// Damage may show as early as the buffer is opened, and as something that cannot be read.
fn buffer_trouble(error: &BufferError) -> String {
    let text = logging::chain(error);
    if error.is_damage() {
        format!("damaged; the next start renames it and reads the files again: {text}")
    } else {
        text
    }
}

fn nearest_existing(path: &Path) -> Option<&Path> {
    path.ancestors().find(|ancestor| ancestor.exists())
}

/// Less room than this is worth a word.
const LITTLE_ROOM_BYTES: u64 = 256 << 20;

fn check_disk(lines: &mut Lines, config: &Config) {
    let what = "disk";
    let Some(directory) = nearest_existing(&config.agent.state_dir) else {
        return lines.bad(what, "the disk of agent.state_dir is not mounted; mount it");
    };
    if is_on_read_only_disk(directory) {
        let error = BufferError::ReadOnly { path: config.agent.state_dir.clone() };
        return lines.bad(what, &error.to_string());
    }
    match rustix::fs::statvfs(directory) {
        Ok(figures) => {
            let free_bytes = figures.f_bavail * figures.f_frsize;
            let text = format!("{} MiB free in {}", free_bytes >> 20, directory.display());
            if free_bytes < LITTLE_ROOM_BYTES {
                lines.note(
                    what,
                    &format!("{text}; free some space, or lower agent.max_buffer_size"),
                );
            } else {
                lines.good(what, &text);
            }
        }
        Err(error) => lines.bad(what, &format!("{}: {error}", directory.display())),
    }
}

/// Nothing is sent: a check is no alarm.
fn check_alarms(lines: &mut Lines, config: &Config) {
    let what = "alarms";
    let Some(alarms) = &config.alarms else {
        return lines.good(what, "not configured");
    };
    match Poster::new(alarms, &config.agent.id, Language::English) {
        Ok(poster) => lines.good(what, &format!("sent to {}", poster.hosts().join(" and "))),
        Err(error) => lines.bad(what, &logging::chain(&error)),
    }
}

/// Nothing is written or sent.
fn check_report(lines: &mut Lines, config: &Config) {
    let what = "report";
    let Some(report) = &config.report else {
        return lines.good(what, "not configured");
    };
    let folder = &report.folder;
    // A state directory that is not there yet is the buffer's affair.
    let state_dir = &config.agent.state_dir;
    let is_later = folder.starts_with(state_dir) && !state_dir.exists();
    let there = folder.ancestors().find(|place| place.exists()).unwrap_or(folder);
    let usable = if there.is_dir() { access(there, Access::WRITE_OK) } else { Err(Errno::NOTDIR) };
    if let (Err(error), false) = (usable, is_later) {
        let there = there.display();
        return lines.bad(
            what,
            &format!("{there}: {error}; let the agent's user write there, or change report.folder"),
        );
    }
    let written = format!("each Monday in {}", folder.display());
    match ReportPoster::new(report, &config.agent.id) {
        Ok(None) => lines.good(what, &format!("{written}, sent to nobody")),
        Ok(Some(poster)) => lines.good(what, &format!("{written}, sent to {}", poster.host())),
        Err(error) => lines.bad(what, &logging::chain(&error)),
    }
}

fn check_clock(lines: &mut Lines) {
    match wall_clock_fault() {
        None => lines.good("clock", "plausible"),
        Some(fault) => lines.note("clock", &fault),
    }
}
