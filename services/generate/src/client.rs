//! How is a generator in another process asked?
//!
//! Any server that speaks the OpenAI chat protocol: our own worker over a Unix socket, or a base URL.
//!
//! Invariants:
//! - Whatever the server does, a stream ends with exactly one `Done` or one error, and takes bounded memory.
//! - Dropping the stream closes its connection, by which the server learns that nobody reads.
//! - A server's words reach an error message only when the server is our own: others may repeat the prompt.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use wellspring_core::generator::{
    FinishReason, GenerateError, GenerateErrorKind, Generation, GenerationEvent, GenerationOptions, GenerationRequest,
    Generator, GeneratorStatistics, GeneratorStatus, Template, TextForm, Usage,
};
use wellspring_core::limits;

use crate::admission::check;
use crate::events::{Chunk, Event, EventsError, Lines, event};

/// A body that is not a stream: an error, a status, a list of models.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The part of our own worker's message that is passed on.
const MESSAGE_CHARS_MAX: usize = 200;
/// A model's name, as a server lists it.
const MODEL_NAME_BYTES_MAX: usize = 256;
/// A connection to a socket or a near machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A generator behind an OpenAI-compatible server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<Key>,
    /// What the server calls the model that is wanted, where it has several.
    model: Option<String>,
    /// Whether the server is our own worker.
    ours: bool,
    told: Arc<Mutex<Health>>,
}

/// How a server said that it is.
#[derive(Debug, Clone, Deserialize)]
struct Health {
    #[serde(flatten)]
    status: GeneratorStatus,
    /// Ours counts.
    statistics: Option<GeneratorStatistics>,
    /// Ours says what it has.
    #[serde(default)]
    adapters: Vec<String>,
}

/// A secret; its `Debug` does not show it.
#[derive(Clone)]
struct Key(Arc<str>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is no `http://` or `https://` URL.
    #[error("the generator's address is no http or https URL")]
    Address,
    /// The HTTP client could not be set up.
    #[error("could not set up the generator's client")]
    Setup(#[source] reqwest::Error),
}

impl Client {
    /// A client of our own worker, which listens on a Unix socket. The status is `Loading` until it is probed.
    pub fn unix(socket: &Path) -> Result<Self, ClientError> {
        let builder = builder().unix_socket(socket.to_path_buf());
        Self::new(builder, "http://generator".to_owned(), None, true)
    }

    /// A client of any server, by the URL under which it has `/v1`. The status is `Loading` until it is probed.
    pub fn http(url: &str, key: Option<&str>) -> Result<Self, ClientError> {
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        let parsed = reqwest::Url::parse(base).map_err(|_| ClientError::Address)?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(ClientError::Address);
        }
        Self::new(builder(), base.to_owned(), key, false)
    }

    /// The same, asking for the model of this name in place of the first that the server lists.
    pub fn of_model(self, model: Option<String>) -> Self {
        Self { model, ..self }
    }

    fn new(builder: reqwest::ClientBuilder, base: String, key: Option<&str>, ours: bool) -> Result<Self, ClientError> {
        let http = builder.build().map_err(ClientError::Setup)?;
        let told =
            Arc::new(Mutex::new(Health { status: GeneratorStatus::Loading, statistics: None, adapters: Vec::new() }));
        Ok(Self { http, base, key: key.map(|key| Key(Arc::from(key))), model: None, ours, told })
    }

    /// Asks the server how it is and remembers the answer; an error when it does not answer in time, which leaves
    /// the status as it was.
    pub async fn probe(&self, timeout: Duration) -> Result<GeneratorStatus, GenerateError> {
        let health = tokio::time::timeout(timeout, self.ask()).await.unwrap_or_else(|_| {
            Err(GenerateError::new(GenerateErrorKind::Unavailable, "the generator did not answer its health check"))
        })?;
        let status = health.status.clone();
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = health;
        Ok(status)
    }

    async fn ask(&self) -> Result<Health, GenerateError> {
        let only = |status| Health { status, statistics: None, adapters: Vec::new() };
        let refused = || Ok(only(GeneratorStatus::Failed { reason: "the server refuses the key".to_owned() }));
        let denies = |status| matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let answer = self.get("/health").await?;
        let status = answer.status();
        if let Ok(health) = serde_json::from_slice::<Health>(&body(answer).await) {
            return Ok(health);
        }
        // Some servers have no such path, and say all the same which models they have.
        let is_unknown = matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
        if denies(status) {
            return refused();
        }
        if !status.is_success() && !is_unknown {
            return Ok(only(GeneratorStatus::Loading));
        }
        // Others say nothing but "healthy"; the name is in the list.
        let answer = self.get("/v1/models").await?;
        if denies(answer.status()) {
            return refused();
        }
        let models: Models = serde_json::from_slice(&body(answer).await)
            .map_err(|error| unavailable("could not read the generator's list of models", error))?;
        let is_name = |id: &String| id.len() <= MODEL_NAME_BYTES_MAX && !id.contains(char::is_control);
        let first = models.data.into_iter().map(|model| model.id).find(is_name);
        match self.model.clone().or(first) {
            Some(model) => Ok(only(GeneratorStatus::Ready { model })),
            None => Ok(only(GeneratorStatus::Failed { reason: "the server has no model".to_owned() })),
        }
    }

    async fn get(&self, path: &str) -> Result<Response, GenerateError> {
        self.authorised(self.http.get(format!("{}{path}", self.base)))
            .send()
            .await
            .map_err(|error| unavailable("could not reach the generator", error))
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.key {
            Some(Key(key)) => request.bearer_auth(key),
            None => request,
        }
    }

    /// The error an answer stands for.
    async fn refusal(&self, answer: Response) -> GenerateError {
        let status = answer.status();
        let kind = match status {
            StatusCode::TOO_MANY_REQUESTS => GenerateErrorKind::Busy,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                GenerateErrorKind::Unavailable
            }
            status if status.is_client_error() => GenerateErrorKind::Refused,
            _ => GenerateErrorKind::Interrupted,
        };
        let pause = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let said = if self.ours { serde_json::from_slice::<Refusal>(&body(answer).await).ok() } else { None };
        let said = said.map(|refusal| refusal.error.message.chars().take(MESSAGE_CHARS_MAX).collect());
        let error =
            GenerateError::new(kind, said.unwrap_or_else(|| format!("the generator answered with status {status}")));
        match pause.map(Duration::from_secs) {
            Some(pause) => error.retry_after(pause.min(limits::GENERATOR_RETRY_AFTER_MAX)),
            None => error,
        }
    }
}

