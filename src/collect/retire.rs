//! A folder's files at their end: which are complete, and which may leave their source.
//!
//! What must never happen here: a file closed, or let go, by the gateway's own clock, which may only
//! hold back. The deletion itself is [`super::deletion`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::NaiveDateTime;

use super::{
    commit::close,
    decide::{Dates, LatestOfDays, day_in_name, is_over, is_unchanged},
    deletion::newer_of,
    folder::{FolderCycle, Listed, Outcome},
    implausible::{Dated, LatestTwo, implausible},
    memory::SourceMemory,
    witness::{Folder, Log, SeenTime, Terms, may_go, server_time},
};
use crate::{
    buffer::{Buffer, BufferError, FileProgress, FileState},
    config::DeletePolicy,
    failpoints::Step,
    logging,
    model::{Day, Machine},
    source::{Entry, Source, SourceError},
};

/// Files up to this size get one chunk when they close.
const COMPACT_UP_TO_BYTES: u64 = 8 << 20;

/// Files that close, or are marked, in one transaction.
const AT_ONCE: usize = 256;

/// Of a folder whose listing has no times, so many of the latest files are asked for theirs: enough
/// to see the server's day behind a file or two that claim to be of the future.
const TIMES_ASKED: usize = 3;

/// What a source's files say about its clock.
pub(super) struct Times {
    /// The newest time of any file: closing goes by it, because growth undoes it.
    newest: Option<NaiveDateTime>,
    /// The newest time of each folder.
    of_folders: Vec<NaiveDateTime>,
    /// The two latest of all.
    latest_two: LatestTwo,
    /// What the clock cannot have passed, as far as the agent saw files being written.
    limit: Option<NaiveDateTime>,
}

impl Times {
    /// Looks at all folders; what was just written tells the clock, also where it was put back.
    pub(super) fn of(
        listings: &[(&str, &Machine, Listed)],
        memory: &mut SourceMemory,
        now: Duration,
    ) -> Self {
        let written = listings.iter().flat_map(|(_, _, listed)| {
            let grew = listed.entries.iter().filter(|entry| listed.grew.contains(&entry.name));
            grew.filter_map(|entry| listed.time_of(entry))
        });
        // What grew was written since the look before; at the first look it may be days old.
        let looked_before = memory.looked_at.replace(now);
        if let (Some(time), Some(at)) = (written.max(), looked_before) {
            memory.seen_time = Some(SeenTime { time, at });
        }
        let limit = memory.seen_time.and_then(|seen| seen.limit(now));
        let mut newest = None;
        let mut latest_two = LatestTwo::default();
        // A server that shows one folder under several names has one folder.
        let mut of_folders = BTreeSet::new();
        for (_, _, listed) in listings {
            let times = || {
                listed.entries.iter().filter_map(|e| Some((listed.time_of(e)?, &e.name, e.size)))
            };
            newest = newest.max(times().map(|(time, ..)| time).max());
            times().for_each(|(time, ..)| latest_two.add(time));
            let possible = times().filter(|(time, ..)| limit.is_none_or(|limit| *time <= limit));
            of_folders.extend(possible.max());
        }
        let of_folders = of_folders.into_iter().map(|(time, ..)| time).collect();
        Self { newest, of_folders, latest_two, limit }
    }
}

/// The day of the last event that was read of a file.
fn last_event(file: Option<&FileProgress>, days: &BTreeMap<i64, Day>) -> Option<Day> {
    days.get(&file?.id).copied()
}

/// Whether a file is complete, or was said to be deleted, and its listing shows it unchanged.
fn waits_to_go((entry, file): (&Entry, Option<&FileProgress>)) -> bool {
    file.is_some_and(|file| {
        matches!(file.state, FileState::Closed | FileState::Deleted) && is_unchanged(entry, file)
    })
}

