//! Writing, reading, listing and deleting one document at a time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json as body;
use wellspring_core::document::MediaType;
use wellspring_core::limits;
use wellspring_http::HttpSettings;

use crate::store::Fate;
use crate::support::{json, refusal, start, start_with};

#[tokio::test]
async fn a_document_is_written_read_updated_and_deleted() {
    let server = start().await;
    let document = body!({ "title": "Danube", "text": "long", "tags": ["river"], "metadata": { "km": 2850 } });
    let (status, receipt) = json(server.put("/v1/documents/rivers/danube").json(&document)).await;
    assert_eq!((status, &receipt["outcome"], &receipt["state"]), (202, &body!("created"), &body!("received")));
    assert_eq!(
        (&receipt["key"], &receipt["revision"], &receipt["sequence"]),
        (&body!("rivers/danube"), &body!(1), &body!(1))
    );

    let (status, receipt) = json(server.put("/v1/documents/rivers/danube").json(&document)).await;
    assert_eq!((status, &receipt["outcome"], &receipt["state"]), (200, &body!("unchanged"), &body!("searchable")));

    let longer = body!({ "key": "rivers/danube", "text": "longer" });
    let (status, receipt) = json(server.post("/v1/documents?wait=searchable").json(&longer)).await;
    assert_eq!((status, &receipt["outcome"], &receipt["state"]), (200, &body!("updated"), &body!("searchable")));

    let (status, read) = json(server.get("/v1/documents/rivers/danube")).await;
    assert_eq!((status, &read["text"], &read["text_revision"]), (200, &body!("longer"), &body!(2)));
    assert_eq!(
        (&read["key"], &read["state"], &read["source"]),
        (&body!("rivers/danube"), &body!("searchable"), &body!("push"))
    );
    let (_, read) = json(server.get("/v1/documents/rivers/danube?revision=2")).await;
    assert_eq!(read["text"], "longer");

    let (status, receipt) = json(server.delete("/v1/documents/rivers/danube")).await;
    assert_eq!((status, &receipt["outcome"], &receipt["revision"]), (200, &body!("deleted"), &body!(3)));
    let gone = (404, "unknown_document".to_owned());
    assert_eq!(refusal(server.get("/v1/documents/rivers/danube")).await, gone);
    assert_eq!(refusal(server.delete("/v1/documents/rivers/danube?wait=searchable")).await, gone);
}

#[tokio::test]
async fn a_key_is_taken_as_it_is_or_refused() {
    let server = start().await;
    assert_eq!(json(server.put("/v1/documents/col").json(&body!({ "text": "x" }))).await.0, 202);
    for key in ["col%C2%85", "%20col%20", "col%20", "%E2%80%8B", "%0Acol"] {
        let path = format!("/v1/documents/{key}");
        assert_eq!(
            refusal(server.put(&path).json(&body!({ "text": "y" }))).await,
            (422, "invalid_key".into()),
            "{key}"
        );
        assert_eq!(refusal(server.delete(&path)).await, (422, "invalid_key".into()), "{key}");
    }
}

#[tokio::test]
async fn a_document_named_like_an_action_is_read_all_the_same() {
    let server = start().await;
    let read = || json(server.get("/v1/documents/a/residue"));
    assert_eq!(read().await.1["key"], "a", "the residue of another one");
    assert_eq!(json(server.put("/v1/documents/a%2Fresidue").json(&body!({ "text": "mine" }))).await.0, 202);
    let (status, found) = read().await;
    assert_eq!((status, &found["key"], &found["text"]), (200, &body!("a/residue"), &body!("mine")));
}

#[tokio::test]
async fn a_document_may_be_sent_as_it_is() {
    let server = start().await;
    let formats = [
        ("text/plain; charset=utf-8", MediaType::Text),
        ("text/markdown", MediaType::Markdown),
        ("TEXT/HTML", MediaType::Html),
    ];
    for (content_type, media_type) in formats {
        let request = server.put("/v1/documents/a?title=A%20title").header("content-type", content_type).body("# Hi");
        assert!(json(request).await.0 < 300);
        let draft = server.store.draft("a").unwrap();
        assert_eq!((draft.media_type, draft.content.as_slice()), (media_type, &b"# Hi"[..]));
        assert_eq!(draft.attributes.title.as_deref(), Some("A title"));
    }
}

