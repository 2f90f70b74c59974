//! The part of `cu-agent check` that concerns one source: whether it answers, whether its folders are
//! there and can be listed, and what in them will not be read or could not be deleted.

use super::{LINE_CHARS, Lines, counted, host_keys};
use crate::{
    buffer::Buffer,
    collect::unread_of,
    config::{DeletePolicy, SourceConfig, SourceKind},
    logging,
    model::printable,
    source::{
        Entry, FolderListing, Source, SourceError, UnreadLines, dir::DirectorySource,
        ftp::FtpSource, is_log, sftp::SftpSource,
    },
};

pub(super) fn check(lines: &mut Lines, config: &SourceConfig, buffer: Option<&Buffer>) {
    let what = format!("source {}", config.name);
    match &config.kind {
        SourceKind::Ftp(ftp) => {
            let mut source = FtpSource::new(ftp.clone());
            match source.describe() {
                Ok(abilities) => {
                    lines.good(&what, &abilities.to_string());
                    for substitute in abilities.substitutes() {
                        lines.note(&what, substitute);
                    }
                    Checked { lines, what, config, buffer, source: &mut source }.folders();
                }
                Err(error) => lines.bad(&what, &logging::chain(&error)),
            }
        }
        SourceKind::Sftp(sftp) => {
            let mut source = SftpSource::new(sftp.clone());
            match source.describe() {
                Ok(abilities) => {
                    lines.good(&what, &abilities.to_string());
                    if sftp.legacy_algorithms {
                        lines.note(&what, LEGACY);
                    }
                    Checked { lines, what, config, buffer, source: &mut source }.folders();
                }
                Err(
                    error @ (SourceError::HostKeyUnknown { .. }
                    | SourceError::HostKeyChanged { .. }),
                ) => host_keys::check(lines, &what, sftp, &error),
                Err(error) => lines.bad(&what, &logging::chain(&error)),
            }
        }
        SourceKind::Directory(path) => {
            let mut source = DirectorySource::new(path.clone());
            let deletes = config.delete == DeletePolicy::AfterSync;
            for folder in config.folders.keys().filter(|_| deletes) {
                if let Some(fault) = source.deletion_fault(folder) {
                    let text = format!("{folder:?}: LOG files could not be deleted: {fault}");
                    lines.bad(&what, &text);
                }
            }
            Checked { lines, what, config, buffer, source: &mut source }.folders();
        }
    }
}

/// Of a source whose connection may be weak.
const LEGACY: &str = "legacy_algorithms = true: also algorithms that are no longer safe are accepted; remove it once the server has others";

/// A source that answers.
struct Checked<'c> {
    lines: &'c mut Lines,
    what: String,
    config: &'c SourceConfig,
    /// What was read, if anything was.
    buffer: Option<&'c Buffer>,
    source: &'c mut dyn Source,
}

impl Checked<'_> {
    fn folders(&mut self) {
        match self.source.folders() {
            Ok(found) => self.found(&found),
            Err(error @ SourceError::List { .. }) => self.by_name(&error),
            Err(error) => self.lines.bad(&self.what, &logging::chain(&error)),
        }
    }

    fn found(&mut self, found: &[String]) {
        let config = self.config;
        let missing: Vec<String> = config
            .folders
            .keys()
            .filter(|folder| !found.contains(folder))
            .map(|folder| format!("{folder:?}"))
            .collect();
        for folder in config.folders.keys().filter(|folder| found.contains(folder)) {
            self.listing(folder);
        }
        if missing.is_empty() {
            self.all_exist();
        } else {
            let missing = missing.join(", ");
            self.lines.bad(
                &self.what,
                &format!("folders missing: {missing}; found: {found:?}; correct [source.folders]"),
            );
        }
    }

    /// The root refuses to be listed. A collection asks for each mapped folder by its name all the same,
    /// and so they alone decide.
    fn by_name(&mut self, error: &SourceError) {
        let text = printable(&logging::chain(error), LINE_CHARS);
        self.lines.note(
            &self.what,
            &format!("the root folder cannot be listed: {text}; the mapped folders are listed by name instead"),
        );
        let mut all_listed = true;
        for folder in self.config.folders.keys() {
            all_listed &= self.listing(folder);
        }
        if all_listed {
            self.all_exist();
        }
    }

    fn all_exist(&mut self) {
        let text = match self.config.folders.len() {
            1 => "the mapped folder exists".to_owned(),
            folders => format!("all {folders} mapped folders exist"),
        };
        self.lines.good(&self.what, &text);
    }

    /// A folder that cannot be listed is found here as during a collection. Returns whether it was listed.
    fn listing(&mut self, folder: &str) -> bool {
        let listing = match self.source.list(folder) {
            Ok(listing) => listing,
            Err(error) => {
                let text = printable(&logging::chain(&error), LINE_CHARS);
                self.lines.bad(&self.what, &format!("{folder:?} cannot be listed: {text}"));
                return false;
            }
        };
        self.renamed(folder, &listing.entries);
        if let FolderListing { unread: UnreadLines { count: count @ 1.., sample }, .. } = listing {
            let sample = sample.unwrap_or_default();
            self.lines.bad(
                &self.what,
                &format!(
                    "{folder:?}: {} of the listing that cannot be parsed although LOG files seem to be named there, the first: {sample:?}",
                    counted(count, "line", "lines")
                ),
            );
        }
        true
    }

    fn renamed(&mut self, folder: &str, entries: &[Entry]) {
        let Some(buffer) = self.buffer else { return };
        let is_listed = |name: &str| entries.iter().any(|entry| entry.name == name);
        let others = entries.iter().filter(|entry| !is_log(&entry.name));
        for entry in others.take(MOST_OTHERS) {
            let place = (self.config.name.as_str(), folder);
            // A buffer that cannot be read is reported with the buffer.
            if let Ok(Some(why)) = unread_of(buffer, place, entry, &is_listed) {
                let name = printable(&format!("{folder}/{}", entry.name), LINE_CHARS);
                let text =
                    format!("{name:?}: renamed LOG file, some of its lines were not read: {why}");
                self.lines.bad(&self.what, &text);
            }
        }
    }
}

/// Most files of a folder that are looked up although they are no LOG.
const MOST_OTHERS: usize = 200;
