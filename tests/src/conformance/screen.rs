//! Does a catalog remember what was screened, and let it go when it must, as the contract of [`SignatureStore`] says?
//!
//! A test of an implementation is one line: `screen_conformance!(name, fresh)`, with the subjects of the catalog's suite.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use wellspring_core::catalog::{CatalogReader, End, EntryState, Journal, Publisher, Stage};
use wellspring_core::document::Revision;
use wellspring_core::limits;
use wellspring_core::screen::{Arrival, Findings, Inquiry, Record, Signature, SignatureStore, TextDigest};

use super::catalog::Subject;
use super::catalog::steps::*;

/// A block that every document of the cases' source has.
const SCOPE: u64 = u64::MAX - 7;

fn signature(text: &str) -> Signature {
    let first = u16::from(text.as_bytes()[0]);
    Signature { digest: TextDigest::of(text), minima: vec![first; limits::SCREEN_MINIMA] }
}

/// A record whose bucket is its text's first letter, and whose only paragraph is its text.
fn record(name: &str, revision: u64, text: &str) -> Record {
    let letter = u64::from(text.as_bytes()[0]);
    let block = u64::from_le_bytes(TextDigest::of(text).as_bytes()[..8].try_into().unwrap());
    Record {
        document: id(name),
        revision: Revision(revision),
        signature: signature(text),
        bands: vec![letter, u64::MAX - letter],
        blocks: vec![block, SCOPE],
        original: None,
        dropped: false,
        arrival: None,
    }
}

fn copy(name: &str, revision: u64, text: &str, original: &str, dropped: bool) -> Record {
    Record { original: Some(id(original)), dropped, ..record(name, revision, text) }
}

async fn findings(store: &impl SignatureStore, name: &str, text: &str, arrival: Option<Arrival>) -> Findings {
    let asked = record(name, 0, text);
    let blocks = vec![asked.blocks[0]];
    let inquiry = Inquiry { document: asked.document, bands: asked.bands, blocks, scope: SCOPE, arrival };
    store.look_up(vec![inquiry]).await.unwrap().remove(0)
}

async fn originals(store: &impl SignatureStore, name: &str, text: &str) -> Vec<String> {
    let found = findings(store, name, text, None).await.originals;
    let mut names: Vec<_> = found.into_iter().map(|original| original.key.to_string()).collect();
    names.sort();
    names
}

async fn state(catalog: &impl CatalogReader, name: &str) -> EntryState {
    catalog.document(&collection(), &key(name)).await.unwrap().unwrap().state
}

async fn is_skipped(catalog: &impl CatalogReader, name: &str) -> bool {
    matches!(state(catalog, name).await, EntryState::Skipped { .. })
}

/// Skips whatever is claimed next.
async fn skip(catalog: &impl Publisher) {
    let work = claim_one(catalog).await;
    let removed = catalog.known_chunks(work.document).await.unwrap().iter().map(|chunk| chunk.id).collect();
    let mut staged = prepare(catalog, &work).await;
    (staged.chunks, staged.embeddings) = (Vec::new(), Vec::new());
    catalog.stage(space(), vec![staged]).await.unwrap();
    publish(catalog, vec![finished(&work, End::Skipped { reason: "a copy".to_owned(), removed })]).await;
}

/// `a` published as an original, `b` skipped as its copy.
async fn with_a_dropped_copy(catalog: &(impl Journal + Publisher + SignatureStore)) {
    accept(catalog, put("a", "one")).await;
    catalog.record(vec![record("a", 1, "one")]).await.unwrap();
    publish_all(catalog).await;
    accept(catalog, put("b", "one")).await;
    catalog.record(vec![copy("b", 1, "one", "a", true)]).await.unwrap();
    skip(catalog).await;
}

