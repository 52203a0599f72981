//! Taking writes in, in memory.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;
use wellspring_core::catalog::{
    Accepted, CatalogError, Cost, EntryState, Journal, Outcome, Refusal, Retried, Sequence, Stage, Write, lane_of,
};
use wellspring_core::document::{
    Attributes, CollectionName, ContentHash, DocumentId, DocumentKey, Draft, MediaType, Revision,
};
use wellspring_core::embedding::Lane;
use wellspring_core::limits;
use wellspring_core::push::{Condition, Push, Pushed, request_digest};
use wellspring_core::source::SourceName;
use wellspring_core::trace::EventKind;

use super::{Document, Entry, MemoryCatalog, State, Stored};

#[async_trait]
impl Journal for MemoryCatalog {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        let lane = lane_of(&writes);
        let mut state = self.state();
        Ok(writes.into_iter().map(|write| state.write(write, Condition::None, lane)).collect())
    }

    async fn push(&self, Push { writes, key }: Push) -> Result<Pushed, CatalogError> {
        let lane = lane_of(writes.iter().map(|(write, _)| write));
        let mut state = self.state();
        let parts = writes.iter().map(|(write, condition)| (write.document(), write.content_hash(), *condition));
        let digest = request_digest(parts);
        if let Some((known, results)) = key.as_ref().and_then(|key| state.pushed.get(key)) {
            let same = *known == digest;
            return Ok(if same { Pushed::Repeated(results.clone()) } else { Pushed::KeyReused });
        }
        let results: Vec<_> =
            writes.into_iter().map(|(write, condition)| state.write(write, condition, lane)).collect();
        if let Some(key) = key.filter(|_| results.iter().any(Result::is_ok)) {
            state.pushed.insert(key, (digest, results.clone()));
        }
        Ok(Pushed::New(results))
    }

    async fn retry(&self, collection: &CollectionName, key: &DocumentKey) -> Result<Retried, CatalogError> {
        let mut state = self.state();
        let document = state.documents.get(&DocumentId::of(collection, key)).filter(|document| !document.deleted);
        let Some(document) = document else { return Ok(Retried::Absent) };
        let (revision, sequence) = (document.revision, document.newest);
        let hollow = document.revisions[&revision].hollow;
        let entry = state.journal.get_mut(&sequence).expect("a document has its entry");
        if !failed(&entry.state) && !matches!(entry.state, EntryState::Skipped { .. }) {
            return Ok(Retried::NotFailed);
        }
        if hollow {
            return Ok(Retried::ContentGone);
        }
        entry.state = EntryState::Pending;
        entry.attempt = 0;
        state.tell(sequence, EventKind::Retried);
        Ok(Retried::Again { revision, sequence })
    }

    async fn source_items(
        &self,
        source: &SourceName,
    ) -> Result<Vec<(CollectionName, DocumentKey, Option<String>)>, CatalogError> {
        let state = self.state();
        let live = state.documents.values().filter(|document| !document.deleted && document.source == *source);
        let mut items: Vec<_> = live
            .map(|document| (document.collection.clone(), document.key.clone(), document.fingerprint.clone()))
            .collect();
        items.sort();
        Ok(items)
    }
}

/// What there is to say of an item without content.
struct Hollow {
    id: DocumentId,
    collection: CollectionName,
    key: DocumentKey,
    source: SourceName,
    content_hash: Option<ContentHash>,
    media_type: Option<MediaType>,
}

/// A document before its first revision.
fn blank(collection: CollectionName, key: DocumentKey, source: SourceName) -> Document {
    Document {
        collection,
        key,
        source,
        fingerprint: None,
        content_hash: None,
        newest: Sequence(0),
        revision: Revision(0),
        published: None,
        deleted: true,
        erased_through: Revision(0),
        revisions: BTreeMap::new(),
        chunks: Vec::new(),
        strays: HashMap::new(),
        attempts: 0,
    }
}

/// Whether an entry came to nothing: then the same write is no repetition.
fn failed(state: &EntryState) -> bool {
    matches!(state, EntryState::Failed { .. } | EntryState::Quarantined { .. })
}

