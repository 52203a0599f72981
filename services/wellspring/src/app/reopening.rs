//! What if an index fails while the service runs?
//!
//! An index that could not be written is not to be trusted any further, and one whose folder was deleted writes into
//! nothing. It is closed and opened anew in its place, without a restart; the write path then brings it forward from the
//! catalog. One that can be written but whose searches fail is damaged inside: the next write finds it so, and it is begun
//! anew.
//!
//! Invariants:
//! - Searches alone never have an index made anew more than once in [`limits::VIEW_RENEWAL_INTERVAL`]: a question that an
//!   engine fails over must not be a way to keep the service busy.
//! - Searches that began with the old one end with it. While there is none, they fail, and the other arm answers.
//! - One index is open in a folder at a time: the old one is closed first.

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::watch;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::hit::Hit;
use wellspring_core::limits;
use wellspring_core::view::{
    Change, KeywordSearch, Publication, VectorSearch, ViewError, ViewErrorKind, ViewName, ViewWriter,
};

use super::views::{open_or_renew, set_aside};

type Open<V> = Arc<dyn Fn(&Path) -> Result<V, ViewError> + Send + Sync>;

/// A view that can be opened again in its place.
pub(super) struct Reopening<V> {
    name: ViewName,
    dir: PathBuf,
    open: Open<V>,
    /// `None` while it is being opened, or when that failed.
    view: RwLock<Option<Arc<V>>>,
    reads: Mutex<Reads>,
    /// Why it cannot be searched.
    trouble: watch::Sender<Option<String>>,
}

/// How searches went.
#[derive(Debug, Default)]
struct Reads {
    /// Failures since [`Reads::failing_since`].
    failed: u32,
    failing_since: Option<Instant>,
    /// When it was begun anew because of them.
    renewed_at: Option<Instant>,
}

impl Reads {
    /// One more has failed. A disk may fail a single one at any time: only several in a short while say something.
    fn count_failure(&mut self, now: Instant) {
        let is_old = |at: Instant| now.duration_since(at) >= limits::VIEW_FAILED_READS_WITHIN;
        if !self.are_failing() && self.failing_since.is_none_or(is_old) {
            (self.failed, self.failing_since) = (0, Some(now));
        }
        self.failed = self.failed.saturating_add(1);
    }

    fn are_failing(&self) -> bool {
        self.failed >= limits::VIEW_FAILED_READS_MAX
    }
}

impl<V> Reopening<V> {
    /// Opens a view by `open`, in `dir`. Blocks.
    pub(super) fn open(
        name: ViewName,
        dir: PathBuf,
        open: impl Fn(&Path) -> Result<V, ViewError> + Send + Sync + 'static,
    ) -> Result<Self, ViewError> {
        let view = open_or_renew(&dir, &open)?;
        Ok(Self {
            name,
            dir,
            open: Arc::new(open),
            view: RwLock::new(Some(Arc::new(view))),
            reads: Mutex::default(),
            trouble: watch::Sender::default(),
        })
    }

    /// Why it cannot be searched, as that changes; `None` while it can.
    pub(super) fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    fn reads(&self) -> MutexGuard<'_, Reads> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how a search went.
    fn noted<T>(&self, read: Result<T, ViewError>) -> Result<T, ViewError> {
        if read.as_ref().is_err_and(|error| error.kind() == ViewErrorKind::Storage) {
            let mut reads = self.reads();
            reads.count_failure(Instant::now());
            if reads.are_failing() {
                self.say(Some("its searches fail; the next write begins it anew"));
            }
        }
        read
    }

    /// Whether the next write is to begin it anew.
    fn is_due(&self) -> bool {
        let reads = self.reads();
        reads.are_failing() && reads.renewed_at.is_none_or(|at| at.elapsed() >= limits::VIEW_RENEWAL_INTERVAL)
    }

    fn say(&self, trouble: Option<&str>) {
        let trouble = trouble.map(|reason| format!("the {} index: {reason}", self.name.as_str()));
        self.trouble.send_if_modified(|before| {
            let changes = *before != trouble;
            *before = trouble;
            changes
        });
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
        if self.is_due() {
            return Err(ViewError::new(ViewErrorKind::Storage, "searches of the index fail"));
        }
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
        self.say(Some("it is being opened anew"));
        let is_damaged = self.reads().are_failing();
        let (old, dir, open) = (self.put(None), self.dir.clone(), Arc::clone(&self.open));
        let opened = tokio::task::spawn_blocking(move || {
            // An engine may panic over files that are gone; it was told where that happened.
            panic::catch_unwind(AssertUnwindSafe(|| drop(old))).ok();
            if is_damaged {
                set_aside(&dir).map_err(|error| {
                    let attempted = "a damaged index could not be moved aside";
                    ViewError::caused_by(ViewErrorKind::Storage, attempted, error)
                })?;
            }
            open_or_renew(&dir, &*open)
        });
        let opened = opened.await.map_err(|error| {
            ViewError::caused_by(ViewErrorKind::Closed, "opening an index anew was interrupted", error)
        })?;
        self.put(Some(Arc::new(opened?)));
        let renewed_at = if is_damaged { Some(Instant::now()) } else { self.reads().renewed_at };
        *self.reads() = Reads { renewed_at, ..Reads::default() };
        self.say(None);
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
        self.noted(self.view()?.nearest(collection, query, limit).await)
    }

