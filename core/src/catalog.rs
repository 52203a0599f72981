//! What was accepted, what is published, and what may a reader see?
//!
//! The catalog is the only source of truth. Its life of a write:
//!
//! ```text
//! accept  -> journal entry + content, fsync -> acknowledge            (I-1)
//! claim   -> the newest pending entry of each document                (I-4)
//! stage   -> text, chunks and new vectors, before any view sees them  (I-9)
//! publish -> one transaction: revision published, old chunks dropped,
//!            entries finished, both checkpoints moved                 (I-2, I-3)
//! ```
//!
//! Invariants:
//! - A deletion takes effect for readers in the transaction that accepts it; the views are cleaned afterwards.
//! - Whatever a view may hold is known here: chunks are staged before they are applied, and a removed chunk is
//!   remembered until both views have forgotten it.
//! - Reading never sees half a publication: each read is one transaction.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chunk::{Chunk, ChunkId, EmbeddingKey};
use crate::document::{Attributes, CollectionName, ContentHash, DocumentId, DocumentKey, Draft, MediaType, Revision};
use crate::embedding::{Embedding, Lane, SpaceId};
use crate::failure::Failure;
use crate::limits;
use crate::push::{Push, Pushed};
use crate::screen::Decision;
use crate::source::SourceName;
use crate::view::{Publication, ViewName};

mod reader;

pub use reader::{
    CatalogReader, CatalogStatus, ChunkPlace, DocumentFilter, DocumentInfo, DocumentPage, Neighbour, Neighbours,
    RevisionText,
};

/// Why the catalog failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogErrorKind {
    /// The store's files cannot be read or written.
    Storage,
    /// The disk is too full for more; freeing some space is enough.
    Full,
    /// The store was written by another version or is damaged.
    Incompatible,
    /// Another process holds the store.
    Locked,
}

/// A failure of the catalog.
pub type CatalogError = Failure<CatalogErrorKind>;

/// The place of a write in the journal, rising, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sequence(pub u64);

/// A write as a source sends it.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly every write is a put; a box each would only cost")]
pub enum Write {
    /// A new document, or a new revision of one.
    Put(Draft),
    /// The end of a document.
    Delete {
        /// Its collection.
        collection: CollectionName,
        /// Its name.
        key: DocumentKey,
        /// Who deletes it.
        source: SourceName,
    },
    /// A document's source has a version of it that cannot be taken in: too large, or not readable there. It is the
    /// newest revision, fails at [`Stage::Receive`] and holds nothing; the readable one before it stays, outdated. Where
    /// it says so already, nothing is written.
    Unread {
        /// Its collection.
        collection: CollectionName,
        /// Its name.
        key: DocumentKey,
        /// Whose document it is.
        source: SourceName,
        /// Why, for people; the same words for the same trouble.
        reason: String,
        /// The format that its name promises, where a document is made even if there never was one, so that it is found by
        /// its state; `None` writes nothing there.
        media_type: Option<MediaType>,
    },
    /// Something of a source whose name promises a document and that is none: a link, a pipe, a name that no key can
    /// carry. Its newest revision is skipped for that reason and holds nothing; what was there before is deleted. Where
    /// it says so already, nothing is written.
    PassOver {
        /// Its collection.
        collection: CollectionName,
        /// Its name, or one that stands in for it.
        key: DocumentKey,
        /// Whose it is.
        source: SourceName,
        /// The format that its name promises.
        media_type: MediaType,
        /// Why, for people; the same words for the same trouble.
        reason: String,
        /// Kept as that of a draft is.
        fingerprint: Option<String>,
    },
}

impl Write {
    /// Who writes.
    pub fn source(&self) -> &SourceName {
        match self {
            Self::Put(draft) => &draft.source,
            Self::Delete { source, .. } | Self::Unread { source, .. } | Self::PassOver { source, .. } => source,
        }
    }

    /// The document that it is about.
    pub fn document(&self) -> DocumentId {
        match self {
            Self::Put(draft) => draft.id(),
            Self::Delete { collection, key, .. }
            | Self::Unread { collection, key, .. }
            | Self::PassOver { collection, key, .. } => DocumentId::of(collection, key),
        }
    }

