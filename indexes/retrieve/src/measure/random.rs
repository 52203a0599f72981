//! Which queries, which signs? Numbers that look random and are the same for the same seed.
//!
//! SplitMix64 (Steele, Lea and Flood 2014): good enough for drawing samples, and for nothing that has to be secret.

/// A seeded sequence of numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when that is 0. Its bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Puts items into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place + 1));
        }
    }

    /// Some of the items, without repetition and in their order; all of them when there are no more than `count`.
    pub fn sample<T>(&mut self, items: Vec<T>, count: usize) -> Vec<T> {
        let mut places: Vec<usize> = (0..items.len()).collect();
        self.shuffle(&mut places);
        let mut kept = vec![false; items.len()];
        for place in places.into_iter().take(count) {
            kept[place] = true;
        }
        items.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(item, _)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut random = Random::new(1_234_567);
        assert_eq!([random.bits(), random.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn a_sample_keeps_the_order_and_depends_on_the_seed_alone() {
        let all: Vec<usize> = (0..100).collect();
        let drawn = |seed| Random::new(seed).sample(all.clone(), 10);
        assert_eq!(drawn(1).len(), 10);
        assert!(drawn(1).is_sorted());
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert_eq!(Random::new(1).sample(all.clone(), 1000), all);
        assert!(Random::new(1).sample(Vec::<u8>::new(), 3).is_empty());
    }

    #[test]
    fn numbers_below_a_bound_reach_all_of_it() {
        let mut random = Random::new(3);
        let mut counts = [0; 7];
        for _ in 0..7_000 {
            counts[random.below(7)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(random.below(0), 0);
    }
}
