//! Does a hostile server end a stream with an error, whatever it sends?

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use wellspring_core::generator::{GenerationOptions, Message, Role};

use super::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

fn request() -> GenerationRequest {
    let messages = vec![Message { role: Role::User, content: "a question".to_owned() }];
    GenerationRequest {
        messages,
        tokens_max: 4,
        temperature: 0.0,
        seed: 0,
        stop: vec![],
        options: GenerationOptions::default(),
    }
}

/// A client of a server that answers its one request with these bytes and goes away.
async fn client_of(answer: Vec<u8>) -> (Client, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = connection.read(&mut head).await;
        let _ = connection.write_all(&answer).await;
    });
    (Client::unix(&socket).unwrap(), directory)
}

/// The events of a server that sends this body.
async fn events(body: &str) -> Vec<Result<GenerationEvent, GenerateError>> {
    let (client, _directory) = client_of(format!("{HEAD}{body}").into_bytes()).await;
    client.generate(request()).await.unwrap().collect().await
}

fn chunk(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n")
}

const FINISH: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

#[tokio::test]
async fn a_good_stream_ends_with_done() {
    let body = format!("{}: ping\n\n{}{FINISH}data: [DONE]\n\n{}", chunk("a"), chunk("b"), chunk("after the end"));
    let events: Vec<_> = events(&body).await.into_iter().map(Result::unwrap).collect();
    let done = GenerationEvent::Done { reason: FinishReason::Stop, usage: Usage::default() };
    assert_eq!(events, [GenerationEvent::Text("a".to_owned()), GenerationEvent::Text("b".to_owned()), done]);
}

#[tokio::test]
async fn hostile_streams_end_in_one_error() {
    let bodies = [
        String::new(),
        chunk("a"),
        format!("{}{FINISH}", chunk("a")),
        format!("{}data: [DONE]\n\n", chunk("a")),
        format!("{}data: {{\n\n{FINISH}data: [DONE]\n\n", chunk("a")),
        format!("data: {}", "x".repeat(1 << 20)),
        format!("{}data: {{\"error\":{{\"message\":\"died\"}}}}\n\n{FINISH}", chunk("a")),
        std::iter::repeat_n(chunk(&"much ".repeat(1000)), 100).collect(),
    ];
    for body in bodies {
        let events = events(&body).await;
        let (last, before) = events.split_last().expect("a stream has an end");
        let kind = last.as_ref().expect_err("the stream did not end well").kind();
        assert_eq!(kind, GenerateErrorKind::Interrupted);
        assert!(before.iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn answers_that_are_no_stream_are_told_apart() {
    for (status, kind) in [
        ("429 Too Many Requests", GenerateErrorKind::Busy),
        ("503 Service Unavailable", GenerateErrorKind::Unavailable),
        ("400 Bad Request", GenerateErrorKind::Refused),
        ("500 Internal Server Error", GenerateErrorKind::Interrupted),
    ] {
        let body = r#"{"error":{"message":"what our worker said"}}"#;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (client, _directory) = client_of(answer.into_bytes()).await;
        let error = client.generate(request()).await.err().expect("a refusal");
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, "what our worker said"));
    }
}

#[tokio::test]
async fn nobody_at_the_socket_is_unavailable() {
    let client = Client::unix(Path::new("/nonexistent/socket")).unwrap();
    assert_eq!(client.generate(request()).await.err().unwrap().kind(), GenerateErrorKind::Unavailable);
    assert!(client.probe(Duration::from_secs(1)).await.is_err());
    assert_eq!(client.status(), GeneratorStatus::Loading);
}

#[tokio::test]
async fn a_probe_reads_what_the_worker_says() {
    let body = r#"{"state":"ready","model":"small"}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (client, _directory) = client_of(answer.into_bytes()).await;
    let ready = GeneratorStatus::Ready { model: "small".to_owned() };
    assert_eq!(client.probe(Duration::from_secs(5)).await.unwrap(), ready);
    assert_eq!(client.status(), ready);
}

#[test]
fn addresses_are_checked() {
    assert!(matches!(Client::http("file:///etc/passwd", None), Err(ClientError::Address)));
    assert!(matches!(Client::http("not a url", None), Err(ClientError::Address)));
    assert_eq!(Client::http("http://127.0.0.1:9/v1/", None).unwrap().base, "http://127.0.0.1:9");
}
