//! How does a prompt become text?
//!
//! Invariants:
//! - A stream ends with exactly one [`GenerationEvent::Done`], or with one error.
//! - Dropping the stream stops the decode within one step: a reader who left costs nothing more.

use std::time::Duration;

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
    /// What most callers leave as it is.
    pub options: GenerationOptions,
}

/// What else can be asked of a generation.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationOptions {
    /// Who asks: requests of one caller wait for each other sooner than for those of others. `None` is one caller.
    pub caller: Option<String>,
    /// The generation ends in an error when it is not done after this time.
    pub deadline: Option<Duration>,
    /// Sampling looks at so many of the likeliest tokens; 0 is all of them. Greedy text does not depend on it.
    pub top_k: u32,
    /// Sampling looks at the likeliest tokens that have this share of probability together, above 0 to 1.
    pub top_p: f32,
    /// Sampling looks at tokens that are at least this fraction as likely as the likeliest, 0 to 1.
    pub min_p: f32,
    /// Divides the score of what was written among the last tokens; 1 changes nothing, 0.5 to 2.
    pub repeat_penalty: f32,
    /// What the text must look like.
    pub form: TextForm,
    /// What the messages become on their way to the model.
    pub template: Template,
    /// Says of every written token how likely it was, and of so many of the likeliest ones in its place; `None` says nothing.
    pub likely_tokens: Option<usize>,
    /// What is laid over the model for this text; `None` is the model alone.
    pub adapter: Option<Adapter>,
}

/// A LoRA adapter, by the name that the generator knows it by.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// How strongly it changes the model: 0 not at all, 1 as it was trained.
    pub scale: f32,
}

/// What a text must look like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TextForm {
    /// Anything.
    #[default]
    Free,
    /// JSON that this JSON schema describes.
    JsonSchema(String),
    /// What this grammar in llama.cpp's GBNF derives from `root`.
    Grammar(String),
}

/// What messages become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Template {
    /// Turns, by the model's own chat template.
    #[default]
    Chat,
    /// One text: the contents, one after another, which the model goes on writing.
    Plain,
}

impl Default for GenerationOptions {
    fn default() -> Self {
        Self {
            caller: None,
            deadline: None,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.0,
            repeat_penalty: 1.0,
            form: TextForm::Free,
            template: Template::Chat,
            likely_tokens: None,
            adapter: None,
        }
    }
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
    /// Only where it was asked for, and before the text that their first bytes are in: the tokens that make it up.
    Tokens(Vec<WrittenToken>),
    /// The end.
    Done {
        /// Why.
        reason: FinishReason,
        /// What it cost.
        usage: Usage,
    },
}

/// A token of a text, with how likely the model alone found it: before temperature, penalties and a grammar.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenToken {
    /// The one that was written.
    pub token: LikelyToken,
    /// The likeliest ones in its place, the likeliest first, as many as were asked for.
    pub likeliest: Vec<LikelyToken>,
}

/// A token and its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct LikelyToken {
    /// What it stands for; possibly a part of a character, empty for a token without text.
    pub bytes: Vec<u8>,
    /// The natural logarithm of its probability; 0 is certain.
    pub logprob: f32,
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

/// A generator's work in numbers, since it was loaded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GeneratorStatistics {
    /// Requests that can be in work at once.
    pub slots: usize,
    /// Requests in work now.
    pub slots_used: usize,
    /// Requests that wait for a slot now.
    pub waiting: usize,
    /// Bytes that the cache of all slots takes, however much of it is used.
    pub cache_bytes: u64,
    /// The most streams whose next tokens are computed at once; 1 where that would change their texts.
    #[serde(default)]
    pub streams_per_batch: usize,
    /// Requests that were accepted.
    pub accepted: u64,
    /// Requests that found no place to wait.
    pub busy: u64,
    /// Of the accepted ones, those that ended well.
    pub finished: u64,
    /// Those whose reader left.
    pub cancelled: u64,
    /// Those that ended in an error, a deadline among them.
    pub failed: u64,
    /// Prompt tokens that were computed.
    pub prompt_tokens_read: u64,
    /// Prompt tokens that were in the cache.
    pub prompt_tokens_reused: u64,
    /// Tokens written.
    pub tokens_written: u64,
    /// Prompt tokens computed a second, lately; 0 before the first.
    pub read_tokens_per_second: f64,
    /// Tokens written a second by all streams together while any wrote, lately.
    pub written_tokens_per_second: f64,
    /// From the acceptance of a request to its first token, over the last requests.
    pub first_token_ms: Percentiles,
    /// Between two tokens of a stream, over the last tokens.
    pub inter_token_ms: Percentiles,
}

/// Where times lie, in milliseconds; 0 before there is one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half are shorter.
    pub p50: f64,
    /// 95 of 100 are shorter.
    pub p95: f64,
}

/// A generator and what has been seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolMember {
    /// The operator's name for it.
    pub name: String,
    /// Whether it can be asked, as it says itself.
    #[serde(flatten)]
    pub status: GeneratorStatus,
    /// Whether it is shut out for failing again and again.
    pub shut_out: bool,
    /// Generations in work that were asked for from here.
    pub in_work: usize,
    /// What became of those that were asked for from here.
    pub counts: PoolCounts,
    /// Mean time to the first token, lately, of those that had the generator to themselves; 0 before one was measured.
    pub first_token_alone_ms: f64,
    /// Mean time that a generation took, lately; 0 before one was measured.
    pub generation_ms: f64,
    /// Prompt tokens that it reads a second, as it says itself or as was measured here; 0 before either.
    pub read_tokens_per_second: f64,
    /// Its own numbers, where it counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub statistics: Option<GeneratorStatistics>,
}

/// What became of requests, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PoolCounts {
    /// Asked.
    pub asked: u64,
    /// Written to the end.
    pub finished: u64,
    /// Ended in an error, before or after the first token.
    pub failed: u64,
    /// Refused for want of a place.
    pub busy: u64,
    /// Refused for what they ask.
    pub refused: u64,
    /// Left by their reader, or given up for being slow.
    pub left: u64,
    /// Of the failed, busy and slow ones, those that another generator was asked for instead.
    pub passed_on: u64,
}

/// Generates text. Contract for implementors:
///
/// - `generate` returns once the request is accepted; errors known by then are returned, later ones end the stream.
/// - Text of one request never depends on another request's content.
#[async_trait]
pub trait Generator: Send + Sync {
    /// Whether it can be asked now; cheap, never blocks.
    fn status(&self) -> GeneratorStatus;

    /// Its work in numbers; `None` where nobody counts. Cheap, never blocks.
    fn statistics(&self) -> Option<GeneratorStatistics> {
        None
    }

    /// The names of the adapters that a request can ask for. Cheap, never blocks.
    fn adapters(&self) -> Vec<String> {
        Vec::new()
    }

    /// Starts a generation.
    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError>;
}