    async fn similarities(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError> {
        self.noted(self.view()?.similarities(collection, query, chunks).await)
    }

    async fn directions(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
    ) -> Result<Vec<(ChunkId, Embedding)>, ViewError> {
        self.noted(self.view()?.directions(collection, chunks).await)
    }
}

#[async_trait]
impl<V: KeywordSearch> KeywordSearch for Reopening<V> {
    async fn matching(&self, collection: &CollectionName, query: &str, limit: usize) -> Result<Vec<Hit>, ViewError> {
        self.noted(self.view()?.matching(collection, query, limit).await)
    }

    async fn matching_among(
        &self,
        collection: &CollectionName,
        query: &str,
        chunks: &[ChunkId],
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        self.noted(self.view()?.matching_among(collection, query, chunks, limit).await)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use wellspring_core::view::VectorEntry;
    use wellspring_keyword::TantivyKeywords;
    use wellspring_vector::{EdgeVectors, Shape};

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

    #[tokio::test]
    async fn a_view_whose_searches_fail_is_begun_anew_by_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("vector");
        let open = |dir: &Path| EdgeVectors::open(dir, Shape::of(2));
        let view = Reopening::open(ViewName::Vector, dir.clone(), open).unwrap();
        let trouble = view.trouble();
        let (document, direction) = (DocumentId::from_bytes([1; 16]), Embedding::new(vec![1.0, 0.5]).unwrap());
        let chunk = ChunkId::of(document, "text", 0);
        let change = || {
            let (collection, embedding) = (CollectionName::default(), direction.clone());
            let entry = VectorEntry { chunk, document, collection, embedding };
            Change { upserts: vec![entry], removals: Vec::new() }
        };
        view.apply(change()).await.unwrap();
        view.commit(Publication(3)).await.unwrap();
        damage(&dir);
        for _ in 0..limits::VIEW_FAILED_READS_MAX {
            assert_eq!(*trouble.borrow(), None);
            let read = view.directions(&CollectionName::default(), &[chunk]).await;
            assert_eq!(read.unwrap_err().kind(), ViewErrorKind::Storage);
        }
        assert!(trouble.borrow().as_ref().unwrap().contains("vector index: its searches fail"));
        assert!(view.apply(change()).await.is_err(), "so that the write path opens it anew");
        view.reopen().await.unwrap();
        assert_eq!((trouble.borrow().clone(), view.checkpoint().await.unwrap()), (None, Publication(0)));
        view.apply(change()).await.unwrap();
        view.commit(Publication(3)).await.unwrap();
        assert_eq!(view.directions(&CollectionName::default(), &[chunk]).await.unwrap().len(), 1);

        // Not again at once, whatever is asked.
        damage(&dir);
        for _ in 0..limits::VIEW_FAILED_READS_MAX {
            assert!(view.directions(&CollectionName::default(), &[chunk]).await.is_err());
        }
        assert!(trouble.borrow().is_some());
        assert!(!view.is_due(), "it was begun anew a moment ago");
    }

    /// Overwrites what the points of a vector index carry.
    fn damage(dir: &Path) {
        let mut damaged = 0;
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_str().unwrap().contains("payload_storage/page_") {
                    std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all(&[0xA5; 65_536]).unwrap();
                    damaged += 1;
                }
            }
        }
        assert!(damaged > 0, "the engine lays its files out in another way now");
    }

    #[test]
    fn a_failure_now_and_then_is_no_damage() {
        let (mut reads, mut now) = (Reads::default(), Instant::now());
        for _ in 0..10 * limits::VIEW_FAILED_READS_MAX {
            reads.count_failure(now);
            assert!(!reads.are_failing());
            now += limits::VIEW_FAILED_READS_WITHIN;
        }
        for _ in 0..limits::VIEW_FAILED_READS_MAX {
            reads.count_failure(now);
        }
        assert!(reads.are_failing());
    }
}
