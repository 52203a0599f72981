//! What does the model do next?
//!
//! The part of the engine that holds llama.cpp's context, on the engine's thread. Work is cut into steps. In each, every
//! stream that can write gets one token, and one prompt is read a piece further; between two steps the engine looks who
//! came and who left.
//!
//! Invariants:
//! - A greedy text is the same token for token whatever happens beside it and before it. What llama.cpp computes for a
//!   token depends on the shape of its batch, so on a CPU no two requests share a batch, and the shapes that one
//!   request meets follow from its prompt alone ([ADR 0013](../../../docs/adr/0013-slots-that-do-not-touch.md)).
//! - Requests under different adapters never share a batch: an adapter is laid over the whole model.
//! - While streams write, a piece of a prompt takes about [`EngineConfig::step`](crate::EngineConfig) and no more.
//! - A slot whose reader left costs at most the step that is running.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use thiserror::Error;
use wellspring_core::generator::{FinishReason, GenerateError, GenerateErrorKind};

use crate::adapter::Overlay;
use crate::cache::{self, Cache, GRID_TOKENS, Place, TAIL_TOKENS_MIN, on_grid};
use crate::meter::{End, Meter};
use crate::queue::Caller;
use crate::sample::{Chooser, told};
use crate::slot::{Job, Outcome, Slot};

/// Between two looks at readers who have not made room, when nothing else is to be done.
const STALL_POLL: Duration = Duration::from_millis(2);

/// How requests are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shapes {
    /// The longest piece of a prompt, on the grid.
    pub(crate) piece_tokens: usize,
    /// Whether all streams are decoded in one batch.
    pub(crate) together: bool,
}

impl Shapes {
    /// For a CPU. llama.cpp computes attention over 64 and more tokens by another routine than over fewer, so a piece
    /// with the tail of its prompt stays below.
    pub(crate) const APART: Self = {
        let shapes = Self { piece_tokens: 48, together: false };
        assert!(shapes.piece_tokens + TAIL_TOKENS_MIN <= 64 && shapes.piece_tokens.is_multiple_of(GRID_TOKENS));
        shapes
    };
    /// For a GPU, which computes many tokens in the time of one and promises no bits anyway.
    pub(crate) const TOGETHER: Self = Self { piece_tokens: 512, together: true };

    /// Tokens of the largest batch.
    pub(crate) fn batch_tokens(self, slots: usize) -> usize {
        slots.max(self.piece_tokens + TAIL_TOKENS_MIN)
    }
}

/// llama.cpp does not take an adapter.
#[derive(Debug, Error)]
#[error("llama.cpp refuses the adapter")]
struct LayError;

/// The context and the requests in work.
pub(crate) struct Decoder<'model> {
    model: &'model LlamaModel,
    adapters: Vec<LlamaLoraAdapter>,
    /// What is laid over the model now.
    laid: Option<Overlay>,
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    shapes: Shapes,
    /// What a piece of a prompt may take beside streams.
    step: Duration,
    /// How many tokens took about as long lately.
    fitting: usize,
    meter: Arc<Meter>,
    /// One a slot.
    caches: Vec<Cache>,
    /// The request in each slot.
    slots: Vec<Option<Slot<Chooser>>>,
    /// Counts requests that got a slot.
    clock: u64,
}

impl<'model> Decoder<'model> {
    /// Takes a fresh context with a sequence for every slot.
    pub(crate) fn new(
        model: &'model LlamaModel,
        adapters: Vec<LlamaLoraAdapter>,
        context: LlamaContext<'model>,
        slots: usize,
        shapes: Shapes,
        step: Duration,
        meter: Arc<Meter>,
    ) -> Self {
        let batch = LlamaBatch::new(shapes.batch_tokens(slots), 1);
        let caches = (0..slots).map(|_| Cache::default()).collect();
        let slots = (0..slots).map(|_| None).collect();
        Self {
            model,
            adapters,
            laid: None,
            context,
            batch,
            shapes,
            step,
            fitting: GRID_TOKENS,
            meter,
            caches,
            slots,
            clock: 0,
        }
    }

    /// Whether nothing is in work.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// Whether a request can be taken into work.
    pub(crate) fn has_room(&self) -> bool {
        self.slots.iter().any(Option::is_none)
    }

