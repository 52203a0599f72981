//! Files whose names are strange, or end in nothing that is read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_unicode_is_passed_over_as_soon_as_it_is_there() {
    let running = Running::over(|root| write(root, "sub/a.md", "a")).await;
    let scans = running.status.report().scans;
    let strange = running.root().join("sub").join(OsStr::from_bytes(b"caf\xe9.md"));
    fs::write(&strange, "latin name").unwrap();
    running.until("its state", |running| running.memory.passed.lock().unwrap().len() == 1).await;
    let key = running.memory.passed.lock().unwrap().keys().next().unwrap().clone();
    assert!(key.starts_with("docs/sub/caf%E9.md~"), "{key}");
    running.until("the report", |running| running.status.report().skipped.len() == 1).await;
    let expected = BTreeMap::from([(SkipReason::NameNotUnicode, 1)]);
    assert_eq!(running.status.report().skipped, expected);

    fs::write(&strange, "changed").unwrap();
    fs::rename(&strange, running.root().join("sub/b.md")).unwrap();
    running.until_keys(&["docs/sub/a.md", "docs/sub/b.md"]).await;
    running.until("its end", |running| running.memory.passed.lock().unwrap().is_empty()).await;
    assert!(running.status.report().skipped.is_empty());

    // A folder of such a name is told, too, and what is in it is not read.
    let folder = running.root().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("c.md"), "c").unwrap();
    let expected = BTreeMap::from([(SkipReason::FolderNameNotUnicode, 1)]);
    running.until("the folder", |running| running.status.report().skipped == expected).await;
    fs::remove_dir_all(&folder).unwrap();
    running.until("its end", |running| running.status.report().skipped.is_empty()).await;
    assert_eq!(running.status.report().scans, scans, "nobody waited for a whole look");
    assert_eq!(running.memory.keys(), ["docs/sub/a.md", "docs/sub/b.md"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_no_format_that_is_read_are_counted_and_some_are_named() {
    let rules = FolderRules::new(&[], &["build".to_owned()], false).unwrap();
    let running = Running::with_rules(rules, |root| {
        write(root, "a.md", "a");
        write(root, "build/x.o", "excluded");
        write(root, ".hidden.bin", "hidden");
        write(root, "LICENCE.bin", "no format");
        (0..50).for_each(|number| write(root, &format!("deep/{number:02}.o"), "no format"));
    })
    .await;
    running.until_keys(&["docs/a.md"]).await;
    running.scan().await;
    let visit = running.status.visits().borrow().clone().unwrap();
    assert_eq!((visit.items, visit.failed, visit.passed_over, visit.left_out), (1, 0, 0, 51));
    assert!(visit.left_out_names.contains(&"LICENCE.bin".to_owned()), "{:?}", visit.left_out_names);
    assert!(visit.left_out_names.len() <= limits::LEFT_OUT_NAMES_MAX, "{:?}", visit.left_out_names);
    assert_eq!(running.status.report().left_out, 51);
}
