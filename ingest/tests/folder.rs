//! The folder source over real files and the kernel's own events.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a check may fail loudly and says what it measured")]

#[path = "folder/losses.rs"]
mod losses;
#[path = "folder/memory.rs"]
mod memory;
#[path = "folder/names.rs"]
mod names;
#[path = "folder/roots.rs"]
mod roots;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_ingest::source::folder::{FolderRules, FolderSource, FolderStatus, SkipReason};

use memory::Memory;

/// A folder with a running source over it.
struct Running {
    folder: TempDir,
    memory: Arc<Memory>,
    status: Arc<FolderStatus>,
    rules: FolderRules,
    tags: Vec<String>,
    /// Where below `root` the source's root is; empty for `root` itself.
    below: String,
    shutdown: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Starts over what `prepare` puts into the folder, and waits for the first scan.
    async fn over(prepare: impl FnOnce(&Path)) -> Self {
        Self::with_rules(FolderRules::default(), prepare).await
    }

    async fn with_rules(rules: FolderRules, prepare: impl FnOnce(&Path)) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        prepare(&folder.path().join("root"));
        let mut running = Self {
            folder,
            memory: Arc::default(),
            status: Arc::default(),
            rules,
            tags: Vec::new(),
            below: String::new(),
            shutdown: CancellationToken::new(),
            task: None,
        };
        running.start().await;
        running
    }

    async fn start(&mut self) {
        self.status = Arc::default();
        self.shutdown = CancellationToken::new();
        let root = fs::canonicalize(self.root()).unwrap();
        let source = FolderSource {
            name: "docs".parse().unwrap(),
            root,
            collection: CollectionName::default(),
            rules: self.rules.clone(),
            tags: self.tags.clone(),
        };
        let run = source.run(self.memory.clone(), self.memory.clone(), self.status.clone(), self.shutdown.clone());
        self.task = Some(tokio::spawn(run));
        self.until("the first scan", |running| running.status.report().scans == 1).await;
    }

    async fn stop(&mut self) {
        self.shutdown.cancel();
        self.task.take().unwrap().await.unwrap();
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root").join(&self.below)
    }

    fn write(&self, path: &str, content: &str) {
        write(&self.root(), path, content);
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(
                Instant::now() < deadline,
                "gave up waiting for {what}: {:?}, {:?}",
                self.memory.keys(),
                self.status.report()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn until_keys(&self, keys: &[&str]) {
        self.until(&format!("{keys:?}"), |running| running.memory.keys() == keys).await;
    }

    /// A whole scan now; returns when it has ended.
    async fn scan(&self) {
        let before = self.status.report().scans;
        self.status.request_scan();
        self.until("a scan", |running| running.status.report().scans > before).await;
    }
}

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_become_documents_and_follow_every_change() {
    let running = Running::over(|root| {
        write(root, "a.md", "one");
        write(root, "deep/er/b.txt", "two");
        write(root, "c.bin", "no format");
        write(root, ".hidden/d.md", "hidden");
        write(root, ".e.md", "hidden");
    })
    .await;
    running.until_keys(&["docs/a.md", "docs/deep/er/b.txt"]).await;
    assert!(running.status.report().watched);

    running.write("new.html", "<p>new");
    running.until_keys(&["docs/a.md", "docs/deep/er/b.txt", "docs/new.html"]).await;

    running.write("a.md", "changed");
    running.until("the change", |running| running.memory.content("docs/a.md").as_deref() == Some("changed")).await;

    fs::remove_file(running.root().join("new.html")).unwrap();
    running.until_keys(&["docs/a.md", "docs/deep/er/b.txt"]).await;

    fs::rename(running.root().join("a.md"), running.root().join("renamed.md")).unwrap();
    running.until_keys(&["docs/deep/er/b.txt", "docs/renamed.md"]).await;
    let writes = running.memory.writes();
    assert_eq!(writes[writes.len() - 2..], ["put docs/renamed.md", "delete docs/a.md"]);
    assert_eq!(running.memory.batches.lock().unwrap().last(), Some(&2), "a rename is one batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_folders_move_in_and_out() {
    let running = Running::over(|root| {
        write(root.parent().unwrap(), "outside/x.md", "x");
        write(root.parent().unwrap(), "outside/sub/y.md", "y");
    })
    .await;
    fs::rename(running.folder.path().join("outside"), running.root().join("inside")).unwrap();
    running.until_keys(&["docs/inside/sub/y.md", "docs/inside/x.md"]).await;

    running.write("inside/sub/z.md", "live in a folder that moved in");
    running.until_keys(&["docs/inside/sub/y.md", "docs/inside/sub/z.md", "docs/inside/x.md"]).await;

    fs::rename(running.root().join("inside"), running.folder.path().join("out")).unwrap();
    running.until_keys(&[]).await;
    write(running.folder.path(), "out/x.md", "no longer ours");

    // Folders made and filled in one go, before anybody can watch them.
    for round in 0..20 {
        running.write(&format!("made{round}/one/two/deep.md"), "deep");
    }
    running.until("the deep files", |running| running.memory.keys().len() == 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_through_a_temporary_file_is_one_change() {
    let running = Running::over(|root| write(root, "a.md", "before")).await;
    for round in 0..5 {
        let content = format!("round {round}");
        running.write(".a.md.swp", &content);
        running.write("a.md~", "backup");
        fs::rename(running.root().join(".a.md.swp"), running.root().join("a.md")).unwrap();
        running.until(&content, |running| running.memory.content("docs/a.md").as_deref() == Some(&content)).await;
    }
    assert!(!running.memory.writes().iter().any(|write| write.starts_with("delete")));
    assert_eq!(running.memory.keys(), ["docs/a.md"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_pipes_and_strange_names_are_skipped_by_reason() {
    use std::os::unix::ffi::OsStrExt;
    let running = Running::over(|root| {
        write(root, "a.md", "a");
        write(root, "owned.md", "another source has this key");
        write(root.parent().unwrap(), "secret/s.md", "secret");
        symlink(root.parent().unwrap().join("secret/s.md"), root.join("link.md")).unwrap();
        symlink(root.parent().unwrap().join("secret"), root.join("linked")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe.md"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"caf\xe9.md")), "latin name").unwrap();
        fs::write(root.join("line\nbreak.md"), "control character").unwrap();
        fs::File::create(root.join("large.md")).unwrap().set_len(limits::DOCUMENT_BYTES_MAX as u64 + 1).unwrap();
        symlink(root.join("a.md"), root.join("owned-link.md")).unwrap();
    })
    .await;
    running.until_keys(&["docs/a.md"]).await;
    let skipped = running.status.report().skipped;
    let expected = [
        (SkipReason::TooLarge, 1),
        (SkipReason::NameNotUnicode, 1),
        (SkipReason::NameRefused, 1),
        (SkipReason::NotRegular, 3),
        (SkipReason::OwnedBySource, 1),
    ];
    assert_eq!(skipped, BTreeMap::from(expected));
    // Each ends as a document with a state that says why; only what has no state is in the source's way.
    let visit = running.status.visits().borrow().clone().unwrap();
    assert_eq!((visit.failed, visit.passed_over), (1, 6));
    assert_eq!(visit.errors, ["owned.md: its key belongs to another source"]);
    let passed: Vec<String> = running.memory.passed.lock().unwrap().keys().cloned().collect();
    let begins = ["docs/caf%E9.md~", "docs/line%0Abreak.md~", "docs/link.md", "docs/pipe.md"];
    assert_eq!(passed.len(), begins.len(), "{passed:?}");
    assert!(passed.iter().zip(begins).all(|(key, begin)| key.starts_with(begin)), "{passed:?}");
    let unread = "unread docs/large.md: larger than a document may be".to_owned();
    assert!(running.memory.writes().contains(&unread));
    let before = running.memory.writes().len();
    running.scan().await;
    let again: Vec<String> = running.memory.writes().split_off(before);
    assert!(again.iter().all(|write| write.starts_with("unread ")), "what is recorded is not written again: {again:?}");
    // What becomes a document is one; what goes is gone.
    fs::remove_file(running.root().join("link.md")).unwrap();
    running.write("link.md", "real");
    fs::remove_file(running.root().join("line\nbreak.md")).unwrap();
    running.until_keys(&["docs/a.md", "docs/link.md"]).await;
    running.until("the deletion", |running| running.memory.passed.lock().unwrap().len() == 2).await;
    fs::remove_file(running.root().join("link.md")).unwrap();
    running.until_keys(&["docs/a.md"]).await;

    // A folder replaced by a link to another: its documents are gone, and the link's are not taken.
    running.write("sub/s.md", "ours");
    running.until_keys(&["docs/a.md", "docs/sub/s.md"]).await;
    fs::rename(running.root().join("sub"), running.folder.path().join("moved")).unwrap();
    symlink(running.folder.path().join("secret"), running.root().join("sub")).unwrap();
    running.until_keys(&["docs/a.md"]).await;
    running.scan().await;
    assert_eq!(running.memory.keys(), ["docs/a.md"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_become_links_all_at_once_wait_for_a_yes() {
    let mut running = Running::over(|root| {
        (0..40).for_each(|number| write(root, &format!("{number}.md"), "n"));
    })
    .await;
    running.until("all files", |running| running.memory.keys().len() == 40).await;
    running.stop().await;
    for number in 0..40 {
        let path = running.root().join(format!("{number}.md"));
        fs::remove_file(&path).unwrap();
        symlink(running.folder.path(), path).unwrap();
    }
    running.start().await;
    assert_eq!((running.memory.keys().len(), running.status.report().held_deletions), (40, 40));
    running.status.release_held_deletions();
    running.until("the links", |running| running.memory.passed.lock().unwrap().len() == 40).await;
    assert!(running.memory.keys().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_taken_any_more_keeps_its_document_and_says_so_at_once() {
    let running = Running::over(|root| {
        write(root, "grows.md", "small");
        write(root, "other.md", "other");
    })
    .await;
    running.until_keys(&["docs/grows.md", "docs/other.md"]).await;
    let told = |running: &Running| running.status.visits().borrow().as_ref().map(|visit| visit.passed_over);
    running.until("the first visit", |running| told(running) == Some(0)).await;
    let mark = "unread docs/grows.md: larger than a document may be".to_owned();

    let scans = running.status.report().scans;
    let grown = fs::File::options().write(true).open(running.root().join("grows.md")).unwrap();
    grown.set_len(limits::DOCUMENT_BYTES_MAX as u64 + 1).unwrap();
    running.until("the mark", |running| running.memory.writes().contains(&mark)).await;
    running.until("the report", |running| told(running) == Some(1)).await;
    assert_eq!(running.status.report().scans, scans, "nobody waited for a whole scan");
    assert_eq!(running.memory.content("docs/grows.md").as_deref(), Some("small"), "what was read last stays");

    running.scan().await;
    assert_eq!(running.memory.keys(), ["docs/grows.md", "docs/other.md"], "nor does a scan take it away");
    assert!(!running.memory.writes().iter().any(|write| write.starts_with("delete")));

    // The very content of before is news.
    grown.set_len(0).unwrap();
    running.write("grows.md", "small");
    running
        .until("it is read again", |running| running.memory.writes().last() == Some(&"put docs/grows.md".into()))
        .await;
    running.until("nothing is in the way", |running| told(running) == Some(0)).await;

    fs::remove_file(running.root().join("grows.md")).unwrap();
    running.until_keys(&["docs/other.md"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_nobody_looked_is_found_and_the_rest_is_not_read() {
    let mut running = Running::over(|root| {
        write(root, "same.md", "same");
        write(root, "changes.md", "before");
        write(root, "goes.md", "goes");
    })
    .await;
    running
        .until("the fingerprints", |running| {
            running.memory.documents.lock().unwrap().values().filter(|(_, fingerprint)| fingerprint.is_some()).count()
                == 3
        })
        .await;
    running.stop().await;
    running.write("changes.md", "after");
    fs::remove_file(running.root().join("goes.md")).unwrap();
    running.memory.writes.lock().unwrap().clear();
    running.start().await;
    running.until("the change", |running| running.memory.content("docs/changes.md").as_deref() == Some("after")).await;
    running.until("the deletion", |running| running.memory.keys().len() == 2).await;
    let mut writes = running.memory.writes();
    writes.sort();
    assert_eq!(writes, ["delete docs/goes.md", "put docs/changes.md"], "and the one that stayed the same was not read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vanished_root_deletes_nothing_and_is_taken_up_again() {
    let running = Running::over(|root| write(root, "a.md", "a")).await;
    running.until_keys(&["docs/a.md"]).await;
    fs::rename(running.root(), running.folder.path().join("away")).unwrap();
    running.until("the error", |running| running.status.report().last_error.is_some()).await;
    assert_eq!(running.memory.keys(), ["docs/a.md"]);
    assert!(!running.memory.writes().iter().any(|write| write.starts_with("delete")));

    fs::rename(running.folder.path().join("away"), running.root()).unwrap();
    running.write("b.md", "b");
    running.scan().await;
    running.until_keys(&["docs/a.md", "docs/b.md"]).await;
    assert_eq!(running.status.report().last_error, None);

    // Another folder at the same path is watched like the first.
    fs::rename(running.root(), running.folder.path().join("away")).unwrap();
    fs::create_dir(running.root()).unwrap();
    running.write("a.md", "a");
    running.scan().await;
    running.write("live.md", "live");
    running.until("live changes", |running| running.memory.content("docs/live.md").is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deletions_found_at_once_are_held_until_they_are_meant() {
    let mut running = Running::over(|root| {
        for number in 0..100 {
            write(root, &format!("{number}.md"), "n");
        }
    })
    .await;
    running.until("all files", |running| running.memory.keys().len() == 100).await;
    running.stop().await;
    for number in 0..50 {
        fs::remove_file(running.root().join(format!("{number}.md"))).unwrap();
    }
    running.start().await;
    assert_eq!((running.memory.keys().len(), running.status.report().held_deletions), (100, 50));
    running.status.release_held_deletions();
    running.until("the deletions", |running| running.memory.keys().len() == 50).await;
    running.until("the report", |running| running.status.report().held_deletions == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_files_is_taken_whole() {
    let running = Running::over(|_| {}).await;
    let began = Instant::now();
    for number in 0..2000 {
        running.write(&format!("folder{}/{number}.md", number % 20), &format!("file {number}"));
    }
    let written = began.elapsed();
    running
        .until("2,000 documents", |running| {
            let documents = running.memory.documents.lock().unwrap();
            documents.len() == 2000 && documents.values().all(|(content, _)| !content.is_empty())
        })
        .await;
    println!("2,000 files written in {written:.1?}, accepted after {:.1?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_is_accepted_within_a_moment() {
    let running = Running::over(|root| write(root, "a.md", "before")).await;
    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        let content = format!("round {round}");
        let began = Instant::now();
        running.write("a.md", &content);
        running.until(&content, |running| running.memory.content("docs/a.md").as_deref() == Some(&content)).await;
        slowest = slowest.max(began.elapsed());
    }
    // On an idle machine it is 65 ms.
    println!("slowest save to accept: {slowest:.1?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_all_the_time_ends_whole() {
    use std::io::Write as _;
    let running = Running::over(|_| {}).await;
    let path = running.root().join("log.txt");
    let writer = tokio::task::spawn_blocking(move || {
        let mut file = fs::File::create(path).unwrap();
        let until = Instant::now() + Duration::from_millis(600);
        let mut lines = 0;
        while Instant::now() < until {
            lines += 1;
            writeln!(file, "line {lines}").unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        lines
    });
    let lines = writer.await.unwrap();
    running
        .until("the last line", |running| {
            running.memory.content("docs/log.txt").is_some_and(|content| content.ends_with(&format!("line {lines}\n")))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn globs_and_lists_say_which_files_are_wanted_and_a_changed_list_takes_effect() {
    let rules = FolderRules::new(&["*.md".into()], &["drafts".into()], true).unwrap();
    let running = Running::with_rules(rules, |root| {
        write(root, ".gitignore", "old.md\nbuild/\n");
        write(root, "a.md", "a");
        write(root, "b.txt", "not included");
        write(root, "deep/drafts/c.md", "excluded");
        write(root, "build/d.md", "ignored");
        write(root, "old.md", "ignored");
    })
    .await;
    running.until_keys(&["docs/a.md"]).await;
    // Live, each by the same rules.
    running.write("build/e.md", "ignored");
    running.write("drafts/f.md", "excluded");
    running.write("deep/g.md", "wanted");
    running.until_keys(&["docs/a.md", "docs/deep/g.md"]).await;

    running.write(".gitignore", "a.md\n");
    running.until_keys(&["docs/build/d.md", "docs/build/e.md", "docs/deep/g.md", "docs/old.md"]).await;
    running.write("deep/.gitignore", "*\n");
    running.until_keys(&["docs/build/d.md", "docs/build/e.md", "docs/old.md"]).await;
    // A list that cannot be read says nothing, so nothing changes.
    fs::write(running.root().join("build/.gitignore"), vec![b'x'; limits::GITIGNORE_BYTES_MAX + 1]).unwrap();
    running.scan().await;
    running.scan().await;
    assert_eq!(running.memory.keys(), ["docs/build/d.md", "docs/build/e.md", "docs/old.md"]);
    // The kernel tells of the list too: another scan may be at work.
    let told = BTreeMap::from([(SkipReason::Unreadable, 1)]);
    running.until("the report", |running| running.status.report().skipped == told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tags_reach_files_that_did_not_change() {
    let mut running = Running::over(|root| write(root, "a.md", "a")).await;
    running
        .until("the fingerprint", |running| {
            running.memory.documents.lock().unwrap().values().any(|(_, fingerprint)| fingerprint.is_some())
        })
        .await;
    running.stop().await;
    running.memory.writes.lock().unwrap().clear();
    running.tags = vec!["manual".to_owned()];
    running.start().await;
    running.until("the tags", |running| running.memory.writes() == ["put docs/a.md"]).await;
    running.stop().await;
    running.memory.writes.lock().unwrap().clear();
    running.start().await;
    running.scan().await;
    assert!(running.memory.writes().is_empty(), "and the same tags again are no news");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_tells_of_itself_as_a_visit() {
    let running = Running::over(|root| {
        write(root, "a.md", "a");
        fs::File::create(root.join("large.md")).unwrap().set_len(limits::DOCUMENT_BYTES_MAX as u64 + 1).unwrap();
    })
    .await;
    running.until_keys(&["docs/a.md"]).await;
    running.scan().await;
    let visit = running.status.visits().borrow().clone().unwrap();
    assert!(visit.complete);
    assert_eq!((visit.items, visit.failed, visit.passed_over), (1, 0, 1));
    assert_eq!(visit.errors, Vec::<String>::new(), "its state says why");
    fs::remove_file(running.root().join("a.md")).unwrap();
    running.until_keys(&[]).await;
    running.scan().await;
    let visit = running.status.visits().borrow().clone().unwrap();
    assert_eq!((visit.items, visit.deleted, visit.changed), (0, 1, 0));
}
