//! Can any generator do this?
//!
//! Invariants:
//! - What passes is within the limits. The engine and the client ask the same question, so a request is refused
//!   before it is sent, and numbers that JSON cannot carry never reach it.

use wellspring_core::generator::{GenerateError, GenerateErrorKind, GenerationRequest};
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
