//! Several generators behind one service: another one is asked before the first token, none behind it, and what happened
//! can be seen.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wellspring_tests::doubles::openai::{Behaviour, OpenAiDouble};
use wellspring_tests::service::{Service, Start, run_command};

const RIGHT: &str = "The ferry leaves at 6:40.";
const QUESTION: &str = "When does the first ferry leave?";

fn say(text: &str) -> Behaviour {
    Behaviour::Say(text.to_owned())
}

/// The configuration of these servers, the first of which wants a key.
fn configuration(more: &str, doubles: &[(&str, &OpenAiDouble)]) -> String {
    let table = |(place, (name, double)): (usize, &(&str, &OpenAiDouble))| {
        let key = if place == 0 { "key_env = \"WELLSPRING_FIRST_KEY\"\n" } else { "" };
        format!("[[generators]]\nname = \"{name}\"\nurl = \"{}\"\n{key}", double.url)
    };
    let tables: Vec<String> = doubles.iter().enumerate().map(table).collect();
    format!("{more}\n{}", tables.join("\n"))
}

struct Library {
    service: Service,
    _folder: tempfile::TempDir,
}

async fn library(more: &str, doubles: &[(&str, &OpenAiDouble)]) -> Library {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wellspring.toml");
    std::fs::write(&file, configuration(more, doubles)).unwrap();
    let start = Start {
        arguments: vec!["--config".to_owned(), file.to_str().unwrap().to_owned()],
        environment: vec![("WELLSPRING_FIRST_KEY".to_owned(), "the-secret-of-the-first".to_owned())],
        ..Start::default()
    };
    let mut service = Service::start(&folder.path().join("data"), &start).await;
    for expected in ["another generator is asked", "did not finish an answer", "a generator is gone"] {
        service.expect_log(expected);
    }
    service.put("ferry.md", "# The river ferry\n\nThe first ferry leaves at 6:40 in the morning.").await;
    ready(&service, doubles.len()).await;
    Library { service, _folder: folder }
}

async fn ready(service: &Service, count: usize) {
    let all = async || generators(service).await.iter().filter(|one| one["state"] == "ready").count() == count;
    service.eventually("ready generators", all).await;
}

async fn generators(service: &Service) -> Vec<Value> {
    let status = service.get("/v1/status").await;
    let models = status["models"].as_array().unwrap().clone();
    models.into_iter().filter(|model| model["kind"] == "generator").collect()
}

async fn ask(service: &Service, mode: &str) -> (StatusCode, Value) {
    let body = json!({ "question": QUESTION, "mode": mode });
    service.json(service.request(Method::POST, "/v1/ask").json(&body)).await
}

#[tokio::test]
async fn before_the_first_token_another_generator_is_asked_and_behind_it_none() {
    let (first, second) = (OpenAiDouble::start("one", Behaviour::HangUp), OpenAiDouble::start("two", say(RIGHT)));
    let Library { service, _folder } = library("", &[("first", &first), ("second", &second)]).await;
    for behaviour in [Behaviour::HangUp, Behaviour::Status(500), Behaviour::Status(404)] {
        first.behave(behaviour);
        let (status, answer) = ask(&service, "generate").await;
        assert_eq!((status, &answer["model"]), (StatusCode::OK, &json!("two")), "{answer}");
        assert_eq!(answer["answer"], RIGHT);
    }
    let sent = first.seen().remove(0);
    assert_eq!(sent.authorization.as_deref(), Some("Bearer the-secret-of-the-first"));
    assert_eq!((&sent.body["model"], sent.body["stream"].as_bool()), (&json!("one"), Some(true)));
    assert_eq!(second.seen().remove(0).authorization, None);
    let told = generators(&service).await;
    assert_eq!((&told[0]["name"], &told[0]["counts"]["passed_on"]), (&json!("first"), &json!(3)), "{told:?}");
    assert_eq!((&told[1]["model"], &told[1]["counts"]["finished"]), (&json!("two"), &json!(3)), "{told:?}");
    let metrics = service.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in ["wellspring_generator_passed_on_total{generator=\"first\"} 3", "generator_up{generator=\"second\"} 1"]
    {
        assert!(metrics.contains(line), "{metrics}");
    }

    // What broke off was shown: the stream ends with an error, and nobody writes it again.
    first.behave(Behaviour::BreakAfterOneWord(RIGHT.to_owned()));
    second.behave(Behaviour::BreakAfterOneWord(RIGHT.to_owned()));
    let before = first.seen().len() + second.seen().len();
    let body = json!({ "question": QUESTION, "mode": "auto", "stream": true });
    let request = service.request(Method::POST, "/v1/ask").json(&body);
    let told = request.send().await.unwrap().text().await.unwrap();
    assert!(told.contains("event: delta") && told.contains("generator_interrupted"), "{told}");
    assert_eq!(told.matches("event: error").count() + told.matches("event: done").count(), 1, "{told}");
    assert_eq!(first.seen().len() + second.seen().len(), before + 1);
    let shown = [service.get("/v1/status").await.to_string(), metrics, service.log()].concat();
    assert!(!shown.contains("the-secret-of-the-first"));
    service.stop();
}

