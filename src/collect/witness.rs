//! Which witnesses say that a machine is done with a LOG, so that it may leave its source. Pure.
//!
//! What must never happen here: one wrong clock, one misread date or one copied file that lets a LOG
//! go. A machine's newest LOG stays, and a second witness is always asked: the server's time as several
//! files show it, or the agent's own sight of the machine writing into the newer LOG. A deletion that
//! comes late costs nothing, and one that comes early costs lines.

use std::{collections::BTreeSet, fmt, time::Duration};

use chrono::{NaiveDateTime, TimeDelta};

use crate::model::Day;

/// Servers print times in UTC, in local time, or in a zone that nobody set: by them a day is over
/// only when it is over in every zone.
pub(super) const ANY_ZONE: TimeDelta = TimeDelta::hours(12);

/// How much later than another a LOG may claim to be where the server's time does not speak for it.
const BELIEVABLE_WITHOUT_TIMES: TimeDelta = TimeDelta::days(31);

/// By how much the server's time may be ahead of what the agent saw pass: a change to summer time and
/// the time between a write and the next look.
const CLOCK_SLACK: TimeDelta = TimeDelta::hours(2);

/// A LOG of a folder as the agent read it, beside what the server claims of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Log {
    pub name: String,
    /// Numbers files in the order in which the agent first read them; `None` where it was not read.
    pub read_as: Option<i64>,
    pub named_day: Option<Day>,
    /// The day of its last event that the agent read.
    pub last_event: Option<Day>,
    /// The server's modification time.
    pub modified: Option<NaiveDateTime>,
    /// The same in two files means copies of one.
    pub tail: Option<[u8; 32]>,
    /// Since when it did not change, on the running time of this boot.
    pub unchanged_since: Option<Duration>,
    /// The agent saw it grow in this very look.
    pub grew: bool,
}

impl Log {
    /// The later of the day in its name and that of its last event.
    fn day(&self) -> Option<Day> {
        self.last_event.max(self.named_day)
    }
}

/// What is asked besides the files themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    pub day_start: TimeDelta,
    /// The configuration allows a machine's newest LOG to go (`delete_newest`).
    pub newest_may_go: bool,
    /// The gateway's own clock.
    pub wall: NaiveDateTime,
}

impl Terms {
    /// Whether by the gateway's clock a LOG of `day` may still be written: one clock may have made
    /// every time of a source, and been put back since. This holds back and never lets go. A clock that
    /// is a day or more behind the LOG is wrong and says nothing; a day less is another zone.
    fn shows(self, day: Day) -> bool {
        let today = self.wall.checked_sub_signed(self.day_start);
        today.is_some_and(|today| today.date() == day || today.date().succ_opt() == Some(day))
    }
}

/// Why a LOG may go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Witnesses {
    /// The later LOG of the machine; `None` only where the newest may go.
    pub newer: Option<String>,
    pub second: Second,
}

/// The witness beside the newer LOG.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Second {
    /// Several files show at least this time, and by it the day is over in every zone.
    ServerTime(NaiveDateTime),
    /// The newer LOG grew under the agent's eyes while this one did not change.
    Growth,
}

impl fmt::Display for Witnesses {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.newer {
            Some(newer) => write!(text, "the newer LOG {newer:?} was read")?,
            None => write!(text, "delete_newest allows it")?,
        }
        match &self.second {
            Second::ServerTime(time) => {
                write!(text, ", several files confirm the server's time {time}")
            }
            Second::Growth => write!(text, ", and it is growing"),
        }
    }
}

/// Why a LOG stays for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Missing {
    /// It has no event.
    Events,
    /// Nothing newer of the machine was read.
    NewerLog,
    /// There is a newer LOG, and no second witness.
    SecondWitness,
}

/// The LOGs of a folder that hold events, in the order of their last event's day: the later ones are
/// looked up and not searched for, because a folder may hold a hundred thousand.
#[derive(Clone, Debug)]
pub(super) struct Folder<'l> {
    by_day: Vec<(Day, &'l Log)>,
    growing: Vec<(Day, &'l Log)>,
}

impl<'l> Folder<'l> {
    pub(super) fn of(logs: &'l [Log]) -> Self {
        let with_day = |log: &'l Log| Some((log.last_event?, log));
        let mut by_day: Vec<_> = logs.iter().filter_map(with_day).collect();
        by_day.sort_by_key(|(day, _)| *day);
        let growing = by_day.iter().copied().filter(|(_, log)| log.grew).collect();
        Self { by_day, growing }
    }
}

/// So many of the latest LOGs are looked at for one that is newer: where none of them is, it stays.
const MOST_LOOKED_AT: usize = 1000;

/// The LOGs of `by_day` with events behind `day`, the latest first.
fn later<'f, 'l>(
    by_day: &'f [(Day, &'l Log)],
    day: Day,
) -> impl Iterator<Item = &'l Log> + use<'f, 'l> {
    let first = by_day.partition_point(|(of, _)| *of <= day);
    by_day[first..].iter().rev().take(MOST_LOOKED_AT).map(|(_, log)| *log)
}

