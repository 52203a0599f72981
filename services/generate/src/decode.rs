//! What does the model do next?
//!
//! The part of the engine that holds llama.cpp's context, on the engine's thread. Work is cut into steps. In each, every
//! stream that can write gets one token, and one prompt is read a piece further; between two steps the engine looks who
//! came and who left.
//!
//! Invariants:
//! - A greedy text is the same token for token whatever happens beside it and before it. What llama.cpp computes for a
//!   token depends on the shape of its batch, so on a CPU only such shapes are used as are known to give the same bits
//!   ([`shapes`](crate::shapes)).
//! - Requests under different adapters never share a batch: an adapter is laid over the whole model.
//! - While streams write, a piece of a long prompt takes about [`EngineConfig::step`](crate::EngineConfig) and no more, of
//!   a short one six times that.
//! - A slot whose reader left costs at most the step that is running.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use thiserror::Error;
use wellspring_core::generator::{FinishReason, GenerateError, GenerateErrorKind};

use crate::adapter::Overlay;
use crate::cache::{self, Cache, Place};
use crate::meter::{End, Meter};
use crate::queue::Caller;
use crate::sample::{Chooser, SampleError, told};
use crate::shapes::Shapes;
use crate::slot::{Job, Outcome, Slot};

/// Between two looks at readers who have not made room, when nothing else is to be done.
const STALL_POLL: Duration = Duration::from_millis(2);

/// A prompt of which no more is to be read is short: streams wait for it a second or so, all in all, so it is read in longer
/// pieces, which take less time a token. Who comes with a question is not kept waiting by those who read answers.
const SHORT_TOKENS: usize = 256;
/// How much longer than others a piece of a short prompt may take.
const SHORT_STEPS: usize = 6;

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
            fitting: shapes.piece_tokens_min(),
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
        let Some(place) =
            cache::choose(&self.caches, |slot| self.slots[slot].is_none(), &job.prompt, job.overlay, self.shapes)
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
        let begun = Instant::now();
        for indices in self.batches(&mut writing) {
            self.decode(&indices);
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

    /// The streams of each batch, none under several adapters.
    fn batches(&self, writing: &mut [usize]) -> Vec<Vec<usize>> {
        let overlay = |index: &usize| self.slots[*index].as_ref().and_then(|slot| slot.job.overlay);
        // Those under one adapter follow each other: laying another one over the model takes time.
        writing.sort_by_key(overlay);
        // llama.cpp computes in one go only what lies in slots next to each other.
        let alike = writing.chunk_by(|a, b| overlay(a) == overlay(b) && *b == *a + 1);
        let width = |alike: &[usize]| match overlay(&alike[0]) {
            Some(_) => self.shapes.width_overlaid,
            None => self.shapes.width,
        };
        alike.flat_map(|alike| alike.chunks(width(alike))).map(<[usize]>::to_vec).collect()
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
    /// pass long ones, and no prompt is passed by more tokens than it has itself. Among equals what came first is read to its end.
    fn next_to_read(&self) -> Option<usize> {
        let left = |index: &usize| {
            let slot = self.slots[*index].as_ref()?;
            let left = slot.job.prompt.len() - slot.read;
            Some((left.saturating_sub(slot.overtaken), left, self.caches[*index].used_at))
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
        self.catch_up(index, &mut slot);
        let most = self.piece_tokens(&slot, beside_streams);
        let piece = slot.read..Shapes::piece_end(slot.read, slot.job.prompt.len(), most);
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
        if piece.len() >= self.shapes.piece_tokens_min() {
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

    /// Takes over what another slot read of the same prompt since this one was admitted.
    fn catch_up(&mut self, index: usize, slot: &mut Slot<Chooser>) {
        if slot.read > slot.usage.cached_tokens {
            return;
        }
        let job = &slot.job;
        let longer = cache::longer(&self.caches, index, slot.read, &job.prompt, job.overlay, self.shapes);
        if let Some(place) = longer {
            slot.read = self.prepare(place);
            self.meter.reused(slot.read.saturating_sub(slot.usage.cached_tokens));
            slot.usage.cached_tokens = slot.read;
        }
    }

    /// The longest piece of a prompt that may be read now.
    fn piece_tokens(&self, slot: &Slot<Chooser>, beside_streams: bool) -> usize {
        if !beside_streams {
            return self.shapes.piece_tokens;
        }
        let is_short = slot.usage.prompt_tokens - slot.usage.cached_tokens <= SHORT_TOKENS;
        let fitting = if is_short { SHORT_STEPS * self.fitting } else { self.fitting };
        self.shapes.on_grid(fitting).clamp(self.shapes.piece_tokens_min(), self.shapes.piece_tokens)
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
            // Before the first token, it is the form that nothing fits.
            Err(error) if slot.wrote.is_none() || matches!(error, SampleError::Slow) => {
                return Outcome::Failed(GenerateError::caused_by(GenerateErrorKind::Refused, error.to_string(), error));
            }
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
        self.forget_after(index, keep);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_long_as_the_last_one_says() {
        let fitting = |tokens, took_ms| fitting_in(Duration::from_millis(100), tokens, Duration::from_millis(took_ms));
        assert_eq!([fitting(48, 120), fitting(32, 85), fitting(16, 40), fitting(16, 200)], [40, 37, 40, 8]);
        assert!(fitting(16, 0) > 1_000_000);
    }
}
