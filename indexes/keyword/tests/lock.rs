//! Who may hold the index?

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::sync::mpsc;

use wellspring_core::limits;
use wellspring_core::view::ViewErrorKind;
use wellspring_keyword::TantivyKeywords;

#[test]
fn a_folder_has_one_holder() {
    let folder = tempfile::tempdir().unwrap();
    let held = TantivyKeywords::open(folder.path()).unwrap();
    let error = TantivyKeywords::open(folder.path()).err().unwrap();
    assert_eq!(error.kind(), ViewErrorKind::Storage);
    assert!(error.to_string().contains("another process"), "{error}");
    drop(held);
    TantivyKeywords::open(folder.path()).unwrap();
}

#[test]
fn a_holder_that_is_about_to_go_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let held = TantivyKeywords::open(folder.path()).unwrap();
    let (asked, going) = mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        going.recv().unwrap();
        std::thread::sleep(2 * limits::LOCK_POLL);
        drop(held);
    });
    asked.send(()).unwrap();
    TantivyKeywords::open(folder.path()).unwrap();
    holder.join().unwrap();
}
