//! How does a prompt become text?
//!
//! Invariants:
//! - A stream ends with exactly one [`GenerationEvent::Done`], or with one error.
//! - Dropping the stream stops the decode within one step: a reader who left costs nothing more.

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Who speaks in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The rules.
    System,
    /// The asker.
    User,
    /// The model.
    Assistant,
}

/// One turn of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; special tokens in it are read as plain text.
    pub content: String,
}

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// The turns, oldest first.
    pub messages: Vec<Message>,
    /// The most tokens to write.
    pub tokens_max: usize,
    /// 0 is greedy.
    pub temperature: f32,
    /// The same seed over the same model and prompt gives the same text.
    pub seed: u32,
    /// Texts at which to stop; they are not part of the output.
    pub stop: Vec<String>,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop text was met.
    Stop,
    /// The token limit was met.
    Length,
}

/// What a generation cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens in the prompt.
    pub prompt_tokens: usize,
    /// Of those, tokens that were still in the cache and not read again.
    pub cached_tokens: usize,
    /// Tokens written.
    pub completion_tokens: usize,
}

/// A step of a generation.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerationEvent {
    /// More text; never empty, always whole characters.
    Text(String),
    /// The end.
    Done {
        /// Why.
        reason: FinishReason,
        /// What it cost.
        usage: Usage,
    },
}

/// Why there is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerateErrorKind {
    /// No model is loaded yet, or the process is being restarted.
    Unavailable,
    /// The queue is full.
    Busy,
    /// The request is longer than the model's context, or malformed.
    Refused,
    /// The generator died or failed in the middle.
    Interrupted,
}

/// A generation that did not end well.
pub type GenerateError = Failure<GenerateErrorKind>;

/// The stream of one generation.
pub type Generation = BoxStream<'static, Result<GenerationEvent, GenerateError>>;

/// Whether a generator can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GeneratorStatus {
    /// No generator is configured: answers are extracts.
    Off,
    /// The model is being loaded, for the first time or after a death.
    Loading,
    /// Ready to generate.
    Ready {
        /// The model's name.
        model: String,
    },
    /// It cannot be started; the reason is for the operator.
    Failed {
        /// What happened.
        reason: String,
    },
}

/// Generates text. Contract for implementors:
///
/// - `generate` returns once the request is accepted; errors known by then are returned, later ones end the stream.
/// - Text of one request never depends on another request's content.
#[async_trait]
pub trait Generator: Send + Sync {
    /// Whether it can be asked now; cheap, never blocks.
    fn status(&self) -> GeneratorStatus;

    /// Starts a generation.
    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError>;
}
