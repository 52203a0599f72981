//! What a caller may demand of a write, and the forms in which documents come.

use serde_json::{Value, json as body};
use wellspring_core::document::MediaType;
use wellspring_core::limits;

use crate::store::Fate;
use crate::support::{Server, json, refusal, start};

fn put(server: &Server, text: &str) -> reqwest::RequestBuilder {
    server.put("/v1/documents/a").json(&body!({ "text": text }))
}

#[tokio::test]
async fn a_write_may_be_meant_for_one_revision() {
    let server = start().await;
    assert_eq!(refusal(put(&server, "0").header("if-match", "*")).await, (412, "revision_mismatch".into()));
    assert_eq!(json(put(&server, "1").header("if-none-match", "*")).await.0, 202);
    let response = server.get("/v1/documents/a").send().await.unwrap();
    assert_eq!(response.headers()["etag"], "\"1\"");
    let response = put(&server, "2").header("if-match", "\"1\"").send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["etag"]), (202, &"\"2\"".parse().unwrap()));

    let late = put(&server, "3").header("if-match", "\"1\"").send().await.unwrap();
    assert_eq!((late.status().as_u16(), &late.headers()["etag"]), (412, &"\"2\"".parse().unwrap()));
    let late: Value = late.json().await.unwrap();
    assert_eq!(late["error"]["code"], "revision_mismatch");
    assert!(late["error"]["message"].as_str().unwrap().contains("revision 2"), "{late}");
    assert_eq!(refusal(put(&server, "3").header("if-none-match", "*")).await.0, 412);
    assert_eq!(refusal(server.delete("/v1/documents/a?if_match=1")).await.0, 412);
    assert_eq!(server.store.draft("a").unwrap().content, b"2");
    assert_eq!(json(server.delete("/v1/documents/a?if_match=2")).await.0, 200);
    assert_eq!(refusal(server.delete("/v1/documents/a?if_match=2")).await, (412, "revision_mismatch".into()));
    assert_eq!(refusal(server.delete("/v1/documents/a?if_match=two")).await, (422, "invalid_field".into()));
}

#[tokio::test]
async fn a_request_that_is_sent_twice_is_written_once() {
    let server = start().await;
    let first = put(&server, "1").header("idempotency-key", "k1");
    let (status, first) = json(first).await;
    assert_eq!((status, &first["outcome"]), (202, &body!("created")));
    assert_eq!(json(put(&server, "2")).await.1["revision"], 2);
    // However it is spelt, it is the same request.
    let again = server.put("/v1/documents/a").header("content-type", "application/json");
    let again = again.header("idempotency-key", "k1").body("{\n  \"text\": \"1\" }").send().await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    let again: Value = again.json().await.unwrap();
    assert_eq!((&again["outcome"], &again["revision"]), (&body!("created"), &body!(1)));
    assert_eq!(again["state"], "superseded", "what it created is there no more");
    assert_eq!(server.store.draft("a").unwrap().content, b"2");

    let reused = (422, "idempotency_key_reused".to_owned());
    assert_eq!(refusal(put(&server, "3").header("idempotency-key", "k1")).await, reused);
    assert_eq!(refusal(server.delete("/v1/documents/a").header("idempotency-key", "k1")).await, reused);
    assert_eq!(refusal(put(&server, "3").header("idempotency-key", "a b")).await, (422, "invalid_field".into()));
    // What was refused may be tried again under its key.
    let condition = |text: &str| put(&server, text).header("idempotency-key", "k2").header("if-match", "9");
    assert_eq!(refusal(condition("9")).await.0, 412);
    assert_eq!(json(put(&server, "9").header("idempotency-key", "k2")).await.0, 202);
    let stream = server.post("/v1/documents").header("content-type", "application/x-ndjson");
    assert_eq!(refusal(stream.header("idempotency-key", "k3").body("{}")).await, (422, "invalid_field".into()));
}

