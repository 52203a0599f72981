//! What was answered, and which characters support it?
//!
//! Invariants:
//! - A [`Citation`] is attached and checked by code: its quote is verbatim in that revision at that span, and the
//!   passage was evidence for this very answer (I-6). The model's word decides nothing.
//! - What each sentence of an answer was found to be is in the answer ([`CheckedSentence`]), also where it has no citation.
//! - A stream of [`AnswerEvent`]s ends with exactly one `Done` or `Error`.

use std::time::Duration;

use jiff::Timestamp;
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

/// How long an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStyle {
    /// A fact, a name, a number, or one sentence.
    Short,
    /// Several sentences, steps or a comparison.
    Full,
}

/// What becomes of sentences that the documents do not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// They stay and nothing is said of them; citations are attached all the same.
    Off,
    /// They stay without a citation, and the answer says so.
    #[default]
    Mark,
    /// They are taken out. An answer of nothing else is asked for once more. Nothing is shown before it is checked.
    Strict,
}

/// An earlier turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What was asked.
    pub question: String,
    /// What was answered; empty where that is not known.
    pub answer: String,
}

/// A question, already checked against the limits.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// Of which documents.
    pub collection: CollectionName,
    /// How to answer.
    pub mode: AnswerMode,
    /// How long; chosen by the question and the model where `None`.
    pub style: Option<AnswerStyle>,
    /// What becomes of unsupported sentences; the operator's choice where `None`.
    pub verify: Option<Verify>,
    /// The turns before, oldest first, at most [`crate::limits::CONVERSATION_TURNS_MAX`].
    pub history: Vec<Turn>,
    /// Which documents may be asked.
    pub filter: Filter,
    /// Whether the answer is read only as a whole: then a generator that fails in the middle has shown nothing yet.
    pub whole: bool,
}

/// How far the documents carry the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// Answered from the documents.
    Answered,
    /// Answered, while documents contradict each other: see the answer's positions.
    Conflicting,
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
    /// What the entailment model says of the quote and its sentence, where one is configured and the answer was generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entailment: Option<EntailmentStatus>,
}

/// Whether a model has judged that a sentence follows from its quote. It lowers a support and never raises one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EntailmentStatus {
    /// It has.
    Judged {
        /// How likely the sentence follows from the quote, from 0 to 1.
        entailed: f32,
        /// How likely both cannot be true, from 0 to 1.
        contradicted: f32,
        /// Whether the support is less for it.
        lowered: bool,
    },
    /// It has not: what code found stands, except that a strict answer calls nothing supported that was not judged.
    NotJudged {
        /// Why.
        reason: EntailmentGap,
        /// Whether the support is less for it.
        lowered: bool,
    },
}

/// Why a sentence and its quote were not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntailmentGap {
    /// It would have taken longer than a sentence waits.
    Deadline,
    /// Too many others waited.
    Busy,
    /// Both together are longer than what the model reads.
    TooLong,
    /// The model failed; the log says how.
    Failed,
    /// The sentence was changed after it was judged: a preferred position took the place of its own.
    Rewritten,
}

/// What an entailment model was asked for one answer, texts that were not kept included.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EntailmentUse {
    /// Sentences that it judged.
    pub judged: u32,
    /// Sentences whose support is less for it.
    pub lowered: u32,
    /// Sentences that did not wait for it any longer, or found too many waiting.
    pub late: u32,
    /// Sentences that were too long for it.
    pub too_long: u32,
    /// Sentences at which it failed.
    pub failed: u32,
    /// Milliseconds that were waited for it.
    pub ms: f64,
}

/// A sentence of an answer and what was found of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedSentence {
    /// Its characters in the answer.
    pub answer_span: Span,
    /// How well the documents support it; never the model's word.
    pub support: Support,
    /// What the entailment model says of it and its quote; also where that took the quote away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entailment: Option<EntailmentStatus>,
}

/// What one side says where documents contradict each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// What it says: the number, the date or the name.
    pub says: String,
    /// When its document was published or, where that is not known, accepted.
    pub dated: Timestamp,
    /// Whether its author gave that date.
    pub published: bool,
    /// Whether the answer follows it.
    pub preferred: bool,
    /// How many documents found say so.
    pub documents: usize,
    /// Where it stands; its part of the answer is empty unless the answer follows it.
    pub citation: Citation,
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
    /// From the question to the first character shown; to the first one written, where the answer is read only as a whole.
    pub first_text_ms: f64,
    /// From the question to the end.
    pub total_ms: f64,
    /// The generator's tokens; zeros for an extract.
    pub usage: Usage,
    /// The most tokens of evidence that the prompt could have: a setting, or what the wanted time to the first token
    /// leaves at the measured speed of the generator.
    #[serde(default)]
    pub evidence_tokens_max: usize,
}

/// A generator's turn where several are asked one after the other, small to large.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CascadeStep {
    /// Its model.
    pub model: String,
    /// What it took, waiting included.
    pub ms: f64,
    /// Whether what it wrote is the answer.
    pub is_kept: bool,
    /// Why the next one was asked, or why there is nothing of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
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
    /// The question that was answered, where earlier turns completed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rewritten: Option<String>,
    /// How long it was meant to be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub style: Option<AnswerStyle>,
    /// In the order of the answer.
    pub citations: Vec<Citation>,
    /// Every sentence, in order, with what was found of it; empty where nothing was checked.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sentences: Vec<CheckedSentence>,
    /// What the documents say where they contradict each other, the preferred position first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub positions: Vec<Position>,
    /// What was looked at; filled when evidence was insufficient.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub looked_at: Vec<LookedAt>,
    /// The generator's model, where one wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// The generators that were asked one after the other, where more than one could be.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub cascade: Vec<CascadeStep>,
    /// What the entailment model was asked, where one was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entailment: Option<EntailmentUse>,
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
    /// When asking again has a chance, where that is known; a client of the HTTP API reads it in `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}
