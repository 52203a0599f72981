//! What every vector view promises.
//!
//! A suite gets a function that opens the view of one folder, so that it can close it and open it again.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::view::{Change, Publication, VectorEntry, VectorSearch, ViewName, ViewWriter};

/// Values in the suite's vectors.
pub const DIMENSION: usize = 4;

/// A vector view, both halves.
pub trait VectorView: ViewWriter<VectorEntry> + VectorSearch {}
impl<V: ViewWriter<VectorEntry> + VectorSearch> VectorView for V {}

fn chunk(number: u32) -> ChunkId {
    ChunkId::of(document("a"), "text", number)
}

fn document(key: &str) -> DocumentId {
    DocumentId::of(&CollectionName::default(), &key.parse().expect("a good key"))
}

fn collection(name: &str) -> CollectionName {
    name.parse().expect("a good name")
}

fn embedding(values: [f32; DIMENSION]) -> Embedding {
    Embedding::new(values.to_vec()).expect("a direction")
}

fn entry(number: u32, name: &str, values: [f32; DIMENSION]) -> VectorEntry {
    VectorEntry {
        chunk: chunk(number),
        document: document("a"),
        collection: collection(name),
        embedding: embedding(values),
    }
}

fn upserts(entries: impl IntoIterator<Item = VectorEntry>) -> Change<VectorEntry> {
    Change { upserts: entries.into_iter().collect(), removals: Vec::new() }
}

fn removals(numbers: &[u32]) -> Change<VectorEntry> {
    Change { upserts: Vec::new(), removals: numbers.iter().map(|number| chunk(*number)).collect() }
}

const EAST: [f32; DIMENSION] = [1.0, 0.0, 0.0, 0.0];
const NORTH_EAST: [f32; DIMENSION] = [1.0, 1.0, 0.0, 0.0];
const NORTH: [f32; DIMENSION] = [0.0, 1.0, 0.0, 0.0];
const WEST: [f32; DIMENSION] = [-1.0, 0.0, 0.0, 0.0];

