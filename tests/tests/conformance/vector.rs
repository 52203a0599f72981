//! The vector views: Qdrant Edge, and the double.

use wellspring_tests::conformance::vector::{DIMENSION, i3_survives_reopening, searches_and_writes};
use wellspring_tests::doubles::vector::MemoryVectors;
use wellspring_vector::{EdgeVectors, Shape};

#[tokio::test]
async fn memory_searches_and_writes() {
    searches_and_writes(&MemoryVectors::new(DIMENSION)).await;
}

#[tokio::test]
async fn edge_searches_and_writes() {
    let folder = tempfile::tempdir().unwrap();
    searches_and_writes(&EdgeVectors::open(folder.path(), Shape::of(DIMENSION)).unwrap()).await;
}

#[tokio::test]
async fn i3_edge_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    i3_survives_reopening(folder.path(), |folder| EdgeVectors::open(folder, Shape::of(DIMENSION)).unwrap()).await;
}

/// With no size up to which searches are exact, every commit has the index rearranged beside what follows.
#[tokio::test]
async fn edge_searches_and_writes_while_it_is_rearranged() {
    let folder = tempfile::tempdir().unwrap();
    searches_and_writes(
        &EdgeVectors::open(folder.path(), Shape { exact_points_max: 0, ..Shape::of(DIMENSION) }).unwrap(),
    )
    .await;
}

#[tokio::test]
async fn i3_edge_survives_reopening_after_it_is_rearranged() {
    let folder = tempfile::tempdir().unwrap();
    let open = |folder: &std::path::Path| {
        EdgeVectors::open(folder, Shape { exact_points_max: 0, ..Shape::of(DIMENSION) }).unwrap()
    };
    i3_survives_reopening(folder.path(), open).await;
}
