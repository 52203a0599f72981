//! When do two texts say the same in other clothes?
//!
//! Invariants:
//! - Levelling is idempotent, and blind to letter case, compatible Unicode forms and the amount of white space.
//! - Units are words; where words are not parted by spaces, pairs of neighbouring characters.

use unicode_normalization::UnicodeNormalization;
use wellspring_core::text::is_cjk;

/// The text in lower case and NFKC, each run of white space one space, none around it.
pub fn level(text: &str) -> String {
    let mut levelled = String::with_capacity(text.len());
    let mut space = false;
    // Lower case can leave NFKC, and NFKC can bring capitals back: twice is enough for both.
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    for c in folded.nfkc() {
        if c.is_whitespace() {
            space = !levelled.is_empty();
        } else {
            if std::mem::take(&mut space) {
                levelled.push(' ');
            }
            levelled.push(c);
        }
    }
    levelled
}

/// Calls `each` with the hash of every unit of a levelled text, in order. Punctuation is no part of a unit.
pub fn units(levelled: &str, mut each: impl FnMut(u64)) {
    let mut word = Fnv::default();
    let mut before: Option<char> = None;
    for c in levelled.chars() {
        if is_cjk(c) {
            word.end(&mut each);
            if let Some(before) = before.replace(c) {
                let mut pair = Fnv::default();
                pair.push(before);
                pair.push(c);
                pair.end(&mut each);
            }
            continue;
        }
        before = None;
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            word.end(&mut each);
        }
    }
    word.end(&mut each);
}

/// A running hash of characters: FNV-1a, stirred at the end. Not for adversaries: who wants a text marked as a copy
/// can copy it.
struct Fnv {
    hash: u64,
    empty: bool,
}

impl Default for Fnv {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, empty: true }
    }
}

impl Fnv {
    fn push(&mut self, c: char) {
        self.hash = (self.hash ^ u64::from(u32::from(c))).wrapping_mul(0x0000_0100_0000_01b3);
        self.empty = false;
    }

    fn end(&mut self, each: &mut impl FnMut(u64)) {
        let ended = std::mem::take(self);
        if !ended.empty {
            each(stirred(ended.hash));
        }
    }
}

/// Spreads what differs in some bits over all of them (the finaliser of SplitMix64, a bijection).
pub(super) fn stirred(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit_count(text: &str) -> usize {
        let mut count = 0;
        units(&level(text), |_| count += 1);
        count
    }

    #[test]
    fn clothes_are_taken_off() {
        assert_eq!(level("  The\tRIVER\n\nis ﬁne "), "the river is fine");
        assert_eq!(level("Ｗｉｄｅ"), level("wide"));
        assert_ne!(level("1.5"), level("15"));
    }

    #[test]
    fn units_are_words_and_pairs_of_characters() {
        assert_eq!(unit_count("Hello, wide world!"), 3);
        assert_eq!(unit_count("河流很长"), 3);
        assert_eq!(unit_count("使用 TCP 协议"), 3);
        assert_eq!(unit_count("... — !"), 0);
    }

    proptest! {
        #[test]
        fn levelling_again_changes_nothing(text in "\\PC{0,60}") {
            let once = level(&text);
            prop_assert_eq!(level(&once), once);
        }
    }
}
