//! What does the client ask for, and can it be done?
//!
//! Invariants:
//! - What passes is within the limits; what this server cannot do is refused by name, since a client that asked for
//!   a JSON schema must not get free text.
//! - No refusal repeats what the client wrote.

use serde::Deserialize;
use serde_json::Value;
use wellspring_core::generator::{GenerationRequest, Message, Role};
use wellspring_core::limits;

use super::reply::Refusal;

/// Tokens written when the client names no limit.
const TOKENS_DEFAULT: u64 = 512;
/// What the protocol says when the client names none.
const TEMPERATURE_DEFAULT: f64 = 1.0;

/// A body of `POST /v1/chat/completions`. Fields that only describe the caller are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    #[serde(default)]
    messages: Vec<WireMessage>,
    model: Option<String>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    temperature: Option<f64>,
    seed: Option<i64>,
    stop: Option<OneOrMore>,
    #[serde(default)]
    pub(super) stream: bool,
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    role: String,
    content: Option<WireContent>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WireContent {
    Text(String),
    Parts(Vec<WirePart>),
}

#[derive(Debug, Deserialize)]
struct WirePart {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

impl ChatRequest {
    /// Reads a body and refuses what cannot be done.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(body)
            .map_err(|_| Refusal::invalid("the body is not the JSON object of a chat completion", None))?;
        match request.others.iter().find(|(name, value)| asks_for_what_is_missing(name, value)) {
            Some((name, _)) => Err(Refusal::unsupported(name)),
            None => Ok(request),
        }
    }

    /// Refuses a request for another model: it would be answered by one the client did not choose.
    pub(super) fn check_model(&self, served: &str) -> Result<(), Refusal> {
        match self.model.as_deref() {
            None | Some("") => Ok(()),
            Some(model) if model == served => Ok(()),
            Some(_) => Err(Refusal::no_such_model(served)),
        }
    }

    /// Whether the usage shall come in a chunk of its own.
    pub(super) fn wants_separate_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// The request in our words.
    pub(super) fn into_generation(self) -> Result<GenerationRequest, Refusal> {
        let tokens_max = self.max_completion_tokens.or(self.max_tokens).unwrap_or(TOKENS_DEFAULT);
        let context = u64::from(u32::MAX);
        if !(1..=context).contains(&tokens_max) {
            return Err(Refusal::invalid("max_tokens must be at least 1", Some("max_tokens")));
        }
        let temperature = self.temperature.unwrap_or(TEMPERATURE_DEFAULT);
        if !(0.0..=2.0).contains(&temperature) {
            return Err(Refusal::invalid("temperature must lie from 0 to 2", Some("temperature")));
        }
        let seed = match self.seed {
            // A client that names no seed wants another text every time.
            None => std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) as u32,
            Some(seed) => {
                u32::try_from(seed).map_err(|_| Refusal::invalid("seed must lie from 0 to 4294967295", Some("seed")))?
            }
        };
        if self.messages.is_empty() || self.messages.len() > limits::PROMPT_MESSAGES_MAX {
            let message = format!("messages must be 1 to {} turns", limits::PROMPT_MESSAGES_MAX);
            return Err(Refusal::invalid(message, Some("messages")));
        }
        let messages = self.messages.into_iter().map(WireMessage::into_message).collect::<Result<_, _>>()?;
        let stop = self.stop.map_or_else(Vec::new, OneOrMore::into_vec);
        let fits = |text: &String| (1..=limits::STOP_TEXT_BYTES_MAX).contains(&text.len());
        if stop.len() > limits::STOP_TEXTS_MAX || !stop.iter().all(fits) {
            let message = format!(
                "stop must be at most {} texts of 1 to {} bytes",
                limits::STOP_TEXTS_MAX,
                limits::STOP_TEXT_BYTES_MAX
            );
            return Err(Refusal::invalid(message, Some("stop")));
        }
        Ok(GenerationRequest { messages, tokens_max: tokens_max as usize, temperature: temperature as f32, seed, stop })
    }
}