/// Whether `own` may go, and by which witnesses. `folder` holds the LOGs of its folder, itself among
/// them; `server_time` is what the source's clock is known to have reached.
pub(super) fn may_go(
    own: &Log,
    folder: &Folder<'_>,
    server_time: Option<NaiveDateTime>,
    terms: Terms,
) -> Result<Witnesses, Missing> {
    let (Some(day), Some(_)) = (own.day(), own.last_event) else { return Err(Missing::Events) };
    let passed = |time: NaiveDateTime| {
        let time = time.checked_sub_signed(terms.day_start)?.checked_sub_signed(ANY_ZONE)?;
        (time.date() > day).then_some(())
    };
    let is_passed = |time: &NaiveDateTime| passed(*time).is_some() && !terms.shows(day);
    let by_server = server_time.filter(is_passed).map(Second::ServerTime);
    let is_newer = |other: &&Log| is_newer(other, own, day, server_time, terms.day_start);
    let growing = later(&folder.growing, day).find(is_newer);
    let Some(newer) = growing.or_else(|| later(&folder.by_day, day).find(is_newer)) else {
        return match by_server {
            Some(second) if terms.newest_may_go => Ok(Witnesses { newer: None, second }),
            _ => Err(Missing::NewerLog),
        };
    };
    let second = growing.map(|_| Second::Growth).or(by_server).ok_or(Missing::SecondWitness)?;
    Ok(Witnesses { newer: Some(newer.name.clone()), second })
}

/// Whether the machine went on in `other` after it was done with `own`, whose day is `day`. A name and
/// a time are not enough: events of a later day were read.
fn is_newer(
    other: &Log,
    own: &Log,
    day: Day,
    server_time: Option<NaiveDateTime>,
    day_start: TimeDelta,
) -> bool {
    let Some(other_day) = other.last_event.filter(|other_day| *other_day > day) else {
        return false;
    };
    // The agent got to know it later, and did not see `own` change after it.
    let is_read_later = match (own.read_as, other.read_as) {
        (Some(own), Some(other)) => other > own,
        _ => false,
    };
    let changed_before = match (own.unchanged_since, other.unchanged_since) {
        (Some(own), Some(other)) => other >= own,
        (Some(_), None) => false,
        (None, _) => true,
    };
    // What was seen says more than what is claimed: `own` may be dated ahead.
    let is_written_later = match (own.modified, other.modified) {
        (Some(own), Some(time)) => time >= own || other.grew,
        _ => true,
    };
    // No event is later than the writing of its file, unless the server's clock was never set.
    let day_of = |time: NaiveDateTime| {
        let time = time.checked_add_signed(ANY_ZONE)?.checked_sub_signed(day_start)?;
        Some(time.date())
    };
    let is_possible = other.grew
        || other.modified.is_none_or(|time| day_of(time).is_none_or(|latest| other_day <= latest));
    let is_near = other_day.signed_duration_since(day) <= BELIEVABLE_WITHOUT_TIMES
        || server_time.and_then(day_of).is_some_and(|latest| other_day <= latest);
    is_read_later && changed_before && is_written_later && is_possible && is_near
}

/// What the agent itself saw of a source's clock: the time of a file that had just been written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SeenTime {
    pub time: NaiveDateTime,
    /// The agent's running time at the look before: it was written then or later.
    pub at: Duration,
}

impl SeenTime {
    /// What the source's clock cannot have passed by now. A clock that was put back shows in the next
    /// file that grows, and what was claimed before it is void.
    pub(super) fn limit(self, now: Duration) -> Option<NaiveDateTime> {
        let passed = TimeDelta::from_std(now.saturating_sub(self.at)).ok()?;
        self.time.checked_add_signed(passed)?.checked_add_signed(CLOCK_SLACK)
    }
}

