//! What does the generator say, in the protocol's form?
//!
//! Invariants:
//! - Every error has the protocol's one form, and its status code is decided here.
//! - An error's source stays here: it is for the log, the message is for the client.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};
use wellspring_core::generator::{
    FinishReason, GenerateError, GenerateErrorKind, GeneratorStatus, Usage, WrittenToken,
};

use super::likely::Likely;
use super::reason_name;
use super::request::Endpoint;

/// After which a client may come again where nobody measured it, in seconds: a question takes some.
const RETRY_AFTER_SECONDS: u64 = 2;

/// What a completion of a plain text is called, whole or in chunks.
const TEXT_OBJECT: &str = "text_completion";

/// A request that gets no text.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { status, kind, code, param: None, message: message.into(), retry_after: None }
    }

    /// The request is wrong.
    pub(super) fn invalid(message: impl Into<String>, param: Option<&str>) -> Self {
        let refusal = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", None, message);
        Self { param: param.map(str::to_owned), ..refusal }
    }

    /// The request asks for what this server does not have.
    pub(super) fn unsupported(param: &str) -> Self {
        let refusal = Self::invalid("the request asks for something this server does not have", Some(param));
        Self { code: Some("unsupported_parameter"), ..refusal }
    }

    /// Another model is served.
    pub(super) fn no_such_model(served: &str) -> Self {
        let message = format!("the model does not exist here; this server has {served}");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", Some("model_not_found"), message)
    }

    /// No route.
    pub(super) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", Some("not_found"), "there is nothing at this path")
    }

    /// The body did not come, or is too long.
    pub(super) fn unreadable_body(status: StatusCode) -> Self {
        Self::new(status, "invalid_request_error", None, "the body cannot be read or is too long")
    }

    /// No model is loaded.
    pub(super) fn not_ready() -> Self {
        let message = "the model is not loaded";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", Some("not_ready"), message)
    }

    /// The generator broke its contract.
    pub(super) fn ended_early() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", None, "the generation ended without an end")
    }

    /// The status it is answered with.
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The protocol's form.
    pub(super) fn body(&self) -> Value {
        json!({ "error": { "message": self.message, "type": self.kind, "param": self.param, "code": self.code } })
    }
}

impl From<GenerateError> for Refusal {
    fn from(error: GenerateError) -> Self {
        let message = error.to_string();
        let refusal = match error.kind() {
            GenerateErrorKind::Unavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", Some("not_ready"), message)
            }
            GenerateErrorKind::Busy => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", Some("busy"), message)
            }
            GenerateErrorKind::Refused => Self::invalid(message, None),
            GenerateErrorKind::Interrupted => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", Some("interrupted"), message)
            }
        };
        Self { retry_after: error.retries_after(), ..refusal }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            // Rounded up: who comes too early is turned away again.
            let seconds = self.retry_after.map_or(RETRY_AFTER_SECONDS, |pause| pause.as_secs_f64().ceil() as u64);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What all chunks of one completion have in common.
#[derive(Debug, Clone)]
pub(super) struct Completion {
    id: String,
    created: u64,
    model: String,
    endpoint: Endpoint,
}

impl Completion {
    /// A completion that began at this second.
    pub(super) fn new(model: String, created: u64, endpoint: Endpoint) -> Self {
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), created);
        let kind = match endpoint {
            Endpoint::Chat => "chatcmpl",
            Endpoint::Text => "cmpl",
        };
        Self { id: format!("{kind}-{random:016x}"), created, model, endpoint }
    }

    /// One answer.
    pub(super) fn whole(&self, text: &str, tokens: &[WrittenToken], reason: FinishReason, usage: Usage) -> Value {
        let mut choice = json!({ "index": 0, "finish_reason": reason_name(reason) });
        choice["logprobs"] = Likely::new(self.endpoint).body(tokens);
        let object = match self.endpoint {
            Endpoint::Chat => {
                choice["message"] = json!({ "role": "assistant", "content": text });
                "chat.completion"
            }
            Endpoint::Text => {
                choice["text"] = json!(text);
                TEXT_OBJECT
            }
        };
        let mut whole = self.envelope(object, json!([choice]));
        whole["usage"] = usage_body(usage);
        whole
    }

    /// The first chunk of a chat: who speaks.
    pub(super) fn begin(&self) -> Option<Event> {
        let chunk = || self.chunk(json!({ "delta": { "role": "assistant", "content": "" } }), None);
        (self.endpoint == Endpoint::Chat).then(|| event(&chunk()))
    }

    /// Which of the two it is.
    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// A chunk of text, and what is told of its tokens.
    pub(super) fn text(&self, text: &str, likely: Value) -> Event {
        let mut said = match self.endpoint {
            Endpoint::Chat => json!({ "delta": { "content": text } }),
            Endpoint::Text => json!({ "text": text }),
        };
        said["logprobs"] = likely;
        event(&self.chunk(said, None))
    }

    /// The last chunks: why it ended, what it cost, and that it is over. The cost comes with the reason, or in a
    /// chunk without choices for clients that asked for it so.
    pub(super) fn end(&self, reason: FinishReason, usage: Usage, separate_usage: bool) -> Vec<Event> {
        let said = match self.endpoint {
            Endpoint::Chat => json!({ "delta": {} }),
            Endpoint::Text => json!({ "text": "" }),
        };
        let mut last = self.chunk(said, Some(reason));
        let done = Event::default().data("[DONE]");
        if separate_usage {
            let mut cost = self.envelope(self.chunk_object(), json!([]));
            cost["usage"] = usage_body(usage);
            return vec![event(&last), event(&cost), done];
        }
        last["usage"] = usage_body(usage);
        vec![event(&last), done]
    }

    /// A chunk that says this, with the fields that every choice has.
    fn chunk(&self, mut choice: Value, reason: Option<FinishReason>) -> Value {
        choice["index"] = json!(0);
        choice["finish_reason"] = json!(reason.map(reason_name));
        self.envelope(self.chunk_object(), json!([choice]))
    }

    fn chunk_object(&self) -> &'static str {
        match self.endpoint {
            Endpoint::Chat => "chat.completion.chunk",
            Endpoint::Text => TEXT_OBJECT,
        }
    }

    fn envelope(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices,
        })
    }
}

/// The list of models: the one that is loaded, if any, and what it becomes under each adapter.
pub(super) fn models(status: &GeneratorStatus, adapters: &[String]) -> Value {
    let entry = |id: &str| json!({ "id": id, "object": "model", "created": 0, "owned_by": "wellspring" });
    let mut data = Vec::new();
    if let GeneratorStatus::Ready { model } = status {
        data.push(entry(model));
        data.extend(adapters.iter().map(|adapter| {
            let mut entry = entry(adapter);
            entry["parent"] = json!(model);
            entry
        }));
    }
    json!({ "object": "list", "data": data })
}

/// One event of a stream. JSON has no line break in it, so it is one line.
pub(super) fn event(body: &Value) -> Event {
    Event::default().data(body.to_string())
}

fn usage_body(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
    })
}
