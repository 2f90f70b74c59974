//! An anomaly as people are shown it: which rule fired, how grave it is, from when to when, the value
//! found and the one expected. `docs/anomalies.md` says what each code means; a code or a severity that
//! was released never changes its word.

use super::{ShortText, Stamp};

/// One anomaly of one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    pub code: AnomalyCode,
    pub severity: Severity,
    /// Where to look; `None` where the lines themselves tell no time.
    pub from: Option<Stamp>,
    pub to: Option<Stamp>,
    /// Hundredths of [`AnomalyCode::unit`].
    pub value_e2: i64,
    /// In the same unit: what the machine usually does. `None` where a single one is one too many.
    pub expected_e2: Option<i64>,
    /// What it is about, such as the name of an unknown event; empty for most codes.
    pub subject: ShortText,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AnomalyCode {
    // From the log itself.
    StartLineLost,
    ClockSteppedBack,
    WaitWithoutDuration,
    WaitOutsideProduction,
    Overlap,
    TornLine,
    MalformedLines,
    UnknownEvent,
    DayWithoutPieces,
    MissingWorkingDay,
    // Against the machine's own comparable days.
    Occupation,
    Rate,
    WaitingShare,
    StopCount,
    StopLength,
    LongestSilence,
    // Within the day.
    RateDrop,
    StopOfTheMonth,
    // Against the machine's calendar.
    LateStart,
    EarlyEnd,
    StopToTheEnd,
    BreakOverrun,
    MissingShift,
}

/// What a value counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Lines, waits, stops.
    Count,
    Days,
    Percent,
    PiecesPerHour,
    Minutes,
}

impl AnomalyCode {
    pub const ALL: [Self; 23] = [
        Self::StartLineLost,
        Self::ClockSteppedBack,
        Self::WaitWithoutDuration,
        Self::WaitOutsideProduction,
        Self::Overlap,
        Self::TornLine,
        Self::MalformedLines,
        Self::UnknownEvent,
        Self::DayWithoutPieces,
        Self::MissingWorkingDay,
        Self::Occupation,
        Self::Rate,
        Self::WaitingShare,
        Self::StopCount,
        Self::StopLength,
        Self::LongestSilence,
        Self::RateDrop,
        Self::StopOfTheMonth,
        Self::LateStart,
        Self::EarlyEnd,
        Self::StopToTheEnd,
        Self::BreakOverrun,
        Self::MissingShift,
    ];

    /// The word kept in the buffer and in central, and shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartLineLost => "start_line_lost",
            Self::ClockSteppedBack => "clock_stepped_back",
            Self::WaitWithoutDuration => "wait_without_duration",
            Self::WaitOutsideProduction => "wait_outside_production",
            Self::Overlap => "overlap",
            Self::TornLine => "torn_line",
            Self::MalformedLines => "malformed_lines",
            Self::UnknownEvent => "unknown_event",
            Self::DayWithoutPieces => "day_without_pieces",
            Self::MissingWorkingDay => "missing_working_day",
            Self::Occupation => "occupation",
            Self::Rate => "rhythm",
            Self::WaitingShare => "waiting_share",
            Self::StopCount => "stop_count",
            Self::StopLength => "stop_length",
            Self::LongestSilence => "longest_silence",
            Self::RateDrop => "rhythm_drop",
            Self::StopOfTheMonth => "stop_of_the_month",
            Self::LateStart => "late_start",
            Self::EarlyEnd => "early_end",
            Self::StopToTheEnd => "stop_to_the_end",
            Self::BreakOverrun => "break_overrun",
            Self::MissingShift => "missing_shift",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::StartLineLost
            | Self::ClockSteppedBack
            | Self::WaitWithoutDuration
            | Self::WaitOutsideProduction
            | Self::Overlap
            | Self::TornLine
            | Self::MalformedLines
            | Self::UnknownEvent
            | Self::DayWithoutPieces
            | Self::StopCount => Unit::Count,
            Self::MissingWorkingDay => Unit::Days,
            Self::Occupation | Self::WaitingShare => Unit::Percent,
            Self::Rate | Self::RateDrop => Unit::PiecesPerHour,
            Self::StopLength
            | Self::LongestSilence
            | Self::StopOfTheMonth
            | Self::LateStart
            | Self::EarlyEnd
            | Self::StopToTheEnd
            | Self::BreakOverrun
            | Self::MissingShift => Unit::Minutes,
        }
    }
}

/// How soon someone should look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Good to know; the figures are right or nearly so.
    Low,
    /// Worth a look this week.
    Medium,
    /// Worth a look now.
    High,
}

impl Severity {
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The word kept in the buffer and shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }

    /// Central's `gravite`.
    pub fn in_french(self) -> &'static str {
        match self {
            Self::Low => "faible",
            Self::Medium => "moyenne",
            Self::High => "forte",
        }
    }
}
