//! From accepted to published, in memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;
use wellspring_core::catalog::{
    CatalogError, CatalogErrorKind, End, EntryState, Finished, KnownChunk, Publisher, ReplayCursor, ReplayPage,
    Sequence, SpaceMismatch, StagedRevision, Task, Work,
};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey};
use wellspring_core::document::{CollectionName, DocumentId, Revision};
use wellspring_core::embedding::{Embedding, Lane, SpaceId};
use wellspring_core::limits;
use wellspring_core::retry;
use wellspring_core::trace::EventKind;
use wellspring_core::view::{Publication, ViewName};

use super::{Document, Entry, MemoryCatalog, State, StoredChunk, Vector};

#[async_trait]
impl Publisher for MemoryCatalog {
    async fn claim(&self, lane: Option<Lane>, documents: usize, bytes: usize) -> Result<Vec<Work>, CatalogError> {
        Ok(self.state().claim(lane, documents, bytes))
    }

    async fn known_chunks(&self, document: DocumentId) -> Result<Vec<KnownChunk>, CatalogError> {
        Ok(self.state().documents.get(&document).map(Document::known).unwrap_or_default())
    }

    async fn embeddings(
        &self,
        space: SpaceId,
        keys: &[EmbeddingKey],
    ) -> Result<Vec<(EmbeddingKey, Embedding)>, CatalogError> {
        let state = self.state();
        let found = keys.iter().filter_map(|key| Some((*key, state.embeddings.get(&(*key, space))?.embedding.clone())));
        Ok(found.collect::<BTreeMap<_, _>>().into_iter().collect())
    }

    async fn stage(&self, space: SpaceId, revisions: Vec<StagedRevision>) -> Result<(), CatalogError> {
        let mut state = self.state();
        let published = |staged: &StagedRevision| state.documents[&staged.document].published >= Some(staged.revision);
        if revisions.iter().any(published) {
            return Err(refused("a revision that is staged is already published, or older"));
        }
        for staged in revisions {
            state.stage(space, staged);
        }
        Ok(())
    }

    async fn publish(&self, publication: Publication, finished: Vec<Finished>) -> Result<(), CatalogError> {
        let mut state = self.state();
        if publication <= state.published {
            return Err(refused("a publication is not newer than the published one"));
        }
        assert_eq!(publication, state.published.next(), "publications rise by one");
        let documents: HashSet<DocumentId> = finished.iter().map(|finished| finished.document).collect();
        assert_eq!(documents.len(), finished.len(), "a document is finished once in a publication");
        for finished in finished {
            state.finish(publication, finished);
        }
        state.trim_spare();
        state.published = publication;
        for view in [ViewName::Vector, ViewName::Keyword] {
            state.checkpoints.insert(view, publication);
        }
        Ok(())
    }

    async fn published(&self) -> Result<Publication, CatalogError> {
        Ok(self.state().published)
    }

    async fn set_checkpoint(&self, view: ViewName, publication: Publication) -> Result<(), CatalogError> {
        let mut state = self.state();
        assert!(publication <= state.published, "a view is not ahead of the catalog");
        state.checkpoints.insert(view, publication);
        Ok(())
    }

    async fn checkpoint(&self, view: ViewName) -> Result<Publication, CatalogError> {
        Ok(self.state().checkpoints.get(&view).copied().unwrap_or_default())
    }

    async fn replay(
        &self,
        space: SpaceId,
        after: Publication,
        cursor: Option<ReplayCursor>,
        limit: usize,
    ) -> Result<Option<ReplayPage>, CatalogError> {
        self.state().replay(space, after, cursor.map_or(0, |cursor| cursor.0), limit).map(Some)
    }

    async fn bind_space(
        &self,
        collection: &CollectionName,
        space: SpaceId,
        model: &str,
    ) -> Result<Result<(), SpaceMismatch>, CatalogError> {
        let mut state = self.state();
        let (built_in, model) =
            state.collections.entry(collection.clone()).or_insert_with(|| (space, model.to_owned())).clone();
        Ok(if built_in == space { Ok(()) } else { Err(SpaceMismatch { built_in, model }) })
    }

    async fn space_of(&self, collection: &CollectionName) -> Result<Option<SpaceId>, CatalogError> {
        Ok(self.state().collections.get(collection).map(|(space, _)| *space))
    }
}

pub(super) fn refused(attempted: &str) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Storage, attempted)
}