impl State {
    fn write(&mut self, write: Write, condition: Condition, lane: Lane) -> Result<Accepted, Refusal> {
        let (id, source, content_hash) = (write.document(), write.source(), write.content_hash());
        let live = self.documents.get(&id).filter(|document| !document.deleted);
        let current = live.map(|document| document.revision);
        if let Write::Put(draft) = &write
            && live.is_none()
            && draft.source == SourceName::push()
            && let Some((name, _)) = draft.key.as_str().split_once('/')
            && let Some(owner) = self.sources.values().find(|record| record.settings.name.as_str() == name)
            && owner.settings.collection == draft.collection
        {
            return Err(Refusal::KeyOfSource(owner.settings.name.clone()));
        }
        if live.is_none_or(|document| document.source == *source) && !condition.holds(current) {
            return Err(Refusal::Changed(current));
        }
        match write {
            Write::Put(draft) => self.put(draft, lane),
            Write::Delete { collection, key, source } => self.delete(&collection, key, &source, lane),
            Write::Unread { collection, key, source, reason, media_type } => {
                let hollow = Hollow { id, collection, key, source, content_hash, media_type };
                self.mark_unread(hollow, reason)
            }
            Write::PassOver { collection, key, source, reason, media_type, fingerprint } => {
                let hollow = Hollow { id, collection, key, source, content_hash, media_type: Some(media_type) };
                self.pass_over(hollow, reason, fingerprint)
            }
        }
    }

    fn put(&mut self, draft: Draft, lane: Lane) -> Result<Accepted, Refusal> {
        assert!(draft.content.len() <= limits::DOCUMENT_BYTES_MAX, "content beyond the bound reaches no catalog");
        let (id, content_hash) = (draft.id(), draft.content_hash());
        let former = &self.former_sources;
        let before = self.documents.get_mut(&id);
        let live = before.as_ref().is_some_and(|document| !document.deleted);
        if let Some(document) = before.filter(|document| !document.deleted) {
            if document.source != draft.source && !former.contains(&document.source) {
                return Err(Refusal::OwnedBySource(document.source.clone()));
            }
            let failed = failed(&self.journal[&document.newest].state);
            if document.content_hash == Some(content_hash) && !failed {
                document.fingerprint = draft.fingerprint;
                document.source = draft.source;
                let (revision, sequence) = (document.revision, Some(document.newest));
                return Ok(Accepted { key: draft.key, document: id, revision, sequence, outcome: Outcome::Unchanged });
            }
        }
        let fresh = || blank(draft.collection.clone(), draft.key.clone(), draft.source.clone());
        let document = self.documents.entry(id).or_insert_with(fresh);
        document.revision.0 += 1;
        document.source = draft.source;
        document.fingerprint = draft.fingerprint;
        document.content_hash = Some(content_hash);
        document.deleted = false;
        let stored = Stored {
            media_type: draft.media_type,
            content: draft.content,
            title: draft.attributes.title.clone(),
            attributes: draft.attributes,
            text: None,
            screening: Vec::new(),
            accepted_at: Timestamp::now(),
            hollow: false,
        };
        document.revisions.insert(document.revision, stored);
        let revision = document.revision;
        let sequence = Some(self.record(id, revision, true, lane));
        let outcome = if live { Outcome::Updated } else { Outcome::Created };
        Ok(Accepted { key: draft.key, document: id, revision, sequence, outcome })
    }

    fn delete(
        &mut self,
        collection: &CollectionName,
        key: DocumentKey,
        source: &SourceName,
        lane: Lane,
    ) -> Result<Accepted, Refusal> {
        let id = DocumentId::of(collection, &key);
        let journal = &self.journal;
        let deletable = |document: &&mut Document| !document.deleted || failed(&journal[&document.newest].state);
        let Some(document) = self.documents.get_mut(&id).filter(deletable) else {
            let revision = self.documents.get(&id).map_or(Revision(0), |document| document.revision);
            return Ok(Accepted { key, document: id, revision, sequence: None, outcome: Outcome::Absent });
        };
        let ownerless = self.former_sources.contains(&document.source);
        if !document.deleted && document.source != *source && !ownerless {
            return Err(Refusal::OwnedBySource(document.source.clone()));
        }
        document.revision.0 += 1;
        document.fingerprint = None;
        document.content_hash = None;
        document.published = None;
        document.deleted = true;
        document.erased_through = document.revision;
        let revision = document.revision;
        let sequence = self.record(id, revision, false, lane);
        self.supersede(id, sequence);
        Ok(Accepted { key, document: id, revision, sequence: Some(sequence), outcome: Outcome::Deleted })
    }

