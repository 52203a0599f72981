//! Which slice of a document is retrieved, and is it the same slice as before?
//!
//! Invariants:
//! - `document.text[chunk.span] == chunk.text`, on character boundaries.
//! - A chunk's id depends on its document, its text and which occurrence of that text it is: an edit elsewhere
//!   leaves the id, and with it the vector, untouched.
//! - An embedding key digests exactly what the embedder reads, or which parts make a vector: equal keys, equal vectors
//!   (I-9). A chunk is embedded by its parts, so that an edit costs the part it touches: a paragraph, not its chunk,
//!   and a heading, not its section.

use std::ops::Range;

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

    /// Derives the key of a vector made of parts: that of a lone part is the part's own.
    pub fn of_parts(parts: &[Part]) -> Self {
        match parts {
            [lone] => lone.key,
            _ => {
                let made_of = |part: &Part| [part.key.as_bytes().as_slice(), &part.weight.to_le_bytes()].concat();
                let made_of: Vec<Vec<u8>> = parts.iter().map(made_of).collect();
                Self::derive("wellspring parts 1", &made_of.iter().map(Vec::as_slice).collect::<Vec<_>>())
            }
        }
    }
}

/// A piece of what is embedded for a chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The digest of what the embedder reads.
    pub key: EmbeddingKey,
    /// What it weighs in the chunk's vector. Parts of the text share 1 by their tokens.
    pub weight: f32,
    /// What the embedder reads, in its tokens, special ones included.
    pub tokens: u32,
    /// Where that is written.
    pub reads: Reads,
}

/// Where the text of a part is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// The document's title, its first [`limits::CHUNK_TITLE_CHARS_MAX`] characters.
    Title,
    /// The chunk's headings.
    Heading,
    /// These bytes of the chunk's text.
    Text(Range<u32>),
}

impl Part {
    /// A part that is the whole of a text and makes a vector alone.
    pub fn whole(text: &str, tokens: u32) -> Self {
        Self { key: EmbeddingKey::of(text), weight: 1.0, tokens, reads: Reads::Text(0..text.len() as u32) }
    }
}

/// A retrievable slice of one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The length of `text` in the embedder's tokens, special ones left out.
    pub tokens: u32,
    /// What its vector is made of, the title and the headings included.
    pub parts: Vec<Part>,
    /// [`EmbeddingKey::of_parts`] of `parts`.
    pub embedding_key: EmbeddingKey,
    /// Where in the original it stands, by bytes of its text; empty for formats that have no places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceMark>,
}

impl Chunk {
    /// What the embedder reads for a part.
    ///
    /// # Panics
    /// When the part is not of this chunk.
    pub fn reads<'c>(&'c self, part: &Part, title: Option<&'c str>) -> &'c str {
        match &part.reads {
            Reads::Title => embedded_title(title),
            Reads::Heading => &self.heading,
            Reads::Text(range) => &self.text[range.start as usize..range.end as usize],
        }
    }

    /// The keys of its parts.
    pub fn part_keys(&self) -> impl Iterator<Item = EmbeddingKey> {
        self.parts.iter().map(|part| part.key)
    }

    /// A sentence with the title and the headings it stands under, as one text.
    pub fn in_context(title: Option<&str>, heading: &str, text: &str) -> String {
        let parts = [embedded_title(title), heading, text];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

/// What an embedder reads of a title.
pub fn embedded_title(title: Option<&str>) -> &str {
    let title = title.unwrap_or("");
    let end = title.char_indices().nth(limits::CHUNK_TITLE_CHARS_MAX).map_or(title.len(), |(byte, _)| byte);
    title[..end].trim()
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
        assert_eq!(Chunk::in_context(None, "", "text"), "text");
        assert_eq!(Chunk::in_context(Some("T"), "H", "text"), "T\nH\ntext");
    }

    #[test]
    fn i9_the_key_of_a_vector_tells_what_it_is_made_of() {
        let (a, b) = (Part::whole("a", 3), Part::whole("b", 3));
        assert_eq!(EmbeddingKey::of_parts(std::slice::from_ref(&a)), EmbeddingKey::of("a"));
        let both = EmbeddingKey::of_parts(&[a.clone(), b.clone()]);
        assert_ne!(both, EmbeddingKey::of_parts(&[b.clone(), a.clone()]));
        assert_ne!(both, EmbeddingKey::of_parts(&[a, Part { weight: 0.5, ..b }]));
    }
}
