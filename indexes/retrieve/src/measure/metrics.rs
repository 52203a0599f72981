//! How much of what was wanted stands where a reader looks?
//!
//! As trec_eval counts: the gain of a document is its grade, the discount at rank `r` is `log2(r + 1)`, and the ideal
//! ranking is that of everything that was judged, whether or not it can be found.
//!
//! Invariants:
//! - Every score lies between 0 and 1; a ranking that begins with everything wanted, best first, has an nDCG of 1.
//! - A document without a grade, or with a grade of 0, is not wanted.

use std::cmp::Reverse;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Ranks at which a reader stops.
const NEAR: usize = 10;
/// Ranks at which a program that ranks again stops.
const FAR: usize = 100;

/// What was wanted of one query: the grades above 0, highest first; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted(Vec<u32>);

impl Wanted {
    /// The grades of the judged documents; `None` when nothing was wanted, so that there is nothing to measure.
    pub fn of(grades: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut grades: Vec<u32> = grades.into_iter().filter(|grade| *grade > 0).collect();
        grades.sort_unstable_by_key(|grade| Reverse(*grade));
        (!grades.is_empty()).then_some(Self(grades))
    }
}

/// The scores of one ranking, or their means over several.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Scores {
    /// Discounted gain among the first ten, over that of the ideal ranking.
    #[serde(rename = "ndcg@10")]
    pub ndcg_at_10: f64,
    /// One over the rank of the first wanted document; 0 when it is not among the first ten.
    #[serde(rename = "mrr@10")]
    pub mrr_at_10: f64,
    /// The share of the wanted documents that are among the first ten.
    #[serde(rename = "recall@10")]
    pub recall_at_10: f64,
    /// The share of the wanted documents that are among the first hundred.
    #[serde(rename = "recall@100")]
    pub recall_at_100: f64,
}

impl Scores {
    /// Scores a ranking, given as the grade of the document at each rank. No document stands in it twice.
    pub fn of(ranking: &[u32], wanted: &Wanted) -> Self {
        let found = |depth: usize| ranking.iter().take(depth).filter(|grade| **grade > 0).count();
        let recall = |depth: usize| found(depth) as f64 / wanted.0.len() as f64;
        let first = ranking.iter().take(NEAR).position(|grade| *grade > 0);
        Self {
            ndcg_at_10: discounted_gain(ranking) / discounted_gain(&wanted.0),
            mrr_at_10: first.map_or(0.0, |place| 1.0 / (place + 1) as f64),
            recall_at_10: recall(NEAR),
            recall_at_100: recall(FAR),
        }
    }

    /// The means of several scores; zeros for none.
    pub fn mean(all: &[Self]) -> Self {
        let mut sum = Self::default();
        for scores in all {
            sum += *scores;
        }
        let count = all.len().max(1) as f64;
        Self {
            ndcg_at_10: sum.ndcg_at_10 / count,
            mrr_at_10: sum.mrr_at_10 / count,
            recall_at_10: sum.recall_at_10 / count,
            recall_at_100: sum.recall_at_100 / count,
        }
    }
}

impl AddAssign for Scores {
    fn add_assign(&mut self, other: Self) {
        self.ndcg_at_10 += other.ndcg_at_10;
        self.mrr_at_10 += other.mrr_at_10;
        self.recall_at_10 += other.recall_at_10;
        self.recall_at_100 += other.recall_at_100;
    }
}

