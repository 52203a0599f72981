//! Here is a query: which passages of which published revisions bear on it, best first?
//!
//! Invariants:
//! - Every list comes out of one hydration call, which is one transaction of the catalog (I-2). A deeper look
//!   hydrates everything anew rather than adding to what an earlier moment showed.
//! - Work is bounded: [`limits::CANDIDATES_MAX`] candidates an arm, or as many as are asked for, doubled at most
//!   [`limits::SEARCH_DEEPENINGS_MAX`] times, and only while stale hits leave the list short.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use wellspring_core::catalog::CatalogReader;
use wellspring_core::chunk::ChunkId;
use wellspring_core::embedding::Embedder;
use wellspring_core::hit::Passage;
use wellspring_core::limits;
use wellspring_core::retriever::{
    ArmStatus, Ranked, Retriever, SearchError, SearchErrorKind, SearchRequest, SearchResults,
};
use wellspring_core::view::{KeywordSearch, VectorSearch};

use crate::arms::{Arms, Candidates, Route};
use crate::choose::choose;
use crate::explain::Explainer;
use crate::fuse::{Balance, Fused};
use crate::rerank::{Reranked, Reranking};

/// Candidates hydrated beyond the asked number at first: a few stale hits then cost no second transaction.
const SPARE_CANDIDATES: usize = 8;

/// Searches by words and by meaning, and lets the catalog have the last word.
pub struct HybridRetriever {
    reader: Arc<dyn CatalogReader>,
    keyword: Arc<dyn KeywordSearch>,
    vector: Arc<dyn VectorSearch>,
    embedder: Arc<dyn Embedder>,
    balance: Balance,
    reranking: Option<Reranking>,
}

impl HybridRetriever {
    /// Joins the parts. The embedder must be the one that the vector view was filled by (I-5).
    pub fn new(
        reader: Arc<dyn CatalogReader>,
        keyword: Arc<dyn KeywordSearch>,
        vector: Arc<dyn VectorSearch>,
        embedder: Arc<dyn Embedder>,
    ) -> Self {
        Self { reader, keyword, vector, embedder, balance: Balance::default(), reranking: None }
    }

    /// The same, with another balance of words and meaning.
    pub fn balanced(self, balance: Balance) -> Self {
        Self { balance, ..self }
    }

    /// Has a model read the best passages again.
    pub fn with_reranking(self, reranking: Reranking) -> Self {
        Self { reranking: Some(reranking), ..self }
    }

    /// The published passages among the best of `fused`, chosen as the request wishes, and whether some were refused.
    async fn hydrate(
        &self,
        request: &SearchRequest,
        fused: &[Fused],
        explainer: Option<&Explainer>,
        reranked: &mut Reranked<'_>,
    ) -> Result<Hydrated, SearchError> {
        let wanted = request.limit.max(reranked.depth());
        let first_look = fused.len().min(wanted.saturating_add(SPARE_CANDIDATES));
        // Age may bring up what stands far below, and a repetition may stand anywhere.
        let whole = request.recency.is_some() || request.collapse || first_look == fused.len();
        let looks = if whole { vec![fused.len()] } else { vec![first_look, fused.len()] };
        let mut hydrated = Hydrated { hits: Vec::new(), short: false };
        for look in looks {
            let asked = &fused[..look];
            let chunks: Vec<ChunkId> = asked.iter().map(|candidate| candidate.chunk).collect();
            let passages =
                self.reader.hydrate(&request.collection, &chunks, &request.filter).await.map_err(|failure| {
                    SearchError::caused_by(SearchErrorKind::Catalog, "could not read the passages found", failure)
                })?;
            let mut candidates = candidates(asked, passages, explainer);
            reranked.order(request, &mut candidates).await;
            let hits = choose(candidates, request);
            let short = hits.len() < request.limit && hits.len() < asked.len();
            hydrated = Hydrated { hits, short };
            if hydrated.hits.len() >= request.limit {
                break;
            }
        }
        Ok(hydrated)
    }

