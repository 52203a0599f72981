//! Do readers move from one whole revision to the next, and only forward?

use wellspring_core::catalog::{CatalogReader, End, EntryState, Publisher, Stage, Write};
use wellspring_core::document::Revision;
use wellspring_core::filter::Filter;
use wellspring_core::limits;
use wellspring_core::view::{Publication, ViewName};

use super::Subject;
use super::steps::*;

/// I-2: with the publication, text, chunks, places and state are all of the new revision.
pub async fn i2_a_publication_is_seen_whole(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "kept\n\nold")]).await;
    let sequence = accept(catalog, put("a", "kept\n\nnew\n\nmore")).await.sequence.unwrap();
    publish_all(catalog).await;
    let asked = ["old", "more", "kept", "new"].map(|paragraph| chunk_id("a", paragraph));
    assert_eq!(passages(catalog, &asked).await, ["more", "kept", "new"]);
    let places = catalog.chunk_places(id("a")).await.unwrap();
    let whole = text(catalog, "a").await.unwrap();
    let sliced: Vec<_> = places.iter().map(|place| place.span.slice(&whole).unwrap()).collect();
    assert_eq!(sliced, ["kept", "new", "more"]);
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert_eq!((info.revision, info.published_revision, info.chunks), (Revision(2), Some(Revision(2)), 3));
    assert_eq!((info.state, info.sequence), (EntryState::Published, sequence));
    assert_eq!((info.cost.chunks, info.cost.chunks_kept, info.cost.chunks_removed), (3, 1, 1));
}

/// I-3: the checkpoints are those of the newest publication, also after a restart; a replay may set one apart.
pub async fn i3_both_checkpoints_move_with_the_publication(subject: impl Subject) {
    for view in [ViewName::Vector, ViewName::Keyword] {
        assert_eq!(subject.catalog().checkpoint(view).await.unwrap(), Publication(0));
    }
    write_all(subject.catalog(), &[("a", "one")]).await;
    write_all(subject.catalog(), &[("a", "two")]).await;
    subject.catalog().set_checkpoint(ViewName::Vector, Publication(1)).await.unwrap();
    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    assert_eq!(catalog.published().await.unwrap(), Publication(2));
    assert_eq!(catalog.checkpoint(ViewName::Vector).await.unwrap(), Publication(1));
    assert_eq!(catalog.checkpoint(ViewName::Keyword).await.unwrap(), Publication(2));
    write_all(catalog, &[("a", "three")]).await;
    assert_eq!(catalog.checkpoint(ViewName::Vector).await.unwrap(), Publication(3));
}

/// I-4: a deletion that was accepted while its document was in work wins.
pub async fn i4_a_deletion_overtakes_work_in_hand(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    let second = accept(catalog, put("a", "two")).await.sequence.unwrap();
    let work = claim_one(catalog).await;
    let end = stage(catalog, &work).await;
    let deletion = accept(catalog, delete("a")).await.sequence.unwrap();
    publish(catalog, vec![end]).await;

    let both = [chunk_id("a", "one"), chunk_id("a", "two")];
    assert!(passages(catalog, &both).await.is_empty());
    assert_eq!(text(catalog, "a").await, None);
    assert_eq!(catalog.document(&collection(), &key("a")).await.unwrap(), None);
    assert_eq!(catalog.entry_state(second).await.unwrap(), Some(EntryState::Pending), "it waits for the deletion");
    let mut known: Vec<_> = catalog.known_chunks(id("a")).await.unwrap();
    known.sort_by_key(|chunk| both.iter().position(|id| *id == chunk.id));
    assert_eq!(known.iter().map(|chunk| (chunk.id, chunk.published)).collect::<Vec<_>>(), both.map(|id| (id, false)));

    publish_all(catalog).await;
    assert!(catalog.known_chunks(id("a")).await.unwrap().is_empty());
    for sequence in [second, deletion] {
        assert_eq!(catalog.entry_state(sequence).await.unwrap(), Some(EntryState::Published));
    }
}

