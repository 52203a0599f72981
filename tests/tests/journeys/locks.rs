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

#[tokio::test]
async fn i7_a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let address = service.url.trim_start_matches("http://").to_owned();
    let refused = tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(&address).unwrap();
        let head = format!(
            "PUT /v1/documents/huge HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: 99999999999\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    let answer = refused.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("body_too_large"), "{answer}");
    service.stop();
}

#[tokio::test]
async fn keys_that_other_parsers_would_fold_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    service.put("b", "stays").await;
    let document = json!({ "key": "a/../b", "text": "overwrites" });
    let (status, body) = service.json(service.request(Method::POST, "/v1/documents").json(&document)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    for path in ["/v1/documents/a%2F..%2Fb", "/v1/documents/%2E%2E%2Fb"] {
        let url = format!("{}{path}", service.url);
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().delete(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{path}");
    }
    assert_eq!(service.get("/v1/documents/b").await["text"], "stays");
    service.stop();
}
