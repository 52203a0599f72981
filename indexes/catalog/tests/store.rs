//! What does the catalog do that only a store on a disk can do?
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

use std::path::Path;

use jiff::Timestamp;
use wellspring_catalog::SqliteCatalog;
use wellspring_core::catalog::{
    CatalogErrorKind, CatalogReader, Cost, End, Finished, Journal, Publisher, StagedRevision, Task, Work, Write,
};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey, Part};
use wellspring_core::document::{Attributes, CollectionName, ContentHash, DocumentId, Draft, MediaType};
use wellspring_core::embedding::{Embedding, EmbeddingSpace, SpaceId};
use wellspring_core::limits;
use wellspring_core::source::{SourceName, SourceStore};
use wellspring_core::span::Span;
use wellspring_core::trace::{CatalogResidue, Traces};
use wellspring_core::view::Publication;

const SECRET: &str = "the combination is 7-31-12";

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

fn put(key: &str, text: &str) -> Write {
    Write::Put(Draft {
        collection: CollectionName::default(),
        key: key.parse().unwrap(),
        source: SourceName::push(),
        media_type: MediaType::Text,
        content: text.as_bytes().to_vec(),
        attributes: Attributes { title: Some(format!("about {text}")), ..Attributes::default() },
        fingerprint: None,
    })
}

fn delete(key: &str) -> Write {
    Write::Delete { collection: CollectionName::default(), key: key.parse().unwrap(), source: SourceName::push() }
}

fn chunk_of(document: DocumentId, text: &str) -> Chunk {
    Chunk {
        id: ChunkId::of(document, text, 0),
        ordinal: 0,
        span: Span::of(text, 0..text.len()),
        text: text.to_owned(),
        heading: format!("heading of {text}"),
        tokens: 3,
        parts: vec![Part::whole(text, 3)],
        embedding_key: EmbeddingKey::of(text),
        places: Vec::new(),
    }
}

fn staged(work: &Work, embeddings: Vec<(EmbeddingKey, Embedding)>) -> StagedRevision {
    let Task::Put { content, attributes, .. } = &work.task else { panic!("a write") };
    let text = String::from_utf8(content.clone()).unwrap();
    let chunk = chunk_of(work.document, &text);
    let mut all = vec![(chunk.embedding_key, Embedding::new(vec![3.0, 4.0]).unwrap())];
    all.extend(embeddings);
    StagedRevision {
        document: work.document,
        revision: work.revision,
        title: attributes.title.clone(),
        screening: Vec::new(),
        chunks: vec![chunk],
        text,
        embeddings: all,
    }
}

/// Publishes everything pending, removing `more` chunks beside those that are known to go.
async fn publish_all(catalog: &SqliteCatalog, more: Vec<ChunkId>) {
    let mut more = Some(more);
    loop {
        let claimed = catalog.claim(None, 1, usize::MAX).await.unwrap();
        let Some(work) = claimed.into_iter().next() else { return };
        let known = catalog.known_chunks(work.document).await.unwrap();
        let mut removed: Vec<ChunkId> = known.iter().map(|chunk| chunk.id).collect();
        removed.extend(more.take().unwrap_or_default());
        let end = match &work.task {
            Task::Delete => End::Deleted { removed },
            Task::Put { .. } => {
                let staged = staged(&work, Vec::new());
                let upserted = vec![staged.chunks[0].id];
                removed.retain(|chunk| !upserted.contains(chunk));
                catalog.stage(space(), vec![staged]).await.unwrap();
                End::Published { removed, upserted, cost: Cost::default() }
            }
        };
        let next = catalog.published().await.unwrap().next();
        let finished = Finished { sequence: work.sequence, document: work.document, revision: work.revision, end };
        catalog.publish(next, vec![finished]).await.unwrap();
    }
}

