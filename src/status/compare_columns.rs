//! The columns of the comparison: what each is made of, how it is written, and which way is better.

use super::{compare_view::MachineWeeks, compare_weeks::Sums, shell::Reader};
use crate::{
    model::{Language, Rates},
    text::{count, one_decimal, percent_sign, span, two_decimals},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Column {
    Pieces,
    Trs,
    Availability,
    Performance,
    Quality,
    Occupation,
    Stops,
    StopTime,
    Waiting,
}

/// What a cell holds: in the unit of its column, so that cells compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Value {
    pub amount: i64,
}

/// A value less that of the week before, both as they are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delta {
    pub amount: i64,
}

impl Column {
    pub(crate) const ALL: [Self; 9] = [
        Self::Pieces,
        Self::Trs,
        Self::Availability,
        Self::Performance,
        Self::Quality,
        Self::Occupation,
        Self::Stops,
        Self::StopTime,
        Self::Waiting,
    ];

    /// As an address names it.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Pieces => "pieces",
            Self::Trs => "trs",
            Self::Availability => "do",
            Self::Performance => "tp",
            Self::Quality => "tq",
            Self::Occupation => "occupation",
            Self::Stops => "stops",
            Self::StopTime => "stop-time",
            Self::Waiting => "waiting",
        }
    }

    pub(crate) fn name(self, reader: Reader) -> &'static str {
        match self {
            Self::Pieces => reader.say("Pièces", "Pieces"),
            Self::Trs => "TRS",
            Self::Availability => "Do",
            Self::Performance => "Tp",
            Self::Quality => "Tq",
            Self::Occupation => reader.say("Occupation", "Occupation"),
            Self::Stops => reader.say("Arrêts", "Stops"),
            Self::StopTime => reader.say("Temps d'arrêt", "Stop time"),
            Self::Waiting => reader.say("Attente", "Waiting"),
        }
    }

    /// Of names that are short for something.
    pub(crate) fn meaning(self, reader: Reader) -> Option<&'static str> {
        match self {
            Self::Trs => Some(reader.say("taux de rendement synthétique", "OEE")),
            Self::Availability => Some(reader.say("disponibilité", "availability")),
            Self::Performance => Some("performance"),
            Self::Quality => Some(reader.say("qualité", "quality")),
            _ => None,
        }
    }

    pub(crate) const fn has_bar(self) -> bool {
        matches!(self, Self::Pieces | Self::Trs | Self::Occupation)
    }

    pub(crate) const fn is_better_high(self) -> bool {
        !matches!(self, Self::Stops | Self::StopTime | Self::Waiting)
    }

    /// Of the chosen week; `None`: it is not known.
    pub(crate) fn value(self, machine: &MachineWeeks) -> Option<Value> {
        if !machine.is_known() {
            return None;
        }
        self.of(machine.sums()).map(|amount| Value { amount })
    }

    /// Pieces and stops as they are, times in milliseconds, rates in hundredths of a percent, and the occupation,
    /// which is written with one decimal, in tenths.
    fn of(self, sums: &Sums) -> Option<i64> {
        let rate = |of: fn(Rates) -> Option<i64>| sums.rates().and_then(of);
        match self {
            Self::Pieces => i64::try_from(sums.pieces).ok(),
            Self::Trs => rate(|rates| rates.trs_e2),
            Self::Availability => rate(|rates| rates.availability_e2),
            Self::Performance => rate(|rates| rates.performance_e2),
            Self::Quality => rate(|rates| rates.quality_e2),
            Self::Occupation => sums.occupation_e2().map(|rate| (rate + 5) / 10),
            Self::Stops => i64::try_from(sums.stops).ok(),
            Self::StopTime => Some(sums.stop_ms),
            Self::Waiting => Some(sums.wait_ms),
        }
    }

    /// Without a sign.
    fn written(self, amount: i64, language: Language) -> String {
        match self {
            Self::Pieces | Self::Stops => count(amount.unsigned_abs(), language),
            Self::Trs | Self::Availability | Self::Performance | Self::Quality => {
                two_decimals(amount.abs(), language)
            }
            Self::Occupation => one_decimal(amount.abs() * 10, language),
            Self::StopTime | Self::Waiting => span(amount.abs()),
        }
    }

    const fn is_rate(self) -> bool {
        matches!(
            self,
            Self::Trs | Self::Availability | Self::Performance | Self::Quality | Self::Occupation
        )
    }
}

impl Value {
    pub(crate) fn text(self, column: Column, language: Language) -> String {
        let unit = if column.is_rate() { percent_sign(language) } else { "" };
        format!("{}{unit}", column.written(self.amount, language))
    }
}

impl Delta {
    /// `None`: one of both is not known.
    pub(crate) fn of(column: Column, machine: &MachineWeeks) -> Option<Self> {
        let before = column.of(machine.before.as_ref()?)?;
        Some(Self { amount: column.value(machine)?.amount - before })
    }

    /// `+12`, `−1,25 pt`; points are what rates differ by.
    pub(crate) fn text(self, column: Column, language: Language) -> String {
        let sign = match self.amount.signum() {
            1 => "+",
            -1 => "\u{2212}",
            _ => "",
        };
        let unit = if column.is_rate() { "\u{a0}pt" } else { "" };
        format!("{sign}{}{unit}", column.written(self.amount, language))
    }
}
