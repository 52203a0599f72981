//! Into which slices is a document cut, so that an edit moves only its neighbourhood?
//!
//! ```text
//! blocks -> sections (a heading starts one) -> units (sentences, lines) -> borders by content -> chunks
//! ```
//!
//! Invariants:
//! - `text[span] == chunk.text`; chunks rise and do not overlap; every character of a block that is not white space
//!   is in a chunk.
//! - A chunk is no longer than [`limits::CHUNK_TOKENS_MAX`], special tokens included, as far as tokens add up; it ends
//!   inside a sentence only when that sentence alone is longer.
//! - A border depends on the text near it and on nothing else, neither title nor headings: an edit leaves all but a few
//!   chunks as they were, with their ids and their vectors (I-9).
//! - A chunk is embedded block by block ([`parts`]): of a chunk that an edit touches, only the block it touches is new.

mod borders;
mod parts;
mod section;
mod units;

use std::collections::HashMap;

use thiserror::Error;

use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey};
use wellspring_core::document::DocumentId;
use wellspring_core::limits;
use wellspring_core::place::marks_within;
use wellspring_core::span::SpanCursor;

use crate::parse::Parsed;

use parts::Context;
use section::sections;
use units::{Unit, units};

/// Tokens that an embedder adds around its input.
const SPECIAL_TOKENS: usize = 2;
/// What a chunk's text may hold.
const ROOM: usize = limits::CHUNK_TOKENS_MAX - SPECIAL_TOKENS;

/// Why a document could not be cut.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// It is longer than the indexes are built for.
    #[error("it makes more than {max} chunks")]
    TooMany {
        /// The most allowed.
        max: usize,
    },
}

/// Cuts a parsed document. `title` is the one that will be embedded; `count_tokens` counts as the embedder reads,
/// without special tokens, and is called about once a sentence. A document without text gives no chunks.
///
/// # Panics
/// When the blocks do not keep the law of [`crate::parse`].
pub fn chunk(
    document: DocumentId,
    title: Option<&str>,
    parsed: &Parsed,
    count_tokens: &dyn Fn(&str) -> usize,
) -> Result<Vec<Chunk>, ChunkError> {
    let text = parsed.text.as_str();
    let titled = Context::title(title, count_tokens);
    let mut spans = SpanCursor::new(text);
    let mut occurrences: HashMap<&str, u32> = HashMap::new();
    let mut chunks = Vec::new();
    for section in sections(&parsed.blocks, title) {
        let heading = Context::heading(&section.heading, count_tokens);
        let units = units(text, section.blocks, ROOM, count_tokens);
        for piece in borders::cut(&units, ROOM) {
            if chunks.len() == limits::CHUNKS_MAX {
                return Err(ChunkError::TooMany { max: limits::CHUNKS_MAX });
            }
            let members = &units[piece];
            let span = spans.span(members[0].range.start..members[members.len() - 1].range.end);
            let slice = &text[span.bytes()];
            let occurrence = occurrences.entry(slice).or_default();
            let parts = parts::of(text, members, [titled.as_ref(), heading.as_ref()]);
            chunks.push(Chunk {
                id: ChunkId::of(document, slice, *occurrence),
                ordinal: chunks.len() as u32,
                span,
                text: slice.to_owned(),
                heading: section.heading.clone(),
                tokens: Unit::tokens_together(members) as u32,
                embedding_key: EmbeddingKey::of_parts(&parts),
                parts,
                places: marks_within(&parsed.places, span.bytes()),
            });
            *occurrence += 1;
        }
    }
    Ok(chunks)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
