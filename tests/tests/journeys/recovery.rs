//! The catalog is the only source of truth: what else is lost comes back from it.

use std::fs;

use wellspring_tests::service::{Service, Start};

#[tokio::test]
async fn i3_a_deleted_index_is_rebuilt_from_the_catalog_without_embedding() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    for page in 0..30 {
        service
            .put(&format!("page{page}.txt"), &format!("Chapter {page} tells of the kirschbaum in the garden."))
            .await;
    }
    service.delete("page3.txt").await;
    service.settle().await;
    let embedded = service.number("/catalog/chunks_embedded").await;
    service.stop();
    for index in ["vector", "keyword"] {
        fs::remove_dir_all(folder.path().join(index)).unwrap();
        let service = Service::start(folder.path(), &Start::default()).await;
        assert_eq!(service.number("/catalog/chunks_embedded").await, embedded, "{index}");
        let hits = service.search("kirschbaum chapter 17").await;
        assert_eq!(hits[0]["document"], "page17.txt", "{index}: {hits:?}");
        assert!(hits[0]["vector_score"].is_number() && hits[0]["keyword_score"].is_number(), "{index}: {}", hits[0]);
        assert_eq!(hits.len(), 20, "{index}");
        assert!(hits.iter().all(|hit| hit["document"] != "page3.txt"), "{index}");
        service.stop();
    }
}

#[tokio::test]
async fn i3_an_index_that_is_deleted_while_the_service_runs_is_filled_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path(), &Start::default()).await;
    for line in ["will try again", "panicked at", "the vector index did not close cleanly"] {
        service.expect_log(line);
    }
    for page in 0..10 {
        service
            .put(&format!("page{page}.txt"), &format!("Chapter {page} tells of the kirschbaum in the garden."))
            .await;
    }
    service.delete("page3.txt").await;
    service.settle().await;
    let embedded = service.number("/catalog/chunks_embedded").await;
    for (round, index) in ["vector", "keyword"].into_iter().enumerate() {
        fs::remove_dir_all(folder.path().join(index)).unwrap();
        service.put(&format!("later{round}.txt"), &format!("Note {round}, written when the {index} was gone.")).await;
        let hits = service.search("kirschbaum chapter 7").await;
        assert_eq!(hits[0]["document"], "page7.txt", "{index}: {hits:?}");
        assert!(hits[0]["vector_score"].is_number() && hits[0]["keyword_score"].is_number(), "{index}: {}", hits[0]);
        assert!(hits.iter().all(|hit| hit["document"] != "page3.txt"), "{index}");
    }
    assert_eq!(service.number("/catalog/chunks_embedded").await, embedded + 2);
}

#[tokio::test]
async fn i3_a_damaged_index_is_moved_aside_and_rebuilt_without_embedding() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    service.put("mill.txt", "The mill wheel turns a kirschbaum lathe.").await;
    let embedded = service.number("/catalog/chunks_embedded").await;
    service.stop();
    for index in ["vector", "keyword"] {
        let damaged = overwrite_files(&folder.path().join(index));
        assert!(damaged > 0, "{index} has files to damage");
        let mut service = Service::start(folder.path(), &Start::default()).await;
        service.expect_log("an index could not be read");
        assert_eq!(service.number("/catalog/chunks_embedded").await, embedded, "{index}");
        let hits = service.search("kirschbaum lathe").await;
        assert_eq!(hits[0]["document"], "mill.txt", "{index}: {hits:?}");
        assert!(hits[0]["vector_score"].is_number() && hits[0]["keyword_score"].is_number(), "{index}: {}", hits[0]);
        service.stop();
    }
}

/// Fills every file below a folder with the same byte, locks aside; how many there were.
fn overwrite_files(folder: &std::path::Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let damage = |path: std::path::PathBuf| {
        if path.is_dir() {
            return overwrite_files(&path);
        }
        let bytes = fs::metadata(&path).unwrap().len();
        fs::write(&path, vec![b'#'; bytes as usize]).unwrap();
        usize::from(bytes > 0)
    };
    entries.map(damage).sum()
}

#[tokio::test]
async fn i1_a_write_acknowledged_without_waiting_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let service = Service::start(folder.path(), &Start::default()).await;
        let path = format!("/v1/documents/note{round}");
        let request =
            service.request(reqwest::Method::PUT, &path).json(&serde_json::json!({ "text": "ein apfelwein" }));
        let (status, body) = service.json(request).await;
        assert_eq!(status, reqwest::StatusCode::ACCEPTED, "{body}");
        service.kill();
    }
    let service = Service::start(folder.path(), &Start::default()).await;
    service.settle().await;
    assert_eq!(service.holders("apfelwein").await.len(), 5);
    service.stop();
}

#[tokio::test]
async fn a_second_service_over_the_same_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let data = folder.path().to_str().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--generator-model", "off", "--data-dir", data];
    let (code, _, stderr) = wellspring_tests::service::run_command(&arguments);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("another wellspring process"), "{stderr}");
    service.stop();
}