#[tokio::test]
async fn a_raw_body_says_its_format_and_what_is_said_about_it() {
    let server = start().await;
    let query = [
        ("title", "Q3"),
        ("url", "https://example.org/q3"),
        ("published_at", "2026-11-05"),
        ("language", "en"),
        ("tags", "finance, q3"),
        ("metadata", "{\"year\": 2026}"),
    ];
    let request = server.put("/v1/documents/reports/q3").query(&query).header("content-type", "application/pdf");
    assert_eq!(json(request.body("%PDF-1.7")).await.0, 202);
    let draft = server.store.draft("reports/q3").unwrap();
    assert_eq!((draft.media_type, draft.content.as_slice()), (MediaType::Pdf, &b"%PDF-1.7"[..]));
    assert_eq!(draft.attributes.tags, ["finance", "q3"]);
    assert_eq!((draft.attributes.title.as_deref(), draft.attributes.language.as_deref()), (Some("Q3"), Some("en")));
    assert_eq!(draft.attributes.metadata["year"], 2026);

    let cases: [(&str, &str, &str, MediaType); 6] = [
        ("a?format=json", "application/json", "", MediaType::Json),
        ("a?filename=table.csv", "application/octet-stream", "", MediaType::Csv),
        ("a", "application/octet-stream", "attachment; filename=\"book.epub\"", MediaType::Epub),
        ("mail/1.eml", "application/x-www-form-urlencoded", "", MediaType::Email),
        ("a", "application/x-ndjson", "", MediaType::JsonLines),
        ("a", "text/x-rust", "", MediaType::Code),
    ];
    for (path, content_type, disposition, media_type) in cases {
        let request = server.put(&format!("/v1/documents/{path}")).header("content-type", content_type);
        let request = request.header("content-disposition", disposition).body(format!("[\"{content_type}\"]"));
        assert_eq!(json(request).await.0, 202, "{path} {content_type}");
        assert_eq!(server.store.draft(path.split('?').next().unwrap()).unwrap().media_type, media_type, "{path}");
    }
    let beside = server.put("/v1/documents/a?tags=x").json(&body!({ "text": "y" }));
    assert_eq!(refusal(beside).await, (422, "invalid_field".into()));
    let wrong = server.put("/v1/documents/a?metadata=1").header("content-type", "text/plain").body("y");
    assert_eq!(refusal(wrong).await, (422, "invalid_field".into()));
}

/// A form with parts of a name, a file name, a content type and a content.
fn form(parts: &[(&str, Option<&str>, &str, &str)]) -> String {
    let mut form = String::new();
    for (name, file, content_type, content) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        form.push_str(&format!(
            "--border\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\ncontent-type: {content_type}\r\n\r\n{content}\r\n"
        ));
    }
    form + "--border--\r\n"
}

fn upload(server: &Server, path: &str, form: String) -> reqwest::RequestBuilder {
    server.post(path).header("content-type", "multipart/form-data; boundary=border").body(form)
}

#[tokio::test]
async fn the_files_of_a_form_are_documents() {
    let server = start().await;
    server.store.plant("in/owned.md", "x", "folder-notes");
    let sent = form(&[
        ("file", Some("a.md"), "application/octet-stream", "# Hi"),
        ("b/table", Some("x.csv"), "text/plain", "a,b"),
        ("note", None, "text/plain", "no file"),
        ("file", Some("a.exe"), "application/octet-stream", "MZ"),
        ("file", Some("owned.md"), "text/markdown", "y"),
        ("file", Some("a.md"), "text/markdown", "# Hi"),
    ]);
    let (status, answer) = json(upload(&server, "/v1/documents?prefix=in/&tags=x,y", sent.clone())).await;
    assert_eq!(status, 200, "{answer}");
    let told = |answer: &Value| {
        let results = answer["results"].as_array().unwrap().iter();
        let what = |result: &Value| result["outcome"].as_str().or(result["error"]["code"].as_str()).unwrap().to_owned();
        results
            .map(|result| {
                (result["part"].as_u64().unwrap(), result["key"].as_str().unwrap_or("-").to_owned(), what(result))
            })
            .collect::<Vec<_>>()
    };
    let expected = [
        (1, "in/a.md", "created"),
        (2, "in/b/table", "created"),
        (3, "-", "invalid_content"),
        (4, "in/a.exe", "unsupported_format"),
        (5, "in/owned.md", "owned_by_source"),
        (6, "in/a.md", "unchanged"),
    ]
    .map(|(part, key, what)| (part, key.to_owned(), what.to_owned()));
    assert_eq!(told(&answer), expected);
    assert_eq!([&answer["accepted"], &answer["unchanged"], &answer["failed"]], [&body!(2), &body!(1), &body!(3)]);
    assert_eq!(server.store.batches.lock().unwrap().as_slice(), [4], "one transaction");
    let table = server.store.draft("in/b/table").unwrap();
    assert_eq!((table.media_type, table.attributes.tags), (MediaType::Csv, vec!["x".to_owned(), "y".to_owned()]));

    *server.store.fate.lock().unwrap() = Fate::Failed;
    let keyed = || upload(&server, "/v1/documents?wait=searchable", form(&[("c", Some("c.md"), "text/markdown", "c")]));
    let (status, failed) = json(keyed().header("idempotency-key", "k")).await;
    let result = &failed["results"][0];
    assert_eq!(
        (status, &result["state"], &result["error"]["code"]),
        (200, &body!("failed"), &body!("document_failed"))
    );
    let again = keyed().header("idempotency-key", "k").send().await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
}

