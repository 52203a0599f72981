//! Are readers answered as the contract says?

use wellspring_core::catalog::{
    CatalogReader, DocumentFilter, End, Journal, Publisher, Sequence, SpaceMismatch, Stage, Write,
};
use wellspring_core::document::{CollectionName, DocumentId, Revision};

use super::Subject;
use super::steps::*;

/// I-5: the first use of a collection decides its space, also for the next process.
pub async fn i5_a_collection_keeps_its_space(subject: impl Subject) {
    let catalog = subject.catalog();
    assert_eq!(catalog.space_of(&collection()).await.unwrap(), None);
    assert!(!catalog.collection_exists(&collection()).await.unwrap(), "asking creates nothing");
    assert_eq!(catalog.bind_space(&collection(), space(), "a model").await.unwrap(), Ok(()));
    assert!(catalog.collection_exists(&collection()).await.unwrap());
    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    assert_eq!(catalog.space_of(&collection()).await.unwrap(), Some(space()));
    assert_eq!(catalog.bind_space(&collection(), space(), "a model").await.unwrap(), Ok(()));
    let refused = catalog.bind_space(&collection(), space_of("another"), "another").await.unwrap();
    assert_eq!(refused, Err(SpaceMismatch { built_in: space(), model: "a model".to_owned() }));
    let other: CollectionName = "other".parse().unwrap();
    assert!(!catalog.collection_exists(&other).await.unwrap());
    assert_eq!(catalog.bind_space(&other, space_of("another"), "another").await.unwrap(), Ok(()));
}

/// Passages come in the order asked, from the collection asked, with all that is said about them.
pub async fn passages_keep_the_order_asked(subject: impl Subject) {
    let catalog = subject.catalog();
    let mut described = draft("a", "one\n\ntwo");
    described.attributes.title = Some("A title".to_owned());
    described.attributes.url = Some("https://example.org/a".to_owned());
    described.attributes.published_at = Some("2026-01-02T03:04:05Z".parse().unwrap());
    let mut foreign = draft("a", "elsewhere");
    foreign.collection = "other".parse().unwrap();
    let foreign_chunk =
        wellspring_core::chunk::ChunkId::of(DocumentId::of(&foreign.collection, &foreign.key), "elsewhere", 0);
    catalog.accept(vec![Write::Put(described), Write::Put(foreign), put("b", "three")]).await.unwrap();
    publish_all(catalog).await;

    let asked = [chunk_id("b", "three"), foreign_chunk, chunk_id("a", "two"), chunk_id("x", "y"), chunk_id("a", "one")];
    assert_eq!(passages(catalog, &asked).await, ["three", "two", "one"]);
    assert!(passages(catalog, &[]).await.is_empty());
    let passage = catalog.hydrate(&collection(), &asked[2..3]).await.unwrap().remove(0);
    assert_eq!((passage.document.clone(), passage.document_id, passage.revision), (key("a"), id("a"), Revision(1)));
    assert_eq!((passage.ordinal, passage.span.byte_start, passage.span.byte_end), (1, 5, 8));
    assert_eq!(passage.title.as_deref(), Some("A title"));
    assert_eq!(passage.url.as_deref(), Some("https://example.org/a"));
    assert_eq!(passage.published_at.unwrap().to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(passage.source, source("push"));
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert_eq!(info.accepted_at, passage.accepted_at);
}

/// A listing goes through all documents in the order of their keys, page by page, and only those asked for.
pub async fn listings_are_paged_and_filtered(subject: impl Subject) {
    let catalog = subject.catalog();
    let mut of_folder = draft("c", "three");
    of_folder.source = source("folder");
    catalog.accept(vec![put("d", "four"), put("a", "one"), Write::Put(of_folder), put("ä", "two")]).await.unwrap();
    publish_all(catalog).await;
    accept(catalog, put("a", "changed")).await;

    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = catalog.documents(&collection(), &DocumentFilter::default(), after.as_ref(), 3).await.unwrap();
        names.extend(page.documents.iter().map(|document| document.key.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
        assert_eq!(names.len(), 3);
    }
    assert_eq!(names, ["a", "c", "d", "ä"]);
    let listed = |source_name: Option<&str>, state: Option<&str>| {
        let filter = DocumentFilter { source: source_name.map(source), state: state.map(str::to_owned) };
        async move {
            let page = catalog.documents(&collection(), &filter, None, 10).await.unwrap();
            page.documents.iter().map(|document| document.key.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(Some("folder"), None).await, ["c"]);
    assert_eq!(listed(None, Some("pending")).await, ["a"]);
    assert_eq!(listed(Some("push"), Some("published")).await, ["d", "ä"]);
    assert!(listed(None, Some("no such state")).await.is_empty());
    let other = catalog.documents(&"other".parse().unwrap(), &DocumentFilter::default(), None, 10).await.unwrap();
    assert!(other.documents.is_empty() && other.next.is_none());
}

/// The numbers are those of what was done.
pub async fn the_status_counts(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one\n\ntwo"), ("b", "three"), ("c", "four")]).await;
    write_all(catalog, &[("a", "one\n\nfive")]).await;
    accept(catalog, put("b", "bad")).await;
    let work = claim_one(catalog).await;
    let end = End::Failed { stage: Stage::Parse, reason: "bad".to_owned() };
    publish(catalog, vec![finished(&work, end)]).await;
    accept(catalog, put("d", "bad")).await;
    let work = claim_one(catalog).await;
    publish(catalog, vec![finished(&work, End::Quarantined { reason: "bad".to_owned() })]).await;
    accept(catalog, delete("c")).await;

    let status = catalog.status().await.unwrap();
    assert_eq!((status.documents, status.searchable, status.chunks), (3, 2, 3));
    assert_eq!((status.pending, status.failed, status.quarantined), (1, 1, 1));
    assert_eq!((status.sequence, status.publication), (7, 4));
    assert_eq!((status.chunks_embedded, status.chunks_kept, status.vectors), (5, 1, 5));
}

/// Names that nothing has are absent, not errors.
pub async fn unknown_names_are_absent(subject: impl Subject) {
    let catalog = subject.catalog();
    assert_eq!(catalog.document(&collection(), &key("a")).await.unwrap(), None);
    assert_eq!(catalog.revision_text(&collection(), &key("a"), None).await.unwrap(), None);
    for sequence in [0, 1, u64::MAX] {
        assert_eq!(catalog.entry_state(Sequence(sequence)).await.unwrap(), None);
    }
    assert!(catalog.known_chunks(id("a")).await.unwrap().is_empty());
    assert!(catalog.chunk_places(id("a")).await.unwrap().is_empty());
    assert!(catalog.claim(None, 8, PLENTY).await.unwrap().is_empty());
    assert!(catalog.accept(Vec::new()).await.unwrap().is_empty());
}
