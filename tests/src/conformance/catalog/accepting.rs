//! Are writes taken in as the contract says?

use wellspring_core::catalog::{
    CatalogReader, End, EntryState, Journal, Outcome, Publisher, Refusal, Retried, Stage, Write,
};
use wellspring_core::document::{MediaType, Revision};
use wellspring_core::filter::Filter;
use wellspring_core::source::SourceName;

use super::Subject;
use super::steps::*;

/// I-1, as far as a process can tell: what was acknowledged is there after the catalog ended without ceremony.
pub async fn i1_acknowledged_writes_survive_a_restart(subject: impl Subject) {
    let before = accept(subject.catalog(), put("a", "first")).await;
    assert_eq!(before.outcome, Outcome::Created);
    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    assert_eq!(accept(catalog, put("a", "first")).await.outcome, Outcome::Unchanged);
    publish_all(catalog).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("first"));
    let subject = subject.reopen().await;
    assert_eq!(text(subject.catalog(), "a").await.as_deref(), Some("first"));
}

/// I-2: from the acknowledgement on nobody sees the document, though no view knows of the deletion yet.
pub async fn i2_a_deletion_hides_in_the_call_that_accepts_it(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "secret"), ("b", "open")]).await;
    let deleted = accept(catalog, delete("a")).await;
    assert_eq!((deleted.outcome, deleted.revision), (Outcome::Deleted, Revision(2)));

    assert!(passages(catalog, &[chunk_id("a", "secret")]).await.is_empty());
    assert_eq!(catalog.document(&collection(), &key("a")).await.unwrap(), None);
    for revision in [None, Some(Revision(1)), Some(Revision(2))] {
        assert_eq!(catalog.revision_text(&collection(), &key("a"), revision).await.unwrap(), None);
    }
    assert!(catalog.chunk_places(id("a")).await.unwrap().is_empty());
    let listed = catalog.documents(&collection(), &Default::default(), None, 10).await.unwrap();
    assert_eq!(listed.documents.iter().map(|document| document.key.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(catalog.status().await.unwrap().documents, 1);
    assert_eq!(catalog.entry_state(deleted.sequence.unwrap()).await.unwrap(), Some(EntryState::Pending));
    publish_all(catalog).await;
    assert_eq!(catalog.entry_state(deleted.sequence.unwrap()).await.unwrap(), Some(EntryState::Published));
}

/// I-4: a number is never given twice, and a repeated deletion changes nothing.
pub async fn i4_revisions_go_on_after_a_deletion(subject: impl Subject) {
    let catalog = subject.catalog();
    let absent = accept(catalog, delete("a")).await;
    assert_eq!((absent.outcome, absent.revision, absent.sequence), (Outcome::Absent, Revision(0), None));
    write_all(catalog, &[("a", "one")]).await;
    accept(catalog, delete("a")).await;
    let absent = accept(catalog, delete("a")).await;
    assert_eq!((absent.outcome, absent.revision, absent.sequence), (Outcome::Absent, Revision(2), None));
    publish_all(catalog).await;
    let created = accept(catalog, put("a", "one")).await;
    assert_eq!((created.outcome, created.revision), (Outcome::Created, Revision(3)));
    publish_all(catalog).await;
    assert_eq!(passages(catalog, &[chunk_id("a", "one")]).await, ["one"]);
}

/// Nothing is written for a write that says what is known; only the source's hint is refreshed.
pub async fn the_same_write_again_is_unchanged(subject: impl Subject) {
    let catalog = subject.catalog();
    let first = accept(catalog, put("a", "one")).await;
    for _ in 0..2 {
        let again = accept(catalog, put("a", "one")).await;
        assert_eq!(
            (again.outcome, again.revision, again.sequence),
            (Outcome::Unchanged, first.revision, first.sequence)
        );
        publish_all(catalog).await;
    }
    let hinted = Write::Put(wellspring_core::document::Draft { fingerprint: Some("3-7".into()), ..draft("a", "one") });
    assert_eq!(accept(catalog, hinted).await.outcome, Outcome::Unchanged);
    let items = catalog.source_items(&source("push")).await.unwrap();
    assert_eq!(items, [(collection(), key("a"), Some("3-7".to_owned()))]);
    assert_eq!(catalog.status().await.unwrap().sequence, 1);
}

/// A new title or media type is a new revision of the same text.
pub async fn whatever_a_draft_says_counts(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    let mut titled = draft("a", "one");
    titled.attributes.title = Some("A title".to_owned());
    let updated = accept(catalog, Write::Put(titled.clone())).await;
    assert_eq!((updated.outcome, updated.revision), (Outcome::Updated, Revision(2)));
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert_eq!((info.revision, info.published_revision), (Revision(2), Some(Revision(1))));
    assert_eq!((info.title.as_deref(), &info.attributes), (Some("A title"), &titled.attributes));
    titled.media_type = wellspring_core::document::MediaType::Markdown;
    assert_eq!(accept(catalog, Write::Put(titled)).await.outcome, Outcome::Updated);
}

/// A revision that failed or was quarantined is no reason to call the same write unchanged.
pub async fn a_failed_revision_is_tried_again(subject: impl Subject) {
    let catalog = subject.catalog();
    let ends = [
        End::Failed { stage: Stage::Parse, reason: "not text".to_owned() },
        End::Quarantined { reason: "killed the parser".to_owned() },
    ];
    accept(catalog, put("a", "one")).await;
    for (end, revision) in ends.into_iter().zip(2..) {
        let work = claim_one(catalog).await;
        publish(catalog, vec![finished(&work, end)]).await;
        let again = accept(catalog, put("a", "one")).await;
        assert_eq!((again.outcome, again.revision), (Outcome::Updated, Revision(revision)));
    }
    publish_all(catalog).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("one"));
    assert_eq!(accept(catalog, put("a", "one")).await.outcome, Outcome::Unchanged);
}

