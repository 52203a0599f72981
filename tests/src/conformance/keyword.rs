//! What every keyword view promises.
//!
//! A suite gets a function that opens the view of one folder, so that it can close it and open it again.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::view::{Change, KeywordEntry, KeywordSearch, Publication, ViewName, ViewWriter};

/// A keyword view, both halves.
pub trait KeywordView: ViewWriter<KeywordEntry> + KeywordSearch {}
impl<V: ViewWriter<KeywordEntry> + KeywordSearch> KeywordView for V {}

fn document(key: &str) -> DocumentId {
    DocumentId::of(&CollectionName::default(), &key.parse().expect("a good key"))
}

fn chunk(number: u32) -> ChunkId {
    ChunkId::of(document("a"), "text", number)
}

fn collection(name: &str) -> CollectionName {
    name.parse().expect("a good name")
}

fn entry(number: u32, name: &str, text: &str) -> KeywordEntry {
    KeywordEntry {
        chunk: chunk(number),
        document: document("a"),
        collection: collection(name),
        title: String::new(),
        heading: String::new(),
        text: text.to_owned(),
    }
}

fn upserts(entries: impl IntoIterator<Item = KeywordEntry>) -> Change<KeywordEntry> {
    Change { upserts: entries.into_iter().collect(), removals: Vec::new() }
}

fn removals(numbers: &[u32]) -> Change<KeywordEntry> {
    Change { upserts: Vec::new(), removals: numbers.iter().map(|number| chunk(*number)).collect() }
}

async fn found(view: &impl KeywordView, name: &str, query: &str) -> Vec<ChunkId> {
    let hits = view.matching(&collection(name), query, 10).await.unwrap();
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "hits out of order");
    assert!(hits.iter().all(|hit| hit.score > 0.0 && hit.score.is_finite()), "a score that is none");
    hits.into_iter().map(|hit| hit.chunk).collect()
}

