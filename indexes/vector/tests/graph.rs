//! What does a view do beyond the size up to which it looks at every chunk?

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::HashMap;
use std::path::Path;

use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::hit::Hit;
use wellspring_core::view::{Change, Publication, VectorEntry, VectorSearch, ViewWriter};
use wellspring_vector::{EdgeVectors, Quantisation, Shape};

const DIMENSION: usize = 16;
/// Beyond so many chunks there is a graph in these tests.
const EXACT_POINTS_MAX: usize = 1_000;
/// The file that lies in the folder while the graph is made.
const MARK: &str = "rearranging";

/// Knuth's MMIX generator; the upper bits are good enough for directions.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn direction(&mut self) -> Embedding {
        Embedding::new((0..DIMENSION).map(|_| self.below(2_000_001) as f32 / 1e6 - 1.0).collect()).unwrap()
    }
}

fn document() -> DocumentId {
    DocumentId::of(&CollectionName::default(), &"a".parse().unwrap())
}

fn chunk(number: u64) -> ChunkId {
    ChunkId::of(document(), "text", number as u32)
}

/// Big, middling, and too small for a graph of its own.
fn collection_of(number: u64) -> CollectionName {
    match number % 20 {
        0..=14 => "big",
        15..=18 => "middling",
        _ => "small",
    }
    .parse()
    .unwrap()
}

fn entry(number: u64, embedding: Embedding) -> VectorEntry {
    VectorEntry { chunk: chunk(number), document: document(), collection: collection_of(number), embedding }
}

fn open(folder: &Path) -> EdgeVectors {
    EdgeVectors::open(folder, Shape { exact_points_max: EXACT_POINTS_MAX, ..Shape::of(DIMENSION) }).unwrap()
}

/// What should be in the view.
#[derive(Default)]
struct Model(HashMap<ChunkId, (CollectionName, Embedding)>);

impl Model {
    fn take_in(&mut self, change: &Change<VectorEntry>) {
        for removed in &change.removals {
            self.0.remove(removed);
        }
        for entry in &change.upserts {
            self.0.insert(entry.chunk, (entry.collection.clone(), entry.embedding.clone()));
        }
    }

    /// Every hit is there, in the collection, under its present vector, and stands in the order of scores and ids.
    fn check(&self, collection: &CollectionName, query: &Embedding, hits: &[Hit], context: &str) {
        for hit in hits {
            let Some((its_collection, embedding)) = self.0.get(&hit.chunk) else {
                panic!("{context}: a removed chunk")
            };
            assert_eq!(its_collection, collection, "{context}");
            let cosine = embedding.cosine(query);
            assert!((cosine - hit.score).abs() < 1e-4, "{context}: {} is not the cosine {cosine}", hit.score);
        }
        let order = |hit: &Hit| (-hit.score, hit.chunk);
        assert!(hits.is_sorted_by(|a, b| order(a) < order(b)), "{context}: out of order or twice");
    }

    /// How many of the nearest were found.
    fn recalled(&self, collection: &CollectionName, query: &Embedding, hits: &[Hit]) -> usize {
        let mut scores: Vec<f32> = self
            .0
            .values()
            .filter(|(its_collection, _)| its_collection == collection)
            .map(|(_, embedding)| embedding.cosine(query))
            .collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let last = scores[hits.len() - 1];
        hits.iter().filter(|hit| hit.score >= last - 1e-5).count()
    }
}

#[tokio::test]
async fn searches_answer_and_commits_succeed_while_the_graph_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let view = open(folder.path());
    let (mut random, mut model) = (Random(11), Model::default());
    let first = Change { upserts: (0..10_000).map(|n| entry(n, random.direction())).collect(), removals: Vec::new() };
    model.take_in(&first);
    view.apply(first).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    let mark = folder.path().join(MARK);
    assert!(mark.exists());
    let (mut publication, mut meanwhile) = (Publication(1), 0);
    // So many writes set off the next graph, and then one is always being made.
    while mark.exists() && publication < Publication(300) {
        let upserts = (0..40).map(|_| entry(random.below(10_500), random.direction())).collect::<Vec<_>>();
        let removals = (0..20).map(|_| chunk(random.below(10_000)));
        let removals = removals.filter(|chunk| upserts.iter().all(|entry| entry.chunk != *chunk)).collect();
        let change = Change { upserts, removals };
        model.take_in(&change);
        view.apply(change).await.unwrap();
        publication = publication.next();
        view.commit(publication).await.unwrap();
        let (collection, query) = (collection_of(publication.0), random.direction());
        let hits = view.nearest(&collection, &query, 10).await.unwrap();
        assert_eq!(hits.len(), 10);
        model.check(&collection, &query, &hits, "meanwhile");
        meanwhile += u64::from(mark.exists());
    }
    assert!(meanwhile > 3, "the graph was made too soon to tell");
    view.settled().await.unwrap();
    assert!(view.count_in_graphs().await.unwrap() > 5_000);
    assert_eq!(view.count().await.unwrap(), model.0.len() as u64);

    // All of it is there after closing, and still in a graph.
    drop(view);
    let view = open(folder.path());
    assert_eq!(view.checkpoint().await.unwrap(), publication);
    assert_eq!(view.count().await.unwrap(), model.0.len() as u64);
    assert!(view.count_in_graphs().await.unwrap() > 5_000);
}

