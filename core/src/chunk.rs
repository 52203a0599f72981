//! Which slice of a document is retrieved, and is it the same slice as before?
//!
//! Invariants:
//! - `document.text[chunk.span] == chunk.text`, on character boundaries.
//! - A chunk's id depends on its document, its text and which occurrence of that text it is: an edit elsewhere
//!   leaves the id, and with it the vector, untouched.
//! - The embedding key digests exactly what the embedder reads, title and headings included: equal keys, equal
//!   vectors (I-9).

use serde::{Deserialize, Serialize};

use crate::document::{DocumentId, digest_newtype};
use crate::limits;
use crate::place::PlaceMark;
use crate::span::Span;

digest_newtype! {
    /// The identity of a chunk within its collection, stable across revisions that keep its text.
    ChunkId
}

impl ChunkId {
    /// Derives the id of the `occurrence`-th chunk (from 0) of `document` that reads `text`.
    pub fn of(document: DocumentId, text: &str, occurrence: u32) -> Self {
        Self::derive("wellspring chunk 1", &[document.as_bytes(), text.as_bytes(), &occurrence.to_le_bytes()])
    }
}

digest_newtype! {
    /// The digest of what an embedder reads for a chunk; with a space it names one vector.
    EmbeddingKey
}

impl EmbeddingKey {
    /// Derives the key of an embedder's input.
    pub fn of(input: &str) -> Self {
        Self::derive("wellspring embedding input 1", &[input.as_bytes()])
    }
}

/// A retrievable slice of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its identity.
    pub id: ChunkId,
    /// Its place among the revision's chunks, from 0.
    pub ordinal: u32,
    /// Its characters in the revision's text.
    pub span: Span,
    /// The text under `span`.
    pub text: String,
    /// The headings above it, outermost first, joined by `" > "`; empty when there are none.
    pub heading: String,
    /// Its length in the embedder's tokens, heading and title included.
    pub tokens: u32,
    /// The digest of [`Chunk::embedding_input`].
    pub embedding_key: EmbeddingKey,
    /// Where in the original it stands, by bytes of its text; empty for formats that have no places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceMark>,
}

impl Chunk {
    /// What the embedder reads: title and heading in front of the text, which measures .02 to .07 nDCG better than
    /// the text alone. Of the title it reads the first [`limits::CHUNK_TITLE_CHARS_MAX`] characters.
    pub fn embedding_input(title: Option<&str>, heading: &str, text: &str) -> String {
        let title = title.unwrap_or("");
        let title_end = title.char_indices().nth(limits::CHUNK_TITLE_CHARS_MAX).map_or(title.len(), |(byte, _)| byte);
        let parts = [title[..title_end].trim_end(), heading, text];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_text_gets_an_id_per_occurrence() {
        let document = DocumentId::of(&Default::default(), &"a".parse().unwrap());
        assert_ne!(ChunkId::of(document, "same", 0), ChunkId::of(document, "same", 1));
        assert_eq!(ChunkId::of(document, "same", 1), ChunkId::of(document, "same", 1));
    }

    #[test]
    fn empty_context_leaves_no_blank_lines() {
        assert_eq!(Chunk::embedding_input(None, "", "text"), "text");
        assert_eq!(Chunk::embedding_input(Some("T"), "H", "text"), "T\nH\ntext");
    }
}
