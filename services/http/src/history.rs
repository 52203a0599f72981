//! What was said before, and how is this question to be answered?
//!
//! ```json
//! {"history": [{"role": "user", "content": "How much is a day ticket?"}, {"role": "assistant", "content": "6.00 crowns"}],
//!  "question": "and for dogs?", "style": "short", "verify": "strict"}
//! ```
//!
//! Invariants:
//! - A conversation is bounded in turns and in the bytes of each (I-7); what is beyond is refused, never cut off.
//! - It begins with a question. Several messages of one side are one, as chat programs send them.

use serde_json::Value;
use wellspring_core::answer::{AnswerMode, AnswerStyle, Turn, Verify};
use wellspring_core::limits;

use crate::error::ApiError;
use crate::fields::{Fields, invalid, missing};

const HINT: &str =
    "send it like [{\"role\": \"user\", \"content\": \"…\"}, {\"role\": \"assistant\", \"content\": \"…\"}]";

/// Takes `history` out of a request: the turns before, oldest first.
pub(crate) fn history_of(fields: &mut Fields) -> Result<Vec<Turn>, ApiError> {
    let Some(history) = fields.take("history") else { return Ok(Vec::new()) };
    let Value::Array(messages) = history else { return Err(invalid("history", "must be a list of messages", HINT)) };
    let mut turns: Vec<Turn> = Vec::new();
    let mut asking = false;
    for message in messages {
        let mut message = Fields::of(message, &["role", "content"])?;
        let role = message.string("role")?.ok_or_else(|| missing("role"))?;
        let content = message.string("content")?.ok_or_else(|| missing("content"))?;
        let (content, user) = (content.trim(), role == "user");
        if !user && role != "assistant" {
            return Err(invalid("role", "must be `user` or `assistant`", HINT));
        }
        if content.is_empty() {
            return Err(invalid("content", "is empty", HINT));
        }
        if user && !asking {
            turns.push(Turn { question: String::new(), answer: String::new() });
        }
        asking = user;
        let Some(turn) = turns.last_mut() else {
            return Err(invalid("history", "must begin with a message of the user", HINT));
        };
        let side = if user { &mut turn.question } else { &mut turn.answer };
        if !side.is_empty() {
            side.push('\n');
        }
        side.push_str(content);
        if side.len() > limits::CONVERSATION_TEXT_BYTES_MAX {
            let reason = format!("has a turn of more than {} bytes", limits::CONVERSATION_TEXT_BYTES_MAX);
            return Err(invalid("history", &reason, "leave out what is long ago, or shorten it"));
        }
        if turns.len() > limits::CONVERSATION_TURNS_MAX {
            let reason = format!("has more than {} turns", limits::CONVERSATION_TURNS_MAX);
            return Err(invalid("history", &reason, "send the last ones"));
        }
    }
    Ok(turns)
}

/// Takes `mode` out of a request.
pub(crate) fn mode_of(fields: &mut Fields) -> Result<AnswerMode, ApiError> {
    match fields.string("mode")?.as_deref() {
        None | Some("auto") => Ok(AnswerMode::Auto),
        Some("extract") => Ok(AnswerMode::Extract),
        Some("generate") => Ok(AnswerMode::Generate),
        Some(_) => Err(invalid("mode", "has an unknown value", "use `auto`, `extract` or `generate`")),
    }
}

/// Takes `style` out of a request; `None` leaves the choice to the service.
pub(crate) fn style_of(fields: &mut Fields) -> Result<Option<AnswerStyle>, ApiError> {
    match fields.string("style")?.as_deref() {
        None | Some("auto") => Ok(None),
        Some("short") => Ok(Some(AnswerStyle::Short)),
        Some("full") => Ok(Some(AnswerStyle::Full)),
        Some(_) => Err(invalid("style", "has an unknown value", "use `auto`, `short` or `full`")),
    }
}

/// Takes `verify` out of a request; `None` leaves it to the operator's setting.
pub(crate) fn verify_of(fields: &mut Fields) -> Result<Option<Verify>, ApiError> {
    match fields.string("verify")?.as_deref() {
        None => Ok(None),
        Some("off") => Ok(Some(Verify::Off)),
        Some("mark") => Ok(Some(Verify::Mark)),
        Some("strict") => Ok(Some(Verify::Strict)),
        Some(_) => Err(invalid("verify", "has an unknown value", "use `off`, `mark` or `strict`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(history: Value) -> Result<Vec<Turn>, ApiError> {
        history_of(&mut Fields::of(json!({ "history": history }), &["history"])?)
    }

    fn said(role: &str, content: &str) -> Value {
        json!({ "role": role, "content": content })
    }

    #[test]
    fn messages_become_turns() {
        let turns = read(json!([
            said("user", "How much is a day ticket?"),
            said("assistant", " 6.00 crowns "),
            said("user", "Thanks."),
            said("user", "And for dogs?")
        ]));
        let turn = |question: &str, answer: &str| Turn { question: question.into(), answer: answer.into() };
        let expected = [turn("How much is a day ticket?", "6.00 crowns"), turn("Thanks.\nAnd for dogs?", "")];
        assert_eq!(turns.unwrap(), expected);
        assert!(read(json!([])).unwrap().is_empty() && read(Value::Null).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_conversation_is_refused_without_repeating_it() {
        let many: Vec<Value> = (0..=limits::CONVERSATION_TURNS_MAX)
            .flat_map(|_| [said("user", "secret"), said("assistant", "secret")])
            .collect();
        for history in [
            json!("secret"),
            json!(["secret"]),
            json!([{ "role": "user" }]),
            json!([{ "role": "system", "content": "secret" }]),
            json!([said("assistant", "secret")]),
            json!([said("user", " ")]),
            json!([{ "role": "user", "content": "x", "name": "secret" }]),
            json!([said("user", &"secret".repeat(limits::CONVERSATION_TEXT_BYTES_MAX))]),
            json!(many),
        ] {
            let detail = read(history).unwrap_err().detail();
            assert!(!format!("{detail:?}").contains("secret"), "{detail:?}");
        }
    }
}