    /// The digest of what it says; none for a deletion.
    pub fn content_hash(&self) -> Option<ContentHash> {
        match self {
            Self::Put(draft) => Some(draft.content_hash()),
            Self::Delete { .. } => None,
            Self::Unread { reason, .. } => {
                Some(ContentHash::derive("wellspring unread version 1", &[reason.as_bytes()]))
            }
            Self::PassOver { reason, .. } => {
                Some(ContentHash::derive("wellspring passed over version 1", &[reason.as_bytes()]))
            }
        }
    }
}

/// What an accepted write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The first revision of a document, or the first after a deletion.
    Created,
    /// A new revision.
    Updated,
    /// The newest revision says the same: nothing was written.
    Unchanged,
    /// The document is gone for readers.
    Deleted,
    /// There was nothing to delete: nothing was written.
    Absent,
}

/// The receipt of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The document's name.
    pub key: DocumentKey,
    /// Its identity.
    pub document: DocumentId,
    /// The revision written, or the newest one where nothing was written; 0 when there never was one.
    pub revision: Revision,
    /// The entry to wait for; that of the newest revision where nothing was written. `None` when absent.
    pub sequence: Option<Sequence>,
    /// What happened.
    pub outcome: Outcome,
}

/// Why one write was refused; the others of its batch stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The document belongs to another source.
    OwnedBySource(SourceName),
    /// There is no such document, and keys of this kind are this source's to give: what is pushed there would stand in
    /// the way of what the source finds.
    KeyOfSource(SourceName),
    /// The write's condition does not hold; the newest revision, where there is a document.
    Changed(Option<Revision>),
}

/// What trying a document again came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It is pending again.
    Again {
        /// The revision that is tried.
        revision: Revision,
        /// Its entry, as before.
        sequence: Sequence,
    },
    /// Its newest revision is pending or published.
    NotFailed,
    /// Its content is no longer kept.
    ContentGone,
    /// There is no such document.
    Absent,
}

/// The lane of writes that are accepted together: a few small ones are somebody's edit or push, many or large ones are an
/// import or a scan, which can wait.
pub fn lane_of<'a>(writes: impl IntoIterator<Item = &'a Write>) -> Lane {
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for write in writes {
        count += 1;
        bytes += match write {
            Write::Put(draft) => draft.content.len(),
            Write::Delete { .. } | Write::Unread { .. } | Write::PassOver { .. } => 0,
        };
    }
    match count <= limits::INTERACTIVE_WRITES_MAX && bytes <= limits::INTERACTIVE_BYTES_MAX {
        true => Lane::Interactive,
        false => Lane::Bulk,
    }
}

/// Takes writes in.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Accepts writes in order, in one transaction, durable when this returns (I-1). Accepting the same write again
    /// is `Unchanged`, unless the newest revision failed: then it is tried once more as a new revision. What was skipped
    /// did not fail: a source that sends it at every visit costs nothing, and `readmit` is the way back.
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError>;

    /// Accepts writes as [`Journal::accept`] does, each only where its condition holds, and remembers the answer of a
    /// request that has a key in the same transaction, for [`crate::limits::IDEMPOTENCY_AGE`] and as long as there is
    /// room. A request none of whose writes was accepted is not remembered.
    async fn push(&self, push: Push) -> Result<Pushed, CatalogError>;

    /// Makes a document's newest revision pending again that failed, is quarantined or was skipped, with the content
    /// that is kept, as if it had never been tried.
    async fn retry(&self, collection: &CollectionName, key: &DocumentKey) -> Result<Retried, CatalogError>;

    /// The files (or other items) of a source as last accepted: key and fingerprint, deleted ones left out. Read it
    /// before looking at the source, or what arrives meanwhile is taken for deleted.
    async fn source_items(
        &self,
        source: &SourceName,
    ) -> Result<Vec<(CollectionName, DocumentKey, Option<String>)>, CatalogError>;
}

