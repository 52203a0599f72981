//! Documents that go while the source looks on: few at once, and many.

use super::*;

async fn with_files(count: usize) -> Running {
    let running = Running::over(|root| fill(root, "", count)).await;
    running.until("all files", |running| running.memory.keys().len() == count).await;
    running
}

fn fill(root: &Path, folder: &str, count: usize) {
    (0..count).for_each(|number| write(root, &format!("{folder}{number}.md"), &format!("text {number}")));
}

fn remove(running: &Running, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| fs::remove_file(running.root().join(format!("{number}.md"))).unwrap());
}

/// Takes a folder with all its files out of the root, in one step.
fn take_out(running: &Running, folder: &str) {
    let away = running.folder.path().join(format!("{folder} of {}", running.memory.writes().len()));
    fs::rename(running.root().join(folder), away).unwrap();
}

/// Whether so many are held, and so many documents are left.
async fn holds(running: &Running, held: usize, left: usize) {
    let state = |running: &Running| (running.status.report().held_deletions, running.memory.keys().len());
    running.until(&format!("{held} held"), |running| state(running) == (held, left)).await;
    // Nor does a whole look make them: it is of the same opinion.
    running.scan().await;
    assert_eq!(state(running), (held, left));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deletions_seen_live_are_held_until_they_are_meant() {
    let running = Running::over(|root| fill(root, "sub/", 60)).await;
    running.until("all files", |running| running.memory.keys().len() == 60).await;
    take_out(&running, "sub");
    holds(&running, 60, 60).await;
    running.status.release_held_deletions();
    running.until_keys(&[]).await;
    running.until("the report", |running| running.status.report().held_deletions == 0).await;

    // A yes is for what was held, and not for the next time.
    fill(&running.root(), "", 10);
    fill(&running.root(), "other/", 30);
    running.until("all files", |running| running.memory.keys().len() == 40).await;
    take_out(&running, "other");
    holds(&running, 30, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_removed_one_by_one_are_held_but_for_the_first_few() {
    let running = with_files(60).await;
    remove(&running, 0..60);
    running
        .until("the rest is held", |running| {
            let held = running.status.report().held_deletions;
            held > 20 && held == running.memory.keys().len()
        })
        .await;
    running.scan().await;
    assert_eq!(running.status.report().held_deletions, running.memory.keys().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_leaves_with_much_of_the_source_is_held_and_comes_back_unharmed() {
    let running = Running::over(|root| {
        fill(root, "", 60);
        fill(root, "sub/", 40);
    })
    .await;
    running.until("all files", |running| running.memory.keys().len() == 100).await;
    let away = running.folder.path().join("away");
    fs::rename(running.root().join("sub"), &away).unwrap();
    holds(&running, 40, 100).await;
    fs::rename(&away, running.root().join("sub")).unwrap();
    running.until("nothing is held", |running| running.status.report().held_deletions == 0).await;
    assert_eq!(running.memory.keys().len(), 100);
    assert!(!running.memory.writes().iter().any(|write| write.starts_with("delete")));
    take_out(&running, "sub");
    holds(&running, 40, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_emptied_are_losses_too() {
    let running = with_files(60).await;
    for number in 0..40 {
        running.write(&format!("{number}.md"), if number % 2 == 0 { "" } else { " \n" });
    }
    let blank = |running: &Running| {
        let is_blank = |key: &String| running.memory.content(key).is_some_and(|content| content.trim().is_empty());
        running.memory.keys().iter().filter(|key| is_blank(key)).count()
    };
    // The first few may have been seen before the others.
    running
        .until("the rest is held", |running| {
            let held = running.status.report().held_deletions;
            held > 20 && held + blank(running) == 40
        })
        .await;
    running.scan().await;
    let held = running.status.report().held_deletions;
    assert_eq!(held + blank(&running), 40);
    // One that has text again is a document as any other.
    running.write("39.md", "text again");
    running.until("the text", |running| running.memory.content("docs/39.md").as_deref() == Some("text again")).await;
    running.until("the rest", |running| running.status.report().held_deletions == held - 1).await;
    running.status.release_held_deletions();
    running.until("the blank files", |running| blank(running) == 39).await;
    running.until("nothing is held", |running| running.status.report().held_deletions == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_renamed_within_the_root_loses_nothing() {
    let mut running = Running::over(|root| fill(root, "sub/", 60)).await;
    running.until("all files", |running| running.memory.keys().len() == 60).await;
    let moved = |running: &Running, to: &str| {
        let keys = running.memory.keys();
        keys.len() == 60 && keys.iter().all(|key| key.starts_with(to))
    };
    fs::rename(running.root().join("sub"), running.root().join("other")).unwrap();
    running.until("the move", |running| moved(running, "docs/other/")).await;
    running.until("nothing is held", |running| running.status.report().held_deletions == 0).await;
    // The same while nobody looks.
    running.stop().await;
    fs::rename(running.root().join("other"), running.root().join("third")).unwrap();
    running.start().await;
    running.until("the move", |running| moved(running, "docs/third/")).await;
    assert_eq!(running.status.report().held_deletions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn few_deletions_and_those_of_a_small_folder_are_made() {
    let running = with_files(60).await;
    remove(&running, 0..1);
    running.until("one", |running| running.memory.keys().len() == 59).await;
    remove(&running, 1..11);
    running.until("ten", |running| running.memory.keys().len() == 49).await;
    assert_eq!(running.status.report().held_deletions, 0);

    let small = with_files(20).await;
    remove(&small, 0..20);
    small.until_keys(&[]).await;
    assert_eq!(small.status.report().held_deletions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_outlives_a_look_that_finds_few_missing() {
    let running = Running::over(|root| {
        fill(root, "", 70);
        fill(root, "sub/", 30);
    })
    .await;
    running.until("all files", |running| running.memory.keys().len() == 100).await;
    take_out(&running, "sub");
    holds(&running, 30, 100).await;
    fill(&running.root(), "sub/", 20);
    running.until("most are back", |running| running.status.report().held_deletions == 10).await;
    holds(&running, 10, 100).await;
}
