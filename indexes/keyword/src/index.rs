//! How does the keyword view keep its promises over tantivy?
//!
//! Every call runs on the runtime's blocking threads, where texts are analysed; tantivy writes on a thread of its own.
//! Searches read the last commit and wait for nobody.
//!
//! Invariants:
//! - I-3: the checkpoint is part of the commit, and the folder is synced after the commit, because tantivy syncs it only
//!   before: a power failure could roll back what was reported as durable.
//! - Nothing is written after a write has failed: the failed one may be missing, and a later commit would cover it up.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tantivy::collector::{Count, TopDocs};
use tantivy::directory::MmapDirectory;
use tantivy::query::{Query, TermSetQuery};
use tantivy::{DocAddress, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyError};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::hit::Hit;
use wellspring_core::limits;
use wellspring_core::retry::until_free;
use wellspring_core::view::{
    Change, KeywordEntry, KeywordSearch, Publication, ViewError, ViewErrorKind, ViewName, ViewWriter,
};

use crate::schema::{CHUNK, Fields};
use crate::statistics::{Lengths, LiveStatistics};
use crate::{adjacency, analyser, query};

const INDEX: &str = "index";
const LOCK_FILE: &str = "lock";
/// Results looked at beyond the limit at first, in case the limit falls among equals.
const TIES_AT_FIRST: usize = 16;
/// Results beyond which equals are no more told apart.
const TIES_MAX: usize = 4096;

/// What a commit carries.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Payload {
    checkpoint: u64,
    analyser: u32,
}

/// The keyword view in a folder of its own, by tantivy.
///
/// Closing is dropping; what was applied and not committed is forgotten.
pub struct TantivyKeywords {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    fields: Fields,
    index: Index,
    reader: IndexReader,
    lengths: Lengths,
    writer: Mutex<Writer>,
    // Declared last, so that the folder is given up after the index has closed.
    _lock: File,
}

struct Writer {
    tantivy: IndexWriter,
    /// Whether a write failed, so that no commit may be trusted any more.
    broken: bool,
}

impl TantivyKeywords {
    /// Opens the view in `dir`, or makes an empty one; one that another version of the analyser made is emptied.
    /// Blocks.
    pub fn open(dir: &Path) -> Result<Self, ViewError> {
        let folder = dir.join(INDEX);
        fs::create_dir_all(&folder)
            .map_err(|error| storage("could not create the folder of the keyword index", error))?;
        let lock = File::create(dir.join(LOCK_FILE))
            .map_err(|error| storage("could not create the lock of the keyword index", error))?;
        take_lock(&lock)
            .map_err(|error| storage("could not take the keyword index: does another process hold it?", error))?;

        let unreadable = |error: TantivyError| {
            let attempted =
                format!("could not open the keyword index; delete the folder {} and it is rebuilt", dir.display());
            ViewError::caused_by(ViewErrorKind::Incompatible, attempted, error)
        };
        let fields = Fields::new();
        if !is_current(&folder).map_err(unreadable)? {
            fs::remove_dir_all(&folder)
                .and_then(|()| fs::create_dir_all(&folder))
                .map_err(|error| storage("could not remove an old keyword index", error))?;
        }
        let directory = MmapDirectory::open(&folder).map_err(|error| unreadable(error.into()))?;
        let index = Index::open_or_create(directory, fields.schema.clone()).map_err(unreadable)?;
        // One thread: it writes one segment a commit, and the other cores belong to the embedder.
        let tantivy = index.writer_with_num_threads(1, limits::KEYWORD_WRITER_BYTES).map_err(unreadable)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(unreadable)?;
        let writer = Mutex::new(Writer { tantivy, broken: false });
        let lengths = Lengths::default();
        Ok(Self { inner: Arc::new(Inner { dir: folder, fields, index, reader, lengths, writer, _lock: lock }) })
    }

    /// Runs a call on a blocking thread. It goes on when the caller hangs up: a write is idempotent.
    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Inner) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || call(&inner))
            .await
            .map_err(|error| storage("the keyword index was interrupted", error))?
    }
}

/// Takes a lock, waiting for whoever is about to give it up. Blocks.
fn take_lock(file: &File) -> Result<(), TryLockError> {
    until_free(|| file.try_lock(), |error| matches!(error, TryLockError::WouldBlock), std::thread::sleep)
}

/// Whether the folder may be opened as it is: empty, or committed by this version. One that was never committed holds
/// nothing and is not worth looking at.
fn is_current(folder: &Path) -> Result<bool, TantivyError> {
    let directory = MmapDirectory::open(folder)?;
    if !Index::exists(&directory)? {
        return Ok(false);
    }
    let Some(payload) = payload(&Index::open(directory)?)? else {
        return Ok(false);
    };
    if payload.analyser != analyser::VERSION {
        tracing::info!(found = payload.analyser, wanted = analyser::VERSION, "the keyword index is made anew");
        return Ok(false);
    }
    Ok(true)
}