/// Where an entry of the journal is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EntryState {
    /// Accepted, not yet published.
    #[serde(rename = "received")]
    Pending,
    /// Pending, and read and cut. Told by the pipeline, never by a catalog.
    Parsed,
    /// Pending, and every vector is there. Told by the pipeline, never by a catalog.
    Embedded,
    /// Published: searchable, or gone for a deletion.
    #[serde(rename = "searchable")]
    Published,
    /// A newer entry of the same document was taken instead.
    Superseded,
    /// It is not published, and will not be unless it is tried again.
    Failed {
        /// Where it failed.
        stage: Stage,
        /// Why, for people; never the document's text.
        reason: String,
        /// How often it was tried.
        attempt: u32,
        /// When it is tried again by itself; `None` where that would change nothing, or was tried often enough.
        next_retry_at: Option<Timestamp>,
    },
    /// It killed the parser too often and is not tried again.
    Quarantined {
        /// Why.
        reason: String,
    },
    /// It is left out: screening dropped it, it holds no text, or its source passed it over. It is not searchable, and
    /// neither is the revision before it.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// The stages of the write path that can refuse a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Taking it from its source.
    Receive,
    /// Reading the format.
    Parse,
    /// Cutting and embedding.
    Embed,
    /// Writing the views.
    Apply,
}

/// A claimed entry: one document's newest pending write.
#[derive(Debug, Clone)]
pub struct Work {
    /// The entry.
    pub sequence: Sequence,
    /// The document.
    pub document: DocumentId,
    /// Its collection.
    pub collection: CollectionName,
    /// Its name.
    pub key: DocumentKey,
    /// Who sends it.
    pub source: SourceName,
    /// The revision to publish.
    pub revision: Revision,
    /// What to do.
    pub task: Task,
}

impl Work {
    /// The size of the content it carries, in bytes.
    pub fn content_bytes(&self) -> usize {
        match &self.task {
            Task::Put { content, .. } => content.len(),
            Task::Delete => 0,
        }
    }
}

/// What a claimed entry asks for.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly every task is a put; a box each would only cost")]
pub enum Task {
    /// Publish this content.
    Put {
        /// What it is.
        media_type: MediaType,
        /// The bytes as they came.
        content: Vec<u8>,
        /// What is said about it.
        attributes: Attributes,
    },
    /// Clean up after a deletion.
    Delete,
}

/// A chunk that the catalog knows of, published or staged: what a view may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownChunk {
    /// The chunk.
    pub id: ChunkId,
    /// What its vector was made of.
    pub embedding_key: EmbeddingKey,
    /// Whether it is in the published revision and no attempt since has touched it: then both views hold it, durably.
    pub published: bool,
}

/// A parsed, cut and embedded revision.
#[derive(Debug, Clone)]
pub struct StagedRevision {
    /// The document.
    pub document: DocumentId,
    /// The revision.
    pub revision: Revision,
    /// The text that spans are measured in.
    pub text: String,
    /// The title, given or found.
    pub title: Option<String>,
    /// What screening said about it.
    pub screening: Vec<Decision>,
    /// Its chunks, by ordinal; none for a revision that is skipped.
    pub chunks: Vec<Chunk>,
    /// The vectors of its chunks' parts: those that the catalog did not have, at least.
    pub embeddings: Vec<(EmbeddingKey, Embedding)>,
}

/// What publishing one entry cost and saved.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Chunks in the revision.
    pub chunks: u64,
    /// Chunks of which a part had to be embedded.
    pub chunks_embedded: u64,
    /// Tokens that were embedded, special ones included.
    pub tokens_embedded: u64,
    /// Chunks that neither view had to touch.
    pub chunks_kept: u64,
    /// Chunks removed from the views.
    pub chunks_removed: u64,
}

/// The end of one entry, within a publication.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The entry.
    pub sequence: Sequence,
    /// The document.
    pub document: DocumentId,
    /// The revision.
    pub revision: Revision,
    /// How it ended.
    pub end: End,
}

/// How an entry ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The staged revision becomes the published one; `removed` chunks have left both views.
    Published {
        /// Chunks that were removed from the views.
        removed: Vec<ChunkId>,
        /// Chunks that were inserted or replaced; the others of the revision were kept.
        upserted: Vec<ChunkId>,
        /// What it cost.
        cost: Cost,
    },
    /// The document's chunks have left both views; nothing of its text remains.
    Deleted {
        /// Chunks that were removed.
        removed: Vec<ChunkId>,
    },
    /// It will not be published; the revision before it stays.
    Failed {
        /// Where.
        stage: Stage,
        /// Why.
        reason: String,
    },
    /// It failed by a fault that may pass: it is tried again later, up to a bound, by [`crate::retry::pause`].
    Faulted {
        /// Where.
        stage: Stage,
        /// Why.
        reason: String,
    },
    /// It killed the parser too often.
    Quarantined {
        /// Why.
        reason: String,
    },
    /// Screening dropped it. The revision before it is withdrawn: a source that now says something else must not be
    /// answered from with what it said before. The revision was staged without chunks.
    Skipped {
        /// Why.
        reason: String,
        /// Chunks that were removed from the views: all that were known.
        removed: Vec<ChunkId>,
    },
}