/// The time that a source's clock has reached for a LOG of `folder`: what the newest files of two
/// folders show at least, or two files of its own that are not copies. One file alone says nothing,
/// and neither does anything beyond `limit`.
pub(super) fn server_time(
    folder: &[Log],
    newest_of_folders: &[NaiveDateTime],
    limit: Option<NaiveDateTime>,
) -> Option<NaiveDateTime> {
    let mut copies = BTreeSet::new();
    let own = folder.iter().filter_map(|log| {
        let (modified, tail) = (log.modified?, log.tail?);
        (log.last_event.is_some() && copies.insert(tail)).then_some(modified)
    });
    second_latest(own, limit).max(second_latest(newest_of_folders.iter().copied(), limit))
}

fn second_latest(
    times: impl Iterator<Item = NaiveDateTime>,
    limit: Option<NaiveDateTime>,
) -> Option<NaiveDateTime> {
    let mut times: Vec<_> = times.filter(|time| limit.is_none_or(|limit| *time <= limit)).collect();
    times.sort_unstable();
    times.into_iter().rev().nth(1)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    /// The LOG of a day in June 2026, read in the order of the days, written until the evening.
    fn log(of: u32) -> Log {
        let day = Day::from_ymd_opt(2026, 6, of).unwrap();
        Log {
            name: format!("202606{of:02}.LOG"),
            read_as: Some(of.into()),
            named_day: Some(day),
            last_event: Some(day),
            modified: day.and_hms_opt(22, 0, 0),
            tail: Some([u8::try_from(of).unwrap(); 32]),
            unchanged_since: Some(Duration::from_secs(u64::from(of) * 100)),
            grew: false,
        }
    }

    const TERMS: Terms = Terms {
        day_start: TimeDelta::zero(),
        newest_may_go: false,
        wall: DateTime::UNIX_EPOCH.naive_utc(),
    };

    /// The verdict on the first of `folder`.
    fn verdict(folder: &[Log], time: Option<&str>) -> Result<Witnesses, Missing> {
        may_go(&folder[0], &Folder::of(folder), time.map(at), TERMS)
    }

    #[test]
    fn a_log_goes_by_a_newer_one_and_the_servers_time_or_its_growth() {
        let both = [log(10), log(11)];
        let newer = Some("20260611.LOG".to_owned());
        let second = Second::ServerTime(at("2026-06-11 12:00"));
        let by_time = Witnesses { newer: newer.clone(), second };
        assert_eq!(verdict(&both, Some("2026-06-11 12:00")), Ok(by_time));
        assert_eq!(verdict(&both, Some("2026-06-11 11:59")), Err(Missing::SecondWitness));
        assert_eq!(verdict(&both, None), Err(Missing::SecondWitness));
        let grows = [log(10), Log { grew: true, ..log(11) }];
        assert_eq!(verdict(&grows, None), Ok(Witnesses { newer, second: Second::Growth }));
    }

    #[test]
    fn the_newest_log_stays_whatever_the_time_unless_the_configuration_allows_it() {
        let late = Some("2026-06-30 12:00");
        assert_eq!(verdict(&[log(10)], late), Err(Missing::NewerLog));
        let terms = Terms { newest_may_go: true, ..TERMS };
        let own = [log(10)];
        let folder = Folder::of(&own);
        let allowed = may_go(&own[0], &folder, late.map(at), terms).unwrap();
        assert_eq!(allowed.newer, None);
        assert_eq!(may_go(&own[0], &folder, None, terms), Err(Missing::NewerLog));
    }

    #[test]
    fn what_only_looks_newer_lets_nothing_go() {
        let june = |of| Some(day(&format!("2026-06-{of:02}")));
        let table: [(&str, Log); 9] = [
            ("a name", Log { last_event: None, ..log(11) }),
            ("a copy", Log { last_event: june(10), ..log(11) }),
            ("a second file of the day", Log { name: "20260610_B.LOG".into(), ..log(10) }),
            ("not read", Log { read_as: None, ..log(11) }),
            ("read before", Log { read_as: Some(9), ..log(11) }),
            (
                "an implausible future",
                Log { last_event: Some(day("2099-01-01")), modified: None, ..log(11) },
            ),
            (
                "changed before this one did",
                Log { unchanged_since: Some(Duration::from_secs(999)), ..log(11) },
            ),
            ("not seen to change in this boot", Log { unchanged_since: None, ..log(11) }),
            ("older", log(9)),
        ];
        for (what, other) in table {
            let other = Log { grew: true, ..other };
            assert_eq!(
                verdict(&[log(10), other], Some("2026-06-12 12:00")),
                Err(Missing::NewerLog),
                "{what}"
            );
        }
        let written_before = Log { modified: Some(at("2026-06-10 21:59")), ..log(11) };
        let late = Some("2026-06-12 12:00");
        assert_eq!(verdict(&[log(10), written_before.clone()], late), Err(Missing::NewerLog));
        let ahead = Log { last_event: june(13), ..log(11) };
        assert_eq!(verdict(&[log(10), ahead], late), Err(Missing::NewerLog), "behind its own time");
        let grows = Log { grew: true, ..written_before };
        assert!(verdict(&[log(10), grows], late).is_ok(), "it is this one that is dated ahead");
    }

    #[test]
    fn a_log_without_events_stays_and_one_over_midnight_waits_for_the_day_after() {
        let late = Some("2026-06-30 12:00");
        let empty = [Log { last_event: None, ..log(10) }, log(11)];
        assert_eq!(verdict(&empty, late), Err(Missing::Events));
        let over_midnight = Log { last_event: Some(day("2026-06-11")), ..log(10) };
        let folder = [over_midnight.clone(), log(11)];
        assert_eq!(verdict(&folder, late), Err(Missing::NewerLog));
        assert!(verdict(&[over_midnight, log(11), log(12)], late).is_ok());
        let named_later = Log { named_day: Some(day("2099-01-01")), ..log(10) };
        assert_eq!(verdict(&[named_later, log(11)], late), Err(Missing::NewerLog));
    }

    #[test]
    fn a_day_that_begins_in_the_morning_is_over_as_much_later() {
        let terms = Terms { day_start: TimeDelta::hours(5), ..TERMS };
        let folder = [log(10), log(11)];
        let verdict = |time| may_go(&folder[0], &Folder::of(&folder), Some(at(time)), terms);
        assert_eq!(verdict("2026-06-11 16:59"), Err(Missing::SecondWitness));
        assert!(verdict("2026-06-11 17:00").is_ok());
    }

    #[test]
    fn the_servers_time_is_what_two_files_show_and_never_what_one_claims() {
        let folders = |times: &[&str]| times.iter().map(|time| at(time)).collect::<Vec<_>>();
        let [ahead, noon] = ["2026-06-13 12:01", "2026-06-12 11:40"];
        assert_eq!(server_time(&[], &folders(&[ahead, noon]), None), Some(at(noon)));
        assert_eq!(server_time(&[], &folders(&[ahead]), None), None);
        let own = [log(10), Log { modified: Some(at(ahead)), ..log(11) }, log(12)];
        assert_eq!(server_time(&own, &[], None), Some(at("2026-06-12 22:00")));
        // A copy is the same file once more.
        let copy = Log { name: "copy.LOG".into(), ..own[1].clone() };
        let with_copy = [own[0].clone(), own[1].clone(), copy];
        assert_eq!(server_time(&with_copy, &[], None), Some(at("2026-06-10 22:00")));
        // What the agent saw being written bounds every claim.
        let seen = SeenTime { time: at(noon), at: Duration::from_secs(60) };
        let limit = seen.limit(Duration::from_secs(3660));
        assert_eq!(limit, Some(at("2026-06-12 14:40")));
        let claims = folders(&[ahead, ahead, noon, "2026-06-12 09:00"]);
        assert_eq!(server_time(&[], &claims, None), Some(at(ahead)));
        assert_eq!(server_time(&[], &claims, limit), Some(at("2026-06-12 09:00")));
    }

    #[test]
    fn the_gateways_clock_holds_a_deletion_back_and_never_brings_one_about() {
        let folder = [log(10), log(12), log(13)];
        let time = server_time(&folder, &[], None);
        let verdict = |folder: &[Log], wall: &str| {
            let terms = Terms { wall: at(wall), ..TERMS };
            may_go(&folder[0], &Folder::of(folder), time, terms)
        };
        // One clock wrote the later LOGs and was put back: it is still the tenth, in some zone.
        for still in ["2026-06-10 23:59", "2026-06-10 05:00", "2026-06-09 22:00"] {
            assert_eq!(verdict(&folder, still), Err(Missing::SecondWitness), "{still}");
        }
        for says_nothing in ["2026-06-11 00:00", "1970-01-01 00:00", "2099-01-01 00:00"] {
            assert!(verdict(&folder, says_nothing).is_ok(), "{says_nothing}");
        }
        let alone = verdict(&folder[..1], "2099-01-01 00:00");
        assert_eq!(alone, Err(Missing::NewerLog), "a late clock is no witness");
        let grows = [log(10), Log { grew: true, ..log(11) }];
        assert!(verdict(&grows, "2026-06-10 23:59").is_ok(), "what was seen says more");
    }
}
