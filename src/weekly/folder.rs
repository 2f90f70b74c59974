//! The folder of the weekly reports: `2026-W48.html`, `2026-W48.xlsx`, and in `.cu-agent` what is known of them.
//!
//! `.cu-agent/figures/2026-W48` holds the digest of the figures that a week's files show, and is written after
//! the last of them: until then the week counts as not written. `.cu-agent/sent/2026-W48.html` holds the digest of the
//! figures that were sent. What must never happen here: a file under its own name that is not whole and on
//! the disk.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{KeptWeek, Unsent};
use crate::{
    failpoints::{Step, durably},
    model::{ReportName, Week},
};

/// Of a digest or a failure.
const MOST_NOTE_BYTES: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("cannot use the folder of reports {path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("cannot write the report {name} to {path}: {why}")]
    Write { name: ReportName, path: PathBuf, why: String },
}

#[derive(Clone, Debug)]
pub(crate) struct ReportFolder {
    path: PathBuf,
}

impl ReportFolder {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn file(&self, name: ReportName) -> PathBuf {
        self.path.join(name.to_string())
    }

    fn notes(&self) -> PathBuf {
        self.path.join(".cu-agent")
    }

    fn figures_of(&self, week: Week) -> PathBuf {
        self.notes().join("figures").join(week.to_string())
    }

    fn sent_of(&self, name: ReportName) -> PathBuf {
        self.notes().join("sent").join(name.to_string())
    }

    fn failure_file(&self) -> PathBuf {
        self.notes().join("failure")
    }

    fn failed(&self, error: io::Error) -> FolderError {
        FolderError::Io { path: self.path.clone(), error }
    }

