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
    /// What orders the results, from 0 to 1.
    pub score: f32,
    /// BM25, where the search by words found it.
    pub keyword_score: Option<f32>,
    /// Cosine, where the search by meaning was asked.
    pub vector_score: Option<f32>,
    /// Why it stands where it stands; only where the request asked.
    pub explain: Option<Explanation>,
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
    /// Of the cosine.
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
