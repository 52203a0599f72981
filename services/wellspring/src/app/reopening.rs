//! What if an index fails while the service runs?
//!
//! An index that could not be written is not to be trusted any further, and one whose folder was deleted writes into
//! nothing. It is closed and opened anew in its place, without a restart; the write path then brings it forward from the
//! catalog.
//!
//! Invariants:
//! - Searches that began with the old one end with it. While there is none, they fail, and the other arm answers.
//! - One index is open in a folder at a time: the old one is closed first.

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::hit::Hit;
use wellspring_core::view::{
    Change, KeywordSearch, Publication, VectorSearch, ViewError, ViewErrorKind, ViewName, ViewWriter,
};

use super::views::open_or_renew;

type Open<V> = Arc<dyn Fn(&Path) -> Result<V, ViewError> + Send + Sync>;

/// A view that can be opened again in its place.
pub(super) struct Reopening<V> {
    name: ViewName,
    dir: PathBuf,
    open: Open<V>,
    /// `None` while it is being opened, or when that failed.
    view: RwLock<Option<Arc<V>>>,
}

impl<V> Reopening<V> {
    /// Opens a view by `open`, in `dir`. Blocks.
    pub(super) fn open(
        name: ViewName,
        dir: PathBuf,
        open: impl Fn(&Path) -> Result<V, ViewError> + Send + Sync + 'static,
    ) -> Result<Self, ViewError> {
        let view = open_or_renew(&dir, &open)?;
        Ok(Self { name, dir, open: Arc::new(open), view: RwLock::new(Some(Arc::new(view))) })
    }

    fn view(&self) -> Result<Arc<V>, ViewError> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner).clone();
        view.ok_or_else(|| ViewError::new(ViewErrorKind::Closed, "the index is being opened anew"))
    }

    fn put(&self, view: Option<Arc<V>>) -> Option<Arc<V>> {
        std::mem::replace(&mut *self.view.write().unwrap_or_else(PoisonError::into_inner), view)
    }
}

#[async_trait]
impl<E: Send + 'static, V: ViewWriter<E> + 'static> ViewWriter<E> for Reopening<V> {
    fn name(&self) -> ViewName {
        self.name
    }

    async fn apply(&self, change: Change<E>) -> Result<(), ViewError> {
        self.view()?.apply(change).await
    }

    async fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        self.view()?.commit(checkpoint).await
    }

    async fn checkpoint(&self) -> Result<Publication, ViewError> {
        self.view()?.checkpoint().await
    }

    async fn clear(&self) -> Result<(), ViewError> {
        self.view()?.clear().await
    }

    async fn reopen(&self) -> Result<(), ViewError> {
        let (old, dir, open) = (self.put(None), self.dir.clone(), Arc::clone(&self.open));
        let opened = tokio::task::spawn_blocking(move || {
            // An engine may panic over files that are gone; it was told where that happened.
            panic::catch_unwind(AssertUnwindSafe(|| drop(old))).ok();
            open_or_renew(&dir, &*open)
        });
        let opened = opened.await.map_err(|error| {
            ViewError::caused_by(ViewErrorKind::Closed, "opening an index anew was interrupted", error)
        })?;
        self.put(Some(Arc::new(opened?)));
        tracing::info!(view = self.name.as_str(), "an index that failed was opened anew");
        Ok(())
    }

    async fn count(&self) -> Result<u64, ViewError> {
        self.view()?.count().await
    }

    async fn count_of(&self, document: DocumentId) -> Result<u64, ViewError> {
        self.view()?.count_of(document).await
    }

    async fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError> {
        self.view()?.contains_any(chunks).await
    }
}

#[async_trait]
impl<V: VectorSearch> VectorSearch for Reopening<V> {
    async fn nearest(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        self.view()?.nearest(collection, query, limit).await
    }

    async fn similarities(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError> {
        self.view()?.similarities(collection, query, chunks).await
    }

    async fn directions(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
    ) -> Result<Vec<(ChunkId, Embedding)>, ViewError> {
        self.view()?.directions(collection, chunks).await
    }
}

#[async_trait]
impl<V: KeywordSearch> KeywordSearch for Reopening<V> {
    async fn matching(&self, collection: &CollectionName, query: &str, limit: usize) -> Result<Vec<Hit>, ViewError> {
        self.view()?.matching(collection, query, limit).await
    }

    async fn matching_among(
        &self,
        collection: &CollectionName,
        query: &str,
        chunks: &[ChunkId],
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        self.view()?.matching_among(collection, query, chunks, limit).await
    }
}

#[cfg(test)]
mod tests {
    use wellspring_keyword::TantivyKeywords;

    use super::*;

    #[tokio::test]
    async fn a_view_whose_folder_was_deleted_is_opened_anew_with_nothing_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("keyword");
        let view = Reopening::open(ViewName::Keyword, dir.clone(), TantivyKeywords::open).unwrap();
        view.commit(Publication(3)).await.unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(view.commit(Publication(4)).await.is_err());
        view.reopen().await.unwrap();
        assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
        view.commit(Publication(4)).await.unwrap();
        view.reopen().await.unwrap();
        assert_eq!(view.checkpoint().await.unwrap(), Publication(4), "what was committed stays");
    }

    #[tokio::test]
    async fn a_view_that_cannot_be_opened_fails_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("keyword");
        let open = |dir: &Path| match dir.with_file_name("away").exists() {
            true => Err(ViewError::new(ViewErrorKind::Storage, "the disk is gone")),
            false => TantivyKeywords::open(dir),
        };
        let view = Reopening::open(ViewName::Keyword, dir.clone(), open).unwrap();
        std::fs::write(dir.with_file_name("away"), "").unwrap();
        assert!(view.reopen().await.is_err());
        assert_eq!(view.count().await.unwrap_err().kind(), ViewErrorKind::Closed);
        std::fs::remove_file(dir.with_file_name("away")).unwrap();
        view.reopen().await.unwrap();
        assert_eq!(view.count().await.unwrap(), 0);
    }
}