#[tokio::test]
async fn what_is_found_beyond_the_exact_size_is_there_and_nearly_all_of_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [3, 1_234_567] {
        let mut random = Random(seed);
        let mut model = Model::default();
        let mut view = open(folder.path());
        view.clear().await.unwrap();
        let (mut recalled, mut looked_for) = (0, 0);
        for round in 1..=9 {
            // Growing at first, then churning; some rounds begin while the graph is still being made.
            let upserts: Vec<VectorEntry> =
                (0..500 + random.below(600)).map(|_| entry(random.below(5_000), random.direction())).collect();
            let removals = (0..random.below(400)).map(|_| chunk(random.below(5_000)));
            let removals = removals.filter(|chunk| upserts.iter().all(|entry| entry.chunk != *chunk)).collect();
            let change = Change { upserts, removals };
            model.take_in(&change);
            view.apply(change).await.unwrap();
            view.commit(Publication(round)).await.unwrap();
            if random.below(2) == 0 {
                view.settled().await.unwrap();
            }
            if random.below(5) == 0 {
                view.settled().await.unwrap();
                drop(view);
                view = open(folder.path());
                assert_eq!(view.checkpoint().await.unwrap(), Publication(round), "seed {seed}");
            }
            let context = format!("seed {seed}, round {round}");
            assert_eq!(view.count().await.unwrap(), model.0.len() as u64, "{context}");
            for name in ["big", "middling", "small"] {
                let collection: CollectionName = name.parse().unwrap();
                for _ in 0..10 {
                    let query = random.direction();
                    let hits = view.nearest(&collection, &query, 10).await.unwrap();
                    model.check(&collection, &query, &hits, &context);
                    recalled += model.recalled(&collection, &query, &hits);
                    looked_for += 10;
                }
            }
        }
        view.settled().await.unwrap();
        assert!(view.count_in_graphs().await.unwrap() > 0, "seed {seed}: no graph was made");
        let recall = recalled as f64 / f64::from(looked_for);
        assert!(recall > 0.99, "seed {seed}: {recall:.3} of the nearest were found");
    }
}

/// Directions wide enough for a bit of each value to say something.
#[tokio::test]
async fn quantised_vectors_choose_and_the_vectors_themselves_decide() {
    const WIDTH: usize = 256;
    for (quantisation, recall_min) in [(Quantisation::Scalar, 0.97), (Quantisation::Binary, 0.9)] {
        let shape = Shape { exact_points_max: EXACT_POINTS_MAX, quantisation, ..Shape::of(WIDTH) };
        let folder = tempfile::tempdir().unwrap();
        let (mut random, mut model) = (Random(29), Model::default());
        let mut direction =
            || Embedding::new((0..WIDTH).map(|_| random.below(2_000_001) as f32 / 1e6 - 1.0).collect()).unwrap();
        let upserts = (0..4_000).map(|n| entry(n, direction())).collect();
        let change = Change { upserts, removals: Vec::new() };
        model.take_in(&change);
        let view = EdgeVectors::open(folder.path(), shape).unwrap();
        view.apply(change).await.unwrap();
        view.commit(Publication(1)).await.unwrap();
        view.settled().await.unwrap();
        assert!(view.count_in_graphs().await.unwrap() > 3_000);
        drop(view);

        let view = EdgeVectors::open(folder.path(), shape).unwrap();
        assert_eq!(view.checkpoint().await.unwrap(), Publication(1), "the same shape keeps the index");
        let collection: CollectionName = "big".parse().unwrap();
        let (mut recalled, mut looked_for) = (0, 0);
        for _ in 0..50 {
            let query = direction();
            let hits = view.nearest(&collection, &query, 100).await.unwrap();
            model.check(&collection, &query, &hits, "quantised");
            recalled += model.recalled(&collection, &query, &hits[..10]);
            looked_for += 10;
        }
        let recall = recalled as f64 / f64::from(looked_for);
        assert!(recall > recall_min, "{quantisation}: {recall:.3} of the nearest were found");
        drop(view);

        let view = EdgeVectors::open(folder.path(), Shape { quantisation: Quantisation::Off, ..shape }).unwrap();
        assert_eq!((view.count().await.unwrap(), view.checkpoint().await.unwrap()), (0, Publication(0)));
    }
}

