//! Is it worth having a model read the best passages again, and what becomes of their order?
//!
//! ```text
//! hydrated candidates ─► clear already? ─► as many as are close and fit the deadline ─► read ─► put in the new order
//! ```
//!
//! Invariants:
//! - Only the order changes: the passages that were read share out the scores that they had among them, best first. So a
//!   score still compares with those of the passages that were not read, and age weighs as it did.
//! - What fails or is late leaves the fused order, and the results say which it was.
//! - A search asks the model once, however deep it looks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wellspring_core::chunk::ChunkId;
use wellspring_core::limits;
use wellspring_core::rerank::Reranker;
use wellspring_core::retriever::{Ranked, RerankSkip, RerankStatus, SearchArms, SearchRequest};

/// The share of the best score below which a passage is not read: it would have to be lifted over all that is nearer.
const CLOSE_SHARE: f32 = 0.5;

/// A model, and when it is asked.
#[derive(Clone)]
pub struct Reranking {
    /// The model.
    pub model: Arc<dyn Reranker>,
    /// The most passages that are read, 2 to [`limits::RERANK_PASSAGES_MAX`].
    pub depth: usize,
    /// What a search waits for it at most.
    pub deadline: Duration,
    /// How far the best score is ahead of the second, as a share of it, where the order is clear and nothing is read.
    pub margin: f32,
}

/// One search's reranking: what was said, and whether it was asked.
pub(crate) struct Reranked<'r> {
    reranking: Option<&'r Reranking>,
    scores: HashMap<ChunkId, f32>,
    pub(crate) status: RerankStatus,
    asked: bool,
}

impl<'r> Reranked<'r> {
    pub(crate) fn new(reranking: Option<&'r Reranking>) -> Self {
        Self { reranking, scores: HashMap::new(), status: RerankStatus::Off, asked: false }
    }

    /// How many candidates are wanted at least.
    pub(crate) fn depth(&self) -> usize {
        self.reranking.map_or(0, |reranking| reranking.depth)
    }

    /// Puts candidates, best first, into the model's order, which is asked for at the first call.
    pub(crate) async fn order(&mut self, request: &SearchRequest, candidates: &mut [Ranked]) {
        if let Some(reranking) = self.reranking
            && !self.asked
        {
            self.asked = true;
            self.status = self.ask(reranking, request, candidates).await;
        }
        if matches!(self.status, RerankStatus::Ran { .. }) {
            apply(&self.scores, candidates);
        }
    }

    async fn ask(&mut self, reranking: &Reranking, request: &SearchRequest, candidates: &[Ranked]) -> RerankStatus {
        let skipped = |reason| RerankStatus::Skipped { reason };
        if request.arms != SearchArms::Both {
            return skipped(RerankSkip::OneArm);
        }
        let [best, second, ..] = candidates else { return skipped(RerankSkip::Few) };
        if best.score - second.score >= reranking.margin * best.score {
            return skipped(RerankSkip::Margin);
        }
        let close = candidates.iter().take_while(|candidate| candidate.score >= CLOSE_SHARE * best.score).count();
        let depth = close.min(reranking.depth).min(affordable(reranking)).min(candidates.len());
        if depth < 2 {
            return skipped(if close < 2 { RerankSkip::Few } else { RerankSkip::Deadline });
        }
        let read = &candidates[..depth];
        let scores = reranking.model.score(request.query.clone(), read.iter().map(text).collect());
        match tokio::time::timeout(reranking.deadline, scores).await {
            Ok(Ok(scores)) if scores.len() == depth => {
                self.scores = read.iter().map(|candidate| candidate.passage.chunk).zip(scores).collect();
                RerankStatus::Ran { passages: depth }
            }
            Ok(Ok(scores)) => failed(format!("the reranker gave {} scores for {depth} passages", scores.len())),
            Ok(Err(failure)) => failed(failure.chain()),
            Err(_) => skipped(RerankSkip::Deadline),
        }
    }
}

