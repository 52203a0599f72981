//! The generator is a child that may die: the service does not.

use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::json;
use wellspring_tests::service::{Service, Start, children, kill};

use crate::answers::wait_for_generator;

#[tokio::test]
async fn i8_a_killed_generator_ends_its_stream_with_an_error_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let start = Start { generator: "qwen2.5-coder-0.5b-instruct".to_owned(), ..Start::default() };
    let mut service = Service::start(folder.path(), &start).await;
    service.expect_log("generator");
    let text = "The ferry crosses at Alder Quay. It takes bicycles, carts, dogs and forty passengers. In winter it stops at dusk.";
    service.put("ferry.txt", text).await;
    wait_for_generator(&service).await;

    let question = json!({ "question": "What does the ferry at Alder Quay take?", "stream": true, "mode": "generate" });
    let response = service.request(Method::POST, "/v1/ask").json(&question).send().await.unwrap();
    let mut stream = response.bytes_stream();
    let mut seen = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    let worker = children(service.pid(), "generator-worker");
    assert_eq!(worker.len(), 1, "one generator process");
    kill(worker[0]);
    let killed = Instant::now();
    while let Some(piece) = stream.next().await {
        seen.push_str(&String::from_utf8_lossy(&piece.unwrap()));
    }
    let ends = seen.lines().filter(|line| ["event: done", "event: error"].contains(line)).count();
    assert_eq!(ends, 1, "exactly one end: {seen}");
    assert!(seen.contains("event: error"), "{seen}");

    // Search, ingestion and extracts never notice.
    service.put("other.txt", "A schwalbe nests under the quay.").await;
    assert_eq!(service.holders("schwalbe").await, ["other.txt"]);
    let ask = service.request(Method::POST, "/v1/ask").json(&json!({ "question": "What does the ferry take?" }));
    let (status, answer) = service.json(ask).await;
    assert_eq!(status, StatusCode::OK, "{answer}");

    service
        .eventually("a new generator process", async || {
            children(service.pid(), "generator-worker").first().is_some_and(|pid| *pid != worker[0])
        })
        .await;
    wait_for_generator(&service).await;
    println!("generator ready again {} ms after the kill", killed.elapsed().as_millis());
    service.stop();
}

#[tokio::test]
async fn no_child_inherits_the_key() {
    const KEY: &str = "a-key-that-children-do-not-need";
    let folder = tempfile::tempdir().unwrap();
    let start = Start {
        generator: "smollm2-135m-instruct".to_owned(),
        environment: vec![("WELLSPRING_KEY".to_owned(), KEY.to_owned())],
        ..Start::default()
    };
    let service = Service::start(folder.path(), &start).await;
    service.put("a.txt", "something to parse").await;
    wait_for_generator(&service).await;
    let environment =
        |pid: u32| String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/environ")).unwrap()).into_owned();
    assert!(environment(service.pid()).contains(KEY), "the service itself has it");
    for word in ["generator-worker", "parse-worker"] {
        let workers = children(service.pid(), word);
        assert!(!workers.is_empty(), "{word}");
        assert!(workers.iter().all(|pid| !environment(*pid).contains(KEY)), "{word}");
    }
    service.stop();
}

#[tokio::test]
async fn no_child_outlives_a_killed_service() {
    let folder = tempfile::tempdir().unwrap();
    let start = Start { generator: "qwen2.5-coder-0.5b-instruct".to_owned(), ..Start::default() };
    let service = Service::start(folder.path(), &start).await;
    service.put("a.txt", "something to parse").await;
    wait_for_generator(&service).await;
    let orphans: Vec<u32> =
        [children(service.pid(), "generator-worker"), children(service.pid(), "parse-worker")].concat();
    assert!(orphans.len() >= 2, "{orphans:?}");
    service.kill();
    let deadline = Instant::now() + Duration::from_secs(20);
    while orphans.iter().any(|pid| is_worker(*pid)) {
        assert!(Instant::now() < deadline, "a worker outlived its service");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a process is one of our workers and not yet ended; ids are reused, so the name is looked at.
fn is_worker(pid: u32) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains("-worker")
}
