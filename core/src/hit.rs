//! What did a search find, before and after the catalog has had its say?
//!
//! Invariants:
//! - A [`Hit`] is a rumour: an index said so. Only hydration through the catalog makes it a [`Passage`] (I-2).
//! - A hit's score compares only within the ranking it came from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chunk::ChunkId;
use crate::document::{DocumentId, DocumentKey, Revision};
use crate::place::PlaceMark;
use crate::source::SourceName;
use crate::span::Span;

/// A chunk that an index ranked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The chunk.
    pub chunk: ChunkId,
    /// BM25 or cosine; higher is nearer.
    pub score: f32,
}

/// A chunk of a published revision, as a reader may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The document's name.
    pub document: DocumentKey,
    /// The document's identity.
    pub document_id: DocumentId,
    /// The published revision that the chunk belongs to.
    pub revision: Revision,
    /// The chunk.
    pub chunk: ChunkId,
    /// Its place in the revision.
    pub ordinal: u32,
    /// Its characters in the revision's text.
    pub span: Span,
    /// The text under `span`.
    pub text: String,
    /// The document's title.
    pub title: Option<String>,
    /// The headings above the chunk, outermost first.
    pub heading: String,
    /// Where the original is.
    pub url: Option<String>,
    /// When its author published it.
    pub published_at: Option<Timestamp>,
    /// When this revision was accepted.
    pub accepted_at: Timestamp,
    /// Who sent it.
    pub source: SourceName,
    /// Where in the original it stands, by bytes of its text; absent for formats that have no places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceMark>,
    /// Whether the document has a newer revision, which could not be read: what is here is no longer what its author
    /// says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
}