    /// The chunks that the filter admits, where they are few enough to be looked at alone.
    async fn admitted(&self, request: &SearchRequest) -> Result<Option<Vec<ChunkId>>, SearchError> {
        let SearchRequest { collection, filter, .. } = request;
        self.reader.chunks_admitted(collection, filter, limits::FILTERED_CHUNKS_MAX).await.map_err(|failure| {
            SearchError::caused_by(SearchErrorKind::Catalog, "could not look for the documents of the filter", failure)
        })
    }

    /// Adds what stands around each result.
    async fn expand(&self, hits: &mut [Ranked], count: usize) -> Result<(), SearchError> {
        for hit in hits {
            let around = self.reader.neighbours(hit.passage.chunk, count).await.map_err(|failure| {
                SearchError::caused_by(SearchErrorKind::Catalog, "could not read what stands around a passage", failure)
            })?;
            hit.neighbours = Some(around);
        }
        Ok(())
    }
}

/// Results of one look.
struct Hydrated {
    hits: Vec<Ranked>,
    /// Whether there are fewer than were asked for, although candidates were refused or put together.
    short: bool,
}

/// Puts passages back into the fused order. A passage that was not asked for is no result (I-2).
fn candidates(asked: &[Fused], passages: Vec<Passage>, explainer: Option<&Explainer>) -> Vec<Ranked> {
    let mut by_chunk: HashMap<ChunkId, Passage> =
        passages.into_iter().map(|passage| (passage.chunk, passage)).collect();
    let mut candidates = Vec::with_capacity(asked.len());
    for candidate in asked {
        if let Some(passage) = by_chunk.remove(&candidate.chunk) {
            candidates.push(Ranked {
                passage,
                score: candidate.score,
                keyword_score: candidate.keyword,
                vector_score: candidate.vector,
                rerank_score: None,
                explain: explainer.map(|explainer| explainer.explain(candidate)),
                duplicates: Vec::new(),
                neighbours: None,
            });
        }
    }
    candidates
}

#[async_trait]
impl Retriever for HybridRetriever {
    async fn search(&self, request: SearchRequest) -> Result<SearchResults, SearchError> {
        let exists = self.reader.collection_exists(&request.collection).await.map_err(|failure| {
            SearchError::caused_by(SearchErrorKind::Catalog, "could not look up the collection", failure)
        })?;
        if !exists {
            let attempted = format!("there is no collection named `{}`", request.collection);
            return Err(SearchError::new(SearchErrorKind::UnknownCollection, attempted));
        }
        let limit = request.limit.clamp(1, limits::HITS_MAX);
        let expand = request.expand.min(limits::NEIGHBOURS_MAX);
        let request = SearchRequest { limit, expand, ..request };
        let arms = Arms { keyword: &*self.keyword, vector: &*self.vector, embedder: &*self.embedder };
        let mut route = Route::of(&request.query, request.arms, &*self.embedder);
        // A filter is pushed into both arms; what is refused only for its access labels is mostly rare, and looked for
        // that way when it turns out not to be.
        let mut among = if request.filter.demands() { self.admitted(&request).await? } else { None };
        let mut reranked = Reranked::new(self.reranking.as_ref());
        let mut deepening = 0;
        loop {
            let depth = limits::CANDIDATES_MAX.max(request.limit) << deepening;
            let candidates = arms.search(&request, among.as_deref(), depth, &mut route).await;
            let Some(fused) = candidates.fused(self.balance) else { return Err(no_arm_left(&candidates)) };
            let explainer = request.explain.then(|| candidates.explainer(self.balance)).flatten();
            let mut found = self.hydrate(&request, &fused, explainer.as_ref(), &mut reranked).await?;
            let short = found.short && candidates.more;
            if short && deepening == limits::SEARCH_DEEPENINGS_MAX && among.is_none() && !request.filter.demands() {
                among = self.admitted(&request).await?;
                if among.is_some() {
                    continue;
                }
            }
            if !short || deepening == limits::SEARCH_DEEPENINGS_MAX {
                if request.expand > 0 {
                    self.expand(&mut found.hits, request.expand).await?;
                }
                let Candidates { keyword_status, vector_status, .. } = candidates;
                let (keyword, vector, rerank) = (keyword_status, vector_status, reranked.status);
                return Ok(SearchResults { hits: found.hits, keyword, vector, rerank });
            }
            deepening += 1;
        }
    }
}

