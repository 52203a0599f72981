//! What a reader may see, in memory.

use std::collections::HashSet;

use async_trait::async_trait;
use wellspring_core::catalog::{
    CatalogError, CatalogReader, CatalogStatus, ChunkPlace, DocumentFilter, DocumentInfo, DocumentPage, EntryState,
    Neighbour, Neighbours, RevisionText, Sequence,
};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::filter::{Described, Filter};
use wellspring_core::hit::Passage;
use wellspring_core::limits;

use super::{Document, MemoryCatalog, State};

#[async_trait]
impl CatalogReader for MemoryCatalog {
    async fn collection_exists(&self, collection: &CollectionName) -> Result<bool, CatalogError> {
        Ok(self.state().collections.contains_key(collection))
    }

    async fn hydrate(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
        filter: &Filter,
    ) -> Result<Vec<Passage>, CatalogError> {
        let state = self.state();
        Ok(chunks.iter().filter_map(|chunk| state.passage(collection, *chunk, filter)).collect())
    }

    async fn hidden(
        &self,
        _: &CollectionName,
        chunks: &[ChunkId],
        filter: &Filter,
    ) -> Result<HashSet<ChunkId>, CatalogError> {
        let state = self.state();
        Ok(chunks.iter().filter(|chunk| state.is_hidden(**chunk, filter)).copied().collect())
    }

    async fn chunks_admitted(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        limit: usize,
    ) -> Result<Option<Vec<ChunkId>>, CatalogError> {
        let state = self.state();
        let documents =
            state.documents.values().filter(|document| !document.deleted && document.collection == *collection);
        let chunks = documents.flat_map(Document::published_chunks).map(|stored| stored.chunk.id);
        let admitted: Vec<ChunkId> = chunks.filter(|id| state.passage(collection, *id, filter).is_some()).collect();
        Ok((admitted.len() <= limit).then_some(admitted))
    }

    async fn neighbours(&self, chunk: ChunkId, count: usize) -> Result<Neighbours, CatalogError> {
        let state = self.state();
        let mut around = Neighbours::default();
        let Some((document, of)) = state.published_chunk(chunk) else { return Ok(around) };
        let mut chunks: Vec<_> = document.published_chunks().map(|stored| &stored.chunk).collect();
        chunks.sort_by_key(|chunk| chunk.ordinal);
        for beside in chunks {
            let distance = beside.ordinal.abs_diff(of.chunk.ordinal) as usize;
            if distance == 0 || distance > count {
                continue;
            }
            let side = if beside.ordinal < of.chunk.ordinal { &mut around.before } else { &mut around.behind };
            side.push(Neighbour { chunk: beside.id, span: beside.span, text: beside.text.clone() });
        }
        Ok(around)
    }

    async fn document(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
    ) -> Result<Option<DocumentInfo>, CatalogError> {
        let state = self.state();
        Ok(state.live(collection, key).map(|document| state.info(document)))
    }

    async fn revision_text(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
        revision: Option<Revision>,
    ) -> Result<Option<RevisionText>, CatalogError> {
        let state = self.state();
        let text = || {
            let document = state.live(collection, key)?;
            let revision = revision.or(document.published).filter(|revision| *revision > document.erased_through)?;
            let stored = document.revisions.get(&revision)?;
            Some(RevisionText {
                revision,
                text: stored.text.clone(),
                title: stored.title.clone(),
                attributes: stored.attributes.clone(),
            })
        };
        Ok(text())
    }

    async fn chunk_places(&self, document: DocumentId) -> Result<Vec<ChunkPlace>, CatalogError> {
        let state = self.state();
        let Some(document) = state.documents.get(&document) else { return Ok(Vec::new()) };
        let mut chunks: Vec<_> = document.published_chunks().map(|stored| &stored.chunk).collect();
        chunks.sort_by_key(|chunk| chunk.ordinal);
        Ok(chunks.into_iter().map(|chunk| ChunkPlace { id: chunk.id, span: chunk.span }).collect())
    }

    async fn documents(
        &self,
        collection: &CollectionName,
        filter: &DocumentFilter,
        after: Option<&DocumentKey>,
        limit: usize,
    ) -> Result<DocumentPage, CatalogError> {
        let state = self.state();
        let mut found: Vec<&Document> = state
            .documents
            .values()
            .filter(|document| !document.deleted && document.collection == *collection)
            .filter(|document| filter.source.as_ref().is_none_or(|source| document.source == *source))
            .filter(|document| filter.state.as_ref().is_none_or(|word| state.word(document) == *word))
            .filter(|document| after.is_none_or(|after| document.key > *after))
            .collect();
        found.sort_by(|one, other| one.key.cmp(&other.key));
        let limit = limit.clamp(1, limits::PAGE_DOCUMENTS_MAX);
        let next = (found.len() > limit).then(|| found[limit - 1].key.clone());
        let documents = found.into_iter().take(limit).map(|document| state.info(document)).collect();
        Ok(DocumentPage { documents, next })
    }

