//! Taking writes in, in memory.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;
use wellspring_core::catalog::{Accepted, CatalogError, Cost, EntryState, Journal, Outcome, Refusal, Sequence, Write};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Draft, Revision};
use wellspring_core::limits;
use wellspring_core::source::SourceName;

use super::{Document, Entry, MemoryCatalog, State, Stored};

#[async_trait]
impl Journal for MemoryCatalog {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        let mut state = self.state();
        let answers = writes.into_iter().map(|write| match write {
            Write::Put(draft) => state.put(draft),
            Write::Delete { collection, key, source } => state.delete(&collection, key, &source),
        });
        Ok(answers.collect())
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

/// Whether an entry came to nothing: then the same write is no repetition.
fn failed(state: &EntryState) -> bool {
    matches!(state, EntryState::Failed { .. } | EntryState::Quarantined { .. })
}

impl State {
    fn put(&mut self, draft: Draft) -> Result<Accepted, Refusal> {
        assert!(draft.content.len() <= limits::DOCUMENT_BYTES_MAX, "content beyond the bound reaches no catalog");
        let (id, content_hash) = (draft.id(), draft.content_hash());
        let before = self.documents.get_mut(&id);
        let live = before.as_ref().is_some_and(|document| !document.deleted);
        if let Some(document) = before.filter(|document| !document.deleted) {
            if document.source != draft.source {
                return Err(Refusal::OwnedBySource(document.source.clone()));
            }
            let failed = failed(&self.journal[&document.newest].state);
            if document.content_hash == Some(content_hash) && !failed {
                document.fingerprint = draft.fingerprint;
                let (revision, sequence) = (document.revision, Some(document.newest));
                return Ok(Accepted { key: draft.key, document: id, revision, sequence, outcome: Outcome::Unchanged });
            }
        }
        let document = self.documents.entry(id).or_insert_with(|| Document {
            collection: draft.collection.clone(),
            key: draft.key.clone(),
            source: draft.source.clone(),
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
        });
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
        };
        document.revisions.insert(document.revision, stored);
        let revision = document.revision;
        let sequence = Some(self.record(id, revision, true));
        let outcome = if live { Outcome::Updated } else { Outcome::Created };
        Ok(Accepted { key: draft.key, document: id, revision, sequence, outcome })
    }

    fn delete(
        &mut self,
        collection: &CollectionName,
        key: DocumentKey,
        source: &SourceName,
    ) -> Result<Accepted, Refusal> {
        let id = DocumentId::of(collection, &key);
        let journal = &self.journal;
        let deletable = |document: &&mut Document| !document.deleted || failed(&journal[&document.newest].state);
        let Some(document) = self.documents.get_mut(&id).filter(deletable) else {
            let revision = self.documents.get(&id).map_or(Revision(0), |document| document.revision);
            return Ok(Accepted { key, document: id, revision, sequence: None, outcome: Outcome::Absent });
        };
        if !document.deleted && document.source != *source {
            return Err(Refusal::OwnedBySource(document.source.clone()));
        }
        document.revision.0 += 1;
        document.fingerprint = None;
        document.content_hash = None;
        document.published = None;
        document.deleted = true;
        document.erased_through = document.revision;
        let revision = document.revision;
        let sequence = self.record(id, revision, false);
        self.supersede(id, sequence);
        Ok(Accepted { key, document: id, revision, sequence: Some(sequence), outcome: Outcome::Deleted })
    }

    /// Writes a journal entry and makes it the newest of its document.
    fn record(&mut self, document: DocumentId, revision: Revision, put: bool) -> Sequence {
        let sequence = Sequence(self.journal.last_key_value().map_or(0, |(last, _)| last.0) + 1);
        let cost = Cost::default();
        let entry = Entry { document, revision, put, state: EntryState::Pending, superseded_by: None, cost };
        self.journal.insert(sequence, entry);
        self.documents.get_mut(&document).expect("a recorded document exists").newest = sequence;
        sequence
    }
}
