//! Would chance alone make two rankings differ as much?
//!
//! A paired randomisation test, which is exact in what it assumes (Smucker, Allan and Carterette 2007): if both ways of
//! ranking were equal, each query's difference would have either sign with the same probability. The interval of the mean
//! difference comes from drawing the queries again (bootstrap).
//!
//! Invariants:
//! - The same scores and seed give the same figures.
//! - Equal scores give a p-value of 1, and no p-value is 0: it is never below one over the rounds.

use serde::Serialize;

use super::Random;

/// Random relabelings, and drawings of the queries. The smallest p-value is one over this.
const ROUNDS: usize = 10_000;
/// Sums in another order may differ by this without being another mean.
const ROUNDING: f64 = 1e-12;

/// What two sets of scores of the same queries say about each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Queries that both scored.
    pub queries: usize,
    /// The mean of the first.
    pub before: f64,
    /// The mean of the second.
    pub after: f64,
    /// The mean of the second less that of the first.
    pub difference: f64,
    /// Where the difference lies with a probability of 95 %: its lower and its upper end.
    pub interval: [f64; 2],
    /// How probable a difference of this size or more is, in either direction, if there is none.
    pub p: f64,
}

/// Compares scores by the query: each pair is a query's score before and after.
pub fn compare(pairs: &[(f64, f64)], seed: u64) -> Comparison {
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / pairs.len().max(1) as f64;
    let differences: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
    let difference = mean(&mut differences.iter().copied());
    let mut random = Random::new(seed);
    Comparison {
        queries: pairs.len(),
        before: mean(&mut pairs.iter().map(|pair| pair.0)),
        after: mean(&mut pairs.iter().map(|pair| pair.1)),
        difference,
        interval: interval(&differences, &mut random),
        p: p_value(&differences, &mut random),
    }
}

/// The share of random signs that make the sum at least as large, the one that was seen included.
fn p_value(differences: &[f64], random: &mut Random) -> f64 {
    let seen = differences.iter().sum::<f64>().abs() - ROUNDING * differences.len() as f64;
    let as_large = (0..ROUNDS).filter(|_| signed_sum(differences, random).abs() >= seen).count();
    (as_large + 1) as f64 / (ROUNDS + 1) as f64
}

fn signed_sum(differences: &[f64], random: &mut Random) -> f64 {
    let mut sum = 0.0;
    for some in differences.chunks(u64::BITS as usize) {
        let mut signs = random.bits();
        for difference in some {
            sum += if signs & 1 == 0 { *difference } else { -difference };
            signs >>= 1;
        }
    }
    sum
}

/// The middle 95 % of the means of queries that are drawn again.
fn interval(differences: &[f64], random: &mut Random) -> [f64; 2] {
    let count = differences.len();
    if count == 0 {
        return [0.0; 2];
    }
    let mut means: Vec<f64> =
        (0..ROUNDS).map(|_| (0..count).map(|_| differences[random.below(count)]).sum::<f64>() / count as f64).collect();
    means.sort_by(f64::total_cmp);
    [means[ROUNDS / 40], means[ROUNDS - 1 - ROUNDS / 40]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_scores_differ_by_nothing() {
        let pairs: Vec<(f64, f64)> = (0..50).map(|n| (f64::from(n) / 50.0, f64::from(n) / 50.0)).collect();
        let Comparison { difference, interval, p, queries, .. } = compare(&pairs, 1);
        assert_eq!((queries, difference, interval, p), (50, 0.0, [0.0, 0.0], 1.0));
        assert_eq!(compare(&[], 1).p, 1.0);
    }

    #[test]
    fn a_clear_difference_is_no_chance() {
        let pairs: Vec<(f64, f64)> = (0..40).map(|n| (0.4, 0.45 + f64::from(n % 4) / 20.0)).collect();
        let found = compare(&pairs, 1);
        assert!((found.difference - 0.125).abs() < 1e-9 && found.p < 0.01, "{found:?}");
        assert!(found.interval[0] > 0.0 && found.interval[1] < 0.2, "{found:?}");
        let swapped: Vec<(f64, f64)> = pairs.iter().map(|(before, after)| (*after, *before)).collect();
        assert!(compare(&swapped, 1).p < 0.01, "the test looks in both directions");
    }

    #[test]
    fn what_goes_both_ways_may_be_chance() {
        let pairs: Vec<(f64, f64)> = (0..40).map(|n| (0.5, 0.5 + if n % 2 == 0 { 0.1 } else { -0.09 })).collect();
        let found = compare(&pairs, 1);
        assert!(found.p > 0.5 && found.interval[0] < 0.0 && found.interval[1] > 0.0, "{found:?}");
    }

    #[test]
    fn the_p_value_of_three_equal_gains_is_that_of_the_eight_signs() {
        // Of the eight ways to give three equal differences their signs, two have a sum as large.
        let found = compare(&[(0.0, 0.2), (0.1, 0.3), (0.3, 0.5)], 7);
        assert!((found.p - 0.25).abs() < 0.02, "{found:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn figures_are_bounded_and_repeatable(pairs in prop::collection::vec((0.0f64..=1.0, 0.0f64..=1.0), 1..20)) {
            let found = compare(&pairs, 5);
            prop_assert_eq!(found, compare(&pairs, 5));
            prop_assert!(found.p > 0.0 && found.p <= 1.0);
            prop_assert!(found.interval[0] <= found.interval[1]);
            prop_assert!((found.after - found.before - found.difference).abs() < 1e-9);
        }
    }
}
