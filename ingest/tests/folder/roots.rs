//! A root that goes and comes back, once and again.

use super::*;

/// Puts another folder in place of the root, as `rm -rf w; mkdir w` does. The kernel gives the freed inode away again.
fn made_anew(running: &Running) {
    fs::remove_dir_all(running.root()).unwrap();
    fs::create_dir(running.root()).unwrap();
}

/// Whether a file that is written now is seen without a whole look in between. The look that follows a new watch may come
/// just then; it comes once.
async fn is_seen_live(running: &Running, name: &str) {
    let mut scans = 0;
    for _ in 0..3 {
        running.until("the watch", |running| running.status.report().watched).await;
        scans = running.status.report().scans;
        running.write(name, name);
        running.until(name, |running| running.memory.content(&format!("docs/{name}")).as_deref() == Some(name)).await;
        fs::remove_file(running.root().join(name)).unwrap();
        running.until("its end", |running| running.memory.content(&format!("docs/{name}")).is_none()).await;
        if running.status.report().scans == scans {
            return;
        }
    }
    assert_eq!(running.status.report().scans, scans, "nobody waited for a whole look");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_made_anew_is_watched_again_each_time() {
    let running = Running::over(|root| write(root, "a.md", "a")).await;
    for round in 0..4 {
        made_anew(&running);
        let name = format!("a{round}.md");
        running.write(&name, "new");
        running.until_keys(&[&format!("docs/{name}")]).await;
        is_seen_live(&running, "live.md").await;
    }
    let away = running.folder.path().join("away");
    fs::rename(running.root(), &away).unwrap();
    fs::rename(&away, running.root()).unwrap();
    made_anew(&running);
    running.write("b.md", "b");
    running.until_keys(&["docs/b.md"]).await;
    is_seen_live(&running, "live.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_away_is_not_said_to_be_watched_and_is_met_when_it_comes_back() {
    let running = Running::over(|root| write(root, "sub/a.md", "a")).await;
    let away = running.folder.path().join("away");
    fs::rename(running.root(), &away).unwrap();
    running.until("the error", |running| running.status.report().last_error.is_some()).await;
    assert!(!running.status.report().watched);
    write(&away, "sub/elsewhere.md", "not ours");
    fs::rename(&away, running.root()).unwrap();
    running.until_keys(&["docs/sub/a.md", "docs/sub/elsewhere.md"]).await;
    is_seen_live(&running, "sub/live.md").await;
    assert_eq!(running.status.report().last_error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_whose_parent_was_exchanged_is_met_without_an_event() {
    let mut running = Running::over(|_| {}).await;
    running.stop().await;
    fs::create_dir_all(running.root().join("above/below")).unwrap();
    running.below = "above/below".to_owned();
    running.start().await;
    running.write("a.md", "a");
    running.until_keys(&["docs/a.md"]).await;
    let above = running.folder.path().join("root/above");
    fs::rename(&above, running.folder.path().join("elsewhere")).unwrap();
    write(&above, "below/b.md", "b");
    running.until_keys(&["docs/b.md"]).await;
    is_seen_live(&running, "live.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_below_that_is_made_anew_is_watched_again_each_time() {
    let running = Running::over(|root| write(root, "sub/deep/a.md", "a")).await;
    for round in 0..4 {
        fs::remove_dir_all(running.root().join("sub")).unwrap();
        let name = format!("sub/deep/a{round}.md");
        running.write(&name, "new");
        running.until_keys(&[&format!("docs/{name}")]).await;
        is_seen_live(&running, "sub/deep/live.md").await;
    }
    assert_eq!(running.status.report().scans, 1);
}