#[tokio::test]
async fn a_log_that_grew_while_the_graph_was_made_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { exact_points_max: EXACT_POINTS_MAX, log_bytes_max: 0, ..Shape::of(DIMENSION) };
    let view = EdgeVectors::open(folder.path(), shape).unwrap();
    let opened = openings(folder.path());
    let mut random = Random(7);
    let upserts = (0..4_000).map(|n| entry(n, random.direction())).collect();
    view.apply(Change { upserts, removals: Vec::new() }).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    view.settled().await.unwrap();
    assert_eq!(openings(folder.path()), opened + 2, "once by the commit and once after the graph");
    assert_eq!(view.count().await.unwrap(), 4_000);
    assert!(view.count_in_graphs().await.unwrap() > 3_000);
}

/// How many times the index was opened: the upper half of the numbers with which its log begins.
fn openings(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("shard/wal")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_prefix("closed-")?.parse::<u64>().ok()).max().unwrap() >> 32
}

#[tokio::test]
async fn clearing_waits_for_the_graph_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let view = open(folder.path());
    let mut random = Random(5);
    let upserts = (0..4_000).map(|n| entry(n, random.direction())).collect();
    view.apply(Change { upserts, removals: Vec::new() }).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    view.clear().await.unwrap();
    assert!(!folder.path().join(MARK).exists());
    assert_eq!((view.count().await.unwrap(), view.checkpoint().await.unwrap()), (0, Publication(0)));
}

/// Prints which share of the nearest is found, and how fast, for real directions: a file of 384 values of 32 bits each,
/// the first 200 of them the queries.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure() {
    use std::time::Instant;
    const WIDTH: usize = 384;
    let bytes = std::fs::read(std::env::var("WELLSPRING_TEST_DIRECTIONS").unwrap()).unwrap();
    let mut directions = bytes.chunks_exact(4 * WIDTH).map(|bytes| Embedding::from_bytes(bytes).unwrap());
    let queries: Vec<Embedding> = directions.by_ref().take(200).collect();
    let rest: Vec<Embedding> = directions.collect();
    let folder = tempfile::tempdir().unwrap();
    let view =
        EdgeVectors::open(folder.path(), Shape { exact_points_max: rest.len() / 4, ..Shape::of(WIDTH) }).unwrap();
    let mut model = Model::default();
    let begun = Instant::now();
    for (number, part) in rest.chunks(1024).enumerate() {
        let entries = part.iter().zip(1024 * number as u64..).map(|(embedding, n)| entry(n, embedding.clone()));
        let change = Change { upserts: entries.collect(), removals: Vec::new() };
        model.take_in(&change);
        view.apply(change).await.unwrap();
        view.commit(Publication(number as u64 + 1)).await.unwrap();
    }
    let filled = begun.elapsed();
    view.settled().await.unwrap();
    let in_graphs = view.count_in_graphs().await.unwrap();
    println!("{} chunks in {filled:?}, settled after {:?}, {in_graphs} in graphs", rest.len(), begun.elapsed());
    for name in ["big", "middling", "small"] {
        let collection: CollectionName = name.parse().unwrap();
        for limit in [10, 100] {
            let (mut times, mut recalled) = (Vec::new(), 0);
            for query in &queries {
                let begun = Instant::now();
                let hits = view.nearest(&collection, query, limit).await.unwrap();
                times.push(begun.elapsed());
                recalled += model.recalled(&collection, query, &hits[..10]);
            }
            times.sort();
            let recall = recalled as f64 / 2000.0;
            println!("{name}, {limit} asked: recall@10 {recall:.4}, p50 {:?}, p95 {:?}", times[100], times[190]);
        }
    }
}
