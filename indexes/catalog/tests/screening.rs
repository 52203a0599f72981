//! Does the catalog remember what was screened, and let it go when it must?
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use tempfile::TempDir;
use wellspring_catalog::SqliteCatalog;
use wellspring_core::catalog::{
    CatalogReader, Cost, DocumentFilter, DocumentInfo, End, EntryState, Finished, Journal, Outcome, Publisher, Stage,
    StagedRevision, Task, Work, Write,
};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey, Part};
use wellspring_core::document::{Attributes, CollectionName, DocumentId, Draft, MediaType, Revision};
use wellspring_core::embedding::{Embedding, EmbeddingSpace, SpaceId};
use wellspring_core::filter::Filter;
use wellspring_core::limits;
use wellspring_core::screen::{
    Arrival, Decision, Findings, Inquiry, Record, Rule, Signature, SignatureStore, TextDigest, Verdict,
};
use wellspring_core::source::SourceName;
use wellspring_core::span::Span;

const SCOPE: u64 = u64::MAX - 7;

struct Bench {
    catalog: SqliteCatalog,
    directory: TempDir,
}

fn space() -> SpaceId {
    EmbeddingSpace {
        model: "m".to_owned(),
        model_digest: "m".to_owned(),
        dimension: 2,
        pooling: "mean".to_owned(),
        query_prefix: String::new(),
        passage_prefix: String::new(),
        tokens_max: 8,
        languages: Vec::new(),
    }
    .id()
}

fn id(key: &str) -> DocumentId {
    DocumentId::of(&CollectionName::default(), &key.parse().unwrap())
}

fn signature(text: &str) -> Signature {
    let first = u16::from(text.as_bytes()[0]);
    Signature { digest: TextDigest::of(text), minima: vec![first; limits::SCREEN_MINIMA] }
}

/// A record whose only bucket is its text's first letter, and whose only paragraph is its text.
fn record(key: &str, revision: u64, text: &str) -> Record {
    let letter = u64::from(text.as_bytes()[0]);
    let block = u64::from_le_bytes(TextDigest::of(text).as_bytes()[..8].try_into().unwrap());
    Record {
        document: id(key),
        revision: Revision(revision),
        signature: signature(text),
        bands: vec![letter, u64::MAX - letter],
        blocks: vec![block, SCOPE],
        original: None,
        dropped: false,
        arrival: None,
    }
}

fn copy(key: &str, revision: u64, text: &str, original: &str, dropped: bool) -> Record {
    Record { original: Some(id(original)), dropped, ..record(key, revision, text) }
}

