//! Which passages bear on a query?
//!
//! Invariants:
//! - Every result came through hydration: it is in a published revision of the asked collection (I-2).
//! - If one arm fails the other answers, and the result says so.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::{CatalogError, CatalogErrorKind, Neighbours};
use crate::chunk::ChunkId;
use crate::document::{CollectionName, DocumentKey, Revision};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::hit::Passage;

/// A search, already checked against the limits.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// Where to look.
    pub collection: CollectionName,
    /// What to look for.
    pub query: String,
    /// The most results, 1 to [`crate::limits::HITS_MAX`].
    pub limit: usize,
    /// Who is asked.
    pub arms: SearchArms,
    /// Whether each result says why it stands where it stands.
    pub explain: bool,
    /// Which documents may be found.
    pub filter: Filter,
    /// How much newer documents are preferred; not at all where `None`.
    pub recency: Option<Recency>,
    /// The most results of one document; as many as there are where `None`.
    pub per_document: Option<usize>,
    /// Whether passages that nearly repeat a better one are named by it instead of standing on their own.
    pub collapse: bool,
    /// Passages before and behind each result that come with it, at most [`crate::limits::NEIGHBOURS_MAX`].
    pub expand: usize,
}

/// How much newer documents are preferred. A document's time is when its author published it, else when its present
/// revision was accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recency {
    /// The age in days at which half of the preference is gone; more than 0.
    pub half_life_days: f64,
    /// The moment that ages are counted from.
    pub now: Timestamp,
}

impl Recency {
    /// The share of a score that age may cost.
    pub const WEIGHT: f64 = 0.3;

    /// What the score of a document of that time is multiplied with: `0.7 + 0.3 · 2^(−age / half-life)`, from 0.7 to 1.
    /// What lies in the future is new.
    pub fn factor(&self, time: Timestamp) -> f32 {
        let age_days = (self.now.duration_since(time).as_secs_f64() / 86_400.0).max(0.0);
        (1.0 - Self::WEIGHT + Self::WEIGHT * (-age_days / self.half_life_days).exp2()) as f32
    }
}

/// Which arms of the search are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchArms {
    /// Both; an embedder that does not speak the query's language has no vote.
    #[default]
    Both,
    /// The words alone; nothing is embedded.
    Keyword,
    /// The meaning alone, whatever the query's language: who names one arm wants to know what it says.
    Vector,
}

/// One result and why it is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The passage.
    #[serde(flatten)]
    pub passage: Passage,
    /// The fused score that orders the results, from 0 to 1.
    pub score: f32,
    /// BM25, where the keyword arm found it.
    pub keyword_score: Option<f32>,
    /// Cosine, where the vector arm was asked.
    pub vector_score: Option<f32>,
    /// What the reranker said, where it read the passage; compares only with others of the same list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank_score: Option<f32>,
    /// Why it stands where it stands, where the request asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
    /// Worse passages that nearly repeat this one, where the request asked to put them together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicates: Vec<Duplicate>,
    /// What stands around it, where the request asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Neighbours>,
}

/// A passage that nearly repeats a better one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The document's name.
    pub document: DocumentKey,
    /// Its published revision.
    pub revision: Revision,
    /// The passage.
    pub chunk: ChunkId,
}

/// What each arm said to a result, and how that became its score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What the words said; `None` where they did not find it, or were not asked.
    pub keyword: Option<ArmOpinion>,
    /// What the meaning said; `None` where it was not asked.
    pub vector: Option<ArmOpinion>,
    /// Whose scores made the order.
    pub fused_by: FusedBy,
    /// What each arm's score counted for, after it was divided by the arm's best.
    pub weights: ArmWeights,
    /// The cosine to the question leaned towards the best passages, where it was: it counted instead of the meaning's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaned: Option<f32>,
    /// What the reranker said, where it read the passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank: Option<f32>,
    /// What the sum was multiplied with for its age; absent where age did not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recency: Option<f32>,
}

/// What one arm said to one result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ArmOpinion {
    /// Its place among the arm's candidates, from 1, stale ones counted; `None` where the arm did not name it and was asked
    /// for its score alone.
    pub rank: Option<usize>,
    /// BM25 or cosine.
    pub score: f32,
}

/// Whose scores made an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FusedBy {
    /// Both arms', weighed and added.
    WeightedSum,
    /// The words' alone.
    Keyword,
    /// The meaning's alone.
    Vector,
}

/// What the arms' scores count for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ArmWeights {
    /// Of BM25 over that of the best.
    pub keyword: f32,
    /// Of the cosine over that of the nearest, or over .5 where nothing is as near; of the cosine itself where it decides
    /// alone.
    pub vector: f32,
}

/// How an arm of the search fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ArmStatus {
    /// It answered.
    Ok,
    /// It was not asked, and why: an embedder that does not speak the query's language has no vote.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It failed, and the other arm answered alone.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Whether a model read the best passages again and put them in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RerankStatus {
    /// No reranker is configured.
    Off,
    /// It did.
    Ran {
        /// How many passages it read.
        passages: usize,
    },
    /// It was not asked, or not waited for: the fused order stands.
    Skipped {
        /// Why.
        reason: RerankSkip,
    },
    /// It failed: the fused order stands.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Why the best passages were not read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerankSkip {
    /// The best is so far ahead that the order is clear.
    Margin,
    /// It would have taken, or took, longer than a search waits.
    Deadline,
    /// Fewer than two passages are near each other.
    Few,
    /// The request asked one arm alone.
    OneArm,
}

/// Results, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchResults {
    /// The passages.
    pub hits: Vec<Ranked>,
    /// How the keyword arm fared.
    pub keyword: ArmStatus,
    /// How the vector arm fared.
    pub vector: ArmStatus,
    /// Whether the best were read again.
    pub rerank: RerankStatus,
}

/// Why there are no results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchErrorKind {
    /// No such collection.
    UnknownCollection,
    /// Both arms failed.
    Unavailable,
    /// The catalog could not hydrate.
    Catalog,
}

/// A search that failed.
pub type SearchError = Failure<SearchErrorKind>;

/// Whether a search failed because the catalog is damaged: trying again will not help.
pub fn met_damage(failure: &SearchError) -> bool {
    let source = std::error::Error::source(failure).and_then(|source| source.downcast_ref::<CatalogError>());
    source.is_some_and(|error| error.kind() == CatalogErrorKind::Incompatible)
}

/// Finds passages.
#[async_trait]
pub trait Retriever: Send + Sync {
    /// Searches; an empty list is an answer, not an error.
    async fn search(&self, request: SearchRequest) -> Result<SearchResults, SearchError>;
}
