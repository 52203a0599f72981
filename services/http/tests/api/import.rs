//! Many documents in one stream.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json as body};
use tokio::sync::mpsc;
use wellspring_core::limits;
use wellspring_http::HttpSettings;

use crate::store::Fate;
use crate::support::{Server, refusal, start, start_with};

fn request(server: &Server, path: &str, sent: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    server.post(path).header("content-type", "application/x-ndjson").body(sent)
}

async fn lines(request: reqwest::RequestBuilder) -> Vec<Value> {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn results_come_in_order_and_a_bad_line_stops_nothing() {
    let server = start().await;
    server.store.plant("owned", "x", "folder-notes");
    let sent = concat!(
        "\u{feff}{\"id\": \"1\", \"title\": \"\", \"text\": \"one\"}\n",
        "\n",
        "{\"id\": \"2\", \"text\": \"secret\", \"txt\": 1}\n",
        "{\"id\": \"3\" secret\r\n",
        "{\"id\": \"owned\", \"text\": \"y\"}\r\n",
        "{\"id\": \"4\"}\n",
        "{\"id\": \"1\", \"text\": \"one\"}\n",
        "{\"text\": \"no key\"}\n",
        "{\"key\": \"last\", \"text\": \"without a line break\"}",
    );
    let results = lines(request(&server, "/v1/documents?wait=searchable", sent)).await;
    let told: Vec<_> = results[..results.len() - 1]
        .iter()
        .map(|result| {
            let what = result["outcome"].as_str().or(result["error"]["code"].as_str()).unwrap();
            (result["line"].as_u64().unwrap(), result["key"].as_str().unwrap_or("-"), what)
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "1", "created"),
            (3, "-", "unknown_field"),
            (4, "-", "invalid_json"),
            (5, "owned", "owned_by_source"),
            (6, "4", "invalid_content"),
            (7, "1", "unchanged"),
            (8, "-", "missing_key"),
            (9, "last", "created"),
        ]
    );
    assert!(!format!("{results:?}").contains("secret"));
    let broken = results[2]["error"]["message"].as_str().unwrap();
    assert_eq!(broken, "this is no valid JSON (column 12)", "the line is told beside it, counted in the stream");
    let summary = body!({
        "done": true, "accepted": 2, "unchanged": 1, "failed": 5, "searchable": 3, "unpublished": 0, "pending": 0
    });
    assert_eq!(results.last(), Some(&summary));
}

#[tokio::test]
async fn a_slow_sender_gets_each_answer_while_it_sends() {
    let server = start().await;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let pieces = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let request = request(&server, "/v1/documents", reqwest::Body::wrap_stream(pieces));
    let response = tokio::spawn(request.send());
    sender.send(Ok(Bytes::from("{\"id\": \"a\", \"text\": \"x\"}\n{\"id\": \"b\", "))).await.unwrap();
    let mut answers = response.await.unwrap().unwrap().bytes_stream();
    let first = answers.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"{\"line\":1,\"key\":\"a\",\"outcome\":\"created\""), "{first:?}");
    sender.send(Ok(Bytes::from("\"text\": \"x\"}\n"))).await.unwrap();
    let second = answers.next().await.unwrap().unwrap();
    assert!(second.starts_with(b"{\"line\":2,\"key\":\"b\""), "{second:?}");
    drop(sender);
    let last = answers.next().await.unwrap().unwrap();
    assert!(last.starts_with(b"{\"done\":true,\"accepted\":2"), "{last:?}");
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn i7_batches_are_bounded_and_fast_streams_share_them() {
    let server = start().await;
    let documents = 1000;
    let sent: String = (0..documents).map(|n| format!("{{\"id\": \"{n}\", \"text\": \"text {n}\"}}\n")).collect();
    let results = lines(request(&server, "/v1/documents", sent)).await;
    assert_eq!(results.len(), documents + 1);
    let batches = server.store.batches.lock().unwrap().clone();
    assert!(batches.iter().all(|batch| *batch <= limits::ACCEPT_BATCH_DOCUMENTS_MAX), "{batches:?}");
    assert!(batches.len() < 100, "{batches:?}");
    assert_eq!(batches.iter().sum::<usize>(), documents);
}

#[tokio::test]
async fn the_last_line_says_what_became_of_the_documents() {
    let settings = HttpSettings { searchable_wait_max: Duration::from_millis(50), ..HttpSettings::default() };
    let server = start_with(settings, None).await;
    let sent = "{\"id\": \"1\", \"text\": \"a\"}\n{\"id\": \"2\", \"text\": \"b\"}\n";
    for (fate, counts) in [(Fate::Pending, [0, 0, 2]), (Fate::Failed, [0, 2, 0]), (Fate::Published, [2, 0, 0])] {
        *server.store.fate.lock().unwrap() = fate;
        let results = lines(request(&server, "/v1/documents?wait=searchable", sent)).await;
        let last = results.last().unwrap();
        let told = ["searchable", "unpublished", "pending"].map(|name| last[name].as_u64().unwrap());
        assert_eq!((told, last["done"].as_bool()), (counts, Some(true)), "{fate:?}");
    }
}

#[tokio::test]
async fn a_stream_that_cannot_go_on_says_so_in_its_last_line() {
    let settings = HttpSettings { body_idle_timeout: Duration::from_millis(200), ..HttpSettings::default() };
    let server = start_with(settings, None).await;
    let sent = futures::stream::iter([Ok::<_, std::io::Error>("{\"id\": \"1\", \"text\": \"a\"}\n{\"id\": \"2\",")]);
    let silent = reqwest::Body::wrap_stream(sent.chain(futures::stream::pending()));
    let results = lines(request(&server, "/v1/documents", silent)).await;
    assert_eq!((results.len(), &results[0]["outcome"]), (2, &body!("created")));
    assert_eq!((&results[1]["done"], &results[1]["error"]["code"]), (&body!(false), &body!("body_timeout")));

    server.store.broken.store(true, Ordering::SeqCst);
    let results = lines(request(&server, "/v1/documents", "{\"id\": \"3\", \"text\": \"a\"}\n")).await;
    assert_eq!((&results[0]["done"], &results[0]["error"]["code"]), (&body!(false), &body!("catalog_unavailable")));
}

#[tokio::test]
async fn an_empty_stream_is_done_and_a_wrong_collection_refused() {
    let server = start().await;
    let results = lines(request(&server, "/v1/documents", "")).await;
    assert_eq!(results, [body!({ "done": true, "accepted": 0, "unchanged": 0, "failed": 0 })]);
    let refused = refusal(request(&server, "/v1/documents?collection=other", "{}")).await;
    assert_eq!(refused, (404, "unknown_collection".into()));
}
