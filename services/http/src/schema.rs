//! What do the core's types look like in JSON?
//!
//! The core knows nothing of OpenAPI, so its types are described here, for `docs/openapi.json` alone: nothing is ever
//! read or written through these. A test compares each with what its original is really written as.

use utoipa::ToSchema;

pub mod request;

/// A run of characters; half-open, in Unicode code points and in UTF-8 bytes.
#[derive(Debug, ToSchema)]
pub struct Span {
    /// First code point.
    pub start: u64,
    /// One past the last code point.
    pub end: u64,
    /// First byte.
    pub byte_start: u64,
    /// One past the last byte.
    pub byte_end: u64,
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
    /// What orders the results, from 0 to 1.
    pub score: f32,
    /// BM25, where the search by words found it.
    pub keyword_score: Option<f32>,
    /// Cosine, where the search by meaning was asked.
    pub vector_score: Option<f32>,
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

/// Where a revision is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum StateName {
    /// Accepted; it will be searchable.
    Pending,
    /// Searchable, or gone for a deletion.
    Published,
    /// A newer revision was taken instead.
    Superseded,
    /// It will not be searchable.
    Failed,
    /// It killed the parser too often.
    Quarantined,
    /// Screening dropped it; the revision before it is not searchable either.
    Skipped,
}

/// What a write did.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Outcome {
    /// The first revision.
    Created,
    /// A new revision.
    Updated,
    /// The newest revision says the same.
    Unchanged,
    /// The document is gone for readers.
    Deleted,
    /// There was nothing to delete.
    Absent,
}

/// A document as its owner sees it.
#[derive(Debug, ToSchema)]
pub struct DocumentInfo {
    /// Its name.
    pub key: String,
    /// Its identity.
    pub id: String,
    /// Its collection.
    pub collection: String,
    /// Who sends it.
    pub source: String,
    /// The newest accepted revision.
    pub revision: u64,
    /// The revision readers see; `null` before there is one.
    pub published_revision: Option<u64>,
    /// The place of the newest revision in the journal.
    pub sequence: u64,
    /// Where the newest revision is.
    pub state: StateName,
    /// Where it failed: `parse`, `embed` or `apply`.
    pub stage: Option<String>,
    /// Why it failed, was quarantined or skipped.
    pub reason: Option<String>,
    /// The title, given or found.
    pub title: Option<String>,
    /// The format it came in: `text`, `markdown` or `html`.
    pub media_type: String,
    /// The content's size as it came.
    pub bytes: u64,
    /// When the newest revision was accepted.
    pub accepted_at: String,
    /// Passages of the published revision.
    pub chunks: u64,
    /// What publishing the newest revision cost.
    pub cost: Cost,
    /// What is said about it.
    pub attributes: Attributes,
    /// What screening said about the newest revision.
    pub screening: Vec<Decision>,
}

/// What one rule of screening said about a revision.
#[derive(Debug, ToSchema)]
pub struct Decision {
    /// `exact_duplicate`, `near_duplicate`, `boilerplate`, `entropy`, `language` or `flood`.
    pub rule: String,
    /// `marked`; `trimmed`, published without some paragraphs; or `dropped`, not published.
    pub verdict: String,
    /// Why, for people.
    pub reason: String,
    /// The key of the document that it repeats.
    pub duplicate_of: Option<String>,
    /// How much of both documents is common, 0 to 1.
    pub similarity: Option<f64>,
}

/// What publishing a revision cost and saved.
#[derive(Debug, ToSchema)]
pub struct Cost {
    /// Passages in the revision.
    pub chunks: u64,
    /// Passages whose vector had to be computed.
    pub chunks_embedded: u64,
    /// Tokens that were embedded.
    pub tokens_embedded: u64,
    /// Passages that no index had to touch.
    pub chunks_kept: u64,
    /// Passages removed from the indexes.
    pub chunks_removed: u64,
}

/// What is said about a document beside its content; what was not given is absent.
#[derive(Debug, ToSchema)]
pub struct Attributes {
    /// The title.
    pub title: Option<String>,
    /// Where a person can read the original.
    pub url: Option<String>,
    /// When its author published it.
    pub published_at: Option<String>,
    /// A BCP 47 language tag.
    pub language: Option<String>,
    /// Labels.
    pub tags: Option<Vec<String>>,
    /// The caller's own fields.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<serde_json::Value>,
}