/// An entry to bring a view forward by.
#[derive(Debug, Clone)]
pub struct ReplayChunk {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its document.
    pub document: DocumentId,
    /// Its collection.
    pub collection: CollectionName,
    /// The document's title.
    pub title: Option<String>,
    /// The headings above it.
    pub heading: String,
    /// Its text.
    pub text: String,
    /// Its direction in the collection's space.
    pub embedding: Embedding,
}

/// A part of a replay.
#[derive(Debug, Clone)]
pub struct ReplayPage {
    /// Chunks to insert or replace.
    pub upserts: Vec<ReplayChunk>,
    /// Chunks to forget.
    pub removals: Vec<ChunkId>,
    /// Where to go on; `None` at the end.
    pub next: Option<ReplayCursor>,
}

/// A place in a replay; opaque, made by the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayCursor(pub u64);

/// Moves entries from accepted to published. One caller at a time.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Claims up to `documents` entries of one lane, or of any, of at most `bytes` content in all (but at least one),
    /// oldest first, the newest pending one of each document; older ones of the same document become `Superseded`. Failed ones whose
    /// time to be tried again has come count as entries. A document with a claimed
    /// entry is left out until that entry is finished. Claims do not survive a restart.
    async fn claim(&self, lane: Option<Lane>, documents: usize, bytes: usize) -> Result<Vec<Work>, CatalogError>;

    /// Every chunk known of a document, published or staged by whatever attempt.
    async fn known_chunks(&self, document: DocumentId) -> Result<Vec<KnownChunk>, CatalogError>;

    /// The vectors that the catalog has among `keys`.
    async fn embeddings(
        &self,
        space: SpaceId,
        keys: &[EmbeddingKey],
    ) -> Result<Vec<(EmbeddingKey, Embedding)>, CatalogError>;

    /// Keeps revisions and vectors before a view sees them. Staging a revision again replaces it.
    async fn stage(&self, space: SpaceId, revisions: Vec<StagedRevision>) -> Result<(), CatalogError>;

    /// Finishes entries and moves both checkpoints to `publication`, in one transaction. Both views must be durable
    /// up to it. An entry overtaken by a deletion or a newer published revision is finished without effect on
    /// readers (I-4).
    async fn publish(&self, publication: Publication, finished: Vec<Finished>) -> Result<(), CatalogError>;

    /// The publication that both views were durable at when it was recorded.
    async fn published(&self) -> Result<Publication, CatalogError>;

    /// Records the checkpoint of one view after a replay.
    async fn set_checkpoint(&self, view: ViewName, publication: Publication) -> Result<(), CatalogError>;

    /// The checkpoint the catalog holds for a view.
    async fn checkpoint(&self, view: ViewName) -> Result<Publication, CatalogError>;

    /// What brings a view from `after` to the newest publication: one page, from `cursor` on. From 0 it is
    /// everything. `after` may lie before removals that are no longer remembered: then the answer is `None` and the
    /// view must be cleared and replayed from 0.
    async fn replay(
        &self,
        space: SpaceId,
        after: Publication,
        cursor: Option<ReplayCursor>,
        limit: usize,
    ) -> Result<Option<ReplayPage>, CatalogError>;

    /// Opens a collection for a space: creates it, or checks that it was built in that space (I-5). `Err` holds the
    /// space it was built in.
    async fn bind_space(
        &self,
        collection: &CollectionName,
        space: SpaceId,
        model: &str,
    ) -> Result<Result<(), SpaceMismatch>, CatalogError>;

    /// The space that a collection was built in; none where it does not exist yet, and it is not created.
    async fn space_of(&self, collection: &CollectionName) -> Result<Option<SpaceId>, CatalogError>;
}

/// A collection that was built in another space than the one configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceMismatch {
    /// The space of its vectors.
    pub built_in: SpaceId,
    /// The model of that space, for people.
    pub model: String,
}