#[tokio::test]
async fn keys_may_hold_slashes_percent_signs_and_any_script() {
    let server = start().await;
    let keys = [
        ("a/b/c.md", "a/b/c.md"),
        ("%2Fhome%2Fnotes.md", "/home/notes.md"),
        ("/leading", "/leading"),
        ("100%25", "100%"),
        ("%E6%B2%B3/%E6%B5%81%20x", "河/流 x"),
        ("a%3Fb%23c", "a?b#c"),
        ("https%3A%2F%2Fexample.org%2Fa%3Fb", "https://example.org/a?b"),
    ];
    for (path, key) in keys {
        let (status, receipt) = json(server.put(&format!("/v1/documents/{path}")).json(&body!({ "text": key }))).await;
        assert_eq!((status, receipt["key"].as_str()), (202, Some(key)), "{path}");
        let (_, read) = json(server.get(&format!("/v1/documents/{path}"))).await;
        assert_eq!(read["text"], key);
        assert_eq!(json(server.delete(&format!("/v1/documents/{path}"))).await.0, 200);
    }
    let put = |path: &str| server.put(&format!("/v1/documents/{path}")).json(&body!({ "text": "x" }));
    assert_eq!(refusal(put("a%0Ab")).await, (422, "invalid_key".into()));
    assert_eq!(refusal(put("%20")).await, (422, "invalid_key".into()));
    assert_eq!(refusal(put("%FF")).await, (400, "invalid_url".into()));
    assert_eq!(refusal(put(&"x".repeat(limits::KEY_BYTES_MAX + 1))).await, (422, "invalid_key".into()));
    assert_eq!(refusal(put("")).await, (404, "unknown_route".into()));
}

#[tokio::test]
async fn a_wait_ends_with_what_became_of_the_document() {
    let settings = HttpSettings { searchable_wait_max: Duration::from_millis(50), ..HttpSettings::default() };
    let server = start_with(settings, None).await;
    let put = |text: &str| server.put("/v1/documents/a?wait=searchable").json(&body!({ "text": text }));
    let set = |fate| *server.store.fate.lock().unwrap() = fate;
    set(Fate::Pending);
    let (status, receipt) = json(put("1")).await;
    assert_eq!((status, &receipt["state"]), (202, &body!("received")));
    let (status, receipt) = json(put("1")).await;
    assert_eq!((status, &receipt["outcome"], &receipt["state"]), (202, &body!("unchanged"), &body!("received")));
    set(Fate::Failed);
    assert_eq!(refusal(put("2")).await, (422, "document_failed".into()));
    let (_, failed) = json(put("3")).await;
    assert!(failed["error"]["message"].as_str().unwrap().ends_with("(parse): no text"), "{failed}");
    set(Fate::Quarantined);
    assert_eq!(refusal(put("4")).await, (422, "document_quarantined".into()));
    let (_, quarantined) = json(server.get("/v1/documents/a")).await;
    assert_eq!((&quarantined["state"], quarantined["reason"].is_string()), (&body!("quarantined"), true));
    set(Fate::Skipped);
    assert_eq!(refusal(put("5")).await, (422, "document_skipped".into()));
    let (_, skipped) = json(server.get("/v1/documents/a")).await;
    assert_eq!((&skipped["state"], &skipped["reason"]), (&body!("skipped"), &body!("it says the same as `b`")));
    assert_eq!(json(server.get("/v1/documents?state=skipped")).await.0, 200);
    set(Fate::Published);
    assert_eq!(json(put("6")).await.0, 200);
    set(Fate::Pending);
    assert_eq!(json(server.delete("/v1/documents/a?wait=searchable")).await.0, 202);
}

