//! Plain data that the rooms hand to one another: times, sessions and their details, and what the
//! sync compares. No IO, no clock, no logging here; nothing in this file may depend on another room.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};

mod advice;
mod alarm;
mod anomaly;
mod central_told;
mod digest;
mod language;
mod limits;
mod link;
mod link_fault;
mod losses;
mod nearest;
mod plant_calendar;
mod printable;
mod security;
mod settings_told;
mod shift_times;
mod told;
mod trouble;
mod update_result;
mod wall_time;
mod week;
mod weekly;

pub use advice::{Advice, AdviceCode};
pub use alarm::{AlarmEvent, AlarmKey, AlarmKind, AlarmMessage, AlarmState, StandingAlarm};
pub use anomaly::{Anomaly, AnomalyCode, Severity, Unit};
pub use central_told::{CentralTold, FedMachine, ForeignWrite, Renamed, SessionSum};
pub use digest::{DayDigest, PlannedDigest};
pub use language::Language;
pub use limits::Limits;
pub use link::LinkName;
pub use link_fault::{FaultKind, LinkFault};
pub use losses::{LossKind, Losses, Shares};
pub use nearest::{meant, nearest_first};
pub use plant_calendar::{KeptCalendar, PlantCalendar, RefusedCalendar};
pub use printable::{begins_formula, is_harmless, printable, printable_json, printable_lines};
pub use security::{
    FIRST_READ, Observed, PeerProof, ProofKind, SecurityEvent, SecurityKind, SecurityLog,
};
pub use settings_told::{
    RefusedSettings, SettingsThere, SettingsTold, SignedSettings, ToldSettings,
};
pub use shift_times::{DayTimes, NoTrs, Rates, ShiftTimes, TimesSum};
pub use told::{Collected, FolderTold, LinkTold, ServiceTold, SourceTold, StatusTold};
pub use trouble::{Trouble, TroubleKey, TroubleKind};
pub use update_result::{
    FailedUpdate, GivenUp, LastUpdate, ManifestTimes, SelfUpdate, UNKNOWN_VERSION, UpdateEnd,
    UpdatesElsewhere,
};
pub use wall_time::WallTime;
pub use week::{NotAWeek, Week};
pub use weekly::{ReportFormat, ReportName};

/// Production day of a machine.
pub type Day = NaiveDate;

/// A moment on the machine's own wall clock: milliseconds since 1970-01-01 00:00:00 of that clock.
///
/// Naive on purpose: the LOG files carry no zone, and central's columns are `TIMESTAMP`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Stamp(pub i64);

impl Stamp {
    /// From whole seconds since 1970-01-01 00:00:00.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    pub fn from_naive(at: NaiveDateTime) -> Self {
        Self(at.and_utc().timestamp_millis())
    }

    /// The same moment as chrono knows it. Every stamp made from a LOG line plus a duration of at
    /// most [`MAX_WAIT_MS`] is inside chrono's range of ± 262,000 years.
    pub fn to_naive(self) -> NaiveDateTime {
        DateTime::from_timestamp_millis(self.0)
            .expect("a stamp lies within four-digit years plus one bounded duration")
            .naive_utc()
    }

    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0 + ms)
    }

    /// The production day of this moment when days begin `day_start` after midnight.
    pub fn day(self, day_start: TimeDelta) -> Day {
        self.plus_ms(-day_start.num_milliseconds()).to_naive().date()
    }
}

/// `2025-05-28 05:08:54`, with `.mmm` only where the milliseconds are not zero.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.to_naive();
        if self.0.rem_euclid(1000) == 0 {
            write!(f, "{}", at.format("%Y-%m-%d %H:%M:%S"))
        } else {
            write!(f, "{}", at.format("%Y-%m-%d %H:%M:%S%.3f"))
        }
    }
}

/// Which end of a wait its line marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitStamp {
    Start,
    End,
}

/// Text that is nearly always short: up to 24 bytes stay in place, so that a row costs no allocation.
pub type ShortText = compact_str::CompactString;

/// The longest wait that is believed: central's `duree_secondes` is a 32-bit integer.
pub const MAX_WAIT_MS: i64 = i32::MAX as i64 * 1000;

/// A machining centre as the configuration names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Machine {
    /// Central's `nom`, at most 100 characters.
    pub nom: String,
    /// Central's `type_cu`, at most 50 characters.
    pub type_cu: String,
}

/// What a LOG's events of one (machine, production day) amount to. A pure function of the events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Session {
    pub figures: Figures,
    pub pieces: Vec<Piece>,
    pub waits: Vec<Wait>,
    pub stops: Vec<Stop>,
    pub jobs: Vec<Job>,
    pub log_defects: Vec<LogDefect>,
}

