//! How far is one request, and does its reader keep up?
//!
//! Invariants:
//! - The last event sent is [`GenerationEvent::Done`] or an error, and nothing is sent after it.
//! - Events wait for a reader who is slow, up to [`limits::GENERATOR_STALL_MAX`]; then the stream is given up, since
//!   others wait for the generator.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::Span;
use wellspring_core::generator::{FinishReason, GenerateError, GenerateErrorKind, GenerationEvent, Usage};
use wellspring_core::limits;

use crate::assemble::{Assembled, Assembler};

/// The candidates that sampling looks at, when it is not greedy.
const TOP_K: i32 = 40;
/// The share of probability that sampling looks at, when it is not greedy.
const TOP_P: f32 = 0.95;
/// Between two looks at a reader who has not made room.
const STALL_POLL: Duration = Duration::from_millis(2);

/// Where a request's events go.
pub(crate) type Reply = mpsc::Sender<Result<GenerationEvent, GenerateError>>;

/// An admitted request.
#[derive(Debug)]
pub(crate) struct Job {
    /// The prompt; at least one token and fewer than the context holds.
    pub(crate) prompt: Vec<LlamaToken>,
    /// The most tokens to write; at least one, and no more than the context has room for.
    pub(crate) tokens_max: usize,
    /// 0 is greedy.
    pub(crate) temperature: f32,
    /// For sampling.
    pub(crate) seed: u32,
    /// Texts to stop at, none of them empty.
    pub(crate) stop: Vec<String>,
    /// Where events go; closed when the reader left.
    pub(crate) reply: Reply,
    /// The caller's span.
    pub(crate) span: Span,
}

/// How a step went.
pub(crate) enum Outcome {
    /// More steps follow.
    GoesOn,
    /// Everything is sent, or nobody reads it.
    Ended,
    /// The stream ends with this.
    Failed(GenerateError),
}

impl Outcome {
    /// A failure in the middle of a generation.
    pub(crate) fn failed(attempted: &str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(GenerateError::caused_by(GenerateErrorKind::Interrupted, attempted, error))
    }
}

/// A request in work.
pub(crate) struct Slot {
    pub(crate) job: Job,
    pub(crate) sampler: LlamaSampler,
    pub(crate) usage: Usage,
    /// Prompt tokens that the cache holds.
    pub(crate) read: usize,
    /// The last token written, which the cache does not hold yet.
    pub(crate) last: Option<LlamaToken>,
    assembler: Assembler,
    /// Events that are not sent yet: at most a text and the end.
    unsent: VecDeque<GenerationEvent>,
    stalled_since: Option<Instant>,
}

impl Slot {
    /// Begins a request of whose prompt the cache holds the first `read` tokens.
    pub(crate) fn new(job: Job, read: usize) -> Self {
        Self {
            sampler: sampler(job.temperature, job.seed),
            usage: Usage { prompt_tokens: job.prompt.len(), cached_tokens: read, completion_tokens: 0 },
            assembler: Assembler::new(job.stop.clone()),
            job,
            read,
            last: None,
            unsent: VecDeque::new(),
            stalled_since: None,
        }
    }

    /// Adds a token to the output; ends it at a stop text or at the limit.
    pub(crate) fn write(&mut self, token: LlamaToken, bytes: &[u8]) {
        self.usage.completion_tokens += 1;
        self.last = Some(token);
        match self.assembler.push(bytes) {
            Assembled::Stopped(text) => {
                self.queue_text(text);
                self.queue_done(FinishReason::Stop);
            }
            Assembled::Text(text) => {
                self.queue_text(text);
                if self.usage.completion_tokens >= self.job.tokens_max {
                    self.end(FinishReason::Length);
                }
            }
        }
    }

    /// Ends the output after what was held back.
    pub(crate) fn end(&mut self, reason: FinishReason) {
        let rest = self.assembler.finish();
        self.queue_text(rest);
        self.queue_done(reason);
    }

