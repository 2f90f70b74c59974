//! The required time of a shift's part as useful time and losses that add up to it, in the rounding that is
//! printed: whole units by the largest remainder. Exact fractions until then. What must never happen here: a
//! share that is farther than one unit from the exact one, or shares that do not add up.

use crate::model::{DayTimes, Losses, Shares, ShiftTimes};

const HOUR_MS: i128 = 3_600_000;
const TENTH_OF_A_MINUTE_MS: i128 = 6_000;

/// The losses of one part, on a machine that can make `nominal_per_hour` pieces per hour and an hour of
/// which costs `cents_per_hour`.
pub fn losses(
    times: &ShiftTimes,
    nominal_per_hour: Option<u32>,
    cents_per_hour: Option<u32>,
) -> Losses {
    let nominal = nominal_per_hour.filter(|nominal| *nominal > 0).map(i128::from);
    // All amounts are milliseconds times this, so that a piece's nominal time is a whole number.
    let scale = nominal.unwrap_or(1);
    let scaled = |ms: i64| i128::from(ms) * scale;
    let of_pieces = |pieces: u32| i128::from(pieces) * HOUR_MS;
    let good = times.pieces.saturating_sub(times.rejects);
    let running = scaled(times.running_ms);
    let (net, useful) = match nominal {
        Some(_) => (of_pieces(times.pieces), of_pieces(good)),
        None => (running, running),
    };
    let exact = [
        useful,
        scaled(times.stop_ms),
        scaled(times.wait_ms),
        scaled(times.start_ms),
        scaled(times.end_ms),
        running - net,
        net - useful,
    ];
    let cents = cents_per_hour.map(|cents| shares(exact, i128::from(cents), HOUR_MS * scale));
    Losses {
        minutes_e1: shares(exact, 1, TENTH_OF_A_MINUTE_MS * scale),
        cents,
        has_nominal: nominal.is_some(),
    }
}

/// The losses of all parts; `None` if there are none.
pub fn losses_of<'t>(
    days: impl IntoIterator<Item = &'t DayTimes>,
    cents_per_hour: Option<u32>,
) -> Option<Losses> {
    let of_day = |day: &'t DayTimes| {
        day.parts.iter().map(move |part| losses(part, day.nominal_per_hour, cents_per_hour))
    };
    days.into_iter().flat_map(of_day).reduce(|sum, more| sum.plus(&more))
}

fn shares(exact: [i128; 7], factor: i128, unit: i128) -> Shares {
    let exact = exact.map(|amount| amount * factor);
    let rounded = in_whole(&exact, unit);
    let narrow = |at: usize| i64::try_from(rounded[at]).unwrap_or(i64::MAX);
    let losses = std::array::from_fn(|at| narrow(at + 1));
    Shares::new(rounded.iter().sum::<i128>().try_into().unwrap_or(i64::MAX), narrow(0), losses)
}

