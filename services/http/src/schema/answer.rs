//! What do answers look like in the API's description?
//!
//! Mirrors of the core's types, for OpenAPI alone; a test holds them equal to what is sent.

use utoipa::ToSchema;

use super::Span;

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

/// How long an answer is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum AnswerStyle {
    /// Chosen by the question and the model; never in an answer.
    Auto,
    /// A fact, a name, a number, or one sentence.
    Short,
    /// Several sentences, steps or a comparison.
    Full,
}

/// What becomes of sentences that the documents do not support.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Verify {
    /// They stay, and nothing is said of them.
    Off,
    /// They stay without a citation, and the answer says so.
    Mark,
    /// They are taken out; an answer of nothing else is asked for once more. Nothing is shown before it is checked.
    Strict,
}

/// How far the documents carry an answer.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// Answered from the documents.
    Answered,
    /// Answered, while documents contradict each other: `positions` has what each says.
    Conflicting,
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
    /// How much evidence there is, over the least that is asked for; 0 where nothing found speaks of the question.
    pub sufficiency: f32,
    /// What the reader should know of it: why it is an extract, what the documents found do not speak of, how many are
    /// still being read.
    pub note: Option<String>,
    /// The question that was answered, where what was said before completed it; else absent.
    pub rewritten: Option<String>,
    /// How long it was meant to be: `short` or `full`; absent where nothing was generated.
    pub style: Option<AnswerStyle>,
    /// In the order of the answer.
    pub citations: Vec<Citation>,
    /// Every sentence, in order, with what was found of it; absent where nothing was checked.
    pub sentences: Option<Vec<CheckedSentence>>,
    /// What each side says where documents contradict each other, the preferred one first; else absent.
    pub positions: Option<Vec<Position>>,
    /// What was looked at, where the documents do not say; else absent.
    pub looked_at: Option<Vec<LookedAt>>,
    /// The generator's model, where one wrote.
    pub model: Option<String>,
    /// The generators that were asked one after the other, small to large, where more than one could be; else absent.
    pub cascade: Option<Vec<CascadeStep>>,
    /// What the entailment model was asked, texts that were not kept included; absent where it was not.
    pub entailment: Option<EntailmentUse>,
    /// What it cost.
    pub spent: Spent,
}

/// A generator's turn where several are asked one after the other.
#[derive(Debug, ToSchema)]
pub struct CascadeStep {
    /// Its model.
    pub model: String,
    /// What it took, waiting included.
    pub ms: f64,
    /// Whether what it wrote is the answer.
    pub is_kept: bool,
    /// Why the next one was asked, or why there is nothing of it.
    pub reason: Option<String>,
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
    /// Where in the original the quote begins, for formats that have pages, slides or rows; else absent.
    pub place: Option<Place>,
    /// Whether the document has a newer revision, which could not be read; absent where not.
    pub outdated: Option<bool>,
    /// What the entailment model says; absent where none is configured, and for words that are the documents' own.
    pub entailment: Option<EntailmentStatus>,
}

/// Whether the entailment model has judged that a sentence follows from its quote. It lowers a support, and raises none.
#[derive(Debug, ToSchema)]
pub struct EntailmentStatus {
    /// Whether it has.
    pub state: EntailmentState,
    /// How likely the sentence follows from the quote, from 0 to 1; where it was judged.
    pub entailed: Option<f32>,
    /// How likely both cannot be true, from 0 to 1; where it was judged.
    pub contradicted: Option<f32>,
    /// Why it was not judged; where it was not.
    pub reason: Option<EntailmentGap>,
    /// Whether the support is less for it. A strict answer calls nothing supported that was not judged.
    pub lowered: bool,
}

/// Whether a sentence was judged.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum EntailmentState {
    /// It was.
    Judged,
    /// It was not: what code found stands.
    NotJudged,
}

/// Why a sentence was not judged.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum EntailmentGap {
    /// It would have taken longer than a sentence waits.
    Deadline,
    /// Too many others waited.
    Busy,
    /// With its quote it is longer than what the model reads.
    TooLong,
    /// The model failed.
    Failed,
    /// It was changed after it was judged.
    Rewritten,
}

/// What the entailment model was asked for one answer.
#[derive(Debug, ToSchema)]
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

/// A place in the original, counted from 1.
#[derive(Debug, ToSchema)]
pub struct Place {
    /// `page`, `slide`, `row` or `line`.
    pub kind: String,
    /// Which one.
    pub number: u32,
    /// The sheet of a row, where there are several.
    pub sheet: Option<String>,
}

/// From a byte of a passage on, up to the next mark, the text stands at this place.
#[derive(Debug, ToSchema)]
pub struct PlaceMark {
    /// A byte of the passage's text.
    pub start: u64,
    /// The place.
    pub place: Place,
}

/// A sentence of an answer and what was found of it.
#[derive(Debug, ToSchema)]
pub struct CheckedSentence {
    /// Its characters in the answer.
    pub answer_span: Span,
    /// How well the documents support it.
    pub support: Support,
    /// What the entailment model says of it and its quote, also where that took the quote away; else absent.
    pub entailment: Option<EntailmentStatus>,
}

/// What one side says where documents contradict each other.
#[derive(Debug, ToSchema)]
pub struct Position {
    /// The number, the date or the name.
    pub says: String,
    /// When its document was published or, where that is not known, accepted.
    pub dated: String,
    /// Whether its author gave that date.
    pub published: bool,
    /// Whether the answer follows it.
    pub preferred: bool,
    /// How many documents found say so.
    pub documents: u64,
    /// Where it stands.
    pub citation: Citation,
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
    /// From the question to the first character shown, or written where the answer is read only as a whole.
    pub first_text_ms: f64,
    /// From the question to the end.
    pub total_ms: f64,
    /// The generator's tokens.
    pub usage: Usage,
    /// The most tokens of evidence that the prompt could have.
    pub evidence_tokens_max: u64,
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
