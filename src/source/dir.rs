//! A folder on a disk: USB stick, mounted share, tests. It behaves as an FTP server would: folders at
//! the root, regular files in them.
//!
//! What must never happen here: a symbolic link followed to a place outside the folder; an odd file
//! (pipe, device) opened; a file that shrank while it was read reported as read.
//!
//! Names that are not UTF-8 are shown as latin-1. A name given to a call is looked up as UTF-8 first
//! and as latin-1 next, so what a listing shows can be read and deleted.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::{ffi::OsStrExt, ffi::OsStringExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveDateTime};
use rustix::{
    fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, Stat, access, fstat, lstat, open, statat},
    io::Errno,
};

use super::{Entry, FolderListing, Source, SourceError, Transfer, name::reason_unusable};
use crate::model::ShortText;

/// A machine writes a file a day: a folder of more than a hundred thousand is none of a machine's, and a
/// listing of it would grow without a bound.
const MOST_FILES: usize = 100_000;

/// Folders below one directory.
#[derive(Debug)]
pub struct DirectorySource {
    root: PathBuf,
}

impl DirectorySource {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder's path, once it is known to be a directory and no link to one.
    fn folder_path(&self, folder: &str) -> Result<PathBuf, SourceError> {
        check(folder)?;
        let missing = |answer: &str| SourceError::FolderMissing {
            folder: folder.to_owned(),
            answer: answer.to_owned(),
        };
        match look_up(&self.root, folder) {
            Ok((path, found)) => match kind(&found) {
                FileType::Directory => Ok(path),
                FileType::Symlink => Err(missing("it is a symbolic link")),
                _ => Err(missing("it is not a directory")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.reach_root()?;
                Err(missing("no such directory"))
            }
            Err(source) => Err(disk(&self.root.join(folder), source)),
        }
    }

    /// Why this process could not delete a file of the folder, if it could not. A folder that is not there
    /// is another matter.
    pub fn deletion_fault(&self, folder: &str) -> Option<String> {
        let path = self.folder_path(folder).ok()?;
        let metadata = fs::metadata(&path).ok()?;
        let own = rustix::process::geteuid().as_raw();
        let owner = metadata.uid();
        if let Err(error) = access(&path, Access::WRITE_OK | Access::EXEC_OK) {
            return Some(format!(
                "{} may not be written by user {own} ({error}), it belongs to user {owner}; let the agent write it (chgrp and chmod g+w), or set delete = \"never\"",
                path.display()
            ));
        }
        // In a directory like /tmp each file is its owner's to delete.
        if metadata.mode() & 0o1000 == 0 || own == owner || own == 0 {
            return None;
        }
        let is_others = |entry: &fs::DirEntry| entry.metadata().is_ok_and(|file| file.uid() != own);
        let mut files = fs::read_dir(&path).ok()?.filter_map(Result::ok).take(MOST_FILES);
        let others_file = files.find(is_others)?;
        Some(format!(
            "{} has the sticky bit, and {:?} is not of user {own}; remove that bit with chmod -t, or set delete = \"never\"",
            path.display(),
            others_file.file_name()
        ))
    }

    /// Fails where the root itself cannot be read: the stick was pulled, the share is not mounted.
    fn reach_root(&self) -> Result<fs::ReadDir, SourceError> {
        fs::read_dir(&self.root).map_err(|source| SourceError::Directory {
            path: self.root.display().to_string(),
            source,
        })
    }

    /// The path and state of a regular file.
    fn file(&self, folder: &str, name: &str) -> Result<(PathBuf, Stat), SourceError> {
        check(name)?;
        let folder_path = self.folder_path(folder)?;
        match look_up(&folder_path, name) {
            Ok((path, found)) if kind(&found).is_file() => Ok((path, found)),
            Ok(_) => Err(unusable(folder, name, "not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(unusable(folder, name, "no such file"))
            }
            Err(source) => Err(disk(&folder_path.join(name), source)),
        }
    }
}

impl Source for DirectorySource {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        let mut names = Vec::new();
        for entry in self.reach_root()? {
            let entry = entry.map_err(|source| disk(&self.root, source))?;
            // A link is no directory here: `DirEntry::file_type` does not follow it.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.extend(shown(&self.root, &entry.file_name()).map(String::from));
            }
        }
        Ok(names)
    }

    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError> {
        let path = self.folder_path(folder)?;
        let failed = |error: Errno| disk(&path, error.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = open(&path, flags, Mode::empty()).map_err(failed)?;
        let mut names = Dir::read_from(&opened).map_err(failed)?;
        let mut listing = FolderListing::default();
        while let Some(entry) = names.read() {
            let entry = entry.map_err(failed)?;
            if !matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
                continue;
            }
            // A file that vanished since its name was read is simply not there.
            let found = statat(&opened, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            let Ok(found) = found else { continue };
            if !kind(&found).is_file() {
                continue;
            }
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            match shown(&path, name) {
                Some(_) if listing.entries.len() >= MOST_FILES => {
                    let answer = format!("it contains more than {MOST_FILES} files");
                    return Err(SourceError::List { folder: folder.to_owned(), answer });
                }
                Some(name) => {
                    let (size, modified) = (size(&found), modified(&found));
                    listing.entries.push(Entry { name, size, modified });
                }
                None => listing.unread.add_if_log(&name.to_string_lossy()),
            }
        }
        Ok(listing)
    }

    fn open<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        let (path, seen) = self.file(folder, name)?;
        let mut file = File::open(&path).map_err(|source| disk(&path, source))?;
        let opened = fstat(&file).map_err(|error| disk(&path, error.into()))?;
        // Between the look and the opening the name may have become a link to elsewhere.
        if (opened.st_dev, opened.st_ino) != (seen.st_dev, seen.st_ino) {
            return Err(unusable(folder, name, "replaced while it was opened"));
        }
        let Some(due_bytes) = size(&opened).and_then(|size| size.checked_sub(offset)) else {
            return Err(unusable(folder, name, "shorter than what was read before"));
        };
        file.seek(SeekFrom::Start(offset)).map_err(|source| disk(&path, source))?;
        Ok(Box::new(OpenFile { file, path, due_bytes, bytes: 0 }))
    }

    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        Ok(size(&self.file(folder, name)?.1))
    }

    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        Ok(modified(&self.file(folder, name)?.1))
    }

    fn lists_true_sizes(&self) -> bool {
        true
    }

    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError> {
        let (path, _) = self.file(folder, name)?;
        fs::remove_file(&path).map_err(|source| disk(&path, source))
    }

    fn close(&mut self) {}
}

