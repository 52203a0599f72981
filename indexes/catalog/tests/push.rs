//! What may a caller demand of a write to the store on the disk?
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use wellspring_catalog::SqliteCatalog;
use wellspring_core::catalog::{Accepted, CatalogReader, Journal, Outcome, Refusal, Write};
use wellspring_core::document::{Attributes, CollectionName, Draft, MediaType, Revision};
use wellspring_core::limits;
use wellspring_core::push::{Condition, Push, Pushed};
use wellspring_core::source::SourceName;

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

fn delete(key: &str) -> Write {
    Write::Delete { collection: CollectionName::default(), key: key.parse().unwrap(), source: SourceName::push() }
}

async fn one(catalog: &SqliteCatalog, write: Write, condition: Condition) -> Result<Accepted, Refusal> {
    match catalog.push(Push { writes: vec![(write, condition)], key: None }).await.unwrap() {
        Pushed::New(mut results) => results.pop().unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn keyed(catalog: &SqliteCatalog, key: &str, write: Write) -> Pushed {
    catalog.push(Push { writes: vec![(write, Condition::None)], key: Some(key.parse().unwrap()) }).await.unwrap()
}

#[tokio::test]
async fn a_condition_is_about_the_newest_accepted_revision() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let at = |revision| Condition::Revision(Revision(revision));
    assert_eq!(one(&catalog, put("a", "1"), Condition::Present).await, Err(Refusal::Changed(None)));
    assert_eq!(one(&catalog, put("a", "1"), Condition::Absent).await.unwrap().outcome, Outcome::Created);
    assert_eq!(one(&catalog, put("a", "2"), Condition::Absent).await, Err(Refusal::Changed(Some(Revision(1)))));
    assert_eq!(one(&catalog, put("a", "2"), at(1)).await.unwrap().revision, Revision(2));
    assert_eq!(one(&catalog, put("a", "3"), at(1)).await, Err(Refusal::Changed(Some(Revision(2)))));
    assert_eq!(one(&catalog, delete("a"), at(1)).await, Err(Refusal::Changed(Some(Revision(2)))));
    assert_eq!(one(&catalog, delete("a"), at(2)).await.unwrap().outcome, Outcome::Deleted);
    assert_eq!(one(&catalog, put("a", "4"), at(3)).await, Err(Refusal::Changed(None)));
    assert_eq!(one(&catalog, put("a", "4"), Condition::Absent).await.unwrap().revision, Revision(4));
    // Within one request, each write sees what the ones before it did.
    let writes = vec![(put("b", "1"), Condition::Absent), (put("b", "2"), at(1)), (put("b", "3"), at(1))];
    let Pushed::New(results) = catalog.push(Push { writes, key: None }).await.unwrap() else { panic!() };
    assert_eq!(results[2], Err(Refusal::Changed(Some(Revision(2)))));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
}

#[tokio::test]
async fn i1_a_key_survives_a_restart_with_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let Pushed::New(first) = keyed(&catalog, "k", put("a", "1")).await else { panic!("the first time") };
    catalog.accept(vec![put("a", "2")]).await.unwrap();
    drop(catalog);
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let before = catalog.status().await.unwrap().sequence;
    assert_eq!(keyed(&catalog, "k", put("a", "1")).await, Pushed::Repeated(first));
    assert_eq!(keyed(&catalog, "k", put("a", "3")).await, Pushed::KeyReused);
    assert_eq!(keyed(&catalog, "k", delete("a")).await, Pushed::KeyReused);
    assert_eq!(catalog.status().await.unwrap().sequence, before, "nothing was written");
    // What was unchanged is answered so again, though the document changes meanwhile.
    let Pushed::New(unchanged) = keyed(&catalog, "u", put("a", "2")).await else { panic!("the first time") };
    assert_eq!(unchanged[0].as_ref().unwrap().outcome, Outcome::Unchanged);
    catalog.accept(vec![put("a", "4")]).await.unwrap();
    assert_eq!(keyed(&catalog, "u", put("a", "2")).await, Pushed::Repeated(unchanged));
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    static NOW: AtomicI64 = AtomicI64::new(1_780_000_000_000);
    let clock: fn() -> Timestamp = || Timestamp::from_millisecond(NOW.load(Ordering::SeqCst)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap().with_clock(clock);
    let day = i64::try_from(limits::IDEMPOTENCY_AGE.as_millis()).unwrap();
    assert!(matches!(keyed(&catalog, "k", put("a", "1")).await, Pushed::New(_)));
    NOW.fetch_add(day - 1, Ordering::SeqCst);
    assert!(matches!(keyed(&catalog, "k", put("a", "1")).await, Pushed::Repeated(_)));
    NOW.fetch_add(1, Ordering::SeqCst);
    assert!(matches!(keyed(&catalog, "k", put("a", "2")).await, Pushed::New(_)));
}

#[tokio::test]
async fn an_unchanged_write_leaves_the_disk_alone() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    catalog.accept(vec![put("a", "1")]).await.unwrap();
    let log = || {
        let log = std::fs::metadata(directory.path().join("catalog.sqlite-wal")).unwrap();
        (log.len(), log.modified().unwrap())
    };
    let before = log();
    for _ in 0..20 {
        assert_eq!(one(&catalog, put("a", "1"), Condition::None).await.unwrap().outcome, Outcome::Unchanged);
        assert_eq!(one(&catalog, delete("b"), Condition::None).await.unwrap().outcome, Outcome::Absent);
    }
    assert_eq!(log(), before);
    catalog.accept(vec![put("a", "2")]).await.unwrap();
    assert_ne!(log(), before, "the check can see a write");
}