/// Documents are found by the buckets they share, never by themselves, and after a restart too.
pub async fn originals_are_found_by_their_buckets(subject: impl Subject) {
    let catalog = subject.catalog();
    for (name, text) in [("a", "one"), ("b", "other"), ("c", "three")] {
        accept(catalog, put(name, text)).await;
        catalog.record(vec![record(name, 1, text)]).await.unwrap();
    }
    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    assert_eq!(originals(catalog, "x", "once").await, ["a", "b"]);
    assert_eq!(originals(catalog, "a", "one").await, ["b"], "nobody is its own original");
    let found = findings(catalog, "x", "three", None).await;
    assert_eq!(found.originals[0].signature, signature("three"), "as it was kept");
    assert_eq!((found.block_documents, found.source_documents), (vec![1], 3));
    let own = findings(catalog, "a", "one", None).await;
    assert_eq!((own.block_documents, own.source_documents), (vec![0], 2), "it does not count itself");
}

/// One state of the store answers all inquiries of a call, in their order.
pub async fn inquiries_are_answered_in_their_order(subject: impl Subject) {
    let catalog = subject.catalog();
    accept(catalog, put("a", "one")).await;
    catalog.record(vec![record("a", 1, "one")]).await.unwrap();
    let inquiry = |text: &str| {
        let asked = record("x", 0, text);
        Inquiry { document: asked.document, bands: asked.bands, blocks: asked.blocks, scope: SCOPE, arrival: None }
    };
    let answers = catalog.look_up(vec![inquiry("none"), inquiry("one"), inquiry("two")]).await.unwrap();
    assert_eq!(answers.iter().map(|found| found.originals.len()).collect::<Vec<_>>(), [0, 1, 0]);
    assert!(catalog.look_up(Vec::new()).await.unwrap().is_empty());
}

/// A copy, marked or dropped, is nobody's original and counts for nothing.
pub async fn copies_are_neither_found_nor_counted(subject: impl Subject) {
    let catalog = subject.catalog();
    with_a_dropped_copy(catalog).await;
    accept(catalog, put("c", "one")).await;
    catalog.record(vec![copy("c", 1, "one", "a", false)]).await.unwrap();
    assert_eq!(originals(catalog, "x", "one").await, ["a"]);
    let found = findings(catalog, "x", "one", None).await;
    assert_eq!((found.block_documents, found.source_documents), (vec![1], 1));
    catalog.record(vec![record("a", 1, "one")]).await.unwrap();
    let found = findings(catalog, "x", "one", None).await;
    assert_eq!(found.block_documents, [1], "recorded twice, as after a crash, it counts once");
    assert!(is_skipped(catalog, "b").await, "and the same text again releases nobody");
}

/// What was dropped for the sake of an original is pending again when that is deleted; a marked copy takes its place.
pub async fn a_deleted_original_lets_its_copies_go(subject: impl Subject) {
    let catalog = subject.catalog();
    with_a_dropped_copy(catalog).await;
    accept(catalog, put("c", "one")).await;
    catalog.record(vec![copy("c", 1, "one", "a", false)]).await.unwrap();
    publish_all(catalog).await;
    accept(catalog, delete("a")).await;
    assert!(originals(catalog, "x", "one").await.is_empty(), "nobody finds a deleted document");
    let work = claim_one(catalog).await;
    let end = stage(catalog, &work).await;
    publish(catalog, vec![end]).await;
    assert_eq!(state(catalog, "b").await, EntryState::Pending);
    assert_eq!(originals(catalog, "x", "one").await, ["c"]);
}

/// And when it says something else, or is dropped itself.
pub async fn an_original_of_another_text_lets_its_copies_go(subject: impl Subject) {
    let catalog = subject.catalog();
    with_a_dropped_copy(catalog).await;
    accept(catalog, put("a", "now another text")).await;
    catalog.record(vec![record("a", 2, "now another text")]).await.unwrap();
    assert_eq!(state(catalog, "b").await, EntryState::Pending);
    assert!(originals(catalog, "x", "one").await.is_empty());
}

