//! How far is one request, and does its reader keep up?
//!
//! Invariants:
//! - The last event sent is [`GenerationEvent::Done`] or an error, and nothing is sent after it.
//! - A token that is told of comes with the text that its first byte is in; those of a stop text are not told of.
//! - Events wait for a reader who is slow, up to [`limits::GENERATOR_STALL_MAX`]; then the stream is given up, since
//!   others wait for its slot. Nobody else waits for a slow reader.

use std::collections::VecDeque;
use std::time::Instant;

use llama_cpp_2::token::LlamaToken;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::Span;
use wellspring_core::generator::{
    FinishReason, GenerateError, GenerateErrorKind, GenerationEvent, GenerationOptions, Usage, WrittenToken,
};
use wellspring_core::limits;

use crate::adapter::Overlay;
use crate::assemble::{Assembled, Assembler};
use crate::queue::Caller;

/// Where a request's events go.
pub(crate) type Reply = mpsc::Sender<Result<GenerationEvent, GenerateError>>;

/// An admitted request.
#[derive(Debug)]
pub(crate) struct Job {
    /// The prompt; at least one token and fewer than the context holds.
    pub(crate) prompt: Vec<LlamaToken>,
    /// What is laid over the model for it.
    pub(crate) overlay: Option<Overlay>,
    /// The most tokens to write; at least one, and no more than the context has room for.
    pub(crate) tokens_max: usize,
    /// 0 is greedy.
    pub(crate) temperature: f32,
    /// For sampling.
    pub(crate) seed: u32,
    /// Texts to stop at, none of them empty.
    pub(crate) stop: Vec<String>,
    /// What else was asked.
    pub(crate) options: GenerationOptions,
    /// Who asks.
    pub(crate) caller: Caller,
    /// When it was accepted.
    pub(crate) accepted: Instant,
    /// Its place among those that wait and work, given back when it ends.
    pub(crate) _place: Option<OwnedSemaphorePermit>,
    /// Where events go; closed when the reader left.
    pub(crate) reply: Reply,
    /// The caller's span.
    pub(crate) span: Span,
}

impl Job {
    /// Why nobody needs it any more: its reader left, or its time is up.
    pub(crate) fn over(&self) -> Option<Outcome> {
        if self.reply.is_closed() {
            return Some(Outcome::Left);
        }
        let is_late = self.options.deadline.is_some_and(|deadline| self.accepted.elapsed() > deadline);
        is_late.then(|| Outcome::Failed(GenerateError::new(GenerateErrorKind::Interrupted, "the request's time is up")))
    }
}

/// How a step went.
pub(crate) enum Outcome {
    /// More steps follow.
    GoesOn,
    /// Everything is sent.
    Ended,
    /// Nobody reads it.
    Left,
    /// The stream ends with this.
    Failed(GenerateError),
}

impl Outcome {
    /// A failure in the middle of a generation.
    pub(crate) fn failed(attempted: &str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(GenerateError::caused_by(GenerateErrorKind::Interrupted, attempted, error))
    }
}

/// A request in work, with what chooses its tokens.
pub(crate) struct Slot<C> {
    pub(crate) job: Job,
    pub(crate) chooser: C,
    pub(crate) usage: Usage,
    /// Prompt tokens that the cache holds; on the grid, or all.
    pub(crate) read: usize,
    /// Prompt tokens that were read for others while this one waited for its turn.
    pub(crate) overtaken: usize,
    /// When it got its slot.
    pub(crate) began: Instant,
    /// When its last token was written.
    pub(crate) wrote: Option<Instant>,
    /// The last token written, which the cache does not hold yet.
    pub(crate) last: Option<LlamaToken>,
    assembler: Assembler,
    /// Tokens to tell of when their text is let out, each with the bytes that were written before it.
    untold: VecDeque<(usize, WrittenToken)>,
    bytes_written: usize,
    bytes_let_out: usize,
    /// Events that are not sent yet: at most two texts with their tokens and the end.
    unsent: VecDeque<GenerationEvent>,
    stalled_since: Option<Instant>,
}

impl<C> Slot<C> {
    /// Begins a request of whose prompt the cache holds the first `read` tokens.
    pub(crate) fn new(job: Job, chooser: C, read: usize) -> Self {
        Self {
            chooser,
            usage: Usage { prompt_tokens: job.prompt.len(), cached_tokens: read, completion_tokens: 0 },
            assembler: Assembler::new(job.stop.clone()),
            job,
            read,
            overtaken: 0,
            began: Instant::now(),
            wrote: None,
            last: None,
            untold: VecDeque::new(),
            bytes_written: 0,
            bytes_let_out: 0,
            unsent: VecDeque::new(),
            stalled_since: None,
        }
    }

