//! `cu-agent central …`: central's tables.

use std::path::Path;

use super::{Exit, LogTo, UsageError, configured, print};
use crate::{
    config::CentralConfig,
    sync::postgres::{Central, SchemaState, Weight, migration_script},
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
}

pub(super) fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::Stderr)?;
    let central = config
        .central
        .ok_or_else(|| UsageError("the configuration has no [central] section".into()))?;
    match command {
        Command::Migrate { print: true } => {
            print(&migration_script(&central.user))?;
            Ok(Exit::Done)
        }
        Command::Migrate { print: false } => migrate(&central),
    }
}

fn migrate(config: &CentralConfig) -> anyhow::Result<Exit> {
    let mut central = Central::connect(config, "cu-agent central migrate")?;
    let text = match central.schema_state()? {
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
    let (mended, left) = central.mend()?;
    let mended: String = mended.iter().map(|one| format!("fixed: {}\n", one.what)).collect();
    let told: String = left.iter().map(|one| format!("to be fixed: {one}\n")).collect();
    print(&format!("{text}{mended}{told}"))?;
    let is_fit = left.iter().all(|one| one.weight == Weight::Possible);
    Ok(if is_fit { Exit::Done } else { Exit::Failed })
}
