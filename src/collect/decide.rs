//! What to do with a file that a listing shows, and when a file is complete. Pure.

use std::{collections::BTreeMap, ops::Bound, time::Duration};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use super::witness::ANY_ZONE;
use crate::{
    buffer::{FileProgress, FileState, QuietMark, Refusal},
    model::{Day, WallTime},
    source::Entry,
};

/// What a listed file needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// Nothing changed since the last look.
    Skip,
    /// Read what came behind the bytes taken so far; [`Start::of`] says whether that is possible.
    Resume,
    /// Read from the beginning.
    FromStart,
    /// Not read at all.
    Refuse(Refusal),
}

/// Decides by the listing alone. A time alone never makes a file new: it makes the agent compare.
pub(super) fn look(entry: &Entry, known: Option<&FileProgress>, max_file_bytes: u64) -> Look {
    if let Some(size) = entry.size.filter(|size| *size > max_file_bytes) {
        let refusal = Refusal::FileTooLarge { bytes: size, max_file_bytes };
        let was_refused = known.is_some_and(|file| {
            file.state == FileState::Refused && file.refusal.as_ref() == Some(&refusal)
        });
        return if was_refused { Look::Skip } else { Look::Refuse(refusal) };
    }
    let Some(known) = known else { return Look::FromStart };
    match known.state {
        FileState::Refused => {
            // Only reading told that it is too large, or what it holds; that is not tried every poll.
            let same = (entry.size, entry.modified) == (known.size_bytes, known.modified);
            let by_this_limit =
                known.refusal.as_ref().is_some_and(|refusal| still_holds(refusal, max_file_bytes));
            return if same && by_this_limit { Look::Skip } else { Look::FromStart };
        }
        // Said to be deleted, and still listed as it was: it is deleted again, slowly.
        FileState::Deleted if entry.size.is_some() && is_unchanged(entry, known) => {
            return Look::Skip;
        }
        FileState::Deleted | FileState::Replaced => return Look::FromStart,
        FileState::Growing | FileState::Closed => {}
    }
    let (Some(size), Some(seen)) = (entry.size, known.size_bytes) else { return Look::Resume };
    if size == seen {
        return if entry.modified == known.modified { Look::Skip } else { Look::FromStart };
    }
    if size < seen { Look::FromStart } else { Look::Resume }
}

