//! What is embedded for a chunk?
//!
//! Each of its blocks alone, the document's title and the headings above it; the chunk's vector is their weighted sum.
//! Embedding them as one text would cost the whole chunk for a changed line, and every chunk of a section or of a
//! document for a changed heading or title.
//!
//! Invariants:
//! - Every unit of the chunk is in exactly one part, in order. Parts of the text weigh 1 together, by their tokens.
//! - The same block in the same words has the same key, wherever it stands (I-9).

use wellspring_core::chunk::{EmbeddingKey, HEADING_WEIGHT, Part, Reads, TITLE_WEIGHT, embedded_title};

use super::SPECIAL_TOKENS;
use super::units::Unit;

/// What stands above chunks and lends them meaning.
pub(super) struct Context(Part);

impl Context {
    /// The title; `None` where there is nothing to read.
    pub(super) fn title(title: Option<&str>, count_tokens: &dyn Fn(&str) -> usize) -> Option<Self> {
        Self::of(embedded_title(title), TITLE_WEIGHT, Reads::Title, count_tokens)
    }

    /// A section's headings.
    pub(super) fn heading(heading: &str, count_tokens: &dyn Fn(&str) -> usize) -> Option<Self> {
        Self::of(heading, HEADING_WEIGHT, Reads::Heading, count_tokens)
    }

    fn of(text: &str, weight: f32, reads: Reads, count_tokens: &dyn Fn(&str) -> usize) -> Option<Self> {
        let tokens = (count_tokens(text) + SPECIAL_TOKENS) as u32;
        let part = Part { key: EmbeddingKey::of(text), weight, tokens, reads };
        (!text.is_empty()).then_some(Self(part))
    }
}

/// The parts of the chunk that `members` make.
pub(super) fn of(text: &str, members: &[Unit], context: [Option<&Context>; 2]) -> Vec<Part> {
    let start = members[0].range.start;
    let blocks: Vec<&[Unit]> = members.chunk_by(|_, next| !next.starts_block).collect();
    // Signs that the tokenizer does not know are no tokens, and still make a vector.
    let size = |block: &[Unit]| block.iter().map(|unit| unit.tokens).sum::<usize>().max(1);
    let total: usize = blocks.iter().map(|block| size(block)).sum();
    let part = |block: &&[Unit]| {
        let range = block[0].range.start..block[block.len() - 1].range.end;
        Part {
            key: EmbeddingKey::of(&text[range.clone()]),
            weight: size(block) as f32 / total as f32,
            tokens: (Unit::tokens_together(block) + SPECIAL_TOKENS) as u32,
            reads: Reads::Text((range.start - start) as u32..(range.end - start) as u32),
        }
    };
    let above = context.into_iter().flatten().map(|Context(part)| part.clone());
    blocks.iter().map(part).chain(above).collect()
}