/// A file that is being read.
struct OpenFile {
    file: File,
    path: PathBuf,
    /// Bytes that it had behind the offset when it was opened; there may be more by now.
    due_bytes: u64,
    /// Bytes that were read.
    bytes: u64,
}

impl Transfer for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        loop {
            match self.file.read(buffer) {
                Ok(length) => {
                    self.bytes += length as u64;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(disk(&self.path, source)),
            }
        }
    }

    fn finish(self: Box<Self>) -> Result<u64, SourceError> {
        if self.bytes < self.due_bytes {
            let shrank =
                io::Error::new(io::ErrorKind::UnexpectedEof, "it shrank while it was read");
            return Err(disk(&self.path, shrank));
        }
        Ok(self.bytes)
    }
}

fn check(name: &str) -> Result<(), SourceError> {
    match reason_unusable(name, name.len()) {
        Some(reason) => Err(SourceError::BadName { name: name.to_owned(), reason }),
        None => Ok(()),
    }
}

/// The entry of `folder` that `name` stands for, the link itself where it is one.
fn look_up(folder: &Path, name: &str) -> io::Result<(PathBuf, Stat)> {
    let path = folder.join(name);
    match (lstat(&path), latin1_bytes(name)) {
        (Err(Errno::NOENT), Some(latin1)) => {
            let path = folder.join(latin1);
            let found = lstat(&path)?;
            Ok((path, found))
        }
        (found, _) => Ok((path, found?)),
    }
}