    async fn entry_state(&self, sequence: Sequence) -> Result<Option<EntryState>, CatalogError> {
        let state = self.state();
        let mut entry = state.journal.get(&sequence);
        while let Some(next) = entry.and_then(|entry| entry.superseded_by) {
            entry = state.journal.get(&next);
        }
        Ok(entry.map(|entry| entry.state.clone()))
    }

    async fn status(&self) -> Result<CatalogStatus, CatalogError> {
        let state = self.state();
        let live: Vec<&Document> = state.documents.values().filter(|document| !document.deleted).collect();
        let count = |word: &str| live.iter().filter(|document| state.word(document) == word).count() as u64;
        Ok(CatalogStatus {
            documents: live.len() as u64,
            searchable: live.iter().filter(|document| document.published.is_some()).count() as u64,
            chunks: live.iter().map(|document| document.published_chunks().count() as u64).sum(),
            pending: state.journal.values().filter(|entry| entry.state == EntryState::Pending).count() as u64,
            failed: count("failed"),
            quarantined: count("quarantined"),
            skipped: count("skipped"),
            vectors: state.embeddings.len() as u64,
            sequence: state.journal.last_key_value().map_or(0, |(sequence, _)| sequence.0),
            publication: state.published.0,
            chunks_embedded: state.totals.chunks_embedded,
            tokens_embedded: state.totals.tokens_embedded,
            chunks_kept: state.totals.chunks_kept,
            bytes: 0,
        })
    }
}

impl State {
    fn live(&self, collection: &CollectionName, key: &DocumentKey) -> Option<&Document> {
        self.documents.get(&DocumentId::of(collection, key)).filter(|document| !document.deleted)
    }

    /// The serialised name of the state of a document's newest entry.
    fn word(&self, document: &Document) -> &'static str {
        match self.journal[&document.newest].state {
            EntryState::Pending | EntryState::Parsed | EntryState::Embedded => "pending",
            EntryState::Published => "published",
            EntryState::Superseded => "superseded",
            EntryState::Failed { .. } => "failed",
            EntryState::Quarantined { .. } => "quarantined",
            EntryState::Skipped { .. } => "skipped",
        }
    }

    fn info(&self, document: &Document) -> DocumentInfo {
        let entry = &self.journal[&document.newest];
        let newest = &document.revisions[&document.revision];
        DocumentInfo {
            key: document.key.clone(),
            id: entry.document,
            collection: document.collection.clone(),
            source: document.source.clone(),
            revision: document.revision,
            published_revision: document.published,
            sequence: document.newest,
            state: entry.state.clone(),
            title: newest.title.clone(),
            media_type: newest.media_type,
            bytes: newest.content.len() as u64,
            accepted_at: newest.accepted_at,
            chunks: document.published_chunks().count() as u64,
            cost: entry.cost,
            attributes: newest.attributes.clone(),
            screening: newest.screening.clone(),
        }
    }

    fn is_hidden(&self, chunk: ChunkId, filter: &Filter) -> bool {
        self.published_chunk(chunk).is_some_and(|(document, stored)| {
            let acl = |revision| &document.revisions[&revision].attributes.acl;
            !(filter.may_read(acl(stored.revision)) && filter.may_read(acl(document.revision)))
        })
    }

    fn passage(&self, collection: &CollectionName, chunk: ChunkId, filter: &Filter) -> Option<Passage> {
        let (document, stored) = self.published_chunk(chunk)?;
        if document.collection != *collection {
            return None;
        }
        let revision = &document.revisions[&stored.revision];
        let described = Described {
            key: &document.key,
            source: &document.source,
            accepted_at: revision.accepted_at,
            attributes: &revision.attributes,
            newest_acl: &document.revisions[&document.revision].attributes.acl,
        };
        filter.admits(described).then(|| Passage {
            document: document.key.clone(),
            document_id: DocumentId::of(collection, &document.key),
            revision: stored.revision,
            chunk,
            ordinal: stored.chunk.ordinal,
            span: stored.chunk.span,
            text: stored.chunk.text.clone(),
            title: revision.title.clone(),
            heading: stored.chunk.heading.clone(),
            places: stored.chunk.places.clone(),
            url: revision.attributes.url.clone(),
            published_at: revision.attributes.published_at,
            accepted_at: revision.accepted_at,
            source: document.source.clone(),
            outdated: matches!(self.word(document), "failed" | "quarantined"),
        })
    }
}
