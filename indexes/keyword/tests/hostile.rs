//! Can any text that a person or a machine sends break a search?

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use proptest::prelude::*;
use tokio::runtime::Runtime;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::view::{Change, KeywordEntry, KeywordSearch, Publication, ViewWriter};
use wellspring_keyword::TantivyKeywords;

#[test]
fn no_text_breaks_a_search_or_an_index() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let view = TantivyKeywords::open(folder.path()).unwrap();
    let collection = CollectionName::default();
    let document = DocumentId::of(&collection, &"a".parse().unwrap());
    let text = prop_oneof![
        any::<String>(),
        "\\PC{0,300}",
        "[a-z\"'(){}\\[\\]:+~*?^!|&/\\\\<>=-]{0,200}",
        "[\u{0}-\u{20}桥的はア가ก१ａ１😀\u{202e}\u{301}_.-]{0,200}",
    ];
    proptest!(ProptestConfig::with_cases(300), |(text in text)| {
        runtime.block_on(view.matching(&collection, &text, 10)).unwrap();
    });
    // The same texts as documents: each is indexed, and finds itself or has no searchable word.
    let odd = "[\u{0}-\u{20}a-c桥的はア가ก१ａ１😀\u{202e}\u{301}_.-]{0,200}";
    proptest!(ProptestConfig::with_cases(20), |(text in odd)| {
        let entry = KeywordEntry {
            chunk: ChunkId::of(document, &text, 0),
            document,
            collection: collection.clone(),
            title: text.clone(),
            heading: text.clone(),
            text: text.clone(),
        };
        let chunk = entry.chunk;
        runtime.block_on(view.clear()).unwrap();
        runtime.block_on(view.apply(Change { upserts: vec![entry], removals: Vec::new() })).unwrap();
        runtime.block_on(view.commit(Publication(1))).unwrap();
        let hits = runtime.block_on(view.matching(&collection, &text, 10)).unwrap();
        prop_assert!(hits.iter().all(|hit| hit.chunk == chunk));
        prop_assert!(!hits.is_empty() || !text.contains('桥'));
    });
}