/// The header figures of a session. Durations are exact milliseconds; the rounding that central's
/// columns ask for is in [`hours_e4`] and [`rate_e2`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Events of all kinds that the session is made of, unknown names included.
    pub events: u64,
    pub first_piece: Option<Stamp>,
    pub last_piece: Option<Stamp>,
    pub first_start: Option<Stamp>,
    pub last_stop: Option<Stamp>,
    pub total_pieces: u32,
    /// |W|: first to last piece.
    pub window_ms: i64,
    /// Waits inside W, outside stops, each moment counted once.
    pub wait_ms: i64,
    /// Stops inside W, each moment counted once.
    pub stop_ms: i64,
    /// |W| less the two above.
    pub effective_ms: i64,
    /// Plain sum of all waits as logged, in and out of W.
    pub raw_wait_ms: i64,
    /// Plain sum of all stop periods as logged.
    pub raw_stop_ms: i64,
}

impl Figures {
    /// See [`rate_per_hour_e2`].
    pub fn rate_per_hour_e2(&self) -> Option<i64> {
        rate_per_hour_e2(self.total_pieces.into(), self.effective_ms)
    }
}

/// Milliseconds as hours in ten-thousandths, rounded half up: central's `DECIMAL(10,4)` times 10⁴.
pub fn hours_e4(ms: i64) -> i64 {
    // 1 h = 3,600,000 ms, so 10⁻⁴ h = 360 ms.
    (ms + 180).div_euclid(360)
}

/// `part` in percent of `whole`, in hundredths, rounded half up: central's `DECIMAL(5,2)` times 100.
/// 0 where `whole` is 0.
pub fn rate_e2(part_ms: i64, whole_ms: i64) -> i64 {
    if whole_ms == 0 {
        return 0;
    }
    let (part, whole) = (i128::from(part_ms), i128::from(whole_ms));
    i64::try_from((part * 20_000 + whole).div_euclid(2 * whole)).expect("a rate lies in 0..=10000")
}

/// Pieces per hour of effective production, in hundredths, rounded half up; `None` where nothing was produced.
pub fn rate_per_hour_e2(pieces: i64, effective_ms: i64) -> Option<i64> {
    if effective_ms <= 0 {
        return None;
    }
    let (pieces, effective) = (i128::from(pieces), i128::from(effective_ms));
    i64::try_from((pieces * 720_000_000 + effective) / (2 * effective)).ok()
}

/// A piece done; its number is its place in the session, from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    pub at: Stamp,
    pub details: ShortText,
}

/// A wait of the machine, `start` to `end`; `end - start` is the duration as logged, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    pub start: Stamp,
    pub end: Stamp,
}

/// A voluntary stop, from the first `MachineStop` to the next `MachineStart`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop {
    pub start: Stamp,
    pub end: Stamp,
}

/// A job profile: what the following pieces are cut from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    pub at: Stamp,
    /// At most 50 characters, as central's column.
    pub reference: ShortText,
    /// Hundredths of a millimetre, below 10¹⁰ (central's `DECIMAL(10,2)`).
    pub length_e2: i64,
    /// At most 50 characters; `N/A` where the line names none.
    pub colour: ShortText,
}

/// Something in the LOG that a person may want to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogDefect {
    pub code: LogDefectCode,
    pub at: Stamp,
    /// How often, for codes that are counted over the day (at `at` for the first time).
    pub count: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LogDefectCode {
    /// A piece was made while a stop was open: the start line is missing.
    StartLineLost,
    /// A line's time lies before the time of the line above it in the same file.
    ClockSteppedBack,
    /// A wait line without a readable duration.
    WaitWithoutDuration,
    /// A wait that lies wholly outside first to last piece.
    WaitOutsideProduction,
    /// Waits that overlap one another, or a stop.
    Overlap,
    /// A day with events and no piece.
    NoPiece,
}

impl LogDefectCode {
    pub const ALL: [Self; 6] = [
        Self::StartLineLost,
        Self::ClockSteppedBack,
        Self::WaitWithoutDuration,
        Self::WaitOutsideProduction,
        Self::Overlap,
        Self::NoPiece,
    ];

    /// The word kept in the buffer and shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartLineLost => "start_line_lost",
            Self::ClockSteppedBack => "clock_stepped_back",
            Self::WaitWithoutDuration => "wait_without_duration",
            Self::WaitOutsideProduction => "wait_outside_production",
            Self::Overlap => "overlap",
            Self::NoPiece => "no_piece",
        }
    }
}

/// How many rows of each kind of detail a session has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DetailCounts {
    pub pieces: u32,
    pub waits: u32,
    pub stops: u32,
    pub jobs: u32,
    pub anomalies: u32,
}

/// What a session's values amount to, in two halves: of the header and of all detail rows. Central
/// computes the same of what it holds, so equal digests are equal values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentDigest {
    pub header: [u8; 8],
    pub rows: [u8; 8],
}

impl ContentDigest {
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (header, rows) = bytes.split_at_checked(8)?;
        Some(Self { header: header.try_into().ok()?, rows: rows.try_into().ok()? })
    }

    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.header);
        bytes[8..].copy_from_slice(&self.rows);
        bytes
    }
}

/// One session as the buffer holds it: what the sync compares with central before it sends anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalSession {
    pub machine: Machine,
    pub day: Day,
    /// Grows by at least one with every change of the session; never 0.
    pub revision: i64,
    /// The revision that central is known to hold, 0 if none.
    pub synced_revision: i64,
    /// Events the session was computed from.
    pub events: u64,
    pub counts: DetailCounts,
    /// Of what central confirmed at `synced_revision`; `None`: an earlier release noted none.
    pub confirmed: Option<ContentDigest>,
    /// Of what would be delivered now, where it was computed: that takes a look at every row.
    pub content: Option<ContentDigest>,
}

