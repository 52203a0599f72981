//! A model judges whether what was generated follows from its quotes, lowers what does not, and is told apart from silence.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wellspring_tests::doubles::openai::{Behaviour, OpenAiDouble};
use wellspring_tests::service::{Service, Start, run_command};

use crate::cross_encoder;

/// Word for word; with a word that the document lacks; turned around by one.
const WRITTEN: [&str; 3] = [
    "The Heron carries eight cars.",
    "The Heron was painted green by her crew in the year 1987.",
    "The Heron hardly carries eight cars.",
];

/// Writes a model of inference as exports lay it out.
fn model(folder: &Path, labels: [&str; 3]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("model.onnx"), cross_encoder::inference(&["neutral", "entailment", "contradiction"]))
        .unwrap();
    let config = json!({ "id2label": { "0": labels[0], "1": labels[1], "2": labels[2] } });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let fetched = std::env::var_os("WELLSPRING_MODELS_DIR").map(std::path::PathBuf::from).unwrap_or_else(|| {
        std::path::PathBuf::from(std::env::var_os("HOME").unwrap()).join(".local/share/wellspring/models")
    });
    std::fs::copy(fetched.join("all-MiniLM-L6-v2.tokenizer.json"), folder.join("tokenizer.json")).unwrap();
}

async fn ask(service: &Service, verify: &str) -> Value {
    let body = json!({ "question": "How is the Heron?", "mode": "generate", "style": "full", "verify": verify });
    let (status, answer) = service.json(service.request(Method::POST, "/v1/ask").json(&body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

fn supports(answer: &Value) -> Vec<&str> {
    answer["sentences"].as_array().unwrap().iter().map(|sentence| sentence["support"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_model_lowers_one_citation_takes_one_away_and_leaves_another() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("inference");
    model(&named, ["NEUTRAL", "ENTAILMENT", "CONTRADICTION"]);
    let generator = OpenAiDouble::start("double-7b", Behaviour::Say(WRITTEN.join(" ")));
    let file = folder.path().join("wellspring.toml");
    let generators = format!("[[generators]]\nname = \"double\"\nurl = \"{}\"\n", generator.url);
    // Time enough on any machine.
    let entailment = format!("[entailment]\nmodel = \"{}\"\ndeadline_ms = 60000\n", named.display());
    let file_name = file.to_str().unwrap().to_owned();
    let start = Start { arguments: vec!["--config".to_owned(), file_name.clone()], ..Start::default() };
    let data = folder.path().join("data");
    let document = "# Boats\n\nThe Heron carries eight cars. The Heron was painted green by her crew in 1987.";

    std::fs::write(&file, &generators).unwrap();
    let service = Service::start(&data, &start).await;
    service.put("boats.md", document).await;
    service.eventually("a ready generator", async || is_ready(&service).await).await;
    let without = ask(&service, "mark").await;
    // Code hears the "hardly" by itself, and takes nothing away for it.
    assert_eq!(supports(&without), ["supported", "supported", "partial"], "{without}");
    assert!(!without.to_string().contains("entail"), "{without}");
    service.stop();

    std::fs::write(&file, format!("{entailment}{generators}")).unwrap();
    let service = Service::start(&data, &start).await;
    service.eventually("a ready generator", async || is_ready(&service).await).await;
    let answer = ask(&service, "mark").await;
    assert_eq!(supports(&answer), ["supported", "partial", "unsupported"], "{answer}");
    let citations = answer["citations"].as_array().unwrap();
    assert_eq!(citations.len(), 2, "{answer}");
    let [left, lowered, gone] =
        [&citations[0]["entailment"], &citations[1]["entailment"], &answer["sentences"][2]["entailment"]];
    assert_eq!((&left["state"], &left["lowered"]), (&json!("judged"), &json!(false)), "{answer}");
    assert!(left["entailed"].as_f64().unwrap() > 0.99, "{answer}");
    assert_eq!((&lowered["state"], &lowered["lowered"]), (&json!("judged"), &json!(true)), "{answer}");
    assert!(lowered["entailed"].as_f64().unwrap() < 0.01, "{answer}");
    assert!(gone["contradicted"].as_f64().unwrap() > 0.99, "{answer}");
    assert_eq!(answer["entailment"]["judged"], 3);
    assert_eq!(answer["entailment"]["lowered"], 2);
    let strict = ask(&service, "strict").await;
    assert_eq!(strict["answer"], WRITTEN[..2].join(" "), "{strict}");
    let metrics = service.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in ["wellspring_entailment_total{outcome=\"judged\"} 6", "wellspring_entailment_lowered_total 4"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    // What was generated and nobody wanted checked is not read again, and neither are the documents' own words.
    for body in [json!({ "mode": "generate", "verify": "off" }), json!({ "mode": "extract" })] {
        let mut question = json!({ "question": "How is the Heron?" });
        question.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let (_, answer) = service.json(service.request(Method::POST, "/v1/ask").json(&question)).await;
        assert!(!answer.to_string().contains("entail"), "{answer}");
    }
    service.stop();
}

/// Whether a generator can be asked.
async fn is_ready(service: &Service) -> bool {
    let status = service.get("/v1/status").await;
    let models = status["models"].as_array().unwrap();
    models.iter().any(|model| model["kind"] == "generator" && model["state"] == "ready")
}

#[test]
fn a_model_that_cannot_be_used_ends_the_start_and_the_doctor_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (named, data) = (folder.path().join("inference"), folder.path().join("data"));
    let flags = ["--generator-model", "off", "--offline", "--data-dir", data.to_str().unwrap()];
    let given = ["--entailment-model", named.to_str().unwrap()];
    let doctor = || {
        let server = ["--server", "http://127.0.0.1:9"];
        let (_, told, errors) = run_command(&[&["doctor", "--json"][..], &server, &flags, &given].concat());
        let checks: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}{errors}"));
        checks.as_array().unwrap().iter().find(|check| check["what"] == "entailment").unwrap().clone()
    };
    let start = || run_command(&[&["serve", "--listen", "127.0.0.1:0"][..], &flags, &given].concat());
    let check = doctor();
    assert!(!check["ok"].as_bool().unwrap() && check["found"].as_str().unwrap().contains("is not there"), "{check}");
    let (code, _, errors) = start();
    assert!(code != 0 && errors.contains("entailment.model names a folder"), "{code} {errors}");
    model(&named, ["LABEL_0", "LABEL_1", "LABEL_2"]);
    assert!(doctor()["found"].as_str().unwrap().contains("id2label"), "{}", doctor());
    let (code, _, errors) = start();
    assert!(code != 0 && errors.contains("id2label"), "{code} {errors}");
    model(&named, ["neutral", "entailment", "contradiction"]);
    let check = doctor();
    assert!(check["ok"].as_bool().unwrap() && check["found"].as_str().unwrap().ends_with("judges"), "{check}");
}
