//! `cu-agent central settings …`: settings for all gateways, signed by packaging/settings.sh, are published and
//! shown.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::configured_central;
use crate::{
    cli::{Exit, LogTo, UsageError, configured, print},
    config::Config,
    model::{SettingsThere, SignedSettings, printable},
    settings::signed_by_known_keys,
    sync::postgres::Central,
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Publish FILE, which packaging/settings.sh made, and FILE.minisig. Gateways with [settings] fetch it at their
    /// next contact, try it, and keep it if they then collect and deliver as before.
    Put {
        /// A settings document.
        file: PathBuf,
    },
    /// Print the settings that were published last.
    Show,
}

pub(super) fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    match command {
        Command::Put { file } => put(&config, file),
        Command::Show => show(&config),
    }
}

fn connect(config: &Config) -> anyhow::Result<Central> {
    Ok(Central::connect(configured_central(config)?, "cu-agent central settings")?)
}

/// A file that is not longer.
fn bounded(file: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    opened.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let text = format!("{} is longer than the {most} bytes that are taken", file.display());
        return Err(UsageError(text).into());
    }
    Ok(bytes)
}

fn put(config: &Config, file: &Path) -> anyhow::Result<Exit> {
    let beside = PathBuf::from(format!("{}.minisig", file.display()));
    let signed = SignedSettings {
        document: bounded(file, SignedSettings::MOST_BYTES)?,
        signatures: bounded(&beside, SignedSettings::MOST_SIGNATURE_BYTES)?,
    };
    let document = signed_by_known_keys(config, &signed)
        .map_err(|reason| UsageError(format!("{}: {reason}", file.display())))?;
    let serial = document.serial;
    if !connect(config)?.put_settings(serial, &signed)? {
        anyhow::bail!(
            "not written: central holds serial {serial} or a later one; sign again with packaging/settings.sh"
        );
    }
    print(&format!("serial {serial} is published\n"))?;
    Ok(Exit::Done)
}

fn show(config: &Config) -> anyhow::Result<Exit> {
    let signed = match connect(config)?.plant_settings("")? {
        SettingsThere::Told(told) => told.signed,
        SettingsThere::None | SettingsThere::Known => {
            anyhow::bail!("central has no settings for gateways");
        }
        SettingsThere::Unreadable { why } => {
            anyhow::bail!("{why}; `cu-agent central migrate` makes it");
        }
    };
    let signed = signed.context("what central holds is longer than what gateways take")?;
    let document = match signed_by_known_keys(config, &signed) {
        Ok(document) => document,
        Err(reason) => anyhow::bail!("what central holds is not taken: {reason}"),
    };
    let for_whom = match &document.gateways {
        None => "all gateways".to_owned(),
        Some(ids) => printable(&ids.join(", "), 300),
    };
    print(&format!(
        "# serial {}, signed at {}, until {}, for {for_whom}\n{}",
        document.serial, document.signed_at, document.expires, document.text
    ))?;
    Ok(Exit::Done)
}
