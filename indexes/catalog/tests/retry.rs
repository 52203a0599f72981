//! What is tried again, and what is told of it?
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use wellspring_catalog::SqliteCatalog;
use wellspring_core::catalog::{
    CatalogReader, End, EntryState, Finished, Journal, Publisher, Retried, Sequence, Stage, Task, Work, Write,
};
use wellspring_core::document::{Attributes, CollectionName, DocumentKey, Draft, MediaType, Revision};
use wellspring_core::limits;
use wellspring_core::source::SourceName;
use wellspring_core::trace::{EventKind, Traces};

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

fn faulted() -> End {
    End::Faulted { stage: Stage::Embed, reason: "the model failed".to_owned() }
}

async fn claim(catalog: &SqliteCatalog) -> Option<Work> {
    catalog.claim(None, 1, usize::MAX).await.unwrap().pop()
}

async fn finish(catalog: &SqliteCatalog, work: &Work, end: End) {
    let next = catalog.published().await.unwrap().next();
    let finished = Finished { sequence: work.sequence, document: work.document, revision: work.revision, end };
    catalog.publish(next, vec![finished]).await.unwrap();
}

async fn state(catalog: &SqliteCatalog) -> (u32, Option<Timestamp>) {
    match catalog.entry_state(Sequence(1)).await.unwrap().unwrap() {
        EntryState::Failed { attempt, next_retry_at, .. } => (attempt, next_retry_at),
        other => panic!("{other:?}"),
    }
}

async fn retry(catalog: &SqliteCatalog, key: &str) -> Retried {
    let key: DocumentKey = key.parse().unwrap();
    catalog.retry(&CollectionName::default(), &key).await.unwrap()
}

#[tokio::test]
async fn a_fault_that_may_pass_is_tried_again_over_a_restart_and_not_for_ever() {
    static NOW: AtomicI64 = AtomicI64::new(1_780_000_000_000);
    let clock: fn() -> Timestamp = || Timestamp::from_millisecond(NOW.load(Ordering::SeqCst)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut catalog = SqliteCatalog::open(directory.path()).await.unwrap().with_clock(clock);
    catalog.accept(vec![put("a", "text")]).await.unwrap();
    for attempt in 1..limits::RETRY_ATTEMPTS_MAX {
        let work = claim(&catalog).await.unwrap();
        assert!(matches!(&work.task, Task::Put { content, .. } if content == b"text"));
        finish(&catalog, &work, faulted()).await;
        let (told, next) = state(&catalog).await;
        let pause = Duration::try_from(next.unwrap().duration_since(clock())).unwrap();
        assert_eq!(told, attempt);
        assert!(pause <= limits::RETRY_PAUSE_MAX && pause >= limits::RETRY_PAUSE_MIN / 2, "{pause:?}");
        NOW.fetch_add(pause.as_millis() as i64 - 1, Ordering::SeqCst);
        assert!(claim(&catalog).await.is_none(), "not before its time");
        drop(catalog);
        catalog = SqliteCatalog::open(directory.path()).await.unwrap().with_clock(clock);
        NOW.fetch_add(1, Ordering::SeqCst);
    }
    let work = claim(&catalog).await.unwrap();
    finish(&catalog, &work, faulted()).await;
    assert_eq!(state(&catalog).await, (limits::RETRY_ATTEMPTS_MAX, None));
    NOW.fetch_add(1_000_000_000, Ordering::SeqCst);
    assert!(claim(&catalog).await.is_none());
    assert_eq!(retry(&catalog, "a").await, Retried::Again { revision: Revision(1), sequence: Sequence(1) });
    let work = claim(&catalog).await.unwrap();
    finish(&catalog, &work, faulted()).await;
    assert_eq!(state(&catalog).await.0, 1, "as if it had never been tried");
}

#[tokio::test]
async fn only_the_newest_revision_of_a_document_that_is_there_is_tried_again() {
    static NOW: AtomicI64 = AtomicI64::new(1_780_000_000_000);
    let clock: fn() -> Timestamp = || Timestamp::from_millisecond(NOW.load(Ordering::SeqCst)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap().with_clock(clock);
    catalog.accept(vec![put("a", "one")]).await.unwrap();
    let work = claim(&catalog).await.unwrap();
    finish(&catalog, &work, faulted()).await;
    catalog.accept(vec![put("a", "two")]).await.unwrap();
    NOW.fetch_add(100_000_000, Ordering::SeqCst);
    let work = claim(&catalog).await.unwrap();
    assert_eq!(work.revision, Revision(2));
    assert!(claim(&catalog).await.is_none());
    finish(&catalog, &work, End::Failed { stage: Stage::Parse, reason: "no text".to_owned() }).await;
    NOW.fetch_add(100_000_000, Ordering::SeqCst);
    assert!(claim(&catalog).await.is_none(), "a refusal is not tried again by itself");
    assert!(matches!(retry(&catalog, "a").await, Retried::Again { revision: Revision(2), .. }));
    assert_eq!(retry(&catalog, "a").await, Retried::NotFailed);
    assert_eq!(retry(&catalog, "b").await, Retried::Absent);
    let document = work.document;
    let kept = catalog.residue(document).await.unwrap();
    assert_eq!((kept.revisions, kept.contents), (2, 1), "what failed before the newest revision keeps no content");

    let work = claim(&catalog).await.unwrap();
    finish(&catalog, &work, faulted()).await;
    catalog.accept(vec![delete("a")]).await.unwrap();
    NOW.fetch_add(100_000_000, Ordering::SeqCst);
    assert!(matches!(claim(&catalog).await.unwrap().task, Task::Delete));
    assert_eq!(retry(&catalog, "a").await, Retried::Absent);
}

#[tokio::test]
async fn events_are_numbered_in_order_and_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let page = catalog.events(0, 10).await.unwrap();
    assert_eq!((page.oldest, page.newest, page.events.len()), (1, 0, 0));
    catalog.accept(vec![put("a", "one"), put("a", "two")]).await.unwrap();
    let work = claim(&catalog).await.unwrap();
    finish(&catalog, &work, End::Failed { stage: Stage::Parse, reason: "no text".to_owned() }).await;
    retry(&catalog, "a").await;
    let work = claim(&catalog).await.unwrap();
    finish(&catalog, &work, End::Quarantined { reason: "killed the parser".to_owned() }).await;
    catalog.accept(vec![put("a", "two"), delete("a")]).await.unwrap();
    let work = claim(&catalog).await.unwrap();
    finish(&catalog, &work, End::Deleted { removed: Vec::new() }).await;
    drop(catalog);

    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let page = catalog.events(0, 100).await.unwrap();
    let told: Vec<_> = page.events.iter().map(|event| (event.number, event.kind, event.revision.0)).collect();
    let expected = [
        (1, EventKind::Accepted, 1),
        (2, EventKind::Accepted, 2),
        (3, EventKind::Failed, 2),
        (4, EventKind::Retried, 2),
        (5, EventKind::Quarantined, 2),
        (6, EventKind::Accepted, 3),
        (7, EventKind::Deleted, 4),
        (8, EventKind::Removed, 4),
    ];
    assert_eq!(told, expected);
    assert_eq!(page.events[2].stage, Some(Stage::Parse));
    assert_eq!(page.events[4].reason.as_deref(), Some("killed the parser"));
    assert!(page.events.iter().all(|event| event.key.as_str() == "a"));
    let page = catalog.events(3, 2).await.unwrap();
    assert_eq!((page.oldest, page.newest), (1, 8));
    assert_eq!(page.events.iter().map(|event| event.number).collect::<Vec<_>>(), [4, 5]);
}
