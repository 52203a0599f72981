//! What is left of a vector view after `kill -9`?

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::view::{Change, Publication, VectorEntry, VectorSearch, ViewErrorKind, ViewWriter};
use wellspring_vector::{EdgeVectors, Shape};

const DIMENSION: usize = 8;
/// Tells this very executable which folder to write to until it is killed.
const FOLDER: &str = "WELLSPRING_TEST_VECTOR_FOLDER";
const ROUND: &str = "WELLSPRING_TEST_ROUND";
/// Committed, then replaced, removed and added to in each round.
const COMMITTED: u32 = 2_000;
const ROUNDS: u64 = 3;

/// Held while a process is made.
static FORKING: Mutex<()> = Mutex::new(());

/// Starts a process of this test.
fn start(command: &mut Command) -> Child {
    let _forking = FORKING.lock().unwrap();
    command.spawn().unwrap()
}

/// Lets go of a view, so that its folder can be opened again: a process that another test is just making holds the
/// lock of the folder too, until it becomes another program.
fn release(view: EdgeVectors) {
    drop(view);
    drop(FORKING.lock().unwrap());
}

fn document() -> DocumentId {
    DocumentId::of(&CollectionName::default(), &"a".parse().unwrap())
}

fn chunk(number: u32) -> ChunkId {
    ChunkId::of(document(), "text", number)
}

/// A direction that differs from number to number and from version to version.
fn direction(number: u32, version: u64) -> Embedding {
    let mut state = u64::from(number) * 1_000_003 + version * 7_919 + 1;
    let mut value = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    Embedding::new((0..DIMENSION).map(|_| value()).collect()).unwrap()
}

fn entry(number: u32, version: u64) -> VectorEntry {
    VectorEntry {
        chunk: chunk(number),
        document: document(),
        collection: CollectionName::default(),
        embedding: direction(number, version),
    }
}

/// What publication `round` does: every third chunk is replaced, one in ten of the others removed, and some are added.
fn publication(round: u64) -> Change<VectorEntry> {
    if round == 1 {
        return Change { upserts: (0..COMMITTED).map(|number| entry(number, 1)).collect(), removals: Vec::new() };
    }
    let first_new = COMMITTED * round as u32;
    let upserts = (0..COMMITTED).filter(|number| number % 3 == 0).chain(first_new..first_new + 500);
    Change {
        upserts: upserts.map(|number| entry(number, round)).collect(),
        removals: (0..COMMITTED).filter(|number| number % 3 == 1 && number % 10 == round as u32).map(chunk).collect(),
    }
}

/// What is in the view after publication `round`.
fn expected(round: u64) -> Vec<(u32, u64)> {
    let mut entries: Vec<(u32, u64)> = (0..COMMITTED)
        .filter(|number| number % 3 != 1 || !(2..=round).any(|past| u64::from(number % 10) == past))
        .map(|number| (number, if number % 3 == 0 { round } else { 1 }))
        .collect();
    for past in 2..=round {
        let first_new = COMMITTED * past as u32;
        entries.extend((first_new..first_new + 500).map(|number| (number, past)));
    }
    entries
}

async fn check(view: &EdgeVectors, round: u64) {
    let entries = expected(round);
    assert_eq!(view.count().await.unwrap(), entries.len() as u64, "after publication {round}");
    for (number, version) in entries {
        let (collection, direction) = (CollectionName::default(), direction(number, version));
        let cosines = view.similarities(&collection, &direction, &[chunk(number)]).await.unwrap();
        assert_eq!(cosines.len(), 1, "chunk {number} is missing after publication {round}");
        assert!(cosines[0].score > 0.9999, "chunk {number} has an old vector after publication {round}");
    }
}

/// The child: commits one publication, applies the next one without a commit, and waits to be killed.
#[tokio::test]
#[ignore = "is the process that another test kills"]
async fn write_until_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let view = EdgeVectors::open(Path::new(&folder), Shape::of(DIMENSION)).unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(round - 1));
    // What a crash left half done is done again: applying is idempotent.
    view.apply(publication(round)).await.unwrap();
    view.commit(Publication(round)).await.unwrap();
    view.apply(publication(round + 1)).await.unwrap();
    println!("written");
    std::thread::park();
}

