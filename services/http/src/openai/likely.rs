//! How likely was each token, in the protocol's two forms?
//!
//! Invariants:
//! - A token is a text here and its bytes beside it where the form has room for them: a part of a character is U+FFFD in
//!   the text.

use serde_json::{Map, Value, json};
use wellspring_core::generator::{LikelyToken, WrittenToken};

use super::request::Endpoint;

/// Tells of tokens, one part of a text after another.
#[derive(Debug, Clone)]
pub(super) struct Likely {
    endpoint: Endpoint,
    /// Characters that began in the parts before.
    characters: usize,
}

impl Likely {
    /// For a text that begins.
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, characters: 0 }
    }

    /// The `logprobs` of a choice; null without tokens.
    pub(super) fn body(&mut self, tokens: &[WrittenToken]) -> Value {
        match self.endpoint {
            _ if tokens.is_empty() => Value::Null,
            Endpoint::Chat => json!({ "content": tokens.iter().map(of_chat).collect::<Vec<_>>(), "refusal": null }),
            Endpoint::Text => self.of_text(tokens),
        }
    }

    fn of_text(&mut self, tokens: &[WrittenToken]) -> Value {
        let mut offsets = Vec::with_capacity(tokens.len());
        for WrittenToken { token, .. } in tokens {
            offsets.push(self.characters);
            // Every byte but those that go on with a character begins one.
            self.characters += token.bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
        }
        let asked_for_others = tokens.iter().any(|token| !token.likeliest.is_empty());
        let others = tokens.iter().map(|WrittenToken { token, likeliest }| {
            // The written one is among them, also where it was not one of the likeliest.
            let all = likeliest.iter().chain([token]);
            all.map(|token| (text(token), json!(token.logprob))).collect::<Map<_, _>>()
        });
        json!({
            "tokens": tokens.iter().map(|token| text(&token.token)).collect::<Vec<_>>(),
            "token_logprobs": tokens.iter().map(|token| token.token.logprob).collect::<Vec<_>>(),
            "top_logprobs": if asked_for_others { others.collect() } else { Value::Null },
            "text_offset": offsets,
        })
    }
}

fn of_chat(WrittenToken { token, likeliest }: &WrittenToken) -> Value {
    let one = |token: &LikelyToken| json!({ "token": text(token), "logprob": token.logprob, "bytes": token.bytes });
    let mut body = one(token);
    body["top_logprobs"] = likeliest.iter().map(one).collect();
    body
}

fn text(token: &LikelyToken) -> String {
    String::from_utf8_lossy(&token.bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(bytes: &[u8], logprob: f32) -> LikelyToken {
        LikelyToken { bytes: bytes.to_vec(), logprob }
    }

    fn tokens() -> Vec<WrittenToken> {
        let sea = WrittenToken { token: token(b"sea", -0.5), likeliest: vec![token(b"lake", -0.25)] };
        let part = WrittenToken { token: token(b"\xE6\xB0", -1.0), likeliest: vec![token(b"\xE6\xB0", -1.0)] };
        vec![sea, part]
    }

    #[test]
    fn a_chat_lists_bytes() {
        let body = Likely::new(Endpoint::Chat).body(&tokens());
        assert_eq!(
            body["content"],
            json!([
                { "token": "sea", "logprob": -0.5, "bytes": [115, 101, 97],
                  "top_logprobs": [{ "token": "lake", "logprob": -0.25, "bytes": [108, 97, 107, 101] }] },
                { "token": "\u{FFFD}", "logprob": -1.0, "bytes": [230, 176],
                  "top_logprobs": [{ "token": "\u{FFFD}", "logprob": -1.0, "bytes": [230, 176] }] },
            ])
        );
    }

    #[test]
    fn a_text_counts_characters_over_its_parts() {
        let mut likely = Likely::new(Endpoint::Text);
        assert_eq!(likely.body(&[]), Value::Null);
        let body = likely.body(&tokens());
        assert_eq!(body["tokens"], json!(["sea", "\u{FFFD}"]));
        assert_eq!(body["top_logprobs"][0], json!({ "lake": -0.25, "sea": -0.5 }));
        assert_eq!(body["text_offset"], json!([0, 3]));
        let bare = WrittenToken { likeliest: Vec::new(), ..tokens().remove(0) };
        let body = likely.body(&[bare]);
        assert_eq!((&body["text_offset"], &body["top_logprobs"]), (&json!([4]), &Value::Null));
    }
}
