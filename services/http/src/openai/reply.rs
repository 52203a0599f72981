//! What does the generator say, in the protocol's form?
//!
//! Invariants:
//! - Every error has the protocol's one form, and its status code is decided here.
//! - An error's source stays here: it is for the log, the message is for the client.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};
use wellspring_core::generator::{FinishReason, GenerateError, GenerateErrorKind, GeneratorStatus, Usage};

use super::reason_name;

/// After which a client may come again, in seconds: a question takes some.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// A request that gets no text.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { status, kind, code, param: None, message: message.into() }
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
        match error.kind() {
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
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
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
}

impl Completion {
    /// A completion that began at this second.
    pub(super) fn new(model: String, created: u64) -> Self {
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), created);
        Self { id: format!("chatcmpl-{random:016x}"), created, model }
    }

    /// One answer.
    pub(super) fn whole(&self, text: &str, reason: FinishReason, usage: Usage) -> Value {
        let message = json!({ "role": "assistant", "content": text });
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": reason_name(reason) });
        let mut whole = self.envelope("chat.completion", json!([choice]));
        whole["usage"] = usage_body(usage);
        whole
    }

    /// The first chunk: who speaks.
    pub(super) fn begin(&self) -> Event {
        event(&self.chunk(json!({ "role": "assistant", "content": "" }), None))
    }

    /// A chunk of text.
    pub(super) fn text(&self, text: &str) -> Event {
        event(&self.chunk(json!({ "content": text }), None))
    }

    /// The last chunks: why it ended, what it cost, and that it is over. The cost comes with the reason, or in a
    /// chunk without choices for clients that asked for it so.
    pub(super) fn end(&self, reason: FinishReason, usage: Usage, separate_usage: bool) -> Vec<Event> {
        let mut last = self.chunk(json!({}), Some(reason));
        let done = Event::default().data("[DONE]");
        if separate_usage {
            let mut cost = self.envelope("chat.completion.chunk", json!([]));
            cost["usage"] = usage_body(usage);
            return vec![event(&last), event(&cost), done];
        }
        last["usage"] = usage_body(usage);
        vec![event(&last), done]
    }

    fn chunk(&self, delta: Value, reason: Option<FinishReason>) -> Value {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason.map(reason_name) });
        self.envelope("chat.completion.chunk", json!([choice]))
    }

    fn envelope(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices,
        })
    }
}

/// The list of models: the one that is loaded, if any.
pub(super) fn models(status: &GeneratorStatus) -> Value {
    let data = match status {
        GeneratorStatus::Ready { model } => {
            json!([{ "id": model, "object": "model", "created": 0, "owned_by": "wellspring" }])
        }
        _ => json!([]),
    };
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