/// `name` in latin-1, where that differs from UTF-8 and exists.
fn latin1_bytes(name: &str) -> Option<OsString> {
    if name.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = name.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.map(OsString::from_vec)
}

/// How a name on disk is shown; `None` for one that a call could not be made with: unusable, or its
/// latin-1 reading is also the UTF-8 name of a file beside it.
fn shown(folder: &Path, name: &OsStr) -> Option<ShortText> {
    let bytes = name.as_bytes();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            let text: ShortText = bytes.iter().map(|byte| char::from(*byte)).collect();
            if fs::symlink_metadata(folder.join(text.as_str())).is_ok() {
                return None;
            }
            text
        }
    };
    reason_unusable(&text, bytes.len()).is_none().then_some(text)
}

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

fn size(found: &Stat) -> Option<u64> {
    u64::try_from(found.st_size).ok()
}

/// Not by std's `Metadata`: on 32-bit ARM its times end in 2038.
fn modified(found: &Stat) -> Option<NaiveDateTime> {
    // By the numbers: a file system can hold times that chrono's own conversion ends the process at.
    let nanoseconds = u32::try_from(found.st_mtime_nsec).ok()?;
    Some(DateTime::from_timestamp(found.st_mtime, nanoseconds)?.naive_utc())
}

fn disk(path: &Path, source: io::Error) -> SourceError {
    SourceError::Disk { path: path.display().to_string(), source }
}

