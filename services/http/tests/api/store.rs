//! A catalog in memory, as strict as the API needs it: keys, revisions, owners, and a fate for every write.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use wellspring_core::catalog::{
    Accepted, CatalogError, CatalogErrorKind, CatalogReader, CatalogStatus, ChunkPlace, Cost, DocumentFilter,
    DocumentInfo, DocumentPage, EntryState, Neighbours, Outcome, Refusal, Retried, RevisionText, Sequence, Stage,
    Write,
};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, ContentHash, DocumentId, DocumentKey, Draft, MediaType, Revision};
use wellspring_core::filter::Filter;
use wellspring_core::generator::GeneratorStatus;
use wellspring_core::hit::Passage;
use wellspring_core::push::{Condition, IdempotencyKey, Push, Pushed, request_digest};
use wellspring_core::trace::{
    CatalogResidue, Event, EventKind, EventPage, Residue, Settlement, TraceError, TraceErrorKind, ViewResidue,
};
use wellspring_core::view::{Publication, ViewName};
use wellspring_http::{Residues, ServiceStatus, StatusSource, Writes};

/// What becomes of accepted writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Published,
    Pending,
    /// Pending, and read.
    Parsed,
    Failed,
    Quarantined,
    Skipped,
}

struct Stored {
    draft: Draft,
    revision: u64,
    sequence: u64,
}

/// A request's digest and what it was answered.
type Remembered = (ContentHash, Vec<Result<Accepted, Refusal>>);

/// A catalog in memory: publishes at once, or whatever `fate` says.
pub(crate) struct Store {
    documents: Mutex<BTreeMap<DocumentKey, Stored>>,
    pushed: Mutex<HashMap<IdempotencyKey, Remembered>>,
    sequence: AtomicU64,
    pub(crate) fate: Mutex<Fate>,
    /// What happened, and the number of the first that is kept.
    pub(crate) events: Mutex<(u64, Vec<Event>)>,
    changed: watch::Sender<u64>,
    pub(crate) broken: AtomicBool,
    /// How many writes each transaction had.
    pub(crate) batches: Mutex<Vec<usize>>,
    /// How many entries the status says are pending.
    pub(crate) pending: AtomicU64,
}

