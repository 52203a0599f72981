//! How a source goes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use wellspring_core::limits;
use wellspring_core::source::{Remains, Removal, SourceAdmin, SourceError};

use crate::doubles::{Running, Store, named, page};

fn keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("a/{number:05}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_source_takes_its_documents_along_in_bounded_batches_or_leaves_them() {
    let mut running = Running::start();
    running.registry.add(page("a")).await.unwrap();
    running.registry.add(page("b")).await.unwrap();
    running.until("the visits", |running| running.visits() == 2).await;
    running.store.own("a", keys(3 * limits::ACCEPT_BATCH_DOCUMENTS_MAX + 1));
    running.store.own("b", ["b/1".to_owned()]);
    assert_eq!(running.registry.remove(&named("a"), Remains::Delete).await.unwrap(), Removal::Done);
    assert_eq!(running.store.keys(), ["b/1"]);
    assert_eq!(running.store.batches.lock().unwrap().len(), 4);
    assert!(matches!(running.registry.show(&named("a")).await, Err(SourceError::Unknown)));
    assert!(matches!(running.registry.remove(&named("a"), Remains::Keep).await, Err(SourceError::Unknown)));

    assert_eq!(running.registry.remove(&named("b"), Remains::Keep).await.unwrap(), Removal::Done);
    assert_eq!(running.store.keys(), ["b/1"]);
    assert!(running.registry.list().await.unwrap().is_empty());
    // The name is free again.
    assert!(running.registry.add(page("a")).await.unwrap().1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_waits_for_the_visit_that_it_stops() {
    let mut running = Running::start();
    running.visitor.hold.store(true, Ordering::SeqCst);
    running.registry.add(page("a")).await.unwrap();
    running.until("the visit", |running| running.visits() == 1).await;
    assert_eq!(running.registry.remove(&named("a"), Remains::Delete).await.unwrap(), Removal::Done);
    assert_eq!(running.visitor.stopped.load(Ordering::SeqCst), 1);
    running.stop().await;
    assert!(running.store.urls.lock().unwrap().is_empty(), "what the stopped visit remembered went with the source");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_cut_off_goes_on_at_the_next_start() {
    let store = Arc::new(Store::default());
    // The first life: the mark is set and two batches are deleted, then the journal fails and the process ends.
    let mut first = Running::over(store.clone(), SignedDuration::from_hours(1));
    first.registry.add(page("a")).await.unwrap();
    first.until("the visit", |first| first.store.record("a").unwrap().last_visit.is_some()).await;
    store.own("a", keys(5 * limits::ACCEPT_BATCH_DOCUMENTS_MAX));
    *store.batches_left.lock().unwrap() = Some(2);
    let registry = first.registry.clone();
    let removal = tokio::spawn(async move { registry.remove(&named("a"), Remains::Delete).await });
    first.until("the end", |first| *first.store.batches_left.lock().unwrap() == Some(0)).await;
    assert!(matches!(first.registry.add(page("a")).await, Err(SourceError::Removing)));
    assert!(matches!(first.registry.remove(&named("a"), Remains::Keep).await, Err(SourceError::Removing)));
    first.stop().await;
    removal.abort();
    assert_eq!(store.keys().len(), 3 * limits::ACCEPT_BATCH_DOCUMENTS_MAX);
    assert_eq!(store.record("a").unwrap().removing, Some(Remains::Delete));

    *store.batches_left.lock().unwrap() = None;
    let mut second = Running::over(store.clone(), SignedDuration::from_hours(1));
    second.until("the rest", |second| second.store.record("a").is_none()).await;
    assert!(store.keys().is_empty());
    assert_eq!(second.visits(), 0, "what is being removed is not visited");
    second.stop().await;
}
