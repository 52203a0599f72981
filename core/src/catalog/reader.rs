//! What is published, and how does its owner see a document?
//!
//! Invariants:
//! - Reading never sees half a publication: each call is one transaction.
//! - A deleted document is absent from the acknowledgement of its deletion on.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CatalogError, Cost, EntryState, Sequence};
use crate::chunk::ChunkId;
use crate::document::{Attributes, CollectionName, DocumentId, DocumentKey, MediaType, Revision};
use crate::filter::Filter;
use crate::hit::Passage;
use crate::screen::Decision;
use crate::source::SourceName;
use crate::span::Span;

/// A document as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentInfo {
    /// Its name.
    pub key: DocumentKey,
    /// Its identity.
    pub id: DocumentId,
    /// Its collection.
    pub collection: CollectionName,
    /// Who sends it.
    pub source: SourceName,
    /// The newest accepted revision.
    pub revision: Revision,
    /// The revision readers see; `None` before the first publication.
    pub published_revision: Option<Revision>,
    /// The entry of the newest revision.
    pub sequence: Sequence,
    /// Where that entry is.
    #[serde(flatten)]
    pub state: EntryState,
    /// The title, given or found.
    pub title: Option<String>,
    /// The format it came in.
    pub media_type: MediaType,
    /// The content's size in bytes, as it came.
    pub bytes: u64,
    /// When the newest revision was accepted.
    pub accepted_at: Timestamp,
    /// Chunks of the published revision.
    pub chunks: u64,
    /// What publishing the newest revision cost.
    pub cost: Cost,
    /// What is said about it.
    pub attributes: Attributes,
    /// What screening said about the newest revision; empty while it is not read.
    #[serde(default)]
    pub screening: Vec<Decision>,
}

/// The text of one revision, against which anybody can check a citation.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionText {
    /// The revision.
    pub revision: Revision,
    /// The text that spans are measured in; `None` while it is not parsed.
    pub text: Option<String>,
    /// The title it had, given or found.
    pub title: Option<String>,
    /// What was said about it.
    pub attributes: Attributes,
}

/// What stands around a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Neighbours {
    /// The chunks before it.
    pub before: Vec<Neighbour>,
    /// The chunks behind it.
    pub behind: Vec<Neighbour>,
}

/// A chunk beside another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its characters in the revision's text.
    pub span: Span,
    /// The text under `span`.
    pub text: String,
}

/// One chunk of a published revision, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlace {
    /// The chunk.
    pub id: ChunkId,
    /// Its characters.
    pub span: Span,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct DocumentFilter {
    /// Only documents of this source.
    pub source: Option<SourceName>,
    /// Only documents whose newest entry is in this state: `pending`, `published`, `failed`, `quarantined`, ….
    /// How far a pending one is counts for nothing here.
    pub state: Option<String>,
}

/// A page of a listing, in the order of keys.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentPage {
    /// The documents.
    pub documents: Vec<DocumentInfo>,
    /// The key to go on after; `None` at the end.
    pub next: Option<DocumentKey>,
}

/// The catalog in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CatalogStatus {
    /// Documents that are not deleted.
    pub documents: u64,
    /// Of those, searchable ones.
    pub searchable: u64,
    /// Chunks of published revisions.
    pub chunks: u64,
    /// Entries accepted and not finished.
    pub pending: u64,
    /// Documents whose newest revision failed.
    pub failed: u64,
    /// Documents whose newest revision is quarantined.
    pub quarantined: u64,
    /// Documents whose newest revision screening dropped.
    #[serde(default)]
    pub skipped: u64,
    /// Vectors kept, spare ones included.
    pub vectors: u64,
    /// The newest journal entry.
    pub sequence: u64,
    /// The newest publication.
    pub publication: u64,
    /// Chunks embedded since the catalog was made.
    pub chunks_embedded: u64,
    /// Tokens embedded since the catalog was made.
    pub tokens_embedded: u64,
    /// Chunks that edits left untouched since the catalog was made.
    pub chunks_kept: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Reads what is published.
#[async_trait]
pub trait CatalogReader: Send + Sync {
    /// Whether a collection exists.
    async fn collection_exists(&self, collection: &CollectionName) -> Result<bool, CatalogError>;

    /// Turns chunks into passages: those in the published revision of a live document of this collection, in the
    /// order asked, of documents that the filter admits; the others are left out (I-2).
    async fn hydrate(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
        filter: &Filter,
    ) -> Result<Vec<Passage>, CatalogError>;

    /// Which of these chunks are of documents whose access labels keep them from whoever brings the filter's labels. Its
    /// demands do not count.
    async fn hidden(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
        filter: &Filter,
    ) -> Result<HashSet<ChunkId>, CatalogError>;

    /// The published chunks of all documents that the filter admits; `None` when there are more than `limit`.
    async fn chunks_admitted(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        limit: usize,
    ) -> Result<Option<Vec<ChunkId>>, CatalogError>;

    /// The texts of up to `count` chunks on each side of a chunk of a published revision, in the order of the text: those
    /// before it, and those behind it. Empty where the chunk is not published.
    async fn neighbours(&self, chunk: ChunkId, count: usize) -> Result<Neighbours, CatalogError>;

    /// A document by name; `None` when absent or deleted.
    async fn document(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
    ) -> Result<Option<DocumentInfo>, CatalogError>;

    /// The text of a revision, the published one where none is named; `None` when absent, deleted or too old.
    async fn revision_text(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
        revision: Option<Revision>,
    ) -> Result<Option<RevisionText>, CatalogError>;

    /// The chunks of the published revision, by ordinal.
    async fn chunk_places(&self, document: DocumentId) -> Result<Vec<ChunkPlace>, CatalogError>;

    /// A page of documents after a key.
    async fn documents(
        &self,
        collection: &CollectionName,
        filter: &DocumentFilter,
        after: Option<&DocumentKey>,
        limit: usize,
    ) -> Result<DocumentPage, CatalogError>;

    /// Where an entry is; a superseded entry is answered by the state of the entry that took its place. `None` when
    /// there is no such entry.
    async fn entry_state(&self, sequence: Sequence) -> Result<Option<EntryState>, CatalogError>;

    /// The catalog in numbers.
    async fn status(&self) -> Result<CatalogStatus, CatalogError>;
}