    /// Whether events wait for the reader.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what can be sent; waits a moment when the reader has no room.
    pub(crate) fn send(&mut self) -> Outcome {
        while let Some(event) = self.unsent.pop_front() {
            let is_last = matches!(event, GenerationEvent::Done { .. });
            match self.job.reply.try_send(Ok(event)) {
                Ok(()) if is_last => return Outcome::Ended,
                Ok(()) => self.stalled_since = None,
                Err(TrySendError::Closed(_)) => return Outcome::Ended,
                Err(TrySendError::Full(event)) => {
                    if let Ok(event) = event {
                        self.unsent.push_front(event);
                    }
                    return self.wait();
                }
            }
        }
        Outcome::GoesOn
    }

    fn wait(&mut self) -> Outcome {
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        if since.elapsed() > limits::GENERATOR_STALL_MAX {
            return Outcome::Failed(GenerateError::new(GenerateErrorKind::Interrupted, "the reader did not keep up"));
        }
        std::thread::sleep(STALL_POLL);
        Outcome::GoesOn
    }

    fn queue_text(&mut self, text: String) {
        if !text.is_empty() {
            self.unsent.push_back(GenerationEvent::Text(text));
        }
    }

    fn queue_done(&mut self, reason: FinishReason) {
        self.unsent.push_back(GenerationEvent::Done { reason, usage: self.usage });
    }
}

/// How tokens are chosen.
fn sampler(temperature: f32, seed: u32) -> LlamaSampler {
    if temperature == 0.0 {
        return LlamaSampler::greedy();
    }
    // llama.cpp reads the largest seed as "choose one by chance".
    let seed = seed.min(u32::MAX - 1);
    let chain = [
        LlamaSampler::top_k(TOP_K),
        LlamaSampler::top_p(TOP_P, 1),
        LlamaSampler::temp(temperature),
        LlamaSampler::dist(seed),
    ];
    LlamaSampler::chain(chain, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(tokens_max: usize, room: usize) -> (Slot, mpsc::Receiver<Result<GenerationEvent, GenerateError>>) {
        let (reply, events) = mpsc::channel(room);
        let job = Job {
            prompt: vec![LlamaToken(1)],
            tokens_max,
            temperature: 0.0,
            seed: 0,
            stop: vec!["END".to_owned()],
            reply,
            span: Span::none(),
        };
        (Slot::new(job, 0), events)
    }

    fn text(events: &mut mpsc::Receiver<Result<GenerationEvent, GenerateError>>) -> Vec<GenerationEvent> {
        std::iter::from_fn(|| events.try_recv().ok()).map(Result::unwrap).collect()
    }

    #[test]
    fn the_limit_ends_the_text_with_what_was_held_back() {
        let (mut slot, mut events) = slot(2, 8);
        slot.write(LlamaToken(1), b"a");
        assert!(matches!(slot.send(), Outcome::GoesOn));
        slot.write(LlamaToken(1), b"bEN");
        assert!(matches!(slot.send(), Outcome::Ended));
        let usage = Usage { prompt_tokens: 1, cached_tokens: 0, completion_tokens: 2 };
        assert_eq!(
            text(&mut events),
            [
                GenerationEvent::Text("a".to_owned()),
                GenerationEvent::Text("b".to_owned()),
                GenerationEvent::Text("EN".to_owned()),
                GenerationEvent::Done { reason: FinishReason::Length, usage },
            ]
        );
    }

    #[test]
    fn a_slow_reader_is_waited_for_and_loses_nothing() {
        let (mut slot, mut events) = slot(9, 1);
        slot.write(LlamaToken(1), b"a");
        assert!(matches!(slot.send(), Outcome::GoesOn));
        slot.write(LlamaToken(1), b"bEND");
        assert!(matches!(slot.send(), Outcome::GoesOn) && slot.has_unsent());
        assert_eq!(text(&mut events), [GenerationEvent::Text("a".to_owned())]);
        assert!(matches!(slot.send(), Outcome::GoesOn) && slot.has_unsent());
        assert_eq!(text(&mut events), [GenerationEvent::Text("b".to_owned())]);
        assert!(matches!(slot.send(), Outcome::Ended));
    }

    #[test]
    fn a_reader_who_left_ends_the_request() {
        let (mut slot, events) = slot(9, 1);
        drop(events);
        slot.write(LlamaToken(1), b"a");
        assert!(matches!(slot.send(), Outcome::Ended));
    }
}
