//! Pushes in the formats people have, their places, their receipts, and what is left of them.

use reqwest::{Method, StatusCode};
use serde_json::json;
use wellspring_tests::service::{Service, Start};

/// A PDF of one line of text a page, made by hand.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let mut objects = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned()];
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    objects.push(format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()));
    objects.push("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned());
    for (page, text) in pages.iter().enumerate() {
        let content = format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * page
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
    }
    let table = file.len();
    file.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1));
    for place in places {
        file.push_str(&format!("{place:010} 00000 n \n"));
    }
    file.push_str(&format!("trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1));
    file.into_bytes()
}

#[tokio::test]
async fn a_citation_names_the_page_or_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let raw = |key: &str, content_type: &str, body: Vec<u8>| {
        service
            .request(Method::PUT, &format!("/v1/documents/{key}?wait=searchable"))
            .header("content-type", content_type.to_owned())
            .body(body)
    };
    let report = pdf(&["The first page tells of the harbour.", "The lighthouse keeper is called Ansgar."]);
    let (status, body) = service.json(raw("report", "application/pdf", report)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let table = "Boat,Seats\nHeron,80\nOtter,120\n".as_bytes().to_vec();
    let (status, body) = service.json(raw("boats", "text/csv", table)).await;
    assert_eq!(status, StatusCode::OK, "{body}");

    for (question, key, place) in [
        ("What is the lighthouse keeper called?", "report", json!({ "kind": "page", "number": 2 })),
        ("How many seats has the boat Otter?", "boats", json!({ "kind": "row", "number": 3 })),
    ] {
        let ask = service.request(Method::POST, "/v1/ask").json(&json!({ "question": question, "mode": "extract" }));
        let (status, answer) = service.json(ask).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let citation = &answer["citations"][0];
        assert_eq!((citation["document"].as_str(), &citation["place"]), (Some(key), &place), "{answer}");
        let text = service.get(&format!("/v1/documents/{key}")).await["text"].as_str().unwrap().to_owned();
        let (start, end) = (
            citation["source_span"]["start"].as_u64().unwrap() as usize,
            citation["source_span"]["end"].as_u64().unwrap() as usize,
        );
        let quoted: String = text.chars().skip(start).take(end - start).collect();
        assert_eq!(quoted, citation["quote"].as_str().unwrap());
    }
    service.stop();
}

#[tokio::test]
async fn nothing_is_left_of_a_deleted_document_and_the_receipt_says_what_went() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    service.put("kept", "The kept text is here to be counted beside.").await;
    service.put("secret", "The kennwort is abendstern.").await;
    let before = service.get("/v1/documents/secret/residue").await;
    assert!(before["total"].as_u64().unwrap() > 0, "{before}");
    assert!(before["views"].as_array().unwrap().iter().all(|view| view["chunks"] == 1), "{before}");

    let (status, receipt) = service.json(service.request(Method::DELETE, "/v1/documents/secret?wait=searchable")).await;
    assert_eq!(status, StatusCode::OK, "{receipt}");
    assert_eq!(receipt["chunks_removed"], 1, "{receipt}");
    assert_eq!(receipt["views"].as_array().map(Vec::len), Some(2), "{receipt}");
    let after = service.get("/v1/documents/secret/residue").await;
    assert_eq!(after["total"], 0, "{after}");
    assert!(after["views"].as_array().unwrap().iter().all(|view| view["chunks"] == 0), "{after}");
    assert!(service.get("/v1/documents/kept/residue").await["total"].as_u64().unwrap() > 0);
    service.stop();
}

#[tokio::test]
async fn a_repeated_request_is_answered_once_and_a_stale_edit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let keyed = || {
        service
            .request(Method::PUT, "/v1/documents/note")
            .header("idempotency-key", "once-only-1")
            .json(&json!({ "text": "the first words" }))
    };
    let (_, first) = service.json(keyed()).await;
    service.put("note", "other words").await;
    let (_, again) = service.json(keyed()).await;
    assert_eq!(again["revision"], first["revision"], "{again}");
    assert_eq!(service.get("/v1/documents/note").await["text"], "other words", "the repeat wrote nothing");

    let stale = service
        .request(Method::PUT, "/v1/documents/note?if_match=1")
        .json(&json!({ "text": "an edit of what was there before" }));
    let (status, body) = service.json(stale).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{body}");
    assert_eq!(service.get("/v1/documents/note").await["text"], "other words");
    service.stop();
}

#[tokio::test]
async fn a_failed_document_says_why_and_is_tried_again_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let broken = service
        .request(Method::PUT, "/v1/documents/broken?wait=searchable")
        .header("content-type", "application/pdf")
        .body("this is no PDF");
    let (status, body) = service.json(broken).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let listed = service.get("/v1/documents?state=failed").await;
    assert_eq!(listed["documents"][0]["key"], "broken", "{listed}");
    assert_eq!(listed["documents"][0]["stage"], "parse", "{listed}");
    let (status, body) = service.json(service.request(Method::POST, "/v1/documents/broken/retry")).await;
    assert!(status.is_success(), "{status} {body}");
    service.settle().await;
    assert_eq!(service.get("/v1/documents?state=failed").await["documents"][0]["key"], "broken");
    service.stop();
}