#[tokio::test]
async fn i7_a_form_is_bounded_in_files_and_bytes() {
    let server = start().await;
    let many: Vec<String> = (0..=limits::UPLOAD_FILES_MAX).map(|number| format!("{number}.md")).collect();
    let many: Vec<_> = many.iter().map(|name| ("file", Some(name.as_str()), "text/markdown", "x")).collect();
    assert_eq!(refusal(upload(&server, "/v1/documents", form(&many))).await, (413, "body_too_large".into()));
    let large = "x".repeat(limits::DOCUMENT_BYTES_MAX + 1);
    let sent = form(&[("file", Some("a.md"), "text/markdown", &large), ("file", Some("b.md"), "text/markdown", "b")]);
    let (status, answer) = json(upload(&server, "/v1/documents", sent)).await;
    assert_eq!((status, &answer["accepted"], &answer["failed"]), (200, &body!(1), &body!(1)));
    assert_eq!(answer["results"][0]["error"]["code"], "document_too_large");
    let broken = upload(&server, "/v1/documents", "--border\r\nno end".into());
    assert_eq!(refusal(broken).await, (400, "invalid_body".into()));
    assert_eq!(refusal(upload(&server, "/v1/documents", "--border--\r\n".into())).await, (422, "missing_field".into()));
    let borderless = server.post("/v1/documents").header("content-type", "multipart/form-data").body("x");
    assert_eq!(refusal(borderless).await, (400, "invalid_body".into()));
}

#[tokio::test]
async fn a_deletion_that_is_waited_for_says_what_it_removed_and_nothing_is_left() {
    let server = start().await;
    assert_eq!(json(put(&server, "1")).await.0, 202);
    let (status, residue) = json(server.get("/v1/documents/a/residue")).await;
    assert_eq!((status, &residue["total"], &residue["catalog"]["revisions"]), (200, &body!(4), &body!(1)));
    assert_eq!(residue["views"][1], body!({ "name": "keyword", "chunks": 1, "checkpoint": 7 }));

    let (status, receipt) = json(server.delete("/v1/documents/a?wait=searchable")).await;
    assert_eq!((status, &receipt["chunks_removed"]), (200, &body!(3)));
    assert_eq!((&receipt["outcome"], &receipt["state"]), (&body!("deleted"), &body!("deleted")));
    let views = body!([{ "name": "vector", "checkpoint": 7 }, { "name": "keyword", "checkpoint": 7 }]);
    assert_eq!(receipt["views"], views);
    let (status, residue) = json(server.get("/v1/documents/a/residue")).await;
    assert_eq!((status, &residue["total"]), (200, &body!(0)));
    assert_eq!(refusal(server.get("/v1/documents/a/residue?collection=other")).await.0, 404);

    // A key that ends so is still a key.
    assert_eq!(json(server.put("/v1/documents/b/residue").json(&body!({ "text": "x" }))).await.0, 202);
    assert_eq!(json(server.get("/v1/documents/b%2Fresidue")).await.1["text"], "x");
    assert_eq!(json(server.get("/v1/documents/b/residue/residue")).await.1["total"], 4);
}
