//! One way to win time on a day, as plain data: what it is about and the figures behind it.

use super::{LossKind, ShortText};

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
    /// A loss of required time; instead of the five above where a calendar says what is required.
    Loss(LossKind),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    pub code: AdviceCode,
    /// What is to be won, in tenths of a minute like the two below, and computed from them as they are
    /// printed.
    pub won_e1: i64,
    /// What it cost today.
    pub cost_e1: i64,
    /// What it costs on the machine's better days, or costs the others.
    pub usual_e1: i64,
    /// Changes, waits or stops; 0 where nothing is counted.
    pub count: u32,
    /// Changes that grouping saves.
    pub saved: u32,
    /// The profile, where it is about one.
    pub subject: ShortText,
}
