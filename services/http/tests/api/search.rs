//! Finding passages, and how the service is.

use std::sync::atomic::Ordering;

use serde_json::json as body;
use wellspring_core::limits;
use wellspring_core::retriever::{SearchArms, SearchErrorKind};
use wellspring_http::Readiness;

use crate::support::{json, refusal, start};

#[tokio::test]
async fn a_search_answers_with_passages_and_how_each_arm_fared() {
    let server = start().await;
    let (status, found) = json(server.post("/v1/search").json(&body!({ "query": " how long? ", "limit": 3 }))).await;
    assert_eq!(status, 200);
    let hit = &found["hits"][0];
    assert_eq!((&hit["document"], &hit["revision"], &hit["score"]), (&body!("rivers/danube"), &body!(3), &body!(0.5)));
    assert_eq!((&hit["keyword_score"], &hit["vector_score"]), (&body!(7.25), &body!(null)));
    assert_eq!((&hit["title"], &hit["heading"]), (&body!("Danube"), &body!("Rivers")));
    assert_eq!(hit["span"], body!({ "start": 0, "end": 27, "byte_start": 0, "byte_end": 27 }));
    assert_eq!(
        (&found["arms"]["keyword"]["state"], &found["arms"]["vector"]["state"]),
        (&body!("ok"), &body!("skipped"))
    );
    assert!(found["took_ms"].as_f64().unwrap() >= 0.0);

    let (_, by_url) = json(server.get("/v1/search").query(&[("q", "河流"), ("limit", "100")])).await;
    assert_eq!(by_url["hits"], found["hits"]);
    let (_, _) = json(server.post("/v1/search").json(&body!({ "query": "x" }))).await;
    let asked = server.searcher.asked.lock().unwrap();
    let told: Vec<_> = asked.iter().map(|request| (request.query.as_str(), request.limit)).collect();
    assert_eq!(told, [("how long?", 3), ("河流", 100), ("x", limits::HITS_DEFAULT)]);
}

#[tokio::test]
async fn the_arms_that_are_named_are_asked_and_the_reasons_when_wanted() {
    let server = start().await;
    let cases = [
        (body!(["keyword"]), SearchArms::Keyword),
        (body!(["vector", "vector"]), SearchArms::Vector),
        (body!(["vector", "keyword"]), SearchArms::Both),
        (body!(null), SearchArms::Both),
    ];
    for (explain, wanted) in [(body!(true), true), (body!(false), false), (body!(null), false)] {
        let (status, _) = json(server.post("/v1/search").json(&body!({ "query": "x", "explain": explain }))).await;
        assert_eq!((status, server.searcher.asked.lock().unwrap().pop().unwrap().explain), (200, wanted));
    }
    for (named, arms) in cases {
        let (status, _) = json(server.post("/v1/search").json(&body!({ "query": "x", "arms": named }))).await;
        assert_eq!((status, server.searcher.asked.lock().unwrap().pop().unwrap().arms), (200, arms));
    }
}

