//! Can any generator do this?
//!
//! Invariants:
//! - What passes is within the limits. The engine and the client ask the same question, so a request is refused
//!   before it is sent, and numbers that JSON cannot carry never reach it.

use wellspring_core::generator::{GenerateError, GenerateErrorKind, GenerationOptions, GenerationRequest, TextForm};
use wellspring_core::limits;

/// Refuses what no model could do.
pub(crate) fn check(request: &GenerationRequest) -> Result<(), GenerateError> {
    let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
    let stops_fit = request.stop.len() <= limits::STOP_TEXTS_MAX
        && request.stop.iter().all(|stop| (1..=limits::STOP_TEXT_BYTES_MAX).contains(&stop.len()));
    let refused = if request.messages.is_empty() {
        "the prompt has no message".to_owned()
    } else if request.messages.len() > limits::PROMPT_MESSAGES_MAX {
        format!(
            "the prompt has {} messages, at most {} can be read",
            request.messages.len(),
            limits::PROMPT_MESSAGES_MAX
        )
    } else if bytes > limits::REQUEST_BODY_BYTES_MAX {
        format!("the prompt has {bytes} bytes, at most {} can be read", limits::REQUEST_BODY_BYTES_MAX)
    } else if request.tokens_max == 0 {
        "at least one token must be allowed".to_owned()
    } else if !(0.0..=2.0).contains(&request.temperature) {
        "the temperature lies outside 0 to 2".to_owned()
    } else if let Some(refused) = options(&request.options) {
        refused
    } else if !stops_fit {
        format!(
            "at most {} stop texts of 1 to {} bytes can be given",
            limits::STOP_TEXTS_MAX,
            limits::STOP_TEXT_BYTES_MAX
        )
    } else {
        return Ok(());
    };
    Err(GenerateError::new(GenerateErrorKind::Refused, refused))
}

/// What of the options no model could do.
fn options(options: &GenerationOptions) -> Option<String> {
    let form_bytes = match &options.form {
        TextForm::Free => 0,
        TextForm::JsonSchema(text) | TextForm::Grammar(text) => text.len(),
    };
    let within = [
        (options.top_p > 0.0 && options.top_p <= 1.0, "top_p lies outside 0 (exclusive) to 1"),
        ((0.0..=1.0).contains(&options.min_p), "min_p lies outside 0 to 1"),
        ((0.5..=2.0).contains(&options.repeat_penalty), "the repeat penalty lies outside 0.5 to 2"),
        (options.top_k <= limits::SAMPLING_TOP_K_MAX, "top_k is larger than any vocabulary"),
        (options.deadline.is_none_or(|time| time <= limits::GENERATOR_DEADLINE_MAX), "the deadline is too far"),
        (
            options.likely_tokens.is_none_or(|count| count <= limits::LIKELY_TOKENS_MAX),
            "more likely tokens are asked for than can be named",
        ),
        (
            options.adapter.as_ref().is_none_or(|adapter| (0.0..=limits::ADAPTER_SCALE_MAX).contains(&adapter.scale)),
            "the adapter's scale lies outside 0 to 4",
        ),
        (form_bytes <= limits::GRAMMAR_BYTES_MAX, "the grammar or schema is too long"),
        (
            options.caller.as_ref().is_none_or(|caller| caller.len() <= limits::GENERATOR_CALLER_BYTES_MAX),
            "the caller's name is too long",
        ),
    ];
    within.into_iter().find(|(fits, _)| !fits).map(|(_, refused)| refused.to_owned())
}