/// Where the reading of a file begins, and as which file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start<'f> {
    /// As `file`, behind its consumed bytes, of which the last ones have `tail_hash`.
    Behind { file: &'f FileProgress, tail_hash: [u8; 32] },
    /// At the first byte, as `file` while the first `bytes` are those that are kept of it.
    Compared { file: &'f FileProgress, bytes: u64 },
    /// At the first byte, as a new generation of the name.
    New,
}

impl<'f> Start<'f> {
    /// How a file is read of which `known` is known: behind the bytes taken only where `resume` asks
    /// for it and it is certain which these are. A last line that was taken without its end may have
    /// got its rest.
    pub(super) fn of(known: Option<&'f FileProgress>, resume: bool) -> Self {
        // Without a hash nothing of it was ever taken.
        let Some((file, tail_hash)) = known.and_then(|file| Some((file, file.tail_hash?))) else {
            return Self::New;
        };
        if resume && file.consumed_bytes > 0 && file.open_line_at.is_none() {
            Self::Behind { file, tail_hash }
        } else {
            Self::compared(file)
        }
    }

    fn compared(file: &'f FileProgress) -> Self {
        Self::Compared { file, bytes: file.open_line_at.unwrap_or(file.consumed_bytes) }
    }

    /// How the file is read instead where the source does not begin there, the bytes are not those that
    /// were taken, or they are not kept any more. `None`: a new generation is compared with nothing.
    pub(super) fn otherwise(self) -> Option<Self> {
        match self {
            Self::Behind { file, .. } => Some(Self::compared(file)),
            Self::Compared { .. } => Some(Self::New),
            Self::New => None,
        }
    }
}

/// The file that a machine writes at the moment: the one of the latest day by its name, of several the
/// last by name. `None` where no name has a day.
pub(super) fn newest_log(entries: &[Entry]) -> Option<usize> {
    let days = entries.iter().enumerate().map(|(at, entry)| (day_in_name(&entry.name), at));
    let newest = days.max_by_key(|&(day, at)| (day, &entries[at].name))?;
    newest.0.map(|_| newest.1)
}

/// A listed size is a hint: the newest file is asked for what stands behind the bytes taken although
/// its size stands still.
pub(super) fn may_lag(known: Option<&FileProgress>) -> bool {
    known.is_some_and(|file| file.state == FileState::Growing && file.consumed_bytes > 0)
}

/// So often a file's listed size may change without a line before it is no measure of it.
pub(super) const IDLE_CHANGES: u32 = 3;

/// Whether a listing shows a file as it was at the last look.
pub(super) fn is_unchanged(entry: &Entry, file: &FileProgress) -> bool {
    file.size_bytes == entry.size && file.modified == entry.modified
}

/// Days of which one reading may hold events. A machine's LOG is of one day; each day of a file would be
/// a session in central.
pub(super) const MOST_DAYS: usize = 1000;

/// Whether a file that reading refused for this would be refused again under today's limits.
fn still_holds(refusal: &Refusal, max_bytes: u64) -> bool {
    match refusal {
        Refusal::FileTooLarge { max_file_bytes, .. }
        | Refusal::DayTooLarge { max_file_bytes, .. } => *max_file_bytes == max_bytes,
        Refusal::TooManyDays { most_days, .. } => *most_days == MOST_DAYS,
        Refusal::Other(_) => false,
    }
}

/// The moment of a look: the computer's own running time, and a wall clock that is only noted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timestamps {
    /// Names the boot: running times of two boots cannot be compared.
    pub boot: String,
    pub uptime: Duration,
    /// Noted for people to read; it may hold a deletion back, and never brings one about.
    pub wall: NaiveDateTime,
}

impl Timestamps {
    /// The wall clock as the buffer notes it.
    pub fn wall_time(&self) -> WallTime {
        WallTime::of(self.wall)
    }

    pub fn mark(&self) -> QuietMark {
        QuietMark { boot: self.boot.as_str().into(), since_s: self.uptime.as_secs() }
    }

    /// How long nothing has changed, as far as this boot has seen it.
    pub fn quiet_for(&self, mark: Option<&QuietMark>) -> Duration {
        match mark {
            Some(mark) if *mark.boot == *self.boot => {
                self.uptime.saturating_sub(Duration::from_secs(mark.since_s))
            }
            _ => Duration::ZERO,
        }
    }
}

/// A file of a folder by its dates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dates {
    /// The later of the date in its name and the day of its last event.
    pub day: Option<Day>,
    /// The server's modification time.
    pub modified: Option<NaiveDateTime>,
}

/// The day that a name such as `20250603.LOG` or `20250603_B.LOG` begins with.
pub(super) fn day_in_name(name: &str) -> Option<Day> {
    let digits = name.as_bytes().first_chunk::<8>()?;
    let number = |part: &[u8]| {
        part.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let (year, month_and_day) = digits.split_at(4);
    let (month, day) = month_and_day.split_at(2);
    NaiveDate::from_ymd_opt(number(year)?.cast_signed(), number(month)?, number(day)?)
}

/// Where no server time is known, how much later a file may claim to be and still be believed.
const BELIEVABLE_WITHOUT_TIMES: TimeDelta = TimeDelta::days(31);

/// The files of a folder by their days: whether a later one exists is looked up and not searched for,
/// because a folder may hold a hundred thousand.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct LatestOfDays(BTreeMap<Day, Latest>);

/// The files of one day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Latest {
    modified: Option<NaiveDateTime>,
    /// One of them has no time.
    has_timeless: bool,
}

impl LatestOfDays {
    pub(super) fn of(files: &[Dates]) -> Self {
        let mut days: BTreeMap<Day, Latest> = BTreeMap::new();
        for file in files {
            let Some(day) = file.day else { continue };
            let latest = days.entry(day).or_default();
            latest.modified = latest.modified.max(file.modified);
            latest.has_timeless |= file.modified.is_none();
        }
        Self(days)
    }

