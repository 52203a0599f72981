//! Is what a person writes exactly found exactly, and first?

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use tempfile::TempDir;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::view::{Change, KeywordEntry, KeywordSearch, Publication, ViewWriter};
use wellspring_keyword::TantivyKeywords;

/// A view of these texts, and the chunk of each.
async fn view(texts: &[&str]) -> (TempDir, TantivyKeywords, Vec<ChunkId>) {
    let folder = tempfile::tempdir().unwrap();
    let view = TantivyKeywords::open(folder.path()).unwrap();
    let collection = CollectionName::default();
    let entry = |(number, text): (usize, &&str)| {
        let document = DocumentId::of(&collection, &format!("d{number}").parse().unwrap());
        KeywordEntry {
            chunk: ChunkId::of(document, text, 0),
            document,
            collection: collection.clone(),
            title: String::new(),
            heading: String::new(),
            text: (*text).to_owned(),
        }
    };
    let upserts: Vec<KeywordEntry> = texts.iter().enumerate().map(entry).collect();
    let chunks = upserts.iter().map(|entry| entry.chunk).collect();
    view.apply(Change { upserts, removals: Vec::new() }).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    (folder, view, chunks)
}

/// The numbers of the texts that a query finds, best first.
async fn found(view: &TantivyKeywords, chunks: &[ChunkId], query: &str) -> Vec<usize> {
    let hits = view.matching(&CollectionName::default(), query, 100).await.unwrap();
    hits.iter().map(|hit| chunks.iter().position(|chunk| *chunk == hit.chunk).unwrap()).collect()
}

#[tokio::test]
async fn identifiers_and_numbers_are_found_as_written_and_first() {
    // For each, a text that has it once among many words, and texts that repeat its parts.
    for (query, parts) in [
        ("ERR-2041", "err 2041"),
        ("v1.4.2", "v1 4 2"),
        ("foo_bar()", "foo bar"),
        ("4,096", "4 096"),
        ("3.14", "3 14"),
        ("std::mem::swap", "std mem swap"),
        ("2024-05-01", "2024 05 01"),
        ("root@example.org", "root example org"),
        ("C++", "c"),
    ] {
        let filler = "the ferry leaves the harbour at seven in the morning and comes back late. ".repeat(12);
        let written = format!("{filler} It says {query} on the door. {filler}");
        let repeated = format!("{parts} ").repeat(20);
        let backwards: String = parts.split(' ').rev().map(|part| format!("{part} ")).collect::<String>().repeat(5);
        let (_folder, view, chunks) = view(&[&repeated, &written, &backwards, &filler]).await;
        for query in [query.to_owned(), query.to_uppercase(), format!("what is {query}?"), format!("({query})")] {
            let found = found(&view, &chunks, &query).await;
            assert_eq!(found.first(), Some(&1), "{query}: {found:?}");
            assert!(!found.contains(&3), "{query}");
        }
    }
}

#[tokio::test]
async fn a_number_is_found_with_and_without_the_marks_between_its_thousands() {
    let (_folder, view, chunks) = view(&["It holds 4,096 pages.", "It holds 4096 pages.", "It holds 40 pages."]).await;
    assert_eq!(found(&view, &chunks, "4096").await[0], 1);
    assert_eq!(found(&view, &chunks, "4096").await.len(), 2);
    assert_eq!(found(&view, &chunks, "4,096").await, [0, 1]);
}

#[tokio::test]
async fn words_side_by_side_rank_before_the_same_words_apart() {
    let texts = [
        "The transfer was late, and with it came the heat in the hall.",
        "The heat transfer was late, and with it came they in the hall.",
        "The heat in the hall was late, and with it came the transfer.",
    ];
    let (_folder, view, chunks) = view(&texts).await;
    assert_eq!(found(&view, &chunks, "heat transfer").await[0], 1);
    assert_eq!(found(&view, &chunks, "transfer of heat").await.len(), 3, "all are found");
}

#[tokio::test]
async fn a_quotation_ranks_first_whatever_else_is_asked() {
    let texts = [
        "Heat and transfer rates: rates of rates, transfer of heat, heat rates. Which boilers have which boilers?",
        "In the report on the whole plant and its many long pipes one finds heat transfer rates mentioned just once, \
         between costs and wages.",
        "Boilers.",
    ];
    let (_folder, view, chunks) = view(&texts).await;
    assert_eq!(found(&view, &chunks, "which boilers have heat transfer rates").await[0], 0);
    assert_eq!(found(&view, &chunks, "which boilers have \"heat transfer rates\"").await[0], 1);
    assert_eq!(found(&view, &chunks, "which boilers have “heat transfer rates”").await[0], 1);
    // A mark that nothing closes, or nothing between marks, is no error.
    for query in ["\"heat transfer", "\"\"", "\"\" heat", "heat \"", "«heat", "\"\"\""] {
        let expected = if query.contains("heat") { 2 } else { 0 };
        assert_eq!(found(&view, &chunks, query).await.len(), expected, "{query}");
    }
    let texts = ["长江上有大桥。大桥很长。大桥在江上。", "我们从桥上看见了武汉长江大桥和两岸的许多房屋、树木和船只。"];
    let (_folder, view, chunks) = self::view(&texts).await;
    assert_eq!(found(&view, &chunks, "「长江大桥」").await[0], 1);
}

#[tokio::test]
async fn documents_of_several_languages_are_found_by_the_words_they_are_written_with() {
    let texts = [
        "Die Fähre verlässt jeden Morgen den Hafen, und die Häuser am Ufer werden von der Sonne beschienen.",
        "The ferry leaves the harbour every morning, and the houses on the shore lie in the sun.",
        "Le bac quitte le port tous les matins, et les maisons sur la rive sont éclairées par le soleil.",
        "Паром каждое утро уходит из порта, и дома на берегу освещены солнцем.",
        "フェリーは毎朝港を出て、岸辺の家々は太陽に照らされます。",
        "여객선은 매일 아침 항구를 떠나고 강가의 집들은 햇빛을 받습니다.",
        "渡轮每天早上离开港口，岸边的房屋沐浴在阳光下。",
        "Prom każdego ranka wypływa z portu, a domy na brzegu są oświetlone słońcem.",
    ];
    let (_folder, view, chunks) = view(&texts).await;
    for (query, text) in [
        ("Haus", 0),
        ("häuser", 0),
        ("HAFENS", 0),
        ("house", 1),
        ("maison", 2),
        ("éclairée", 2),
        ("eclairees", 2),
        ("берег", 3),
        ("дом", 3),
        ("港", 4),
        ("太陽", 4),
        ("フェリー", 4),
        ("항구", 5),
        ("여객선이", 5),
        ("港口", 6),
        ("domy", 7),
        ("die Häuser der Stadt", 0),
        ("wo verlässt die Fähre den Hafen", 0),
    ] {
        assert_eq!(found(&view, &chunks, query).await.first(), Some(&text), "{query}");
    }
    // Each is found by its first word that says something, alone.
    for (number, word) in ["Fähre", "ferry", "bac", "Паром", "フェリー", "여객선은", "渡轮", "Prom"].iter().enumerate()
    {
        assert_eq!(found(&view, &chunks, word).await.first(), Some(&number), "{word}");
    }
}
