//! What of a prompt is computed already, and in which slot is it read on?
//!
//! Every slot has a sequence of llama.cpp's cache to itself. What it holds of its last prompt stays there until the
//! next one takes the slot.
//!
//! Invariants:
//! - The tokens that a cache names are those in the sequence, and each was computed as a cold run would have computed
//!   it: a prefix is kept and reused up to a multiple of [`GRID_TOKENS`] only, and written tokens are never kept.
//! - What was computed under one adapter is never reused under another, nor without it, nor at another scale.
//! - A prompt is never reused so far that fewer than [`TAIL_TOKENS_MIN`] of its tokens are left to read.

use llama_cpp_2::token::LlamaToken;

use crate::adapter::Overlay;

/// llama.cpp multiplies a matrix with 16 tokens at once, then with four, then with one, and does not always round alike.
/// On this grid every token is in the same group whether the prefix was reused or read anew.
pub(crate) const GRID_TOKENS: usize = 16;
/// What is left to read of any prompt that is longer. Below eight tokens some matrices are multiplied by another routine,
/// and attention of a single one is.
pub(crate) const TAIL_TOKENS_MIN: usize = 8;
/// A prefix in another slot is worth copying if it saves reading this many tokens: copying moves a slot's whole
/// memory, which takes as long as reading some tokens does.
const COPY_TOKENS_MIN: usize = 32;

/// What the sequence of one slot holds.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// The tokens, from the first position on.
    pub(crate) tokens: Vec<LlamaToken>,
    /// What was laid over the model when they were computed.
    pub(crate) overlay: Option<Overlay>,
    /// When a request last took the slot, on a clock that counts requests.
    pub(crate) used_at: u64,
}

/// Where a prompt is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The slot.
    pub(crate) slot: usize,
    /// How many tokens of the prompt are in the cache already, on the grid.
    pub(crate) shared: usize,
    /// The slot whose cache is copied first; its own is used where there is none.
    pub(crate) copied_from: Option<usize>,
}

/// The free slot that a prompt is best read in; `None` when none is free.
pub(crate) fn choose(
    caches: &[Cache],
    is_free: impl Fn(usize) -> bool,
    prompt: &[LlamaToken],
    overlay: Option<Overlay>,
) -> Option<Place> {
    let reusable = |cache: &Cache| if cache.overlay == overlay { shared(&cache.tokens, prompt) } else { 0 };
    let shared: Vec<usize> = caches.iter().map(reusable).collect();
    let free = || (0..caches.len()).filter(|&slot| is_free(slot));
    let own = free().max_by_key(|&slot| (shared[slot], std::cmp::Reverse(caches[slot].used_at)))?;
    let oldest = free().min_by_key(|&slot| caches[slot].used_at)?;
    let longest = (0..caches.len()).max_by_key(|&slot| shared[slot])?;
    // A slot that would lose more than it gives is left to others while an older one can take a copy.
    let gives_up_little = 2 * shared[own] >= caches[own].tokens.len();
    if shared[longest] >= shared[own] + COPY_TOKENS_MIN {
        let slot = if gives_up_little && shared[own] > 0 { own } else { oldest };
        return Some(Place { slot, shared: shared[longest], copied_from: Some(longest) });
    }
    if !gives_up_little && oldest != own {
        let copied_from = (shared[own] >= COPY_TOKENS_MIN).then_some(own);
        let shared = if copied_from.is_some() { shared[own] } else { shared[oldest] };
        return Some(Place { slot: oldest, shared, copied_from });
    }
    Some(Place { slot: own, shared: shared[own], copied_from: None })
}

/// How many tokens of a prompt may be reused from these.
fn shared(cached: &[LlamaToken], prompt: &[LlamaToken]) -> usize {
    let same = cached.iter().zip(prompt).take_while(|(a, b)| a == b).count();
    on_grid(same.min(prompt.len().saturating_sub(TAIL_TOKENS_MIN)))
}

/// The largest multiple of the grid that is no larger.
pub(crate) fn on_grid(tokens: usize) -> usize {
    tokens / GRID_TOKENS * GRID_TOKENS
}

#[cfg(test)]
mod tests {
    use wellspring_core::generator::Adapter;

    use super::*;

    fn cache(tokens: std::ops::Range<i32>, used_at: u64) -> Cache {
        Cache { tokens: tokens.map(LlamaToken).collect(), overlay: None, used_at }
    }

    fn prompt(tokens: std::ops::Range<i32>) -> Vec<LlamaToken> {
        tokens.map(LlamaToken).collect()
    }

    #[test]
    fn the_longest_prefix_is_read_on_where_it_is() {
        let caches = [cache(0..8, 1), cache(0..96, 2), cache(500..596, 3)];
        let place = choose(&caches, |_| true, &prompt(0..120), None).unwrap();
        assert_eq!(place, Place { slot: 1, shared: 96, copied_from: None });
    }

    #[test]
    fn a_prefix_in_a_slot_that_works_is_copied() {
        let caches = [cache(0..96, 3), cache(500..596, 2), cache(700..796, 1)];
        let place = choose(&caches, |slot| slot != 0, &prompt(0..120), None).unwrap();
        assert_eq!(place, Place { slot: 2, shared: 96, copied_from: Some(0) });
    }

    #[test]
    fn a_long_prefix_is_not_given_up_for_a_short_one() {
        let caches = [cache(0..96, 2), cache(500..596, 1)];
        let place = choose(&caches, |_| true, &[prompt(0..40), prompt(900..950)].concat(), None).unwrap();
        assert_eq!(place, Place { slot: 1, shared: 32, copied_from: Some(0) });
        let place = choose(&caches, |_| true, &[prompt(0..8), prompt(900..950)].concat(), None).unwrap();
        assert_eq!(place, Place { slot: 1, shared: 0, copied_from: None });
    }

    #[test]
    fn the_oldest_slot_takes_what_nobody_knows() {
        let caches = [cache(0..96, 2), cache(500..596, 1), cache(700..796, 3)];
        assert_eq!(choose(&caches, |_| true, &prompt(900..950), None).unwrap().slot, 1);
        assert_eq!(choose(&caches, |slot| slot == 2, &prompt(900..950), None).unwrap().slot, 2);
        assert_eq!(choose(&caches, |_| false, &prompt(900..950), None), None);
    }

    #[test]
    fn what_another_adapter_computed_is_not_reused() {
        let overlay = |scale| Overlay::find(&["tone".to_owned()], Some(&Adapter { name: "tone".to_owned(), scale }));
        let mut caches = [cache(0..96, 2), cache(500..596, 1)];
        caches[0].overlay = overlay(1.0).unwrap();
        for other in [None, overlay(0.5).unwrap()] {
            let place = choose(&caches, |_| true, &prompt(0..120), other).unwrap();
            assert_eq!(place, Place { slot: 1, shared: 0, copied_from: None });
        }
        let place = choose(&caches, |slot| slot == 1, &prompt(0..120), overlay(1.0).unwrap()).unwrap();
        assert_eq!(place, Place { slot: 1, shared: 96, copied_from: Some(0) });
    }

    #[test]
    fn a_tail_is_always_left_to_read() {
        for (length, kept) in [(1, 0), (16, 0), (23, 0), (24, 16), (39, 16), (40, 32), (96, 80), (103, 80), (104, 96)] {
            assert_eq!(shared(&prompt(0..96), &prompt(0..length)), kept, "{length} tokens");
        }
    }
}
