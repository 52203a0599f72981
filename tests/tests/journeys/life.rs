//! The life of documents as others see it: files of a form, events, screening, and what could not be read any more.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wellspring_tests::service::{Service, Start, binary};

/// A form with files, as a browser sends it.
fn form(files: &[(&str, &str)]) -> String {
    let part = |(name, content): &(&str, &str)| {
        let disposition = format!("content-disposition: form-data; name=\"file\"; filename=\"{name}\"");
        format!("--border\r\n{disposition}\r\ncontent-type: application/octet-stream\r\n\r\n{content}\r\n")
    };
    files.iter().map(part).collect::<String>() + "--border--\r\n"
}

/// The first `count` events behind `after`: number, name, key.
async fn events(service: &Service, after: u64, count: usize) -> Vec<(u64, String, String)> {
    let request = service.request(Method::GET, "/v1/events").header("last-event-id", after.to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    loop {
        let blocks: Vec<&str> = text.split("\n\n").filter(|block| block.contains("id:")).collect();
        let whole = if text.ends_with("\n\n") { blocks.len() } else { blocks.len().saturating_sub(1) };
        if whole >= count {
            let field = |block: &str, name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.map(|value| value.trim().to_owned()).unwrap()
            };
            let event = |block: &&str| {
                let data: Value = serde_json::from_str(&field(block, "data")).unwrap();
                (field(block, "id").parse().unwrap(), field(block, "event"), data["key"].as_str().unwrap().to_owned())
            };
            return blocks.iter().take(count).map(event).collect();
        }
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
    }
}

#[tokio::test]
async fn files_of_a_form_are_searchable_and_their_events_go_on_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let body = form(&[("tide.md", "# Tides\n\nSpring tide is at noon."), ("crew.csv", "Name,Post\nAda,pilot\n")]);
    let sent = service
        .request(Method::POST, "/v1/documents?prefix=port/&wait=searchable")
        .header("content-type", "multipart/form-data; boundary=border")
        .body(body);
    let (status, answer) = service.json(sent).await;
    assert_eq!((status, &answer["accepted"]), (StatusCode::OK, &json!(2)), "{answer}");
    assert_eq!(service.holders("noon").await, ["port/tide.md"]);
    assert_eq!(service.holders("pilot").await, ["port/crew.csv"]);

    let told = events(&service, 0, 4).await;
    let names = |told: &[(u64, String, String)]| {
        let mut names: Vec<String> = told.iter().map(|(_, name, key)| format!("{name} {key}")).collect();
        names.sort();
        names
    };
    let expected =
        ["accepted port/crew.csv", "accepted port/tide.md", "searchable port/crew.csv", "searchable port/tide.md"];
    assert_eq!(names(&told), expected);
    assert!(told.is_sorted_by(|one, other| one.0 < other.0), "{told:?}");
    service.kill();

    let service = Service::start(folder.path(), &Start::default()).await;
    service.delete("port/crew.csv").await;
    let more = events(&service, told[3].0, 1).await;
    assert_eq!((more[0].1.as_str(), more[0].2.as_str()), ("deleted", "port/crew.csv"));
    assert_eq!(events(&service, told[1].0, 2).await, told[2..], "behind the number that was seen last");
    service.stop();
}

#[tokio::test]
async fn a_dropped_copy_is_out_of_answers_and_comes_back_when_its_original_goes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wellspring.toml");
    fs::write(&file, "[screen]\nexact_duplicate = \"drop\"\n").unwrap();
    let arguments = vec!["--config".to_owned(), file.to_str().unwrap().to_owned()];
    let start = Start { arguments, ..Start::default() };
    let service = Service::start(&folder.path().join("data"), &start).await;
    let text =
        "The harbour bell rings at dusk, and the fishing boats come in one after the other with the evening tide.";
    service.put("original", text).await;
    let copy = service.request(Method::PUT, "/v1/documents/copy?wait=searchable").json(&json!({ "text": text }));
    let (status, refused) = service.json(copy).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("document_skipped")));
    assert_eq!(service.holders("dusk").await, ["original"]);
    let listed = service.get("/v1/documents?state=skipped").await;
    assert_eq!(listed["documents"][0]["key"], "copy", "{listed}");
    assert!(listed["documents"][0]["reason"].as_str().unwrap().contains("original"), "{listed}");

    service.delete("original").await;
    service.eventually("the copy", async || service.holders("dusk").await == ["copy"]).await;
    service.stop();
}