#[tokio::test]
async fn i3_committed_vectors_survive_kill_9_and_later_writes_still_count() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let mut child = start(
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "write_until_killed", "--ignored", "--nocapture"])
                .env(FOLDER, folder.path())
                .env(ROUND, round.to_string())
                .stdout(Stdio::piped()),
        );
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("written")), "the child failed in round {round}");
        child.kill().unwrap();
        child.wait().unwrap();

        let view = EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).unwrap();
        assert_eq!(view.checkpoint().await.unwrap(), Publication(round));
        // Of the publication that was not committed any part may be there; doing it again must heal all of it. In
        // the last round that is checked here; in the others the next child goes on from the wreck.
        if round == ROUNDS {
            view.apply(publication(round + 1)).await.unwrap();
            view.commit(Publication(round + 1)).await.unwrap();
            check(&view, round + 1).await;
            release(view);
            check(&EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).unwrap(), round + 1).await;
        } else {
            release(view);
        }
    }
}

/// Beyond so many chunks a graph is made, in the background.
const EXACT_POINTS_MAX: usize = 1_000;
const MANY: u32 = 15_000;

/// Every chunk but the removed ones.
fn many(version: u64) -> Change<VectorEntry> {
    Change { upserts: (0..MANY).map(|number| entry(number, version)).collect(), removals: Vec::new() }
}

/// What is written while the graph is made.
fn meanwhile() -> Change<VectorEntry> {
    Change { upserts: (0..500).map(|number| entry(number, 2)).collect(), removals: (500..1_000).map(chunk).collect() }
}

/// The child: commits more than is scanned, and again while the graph of it is made; says so, and waits to be killed.
#[tokio::test]
#[ignore = "is the process that another test kills"]
async fn make_a_graph_until_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let view =
        EdgeVectors::open(Path::new(&folder), Shape { exact_points_max: EXACT_POINTS_MAX, ..Shape::of(DIMENSION) })
            .unwrap();
    view.apply(many(1)).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    view.apply(meanwhile()).await.unwrap();
    view.commit(Publication(2)).await.unwrap();
    if std::env::var(ROUND).unwrap() == "settled" {
        view.settled().await.unwrap();
    }
    println!("written");
    std::thread::park();
}

/// Kills the child some time after it has written, and opens what it leaves.
fn killed_making_a_graph(folder: &Path, when: &str, after: Duration) -> (EdgeVectors, bool) {
    let mut child = start(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "make_a_graph_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .env(ROUND, when)
            .stdout(Stdio::piped()),
    );
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("written")), "the child failed");
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    let marked = folder.join("rearranging").exists();
    (EdgeVectors::open(folder, Shape { exact_points_max: EXACT_POINTS_MAX, ..Shape::of(DIMENSION) }).unwrap(), marked)
}

/// 500 replaced, 500 gone, the others as they were.
async fn check_many(view: &EdgeVectors) {
    assert_eq!(view.count().await.unwrap(), u64::from(MANY) - 500);
    let removed: Vec<ChunkId> = (500..1_000).map(chunk).collect();
    assert!(!view.contains_any(&removed).await.unwrap());
    for number in (0..500).chain((1_000..MANY).step_by(97)) {
        let direction = direction(number, if number < 500 { 2 } else { 1 });
        let cosines = view.similarities(&CollectionName::default(), &direction, &[chunk(number)]).await.unwrap();
        assert!(cosines.len() == 1 && cosines[0].score > 0.9999, "chunk {number}: {cosines:?}");
    }
}

#[tokio::test]
async fn i3_killed_while_the_graph_is_made_the_view_says_that_it_must_be_filled_anew() {
    let mut marked_once = false;
    for after_ms in [0, 200, 800, 1_600] {
        let folder = tempfile::tempdir().unwrap();
        let (view, marked) = killed_making_a_graph(folder.path(), "at once", Duration::from_millis(after_ms));
        marked_once |= marked;
        if marked {
            assert_eq!((view.checkpoint().await.unwrap(), view.count().await.unwrap()), (Publication(0), 0));
            view.apply(many(1)).await.unwrap();
            view.apply(meanwhile()).await.unwrap();
            view.commit(Publication(2)).await.unwrap();
        }
        assert_eq!(view.checkpoint().await.unwrap(), Publication(2));
        check_many(&view).await;
    }
    assert!(marked_once, "the graph was made before the child was killed each time");
}

