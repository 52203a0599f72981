//! Do scores depend on what is there, or on how it came to be there?

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::hit::Hit;
use wellspring_core::view::{Change, KeywordEntry, KeywordSearch, Publication, ViewWriter};
use wellspring_keyword::TantivyKeywords;

fn entry(number: usize, text: &str) -> KeywordEntry {
    let collection = CollectionName::default();
    let document = DocumentId::of(&collection, &format!("d{number}").parse().unwrap());
    KeywordEntry {
        chunk: ChunkId::of(document, text, 0),
        document,
        collection,
        title: format!("Bridges, part {number}"),
        heading: if number.is_multiple_of(2) { "Rivers".to_owned() } else { String::new() },
        text: text.to_owned(),
    }
}

/// What is there in the end: sentences of different lengths over a few words.
fn final_state() -> Vec<KeywordEntry> {
    let words = ["bridge", "river", "stone", "arch", "toll", "ferry", "boat"];
    let text = |n: usize| (0..3 + n % 11).map(|w| words[(n * 5 + w * w) % words.len()]).collect::<Vec<_>>().join(" ");
    (0..40).map(|n| entry(n, &format!("{} number {n}", text(n)))).collect()
}

async fn index(folder: &Path, steps: Vec<Change<KeywordEntry>>) -> TantivyKeywords {
    let view = TantivyKeywords::open(folder).unwrap();
    for (number, step) in (1..).zip(steps) {
        view.apply(step).await.unwrap();
        view.commit(Publication(number)).await.unwrap();
    }
    view
}

async fn hits(view: &TantivyKeywords, query: &str) -> Vec<Hit> {
    view.matching(&CollectionName::default(), query, 20).await.unwrap()
}

#[tokio::test]
async fn deleted_chunks_count_in_no_score() {
    let state = final_state();
    let fresh = tempfile::tempdir().unwrap();
    let fresh = index(fresh.path(), vec![Change { upserts: state.clone(), removals: Vec::new() }]).await;

    // The same by detours: long chunks full of tolls and ferries come first, among the others, and go.
    let gone: Vec<KeywordEntry> =
        (100..160).map(|n| entry(n, &format!("toll ferry toll boat {n} ").repeat(1 + n % 7))).collect();
    let detour = tempfile::tempdir().unwrap();
    let (early, late) = state.split_at(15);
    let mut steps = vec![Change { upserts: [early, &gone].concat(), removals: Vec::new() }];
    for piece in gone.chunks(25) {
        steps.push(Change { upserts: Vec::new(), removals: piece.iter().map(|entry| entry.chunk).collect() });
    }
    steps.extend(late.chunks(7).map(|piece| Change { upserts: piece.to_vec(), removals: Vec::new() }));
    let detour = index(detour.path(), steps).await;

    for query in ["toll", "ferry over the river", "stone arch bridge", "part", "boat boat toll"] {
        let (expected, got) = (hits(&fresh, query).await, hits(&detour, query).await);
        assert!(!expected.is_empty());
        assert_eq!(got, expected, "{query}");
    }
}
