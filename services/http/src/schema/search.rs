//! What is a search, and what does it find? For `docs/openapi.json` alone, like all schemas.

use utoipa::{IntoParams, ToSchema};

use super::{PlaceMark, Span};

/// A search.
#[derive(Debug, ToSchema)]
pub struct SearchBody {
    /// What to look for, in any words.
    pub query: String,
    /// The most results, from 1 to 400; 10 where absent.
    pub limit: Option<u32>,
    /// Where to look; the default collection where absent.
    pub collection: Option<String>,
    /// Who is asked: `keyword`, `vector`, or both where absent. An arm that is named alone is asked whatever the query's
    /// language.
    #[schema(value_type = Option<Vec<ArmName>>)]
    pub arms: Option<Vec<String>>,
    /// Whether each passage says why it stands where it stands.
    pub explain: Option<bool>,
    /// Which documents may be found.
    pub filter: Option<Filter>,
    /// The caller's access labels: documents with labels of their own are found only by one of these.
    pub acl: Option<Vec<String>>,
    /// Prefers newer documents: the age in days at which half of the preference is gone. A score is multiplied with
    /// `0.7 + 0.3 · 2^(−age / half_life_days)`. A document's time is `published_at`, else when its revision was accepted.
    pub half_life_days: Option<f64>,
    /// The most passages of one document.
    pub per_document: Option<u32>,
    /// Whether passages that nearly repeat a better one are named in its `duplicates` instead of standing on their own.
    pub collapse: Option<bool>,
    /// Passages before and behind each result that come with it, from 0 to 5.
    pub expand: Option<u32>,
    /// Waits until this write has ended, and so finds what it wrote: the `sequence` of its receipt.
    pub min_sequence: Option<u64>,
}

/// Which documents may be found: all that is demanded must hold, and a list is fulfilled by one of its values.
#[derive(Debug, ToSchema)]
pub struct Filter {
    /// Sent by one of these sources; `push` is what clients sent.
    pub source: Option<Vec<String>>,
    /// In one of these languages, told by the tag's first part.
    pub language: Option<Vec<String>>,
    /// With one of these labels.
    pub tags: Option<Vec<String>>,
    /// A glob over the key; `*` also stands for slashes.
    pub key: Option<String>,
    /// When its author published it.
    pub published: Option<Stretch>,
    /// When its present revision was accepted.
    pub modified: Option<Stretch>,
    /// Demands on the caller's own fields, by their names: a value, a list of values, an object of `gt`, `gte`, `lt` and
    /// `lte`, or `{"exists": true}`.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<serde_json::Value>,
}

/// A stretch of time; half open.
#[derive(Debug, ToSchema)]
pub struct Stretch {
    /// Its first moment, RFC 3339 or a date.
    pub from: Option<String>,
    /// The first moment behind it.
    pub before: Option<String>,
}

/// One half of a search.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ArmName {
    /// The search by words.
    Keyword,
    /// The search by meaning.
    Vector,
}

/// The parameters of a search by URL.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchParameters {
    /// What to look for, in any words.
    pub q: String,
    /// The most results, from 1 to 400; 10 where absent.
    pub limit: Option<u32>,
    /// Where to look; the default collection where absent.
    pub collection: Option<String>,
}

/// A passage that was found.
#[derive(Debug, ToSchema)]
pub struct Hit {
    /// The document's key.
    pub document: String,
    /// The document's identity.
    pub document_id: String,
    /// The published revision that was searched.
    pub revision: u64,
    /// The passage's identity.
    pub chunk: String,
    /// Its place in the revision, from 0.
    pub ordinal: u32,
    /// Its characters in the revision's text.
    pub span: Span,
    /// Its text.
    pub text: String,
    /// The document's title.
    pub title: Option<String>,
    /// The headings above the passage, outermost first.
    pub heading: String,
    /// Where the original is.
    pub url: Option<String>,
    /// When its author published it.
    pub published_at: Option<String>,
    /// When this revision was accepted.
    pub accepted_at: String,
    /// Who sent it.
    pub source: String,
    /// Where in the original it stands, for formats that have pages, slides or rows; else absent.
    pub places: Option<Vec<PlaceMark>>,
    /// Whether the document has a newer revision, which could not be read; absent where not.
    pub outdated: Option<bool>,
    /// What orders the results, from 0 to 1.
    pub score: f32,
    /// BM25, where the search by words found it.
    pub keyword_score: Option<f32>,
    /// Cosine, where the search by meaning was asked.
    pub vector_score: Option<f32>,
    /// What the reranker said; only where it read the passage. Compares only with others of the same list.
    pub rerank_score: Option<f32>,
    /// Why it stands where it stands; only where the request asked.
    pub explain: Option<Explanation>,
    /// Worse passages that nearly repeat this one; only where the request asked to put them together.
    pub duplicates: Option<Vec<Duplicate>>,
    /// What stands around it; only where the request asked.
    pub neighbours: Option<Neighbours>,
}

