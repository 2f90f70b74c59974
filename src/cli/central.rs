//! `cu-agent central …`: central's tables.

use std::path::Path;

use super::{Exit, LogTo, UsageError, configured, print};
use crate::{
    config::CentralConfig,
    sync::postgres::{Central, SchemaState, migration_script},
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Bring central's tables to this release, or print the script for an administrator.
    Migrate {
        /// Print the script instead of applying it; what is applied already is skipped. Pipe it to
        /// `psql -v ON_ERROR_STOP=1`.
        #[arg(long)]
        print: bool,
    },
}

pub fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
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
        SchemaState::Ready => "central's tables are of this release\n".to_owned(),
        SchemaState::Newer { version } => {
            format!("central's tables are of a newer release (migration {version}); they serve\n")
        }
        SchemaState::Behind { .. } => {
            format!("migrations applied: {:?}\n", central.migrate()?)
        }
    };
    print(&text)?;
    Ok(Exit::Done)
}
