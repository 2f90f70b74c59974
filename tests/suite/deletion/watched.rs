//! The folder as the agent sees it, with things that happen between two of its steps. Every deletion
//! is held against invariant 5 before it is done.

use std::{collections::BTreeSet, fs, io, path::PathBuf, time::Duration};

use chrono::{NaiveDate, NaiveDateTime};
use cu_agent::source::{FolderListing, Source, SourceError, Transfer};

use super::{
    central::ModelCentral,
    lies::{DeletionLie, Lies, Told},
    plant::{Line, MACHINES, Plant, lines_of},
};

/// What happens during a poll.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    Nothing,
    /// The file grows right before the n-th reading.
    GrowBeforeRead(usize),
    /// The file is rewritten right before the n-th reading.
    RewriteBeforeRead(usize),
    /// The file grows after it was read, before its size is asked.
    GrowBeforeSize,
    /// The n-th reading breaks off after half of the bytes.
    BreakRead(usize),
    /// The power goes at the n-th step.
    PowerCut(usize),
    /// The file is deleted, and the answer is lost.
    LoseAnswer,
    /// The first reading of a copy gives the last file of the source instead.
    OtherFile,
}

/// The message of the panic that stands for a power cut.
pub struct PowerCut;

pub struct Watched<'w> {
    /// What shows the plant's folders.
    pub inner: &'w mut dyn Source,
    pub plant: &'w mut Plant,
    pub central: &'w ModelCentral,
    pub hook: Hook,
    pub file_quiet: Duration,
    pub handed: BTreeSet<(usize, Line)>,
    pub deleted: usize,
    /// Something that was claimed in this poll is not so.
    pub lied: bool,
    pub lies: &'w mut Lies,
    reads: usize,
    steps: usize,
}

impl<'w> Watched<'w> {
    pub fn new(
        inner: &'w mut dyn Source,
        plant: &'w mut Plant,
        central: &'w ModelCentral,
        hook: Hook,
        file_quiet: Duration,
        lies: &'w mut Lies,
    ) -> Self {
        let handed = BTreeSet::new();
        Self {
            inner,
            plant,
            central,
            hook,
            file_quiet,
            handed,
            deleted: 0,
            lied: false,
            lies,
            reads: 0,
            steps: 0,
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        if self.hook == Hook::PowerCut(self.steps) {
            std::panic::resume_unwind(Box::new(PowerCut));
        }
    }

    fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.plant.ftp_root().join(folder).join(name)
    }

    /// Invariant 5, from what the server, the machines and central know.
    fn assert_may_go(&self, folder: &str, name: &str, bytes: &[u8]) {
        let machine = machine_of(folder);
        let lines = lines_of(bytes);
        for line in &lines {
            assert!(
                self.central.holds(machine, *line),
                "{folder}/{name} is deleted, and central lacks line {line}"
            );
        }
        let file = self.path(folder, name);
        // Time without power does not count; what was closed before a power cut stays closed.
        let quiet = self.plant.uptime.saturating_sub(self.plant.changed_at[&file]);
        assert!(quiet >= self.file_quiet, "{folder}/{name} is deleted after {quiet:?}");
        let day = day_of(name, bytes).expect("a file without any date is not deleted");
        assert!(last_event(bytes).is_some(), "{folder}/{name} is deleted without an event");
        let folder_path = self.plant.ftp_root().join(folder);
        let has_later = fs::read_dir(folder_path).unwrap().any(|entry| {
            let other = last_event(&fs::read(entry.unwrap().path()).unwrap());
            other.is_some_and(|other| other > day)
        });
        let now = self.plant.now;
        assert!(has_later, "{folder}/{name}, the machine's newest, is deleted at {now}");
    }
}

fn machine_of(folder: &str) -> usize {
    MACHINES.iter().position(|(name, _)| *name == folder).unwrap()
}

fn day_in(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.get(..8)?, "%Y%m%d").ok()
}

/// The day of the latest event.
fn last_event(bytes: &[u8]) -> Option<NaiveDate> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().filter(|line| line.contains("|@")).filter_map(day_in).max()
}

/// The later of the day in the name and that of the last event.
pub fn day_of(name: &str, bytes: &[u8]) -> Option<NaiveDate> {
    day_in(name).max(last_event(bytes))
}

/// Notes, once a transfer ended well, which lines it gave.
struct WatchedTransfer<'t> {
    transfer: Box<dyn Transfer + 't>,
    file: PathBuf,
    offset: u64,
    machine: usize,
    handed: &'t mut BTreeSet<(usize, Line)>,
}

