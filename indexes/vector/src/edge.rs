//! How does the vector view keep its promises over an engine that blocks and panics?
//!
//! Every call runs on the runtime's blocking threads. A lock lets searches run beside each other and beside writes,
//! which the engine allows; only reopening and clearing take it alone. A thread of our own would have made searches
//! wait for each other, and each is a scan of milliseconds.
//!
//! Invariants:
//! - One write runs at a time, and no flush runs beside a write.
//! - I-3: a commit flushes first and writes the checkpoint last.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::hit::Hit;
use wellspring_core::limits;
use wellspring_core::view::{
    Change, Publication, VectorEntry, VectorSearch, ViewError, ViewErrorKind, ViewName, ViewWriter,
};

use crate::manifest::{Manifest, lock, storage, sync_directory};
use crate::shard::Shard;

const SHARD: &str = "shard";

/// The vector view in a folder of its own, by Qdrant Edge. Searches scan exactly, about 10 ms for 50,000 chunks.
///
/// Closing is dropping; it flushes, which blocks for a moment. Not supported: approximate search, quantisation.
pub struct EdgeVectors {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    dimension: usize,
    /// `None` when reopening failed: then every call says so.
    shard: RwLock<Option<Shard>>,
    writer: Mutex<Writer>,
    // Declared last, so that the folder is given up after the index has closed.
    _lock: File,
}

struct Writer {
    manifest: Manifest,
    /// Why no commit may be trusted any more: the kernel reports a failed write once and then forgets it.
    broken: bool,
}

impl EdgeVectors {
    /// Opens the view in `dir`, or makes an empty one. Blocks.
    pub fn open(dir: &Path, dimension: usize) -> Result<Self, ViewError> {
        fs::create_dir_all(dir).map_err(|error| storage("could not create the folder of the vector index", error))?;
        let lock = lock(dir)?;
        let manifest = match Manifest::read(dir, dimension)? {
            Some(manifest) if manifest.checkpoint == 0 => manifest,
            // I-3: whoever removed the points did not remove the checkpoint.
            Some(manifest) if !Shard::exists(&dir.join(SHARD)) => manifest.at(0),
            Some(manifest) => manifest,
            None => Manifest::empty(dimension),
        };
        let mut writer = Writer { manifest, broken: false };
        let shard = if manifest.checkpoint == 0 { writer.recreate(dir)? } else { writer.reopen(dir)? };
        let inner = Inner {
            dir: dir.to_owned(),
            dimension,
            shard: RwLock::new(Some(shard)),
            writer: Mutex::new(writer),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs a call on a blocking thread. It goes on when the caller hangs up: a write is idempotent.
    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Inner) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || call(&inner))
            .await
            .map_err(|error| ViewError::caused_by(ViewErrorKind::Closed, "the vector index was interrupted", error))?
    }

    fn fits(&self, embedding: &Embedding) -> Result<(), ViewError> {
        let (found, wanted) = (embedding.values().len(), self.inner.dimension);
        if found == wanted {
            return Ok(());
        }
        let attempted = format!("an embedding of {found} values does not fit a vector index of {wanted}");
        Err(ViewError::new(ViewErrorKind::Incompatible, attempted))
    }
}

impl Writer {
    /// Opens what is there under a new epoch, durable before the index is touched.
    fn reopen(&mut self, dir: &Path) -> Result<Shard, ViewError> {
        self.manifest.epoch += 1;
        self.manifest.write(dir)?;
        Shard::open(&dir.join(SHARD), self.manifest.dimension, self.manifest.epoch)
    }

    /// Makes an empty index. The checkpoint goes first: a crash on the way is found at the next opening (I-3).
    fn recreate(&mut self, dir: &Path) -> Result<Shard, ViewError> {
        self.manifest.checkpoint = 0;
        self.manifest.write(dir)?;
        let shard = dir.join(SHARD);
        if shard.exists() {
            fs::remove_dir_all(&shard)
                .and_then(|()| sync_directory(dir))
                .map_err(|error| storage("could not remove the vector index", error))?;
        }
        self.reopen(dir)
    }
}

impl Inner {
    // A panic under one of these locks left nothing half done that the engine itself would not notice.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, call: impl FnOnce(&Shard) -> Result<T, ViewError>) -> Result<T, ViewError> {
        match &*self.shard.read().unwrap_or_else(PoisonError::into_inner) {
            Some(shard) => call(shard),
            None => Err(ViewError::new(ViewErrorKind::Closed, "the vector index could not be reopened; restart")),
        }
    }

    /// Closes the index and puts another in its place, alone; searches wait.
    fn replace(&self, open: impl FnOnce() -> Result<Shard, ViewError>) -> Result<(), ViewError> {
        let mut shard = self.shard.write().unwrap_or_else(PoisonError::into_inner);
        *shard = None;
        *shard = Some(open()?);
        Ok(())
    }

    fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        let mut writer = self.writer();
        if writer.broken {
            let attempted = "the vector index failed to flush before and is not trusted until it is reopened; restart";
            return Err(ViewError::new(ViewErrorKind::Storage, attempted));
        }
        // I-3: durable first, then the checkpoint.
        if let Err(error) = self.read(Shard::flush) {
            writer.broken = true;
            return Err(error);
        }
        let manifest = writer.manifest.at(checkpoint.0);
        manifest.write(&self.dir)?;
        writer.manifest = manifest;
        if self.read(Shard::log_bytes)? > limits::VECTOR_LOG_BYTES_MAX {
            self.replace(|| writer.reopen(&self.dir))?;
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), ViewError> {
        let mut writer = self.writer();
        self.replace(|| writer.recreate(&self.dir))?;
        writer.broken = false;
        Ok(())
    }
}

#[async_trait]
impl ViewWriter<VectorEntry> for EdgeVectors {
    fn name(&self) -> ViewName {
        ViewName::Vector
    }

    async fn apply(&self, change: Change<VectorEntry>) -> Result<(), ViewError> {
        change.upserts.iter().try_for_each(|entry| self.fits(&entry.embedding))?;
        self.run(move |inner| {
            let _alone = inner.writer();
            inner.read(|shard| {
                shard.remove(&change.removals)?;
                shard.upsert(change.upserts)
            })
        })
        .await
    }

    async fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        self.run(move |inner| inner.commit(checkpoint)).await
    }

    async fn checkpoint(&self) -> Result<Publication, ViewError> {
        self.run(|inner| Ok(Publication(inner.writer().manifest.checkpoint))).await
    }

    async fn clear(&self) -> Result<(), ViewError> {
        self.run(Inner::clear).await
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
