//! What is left of a keyword view after `kill -9`, and of one that another version made?

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::view::{Change, KeywordEntry, KeywordSearch, Publication, ViewErrorKind, ViewWriter};
use wellspring_keyword::TantivyKeywords;

/// Tells this very executable which folder to write to until it is killed.
const FOLDER: &str = "WELLSPRING_TEST_KEYWORD_FOLDER";
const ROUND: &str = "WELLSPRING_TEST_ROUND";
/// Committed, then replaced, removed and added to in each round.
const COMMITTED: u32 = 200;
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
fn release(view: TantivyKeywords) {
    drop(view);
    drop(FORKING.lock().unwrap());
}

fn document() -> DocumentId {
    DocumentId::of(&CollectionName::default(), &"a".parse().unwrap())
}

fn chunk(number: u32) -> ChunkId {
    ChunkId::of(document(), "text", number)
}

/// A chunk whose text names its number and its version in one word.
fn entry(number: u32, version: u64) -> KeywordEntry {
    KeywordEntry {
        chunk: chunk(number),
        document: document(),
        collection: CollectionName::default(),
        title: String::new(),
        heading: String::new(),
        text: format!("the river in n{number}v{version}"),
    }
}

/// What publication `round` does: every third chunk is replaced, one in ten of the others removed, and some are added.
fn publication(round: u64) -> Change<KeywordEntry> {
    if round == 1 {
        return Change { upserts: (0..COMMITTED).map(|number| entry(number, 1)).collect(), removals: Vec::new() };
    }
    let first_new = COMMITTED * round as u32;
    let upserts = (0..COMMITTED).filter(|number| number % 3 == 0).chain(first_new..first_new + 50);
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
        entries.extend((first_new..first_new + 50).map(|number| (number, past)));
    }
    entries
}

async fn found(view: &TantivyKeywords, query: &str) -> Vec<ChunkId> {
    let hits = view.matching(&CollectionName::default(), query, 10).await.unwrap();
    hits.into_iter().map(|hit| hit.chunk).collect()
}

async fn check(view: &TantivyKeywords, round: u64) {
    assert_eq!(view.checkpoint().await.unwrap(), Publication(round));
    let entries = expected(round);
    assert_eq!(view.count().await.unwrap(), entries.len() as u64, "after publication {round}");
    for (number, version) in entries {
        assert_eq!(found(view, &format!("n{number}v{version}")).await, [chunk(number)], "after publication {round}");
    }
}

/// The child: commits one publication, applies the next one without a commit, and waits to be killed.
#[tokio::test]
#[ignore = "is the process that another test kills"]
async fn write_until_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let view = TantivyKeywords::open(Path::new(&folder)).unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(round - 1));
    view.apply(publication(round)).await.unwrap();
    view.commit(Publication(round)).await.unwrap();
    view.apply(publication(round + 1)).await.unwrap();
    println!("written");
    std::thread::park();
}

#[tokio::test]
async fn i3_kill_9_leaves_the_last_commit_and_no_lock() {
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
        check(&TantivyKeywords::open(folder.path()).unwrap(), round).await;
    }
}

#[tokio::test]
async fn an_index_of_another_analyser_starts_anew() {
    let folder = tempfile::tempdir().unwrap();
    let view = TantivyKeywords::open(folder.path()).unwrap();
    view.apply(publication(1)).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    release(view);
    let meta = folder.path().join("index/meta.json");
    let written = std::fs::read_to_string(&meta).unwrap();
    let changed = written.replace(r#"\"analyser\":"#, r#"\"analyser\":9"#);
    assert_ne!(written, changed);
    std::fs::write(&meta, changed).unwrap();

    let view = TantivyKeywords::open(folder.path()).unwrap();
    assert_eq!(view.checkpoint().await.unwrap(), Publication(0));
    assert_eq!(view.count().await.unwrap(), 0);
    view.apply(publication(1)).await.unwrap();
    view.commit(Publication(1)).await.unwrap();
    release(view);
    check(&TantivyKeywords::open(folder.path()).unwrap(), 1).await;
}

#[tokio::test]
async fn an_unreadable_folder_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let view = TantivyKeywords::open(folder.path()).unwrap();
    view.commit(Publication(1)).await.unwrap();
    let held = TantivyKeywords::open(folder.path()).err().unwrap();
    assert_eq!(held.kind(), ViewErrorKind::Storage, "two holders of one folder");
    release(view);
    std::fs::write(folder.path().join("index/meta.json"), "{").unwrap();
    let damaged = TantivyKeywords::open(folder.path()).err().unwrap();
    assert_eq!(damaged.kind(), ViewErrorKind::Incompatible, "{}", damaged.chain());
    assert!(damaged.to_string().contains("delete the folder"), "{damaged}");
}

/// Prints what a publication costs.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure() {
    use std::time::Instant;
    let folder = tempfile::tempdir().unwrap();
    let view = TantivyKeywords::open(folder.path()).unwrap();
    for (language, words) in [("English", "river "), ("Chinese", "长江大桥是一座桥梁，")] {
        let mut costs = Vec::new();
        for round in 0..40u32 {
            // About a thousand characters, no two chunks alike.
            let word = |number: u32, at: u32| format!("{words}w{} ", number * at % 977);
            let text = |number: u32| (0..1_000 / words.len() as u32).map(move |at| word(number, at));
            let upserts = (0..256).map(|number| round * 256 + number);
            let upserts = upserts.map(|number| KeywordEntry { text: text(number).collect(), ..entry(number, 1) });
            let change = Change { upserts: upserts.collect(), removals: Vec::new() };
            let begun = Instant::now();
            view.apply(change).await.unwrap();
            view.commit(Publication(u64::from(round) + 1)).await.unwrap();
            costs.push(begun.elapsed());
        }
        costs.sort();
        println!("256 {language} chunks: apply and commit p50 {:?} p95 {:?} max {:?}", costs[20], costs[38], costs[39]);
    }
    let mut times = Vec::new();
    for number in 0..100 {
        let begun = Instant::now();
        assert!(!found(&view, &format!("which river is w{number} near the w{}", number + 5)).await.is_empty());
        times.push(begun.elapsed());
    }
    times.sort();
    println!("{} chunks: matching p50 {:?} p95 {:?}", view.count().await.unwrap(), times[50], times[95]);
}
