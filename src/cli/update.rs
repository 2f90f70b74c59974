//! `cu-agent update`: field updates, asked about, carried out, and how the last one went.

use std::{io::IsTerminal, path::Path};

use serde_json::{Value, json};

use super::{
    Exit, LogTo, UsageError, configured_without_passwords, print, print_json, progress::Bar,
};
use crate::{
    agent::{wall, wall_clock_fault},
    config::{Config, UpdateConfig},
    logging,
    model::printable,
    update::{Ledger, Now, Outcome, Updater},
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// What apply would do now, and why. Changes nothing.
    Check,
    /// Bring this gateway to the published version, where the manifest says so (as root).
    Apply {
        /// Wait neither for the window nor for a machine that produces.
        #[arg(long)]
        now: bool,
    },
    /// What is under way, and how the last update ended.
    Status {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(path: &Path, command: &Command) -> anyhow::Result<Exit> {
    let log = match command {
        Command::Apply { .. } if !std::io::stderr().is_terminal() => LogTo::Stderr,
        _ => LogTo::StderrWarnings,
    };
    let config = configured_without_passwords(path, log)?;
    let Some(update) = &config.update else {
        if matches!(command, Command::Apply { .. }) {
            // The timer runs on every gateway, also where updates come another way.
            print("field updates are off: the configuration has no [update]\n")?;
            return Ok(Exit::Done);
        }
        return Err(UsageError(format!(
            "{} has no [update]: field updates are off; see config.toml.example",
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
            (Exit::Done, format!("version {version} would be installed in the place of {from}"))
        }
        Outcome::Installed { version, from } => {
            (Exit::Done, format!("version {version} is installed and works; before: {from}"))
        }
        Outcome::Refused(obstacle) => {
            (Exit::InPart, format!("refused: {}", logging::chain(obstacle)))
        }
        Outcome::NotYet(delay) => (Exit::InPart, format!("not yet: {}", logging::chain(delay))),
        Outcome::RolledBack { version, from, reason } => (
            Exit::Failed,
            format!("version {version} did not prove itself, {from} was put back: {reason}"),
        ),
    };
    let level = if exit == Exit::Failed { log::Level::Error } else { log::Level::Info };
    let line = printable(&line, MOST_CHARS);
    print(&format!("{}\n", logging::marked_for_journal(level, &line)))?;
    Ok(exit)
}

fn status(update: &UpdateConfig, as_json: bool) -> anyhow::Result<Exit> {
    let ledger = Ledger::at(&update.directory);
    let (journal, result) = (ledger.journal()?, ledger.result()?);
    let given_up: Vec<String> = journal.given_up.iter().map(ToString::to_string).collect();
    if as_json {
        let pending = journal.pending.as_ref().map(|pending| {
            json!({
                "phase": pending.phase.as_str(),
                "from": pending.from.as_str(),
                "version": pending.to.as_str(),
            })
        });
        let value = json!({ "pending": pending, "given_up": given_up, "last": result });
        print_json(&format!("{value:#}\n"))?;
        return Ok(Exit::Done);
    }
    let mut text = match &journal.pending {
        None => "under way  nothing\n".to_owned(),
        Some(pending) => {
            format!("under way  {} {} over {}\n", pending.phase.as_str(), pending.to, pending.from)
        }
    };
    text += &match &result {
        None => "last       none yet\n".to_owned(),
        Some(result) => {
            let of = |key: &str| printable(result[key].as_str().unwrap_or("-"), MOST_CHARS);
            format!("last       {} {}: {}\n", of("at"), in_words(result), of("detail"))
        }
    };
    text += &format!("window     {} local time\n", update.window);
    if !given_up.is_empty() {
        text += &format!("given up   {}\n", given_up.join(", "));
    }
    print(&text)?;
    Ok(Exit::Done)
}

fn in_words(result: &Value) -> String {
    let of = |key: &str| result[key].as_str().unwrap_or_default();
    match of("version") {
        "" => of("result").to_owned(),
        version => format!("{version} {}", of("result")),
    }
}