fn bytes_in(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_is_about_to_go_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let first = SqliteCatalog::open(directory.path()).await.unwrap();
    let leaving = tokio::spawn(async move {
        tokio::time::sleep(2 * limits::LOCK_POLL).await;
        first.close().await;
    });
    SqliteCatalog::open(directory.path()).await.unwrap();
    leaving.await.unwrap();
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let first = SqliteCatalog::open(directory.path()).await.unwrap();
    let error = SqliteCatalog::open(directory.path()).await.unwrap_err();
    assert_eq!(error.kind(), CatalogErrorKind::Locked);
    assert!(error.to_string().contains("in use by another wellspring process"), "{error}");
    drop(first);
    SqliteCatalog::open(directory.path()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_catalog_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("catalog.sqlite"), "no database ".repeat(1000)).unwrap();
    let error = SqliteCatalog::open(directory.path()).await.unwrap_err();
    assert_eq!(error.kind(), CatalogErrorKind::Incompatible);
    assert!(error.to_string().contains("damaged"), "{error}");
    let error = wellspring_catalog::check(directory.path()).await.unwrap_err();
    assert!(error.to_string().contains("catalog.sqlite cannot be read"), "{error}");
}

#[tokio::test]
async fn damage_within_the_file_is_an_error_and_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let names: Vec<String> = (0..200).map(|number| format!("document {number}")).collect();
    catalog.accept(names.iter().map(|name| put(name, &name.repeat(40))).collect()).await.unwrap();
    publish_all(&catalog, Vec::new()).await;
    catalog.close().await;
    drop(catalog);

    let file = directory.path().join("catalog.sqlite");
    let mut bytes = std::fs::read(&file).unwrap();
    // The first pages hold the schema; everything after them is overwritten.
    let from = 40 * 4096;
    assert!(bytes.len() > 2 * from, "{}", bytes.len());
    bytes[from..].fill(0xff);
    assert_eq!(wellspring_catalog::check(directory.path()).await.unwrap(), Some(file.clone()));
    std::fs::write(&file, bytes).unwrap();
    let found = wellspring_catalog::check(directory.path()).await.unwrap_err();
    assert!(found.to_string().contains("catalog.sqlite is damaged"), "{found}");
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let default = CollectionName::default();
    let error = catalog.documents(&default, &Default::default(), None, 1000).await.unwrap_err();
    assert_eq!(error.kind(), CatalogErrorKind::Incompatible);
    assert!(catalog.replay(space(), Publication(0), None, 1000).await.is_err());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    SqliteCatalog::open(directory.path()).await.unwrap().close().await;
    let url = format!("sqlite://{}", directory.path().join("catalog.sqlite").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of the future', TRUE, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let error = SqliteCatalog::open(directory.path()).await.unwrap_err();
    assert_eq!(error.kind(), CatalogErrorKind::Incompatible);
    assert!(error.to_string().contains("newer version"), "{error}");
}

#[tokio::test]
async fn a_deleted_text_is_in_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    for text in [SECRET, "an edit", SECRET] {
        catalog.accept(vec![put("a", text), put("b", "stays")]).await.unwrap();
        publish_all(&catalog, Vec::new()).await;
    }
    assert!(contains(&bytes_in(directory.path()), SECRET), "the check can see it");
    catalog.accept(vec![delete("a")]).await.unwrap();
    publish_all(&catalog, Vec::new()).await;
    let files = bytes_in(directory.path());
    assert!(!contains(&files, SECRET));
    assert!(contains(&files, "stays"));
}

#[tokio::test]
async fn what_is_left_of_a_document_is_counted_in_every_table() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let document = DocumentId::of(&CollectionName::default(), &"a".parse().unwrap());
    assert_eq!(catalog.residue(document).await.unwrap(), CatalogResidue::default());
    catalog.accept(vec![put("a", "one"), put("b", "one too")]).await.unwrap();
    let accepted = CatalogResidue { revisions: 1, contents: 1, pending: 1, ..CatalogResidue::default() };
    assert_eq!(catalog.residue(document).await.unwrap(), accepted);
    publish_all(&catalog, Vec::new()).await;
    let published = CatalogResidue { revisions: 1, texts: 1, chunks: 1, vectors: 1, ..CatalogResidue::default() };
    assert_eq!(catalog.residue(document).await.unwrap(), published);
    // An edit: the older revision keeps its text, and the vector that it freed is kept as a spare one.
    catalog.accept(vec![put("a", "two")]).await.unwrap();
    publish_all(&catalog, Vec::new()).await;
    let edited = CatalogResidue { revisions: 2, texts: 2, chunks: 1, vectors: 2, ..CatalogResidue::default() };
    assert_eq!(catalog.residue(document).await.unwrap(), edited);

    let deletion = catalog.accept(vec![delete("a")]).await.unwrap().remove(0).unwrap().sequence.unwrap();
    assert_eq!(catalog.settlement(deletion).await.unwrap(), None);
    assert_ne!(catalog.residue(document).await.unwrap(), CatalogResidue::default(), "the views are not cleaned yet");
    publish_all(&catalog, Vec::new()).await;
    assert_eq!(catalog.residue(document).await.unwrap(), CatalogResidue::default());
    let settled = catalog.settlement(deletion).await.unwrap().unwrap();
    let newest = catalog.published().await.unwrap();
    assert_eq!((settled.chunks_removed, settled.vector, settled.keyword), (1, newest, newest));
}