#[tokio::test]
async fn another_sources_document_is_left_alone() {
    let server = start().await;
    server.store.plant("notes.md", "x", "folder-notes");
    let owned = (409, "owned_by_source".to_owned());
    assert_eq!(refusal(server.delete("/v1/documents/notes.md")).await, owned);
    assert_eq!(refusal(server.put("/v1/documents/notes.md").json(&body!({ "text": "y" }))).await, owned);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_code() {
    let server = start().await;
    let put = |path: &str| server.put(&format!("/v1/documents/{path}"));
    let ok = body!({ "text": "secret words" });
    let cases = [
        (put("a").json(&body!({ "txet": "x" })), 422, "unknown_field"),
        (put("a").json(&body!({ "key": "b", "text": "x" })), 422, "key_mismatch"),
        (put("a").json(&body!({ "title": "x" })), 422, "invalid_content"),
        (put("a").json(&body!({ "text": ["secret words"] })), 422, "invalid_field"),
        (put("a").header("content-type", "application/json").body("{\"text\": \"secret words"), 400, "invalid_json"),
        (put("a").body("x"), 415, "unsupported_content_type"),
        (put("a").header("content-type", "image/png").body("x"), 415, "unsupported_content_type"),
        (put("a?wait=published").json(&ok), 422, "invalid_field"),
        (put("a?wiat=searchable").json(&ok), 422, "unknown_field"),
        (put("a?collection=Other").json(&ok), 422, "invalid_field"),
        (put("a?collection=other").json(&ok), 404, "unknown_collection"),
        (server.post("/v1/documents").json(&ok), 422, "missing_key"),
        (server.post("/v1/documents").body("x"), 415, "unsupported_content_type"),
        (server.get("/v1/documents/a"), 404, "unknown_document"),
        (server.get("/v1/documents/a?revision=x"), 422, "invalid_field"),
        (server.get("/v1/documents?limit=0"), 422, "invalid_limit"),
        (server.get("/v1/documents?limit=1001"), 422, "invalid_limit"),
        (server.get("/v1/documents?state=gone"), 422, "invalid_field"),
        (server.get("/v1/documents?source=A%20B"), 422, "invalid_field"),
        (server.get("/v1/nothing"), 404, "unknown_route"),
        (server.get("/"), 404, "unknown_route"),
        (server.post("/v1/documents/a"), 405, "method_not_allowed"),
        (server.put("/v1/search"), 405, "method_not_allowed"),
    ];
    for (place, (request, status, code)) in cases.into_iter().enumerate() {
        let response = request.send().await.unwrap();
        let (got, text) = (response.status().as_u16(), response.text().await.unwrap());
        assert_eq!(got, status, "case {place}: {text}");
        assert!(text.contains(&format!("\"code\":\"{code}\"")), "case {place}: {text}");
        assert!(!text.contains("secret"), "case {place}: {text}");
    }
    assert!(server.store.draft("a").is_none());
    let put = server.put("/v1/documents/a").json(&body!({ "text": "x" }));
    assert_eq!(json(put).await.0, 202);
    assert_eq!(refusal(server.get("/v1/documents/a?revision=7")).await, (404, "unknown_revision".into()));
    server.store.broken.store(true, Ordering::SeqCst);
    assert_eq!(refusal(server.get("/v1/documents/a")).await, (503, "catalog_unavailable".into()));
}

#[tokio::test]
async fn a_listing_goes_page_by_page() {
    let server = start().await;
    for key in ["c", "a", "b/河"] {
        assert_eq!(json(server.post("/v1/documents").json(&body!({ "id": key, "text": key }))).await.0, 202);
    }
    server.store.plant("d", "d", "folder-notes");
    let keys = |page: &serde_json::Value| {
        let documents = page["documents"].as_array().unwrap().iter();
        documents.map(|document| document["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, first) = json(server.get("/v1/documents?limit=2")).await;
    assert_eq!((keys(&first), first["next"].as_str()), (vec!["a".into(), "b/河".into()], Some("b/河")));
    let (_, second) = json(server.get("/v1/documents").query(&[("after", "b/河")])).await;
    assert_eq!((keys(&second), second["next"].is_null()), (vec!["c".into(), "d".into()], true));
    let (_, folder) = json(server.get("/v1/documents?source=folder-notes&state=searchable")).await;
    assert_eq!(keys(&folder), ["d"]);
}

#[tokio::test]
async fn i7_a_body_over_its_limit_is_refused_whole_or_in_pieces() {
    let server = start().await;
    let large = vec![b'x'; limits::DOCUMENT_BYTES_MAX + 1];
    let request = || server.put("/v1/documents/a").header("content-type", "text/plain");
    assert_eq!(refusal(request().body(large.clone())).await, (413, "document_too_large".into()));
    let pieces: Vec<_> = large.chunks(1 << 20).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let pieces = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    assert_eq!(refusal(request().body(pieces)).await, (413, "document_too_large".into()));
    let document = body!({ "text": String::from_utf8(large).unwrap() });
    assert_eq!(refusal(server.put("/v1/documents/a").json(&document)).await, (413, "document_too_large".into()));
    let query = body!({ "query": "x".repeat(limits::REQUEST_BODY_BYTES_MAX) });
    assert_eq!(refusal(server.post("/v1/search").json(&query)).await, (413, "body_too_large".into()));
}