impl State {
    /// Makes the newest entries pending whose time to be tried again has come.
    fn revive_due(&mut self) {
        let now = Timestamp::now();
        let due =
            |state: &EntryState| matches!(state, EntryState::Failed { next_retry_at: Some(at), .. } if *at <= now);
        let live = self.documents.values().filter(|document| !document.deleted);
        let due: Vec<_> =
            live.map(|document| document.newest).filter(|newest| due(&self.journal[newest].state)).collect();
        for sequence in due {
            self.journal.get_mut(&sequence).expect("it was there above").state = EntryState::Pending;
            self.tell(sequence, EventKind::Retried);
        }
    }

    fn claim(&mut self, lane: Option<Lane>, documents: usize, bytes: usize) -> Vec<Work> {
        self.revive_due();
        let mut seen = HashSet::new();
        let mut total = 0;
        let mut chosen: Vec<(DocumentId, Sequence)> = Vec::new();
        let in_lane = |entry: &&Entry| lane.is_none_or(|lane| entry.lane == lane);
        for entry in self.journal.values().filter(|entry| entry.state == EntryState::Pending).filter(in_lane) {
            if self.claimed.contains_key(&entry.document) || !seen.insert(entry.document) {
                continue;
            }
            let document = &self.documents[&entry.document];
            let pending = self
                .journal
                .iter()
                .rev()
                .find(|(_, newest)| newest.document == entry.document && newest.state == EntryState::Pending);
            let (newest, revision) = pending.map(|(sequence, newest)| (*sequence, newest.revision)).expect("this one");
            let size = document.revisions.get(&revision).map_or(0, |stored| stored.content.len());
            if !chosen.is_empty() && (chosen.len() >= documents || total + size > bytes) {
                break;
            }
            total += size;
            chosen.push((entry.document, newest));
        }
        chosen.into_iter().map(|(document, newest)| self.take(document, newest)).collect()
    }

    fn take(&mut self, id: DocumentId, newest: Sequence) -> Work {
        let given_up = self.supersede(id, newest);
        self.claimed.insert(id, newest);
        let entry = &self.journal[&newest];
        let document = self.documents.get_mut(&id).expect("an entry has its document");
        document.revisions.retain(|revision, _| !given_up.contains(revision));
        let task = if entry.put {
            let stored = &document.revisions[&entry.revision];
            Task::Put {
                media_type: stored.media_type,
                content: stored.content.clone(),
                attributes: stored.attributes.clone(),
            }
        } else {
            Task::Delete
        };
        Work {
            sequence: newest,
            document: id,
            collection: document.collection.clone(),
            key: document.key.clone(),
            source: document.source.clone(),
            revision: entry.revision,
            task,
        }
    }

