//! What does the client ask for, and can it be done?
//!
//! Invariants:
//! - What passes is within the limits; what this server cannot do is refused by name, since a client that asked for
//!   a JSON schema must not get free text.
//! - No refusal repeats what the client wrote.

use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

use wellspring_core::generator::{Adapter, GenerationOptions, GenerationRequest, Message, Role, Template, TextForm};
use wellspring_core::limits;

use super::reply::Refusal;

/// Tokens written when the client names no limit.
const TOKENS_DEFAULT: u64 = 512;
/// What the protocol says when the client names none.
const TEMPERATURE_DEFAULT: f64 = 1.0;

/// The protocol's bound for texts; that for chats is larger.
const LIKELY_TOKENS_OF_TEXT_MAX: usize = 5;

/// A grammar for JSON objects of any kind.
const ANY_OBJECT: &str = r#"{"type":"object"}"#;

/// Which of the two bodies a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `POST /v1/chat/completions`: messages.
    Chat,
    /// `POST /v1/completions`: one text to go on from.
    Text,
}

/// A body of `POST /v1/chat/completions` or `POST /v1/completions`. Fields that only describe the caller are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct CompletionRequest {
    #[serde(default)]
    messages: Vec<WireMessage>,
    prompt: Option<WirePrompt>,
    model: Option<String>,
    top_p: Option<f64>,
    top_k: Option<i64>,
    min_p: Option<f64>,
    repeat_penalty: Option<f64>,
    response_format: Option<ResponseFormat>,
    grammar: Option<String>,
    /// The protocol's name for who asks.
    user: Option<String>,
    deadline_ms: Option<i64>,
    /// Whether the likelihood of tokens is wanted: a truth value of a chat, a number of a text.
    logprobs: Option<Value>,
    top_logprobs: Option<i64>,
    adapter: Option<String>,
    adapter_scale: Option<f64>,
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
#[serde(untagged)]
enum WirePrompt {
    Text(String),
    Texts(Vec<String>),
}

/// What the text must look like.
#[derive(Debug, Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<NamedSchema>,
}

#[derive(Debug, Deserialize)]
struct NamedSchema {
    schema: Option<Value>,
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

impl CompletionRequest {
    /// Reads a body and refuses what cannot be done.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(body)
            .map_err(|_| Refusal::invalid("the body is not the JSON object of a completion", None))?;
        match request.others.iter().find(|(name, value)| asks_for_what_is_missing(name, value)) {
            Some((name, _)) => Err(Refusal::unsupported(name)),
            None => Ok(request),
        }
    }

    /// The model that answers: the one that is served, or one of its adapters by its name. A request for another one is
    /// refused: it would be answered by one the client did not choose.
    pub(super) fn model_name(&self, served: String, adapters: &[String]) -> Result<String, Refusal> {
        match self.model.as_deref() {
            None | Some("") => Ok(served),
            Some(model) if model == served || adapters.iter().any(|adapter| adapter == model) => Ok(model.to_owned()),
            Some(_) => Err(Refusal::no_such_model(&served)),
        }
    }

