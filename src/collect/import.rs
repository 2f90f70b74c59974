//! LOG files that a person hands over: complete files, read once, for a machine that is told.

use super::{
    commit::{Origin, Waiting, keep},
    decide::{Start, Timestamps},
    reading::{Reading, Request, Target, read_file},
    settings::Settings,
};
use crate::{
    buffer::{Buffer, BufferError, FileProgress, IMPORTED, Refusal},
    model::Machine,
    source::{Entry, Source, SourceError},
};

/// What an import did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportReport {
    pub files_read: u64,
    pub files_failed: u64,
    pub files_refused: u64,
    pub bytes: u64,
    pub events: u64,
    pub rejected: u64,
    pub sessions_changed: u64,
}

impl ImportReport {
    pub fn add(&mut self, more: &Self) {
        self.files_read += more.files_read;
        self.files_failed += more.files_failed;
        self.files_refused += more.files_refused;
        self.bytes += more.bytes;
        self.events += more.events;
        self.rejected += more.rejected;
        self.sessions_changed += more.sessions_changed;
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Buffer(#[from] BufferError),
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Takes `directory/name` of `source` as a file of the machine's `folder`, so that it is named in
/// central like the ones from the server.
#[expect(clippy::too_many_arguments, reason = "a file, whose it is, and how it is read")]
pub fn import_file(
    buffer: &mut Buffer,
    source: &mut dyn Source,
    directory: &str,
    name: &str,
    folder: &str,
    machine: &Machine,
    max_file_bytes: u64,
    settings: &Settings,
    moment: &Timestamps,
) -> Result<ImportReport, ImportError> {
    let origin = Origin { source: IMPORTED, folder, machine, max_file_bytes };
    let known: Option<FileProgress> = buffer.files().file_progress(IMPORTED, folder, name)?;
    let size = source.size(directory, name)?;
    let entry = Entry { name: name.into(), size, modified: None }.bounded();
    let mut report = ImportReport::default();
    let last = match size.filter(|size| *size > max_file_bytes) {
        Some(size) => {
            let target = match &known {
                Some(file) => Target::Known(file.clone()),
                None => Target::New(name.into()),
            };
            Some(Reading::refused(
                target,
                &entry,
                Refusal::FileTooLarge { bytes: size, max_file_bytes },
            ))
        }
        None => {
            let request = Request {
                folder: directory,
                entry: &entry,
                start: Start::of(known.as_ref(), false),
                complete: true,
                max_file_bytes,
                part_bytes: settings.batch_bytes,
            };
            let mut keep_part = |buffer: &mut Buffer, part: Reading| {
                let file = count(buffer, origin, part, settings, moment, &mut report)?;
                Ok(file)
            };
            match read_file(source, buffer, &request, moment, &mut keep_part)? {
                (reading, None) => reading,
                (_, Some(error)) => return Err(error.into()),
            }
        }
    };
    if let Some(reading) = last {
        let file = count(buffer, origin, reading, settings, moment, &mut report)?;
        if file.refusal.is_some() {
            report.files_refused = 1;
        } else {
            report.files_read = 1;
        }
    }
    Ok(report)
}

fn count(
    buffer: &mut Buffer,
    origin: Origin<'_>,
    reading: Reading,
    settings: &Settings,
    moment: &Timestamps,
    report: &mut ImportReport,
) -> Result<FileProgress, BufferError> {
    let waiting = Waiting { origin, reading, begun: moment.uptime };
    let (kept, changed) = keep(buffer, &[waiting], settings, moment.wall_time())?;
    report.sessions_changed += changed;
    let kept = kept.into_iter().next().expect("one reading gives one progress");
    report.bytes += kept.bytes;
    report.events += kept.events;
    report.rejected += kept.rejected;
    Ok(kept.file)
}