#[async_trait]
impl Generator for Client {
    fn status(&self) -> GeneratorStatus {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).status.clone()
    }

    fn statistics(&self) -> Option<GeneratorStatistics> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).statistics.clone()
    }

    fn adapters(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).adapters.clone()
    }

    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError> {
        check(&request)?;
        let mut body = json!({
            "messages": request.messages,
            "max_tokens": request.tokens_max,
            "temperature": request.temperature,
            "seed": request.seed,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        if !request.stop.is_empty() {
            body["stop"] = json!(request.stop);
        }
        add_options(&mut body, &request.options)?;
        if let GeneratorStatus::Ready { model } = self.status() {
            body["model"] = json!(model);
        }
        match &request.options.adapter {
            None => {}
            Some(adapter) if self.ours => {
                body["adapter"] = json!(adapter.name);
                body["adapter_scale"] = json!(adapter.scale);
            }
            // Others know an adapter as a model; none has a scale.
            Some(adapter) if adapter.scale == 1.0 => body["model"] = json!(adapter.name),
            Some(_) => {
                let refused = "an adapter's scale means nothing to another server";
                return Err(GenerateError::new(GenerateErrorKind::Refused, refused));
            }
        }
        let answer = self
            .authorised(self.http.post(format!("{}/v1/chat/completions", self.base)))
            .json(&body)
            .send()
            .await
            .map_err(|error| unavailable("could not reach the generator", error))?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer).await);
        }
        let bytes_max = request.tokens_max.saturating_mul(limits::GENERATED_TOKEN_BYTES_MAX);
        Ok(Reading::new(answer.bytes_stream(), bytes_max).generation())
    }
}