    /// Whether the usage shall come in a chunk of its own.
    pub(super) fn wants_separate_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// The request in our words.
    pub(super) fn into_generation(
        mut self,
        endpoint: Endpoint,
        adapters: &[String],
    ) -> Result<GenerationRequest, Refusal> {
        let options = GenerationOptions { adapter: self.adapter(adapters)?, ..self.options(endpoint)? };
        let tokens_max = self.max_completion_tokens.or(self.max_tokens).unwrap_or(TOKENS_DEFAULT);
        let context = u64::from(u32::MAX);
        if !(1..=context).contains(&tokens_max) {
            return Err(Refusal::invalid(format!("max_tokens must lie from 1 to {context}"), Some("max_tokens")));
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
        let messages = match endpoint {
            Endpoint::Chat => chat(self.messages)?,
            Endpoint::Text => vec![Message { role: Role::User, content: plain(self.prompt)? }],
        };
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
        let (tokens_max, temperature) = (tokens_max as usize, temperature as f32);
        Ok(GenerationRequest { messages, tokens_max, temperature, seed, stop, options })
    }
}

impl CompletionRequest {
    /// What most clients leave as it is. Numbers outside their range are refused here, by name.
    fn options(&mut self, endpoint: Endpoint) -> Result<GenerationOptions, Refusal> {
        let defaults = GenerationOptions::default();
        let within = |name: &str, value: Option<f64>, default: f32, least: f64, most: f64| match value {
            None => Ok(default),
            Some(value) if (least..=most).contains(&value) => Ok(value as f32),
            Some(_) => Err(Refusal::invalid(format!("{name} must lie from {least} to {most}"), Some(name))),
        };
        let top_k = match self.top_k {
            None => defaults.top_k,
            Some(top_k) => {
                u32::try_from(top_k).ok().filter(|top_k| *top_k <= limits::SAMPLING_TOP_K_MAX).ok_or_else(|| {
                    Refusal::invalid(format!("top_k must lie from 0 to {}", limits::SAMPLING_TOP_K_MAX), Some("top_k"))
                })?
            }
        };
        let deadline_max = limits::GENERATOR_DEADLINE_MAX.as_millis() as i64;
        let deadline = match self.deadline_ms {
            None => None,
            Some(ms) if (1..=deadline_max).contains(&ms) => Some(Duration::from_millis(ms.unsigned_abs())),
            Some(_) => {
                let message = format!("deadline_ms must lie from 1 to {deadline_max}");
                return Err(Refusal::invalid(message, Some("deadline_ms")));
            }
        };
        let caller = self.user.take();
        if caller.as_ref().is_some_and(|caller| caller.len() > limits::GENERATOR_CALLER_BYTES_MAX) {
            let message = format!("user must have at most {} bytes", limits::GENERATOR_CALLER_BYTES_MAX);
            return Err(Refusal::invalid(message, Some("user")));
        }
        Ok(GenerationOptions {
            caller,
            deadline,
            top_k,
            top_p: within("top_p", self.top_p, defaults.top_p, 1e-6, 1.0)?,
            min_p: within("min_p", self.min_p, defaults.min_p, 0.0, 1.0)?,
            repeat_penalty: within("repeat_penalty", self.repeat_penalty, defaults.repeat_penalty, 0.5, 2.0)?,
            form: self.form()?,
            likely_tokens: self.likely_tokens(endpoint)?,
            adapter: None,
            template: match endpoint {
                Endpoint::Chat => Template::Chat,
                Endpoint::Text => Template::Plain,
            },
        })
    }

    /// How many of the likeliest tokens are told of beside each written one, if any is told of.
    fn likely_tokens(&self, endpoint: Endpoint) -> Result<Option<usize>, Refusal> {
        let refused = |message: String, name| Err(Refusal::invalid(message, Some(name)));
        let within = |count: i64, most: usize| usize::try_from(count).ok().filter(|count| *count <= most);
        match (endpoint, &self.logprobs, self.top_logprobs) {
            (_, None, None) => Ok(None),
            (Endpoint::Chat, Some(Value::Bool(true)), None) => Ok(Some(0)),
            (Endpoint::Chat, Some(Value::Bool(true)), Some(count)) => match within(count, limits::LIKELY_TOKENS_MAX) {
                Some(count) => Ok(Some(count)),
                None => {
                    refused(format!("top_logprobs must lie from 0 to {}", limits::LIKELY_TOKENS_MAX), "top_logprobs")
                }
            },
            (Endpoint::Chat, None | Some(Value::Bool(false)), Some(_)) => {
                refused("top_logprobs needs logprobs to be true".to_owned(), "top_logprobs")
            }
            (_, Some(Value::Bool(false)), None) => Ok(None),
            (Endpoint::Chat, Some(_), _) => refused("logprobs must be true or false".to_owned(), "logprobs"),
            (Endpoint::Text, Some(count), None) => {
                match count.as_i64().and_then(|count| within(count, LIKELY_TOKENS_OF_TEXT_MAX)) {
                    Some(count) => Ok(Some(count)),
                    None => refused(format!("logprobs must lie from 0 to {LIKELY_TOKENS_OF_TEXT_MAX}"), "logprobs"),
                }
            }
            (Endpoint::Text, _, Some(_)) => Err(Refusal::unsupported("top_logprobs")),
        }
    }