    /// Adds a token to the output, and what is to be told of it; ends it at a stop text or at the limit.
    pub(crate) fn write(&mut self, token: LlamaToken, bytes: &[u8], told: Option<WrittenToken>) {
        self.usage.completion_tokens += 1;
        self.last = Some(token);
        self.untold.extend(told.map(|told| (self.bytes_written, told)));
        self.bytes_written += bytes.len();
        match self.assembler.push(bytes) {
            Assembled::Stopped(text) => {
                self.queue_text(text);
                self.untold.clear();
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
        self.queue_tokens(usize::MAX);
        self.queue_done(reason);
    }

    /// Whether events wait for the reader.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether its prompt is not read yet.
    pub(crate) fn is_reading(&self) -> bool {
        self.read < self.job.prompt.len()
    }

    /// Whether its next token can be computed.
    pub(crate) fn is_writing(&self) -> bool {
        !self.is_reading() && !self.has_unsent()
    }

    /// Sends what the reader has room for.
    pub(crate) fn send(&mut self) -> Outcome {
        while let Some(event) = self.unsent.pop_front() {
            let is_last = matches!(event, GenerationEvent::Done { .. });
            match self.job.reply.try_send(Ok(event)) {
                Ok(()) if is_last => return Outcome::Ended,
                Ok(()) => self.stalled_since = None,
                Err(TrySendError::Closed(_)) => return Outcome::Left,
                Err(TrySendError::Full(event)) => {
                    if let Ok(event) = event {
                        self.unsent.push_front(event);
                    }
                    return self.stalled();
                }
            }
        }
        Outcome::GoesOn
    }

    fn stalled(&mut self) -> Outcome {
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        if since.elapsed() > limits::GENERATOR_STALL_MAX {
            return Outcome::Failed(GenerateError::new(GenerateErrorKind::Interrupted, "the reader did not keep up"));
        }
        Outcome::GoesOn
    }

    fn queue_text(&mut self, text: String) {
        if !text.is_empty() {
            // Bytes that are no UTF-8 come out longer than they went in: then a token is told of a little early.
            self.bytes_let_out += text.len();
            self.queue_tokens(self.bytes_let_out);
            self.unsent.push_back(GenerationEvent::Text(text));
        }
    }

    /// Tells of the tokens that begin before this byte of the output.
    fn queue_tokens(&mut self, before: usize) {
        let count = self.untold.iter().take_while(|(begin, _)| *begin < before).count();
        if count > 0 {
            let tokens = self.untold.drain(..count).map(|(_, token)| token).collect();
            self.unsent.push_back(GenerationEvent::Tokens(tokens));
        }
    }

    fn queue_done(&mut self, reason: FinishReason) {
        self.unsent.push_back(GenerationEvent::Done { reason, usage: self.usage });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wellspring_core::generator::LikelyToken;

    use super::*;

    fn slot(tokens_max: usize, room: usize) -> (Slot<()>, mpsc::Receiver<Result<GenerationEvent, GenerateError>>) {
        let (reply, events) = mpsc::channel(room);
        let job = Job {
            prompt: vec![LlamaToken(1)],
            overlay: None,
            tokens_max,
            temperature: 0.0,
            seed: 0,
            stop: vec!["END".to_owned()],
            options: GenerationOptions::default(),
            caller: Caller::from(""),
            accepted: Instant::now(),
            _place: None,
            reply,
            span: Span::none(),
        };
        (Slot::new(job, (), 0), events)
    }

    fn text(events: &mut mpsc::Receiver<Result<GenerationEvent, GenerateError>>) -> Vec<GenerationEvent> {
        std::iter::from_fn(|| events.try_recv().ok()).map(Result::unwrap).collect()
    }

    #[test]
    fn the_limit_ends_the_text_with_what_was_held_back() {
        let (mut slot, mut events) = slot(2, 8);
        slot.write(LlamaToken(1), b"a", None);
        assert!(matches!(slot.send(), Outcome::GoesOn));
        slot.write(LlamaToken(1), b"bEN", None);
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
    fn a_token_is_told_of_with_its_first_byte() {
        let token = |bytes: &[u8]| {
            let token = LikelyToken { bytes: bytes.to_vec(), logprob: -1.0 };
            WrittenToken { token, likeliest: Vec::new() }
        };
        let (mut slot, mut events) = slot(9, 16);
        for bytes in [&b"a"[..], b"\xE6\xB0", b"\xB4bE", b"N", b"D"] {
            slot.write(LlamaToken(1), bytes, Some(token(bytes)));
            slot.send();
        }
        let usage = Usage { prompt_tokens: 1, cached_tokens: 0, completion_tokens: 5 };
        assert_eq!(
            text(&mut events),
            [
                GenerationEvent::Tokens(vec![token(b"a")]),
                GenerationEvent::Text("a".to_owned()),
                GenerationEvent::Tokens(vec![token(b"\xE6\xB0"), token(b"\xB4bE")]),
                GenerationEvent::Text("水b".to_owned()),
                GenerationEvent::Done { reason: FinishReason::Stop, usage },
            ]
        );
    }

    #[test]
    fn a_slow_reader_is_waited_for_and_loses_nothing() {
        let (mut slot, mut events) = slot(9, 1);
        slot.write(LlamaToken(1), b"a", None);
        assert!(matches!(slot.send(), Outcome::GoesOn));
        slot.write(LlamaToken(1), b"bEND", None);
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
        slot.write(LlamaToken(1), b"a", None);
        assert!(matches!(slot.send(), Outcome::Left));
        assert!(matches!(slot.job.over(), Some(Outcome::Left)));
    }

    #[test]
    fn a_request_whose_time_is_up_fails() {
        let (mut slot, _events) = slot(9, 1);
        assert!(slot.job.over().is_none());
        slot.job.options.deadline = Some(Duration::ZERO);
        assert!(matches!(slot.job.over(), Some(Outcome::Failed(_))));
    }
}
