//! Questions, answered whole or as events.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json as body};
use wellspring_core::answer::{AnswerMode, AnswerStyle, Turn, Verify};
use wellspring_http::HttpSettings;

use crate::support::{Ending, Server, json, refusal, start, start_with};

/// The events of a stream: name and data.
async fn events(request: reqwest::RequestBuilder) -> Vec<(String, Value)> {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        (field("event:"), serde_json::from_str(&field("data:")).unwrap())
    };
    text.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':')).map(event).collect()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

fn streamed(server: &Server) -> reqwest::RequestBuilder {
    server.post("/v1/ask").json(&body!({ "question": "How long is it?", "stream": true }))
}

#[tokio::test]
async fn a_question_is_answered_as_json() {
    let server = start().await;
    let ask = body!({ "question": "How long is it?", "mode": "extract", "collection": "default" });
    let (status, answer) = json(server.post("/v1/ask").json(&ask)).await;
    assert_eq!((status, &answer["answer"], &answer["status"]), (200, &body!("2850 km"), &body!("answered")));
    let citation = &answer["citations"][0];
    assert_eq!((&citation["document"], &citation["revision"]), (&body!("rivers/danube"), &body!(3)));
    assert_eq!((&citation["source_span"]["end"], &citation["answer_span"]["end"]), (&body!(27), &body!(7)));
    assert_eq!(server.answerer.asked.lock().unwrap()[0].mode, AnswerMode::Extract);
    // `stream: false` overrides what the client accepts.
    let ask = body!({ "question": "x", "stream": false });
    let (status, _) = json(server.post("/v1/ask").header("accept", "text/event-stream").json(&ask)).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn style_verification_and_what_was_said_before_are_passed_on() {
    let server = start().await;
    let said = |role: &str, content: &str| body!({ "role": role, "content": content });
    let history = [said("user", "How long is the Danube?"), said("assistant", "2850 km")];
    let ask = body!({ "question": "and the Rhine?", "style": "full", "verify": "strict", "history": history });
    let (status, answer) = json(server.post("/v1/ask").json(&ask)).await;
    assert_eq!((status, &answer["rewritten"]), (200, &body!("How long is the Danube?")));
    {
        let asked = server.answerer.asked.lock().unwrap();
        assert_eq!((asked[0].style, asked[0].verify), (Some(AnswerStyle::Full), Some(Verify::Strict)));
        let turn = Turn { question: "How long is the Danube?".into(), answer: "2850 km".into() };
        assert_eq!(asked[0].history, [turn]);
    }
    for (name, value) in [
        ("style", body!("long")),
        ("verify", body!(true)),
        ("history", body!([said("assistant", "secret")])),
        ("mode", body!("secret")),
    ] {
        let mut ask = body!({ "question": "x" });
        ask[name] = value;
        let (status, refused) = json(server.post("/v1/ask").json(&ask)).await;
        assert_eq!((status, &refused["error"]["code"]), (422, &body!("invalid_field")), "{name}");
        assert!(!refused.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn events_come_in_order_and_end_once() {
    let server = start().await;
    let accepted = server.post("/v1/ask").header("accept", "text/event-stream").json(&body!({ "question": "x" }));
    let told = events(accepted).await;
    assert_eq!(names(&told), ["passages", "delta", "delta", "citation", "done"]);
    assert_eq!(told[0].1["passages"][0]["document"], "rivers/danube");
    assert_eq!((&told[1].1, &told[2].1), (&body!({ "text": "2850" }), &body!({ "text": " km" })));
    assert_eq!(told[3].1["quote"], "The Danube is 2850 km long.");
    assert_eq!(told[4].1["answer"], "2850 km");
    assert_eq!(names(&events(streamed(&server)).await), names(&told));
}

#[tokio::test]
async fn a_failure_is_the_terminal_event_or_the_status() {
    let server = start().await;
    *server.answerer.ending.lock().unwrap() = Ending::Failed;
    let told = events(streamed(&server)).await;
    assert_eq!(names(&told), ["passages", "error"]);
    assert_eq!(told[1].1["error"]["code"], "generator_unavailable");
    let whole = || server.post("/v1/ask").json(&body!({ "question": "x" }));
    assert_eq!(refusal(whole()).await, (503, "generator_unavailable".into()));

    *server.answerer.ending.lock().unwrap() = Ending::BrokenOff;
    let told = events(streamed(&server)).await;
    assert_eq!(names(&told), ["passages", "delta", "delta", "citation", "error"]);
    assert_eq!(told[4].1["error"]["code"], "answer_interrupted");
    assert_eq!(refusal(whole()).await, (500, "answer_interrupted".into()));
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_the_work() {
    let server = start().await;
    *server.answerer.ending.lock().unwrap() = Ending::Hanging;
    let dropped = server.answerer.dropped.clone();
    let mut stream = streamed(&server).send().await.unwrap().bytes_stream();
    assert!(stream.next().await.unwrap().unwrap().starts_with(b"event: passages"));
    drop(stream);
    tokio::time::timeout(Duration::from_secs(5), dropped.notified()).await.expect("the stream is dropped");

    let whole = server.post("/v1/ask").json(&body!({ "question": "x" })).timeout(Duration::from_millis(200));
    assert!(whole.send().await.unwrap_err().is_timeout());
    tokio::time::timeout(Duration::from_secs(5), dropped.notified()).await.expect("the answer is dropped");
}

#[tokio::test]
async fn i7_questions_at_once_are_bounded_and_places_come_back() {
    let server = start_with(HttpSettings { questions_max: 1, ..HttpSettings::default() }, None).await;
    *server.answerer.ending.lock().unwrap() = Ending::Hanging;
    let mut stream = streamed(&server).send().await.unwrap().bytes_stream();
    stream.next().await.unwrap().unwrap();
    let refused = streamed(&server).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert_eq!(refusal(streamed(&server)).await, (503, "busy".into()));
    drop(stream);
    server.answerer.dropped.notified().await;
    *server.answerer.ending.lock().unwrap() = Ending::Done;
    assert_eq!(names(&events(streamed(&server)).await).last(), Some(&"done"));
}

#[tokio::test]
async fn a_question_that_cannot_be_is_refused() {
    let server = start().await;
    let cases = [
        (body!({}), 422, "missing_field"),
        (body!({ "question": "" }), 422, "empty_query"),
        (body!({ "question": "\u{0}" }), 422, "empty_query"),
        (body!({ "question": "\u{7}\u{200B}\u{FEFF}\u{202E} \u{E0001}" }), 422, "empty_query"),
        (body!({ "question": "x".repeat(9000) }), 422, "query_too_long"),
        (body!({ "question": "x", "mode": "guess" }), 422, "invalid_field"),
        (body!({ "question": "x", "stream": "yes" }), 422, "invalid_field"),
        (body!({ "question": "x", "collection": "other" }), 404, "unknown_collection"),
        (body!({ "query": "x" }), 422, "unknown_field"),
    ];
    for (request, status, code) in cases {
        let refused = refusal(server.post("/v1/ask").json(&request)).await;
        assert_eq!(refused, (status, code.to_owned()), "{request}");
    }
    assert!(server.answerer.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn documents_that_do_not_say_are_told_apart_from_documents_that_are_not_read() {
    let server = start().await;
    *server.answerer.ending.lock().unwrap() = Ending::Insufficient;
    let ask = body!({ "question": "How long is it?" });
    let (_, answer) = json(server.post("/v1/ask").json(&ask)).await;
    assert_eq!(answer.get("note"), None);

    server.store.pending.store(8, std::sync::atomic::Ordering::SeqCst);
    let (_, answer) = json(server.post("/v1/ask").json(&ask)).await;
    assert!(answer["note"].as_str().unwrap().starts_with("8 documents are still being read"), "{answer}");
    let told = events(streamed(&server)).await;
    assert_eq!(told.last().unwrap().1["note"], answer["note"]);

    server.store.pending.store(0, std::sync::atomic::Ordering::SeqCst);
    let mut source = crate::sources::full();
    source.staleness_seconds = None;
    source.paused = false;
    server.sources.kept.lock().unwrap().insert(source.settings.name.clone(), source);
    let (_, answer) = json(server.post("/v1/ask").json(&ask)).await;
    assert!(answer["note"].as_str().unwrap().starts_with("the source `a` has not been read"), "{answer}");
}