    /// Whether there is a file of a day after `day`, up to `last`, that may have been written after
    /// `modified`.
    fn has_later(&self, day: Day, last: Day, modified: Option<NaiveDateTime>) -> bool {
        if last <= day {
            return false;
        }
        let mut later = self.0.range((Bound::Excluded(day), Bound::Included(last)));
        later.any(|(_, latest)| latest.has_timeless || latest.modified >= modified)
    }
}

/// Whether a file's day seems over: by a later file of its folder, or by the newest time that the
/// server itself has put on any file. The gateway's clock has no say. This closes a file, which is
/// undone when it grows; what a deletion rests on is [`super::witness`].
pub(super) fn is_over(
    file: Dates,
    others: &LatestOfDays,
    newest_server_time: Option<NaiveDateTime>,
    day_start: TimeDelta,
) -> bool {
    let Some(day) = file.day.or(file.modified.map(|at| at.date())) else { return false };
    let server_time = newest_server_time.and_then(|at| at.checked_sub_signed(day_start));
    // A clock that has not even reached the file's own day is behind, and says nothing of later ones.
    let server_day = server_time
        .map(|at| at.date())
        .filter(|server_day| server_day.succ_opt().is_none_or(|tomorrow| tomorrow >= day));
    let passed_everywhere = server_time.and_then(|at| at.checked_sub_signed(ANY_ZONE));
    if passed_everywhere.is_some_and(|at| at.date() > day) {
        return true;
    }
    // A file that claims a day the server itself has not reached says nothing.
    let last = match server_day {
        Some(server_day) => server_day.succ_opt(),
        None => day.checked_add_signed(BELIEVABLE_WITHOUT_TIMES),
    };
    others.has_later(day, last.unwrap_or(Day::MAX), file.modified)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_name_has_the_day_that_its_first_eight_digits_are() {
        let day = NaiveDate::from_ymd_opt(2025, 6, 3);
        assert!(
            ["20250603.LOG", "20250603_B.LOG", "202506031.LOG", "20250603"].map(day_in_name)
                == [day; 4]
        );
        let others =
            ["2025060.LOG", "+2025060.LOG", "-2025060", "2025 603", "20250631.LOG", "é0250603", ""];
        assert_eq!(others.map(day_in_name), [None; 7]);
    }

    /// As [`super::is_over`], with the other files one by one.
    fn is_over(
        file: Dates,
        others: &[Dates],
        newest_server_time: Option<NaiveDateTime>,
        day_start: TimeDelta,
    ) -> bool {
        super::is_over(file, &LatestOfDays::of(others), newest_server_time, day_start)
    }

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn entry(size: Option<u64>, modified: &str) -> Entry {
        Entry { name: "20250603.LOG".into(), size, modified: Some(at(modified)) }
    }

    fn known(size: u64, consumed: u64) -> FileProgress {
        FileProgress {
            id: 1,
            machine_id: 1,
            name: "20250603.LOG".into(),
            generation: 1,
            state: FileState::Growing,
            refusal: None,
            size_bytes: Some(size),
            modified: Some(at("2025-06-03 12:00")),
            consumed_bytes: consumed,
            tail_hash: None,
            open_line_at: None,
            in_long_line: false,
            quiet: None,
        }
    }

    #[test]
    fn a_look_is_decided_by_size_and_time_against_what_was_seen() {
        let then = "2025-06-03 12:00";
        let later = "2025-06-03 13:00";
        let table = [
            ("unchanged", entry(Some(100), then), Look::Skip),
            ("grown", entry(Some(120), later), Look::Resume),
            ("grown without a new time", entry(Some(120), then), Look::Resume),
            ("shorter", entry(Some(80), later), Look::FromStart),
            ("same size, other time", entry(Some(100), later), Look::FromStart),
            ("no size", entry(None, then), Look::Resume),
        ];
        for (case, entry, expected) in table {
            assert_eq!(look(&entry, Some(&known(100, 95)), 1000), expected, "{case}");
        }
        assert_eq!(look(&entry(Some(1), then), None, 1000), Look::FromStart);
    }

    #[test]
    fn the_newest_log_is_the_one_of_the_latest_day_in_its_name() {
        let named = |name: &str| Entry { name: name.into(), size: None, modified: None };
        let names = ["20250602.LOG", "20250604.LOG", "20250603.LOG", "20250604_B.LOG", "z.LOG"];
        assert_eq!(newest_log(&names.map(named)), Some(3));
        assert_eq!(newest_log(&["a.LOG", "b.LOG"].map(named)), None);
        assert_eq!(newest_log(&[]), None);
    }

    #[test]
    fn only_a_growing_file_of_which_something_was_read_may_lag_behind_its_listing() {
        assert!(may_lag(Some(&known(100, 95))));
        assert!(!may_lag(Some(&known(100, 0))) && !may_lag(None));
        let closed = FileProgress { state: FileState::Closed, ..known(100, 95) };
        assert!(!may_lag(Some(&closed)));
    }

    #[test]
    fn what_was_refused_after_reading_is_not_read_at_every_poll() {
        let then = "2025-06-03 12:00";
        let day = "2025-06-03".parse().unwrap();
        let refused = |refusal| FileProgress {
            state: FileState::Refused,
            refusal: Some(refusal),
            ..known(100, 0)
        };
        let (bytes, max_file_bytes) = (2000, 1000);
        let table = [
            (Refusal::FileTooLarge { bytes, max_file_bytes }, Look::FromStart),
            (Refusal::DayTooLarge { day, bytes, max_file_bytes }, Look::FromStart),
            (Refusal::TooManyDays { days: 5000, most_days: MOST_DAYS }, Look::Skip),
        ];
        for (refusal, under_another_limit) in table {
            let refused = refused(refusal);
            let unchanged = entry(Some(100), then);
            assert_eq!(look(&unchanged, Some(&refused), 1000), Look::Skip);
            assert_eq!(look(&unchanged, Some(&refused), 3000), under_another_limit);
            assert_eq!(look(&entry(Some(120), then), Some(&refused), 1000), Look::FromStart);
        }
        for refusal in [
            Refusal::TooManyDays { days: 5000, most_days: MOST_DAYS - 1 },
            Refusal::Other("for a reason of another version = 1000".into()),
        ] {
            let refused = refused(refusal);
            assert_eq!(look(&entry(Some(100), then), Some(&refused), 1000), Look::FromStart);
        }
    }

    #[test]
    fn a_file_above_the_limit_is_refused_once_and_read_when_the_limit_allows_it() {
        let large = entry(Some(2000), "2025-06-03 12:00");
        let Look::Refuse(refusal) = look(&large, None, 1000) else { panic!("refused") };
        assert_eq!(refusal, Refusal::FileTooLarge { bytes: 2000, max_file_bytes: 1000 });
        let refused =
            FileProgress { state: FileState::Refused, refusal: Some(refusal), ..known(2000, 0) };
        assert_eq!(look(&large, Some(&refused), 1000), Look::Skip);
        assert_eq!(look(&large, Some(&refused), 3000), Look::FromStart);
    }

    #[test]
    fn a_file_that_comes_back_after_deletion_is_read_again() {
        let deleted = FileProgress { state: FileState::Deleted, ..known(100, 100) };
        for back in [entry(Some(100), "2025-06-03 13:00"), entry(Some(90), "2025-06-03 12:00")] {
            assert_eq!(look(&back, Some(&deleted), 1000), Look::FromStart);
        }
        let never_went = entry(Some(100), "2025-06-03 12:00");
        assert_eq!(look(&never_went, Some(&deleted), 1000), Look::Skip);
    }

    #[test]
    fn a_file_is_resumed_only_where_its_taken_bytes_end_with_a_line_and_are_known() {
        let taken = FileProgress { tail_hash: Some([7; 32]), ..known(100, 95) };
        let behind = Start::of(Some(&taken), true);
        assert!(matches!(behind, Start::Behind { tail_hash: [7, ..], .. }), "{behind:?}");
        let open = FileProgress { open_line_at: Some(90), ..taken.clone() };
        let empty = FileProgress { consumed_bytes: 0, ..taken.clone() };
        let table = [
            ("a last line without its end", Start::of(Some(&open), true), 90),
            ("nothing taken", Start::of(Some(&empty), true), 0),
            ("read from its beginning", Start::of(Some(&taken), false), 95),
            ("not resumed after all", behind.otherwise().unwrap(), 95),
        ];
        for (case, start, expected) in table {
            assert!(matches!(start, Start::Compared { bytes, .. } if bytes == expected), "{case}");
            assert!(matches!(start.otherwise(), Some(Start::New)), "{case}");
        }
        for resume in [false, true] {
            assert!(matches!(Start::of(Some(&known(100, 0)), resume), Start::New));
            assert!(matches!(Start::of(None, resume), Start::New));
        }
    }

    fn dates(day: &str, modified: Option<&str>) -> Dates {
        Dates { day: day_in_name(day), modified: modified.map(at) }
    }

    #[test]
    fn a_day_is_over_by_a_later_file_or_by_the_servers_own_time() {
        let file = dates("20250603.LOG", Some("2025-06-03 21:59"));
        let next = dates("20250604.LOG", Some("2025-06-04 05:01"));
        let midnight = TimeDelta::zero();
        assert!(!is_over(file, &[], Some(at("2025-06-03 21:59")), midnight));
        assert!(is_over(file, &[next], Some(at("2025-06-04 05:01")), midnight));
        assert!(is_over(file, &[], Some(at("2025-06-04 12:00")), midnight));
        assert!(!is_over(file, &[], Some(at("2025-06-04 11:59")), midnight), "not in every zone");
        assert!(!is_over(file, &[], Some(at("2025-06-04 16:59")), TimeDelta::hours(5)));
        assert!(is_over(
            dates("20250603.LOG", None),
            &[dates("20250604.LOG", None)],
            None,
            midnight
        ));
    }

    #[test]
    fn a_server_whose_clock_is_behind_keeps_no_file_from_closing() {
        let file = dates("20250603.LOG", Some("1980-01-01 08:00"));
        let next = dates("20250604.LOG", Some("1980-01-02 03:00"));
        let future = dates("20990101.LOG", Some("1980-01-02 03:00"));
        let time = Some(at("1980-01-02 03:00"));
        assert!(is_over(file, &[next], time, TimeDelta::zero()));
        assert!(!is_over(next, &[file], time, TimeDelta::zero()), "nothing is later");
        assert!(!is_over(next, &[future], time, TimeDelta::zero()));
    }

    #[test]
    fn a_file_from_the_future_closes_nothing() {
        let file = dates("20250603.LOG", Some("2025-06-03 12:00"));
        let future = dates("20990101.LOG", Some("2025-06-03 12:00"));
        assert!(!is_over(file, &[future], Some(at("2025-06-03 12:00")), TimeDelta::zero()));
        let timeless = |day| dates(day, None);
        let today = timeless("20250603.LOG");
        assert!(!is_over(today, &[timeless("20990101.LOG")], None, TimeDelta::zero()));
        let older_upload = dates("20250604.LOG", Some("2025-06-01 12:00"));
        assert!(!is_over(file, &[older_upload], Some(at("2025-06-03 12:00")), TimeDelta::zero()));
    }

    #[test]
    fn quiet_time_counts_only_within_one_boot_whatever_the_wall_clock_says() {
        let moment = |boot: &str, seconds| Timestamps {
            boot: boot.into(),
            uptime: Duration::from_secs(seconds),
            wall: DateTime::UNIX_EPOCH.naive_utc(),
        };
        let mark = moment("a", 100).mark();
        assert_eq!(moment("a", 160).quiet_for(Some(&mark)), Duration::from_secs(60));
        assert_eq!(moment("b", 9999).quiet_for(Some(&mark)), Duration::ZERO);
        assert_eq!(moment("a", 160).quiet_for(None), Duration::ZERO);
        assert_eq!(moment("a", 160).wall_time().to_string(), "1970-01-01 00:00:00");
    }
}
