//! The vector view in memory: an exact scan over a map.
//!
//! Stricter than the contract: checkpoints may not go backwards, a chunk may not be both inserted and removed, and every
//! vector has the view's dimension. Nothing is visible before it is committed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::hit::Hit;
use wellspring_core::view::{Change, Publication, VectorEntry, VectorSearch, ViewError, ViewName, ViewWriter};

/// A [`ViewWriter`] and [`VectorSearch`] without a disk.
#[derive(Debug)]
pub struct MemoryVectors {
    dimension: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    committed: BTreeMap<ChunkId, VectorEntry>,
    applied: BTreeMap<ChunkId, VectorEntry>,
    checkpoint: Publication,
}

impl MemoryVectors {
    /// An empty view of vectors with `dimension` values.
    pub fn new(dimension: usize) -> Self {
        Self { dimension, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rank(&self, collection: &CollectionName, query: &Embedding, keep: impl Fn(&ChunkId) -> bool) -> Vec<Hit> {
        assert_eq!(query.values().len(), self.dimension, "a query of another dimension");
        let state = self.state();
        let entries = state.committed.values();
        let entries = entries.filter(|entry| entry.collection == *collection && keep(&entry.chunk));
        let mut hits: Vec<Hit> =
            entries.map(|entry| Hit { chunk: entry.chunk, score: entry.embedding.cosine(query) }).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
        hits
    }
}

#[async_trait]
impl ViewWriter<VectorEntry> for MemoryVectors {
    fn name(&self) -> ViewName {
        ViewName::Vector
    }

    async fn apply(&self, change: Change<VectorEntry>) -> Result<(), ViewError> {
        let mut state = self.state();
        for entry in &change.upserts {
            assert_eq!(entry.embedding.values().len(), self.dimension, "a vector of another dimension");
            assert!(!change.removals.contains(&entry.chunk), "a chunk both inserted and removed");
        }
        for chunk in &change.removals {
            state.applied.remove(chunk);
        }
        state.applied.extend(change.upserts.into_iter().map(|entry| (entry.chunk, entry)));
        Ok(())
    }

    async fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        let mut state = self.state();
        assert!(checkpoint >= state.checkpoint, "a checkpoint that goes backwards");
        state.committed = state.applied.clone();
        state.checkpoint = checkpoint;
        Ok(())
    }

    async fn checkpoint(&self) -> Result<Publication, ViewError> {
        Ok(self.state().checkpoint)
    }

    async fn clear(&self) -> Result<(), ViewError> {
        *self.state() = State::default();
        Ok(())
    }

    async fn count(&self) -> Result<u64, ViewError> {
        Ok(self.state().committed.len() as u64)
    }

    async fn count_of(&self, document: DocumentId) -> Result<u64, ViewError> {
        let state = self.state();
        Ok(state.committed.values().filter(|entry| entry.document == document).count() as u64)
    }

    async fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError> {
        let state = self.state();
        Ok(chunks.iter().any(|chunk| state.committed.contains_key(chunk)))
    }
}

#[async_trait]
impl VectorSearch for MemoryVectors {
    async fn nearest(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        let mut hits = self.rank(collection, query, |_| true);
        hits.truncate(limit);
        Ok(hits)
    }

    async fn similarities(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError> {
        Ok(self.rank(collection, query, |chunk| chunks.contains(chunk)))
    }

    async fn directions(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
    ) -> Result<Vec<(ChunkId, Embedding)>, ViewError> {
        let state = self.state();
        let entries = state.committed.values();
        let chosen = entries.filter(|entry| entry.collection == *collection && chunks.contains(&entry.chunk));
        Ok(chosen.map(|entry| (entry.chunk, entry.embedding.clone())).collect())
    }
}