#[tokio::test]
async fn removals_are_remembered_up_to_a_bound_and_no_replay_pretends() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    catalog.accept(vec![put("a", "one")]).await.unwrap();
    publish_all(&catalog, Vec::new()).await;
    let document = DocumentId::of(&CollectionName::default(), &"a".parse().unwrap());
    let removed = (0..=limits::REMOVED_CHUNKS_MAX).map(|number| ChunkId::of(document, &number.to_string(), 0));
    catalog.accept(vec![put("a", "two")]).await.unwrap();
    publish_all(&catalog, removed.collect()).await;

    let replay = async |after| catalog.replay(space(), Publication(after), None, 10).await.unwrap();
    assert!(replay(1).await.is_none(), "some of the second publication's removals are forgotten");
    assert_eq!(replay(0).await.unwrap().upserts.len(), 1);
    assert!(replay(2).await.unwrap().removals.is_empty());
}

#[tokio::test]
async fn spare_vectors_are_kept_up_to_a_bound() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    catalog.accept(vec![put("a", "one")]).await.unwrap();
    let work = catalog.claim(None, 1, usize::MAX).await.unwrap().remove(0);
    let vector = Embedding::new(vec![1.0, 0.0]).unwrap();
    let spare = (0..limits::SPARE_VECTORS_MAX + 10)
        .map(|number| (EmbeddingKey::of(&number.to_string()), vector.clone()))
        .collect();
    catalog.stage(space(), vec![staged(&work, spare)]).await.unwrap();
    let upserted = vec![ChunkId::of(work.document, "one", 0)];
    let end = End::Published { removed: Vec::new(), upserted, cost: Cost::default() };
    let finished = Finished { sequence: work.sequence, document: work.document, revision: work.revision, end };
    catalog.publish(Publication(1), vec![finished]).await.unwrap();
    assert_eq!(catalog.status().await.unwrap().vectors, limits::SPARE_VECTORS_MAX + 1);
    let oldest = catalog.embeddings(space(), &[EmbeddingKey::of("0"), EmbeddingKey::of("10")]).await.unwrap();
    assert_eq!(oldest.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [EmbeddingKey::of("10")]);
    assert_eq!(catalog.embeddings(space(), &[EmbeddingKey::of("one")]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn acceptance_is_told_by_the_clock_given() {
    let directory = tempfile::tempdir().unwrap();
    let noon: fn() -> Timestamp = || "2026-05-06T12:00:00.123Z".parse().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap().with_clock(noon);
    catalog.accept(vec![put("a", "one")]).await.unwrap();
    let info = catalog.document(&CollectionName::default(), &"a".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(info.accepted_at, noon());
}

fn site(name: &str) -> wellspring_core::source::SourceSettings {
    serde_json::from_value(serde_json::json!({
        "name": name,
        "origin": { "kind": "site", "url": "https://example.org/", "depth_max": 2, "pages_max": 50 },
        "tags": ["web"],
    }))
    .unwrap()
}

#[tokio::test]
async fn sources_and_what_is_remembered_of_them_survive_a_restart() {
    use wellspring_core::fetch::Validators;
    use wellspring_core::source::{Remains, UrlMemory, Visit};
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let noon: Timestamp = "2026-05-06T12:00:00Z".parse().unwrap();
    let name: SourceName = "blog".parse().unwrap();
    assert!(catalog.put_source(&site("blog"), noon).await.unwrap());
    let visit = Visit {
        began_at: noon,
        took_ms: 5,
        requests: 3,
        wire_bytes: 900,
        items: 2,
        changed: 1,
        deleted: 0,
        failed: 0,
        passed_over: 0,
        left_out: 0,
        left_out_names: Vec::new(),
        errors: Vec::new(),
        complete: true,
        not_before: None,
        hub: None,
        topic: None,
    };
    catalog.record_visit(&name, &visit).await.unwrap();
    let later: Timestamp = "2026-05-06T13:00:00Z".parse().unwrap();
    catalog.plan_visit(&name, Some(later), "it changes daily", &serde_json::json!({ "rate": 1.5 })).await.unwrap();
    catalog.set_paused(&name, true).await.unwrap();
    catalog.set_removing(&name, Remains::Delete).await.unwrap();
    // More addresses than one transaction and one statement take.
    let memory: Vec<_> = (0..limits::URL_MEMORY_BATCH_MAX + 300)
        .map(|number| UrlMemory {
            url: format!("https://example.org/{number:05}"),
            validators: Validators { etag: Some(format!("\"{number}\"")), last_modified: None },
            body_hash: Some(ContentHash::from_bytes([7; 16])),
        })
        .collect();
    catalog.remember_urls(&name, memory.clone()).await.unwrap();
    catalog.close().await;
    drop(catalog);

    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let record = catalog.sources().await.unwrap().remove(0);
    assert_eq!(record.settings, site("blog"));
    assert_eq!((record.paused, record.removing, record.added_at), (true, Some(Remains::Delete), noon));
    assert_eq!((record.last_visit, record.complete_at), (Some(visit), Some(noon)));
    assert_eq!((record.next_visit_at, record.next_visit_reason.as_str()), (Some(later), "it changes daily"));
    assert_eq!(record.learnt, serde_json::json!({ "rate": 1.5 }));
    assert_eq!(catalog.url_memory(&name).await.unwrap(), memory);
    assert!(catalog.remove_source(&name).await.unwrap());
    assert!(catalog.url_memory(&name).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_removed_source_leaves_behind_belongs_to_nobody_until_its_name_comes_back() {
    use wellspring_core::catalog::{Outcome, Refusal};
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let blog: SourceName = "blog".parse().unwrap();
    let of_blog = |key: &str| {
        let Write::Put(draft) = put(key, key) else { panic!("a put") };
        Write::Put(Draft { source: blog.clone(), ..draft })
    };
    let one = async |write| catalog.accept(vec![write]).await.unwrap().remove(0);
    catalog.put_source(&site("blog"), Timestamp::UNIX_EPOCH).await.unwrap();
    catalog.accept(vec![of_blog("a"), of_blog("b"), of_blog("c"), of_blog("d")]).await.unwrap();
    assert_eq!(one(delete("a")).await, Err(Refusal::OwnedBySource(blog.clone())));
    let counts = catalog.document_counts().await.unwrap();
    assert_eq!(counts[&blog], [("pending".to_owned(), 4)].into());

    catalog.remove_source(&blog).await.unwrap();
    assert_eq!(one(delete("a")).await.unwrap().outcome, Outcome::Deleted);
    assert_eq!(one(put("b", "now mine")).await.unwrap().outcome, Outcome::Updated);
    // Saying the same makes it the sayer's.
    assert_eq!(one(put("c", "c")).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(one(of_blog("c")).await, Err(Refusal::OwnedBySource(SourceName::push())));

    catalog.put_source(&site("blog"), Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(one(delete("d")).await, Err(Refusal::OwnedBySource(blog.clone())));
    assert_eq!(one(of_blog("d")).await.unwrap().outcome, Outcome::Unchanged);
    let items = catalog.source_items(&blog).await.unwrap();
    assert_eq!(items.into_iter().map(|(_, key, _)| key.to_string()).collect::<Vec<_>>(), ["d"]);
}

#[tokio::test]
async fn an_unchanged_write_renews_the_fingerprint() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    for fingerprint in ["before", "touched"] {
        let Write::Put(draft) = put("a", "same") else { panic!("a put") };
        catalog.accept(vec![Write::Put(Draft { fingerprint: Some(fingerprint.into()), ..draft })]).await.unwrap();
    }
    let items = catalog.source_items(&SourceName::push()).await.unwrap();
    assert_eq!(items[0].2.as_deref(), Some("touched"));
    assert_eq!(catalog.status().await.unwrap().sequence, 1, "and no entry was written for it");
}
