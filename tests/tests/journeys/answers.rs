//! Questions: every citation resolves, and what the documents do not say is not said.

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wellspring_tests::service::{Service, Start};

const PAGES: &[(&str, &str)] = &[
    (
        "ferry.md",
        "# The river ferry\n\nThe ferry “Möwe” crosses the river at Alder Quay. The first crossing leaves at 6:40 in the \
         morning. Bicycles travel free of charge, but must be pushed on board.\n\n## Winter\n\nFrom December to February \
         the last crossing leaves at 17:30.\n",
    ),
    (
        "bakery.md",
        "# The bakery\n\nThe bakery opens at five in the morning. Its rye bread is baked in a wood oven that was built in \
         1887. On Sundays the shop is closed.\n",
    ),
    ("garden.txt", "The botanical garden keeps four hundred kinds of roses. Entry costs three crowns for adults."),
    ("渡轮.md", "# 渡轮\n\n渡轮公司成立于一九二四年，创始人是船长李明。冬季的末班船在晚上六点离开码头。\n"),
];

async fn library(generator: &str) -> (tempfile::TempDir, Service) {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start { generator: generator.to_owned(), ..Start::default() }).await;
    for (key, text) in PAGES {
        service.put(key, text).await;
    }
    (folder, service)
}

/// Checks that every citation of an answer points at the characters it quotes, in the document and in the answer (I-6).
async fn check_citations(service: &Service, answer: &Value) -> usize {
    let citations = answer["citations"].as_array().expect("citations");
    let said: Vec<char> = answer["answer"].as_str().unwrap().chars().collect();
    for citation in citations {
        let (key, revision) = (citation["document"].as_str().unwrap(), &citation["revision"]);
        let document = service.get(&format!("/v1/documents/{key}?revision={revision}")).await;
        let text = document["text"].as_str().unwrap();
        let span = |name: &str, end: &str| {
            citation["source_span"][name].as_u64().unwrap() as usize
                ..citation["source_span"][end].as_u64().unwrap() as usize
        };
        let quote = citation["quote"].as_str().unwrap();
        assert_eq!(text.chars().collect::<Vec<_>>()[span("start", "end")].iter().collect::<String>(), quote);
        assert_eq!(&text[span("byte_start", "byte_end")], quote);
        let end = citation["answer_span"]["end"].as_u64().unwrap() as usize;
        assert!(citation["answer_span"]["start"].as_u64().unwrap() < end as u64 && end <= said.len(), "{citation}");
    }
    citations.len()
}

