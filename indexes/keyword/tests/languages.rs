//! Do texts of several languages rank side by side, by what they say?

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::view::{Change, KeywordEntry, KeywordSearch, Publication, ViewWriter};
use wellspring_keyword::TantivyKeywords;

fn entry(number: usize, text: String) -> KeywordEntry {
    let collection = CollectionName::default();
    let document = DocumentId::of(&collection, &format!("d{number}").parse().unwrap());
    let chunk = ChunkId::of(document, &text, 0);
    KeywordEntry { chunk, document, collection, title: String::new(), heading: String::new(), text }
}

/// BM25 weighs what is rare, and what a language of one text makes of a word is: it must not count for more than what the
/// language of all the others makes of the same word.
#[tokio::test]
async fn a_rare_languages_reading_of_a_word_counts_no_more_than_the_common_one() {
    let folder = tempfile::tempdir().unwrap();
    let view = TantivyKeywords::open(folder.path()).unwrap();
    let english =
        (0..12).map(|n| entry(n, format!("They were running and running along the river to the bridge {n}.")));
    let german = entry(12, "Das Wort running steht hier nur einmal, und es ist nicht von uns.".to_owned());
    let rare = german.chunk;
    view.apply(Change { upserts: english.chain([german]).collect(), removals: Vec::new() }).await.unwrap();
    view.commit(Publication(1)).await.unwrap();

    let hits = view.matching(&CollectionName::default(), "running", 20).await.unwrap();
    assert_eq!(hits.len(), 13, "each language's reading finds its own");
    assert_eq!(hits.last().unwrap().chunk, rare, "those that say it twice come before the one that says it once");
}
