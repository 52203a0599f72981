//! Are readers answered as the contract says?

use wellspring_core::catalog::{
    CatalogReader, DocumentFilter, End, Journal, Publisher, Sequence, SpaceMismatch, Stage, Write,
};
use wellspring_core::document::{CollectionName, DocumentId, Revision};
use wellspring_core::filter::{Demand, Filter};

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
    let passage = catalog.hydrate(&collection(), &asked[2..3], &Filter::default()).await.unwrap().remove(0);
    assert_eq!((passage.document.clone(), passage.document_id, passage.revision), (key("a"), id("a"), Revision(1)));
    assert_eq!((passage.ordinal, passage.span.byte_start, passage.span.byte_end), (1, 5, 8));
    assert_eq!(passage.title.as_deref(), Some("A title"));
    assert_eq!(passage.url.as_deref(), Some("https://example.org/a"));
    assert_eq!(passage.published_at.unwrap().to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(passage.source, source("push"));
    let info = catalog.document(&collection(), &key("a")).await.unwrap().unwrap();
    assert_eq!(info.accepted_at, passage.accepted_at);
}

/// What a filter refuses comes out neither by its chunks nor by asking for all of them.
pub async fn only_admitted_documents_are_read(subject: impl Subject) {
    let catalog = subject.catalog();
    let mut plain = draft("notes/plain.md", "plain one\n\nplain two");
    plain.attributes.language = Some("en-GB".to_owned());
    plain.attributes.tags = vec!["red".to_owned()];
    plain.attributes.metadata.insert("year".to_owned(), 2020.into());
    let mut secret = draft("notes/secret.md", "secret");
    secret.attributes.acl = vec!["board".to_owned()];
    secret.attributes.published_at = Some("2026-01-02T03:04:05Z".parse().unwrap());
    let mut deleted = draft("deleted", "deleted");
    deleted.source = source("folder");
    catalog
        .accept(vec![Write::Put(plain), Write::Put(secret), Write::Put(deleted), put("other", "other")])
        .await
        .unwrap();
    publish_all(catalog).await;
    let deletion = Write::Delete { collection: collection(), key: key("deleted"), source: source("folder") };
    accept(catalog, deletion).await;

    let chunks = [
        chunk_id("notes/plain.md", "plain one"),
        chunk_id("notes/plain.md", "plain two"),
        chunk_id("notes/secret.md", "secret"),
        chunk_id("other", "other"),
        chunk_id("deleted", "deleted"),
    ];
    let board = || vec!["board".to_owned()];
    let moment = |text: &str| Some(text.parse().unwrap());
    let everything = Filter { labels: board(), ..Filter::default() };
    let of_metadata = |demand| Filter { metadata: vec![("year".to_owned(), demand)], ..Filter::default() };
    let cases: [(Filter, &[usize]); 10] = [
        (Filter::default(), &[0, 1, 3]),
        (everything.clone(), &[0, 1, 2, 3]),
        (Filter { languages: vec!["en".to_owned()], ..Filter::default() }, &[0, 1]),
        (Filter { tags: vec!["blue".to_owned(), "red".to_owned()], ..Filter::default() }, &[0, 1]),
        (Filter { sources: vec![source("folder")], ..Filter::default() }, &[]),
        (Filter { key_glob: Some("notes/*".to_owned()), ..everything.clone() }, &[0, 1, 2]),
        (Filter { published_from: moment("2026-01-01T00:00:00Z"), ..everything.clone() }, &[2]),
        (Filter { modified_before: moment("1990-01-01T00:00:00Z"), ..everything.clone() }, &[]),
        (of_metadata(Demand::AnyOf(vec![2020.0.into()])), &[0, 1]),
        (of_metadata(Demand::Exists(false)), &[3]),
    ];
    for (filter, expected) in cases {
        let mut expected: Vec<_> = expected.iter().map(|&place| chunks[place]).collect();
        let read = catalog.hydrate(&collection(), &chunks, &filter).await.unwrap();
        assert_eq!(read.iter().map(|passage| passage.chunk).collect::<Vec<_>>(), expected, "{filter:?}");
        let hidden = catalog.hidden(&collection(), &chunks, &filter).await.unwrap();
        let secret = (!filter.labels.contains(&"board".to_owned())).then_some(chunks[2]);
        assert_eq!(hidden.into_iter().collect::<Vec<_>>(), secret.into_iter().collect::<Vec<_>>(), "{filter:?}");
        let mut admitted = catalog.chunks_admitted(&collection(), &filter, 10).await.unwrap().expect("few");
        admitted.sort();
        expected.sort();
        assert_eq!(admitted, expected, "{filter:?}");
    }
    // A label shuts out from the acknowledgement on, before the revision that brings it is published.
    let mut tightened = draft("other", "other, and more");
    tightened.attributes.acl = vec!["board".to_owned()];
    accept(catalog, Write::Put(tightened)).await;
    assert!(catalog.hydrate(&collection(), &chunks[3..4], &Filter::default()).await.unwrap().is_empty());
    assert_eq!(catalog.hidden(&collection(), &chunks[3..4], &Filter::default()).await.unwrap().len(), 1);
    assert!(catalog.hidden(&collection(), &chunks[3..4], &everything).await.unwrap().is_empty());
    assert_eq!(catalog.hydrate(&collection(), &chunks[3..4], &everything).await.unwrap().len(), 1);
    assert_eq!(catalog.chunks_admitted(&collection(), &everything, 3).await.unwrap(), None, "more than asked for");
}

/// What stands around a chunk is told side by side, of the published revision alone.
pub async fn neighbours_stand_in_the_order_of_the_text(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one\n\ntwo\n\nthree\n\nfour")]).await;
    let around = catalog.neighbours(chunk_id("a", "three"), 2).await.unwrap();
    let texts = |side: &[wellspring_core::catalog::Neighbour]| side.iter().map(|n| n.text.clone()).collect::<Vec<_>>();
    assert_eq!((texts(&around.before), texts(&around.behind)), (vec!["one".into(), "two".into()], vec!["four".into()]));
    assert_eq!((around.behind[0].span.byte_start, around.behind[0].chunk), (17, chunk_id("a", "four")));
    accept(catalog, delete("a")).await;
    assert_eq!(catalog.neighbours(chunk_id("a", "three"), 2).await.unwrap(), Default::default());
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