/// What the last commit carries; `None` before the first.
fn payload(index: &Index) -> Result<Option<Payload>, TantivyError> {
    let Some(payload) = index.load_metas()?.payload else {
        return Ok(None);
    };
    let payload = serde_json::from_str(&payload)
        .map_err(|error| TantivyError::InternalError(format!("the commit carries no checkpoint: {error}")))?;
    Ok(Some(payload))
}

fn storage(attempted: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ViewError {
    ViewError::caused_by(ViewErrorKind::Storage, attempted, source)
}

impl Inner {
    /// Runs a write, alone, unless one failed before. A panic counts as a failure.
    fn write(
        &self,
        attempted: &str,
        call: impl FnOnce(&mut IndexWriter) -> Result<(), TantivyError>,
    ) -> Result<(), ViewError> {
        let mut writer: MutexGuard<'_, Writer> = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.broken {
            let attempted = "the keyword index failed to write before and is not trusted until it is reopened; restart";
            return Err(ViewError::new(ViewErrorKind::Storage, attempted));
        }
        writer.broken = true;
        call(&mut writer.tantivy).map_err(|error| storage(attempted, error))?;
        writer.broken = false;
        Ok(())
    }

    fn apply(&self, change: &Change<KeywordEntry>) -> Result<(), ViewError> {
        self.write("could not write to the keyword index", |tantivy| {
            for chunk in &change.removals {
                tantivy.delete_term(self.fields.chunk_term(chunk));
            }
            for entry in &change.upserts {
                tantivy.delete_term(self.fields.chunk_term(&entry.chunk));
                tantivy.add_document(self.fields.document(entry))?;
            }
            Ok(())
        })
    }

    fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        self.write("could not commit the keyword index", |tantivy| self.commit_with(tantivy, checkpoint))
    }

    fn clear(&self) -> Result<(), ViewError> {
        self.write("could not clear the keyword index", |tantivy| {
            tantivy.delete_all_documents()?;
            self.commit_with(tantivy, Publication::default())
        })
    }

    fn commit_with(&self, tantivy: &mut IndexWriter, checkpoint: Publication) -> Result<(), TantivyError> {
        let payload = Payload { checkpoint: checkpoint.0, analyser: analyser::VERSION };
        let payload =
            serde_json::to_string(&payload).map_err(|error| TantivyError::InternalError(error.to_string()))?;
        let mut commit = tantivy.prepare_commit()?;
        commit.set_payload(&payload);
        commit.commit()?;
        // I-3: only now does the new list of segments survive a power failure.
        File::open(&self.dir)?.sync_all()?;
        self.reader.reload()
    }

    fn checkpoint(&self) -> Result<Publication, ViewError> {
        let payload = payload(&self.index).map_err(|error| storage("could not read the keyword index", error))?;
        Ok(Publication(payload.map_or(0, |payload| payload.checkpoint)))
    }

    fn count_of(&self, document: DocumentId) -> Result<u64, ViewError> {
        let term = TermSetQuery::new([self.fields.document_term(&document)]);
        let found = self.reader.searcher().search(&term, &Count);
        found.map(|count| count as u64).map_err(|error| storage("could not look into the keyword index", error))
    }

    fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError> {
        let terms = TermSetQuery::new(chunks.iter().map(|chunk| self.fields.chunk_term(chunk)));
        let found = self.reader.searcher().search(&terms, &Count);
        found.map(|count| count > 0).map_err(|error| storage("could not look into the keyword index", error))
    }

    fn matching(
        &self,
        collection: &CollectionName,
        question: &str,
        among: Option<&[ChunkId]>,
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        self.search(collection, question, among, limit)
            .map_err(|error| storage("could not search the keyword index", error))
    }

    fn search(
        &self,
        collection: &CollectionName,
        question: &str,
        among: Option<&[ChunkId]>,
        limit: usize,
    ) -> Result<Vec<Hit>, TantivyError> {
        let searcher = self.reader.searcher();
        let statistics = self.lengths.of(&searcher);
        // Room for the results is reserved, so a limit beyond the index would only cost memory.
        let everything = usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX);
        let question = &question[..question.floor_char_boundary(limits::QUERY_BYTES_MAX)];
        let languages = query::languages(&self.fields, &statistics)?;
        let terms = query::terms(&self.fields, &statistics, question, &languages)?;
        let limit = limit.min(everything);
        if terms.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let best = match among {
            Some(chunks) => {
                let mut scores = query::scores(&self.fields, &searcher, &statistics, collection, &terms, chunks)?;
                keep_best(&mut scores, limit);
                scores
            }
            None => {
                let query = query::any_of(&self.fields, &searcher, collection, &terms)?;
                best_of(&searcher, &statistics, &*query, limit, everything)?
            }
        };
        let addresses: Vec<DocAddress> = best.iter().map(|(_, address)| *address).collect();
        let phrases = adjacency::phrases(question, &languages);
        let gains = adjacency::gains(self.fields.text, &searcher, &statistics, &phrases, &addresses)?;
        let mut hits = Vec::with_capacity(best.len());
        for ((score, address), gain) in best.into_iter().zip(gains) {
            hits.extend(chunk_at(&searcher, address)?.map(|chunk| Hit { chunk, score: score + gain }));
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
        hits.truncate(limit);
        Ok(hits)
    }
}