/// A deletion whose clean-up failed has left chunks in the views: deleting again is not absent but tries once more.
pub async fn a_failed_deletion_is_tried_again(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    accept(catalog, delete("a")).await;
    let work = claim_one(catalog).await;
    let end = End::Failed { stage: Stage::Apply, reason: "disk".to_owned() };
    publish(catalog, vec![finished(&work, end)]).await;
    assert!(passages(catalog, &[chunk_id("a", "one")]).await.is_empty());
    assert_eq!(catalog.known_chunks(id("a")).await.unwrap().len(), 1);
    let again = accept(catalog, delete("a")).await;
    assert_eq!((again.outcome, again.revision), (Outcome::Deleted, Revision(3)));
    publish_all(catalog).await;
    assert!(catalog.known_chunks(id("a")).await.unwrap().is_empty());
    assert_eq!(accept(catalog, delete("a")).await.outcome, Outcome::Absent);
}

/// Another source can neither change nor delete a document; after its deletion it is anybody's.
pub async fn a_document_belongs_to_its_source(subject: impl Subject) {
    let catalog = subject.catalog();
    accept(catalog, put("a", "one")).await;
    let folder = source("folder");
    let mut foreign = draft("a", "two");
    foreign.source = folder.clone();
    let foreign_delete = Write::Delete { collection: collection(), key: key("a"), source: folder.clone() };
    let writes = vec![Write::Put(foreign.clone()), foreign_delete, put("b", "stands")];
    let answers = catalog.accept(writes).await.unwrap();
    assert_eq!(answers[0], Err(Refusal::OwnedBySource(source("push"))));
    assert_eq!(answers[1], Err(Refusal::OwnedBySource(source("push"))));
    assert_eq!(answers[2].as_ref().unwrap().outcome, Outcome::Created);

    accept(catalog, delete("a")).await;
    assert_eq!(accept(catalog, Write::Put(foreign)).await.outcome, Outcome::Created);
    assert_eq!(catalog.source_items(&folder).await.unwrap(), [(collection(), key("a"), None)]);
    assert_eq!(catalog.source_items(&source("push")).await.unwrap(), [(collection(), key("b"), None)]);
}

/// One batch may hold several writes of one document; each sees the one before it.
pub async fn a_batch_is_taken_in_order(subject: impl Subject) {
    let catalog = subject.catalog();
    let writes = vec![
        put("a", "one"),
        put("a", "one"),
        put("a", "two"),
        delete("a"),
        delete("a"),
        put("a", "three"),
        put("b", "other"),
    ];
    let answers: Vec<_> = catalog.accept(writes).await.unwrap().into_iter().map(Result::unwrap).collect();
    let outcomes: Vec<_> = answers.iter().map(|answer| (answer.outcome, answer.revision.0)).collect();
    let expected = [
        (Outcome::Created, 1),
        (Outcome::Unchanged, 1),
        (Outcome::Updated, 2),
        (Outcome::Deleted, 3),
        (Outcome::Absent, 3),
        (Outcome::Created, 4),
        (Outcome::Created, 1),
    ];
    assert_eq!(outcomes, expected);
    let sequences: Vec<_> = answers.iter().map(|answer| answer.sequence.map(|sequence| sequence.0)).collect();
    assert_eq!(sequences, [Some(1), Some(1), Some(2), Some(3), None, Some(4), Some(5)]);
    publish_all(catalog).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("three"));
    for answer in answers.iter().filter_map(|answer| answer.sequence) {
        assert_eq!(catalog.entry_state(answer).await.unwrap(), Some(EntryState::Published));
    }
}