fn unusable(folder: &str, name: &str, why: &'static str) -> SourceError {
    SourceError::FileUnusable { folder: folder.to_owned(), name: name.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const CHUNK_BYTES: usize = 64 * 1024;

    fn source_with(files: &[(&str, &[u8])]) -> (tempfile::TempDir, DirectorySource) {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let source = DirectorySource::new(root.path().to_owned());
        (root, source)
    }

    fn read_all(source: &mut DirectorySource, folder: &str, name: &str, offset: u64) -> Vec<u8> {
        let mut transfer = source.open(folder, name, offset).unwrap();
        let (mut bytes, mut chunk) = (Vec::new(), [0; 3]);
        loop {
            match transfer.read(&mut chunk).unwrap() {
                0 => break,
                length => bytes.extend_from_slice(&chunk[..length]),
            }
        }
        assert_eq!(transfer.finish().unwrap(), bytes.len() as u64);
        bytes
    }

    #[test]
    fn folders_and_files_are_listed_and_read_from_an_offset() {
        let (_root, mut source) =
            source_with(&[("DEM12 (PVC)/20250603.LOG", b"one\ntwo\n"), ("SU12/x.LOG", b"")]);
        let mut folders = source.folders().unwrap();
        folders.sort();
        assert_eq!(folders, ["DEM12 (PVC)", "SU12"]);
        let entries = source.list("DEM12 (PVC)").unwrap().entries;
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].name.as_str(), entries[0].size), ("20250603.LOG", Some(8)));
        assert!(entries[0].modified.is_some());
        assert_eq!(read_all(&mut source, "DEM12 (PVC)", "20250603.LOG", 4), b"two\n");
        assert_eq!(read_all(&mut source, "SU12", "x.LOG", 0), b"");
    }

    #[test]
    fn links_and_odd_files_are_neither_listed_nor_read() {
        let (root, mut source) = source_with(&[("A/a.LOG", b"a"), ("secret", b"s")]);
        symlink(root.path().join("secret"), root.path().join("A/link.LOG")).unwrap();
        symlink(root.path().join("A"), root.path().join("B")).unwrap();
        fs::create_dir(root.path().join("A/dir.LOG")).unwrap();
        let pipe = root.path().join("A/pipe.LOG");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
        assert_eq!(source.folders().unwrap(), ["A"]);
        assert_eq!(source.list("A").unwrap().entries.len(), 1);
        for name in ["link.LOG", "dir.LOG", "pipe.LOG"] {
            let error = source.open("A", name, 0).map(drop).unwrap_err();
            assert!(matches!(error, SourceError::FileUnusable { .. }), "{error}");
            assert!(source.delete("A", name).is_err());
        }
        assert!(matches!(source.list("B"), Err(SourceError::FolderMissing { .. })));
        assert!(root.path().join("A/link.LOG").is_symlink());
    }

    #[test]
    fn a_name_outside_the_folder_is_refused() {
        let (root, mut source) = source_with(&[("A/a.LOG", b"a"), ("secret", b"s")]);
        for name in ["../secret", "..", "a/../../secret", "/etc/passwd"] {
            assert!(matches!(source.delete("A", name), Err(SourceError::BadName { .. })));
            assert!(matches!(source.list(name), Err(SourceError::BadName { .. })));
        }
        assert!(root.path().join("secret").exists());
    }

    #[test]
    fn a_latin1_name_is_listed_read_and_deleted() {
        let (root, mut source) = source_with(&[("A/a.LOG", b"a")]);
        let folder = root.path().join(OsStr::from_bytes(b"D\xE9coupe"));
        fs::create_dir(&folder).unwrap();
        let file = folder.join(OsStr::from_bytes(b"\xE9t\xE9.LOG"));
        fs::write(&file, b"warm").unwrap();
        assert!(source.folders().unwrap().contains(&"Découpe".to_owned()));
        assert_eq!(source.list("Découpe").unwrap().entries[0].name, "été.LOG");
        assert_eq!(read_all(&mut source, "Découpe", "été.LOG", 1), b"arm");
        source.delete("Découpe", "été.LOG").unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_missing_folder_and_a_missing_root_are_told_apart() {
        let (root, mut source) = source_with(&[("A/a.LOG", b"a")]);
        assert!(matches!(source.list("C"), Err(SourceError::FolderMissing { .. })));
        drop(root);
        assert!(matches!(source.list("A"), Err(SourceError::Directory { .. })));
        assert!(matches!(source.folders(), Err(SourceError::Directory { .. })));
    }

    #[test]
    fn a_file_that_shrinks_or_vanishes_is_an_error_on_that_file_only() {
        let big = vec![b'x'; 3 * CHUNK_BYTES];
        let (root, mut source) = source_with(&[("A/a.LOG", &big)]);
        let path = root.path().join("A/a.LOG");
        let mut transfer = source.open("A", "a.LOG", 0).unwrap();
        let mut chunk = vec![0; CHUNK_BYTES];
        assert_eq!(transfer.read(&mut chunk).unwrap(), CHUNK_BYTES);
        File::options().write(true).open(&path).unwrap().set_len(9).unwrap();
        assert_eq!(transfer.read(&mut chunk).unwrap(), 0);
        let error = transfer.finish().unwrap_err();
        assert!(error.concerns_one_file(), "{error}");
        let error = source.open("A", "a.LOG", 10).map(drop).unwrap_err();
        assert!(matches!(error, SourceError::FileUnusable { .. }));
        fs::remove_file(&path).unwrap();
        assert!(source.size("A", "a.LOG").unwrap_err().concerns_one_file());
    }

    #[test]
    fn a_transfer_that_was_not_read_to_its_end_does_not_finish_well() {
        let (_root, mut source) = source_with(&[("A/a.LOG", b"abc")]);
        let mut transfer = source.open("A", "a.LOG", 0).unwrap();
        assert_eq!(transfer.read(&mut [0; 2]).unwrap(), 2);
        assert!(transfer.finish().is_err());
        assert_eq!(read_all(&mut source, "A", "a.LOG", 0), b"abc");
    }
}
