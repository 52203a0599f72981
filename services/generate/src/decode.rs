//! What does the model do next?
//!
//! The part of the engine that holds llama.cpp's context, on the engine's thread. Work is cut into steps: a piece of
//! a prompt, or one token. Between two steps the engine looks whether anybody still wants the text.
//!
//! Invariants:
//! - The tokens in `cached` are those in the cache, and each was computed as a cold run would have computed it: a
//!   greedy text is the same token for token with and without a reused prefix.
//! - A slot whose reader left costs at most the step that is running.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use wellspring_core::generator::{FinishReason, GenerateError, GenerateErrorKind};

use crate::slot::{Job, Outcome, Slot};

/// The only sequence, until there are slots.
const SEQUENCE: i32 = 0;
/// A prompt is read in pieces that end at multiples of this, with what is left over as a piece of its own, and a
/// prefix is reused up to such a multiple. llama.cpp computes attention over 64 and more tokens at once by another
/// routine than over fewer, and multiplies the rows of a matrix in groups; both round differently. On this grid every
/// token is computed by the same routine in the same group whether the prefix was reused or read anew.
pub(crate) const REUSE_GRID_TOKENS: usize = 64;
/// The context and the request in work.
pub(crate) struct Decoder<'model> {
    model: &'model LlamaModel,
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    batch_tokens: usize,
    cached: Vec<LlamaToken>,
    slot: Option<Slot>,
}

impl<'model> Decoder<'model> {
    /// Takes a fresh context. `batch_tokens` is the length of a prefill step, on the reuse grid.
    pub(crate) fn new(model: &'model LlamaModel, context: LlamaContext<'model>, batch_tokens: usize) -> Self {
        debug_assert!(batch_tokens.is_multiple_of(REUSE_GRID_TOKENS));
        let batch = LlamaBatch::new(batch_tokens, 1);
        Self { model, context, batch, batch_tokens, cached: Vec::new(), slot: None }
    }

    /// Whether nothing is in work.
    pub(crate) fn is_idle(&self) -> bool {
        self.slot.is_none()
    }

    /// Takes a request into work, keeping what of its prompt is in the cache.
    pub(crate) fn admit(&mut self, job: Job) {
        debug_assert!(self.is_idle());
        // The last token is always read again, since its logits are wanted.
        let shared = self.cached.iter().zip(&job.prompt[..job.prompt.len() - 1]).take_while(|(a, b)| a == b).count();
        let read = self.forget_after(shared / REUSE_GRID_TOKENS * REUSE_GRID_TOKENS);
        self.slot = Some(Slot::new(job, read));
    }

    /// Does one step of the request in work: a piece of its prompt, or one token.
    pub(crate) fn step(&mut self) {
        let Some(mut slot) = self.slot.take() else { return };
        let span = slot.job.span.clone();
        let _entered = span.enter();
        let outcome = if slot.job.reply.is_closed() {
            tracing::debug!(usage = ?slot.usage, "the reader left; the generation ends");
            Outcome::Ended
        } else if slot.has_unsent() {
            slot.send()
        } else if slot.read < slot.job.prompt.len() {
            self.prefill(&mut slot)
        } else {
            self.decode(&mut slot)
        };
        match outcome {
            Outcome::GoesOn => self.slot = Some(slot),
            Outcome::Ended => self.release(&slot),
            Outcome::Failed(error) => {
                tracing::warn!(error = error.chain(), "a generation failed");
                // A reader without room learns of the failure by the end of the stream without an event.
                let _ = slot.job.reply.try_send(Err(error));
                self.forget_after(0);
            }
        }
    }

    /// Ends the request in work because the engine is stopping.
    pub(crate) fn interrupt(&mut self) {
        if let Some(slot) = self.slot.take() {
            let stopping = GenerateError::new(GenerateErrorKind::Interrupted, "the generator is being stopped");
            let _ = slot.job.reply.try_send(Err(stopping));
        }
    }

    /// Reads the next piece of a prompt; after the last piece comes the first token.
    fn prefill(&mut self, slot: &mut Slot) -> Outcome {
        let whole = slot.job.prompt.len() / REUSE_GRID_TOKENS * REUSE_GRID_TOKENS;
        let end = match slot.read < whole {
            true => whole.min(slot.read + self.batch_tokens),
            false => slot.job.prompt.len(),
        };
        let piece = slot.read..end;
        let finishes = piece.end == slot.job.prompt.len();
        self.batch.clear();
        for position in piece.clone() {
            let wanted = finishes && position + 1 == piece.end;
            if let Err(error) = self.batch.add(slot.job.prompt[position], position as i32, &[SEQUENCE], wanted) {
                return Outcome::failed("could not gather a piece of the prompt", error);
            }
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            return Outcome::failed("could not read a piece of the prompt", error);
        }
        self.cached.extend_from_slice(&slot.job.prompt[piece.clone()]);
        slot.read = piece.end;
        if finishes { self.sample(slot) } else { Outcome::GoesOn }
    }

    /// Feeds the last token back and writes the next one.
    fn decode(&mut self, slot: &mut Slot) -> Outcome {
        let last = slot.last.expect("a prompt that is read has given a first token");
        let position = slot.read + slot.usage.completion_tokens - 1;
        self.batch.clear();
        if let Err(error) = self.batch.add(last, position as i32, &[SEQUENCE], true) {
            return Outcome::failed("could not gather a token", error);
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            return Outcome::failed("could not compute the next token", error);
        }
        self.sample(slot)
    }

    /// Chooses a token from the logits of the batch's last position and lets out its text.
    fn sample(&mut self, slot: &mut Slot) -> Outcome {
        let token = slot.sampler.sample(&self.context, self.batch.n_tokens() - 1);
        let vocabulary = self.model.vocab();
        if vocabulary.is_eog(token) {
            slot.end(FinishReason::Stop);
        } else {
            slot.write(token, &vocabulary.token_to_piece(token, false, None));
        }
        slot.send()
    }

    /// Forgets a finished request, keeping what the next one may share with it. Tokens that were written are not
    /// kept: they were computed one by one, which rounds differently from reading them in a batch.
    fn release(&mut self, slot: &Slot) {
        self.forget_after(slot.read / REUSE_GRID_TOKENS * REUSE_GRID_TOKENS);
    }

    /// Shortens the cache to its first tokens; returns how many are left, none if the model cannot keep a part.
    fn forget_after(&mut self, keep: usize) -> usize {
        let kept = keep > 0
            && self.context.clear_kv_cache_seq(Some(SEQUENCE as u32), Some(keep as u32), None).unwrap_or(false);
        let left = if kept { keep } else { 0 };
        if !kept {
            self.context.clear_kv_cache();
        }
        self.cached.truncate(left);
        left
    }
}