    fn stage(&mut self, space: SpaceId, staged: StagedRevision) {
        let StagedRevision { document: id, revision, text, title, screening, chunks, embeddings } = staged;
        let claimed = self.claimed.get(&id).map(|sequence| self.journal[sequence].revision);
        assert_eq!(claimed, Some(revision), "only claimed work is staged");
        let ids: HashSet<ChunkId> = chunks.iter().map(|chunk| chunk.id).collect();
        assert_eq!(ids.len(), chunks.len(), "a chunk is in a revision once");
        for (ordinal, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk.ordinal as usize, ordinal, "chunks come by ordinal");
            assert_eq!(chunk.span.slice(&text), Some(chunk.text.as_str()), "a span holds its chunk's text");
        }
        let needed: HashSet<EmbeddingKey> = chunks.iter().flat_map(Chunk::part_keys).collect();
        let placed: Vec<(u64, Chunk)> = chunks.into_iter().map(|chunk| (self.next_place(), chunk)).collect();
        let document = self.documents.get_mut(&id).expect("claimed work has its document");
        let given_up: Vec<StoredChunk> = document.chunks.extract_if(.., |stored| stored.revision == revision).collect();
        document.strays.extend(given_up.iter().map(|stored| (stored.chunk.id, stored.chunk.embedding_key)));
        document.strays.retain(|stray, _| !ids.contains(stray));
        document.attempts += 1;
        let rows = placed.into_iter().map(|(place, chunk)| StoredChunk { revision, place, chunk, publication: None });
        document.chunks.extend(rows);
        if let Some(stored) = document.revisions.get_mut(&revision) {
            stored.title = title;
            stored.text = Some(text);
            stored.screening = screening;
        }
        for (key, embedding) in embeddings {
            let spare = (!needed.contains(&key)).then_some((self.published, None));
            self.embeddings.entry((key, space)).or_insert(Vector { embedding, spare });
        }
        for ((key, _), vector) in &mut self.embeddings {
            if needed.contains(key) {
                vector.spare = None;
            }
        }
        let vectors = needed.iter().all(|key| self.embeddings.contains_key(&(*key, space)));
        assert!(vectors, "a staged chunk has its parts' vectors here, or brings them");
        self.free(self.published, id, &given_up);
    }

    /// Marks as spare what the dropped chunks of a document needed and no chunk needs now.
    fn free(&mut self, publication: Publication, id: DocumentId, dropped: &[StoredChunk]) {
        let needed = self.needed();
        let freed: HashSet<EmbeddingKey> = dropped.iter().flat_map(|stored| stored.chunk.part_keys()).collect();
        for ((key, _), vector) in &mut self.embeddings {
            if freed.contains(key) && !needed.contains(key) {
                vector.spare.get_or_insert((publication, Some(id)));
            }
        }
    }

    fn finish(&mut self, publication: Publication, finished: Finished) {
        let Finished { sequence, document: id, revision, end } = finished;
        assert_eq!(self.claimed.remove(&id), Some(sequence), "only claimed work is finished");
        let document = self.documents.get_mut(&id).expect("claimed work has its document");
        let entry = self.journal.get_mut(&sequence).expect("claimed work has its entry");
        assert_eq!(entry.revision, revision, "an entry is of one revision");
        let hidden = document.published.is_none();
        let through = document.erased_through.min(revision);
        if hidden {
            document.revisions.retain(|revision, _| *revision > through);
        }
        let mut erased = document.published.is_none() && document.erased_through > Revision(0);
        let (pending, put) = (entry.state == EntryState::Pending, entry.put);
        let forward = pending && Some(revision) > document.published && revision > document.erased_through;
        let state = match end {
            End::Published { removed, upserted, cost } if forward => {
                entry.cost = cost;
                self.totals.chunks_embedded += cost.chunks_embedded;
                self.totals.tokens_embedded += cost.tokens_embedded;
                self.totals.chunks_kept += cost.chunks_kept;
                document.show(publication, revision, &upserted);
                self.drop_chunks(publication, id, revision, &removed);
                EntryState::Published
            }
            End::Skipped { reason, removed } if forward => {
                entry.cost.chunks_removed = removed.len() as u64;
                document.withdraw(revision);
                self.drop_chunks(publication, id, revision, &removed);
                EntryState::Skipped { reason }
            }
            End::Published { .. } | End::Skipped { .. } => EntryState::Superseded,
            End::Deleted { removed } => {
                assert!(!entry.put, "only a deletion ends as one");
                entry.cost.chunks_removed = removed.len() as u64;
                erased = true;
                self.drop_chunks(publication, id, revision, &removed);
                EntryState::Published
            }
            End::Failed { stage, reason } => {
                entry.attempt += 1;
                EntryState::Failed { stage, reason, attempt: entry.attempt, next_retry_at: None }
            }
            End::Faulted { stage, reason } => {
                entry.attempt += 1;
                let pause = retry::pause(entry.attempt, sequence.0);
                let next_retry_at = pause.map(|pause| Timestamp::now() + pause);
                EntryState::Failed { stage, reason, attempt: entry.attempt, next_retry_at }
            }
            End::Quarantined { reason } => EntryState::Quarantined { reason },
        };
        if pending {
            let kind = match &state {
                EntryState::Published if put => Some(EventKind::Searchable),
                EntryState::Published => Some(EventKind::Removed),
                EntryState::Failed { .. } => Some(EventKind::Failed),
                EntryState::Quarantined { .. } => Some(EventKind::Quarantined),
                EntryState::Skipped { .. } => Some(EventKind::Skipped),
                _ => None,
            };
            let (failed, skipped) =
                (matches!(state, EntryState::Failed { .. }), matches!(state, EntryState::Skipped { .. }));
            self.journal.get_mut(&sequence).expect("it was there above").state = state;
            if let Some(kind) = kind {
                self.tell(sequence, kind);
            }
            if failed {
                self.forget_screened(id, |screened| screened == revision);
            }
            if skipped {
                self.reopen_orphan(id);
            }
        }
        if hidden && through > Revision(0) {
            self.forget_screened(id, |screened| screened <= through);
        }
        if erased {
            self.embeddings.retain(|_, vector| vector.spare.and_then(|(_, document)| document) != Some(id));
        }
    }

    /// Takes away a document's chunks of revisions before `revision`, all of which must have left the views.
    fn drop_chunks(&mut self, publication: Publication, id: DocumentId, revision: Revision, removed: &[ChunkId]) {
        let document = self.documents.get_mut(&id).expect("claimed work has its document");
        let dropped: Vec<StoredChunk> = document.chunks.extract_if(.., |stored| stored.revision < revision).collect();
        let strays: Vec<ChunkId> = std::mem::take(&mut document.strays).into_keys().collect();
        document.attempts = 0;
        let kept: HashSet<ChunkId> = document.chunks.iter().map(|stored| stored.chunk.id).collect();
        for chunk in dropped.iter().map(|stored| stored.chunk.id).chain(strays).filter(|chunk| !kept.contains(chunk)) {
            assert!(removed.contains(&chunk), "a view may hold a chunk that is forgotten");
        }
        assert!(removed.iter().all(|chunk| !kept.contains(chunk)), "a chunk of the revision was removed");
        for chunk in removed {
            let place = self.next_place();
            self.removed.insert(*chunk, (publication, place));
        }
        self.free(publication, id, &dropped);
    }

    fn trim_spare(&mut self) {
        let spare = |vector: &Vector| vector.spare.map(|(publication, _)| publication);
        let mut since: Vec<Publication> = self.embeddings.values().filter_map(spare).collect();
        since.sort();
        let excess = since.len().saturating_sub(limits::SPARE_VECTORS_MAX as usize);
        if excess > 0 {
            self.embeddings.retain(|_, vector| spare(vector).is_none_or(|publication| publication > since[excess - 1]));
        }
    }
}

