//! Median and MAD: a usual value and a usual distance from it, which one odd day in a month hardly
//! moves. Whole numbers only.

/// The middle value; between two, the lower half of their sum. `None` of nothing.
pub(super) fn median<N: Copy + Ord + Into<i64>>(values: &mut [N]) -> Option<i64> {
    values.sort_unstable();
    let upper = (*values.get(values.len() / 2)?).into();
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values[values.len() / 2 - 1].into();
    Some(lower + (upper - lower) / 2)
}

/// A quarter of the values lie below it.
pub(super) fn lower_quartile(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 4).copied()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Above,
    Below,
}

/// What is usual.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Usual {
    pub median: i64,
    /// 1.4826 times the median distance from the median: the standard deviation, were the values
    /// normally distributed.
    pub deviation: i64,
}

/// The distances are those of one side only: durations and their ratios reach far up and not down, so
/// one measure for both sides would miss what lies below.
pub(super) fn usual(values: &[i64], side: Side) -> Option<Usual> {
    let mut values = values.to_vec();
    let median_value = median(&mut values)?;
    let is_on_side = |value: &&i64| match side {
        Side::Above => **value >= median_value,
        Side::Below => **value <= median_value,
    };
    let on_side = values.iter().filter(is_on_side);
    let mut distances: Vec<i64> = on_side.map(|value| (value - median_value).abs()).collect();
    let mad = median(&mut distances)?;
    let deviation = i64::try_from(i128::from(mad) * 14_826 / 10_000).unwrap_or(i64::MAX);
    Some(Usual { median: median_value, deviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_value_moves_neither_the_median_nor_the_deviation_much() {
        let tame = usual(&[10, 11, 12, 13, 14], Side::Above).unwrap();
        let wild = usual(&[10, 11, 12, 13, 100_000], Side::Above).unwrap();
        assert_eq!(tame, Usual { median: 12, deviation: 1 });
        assert_eq!(wild, tame);
        assert_eq!(usual(&[], Side::Below), None);
    }

    #[test]
    fn each_side_has_a_deviation_of_its_own() {
        let values = [90, 95, 100, 100, 200, 300, 400];
        assert_eq!(usual(&values, Side::Below).unwrap(), Usual { median: 100, deviation: 2 });
        assert_eq!(usual(&values, Side::Above).unwrap(), Usual { median: 100, deviation: 148 });
    }

    #[test]
    fn a_quarter_lies_below_the_lower_quartile() {
        assert_eq!(lower_quartile(&mut [8, 1, 5, 3, 2, 7, 6, 4]), Some(3));
        assert_eq!(median(&mut [4, 2, 8, 6]), Some(5));
    }
}