async fn ask(service: &Service, question: &str, mode: &str) -> Value {
    let request = service.request(Method::POST, "/v1/ask").json(&json!({ "question": question, "mode": mode }));
    let (status, body) = service.json(request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn i6_extracted_answers_quote_the_documents_word_for_word() {
    let (_folder, service) = library("off").await;
    for (question, document, words) in [
        ("When does the first crossing of the ferry leave?", "ferry.md", "6:40"),
        ("In which year was the wood oven of the bakery built?", "bakery.md", "1887"),
        ("What does entry to the botanical garden cost?", "garden.txt", "three crowns"),
        ("渡轮公司的创始人是谁？", "渡轮.md", "李明"),
    ] {
        let answer = ask(&service, question, "auto").await;
        assert_eq!(answer["status"], "answered", "{question}: {answer}");
        assert_eq!(answer["mode"], "extract", "{answer}");
        assert!(answer["answer"].as_str().unwrap().contains(words), "{question}: {answer}");
        assert!(check_citations(&service, &answer).await >= 1, "{answer}");
        assert_eq!(answer["citations"][0]["document"], document, "{answer}");
    }
    service.stop();
}

#[tokio::test]
async fn what_the_documents_do_not_say_is_not_said() {
    let (_folder, service) = library("off").await;
    for question in [
        "Who won the chess championship in Reykjavik?",
        "How do I replace the battery of a smoke detector?",
        "火星上有多少座火山？",
        // Of the kind of things that the documents tell, and about something that they do not speak of.
        "How many crowns does the elephant ride cost?",
        "When does the last crossing leave for Mongolia?",
        "When was the airport built?",
        "What is 2+2?",
    ] {
        let answer = ask(&service, question, "auto").await;
        assert_eq!(answer["status"], "insufficient_evidence", "{question}: {answer}");
        assert_eq!(answer["citations"], json!([]), "{answer}");
    }
    let answer = ask(&service, "Who won the chess championship in Reykjavik?", "auto").await;
    assert!(answer["looked_at"].as_array().is_some(), "{answer}");
    service.stop();
}

#[tokio::test]
async fn a_conversation_is_followed_and_disagreement_is_shown() {
    let (_folder, service) = library("off").await;
    let asked = json!({
        "question": "and the bakery?", "mode": "extract",
        "history": [
            { "role": "user", "content": "When does the ferry open?" },
            { "role": "assistant", "content": "At 6:40." },
        ],
    });
    let (status, answer) = service.json(service.request(Method::POST, "/v1/ask").json(&asked)).await;
    assert_eq!((status, &answer["rewritten"]), (StatusCode::OK, &json!("When does the bakery open?")), "{answer}");
    assert!(answer["answer"].as_str().unwrap().contains("five in the morning"), "{answer}");

    service.put("news.md", "# News\n\nFrom December to February the last crossing leaves at 16:15.\n").await;
    let answer = ask(&service, "When does the last crossing leave from December to February?", "extract").await;
    assert_eq!(answer["status"], "conflicting", "{answer}");
    let mut says: Vec<&str> =
        answer["positions"].as_array().unwrap().iter().map(|p| p["says"].as_str().unwrap()).collect();
    says.sort_unstable();
    assert_eq!(says, ["16:15", "17:30"], "{answer}");
    assert!(check_citations(&service, &answer).await >= 1, "{answer}");
    service.stop();
}

#[tokio::test]
async fn i6_generated_answers_stream_and_every_citation_resolves() {
    let (_folder, service) = library("qwen2.5-coder-0.5b-instruct").await;
    wait_for_generator(&service).await;
    let question = json!({ "question": "When does the last ferry crossing leave in winter?", "stream": true });
    let response = service.request(Method::POST, "/v1/ask").json(&question).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let events = events(&response.text().await.unwrap());
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.first(), Some(&"passages"), "{names:?}");
    assert_eq!(names.iter().filter(|name| ["done", "error"].contains(name)).count(), 1, "{names:?}");
    assert_eq!(names.last(), Some(&"done"), "{names:?}");
    assert!(names.contains(&"delta"), "{names:?}");
    let answer = &events.last().unwrap().1;
    assert_eq!(answer["status"], "answered", "{answer}");
    assert!(answer["answer"].as_str().unwrap().contains("17:30"), "{answer}");
    assert!(check_citations(&service, answer).await >= 1, "{answer}");
    assert_eq!(answer["citations"][0]["document"], "ferry.md", "{answer}");

    let answer = ask(&service, "In which year was the wood oven built?", "generate").await;
    assert_eq!(answer["mode"], "generate", "{answer}");
    assert!(answer["answer"].as_str().unwrap().contains("1887"), "{answer}");
    check_citations(&service, &answer).await;
    service.stop();
}

/// Waits until the model is loaded.
pub(super) async fn wait_for_generator(service: &Service) {
    service
        .eventually("a ready generator", async || service.get("/v1/status").await["generator"]["state"] == "ready")
        .await;
}

/// The events of a stream: names and JSON.
fn events(stream: &str) -> Vec<(String, Value)> {
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let blocks = stream.split("\n\n").filter_map(|block| Some((field(block, "event")?, field(block, "data")?)));
    blocks.map(|(name, data)| (name, serde_json::from_str(&data).expect("JSON"))).collect()
}

#[tokio::test]
async fn a_client_that_hangs_up_frees_the_generator() {
    let (_folder, service) = library("qwen2.5-coder-0.5b-instruct").await;
    wait_for_generator(&service).await;
    for _ in 0..3 {
        let question = json!({ "question": "Tell everything about the ferry, the quay and the winter crossings.", "stream": true });
        let response = service.request(Method::POST, "/v1/ask").json(&question).send().await.unwrap();
        let mut bytes = response.bytes_stream();
        bytes.next().await.unwrap().unwrap();
        drop(bytes);
    }
    let answer = ask(&service, "In which year was the wood oven built?", "generate").await;
    assert!(answer["answer"].as_str().unwrap().contains("1887"), "{answer}");
    service.stop();
}
