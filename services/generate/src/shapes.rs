//! How may tokens be put into batches, so that nobody's text changes?
//!
//! llama.cpp rounds by the shape of a batch: one token, a few and many may each be multiplied by a routine of their own.
//! Which routines follow from the processor, the build and the types of the model's matrices. So a model is asked when it
//! is loaded whether it may be used in shapes that are fast, and is otherwise used in shapes that never touch each other
//! ([ADR 0026](../../../docs/adr/0026-side-by-side-in-one-batch.md)).
//!
//! Invariants:
//! - On a CPU, streams share a batch only where a model was seen, on this machine, to give the bits that it gives alone.
//! - Whatever a model is asked with is gone from the context afterwards.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

/// Pieces of a prompt are no shorter, unless the prompt is. Below eight tokens some matrices are multiplied by another
/// routine, and attention of a single one is.
pub(crate) const PIECE_TOKENS_MIN: usize = 8;

/// How requests are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shapes {
    /// The longest piece of a prompt, on the grid.
    pub(crate) piece_tokens: usize,
    /// Pieces begin at multiples of it, and so does what is read after a prefix that was in the cache.
    pub(crate) grid_tokens: usize,
    /// The most streams of one batch.
    pub(crate) width: usize,
    /// The same of those under an adapter, whose matrices are of other types than the model's.
    pub(crate) width_overlaid: usize,
}

impl Shapes {
    /// For a CPU where nothing more is known. Matrices may be multiplied with 16 tokens at once, then with four, then with
    /// one: on this grid every token is in the same group whether a prefix was reused or read anew. Some attention has
    /// another routine from 64 tokens on.
    pub(crate) const APART: Self = {
        let shapes = Self { piece_tokens: 48, grid_tokens: 16, width: 1, width_overlaid: 1 };
        assert!(shapes.piece_tokens + PIECE_TOKENS_MIN <= 64);
        shapes
    };
    /// For a CPU and a model that gives the same bits so. Four streams take hardly longer than three; a fifth begins anew.
    /// A longer piece would read no faster, and let newcomers wait longer.
    pub(crate) const TOGETHER: Self = Self { piece_tokens: 192, grid_tokens: 1, width: 4, width_overlaid: 1 };
    /// For a GPU, which computes many tokens in the time of one and promises no bits anyway.
    pub(crate) const GPU: Self =
        Self { piece_tokens: 512, grid_tokens: 16, width: usize::MAX, width_overlaid: usize::MAX };

    /// Tokens of the largest batch.
    pub(crate) fn batch_tokens(self, slots: usize) -> usize {
        slots.max(self.piece_tokens + PIECE_TOKENS_MIN)
    }

    /// The shortest piece of a longer prompt.
    pub(crate) fn piece_tokens_min(self) -> usize {
        self.grid_tokens.max(PIECE_TOKENS_MIN)
    }

    /// The largest multiple of the grid that is no larger.
    pub(crate) fn on_grid(self, tokens: usize) -> usize {
        tokens / self.grid_tokens * self.grid_tokens
    }

    /// How many of a prompt's first tokens may be kept or reused, of those that are in the cache: on the grid, and so that
    /// enough of a prompt that is longer is left to read. Nothing of a prompt that was shorter than any piece.
    pub(crate) fn reusable(self, cached: usize, length: usize) -> usize {
        let left = length.saturating_sub(PIECE_TOKENS_MIN);
        let reusable = self.on_grid(cached.min(left));
        if reusable < PIECE_TOKENS_MIN { 0 } else { reusable }
    }

    /// Where a piece ends that begins at `read` and has up to `piece_tokens`: on the grid, or at the end of the prompt
    /// together with its tail. What is left is cut evenly, in sixteens: they take hardly longer than the tens.
    pub(crate) fn piece_end(read: usize, length: usize, piece_tokens: usize) -> usize {
        let left = length - read;
        if left < piece_tokens + PIECE_TOKENS_MIN {
            return length;
        }
        let even = left.div_ceil(left.div_ceil(piece_tokens));
        read + even.next_multiple_of(16).min(piece_tokens)
    }
}

/// The shapes that a model may be used in on this machine, with a fresh context of so many slots.
pub(crate) fn find(model: &LlamaModel, context: &mut LlamaContext<'_>, slots: usize) -> Shapes {
    let vocabulary = usize::try_from(model.n_vocab()).unwrap_or(1).max(1);
    let batch = LlamaBatch::new(Shapes::TOGETHER.batch_tokens(slots), 1);
    let holds = Trial { context: &mut *context, vocabulary, batch }.holds(slots);
    context.clear_kv_cache();
    match holds {
        Ok(true) => Shapes::TOGETHER,
        Ok(false) => {
            tracing::info!("streams are decoded one after another: beside others this model rounds otherwise here");
            Shapes::APART
        }
        Err(error) => {
            tracing::warn!(%error, "could not try streams side by side; they are decoded one after another");
            Shapes::APART
        }
    }
}