impl WireMessage {
    fn into_message(self) -> Result<Message, Refusal> {
        let role = match self.role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return Err(Refusal::invalid("a message's role must be system, user or assistant", Some("messages"))),
        };
        let content = match self.content {
            Some(WireContent::Text(text)) => text,
            Some(WireContent::Parts(parts)) => parts
                .into_iter()
                .map(|part| if part.kind == "text" { part.text } else { None })
                .collect::<Option<String>>()
                .ok_or_else(|| Refusal::invalid("a message's parts must be text", Some("messages")))?,
            None => return Err(Refusal::invalid("a message has no content", Some("messages"))),
        };
        Ok(Message { role, content })
    }
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

/// Whether a field changes the answer in a way this server cannot follow. A value that asks for nothing is fine.
fn asks_for_what_is_missing(name: &str, value: &Value) -> bool {
    let asks_for_nothing = match name {
        "n" | "top_p" => value.as_f64() == Some(1.0),
        "frequency_penalty" | "presence_penalty" => value.as_f64() == Some(0.0),
        "logprobs" => value.as_bool() == Some(false),
        "response_format" => value.get("type").and_then(Value::as_str) == Some("text"),
        "tools" | "functions" => value.as_array().is_some_and(Vec::is_empty),
        "tool_choice" | "function_call" => value.as_str() == Some("none"),
        "logit_bias" => value.as_object().is_some_and(serde_json::Map::is_empty),
        "top_logprobs" | "modalities" | "audio" | "grammar" | "json_schema" => false,
        _ => true,
    };
    !asks_for_nothing && !value.is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<GenerationRequest, Refusal> {
        ChatRequest::parse(body.to_string().as_bytes())?.into_generation()
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = json!({ "messages": [{ "role": "user", "content": "hello" }] });
        body[name] = value;
        body
    }

    #[test]
    fn a_request_is_read() {
        let request = read(&json!({
            "messages": [
                { "role": "developer", "content": "be brief" },
                { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
            ],
            "max_completion_tokens": 7, "temperature": 0, "seed": 5, "stop": "\n", "top_p": 1, "n": 1, "user": "x",
        }))
        .unwrap();
        let messages = vec![
            Message { role: Role::System, content: "be brief".to_owned() },
            Message { role: Role::User, content: "ab".to_owned() },
        ];
        let stop = vec!["\n".to_owned()];
        assert_eq!(request, GenerationRequest { messages, tokens_max: 7, temperature: 0.0, seed: 5, stop });
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        for (name, value) in [
            ("max_tokens", json!(0)),
            ("max_tokens", json!(-1)),
            ("max_tokens", json!(1.5)),
            ("max_tokens", json!(u64::MAX)),
            ("temperature", json!(-0.1)),
            ("temperature", json!(2.1)),
            ("temperature", json!("hot")),
            ("seed", json!(-1)),
            ("seed", json!(4_294_967_296_u64)),
            ("stop", json!([""])),
            ("stop", json!(vec!["x"; 9])),
            ("stop", json!("x".repeat(257))),
            ("messages", json!([])),
            ("messages", json!([{ "role": "tool", "content": "x" }])),
            ("messages", json!([{ "role": "user" }])),
            ("messages", json!([{ "role": "user", "content": [{ "type": "image_url" }] }])),
        ] {
            let refusal = read(&with(name, value.clone())).expect_err(&format!("{name} = {value}"));
            assert_eq!(refusal.status(), axum::http::StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn what_is_missing_is_refused_by_name() {
        for (name, value) in [
            ("n", json!(2)),
            ("tools", json!([{}])),
            ("response_format", json!({ "type": "json_object" })),
            ("logprobs", json!(true)),
            ("grammar", json!("root ::= x")),
        ] {
            let refusal = read(&with(name, value)).unwrap_err();
            assert_eq!(refusal.body()["error"]["param"], name);
        }
        for (name, value) in
            [("tools", json!([])), ("logprobs", Value::Null), ("response_format", json!({ "type": "text" }))]
        {
            read(&with(name, value)).unwrap();
        }
    }

    #[test]
    fn another_model_is_not_answered_by_this_one() {
        let request = ChatRequest::parse(with("model", json!("large")).to_string().as_bytes()).unwrap();
        assert!(request.check_model("large").is_ok());
        assert_eq!(request.check_model("small").unwrap_err().status(), axum::http::StatusCode::NOT_FOUND);
    }
}