#[tokio::test]
async fn a_dead_generator_is_not_asked_and_comes_back() {
    let (first, second) = (OpenAiDouble::start("one", say(RIGHT)), OpenAiDouble::start("two", say(RIGHT)));
    let Library { service, _folder } = library("", &[("first", &first), ("second", &second)]).await;
    first.die(true);
    let gone = async || generators(&service).await[0]["state"] == "failed";
    service.eventually("the first one's end to be seen", gone).await;
    let before = first.seen().len();
    for _ in 0..3 {
        assert_eq!(ask(&service, "generate").await.1["model"], "two");
    }
    assert_eq!(first.seen().len(), before);
    second.die(true);
    let gone = async || generators(&service).await[1]["state"] == "failed";
    service.eventually("the second one's end to be seen", gone).await;
    let (status, answer) = ask(&service, "auto").await;
    assert_eq!((status, &answer["mode"]), (StatusCode::OK, &json!("extract")));
    assert!(answer["note"].as_str().unwrap().contains("generator"), "{answer}");
    assert_eq!(ask(&service, "generate").await.0, StatusCode::SERVICE_UNAVAILABLE);
    first.die(false);
    second.die(false);
    ready(&service, 2).await;
    assert_eq!(ask(&service, "generate").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_busy_generator_is_left_alone_as_long_as_it_asks_and_the_caller_is_told() {
    let only = OpenAiDouble::start("one", Behaviour::Busy(37));
    let Library { service, _folder } = library("", &[("first", &only)]).await;
    let body = json!({ "question": QUESTION, "mode": "generate" });
    let refused = service.request(Method::POST, "/v1/ask").json(&body).send().await.unwrap();
    let pause: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!((30..=37).contains(&pause), "{pause}");
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], "generator_busy");
    let (status, answer) = ask(&service, "auto").await;
    assert_eq!((status, &answer["mode"]), (StatusCode::OK, &json!("extract")));
    assert!(answer["note"].as_str().unwrap().starts_with("the generator is busy"), "{answer}");
    assert_eq!(only.seen().len(), 1, "it was left alone");
}

#[tokio::test]
async fn behind_a_slow_generator_auto_is_answered_by_the_extract_and_extracts_go_on() {
    let slow = OpenAiDouble::start("one", Behaviour::SayAfter(Duration::from_secs(600), RIGHT.to_owned()));
    let more = "[answer]\nbusy_ms = 50";
    let Library { service, _folder } = library(more, &[("first", &slow)]).await;
    let body = json!({ "question": QUESTION, "mode": "generate" });
    let held: Vec<_> =
        (0..16).map(|_| tokio::spawn(service.request(Method::POST, "/v1/ask").json(&body).send())).collect();
    service.eventually("sixteen in work", async || slow.seen().len() == 16).await;
    assert_eq!(ask(&service, "extract").await.0, StatusCode::OK);
    let (status, answer) = ask(&service, "auto").await;
    assert_eq!((status, &answer["mode"]), (StatusCode::OK, &json!("extract")), "{answer}");
    assert!(answer["note"].as_str().unwrap().starts_with("the generator is busy"), "{answer}");
    let (status, refused) = ask(&service, "generate").await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("generator_busy")));
    held.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_cascade_asks_the_larger_one_where_the_smaller_ones_text_is_not_in_the_documents() {
    let small = OpenAiDouble::start("small", say("The ferry leaves at 9:15."));
    let large = OpenAiDouble::start("large", say(RIGHT));
    let more = "[answer]\ncascade = [\"small\", \"large\"]";
    let Library { service, _folder } = library(more, &[("small", &small), ("large", &large)]).await;
    let (_, answer) = ask(&service, "auto").await;
    assert_eq!((&answer["model"], &answer["answer"]), (&json!("large"), &json!(RIGHT)), "{answer}");
    assert_eq!((&answer["cascade"][0]["is_kept"], &answer["cascade"][1]["is_kept"]), (&json!(false), &json!(true)));
    small.behave(say("6:40 in the morning"));
    let (_, answer) = ask(&service, "auto").await;
    assert_eq!((&answer["model"], answer["cascade"].as_array().unwrap().len()), (&json!("small"), 1), "{answer}");
    assert_eq!(large.seen().len(), 1);
    let metrics = service.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in
        ["cascade_asked_total{step=\"1\"} 2", "cascade_asked_total{step=\"2\"} 1", "cascade_kept_total{step=\"1\"} 1"]
    {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[test]
fn a_key_is_in_no_output_of_the_configuration() {
    let double = OpenAiDouble::start("one", say(RIGHT));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wellspring.toml");
    std::fs::write(&file, configuration("", &[("first", &double)])).unwrap();
    let (_, shown, errors) = run_command(&["config", "show", "--config", file.to_str().unwrap()]);
    // The variable is not set here, which is told by its name.
    assert!(errors.contains("WELLSPRING_FIRST_KEY"), "{shown}{errors}");
}
