//! Does the write path keep its promises when its parts fail? The real path, with doubles for everything around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::{CatalogErrorKind, CatalogReader, EntryState, Sequence, Write};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{Attributes, CollectionName, DocumentId, Draft, MediaType};
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedder, Embedding, EmbeddingSpace, Lane};
use wellspring_core::filter::Filter;
use wellspring_core::limits;
use wellspring_core::source::SourceName;
use wellspring_core::view::{
    Change, KeywordSearch, Publication, VectorEntry, ViewError, ViewErrorKind, ViewName, ViewWriter,
};
use wellspring_ingest::apply::Views;
use wellspring_ingest::intake::{Intake, Signals};
use wellspring_ingest::parse::{self, ParseError, Parsed};
use wellspring_ingest::pipeline::{self, PipelineParts};
use wellspring_ingest::prepare::Parser;
use wellspring_ingest::recover::{RecoverError, recover};
use wellspring_ingest::room::Room;
use wellspring_ingest::screen::Screener;
use wellspring_tests::doubles::catalog::MemoryCatalog;
use wellspring_tests::doubles::embedder::HashEmbedder;
use wellspring_tests::doubles::keyword::MemoryKeywords;
use wellspring_tests::doubles::vector::MemoryVectors;

const DIMENSION: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads in this process; a document that says so is refused, kills its reader or is never read.
struct InProcessParser;

#[async_trait]
impl Parser for InProcessParser {
    async fn parse(&self, media_type: MediaType, content: Vec<u8>) -> Result<Parsed, ParseError> {
        if content.starts_with(b"HANG") {
            std::future::pending::<()>().await;
        }
        if content.starts_with(b"KILL") {
            return Err(ParseError::Killed { attempts: 3, reason: "signal 11".to_owned() });
        }
        parse::parse(media_type, &content).map_err(|refused| ParseError::Refused { reason: refused.0 })
    }
}

/// Counts what it embeds; refuses texts that hold `refuse`; fails its first calls as a starting model would.
struct CountingEmbedder {
    inner: HashEmbedder,
    embedded: AtomicUsize,
    failures: AtomicUsize,
    /// Whether texts that say they are slow may be embedded.
    open: watch::Sender<bool>,
}

#[async_trait]
impl Embedder for CountingEmbedder {
    fn space(&self) -> &EmbeddingSpace {
        self.inner.space()
    }

    async fn embed_passages(&self, texts: Vec<String>, lane: Lane) -> Result<Vec<Embedding>, EmbedError> {
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(EmbedError::new(EmbedErrorKind::Busy, "could not embed yet"));
        }
        if texts.iter().any(|text| text.contains("refuse")) {
            return Err(EmbedError::new(EmbedErrorKind::Model, "could not embed that"));
        }
        if texts.iter().any(|text| text.contains("slow")) {
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
        }
        self.embedded.fetch_add(texts.len(), Ordering::SeqCst);
        self.inner.embed_passages(texts, lane).await
    }

    async fn embed_query(&self, text: String) -> Result<Embedding, EmbedError> {
        self.inner.embed_query(text).await
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }
}

/// A vector view whose next writes fail, or that fails until it is opened anew and then has lost everything.
struct FailingVectors {
    inner: Arc<MemoryVectors>,
    failures: AtomicUsize,
    lost: AtomicBool,
}