/// What must hold of a view that was just made: call it with a new one.
pub async fn searches_and_writes(view: &impl KeywordView) {
    assert_eq!(view.name(), ViewName::Keyword);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
    assert_eq!(view.count().await.unwrap(), 0);
    assert!(found(view, "docs", "river").await.is_empty());
    assert!(!view.contains_any(&[chunk(1)]).await.unwrap());
    assert_eq!(view.count_of(document("a")).await.unwrap(), 0);

    let four = || {
        [
            entry(1, "docs", "A river runs past the river bank."),
            entry(2, "docs", "The bank lends money, and a river of it."),
            entry(3, "docs", "Mountains are high."),
            entry(4, "other", "A river elsewhere."),
        ]
    };
    // Applying twice is applying once.
    view.apply(upserts(four())).await.unwrap();
    view.apply(upserts(four())).await.unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0), "a checkpoint without a commit");
    view.commit(Publication(1)).await.unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(1));
    assert_eq!(view.count().await.unwrap(), 4);

    // Order, collections, limits.
    assert_eq!(found(view, "docs", "river").await, [chunk(1), chunk(2)]);
    assert_eq!(found(view, "docs", "money river bank").await.first(), Some(&chunk(2)));
    assert_eq!(found(view, "other", "river").await, [chunk(4)]);
    assert!(found(view, "nothing", "river").await.is_empty());
    assert_eq!(view.matching(&collection("docs"), "river", 1).await.unwrap().len(), 1);
    assert!(view.matching(&collection("docs"), "river", 0).await.unwrap().is_empty());
    let both = view.matching(&collection("docs"), "river", usize::MAX).await.unwrap();
    assert_eq!(both.len(), 2);
    let among = async |chunks: &[ChunkId]| view.matching_among(&collection("docs"), "river", chunks, 10).await.unwrap();
    assert_eq!(among(&[both[1].chunk]).await, both[1..], "with the score it has among all");
    assert_eq!(among(&[both[1].chunk, both[0].chunk]).await, both);
    assert!(among(&[]).await.is_empty());
    // Whichever are looked at, and however often one is named.
    let question = "money river bank";
    for hit in view.matching(&collection("docs"), question, 10).await.unwrap() {
        let (docs, other) = (collection("docs"), collection("other"));
        let alone = view.matching_among(&docs, question, &[hit.chunk, hit.chunk, chunk(99)], 10).await.unwrap();
        assert_eq!(alone.iter().map(|hit| hit.chunk).collect::<Vec<_>>(), [hit.chunk]);
        assert!((alone[0].score - hit.score).abs() < 1e-5, "{alone:?} and {hit:?}");
        assert!(view.matching_among(&other, question, &[hit.chunk], 10).await.unwrap().is_empty());
    }

    // Replaced by id, removed, unknown removals no error.
    view.apply(upserts([entry(1, "docs", "Deserts are dry.")])).await.unwrap();
    view.apply(removals(&[3, 99])).await.unwrap();
    view.commit(Publication(2)).await.unwrap();
    assert_eq!(view.count().await.unwrap(), 3);
    assert_eq!(found(view, "docs", "river").await, [chunk(2)]);
    assert_eq!(found(view, "docs", "desert").await, [chunk(1)]);
    assert!(found(view, "docs", "mountain").await.is_empty());
    assert!(!view.contains_any(&[chunk(3), chunk(99)]).await.unwrap());
    assert!(view.contains_any(&[chunk(99), chunk(1)]).await.unwrap());
    assert!(!view.contains_any(&[]).await.unwrap());
    // By the document alone: what is removed is not counted, and another document has nothing here.
    assert_eq!(view.count_of(document("a")).await.unwrap(), 3);
    assert_eq!(view.count_of(document("b")).await.unwrap(), 0);

    // Ties are all there, and in the same order every time.
    view.apply(upserts((10..15).map(|number| entry(number, "ties", "the very same words")))).await.unwrap();
    view.commit(Publication(3)).await.unwrap();
    let ties = found(view, "ties", "same words").await;
    assert_eq!(ties.len(), 5);
    assert_eq!(found(view, "ties", "same words").await, ties);

    // Forgotten, checkpoint included, and usable again.
    view.clear().await.unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
    assert_eq!(view.count().await.unwrap(), 0);
    assert!(found(view, "docs", "river").await.is_empty());
    view.apply(upserts([entry(1, "docs", "A river again.")])).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    assert_eq!(found(view, "docs", "river").await, [chunk(1)]);
}

/// Which words find a text: call it with a new view.
pub async fn finds_words(view: &impl KeywordView) {
    let titled = |number, title: &str, heading: &str, text: &str| KeywordEntry {
        title: title.to_owned(),
        heading: heading.to_owned(),
        ..entry(number, "docs", text)
    };
    view.apply(upserts([
        entry(1, "docs", "The parser connected the streams."),
        entry(2, "docs", "南京市长江大桥是中国的一座桥梁。"),
        entry(3, "docs", "Error E0382 comes from borrow_check in version 2.5."),
        titled(4, "Glacier report", "Melting", "It was cold."),
        entry(5, "docs", "The melting glacier left a lake behind."),
        entry(6, "docs", "Где мой документ"),
        titled(7, "Walrus", "Colony", "They sleep on ice."),
        entry(8, "docs", "Walrus. Colony. They sleep on ice."),
        titled(9, "Otter", "", "An otter sleeps in kelp."),
        entry(10, "docs", "A large otter sleeps in kelp."),
    ]))
    .await
    .unwrap();
    view.commit(Publication(1)).await.unwrap();

    assert_eq!(found(view, "docs", "connecting").await, [chunk(1)], "another inflection");
    assert_eq!(found(view, "docs", "PARSERS").await, [chunk(1)], "another case and number");
    assert_eq!(found(view, "docs", "大桥").await, [chunk(2)], "a word inside a Chinese sentence");
    assert_eq!(found(view, "docs", "e0382").await, [chunk(3)], "a code");
    assert_eq!(found(view, "docs", "borrow_check").await, [chunk(3)], "an identifier");
    assert_eq!(found(view, "docs", "2.5").await, [chunk(3)], "a number");
    assert_eq!(found(view, "docs", "ДОКУМЕНТ").await, [chunk(6)], "Cyrillic in another case");
    // Title and heading are searched with the text.
    for word in ["glacier", "melting"] {
        let mut holders = found(view, "docs", word).await;
        holders.sort_unstable();
        let mut expected = [chunk(4), chunk(5)];
        expected.sort_unstable();
        assert_eq!(holders, expected, "{word}");
    }
    // And count as it does: a word there is worth one in the text, and one in both is worth two.
    for word in ["walrus", "colony"] {
        let hits = view.matching(&collection("docs"), word, 10).await.unwrap();
        assert_eq!(hits.len(), 2, "{word}");
        assert!((hits[0].score - hits[1].score).abs() < 1e-5, "{word}: {hits:?}");
    }
    assert_eq!(found(view, "docs", "otter").await, [chunk(9), chunk(10)]);
}

