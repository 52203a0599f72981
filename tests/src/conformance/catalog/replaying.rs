//! Does a replay bring a view forward, whole?

use std::collections::BTreeSet;

use wellspring_core::catalog::{Publisher, ReplayPage};
use wellspring_core::view::Publication;

use super::Subject;
use super::steps::*;

/// All pages of a replay: the texts to insert and the chunks to forget.
async fn replay(catalog: &impl Publisher, after: u64, limit: usize) -> (Vec<String>, BTreeSet<String>, usize) {
    let (mut upserts, mut removals, mut pages, mut cursor) = (Vec::new(), BTreeSet::new(), 0, None);
    loop {
        let page: ReplayPage =
            catalog.replay(space(), Publication(after), cursor, limit).await.unwrap().expect("nothing was forgotten");
        assert!(page.upserts.len() + page.removals.len() <= limit);
        pages += 1;
        for chunk in page.upserts {
            assert_eq!(chunk.collection, collection());
            let expected = embedding(wellspring_core::chunk::EmbeddingKey::of(&chunk.text));
            assert!((chunk.embedding.cosine(&expected) - 1.0).abs() < 1e-6);
            upserts.push(chunk.text);
        }
        removals.extend(page.removals.iter().map(ToString::to_string));
        cursor = page.next;
        if cursor.is_none() {
            upserts.sort();
            return (upserts, removals, pages);
        }
    }
}

/// From 0 a view gets every published chunk.
pub async fn from_nothing_everything_published_is_replayed(subject: impl Subject) {
    let catalog = subject.catalog();
    let (upserts, removals, _) = replay(catalog, 0, 10).await;
    assert!(upserts.is_empty() && removals.is_empty());
    write_all(catalog, &[("a", "one\n\ntwo"), ("b", "three")]).await;
    write_all(catalog, &[("a", "one")]).await;
    accept(catalog, put("c", "pending")).await;
    assert_eq!(replay(catalog, 0, 10).await.0, ["one", "three"]);
    accept(catalog, delete("b")).await;
    assert_eq!(replay(catalog, 0, 10).await.0, ["one"], "a deleted text is not handed out");
}

/// I-3: after a checkpoint, exactly what later publications put in and took away; a kept chunk is neither.
pub async fn i3_a_replay_holds_what_later_publications_did(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "kept\n\nold")]).await;
    write_all(catalog, &[("b", "other")]).await;
    write_all(catalog, &[("a", "kept\n\nnew")]).await;
    let removed = BTreeSet::from([chunk_id("a", "old").to_string()]);
    assert_eq!(replay(catalog, 2, 10).await, (vec!["new".to_owned()], removed.clone(), 1));
    assert_eq!(replay(catalog, 1, 10).await, (vec!["new".to_owned(), "other".to_owned()], removed, 1));
    assert_eq!(replay(catalog, 3, 10).await, (vec![], BTreeSet::new(), 1));
    accept(catalog, delete("a")).await;
    publish_all(catalog).await;
    let gone = ["kept", "new"].map(|paragraph| chunk_id("a", paragraph).to_string());
    assert_eq!(replay(catalog, 3, 10).await, (vec![], BTreeSet::from(gone), 1));
}

/// Pages of any size hold the same, once each, also when a publication comes between two of them.
pub async fn pages_add_up(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "1\n\n2\n\n3\n\n4\n\n5"), ("b", "6\n\n7")]).await;
    write_all(catalog, &[("a", "1\n\n3\n\n5"), ("b", "7\n\n8")]).await;
    let expected = ["1", "3", "5", "7", "8"];
    for limit in 1..=9 {
        let (upserts, removals, pages) = replay(catalog, 0, limit).await;
        assert_eq!(upserts, expected);
        assert_eq!(removals.len(), 3);
        assert!(pages >= 8_usize.div_ceil(limit));
    }
    let first = catalog.replay(space(), Publication(0), None, 2).await.unwrap().unwrap();
    write_all(catalog, &[("a", "1\n\n9")]).await;
    let mut seen: BTreeSet<String> = first.upserts.into_iter().map(|chunk| chunk.text).collect();
    let mut removed = BTreeSet::new();
    let mut cursor = first.next;
    while cursor.is_some() {
        let page = catalog.replay(space(), Publication(0), cursor, 2).await.unwrap().unwrap();
        seen.extend(page.upserts.into_iter().map(|chunk| chunk.text));
        removed.extend(page.removals);
        cursor = page.next;
    }
    for paragraph in ["1", "7", "8", "9"] {
        assert!(seen.contains(paragraph), "{paragraph}");
    }
    for paragraph in ["3", "5"] {
        assert!(!seen.contains(paragraph) || removed.contains(&chunk_id("a", paragraph)), "{paragraph}");
    }
}

/// A chunk that cannot be put into the vector view is not left out in silence.
pub async fn a_published_chunk_without_a_vector_is_an_error(subject: impl Subject) {
    let catalog = subject.catalog();
    write_all(catalog, &[("a", "one")]).await;
    let error = catalog.replay(space_of("another model"), Publication(0), None, 10).await.unwrap_err();
    assert_eq!(error.kind(), wellspring_core::catalog::CatalogErrorKind::Storage);
    assert!(error.chain().contains(&id("a").to_string()), "{}", error.chain());
}

/// A chunk that was removed and put back is inserted, not removed.
pub async fn a_chunk_that_came_back_is_not_removed(subject: impl Subject) {
    let catalog = subject.catalog();
    for text in ["one\n\ntwo", "one", "one\n\ntwo"] {
        write_all(catalog, &[("a", text)]).await;
    }
    assert_eq!(replay(catalog, 1, 10).await, (vec!["two".to_owned()], BTreeSet::new(), 1));
    assert_eq!(replay(catalog, 0, 10).await, (vec!["one".to_owned(), "two".to_owned()], BTreeSet::new(), 1));
}
