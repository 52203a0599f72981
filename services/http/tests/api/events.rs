//! Following what happens to documents, and trying again what failed.

use std::sync::atomic::Ordering;

use futures::{Stream, StreamExt};
use serde_json::{Value, json as body};
use wellspring_core::trace::EventKind;
use wellspring_http::HttpSettings;

use crate::store::Fate;
use crate::support::{Server, json, refusal, start, start_with};

/// The events of a stream as (id, name, data), signs of life left out.
async fn follow(request: reqwest::RequestBuilder) -> impl Stream<Item = (String, String, Value)> + Unpin {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let pieces = response.bytes_stream().map(Result::unwrap);
    futures::stream::unfold((pieces, String::new()), |(mut pieces, mut buffer)| async move {
        loop {
            if let Some((event, rest)) = buffer.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    lines.next().unwrap_or_default().to_owned()
                };
                let told = (field("id"), field("event"), serde_json::from_str(&field("data")).unwrap_or_default());
                let silent = told.1.is_empty();
                buffer = rest.to_owned();
                if !silent {
                    return Some((told, (pieces, buffer)));
                }
                continue;
            }
            buffer.push_str(std::str::from_utf8(&pieces.next().await?).unwrap());
        }
    })
    .boxed()
}

fn events(server: &Server, query: &str) -> reqwest::RequestBuilder {
    server.get(&format!("/v1/events{query}"))
}

#[tokio::test]
async fn events_are_told_in_order_and_a_reader_goes_on_where_it_was() {
    let server = start().await;
    server.store.tell("a", EventKind::Accepted);
    let mut all = follow(events(&server, "?after=0")).await;
    let mut new = follow(events(&server, "")).await;
    let (id, name, first) = all.next().await.unwrap();
    assert_eq!(
        (id.as_str(), name.as_str(), &first["key"], &first["kind"]),
        ("1", "accepted", &body!("a"), &body!("accepted"))
    );
    server.store.tell("a", EventKind::Failed);
    let (id, name, second) = all.next().await.unwrap();
    assert_eq!((id.as_str(), name.as_str(), &second["reason"]), ("2", "failed", &body!("no text")));
    assert_eq!(new.next().await.unwrap().0, "2", "without a number only what is new");
    drop((all, new));
    server.store.tell("a", EventKind::Searchable);
    let mut resumed = follow(events(&server, "?after=0").header("last-event-id", "2")).await;
    assert_eq!(resumed.next().await.unwrap().1, "searchable");
    server.shutdown.cancel();
    assert!(resumed.next().await.is_none(), "a stop ends the stream");
}

#[tokio::test]
async fn a_reader_too_far_behind_is_told_and_not_skipped_ahead() {
    let server = start().await;
    *server.store.events.lock().unwrap() = (10, Vec::new());
    server.store.tell("a", EventKind::Accepted);
    assert_eq!(refusal(events(&server, "?after=8")).await, (410, "events_gone".into()));
    assert_eq!(refusal(events(&server, "?after=11")).await, (410, "events_gone".into()), "from another catalog");
    let (_, ahead) = json(events(&server, "?after=11")).await;
    assert_eq!(ahead["error"]["message"], "there is no event 11 yet: the newest is 10");
    assert_eq!(refusal(events(&server, "?after=x")).await, (422, "invalid_field".into()));
    let mut reader = follow(events(&server, "?after=9")).await;
    assert_eq!(reader.next().await.unwrap().0, "10");
    // The history moves on while nobody reads.
    *server.store.events.lock().unwrap() = (20, Vec::new());
    server.store.tell("b", EventKind::Accepted);
    let (id, name, told) = reader.next().await.unwrap();
    assert_eq!((id.as_str(), name.as_str(), &told["error"]["code"]), ("", "error", &body!("events_gone")));
    assert!(reader.next().await.is_none());

    let mut reader = follow(events(&server, "")).await;
    server.store.broken.store(true, Ordering::SeqCst);
    server.store.tell("c", EventKind::Accepted);
    assert_eq!(reader.next().await.unwrap().2["error"]["code"], "catalog_unavailable");
}

#[tokio::test]
async fn i7_readers_of_events_are_bounded() {
    let settings = HttpSettings { event_readers_max: 1, ..HttpSettings::default() };
    let server = start_with(settings, None).await;
    let reader = follow(events(&server, "")).await;
    assert_eq!(refusal(events(&server, "")).await, (503, "busy".into()));
    drop(reader);
}

#[tokio::test]
async fn what_failed_is_tried_again_from_what_was_kept() {
    let server = start().await;
    let set = |fate| *server.store.fate.lock().unwrap() = fate;
    assert_eq!(refusal(server.post("/v1/documents/a/b/retry")).await, (404, "unknown_document".into()));
    assert_eq!(json(server.put("/v1/documents/a/b").json(&body!({ "text": "x" }))).await.0, 202);
    assert_eq!(refusal(server.post("/v1/documents/a/b/retry")).await, (409, "not_failed".into()));
    set(Fate::Quarantined);
    assert_eq!(refusal(server.post("/v1/documents/a/b/retry")).await, (410, "content_gone".into()));
    set(Fate::Failed);
    let (status, retried) = json(server.post("/v1/documents/a/b/retry")).await;
    let expected = body!({ "key": "a/b", "collection": "default", "revision": 1, "sequence": 1, "state": "received" });
    assert_eq!((status, retried), (202, expected));
    set(Fate::Failed);
    let (status, retried) = json(server.post("/v1/documents/a/b/retry?wait=searchable")).await;
    assert_eq!((status, &retried["state"]), (200, &body!("searchable")));
    let refused = server.post("/v1/documents/a").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["allow"]),
        (405, &"GET,HEAD,PUT,DELETE".parse().unwrap())
    );
}

#[tokio::test]
async fn a_pending_document_says_how_far_it_is() {
    let server = start().await;
    *server.store.fate.lock().unwrap() = Fate::Parsed;
    let (status, receipt) = json(server.put("/v1/documents/a").json(&body!({ "text": "x" }))).await;
    assert_eq!((status, &receipt["state"]), (202, &body!("parsed")));
    assert_eq!(json(server.get("/v1/documents/a")).await.1["state"], "parsed");
    assert_eq!(json(server.get("/v1/documents?state=received")).await.1["documents"][0]["state"], "parsed");
    assert_eq!(refusal(server.get("/v1/documents?state=pending")).await, (422, "invalid_field".into()));
}