/// The error of a search in which nobody could answer.
fn no_arm_left(candidates: &Candidates) -> SearchError {
    let reason = |status: &ArmStatus| match status {
        ArmStatus::Ok => String::from("ok"),
        ArmStatus::Skipped { reason } => format!("skipped ({reason})"),
        ArmStatus::Failed { reason } => format!("failed ({reason})"),
    };
    let arms =
        format!("keyword arm {}; vector arm {}", reason(&candidates.keyword_status), reason(&candidates.vector_status));
    SearchError::caused_by(SearchErrorKind::Unavailable, "no arm of the search could answer", arms)
}

#[cfg(test)]
mod tests {
    use wellspring_core::filter::Filter;
    use wellspring_core::retriever::{ArmOpinion, FusedBy, SearchArms};

    use super::*;
    use crate::fakes::{Fakes, chunk};

    async fn found(fakes: &Fakes, query: &str, limit: usize) -> (Vec<ChunkId>, SearchResults) {
        let results = fakes.retriever().search(fakes.request(query, limit)).await.unwrap();
        (results.hits.iter().map(|hit| hit.passage.chunk).collect(), results)
    }

    #[tokio::test]
    async fn both_arms_are_weighed_and_missing_cosines_filled_in() {
        let fakes = Fakes::published(&[1, 2, 3]).keyword(&[(1, 10.0), (2, 8.0)]).nearest(&[(3, 0.5)]);
        let fakes = fakes.cosines(&[(1, 0.1), (2, 0.9)]);
        let (chunks, results) = found(&fakes, "query", 10).await;
        assert_eq!(chunks, [chunk(2), chunk(1), chunk(3)]);
        assert_eq!((results.keyword, results.vector), (ArmStatus::Ok, ArmStatus::Ok));
        assert_eq!(results.hits[0].keyword_score, Some(8.0));
        assert_eq!(results.hits[0].vector_score, Some(0.9));
        assert_eq!(results.hits[2].keyword_score, None);
    }

    #[tokio::test]
    async fn i2_stale_hits_are_dropped_and_the_list_is_filled_from_below() {
        let keyword: Vec<(u16, f32)> = (0..60).map(|n| (n, 100.0 - f32::from(n))).collect();
        let fakes = Fakes::published(&[1, 30, 50, 59]).keyword(&keyword);
        let (chunks, _) = found(&fakes, "query", 3).await;
        assert_eq!(chunks, [chunk(1), chunk(30), chunk(50)]);
        // I-2: the list came from one hydration of everything, not from two moments.
        assert_eq!(*fakes.hydrations.lock().unwrap(), [11, 60]);
    }

