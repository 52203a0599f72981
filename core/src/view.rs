//! How does an index keep up with the catalog, and answer?
//!
//! A view is an index that can be thrown away: everything in it is derived from the catalog. Writing and reading
//! are separate traits, because search needs no power to write.
//!
//! Invariants:
//! - Applying is idempotent; applied changes become visible and durable together, at [`ViewWriter::commit`].
//! - A view's checkpoint moves only after everything up to it is durable (I-3). A view that lost data says so by a
//!   lower checkpoint, never by pretending.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::chunk::ChunkId;
use crate::document::{CollectionName, DocumentId};
use crate::embedding::Embedding;
use crate::failure::Failure;
use crate::hit::Hit;

/// The number of a publication: one atomic step of both views and the catalog, rising by one. 0 is "nothing yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Publication(pub u64);

impl Publication {
    /// The publication after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The two views, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewName {
    /// The vector index.
    Vector,
    /// The keyword index.
    Keyword,
}

impl ViewName {
    /// The name a store keeps and a person reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vector => "vector",
            Self::Keyword => "keyword",
        }
    }
}

/// What the vector view keeps of a chunk.
#[derive(Debug, Clone)]
pub struct VectorEntry {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its document.
    pub document: DocumentId,
    /// Its collection, by which a search is filtered.
    pub collection: CollectionName,
    /// Its direction.
    pub embedding: Embedding,
}

/// What the keyword view keeps of a chunk.
#[derive(Debug, Clone)]
pub struct KeywordEntry {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its document.
    pub document: DocumentId,
    /// Its collection, by which a search is filtered.
    pub collection: CollectionName,
    /// The document's title, searched with a weight of its own; empty when there is none.
    pub title: String,
    /// The headings above the chunk.
    pub heading: String,
    /// The chunk's text.
    pub text: String,
}

/// What one publication does to a view. A chunk is never in both lists.
#[derive(Debug, Clone)]
pub struct Change<E> {
    /// Entries to insert, or to replace by chunk id.
    pub upserts: Vec<E>,
    /// Chunks to forget; unknown ones are no error.
    pub removals: Vec<ChunkId>,
}

impl<E> Default for Change<E> {
    fn default() -> Self {
        Self { upserts: Vec::new(), removals: Vec::new() }
    }
}

/// Why a view failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewErrorKind {
    /// The index's files or disk; a person must look.
    Storage,
    /// The index holds something this version cannot read; delete its folder and it is rebuilt.
    Incompatible,
    /// The view was closed.
    Closed,
}

/// A view's failure.
pub type ViewError = Failure<ViewErrorKind>;

/// Writes a view. One caller writes at a time. Contract for implementors:
///
/// - No method blocks the caller's thread.
/// - A crash before `commit` returns leaves the view at its old checkpoint or at the new one, and the next `apply`
///   of the same changes gives the same contents.
#[async_trait]
pub trait ViewWriter<E: Send + 'static>: Send + Sync {
    /// Which view this is.
    fn name(&self) -> ViewName;

    /// Applies a change. Need not be visible or durable before `commit`.
    async fn apply(&self, change: Change<E>) -> Result<(), ViewError>;

    /// Makes everything applied durable, records the checkpoint, and makes it visible to the next search.
    async fn commit(&self, checkpoint: Publication) -> Result<(), ViewError>;

    /// The checkpoint of what is durable; 0 for a new view.
    async fn checkpoint(&self) -> Result<Publication, ViewError>;

    /// Forgets everything, checkpoint included.
    async fn clear(&self) -> Result<(), ViewError>;

    /// Opens the index anew after a write failed: what was not committed is forgotten, and where the files are gone or
    /// cannot be read, everything is, checkpoint included. A view that can go on after a failure has nothing to do.
    async fn reopen(&self) -> Result<(), ViewError> {
        Ok(())
    }

    /// How many chunks the view holds, committed ones.
    async fn count(&self) -> Result<u64, ViewError>;

    /// How many chunks of a document the view holds, committed ones, found by the document alone.
    async fn count_of(&self, document: DocumentId) -> Result<u64, ViewError>;

    /// Whether any of `chunks` is still in the view: what a deletion must answer with "none".
    async fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError>;
}

/// Searches by meaning.
#[async_trait]
pub trait VectorSearch: Send + Sync {
    /// The `limit` chunks of a collection whose directions are nearest, nearest first; scores are cosines.
    async fn nearest(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError>;

    /// The cosines of the given chunks of a collection, in any order; unknown chunks are left out.
    async fn similarities(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError>;

    /// The directions of the given chunks of a collection, as they were written, in any order; unknown chunks are left out.
    async fn directions(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
    ) -> Result<Vec<(ChunkId, Embedding)>, ViewError>;
}

/// Searches by words.
#[async_trait]
pub trait KeywordSearch: Send + Sync {
    /// The `limit` chunks of a collection that match best, best first; scores are BM25. No text is a syntax error; a
    /// text without a searchable word matches nothing.
    async fn matching(&self, collection: &CollectionName, query: &str, limit: usize) -> Result<Vec<Hit>, ViewError>;

    /// The same among the given chunks alone. What is rare is told by the whole index all the same, so a chunk's score is
    /// the one that `matching` gives it.
    async fn matching_among(
        &self,
        collection: &CollectionName,
        query: &str,
        chunks: &[ChunkId],
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError>;
}
