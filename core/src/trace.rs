//! Where is a document, and what is left of one that was deleted?
//!
//! Invariants:
//! - What is left is counted where it lies, by the document's identity: nothing is concluded from what a store
//!   believes to have removed.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::catalog::{CatalogError, Sequence};
use crate::document::DocumentId;
use crate::failure::Failure;
use crate::view::{Publication, ViewName};

/// What the catalog holds of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CatalogResidue {
    /// Revisions, each with its title and attributes.
    pub revisions: u64,
    /// Of those, revisions whose bytes are kept as they came.
    pub contents: u64,
    /// Of those, revisions whose text is kept.
    pub texts: u64,
    /// Chunks, published, staged or left by an attempt.
    pub chunks: u64,
    /// Vectors that its chunks need, or that no other document has needed since it did.
    pub vectors: u64,
    /// Journal entries still to be worked on.
    pub pending: u64,
}

/// What a view holds of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewResidue {
    /// The view.
    pub view: ViewName,
    /// Its chunks of the document, committed ones.
    pub chunks: u64,
    /// How far the view is durable.
    pub checkpoint: Publication,
}

/// What every store holds of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residue {
    /// The document.
    pub document: DocumentId,
    /// In the catalog, the journal included.
    pub catalog: CatalogResidue,
    /// In each view.
    pub views: Vec<ViewResidue>,
}

impl Residue {
    /// Everything counted: 0 says that nothing of the document is left anywhere.
    pub fn total(&self) -> u64 {
        let CatalogResidue { revisions, chunks, vectors, pending, contents: _, texts: _ } = self.catalog;
        revisions + chunks + vectors + pending + self.views.iter().map(|view| view.chunks).sum::<u64>()
    }
}

/// Which store could not be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceErrorKind {
    /// The catalog.
    Catalog,
    /// One of the views.
    View,
}

/// Why what is left could not be told.
pub type TraceError = Failure<TraceErrorKind>;

/// What a finished entry did to the views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// Chunks that were removed from the views.
    pub chunks_removed: u64,
    /// How far the vector view is durable.
    pub vector: Publication,
    /// How far the keyword view is durable.
    pub keyword: Publication,
}

/// The catalog's part of the answer.
#[async_trait]
pub trait Traces: Send + Sync {
    /// What the catalog holds of a document; zeros for one that it never knew.
    async fn residue(&self, document: DocumentId) -> Result<CatalogResidue, CatalogError>;

    /// What an entry did, or the entry that took its place; `None` while it is pending, or where there is none.
    async fn settlement(&self, sequence: Sequence) -> Result<Option<Settlement>, CatalogError>;
}
