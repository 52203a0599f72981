//! A cross-encoder reads the best passages again, and a search says whether it did.

use reqwest::Method;
use serde_json::{Value, json};
use wellspring_tests::service::{Service, Start};

use crate::cross_encoder;

/// What a search answers.
async fn search(service: &Service, query: &str, more: Value) -> Value {
    let mut body = json!({ "query": query, "explain": true });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, found) = service.json(service.request(Method::POST, "/v1/search").json(&body)).await;
    assert!(status.is_success(), "{found}");
    found
}

/// The keys of the documents, best first.
fn documents(found: &Value) -> Vec<&str> {
    found["hits"].as_array().unwrap().iter().map(|hit| hit["document"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_reranker_orders_the_best_and_the_search_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let models = tempfile::tempdir().unwrap();
    let model = models.path().join("overlap.onnx");
    std::fs::write(&model, cross_encoder::overlap()).unwrap();
    let name = model.to_str().unwrap().to_owned();
    let fetched = std::env::var_os("WELLSPRING_MODELS_DIR").map(std::path::PathBuf::from).unwrap_or_else(|| {
        std::path::PathBuf::from(std::env::var_os("HOME").unwrap()).join(".local/share/wellspring/models")
    });
    std::fs::copy(fetched.join("all-MiniLM-L6-v2.tokenizer.json"), models.path().join("tokenizer.json")).unwrap();

    // A margin that no two documents have, and time enough on any machine.
    let arguments = ["--reranker-model", &name, "--reranker-margin-percent", "100", "--reranker-deadline-ms", "60000"];
    let start = Start { arguments: arguments.map(str::to_owned).to_vec(), ..Start::default() };
    let service = Service::start(folder.path(), &start).await;
    service.put("short.txt", "The ferry.").await;
    service
        .put("long.txt", "A ferry, a ferry, a ferry and one more ferry that is not the ferry of the other ferry.")
        .await;
    let found = search(&service, "ferry", json!({})).await;
    assert_eq!(found["rerank"], json!({ "state": "ran", "passages": 2 }), "{found}");
    assert_eq!(documents(&found), ["long.txt", "short.txt"], "by how often both say it");
    let [first, second] = [0, 1].map(|place| &found["hits"][place]);
    assert!(first["rerank_score"].as_f64() > second["rerank_score"].as_f64(), "{found}");
    assert_eq!(first["explain"]["rerank"], first["rerank_score"]);
    assert!(first["score"].as_f64() >= second["score"].as_f64());
    let found = search(&service, "ferry", json!({ "arms": ["keyword"] })).await;
    assert_eq!(found["rerank"], json!({ "state": "skipped", "reason": "one_arm" }));
    service.stop();

    // As configured for less: the order is clear by any margin.
    let arguments = ["--reranker-model", &name, "--reranker-margin-percent", "1"];
    let start = Start { arguments: arguments.map(str::to_owned).to_vec(), ..Start::default() };
    let service = Service::start(folder.path(), &start).await;
    let found = search(&service, "ferry", json!({})).await;
    assert_eq!(found["rerank"], json!({ "state": "skipped", "reason": "margin" }), "{found}");
    service.stop();
    let service = Service::start(folder.path(), &Start::default()).await;
    assert_eq!(search(&service, "ferry", json!({})).await["rerank"], json!({ "state": "off" }));
    service.stop();
}