/// What was still to be done before a deletion is not done any more.
pub async fn a_deletion_takes_the_place_of_pending_writes(subject: impl Subject) {
    let catalog = subject.catalog();
    let first = accept(catalog, put("a", "one")).await;
    let second = accept(catalog, put("a", "two")).await;
    accept(catalog, delete("a")).await;
    let claimed = catalog.claim(None, 8, PLENTY).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].revision, Revision(3));
    let end = stage(catalog, &claimed[0]).await;
    publish(catalog, vec![end]).await;
    for sequence in [first.sequence, second.sequence] {
        assert_eq!(catalog.entry_state(sequence.unwrap()).await.unwrap(), Some(EntryState::Published));
    }
    assert_eq!(catalog.status().await.unwrap().pending, 0);
}

/// A version that is too large or cannot be read is the newest revision and failed; readers keep the one before it, marked.
pub async fn what_cannot_be_taken_in_leaves_the_last_readable_revision(subject: impl Subject) {
    let catalog = subject.catalog();
    let mut secret = draft("a", "one");
    secret.attributes.acl = vec!["staff".to_owned()];
    catalog.bind_space(&collection(), space(), "a model").await.unwrap().unwrap();
    accept(catalog, Write::Put(secret.clone())).await;
    publish_all(catalog).await;
    let first = accept(catalog, unread("a", "too large")).await;
    assert_eq!((first.outcome, first.revision), (Outcome::Updated, Revision(2)));
    assert!(catalog.claim(None, 8, PLENTY).await.unwrap().is_empty(), "there is nothing to do about it");
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    let failed =
        EntryState::Failed { stage: Stage::Receive, reason: "too large".to_owned(), attempt: 1, next_retry_at: None };
    assert_eq!((info.state, info.published_revision, info.bytes), (failed.clone(), Some(Revision(1)), 0));
    assert_eq!(info.attributes, secret.attributes, "who may read it is as before");
    assert_eq!(catalog.entry_state(first.sequence.unwrap()).await.unwrap(), Some(failed));
    let found = catalog.hydrate(&collection(), &[chunk_id("a", "one")], &Filter::default()).await.unwrap();
    assert!(found.is_empty(), "not for everybody");
    let staff = Filter { labels: vec!["staff".to_owned()], ..Filter::default() };
    let found = catalog.hydrate(&collection(), &[chunk_id("a", "one")], &staff).await.unwrap();
    assert_eq!(
        found.iter().map(|passage| (passage.text.as_str(), passage.outdated)).collect::<Vec<_>>(),
        [("one", true)]
    );
    assert_eq!(catalog.retry(&collection(), &key("a")).await.unwrap(), Retried::ContentGone);

    let again = accept(catalog, unread("a", "too large")).await;
    assert_eq!((again.outcome, again.sequence), (Outcome::Unchanged, first.sequence));
    assert_eq!(accept(catalog, unread("a", "not readable")).await.revision, Revision(3));
    assert_eq!(accept(catalog, unread("b", "too large")).await.outcome, Outcome::Absent);
    let foreign = Write::Unread {
        collection: collection(),
        key: key("a"),
        source: source("folder"),
        reason: "too large".to_owned(),
        media_type: None,
    };
    assert_eq!(catalog.accept(vec![foreign]).await.unwrap(), [Err(Refusal::OwnedBySource(source("push")))]);

    // The same words as before are a revision, since the document said otherwise meanwhile.
    assert_eq!(accept(catalog, Write::Put(secret)).await.outcome, Outcome::Updated);
    publish_all(catalog).await;
    let found = catalog.hydrate(&collection(), &[chunk_id("a", "one")], &staff).await.unwrap();
    assert!(found.iter().all(|passage| !passage.outdated) && found.len() == 1);
    accept(catalog, unread("a", "too large")).await;
    assert_eq!(accept(catalog, delete("a")).await.outcome, Outcome::Deleted);
    assert_eq!(accept(catalog, unread("a", "too large")).await.outcome, Outcome::Absent);
}