/// What central holds of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CentralSession {
    pub id: i64,
    /// `None`: the row was not written by an agent.
    pub revision: Option<i64>,
    pub agent_id: Option<String>,
    /// The buffer that wrote the row last (a new card or a rebuilt buffer has a new one).
    pub buffer_id: Option<String>,
    /// `None`: the row was not written by an agent.
    pub events: Option<i64>,
    /// Rows of detail tables as counted in central.
    pub counts: DetailCounts,
    /// The header's own figure; `None` where somebody left it empty.
    pub total_pieces: Option<u32>,
    /// Pieces that differ in time or details, where the row was not written by an agent (merged
    /// duplicates of a day hold each piece several times); otherwise as many as `counts` says.
    pub distinct_pieces: u32,
    /// Some detail row's number is missing, doubled or outside 1..=count.
    pub numbering_broken: bool,
    /// Of a row that this agent and buffer wrote; `None` where central could not compute it, too.
    pub content: Option<ContentDigest>,
}

/// A detail row of any kind that is delivered.
#[derive(Clone, Copy, Debug)]
pub enum DetailRow<'a> {
    Piece(&'a Piece),
    Wait(&'a Wait),
    Stop(&'a Stop),
    Job(&'a Job),
    Anomaly(&'a Anomaly),
}

macro_rules! detail_rows {
    ($($kind:ident),*) => {
        $(impl<'a> From<&'a $kind> for DetailRow<'a> {
            fn from(row: &'a $kind) -> Self {
                Self::$kind(row)
            }
        })*
    };
}

detail_rows!(Piece, Wait, Stop, Job, Anomaly);

/// A detail row with its number in the session, from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Numbered<T> {
    pub number: u32,
    pub row: T,
}

/// What goes to central for one session: the whole header, and the detail rows that central lacks.
/// Rows numbered above `counts` are to be deleted there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    pub machine: Machine,
    pub day: Day,
    pub revision: i64,
    pub figures: Figures,
    /// `folder/file`, joined by `; `, cut at 255 characters.
    pub log_sources: String,
    pub counts: DetailCounts,
    pub pieces: Vec<Numbered<Piece>>,
    pub waits: Vec<Numbered<Wait>>,
    pub stops: Vec<Numbered<Stop>>,
    pub jobs: Vec<Numbered<Job>>,
    pub anomalies: Vec<Numbered<Anomaly>>,
    /// Of the sentences of the anomalies.
    pub language: Language,
    /// How long after midnight production days begin.
    pub day_start: TimeDelta,
    /// What the TRS is measured by; `None`: it has none.
    pub nominal_per_hour: Option<u32>,
    pub rejects: u32,
    /// Where the day's required time went; `None`: nothing is planned, or there is no calendar.
    pub times: Option<DayTimes>,
    /// Pieces outside required time; `None`: there is no calendar.
    pub pieces_outside: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_round_half_up_to_four_decimals() {
        assert_eq!(hours_e4(60_000), 167); // 0.016666… h
        assert_eq!(hours_e4(180), 1); // exactly half of 10⁻⁴ h
        assert_eq!(hours_e4(179), 0);
        assert_eq!(hours_e4(7_200_000), 20_000);
    }

    #[test]
    fn rates_round_half_up_to_two_decimals_and_a_zero_window_has_rate_zero() {
        assert_eq!(rate_e2(1, 3), 3333);
        assert_eq!(rate_e2(2, 3), 6667);
        assert_eq!(rate_e2(1, 20_000), 1); // 0.005 % is half of a hundredth
        assert_eq!(rate_e2(5, 0), 0);
        assert_eq!(rate_e2(7, 7), 10_000);
    }

    #[test]
    fn pieces_per_hour_round_half_up_to_two_decimals_and_no_production_has_none() {
        assert_eq!(rate_per_hour_e2(42, 3_600_000), Some(4_200));
        assert_eq!(rate_per_hour_e2(1, 720_000_000), Some(1)); // 0.005 pieces per hour
        assert_eq!(rate_per_hour_e2(1, 720_000_001), Some(0));
        assert_eq!(rate_per_hour_e2(7, 0), None);
        assert_eq!(rate_per_hour_e2(0, 1), Some(0));
        assert_eq!(rate_per_hour_e2(i64::MAX, 1), None);
    }

    #[test]
    fn a_day_begins_at_day_start() {
        let at = Stamp::from_naive(
            NaiveDate::from_ymd_opt(2025, 6, 4).unwrap().and_hms_opt(4, 59, 59).unwrap(),
        );
        assert_eq!(at.day(TimeDelta::zero()).to_string(), "2025-06-04");
        assert_eq!(at.day(TimeDelta::hours(5)).to_string(), "2025-06-03");
        assert_eq!(at.plus_ms(1000).day(TimeDelta::hours(5)).to_string(), "2025-06-04");
    }
}