impl FolderCycle<'_, '_> {
    /// Asks for the times that a listing without them (vsftpd's) leaves open, where a file waits for
    /// them. Never for more than a few files: for old ones it is enough to know the server's day.
    pub(super) fn ask_times(&mut self, source: &mut dyn Source, listed: &mut Listed) {
        let now = self.watch.now();
        let may_delete = self.may_delete();
        let waits = listed.files().any(|(entry, file)| {
            file.is_some_and(|file| match file.state {
                FileState::Growing => {
                    is_unchanged(entry, file)
                        && now.quiet_for(file.quiet.as_ref()) >= self.settings.file_quiet
                }
                FileState::Closed | FileState::Deleted => may_delete,
                FileState::Replaced | FileState::Refused => false,
            })
        });
        if !waits {
            return;
        }
        let mut timeless: Vec<(Option<Day>, &Entry)> = listed
            .entries
            .iter()
            .filter(|entry| entry.modified.is_none())
            .map(|entry| (day_in_name(&entry.name), entry))
            .collect();
        timeless.sort_unstable_by_key(|(day, entry)| (*day, &entry.name));
        for (_, entry) in timeless.into_iter().rev().take(TIMES_ASKED) {
            if self.watch.must_stop() || self.report.error.is_some() {
                return;
            }
            // A file whose size stands still is not asked again at every poll.
            let key = (self.folder.to_owned(), entry.name.clone());
            if let Some((size, time)) = self.memory.asked.get(&key)
                && entry.size.is_some()
                && *size == entry.size
            {
                listed.asked.insert(entry.name.clone(), *time);
                continue;
            }
            match source.modified(self.folder, &entry.name) {
                Ok(None) => {}
                Ok(Some(time)) => {
                    listed.asked.insert(entry.name.clone(), time);
                    self.memory.asked.insert(key, (entry.size, time));
                }
                Err(error) => self.source_failed(&entry.name, error),
            }
        }
        let folder = self.folder;
        self.memory.asked.retain(|(of, name), _| of != folder || listed.asked.contains_key(name));
    }

    /// Closes files that are complete, and deletes those that may go.
    pub(super) fn close_and_delete(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        listed: &mut Listed,
        times: &Times,
    ) -> Result<(), BufferError> {
        self.note_gone(buffer, listed)?;
        // What an older version, put back, would not know of must still be there to be read again.
        let may_delete = self.may_delete() && !buffer.may_go_back();
        let has_work = listed.known.by_name.values().any(|file| match file.state {
            FileState::Growing => true,
            FileState::Closed | FileState::Deleted => may_delete,
            FileState::Replaced | FileState::Refused => false,
        });
        if !has_work {
            return Ok(());
        }
        let place = (self.config.name.as_str(), self.folder);
        let last_days = listed.known.take_last_days(buffer, place)?;
        self.tell_implausible(&last_days, listed, times);
        let dates = |(entry, file): (&Entry, Option<&FileProgress>)| {
            let day = day_in_name(&entry.name).max(last_event(file, &last_days));
            Dates { day, modified: listed.time_of(entry) }
        };
        let dates: Vec<Dates> = listed.files().map(dates).collect();
        // Witnesses are asked only where something may go: they hold the names of the whole folder.
        let may_one_go = may_delete && listed.files().any(waits_to_go);
        let logs = if may_one_go { self.logs(&last_days, listed) } else { Vec::new() };
        let days = LatestOfDays::of(&dates);
        let folder = Folder::of(&logs);
        let server_time = server_time(&logs, &times.of_folders, times.limit);
        let day_start = self.settings.options.day_start;
        let newest_may_go = self.config.delete_newest == DeletePolicy::AfterSync;
        let wall = self.watch.now().wall;
        let terms = Terms { day_start, newest_may_go, wall };
        let mut ends = Ends::default();
        for (at, ((entry, file), own)) in listed.files().zip(&dates).enumerate() {
            let Some(file) = file else { continue };
            if self.watch.must_stop() || self.report.error.is_some() {
                break;
            }
            match file.state {
                FileState::Growing
                    if is_unchanged(entry, file)
                        && is_over(*own, &days, times.newest, day_start) =>
                {
                    self.close_when_quiet(buffer, source, entry, file, &mut ends)?;
                }
                FileState::Closed if may_one_go && is_unchanged(entry, file) => {
                    if let Ok(witnesses) = may_go(&logs[at], &folder, server_time, terms) {
                        let newer = newer_of(&witnesses, listed);
                        self.delete(buffer, source, entry, file, newer, &witnesses)?;
                    }
                }
                FileState::Deleted if may_one_go && is_unchanged(entry, file) => {
                    let last_event = buffer.files().confirmed_days(file.id)?.last().copied();
                    let log = Log { last_event, ..logs[at].clone() };
                    if self.is_to_be_deleted_again(file)
                        && let Ok(witnesses) = may_go(&log, &folder, server_time, terms)
                    {
                        let newer = newer_of(&witnesses, listed);
                        self.delete(buffer, source, entry, file, newer, &witnesses)?;
                    }
                }
                _ => {}
            }
            ends.commit(buffer, AT_ONCE)?;
        }
        listed.known.put_last_days(last_days);
        ends.commit(buffer, 1)
    }