/// What was never readable is a document where its source wants that, so that it is found by its state.
pub async fn what_was_never_readable_can_have_a_state(subject: impl Subject) {
    let catalog = subject.catalog();
    catalog.bind_space(&collection(), space(), "a model").await.unwrap().unwrap();
    let large = |name: &str| Write::Unread {
        collection: collection(),
        key: key(name),
        source: SourceName::push(),
        reason: "too large".to_owned(),
        media_type: Some(MediaType::Text),
    };
    let first = accept(catalog, large("a")).await;
    assert_eq!((first.outcome, first.revision), (Outcome::Created, Revision(1)));
    assert_eq!(accept(catalog, large("a")).await.outcome, Outcome::Unchanged);
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert!(matches!(info.state, EntryState::Failed { stage: Stage::Receive, .. }), "{:?}", info.state);
    assert_eq!((info.media_type, info.bytes, info.published_revision), (MediaType::Text, 0, None));
    assert_eq!(catalog.retry(&collection(), &key("a")).await.unwrap(), Retried::ContentGone);
    assert!(catalog.claim(None, 8, PLENTY).await.unwrap().is_empty());

    assert_eq!(accept(catalog, put("a", "one")).await.outcome, Outcome::Updated);
    publish_all(catalog).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("one"));
    accept(catalog, large("b")).await;
    assert_eq!(accept(catalog, delete("b")).await.outcome, Outcome::Deleted);
    publish_all(catalog).await;
    assert!(catalog.document(&collection(), &key("b")).await.unwrap().is_none());
    assert_eq!(accept(catalog, large("b")).await.outcome, Outcome::Created, "and it may come again");
}

/// A link or a pipe is no document, and has a state that says so; what was readable under its name goes.
pub async fn what_its_source_passes_over_is_skipped(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    let link = |name: &str| Write::PassOver {
        collection: collection(),
        key: key(name),
        source: SourceName::push(),
        media_type: MediaType::Text,
        reason: "a link".to_owned(),
        fingerprint: Some("link".to_owned()),
    };
    let taken = accept(catalog, link("a")).await;
    assert_eq!((taken.outcome, taken.revision), (Outcome::Updated, Revision(3)));
    let skipped = EntryState::Skipped { reason: "a link".to_owned() };
    let found = catalog.hydrate(&collection(), &[chunk_id("a", "one")], &Filter::default()).await.unwrap();
    assert!(found.is_empty(), "from the acceptance on");
    publish_all(catalog).await;
    assert!(catalog.known_chunks(id("a")).await.unwrap().is_empty(), "and out of the views");
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert_eq!((info.state, info.published_revision, info.bytes), (skipped.clone(), None, 0));
    assert_eq!(catalog.entry_state(taken.sequence.unwrap()).await.unwrap(), Some(skipped.clone()));
    assert_eq!(catalog.retry(&collection(), &key("a")).await.unwrap(), Retried::ContentGone);

    assert_eq!(accept(catalog, link("a")).await.outcome, Outcome::Unchanged);
    assert_eq!(accept(catalog, link("b")).await.outcome, Outcome::Created);
    assert_eq!(catalog.status().await.unwrap().skipped, 2);
    let items = catalog.source_items(&SourceName::push()).await.unwrap();
    assert!(items.iter().all(|(.., fingerprint)| fingerprint.as_deref() == Some("link")), "{items:?}");
    let mut foreign = link("a");
    let Write::PassOver { source: owner, .. } = &mut foreign else { panic!("a link") };
    *owner = source("folder");
    assert_eq!(catalog.accept(vec![foreign]).await.unwrap(), [Err(Refusal::OwnedBySource(source("push")))]);

    assert_eq!(accept(catalog, put("a", "two")).await.outcome, Outcome::Updated);
    publish_all(catalog).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("two"));
    assert_eq!(accept(catalog, delete("b")).await.outcome, Outcome::Deleted);
    publish_all(catalog).await;
    assert_eq!(catalog.status().await.unwrap().skipped, 0);
}

/// The last version that could be read may still be on its way.
pub async fn i4_what_is_pending_before_a_version_that_cannot_be_taken_in_is_published(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    accept(catalog, put("b", "bad")).await;
    let other = claim_one(catalog).await;
    let pending = accept(catalog, put("a", "two")).await;
    accept(catalog, unread("a", "too large")).await;
    // Another one that fails must not take the pending one's content along.
    let end = End::Failed { stage: Stage::Parse, reason: "bad".to_owned() };
    publish(catalog, vec![finished(&other, end)]).await;
    publish_all(catalog).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("two"));
    assert_eq!(catalog.entry_state(pending.sequence.unwrap()).await.unwrap(), Some(EntryState::Published));
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert_eq!((info.revision, info.published_revision), (Revision(3), Some(Revision(2))));
    assert!(matches!(info.state, EntryState::Failed { stage: Stage::Receive, .. }));

    accept(catalog, put("a", "three")).await;
    accept(catalog, unread("a", "too large")).await;
    accept(catalog, put("a", "four")).await;
    publish_all(catalog).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("four"));
    assert_eq!(catalog.status().await.unwrap().pending, 0);
}