#[tokio::test]
async fn a_search_that_cannot_be_is_refused() {
    let server = start().await;
    let long = "x".repeat(limits::QUERY_BYTES_MAX + 1);
    let search = |request: serde_json::Value| server.post("/v1/search").json(&request);
    let cases = [
        (search(body!({})), 422, "missing_field"),
        (search(body!({ "query": " \n" })), 422, "empty_query"),
        (search(body!({ "query": long })), 422, "query_too_long"),
        (search(body!({ "query": 1 })), 422, "invalid_field"),
        (search(body!({ "query": "x", "limit": 0 })), 422, "invalid_limit"),
        (search(body!({ "query": "x", "limit": limits::HITS_MAX + 1 })), 422, "invalid_limit"),
        (search(body!({ "query": "x", "limit": 1.5 })), 422, "invalid_limit"),
        (search(body!({ "query": "x", "limit": "10" })), 422, "invalid_limit"),
        (search(body!({ "query": "x", "collection": "../x" })), 422, "invalid_field"),
        (search(body!({ "query": "x", "arms": ["meaning"] })), 422, "invalid_field"),
        (search(body!({ "query": "x", "arms": "keyword" })), 422, "invalid_field"),
        (search(body!({ "query": "x", "explain": "yes" })), 422, "invalid_field"),
        (search(body!({ "query": "x", "top_k": 3 })), 422, "unknown_field"),
        (search(body!(["x"])), 400, "invalid_json"),
        (server.post("/v1/search"), 400, "invalid_json"),
        (server.get("/v1/search"), 422, "missing_field"),
        (server.get("/v1/search?q="), 422, "missing_field"),
        (server.get("/v1/search?query=x"), 422, "unknown_field"),
    ];
    for (place, (request, status, code)) in cases.into_iter().enumerate() {
        assert_eq!(refusal(request).await, (status, code.to_owned()), "case {place}");
    }
    assert!(server.searcher.asked.lock().unwrap().is_empty());
    let kinds = [
        (SearchErrorKind::UnknownCollection, 404, "unknown_collection"),
        (SearchErrorKind::Unavailable, 503, "search_unavailable"),
        (SearchErrorKind::Catalog, 503, "catalog_unavailable"),
    ];
    for (kind, status, code) in kinds {
        *server.searcher.failure.lock().unwrap() = Some(kind);
        assert_eq!(refusal(search(body!({ "query": "x" }))).await, (status, code.to_owned()));
    }
}

