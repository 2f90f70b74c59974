//! `cu-agent update`: self-update: what would be done, doing it, and how the last one went.

use std::{io::IsTerminal, path::Path};

use chrono::{DateTime, FixedOffset, SecondsFormat};
use serde::Serialize;

use super::{
    Exit, LogTo, UsageError, configured_without_passwords, print, print_json, progress::Bar,
};
use crate::{
    agent::{wall, wall_clock_fault},
    config::{Config, UpdateConfig},
    logging,
    model::{LastUpdate, printable},
    update::{Now, Outcome, Phase, Seen, UpdateStore, Updater, Version},
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show what apply would do now, and why. Installs nothing.
    Check,
    /// Install the published version if the manifest allows it (as root).
    Apply {
        /// Ignore the update window and running machines.
        #[arg(long)]
        now: bool,
    },
    /// Show the update in progress and the result of the last one.
    Status {
        /// Output as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(path: &Path, command: &Command) -> anyhow::Result<Exit> {
    let log = match command {
        Command::Apply { .. } if !std::io::stderr().is_terminal() => LogTo::Stderr,
        _ => LogTo::StderrWarnings,
    };
    let config = configured_without_passwords(path, log)?;
    let Some(update) = &config.update else {
        if matches!(command, Command::Apply { .. }) {
            // The timer runs on every gateway, also if updates come another way.
            print("self-update is off: the configuration has no [update] section\n")?;
            return Ok(Exit::Done);
        }
        return Err(UsageError(format!(
            "{} has no [update] section, so self-update is off; see config.toml.example",
            path.display()
        ))
        .into());
    };
    match command {
        Command::Status { json } => status(update, *json),
        Command::Check => ended(&work(path, &config, update, |updater| updater.check())?),
        Command::Apply { now } => {
            ended(&work(path, &config, update, |updater| updater.apply(*now))?)
        }
    }
}

fn work<E>(
    path: &Path,
    config: &Config,
    update: &UpdateConfig,
    act: impl FnOnce(&Updater<'_>) -> Result<Outcome, E>,
) -> Result<Outcome, E> {
    let now = Now { time: wall().fixed_offset(), clock_fault: wall_clock_fault() };
    let bar = Bar::for_bytes();
    let progress = |done: u64, of: u64| bar.show_bytes(done, of);
    let outcome = act(&Updater::new(update, config, path, now, &progress));
    bar.finish();
    outcome
}

/// Of what a line tells.
const MOST_CHARS: usize = 4000;

/// One line, and the exit code that goes with it.
fn ended(outcome: &Outcome) -> anyhow::Result<Exit> {
    let (exit, line) = match outcome {
        Outcome::UpToDate { version } => (Exit::Done, format!("up to date: version {version}")),
        Outcome::WouldInstall { version, from } => {
            (Exit::Done, format!("version {version} would be installed over {from}"))
        }
        Outcome::Installed { version, from } => {
            (Exit::Done, format!("version {version} is installed and verified; it replaced {from}"))
        }
        Outcome::Refused(obstacle) => {
            (Exit::InPart, format!("refused: {}", logging::chain(obstacle)))
        }
        Outcome::NotYet(delay) => (Exit::InPart, format!("not yet: {}", logging::chain(delay))),
        Outcome::RolledBack { version, from, reason } => (
            Exit::Failed,
            format!(
                "version {version} failed verification and was rolled back to {from}: {reason}"
            ),
        ),
    };
    let level = if exit == Exit::Failed { log::Level::Error } else { log::Level::Info };
    let line = printable(&line, MOST_CHARS);
    print(&format!("{}\n", logging::marked_for_journal(level, &line)))?;
    Ok(exit)
}

/// What `update status --json` prints.
#[derive(Serialize)]
struct Told<'t> {
    given_up: &'t [Version],
    last: &'t Option<LastUpdate>,
    /// Why the last result is not known, though there is a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// The newest that was believed.
    manifest: Option<&'t Seen>,
    pending: Option<PendingTold<'t>>,
}

#[derive(Serialize)]
struct PendingTold<'t> {
    from: &'t Version,
    phase: Phase,
    version: &'t Version,
}

fn status(update: &UpdateConfig, as_json: bool) -> anyhow::Result<Exit> {
    let store = UpdateStore::at(&update.directory);
    let state = store.state()?;
    // The next update replaces a result that cannot be read; the rest is shown all the same.
    let (result, unreadable) = match store.result() {
        Ok(result) => (result, None),
        Err(error) => (None, Some(printable(&error.to_string(), MOST_CHARS))),
    };
    let exit = if unreadable.is_some() { Exit::Failed } else { Exit::Done };
    if as_json {
        let pending = state.pending.as_ref().map(|pending| PendingTold {
            from: &pending.from,
            phase: pending.phase,
            version: &pending.to,
        });
        let told = Told {
            given_up: &state.given_up,
            last: &result,
            last_error: unreadable,
            manifest: state.seen.as_ref(),
            pending,
        };
        print_json(&format!("{}\n", serde_json::to_string_pretty(&told)?))?;
        return Ok(exit);
    }
    let mut text = match &state.pending {
        None => "in progress  none\n".to_owned(),
        Some(pending) => {
            format!("in progress  {} {} over {}\n", pending.phase.text(), pending.to, pending.from)
        }
    };
    text += &match (&result, &unreadable) {
        (Some(result), _) => format!("last         {}\n", in_words(result)),
        (None, Some(error)) => format!("last         not readable: {error}\n"),
        (None, None) => "last         none yet\n".to_owned(),
    };
    text += &match &state.seen {
        Some(seen) => format!(
            "manifest     serial {}, signed {}, expires {}\n",
            seen.serial,
            seconds(seen.signed_at),
            seconds(seen.expires)
        ),
        None => "manifest     none yet\n".to_owned(),
    };
    text += &format!("window       {} local time\n", update.window);
    if !state.given_up.is_empty() {
        let given_up: Vec<&str> = state.given_up.iter().map(Version::as_str).collect();
        text += &format!("given up     {}\n", given_up.join(", "));
    }
    print(&text)?;
    Ok(exit)
}

fn seconds(at: DateTime<FixedOffset>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn in_words(update: &LastUpdate) -> String {
    let LastUpdate { at, detail, result, version, .. } = update;
    let at = at.map_or_else(|| "-".into(), seconds);
    let version = version.as_ref().map_or(String::new(), |version| format!("{version} "));
    let of_file = |text: &str| printable(text, MOST_CHARS);
    format!("{at} {}{result}: {}", of_file(&version), of_file(detail.as_deref().unwrap_or("-")))
}
