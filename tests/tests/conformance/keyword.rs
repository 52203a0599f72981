//! The keyword views: tantivy, and the double.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use wellspring_keyword::TantivyKeywords;
use wellspring_tests::conformance::keyword::{
    finds_words, i3_survives_reopening, no_text_is_a_syntax_error, searches_and_writes,
};
use wellspring_tests::doubles::keyword::MemoryKeywords;

fn tantivy(folder: &Path) -> TantivyKeywords {
    TantivyKeywords::open(folder).unwrap()
}

#[tokio::test]
async fn memory_searches_and_writes() {
    searches_and_writes(&MemoryKeywords::new()).await;
}

#[tokio::test]
async fn tantivy_searches_and_writes() {
    let folder = tempfile::tempdir().unwrap();
    searches_and_writes(&tantivy(folder.path())).await;
}

#[tokio::test]
async fn memory_finds_words() {
    finds_words(&MemoryKeywords::new()).await;
}

#[tokio::test]
async fn tantivy_finds_words() {
    let folder = tempfile::tempdir().unwrap();
    finds_words(&tantivy(folder.path())).await;
}

#[tokio::test]
async fn memory_refuses_no_text() {
    no_text_is_a_syntax_error(&MemoryKeywords::new()).await;
}

#[tokio::test]
async fn tantivy_refuses_no_text() {
    let folder = tempfile::tempdir().unwrap();
    no_text_is_a_syntax_error(&tantivy(folder.path())).await;
}

#[tokio::test]
async fn i3_tantivy_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    i3_survives_reopening(folder.path(), tantivy).await;
}