    /// Empty if the folder is not there yet.
    pub(crate) fn weeks(&self) -> Result<BTreeMap<Week, KeptWeek>, FolderError> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            read => read.map_err(|error| self.failed(error))?,
        };
        let mut weeks: BTreeMap<Week, KeptWeek> = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.failed(error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(ReportName::parse) else { continue };
            weeks.entry(name.week).or_default().formats.push(name.format);
        }
        for (week, kept) in &mut weeks {
            kept.formats.sort_unstable();
            kept.digest = note(&self.figures_of(*week));
        }
        Ok(weeks)
    }

    /// Keeps a report: under its name only when all of it is on the disk.
    pub(crate) fn keep(
        &self,
        name: ReportName,
        write: impl FnOnce(File) -> Result<(), String>,
    ) -> Result<(), FolderError> {
        let path = self.path.clone();
        let in_words = |error: io::Error| error.to_string();
        let written = fs::create_dir_all(self.notes())
            .map_err(in_words)
            .and_then(|()| replace(Step::KeepReport, &self.file(name), &self.new_file(), write));
        written.map_err(|why| FolderError::Write { name, path, why })
    }

    fn new_file(&self) -> PathBuf {
        self.notes().join("new")
    }

    /// All files of the week are kept, and show the figures of this digest.
    pub(crate) fn note_figures(&self, week: Week, digest: &str) -> Result<(), FolderError> {
        self.write_note(Step::NoteReport, &self.figures_of(week), digest)
    }

    fn write_note(&self, step: Step, place: &Path, text: &str) -> Result<(), FolderError> {
        let folder = place.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder).map_err(|error| self.failed(error))?;
        // A name of its own: the service and the command write at the same time.
        let new = place.with_extension("new");
        let write =
            |mut file: File| file.write_all(text.as_bytes()).map_err(|error| error.to_string());
        replace(step, place, &new, write).map_err(|why| self.failed(io::Error::other(why)))
    }

    /// Drops all but the newest `keep` weeks.
    pub(crate) fn prune(&self, keep: u32) -> Result<(), FolderError> {
        let weeks = self.weeks()?;
        let surplus = weeks.len().saturating_sub(keep as usize);
        for (week, kept) in weeks.into_iter().take(surplus) {
            let names = kept.formats.into_iter().map(|format| ReportName { week, format });
            let files = names.flat_map(|name| [self.sent_of(name), self.file(name)]);
            for file in std::iter::once(self.figures_of(week)).chain(files) {
                remove(&file).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    /// The reports that were not sent as they stand, oldest first, each with the digest of its figures.
    pub(crate) fn to_send(&self) -> Result<Vec<(ReportName, String)>, FolderError> {
        let mut names = Vec::new();
        for (week, kept) in self.weeks()? {
            let Some(digest) = kept.digest else { continue };
            for format in kept.formats {
                let name = ReportName { week, format };
                if note(&self.sent_of(name)).as_ref() != Some(&digest) {
                    names.push((name, digest.clone()));
                }
            }
        }
        Ok(names)
    }

    pub(crate) fn unsent(&self) -> Result<Unsent, FolderError> {
        let names: Vec<ReportName> = self.to_send()?.into_iter().map(|(name, _)| name).collect();
        let failure = note(&self.failure_file()).filter(|_| !names.is_empty());
        Ok(Unsent { names, failure })
    }

    pub(crate) fn note_sent(&self, name: ReportName, digest: &str) -> Result<(), FolderError> {
        self.write_note(Step::NoteReportSent, &self.sent_of(name), digest)
    }

    /// `None`: sending works.
    pub(crate) fn note_failure(&self, failure: Option<&str>) -> Result<(), FolderError> {
        match failure {
            Some(text) => self.write_note(Step::NoteReportFailure, &self.failure_file(), text),
            None => remove(&self.failure_file()).map_err(|error| self.failed(error)),
        }
    }
}

/// Writes `new`, puts it on the disk, and gives it the name `place`.
fn replace(
    step: Step,
    place: &Path,
    new: &Path,
    write: impl FnOnce(File) -> Result<(), String>,
) -> Result<(), String> {
    let in_words = |error: io::Error| error.to_string();
    // What a power cut left is written over.
    let file = durably(step, || File::create(new)).map_err(in_words)?;
    write(file)?;
    File::open(new).and_then(|file| file.sync_all()).map_err(in_words)?;
    durably(step, || fs::rename(new, place)).map_err(in_words)?;
    let folder = place.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(in_words)
}

fn remove(file: &Path) -> io::Result<()> {
    match durably(Step::DropReport, || fs::remove_file(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// `None` if there is none, or none that can be read.
fn note(file: &Path) -> Option<String> {
    let mut text = String::new();
    // Opening a pipe would wait for its writer.
    let file = fs::symlink_metadata(file).ok().filter(fs::Metadata::is_file).map(|_| file)?;
    let file = File::open(file).ok()?;
    file.take(MOST_NOTE_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ReportFormat;

    fn name(week: &str) -> ReportName {
        ReportName { week: week.parse().unwrap(), format: ReportFormat::Html }
    }

    fn put(folder: &ReportFolder, week: &str, digest: &str) {
        let write = |mut file: File| file.write_all(b"x").map_err(|error| error.to_string());
        folder.keep(name(week), write).unwrap();
        folder.note_figures(week.parse().unwrap(), digest).unwrap();
    }

    #[test]
    fn a_report_waits_until_it_was_sent_with_its_own_figures_and_again_when_they_change() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ReportFolder::at(&dir.path().join("reports"));
        assert_eq!(folder.unsent().unwrap(), Unsent::default());
        put(&folder, "2026-W48", "a");
        assert_eq!(folder.to_send().unwrap(), [(name("2026-W48"), "a".to_owned())]);
        folder.note_sent(name("2026-W48"), "a").unwrap();
        assert_eq!(folder.to_send().unwrap(), []);
        put(&folder, "2026-W48", "b");
        assert_eq!(folder.to_send().unwrap(), [(name("2026-W48"), "b".to_owned())]);
    }

    #[test]
    fn only_the_newest_weeks_are_kept_and_nothing_else_in_the_folder_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ReportFolder::at(dir.path());
        fs::write(dir.path().join("notes of a person.html"), "x").unwrap();
        for week in ["2026-W47", "2026-W53", "2027-W01"] {
            put(&folder, week, "a");
            folder.note_sent(name(week), "a").unwrap();
        }
        folder.prune(2).unwrap();
        let weeks: Vec<String> = folder.weeks().unwrap().keys().map(Week::to_string).collect();
        assert_eq!(weeks, ["2026-W53", "2027-W01"]);
        assert!(dir.path().join("notes of a person.html").exists());
        assert!(!folder.figures_of(name("2026-W47").week).exists());
        assert!(!folder.sent_of(name("2026-W47")).exists());
    }

    #[test]
    fn a_report_that_cannot_be_written_leaves_the_one_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ReportFolder::at(dir.path());
        put(&folder, "2026-W48", "a");
        let refused = folder.keep(name("2026-W48"), |mut file| {
            file.write_all(b"half").unwrap();
            Err("No space left on device (os error 28)".into())
        });
        assert!(refused.unwrap_err().to_string().contains("2026-W48.html"));
        assert_eq!(fs::read(folder.file(name("2026-W48"))).unwrap(), b"x");
    }
}