impl Store {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            documents: Mutex::new(BTreeMap::new()),
            pushed: Mutex::default(),
            sequence: AtomicU64::new(0),
            fate: Mutex::new(Fate::Published),
            events: Mutex::new((1, Vec::new())),
            changed: watch::Sender::new(0),
            broken: AtomicBool::new(false),
            batches: Mutex::new(Vec::new()),
            pending: AtomicU64::new(0),
        }
    }

    /// Puts a document there that a folder owns.
    pub(crate) fn plant(&self, key: &str, text: &str, source: &str) {
        let draft = Draft {
            collection: CollectionName::default(),
            key: key.parse().unwrap(),
            source: source.parse().unwrap(),
            media_type: MediaType::Text,
            content: text.as_bytes().to_vec(),
            attributes: Default::default(),
            fingerprint: None,
        };
        let sequence = self.next_sequence();
        self.locked().insert(draft.key.clone(), Stored { draft, revision: 1, sequence });
    }

    /// Something happens to a document.
    pub(crate) fn tell(&self, key: &str, kind: EventKind) {
        let mut events = self.events.lock().unwrap();
        let number = events.0 + events.1.len() as u64;
        events.1.push(Event {
            number,
            at: "2026-11-05T08:30:00Z".parse().unwrap(),
            kind,
            collection: CollectionName::default(),
            key: key.parse().unwrap(),
            revision: Revision(1),
            sequence: Sequence(number),
            stage: (kind == EventKind::Failed).then_some(Stage::Parse),
            reason: (kind == EventKind::Failed).then(|| "no text".into()),
        });
        drop(events);
        self.changed.send_modify(|count| *count += 1);
    }

    /// The draft that is stored under a key.
    pub(crate) fn draft(&self, key: &str) -> Option<Draft> {
        self.locked().get(&key.parse::<DocumentKey>().unwrap()).map(|stored| stored.draft.clone())
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<DocumentKey, Stored>> {
        self.documents.lock().unwrap()
    }

    fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn state(&self) -> EntryState {
        match *self.fate.lock().unwrap() {
            Fate::Published => EntryState::Published,
            Fate::Pending | Fate::Parsed => EntryState::Pending,
            Fate::Failed => {
                EntryState::Failed { stage: Stage::Parse, reason: "no text".into(), attempt: 1, next_retry_at: None }
            }
            Fate::Quarantined => EntryState::Quarantined { reason: "killed the parser 3 times".into() },
            Fate::Skipped => EntryState::Skipped { reason: "it says the same as `b`".into() },
        }
    }

    fn check(&self) -> Result<(), CatalogError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(CatalogError::new(CatalogErrorKind::Storage, "could not write the journal"));
        }
        Ok(())
    }

    fn apply_if(&self, write: Write, condition: Condition) -> Result<Accepted, Refusal> {
        let (key, source) = match &write {
            Write::Put(draft) => (&draft.key, &draft.source),
            Write::Delete { key, source, .. }
            | Write::Unread { key, source, .. }
            | Write::PassOver { key, source, .. } => (key, source),
        };
        let current = self.locked().get(key).map(|stored| (stored.draft.source.clone(), Revision(stored.revision)));
        let foreign = current.as_ref().is_some_and(|(owner, _)| owner != source);
        let current = current.map(|(_, revision)| revision);
        if !foreign && !condition.holds(current) {
            return Err(Refusal::Changed(current));
        }
        self.apply(write)
    }

    fn apply(&self, write: Write) -> Result<Accepted, Refusal> {
        let mut documents = self.locked();
        let (collection, key, source) = match &write {
            Write::Put(draft) => (draft.collection.clone(), draft.key.clone(), draft.source.clone()),
            Write::Delete { collection, key, source }
            | Write::Unread { collection, key, source, .. }
            | Write::PassOver { collection, key, source, .. } => (collection.clone(), key.clone(), source.clone()),
        };
        let document = DocumentId::of(&collection, &key);
        let before = documents.get(&key).map(|stored| (stored.revision, stored.sequence, stored.draft.clone()));
        if let Some((_, _, draft)) = before.as_ref().filter(|(_, _, draft)| draft.source != source) {
            return Err(Refusal::OwnedBySource(draft.source.clone()));
        }
        let accepted = |revision, sequence, outcome| Accepted {
            key: key.clone(),
            document,
            revision: Revision(revision),
            sequence,
            outcome,
        };
        Ok(match (write, before) {
            (Write::Put(draft), Some((revision, sequence, old))) if old.content_hash() == draft.content_hash() => {
                accepted(revision, Some(Sequence(sequence)), Outcome::Unchanged)
            }
            (Write::Put(draft), before) => {
                let (revision, sequence) = (before.as_ref().map_or(0, |before| before.0) + 1, self.next_sequence());
                documents.insert(key.clone(), Stored { draft, revision, sequence });
                let outcome = if before.is_some() { Outcome::Updated } else { Outcome::Created };
                accepted(revision, Some(Sequence(sequence)), outcome)
            }
            (Write::Delete { .. }, Some((revision, ..))) => {
                documents.remove(&key);
                accepted(revision + 1, Some(Sequence(self.next_sequence())), Outcome::Deleted)
            }
            (Write::Delete { .. }, None) => accepted(0, None, Outcome::Absent),
            (Write::Unread { .. } | Write::PassOver { .. }, _) => unreachable!("a person who pushes is told at once"),
        })
    }

    fn info(&self, stored: &Stored) -> DocumentInfo {
        DocumentInfo {
            key: stored.draft.key.clone(),
            id: stored.draft.id(),
            collection: stored.draft.collection.clone(),
            source: stored.draft.source.clone(),
            revision: Revision(stored.revision),
            published_revision: Some(Revision(stored.revision)),
            sequence: Sequence(stored.sequence),
            state: self.state(),
            title: stored.draft.attributes.title.clone(),
            media_type: stored.draft.media_type,
            bytes: stored.draft.content.len() as u64,
            accepted_at: "2026-11-05T08:30:00Z".parse().unwrap(),
            chunks: 1,
            cost: Cost::default(),
            attributes: stored.draft.attributes.clone(),
            screening: Vec::new(),
        }
    }
}

