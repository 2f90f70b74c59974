//! TRS (OEE) as in ISO 22400-2: availability × effectiveness × quality.
//!
//! Planned busy time is first to last piece, actual production time what is neither wait nor stop in
//! it; the planned run time of a piece is one hour by the machine's nominal rhythm. What comes out
//! above 1 shows that the nominal rhythm is set too low, and is not cut.

use super::Figures;

/// In ten-thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trs {
    /// Actual production time / planned busy time.
    pub availability_e4: i64,
    /// Pieces × planned run time of a piece / actual production time.
    pub performance_e4: i64,
    /// Good pieces / pieces.
    pub quality_e4: i64,
    /// The product, rounded once.
    pub trs_e4: i64,
}

impl Trs {
    /// `None` where nothing was produced or no rhythm is set.
    pub fn of(figures: &Figures, nominal_per_hour: u32, rejects: u32) -> Option<Self> {
        let pieces = figures.total_pieces;
        if nominal_per_hour == 0 || pieces == 0 || figures.effective_ms <= 0 {
            return None;
        }
        let good = i128::from(pieces.saturating_sub(rejects));
        let (pieces, nominal) = (i128::from(pieces), i128::from(nominal_per_hour));
        let (window, effective) = (i128::from(figures.window_ms), i128::from(figures.effective_ms));
        Some(Self {
            availability_e4: part_e4(effective, window),
            performance_e4: part_e4(pieces * 3_600_000, nominal * effective),
            quality_e4: part_e4(good, pieces),
            trs_e4: part_e4(good * 3_600_000, nominal * window),
        })
    }
}

/// Rounded half up.
fn part_e4(part: i128, whole: i128) -> i64 {
    i64::try_from((part * 20_000 + whole) / (2 * whole)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(total_pieces: u32, window_h: i64, effective_h: i64) -> Figures {
        Figures {
            total_pieces,
            window_ms: window_h * 3_600_000,
            effective_ms: effective_h * 3_600_000,
            ..Figures::default()
        }
    }

    #[test]
    fn the_trs_is_the_product_of_its_three_parts() {
        // 8 h, 6 of them productive, 270 pieces where 360 were nominal, 27 rejected.
        let found = Trs::of(&figures(270, 8, 6), 60, 27).unwrap();
        assert_eq!(
            (found.availability_e4, found.performance_e4, found.quality_e4),
            (7_500, 7_500, 9_000)
        );
        assert_eq!(found.trs_e4, 5_063); // 0.50625, half up
    }

    #[test]
    fn without_rejects_quality_is_one_and_without_pieces_there_is_no_trs() {
        assert_eq!(Trs::of(&figures(100, 2, 1), 100, 0).unwrap().quality_e4, 10_000);
        assert_eq!(Trs::of(&figures(0, 0, 0), 100, 0), None);
        assert_eq!(Trs::of(&figures(100, 2, 1), 0, 0), None);
        assert_eq!(Trs::of(&figures(1, 0, 0), 100, 0), None);
    }

    #[test]
    fn a_nominal_rhythm_that_is_too_low_shows() {
        assert_eq!(Trs::of(&figures(300, 2, 2), 100, 0).unwrap().performance_e4, 15_000);
    }
}