#[tokio::test]
async fn text_whose_newer_version_cannot_be_read_is_marked_wherever_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    service.put("keeper", "The lighthouse keeper is called Ansgar.").await;
    let ask = || {
        let body = json!({ "question": "What is the lighthouse keeper called?", "mode": "extract" });
        service.request(Method::POST, "/v1/ask").json(&body)
    };
    let (_, answer) = service.json(ask()).await;
    assert_eq!((answer["citations"][0].get("outdated"), answer.get("note")), (None, None), "{answer}");

    let broken = service
        .request(Method::PUT, "/v1/documents/keeper?wait=searchable")
        .header("content-type", "application/pdf")
        .body("this is no PDF");
    assert_eq!(service.json(broken).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(service.search("lighthouse keeper").await[0]["outdated"], true);
    let (_, answer) = service.json(ask()).await;
    assert_eq!(answer["citations"][0]["outdated"], true, "{answer}");
    assert!(answer["note"].as_str().unwrap().contains("newer version"), "{answer}");
    let (_, stdout, _) = service.command(&["ask", "--mode", "extract", "What is the lighthouse keeper called?"]);
    assert!(stdout.contains("outdated"), "{stdout}");

    service.put("keeper", "The lighthouse keeper is called Berit.").await;
    let (_, answer) = service.json(ask()).await;
    assert!(answer["answer"].as_str().unwrap().contains("Berit"), "{answer}");
    assert_eq!(answer["citations"][0].get("outdated"), None, "{answer}");
    service.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_status_has_a_line_for_each_change() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    let mut watching = Command::new(binary())
        .args(["status", "--watch", "--json", "--server", &service.url])
        .env_remove("WELLSPRING_KEY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = move || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["catalog"]["documents"], 0);
    service.put("a", "One more document for the harbour office.").await;
    let seen = tokio::task::spawn_blocking(move || {
        std::iter::repeat_with(next).take(50).any(|status| status["catalog"]["searchable"] == 1)
    });
    let seen = tokio::time::timeout(std::time::Duration::from_secs(30), seen).await;
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert!(seen.expect("a line in time").unwrap());
    service.stop();
}

#[tokio::test]
async fn a_full_disk_and_a_missing_terminal_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &Start::default()).await;
    service.put("a", "right\u{202e}left and \u{85} next line").await;
    let command = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).args(["--server", &service.url]).env_remove("WELLSPRING_KEY").stdin(Stdio::null());
        command
    };
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command(&["search", "next line"]).stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1), "a result that was lost is a failure");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command(&["documents", "show", "nowhere"]).stdout(Stdio::null()).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(4), "the exit code is told although the words are lost");

    let (code, stdout, _) = service.command(&["search", "next line", "--json"]);
    let found: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    assert_eq!((code, found["hits"][0]["text"].as_str()), (0, Some("right\u{202e}left and \u{85} next line")));
    assert!(!stdout.contains('\u{202e}'));
    let (code, _, stderr) = service.command(&["documents", "show", "nowhere", "--json"]);
    let refused: Value = serde_json::from_str(&stderr).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    assert_eq!((code, refused["error"]["code"].as_str()), (4, Some("unknown_document")));
    service.stop();
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_disturbs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Command::new(binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--generator-model", "off", "--offline", "--data-dir"])
        .arg(folder.path())
        .env_remove("WELLSPRING_KEY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(serving.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    drop(serving.stderr.take());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for number in 0..3 {
        let body = json!({ "text": format!("document {number}") });
        let sent = http.put(format!("{url}/v1/documents/{number}")).json(&body).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::ACCEPTED);
    }
    let stop = Command::new("kill").args(["-TERM", &serving.id().to_string()]).status().unwrap();
    assert!(stop.success());
    let ended = tokio::task::spawn_blocking(move || serving.wait().unwrap());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), ended).await.expect("it stops").unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn nothing_is_reported_to_the_vendor_of_a_library() {
    let (home, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Where the models are is said by a flag or by the home of whoever runs the tests.
    let models = std::env::var("WELLSPRING_MODELS_DIR").unwrap_or_else(|_| {
        let base = std::env::var("XDG_DATA_HOME")
            .unwrap_or_else(|_| format!("{}/.local/share", std::env::var("HOME").unwrap()));
        format!("{base}/wellspring/models")
    });
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let start = Start {
        arguments: vec!["--models-dir".to_owned(), models],
        environment: vec![
            pair("HOME", home.path().to_str().unwrap()),
            pair("XDG_CACHE_HOME", ""),
            pair("ORT_DISABLE_TELEMETRY", "0"),
        ],
        ..Start::default()
    };
    let service = Service::start(data.path(), &start).await;
    let (status, _) = service
        .json(
            service.request(Method::PUT, "/v1/documents/a?wait=searchable").json(&json!({ "text": "The tide turns." })),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    service.stop();
    // The ONNX Runtime keeps what it will send, and a name for the machine, in the home of whoever runs it.
    let kept: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(kept.is_empty(), "{kept:?}");
}
