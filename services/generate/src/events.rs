//! What does an OpenAI-compatible server say, event by event?
//!
//! Invariants:
//! - A line has a bound: a server that never ends one is given up, not stored (I-7).
//! - Nothing but `data: [DONE]` after a finish reason ends a generation well.

use bytes::Bytes;
use serde::Deserialize;
use thiserror::Error;
use wellspring_core::generator::{FinishReason, Usage};
use wellspring_core::limits;

/// Why a stream of events cannot be read on.
#[derive(Debug, Error)]
pub(crate) enum EventsError {
    /// A line that does not end.
    #[error("a line is longer than {} bytes", limits::GENERATOR_LINE_BYTES_MAX)]
    LineTooLong,
    /// A payload that is not the JSON it should be.
    #[error("an event is no chunk of a completion")]
    NotAChunk,
    /// The server reports a failure.
    #[error("the generator reports a failure")]
    Reported,
    /// A finish reason that has no text to go with it.
    #[error("the generation ended for a reason that is not understood")]
    UnknownReason,
    /// `[DONE]` without a finish reason, or the end without `[DONE]`.
    #[error("the stream ended before the generation did")]
    EndedEarly,
    /// More text than the tokens that were asked for can stand for.
    #[error("the server does not keep the token limit")]
    TooMuchText,
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Adds bytes; hands out each line they complete, without its end.
    pub(crate) fn push(&mut self, bytes: &Bytes, mut line: impl FnMut(&[u8])) -> Result<(), EventsError> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.pending.len() + piece.len() > limits::GENERATOR_LINE_BYTES_MAX {
                return Err(EventsError::LineTooLong);
            }
            self.pending.extend_from_slice(piece);
            if let Some(whole) = self.pending.strip_suffix(b"\n") {
                line(whole.strip_suffix(b"\r").unwrap_or(whole));
                self.pending.clear();
            }
        }
        Ok(())
    }
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A comment, a blank line, a field that carries nothing here.
    Nothing,
    /// A part of the completion.
    Chunk(Chunk),
    /// `[DONE]`.
    Done,
}

/// A part of a completion.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// More text, possibly none.
    pub(crate) text: String,
    /// Why it ends, in one of the last chunks.
    pub(crate) reason: Option<FinishReason>,
    /// What it cost, in one of the last chunks.
    pub(crate) usage: Option<Usage>,
}

/// Reads one line of the stream.
pub(crate) fn event(line: &[u8]) -> Result<Event, EventsError> {
    let Some(data) = line.strip_prefix(b"data:") else { return Ok(Event::Nothing) };
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Ok(Event::Done);
    }
    let chunk: WireChunk = serde_json::from_slice(data).map_err(|_| EventsError::NotAChunk)?;
    if chunk.error.is_some() {
        return Err(EventsError::Reported);
    }
    let usage = chunk.usage.map(|usage| Usage {
        prompt_tokens: usage.prompt_tokens,
        cached_tokens: usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
        completion_tokens: usage.completion_tokens,
    });
    let Some(choice) = chunk.choices.ok_or(EventsError::NotAChunk)?.into_iter().next() else {
        return Ok(Event::Chunk(Chunk { usage, ..Chunk::default() }));
    };
    let reason = match choice.finish_reason.as_deref() {
        None => None,
        Some("stop") => Some(FinishReason::Stop),
        Some("length") => Some(FinishReason::Length),
        Some(_) => return Err(EventsError::UnknownReason),
    };
    let text = choice.delta.and_then(|delta| delta.content).unwrap_or_default();
    Ok(Event::Chunk(Chunk { text, reason, usage }))
}

#[derive(Deserialize)]
struct WireChunk {
    choices: Option<Vec<WireChoice>>,
    usage: Option<WireUsage>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct WireChoice {
    delta: Option<WireDelta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct WireDelta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: usize,
    completion_tokens: usize,
    prompt_tokens_details: Option<WireDetails>,
}

#[derive(Deserialize)]
struct WireDetails {
    cached_tokens: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_bytes_break() {
        let stream = b"data: a\r\n\r\ndata: b\n: ping\n";
        for cut in 0..stream.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                lines.push(&Bytes::copy_from_slice(part), |line| seen.push(line.to_vec())).unwrap();
            }
            assert_eq!(seen, [&b"data: a"[..], b"", b"data: b", b": ping"]);
        }
    }

    #[test]
    fn a_line_that_never_ends_is_given_up() {
        let mut lines = Lines::default();
        let piece = Bytes::from(vec![b'x'; 4096]);
        let given_up = (0..1000).find_map(|_| lines.push(&piece, |_| panic!("there is no line")).err());
        assert!(matches!(given_up, Some(EventsError::LineTooLong)));
        assert!(lines.pending.len() <= limits::GENERATOR_LINE_BYTES_MAX);
    }

    #[test]
    fn chunks_are_read() {
        let line = br#"data: {"choices":[{"index":0,"delta":{"content":"Pa"},"finish_reason":null}]}"#;
        assert_eq!(event(line).unwrap(), Event::Chunk(Chunk { text: "Pa".to_owned(), ..Chunk::default() }));
        let line = br#"data: {"choices":[{"delta":{},"finish_reason":"length"}],
            "usage":{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3}}}"#;
        let usage = Usage { prompt_tokens: 5, cached_tokens: 3, completion_tokens: 2 };
        let last = Chunk { text: String::new(), reason: Some(FinishReason::Length), usage: Some(usage) };
        assert_eq!(event(line).unwrap(), Event::Chunk(last));
        assert_eq!(event(b"data: [DONE]").unwrap(), Event::Done);
        assert_eq!(event(b": keep-alive").unwrap(), Event::Nothing);
        assert_eq!(event(b"").unwrap(), Event::Nothing);
    }

    #[test]
    fn hostile_payloads_are_errors() {
        for line in [&b"data: {"[..], b"data: 7", b"data: {\"choices\":7}", b"data: {}", b"data: \xFF", b"data:"] {
            assert!(matches!(event(line), Err(EventsError::NotAChunk)), "{line:?}");
        }
        let reported = br#"data: {"error":{"message":"no"}}"#;
        assert!(matches!(event(reported), Err(EventsError::Reported)));
        let unknown = br#"data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
        assert!(matches!(event(unknown), Err(EventsError::UnknownReason)));
    }
}
