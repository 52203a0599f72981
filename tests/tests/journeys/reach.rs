//! Which documents a search and a question reach: filters, access labels, age, repetitions, what stands around.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wellspring_tests::service::{Service, Start};

const REPORT: &str =
    "The harbour board met in the old customs house and decided about the new crane for the north quay.";

async fn library() -> (tempfile::TempDir, Service) {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let documents = [
        (
            "minutes/2020.md",
            json!({ "text": REPORT, "published_at": "2020-03-01", "tags": ["board"], "language": "en-GB",
            "metadata": { "year": 2020, "state": "closed" } }),
        ),
        (
            "minutes/2026.md",
            json!({ "text": "The harbour board met at the pilot station; the crane for the north quay is paid.",
            "published_at": "2026-10-01", "tags": ["board", "money"], "metadata": { "year": 2026, "state": "open" } }),
        ),
        (
            "minutes/secret.md",
            json!({ "text": "The harbour board will sell the crane of the north quay to a friend.",
            "acl": ["board-members"] }),
        ),
        ("copy.txt", json!({ "text": REPORT.to_uppercase() })),
    ];
    for (key, document) in documents {
        let path = format!("/v1/documents/{key}?wait=searchable");
        let (status, body) = service.json(service.request(Method::PUT, &path).json(&document)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    (folder, service)
}

async fn found(service: &Service, more: Value) -> Vec<String> {
    let mut body = json!({ "query": "harbour board crane north quay" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, results) = service.json(service.request(Method::POST, "/v1/search").json(&body)).await;
    assert_eq!(status, StatusCode::OK, "{results}");
    let mut keys: Vec<String> =
        results["hits"].as_array().unwrap().iter().map(|hit| hit["document"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn filters_and_labels_decide_what_is_found_and_answered() {
    let (_folder, service) = library().await;
    let (old, new, secret, copy) = ("minutes/2020.md", "minutes/2026.md", "minutes/secret.md", "copy.txt");
    for (more, expected) in [
        (json!({}), vec![copy, old, new]),
        (json!({ "acl": ["board-members"] }), vec![copy, old, new, secret]),
        (json!({ "filter": { "key": "minutes/*" } }), vec![old, new]),
        (json!({ "filter": { "tags": "money" } }), vec![new]),
        (json!({ "filter": { "language": "en" } }), vec![old]),
        (json!({ "filter": { "source": "push", "published": { "before": "2021-01-01" } } }), vec![old]),
        (json!({ "filter": { "metadata": { "year": { "gte": 2021 } } } }), vec![new]),
        (json!({ "filter": { "metadata": { "state": ["open", "closed"] } } }), vec![old, new]),
        (
            json!({ "filter": { "metadata": { "year": { "exists": false } } }, "acl": ["board-members"] }),
            vec![copy, secret],
        ),
        (json!({ "filter": { "modified": { "before": "2000-01-01" } } }), vec![]),
    ] {
        assert_eq!(found(&service, more.clone()).await, expected, "{more}");
    }
    let bad = json!({ "query": "x", "filter": { "metadata": { "year": { "around": 3 } } } });
    let (status, _) = service.json(service.request(Method::POST, "/v1/search").json(&bad)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);

    let ask = |acl: Value| {
        let question =
            json!({ "question": "Who will buy the crane of the harbour board?", "mode": "extract", "acl": acl });
        service.request(Method::POST, "/v1/ask").json(&question)
    };
    let (_, without) = service.json(ask(Value::Null)).await;
    assert!(!without.to_string().contains("friend"), "{without}");
    let (_, with) = service.json(ask(json!(["board-members"]))).await;
    assert!(with["answer"].as_str().unwrap().contains("friend"), "{with}");
    let (code, stdout, _) =
        service.command(&["search", "--tag", "money", "--key", "minutes/*", "harbour crane", "--json"]);
    let results: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, results["hits"].as_array().map(Vec::len)), (0, Some(1)), "{stdout}");
    service.stop();
}

#[tokio::test]
async fn age_repetitions_and_neighbours_come_when_they_are_asked_for() {
    let (_folder, service) = library().await;
    let search = async |more: Value| {
        let mut body = json!({ "query": "harbour board crane north quay", "explain": true });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service.json(service.request(Method::POST, "/v1/search").json(&body)).await.1
    };
    let aged = search(json!({ "half_life_days": 30 })).await;
    for hit in aged["hits"].as_array().unwrap() {
        let factor = hit["explain"]["recency"].as_f64().unwrap();
        let old = hit["document"] == "minutes/2020.md";
        assert_eq!(factor < 0.71, old, "{hit}");
    }
    let collapsed = search(json!({ "collapse": true })).await;
    let with_copy: Vec<&Value> =
        collapsed["hits"].as_array().unwrap().iter().filter(|hit| hit.get("duplicates").is_some()).collect();
    assert_eq!((collapsed["hits"].as_array().unwrap().len(), with_copy.len()), (2, 1), "{collapsed}");

    let sections: String = (1..7)
        .map(|n| {
            format!("## Part {n}\n\nThe lighthouse log tells of storm number {n} and its damage. ").repeat(1)
                + &"Every lamp, every rope and every boat was counted after it, and the list was read aloud. "
                    .repeat(12)
                + "\n\n"
        })
        .collect();
    let path = "/v1/documents/log.md?wait=searchable";
    let sent = service.request(Method::PUT, path).header("content-type", "text/markdown").body(sections);
    assert_eq!(service.json(sent).await.0, StatusCode::OK);
    let body = json!({ "query": "storm number 3", "limit": 1, "expand": 1 });
    let (_, results) = service.json(service.request(Method::POST, "/v1/search").json(&body)).await;
    let around = &results["hits"][0]["neighbours"];
    assert_eq!(
        (around["before"].as_array().map(Vec::len), around["behind"].as_array().map(Vec::len)),
        (Some(1), Some(1))
    );
    let body = json!({ "query": "lighthouse log storm lamp rope boat", "per_document": 2 });
    let (_, results) = service.json(service.request(Method::POST, "/v1/search").json(&body)).await;
    let of_log = results["hits"].as_array().unwrap().iter().filter(|hit| hit["document"] == "log.md").count();
    assert_eq!(of_log, 2, "{results}");
    service.stop();
}

#[tokio::test]
async fn a_search_waits_for_the_write_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    for number in 0..5 {
        let document = json!({ "text": format!("The zephyr{number} came from the west.") });
        let (_, receipt) =
            service.json(service.request(Method::PUT, &format!("/v1/documents/{number}")).json(&document)).await;
        let body =
            json!({ "query": format!("zephyr{number}"), "min_sequence": receipt["sequence"], "arms": ["keyword"] });
        let (status, results) = service.json(service.request(Method::POST, "/v1/search").json(&body)).await;
        assert_eq!(
            (status, &results["hits"][0]["document"]),
            (StatusCode::OK, &json!(number.to_string())),
            "{results}"
        );
    }
    let body = json!({ "query": "zephyr", "min_sequence": 1_000_000 });
    let (status, _) = service.json(service.request(Method::POST, "/v1/search").json(&body)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    service.stop();
}