fn drop_of(original: &str) -> Decision {
    Decision {
        rule: Rule::ExactDuplicate,
        verdict: Verdict::Dropped,
        reason: format!("it says the same as `{original}`"),
        duplicate_of: Some(original.parse().unwrap()),
        similarity: Some(1.0),
    }
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { catalog: SqliteCatalog::open(directory.path()).await.unwrap(), directory }
    }

    async fn reopen(self) -> Self {
        self.catalog.close().await;
        let Self { catalog, directory } = self;
        drop(catalog);
        Self { catalog: SqliteCatalog::open(directory.path()).await.unwrap(), directory }
    }

    async fn put(&self, key: &str, text: &str) -> Outcome {
        let draft = Draft {
            collection: CollectionName::default(),
            key: key.parse().unwrap(),
            source: SourceName::push(),
            media_type: MediaType::Text,
            content: text.as_bytes().to_vec(),
            attributes: Attributes::default(),
            fingerprint: None,
        };
        self.catalog.accept(vec![Write::Put(draft)]).await.unwrap()[0].as_ref().unwrap().outcome
    }

    async fn delete(&self, key: &str) {
        let (collection, source) = (CollectionName::default(), SourceName::push());
        let write = Write::Delete { collection, key: key.parse().unwrap(), source };
        self.catalog.accept(vec![write]).await.unwrap()[0].as_ref().unwrap();
    }

    async fn claim(&self) -> Option<Work> {
        self.catalog.claim(None, 1, usize::MAX).await.unwrap().pop()
    }

    async fn end(&self, work: &Work, end: End) {
        let finished = Finished { sequence: work.sequence, document: work.document, revision: work.revision, end };
        let next = self.catalog.published().await.unwrap().next();
        self.catalog.publish(next, vec![finished]).await.unwrap();
    }

    async fn known(&self, work: &Work) -> Vec<ChunkId> {
        self.catalog.known_chunks(work.document).await.unwrap().iter().map(|chunk| chunk.id).collect()
    }

    async fn stage(&self, work: &Work, screening: Vec<Decision>, with_chunk: bool) -> String {
        let Task::Put { content, .. } = &work.task else { panic!("a write") };
        let text = String::from_utf8(content.clone()).unwrap();
        let chunk = Chunk {
            id: ChunkId::of(work.document, &text, 0),
            ordinal: 0,
            span: Span::of(&text, 0..text.len()),
            text: text.clone(),
            heading: String::new(),
            tokens: 1,
            parts: vec![Part::whole(&text, 1)],
            embedding_key: EmbeddingKey::of(&text),
            places: Vec::new(),
        };
        let embeddings = vec![(chunk.embedding_key, Embedding::new(vec![3.0, 4.0]).unwrap())];
        let staged = StagedRevision {
            document: work.document,
            revision: work.revision,
            text: text.clone(),
            title: None,
            screening,
            chunks: if with_chunk { vec![chunk] } else { Vec::new() },
            embeddings: if with_chunk { embeddings } else { Vec::new() },
        };
        self.catalog.stage(space(), vec![staged]).await.unwrap();
        text
    }

    /// Publishes whatever comes next: a write whole, a deletion clean.
    async fn publish(&self) -> bool {
        let Some(work) = self.claim().await else { return false };
        let mut removed = self.known(&work).await;
        let end = match &work.task {
            Task::Delete => End::Deleted { removed },
            Task::Put { .. } => {
                let text = self.stage(&work, Vec::new(), true).await;
                let upserted = vec![ChunkId::of(work.document, &text, 0)];
                removed.retain(|chunk| !upserted.contains(chunk));
                End::Published { removed, upserted, cost: Cost::default() }
            }
        };
        self.end(&work, end).await;
        true
    }

    /// Skips whatever comes next, as a copy of `original`.
    async fn skip(&self, original: &str) {
        let work = self.claim().await.unwrap();
        let removed = self.known(&work).await;
        self.stage(&work, vec![drop_of(original)], false).await;
        self.end(&work, End::Skipped { reason: format!("it says the same as `{original}`"), removed }).await;
    }

    async fn info(&self, key: &str) -> DocumentInfo {
        self.catalog.document(&CollectionName::default(), &key.parse().unwrap()).await.unwrap().unwrap()
    }

    async fn is_skipped(&self, key: &str) -> bool {
        matches!(self.info(key).await.state, EntryState::Skipped { .. })
    }

    async fn is_pending(&self, key: &str) -> bool {
        self.info(key).await.state == EntryState::Pending
    }

    async fn record(&self, record: Record) {
        self.catalog.record(vec![record]).await.unwrap();
    }

    async fn findings(&self, key: &str, text: &str) -> Findings {
        let asked = record(key, 0, text);
        let inquiry = Inquiry {
            document: asked.document,
            bands: asked.bands,
            blocks: vec![asked.blocks[0]],
            scope: SCOPE,
            arrival: None,
        };
        self.catalog.look_up(vec![inquiry]).await.unwrap().remove(0)
    }

    async fn originals(&self, key: &str, text: &str) -> Vec<String> {
        let findings = self.findings(key, text).await;
        findings.originals.into_iter().map(|original| original.key.to_string()).collect()
    }

    /// `a` published as an original, `b` skipped as its copy.
    async fn with_a_dropped_copy() -> Self {
        let bench = Self::new().await;
        bench.put("a", "one").await;
        bench.record(record("a", 1, "one")).await;
        bench.publish().await;
        bench.put("b", "one").await;
        bench.record(copy("b", 1, "one", "a", true)).await;
        bench.skip("a").await;
        assert!(bench.is_skipped("b").await);
        bench
    }
}

#[tokio::test]
async fn originals_are_found_by_their_buckets_and_survive_a_restart() {
    let bench = Bench::new().await;
    for key in ["a", "b", "c"] {
        bench.put(key, "text").await;
    }
    bench.record(record("a", 1, "one")).await;
    bench.record(record("b", 1, "other")).await;
    bench.record(record("c", 1, "three")).await;
    let bench = bench.reopen().await;
    let mut found = bench.originals("x", "once").await;
    found.sort();
    assert_eq!(found, ["a", "b"]);
    assert_eq!(bench.originals("a", "one").await, ["b"], "nobody is its own original");
    let found = bench.findings("x", "one").await;
    assert_eq!((found.block_documents, found.source_documents), (vec![1], 3));
    let found = bench.findings("a", "one").await;
    assert_eq!((found.block_documents, found.source_documents), (vec![0], 2));
    assert_eq!(bench.findings("x", "three").await.originals[0].signature, signature("three"));
}