/// How an answer comes about.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum AnswerMode {
    /// Generated where a generator is ready, else extracted.
    Auto,
    /// The best sentences of the documents, word for word.
    Extract,
    /// Generated.
    Generate,
}

/// How far the documents carry an answer.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// Answered from the documents.
    Answered,
    /// The documents do not say.
    InsufficientEvidence,
}

/// How well a quote supports the part of the answer it is attached to.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Support {
    /// It says it.
    Supported,
    /// It says some of it.
    Partial,
    /// It does not say it.
    Unsupported,
}

/// An answer.
#[derive(Debug, ToSchema)]
pub struct Answer {
    /// The text.
    pub answer: String,
    /// How far the documents carry it.
    pub status: AnswerStatus,
    /// How it came about.
    pub mode: AnswerMode,
    /// Why it is an extract although a generated answer was wanted.
    pub note: Option<String>,
    /// In the order of the answer.
    pub citations: Vec<Citation>,
    /// What was looked at, where the documents do not say; else absent.
    pub looked_at: Option<Vec<LookedAt>>,
    /// The generator's model, where one wrote.
    pub model: Option<String>,
    /// What it cost.
    pub spent: Spent,
}

/// Characters of a document that support characters of the answer.
#[derive(Debug, ToSchema)]
pub struct Citation {
    /// The document's key.
    pub document: String,
    /// The revision that was read.
    pub revision: u64,
    /// The passage.
    pub chunk: String,
    /// The characters of the revision's text, word for word.
    pub quote: String,
    /// Where the quote stands in the revision's text.
    pub source_span: Span,
    /// The part of the answer it supports.
    pub answer_span: Span,
    /// How well.
    pub support: Support,
    /// The document's title.
    pub title: Option<String>,
    /// Where the original is.
    pub url: Option<String>,
}

/// What was looked at.
#[derive(Debug, ToSchema)]
pub struct LookedAt {
    /// The document's key.
    pub document: String,
    /// Its title.
    pub title: Option<String>,
    /// The passage.
    pub chunk: String,
    /// Its score.
    pub score: f32,
}

/// What an answer cost.
#[derive(Debug, ToSchema)]
pub struct Spent {
    /// Finding passages.
    pub retrieve_ms: f64,
    /// Choosing evidence.
    pub evidence_ms: f64,
    /// From the question to the first character.
    pub first_text_ms: f64,
    /// From the question to the end.
    pub total_ms: f64,
    /// The generator's tokens.
    pub usage: Usage,
}

/// Tokens of a generated answer; zeros for an extract.
#[derive(Debug, ToSchema)]
pub struct Usage {
    /// Tokens in the prompt.
    pub prompt_tokens: u64,
    /// Of those, tokens that did not have to be read again.
    pub cached_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

/// The catalog in numbers.
#[derive(Debug, ToSchema)]
pub struct CatalogStatus {
    /// Documents that are not deleted.
    pub documents: u64,
    /// Of those, searchable ones.
    pub searchable: u64,
    /// Passages of published revisions.
    pub chunks: u64,
    /// Writes accepted and not finished.
    pub pending: u64,
    /// Documents whose newest revision failed.
    pub failed: u64,
    /// Documents whose newest revision is quarantined.
    pub quarantined: u64,
    /// Documents whose newest revision screening dropped.
    pub skipped: u64,
    /// Vectors kept, spare ones included.
    pub vectors: u64,
    /// The newest write.
    pub sequence: u64,
    /// The newest publication.
    pub publication: u64,
    /// Passages embedded since the catalog was made.
    pub chunks_embedded: u64,
    /// Tokens embedded since the catalog was made.
    pub tokens_embedded: u64,
    /// Passages that edits left untouched since the catalog was made.
    pub chunks_kept: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Whether a generator can be asked.
#[derive(Debug, ToSchema)]
pub struct GeneratorStatus {
    /// How it is.
    pub state: GeneratorState,
    /// The model's name, when ready.
    pub model: Option<String>,
    /// Why it cannot be started, when failed.
    pub reason: Option<String>,
}

/// How the generator is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum GeneratorState {
    /// None is configured.
    Off,
    /// Its model is being loaded.
    Loading,
    /// It can be asked.
    Ready,
    /// It cannot be started.
    Failed,
}