#[async_trait]
impl Writes for Store {
    async fn open_collection(&self, collection: &CollectionName) -> Result<bool, CatalogError> {
        self.check()?;
        Ok(*collection == CollectionName::default())
    }

    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        self.check()?;
        self.batches.lock().unwrap().push(writes.len());
        Ok(writes.into_iter().map(|write| self.apply(write)).collect())
    }

    async fn push(&self, Push { writes, key }: Push) -> Result<Pushed, CatalogError> {
        self.check()?;
        let parts = writes.iter().map(|(write, condition)| (write.document(), write.content_hash(), *condition));
        let digest = request_digest(parts);
        if let Some((known, results)) = key.as_ref().and_then(|key| self.pushed.lock().unwrap().get(key).cloned()) {
            return Ok(if known == digest { Pushed::Repeated(results) } else { Pushed::KeyReused });
        }
        self.batches.lock().unwrap().push(writes.len());
        let results: Vec<_> = writes.into_iter().map(|(write, condition)| self.apply_if(write, condition)).collect();
        if let Some(key) = key.filter(|_| results.iter().any(Result::is_ok)) {
            self.pushed.lock().unwrap().insert(key, (digest, results.clone()));
        }
        Ok(Pushed::New(results))
    }

    async fn retry(&self, _: &CollectionName, key: &DocumentKey) -> Result<Retried, CatalogError> {
        self.check()?;
        let documents = self.locked();
        let Some(stored) = documents.get(key) else { return Ok(Retried::Absent) };
        let (revision, sequence) = (Revision(stored.revision), Sequence(stored.sequence));
        let mut fate = self.fate.lock().unwrap();
        Ok(match *fate {
            Fate::Failed => {
                *fate = Fate::Published;
                Retried::Again { revision, sequence }
            }
            Fate::Quarantined => Retried::ContentGone,
            _ => Retried::NotFailed,
        })
    }

    fn shown(&self, _: Sequence, state: EntryState) -> EntryState {
        match (&state, *self.fate.lock().unwrap()) {
            (EntryState::Pending, Fate::Parsed) => EntryState::Parsed,
            _ => state,
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn settled(&self, _: Sequence, timeout: Duration) -> Result<Option<EntryState>, CatalogError> {
        let state = self.state();
        if state == EntryState::Pending {
            tokio::time::sleep(timeout).await;
        }
        Ok(Some(state))
    }
}

#[async_trait]
impl CatalogReader for Store {
    async fn collection_exists(&self, collection: &CollectionName) -> Result<bool, CatalogError> {
        Ok(*collection == CollectionName::default())
    }

    async fn hydrate(&self, _: &CollectionName, _: &[ChunkId], _: &Filter) -> Result<Vec<Passage>, CatalogError> {
        Ok(Vec::new())
    }

    async fn hidden(&self, _: &CollectionName, _: &[ChunkId], _: &Filter) -> Result<HashSet<ChunkId>, CatalogError> {
        Ok(HashSet::new())
    }

    async fn chunks_admitted(
        &self,
        _: &CollectionName,
        _: &Filter,
        _: usize,
    ) -> Result<Option<Vec<ChunkId>>, CatalogError> {
        Ok(Some(Vec::new()))
    }

    async fn neighbours(&self, _: ChunkId, _: usize) -> Result<Neighbours, CatalogError> {
        Ok(Neighbours::default())
    }

    async fn document(&self, _: &CollectionName, key: &DocumentKey) -> Result<Option<DocumentInfo>, CatalogError> {
        self.check()?;
        Ok(self.locked().get(key).map(|stored| self.info(stored)))
    }

    async fn revision_text(
        &self,
        _: &CollectionName,
        key: &DocumentKey,
        revision: Option<Revision>,
    ) -> Result<Option<RevisionText>, CatalogError> {
        let documents = self.locked();
        let stored = documents.get(key).filter(|stored| revision.is_none_or(|wanted| wanted.0 == stored.revision));
        Ok(stored.map(|stored| RevisionText {
            revision: Revision(stored.revision),
            text: Some(String::from_utf8_lossy(&stored.draft.content).into_owned()),
            title: stored.draft.attributes.title.clone(),
            attributes: stored.draft.attributes.clone(),
        }))
    }

    async fn chunk_places(&self, _: DocumentId) -> Result<Vec<ChunkPlace>, CatalogError> {
        Ok(Vec::new())
    }

    async fn documents(
        &self,
        _: &CollectionName,
        filter: &DocumentFilter,
        after: Option<&DocumentKey>,
        limit: usize,
    ) -> Result<DocumentPage, CatalogError> {
        let documents = self.locked();
        let wanted = documents.values().filter(|stored| {
            let source = filter.source.as_ref().is_none_or(|source| *source == stored.draft.source);
            source && after.is_none_or(|after| stored.draft.key > *after)
        });
        let mut found: Vec<_> = wanted.map(|stored| self.info(stored)).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|info| info.key.clone());
        Ok(DocumentPage { documents: found, next })
    }

    async fn entry_state(&self, _: Sequence) -> Result<Option<EntryState>, CatalogError> {
        Ok(Some(self.state()))
    }

    async fn status(&self) -> Result<CatalogStatus, CatalogError> {
        self.check()?;
        let pending = self.pending.load(Ordering::SeqCst);
        Ok(CatalogStatus { documents: self.locked().len() as u64, pending, ..CatalogStatus::default() })
    }
}

