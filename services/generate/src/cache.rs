//! What of a prompt is computed already, and in which slot is it read on?
//!
//! Every slot has a sequence of llama.cpp's cache to itself. What it holds of its last prompt stays there until the
//! next one takes the slot.
//!
//! Invariants:
//! - The tokens that a cache names are those in the sequence, and each was computed as a cold run would have computed
//!   it: a prefix is reused as far as [`Shapes::reusable`] says, and written tokens are never kept.
//! - What was computed under one adapter is never reused under another, nor without it, nor at another scale.

use std::cmp::Reverse;

use llama_cpp_2::token::LlamaToken;

use crate::adapter::Overlay;
use crate::shapes::Shapes;

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
    /// How many tokens of the prompt are in the cache already and may be reused.
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
    shapes: Shapes,
) -> Option<Place> {
    let shared: Vec<usize> = caches.iter().map(|cache| shared(cache, prompt, overlay, shapes)).collect();
    let free = || (0..caches.len()).filter(|&slot| is_free(slot));
    // llama.cpp computes in one go only what lies in slots next to each other.
    let works = |slot: usize| slot < caches.len() && !is_free(slot);
    let is_apart = |slot: usize| shapes.width > 1 && !works(slot.wrapping_sub(1)) && !works(slot + 1);
    let age = |slot: usize| (is_apart(slot), caches[slot].used_at);
    let own = free().max_by_key(|&slot| (shared[slot], Reverse(age(slot))))?;
    let oldest = free().min_by_key(|&slot| age(slot))?;
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

/// The slot from which more of a prompt can be copied than was in the cache when it got its slot; `None` where that is not
/// worth it. Of those who come at once with the same instructions, one reads them.
pub(crate) fn longer(
    caches: &[Cache],
    slot: usize,
    read: usize,
    prompt: &[LlamaToken],
    overlay: Option<Overlay>,
    shapes: Shapes,
) -> Option<Place> {
    let shared = |other: usize| shared(&caches[other], prompt, overlay, shapes);
    let longest = (0..caches.len()).filter(|&other| other != slot).max_by_key(|&other| shared(other))?;
    let is_worth_it = shared(longest) >= read + COPY_TOKENS_MIN;
    is_worth_it.then(|| Place { slot, shared: shared(longest), copied_from: Some(longest) })
}

/// How many tokens of a prompt may be reused from a cache.
fn shared(cache: &Cache, prompt: &[LlamaToken], overlay: Option<Overlay>, shapes: Shapes) -> usize {
    if cache.overlay != overlay {
        return 0;
    }
    let same = cache.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
    shapes.reusable(same, prompt.len())
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
        let place = choose(&caches, |_| true, &prompt(0..120), None, Shapes::APART).unwrap();
        assert_eq!(place, Place { slot: 1, shared: 96, copied_from: None });
    }

    #[test]
    fn a_prefix_in_a_slot_that_works_is_copied() {
        let caches = [cache(0..96, 3), cache(500..596, 2), cache(700..796, 1)];
        let place = choose(&caches, |slot| slot != 0, &prompt(0..120), None, Shapes::APART).unwrap();
        assert_eq!(place, Place { slot: 2, shared: 96, copied_from: Some(0) });
    }

    #[test]
    fn a_long_prefix_is_not_given_up_for_a_short_one() {
        let caches = [cache(0..96, 2), cache(500..596, 1)];
        let place =
            choose(&caches, |_| true, &[prompt(0..40), prompt(900..950)].concat(), None, Shapes::APART).unwrap();
        assert_eq!(place, Place { slot: 1, shared: 32, copied_from: Some(0) });
        let place = choose(&caches, |_| true, &[prompt(0..8), prompt(900..950)].concat(), None, Shapes::APART).unwrap();
        assert_eq!(place, Place { slot: 1, shared: 0, copied_from: None });
    }

    #[test]
    fn the_oldest_slot_takes_what_nobody_knows() {
        let caches = [cache(0..96, 2), cache(500..596, 1), cache(700..796, 3)];
        assert_eq!(choose(&caches, |_| true, &prompt(900..950), None, Shapes::APART).unwrap().slot, 1);
        assert_eq!(choose(&caches, |slot| slot == 2, &prompt(900..950), None, Shapes::APART).unwrap().slot, 2);
        assert_eq!(choose(&caches, |_| false, &prompt(900..950), None, Shapes::APART), None);
    }

    #[test]
    fn what_another_adapter_computed_is_not_reused() {
        let overlay = |scale| Overlay::find(&["tone".to_owned()], Some(&Adapter { name: "tone".to_owned(), scale }));
        let mut caches = [cache(0..96, 2), cache(500..596, 1)];
        caches[0].overlay = overlay(1.0).unwrap();
        for other in [None, overlay(0.5).unwrap()] {
            let place = choose(&caches, |_| true, &prompt(0..120), other, Shapes::APART).unwrap();
            assert_eq!(place, Place { slot: 1, shared: 0, copied_from: None });
        }
        let place = choose(&caches, |slot| slot == 1, &prompt(0..120), overlay(1.0).unwrap(), Shapes::APART).unwrap();
        assert_eq!(place, Place { slot: 1, shared: 96, copied_from: Some(0) });
    }

    #[test]
    fn slots_that_work_side_by_side_lie_side_by_side() {
        let caches = [cache(0..96, 2), cache(0..96, 3), cache(0..96, 4), cache(0..96, 1)];
        let slot = |is_free: &dyn Fn(usize) -> bool, shapes| {
            choose(&caches, is_free, &prompt(0..120), None, shapes).unwrap().slot
        };
        assert_eq!(slot(&|slot| slot != 1, Shapes::TOGETHER), 0);
        assert_eq!(slot(&|slot| slot != 0, Shapes::TOGETHER), 1);
        assert_eq!(slot(&|_| true, Shapes::TOGETHER), 3);
        assert_eq!(slot(&|slot| slot != 0, Shapes::APART), 3);
    }

    #[test]
    fn what_another_read_meanwhile_is_copied() {
        let caches = [cache(0..96, 1), cache(0..0, 2), cache(0..40, 3)];
        let longer = |read| longer(&caches, 1, read, &prompt(0..120), None, Shapes::APART);
        assert_eq!(longer(0), Some(Place { slot: 1, shared: 96, copied_from: Some(0) }));
        assert_eq!(longer(64), Some(Place { slot: 1, shared: 96, copied_from: Some(0) }));
        assert_eq!(longer(65), None);
    }
}