#[tokio::test]
async fn copies_and_dropped_documents_are_neither_found_nor_counted() {
    let bench = Bench::with_a_dropped_copy().await;
    bench.put("c", "one").await;
    bench.record(copy("c", 1, "one", "a", false)).await;
    assert_eq!(bench.originals("x", "one").await, ["a"]);
    let found = bench.findings("x", "one").await;
    assert_eq!((found.block_documents, found.source_documents), (vec![1], 1));
    // Recorded twice, as after a crash, it counts once.
    bench.record(record("a", 1, "one")).await;
    assert_eq!(bench.findings("x", "one").await.block_documents, [1]);
    assert!(bench.is_skipped("b").await, "the same text again releases nobody");
}

#[tokio::test]
async fn i2_a_skipped_revision_withdraws_the_one_before_it() {
    let bench = Bench::new().await;
    bench.put("a", "one").await;
    bench.publish().await;
    let chunk = ChunkId::of(id("a"), "one", 0);
    let collection = CollectionName::default();
    assert_eq!(bench.catalog.hydrate(&collection, &[chunk], &Filter::default()).await.unwrap().len(), 1);
    bench.put("a", "two").await;
    bench.skip("z").await;
    assert!(bench.catalog.hydrate(&collection, &[chunk], &Filter::default()).await.unwrap().is_empty());
    assert!(bench.catalog.known_chunks(id("a")).await.unwrap().is_empty());
    assert_eq!(bench.catalog.revision_text(&collection, &"a".parse().unwrap(), None).await.unwrap(), None);
    let info = bench.info("a").await;
    assert_eq!(info.state, EntryState::Skipped { reason: "it says the same as `z`".to_owned() });
    assert_eq!((info.published_revision, info.chunks, info.cost.chunks_removed), (None, 0, 1));
    assert_eq!(info.screening, [drop_of("z")]);
    let status = bench.catalog.status().await.unwrap();
    assert_eq!((status.skipped, status.searchable, status.chunks, status.pending), (1, 0, 0, 0));
    let filter = DocumentFilter { state: Some("skipped".to_owned()), ..DocumentFilter::default() };
    assert_eq!(bench.catalog.documents(&collection, &filter, None, 10).await.unwrap().documents.len(), 1);
    // The same again costs nothing; something else is a new revision that is published as any other.
    assert_eq!(bench.put("a", "two").await, Outcome::Unchanged);
    assert_eq!(bench.put("a", "three").await, Outcome::Updated);
    assert!(bench.publish().await);
    assert_eq!((bench.info("a").await.state, bench.info("a").await.screening), (EntryState::Published, Vec::new()));
}

#[tokio::test]
async fn a_skipped_document_is_published_from_what_was_kept() {
    let bench = Bench::with_a_dropped_copy().await.reopen().await;
    let (collection, key) = (CollectionName::default(), "b".parse().unwrap());
    assert_eq!(bench.catalog.readmit(&"other".parse().unwrap(), None).await.unwrap(), 0);
    assert_eq!(bench.catalog.readmit(&collection, Some(&"a".parse().unwrap())).await.unwrap(), 0);
    assert_eq!(bench.catalog.readmit(&collection, Some(&key)).await.unwrap(), 1);
    assert_eq!(bench.catalog.status().await.unwrap().pending, 1);
    bench.record(record("b", 1, "one")).await;
    assert!(bench.publish().await);
    let text = bench.catalog.revision_text(&collection, &key, None).await.unwrap().unwrap();
    assert_eq!((text.text.as_deref(), text.revision), (Some("one"), Revision(1)));
    assert_eq!(bench.catalog.readmit(&collection, None).await.unwrap(), 0);
}

#[tokio::test]
async fn a_deleted_original_lets_its_copies_go() {
    let bench = Bench::with_a_dropped_copy().await;
    bench.put("c", "one").await;
    bench.record(copy("c", 1, "one", "a", false)).await;
    bench.publish().await;
    bench.delete("a").await;
    assert!(bench.originals("x", "one").await.is_empty(), "a deleted document is found by nobody at once");
    assert!(bench.publish().await);
    assert!(bench.is_pending("b").await);
    assert_eq!(bench.originals("x", "one").await, ["c"], "a marked copy takes its place");
    assert_eq!(bench.findings("x", "one").await.block_documents, [1]);
}

#[tokio::test]
async fn an_original_of_another_text_or_dropped_itself_lets_its_copies_go() {
    for next in [record("a", 2, "now something else"), copy("a", 2, "one", "z", true)] {
        let bench = Bench::with_a_dropped_copy().await;
        bench.put("a", "now something else").await;
        bench.record(next).await;
        assert!(bench.is_pending("b").await);
        assert!(!bench.originals("x", "one").await.contains(&"a".to_owned()));
    }
}