/// A passage that nearly repeats a better one.
#[derive(Debug, ToSchema)]
pub struct Duplicate {
    /// The document's key.
    pub document: String,
    /// Its published revision.
    pub revision: u64,
    /// The passage.
    pub chunk: String,
}

/// What stands around a passage, in the order of the text.
#[derive(Debug, ToSchema)]
pub struct Neighbours {
    /// Before it.
    pub before: Vec<Neighbour>,
    /// Behind it.
    pub behind: Vec<Neighbour>,
}

/// A passage beside another.
#[derive(Debug, ToSchema)]
pub struct Neighbour {
    /// Its identity.
    pub chunk: String,
    /// Its characters in the revision's text.
    pub span: Span,
    /// Its text.
    pub text: String,
}

/// What each half of the search said to a passage, and how that became its score.
#[derive(Debug, ToSchema)]
pub struct Explanation {
    /// What the words said; null where they did not find it, or were not asked.
    pub keyword: Option<ArmOpinion>,
    /// What the meaning said; null where it was not asked.
    pub vector: Option<ArmOpinion>,
    /// Whose scores made the order.
    pub fused_by: FusedBy,
    /// What each half counted for.
    pub weights: ArmWeights,
    /// The cosine to the question leaned towards the best passages, which counted instead of its own; absent where there
    /// was no feedback.
    pub leaned: Option<f32>,
    /// What the reranker said; absent where it did not read the passage.
    pub rerank: Option<f32>,
    /// What the score was multiplied with for the document's age; absent where age did not count.
    pub recency: Option<f32>,
}

/// What one half of the search said to one passage.
#[derive(Debug, ToSchema)]
pub struct ArmOpinion {
    /// Its place among what that half named, from 1; null where only its score was looked up.
    pub rank: Option<u32>,
    /// BM25 or cosine.
    pub score: f32,
}

/// Whose scores made an order.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum FusedBy {
    /// Those of both, weighed and added.
    WeightedSum,
    /// Those of the words alone.
    Keyword,
    /// Those of the meaning alone.
    Vector,
}

/// What the scores count for.
#[derive(Debug, ToSchema)]
pub struct ArmWeights {
    /// Of BM25, divided by that of the best passage.
    pub keyword: f32,
    /// Of the cosine, divided by that of the nearest passage, or by .5 where nothing is as near; as it is where it decides
    /// alone.
    pub vector: f32,
}

/// How one half of a search fared.
#[derive(Debug, ToSchema)]
pub struct ArmStatus {
    /// How.
    pub state: ArmState,
    /// Why, where it did not answer.
    pub reason: Option<String>,
}

/// Whether one half of a search answered.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ArmState {
    /// It answered.
    Ok,
    /// It was not asked.
    Skipped,
    /// It failed.
    Failed,
}

/// Whether a model read the best passages again and put them in its order. In every state but `ran` the order is that of
/// the two halves of the search.
#[derive(Debug, ToSchema)]
pub struct RerankStatus {
    /// How it went.
    pub state: RerankState,
    /// How many passages were read, where it ran.
    pub passages: Option<u32>,
    /// Why it failed, or was skipped: `margin` (the order was clear), `deadline`, `few` or `one_arm`.
    pub reason: Option<String>,
}

/// How a reranking went.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum RerankState {
    /// No reranker is configured.
    Off,
    /// It ran.
    Ran,
    /// It was not asked, or not waited for.
    Skipped,
    /// It failed.
    Failed,
}
