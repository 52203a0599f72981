//! When is what failed tried again?
//!
//! Invariants:
//! - Pauses grow and are bounded; so is the number of attempts. Whoever waits brings the waiting along.
//! - What failed together does not come back together: each pause is spread by the thing it is of.

use std::time::Duration;

use crate::limits;

/// How often something is tried, and how long is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in all, the first one included.
    pub attempts_max: u32,
    /// The pause after the first failure; doubles up to the longest.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Patience {
    /// With documents that failed by a fault that may pass.
    pub const DOCUMENTS: Self = Self {
        attempts_max: limits::RETRY_ATTEMPTS_MAX,
        pause_min: limits::RETRY_PAUSE_MIN,
        pause_max: limits::RETRY_PAUSE_MAX,
    };
    /// With webhooks whose endpoint does not take a message.
    pub const WEBHOOKS: Self = Self {
        attempts_max: limits::WEBHOOK_ATTEMPTS_MAX,
        pause_min: limits::WEBHOOK_PAUSE_MIN,
        pause_max: limits::WEBHOOK_PAUSE_MAX,
    };
    /// With hubs that do not confirm what they were asked.
    pub const HUBS: Self = Self {
        attempts_max: limits::WEBSUB_ATTEMPTS_MAX,
        pause_min: limits::WEBSUB_PAUSE_MIN,
        pause_max: limits::WEBSUB_PAUSE_MAX,
    };

    /// How long to wait after the given failed attempt, from 1, of the thing that `seed` names; `None` when it was the
    /// last one. Between half of the doubling pause and all of it.
    pub fn pause(self, attempt: u32, seed: u64) -> Option<Duration> {
        if attempt >= self.attempts_max {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let whole = self.pause_min.saturating_mul(1 << doublings).min(self.pause_max);
        let spread = mixed(seed ^ (u64::from(attempt) << 32)) >> 11;
        // 53 bits are a fraction of 1 that a float holds exactly.
        let fraction = spread as f64 / (1_u64 << 53) as f64;
        Some(whole.mul_f64(0.5 + fraction / 2.0))
    }
}

/// Takes something that another may be about to give up, such as a file's lock: `attempt` is repeated while its error
/// `is_held`, with [`limits::LOCK_POLL`] in between for `pause` to wait, for [`limits::LOCK_WAIT`] at most. What the last
/// attempt came to is the result.
pub fn until_free<T, E>(
    mut attempt: impl FnMut() -> Result<T, E>,
    is_held: impl Fn(&E) -> bool,
    mut pause: impl FnMut(Duration),
) -> Result<T, E> {
    let mut waited = Duration::ZERO;
    loop {
        match attempt() {
            Err(error) if is_held(&error) && waited < limits::LOCK_WAIT => {
                pause(limits::LOCK_POLL);
                waited += limits::LOCK_POLL;
            }
            result => return result,
        }
    }
}

/// [`Patience::pause`] with documents.
pub fn pause(attempt: u32, seed: u64) -> Option<Duration> {
    Patience::DOCUMENTS.pause(attempt, seed)
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

    #[test]
    fn a_webhook_is_tried_for_days_and_not_for_ever() {
        let pauses =
            |attempts: std::ops::Range<u32>| attempts.map_while(|attempt| Patience::WEBHOOKS.pause(attempt, 3));
        let tried: Duration = pauses(1..u32::MAX).sum();
        let day = Duration::from_secs(86_400);
        assert!(tried > 2 * day && tried < 4 * day, "{tried:?}");
        assert!(pauses(1..2).sum::<Duration>() <= limits::WEBHOOK_PAUSE_MIN, "a hiccup is over soon");
    }

    proptest! {
        #[test]
        fn no_pause_leaves_its_bounds(attempt in 0..u32::MAX, seed in any::<u64>()) {
            if let Some(pause) = pause(attempt, seed) {
                prop_assert!(pause >= limits::RETRY_PAUSE_MIN / 2 && pause <= limits::RETRY_PAUSE_MAX);
            }
        }
    }

    #[test]
    fn what_is_held_is_tried_again_until_it_is_free_or_long_enough() {
        let attempts = |free_after: usize, is_held: bool| {
            let (mut tried, mut waited) = (0, Duration::ZERO);
            let attempt = || {
                tried += 1;
                if tried > free_after { Ok(()) } else { Err(()) }
            };
            let result = until_free(attempt, |()| is_held, |pause| waited += pause);
            (result, tried, waited)
        };
        assert_eq!(attempts(0, true), (Ok(()), 1, Duration::ZERO));
        assert_eq!(attempts(2, true), (Ok(()), 3, 2 * limits::LOCK_POLL));
        assert_eq!(attempts(2, false), (Err(()), 1, Duration::ZERO), "another error is no reason to wait");
        let (result, _, waited) = attempts(usize::MAX, true);
        assert_eq!((result, waited), (Err(()), limits::LOCK_WAIT));
    }
}
