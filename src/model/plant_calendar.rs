//! The plant's calendar, which central has for all gateways: a text as people wrote it, and what a gateway
//! keeps of it.

use super::{WallTime, printable};

/// One version of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlantCalendar {
    pub version: i64,
    /// TOML with `[[calendar]]` tables.
    pub text: String,
    pub written_by: String,
    /// By central's clock, in UTC.
    pub written_at: String,
}

impl PlantCalendar {
    /// Longest text that is taken.
    pub const MOST_BYTES: usize = 64 << 10;

    /// Which one it is, for people.
    pub fn told(&self) -> String {
        let Self { version, written_by, written_at, .. } = self;
        let whole = format!("version {version} of {written_at} UTC by {written_by}");
        printable(&whole, Self::MOST_TOLD_CHARS)
    }

    const MOST_TOLD_CHARS: usize = 300;

    /// How its text is called in messages.
    pub fn place(version: i64) -> String {
        format!("central version {version}")
    }
}

/// What a gateway keeps of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeptCalendar {
    /// What central last said of its newest version, so that it says it once; empty: nothing.
    pub mark: String,
    /// The last one that could be used.
    pub good: Option<PlantCalendar>,
    /// When that came; `None`: not known.
    pub since: Option<WallTime>,
    /// Central's newest, if it cannot be used.
    pub refused: Option<RefusedCalendar>,
}

impl KeptCalendar {
    /// What people are told of it; `None`: central told of none.
    pub fn told(&self) -> Option<String> {
        let mut text = match (&self.good, self.since) {
            (Some(good), Some(since)) => format!("{}, kept since {since}", good.told()),
            (Some(good), None) => good.told(),
            (None, _) => "none that can be used".to_owned(),
        };
        if let Some(RefusedCalendar { version, why }) = &self.refused {
            text += &format!("; version {version} cannot be used: {why}");
        }
        (self.good.is_some() || self.refused.is_some()).then_some(text)
    }
}

/// A version that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedCalendar {
    pub version: i64,
    pub why: String,
}
