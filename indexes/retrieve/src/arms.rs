//! What do words and meaning each find, and which of them may be asked?
//!
//! Invariants:
//! - The arms run side by side; neither waits for the other until both have candidates.
//! - What the caller's labels hide is no candidate: neither a rank nor a score against the best counts it.
//! - Once both have answered, every keyword hit that the vector view knows has its cosine, and every near chunk with a word
//!   of the question its BM25: a chunk found by one arm alone is still weighed by both.
//! - Leaning the question changes cosines alone: what the words said, and who is a candidate, stays.

use wellspring_core::catalog::{CatalogError, CatalogReader};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::CollectionName;
use wellspring_core::embedding::{Embedder, Embedding};
use wellspring_core::hit::Hit;
use wellspring_core::retriever::{ArmStatus, SearchArms, SearchRequest};
use wellspring_core::text::script_language;
use wellspring_core::view::{KeywordSearch, VectorSearch, ViewError};

use std::collections::{HashMap, HashSet};

use crate::explain::Explainer;
use crate::feedback::Feedback;
use crate::fuse::{Balance, Fused, Votes, fuse};

/// How the vector arm may take part in one search.
#[derive(Debug)]
pub(crate) enum Route {
    /// The query still has to be embedded.
    Ask,
    /// The query is embedded.
    Embedded(Embedding),
    /// The arm is out, and the status says why.
    Out(ArmStatus),
}

impl Route {
    /// Decides by who is asked, and for both by the query's script. Latin script, and text without letters, is not told
    /// apart: the embedder is asked.
    pub(crate) fn of(query: &str, arms: SearchArms, embedder: &dyn Embedder) -> Self {
        match arms {
            SearchArms::Keyword => return Self::Out(not_asked()),
            SearchArms::Vector => return Self::Ask,
            SearchArms::Both => {}
        }
        match script_language(query) {
            Some(language) if !embedder.space().languages.iter().any(|spoken| spoken == language) => {
                let reason = format!("the embedder was not trained for the query's language ({language})");
                Self::Out(ArmStatus::Skipped { reason })
            }
            _ => Self::Ask,
        }
    }
}

/// How many hits each arm named by itself.
#[derive(Debug, Clone, Copy)]
struct Named {
    keyword: usize,
    vector: usize,
}

/// What the arms found; `None` where an arm has no vote.
#[derive(Debug)]
pub(crate) struct Candidates {
    keyword: Option<Vec<Hit>>,
    vector: Option<Vec<Hit>>,
    /// The same with the cosines to the leaned question, once it was leaned.
    leaned: Option<Vec<Hit>>,
    /// How many of each arm's hits it named itself; the scores of the others were looked up.
    named: Named,
    pub(crate) keyword_status: ArmStatus,
    pub(crate) vector_status: ArmStatus,
    /// Whether an arm found as many as it was asked for, so that there may be more.
    pub(crate) more: bool,
    /// Whether some were left out since the caller may not read them.
    pub(crate) left_out: bool,
}

impl Candidates {
    /// Both arms' candidates in one order; `None` when no arm has a vote.
    pub(crate) fn fused(&self, balance: Balance) -> Option<Vec<Fused>> {
        let mut fused = fuse(self.votes()?, balance);
        if self.leaned.is_some() {
            // The leaned cosines made the order; what the arm itself said is told beside them.
            let own: HashMap<_, _> = self.vector.iter().flatten().map(|hit| (hit.chunk, hit.score)).collect();
            for candidate in &mut fused {
                candidate.leaned = candidate.vector;
                candidate.vector = own.get(&candidate.chunk).copied();
            }
        }
        Some(fused)
    }

    /// Whether both arms have a vote.
    pub(crate) fn both_vote(&self) -> bool {
        self.keyword.is_some() && self.vector.is_some()
    }

    /// Who can say why a candidate stands where it stands; `None` when no arm has a vote.
    pub(crate) fn explainer(&self, balance: Balance) -> Option<Explainer> {
        let named =
            |hits: &Option<Vec<Hit>>, count: usize| hits.iter().flatten().take(count).copied().collect::<Vec<_>>();
        let (keyword, vector) = (named(&self.keyword, self.named.keyword), named(&self.vector, self.named.vector));
        Some(Explainer::new(&keyword, &vector, self.votes()?.fused_by(), balance))
    }