/// The gain of the first ten grades, each divided by the logarithm of its rank.
fn discounted_gain(grades: &[u32]) -> f64 {
    let discounted = |(place, grade): (usize, &u32)| f64::from(*grade) / ((place + 2) as f64).log2();
    grades.iter().take(NEAR).enumerate().map(discounted).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn scores_are_as_computed_by_hand() {
        // Wanted: grades 3, 2, 1 and one more 1 that is not found.
        let wanted = Wanted::of([1, 0, 3, 2, 1]).unwrap();
        let scores = Scores::of(&[0, 2, 3, 0, 1], &wanted);
        let gain = 2.0 / 3f64.log2() + 3.0 / 4f64.log2() + 1.0 / 6f64.log2();
        let ideal = 3.0 / 2f64.log2() + 2.0 / 3f64.log2() + 1.0 / 4f64.log2() + 1.0 / 5f64.log2();
        close(gain, 3.148_712_314_377);
        close(ideal, 5.192_536_065_216);
        close(scores.ndcg_at_10, gain / ideal);
        close(scores.mrr_at_10, 0.5);
        close(scores.recall_at_10, 0.75);
        close(scores.recall_at_100, 0.75);
    }

    #[test]
    fn ranks_beyond_the_depth_do_not_count() {
        let wanted = Wanted::of([1, 1]).unwrap();
        let mut ranking = vec![0; 100];
        (ranking[10], ranking[99]) = (1, 1);
        let scores = Scores::of(&ranking, &wanted);
        assert_eq!((scores.ndcg_at_10, scores.mrr_at_10, scores.recall_at_10), (0.0, 0.0, 0.0));
        close(scores.recall_at_100, 1.0);
        ranking.insert(0, 0);
        close(Scores::of(&ranking, &wanted).recall_at_100, 0.5);
    }

    #[test]
    fn the_ideal_of_more_than_ten_wanted_documents_has_ten() {
        let wanted = Wanted::of([1; 15]).unwrap();
        let scores = Scores::of(&[1; 10], &wanted);
        close(scores.ndcg_at_10, 1.0);
        close(scores.recall_at_10, 10.0 / 15.0);
    }

    #[test]
    fn nothing_wanted_is_nothing_to_measure() {
        assert_eq!(Wanted::of([0, 0]), None);
        assert_eq!(Wanted::of([]), None);
        close(Scores::of(&[], &Wanted::of([1]).unwrap()).ndcg_at_10, 0.0);
    }

    #[test]
    fn means_are_by_the_query() {
        let wanted = Wanted::of([1]).unwrap();
        let mean = Scores::mean(&[Scores::of(&[1], &wanted), Scores::of(&[0, 1], &wanted)]);
        close(mean.mrr_at_10, 0.75);
        close(mean.recall_at_10, 1.0);
        assert_eq!(Scores::mean(&[]), Scores::default());
    }

    proptest! {
        #[test]
        fn every_score_lies_between_0_and_1(
            judged in prop::collection::vec(0u32..5, 1..40), order in any::<u64>(), found in 0usize..40,
        ) {
            let Some(wanted) = Wanted::of(judged.iter().copied()) else { return Ok(()) };
            let mut ranking = judged;
            let mut random = super::super::Random::new(order);
            random.shuffle(&mut ranking);
            ranking.truncate(found);
            let Scores { ndcg_at_10, mrr_at_10, recall_at_10, recall_at_100 } = Scores::of(&ranking, &wanted);
            for score in [ndcg_at_10, mrr_at_10, recall_at_10, recall_at_100] {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&score), "{score}");
            }
            prop_assert!(recall_at_10 <= recall_at_100);
        }

        #[test]
        fn a_perfect_ranking_scores_1_and_a_swap_for_the_better_never_scores_less(
            mut judged in prop::collection::vec(0u32..5, 2..30), at in 0usize..29, order in any::<u64>(),
        ) {
            let Some(wanted) = Wanted::of(judged.iter().copied()) else { return Ok(()) };
            let mut perfect = judged.clone();
            perfect.sort_by_key(|grade| Reverse(*grade));
            prop_assert!((Scores::of(&perfect, &wanted).ndcg_at_10 - 1.0).abs() < 1e-12);

            super::super::Random::new(order).shuffle(&mut judged);
            let at = at % (judged.len() - 1);
            let before = Scores::of(&judged, &wanted).ndcg_at_10;
            if judged[at] < judged[at + 1] {
                judged.swap(at, at + 1);
            }
            prop_assert!(Scores::of(&judged, &wanted).ndcg_at_10 >= before - 1e-12);
        }
    }
}
