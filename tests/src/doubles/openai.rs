//! A server that speaks the OpenAI protocol over real HTTP, and misbehaves as it is told.
//!
//! One thread a connection, one request a connection. Nothing outlives the double but connections that wait for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What the server does with a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Writes this text, a word at a time.
    Say(String),
    /// The same, after a pause.
    SayAfter(Duration, String),
    /// Writes the first word and closes the connection.
    BreakAfterOneWord(String),
    /// Answers 429 with this `Retry-After`, in seconds.
    Busy(u64),
    /// Answers with this status.
    Status(u16),
    /// Closes the connection before the first byte.
    HangUp,
}

/// A request for a completion, as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The body.
    pub body: Value,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// The running server.
pub struct OpenAiDouble {
    /// Where it listens, with `/v1`.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    model: String,
    behaviour: Mutex<Behaviour>,
    seen: Mutex<Vec<Seen>>,
    /// Whether connections are closed unanswered, health checks included.
    dead: AtomicBool,
    stopped: AtomicBool,
}

impl OpenAiDouble {
    /// Starts on a free port.
    pub fn start(model: &str, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            model: model.to_owned(),
            behaviour: Mutex::new(behaviour),
            seen: Mutex::default(),
            dead: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if server.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let server = Arc::clone(&server);
                // A client that leaves ends its thread with an error, which is what the test is about.
                std::thread::spawn(move || serve(&server, connection).ok());
            }
        });
        Self { url, shared }
    }

    /// Does this from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().expect("the behaviour") = behaviour;
    }

    /// Closes every connection unanswered, or no longer does.
    pub fn die(&self, dead: bool) {
        self.shared.dead.store(dead, Ordering::SeqCst);
    }

    /// The completions that were asked for so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("what was seen").clone()
    }
}

impl Drop for OpenAiDouble {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let address = self.url.trim_start_matches("http://").trim_end_matches("/v1");
        TcpStream::connect(address).ok();
    }
}

fn serve(shared: &Shared, mut connection: TcpStream) -> std::io::Result<()> {
    if shared.dead.load(Ordering::SeqCst) {
        return Ok(());
    }
    let mut reader = BufReader::new(connection.try_clone()?);
    let (mut line, mut length, mut authorization) = (String::new(), 0, None);
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    match path.as_str() {
        "/health" => whole(&mut connection, "200 OK", "", &json!({ "status": "ok" })),
        "/v1/models" => whole(&mut connection, "200 OK", "", &json!({ "data": [{ "id": shared.model }] })),
        "/v1/chat/completions" => {
            let body = serde_json::from_slice(&body).unwrap_or_default();
            shared.seen.lock().expect("what was seen").push(Seen { body, authorization });
            let behaviour = shared.behaviour.lock().expect("the behaviour").clone();
            complete(&mut connection, behaviour)
        }
        _ => whole(&mut connection, "404 Not Found", "", &json!({})),
    }
}

fn complete(connection: &mut TcpStream, behaviour: Behaviour) -> std::io::Result<()> {
    match behaviour {
        Behaviour::Busy(seconds) => {
            let header = format!("retry-after: {seconds}\r\n");
            whole(connection, "429 Too Many Requests", &header, &json!({ "error": { "message": "busy" } }))
        }
        Behaviour::Status(status) => whole(connection, &format!("{status} Planned"), "", &json!({})),
        Behaviour::HangUp => Ok(()),
        Behaviour::Say(text) => stream(connection, text.split_inclusive(' '), true),
        Behaviour::SayAfter(pause, text) => {
            std::thread::sleep(pause);
            stream(connection, text.split_inclusive(' '), true)
        }
        Behaviour::BreakAfterOneWord(text) => stream(connection, text.split_inclusive(' ').take(1), false),
    }
}

fn stream<'a>(connection: &mut TcpStream, words: impl Iterator<Item = &'a str>, ends: bool) -> std::io::Result<()> {
    write!(connection, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
    let mut count = 0;
    for word in words {
        count += 1;
        event(connection, &json!({ "choices": [{ "delta": { "content": word }, "finish_reason": null }] }))?;
    }
    if ends {
        event(connection, &json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] }))?;
        let usage = json!({ "prompt_tokens": 300, "completion_tokens": count });
        event(connection, &json!({ "choices": [], "usage": usage }))?;
        write!(connection, "data: [DONE]\n\n")?;
    }
    connection.flush()
}

fn event(connection: &mut TcpStream, data: &Value) -> std::io::Result<()> {
    write!(connection, "data: {data}\n\n")?;
    connection.flush()
}

fn whole(connection: &mut TcpStream, status: &str, headers: &str, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    write!(
        connection,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    connection.flush()
}