/// The best matches of a query, the limit of them and those behind it that are no worse than the last.
///
/// Equal scores are ordered by chunk, and the index knows an order of its own: where the limit falls among equals, all of
/// them are looked at, so that not the order of writing decides who is within it.
fn best_of(
    searcher: &Searcher,
    statistics: &LiveStatistics<'_>,
    query: &dyn Query,
    limit: usize,
    everything: usize,
) -> Result<Vec<(f32, DocAddress)>, TantivyError> {
    let looked_at = looked_at(limit);
    let mut depth = looked_at.saturating_add(TIES_AT_FIRST);
    loop {
        let best = TopDocs::with_limit(depth.min(everything)).order_by_score();
        let best = searcher.search_with_statistics_provider(query, &best, statistics)?;
        let tied = best.len() == depth && best.get(looked_at - 1).map(score) == best.last().map(score);
        if !tied || depth >= TIES_MAX {
            return Ok(best);
        }
        depth = depth.saturating_mul(8);
    }
}

/// The same of scores that are known.
fn keep_best(scores: &mut Vec<(f32, DocAddress)>, limit: usize) {
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    if let Some(least) = scores.get(looked_at(limit) - 1).map(score) {
        let kept = scores.iter().take_while(|scored| score(scored) >= least).count();
        scores.truncate(kept.min(TIES_MAX));
    }
}

/// How many of the best are compared by their phrases too.
fn looked_at(limit: usize) -> usize {
    limit.max(limits::CANDIDATES_MAX)
}

fn score(best: &(f32, DocAddress)) -> f32 {
    best.0
}

/// The chunk that a match is of.
fn chunk_at(searcher: &Searcher, address: DocAddress) -> Result<Option<ChunkId>, TantivyError> {
    let Some(column) = searcher.segment_reader(address.segment_ord).fast_fields().bytes(CHUNK)? else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(16);
    for ordinal in column.term_ords(address.doc_id) {
        column.ord_to_bytes(ordinal, &mut bytes)?;
    }
    Ok(bytes.try_into().ok().map(ChunkId::from_bytes))
}

#[async_trait]
impl ViewWriter<KeywordEntry> for TantivyKeywords {
    fn name(&self) -> ViewName {
        ViewName::Keyword
    }

    async fn apply(&self, change: Change<KeywordEntry>) -> Result<(), ViewError> {
        self.run(move |inner| inner.apply(&change)).await
    }

    async fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        self.run(move |inner| inner.commit(checkpoint)).await
    }

    async fn checkpoint(&self) -> Result<Publication, ViewError> {
        self.run(Inner::checkpoint).await
    }

    async fn clear(&self) -> Result<(), ViewError> {
        self.run(Inner::clear).await
    }

    async fn count(&self) -> Result<u64, ViewError> {
        self.run(|inner| Ok(inner.reader.searcher().num_docs())).await
    }

    async fn count_of(&self, document: DocumentId) -> Result<u64, ViewError> {
        self.run(move |inner| inner.count_of(document)).await
    }

    async fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError> {
        let chunks = chunks.to_vec();
        self.run(move |inner| inner.contains_any(&chunks)).await
    }
}

#[async_trait]
impl KeywordSearch for TantivyKeywords {
    async fn matching(&self, collection: &CollectionName, query: &str, limit: usize) -> Result<Vec<Hit>, ViewError> {
        let (collection, query) = (collection.clone(), query.to_owned());
        self.run(move |inner| inner.matching(&collection, &query, None, limit)).await
    }

    async fn matching_among(
        &self,
        collection: &CollectionName,
        query: &str,
        chunks: &[ChunkId],
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        let (collection, query, chunks) = (collection.clone(), query.to_owned(), chunks.to_vec());
        self.run(move |inner| inner.matching(&collection, &query, Some(&chunks), limit)).await
    }
}