#[async_trait]
impl Residues for Store {
    async fn residue(&self, document: DocumentId) -> Result<Residue, TraceError> {
        self.check().map_err(|error| TraceError::caused_by(TraceErrorKind::Catalog, "could not look", error))?;
        let left = self.locked().values().filter(|stored| stored.draft.id() == document).count() as u64;
        let catalog = CatalogResidue { revisions: left, contents: left, chunks: left, ..CatalogResidue::default() };
        let views = [ViewName::Vector, ViewName::Keyword].map(|view| ViewResidue {
            view,
            chunks: left,
            checkpoint: Publication(7),
        });
        Ok(Residue { document, catalog, views: views.into() })
    }

    async fn events(&self, after: u64, limit: usize) -> Result<EventPage, CatalogError> {
        self.check()?;
        let events = self.events.lock().unwrap();
        let behind = events.1.iter().filter(|event| event.number > after).take(limit).cloned().collect();
        Ok(EventPage { oldest: events.0, newest: events.0 + events.1.len() as u64 - 1, events: behind })
    }

    async fn settlement(&self, _: Sequence) -> Result<Option<Settlement>, CatalogError> {
        Ok(Some(Settlement { chunks_removed: 3, vector: Publication(7), keyword: Publication(7) }))
    }
}

#[async_trait]
impl StatusSource for Store {
    async fn status(&self) -> Result<ServiceStatus, CatalogError> {
        Ok(ServiceStatus {
            version: "0.0.0".into(),
            uptime_seconds: 1,
            memory_bytes: 2,
            catalog: CatalogReader::status(self).await?,
            generator: GeneratorStatus::Off,
            sources: vec![serde_json::json!({ "name": "push" })],
            models: Vec::new(),
        })
    }
}
