//! One way to win time on a day, as plain data: what it is about and the figures behind it.

use super::ShortText;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AdviceCode {
    /// Machine a profile's pieces in one go.
    GroupProfile,
    /// A profile waits more than the others do.
    WaitsOfProfile,
    MicroStops,
    ShortStops,
    LongStops,
    StartOfShift,
    EndOfShift,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    pub code: AdviceCode,
    /// What is to be won.
    pub won_ms: i64,
    /// What it cost today.
    pub cost_ms: i64,
    /// What it costs on the machine's better days, or costs the others.
    pub usual_ms: i64,
    /// Changes, waits or stops; 0 where nothing is counted.
    pub count: u32,
    /// Changes that grouping saves.
    pub saved: u32,
    /// The profile, where it is about one.
    pub subject: ShortText,
}
