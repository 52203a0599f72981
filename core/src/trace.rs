//! What happened to a document, and what is left of one that was deleted?
//!
//! Invariants:
//! - Events are numbered in the order of their commits: nothing comes later with a lower number.
//! - What is left is counted where it lies, by the document's identity: nothing is concluded from what a store
//!   believes to have removed.

use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::{CatalogError, Sequence, Stage};
use crate::document::{CollectionName, DocumentId, DocumentKey, Revision};
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

/// What happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A revision was accepted.
    Accepted,
    /// It is found by the next search.
    Searchable,
    /// It failed.
    Failed,
    /// It killed its parser too often.
    Quarantined,
    /// It was left out by choice.
    Skipped,
    /// It is tried again.
    Retried,
    /// The document was deleted: no reader sees it.
    Deleted,
    /// The views have forgotten it too.
    Removed,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Searchable,
        Self::Failed,
        Self::Quarantined,
        Self::Skipped,
        Self::Retried,
        Self::Deleted,
        Self::Removed,
    ];

    /// The name a store keeps and a reader sees.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Searchable => "searchable",
            Self::Failed => "failed",
            Self::Quarantined => "quarantined",
            Self::Skipped => "skipped",
            Self::Retried => "retried",
            Self::Deleted => "deleted",
            Self::Removed => "removed",
        }
    }
}

impl FromStr for EventKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(())
    }
}

/// One thing that happened to a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place among all events, rising.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The document's collection.
    pub collection: CollectionName,
    /// The document's name.
    pub key: DocumentKey,
    /// The revision it happened to.
    pub revision: Revision,
    /// That revision's entry.
    pub sequence: Sequence,
    /// Where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Why it failed, was quarantined or skipped; never the document's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A part of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The oldest number that is kept; 1 while nothing has happened.
    pub oldest: u64,
    /// The newest number; 0 while nothing has happened.
    pub newest: u64,
    /// The events, by number.
    pub events: Vec<Event>,
}

/// The catalog's part of the answer.
#[async_trait]
pub trait Traces: Send + Sync {
    /// What the catalog holds of a document; zeros for one that it never knew.
    async fn residue(&self, document: DocumentId) -> Result<CatalogResidue, CatalogError>;

    /// What an entry did, or the entry that took its place; `None` while it is pending, or where there is none.
    async fn settlement(&self, sequence: Sequence) -> Result<Option<Settlement>, CatalogError>;

    /// Up to `limit` events behind `after`. Numbers rise in the order of the commits, and the newest
    /// [`crate::limits::EVENTS_KEPT_MAX`] are kept, over a restart too.
    async fn events(&self, after: u64, limit: usize) -> Result<EventPage, CatalogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_they_are_named() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
