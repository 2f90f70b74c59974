//! What changed from the period before, machine by machine: the largest changes, and what made them. Pure.
//!
//! What must never happen here: a cause that the sums do not show; a change that a day that still runs made.

use super::{
    facts::{Compared, Scope, Totals},
    words::{shortened, signed_span},
};
use crate::{
    model::{Language, LossKind},
    text::{count, percent, phrase, two_decimals},
};

/// A point of TRS, and a twentieth of the pieces: less is every week's.
const LEAST_POINTS_E2: i64 = 100;
const LEAST_PIECES_E2: i64 = 500;

/// One change of one machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub nom: String,
    pub what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// No piece any more.
    Ceased {
        before: u64,
    },
    Trs {
        before_e2: i64,
        now_e2: i64,
        cause: Option<Cause>,
    },
    /// Of a machine without a TRS.
    Pieces {
        before: u64,
        now: u64,
    },
}

/// The factor of TRS that changed the most, and what of required time shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cause {
    pub factor: Factor,
    pub loss: Option<LossChange>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Factor {
    Availability,
    Performance,
    Quality,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LossChange {
    /// In milliseconds.
    Time(LossKind, i64),
    /// Of required time, in hundredths of a percent: both periods have not the same of it.
    Share(LossKind, i64, i64),
}

/// The largest changes first, at most `most`.
pub(crate) fn changes(machines: &[Scope], most: usize) -> Vec<Change> {
    let mut found: Vec<(i64, Change)> = machines.iter().filter_map(of_machine).collect();
    found.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.nom.cmp(&other.nom)));
    found.into_iter().take(most).map(|(_, change)| change).collect()
}

/// With its weight in hundredths of a percent.
fn of_machine(scope: &Scope) -> Option<(i64, Change)> {
    let Compared { now, before, .. } = scope.compared.as_ref()?;
    let change = |weight, what| Some((weight, Change { nom: scope.nom.clone(), what }));
    if now.pieces == 0 && before.pieces > 0 {
        return change(i64::MAX, What::Ceased { before: before.pieces });
    }
    if let (Some(now_e2), Some(before_e2)) = (now.trs_e2(), before.trs_e2()) {
        let points = (now_e2 - before_e2).abs();
        let what = || What::Trs { before_e2, now_e2, cause: cause(now, before) };
        return (points >= LEAST_POINTS_E2).then(|| change(points, what()))?;
    }
    let part = share_e2(now.pieces.abs_diff(before.pieces), before.pieces)?;
    let what = What::Pieces { before: before.pieces, now: now.pieces };
    // Twice as many pieces are no larger news than twenty points.
    (part >= LEAST_PIECES_E2).then(|| change((part / 5).max(LEAST_POINTS_E2), what))?
}

/// In hundredths of a percent.
fn share_e2(part: u64, whole: u64) -> Option<i64> {
    let share = u128::from(part) * 10_000 / u128::from((whole > 0).then_some(whole)?);
    i64::try_from(share).ok()
}

fn cause(now: &Totals, before: &Totals) -> Option<Cause> {
    let (new, old) = (now.rates()?, before.rates()?);
    let is_worse = new.trs_e2? < old.trs_e2?;
    let factors = [
        (Factor::Availability, new.availability_e2, old.availability_e2),
        (Factor::Performance, new.performance_e2, old.performance_e2),
        (Factor::Quality, new.quality_e2, old.quality_e2),
    ];
    // As parts per million: the factors multiply, so their ratios are what compares.
    let ratio = |new: i64, old: i64| (old > 0).then(|| new * 1_000_000 / old);
    let known =
        factors.iter().filter_map(|(factor, new, old)| Some((*factor, ratio((*new)?, (*old)?)?)));
    let (factor, ratio) = if is_worse {
        known.min_by_key(|(_, ratio)| *ratio)?
    } else {
        known.max_by_key(|(_, ratio)| *ratio)?
    };
    let moves_along = if is_worse { ratio < 1_000_000 } else { ratio > 1_000_000 };
    moves_along.then(|| Cause { factor, loss: loss(factor, is_worse, now, before) })
}

