//! The command line: one short file per command. Here and in `agent` alone the clocks are read, and
//! here alone something is printed.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    agent,
    config::{self, Config, ConfigError, Loaded},
    logging,
    model::{printable, printable_json, printable_lines},
    settings,
};

mod calendar;
mod central;
mod check;
mod health;
mod import;
mod machine_name;
mod once;
mod painted;
mod privileges;
mod progress;
mod replay;
mod report;
mod run;
mod sessions;
mod status;
mod table;
mod times;
mod update;
mod weekly_report;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// Configuration or usage.
    Unusable = 2,
    /// Something was refused, or is buffered but not yet in central.
    InPart = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Collects LOG files from machining centres, computes a production session per machine and day, and
/// keeps a central PostgreSQL database in step with them.
#[derive(Debug, Parser)]
#[command(name = "cu-agent", version, max_term_width = 80)]
#[command(after_help = "\
First steps:
  cu-agent check              check the configuration, the sources and central
  cu-agent once               collect and deliver everything once
  cu-agent sessions           list the computed sessions
  cu-agent status             show what is waiting and what was refused

Exit codes:
  0 done
  1 failed
  2 configuration or usage
  3 done in part: something was refused, or is buffered but not yet in central")]
struct Arguments {
    /// Configuration file; config.toml.example explains every key.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/cu-agent/config.toml")]
    config: PathBuf,
    /// Colours in tables and lists: on a terminal (unless NO_COLOR is set), always or never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    color: painted::When,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run as a service: collect and deliver until SIGTERM.
    Run,
    /// Collect and deliver everything once, then exit (for cron or a trial).
    Once,
    /// Check configuration, sources, central, disk and clock; each failure says how to fix it.
    Check(check::Arguments),
    /// Show machines, last reading, sessions waiting for central, links and disk usage.
    Status(status::Arguments),
    /// List locally stored sessions.
    Sessions(sessions::Arguments),
    /// Import LOG files from a USB stick or an archive, for one machine.
    Import(import::Arguments),
    /// Recompute sessions from the stored logs, for example after changing event names.
    Replay,
    /// Report on a day, a week or a month: a printable HTML file, a spreadsheet, CSV or JSON.
    Report(report::Arguments),
    /// Write the reports of the weeks that are over into the folder of [report] (cu-agent-report.timer).
    WeeklyReport(weekly_report::Arguments),
    /// Show what a production day is planned as, per machine: shifts, breaks, holidays.
    Calendar(calendar::Arguments),
    /// Exit with 0 if the agent is running and healthy, 1 otherwise.
    Health,
    /// Manage the tables in central.
    #[command(subcommand)]
    Central(central::Command),
    /// Self-update: signed packages, verified, rolled back on failure.
    #[command(subcommand)]
    Update(update::Command),
}

/// What the command line takes; the manual and the shell's completion are made of it.
pub fn command_line() -> clap::Command {
    Arguments::command()
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    privileges::keep_memory_private();
    let mut arguments = Arguments::parse();
    // What the configuration names lies beside it, also for a process that is started elsewhere.
    if let Ok(whole) = std::path::absolute(&arguments.config) {
        arguments.config = whole;
    }
    match dispatch(&arguments) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let is_unusable = error.is::<ConfigError>() || error.is::<UsageError>();
            let exit = if is_unusable { Exit::Unusable } else { Exit::Failed };
            let mut text = String::new();
            for cause in error.chain().map(one_line) {
                if !text.ends_with(&cause) {
                    text += if text.is_empty() { "" } else { ": " };
                    text += &cause;
                }
            }
            complain(&text);
            if is_unusable && matches!(arguments.command, Command::Run) {
                // For `systemctl status`: the unit does not try again, see systemd/cu-agent.service.
                agent::waits_for(&format!(
                    "waiting for a usable {}: edit it, then run systemctl restart cu-agent",
                    arguments.config.display()
                ));
            }
            exit.into()
        }
    }
}

fn dispatch(arguments: &Arguments) -> anyhow::Result<Exit> {
    let (path, colour) = (arguments.config.as_path(), arguments.color);
    match &arguments.command {
        Command::Run => run::run(path),
        Command::Once => once::run(path),
        Command::Check(arguments) => check::run(path, arguments, colour),
        Command::Status(arguments) => status::run(path, arguments, colour),
        Command::Sessions(arguments) => sessions::run(path, arguments, colour),
        Command::Import(arguments) => import::run(path, arguments),
        Command::Replay => replay::run(path),
        Command::Report(arguments) => report::run(path, arguments),
        Command::WeeklyReport(arguments) => weekly_report::run(path, arguments),
        Command::Calendar(arguments) => calendar::run(path, arguments),
        Command::Health => health::run(path),
        Command::Central(command) => central::run(path, command),
        Command::Update(command) => update::run(path, command),
    }
}