/// Strings that a query language would choke on: none of them is an error, and those without a word find nothing.
pub async fn no_text_is_a_syntax_error(view: &impl KeywordView) {
    view.apply(upserts([entry(1, "docs", "A river runs.")])).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    for empty in ["", " ", "\0", "?!", "\"", "(((", "~", "***", "the of and", "😀", "\u{202e}", "--", "^5"] {
        assert!(found(view, "docs", empty).await.is_empty(), "{empty:?} found something");
    }
    for query in
        ["river:", "\"river", "river AND (", "+river -", "[river TO", "river~2^", "river\\", "/river/", "ri\0 river"]
    {
        assert_eq!(found(view, "docs", query).await, [chunk(1)], "{query:?}");
    }
    // Longer than any question may be, with more words than are looked up.
    let endless: String = (0..5_000).map(|number| format!("word{number} ")).collect();
    assert!(found(view, "docs", &endless).await.is_empty());
    assert_eq!(found(view, "docs", &format!("river {endless}")).await, [chunk(1)]);
    assert!(found(view, "docs", &"长江".repeat(10_000)).await.is_empty());
}

/// What must hold of a view that keeps a folder: call it with an empty one.
pub async fn i3_survives_reopening<V: KeywordView>(folder: &Path, open: impl Fn(&Path) -> V) {
    let view = open(folder);
    view.apply(upserts([entry(1, "docs", "A river."), entry(2, "docs", "A mountain."), entry(3, "docs", "A desert.")]))
        .await
        .unwrap();
    view.commit(Publication(7)).await.unwrap();
    drop(view);

    // What was committed is there; what was applied without a commit moves no checkpoint.
    let view = open(folder);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(7));
    assert_eq!(view.count().await.unwrap(), 3);
    view.apply(upserts([entry(4, "docs", "A lake.")])).await.unwrap();
    drop(view);
    let view = open(folder);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(7), "a checkpoint moved without a commit");

    // Old chunks can still be replaced and removed after each reopening.
    view.apply(upserts([entry(1, "docs", "A glacier."), entry(4, "docs", "A lake.")])).await.unwrap();
    view.apply(removals(&[2])).await.unwrap();
    view.commit(Publication(8)).await.unwrap();
    drop(view);
    for _ in 0..2 {
        let view = open(folder);
        assert_eq!(view.checkpoint().await.unwrap(), Publication(8));
        assert_eq!(view.count().await.unwrap(), 3);
        assert_eq!(found(&view, "docs", "glacier").await, [chunk(1)]);
        assert_eq!(found(&view, "docs", "lake").await, [chunk(4)]);
        assert!(found(&view, "docs", "river mountain").await.is_empty());
    }

    // A cleared view stays clear.
    let view = open(folder);
    view.clear().await.unwrap();
    drop(view);
    let view = open(folder);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
    assert_eq!(view.count().await.unwrap(), 0);
}