/// What must hold of a view that was just made: call it with a new one.
pub async fn searches_and_writes(view: &impl VectorView) {
    let docs = collection("docs");
    assert_eq!(view.name(), ViewName::Vector);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
    assert_eq!(view.count().await.unwrap(), 0);
    assert!(view.nearest(&docs, &embedding(EAST), 10).await.unwrap().is_empty());
    assert!(!view.contains_any(&[chunk(1)]).await.unwrap());
    assert_eq!(view.count_of(document("a")).await.unwrap(), 0);

    let four =
        || [entry(1, "docs", EAST), entry(2, "docs", NORTH_EAST), entry(3, "docs", WEST), entry(4, "other", EAST)];
    // Applying twice is applying once.
    view.apply(upserts(four())).await.unwrap();
    view.apply(upserts(four())).await.unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0), "a checkpoint without a commit");
    view.commit(Publication(1)).await.unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(1));
    assert_eq!(view.count().await.unwrap(), 4);

    // Order, scores, collections, limits.
    let hits = view.nearest(&docs, &embedding(EAST), 10).await.unwrap();
    assert_eq!(hits.iter().map(|hit| hit.chunk).collect::<Vec<_>>(), [chunk(1), chunk(2), chunk(3)]);
    for (hit, cosine) in hits.iter().zip([1.0, 0.5_f32.sqrt(), -1.0]) {
        assert!((hit.score - cosine).abs() < 1e-5, "{} is not the cosine {cosine}", hit.score);
        assert!((-1.0..=1.0).contains(&hit.score));
    }
    assert_eq!(view.nearest(&docs, &embedding(EAST), 2).await.unwrap(), hits[..2]);
    assert!(view.nearest(&docs, &embedding(EAST), 0).await.unwrap().is_empty());
    assert_eq!(view.nearest(&docs, &embedding(EAST), usize::MAX).await.unwrap().len(), 3);
    assert!(view.nearest(&collection("nothing"), &embedding(EAST), 10).await.unwrap().is_empty());

    // Cosines of chosen chunks: unknown ones and those of another collection are left out.
    let chosen = view.similarities(&docs, &embedding(EAST), &[chunk(2), chunk(4), chunk(99)]).await.unwrap();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0].chunk, chunk(2));
    assert!((chosen[0].score - 0.5_f32.sqrt()).abs() < 1e-5);
    assert!(view.similarities(&docs, &embedding(EAST), &[]).await.unwrap().is_empty());

    // Directions of chosen chunks, as they were written.
    let directions = view.directions(&docs, &[chunk(3), chunk(4), chunk(99)]).await.unwrap();
    assert_eq!(directions.len(), 1);
    assert_eq!(directions[0].0, chunk(3));
    assert!((directions[0].1.cosine(&embedding(WEST)) - 1.0).abs() < 1e-5);
    assert!(view.directions(&docs, &[]).await.unwrap().is_empty());

    // Replaced by id, removed, unknown removals no error.
    view.apply(upserts([entry(1, "docs", NORTH)])).await.unwrap();
    view.apply(removals(&[3, 99])).await.unwrap();
    view.commit(Publication(2)).await.unwrap();
    assert_eq!(view.count().await.unwrap(), 3);
    assert_eq!(view.nearest(&docs, &embedding(NORTH), 1).await.unwrap()[0].chunk, chunk(1));
    assert!(!view.contains_any(&[chunk(3), chunk(99)]).await.unwrap());
    assert!(view.contains_any(&[chunk(99), chunk(1)]).await.unwrap());
    assert!(!view.contains_any(&[]).await.unwrap());
    // By the document alone: what is removed is not counted, and another document has nothing here.
    assert_eq!(view.count_of(document("a")).await.unwrap(), 3);
    assert_eq!(view.count_of(document("b")).await.unwrap(), 0);

    // Ties are all there, and in the same order every time.
    view.apply(upserts((10..15).map(|number| entry(number, "ties", EAST)))).await.unwrap();
    view.commit(Publication(3)).await.unwrap();
    let ties = view.nearest(&collection("ties"), &embedding(EAST), 10).await.unwrap();
    assert_eq!(ties.len(), 5);
    assert_eq!(view.nearest(&collection("ties"), &embedding(EAST), 10).await.unwrap(), ties);

    // Forgotten, checkpoint included, and usable again.
    view.clear().await.unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
    assert_eq!(view.count().await.unwrap(), 0);
    assert!(view.nearest(&docs, &embedding(EAST), 10).await.unwrap().is_empty());
    view.apply(upserts([entry(1, "docs", EAST)])).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    assert_eq!(view.count().await.unwrap(), 1);
}

/// What must hold of a view that keeps a folder: call it with an empty one.
pub async fn i3_survives_reopening<V: VectorView>(folder: &Path, open: impl Fn(&Path) -> V) {
    let docs = collection("docs");
    let view = open(folder);
    view.apply(upserts([entry(1, "docs", EAST), entry(2, "docs", WEST), entry(3, "docs", NORTH)])).await.unwrap();
    view.commit(Publication(7)).await.unwrap();
    drop(view);

    // What was committed is there; what was applied without a commit moves no checkpoint.
    let view = open(folder);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(7));
    assert_eq!(view.count().await.unwrap(), 3);
    view.apply(upserts([entry(4, "docs", EAST)])).await.unwrap();
    drop(view);
    let view = open(folder);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(7), "a checkpoint moved without a commit");

    // Old chunks can still be replaced and removed after each reopening.
    view.apply(upserts([entry(1, "docs", WEST), entry(4, "docs", EAST)])).await.unwrap();
    view.apply(removals(&[2])).await.unwrap();
    view.commit(Publication(8)).await.unwrap();
    drop(view);
    for _ in 0..2 {
        let view = open(folder);
        assert_eq!(view.checkpoint().await.unwrap(), Publication(8));
        assert_eq!(view.nearest(&docs, &embedding(EAST), 1).await.unwrap()[0].chunk, chunk(4));
        let hits = view.nearest(&docs, &embedding(WEST), 10).await.unwrap();
        assert_eq!(hits.iter().map(|hit| hit.chunk).collect::<Vec<_>>(), [chunk(1), chunk(3), chunk(4)]);
    }

    // A cleared view stays clear.
    let view = open(folder);
    view.clear().await.unwrap();
    drop(view);
    let view = open(folder);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
    assert_eq!(view.count().await.unwrap(), 0);
}