/// What a cause says, on one line; the mistakes of a configuration have a line each.
fn one_line(cause: &(dyn std::error::Error + 'static)) -> String {
    let text = cause.to_string();
    if cause.is::<ConfigError>() { text } else { printable(&text, MOST_ERROR_CHARS) }
}

/// Of one cause of an error; no text of ours is as long.
const MOST_ERROR_CHARS: usize = 8192;

/// A request that cannot be fulfilled as given.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// Reads the configuration, starts the log at its level, and says what is odd about it. From then on
/// root is the user whose state directory it is.
fn configured(path: &Path, log: LogTo) -> anyhow::Result<Config> {
    let loaded = settings::with_kept(path, config::load(path, &variable)?, &variable);
    let config = begun(loaded, log);
    privileges::become_owner_of(&config.agent.state_dir)?;
    Ok(config)
}

/// As [`configured`], for the service, which also tries settings of central's.
fn configured_to_run(path: &Path) -> anyhow::Result<Config> {
    let local = config::load(path, &variable)?;
    if local.config.settings.is_none() {
        return configured(path, LogTo::Stderr);
    }
    privileges::become_owner_of(&local.config.agent.state_dir)?;
    Ok(begun(settings::begin(path, local, &variable), LogTo::Stderr))
}

/// For who logs in nowhere: passwords that the environment or a credential may hold are not asked for.
fn configured_without_passwords(path: &Path, log: LogTo) -> Result<Config, ConfigError> {
    Ok(begun(config::load_without_secrets(path, &variable)?, log))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Starts the log at its level, and says in it what is odd about the configuration.
fn begun(loaded: Loaded, log: LogTo) -> Config {
    let level = loaded.config.agent.log_level;
    let level = match log {
        LogTo::Stderr => level,
        LogTo::StderrWarnings => level.min(log::LevelFilter::Warn),
    };
    logging::start(level, || agent::wall().fixed_offset());
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    loaded.config
}

/// What of the log a command shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LogTo {
    Stderr,
    /// Warnings and errors only: the command's own output says the rest.
    StderrWarnings,
}

/// For one-shot commands: a bar on a terminal says how far it is, plain lines do elsewhere.
fn log_of_one_shot() -> LogTo {
    if io::stderr().is_terminal() { LogTo::StderrWarnings } else { LogTo::Stderr }
}

/// Prints lines to standard output. What came from files, servers and central into them moves no
/// cursor and turns no writing; a caller that puts such a text on a line of its own sees to it with
/// [`printable`] that it stays one.
fn print(text: &str) -> io::Result<()> {
    print_as_is(&printable_lines(text))
}

/// Prints JSON, with escapes for what [`print`] leaves out.
fn print_json(text: &str) -> io::Result<()> {
    print_as_is(&printable_json(text))
}

/// Prints what was made harmless where it was made. A reader that went away (`| head`) is no error.
fn print_as_is(text: &str) -> io::Result<()> {
    unless_gone(io::stdout().write_all(text.as_bytes()))
}

/// A reader that went away is no error.
fn unless_gone(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Standard output or a file, written piece by piece, so that what is written is never in memory as a
/// whole.
struct Output(io::BufWriter<Box<dyn Write>>);

impl Output {
    fn stdout() -> Self {
        Self(io::BufWriter::new(Box::new(io::stdout())))
    }

    fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::to(std::fs::File::create(path)?))
    }

    fn to(file: std::fs::File) -> Self {
        Self(io::BufWriter::new(Box::new(file)))
    }
}

impl Write for Output {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        unless_gone(self.0.write_all(piece))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_gone(self.0.flush())
    }
}

/// [`Output`] for JSON, each piece whole characters: as [`print_json`].
struct JsonOutput(Output);

impl Write for JsonOutput {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(piece);
        self.0.write_all(printable_json(&text).as_bytes())?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Prints one error to standard error; there is nobody left to tell if that fails.
fn complain(text: &str) {
    let text = printable_lines(text);
    let text = logging::marked_for_journal(log::Level::Error, &format!("cu-agent: {text}"));
    writeln!(io::stderr(), "{text}").ok();
}
