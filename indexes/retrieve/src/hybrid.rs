//! Here is a query: which passages of which published revisions bear on it, best first?
//!
//! Invariants:
//! - Every list comes out of one hydration call, which is one transaction of the catalog (I-2). A deeper look
//!   hydrates everything anew rather than adding to what an earlier moment showed; what the question is leaned towards was
//!   looked at before, and only moved scores.
//! - Work is bounded: [`limits::CANDIDATES_MAX`] candidates an arm, or as many as are asked for, doubled at most
//!   [`limits::SEARCH_DEEPENINGS_MAX`] times, and only while stale hits leave the list short.

use std::collections::{HashMap, HashSet};
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
use crate::feedback::Feedback;
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
    feedback: Option<Feedback>,
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
        Self { reader, keyword, vector, embedder, balance: Balance::default(), feedback: None, reranking: None }
    }

    /// The same, with another balance of words and meaning.
    pub fn balanced(self, balance: Balance) -> Self {
        Self { balance, ..self }
    }

    /// Leans each question towards the best passages; `None` for not at all.
    pub fn with_feedback(self, feedback: Option<Feedback>) -> Self {
        Self { feedback, ..self }
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
            let passages = self.passages(request, &chunks).await?;
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

    /// The published passages among `chunks` that the filter admits.
    async fn passages(&self, request: &SearchRequest, chunks: &[ChunkId]) -> Result<Vec<Passage>, SearchError> {
        self.reader.hydrate(&request.collection, chunks, &request.filter).await.map_err(|failure| {
            SearchError::caused_by(SearchErrorKind::Catalog, "could not read the passages found", failure)
        })
    }

    /// The first candidates that the caller could be shown, best first.
    async fn shown_first(&self, request: &SearchRequest, fused: &[Fused]) -> Result<Vec<ChunkId>, SearchError> {
        let chunks: Vec<ChunkId> = fused.iter().take(Feedback::CANDIDATES).map(|candidate| candidate.chunk).collect();
        let passages = self.passages(request, &chunks).await?;
        let shown: HashSet<ChunkId> = passages.iter().map(|passage| passage.chunk).collect();
        Ok(chunks.into_iter().filter(|chunk| shown.contains(chunk)).take(Feedback::PASSAGES).collect())
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
        let arms =
            Arms { reader: &*self.reader, keyword: &*self.keyword, vector: &*self.vector, embedder: &*self.embedder };
        let mut route = Route::of(&request.query, request.arms, &*self.embedder);
        // A filter is pushed into both arms. Labels alone are looked up for what the arms name, since little is hidden from
        // most; where too much is, they are pushed as well.
        let mut among = if request.filter.demands() { self.admitted(&request).await? } else { None };
        let mut reranked = Reranked::new(self.reranking.as_ref());
        let mut deepening = 0;
        loop {
            let depth = limits::CANDIDATES_MAX.max(request.limit) << deepening;
            let searched = arms.search(&request, among.as_deref(), depth, &mut route).await;
            let mut candidates = searched.map_err(|failure| {
                SearchError::caused_by(SearchErrorKind::Catalog, "could not read the access labels", failure)
            })?;
            let Some(mut fused) = candidates.fused(self.balance) else { return Err(no_arm_left(&candidates)) };
            if let Some(feedback) = self.feedback.filter(|_| candidates.both_vote()) {
                let best = self.shown_first(&request, &fused).await?;
                arms.lean(&request.collection, feedback, &best, &mut candidates, &mut route).await;
                fused = candidates.fused(self.balance).unwrap_or(fused);
            }
            let explainer = request.explain.then(|| candidates.explainer(self.balance)).flatten();
            let mut found = self.hydrate(&request, &fused, explainer.as_ref(), &mut reranked).await?;
            let short = candidates.more && (found.short || (candidates.left_out && found.hits.len() < request.limit));
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
#[path = "hybrid_tests.rs"]
mod tests;
