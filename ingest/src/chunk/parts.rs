//! What is embedded for a chunk?
//!
//! Each of its blocks alone, small neighbours together; the document's title; the headings above it. The chunk's vector
//! is their weighted sum ([ADR 0009](../../../docs/adr/0009-embedding-by-parts.md)). Embedding them as one text would
//! cost the whole chunk for a changed line, and every chunk of a section or of a document for a changed heading or title.
//!
//! Invariants:
//! - Every unit of the chunk is in exactly one part, in order. Parts of the text weigh 1 together, by their tokens.
//! - The same words in the same blocks have the same key, wherever they stand (I-9).

use wellspring_core::chunk::{EmbeddingKey, Part, Reads, embedded_title};

use super::SPECIAL_TOKENS;
use super::units::Unit;

/// Blocks below this many tokens share a part with their neighbours: alone they mean little, and each would cost a vector.
const SMALL_TOKENS: usize = 48;
/// What the title and the headings weigh together beside a text of one part, and how much more with each further part:
/// the vaguer the sum of the parts, the more they tell. Fitted on one English set, see the ADR.
const CONTEXT_WEIGHT: f32 = 0.2;
const CONTEXT_WEIGHT_PER_PART: f32 = 0.1;
const CONTEXT_WEIGHT_MAX: f32 = 0.5;

/// What stands above chunks and lends them meaning.
pub(super) struct Context(Part);

impl Context {
    /// The title; `None` where there is nothing to read.
    pub(super) fn title(title: Option<&str>, count_tokens: &dyn Fn(&str) -> usize) -> Option<Self> {
        Self::of(embedded_title(title), Reads::Title, count_tokens)
    }

    /// A section's headings.
    pub(super) fn heading(heading: &str, count_tokens: &dyn Fn(&str) -> usize) -> Option<Self> {
        Self::of(heading, Reads::Heading, count_tokens)
    }

    fn of(text: &str, reads: Reads, count_tokens: &dyn Fn(&str) -> usize) -> Option<Self> {
        let tokens = (count_tokens(text) + SPECIAL_TOKENS) as u32;
        (!text.is_empty()).then(|| Self(Part { key: EmbeddingKey::of(text), weight: 0.0, tokens, reads }))
    }
}

/// The parts of the chunk that `members` make.
pub(super) fn of(text: &str, members: &[Unit], context: [Option<&Context>; 2]) -> Vec<Part> {
    let start = members[0].range.start;
    let pieces = pieces(members);
    let total: usize = pieces.iter().map(|piece| size(piece)).sum();
    let part = |piece: &&[Unit]| {
        let range = piece[0].range.start..piece[piece.len() - 1].range.end;
        Part {
            key: EmbeddingKey::of(&text[range.clone()]),
            weight: size(piece) as f32 / total as f32,
            tokens: (Unit::tokens_together(piece) + SPECIAL_TOKENS) as u32,
            reads: Reads::Text((range.start - start) as u32..(range.end - start) as u32),
        }
    };
    let above: Vec<&Part> = context.into_iter().flatten().map(|Context(part)| part).collect();
    let more = CONTEXT_WEIGHT_PER_PART * (pieces.len() - 1) as f32;
    let weight = (CONTEXT_WEIGHT + more).min(CONTEXT_WEIGHT_MAX) / above.len().max(1) as f32;
    let above = above.into_iter().map(|part| Part { weight, ..part.clone() });
    pieces.iter().map(part).chain(above).collect()
}

/// Cuts a chunk's units where blocks begin, and keeps small neighbours together until they are small no more.
fn pieces(members: &[Unit]) -> Vec<&[Unit]> {
    let mut pieces = Vec::new();
    let (mut start, mut end) = (0, 0);
    for block in members.chunk_by(|_, next| !next.starts_block) {
        let both_small = size(&members[start..end]) < SMALL_TOKENS && size(block) < SMALL_TOKENS;
        if start < end && !both_small {
            pieces.push(&members[start..end]);
            start = end;
        }
        end += block.len();
    }
    pieces.push(&members[start..end]);
    pieces
}

/// Tokens of units, or 1: signs that the tokenizer does not know are no tokens, and still make a vector.
fn size(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.tokens).sum::<usize>().max(1)
}