/// Amounts as whole numbers of `unit` that add up to their sum, rounded half up: what is missing to it goes
/// to the largest remainders, of equal ones to the first.
pub fn in_whole(exact: &[i128], unit: i128) -> Vec<i128> {
    let whole = (exact.iter().sum::<i128>() * 2 + unit).div_euclid(2 * unit);
    let mut rounded: Vec<i128> = exact.iter().map(|amount| amount.div_euclid(unit)).collect();
    let missing = usize::try_from(whole - rounded.iter().sum::<i128>()).unwrap_or(0);
    let mut by_remainder: Vec<usize> = (0..exact.len()).collect();
    by_remainder.sort_by_key(|at| std::cmp::Reverse(exact[*at].rem_euclid(unit)));
    for at in by_remainder.into_iter().take(missing) {
        rounded[at] += 1;
    }
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LossKind;

    fn at_random(rng: &mut fastrand::Rng) -> ShiftTimes {
        let mut ms = || if rng.u8(0..4) == 0 { 0 } else { rng.i64(0..10_000_000) };
        let (running_ms, stop_ms, wait_ms, start_ms, end_ms) = (ms(), ms(), ms(), ms(), ms());
        ShiftTimes {
            opening_ms: running_ms + stop_ms + wait_ms + start_ms + end_ms,
            required_ms: running_ms + stop_ms + wait_ms + start_ms + end_ms,
            running_ms,
            stop_ms,
            wait_ms,
            start_ms,
            end_ms,
            pieces: rng.u32(0..400),
            rejects: if rng.bool() { 0 } else { rng.u32(0..500) },
            ..ShiftTimes::default()
        }
    }

    fn adds_up(shares: &Shares) -> bool {
        shares.required + shares.above_nominal() == shares.useful + shares.lost()
    }

    #[test]
    fn useful_time_and_losses_are_the_required_time_of_every_part_and_of_every_sum() {
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..300 {
            let nominal = (rng.u8(0..4) > 0).then(|| rng.u32(1..400));
            let cost = rng.bool().then(|| rng.u32(1..100_000));
            let parts: Vec<ShiftTimes> = (0..8).map(|_| at_random(&mut rng)).collect();
            let each = parts.iter().map(|part| losses(part, nominal, cost));
            let all: Vec<Losses> = each.collect();
            for (part, losses) in parts.iter().zip(&all) {
                let units = |ms: i64| (ms / 6_000, ms / 6_000 + 1);
                let is_near = |shown: i64, ms: i64| {
                    let (below, above) = units(ms);
                    (below..=above).contains(&shown)
                };
                let minutes = &losses.minutes_e1;
                assert!(adds_up(minutes), "{part:?}: {minutes:?}");
                assert!(losses.cents.as_ref().is_none_or(adds_up), "{part:?}");
                assert!(is_near(minutes.lost_to(LossKind::Stops), part.stop_ms), "{part:?}");
                assert!(is_near(minutes.lost_to(LossKind::EarlyEnd), part.end_ms), "{part:?}");
                assert!(part.wait_ms > 0 || minutes.lost_to(LossKind::Waits) == 0, "{part:?}");
                let told: i64 =
                    losses.ranking().into_iter().map(|kind| minutes.lost_to(kind)).sum();
                assert_eq!(told, minutes.lost(), "what is not told is no loss: {part:?}");
            }
            let sum = all.iter().copied().reduce(|sum, more| sum.plus(&more)).unwrap();
            assert!(adds_up(&sum.minutes_e1) && sum.cents.as_ref().is_none_or(adds_up));
            let ranked: Vec<i64> =
                sum.ranking().iter().map(|kind| sum.minutes_e1.lost_to(*kind)).collect();
            assert!(ranked.is_sorted_by(|a, b| a >= b), "{ranked:?}");
        }
    }

    #[test]
    fn a_late_start_and_a_breakdown_cost_their_hours_and_their_money() {
        const HOUR: i64 = 3_600_000;
        let times = ShiftTimes {
            required_ms: 8 * HOUR,
            running_ms: 2 * HOUR,
            stop_ms: 3 * HOUR,
            start_ms: 3 * HOUR,
            pieces: 170,
            rejects: 20,
            ..ShiftTimes::default()
        };
        let losses = losses(&times, Some(90), Some(8_550));
        let minutes = &losses.minutes_e1;
        // 170 pieces at 90 an hour take 113.33 min of the 120, 150 good ones 100.
        assert_eq!((minutes.required, minutes.useful), (4_800, 1_000));
        assert_eq!(minutes.lost_to(LossKind::Rate), 67);
        assert_eq!(minutes.lost_to(LossKind::Rejects), 133);
        assert_eq!(losses.cents.unwrap().lost_to(LossKind::LateStart), 3 * 8_550);
        assert_eq!(losses.cents.unwrap().required, 8 * 8_550);
        assert_eq!(losses.ranking()[..2], [LossKind::Stops, LossKind::LateStart]);
    }

    #[test]
    fn a_rate_above_nominal_is_no_loss_and_is_told() {
        let times = ShiftTimes {
            required_ms: 7_200_000,
            running_ms: 7_200_000,
            pieces: 181,
            ..ShiftTimes::default()
        };
        let minutes = losses(&times, Some(90), None).minutes_e1;
        assert_eq!((minutes.useful, minutes.above_nominal(), minutes.lost()), (1_207, 7, 0));
    }

    #[test]
    fn without_a_nominal_rate_running_time_is_taken_as_it_is() {
        let times = ShiftTimes {
            required_ms: 100 * 60_000,
            running_ms: 90 * 60_000,
            wait_ms: 10 * 60_000,
            pieces: 5,
            ..ShiftTimes::default()
        };
        let losses = losses(&times, None, None);
        assert_eq!((losses.minutes_e1.useful, losses.minutes_e1.lost()), (900, 100));
        assert_eq!(losses.ranking().len(), 4);
    }
}