/// The loss of this factor whose share of required time moved the most with the TRS.
fn loss(factor: Factor, is_worse: bool, now: &Totals, before: &Totals) -> Option<LossChange> {
    let kinds: &[LossKind] = match factor {
        Factor::Availability => {
            &[LossKind::Stops, LossKind::Waits, LossKind::LateStart, LossKind::EarlyEnd]
        }
        Factor::Performance => &[LossKind::Rate],
        Factor::Quality => &[LossKind::Rejects],
    };
    let shares = |totals: &Totals| totals.planned.as_ref().map(|planned| planned.losses.minutes_e1);
    let (new, old) = (shares(now)?, shares(before)?);
    if new.required == 0 || old.required == 0 {
        return None;
    }
    let share = |lost: i64, required: i64| lost * 10_000 / required;
    let moved = |kind: &LossKind| {
        let (now, before) =
            (share(new.lost_to(*kind), new.required), share(old.lost_to(*kind), old.required));
        let worse = now - before;
        (if is_worse { worse } else { -worse }, *kind, before, now)
    };
    // Of equals the first.
    let (by, kind, before_e2, now_e2) = kinds
        .iter()
        .map(moved)
        .reduce(|most, next| if next.0 > most.0 { next } else { most })
        .filter(|(by, ..)| *by > 0)?;
    debug_assert!(by > 0, "only what moved along is told");
    let by_e1 = new.lost_to(kind) - old.lost_to(kind);
    let is_along = if is_worse { by_e1 > 0 } else { by_e1 < 0 };
    // Minutes of a week of three days say nothing beside those of five.
    let is_alike = (new.required - old.required).abs() * 10 <= old.required;
    Some(if is_along && is_alike {
        LossChange::Time(kind, by_e1 * 6_000)
    } else {
        LossChange::Share(kind, before_e2, now_e2)
    })
}

impl Change {
    pub(crate) fn text(&self, language: Language) -> String {
        let nom = &self.nom;
        let pieces = |pieces: u64| count(pieces, language);
        match &self.what {
            What::Ceased { before } => {
                let before = pieces(*before);
                phrase!(
                    language,
                    "{nom}\u{202f}: aucune pièce, contre {before} avant",
                    "{nom}: no piece, {before} before",
                )
            }
            What::Trs { before_e2, now_e2, cause } => {
                let of = |e2: i64| percent(&two_decimals(e2, language), language);
                let (before, now) = (of(*before_e2), of(*now_e2));
                let cause = cause.map_or_else(String::new, |cause| cause.text(language));
                phrase!(
                    language,
                    "TRS de {nom}\u{202f}: {before} → {now}{cause}",
                    "TRS of {nom}: {before} → {now}{cause}",
                )
            }
            What::Pieces { before, now } => {
                let (before, now) = (pieces(*before), pieces(*now));
                phrase!(
                    language,
                    "Pièces de {nom}\u{202f}: {before} → {now}",
                    "Pieces of {nom}: {before} → {now}",
                )
            }
        }
    }

    /// With a name of so many letters at most.
    #[must_use]
    pub(crate) fn shortened(&self, letters: usize) -> Self {
        Self { nom: shortened(&self.nom, letters), what: self.what.clone() }
    }

    /// For the better; a machine that ceased is not.
    pub(crate) fn is_better(&self) -> bool {
        match self.what {
            What::Ceased { .. } => false,
            What::Trs { before_e2, now_e2, .. } => now_e2 > before_e2,
            What::Pieces { before, now } => now > before,
        }
    }
}

impl Cause {
    fn text(self, language: Language) -> String {
        let factor = match self.factor {
            Factor::Availability => phrase!(language, "disponibilité", "availability"),
            Factor::Performance => phrase!(language, "performance", "performance"),
            Factor::Quality => phrase!(language, "qualité", "quality"),
        };
        let loss = self.loss.map_or_else(String::new, |loss| match loss {
            LossChange::Time(kind, ms) => {
                format!(" ({} {})", kind.text(language).to_lowercase(), signed_span(ms))
            }
            LossChange::Share(kind, before_e2, now_e2) => {
                let kind = kind.text(language).to_lowercase();
                let of = |e2: i64| percent(&two_decimals(e2, language), language);
                let (before, now) = (of(before_e2), of(now_e2));
                phrase!(
                    language,
                    " ({kind}\u{202f}: {before} → {now} du temps requis)",
                    " ({kind}: {before} → {now} of required time)",
                )
            }
        });
        phrase!(language, ", surtout {factor}{loss}", ", mainly {factor}{loss}")
    }
}
