//! How alike are two texts, told from 256 bytes of each?
//!
//! A text is a set of shingles, runs of [`SHINGLE_UNITS`] units. Under a random order of all shingles, two sets share
//! their first element with a probability that is their Jaccard similarity; 128 orders estimate it. Bands of four minima
//! are buckets: texts that share a bucket are compared, the others never meet. With 32 bands, texts that have half
//! of their shingles in common meet 87 times in 100, two thirds 99.9 times, a twentieth once in 5000 (measured against SimHash:
//! `ingest/examples/screening.rs`).
//!
//! Invariants:
//! - The same levelled text has the same signature on every machine and in every version: it is kept on the disk.
//! - Texts of fewer than [`SHINGLES_MIN`] shingles are only ever the same, never alike.

use std::collections::BTreeSet;

use std::collections::{HashSet, VecDeque};

use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_core::screen::{Signature, TextDigest};

use super::normalise::{level, stirred, units};

/// Units of a shingle. One would find documents of one topic alike; three lose half of a text whose every tenth word
/// was edited.
pub const SHINGLE_UNITS: usize = 2;
/// Shingles below which likeness is chance.
pub const SHINGLES_MIN: usize = 16;
/// Minima of a bucket: more and an edited copy is missed, fewer and strangers are compared.
const BAND_ROWS: usize = 4;
/// The start of the sequence that the permutations are drawn from.
const SEED: u64 = 0x5745_4c4c_5350_5249;

/// The signature of a text; `None` where it has no word.
pub fn sign(text: &str) -> Option<Signature> {
    let levelled = level(text);
    let shingles = shingles(&levelled, SHINGLE_UNITS)?;
    let digest = TextDigest::of(&levelled);
    let minima = if shingles.len() < SHINGLES_MIN { Vec::new() } else { minima(&shingles) };
    Some(Signature { digest, minima })
}

/// The set of shingles of so many units of a levelled text; `None` where it has no unit.
pub fn shingles(levelled: &str, shingle_units: usize) -> Option<HashSet<u64>> {
    let mut set = HashSet::new();
    let mut before = VecDeque::with_capacity(shingle_units + 1);
    units(levelled, |unit| {
        before.push_back(unit);
        if before.len() > shingle_units {
            before.pop_front();
        }
        if before.len() == shingle_units {
            set.insert(before.iter().fold(0, |hash: u64, unit| stirred(hash.rotate_left(17) ^ unit)));
        }
    });
    (!before.is_empty()).then_some(set)
}

/// For each permutation, 16 bits of the least place that a shingle takes.
pub fn minima(shingles: &HashSet<u64>) -> Vec<u16> {
    let permutations = permutations();
    let mut least = [u64::MAX; limits::SCREEN_MINIMA];
    for shingle in shingles {
        for (least, (factor, summand)) in least.iter_mut().zip(&permutations) {
            // The high half of a multiplication by an odd number, which every bit of the shingle has reached.
            let place = shingle.wrapping_mul(*factor).wrapping_add(*summand) >> 20;
            *least = (*least).min(place);
        }
    }
    least.iter().map(|least| stirred(*least) as u16).collect()
}

fn permutations() -> [(u64, u64); limits::SCREEN_MINIMA] {
    let mut state = SEED;
    let mut draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        stirred(state)
    };
    std::array::from_fn(|_| (draw() | 1, draw()))
}

/// The buckets of a signature within a collection, among documents of the same access labels: one for the very text, the
/// others for its like. What not everybody may read neither stands in the way of what everybody may, nor is named by it.
pub fn bands(collection: &CollectionName, labels: &[String], signature: &Signature) -> Vec<u64> {
    let labels: BTreeSet<&str> = labels.iter().map(String::as_str).collect();
    let parts: Vec<&[u8]> = std::iter::once(collection.as_str()).chain(labels).map(str::as_bytes).collect();
    let scope = hash("wellspring screening bucket 1", &parts);
    let exact = hash("wellspring screening text 1", &[&scope.to_le_bytes(), signature.digest.as_bytes()]);
    let near = signature.minima.chunks_exact(BAND_ROWS).enumerate().map(|(place, rows)| {
        let start = stirred(scope ^ stirred(place as u64 + 1));
        rows.iter().fold(start, |hash, row| stirred(hash.rotate_left(16) ^ u64::from(*row)))
    });
    std::iter::once(exact).chain(near).collect()
}

/// 64 bits of a digest over parts, each with its length before it.
pub(super) fn hash(context: &str, parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut word = [0; 8];
    word.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text of numbered words.
    fn words(range: std::ops::Range<u32>) -> String {
        range.map(|number| format!("word{number} ")).collect()
    }

    fn jaccard(one: &str, other: &str) -> f64 {
        let (one, other) =
            (shingles(&level(one), SHINGLE_UNITS).unwrap(), shingles(&level(other), SHINGLE_UNITS).unwrap());
        let common = one.intersection(&other).count();
        common as f64 / (one.len() + other.len() - common) as f64
    }

    #[test]
    fn the_signature_on_the_disk_does_not_change() {
        let signature = sign(&words(0..40)).unwrap();
        let kept = blake3::hash(&signature.minima_bytes()).to_hex();
        assert_eq!((signature.digest.to_string().as_str(), &kept[..16]), SIGNATURE_OF_FORTY_WORDS);
    }

    /// From the first version; signatures in catalogs are compared with today's.
    const SIGNATURE_OF_FORTY_WORDS: (&str, &str) = ("a20c2c3db7804975a35c0c64801b3d53", "767b4a0608310f2e");

    #[test]
    fn short_and_wordless_texts_are_only_the_same() {
        assert_eq!(sign(" \n…"), None);
        let short = sign("a few words").unwrap();
        assert!(short.minima.is_empty());
        assert_eq!(bands(&CollectionName::default(), &[], &short).len(), 1);
        assert_eq!(short.digest, sign("A  FEW words").unwrap().digest);
    }

    #[test]
    fn collections_share_no_bucket() {
        let signature = sign(&words(0..40)).unwrap();
        let (one, other) =
            (bands(&CollectionName::default(), &[], &signature), bands(&"b".parse().unwrap(), &[], &signature));
        assert_eq!(one.len(), 1 + limits::SCREEN_MINIMA / BAND_ROWS);
        assert!(one.iter().all(|band| !other.contains(band)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn the_same_text_has_the_same_signature(text in "[a-z ]{0,200}") {
            prop_assert_eq!(sign(&text), sign(&format!(" {}\n", text.to_uppercase())));
        }

        #[test]
        fn the_estimate_is_near_the_truth(length in 40_u32..400, shift in 0_u32..400) {
            let (one, other) = (words(0..length), words(shift..shift + length));
            let estimate = sign(&one).unwrap().similarity(&sign(&other).unwrap()).unwrap();
            // Five standard errors: one case in two million is further away.
            prop_assert!((estimate - jaccard(&one, &other)).abs() <= 5.0 * 0.0442, "{estimate}");
        }

        #[test]
        fn likeness_does_not_depend_on_the_order_of_paragraphs(order in Just((0..12_u32).collect::<Vec<_>>()).prop_shuffle()) {
            let paragraphs = |order: &[u32]| {
                order.iter().map(|place| words(place * 40..place * 40 + 40)).collect::<Vec<_>>().join("\n\n")
            };
            let (one, other) = (paragraphs(&(0..12).collect::<Vec<_>>()), paragraphs(&order));
            let estimate = sign(&one).unwrap().similarity(&sign(&other).unwrap()).unwrap();
            prop_assert!(estimate > 0.75, "{estimate}");
        }
    }
}