#[tokio::test]
async fn what_would_find_nothing_for_sure_is_refused() {
    let server = start().await;
    let search = |body: serde_json::Value| server.post("/v1/search").json(&body);
    for (wrong, name) in [
        (body!({ "query": "x", "arms": [] }), "`arms`"),
        (body!({ "query": "x", "arms": "keyword" }), "`arms`"),
        (body!({ "query": "x", "arms": ["keyword", 1] }), "`arms`"),
        (body!({ "query": "x", "filter": { "key": "[" } }), "`key`"),
    ] {
        let (status, answer) = json(search(wrong.clone())).await;
        assert_eq!((status, &answer["error"]["code"]), (422, &body!("invalid_field")), "{wrong}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(name), "{answer}");
    }
    assert_eq!(json(search(body!({ "query": "x", "arms": null }))).await.0, 200);
}

#[tokio::test]
async fn json_in_another_charset_is_refused_by_name() {
    let server = start().await;
    let send = |path: &str, kind: &str| {
        let body = r#"{"query": "x", "text": "x"}"#;
        server.post(path).header("content-type", kind).body(body)
    };
    for kind in
        ["application/json; charset=utf-16", "application/json;Charset=\"ISO-8859-1\"", "text/json; charset=gbk"]
    {
        let refused = refusal(send("/v1/search", kind)).await;
        assert_eq!(refused, (415, "unsupported_content_type".to_owned()), "{kind}");
    }
    for kind in [
        "application/json; charset=utf-8",
        "application/json; charset=\"UTF8\"",
        "application/json; charset=us-ascii",
        "application/json; charset=",
    ] {
        let answer = send("/v1/search", kind).send().await.unwrap().text().await.unwrap();
        assert!(!answer.contains("unsupported_content_type"), "{kind}: {answer}");
    }
    let lines =
        server.post("/v1/documents").header("content-type", "application/x-ndjson; charset=utf-16le").body("{}");
    assert_eq!(refusal(lines).await, (415, "unsupported_content_type".to_owned()));
    // A document that is JSON itself may be written in any way that JSON is read in.
    let document = server.put("/v1/documents/a?format=json").header("content-type", "application/json; charset=utf-16");
    assert_eq!(json(document.body("[1]")).await.0, 202);
}

#[tokio::test]
async fn a_panic_fails_one_request() {
    let server = start().await;
    let search = || server.post("/v1/search").json(&body!({ "query": "x" }));
    server.searcher.panic.store(true, Ordering::SeqCst);
    assert_eq!(refusal(search()).await, (500, "internal".into()));
    server.searcher.panic.store(false, Ordering::SeqCst);
    assert_eq!(json(search()).await.0, 200);
}

#[tokio::test]
async fn what_is_missing_is_told_and_writes_go_on() {
    let server = start().await;
    assert_eq!(json(server.get("/readyz")).await, (200, body!({ "ready": true, "missing": [], "impaired": [] })));
    server.readiness.send(Readiness::ready().without("keyword index", "rebuilding, 10 of 20 passages")).unwrap();
    let (status, told) = json(server.get("/readyz")).await;
    assert_eq!((status, &told["ready"], &told["missing"][0]["part"]), (503, &body!(false), &body!("keyword index")));
    let (_, refused) = json(server.post("/v1/search").json(&body!({ "query": "x" }))).await;
    assert_eq!(refused["error"]["code"], "not_ready");
    assert!(refused["error"]["message"].as_str().unwrap().contains("keyword index (rebuilding"), "{refused}");
    assert_eq!(refusal(server.post("/v1/ask").json(&body!({ "question": "x" }))).await, (503, "not_ready".into()));
    assert_eq!(json(server.put("/v1/documents/a").json(&body!({ "text": "x" }))).await.0, 202);
    let alive = server.get("/healthz").send().await.unwrap();
    assert_eq!((alive.status().as_u16(), alive.text().await.unwrap()), (200, "ok\n".into()));
    let (_, status) = json(server.get("/v1/status")).await;
    assert_eq!((&status["ready"], &status["catalog"]["documents"]), (&body!(false), &body!(1)));
    assert_eq!((&status["generator"]["state"], &status["sources"][0]["name"]), (&body!("off"), &body!("push")));
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_and_stops_no_search() {
    let server = start().await;
    server.readiness.send_modify(|readiness| readiness.impair("writes", Some("the disk is full".to_owned())));
    let (status, ready) = json(server.get("/readyz")).await;
    assert_eq!((status, &ready["ready"]), (200, &body!(true)));
    assert_eq!(ready["impaired"], body!([{ "part": "writes", "reason": "the disk is full" }]));
    assert_eq!(json(server.get("/readyz?for=writes")).await.0, 503);
    assert_eq!(refusal(server.get("/readyz?for=reads")).await, (422, "invalid_field".into()));
    assert_eq!(json(server.post("/v1/search").json(&body!({ "query": "x" }))).await.0, 200);
    assert_eq!(json(server.get("/v1/status")).await.1["impaired"][0]["part"], "writes");
    server.readiness.send_modify(|readiness| readiness.impair("writes", None));
    assert_eq!(json(server.get("/readyz?for=writes")).await.0, 200);
}

#[tokio::test]
async fn labels_that_are_empty_are_refused_and_not_taken_for_none() {
    let server = start().await;
    for empty in [body!([]), body!(""), body!([" "]), body!(["hr", ""])] {
        let search = server.post("/v1/search").json(&body!({ "query": "x", "acl": empty }));
        assert_eq!(refusal(search).await, (422, "invalid_field".into()), "{empty}");
        let ask = server.post("/v1/ask").json(&body!({ "question": "x?", "acl": empty }));
        assert_eq!(refusal(ask).await, (422, "invalid_field".into()), "{empty}");
    }
    for empty in [body!([]), body!([""])] {
        let put = server.put("/v1/documents/a").json(&body!({ "text": "x", "acl": empty }));
        assert_eq!(refusal(put).await, (422, "invalid_field".into()), "{empty}");
    }
    for query in ["acl=", "acl=,", "acl=%20"] {
        let put = server.put(&format!("/v1/documents/a?{query}")).header("content-type", "text/plain").body("x");
        assert_eq!(refusal(put).await, (422, "invalid_field".into()), "{query}");
    }
}