impl Transfer for WatchedTransfer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        self.transfer.read(buffer)
    }

    fn finish(self: Box<Self>) -> Result<u64, SourceError> {
        let read = self.transfer.finish()?;
        let bytes = fs::read(&self.file).unwrap();
        let given = &bytes[self.offset as usize..];
        let begin = if self.offset == 0 { Some(0) } else { given.iter().position(|b| *b == b'\n') };
        let lines = lines_of(&given[begin.unwrap_or(given.len())..]);
        self.handed.extend(lines.into_iter().map(|line| (self.machine, line)));
        Ok(read)
    }
}

impl Source for Watched<'_> {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        self.step();
        self.inner.folders()
    }

    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError> {
        self.step();
        let mut listing = self.inner.list(folder)?;
        let lied = self.lies.about_listing(folder, &mut listing.entries);
        self.lied |= lied;
        self.lies.misled |= lied;
        Ok(listing)
    }

    fn open<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        self.step();
        self.reads += 1;
        let file = self.path(folder, name);
        match self.hook {
            Hook::GrowBeforeRead(n) if n == self.reads => self.plant.append(&file, 1),
            Hook::RewriteBeforeRead(n) if n == self.reads => self.plant.rewrite(&file, 1, 2),
            Hook::BreakRead(n) if n == self.reads => {
                let bytes = fs::read(&file).unwrap();
                let rest = bytes.get(offset as usize..).unwrap_or_default();
                let half = rest[..rest.len() / 2].to_vec();
                let error = SourceError::Transfer {
                    folder: folder.into(),
                    name: name.into(),
                    source: io::ErrorKind::ConnectionReset.into(),
                };
                return Ok(Box::new(Told::broken_off(half, error)));
            }
            Hook::OtherFile if offset == 0 && name.starts_with("copie") => {
                self.hook = Hook::Nothing;
                (self.lied, self.lies.misled) = (true, true);
                let other = fs::read(self.plant.files().last().unwrap()).unwrap();
                return Ok(Box::new(Told::whole(other)));
            }
            _ => {}
        }
        if let Some(lie) = self.lies.about_content() {
            self.lied = true;
            self.lies.misled = true;
            let files = self.plant.files();
            return lie.tell(&files, &file, offset).map(|told| told as Box<dyn Transfer + 't>);
        }
        let transfer = self.inner.open(folder, name, offset)?;
        let (machine, handed) = (machine_of(folder), &mut self.handed);
        Ok(Box::new(WatchedTransfer { transfer, file, offset, machine, handed }))
    }

    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        self.step();
        let size = self.inner.size(folder, name)?;
        let (told, lied) = self.lies.about_size(size);
        self.lied |= lied;
        // Growth behind the last question is nobody's to find.
        if self.hook == Hook::GrowBeforeSize && told == size {
            let file = self.path(folder, name);
            self.plant.append(&file, 1);
            return self.inner.size(folder, name);
        }
        Ok(told)
    }

    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        self.step();
        let time = self.inner.modified(folder, name)?;
        let (time, lied) = self.lies.about_time(folder, name, time);
        self.lied |= lied;
        Ok(time)
    }

    fn lists_true_sizes(&self) -> bool {
        false
    }

    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError> {
        self.step();
        let file = self.path(folder, name);
        let bytes = fs::read(&file).unwrap();
        self.assert_may_go(folder, name, &bytes);
        let refused = || SourceError::FileRefused {
            folder: folder.into(),
            name: name.into(),
            answer: "550 no".into(),
        };
        match self.lies.about_deletion() {
            None => {}
            Some(DeletionLie::NotDone) => return Ok(()),
            Some(DeletionLie::Refused) => return Err(refused()),
            Some(DeletionLie::DoneAndRefused) => {
                self.inner.delete(folder, name)?;
                self.plant.note_gone(&file, bytes);
                return Err(refused());
            }
        }
        let outcome = self.inner.delete(folder, name);
        // Over a network a deletion may be done without an answer, and answered without being done.
        if !file.exists() {
            self.deleted += 1;
            self.plant.note_gone(&file, bytes);
        }
        outcome?;
        self.step();
        if self.hook == Hook::LoseAnswer {
            let address = "the model".to_owned();
            return Err(SourceError::Lost {
                address,
                source: io::ErrorKind::ConnectionReset.into(),
            });
        }
        Ok(())
    }

    fn close(&mut self) {}
}