    /// What is laid over the model: by its name, or by the name of the model that is asked for.
    fn adapter(&mut self, adapters: &[String]) -> Result<Option<Adapter>, Refusal> {
        let known = |name: &String| adapters.contains(name);
        let by_model = self.model.take().filter(known);
        let name = match (self.adapter.take(), by_model) {
            (Some(name), _) if !known(&name) => {
                return Err(Refusal::invalid("this server has no adapter of that name", Some("adapter")));
            }
            (Some(name), Some(model)) if name != model => {
                return Err(Refusal::invalid("model and adapter name different adapters", Some("adapter")));
            }
            (name, model) => name.or(model),
        };
        match (name, self.adapter_scale) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Refusal::invalid("adapter_scale needs an adapter", Some("adapter_scale"))),
            (Some(name), scale) => {
                let scale = scale.unwrap_or(1.0) as f32;
                if (0.0..=limits::ADAPTER_SCALE_MAX).contains(&scale) {
                    return Ok(Some(Adapter { name, scale }));
                }
                let message = format!("adapter_scale must lie from 0 to {}", limits::ADAPTER_SCALE_MAX);
                Err(Refusal::invalid(message, Some("adapter_scale")))
            }
        }
    }

    /// What the text must look like.
    fn form(&mut self) -> Result<TextForm, Refusal> {
        let format = self.response_format.take();
        let (form, param) = match (self.grammar.take(), format) {
            (Some(_), Some(format)) if format.kind != "text" => {
                let message = "grammar and response_format cannot both be given";
                return Err(Refusal::invalid(message, Some("grammar")));
            }
            (Some(grammar), _) => (TextForm::Grammar(grammar), "grammar"),
            (None, None) => return Ok(TextForm::Free),
            (None, Some(format)) => match (format.kind.as_str(), format.json_schema.and_then(|named| named.schema)) {
                ("text", _) => return Ok(TextForm::Free),
                ("json_object", _) => (TextForm::JsonSchema(ANY_OBJECT.to_owned()), "response_format"),
                ("json_schema", Some(schema @ Value::Object(_))) => {
                    (TextForm::JsonSchema(schema.to_string()), "response_format")
                }
                ("json_schema", _) => {
                    let message = "response_format of type json_schema needs an object json_schema.schema";
                    return Err(Refusal::invalid(message, Some("response_format")));
                }
                _ => return Err(Refusal::unsupported("response_format")),
            },
        };
        let (TextForm::JsonSchema(text) | TextForm::Grammar(text)) = &form else { return Ok(form) };
        if text.len() > limits::GRAMMAR_BYTES_MAX {
            let message = format!("{param} must have at most {} bytes", limits::GRAMMAR_BYTES_MAX);
            return Err(Refusal::invalid(message, Some(param)));
        }
        Ok(form)
    }
}

/// The turns of a chat.
fn chat(messages: Vec<WireMessage>) -> Result<Vec<Message>, Refusal> {
    if messages.is_empty() || messages.len() > limits::PROMPT_MESSAGES_MAX {
        let message = format!("messages must be 1 to {} turns", limits::PROMPT_MESSAGES_MAX);
        return Err(Refusal::invalid(message, Some("messages")));
    }
    messages.into_iter().map(WireMessage::into_message).collect()
}

/// The one text to go on from.
fn plain(prompt: Option<WirePrompt>) -> Result<String, Refusal> {
    let text = match prompt {
        Some(WirePrompt::Text(text)) => Some(text),
        // Several prompts would be several completions in one answer.
        Some(WirePrompt::Texts(texts)) => <[String; 1]>::try_from(texts).ok().map(|[text]| text),
        None => None,
    };
    let text = text.filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::invalid("prompt must be one text that is not empty", Some("prompt")))
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
        "n" | "best_of" => value.as_f64() == Some(1.0),
        "frequency_penalty" | "presence_penalty" => value.as_f64() == Some(0.0),
        "echo" => value.as_bool() == Some(false),
        "suffix" => value.as_str() == Some(""),
        "tools" | "functions" => value.as_array().is_some_and(Vec::is_empty),
        "tool_choice" | "function_call" => value.as_str() == Some("none"),
        "logit_bias" => value.as_object().is_some_and(serde_json::Map::is_empty),
        "modalities" | "audio" | "json_schema" => false,
        _ => true,
    };
    !asks_for_nothing && !value.is_null()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