/// Adds what is not as it always is: other servers may not know every field.
fn add_options(body: &mut Value, options: &GenerationOptions) -> Result<(), GenerateError> {
    let defaults = GenerationOptions::default();
    let changed = [
        ("user", options.caller != defaults.caller, json!(options.caller)),
        ("deadline_ms", options.deadline.is_some(), json!(options.deadline.map(|time| time.as_millis() as u64))),
        ("top_k", options.top_k != defaults.top_k, json!(options.top_k)),
        ("top_p", options.top_p != defaults.top_p, json!(options.top_p)),
        ("min_p", options.min_p != defaults.min_p, json!(options.min_p)),
        ("repeat_penalty", options.repeat_penalty != defaults.repeat_penalty, json!(options.repeat_penalty)),
    ];
    for (name, is_changed, value) in changed {
        if is_changed {
            body[name] = value;
        }
    }
    match &options.form {
        TextForm::Free => {}
        TextForm::Grammar(grammar) => body["grammar"] = json!(grammar),
        TextForm::JsonSchema(schema) => {
            let schema: Value = serde_json::from_str(schema).map_err(|error| {
                GenerateError::caused_by(GenerateErrorKind::Refused, "the JSON schema is no JSON", error)
            })?;
            body["response_format"] =
                json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema } });
        }
    }
    if options.likely_tokens.is_some() {
        let refused = "a client does not ask how likely tokens are";
        return Err(GenerateError::new(GenerateErrorKind::Refused, refused));
    }
    match options.template {
        Template::Chat => Ok(()),
        Template::Plain => {
            Err(GenerateError::new(GenerateErrorKind::Refused, "a client asks for completions of chats only"))
        }
    }
}

/// A stream being read.
struct Reading {
    body: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    lines: Lines,
    ready: VecDeque<Result<GenerationEvent, GenerateError>>,
    reason: Option<FinishReason>,
    usage: Usage,
    /// Bytes of text that may still come.
    bytes_left: usize,
    /// Whether any text came.
    begun: bool,
    ended: bool,
}

impl Reading {
    fn new(body: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static, bytes_max: usize) -> Self {
        Self {
            body: Box::pin(body),
            lines: Lines::default(),
            ready: VecDeque::new(),
            reason: None,
            usage: Usage::default(),
            bytes_left: bytes_max,
            begun: false,
            ended: false,
        }
    }

    fn generation(self) -> Generation {
        futures::stream::unfold(self, |mut reading| async move {
            let event = reading.next().await?;
            Some((event, reading))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<GenerationEvent, GenerateError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            let silence = if self.begun { limits::GENERATOR_GAP_MAX } else { limits::GENERATOR_SILENCE_MAX };
            match tokio::time::timeout(silence, self.body.next()).await {
                Ok(Some(Ok(bytes))) => self.take(&bytes),
                Ok(Some(Err(error))) => self.fail("the generator's stream broke off", error),
                Ok(None) => self.fail("the generator's stream cannot be read", EventsError::EndedEarly),
                Err(elapsed) => self.fail("the generator fell silent", elapsed),
            }
        }
    }

    fn take(&mut self, bytes: &Bytes) {
        let mut events = Vec::new();
        let cut = self.lines.push(bytes, |line| events.push(event(line)));
        for event in events.into_iter().chain(cut.err().map(Err)) {
            if self.ended {
                return;
            }
            if let Err(error) = event.and_then(|event| self.see(event)) {
                self.fail("the generator's stream cannot be read", error);
            }
        }
    }

    fn see(&mut self, event: Event) -> Result<(), EventsError> {
        match event {
            Event::Nothing => {}
            Event::Done => {
                let reason = self.reason.ok_or(EventsError::EndedEarly)?;
                self.ready.push_back(Ok(GenerationEvent::Done { reason, usage: self.usage }));
                self.ended = true;
            }
            Event::Chunk(Chunk { text, reason, usage }) => {
                self.reason = reason.or(self.reason);
                self.usage = usage.unwrap_or(self.usage);
                self.bytes_left = self.bytes_left.checked_sub(text.len()).ok_or(EventsError::TooMuchText)?;
                if !text.is_empty() {
                    self.begun = true;
                    self.ready.push_back(Ok(GenerationEvent::Text(text)));
                }
            }
        }
        Ok(())
    }

    fn fail(&mut self, attempted: &str, error: impl std::error::Error + Send + Sync + 'static) {
        self.ready.push_back(Err(GenerateError::caused_by(GenerateErrorKind::Interrupted, attempted, error)));
        self.ended = true;
    }
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    message: String,
}

/// What both kinds of client have in common: no proxy from the environment, no redirect, one protocol.
fn builder() -> reqwest::ClientBuilder {
    // The first to set a provider wins; all of ours set the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(limits::GENERATOR_SILENCE_MAX)
}

/// The first bytes of a body; what is missing shows when they are read.
async fn body(answer: Response) -> Vec<u8> {
    let mut stream = answer.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(Ok(piece)) = stream.next().await {
        if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
            break;
        }
        bytes.extend_from_slice(&piece);
    }
    bytes
}

fn unavailable(attempted: &str, error: impl std::error::Error + Send + Sync + 'static) -> GenerateError {
    GenerateError::caused_by(GenerateErrorKind::Unavailable, attempted, error)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
