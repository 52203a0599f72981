//! How does the vector view keep its promises over an engine that blocks and panics?
//!
//! Every call runs on the runtime's blocking threads. A thread of our own would have made searches wait for each other,
//! and each is a scan of milliseconds. What is written goes through the `writer`.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::hit::Hit;
use wellspring_core::view::{
    Change, Publication, VectorEntry, VectorSearch, ViewError, ViewErrorKind, ViewName, ViewWriter,
};

use crate::shape::Shape;
use crate::shard::Shard;
use crate::writer::Inner;

/// The vector view in a folder of its own, by Qdrant Edge.
///
/// - Up to [`limits::VECTOR_EXACT_POINTS_MAX`](wellspring_core::limits::VECTOR_EXACT_POINTS_MAX) chunks a search looks at each, some 5 ms, and misses nothing.
/// - Beyond, a graph of neighbours (HNSW) is made in the background whenever as many chunks have changed, and searches go
///   through it; they and the writes go on meanwhile. A search then finds nearly all of the nearest (ADR 0012 says how
///   many), and every chunk that is not in a graph yet. Cosines of chosen chunks are exact always.
/// - Where the shape quantises, the walk through the graph compares vectors of a byte or a bit a value, and the nearest are
///   compared again as they are.
/// - A process that ends while the graph is being made finds an empty view at the next opening, with checkpoint 0.
///
/// Closing is dropping; it flushes, and waits up to [`limits::VECTOR_CLOSE_TIMEOUT`](wellspring_core::limits::VECTOR_CLOSE_TIMEOUT) for a graph in the making.
pub struct EdgeVectors {
    inner: Arc<Inner>,
}

impl EdgeVectors {
    /// Opens the view in `dir`, or makes an empty one. Where `shape` quantises in another way than before, the view is
    /// emptied, and its checkpoint is 0. Blocks.
    pub fn open(dir: &Path, shape: Shape) -> Result<Self, ViewError> {
        Ok(Self { inner: Arc::new(Inner::open(dir, shape)?) })
    }

    /// Waits until no graph is being made.
    pub async fn settled(&self) -> Result<(), ViewError> {
        self.run(|inner| {
            drop(inner.settled());
            Ok(())
        })
        .await
    }

    /// About how many chunks a search reaches through a graph, rather than looking at each.
    pub async fn count_in_graphs(&self) -> Result<u64, ViewError> {
        self.run(|inner| inner.read(Shard::extent)).await.map(|extent| extent.in_graphs as u64)
    }

    /// Runs a call on a blocking thread. It goes on when the caller hangs up: a write is idempotent.
    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Arc<Inner>) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || call(&inner))
            .await
            .map_err(|error| ViewError::caused_by(ViewErrorKind::Closed, "the vector index was interrupted", error))?
    }

    fn fits(&self, embedding: &Embedding) -> Result<(), ViewError> {
        let (found, wanted) = (embedding.values().len(), self.inner.dimension());
        if found == wanted {
            return Ok(());
        }
        let attempted = format!("an embedding of {found} values does not fit a vector index of {wanted}");
        Err(ViewError::new(ViewErrorKind::Incompatible, attempted))
    }
}

impl Drop for EdgeVectors {
    fn drop(&mut self) {
        self.inner.close();
    }
}

#[async_trait]
impl ViewWriter<VectorEntry> for EdgeVectors {
    fn name(&self) -> ViewName {
        ViewName::Vector
    }

    async fn apply(&self, change: Change<VectorEntry>) -> Result<(), ViewError> {
        change.upserts.iter().try_for_each(|entry| self.fits(&entry.embedding))?;
        self.run(move |inner| inner.apply(change)).await
    }

    async fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        self.run(move |inner| inner.commit(checkpoint)).await
    }

    async fn checkpoint(&self) -> Result<Publication, ViewError> {
        self.run(|inner| Ok(inner.checkpoint())).await
    }

    async fn clear(&self) -> Result<(), ViewError> {
        self.run(|inner| inner.clear()).await
    }

    async fn count(&self) -> Result<u64, ViewError> {
        self.run(|inner| inner.read(Shard::count)).await.map(|count| count as u64)
    }

    async fn count_of(&self, document: DocumentId) -> Result<u64, ViewError> {
        self.run(move |inner| inner.read(|shard| shard.count_of(document))).await.map(|count| count as u64)
    }

    async fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError> {
        let chunks = chunks.to_vec();
        self.run(move |inner| inner.read(|shard| shard.contains_any(&chunks))).await
    }
}

#[async_trait]
impl VectorSearch for EdgeVectors {
    async fn nearest(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        self.fits(query)?;
        let (collection, query) = (collection.clone(), query.clone());
        self.run(move |inner| inner.read(|shard| shard.nearest(&collection, &query, limit))).await
    }

    async fn directions(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
    ) -> Result<Vec<(ChunkId, Embedding)>, ViewError> {
        let (collection, chunks) = (collection.clone(), chunks.to_vec());
        self.run(move |inner| inner.read(|shard| shard.directions(&collection, &chunks))).await
    }

    async fn similarities(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError> {
        self.fits(query)?;
        let (collection, query, chunks) = (collection.clone(), query.clone(), chunks.to_vec());
        self.run(move |inner| inner.read(|shard| shard.similarities(&collection, &query, &chunks))).await
    }
}