/// How many passages can be read before the deadline, as fast as they were read lately.
fn affordable(reranking: &Reranking) -> usize {
    let Some(micros) = reranking.model.passage_micros() else { return limits::RERANK_PASSAGES_MAX };
    usize::try_from(reranking.deadline.as_micros() / u128::from(micros.max(1))).unwrap_or(usize::MAX)
}

/// What the model reads of a passage: its title and headings first, as where the chunk was embedded.
fn text(candidate: &Ranked) -> String {
    let passage = &candidate.passage;
    let parts = [passage.title.as_deref().unwrap_or_default(), &passage.heading, &passage.text];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Puts the candidates that were read in the order of their scores, into the places that they have.
fn apply(scores: &HashMap<ChunkId, f32>, candidates: &mut [Ranked]) {
    let places: Vec<usize> =
        (0..candidates.len()).filter(|place| scores.contains_key(&candidates[*place].passage.chunk)).collect();
    let mut read: Vec<Ranked> = places.iter().map(|place| candidates[*place].clone()).collect();
    // Stable: what the model does not tell apart stays in the order of the fusion.
    read.sort_by(|a, b| scores[&b.passage.chunk].total_cmp(&scores[&a.passage.chunk]));
    for (place, mut candidate) in places.into_iter().zip(read) {
        candidate.score = candidates[place].score;
        let said = scores[&candidate.passage.chunk];
        candidate.rerank_score = Some(said);
        if let Some(explanation) = &mut candidate.explain {
            explanation.rerank = Some(said);
        }
        candidates[place] = candidate;
    }
}

/// Handles the model's failure here, where it is turned into a status: logs it, and says it in the result.
fn failed(reason: String) -> RerankStatus {
    tracing::warn!(reason, "the reranker failed, the fused order stands");
    RerankStatus::Failed { reason }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use wellspring_core::rerank::{RerankError, RerankErrorKind};
    use wellspring_core::retriever::{Retriever, SearchResults};

    use super::*;
    use crate::fakes::{Fakes, chunk};

    /// Prefers the passage with the highest number, or fails in some way.
    enum Scripted {
        Backwards,
        Same,
        Never,
        Fails,
        Slow,
    }

    #[async_trait]
    impl Reranker for Scripted {
        async fn score(&self, _: String, passages: Vec<String>) -> Result<Vec<f32>, RerankError> {
            match self {
                Self::Backwards | Self::Slow => Ok((0..passages.len()).map(|place| place as f32).collect()),
                Self::Same => Ok(vec![0.0; passages.len()]),
                Self::Never => std::future::pending().await,
                Self::Fails => Err(RerankError::new(RerankErrorKind::Model, "the model is broken")),
            }
        }

        fn passage_micros(&self) -> Option<u64> {
            matches!(self, Self::Slow).then_some(400_000)
        }
    }

    /// The numbers of the results, and the results, with these BM25 scores of chunks 1, 2, 3, …
    async fn found(
        model: Scripted,
        scores: &[f32],
        change: impl Fn(&mut SearchRequest),
    ) -> (Vec<ChunkId>, SearchResults) {
        let keyword: Vec<(u16, f32)> = (1..).zip(scores.iter().copied()).collect();
        let numbers: Vec<u16> = keyword.iter().map(|(number, _)| *number).collect();
        let fakes = Fakes::published(&numbers).keyword(&keyword).failing_vector();
        let deadline = Duration::from_millis(if matches!(model, Scripted::Never) { 1 } else { 1_000 });
        let reranking = Reranking { model: Arc::new(model), depth: 3, deadline, margin: 0.3 };
        let mut request = SearchRequest { explain: true, ..fakes.request("query", 10) };
        change(&mut request);
        let results = fakes.retriever().with_reranking(reranking).search(request).await.unwrap();
        (results.hits.iter().map(|hit| hit.passage.chunk).collect(), results)
    }

    #[tokio::test]
    async fn the_best_are_put_in_the_models_order_and_share_out_their_scores() {
        let (chunks, results) = found(Scripted::Backwards, &[10.0, 9.0, 8.0, 7.0], |_| {}).await;
        assert_eq!(chunks, [chunk(3), chunk(2), chunk(1), chunk(4)]);
        assert_eq!(results.rerank, RerankStatus::Ran { passages: 3 });
        assert_eq!(results.hits.iter().map(|hit| hit.score).collect::<Vec<_>>(), [1.0, 0.9, 0.8, 0.7]);
        assert_eq!(results.hits[0].rerank_score, Some(2.0));
        assert_eq!(results.hits[0].explain.unwrap().rerank, Some(2.0));
        assert_eq!((results.hits[3].rerank_score, results.hits[3].explain.unwrap().rerank), (None, None));
    }

    #[tokio::test]
    async fn equals_stay_in_the_fused_order() {
        assert_eq!(found(Scripted::Same, &[10.0, 9.0, 8.0], |_| {}).await.0, [chunk(1), chunk(2), chunk(3)]);
    }

    #[tokio::test]
    async fn a_clear_order_is_not_read_again() {
        let (chunks, results) = found(Scripted::Backwards, &[10.0, 6.0, 5.0], |_| {}).await;
        assert_eq!(chunks, [chunk(1), chunk(2), chunk(3)]);
        assert_eq!(results.rerank, RerankStatus::Skipped { reason: RerankSkip::Margin });
    }

    #[tokio::test]
    async fn only_what_is_close_is_read() {
        let (chunks, results) = found(Scripted::Backwards, &[10.0, 9.0, 4.0], |_| {}).await;
        assert_eq!(chunks, [chunk(2), chunk(1), chunk(3)]);
        assert_eq!(results.rerank, RerankStatus::Ran { passages: 2 });
    }

    #[tokio::test]
    async fn no_more_is_read_than_fits_the_deadline() {
        let (_, results) = found(Scripted::Slow, &[10.0, 9.0, 8.0], |_| {}).await;
        assert_eq!(results.rerank, RerankStatus::Ran { passages: 2 });
    }

    #[tokio::test]
    async fn what_is_late_or_fails_leaves_the_fused_order() {
        let (chunks, results) = found(Scripted::Never, &[10.0, 9.0, 8.0], |_| {}).await;
        assert_eq!(chunks, [chunk(1), chunk(2), chunk(3)]);
        assert_eq!(results.rerank, RerankStatus::Skipped { reason: RerankSkip::Deadline });
        let (chunks, results) = found(Scripted::Fails, &[10.0, 9.0, 8.0], |_| {}).await;
        assert_eq!(chunks, [chunk(1), chunk(2), chunk(3)]);
        assert!(matches!(results.rerank, RerankStatus::Failed { reason } if reason.contains("broken")));
    }

    #[tokio::test]
    async fn one_arm_and_one_result_are_left_as_they_are() {
        let (_, results) = found(Scripted::Backwards, &[10.0, 9.0], |request| request.arms = SearchArms::Keyword).await;
        assert_eq!(results.rerank, RerankStatus::Skipped { reason: RerankSkip::OneArm });
        let (_, results) = found(Scripted::Backwards, &[10.0], |_| {}).await;
        assert_eq!(results.rerank, RerankStatus::Skipped { reason: RerankSkip::Few });
        let fakes = Fakes::published(&[1]).keyword(&[(1, 1.0)]);
        let results = fakes.retriever().search(fakes.request("query", 10)).await.unwrap();
        assert_eq!(results.rerank, RerankStatus::Off);
    }

    #[tokio::test]
    async fn a_short_list_is_chosen_from_all_that_was_read() {
        let (chunks, _) = found(Scripted::Backwards, &[10.0, 9.0, 8.0], |request| request.limit = 1).await;
        assert_eq!(chunks, [chunk(3)]);
    }
}
