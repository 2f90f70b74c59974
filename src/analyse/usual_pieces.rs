//! What a running day is measured by: the pieces that earlier days of the same kind had by this hour.

use super::robust;

/// Fewer earlier days say nothing of what is usual.
const LEAST_DAYS: usize = 3;

/// An earlier day of the same kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EarlierDay {
    /// Pieces up to the same hour of the clock.
    pub so_far: u32,
    /// Pieces of the whole day, at least `so_far`.
    pub whole: u32,
}

/// What is usual on such a day: medians of earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsualPieces {
    /// By this hour.
    pub so_far: u32,
    /// Of a whole day.
    pub whole: u32,
    /// After this hour.
    pub rest: u32,
}

impl UsualPieces {
    /// `None`: there are fewer than three earlier days.
    pub fn of(days: &[EarlierDay]) -> Option<Self> {
        if days.len() < LEAST_DAYS {
            return None;
        }
        let median = |value: fn(&EarlierDay) -> u32| {
            let mut values: Vec<u32> = days.iter().map(value).collect();
            robust::median(&mut values).and_then(|median| u32::try_from(median).ok())
        };
        Some(Self {
            so_far: median(|day| day.so_far)?,
            whole: median(|day| day.whole)?,
            rest: median(|day| day.whole.saturating_sub(day.so_far))?,
        })
    }

    /// Pieces at the end of a day that has `pieces` now, if its rest is as usual.
    pub fn projected(&self, pieces: u32) -> u32 {
        pieces.saturating_add(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(so_far: u32, whole: u32) -> EarlierDay {
        EarlierDay { so_far, whole }
    }

    #[test]
    fn a_running_day_is_measured_by_the_same_hour_of_earlier_ones() {
        let days = [day(100, 400), day(140, 420), day(0, 300), day(120, 410)];
        let usual = UsualPieces::of(&days).unwrap();
        assert_eq!(usual, UsualPieces { so_far: 110, whole: 405, rest: 295 });
        assert_eq!(usual.projected(130), 425);
    }

    #[test]
    fn two_days_are_not_enough() {
        assert_eq!(UsualPieces::of(&[day(1, 2), day(1, 2)]), None);
        assert_eq!(UsualPieces::of(&[]), None);
    }
}