    fn mark_unread(&mut self, hollow: Hollow, reason: String) -> Result<Accepted, Refusal> {
        let (id, content_hash) = (hollow.id, hollow.content_hash);
        let failure = EntryState::Failed { stage: Stage::Receive, reason, attempt: 1, next_retry_at: None };
        let before = self.documents.get(&id);
        let Some(document) = before.filter(|document| !document.deleted) else {
            if hollow.media_type.is_some() {
                return Ok(self.begin_hollow(hollow, failure, None, Outcome::Created));
            }
            let revision = before.map_or(Revision(0), |document| document.revision);
            return Ok(Accepted { key: hollow.key, document: id, revision, sequence: None, outcome: Outcome::Absent });
        };
        let Hollow { key, source, .. } = hollow;
        if document.source != source && !self.former_sources.contains(&document.source) {
            return Err(Refusal::OwnedBySource(document.source.clone()));
        }
        let is_failed = matches!(self.journal[&document.newest].state, EntryState::Failed { .. });
        if is_failed && document.content_hash == content_hash {
            let (revision, sequence) = (document.revision, Some(document.newest));
            return Ok(Accepted { key, document: id, revision, sequence, outcome: Outcome::Unchanged });
        }
        let document = self.documents.get_mut(&id).expect("it was there above");
        let before = &document.revisions[document.revisions.keys().max().expect("a document has a revision")];
        let stored = Stored {
            media_type: before.media_type,
            content: Vec::new(),
            title: before.title.clone(),
            attributes: before.attributes.clone(),
            text: None,
            screening: Vec::new(),
            accepted_at: Timestamp::now(),
            hollow: true,
        };
        document.revision.0 += 1;
        document.fingerprint = None;
        document.content_hash = content_hash;
        document.revisions.insert(document.revision, stored);
        let revision = document.revision;
        let sequence = self.record_end(id, revision, failure);
        Ok(Accepted { key, document: id, revision, sequence: Some(sequence), outcome: Outcome::Updated })
    }

    fn pass_over(&mut self, hollow: Hollow, reason: String, fingerprint: Option<String>) -> Result<Accepted, Refusal> {
        let mut outcome = Outcome::Created;
        if let Some(document) = self.documents.get_mut(&hollow.id).filter(|document| !document.deleted) {
            if document.source != hollow.source && !self.former_sources.contains(&document.source) {
                return Err(Refusal::OwnedBySource(document.source.clone()));
            }
            let is_skipped = matches!(self.journal[&document.newest].state, EntryState::Skipped { .. });
            if is_skipped && document.content_hash == hollow.content_hash {
                document.fingerprint = fingerprint;
                let (revision, sequence) = (document.revision, Some(document.newest));
                let outcome = Outcome::Unchanged;
                return Ok(Accepted { key: hollow.key, document: hollow.id, revision, sequence, outcome });
            }
            self.delete(&hollow.collection.clone(), hollow.key.clone(), &hollow.source, Lane::Interactive)?;
            outcome = Outcome::Updated;
        }
        Ok(self.begin_hollow(hollow, EntryState::Skipped { reason }, fingerprint, outcome))
    }

    /// Begins a document whose first version has no content.
    fn begin_hollow(
        &mut self,
        hollow: Hollow,
        end: EntryState,
        fingerprint: Option<String>,
        outcome: Outcome,
    ) -> Accepted {
        let Hollow { id, collection, key, source, content_hash, media_type } = hollow;
        let document = self.documents.entry(id).or_insert_with(|| blank(collection, key.clone(), source.clone()));
        document.revision.0 += 1;
        document.source = source;
        document.fingerprint = fingerprint;
        document.content_hash = content_hash;
        document.deleted = false;
        let stored = Stored {
            media_type: media_type.expect("a document that begins has a format"),
            content: Vec::new(),
            title: None,
            attributes: Attributes::default(),
            text: None,
            screening: Vec::new(),
            accepted_at: Timestamp::now(),
            hollow: true,
        };
        document.revisions.insert(document.revision, stored);
        let revision = document.revision;
        let sequence = self.record_end(id, revision, end);
        Accepted { key, document: id, revision, sequence: Some(sequence), outcome }
    }

    /// Writes an entry that ends where it begins.
    fn record_end(&mut self, id: DocumentId, revision: Revision, end: EntryState) -> Sequence {
        let sequence = self.record(id, revision, true, Lane::Interactive);
        let is_failure = matches!(end, EntryState::Failed { .. });
        let entry = self.journal.get_mut(&sequence).expect("it was recorded");
        entry.state = end;
        entry.attempt = u32::from(is_failure);
        self.tell(sequence, if is_failure { EventKind::Failed } else { EventKind::Skipped });
        sequence
    }

    /// Writes a journal entry and makes it the newest of its document.
    fn record(&mut self, document: DocumentId, revision: Revision, put: bool, lane: Lane) -> Sequence {
        let sequence = Sequence(self.journal.last_key_value().map_or(0, |(last, _)| last.0) + 1);
        let cost = Cost::default();
        let state = EntryState::Pending;
        let entry = Entry { document, revision, put, lane, state, attempt: 0, superseded_by: None, cost };
        self.journal.insert(sequence, entry);
        self.tell(sequence, if put { EventKind::Accepted } else { EventKind::Deleted });
        self.documents.get_mut(&document).expect("a recorded document exists").newest = sequence;
        sequence
    }
}