/// Tokens of the prompt that is read in one piece and in two.
const PROMPT_TOKENS: usize = 24;

/// A model under trial.
struct Trial<'a, 'model> {
    context: &'a mut LlamaContext<'model>,
    vocabulary: usize,
    batch: LlamaBatch<'static>,
}

impl Trial<'_, '_> {
    /// Whether a stream has the same bits in pieces and in one, alone and beside others.
    fn holds(&mut self, slots: usize) -> Result<bool, Box<dyn std::error::Error>> {
        let whole = self.read(0, 0..PROMPT_TOKENS)?;
        self.context.clear_kv_cache_seq(Some(0), None, None)?;
        self.read(0, 0..PIECE_TOKENS_MIN)?;
        if self.read(0, PIECE_TOKENS_MIN..PROMPT_TOKENS)? != whole {
            return Ok(false);
        }
        let alone = self.step(1)?;
        for slot in 1..Shapes::TOGETHER.width.min(slots) {
            // Others are elsewhere in their texts.
            self.read(slot, 0..PIECE_TOKENS_MIN + 2 * slot)?;
            if self.step(slot + 1)? != alone {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads some of a slot's prompt in one piece; the bits of what follows the last.
    fn read(&mut self, slot: usize, positions: std::ops::Range<usize>) -> Result<Vec<u32>, Box<dyn std::error::Error>> {
        self.batch.clear();
        let last = positions.end - 1;
        for position in positions {
            self.batch.add(self.token(slot, position), position as i32, &[slot as i32], position == last)?;
        }
        self.context.decode(&mut self.batch)?;
        Ok(bits(self.context.get_logits_ith(self.batch.n_tokens() - 1)))
    }

    /// One token of each of the first slots in one batch, taken back afterwards; the bits of what follows the first one.
    fn step(&mut self, width: usize) -> Result<Vec<u32>, Box<dyn std::error::Error>> {
        let position = |slot: usize| if slot == 0 { PROMPT_TOKENS } else { PIECE_TOKENS_MIN + 2 * slot };
        self.batch.clear();
        for slot in 0..width {
            self.batch.add(self.token(slot, position(slot)), position(slot) as i32, &[slot as i32], true)?;
        }
        self.context.decode(&mut self.batch)?;
        for slot in 0..width {
            self.context.clear_kv_cache_seq(Some(slot as u32), Some(position(slot) as u32), None)?;
        }
        Ok(bits(self.context.get_logits_ith(0)))
    }

    /// Any token of the vocabulary, others in other slots and places.
    fn token(&self, slot: usize, position: usize) -> LlamaToken {
        LlamaToken(((position * 7919 + slot * 104_729 + 100) % self.vocabulary) as i32)
    }
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_cut_on_the_grid_and_no_piece_is_too_short() {
        for shapes in [Shapes::APART, Shapes::TOGETHER] {
            for piece_tokens in [shapes.piece_tokens_min(), 32, shapes.piece_tokens] {
                for length in 1..400 {
                    let mut read = 0;
                    while read < length {
                        let end = Shapes::piece_end(read, length, piece_tokens);
                        assert!(end > read && end - read < piece_tokens + PIECE_TOKENS_MIN);
                        assert!(end == length || shapes.on_grid(end) == end);
                        assert!(
                            end - read >= PIECE_TOKENS_MIN || length < PIECE_TOKENS_MIN,
                            "{read}..{end} of {length}"
                        );
                        read = end;
                    }
                }
            }
        }
    }

    #[test]
    fn a_piece_is_always_left_to_read_and_the_tokens_of_a_tiny_prompt_are_not_used_again() {
        let reusable = |shapes: Shapes, length| shapes.reusable(96, length);
        for (length, kept) in [(1, 0), (16, 0), (23, 0), (24, 16), (39, 16), (40, 32), (96, 80), (103, 80), (104, 96)] {
            assert_eq!(reusable(Shapes::APART, length), kept, "{length} tokens apart");
        }
        for (length, kept) in [(1, 0), (8, 0), (15, 0), (16, 8), (17, 9), (96, 88), (103, 95), (104, 96), (400, 96)] {
            assert_eq!(reusable(Shapes::TOGETHER, length), kept, "{length} tokens together");
        }
        assert_eq!([7, 8].map(|cached| Shapes::TOGETHER.reusable(cached, 50)), [0, 8]);
    }
}
