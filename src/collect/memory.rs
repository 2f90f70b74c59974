//! What is remembered of a source from one cycle to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::NaiveDateTime;

use super::{known::KnownFiles, trouble::Troubles, witness::SeenTime};
use crate::{logging::LogOnce, model::ShortText};

/// Of one source, so that the log says a thing once.
#[derive(Debug, Default)]
pub struct SourceMemory {
    pub(super) folders: Option<Vec<String>>,
    pub(super) root_refused: LogOnce,
    /// File (the buffer's id) -> running time at which the source refused to delete it, or said that
    /// it had and shows it all the same.
    pub(super) kept_by_source: BTreeMap<i64, Duration>,
    /// File (the buffer's id) -> how often in a row its listed size changed and no line came.
    pub(super) idle_changes: BTreeMap<i64, u32>,
    /// The folder that the next cycle begins with.
    pub(super) first_folder: Option<String>,
    /// What lasts of what could not be read; `None`: not looked up in the buffer yet.
    pub troubles: Option<Troubles>,
    /// Files (the buffer's ids) that the source said to have deleted and no listing has missed yet,
    /// by folder; `None` until the buffer was asked.
    pub(super) said_deleted: BTreeMap<String, BTreeSet<i64>>,
    /// The time of a file that had just been written when the agent looked.
    pub(super) seen_time: Option<SeenTime>,
    /// The running time at the end of the last look at all folders.
    pub(super) looked_at: Option<Duration>,
    /// Times asked one by one, with the size that they were asked at.
    pub(super) asked: BTreeMap<(String, ShortText), (Option<u64>, NaiveDateTime)>,
    /// Folder and file -> why it could not be read, as it was logged.
    pub(super) failed_files: BTreeMap<(String, String), LogOnce<String>>,
    /// Folder and file -> that its date is implausible.
    pub(super) implausible_files: BTreeMap<(String, ShortText), LogOnce>,
    /// Folder -> what the buffer knew of its files at the end of the last cycle.
    pub(super) known: BTreeMap<String, KnownFiles>,
}

impl SourceMemory {
    /// False where the root was listed without the folder, which was told as missing then.
    pub fn shows(&self, folder: &str) -> bool {
        self.folders.as_ref().is_none_or(|found| found.iter().any(|name| name == folder))
    }
}
