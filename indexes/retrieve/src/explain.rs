//! Why does a result stand where it stands?
//!
//! Invariants:
//! - A rank is a place among what the arm itself named; a score that was only looked up has none.
//! - The weights are those that made the score: a result's score follows from its explanation and the arms'
//!   best scores.

use std::collections::HashMap;

use wellspring_core::chunk::ChunkId;
use wellspring_core::hit::Hit;
use wellspring_core::retriever::{ArmOpinion, Explanation, FusedBy};

use crate::fuse::{Balance, Fused, weights};

/// The places of all candidates.
#[derive(Debug)]
pub(crate) struct Explainer {
    keyword: HashMap<ChunkId, usize>,
    vector: HashMap<ChunkId, usize>,
    fused_by: FusedBy,
    balance: Balance,
}

impl Explainer {
    /// Takes what the arms named, best first.
    pub(crate) fn new(keyword: &[Hit], vector: &[Hit], fused_by: FusedBy, balance: Balance) -> Self {
        Self { keyword: places(keyword), vector: places(vector), fused_by, balance }
    }

    /// Explains one candidate.
    pub(crate) fn explain(&self, candidate: &Fused) -> Explanation {
        let opinion = |score: Option<f32>, places: &HashMap<ChunkId, usize>| {
            score.map(|score| ArmOpinion { rank: places.get(&candidate.chunk).copied(), score })
        };
        Explanation {
            keyword: opinion(candidate.keyword, &self.keyword),
            vector: opinion(candidate.vector, &self.vector),
            fused_by: self.fused_by,
            weights: weights(self.fused_by, self.balance),
            leaned: candidate.leaned,
            rerank: None,
            recency: None,
        }
    }
}

/// The first place of each chunk, from 1.
fn places(hits: &[Hit]) -> HashMap<ChunkId, usize> {
    let mut places = HashMap::with_capacity(hits.len());
    for (place, hit) in hits.iter().enumerate() {
        places.entry(hit.chunk).or_insert(place + 1);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::chunk;

    #[test]
    fn a_place_is_one_that_the_arm_gave() {
        let hits = |chunks: &[u16]| chunks.iter().map(|&n| Hit { chunk: chunk(n), score: 1.0 }).collect::<Vec<_>>();
        let explainer = Explainer::new(&hits(&[1, 2]), &hits(&[2, 3]), FusedBy::WeightedSum, Balance::default());
        let explained = explainer.explain(&Fused {
            chunk: chunk(1),
            score: 0.5,
            keyword: Some(7.0),
            vector: Some(0.25),
            leaned: Some(0.3),
        });
        assert_eq!(explained.keyword, Some(ArmOpinion { rank: Some(1), score: 7.0 }));
        assert_eq!(explained.vector, Some(ArmOpinion { rank: None, score: 0.25 }), "its cosine was only looked up");
        assert_eq!(explained.leaned, Some(0.3));
        let explained =
            explainer.explain(&Fused { chunk: chunk(3), score: 0.5, keyword: None, vector: Some(0.5), leaned: None });
        assert_eq!(explained.keyword, None);
        assert_eq!(explained.vector, Some(ArmOpinion { rank: Some(2), score: 0.5 }));
        assert_eq!(explained.weights.keyword + explained.weights.vector, 1.0);
    }
}
