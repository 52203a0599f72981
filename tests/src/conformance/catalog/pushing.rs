//! What may a caller demand, what is tried again, and what is told?

use wellspring_core::catalog::{CatalogReader, End, EntryState, Journal, Outcome, Publisher, Refusal, Retried, Stage};
use wellspring_core::document::Revision;
use wellspring_core::push::{Condition, Push, Pushed};
use wellspring_core::trace::{CatalogResidue, EventKind, Traces};

use super::Subject;
use super::steps::{accept, claim_one, collection, delete, finished, id, key, publish, publish_all, put};

/// A write is taken in only where its condition holds, whoever owns the document is told first.
pub async fn a_condition_is_about_the_newest_accepted_revision(subject: impl Subject) {
    let catalog = subject.catalog();
    let at = |revision| Condition::Revision(Revision(revision));
    let writes = vec![
        (put("a", "1"), Condition::Present),
        (put("a", "1"), Condition::Absent),
        (put("a", "2"), at(1)),
        (put("a", "3"), at(1)),
        (delete("a"), at(2)),
        (put("a", "4"), Condition::Absent),
    ];
    let pushed = catalog.push(Push { writes, key: None }).await.expect("pushing");
    let Pushed::New(results) = pushed else { panic!("there was no key: {pushed:?}") };
    let told: Vec<_> = results.into_iter().map(|result| result.map(|accepted| accepted.outcome)).collect();
    let changed = |revision: Option<u64>| Err(Refusal::Changed(revision.map(Revision)));
    let expected = [
        changed(None),
        Ok(Outcome::Created),
        Ok(Outcome::Updated),
        changed(Some(2)),
        Ok(Outcome::Deleted),
        Ok(Outcome::Created),
    ];
    assert_eq!(told, expected);
}

/// I-1: a key and its answer are kept together, over a restart.
pub async fn i1_a_request_under_a_key_is_written_once(subject: impl Subject) {
    let request = |text: &str| Push {
        writes: vec![(put("a", text), Condition::None)],
        key: Some("a key".replace(' ', "-").parse().expect("a key")),
    };
    let first = subject.catalog().push(request("1")).await.expect("pushing");
    let Pushed::New(first) = first else { panic!("the first time: {first:?}") };
    accept(subject.catalog(), put("a", "2")).await;
    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    assert_eq!(catalog.push(request("1")).await.expect("pushing"), Pushed::Repeated(first));
    assert_eq!(catalog.push(request("3")).await.expect("pushing"), Pushed::KeyReused);
    let newest = catalog.document(&collection(), &key("a")).await.expect("reading").expect("there");
    assert_eq!(newest.revision, Revision(2));
}

/// What failed by a fault says when it is tried again, and is tried at once when asked to.
pub async fn a_fault_is_tried_again(subject: impl Subject) {
    let catalog = subject.catalog();
    let again = async |name: &str| catalog.retry(&collection(), &key(name)).await.expect("trying again");
    assert_eq!(again("a").await, Retried::Absent);
    let accepted = accept(catalog, put("a", "text")).await;
    let sequence = accepted.sequence.expect("an entry");
    assert_eq!(again("a").await, Retried::NotFailed);
    let work = claim_one(catalog).await;
    let fault = End::Faulted { stage: Stage::Embed, reason: "no model".to_owned() };
    publish(catalog, vec![finished(&work, fault)]).await;
    let state = catalog.entry_state(sequence).await.expect("reading").expect("there");
    assert!(matches!(state, EntryState::Failed { attempt: 1, next_retry_at: Some(_), .. }), "{state:?}");
    assert_eq!(again("a").await, Retried::Again { revision: accepted.revision, sequence });
    publish_all(catalog).await;
    assert_eq!(catalog.entry_state(sequence).await.expect("reading"), Some(EntryState::Published));
    assert_eq!(again("a").await, Retried::NotFailed);
}

/// Nothing of a deleted document is counted once its deletion is settled.
pub async fn nothing_is_counted_after_a_settled_deletion(subject: impl Subject) {
    let catalog = subject.catalog();
    let counted = async || catalog.residue(id("a")).await.expect("counting");
    assert_eq!(counted().await, CatalogResidue::default());
    for text in ["one\n\ntwo", "one\n\nthree"] {
        accept(catalog, put("a", text)).await;
        publish_all(catalog).await;
    }
    let there = counted().await;
    assert_eq!((there.revisions, there.chunks, there.vectors, there.pending), (2, 2, 3, 0));
    let deletion = accept(catalog, delete("a")).await.sequence.expect("an entry");
    assert_eq!(catalog.settlement(deletion).await.expect("reading"), None);
    assert_ne!(counted().await, CatalogResidue::default());
    publish_all(catalog).await;
    assert_eq!(counted().await, CatalogResidue::default());
    let settled = catalog.settlement(deletion).await.expect("reading").expect("settled");
    let newest = catalog.published().await.expect("reading");
    assert_eq!((settled.chunks_removed, settled.vector, settled.keyword), (2, newest, newest));
}

/// Events come in order, over a restart, and a reader goes on where it was.
pub async fn events_are_told_in_order(subject: impl Subject) {
    accept(subject.catalog(), put("a", "text")).await;
    publish_all(subject.catalog()).await;
    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    accept(catalog, delete("a")).await;
    publish_all(catalog).await;
    let page = catalog.events(0, 100).await.expect("reading");
    let told: Vec<_> = page.events.iter().map(|event| (event.number, event.kind)).collect();
    let kinds = [EventKind::Accepted, EventKind::Searchable, EventKind::Deleted, EventKind::Removed];
    assert_eq!(told, [1, 2, 3, 4].into_iter().zip(kinds).collect::<Vec<_>>());
    assert_eq!((page.oldest, page.newest), (1, 4));
    let rest = catalog.events(2, 1).await.expect("reading").events;
    assert_eq!(rest.iter().map(|event| event.number).collect::<Vec<_>>(), [3]);
}
