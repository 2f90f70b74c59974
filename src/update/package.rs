//! Debian's package manager, by its commands: what is installed, what a file holds, putting one in the
//! place of the other.
//!
//! What must never happen here: a question to somebody who is not there; a configuration file of the
//! plant replaced.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use super::version::Version;
use crate::failpoints::{Step, durably};

/// The package that carries this program.
pub(super) const NAME: &str = "cu-agent";

#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("cannot run {program}: self-update needs a Debian system")]
    Run { program: &'static str, source: std::io::Error },
    #[error("{what}: {said}")]
    Refused { what: String, said: String },
    #[error("the package manager is in use by another program; the next run retries")]
    Busy,
}

/// The package as dpkg knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Installed {
    pub version: Version,
    pub architecture: String,
    /// Unpacked and configured, nothing left to do.
    pub is_whole: bool,
}

fn run(program: &'static str, arguments: &[&str]) -> Result<Output, PackageError> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command.output().map_err(|source| PackageError::Run { program, source })
}

/// The last lines of what a command said, on one line.
fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    if last.is_empty() { output.status.to_string() } else { last }
}

fn done(what: &str, output: &Output) -> Result<(), PackageError> {
    if output.status.success() {
        return Ok(());
    }
    let said = said(output);
    if said.contains("lock") && said.contains("another process") {
        return Err(PackageError::Busy);
    }
    Err(PackageError::Refused { what: what.to_owned(), said })
}

/// `None` where the package is not installed, or only its configuration is left.
pub(super) fn installed() -> Result<Option<Installed>, PackageError> {
    let format = "-f=${Version} ${Architecture} ${db:Status-Status}";
    let output = run("dpkg-query", &["-W", format, NAME])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split(' ');
    let (Some(version), Some(architecture), Some(state)) =
        (words.next(), words.next(), words.next())
    else {
        return Ok(None);
    };
    if ["not-installed", "config-files"].contains(&state.trim()) {
        return Ok(None);
    }
    Ok(Version::parse(version).map(|version| Installed {
        version,
        architecture: architecture.to_owned(),
        is_whole: state.trim() == "installed",
    }))
}

/// What a package file says it is: name, version, architecture.
pub(super) fn described(file: &Path) -> Result<(String, String, String), PackageError> {
    let path = file.to_string_lossy();
    let output =
        run("dpkg-deb", &["-W", "--showformat=${Package} ${Version} ${Architecture}", &path])?;
    done("the file is not a Debian package", &output)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.split_whitespace().map(str::to_owned);
    let mut next = || words.next().unwrap_or_default();
    Ok((next(), next(), next()))
}

/// Finishes whatever a power cut interrupted.
pub(super) fn configure_all() -> Result<(), PackageError> {
    let arguments = ["--force-confold", "--configure", "-a"];
    let output = durably(Step::ConfigurePackages, || run("dpkg", &arguments))?;
    done("dpkg --configure -a", &output)
}

/// Puts the package of `file` in the place of what is installed, be it newer or older.
pub(super) fn install(file: &Path) -> Result<(), PackageError> {
    let path = file.to_string_lossy();
    let arguments = ["--force-confold", "--force-confdef", "--force-downgrade", "--install", &path];
    let output = durably(Step::InstallPackage, || run("dpkg", &arguments))?;
    done("dpkg --install", &output)
}