    #[tokio::test]
    async fn i2_a_list_short_of_live_hits_looks_deeper_a_bounded_number_of_times() {
        let keyword: Vec<(u16, f32)> = (0..1000).map(|n| (n, 2000.0 - f32::from(n))).collect();
        let fakes = Fakes::published(&[150, 350, 900]).keyword(&keyword);
        let (chunks, _) = found(&fakes, "query", 3).await;
        assert_eq!(chunks, [chunk(150), chunk(350)]);
        assert_eq!(*fakes.depths.lock().unwrap(), [100, 200, 400]);
        assert_eq!(fakes.embedded.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn i2_a_passage_nobody_asked_for_is_no_result() {
        let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 1.0)]).hydrating_also(2);
        assert_eq!(found(&fakes, "query", 10).await.0, [chunk(1)]);
    }

    #[tokio::test]
    async fn an_arm_that_fails_leaves_the_other_to_answer_and_says_so() {
        let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 4.0), (2, 2.0)]).failing_vector();
        let (chunks, results) = found(&fakes, "query", 10).await;
        assert_eq!(chunks, [chunk(1), chunk(2)]);
        assert_eq!(results.hits[1].score, 0.5);
        assert_eq!(results.keyword, ArmStatus::Ok);
        assert!(matches!(results.vector, ArmStatus::Failed { reason } if reason.contains("vector index is closed")));

        let fakes = Fakes::published(&[1, 2]).failing_keyword().nearest(&[(2, 0.7), (1, 0.2)]);
        let (chunks, results) = found(&fakes, "query", 10).await;
        assert_eq!(chunks, [chunk(2), chunk(1)]);
        assert!(matches!(results.keyword, ArmStatus::Failed { .. }));
        assert_eq!(results.vector, ArmStatus::Ok);
    }

    #[tokio::test]
    async fn an_embedder_or_cosines_that_fail_take_the_vector_arm_out() {
        let fakes = Fakes::published(&[1]).keyword(&[(1, 4.0)]).nearest(&[(1, 0.3)]).failing_embedder();
        let (chunks, results) = found(&fakes, "query", 10).await;
        assert_eq!((chunks, results.hits[0].score), (vec![chunk(1)], 1.0));
        assert!(matches!(results.vector, ArmStatus::Failed { .. }));

        let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 4.0)]).nearest(&[(2, 0.9)]).failing_similarities();
        let (chunks, results) = found(&fakes, "query", 10).await;
        assert_eq!(chunks, [chunk(1)]);
        assert!(matches!(results.vector, ArmStatus::Failed { .. }));
    }

    #[tokio::test]
    async fn one_arm_asked_for_answers_alone_whatever_the_language() {
        let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 6.0)]).nearest(&[(2, 0.9), (1, 0.3)]);
        let alone = |query: &str, arms| SearchRequest { arms, ..fakes.request(query, 10) };
        let results = fakes.retriever().search(alone("query", SearchArms::Keyword)).await.unwrap();
        assert_eq!(results.hits.iter().map(|hit| hit.passage.chunk).collect::<Vec<_>>(), [chunk(1)]);
        assert_eq!(results.keyword, ArmStatus::Ok);
        assert!(matches!(results.vector, ArmStatus::Skipped { .. }));
        assert_eq!(fakes.embedded.load(std::sync::atomic::Ordering::Relaxed), 0);

        fakes.depths.lock().unwrap().clear();
        for query in ["query", "谁写了红楼梦"] {
            let results = fakes.retriever().search(alone(query, SearchArms::Vector)).await.unwrap();
            assert_eq!(results.hits.iter().map(|hit| hit.score).collect::<Vec<_>>(), [0.9, 0.3], "{query}");
            assert!(matches!(results.keyword, ArmStatus::Skipped { .. }));
            assert_eq!(results.vector, ArmStatus::Ok);
        }
        assert!(fakes.depths.lock().unwrap().is_empty(), "the words are not looked up");
    }

    #[tokio::test]
    async fn a_result_says_why_it_stands_there_when_it_is_asked() {
        let fakes = Fakes::published(&[1, 2, 3]).keyword(&[(1, 10.0), (2, 8.0)]).nearest(&[(3, 0.5)]);
        let fakes = fakes.cosines(&[(1, 0.1), (2, 0.9)]);
        assert_eq!(found(&fakes, "query", 10).await.1.hits[0].explain, None);
        let explained = |arms| SearchRequest { explain: true, arms, ..fakes.request("query", 10) };
        let results = fakes.retriever().search(explained(SearchArms::Both)).await.unwrap();
        let best = results.hits[0].explain.unwrap();
        assert_eq!(best.keyword, Some(ArmOpinion { rank: Some(2), score: 8.0 }));
        assert_eq!(best.vector, Some(ArmOpinion { rank: None, score: 0.9 }));
        assert_eq!(best.fused_by, FusedBy::WeightedSum);
        assert_eq!(results.hits[0].score, best.weights.keyword * 0.8 + best.weights.vector);
        let results = fakes.retriever().search(explained(SearchArms::Keyword)).await.unwrap();
        let best = results.hits[0].explain.unwrap();
        assert_eq!((best.fused_by, best.vector, best.weights.keyword), (FusedBy::Keyword, None, 1.0));
    }

    #[tokio::test]
    async fn a_filter_is_pushed_into_both_arms() {
        let keyword: Vec<(u16, f32)> = (0..90).map(|n| (n, 100.0 - f32::from(n))).collect();
        let fakes =
            Fakes::published(&[5, 80, 7]).keyword(&keyword).nearest(&[(1, 0.9)]).cosines(&[(80, 0.9), (5, 0.2)]);
        let fakes = fakes.admitting(&[5, 80]);
        let filter = Filter { tags: vec!["red".to_owned()], ..Filter::default() };
        let request = SearchRequest { filter, expand: 2, ..fakes.request("query", 10) };
        let results = fakes.retriever().search(request).await.unwrap();
        assert_eq!(results.hits.iter().map(|hit| hit.passage.chunk).collect::<Vec<_>>(), [chunk(80), chunk(5)]);
        assert_eq!(results.hits[0].neighbours.as_ref().unwrap().before.len(), 2);
    }

    #[tokio::test]
    async fn many_results_take_as_many_candidates() {
        let fakes = Fakes::published(&[1]).keyword(&[(1, 6.0)]);
        found(&fakes, "query", 10).await;
        found(&fakes, "query", limits::HITS_MAX + 1).await;
        assert_eq!(*fakes.depths.lock().unwrap(), [limits::CANDIDATES_MAX, limits::HITS_MAX]);
    }

    #[tokio::test]
    async fn no_arm_left_is_an_error() {
        let fakes = Fakes::published(&[1]).failing_keyword().failing_vector();
        let failure = fakes.retriever().search(fakes.request("query", 10)).await.unwrap_err();
        assert_eq!(failure.kind(), SearchErrorKind::Unavailable);
        let fakes = Fakes::published(&[1]).failing_keyword();
        let failure = fakes.retriever().search(fakes.request("谁写了红楼梦", 10)).await.unwrap_err();
        assert_eq!(failure.kind(), SearchErrorKind::Unavailable);
        assert!(failure.chain().contains("skipped"));
    }

    #[tokio::test]
    async fn a_language_the_embedder_does_not_speak_is_left_to_the_words() {
        let fakes = Fakes::published(&[1, 2]).keyword(&[(1, 6.0), (2, 3.0)]).nearest(&[(2, 0.99)]);
        let (chunks, results) = found(&fakes, "谁写了红楼梦", 10).await;
        assert_eq!(chunks, [chunk(1), chunk(2)]);
        assert_eq!(results.hits.iter().map(|hit| hit.score).collect::<Vec<_>>(), [1.0, 0.5]);
        assert!(matches!(results.vector, ArmStatus::Skipped { .. }));
        assert_eq!(fakes.embedded.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn an_unknown_collection_is_an_error_and_an_empty_result_is_none() {
        let fakes = Fakes::published(&[]);
        let mut request = fakes.request("query", 10);
        assert!(fakes.retriever().search(request.clone()).await.unwrap().hits.is_empty());
        request.collection = "elsewhere".parse().unwrap();
        let failure = fakes.retriever().search(request).await.unwrap_err();
        assert_eq!(failure.kind(), SearchErrorKind::UnknownCollection);
    }
}
