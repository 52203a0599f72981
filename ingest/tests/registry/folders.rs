//! Folders as sources.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tempfile::TempDir;
use wellspring_core::source::{SourceAdmin, SourceError, SourceSettings};

use crate::doubles::{Running, named, page, settings};

fn folder(name: &str, path: &Path) -> SourceSettings {
    settings(json!({ "name": name, "origin": { "kind": "folder", "path": path } }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_followed_from_its_adding_to_its_pause_and_again_after() {
    let files = TempDir::new().unwrap();
    let write = |path: &str| fs::write(files.path().join(path), path).unwrap();
    write("a.md");
    let mut running = Running::start();
    running.registry.add(folder("notes", files.path())).await.unwrap();
    running.until("the first scan", |running| running.store.record("notes").unwrap().last_visit.is_some()).await;
    write("b.md");
    running.until("a change", |running| running.store.keys() == ["notes/a.md", "notes/b.md"]).await;
    let info = running.registry.show(&named("notes")).await.unwrap();
    assert_eq!(info.documents, [("published".to_owned(), 2)].into());
    assert!(info.staleness_seconds.is_some() && info.next_visit_at.is_some() && !info.next_visit_reason.is_empty());

    running.registry.pause(&named("notes"), true).await.unwrap();
    write("c.md");
    running.registry.pause(&named("notes"), false).await.unwrap();
    running.until("what came meanwhile", |running| running.store.keys().contains(&"notes/c.md".to_owned())).await;

    let scans = |running: &Running| running.store.record("notes").unwrap().last_visit.map(|visit| visit.began_at);
    let before = scans(&running);
    running.registry.refresh(&named("notes")).await.unwrap();
    running.until("another scan", |running| scans(running) > before).await;
    // New rules take effect at once.
    let rules = json!({ "kind": "folder", "path": files.path(), "exclude": ["b.md"] });
    running.registry.add(settings(json!({ "name": "notes", "origin": rules }))).await.unwrap();
    running.until("the exclusion", |running| running.store.keys() == ["notes/a.md", "notes/c.md"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_that_changes_are_seen_at_once_while_the_folder_is_away() {
    let files = TempDir::new().unwrap();
    let root = files.path().join("notes");
    fs::create_dir(&root).unwrap();
    let mut running = Running::start();
    running.registry.add(folder("notes", &root)).await.unwrap();
    running.until("the first scan", |running| running.store.record("notes").unwrap().last_visit.is_some()).await;
    let says_at_once = async |running: &Running, expected: bool| {
        for _ in 0..10_000 {
            let info = running.registry.show(&named("notes")).await.unwrap();
            if info.next_visit_reason.contains("at once") == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("gave up waiting for the reason to change, {expected}");
    };
    for round in 0..3 {
        says_at_once(&running, true).await;
        fs::remove_dir_all(&root).unwrap();
        says_at_once(&running, false).await;
        fs::create_dir(&root).unwrap();
        fs::write(root.join(format!("{round}.md")), "x").unwrap();
        running.registry.refresh(&named("notes")).await.unwrap();
        running.until("the new folder", |running| running.store.keys() == [format!("notes/{round}.md")]).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_look_like_a_lost_disk_wait_for_a_yes() {
    let files = TempDir::new().unwrap();
    for number in 0..60 {
        fs::write(files.path().join(format!("{number}.md")), "x").unwrap();
    }
    let mut running = Running::start();
    running.registry.add(folder("notes", files.path())).await.unwrap();
    running.until("all files", |running| running.store.keys().len() == 60).await;
    running.until("the first scan", |running| running.store.record("notes").unwrap().last_visit.is_some()).await;
    assert!(matches!(running.registry.release(&named("notes")).await, Err(SourceError::NothingHeld)));
    running.registry.pause(&named("notes"), true).await.unwrap();
    for number in 0..30 {
        fs::remove_file(files.path().join(format!("{number}.md"))).unwrap();
    }
    let before = running.store.record("notes").unwrap().last_visit.unwrap().began_at;
    running.registry.pause(&named("notes"), false).await.unwrap();
    running
        .until("the scan", |running| running.store.record("notes").unwrap().last_visit.unwrap().began_at > before)
        .await;
    assert_eq!(running.registry.show(&named("notes")).await.unwrap().held_deletions, 30);
    assert_eq!(running.store.keys().len(), 60);
    running.registry.release(&named("notes")).await.unwrap();
    running.until("the deletions", |running| running.store.keys().len() == 30).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_within_another_is_refused() {
    let files = TempDir::new().unwrap();
    fs::create_dir_all(files.path().join("deep")).unwrap();
    let mut running = Running::start();
    running.registry.add(folder("notes", files.path())).await.unwrap();
    let error = running.registry.add(folder("deep", &files.path().join("deep"))).await.unwrap_err();
    assert!(matches!(&error, SourceError::Invalid(error) if error.what.contains("`notes`")), "{error}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_names_no_longer_is_paused_and_goes_on_when_it_comes_back() {
    let files = TempDir::new().unwrap();
    let root = files.path().join("notes");
    fs::create_dir(&root).unwrap();
    let store = Arc::default();
    let registry = |declared: Vec<SourceSettings>| {
        let running = Running::idle(Arc::clone(&store), SignedDuration::from_hours(1));
        async move {
            running.registry.declare(declared).await?;
            Ok::<_, wellspring_ingest::source::registry::DeclareError>(running)
        }
    };
    let first = registry(vec![folder("notes", &root), page("a")]).await.unwrap();
    assert!(first.registry.list().await.unwrap().iter().all(|info| info.declared && !info.paused));
    // One that a person added is left alone.
    first.registry.add(page("mine")).await.unwrap();

    let second = registry(vec![folder("notes", &root)]).await.unwrap();
    let paused = |running: &Running| {
        let store = running.store.clone();
        ["a", "mine", "notes"].map(|name| store.record(name).unwrap().paused)
    };
    assert_eq!(paused(&second), [true, false, false]);
    // A pause by a person outlives the next start.
    second.registry.pause(&named("notes"), true).await.unwrap();
    let third = registry(vec![folder("notes", &root), page("a")]).await.unwrap();
    assert_eq!(paused(&third), [false, false, true]);

    // A disk that is away is waited for; one that was never there is an error.
    fs::remove_dir(&root).unwrap();
    let fourth = registry(vec![folder("notes", &root), page("a")]).await.unwrap();
    assert!(fourth.store.record("notes").unwrap().declared);
    let error = registry(vec![folder("other", &root)]).await.err().unwrap();
    assert_eq!(error.name, named("other"));
    assert!(registry(vec![page("a"), page("a")]).await.is_err(), "a name is given once");
}