impl FailingVectors {
    fn fail(&self) -> Result<(), ViewError> {
        if self.lost.load(Ordering::SeqCst) {
            return Err(ViewError::new(ViewErrorKind::Storage, "could not write the view: its files are gone"));
        }
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(ViewError::new(ViewErrorKind::Storage, "could not write the view: the disk is full")),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl ViewWriter<VectorEntry> for FailingVectors {
    fn name(&self) -> ViewName {
        ViewName::Vector
    }
    async fn apply(&self, change: Change<VectorEntry>) -> Result<(), ViewError> {
        self.fail()?;
        self.inner.apply(change).await
    }
    async fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        self.fail()?;
        self.inner.commit(checkpoint).await
    }
    async fn checkpoint(&self) -> Result<Publication, ViewError> {
        self.inner.checkpoint().await
    }
    async fn clear(&self) -> Result<(), ViewError> {
        self.inner.clear().await
    }
    async fn reopen(&self) -> Result<(), ViewError> {
        if self.lost.swap(false, Ordering::SeqCst) { self.inner.clear().await } else { Ok(()) }
    }
    async fn count(&self) -> Result<u64, ViewError> {
        self.inner.count().await
    }
    async fn count_of(&self, document: DocumentId) -> Result<u64, ViewError> {
        self.inner.count_of(document).await
    }
    async fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError> {
        self.inner.contains_any(chunks).await
    }
}

fn put(key: &str, text: &str) -> Write {
    Write::Put(Draft {
        collection: CollectionName::default(),
        key: key.parse().unwrap(),
        source: SourceName::push(),
        media_type: MediaType::Text,
        content: text.as_bytes().to_vec(),
        attributes: Attributes::default(),
        fingerprint: None,
    })
}

/// A running write path.
struct Path {
    catalog: Arc<MemoryCatalog>,
    vectors: Arc<FailingVectors>,
    keywords: Arc<MemoryKeywords>,
    embedder: Arc<CountingEmbedder>,
    intake: Intake,
    signals: Arc<Signals>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Path {
    async fn start() -> Self {
        Self::start_within(&Arc::default()).await
    }

    /// The same over a disk that can be full.
    async fn start_within(full: &Arc<AtomicBool>) -> Self {
        let embedder = CountingEmbedder {
            inner: HashEmbedder::new(DIMENSION),
            embedded: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            open: watch::Sender::new(false),
        };
        let vectors = FailingVectors {
            inner: Arc::new(MemoryVectors::new(DIMENSION)),
            failures: AtomicUsize::new(0),
            lost: AtomicBool::new(false),
        };
        Self::over(
            Arc::new(MemoryCatalog::default()),
            Arc::new(vectors),
            Arc::new(MemoryKeywords::new()),
            Arc::new(embedder),
            full,
        )
        .await
    }

    async fn over(
        catalog: Arc<MemoryCatalog>,
        vectors: Arc<FailingVectors>,
        keywords: Arc<MemoryKeywords>,
        embedder: Arc<CountingEmbedder>,
        full: &Arc<AtomicBool>,
    ) -> Self {
        use wellspring_core::catalog::Publisher;
        let space = embedder.space().id();
        catalog.bind_space(&CollectionName::default(), space, "hash").await.unwrap().unwrap();
        let stop = CancellationToken::new();
        let views = Views { vector: vectors.clone(), keyword: keywords.clone() };
        let published = recover(&*catalog, &views, space, &|_, _| {}, &stop).await.unwrap();
        let signals = Arc::new(Signals::default());
        let full = Arc::clone(full);
        let room = Room::new(move || full.load(Ordering::SeqCst).then(|| "the disk is full".to_owned()));
        let intake = Intake::new(catalog.clone(), catalog.clone(), signals.clone()).within(room.clone());
        let parts = PipelineParts {
            publisher: catalog.clone(),
            parser: Arc::new(InProcessParser),
            screener: Arc::new(Screener::off()),
            embedder: embedder.clone(),
            views,
            signals: signals.clone(),
            meter: Arc::default(),
            room,
        };
        let task = tokio::spawn(pipeline::run(parts, published, stop.clone()));
        Self { catalog, vectors, keywords, embedder, intake, signals, stop, task }
    }

    async fn put(&self, key: &str, text: &str) -> EntryState {
        let sequence = self.accept(key, text).await;
        self.intake.settled(sequence, PATIENCE).await.unwrap().unwrap()
    }

    async fn accept(&self, key: &str, text: &str) -> Sequence {
        let receipts = self.intake.accept(vec![put(key, text)]).await.unwrap();
        receipts[0].as_ref().unwrap().sequence.unwrap()
    }

    /// Accepts so many documents at once that they are an import.
    async fn import(&self, texts: &[String]) -> Vec<Sequence> {
        assert!(texts.len() > limits::INTERACTIVE_WRITES_MAX);
        let writes = texts.iter().enumerate().map(|(number, text)| put(&format!("import{number}"), text)).collect();
        let receipts = self.intake.accept(writes).await.unwrap();
        receipts.into_iter().map(|receipt| receipt.unwrap().sequence.unwrap()).collect()
    }

    async fn found(&self, word: &str) -> usize {
        let collection = CollectionName::default();
        let hits = self.keywords.matching(&collection, word, 10).await.unwrap();
        let chunks: Vec<_> = hits.iter().map(|hit| hit.chunk).collect();
        self.catalog.hydrate(&collection, &chunks, &Filter::default()).await.unwrap().len()
    }

    /// Ends the path as a crash would: nothing is finished, claims are forgotten.
    async fn crash(self) -> (Arc<MemoryCatalog>, Arc<FailingVectors>, Arc<MemoryKeywords>, Arc<CountingEmbedder>) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.catalog.restart();
        (self.catalog, self.vectors, self.keywords, self.embedder)
    }
}

#[tokio::test]
async fn i2_a_settled_write_is_found() {
    let path = Path::start().await;
    assert_eq!(path.put("a", "the harbour master").await, EntryState::Published);
    assert_eq!(path.found("harbour").await, 1);
}

#[tokio::test]
async fn i9_text_repeated_in_other_documents_and_later_is_embedded_once() {
    let path = Path::start().await;
    for key in ["a", "b", "c"] {
        path.put(key, "the same words everywhere").await;
    }
    path.put("a", "other words").await;
    path.put("a", "the same words everywhere").await;
    assert_eq!(path.embedder.embedded.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn i3_a_failing_view_delays_and_loses_nothing() {
    let path = Path::start().await;
    path.vectors.failures.store(3, Ordering::SeqCst);
    assert_eq!(path.put("a", "patience is rewarded").await, EntryState::Published);
    assert_eq!(path.vectors.count().await.unwrap(), 1);
    assert_eq!(path.vectors.checkpoint().await.unwrap(), path.keywords.checkpoint().await.unwrap());
}

#[tokio::test]
async fn i3_a_view_that_lost_everything_is_filled_again_while_the_service_runs() {
    let path = Path::start().await;
    let stuck = path.signals.stuck();
    for key in ["a", "b", "c"] {
        path.put(key, &format!("{key} patience is rewarded")).await;
    }
    path.vectors.lost.store(true, Ordering::SeqCst);
    assert_eq!(path.put("d", "d after the loss").await, EntryState::Published);
    assert_eq!(path.vectors.count().await.unwrap(), 4);
    assert_eq!(path.vectors.checkpoint().await.unwrap(), path.keywords.checkpoint().await.unwrap());
    assert!(stuck.has_changed().unwrap() && stuck.borrow().is_none(), "it was told, and that it is over");
    assert_eq!(path.embedder.embedded.load(Ordering::SeqCst), 4, "nothing is embedded again");
}

#[tokio::test]
async fn without_room_writes_are_refused_what_was_accepted_waits_and_deletions_go_on() {
    let full = Arc::new(AtomicBool::new(false));
    let path = Path::start_within(&full).await;
    path.put("a", "before the disk was full").await;
    full.store(true, Ordering::SeqCst);
    let refused = path.intake.accept(vec![put("b", "too late")]).await.unwrap_err();
    assert_eq!(refused.kind(), CatalogErrorKind::Full);
    let delete =
        Write::Delete { collection: CollectionName::default(), key: "a".parse().unwrap(), source: SourceName::push() };
    let receipts = path.intake.accept(vec![delete]).await.unwrap();
    let sequence = receipts[0].as_ref().unwrap().sequence.unwrap();
    let mut stuck = path.signals.stuck();
    stuck.wait_for(Option::is_some).await.unwrap();
    assert_eq!(path.vectors.count().await.unwrap(), 1, "nothing is written to an index");
    assert_eq!(path.found("disk").await, 0, "and nothing deleted is found");
    full.store(false, Ordering::SeqCst);
    path.intake.settled(sequence, PATIENCE).await.unwrap();
    assert_eq!(path.vectors.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_busy_embedder_delays_and_loses_nothing() {
    let path = Path::start().await;
    path.embedder.failures.store(2, Ordering::SeqCst);
    assert_eq!(path.put("a", "patience is rewarded").await, EntryState::Published);
}

#[tokio::test]
async fn i8_documents_that_cannot_be_read_are_recorded_and_block_nobody() {
    let path = Path::start().await;
    let (killer, refused, fine) = (
        path.accept("killer", "KILL the reader").await,
        path.accept("refused", "please refuse this").await,
        path.accept("fine", "an ordinary text").await,
    );
    let state = async |sequence| path.intake.settled(sequence, PATIENCE).await.unwrap().unwrap();
    assert!(matches!(state(killer).await, EntryState::Quarantined { .. }));
    assert!(matches!(state(refused).await, EntryState::Failed { .. }));
    assert_eq!(state(fine).await, EntryState::Published);
    assert_eq!(path.found("ordinary").await, 1);
    assert_eq!(path.put("refused", "now it is agreeable").await, EntryState::Published);
}

#[tokio::test]
async fn a_document_without_text_is_left_out_and_comes_in_when_text_arrives() {
    let path = Path::start().await;
    let no_text = EntryState::Skipped { reason: "it holds no text".to_owned() };
    assert_eq!(path.put("a", " \n\t").await, no_text);
    assert_eq!(path.put("a", "goldammer").await, EntryState::Published);
    assert_eq!(path.found("goldammer").await, 1);
    assert_eq!(path.put("a", "\n").await, no_text);
    assert_eq!(path.found("goldammer").await, 0, "it says nothing any more");
}

#[tokio::test]
async fn an_edit_overtakes_an_import() {
    let path = Path::start().await;
    let texts: Vec<String> = (0..20).map(|number| format!("a slow import, number {number}")).collect();
    let import = path.import(&texts).await;
    assert_eq!(path.put("edit", "somebody waits for this").await, EntryState::Published);
    assert_eq!(path.catalog.entry_state(import[0]).await.unwrap(), Some(EntryState::Pending));
    path.embedder.open.send_replace(true);
    for sequence in import {
        assert_eq!(path.intake.settled(sequence, PATIENCE).await.unwrap(), Some(EntryState::Published));
    }
}

#[tokio::test]
async fn i9_a_text_that_an_import_is_embedding_is_not_embedded_again_for_an_edit() {
    let path = Path::start().await;
    let texts: Vec<String> = (0..20).map(|number| format!("a slow import, number {number}")).collect();
    let import = path.import(&texts).await;
    let edit = path.accept("edit", &texts[7]).await;
    path.embedder.open.send_replace(true);
    assert_eq!(path.intake.settled(edit, PATIENCE).await.unwrap(), Some(EntryState::Published));
    assert_eq!(path.put("later", "somebody waits for this").await, EntryState::Published);
    // On a busy machine the edit may come before the import was begun.
    for sequence in import {
        assert_eq!(path.intake.settled(sequence, PATIENCE).await.unwrap(), Some(EntryState::Published));
    }
    assert_eq!(path.embedder.embedded.load(Ordering::SeqCst), texts.len() + 1);
}

#[tokio::test]
async fn i8_a_document_that_is_read_for_ever_holds_up_no_other() {
    let path = Path::start().await;
    let hanging = path.accept("hanging", "HANG the reader").await;
    let (beside, later) = (path.accept("beside", "accepted with it").await, path.put("later", "accepted after it"));
    assert_eq!(later.await, EntryState::Published);
    assert_eq!(path.intake.settled(beside, PATIENCE).await.unwrap(), Some(EntryState::Published));
    assert_eq!(path.catalog.entry_state(hanging).await.unwrap(), Some(EntryState::Pending));
    assert_eq!(path.found("accepted").await, 2);
}

#[tokio::test]
async fn i3_a_crash_at_a_failing_view_publishes_after_the_restart() {
    let path = Path::start().await;
    path.put("before", "a quiet evening").await;
    path.vectors.failures.store(usize::MAX, Ordering::SeqCst);
    let sequence = path.accept("during", "a stormy night").await;
    tokio::time::timeout(Duration::from_millis(300), path.intake.settled(sequence, PATIENCE)).await.unwrap_err();
    assert_eq!(path.found("stormy").await, 0);
    let (catalog, vectors, keywords, embedder) = path.crash().await;
    vectors.failures.store(0, Ordering::SeqCst);
    let embedded = embedder.embedded.load(Ordering::SeqCst);
    let path = Path::over(catalog, vectors, keywords, embedder, &Arc::default()).await;
    assert_eq!(path.intake.settled(sequence, PATIENCE).await.unwrap(), Some(EntryState::Published));
    assert_eq!((path.found("stormy").await, path.found("quiet").await), (1, 1));
    assert_eq!(path.embedder.embedded.load(Ordering::SeqCst), embedded, "staged vectors are not computed again");
}

#[tokio::test]
async fn i3_a_lost_view_is_replayed_and_a_lost_catalog_is_noticed() {
    let path = Path::start().await;
    for page in 0..5 {
        path.put(&format!("page{page}"), &format!("page number {page} speaks")).await;
    }
    let (catalog, vectors, keywords, embedder) = path.crash().await;
    keywords.clear().await.unwrap();
    let path = Path::over(catalog, vectors, keywords, embedder, &Arc::default()).await;
    assert_eq!(path.found("speaks").await, 5);
    assert_eq!(path.embedder.embedded.load(Ordering::SeqCst), 5);

    let (_, vectors, keywords, embedder) = path.crash().await;
    let views = Views { vector: vectors, keyword: keywords };
    let (catalog, stop) = (MemoryCatalog::default(), CancellationToken::new());
    let recovered = recover(&catalog, &views, embedder.space().id(), &|_, _| {}, &stop).await;
    assert!(matches!(recovered, Err(RecoverError::CatalogLost { .. })), "{recovered:?}");
    assert_eq!(views.vector.count().await.unwrap(), 5, "nothing was wiped");
}
