//! How long to wait before the next try, and how gateways keep out of step. Pure: the caller draws the
//! jitter.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// The longest wait after `failures` failures in a row: 1 s, doubling, at most 5 minutes.
pub(crate) fn ceiling(failures: u32) -> Duration {
    doubled(FIRST, failures).min(LONGEST)
}

fn doubled(first: Duration, failures: u32) -> Duration {
    first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX))
}

/// Full jitter: anything from nothing to the ceiling, so that forty gateways do not knock together
/// when central comes back. `jitter` is in 0..1.
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
pub(crate) fn wait(failures: u32, jitter: f64) -> Duration {
    ceiling(failures).mul_f64(jitter.clamp(0.0, 1.0))
}

/// As [`wait`], at most about a minute: a connection to a server that has none left becomes free as
/// soon as another gateway is done, and the one that waited longest must not go on waiting longest.
pub(crate) fn wait_for_a_turn(failures: u32, jitter: f64) -> Duration {
    wait(failures.min(7), jitter)
}

const FIRST_FOR_A_CHANGE: Duration = Duration::from_secs(15);
const LONGEST_FOR_A_CHANGE: Duration = Duration::from_secs(15 * 60);

/// After a failure that lasts until somebody changes something (a wrong password): 15 s, doubling, at most
/// a quarter of an hour, of which `jitter` in 0..1 takes up to half away. The first waits are short because what is being
/// changed just now is soon right.
pub(crate) fn wait_for_a_change(failures: u32, jitter: f64) -> Duration {
    doubled(FIRST_FOR_A_CHANGE, failures)
        .min(LONGEST_FOR_A_CHANGE)
        .mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// A place of its own within an interval, from 0 to 1, for the gateway called `name`: always the same, and
/// evenly spread over all names, alike ones too.
pub(crate) fn place_of(name: &str) -> f64 {
    // FNV-1a, and the finish of MurmurHash3, without which names that differ at the end are neighbours.
    let mut hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_one_second_to_five_minutes() {
        let seconds: Vec<u64> = (1..=11).map(|n| ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(ceiling(u32::MAX), LONGEST);
    }

    #[test]
    fn jitter_takes_all_of_the_wait_or_none() {
        assert_eq!(wait(3, 0.0), Duration::ZERO);
        assert_eq!(wait(3, 0.5), Duration::from_secs(2));
        assert_eq!(wait(3, 7.0), Duration::from_secs(4));
    }

    #[test]
    fn a_turn_is_waited_for_a_minute_at_most() {
        let most: Vec<u64> = [1, 6, 7, 8, 100].map(|n| wait_for_a_turn(n, 1.0).as_secs()).into();
        assert_eq!(most, [1, 32, 64, 64, 64]);
    }

    #[test]
    fn a_change_is_waited_for_an_hour_at_most_and_half_of_that_at_least() {
        let waits = |jitter| [1, 2, 8, 9, u32::MAX].map(|n| wait_for_a_change(n, jitter).as_secs());
        assert_eq!(waits(1.0), [15, 30, 900, 900, 900]);
        assert_eq!(waits(0.0), [7, 15, 450, 450, 450]);
    }

    #[test]
    fn names_that_count_up_are_spread_evenly() {
        let mut tenths = [0; 10];
        for number in 0..1000 {
            let place = place_of(&format!("ligne-{number:03}"));
            assert!((0.0..1.0).contains(&place));
            tenths[(place * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (70..=130).contains(count)), "{tenths:?}");
        assert_eq!(place_of("ligne-1"), place_of("ligne-1"));
    }
}
