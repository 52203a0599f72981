//! What was answered, and which characters support it?
//!
//! Invariants:
//! - A [`Citation`] is attached and checked by code: its quote is verbatim in that revision at that span, and the
//!   passage was evidence for this very answer (I-6). The model's word decides nothing.
//! - A stream of [`AnswerEvent`]s ends with exactly one `Done` or `Error`.

use serde::{Deserialize, Serialize};

use crate::chunk::ChunkId;
use crate::document::{CollectionName, DocumentKey, Revision};
use crate::filter::Filter;
use crate::generator::Usage;
use crate::place::Place;
use crate::retriever::Ranked;
use crate::span::Span;

/// How an answer comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// Generate where a generator is ready, else extract.
    #[default]
    Auto,
    /// The best sentences of the documents, word for word.
    Extract,
    /// Generate or fail.
    Generate,
}

/// A question, already checked against the limits.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// Of which documents.
    pub collection: CollectionName,
    /// How to answer.
    pub mode: AnswerMode,
    /// Which documents may be asked.
    pub filter: Filter,
}

/// How far the documents carry the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// Answered from the documents.
    Answered,
    /// The documents do not say; nothing was made up.
    InsufficientEvidence,
}

/// How well a quote supports its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// Numbers, names and words of the sentence are in the quote.
    Supported,
    /// Some of them are.
    Partial,
    /// The sentence says what the quote does not.
    Unsupported,
}

/// Characters of a document that support characters of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    /// The document.
    pub document: DocumentKey,
    /// The revision that was read.
    pub revision: Revision,
    /// The passage.
    pub chunk: ChunkId,
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
    /// The page, slide, row or line of the original where the quote begins, for formats that have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether the document has a newer revision, which could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
}

/// What was looked at when the documents do not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookedAt {
    /// The document.
    pub document: DocumentKey,
    /// Its title.
    pub title: Option<String>,
    /// The passage.
    pub chunk: ChunkId,
    /// The search score of the passage.
    pub score: f32,
}

/// What an answer cost, in milliseconds and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Finding passages.
    pub retrieve_ms: f64,
    /// Choosing evidence.
    pub evidence_ms: f64,
    /// From the question to the first character shown.
    pub first_text_ms: f64,
    /// From the question to the end.
    pub total_ms: f64,
    /// The generator's tokens; zeros for an extract.
    pub usage: Usage,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The text.
    pub answer: String,
    /// How far the documents carry it.
    pub status: AnswerStatus,
    /// How it came about: `extract` or `generate`.
    pub mode: AnswerMode,
    /// How much evidence there is: the score of the best sentence over the least that is asked for. 0 where nothing found
    /// speaks of the question; compared with a setting (1 by default), this decides whether there is an answer.
    #[serde(default)]
    pub sufficiency: f32,
    /// What the reader should know of it: why it is an extract although a generated answer was wanted, what the documents
    /// found do not speak of, how many are still being read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// In the order of the answer.
    pub citations: Vec<Citation>,
    /// What was looked at; filled when evidence was insufficient.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub looked_at: Vec<LookedAt>,
    /// The generator's model, where one wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// What it cost.
    pub spent: Spent,
}

/// A step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerEvent {
    /// The passages found, first of all.
    Passages(Vec<Ranked>),
    /// More of the answer's text.
    Delta(String),
    /// A citation of text already streamed.
    Citation(Citation),
    /// The end: the whole answer again, the authority on what was said.
    Done(Answer),
    /// The other end.
    Error(AnswerFailure),
}

/// Why there is no answer, in the form every error of the service takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerFailure {
    /// A stable code, such as `generator_unavailable`.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// What to do.
    pub hint: String,
}