    /// Requests in work.
    pub(crate) fn in_work(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Requests in work for one caller.
    pub(crate) fn in_work_for(&self, caller: &Caller) -> usize {
        self.slots.iter().flatten().filter(|slot| slot.job.caller == *caller).count()
    }

    /// Takes a request into work, keeping what of its prompt is in the cache. There must be room.
    pub(crate) fn admit(&mut self, job: Job) {
        let chooser = match Chooser::new(self.model, job.temperature, job.seed, &job.options) {
            Ok(chooser) => chooser,
            Err(error) => {
                let error = GenerateError::caused_by(GenerateErrorKind::Refused, "could not choose tokens so", error);
                self.meter.ended(End::Failed, None);
                let _ = job.reply.try_send(Err(error));
                return;
            }
        };
        let Some(place) = cache::choose(&self.caches, |slot| self.slots[slot].is_none(), &job.prompt, job.overlay)
        else {
            debug_assert!(false, "a request was admitted without room");
            return;
        };
        let read = self.prepare(place);
        self.clock += 1;
        self.caches[place.slot].used_at = self.clock;
        self.caches[place.slot].overlay = job.overlay;
        self.meter.reused(read);
        self.slots[place.slot] = Some(Slot::new(job, chooser, read));
    }

    /// Does one step of everything in work.
    pub(crate) fn step(&mut self) {
        self.settle();
        let mut writing: Vec<usize> = self.slots_that(Slot::is_writing);
        let overlay = |slots: &[Option<Slot<Chooser>>], index: usize| slots[index].as_ref()?.job.overlay;
        // Those under one adapter follow each other: laying another one over the model takes time.
        writing.sort_by_key(|&index| overlay(&self.slots, index));
        let begun = Instant::now();
        let width = if self.shapes.together { writing.len().max(1) } else { 1 };
        for indices in writing
            .chunk_by(|&a, &b| overlay(&self.slots, a) == overlay(&self.slots, b))
            .flat_map(|alike| alike.chunks(width))
            .collect::<Vec<_>>()
        {
            self.decode(indices);
        }
        if !writing.is_empty() {
            self.meter.decoded(writing.len(), begun.elapsed());
        }
        match self.next_to_read() {
            Some(index) => self.read(index, !writing.is_empty()),
            None if writing.is_empty() && !self.is_idle() => std::thread::sleep(STALL_POLL),
            None => {}
        }
    }

    /// Ends the requests in work because the engine is stopping.
    pub(crate) fn interrupt(&mut self) {
        for index in 0..self.slots.len() {
            if let Some(slot) = self.slots[index].take() {
                let stopping = GenerateError::new(GenerateErrorKind::Interrupted, "the generator is being stopped");
                self.end(index, slot, Outcome::Failed(stopping));
            }
        }
    }

    /// Lets go of requests that nobody needs any more, and sends what readers were too slow for.
    fn settle(&mut self) {
        for index in 0..self.slots.len() {
            let Some(mut slot) = self.slots[index].take() else { continue };
            let outcome = match slot.job.over() {
                Some(over) => over,
                None if slot.has_unsent() => slot.send(),
                None => Outcome::GoesOn,
            };
            self.end(index, slot, outcome);
        }
    }

    fn slots_that(&self, are: impl Fn(&Slot<Chooser>) -> bool) -> Vec<usize> {
        let chosen = |(index, slot): (usize, &Option<Slot<Chooser>>)| slot.as_ref().is_some_and(&are).then_some(index);
        self.slots.iter().enumerate().filter_map(chosen).collect()
    }

    /// Whose prompt is read on: the one with the least left, less what was read for others meanwhile. So short prompts
    /// pass long ones, and no prompt is passed by more tokens than it has itself.
    fn next_to_read(&self) -> Option<usize> {
        let left = |index: &usize| {
            let slot = self.slots[*index].as_ref()?;
            Some((slot.job.prompt.len() - slot.read).saturating_sub(slot.overtaken))
        };
        self.slots_that(Slot::is_reading).into_iter().min_by_key(left)
    }

    /// Reads the next piece of a prompt; after the last piece comes the first token.
    fn read(&mut self, index: usize, beside_streams: bool) {
        let Some(mut slot) = self.slots[index].take() else { return };
        let begun = Instant::now();
        if let Err(error) = self.lay(slot.job.overlay) {
            return self.end(index, slot, Outcome::failed("could not lay the adapter over the model", error));
        }
        let piece = slot.read..piece_end(slot.read, slot.job.prompt.len(), self.piece_tokens(beside_streams));
        let finishes = piece.end == slot.job.prompt.len();
        self.batch.clear();
        for position in piece.clone() {
            let wanted = finishes && position + 1 == piece.end;
            let added = self.batch.add(slot.job.prompt[position], position as i32, &[index as i32], wanted);
            if let Err(error) = added {
                return self.end(index, slot, Outcome::failed("could not gather a piece of the prompt", error));
            }
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            return self.end(index, slot, Outcome::failed("could not read a piece of the prompt", error));
        }
        let took = begun.elapsed();
        self.meter.read(piece.len(), took);
        if piece.len() >= GRID_TOKENS {
            self.fitting = fitting_in(self.step, piece.len(), took);
        }
        for other in self.slots.iter_mut().flatten().filter(|other| other.is_reading()) {
            other.overtaken += piece.len();
        }
        self.caches[index].tokens.extend_from_slice(&slot.job.prompt[piece.clone()]);
        slot.read = piece.end;
        let outcome = if finishes { self.write(&mut slot, piece.len() - 1) } else { Outcome::GoesOn };
        self.end(index, slot, outcome);
    }

    /// The longest piece that may be read now.
    fn piece_tokens(&self, beside_streams: bool) -> usize {
        if !beside_streams {
            return self.shapes.piece_tokens;
        }
        on_grid(self.fitting).clamp(GRID_TOKENS, self.shapes.piece_tokens)
    }

    /// Feeds the last tokens of these slots back, in one batch, and writes the next ones.
    fn decode(&mut self, indices: &[usize]) {
        let overlay = indices.first().and_then(|&index| self.slots[index].as_ref()?.job.overlay);
        if let Err(error) = self.lay(overlay) {
            return self.fail(indices, "could not lay the adapter over the model", &error);
        }
        self.batch.clear();
        for &index in indices {
            let Some(slot) = &self.slots[index] else { continue };
            let last = slot.last.expect("a prompt that is read has given a first token");
            let position = slot.read + slot.usage.completion_tokens - 1;
            if let Err(error) = self.batch.add(last, position as i32, &[index as i32], true) {
                return self.fail(indices, "could not gather the streams' tokens", &error);
            }
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            return self.fail(indices, "could not compute the next tokens", &error);
        }
        for (row, &index) in indices.iter().enumerate() {
            if let Some(mut slot) = self.slots[index].take() {
                let outcome = self.write(&mut slot, row);
                self.end(index, slot, outcome);
            }
        }
    }

    /// Ends all of these in an error.
    fn fail(&mut self, indices: &[usize], attempted: &str, error: &dyn std::error::Error) {
        for &index in indices {
            if let Some(slot) = self.slots[index].take() {
                let error = GenerateError::caused_by(GenerateErrorKind::Interrupted, attempted, error.to_string());
                self.end(index, slot, Outcome::Failed(error));
            }
        }
    }

    /// Chooses a token by the logits of a row of the batch and lets out its text.
    fn write(&mut self, slot: &mut Slot<Chooser>, row: usize) -> Outcome {
        let token = match slot.chooser.choose(&self.context, row as i32) {
            Ok(token) => token,
            Err(error) => return Outcome::failed("could not choose the next token", error),
        };
        let now = Instant::now();
        let since = slot.wrote.unwrap_or(slot.job.accepted);
        self.meter.written(slot.wrote.is_none(), now.duration_since(since));
        slot.wrote = Some(now);
        let vocabulary = self.model.vocab();
        if vocabulary.is_eog(token) {
            slot.end(FinishReason::Stop);
        } else {
            let told =
                slot.job.options.likely_tokens.map(|count| told(&self.context, &vocabulary, row as i32, token, count));
            slot.write(token, &vocabulary.token_to_piece(token, false, None), told);
        }
        slot.send()
    }

    /// Lays an adapter over the model, or takes the last one off.
    fn lay(&mut self, overlay: Option<Overlay>) -> Result<(), LayError> {
        if self.laid == overlay {
            return Ok(());
        }
        match overlay {
            Some(overlay) => {
                let adapter = self.adapters.get_mut(overlay.adapter).ok_or(LayError)?;
                self.context.lora_adapter_set(adapter, overlay.scale()).map_err(|_| LayError)?;
            }
            // Whichever is named, all are taken off.
            None => {
                let any = self.adapters.first_mut().ok_or(LayError)?;
                self.context.lora_adapter_remove(any).map_err(|_| LayError)?;
            }
        }
        self.laid = overlay;
        Ok(())
    }

    /// Puts a request back into its slot, or frees the slot.
    fn end(&mut self, index: usize, slot: Slot<Chooser>, outcome: Outcome) {
        let _entered = slot.job.span.clone().entered();
        let (end, keep) = match outcome {
            Outcome::GoesOn => {
                self.slots[index] = Some(slot);
                return;
            }
            Outcome::Ended => (End::Finished, slot.read),
            Outcome::Left => {
                tracing::debug!(usage = ?slot.usage, "the reader left; the generation ends");
                (End::Cancelled, slot.read)
            }
            Outcome::Failed(error) => {
                tracing::warn!(error = error.chain(), "a generation failed");
                // A reader without room learns of the failure by the end of the stream without an event.
                let _ = slot.job.reply.try_send(Err(error));
                (End::Failed, 0)
            }
        };
        self.forget_after(index, on_grid(keep));
        let held = slot.began.elapsed();
        // Gives its place back.
        drop(slot);
        self.meter.ended(end, Some(held));
    }

    /// Makes a slot's cache hold the shared tokens and nothing else; returns how many it holds.
    fn prepare(&mut self, place: Place) -> usize {
        if let Some(other) = place.copied_from.filter(|other| *other != place.slot) {
            self.forget_after(place.slot, 0);
            let (from, to) = (other as i32, place.slot as i32);
            // Between sequences that share no memory only the whole can be copied.
            if self.context.copy_kv_cache_seq(from, to, None, None).is_ok() {
                self.caches[place.slot].tokens = self.caches[other].tokens.clone();
            }
        }
        self.forget_after(place.slot, place.shared)
    }

    /// Shortens a slot's cache to its first tokens; returns how many are left, none if the model cannot keep a part.
    fn forget_after(&mut self, index: usize, keep: usize) -> usize {
        let keep = keep.min(self.caches[index].tokens.len());
        let sequence = Some(index as u32);
        let kept = keep > 0 && self.context.clear_kv_cache_seq(sequence, Some(keep as u32), None).unwrap_or(false);
        let left = if kept { keep } else { 0 };
        if !kept {
            // Removing a whole sequence always succeeds.
            let _ = self.context.clear_kv_cache_seq(sequence, None, None);
        }
        self.caches[index].tokens.truncate(left);
        left
    }
}

/// How many tokens take so long, if they take as long each as those of the last piece: what a token costs rises with its
/// place in the prompt, so that an older piece, or one of another prompt, says less.
fn fitting_in(step: Duration, tokens: usize, took: Duration) -> usize {
    (tokens as f64 * step.as_secs_f64() / took.as_secs_f64().max(f64::MIN_POSITIVE)) as usize
}

/// Where a piece ends that begins at `read`: on the grid, or at the end of the prompt together with its tail.
fn piece_end(read: usize, length: usize, piece_tokens: usize) -> usize {
    match length - read > piece_tokens + TAIL_TOKENS_MIN - 1 {
        true => read + piece_tokens,
        false => length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_long_as_the_last_one_says() {
        let fitting = |tokens, took_ms| fitting_in(Duration::from_millis(100), tokens, Duration::from_millis(took_ms));
        assert_eq!([fitting(48, 120), fitting(32, 85), fitting(16, 40), fitting(16, 200)], [40, 37, 40, 8]);
        assert_eq!(on_grid(fitting(16, 0)).clamp(GRID_TOKENS, 48), 48);
    }

    #[test]
    fn a_prompt_is_cut_on_the_grid_and_its_tail_is_no_single_token() {
        for piece_tokens in [16, 32, 48] {
            for length in 1..200 {
                let mut read = 0;
                while read < length {
                    let end = piece_end(read, length, piece_tokens);
                    assert!(end > read && end - read < piece_tokens + TAIL_TOKENS_MIN);
                    assert!(end == length || end.is_multiple_of(GRID_TOKENS));
                    assert!(end - read >= TAIL_TOKENS_MIN || length < TAIL_TOKENS_MIN, "{read}..{end} of {length}");
                    read = end;
                }
            }
        }
    }
}
