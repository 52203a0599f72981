//! Connections: slow ones, many, and the end.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json as body;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wellspring_http::HttpSettings;

use crate::support::{Ending, json, refusal, start, start_with};

async fn closed_after(connection: &mut TcpStream) -> Duration {
    let started = Instant::now();
    let mut rest = Vec::new();
    let read = connection.read_to_end(&mut rest);
    let _ = tokio::time::timeout(Duration::from_secs(10), read).await.expect("the connection is closed");
    started.elapsed()
}

#[tokio::test]
async fn i7_a_head_that_drips_is_cut_and_so_is_an_idle_connection() {
    let settings = HttpSettings { head_timeout: Duration::from_millis(300), ..HttpSettings::default() };
    let server = start_with(settings, None).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: loc").await.unwrap();
    assert!(closed_after(&mut slow).await >= Duration::from_millis(200));
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    assert!(closed_after(&mut idle).await >= Duration::from_millis(200));
}

#[tokio::test]
async fn i7_a_body_that_stops_is_answered_and_cut() {
    let settings = HttpSettings { body_idle_timeout: Duration::from_millis(200), ..HttpSettings::default() };
    let server = start_with(settings, None).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head = b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{\"query\":";
    slow.write_all(head).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = slow.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_timeout"), "{answer}");
    closed_after(&mut slow).await;
}

#[tokio::test]
async fn i7_requests_at_once_are_bounded_but_health_is_always_told() {
    let server = start_with(HttpSettings { requests_max: 2, ..HttpSettings::default() }, None).await;
    server.searcher.hang.store(true, Ordering::SeqCst);
    let search = || server.post("/v1/search").json(&body!({ "query": "x" }));
    let hanging: Vec<_> = (0..2).map(|_| tokio::spawn(search().send())).collect();
    while server.searcher.asked.lock().unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(refusal(search()).await, (503, "overloaded".into()));
    assert_eq!(json(server.get("/readyz")).await.0, 200);
    server.searcher.hang.store(false, Ordering::SeqCst);
    // Callers who leave give their places back.
    hanging.iter().for_each(|task| task.abort());
    for attempt in 0.. {
        match search().send().await.unwrap().status().as_u16() {
            200 => break,
            status => assert!(status == 503 && attempt < 200, "{status}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn i7_bodies_that_do_not_come_keep_nobody_out() {
    let server = start_with(HttpSettings { requests_max: 2, ..HttpSettings::default() }, None).await;
    let mut stalled = Vec::new();
    for path in ["/v1/ask", "/v1/search", "/v1/ask", "/v1/documents/a"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let method = if path.starts_with("/v1/documents") { "PUT" } else { "POST" };
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..8 {
        assert_eq!(json(server.post("/v1/search").json(&body!({ "query": "x" }))).await.0, 200);
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_and_not_stored_as_it_is() {
    let server = start().await;
    let compressed = server.put("/v1/documents/a").header("content-encoding", "gzip").body("not what it says");
    assert_eq!(refusal(compressed).await, (415, "unsupported_content_encoding".into()));
    let plain = server.put("/v1/documents/a.txt").header("content-encoding", "identity").body("as it is");
    assert_eq!(json(plain).await.0, 202);
}

/// The head of the next answer on a connection, in lower case, after which its body is read too.
async fn next_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.expect("the connection is open"));
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    connection.read_exact(&mut body).await.unwrap();
    head
}

fn put(path: &str, content_type: &str, length: usize, more: &str) -> String {
    format!(
        "PUT /v1/documents/{path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\n\
         content-length: {length}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn what_follows_a_refused_body_on_its_connection_is_answered() {
    let server = start().await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    for (content_type, length, status) in [
        ("application/zip", 900, 415),
        ("application/zip", 200_000, 415),
        ("text/plain; charset=foo", 900, 415),
        ("text/plain", 17 << 20, 413),
    ] {
        let mut request = put("a", content_type, length, "").into_bytes();
        request.resize(request.len() + length, b'x');
        connection.write_all(&request).await.unwrap();
        let head = next_head(&mut connection).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")) && !head.contains("connection: close"), "{head}");
        connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert!(next_head(&mut connection).await.starts_with("http/1.1 200 "), "{content_type} {length}");
    }
}

#[tokio::test]
async fn an_answer_before_a_body_that_is_not_read_says_that_the_connection_ends() {
    let server = start().await;
    for (length, more) in [(1 << 30, ""), (900, "expect: 100-continue\r\n")] {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        connection.write_all(put("a", "application/zip", length, more).as_bytes()).await.unwrap();
        let head = next_head(&mut connection).await;
        assert!(head.starts_with("http/1.1 415 ") && head.contains("connection: close"), "{head}");
        closed_after(&mut connection).await;
    }
}

#[tokio::test]
async fn i7_connections_beyond_the_bound_wait_their_turn() {
    let server = start_with(HttpSettings { connections_max: 1, ..HttpSettings::default() }, None).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    second.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let waiting = tokio::time::timeout(Duration::from_millis(200), second.read_to_end(&mut answer)).await;
    assert!(waiting.is_err() && answer.is_empty());
    drop(first);
    tokio::time::timeout(Duration::from_secs(5), second.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_shutdown_lets_work_end_and_cuts_what_does_not() {
    let settings = HttpSettings { drain_timeout: Duration::from_millis(300), ..HttpSettings::default() };
    let server = start_with(settings, None).await;
    // An idle keep-alive connection does not hold the end up; a hanging search does, until it is cut.
    assert_eq!(json(server.get("/readyz")).await.0, 200);
    server.searcher.hang.store(true, Ordering::SeqCst);
    let hanging = tokio::spawn(server.post("/v1/search").json(&body!({ "query": "x" })).send());
    while server.searcher.asked.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    server.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), server.ended).await.unwrap().unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(hanging.await.unwrap().is_err());
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_shutdown_ends_answers_in_an_error_and_not_in_the_middle() {
    let settings = HttpSettings { drain_timeout: Duration::from_secs(2), ..HttpSettings::default() };
    let server = start_with(settings, None).await;
    *server.answerer.ending.lock().unwrap() = Ending::Hanging;
    let ask = |stream: bool| server.post("/v1/ask").json(&body!({ "question": "x", "stream": stream })).send();
    let (streamed, whole) = (tokio::spawn(ask(true)), tokio::spawn(ask(false)));
    while server.answerer.asked.lock().unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.shutdown.cancel();
    let told = streamed.await.unwrap().unwrap().text().await.expect("the stream has an end");
    assert!(told.contains("event: error") && told.contains("the service is being stopped"), "{told}");
    assert_eq!(whole.await.unwrap().unwrap().status().as_u16(), 500);
    tokio::time::timeout(Duration::from_secs(5), server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_monitoring_system_sees_what_was_asked_and_nothing_of_what_it_said() {
    let server = start().await;
    assert_eq!(json(server.post("/v1/search").json(&body!({ "query": "zanzibar" }))).await.0, 200);
    assert_eq!(json(server.post("/v1/ask").json(&body!({ "question": "where is zanzibar" }))).await.0, 200);
    let response = server.get("/zanzibar").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 404);
    // Counted when their last byte is gone.
    drop(response.bytes().await);
    let mut text = String::new();
    for _ in 0..200 {
        let response = server.get("/metrics").send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
        text = response.text().await.unwrap();
        if text.contains("route=\"unknown\"") && text.contains("route=\"/v1/ask\"") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for line in [
        "wellspring_http_requests_total{route=\"/v1/search\",method=\"POST\",status=\"200\"} 1",
        "wellspring_http_requests_total{route=\"unknown\",method=\"GET\",status=\"404\"} 1",
        "wellspring_http_request_seconds_count{route=\"/v1/ask\"} 1",
        "wellspring_search_arms_total{arm=\"keyword\",outcome=\"ok\"} 1",
        "wellspring_search_arms_total{arm=\"vector\",outcome=\"skipped\"} 1",
        "wellspring_answers_total{status=\"answered\",mode=\"extract\"} 1",
        "wellspring_entailment_total{outcome=\"judged\"} 3",
        "wellspring_entailment_total{outcome=\"late\"} 1",
        "wellspring_entailment_total{outcome=\"failed\"} 4",
        "wellspring_entailment_lowered_total 2",
        "wellspring_entailment_seconds_total 0.25",
        "wellspring_ready 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("zanzibar"));
}

#[tokio::test]
async fn what_is_no_request_is_answered_in_the_form_of_every_error() {
    let server = start().await;
    let long = format!("GET /v1/search?query={} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(70_000));
    let headers: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    let many = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    for (request, status, code) in [
        ("GET / HTTP/9.9\r\n\r\n", 400, "invalid_request"),
        ("GET /a b HTTP/1.1\r\n\r\n", 400, "invalid_request"),
        ("GET / HTTP/1.1\r\nhost localhost\r\n\r\n", 400, "invalid_request"),
        (long.as_str(), 414, "url_too_long"),
        (many.as_str(), 431, "headers_too_large"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
        let error: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(error["error"]["code"], code);
        assert!(error["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{answer}");
    }
}
