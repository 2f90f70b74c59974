//! `cu-agent central …`: central's tables, and what the plant has for all gateways in two of them.

mod calendar;
mod settings;

use std::path::Path;

use super::{Exit, LogTo, UsageError, configured, print};
use crate::{
    config::{CentralConfig, Config},
    model::printable,
    sync::postgres::{
        Central, OldNames, OldRows, SchemaState, Weight, migration_script, old_names_script,
    },
    text::counted,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Migrate the tables to this release, or print the script for an administrator.
    Migrate {
        /// Print the script instead of running it; it skips what is already applied. Pipe it to
        /// `psql -v ON_ERROR_STOP=1`.
        #[arg(long)]
        print: bool,
    },
    /// The plant's calendar: one text for all gateways, which counts before their own [[calendar]].
    #[command(subcommand)]
    Calendar(calendar::Command),
    /// Settings for all gateways, signed: docs/settings.md.
    #[command(subcommand)]
    Settings(settings::Command),
}

pub(super) fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    let print_only = match command {
        Command::Migrate { print } => *print,
        Command::Calendar(command) => return calendar::run(config, command),
        Command::Settings(command) => return settings::run(config, command),
    };
    let config = configured(config, LogTo::Stderr)?;
    let renamed = renamed(&config);
    let central = configured_central(&config)?;
    if print_only {
        let script = migration_script(&central.user);
        print(&(script + &old_names_script(&renamed, &config.agent.id)))?;
        return Ok(Exit::Done);
    }
    migrate(central, &renamed, &config.agent.id)
}

fn configured_central(config: &Config) -> Result<&CentralConfig, UsageError> {
    let none = || UsageError("the configuration has no [central] section".into());
    config.central.as_ref().ok_or_else(none)
}

/// The machines that had other names.
pub(super) fn renamed(config: &Config) -> Vec<OldNames> {
    let all = config.sources.iter().flat_map(|source| &source.old_names);
    all.map(|(nom, old)| OldNames { nom: nom.clone(), old_names: old.clone() }).collect()
}

fn migrate(config: &CentralConfig, renamed: &[OldNames], agent_id: &str) -> anyhow::Result<Exit> {
    let mut central = Central::connect(config, "cu-agent central migrate")?;
    let mut text = match central.schema_state()? {
        SchemaState::Ready => "central's tables are up to date\n".to_owned(),
        SchemaState::Newer { version } => {
            format!(
                "central's tables are from a newer release (migration {version}), which this release can use\n"
            )
        }
        SchemaState::Behind { .. } => {
            format!("applied migrations {:?}\n", central.migrate()?)
        }
    };
    let mut exit = Exit::Done;
    for one in renamed {
        let merged = central.merge_old_names(one, agent_id)?;
        text += &format!("{}\n", old_rows(one, &merged, "merged"));
        if merged.claimed_by_others > 0 {
            exit = Exit::InPart;
        }
    }
    let (mended, left) = central.mend()?;
    text.extend(mended.iter().map(|one| format!("fixed: {}\n", one.what)));
    text.extend(left.iter().map(|one| format!("to be fixed: {one}\n")));
    print(&text)?;
    let is_fit = left.iter().all(|one| one.weight == Weight::Possible);
    Ok(if is_fit { exit } else { Exit::Failed })
}

/// A line on what of a machine's old names is in central; `done` is what becomes of it.
pub(super) fn old_rows(renamed: &OldNames, rows: &OldRows, done: &str) -> String {
    let nom = printable(&renamed.nom, 100);
    let old_names = printable(&renamed.old_names.join(", "), 300);
    let mut text = match rows.centres {
        0 => format!("{nom}: no rows of its old names ({old_names})"),
        centres => format!(
            "{nom}: {} of its old names ({old_names}) {done} into it, with {}; {} on both sides",
            counted(centres, "centre", "centres"),
            counted(rows.sessions, "session", "sessions"),
            counted(rows.days_on_both_sides, "day exists", "days exist")
        ),
    };
    if rows.claimed_by_others > 0 {
        text += &format!(
            "; {} left alone, because another agent delivers them or {nom}: see cu_agent_machine",
            counted(rows.claimed_by_others, "centre", "centres")
        );
    }
    text
}