    fn votes(&self) -> Option<Votes<'_>> {
        match (&self.keyword, self.leaned.as_ref().or(self.vector.as_ref())) {
            (Some(keyword), Some(vector)) => Some(Votes::Both { keyword, vector }),
            (Some(keyword), None) => Some(Votes::Keyword(keyword)),
            (None, Some(vector)) => Some(Votes::Vector(vector)),
            (None, None) => None,
        }
    }
}

/// The two indexes, the model that speaks for one of them, and who knows what the caller may read.
#[derive(Clone, Copy)]
pub(crate) struct Arms<'a> {
    pub(crate) reader: &'a dyn CatalogReader,
    pub(crate) keyword: &'a dyn KeywordSearch,
    pub(crate) vector: &'a dyn VectorSearch,
    pub(crate) embedder: &'a dyn Embedder,
}

impl Arms<'_> {
    /// Asks the arms of the request for `depth` candidates each. `route` keeps the query's embedding for a deeper search.
    /// With `among`, only those chunks are looked at.
    pub(crate) async fn search(
        &self,
        request: &SearchRequest,
        among: Option<&[ChunkId]>,
        depth: usize,
        route: &mut Route,
    ) -> Result<Candidates, CatalogError> {
        let SearchRequest { collection, query, arms, .. } = request;
        let by_words = async {
            match (arms, among) {
                (SearchArms::Vector, _) => None,
                (_, Some(chunks)) => Some(self.keyword.matching_among(collection, query, chunks, depth).await),
                (_, None) => Some(self.keyword.matching(collection, query, depth).await),
            }
        };
        let by_meaning = self.nearest(request, among, depth, route);
        let (words, mut vector) = tokio::join!(by_words, by_meaning);
        let (mut keyword, mut keyword_status) = match words {
            Some(Ok(hits)) => (Some(hits), ArmStatus::Ok),
            Some(Err(failure)) => (None, failed("keyword", failure.chain())),
            None => (None, not_asked()),
        };
        let count = |hits: &Option<Vec<Hit>>| hits.as_ref().map_or(0, Vec::len);
        let more = count(&keyword) >= depth || count(&vector) >= depth;
        let mut left_out = false;
        // Whoever was looked at alone is admitted already.
        if among.is_none() {
            let named: Vec<ChunkId> = keyword.iter().chain(&vector).flatten().map(|hit| hit.chunk).collect();
            let hidden = self.reader.hidden(collection, &named, &request.filter).await?;
            left_out = !hidden.is_empty();
            for hits in [&mut keyword, &mut vector].into_iter().flatten() {
                hits.retain(|hit| !hidden.contains(&hit.chunk));
            }
        }
        let named = Named { keyword: count(&keyword), vector: count(&vector) };

        // Where one arm has not looked at what the other named, half of the candidates would be weighed by one arm only,
        // which is worse than one arm for all: an arm that fails here is out.
        if let (Some(matching), Some(nearest)) = (&mut keyword, &mut vector) {
            let (near, found) = (missing(matching, nearest), missing(nearest, matching));
            match tokio::join!(self.words_of(collection, query, &near), self.cosines_of(collection, route, &found)) {
                (Ok(words), Ok(cosines)) => {
                    matching.extend(words);
                    nearest.extend(cosines);
                }
                (words, cosines) => {
                    if let Err(failure) = words {
                        (keyword, keyword_status) = (None, failed("keyword", failure.chain()));
                    }
                    if let Err(failure) = cosines {
                        vector = None;
                        *route = Route::Out(failed("vector", failure.chain()));
                    }
                }
            }
        }
        let vector_status = match route {
            Route::Out(status) => status.clone(),
            Route::Ask | Route::Embedded(_) => ArmStatus::Ok,
        };
        Ok(Candidates { keyword, vector, leaned: None, named, keyword_status, vector_status, more, left_out })
    }

    /// Compares the candidates again, with the question leaned towards the passages `best`, best first. Where that fails,
    /// the arm is out: it would fail the next question, too.
    pub(crate) async fn lean(
        &self,
        collection: &CollectionName,
        feedback: Feedback,
        best: &[ChunkId],
        candidates: &mut Candidates,
        route: &mut Route,
    ) {
        let (Some(vector), Route::Embedded(question)) = (&candidates.vector, &*route) else { return };
        let chunks: Vec<ChunkId> = vector.iter().map(|hit| hit.chunk).collect();
        match self.compared_again(collection, feedback, question, best, &chunks).await {
            Ok(leaned) => candidates.leaned = leaned,
            Err(failure) => {
                let status = failed("vector", failure.chain());
                candidates.vector = None;
                candidates.vector_status = status.clone();
                *route = Route::Out(status);
            }
        }
    }

    /// The cosines of `chunks` to the leaned question; `None` where there is nothing to lean it towards.
    async fn compared_again(
        &self,
        collection: &CollectionName,
        feedback: Feedback,
        question: &Embedding,
        best: &[ChunkId],
        chunks: &[ChunkId],
    ) -> Result<Option<Vec<Hit>>, ViewError> {
        if best.is_empty() {
            return Ok(None);
        }
        let directions: HashMap<ChunkId, Embedding> =
            self.vector.directions(collection, best).await?.into_iter().collect();
        let directions: Vec<Embedding> = best.iter().filter_map(|chunk| directions.get(chunk).cloned()).collect();
        // Passages that cancel the question out leave no direction, and say nothing about it.
        let Ok(leaned) = feedback.lean(question, &directions) else { return Ok(None) };
        self.vector.similarities(collection, &leaned, chunks).await.map(Some)
    }

    /// The nearest chunks; `None`, with the reason left in `route`, when the arm is out.
    async fn nearest(
        &self,
        SearchRequest { collection, query, .. }: &SearchRequest,
        among: Option<&[ChunkId]>,
        depth: usize,
        route: &mut Route,
    ) -> Option<Vec<Hit>> {
        if matches!(route, Route::Ask) {
            *route = match self.embedder.embed_query(query.to_owned()).await {
                Ok(embedding) => Route::Embedded(embedding),
                Err(failure) => Route::Out(failed("vector", failure.chain())),
            };
        }
        let Route::Embedded(embedding) = &*route else { return None };
        let found = match among {
            Some(chunks) => self.vector.similarities(collection, embedding, chunks).await,
            None => self.vector.nearest(collection, embedding, depth).await,
        };
        match found {
            Ok(mut hits) => {
                hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
                hits.truncate(depth);
                Some(hits)
            }
            Err(failure) => {
                *route = Route::Out(failed("vector", failure.chain()));
                None
            }
        }
    }

    /// BM25 of those chunks that have a word of the question.
    async fn words_of(
        &self,
        collection: &CollectionName,
        query: &str,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError> {
        if chunks.is_empty() {
            return Ok(Vec::new());
        }
        self.keyword.matching_among(collection, query, chunks, chunks.len()).await
    }

    /// The cosines of those chunks that the vector view knows.
    async fn cosines_of(
        &self,
        collection: &CollectionName,
        route: &Route,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError> {
        match route {
            Route::Embedded(embedding) if !chunks.is_empty() => {
                self.vector.similarities(collection, embedding, chunks).await
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// The chunks of `others` that are not among the hits.
fn missing(hits: &[Hit], others: &[Hit]) -> Vec<ChunkId> {
    let known: HashSet<ChunkId> = hits.iter().map(|hit| hit.chunk).collect();
    others.iter().map(|hit| hit.chunk).filter(|chunk| !known.contains(chunk)).collect()
}

/// The status of an arm that the request leaves out.
fn not_asked() -> ArmStatus {
    ArmStatus::Skipped { reason: "the request did not ask for it".to_owned() }
}

/// Handles an arm's failure here, where it is turned into a status: logs it, and says it in the result.
fn failed(arm: &'static str, reason: String) -> ArmStatus {
    tracing::warn!(arm, reason, "an arm of a search failed, the other one answers alone");
    ArmStatus::Failed { reason }
}
