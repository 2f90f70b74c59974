//! Where required time did not become good pieces, as one list of losses: in minutes and, if an hour of the
//! machine has a price, in money. Both are rounded when a shift's part is taken apart, and everything larger
//! is the sum of what was rounded: so any column that is printed adds up.

/// In the order of equal losses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LossKind {
    Stops,
    Waits,
    /// Before the day's first piece.
    LateStart,
    /// After the day's last piece.
    EarlyEnd,
    /// Running time beyond what the pieces take at the nominal rate.
    Rate,
    /// The time, at the nominal rate, of the pieces that were rejected.
    Rejects,
}

impl LossKind {
    pub const ALL: [Self; 6] =
        [Self::Stops, Self::Waits, Self::LateStart, Self::EarlyEnd, Self::Rate, Self::Rejects];
}

/// Required time taken apart, in one unit. `required + above_nominal = useful + all losses`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shares {
    pub required: i64,
    /// What the good pieces take at the nominal rate; without such a rate all running time.
    pub useful: i64,
    /// In the order of [`LossKind::ALL`]. The rate's is below 0 if pieces were made faster than nominal.
    signed: [i64; 6],
}

impl Shares {
    pub fn new(required: i64, useful: i64, signed: [i64; 6]) -> Self {
        debug_assert_eq!(required, useful + signed.iter().sum::<i64>(), "shares add up");
        Self { required, useful, signed }
    }

    /// Never below 0.
    pub fn lost_to(&self, kind: LossKind) -> i64 {
        self.signed[kind as usize].max(0)
    }

    /// By how much the pieces took less than nominal, all running time together: the nominal rate is set too
    /// low.
    pub fn above_nominal(&self) -> i64 {
        (-self.signed[LossKind::Rate as usize]).max(0)
    }

    /// All losses.
    pub fn lost(&self) -> i64 {
        LossKind::ALL.into_iter().map(|kind| self.lost_to(kind)).sum()
    }

    fn plus(&self, other: &Self) -> Self {
        let mut signed = self.signed;
        for (sum, more) in signed.iter_mut().zip(other.signed) {
            *sum += more;
        }
        Self {
            required: self.required + other.required,
            useful: self.useful + other.useful,
            signed,
        }
    }
}

/// The losses of a shift's part, or of several.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// In tenths of a minute.
    pub minutes_e1: Shares,
    /// In cents, if an hour of the machine has a price.
    pub cents: Option<Shares>,
    /// Without a nominal rate nothing is known of lost rate and rejects: they are part of `useful`.
    pub has_nominal: bool,
}

impl Losses {
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            minutes_e1: self.minutes_e1.plus(&other.minutes_e1),
            cents: self.cents.zip(other.cents).map(|(a, b)| a.plus(&b)),
            has_nominal: self.has_nominal && other.has_nominal,
        }
    }

    /// The losses that can be told, the most minutes first.
    pub fn ranking(&self) -> Vec<LossKind> {
        let is_told = |kind: &LossKind| {
            self.has_nominal || !matches!(kind, LossKind::Rate | LossKind::Rejects)
        };
        let mut kinds: Vec<LossKind> = LossKind::ALL.into_iter().filter(is_told).collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(self.minutes_e1.lost_to(*kind)));
        kinds
    }
}
