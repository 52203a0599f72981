//! The first locks: who is let in, and what never leaves.

use reqwest::{Method, StatusCode};
use serde_json::json;
use wellspring_tests::service::{Service, Start, run_command};

const KEY: &str = "a-long-enough-test-key";

#[tokio::test]
async fn other_addresses_are_refused_without_a_key_and_served_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let (code, _, stderr) = run_command(&["serve", "--listen", "0.0.0.0:0", "--data-dir", data]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("WELLSPRING_KEY"), "{stderr}");

    let start = Start { environment: vec![("WELLSPRING_KEY".to_owned(), KEY.to_owned())], ..Start::default() };
    let service = Service::start(folder.path(), &start).await;
    service.put("a.txt", "open sesame").await;
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    for (key, expected) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("a-long-enough-test-kez"), StatusCode::UNAUTHORIZED),
        (Some(KEY), StatusCode::OK),
    ] {
        let mut request = plain.get(format!("{}/v1/documents/a.txt", service.url));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        assert_eq!(request.send().await.unwrap().status(), expected, "{key:?}");
    }
    let health = plain.get(format!("{}/healthz", service.url)).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    assert!(!service.log().contains(KEY));
    service.stop();
}

#[tokio::test]
async fn documents_and_questions_never_reach_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let environment = vec![("WELLSPRING_LOG".to_owned(), "debug".to_owned())];
    let service = Service::start(folder.path(), &Start { environment, ..Start::default() }).await;
    service.put("a.txt", "The geheimwort is mondlicht.").await;
    service.search("mondlicht").await;
    let ask = service.request(Method::POST, "/v1/ask").json(&json!({ "question": "What is the geheimwort?" }));
    service.json(ask).await;
    let bad = service.request(Method::PUT, "/v1/documents/b").header("content-type", "application/json");
    service.json(bad.body("{\"text\": \"mondlicht\", ")).await;
    let log = service.log();
    assert!(log.contains("DEBUG"), "the test reads a full log");
    for word in ["mondlicht", "geheimwort"] {
        assert!(!log.contains(word), "{word} in the log: {log}");
    }
    service.stop();
}
