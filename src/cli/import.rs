//! `cu-agent import`: LOG files from a USB stick or an archive.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{
    Exit, UsageError, complain, configured, log_of_one_shot, machine_name, print, progress::Bar,
};
use crate::{
    agent::Agent,
    buffer::Task,
    collect::{ImportReport, import_file, reevaluate_stale},
    config::Config,
    logging,
    model::Machine,
    source::dir::DirectorySource,
    text::counted,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// LOG files, or folders containing LOG files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The machine (its `nom` in the configuration) that wrote them.
    #[arg(long, value_name = "NOM")]
    machine: String,
}

pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = configured(config, log_of_one_shot())?;
    let (folder, machine) = mapped(&config, &arguments.machine)?;
    let mut files = Vec::new();
    for path in &arguments.paths {
        files.extend(log_files(path)?);
    }
    if files.is_empty() {
        return Err(UsageError("no file ending in .LOG in the given paths".into()).into());
    }
    let mut agent = Agent::open(config, Task::Import, super::run::shutdown_on_signals()?)?;
    let bar = Bar::for_files();
    let mut all = ImportReport::default();
    for (done, file) in files.iter().enumerate() {
        if agent.shutdown.must_stop() {
            break;
        }
        bar.show("files", done, files.len());
        match import_one(&mut agent, &folder, &machine, file) {
            Ok(one) => all.add(&one),
            Err(error) => {
                all.files_failed += 1;
                complain(&format!("{error:#}"));
            }
        }
    }
    all.sessions_changed += reevaluate_stale(&mut agent.buffer, &agent.settings)?;
    bar.finish();
    let ImportReport { files_read, files_failed, files_refused, sessions_changed, .. } = all;
    print(&format!(
        "{files_read} of {} imported for {}, {files_failed} not readable, {files_refused} refused; {} changed\n",
        counted(files.len(), "file", "files"),
        machine.nom,
        counted(sessions_changed, "session", "sessions")
    ))?;
    Ok(match (files_read, files_failed + files_refused) {
        (0, _) => Exit::Failed,
        (_, 0) if !agent.shutdown.must_stop() => Exit::Done,
        _ => Exit::InPart,
    })
}

/// The folder and machine that the configuration knows under this name.
fn mapped(config: &Config, nom: &str) -> Result<(String, Machine), UsageError> {
    machine_name::expect_configured(config, nom)?;
    let all = config.sources.iter().flat_map(|source| &source.folders);
    let (folder, machine) =
        all.into_iter().find(|(_, machine)| machine.nom == nom).expect("the name was just found");
    Ok((folder.clone(), machine.clone()))
}

fn log_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let metadata = path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let entries = path.read_dir().with_context(|| format!("cannot list {}", path.display()))?;
    for entry in entries {
        let file = entry.with_context(|| format!("cannot list {}", path.display()))?.path();
        let is_log =
            file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("log"));
        if is_log && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn import_one(
    agent: &mut Agent,
    folder: &str,
    machine: &Machine,
    file: &Path,
) -> anyhow::Result<ImportReport> {
    let file =
        std::path::absolute(file).with_context(|| format!("cannot find {}", file.display()))?;
    let directory = file.parent().context("the file is in no folder")?;
    let root = directory.parent().unwrap_or(directory);
    let inner = directory.strip_prefix(root).unwrap_or(Path::new("."));
    let max_file_bytes =
        agent.config.sources.iter().map(|source| source.max_file_bytes).max().unwrap_or(u64::MAX);
    let mut source = DirectorySource::new(root.to_owned());
    let name = file.file_name().context("the file has no name")?.to_string_lossy();
    let now = agent.clock.now();
    let report = import_file(
        &mut agent.buffer,
        &mut source,
        &inner.to_string_lossy(),
        &name,
        folder,
        machine,
        max_file_bytes,
        &agent.settings,
        &now,
    )
    .with_context(|| format!("{} not imported", file.display()))?;
    logging::imported(&file, &machine.nom, report.events, report.rejected, report.bytes);
    Ok(report)
}
