//! Is work handed out once, newest first within a document, oldest first among them?

use wellspring_core::catalog::{CatalogReader, End, EntryState, Publisher, Stage, Task, Work};
use wellspring_core::document::Revision;

use super::Subject;
use super::steps::*;

fn names(work: &[Work]) -> Vec<(&str, u64)> {
    work.iter().map(|work| (work.key.as_str(), work.revision.0)).collect()
}

/// I-4: only the newest entry is worked on; whoever waits for an older one is answered by the newest.
pub async fn i4_the_newest_entry_is_claimed_and_older_ones_step_aside(subject: impl Subject) {
    let catalog = subject.catalog();
    let mut sequences = Vec::new();
    for text in ["one", "two", "three"] {
        sequences.push(accept(catalog, put("a", text)).await.sequence.unwrap());
    }
    let work = claim_one(catalog).await;
    assert_eq!((work.revision, work.sequence), (Revision(3), sequences[2]));
    let Task::Put { content, .. } = &work.task else { panic!("a write") };
    assert_eq!(content, b"three");
    for sequence in &sequences {
        assert_eq!(catalog.entry_state(*sequence).await.unwrap(), Some(EntryState::Pending));
    }
    let end = End::Failed { stage: Stage::Embed, reason: "no model".to_owned() };
    publish(catalog, vec![finished(&work, end)]).await;
    let reason = "no model".to_owned();
    let failed = EntryState::Failed { stage: Stage::Embed, reason, attempt: 1, next_retry_at: None };
    for sequence in &sequences {
        assert_eq!(catalog.entry_state(*sequence).await.unwrap(), Some(failed.clone()));
    }
}

/// A claim holds at most so many documents and bytes, but at least one document.
pub async fn claims_are_bounded_but_never_empty(subject: impl Subject) {
    let catalog = subject.catalog();
    for name in ["a", "b", "c", "d"] {
        accept(catalog, put(name, "ten bytes.")).await;
    }
    let first = catalog.claim(None, 8, 3).await.unwrap();
    assert_eq!(names(&first), [("a", 1)]);
    let second = catalog.claim(None, 8, 25).await.unwrap();
    assert_eq!(names(&second), [("b", 1), ("c", 1)]);
    let third = catalog.claim(None, 1, PLENTY).await.unwrap();
    assert_eq!(names(&third), [("d", 1)]);
    assert!(catalog.claim(None, 8, PLENTY).await.unwrap().is_empty());
}

/// A document that is edited again and again keeps its place in the line.
pub async fn the_oldest_waits_least(subject: impl Subject) {
    let catalog = subject.catalog();
    for (name, text) in [("a", "one"), ("b", "one"), ("a", "two"), ("c", "one")] {
        accept(catalog, put(name, text)).await;
    }
    let claimed = catalog.claim(None, 2, PLENTY).await.unwrap();
    assert_eq!(names(&claimed), [("a", 2), ("b", 1)]);
}

/// Two entries of one document are never in work at once.
pub async fn a_claimed_document_is_left_out(subject: impl Subject) {
    let catalog = subject.catalog();
    accept(catalog, put("a", "one")).await;
    let work = claim_one(catalog).await;
    accept(catalog, put("a", "two")).await;
    assert!(catalog.claim(None, 8, PLENTY).await.unwrap().is_empty());
    let end = stage(catalog, &work).await;
    publish(catalog, vec![end]).await;
    assert_eq!(claim_one(catalog).await.revision, Revision(2));
}

/// What was in work when the process ended is handed out again.
pub async fn claims_do_not_survive_a_restart(subject: impl Subject) {
    accept(subject.catalog(), put("a", "one")).await;
    let before = claim_one(subject.catalog()).await;
    let subject = subject.reopen().await;
    let after = claim_one(subject.catalog()).await;
    assert_eq!((after.sequence, after.revision), (before.sequence, before.revision));
}

/// Text that equals its content is kept once, and is the content when the work is claimed again.
pub async fn staged_work_is_claimed_again_with_its_content(subject: impl Subject) {
    accept(subject.catalog(), put("a", "河 one\n\ntwo")).await;
    let work = claim_one(subject.catalog()).await;
    stage(subject.catalog(), &work).await;
    let subject = subject.reopen().await;
    let again = claim_one(subject.catalog()).await;
    let Task::Put { content, .. } = &again.task else { panic!("a write") };
    assert_eq!(content, "河 one\n\ntwo".as_bytes());
    let end = stage(subject.catalog(), &again).await;
    publish(subject.catalog(), vec![end]).await;
    assert_eq!(text(subject.catalog(), "a").await.as_deref(), Some("河 one\n\ntwo"));
}