#[tokio::test]
async fn an_original_that_fails_lets_its_copies_go() {
    let bench = Bench::new().await;
    bench.put("a", "one").await;
    bench.record(record("a", 1, "one")).await;
    let failing = bench.claim().await.unwrap();
    bench.put("b", "one").await;
    bench.record(copy("b", 1, "one", "a", true)).await;
    bench.skip("a").await;
    assert!(bench.is_skipped("b").await);
    bench.end(&failing, End::Failed { stage: Stage::Embed, reason: "refused".to_owned() }).await;
    assert!(bench.is_pending("b").await);
    assert!(bench.originals("x", "one").await.is_empty());
}

#[tokio::test]
async fn a_copy_that_is_skipped_after_its_original_went_is_taken_in_again() {
    let bench = Bench::new().await;
    bench.put("a", "one").await;
    bench.record(record("a", 1, "one")).await;
    bench.publish().await;
    bench.put("b", "one").await;
    let copying = bench.claim().await.unwrap();
    bench.record(copy("b", 1, "one", "a", true)).await;
    bench.delete("a").await;
    assert!(bench.publish().await);
    bench.stage(&copying, vec![drop_of("a")], false).await;
    bench.end(&copying, End::Skipped { reason: "a copy".to_owned(), removed: Vec::new() }).await;
    assert!(bench.is_pending("b").await);
}

#[tokio::test]
async fn i4_a_skip_that_a_deletion_overtook_has_no_effect() {
    let bench = Bench::new().await;
    bench.put("a", "one").await;
    let work = bench.claim().await.unwrap();
    bench.delete("a").await;
    bench.stage(&work, vec![drop_of("z")], false).await;
    bench.end(&work, End::Skipped { reason: "a copy".to_owned(), removed: Vec::new() }).await;
    assert!(bench.publish().await);
    assert_eq!(bench.catalog.status().await.unwrap().documents, 0);
    assert_eq!(bench.catalog.readmit(&CollectionName::default(), None).await.unwrap(), 0);
}

#[tokio::test]
async fn an_attempt_to_skip_does_not_make_the_views_trusted() {
    let bench = Bench::new().await;
    bench.put("a", "one").await;
    bench.publish().await;
    bench.put("a", "one\n").await;
    let work = bench.claim().await.unwrap();
    bench.stage(&work, vec![drop_of("z")], false).await;
    // Here the views forget the chunk, and the service dies. After the restart the rule is off.
    let known = bench.catalog.known_chunks(id("a")).await.unwrap();
    assert_eq!(known.iter().map(|chunk| chunk.published).collect::<Vec<_>>(), [false], "the views may have lost it");
}

#[tokio::test]
async fn nothing_of_a_deleted_document_is_remembered() {
    let bench = Bench::new().await;
    bench.put("a", "one").await;
    bench.record(record("a", 1, "one")).await;
    bench.publish().await;
    bench.delete("a").await;
    // A new write overtakes the deletion's own work: its record is the new one's and stays.
    bench.put("a", "two").await;
    bench.record(record("a", 3, "two")).await;
    bench.publish().await;
    assert_eq!(bench.originals("x", "two").await, ["a"]);
    bench.delete("a").await;
    bench.publish().await;
    bench.catalog.close().await;
    let url = format!("sqlite://{}", bench.directory.path().join("catalog.sqlite").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    for table in ["signature", "signature_band", "block_count"] {
        let (rows,): (i64,) = sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn arrivals_are_counted_by_hour_and_stratum() {
    let bench = Bench::new().await;
    let arrival = |hour, stratum| Some(Arrival { scope: SCOPE, hour, stratum });
    for (key, hour, stratum) in [("a", 5, 1), ("b", 5, u64::MAX), ("c", 5, 1), ("d", 6, 1)] {
        bench.put(key, "text").await;
        bench.record(Record { arrival: arrival(hour, stratum), ..record(key, 1, key) }).await;
    }
    let inquiry = |hour, stratum| Inquiry {
        document: id("x"),
        bands: Vec::new(),
        blocks: Vec::new(),
        scope: SCOPE,
        arrival: arrival(hour, stratum),
    };
    let asked = vec![inquiry(5, 1), inquiry(5, u64::MAX), inquiry(6, 2)];
    let found = bench.catalog.look_up(asked).await.unwrap();
    assert_eq!(found.iter().map(|found| found.admitted).collect::<Vec<_>>(), [(3, 2), (3, 1), (1, 0)]);
    bench.record(Record { arrival: arrival(8, 1), ..record("a", 1, "a") }).await;
    assert_eq!(
        bench.catalog.look_up(vec![inquiry(5, 1)]).await.unwrap()[0].admitted,
        (0, 0),
        "old hours are forgotten"
    );
}
