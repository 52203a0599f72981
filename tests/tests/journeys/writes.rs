//! Push, edit, delete: what was written is found by the very next search, what was deleted by none.

use reqwest::{Method, StatusCode};
use serde_json::json;
use wellspring_core::limits;
use wellspring_tests::service::{Service, Start, children, kill};

#[tokio::test]
async fn i2_a_write_is_found_by_the_next_search_and_an_edit_replaces_it_whole() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let receipt = service.put("notes/boiler.md", "# Boiler\n\nThe valve is called quarzwinkel.\n").await;
    assert_eq!(receipt["revision"], 1, "{receipt}");
    assert_eq!(service.holders("quarzwinkel").await, ["notes/boiler.md"]);

    service.put("notes/boiler.md", "# Boiler\n\nThe valve is called nebelhorn.\n").await;
    assert_eq!(service.holders("nebelhorn").await, ["notes/boiler.md"]);
    assert!(service.holders("quarzwinkel").await.is_empty());

    let hit = &service.search("nebelhorn").await[0];
    let document = service.get(&format!("/v1/documents/notes/boiler.md?revision={}", hit["revision"])).await;
    let text: Vec<char> = document["text"].as_str().unwrap().chars().collect();
    let (start, end) = (hit["span"]["start"].as_u64().unwrap() as usize, hit["span"]["end"].as_u64().unwrap() as usize);
    assert_eq!(text[start..end].iter().collect::<String>(), hit["text"].as_str().unwrap());
    service.stop();
}

#[tokio::test]
async fn i4_a_deletion_is_invisible_from_its_acknowledgement_on_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    for round in 0..5 {
        service.put("secret.txt", &format!("The code is wolkenbruch{round}.")).await;
        assert_eq!(service.holders(&format!("wolkenbruch{round}")).await.len(), 1);
        service.delete("secret.txt").await;
        assert!(service.holders(&format!("wolkenbruch{round}")).await.is_empty());
        assert_eq!(service.status_of("/v1/documents/secret.txt").await, StatusCode::NOT_FOUND);
    }
    service.settle().await;
    assert_eq!(service.number("/catalog/chunks").await, 0);
    assert_eq!(service.number("/catalog/vectors").await, 0, "no vector of a deleted text remains");
    service.kill();
    let service = Service::start(folder.path(), &Start::default()).await;
    assert!(service.holders("wolkenbruch4").await.is_empty());
    service.stop();
}

#[tokio::test]
async fn i9_unchanged_text_costs_nothing_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let text = "The lighthouse keeper counts the ships that pass before the storm.";
    service.put("a.txt", text).await;
    let embedded = service.number("/catalog/chunks_embedded").await;
    let again = service.put("a.txt", text).await;
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(again["revision"], 1);
    service.put("b.txt", text).await;
    service.delete("a.txt").await;
    service.put("c.txt", text).await;
    service.settle().await;
    assert_eq!(service.number("/catalog/chunks_embedded").await, embedded, "the text was embedded once");
    assert_eq!(service.holders("lighthouse").await.len(), 2);
    service.stop();
}

#[tokio::test]
async fn json_lines_are_answered_line_by_line_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let body = concat!(
        "{\"id\": \"one\", \"title\": \"First\", \"text\": \"alpha ankerplatz\"}\n",
        "this is no JSON\n",
        "{\"key\": \"two\", \"text\": \"beta ankerplatz\"}\n",
        "{\"text\": \"no key\"}\n",
    );
    let request = service
        .request(Method::POST, "/v1/documents?wait=searchable")
        .header("content-type", "application/x-ndjson")
        .body(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!((&lines[0]["key"], &lines[0]["outcome"]), (&json!("one"), &json!("created")));
    assert!(lines[1]["error"]["code"].is_string());
    assert_eq!(lines[2]["key"], "two");
    assert_eq!(lines[3]["error"]["code"], "missing_key");
    assert_eq!(lines[4]["done"], true);
    let mut holders = service.holders("ankerplatz").await;
    holders.sort();
    assert_eq!(holders, ["one", "two"]);
    service.stop();
}

#[tokio::test]
async fn i7_what_is_too_much_is_refused_with_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let long = "x".repeat(limits::QUERY_BYTES_MAX + 1);
    let cases = [
        (service.request(Method::POST, "/v1/search").json(&json!({ "query": long })), "the query"),
        (service.request(Method::POST, "/v1/ask").json(&json!({ "question": long })), "the question"),
        (
            service.request(Method::POST, "/v1/search").json(&json!({ "query": "a", "limit": limits::HITS_MAX + 1 })),
            "the limit",
        ),
        (service.request(Method::GET, "/v1/documents?limit=1000000"), "the page"),
        (
            service
                .request(Method::PUT, "/v1/documents/big")
                .body(vec![b'a'; limits::DOCUMENT_BYTES_MAX + 1])
                .header("content-type", "text/plain"),
            "the document",
        ),
        (
            service
                .request(Method::PUT, &format!("/v1/documents/{}", "k".repeat(limits::KEY_BYTES_MAX + 1)))
                .json(&json!({ "text": "a" })),
            "the key",
        ),
    ];
    for (request, what) in cases {
        let (status, body) = service.json(request).await;
        assert!(status.is_client_error(), "{what}: {status} {body}");
        for field in ["code", "message", "hint"] {
            assert!(body["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{what}: {body}");
        }
    }
    service.stop();
}

#[tokio::test]
async fn i8_a_killed_parser_takes_nothing_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path(), &Start::default()).await;
    service.expect_log("parse");
    service.put("before.txt", "wegwarte before").await;
    for round in 0..10 {
        for worker in children(service.pid(), "parse-worker") {
            kill(worker);
        }
        service.put(&format!("after{round}.txt"), "wegwarte after").await;
    }
    assert_eq!(service.holders("wegwarte").await.len(), 11);
    service.stop();
}

#[tokio::test]
async fn documents_that_cannot_be_read_end_in_a_recorded_state() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let request = service
        .request(Method::PUT, "/v1/documents/binary.txt?wait=searchable")
        .header("content-type", "text/plain")
        .body(vec![0u8, 159, 146, 150, 0, 1, 2, 3]);
    let (status, body) = service.json(request).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let failed = service.get("/v1/documents?state=failed").await;
    assert_eq!(failed["documents"][0]["key"], "binary.txt", "{failed}");
    assert!(failed["documents"][0]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{failed}");
    service.put("fine.txt", "the others go on").await;
    service.stop();
}

#[tokio::test]
async fn chinese_is_found_by_a_word_and_english_by_another_inflection() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    service.put("zh.txt", "渡轮公司成立于一九二四年，总部设在河口镇。冬季的末班船在晚上六点离开码头。").await;
    service.put("zh2.txt", "面包店每天早上五点开门，最有名的是黑麦面包。").await;
    service.put("en.txt", "The inspectors were measuring the harbours.").await;
    let first = |hits: Vec<serde_json::Value>| hits[0]["document"].as_str().unwrap().to_owned();
    assert_eq!(first(service.search("末班船什么时候离开？").await), "zh.txt");
    assert_eq!(first(service.search("黑麦面包").await), "zh2.txt");
    assert_eq!(first(service.search("measure a harbour").await), "en.txt");
    service.stop();
}
