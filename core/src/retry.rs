//! When is a failed document tried again?
//!
//! Invariants:
//! - Pauses grow and are bounded; so is the number of attempts.
//! - Documents that failed together do not come back together: each pause is spread by the entry it is of.

use std::time::Duration;

use crate::limits;

/// How long to wait after the given failed attempt, from 1, of the thing that `seed` names; `None` when it was the last
/// one. Between half of the doubling pause and all of it.
pub fn pause(attempt: u32, seed: u64) -> Option<Duration> {
    if attempt >= limits::RETRY_ATTEMPTS_MAX {
        return None;
    }
    let doublings = attempt.saturating_sub(1).min(31);
    let whole = limits::RETRY_PAUSE_MIN.saturating_mul(1 << doublings).min(limits::RETRY_PAUSE_MAX);
    let spread = mixed(seed ^ (u64::from(attempt) << 32)) >> 11;
    // 53 bits are a fraction of 1 that a float holds exactly.
    let fraction = spread as f64 / (1_u64 << 53) as f64;
    Some(whole.mul_f64(0.5 + fraction / 2.0))
}

/// Spreads neighbouring numbers over all of 64 bits (the finaliser of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_end() {
        for attempt in 1..limits::RETRY_ATTEMPTS_MAX {
            let whole = limits::RETRY_PAUSE_MIN.saturating_mul(1 << (attempt - 1)).min(limits::RETRY_PAUSE_MAX);
            let pause = pause(attempt, 7).unwrap();
            assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause:?} of {whole:?}");
        }
        assert_eq!(pause(limits::RETRY_ATTEMPTS_MAX, 7), None);
        assert_eq!(pause(u32::MAX, 7), None);
    }

    #[test]
    fn neighbours_do_not_come_back_together() {
        let pauses: std::collections::BTreeSet<_> = (0..100).map(|seed| pause(1, seed).unwrap()).collect();
        assert!(pauses.len() > 95, "{}", pauses.len());
        let (first, last) = (pauses.first().unwrap(), pauses.last().unwrap());
        assert!(*last - *first > limits::RETRY_PAUSE_MIN / 3, "{first:?} to {last:?}");
    }

    proptest! {
        #[test]
        fn no_pause_leaves_its_bounds(attempt in 0..u32::MAX, seed in any::<u64>()) {
            if let Some(pause) = pause(attempt, seed) {
                prop_assert!(pause >= limits::RETRY_PAUSE_MIN / 2 && pause <= limits::RETRY_PAUSE_MAX);
            }
        }
    }
}