impl Document {
    /// What the views may hold, each chunk once; the published row answers where there is one.
    fn known(&self) -> Vec<KnownChunk> {
        let mut known: HashMap<ChunkId, KnownChunk> = HashMap::new();
        for (id, embedding_key) in &self.strays {
            known.insert(*id, KnownChunk { id: *id, embedding_key: *embedding_key, published: false });
        }
        let staged = self.chunks.iter().filter(|stored| Some(stored.revision) != self.published);
        for StoredChunk { chunk, .. } in staged.chain(self.published_chunks()) {
            let unpublished = KnownChunk { id: chunk.id, embedding_key: chunk.embedding_key, published: false };
            known.insert(chunk.id, unpublished);
        }
        for StoredChunk { revision, chunk, .. } in self.published_chunks() {
            let alike = |other: &&StoredChunk| {
                other.revision > *revision
                    && other.chunk.id == chunk.id
                    && other.chunk.embedding_key == chunk.embedding_key
            };
            let published = self.chunks.iter().filter(alike).count() == self.attempts;
            known.entry(chunk.id).and_modify(|known| known.published = published);
        }
        known.into_values().collect()
    }

    /// Moves readers to a staged revision.
    fn show(&mut self, publication: Publication, revision: Revision, upserted: &[ChunkId]) {
        let before: HashMap<ChunkId, Publication> =
            self.published_chunks().filter_map(|stored| Some((stored.chunk.id, stored.publication?))).collect();
        for stored in self.chunks.iter_mut().filter(|stored| stored.revision == revision) {
            let kept = before.get(&stored.chunk.id).filter(|_| !upserted.contains(&stored.chunk.id));
            stored.publication = Some(kept.copied().unwrap_or(publication));
        }
        let staged = self.revisions.get(&revision).is_some_and(|stored| stored.text.is_some());
        assert!(staged, "a revision is staged before it is published");
        self.published = Some(revision);
        self.trim(revision);
    }

    /// Takes what is published from the readers, for a staged revision without chunks.
    fn withdraw(&mut self, revision: Revision) {
        let staged = self.revisions.get(&revision).is_some_and(|stored| stored.text.is_some());
        assert!(staged, "a revision is staged before it is skipped");
        assert!(self.chunks.iter().all(|stored| stored.revision != revision), "a skipped revision has no chunks");
        self.published = None;
        self.trim(revision);
    }

    /// Keeps the text of the newest older revisions.
    fn trim(&mut self, revision: Revision) {
        let older: Vec<Revision> = self.revisions.range(..revision).rev().map(|(revision, _)| *revision).collect();
        for old in older.into_iter().skip(limits::REVISIONS_KEPT as usize) {
            self.revisions.remove(&old);
        }
    }
}