/// A write that fails leaves readers with the revision before it, and says why.
pub async fn a_failure_leaves_the_published_revision(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    accept(catalog, put("a", "two")).await;
    let work = claim_one(catalog).await;
    let end = End::Failed { stage: Stage::Parse, reason: "no text".to_owned() };
    publish(catalog, vec![finished(&work, end)]).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("one"));
    let passage = catalog.hydrate(&collection(), &[chunk_id("a", "one")], &Filter::default()).await.unwrap().remove(0);
    assert_eq!((passage.text.as_str(), passage.outdated), ("one", true), "a reader is told that it is not the newest");
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert_eq!((info.revision, info.published_revision), (Revision(2), Some(Revision(1))));
    let reason = "no text".to_owned();
    assert_eq!(info.state, EntryState::Failed { stage: Stage::Parse, reason, attempt: 1, next_retry_at: None });
    let unparsed = catalog.revision_text(&collection(), &key("a"), Some(Revision(2))).await.unwrap();
    assert_eq!(unparsed.map(|revision| revision.text), Some(None));
}

/// A revision is read with the title and the attributes it had.
pub async fn a_revision_keeps_what_was_said_about_it(subject: impl Subject) {
    let catalog = subject.catalog();
    for (title, text) in [("Old", "one"), ("New", "two")] {
        let mut draft = draft("a", text);
        draft.attributes.title = Some(title.to_owned());
        draft.attributes.tags = vec![title.to_lowercase()];
        accept(catalog, Write::Put(draft)).await;
        publish_all(catalog).await;
    }
    let read = async |revision| catalog.revision_text(&collection(), &key("a"), revision).await.unwrap().unwrap();
    let old = read(Some(Revision(1))).await;
    assert_eq!((old.title.as_deref(), old.attributes.tags), (Some("Old"), vec!["old".to_owned()]));
    let newest = read(None).await;
    assert_eq!((newest.revision, newest.title.as_deref()), (Revision(2), Some("New")));
    let passage = catalog.hydrate(&collection(), &[chunk_id("a", "two")], &Filter::default()).await.unwrap().remove(0);
    assert!(!passage.outdated);
}

/// A citation of a recent revision can be checked; text beyond the bound is gone.
pub async fn old_revisions_lose_their_text(subject: impl Subject) {
    let catalog = subject.catalog();
    let last = limits::REVISIONS_KEPT + 2;
    for revision in 1..=last {
        write_all(catalog, &[("a", &format!("revision {revision}"))]).await;
    }
    for revision in 1..=last {
        let kept = catalog.revision_text(&collection(), &key("a"), Some(Revision(revision))).await.unwrap();
        let expected = (revision > 1).then(|| format!("revision {revision}"));
        assert_eq!(kept.and_then(|kept| kept.text), expected);
    }
    assert_eq!(catalog.revision_text(&collection(), &key("a"), Some(Revision(u64::MAX))).await.unwrap(), None);
}

/// A write that arrives while an older one is in work is published after it.
pub async fn a_newer_write_waits_for_the_one_in_hand(subject: impl Subject) {
    let catalog = subject.catalog();
    accept(catalog, put("a", "one")).await;
    let work = claim_one(catalog).await;
    let end = stage(catalog, &work).await;
    accept(catalog, put("a", "two")).await;
    publish(catalog, vec![end]).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("one"));
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert_eq!((info.state, info.published_revision), (EntryState::Pending, Some(Revision(1))));
    publish_all(catalog).await;
    assert_eq!(text(catalog, "a").await.as_deref(), Some("two"));
}

/// Publications rise; a number that is used up with other work is refused and changes nothing.
pub async fn a_publication_that_is_not_newer_is_refused(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    accept(catalog, put("a", "two")).await;
    let work = claim_one(catalog).await;
    let end = stage(catalog, &work).await;
    assert!(catalog.publish(Publication(1), vec![end.clone()]).await.is_err());
    assert_eq!(text(catalog, "a").await.as_deref(), Some("one"));
    catalog.publish(Publication(2), vec![end]).await.unwrap();
    assert_eq!(text(catalog, "a").await.as_deref(), Some("two"));
}