/// And when its revision comes to nothing.
pub async fn a_failed_original_lets_its_copies_go(subject: impl Subject) {
    let catalog = subject.catalog();
    with_a_dropped_copy(catalog).await;
    accept(catalog, put("d", "one more")).await;
    catalog.record(vec![record("d", 1, "one more")]).await.unwrap();
    accept(catalog, put("e", "one more")).await;
    catalog.record(vec![copy("e", 1, "one more", "d", true)]).await.unwrap();
    let failing = claim_one(catalog).await;
    skip(catalog).await;
    assert!(is_skipped(catalog, "e").await);
    let end = End::Failed { stage: Stage::Embed, reason: "refused".to_owned() };
    publish(catalog, vec![finished(&failing, end)]).await;
    assert_eq!(state(catalog, "e").await, EntryState::Pending);
    assert!(is_skipped(catalog, "b").await, "the copies of others stay where they are");
}

/// A person's word makes skipped documents pending again, with the content that was kept, one or all of a collection.
pub async fn skipped_documents_are_readmitted(subject: impl Subject) {
    let catalog = subject.catalog();
    with_a_dropped_copy(catalog).await;
    assert_eq!(catalog.readmit(&"other".parse().unwrap(), None).await.unwrap(), 0);
    assert_eq!(catalog.readmit(&collection(), Some(&key("a"))).await.unwrap(), 0, "it was not skipped");
    assert_eq!(catalog.readmit(&collection(), Some(&key("b"))).await.unwrap(), 1);
    assert_eq!(catalog.readmit(&collection(), None).await.unwrap(), 0, "it is pending already");
    catalog.record(vec![record("b", 1, "one")]).await.unwrap();
    publish_all(catalog).await;
    assert_eq!(text(catalog, "b").await.as_deref(), Some("one"));
}

/// A version that could not be taken in leaves the original of before an original: readers see it still.
pub async fn an_unread_version_releases_nobody(subject: impl Subject) {
    let catalog = subject.catalog();
    with_a_dropped_copy(catalog).await;
    accept(catalog, unread("a", "too large")).await;
    assert!(is_skipped(catalog, "b").await);
    assert_eq!(originals(catalog, "x", "one").await, ["a"]);
}

/// Arrivals count by source, hour and stratum, each record once more.
pub async fn arrivals_are_counted(subject: impl Subject) {
    let catalog = subject.catalog();
    let arrival = |hour: u64, stratum: u64| Arrival { scope: 1, hour, stratum };
    for (name, arrival) in [("a", arrival(5, 1)), ("b", arrival(5, 2)), ("c", arrival(6, 1))] {
        accept(catalog, put(name, name)).await;
        catalog.record(vec![Record { arrival: Some(arrival), ..record(name, 1, name) }]).await.unwrap();
    }
    let admitted = async |arrival: Arrival| findings(catalog, "x", "x", Some(arrival)).await.admitted;
    assert_eq!(admitted(arrival(5, 1)).await, (2, 1));
    assert_eq!(admitted(arrival(6, 2)).await, (1, 0));
    assert_eq!(admitted(arrival(7, 1)).await, (0, 0));
    assert_eq!(admitted(Arrival { scope: 2, ..arrival(5, 1) }).await, (0, 0));
    assert_eq!(findings(catalog, "x", "x", None).await.admitted, (0, 0));
}

/// Writes one test for each case, in a module named `$name`, over subjects that `$fresh().await` makes.
#[macro_export]
macro_rules! screen_conformance {
    ($name:ident, $fresh:path) => {
        mod $name {
            use $crate::conformance::screen;

            $crate::screen_conformance!(@cases $fresh,
                originals_are_found_by_their_buckets,
                inquiries_are_answered_in_their_order,
                copies_are_neither_found_nor_counted,
                a_deleted_original_lets_its_copies_go,
                an_original_of_another_text_lets_its_copies_go,
                a_failed_original_lets_its_copies_go,
                skipped_documents_are_readmitted,
                an_unread_version_releases_nobody,
                arrivals_are_counted);
        }
    };
    (@cases $fresh:path, $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() {
                screen::$case($fresh().await).await;
            }
        )+
    };
}