#[tokio::test]
async fn i3_killed_after_the_graph_was_made_everything_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (view, marked) = killed_making_a_graph(folder.path(), "settled", Duration::ZERO);
    assert!(!marked);
    assert_eq!(view.checkpoint().await.unwrap(), Publication(2));
    assert!(view.count_in_graphs().await.unwrap() > u64::from(MANY) / 2);
    check_many(&view).await;
}

#[tokio::test]
async fn i3_a_removed_index_takes_its_checkpoint_along() {
    let folder = tempfile::tempdir().unwrap();
    let view = EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).unwrap();
    view.apply(publication(1)).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    release(view);
    std::fs::remove_dir_all(folder.path().join("shard")).unwrap();
    let view = EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
    assert_eq!(view.count().await.unwrap(), 0);
}

#[tokio::test]
async fn an_unreadable_folder_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let view = EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).unwrap();
    view.apply(publication(1)).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    let held = EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).err().unwrap();
    assert_eq!(held.kind(), ViewErrorKind::Storage, "two holders of one folder");
    release(view);
    let other = EdgeVectors::open(folder.path(), Shape::of(DIMENSION * 2)).err().unwrap();
    assert_eq!(other.kind(), ViewErrorKind::Incompatible);
    for segment in std::fs::read_dir(folder.path().join("shard/segments")).unwrap() {
        std::fs::write(segment.unwrap().path().join("segment.json"), "{").unwrap();
    }
    let damaged = EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).err().unwrap();
    assert_eq!(damaged.kind(), ViewErrorKind::Incompatible, "{}", damaged.chain());
    assert!(damaged.to_string().contains("delete the folder"), "{damaged}");
}

#[tokio::test]
async fn vectors_of_another_dimension_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let view = EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).unwrap();
    let short = Embedding::new(vec![1.0; DIMENSION - 1]).unwrap();
    let change =
        Change { upserts: vec![VectorEntry { embedding: short.clone(), ..entry(1, 1) }], removals: Vec::new() };
    assert_eq!(view.apply(change).await.unwrap_err().kind(), ViewErrorKind::Incompatible);
    let refused = view.nearest(&CollectionName::default(), &short, 1).await;
    assert_eq!(refused.unwrap_err().kind(), ViewErrorKind::Incompatible);
}

/// Prints what a publication and a search cost.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure() {
    use std::time::Instant;
    const WIDTH: usize = 384;
    let wide = |number: u32| {
        let parts = (0..WIDTH / DIMENSION).flat_map(|part| direction(number, part as u64).values().to_vec());
        Embedding::new(parts.collect()).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let view = EdgeVectors::open(folder.path(), Shape::of(WIDTH)).unwrap();
    let mut publication = Publication(0);
    let mut costs = Vec::new();
    for first in (0..50_000).step_by(256) {
        let upserts = (first..first + 256).map(|number| VectorEntry { embedding: wide(number), ..entry(number, 1) });
        let change = Change { upserts: upserts.collect(), removals: Vec::new() };
        publication = publication.next();
        let begun = Instant::now();
        view.apply(change).await.unwrap();
        let applied = begun.elapsed();
        view.commit(publication).await.unwrap();
        costs.push((begun.elapsed(), applied));
        let count = first + 256;
        if count == 9_984 || count >= 50_000 {
            let mut times: Vec<_> = Vec::new();
            for number in 0..50 {
                let query = wide(1_000_000 + number);
                let begun = Instant::now();
                assert_eq!(view.nearest(&CollectionName::default(), &query, 100).await.unwrap().len(), 100);
                times.push(begun.elapsed());
            }
            times.sort();
            println!("{count} points: nearest p50 {:?} p95 {:?}", times[25], times[47]);
        }
    }
    costs.sort();
    println!("256 points: apply and commit p50 {:?} p95 {:?} max {:?}", costs[98], costs[186], costs[195]);
    release(view);
    let begun = Instant::now();
    let view = EdgeVectors::open(folder.path(), Shape::of(WIDTH)).unwrap();
    println!("opened {} points in {:?}", view.count().await.unwrap(), begun.elapsed());
}
