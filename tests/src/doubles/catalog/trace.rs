//! What is left of a document, in memory.

use std::collections::HashSet;

use async_trait::async_trait;
use wellspring_core::catalog::{CatalogError, EntryState, Sequence};
use wellspring_core::chunk::EmbeddingKey;
use wellspring_core::document::DocumentId;
use wellspring_core::trace::{CatalogResidue, Event, EventPage, Settlement, Traces};
use wellspring_core::view::ViewName;

use super::MemoryCatalog;

#[async_trait]
impl Traces for MemoryCatalog {
    async fn residue(&self, id: DocumentId) -> Result<CatalogResidue, CatalogError> {
        let state = self.state();
        let Some(document) = state.documents.get(&id) else { return Ok(CatalogResidue::default()) };
        let needed: HashSet<EmbeddingKey> =
            document.chunks.iter().flat_map(|stored| stored.chunk.part_keys()).collect();
        let held = state.embeddings.iter().filter(|((key, _), vector)| {
            needed.contains(key) || vector.spare.is_some_and(|(_, freed_by)| freed_by == Some(id))
        });
        let entries = state.journal.values();
        Ok(CatalogResidue {
            revisions: document.revisions.len() as u64,
            contents: document.revisions.len() as u64,
            texts: document.revisions.values().filter(|stored| stored.text.is_some()).count() as u64,
            chunks: (document.chunks.len() + document.strays.len()) as u64,
            vectors: held.count() as u64,
            pending: entries.filter(|entry| entry.document == id && entry.state == EntryState::Pending).count() as u64,
        })
    }

    async fn events(&self, after: u64, limit: usize) -> Result<EventPage, CatalogError> {
        let state = self.state();
        let behind = usize::try_from(after).unwrap_or(usize::MAX);
        let told = state.events.iter().enumerate().skip(behind).take(limit);
        let events = told.map(|(place, (sequence, kind, at))| {
            let entry = &state.journal[sequence];
            let document = &state.documents[&entry.document];
            let (stage, reason) = match &entry.state {
                EntryState::Failed { stage, reason, .. } => (Some(*stage), Some(reason.clone())),
                EntryState::Quarantined { reason } => (None, Some(reason.clone())),
                _ => (None, None),
            };
            Event {
                number: place as u64 + 1,
                at: *at,
                kind: *kind,
                collection: document.collection.clone(),
                key: document.key.clone(),
                revision: entry.revision,
                sequence: *sequence,
                stage,
                reason,
            }
        });
        Ok(EventPage { oldest: 1, newest: state.events.len() as u64, events: events.collect() })
    }

    async fn settlement(&self, sequence: Sequence) -> Result<Option<Settlement>, CatalogError> {
        let state = self.state();
        let mut entry = state.journal.get(&sequence);
        while let Some(next) = entry.and_then(|entry| entry.superseded_by) {
            entry = state.journal.get(&next);
        }
        let checkpoint = |view| state.checkpoints.get(&view).copied().unwrap_or_default();
        let settled = entry.filter(|entry| entry.state != EntryState::Pending);
        Ok(settled.map(|entry| Settlement {
            chunks_removed: entry.cost.chunks_removed,
            vector: checkpoint(ViewName::Vector),
            keyword: checkpoint(ViewName::Keyword),
        }))
    }
}
