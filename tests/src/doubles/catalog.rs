//! How does a catalog behave when nothing lies beneath it?
//!
//! [`MemoryCatalog`] keeps the contract over maps behind one lock. It is stricter than the real one: it panics where a
//! caller breaks the contract, such as publishing an entry that was not claimed, skipping a publication, staging a chunk
//! whose span does not hold its text, or forgetting a chunk that a view may hold.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use wellspring_core::catalog::{Accepted, Cost, EntryState, Refusal, Sequence};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey};
use wellspring_core::document::{
    Attributes, CollectionName, ContentHash, DocumentId, DocumentKey, MediaType, Revision,
};
use wellspring_core::embedding::{Embedding, Lane, SpaceId};
use wellspring_core::push::IdempotencyKey;
use wellspring_core::screen::{Arrival, Decision, Record};
use wellspring_core::source::{SourceName, SourceRecord, UrlMemory};
use wellspring_core::trace::EventKind;
use wellspring_core::view::{Publication, ViewName};
use wellspring_core::webhook::WebhookRecord;
use wellspring_core::websub::SubscriptionRecord;

mod journal;
mod publisher;
mod reader;
mod replay;
mod screen;
mod sources;
mod subscriptions;
mod trace;
mod webhooks;

/// A catalog in memory.
#[derive(Debug, Default)]
pub struct MemoryCatalog {
    state: Mutex<State>,
}

impl MemoryCatalog {
    /// What a restart does: claims are forgotten, everything else stays.
    pub fn restart(&self) {
        self.state().claimed.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    collections: HashMap<CollectionName, (SpaceId, String)>,
    documents: HashMap<DocumentId, Document>,
    journal: BTreeMap<Sequence, Entry>,
    /// What happened, from number 1 on.
    events: Vec<(Sequence, EventKind, Timestamp)>,
    pushed: HashMap<IdempotencyKey, (ContentHash, Vec<Answer>)>,
    /// By the time at which they were added.
    webhooks: Vec<WebhookRecord>,
    subscriptions: Vec<SubscriptionRecord>,
    claimed: HashMap<DocumentId, Sequence>,
    embeddings: HashMap<(EmbeddingKey, SpaceId), Vector>,
    /// When each chunk left the views, and its place in a replay.
    removed: BTreeMap<ChunkId, (Publication, u64)>,
    /// What was screened, in the order of its latest record.
    screened: Vec<Record>,
    /// One for each document that was counted in a budget.
    arrivals: Vec<Arrival>,
    /// The place given last in a replay.
    last_place: u64,
    published: Publication,
    checkpoints: HashMap<ViewName, Publication>,
    totals: Cost,
    sources: BTreeMap<SourceName, SourceRecord>,
    urls: BTreeMap<SourceName, BTreeMap<String, UrlMemory>>,
    /// Removed while they had documents: those belong to nobody.
    former_sources: HashSet<SourceName>,
}

/// What one write was answered.
type Answer = Result<Accepted, Refusal>;

#[derive(Debug)]
struct Document {
    collection: CollectionName,
    key: DocumentKey,
    source: SourceName,
    fingerprint: Option<String>,
    content_hash: Option<ContentHash>,
    newest: Sequence,
    revision: Revision,
    published: Option<Revision>,
    deleted: bool,
    erased_through: Revision,
    revisions: BTreeMap<Revision, Stored>,
    chunks: Vec<StoredChunk>,
    strays: HashMap<ChunkId, EmbeddingKey>,
    attempts: usize,
}

#[derive(Debug)]
struct Stored {
    media_type: MediaType,
    content: Vec<u8>,
    attributes: Attributes,
    title: Option<String>,
    text: Option<String>,
    screening: Vec<Decision>,
    accepted_at: Timestamp,
    /// It came without content, and there is nothing to try again.
    hollow: bool,
}

#[derive(Debug)]
struct StoredChunk {
    revision: Revision,
    /// Its place in a replay; a later revision's row comes later.
    place: u64,
    chunk: Chunk,
    publication: Option<Publication>,
}

#[derive(Debug)]
struct Entry {
    document: DocumentId,
    revision: Revision,
    put: bool,
    lane: Lane,
    state: EntryState,
    attempt: u32,
    superseded_by: Option<Sequence>,
    cost: Cost,
}

#[derive(Debug)]
struct Vector {
    embedding: Embedding,
    /// The publication since which no chunk needs it, and the document that needed it last.
    spare: Option<(Publication, Option<DocumentId>)>,
}

impl State {
    /// Marks the pending entries of a document before `newest` as superseded by it.
    fn supersede(&mut self, document: DocumentId, newest: Sequence) -> Vec<Revision> {
        let mut revisions = Vec::new();
        for (_, entry) in self.journal.range_mut(..newest) {
            if entry.document == document && entry.state == EntryState::Pending {
                entry.state = EntryState::Superseded;
                entry.superseded_by = Some(newest);
                revisions.push(entry.revision);
            }
        }
        revisions
    }

    fn tell(&mut self, sequence: Sequence, kind: EventKind) {
        self.events.push((sequence, kind, Timestamp::now()));
    }

    /// The next place in a replay.
    fn next_place(&mut self) -> u64 {
        self.last_place += 1;
        self.last_place
    }

    /// The keys that some chunk needs.
    fn needed(&self) -> HashSet<EmbeddingKey> {
        let chunks = self.documents.values().flat_map(|document| &document.chunks);
        chunks.flat_map(|stored| stored.chunk.part_keys()).collect()
    }

    /// The document and the chunk row of a published chunk.
    fn published_chunk(&self, id: ChunkId) -> Option<(&Document, &StoredChunk)> {
        self.documents.values().find_map(|document| {
            document.published_chunks().find(|stored| stored.chunk.id == id).map(|stored| (document, stored))
        })
    }
}

impl Document {
    fn published_chunks(&self) -> impl Iterator<Item = &StoredChunk> {
        self.chunks.iter().filter(|stored| Some(stored.revision) == self.published)
    }
}