    /// The folder's files as witnesses, in the order of its entries.
    fn logs(&self, days: &BTreeMap<i64, Day>, listed: &Listed) -> Vec<Log> {
        let boot = self.watch.now().boot;
        let log = |(entry, file): (&Entry, Option<&FileProgress>)| {
            let mark = file.and_then(|file| file.quiet.as_ref()).filter(|mark| *mark.boot == *boot);
            Log {
                name: entry.name.to_string(),
                read_as: file.filter(|file| file.consumed_bytes > 0).map(|file| file.id),
                named_day: day_in_name(&entry.name),
                last_event: last_event(file, days),
                modified: listed.time_of(entry),
                tail: file.and_then(|file| file.tail_hash),
                unchanged_since: mark.map(|mark| Duration::from_secs(mark.since_s)),
                grew: listed.grew.contains(&entry.name),
            }
        };
        listed.files().map(log).collect()
    }

    /// Tells, once in each process, of files whose dates nothing else bears out.
    fn tell_implausible(&mut self, days: &BTreeMap<i64, Day>, listed: &Listed, times: &Times) {
        for (entry, file) in listed.files() {
            let dated = Dated {
                named_day: day_in_name(&entry.name),
                last_event: last_event(file, days),
                modified: listed.time_of(entry),
            };
            let key = || (self.folder.to_owned(), entry.name.clone());
            if let Some(claim) = implausible(dated, times.latest_two, times.limit)
                && self.memory.implausible_files.entry(key()).or_default().begins()
            {
                logging::implausible_date(&self.config.name, self.folder, &entry.name, &claim);
            }
        }
    }

    fn close_when_quiet(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
        entry: &Entry,
        file: &FileProgress,
        ends: &mut Ends,
    ) -> Result<(), BufferError> {
        let now = self.watch.now();
        if file.quiet.as_ref().is_none_or(|mark| *mark.boot != *now.boot) {
            // The first look of this boot: from here on it is known how long nothing changes.
            ends.marked.push(FileProgress { quiet: Some(now.mark()), ..file.clone() });
        }
        if now.quiet_for(file.quiet.as_ref()) < self.settings.file_quiet {
            return Ok(());
        }
        // A listing without times does not show that a file was rewritten at its old length. A file
        // of a folder that changed hands is closed as the former machine's.
        let is_own = buffer.files().machine_id(&self.machine.nom)? == Some(file.machine_id);
        let is_sure = entry.modified.is_some() || !is_own;
        if is_sure && entry.size == Some(file.consumed_bytes) {
            ends.closed.push(file.clone());
            return Ok(());
        }
        // A last line without an end counts now, and sizes that listings do not tell are learnt.
        if let Outcome::Read(Some(reading)) =
            self.read(buffer, source, entry, Some(file), is_sure, true)?
        {
            let is_same = reading.goes_on_with(file) && !reading.brings_lines();
            let mut waiting = vec![self.waiting(reading, now.uptime)];
            if let Some(kept) = self.keep_all(buffer, &mut waiting)?.pop()
                && kept.state == FileState::Growing
                && is_same
            {
                ends.closed.push(kept);
            }
        }
        Ok(())
    }

    fn may_delete(&self) -> bool {
        self.settings.has_central && self.config.delete == DeletePolicy::AfterSync
    }

    pub(super) fn source_failed(&mut self, name: &str, error: SourceError) {
        self.tell_failed(name, &error);
        if !error.concerns_one_file() {
            self.report.error = Some(error);
        }
    }
}

/// Files whose new state waits for a common transaction: a folder may hold twenty thousand.
#[derive(Default)]
struct Ends {
    marked: Vec<FileProgress>,
    closed: Vec<FileProgress>,
}

impl Ends {
    /// Makes what waits durable, each kind once it is `at_least` so many.
    fn commit(&mut self, buffer: &mut Buffer, at_least: usize) -> Result<(), BufferError> {
        if self.marked.len() >= at_least {
            let batch = buffer.batch()?;
            for file in self.marked.drain(..) {
                batch.save_progress(&file, None)?;
            }
            batch.commit(Step::MarkQuiet)?;
        }
        if self.closed.len() >= at_least {
            let batch = buffer.batch()?;
            for mut file in self.closed.drain(..) {
                close(&batch, &mut file, COMPACT_UP_TO_BYTES)?;
            }
            batch.commit(Step::Close)?;
        }
        Ok(())
    }
}
