//! The vector views: Qdrant Edge, and the double.

use wellspring_tests::conformance::vector::{DIMENSION, i3_survives_reopening, searches_and_writes};
use wellspring_tests::doubles::vector::MemoryVectors;
use wellspring_vector::EdgeVectors;

#[tokio::test]
async fn memory_searches_and_writes() {
    searches_and_writes(&MemoryVectors::new(DIMENSION)).await;
}

#[tokio::test]
async fn edge_searches_and_writes() {
    let folder = tempfile::tempdir().unwrap();
    searches_and_writes(&EdgeVectors::open(folder.path(), DIMENSION).unwrap()).await;
}

#[tokio::test]
async fn i3_edge_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    i3_survives_reopening(folder.path(), |folder| EdgeVectors::open(folder, DIMENSION).unwrap()).await;
}
