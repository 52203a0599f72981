//! How do the bytes of tokens become text that may be shown?
//!
//! Invariants:
//! - What comes out is whole characters: a token may end in the middle of one.
//! - No part of a stop text comes out, however many tokens it is spread over.
//! - Bytes that are no UTF-8 become U+FFFD; they are never kept waiting for a rest that cannot come.

/// Gathers bytes, lets out text.
#[derive(Debug)]
pub(crate) struct Assembler {
    stops: Vec<String>,
    /// Bytes that do not make a character yet; at most three.
    bytes: Vec<u8>,
    /// Characters that may be the beginning of a stop text.
    held: String,
}

/// What a token let out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Assembled {
    /// Text, possibly none yet.
    Text(String),
    /// The text in front of a stop text; nothing follows.
    Stopped(String),
}

impl Assembler {
    /// Takes the texts to stop at; none of them may be empty.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        debug_assert!(stops.iter().all(|stop| !stop.is_empty()));
        Self { stops, bytes: Vec::new(), held: String::new() }
    }

    /// Adds a token's bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Assembled {
        self.bytes.extend_from_slice(bytes);
        self.decode();
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            self.bytes.clear();
            return Assembled::Stopped(std::mem::take(&mut self.held));
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Assembled::Text(std::mem::replace(&mut self.held, rest))
    }

    /// What was held back, now that no token follows.
    pub(crate) fn finish(&mut self) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(&String::from_utf8_lossy(&self.bytes));
        self.bytes.clear();
        text
    }

    /// Moves whole characters from `bytes` to `held`.
    fn decode(&mut self) {
        let mut rest = self.bytes.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.held.push_str(text);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.held.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    if let Some(length) = error.error_len() {
                        self.held.push(char::REPLACEMENT_CHARACTER);
                        rest = &rest[length..];
                        continue;
                    }
                }
            }
            break;
        }
        self.bytes = rest.to_vec();
    }
}

/// The length of the longest end of `text` with which `stop` begins.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices().map(|(at, _)| at).skip(1).filter(|&length| text.ends_with(&stop[..length])).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Assembled {
        Assembled::Text(text.to_owned())
    }

    #[test]
    fn characters_come_out_whole() {
        let mut assembler = Assembler::new(vec![]);
        let bytes = "水是".as_bytes();
        assert_eq!(assembler.push(&bytes[..2]), text(""));
        assert_eq!(assembler.push(&bytes[2..4]), text("水"));
        assert_eq!(assembler.push(&bytes[4..]), text("是"));
        assert_eq!(assembler.finish(), "");
    }

    #[test]
    fn broken_bytes_do_not_wait() {
        let mut assembler = Assembler::new(vec![]);
        assert_eq!(assembler.push(b"a\xFFb\xE6"), text("a\u{FFFD}b"));
        assert_eq!(assembler.push(b"c"), text("\u{FFFD}c"));
        assert_eq!(assembler.push(b"\xE6\xB0"), text(""));
        assert_eq!(assembler.finish(), "\u{FFFD}");
    }

    #[test]
    fn a_stop_text_is_met_across_tokens_and_never_shown() {
        let mut assembler = Assembler::new(vec!["\n\nQ:".to_owned(), "END".to_owned()]);
        assert_eq!(assembler.push(b"Paris\n"), text("Paris"));
        assert_eq!(assembler.push(b"\n"), text(""));
        assert_eq!(assembler.push(b"Q"), text(""));
        assert_eq!(assembler.push(b": more"), Assembled::Stopped(String::new()));
    }

    #[test]
    fn what_only_looked_like_a_stop_text_comes_out() {
        let mut assembler = Assembler::new(vec!["aab".to_owned()]);
        assert_eq!(assembler.push(b"a"), text(""));
        assert_eq!(assembler.push(b"a"), text(""));
        assert_eq!(assembler.push(b"a"), text("a"));
        assert_eq!(assembler.push(b"c"), text("aac"));
        assert_eq!(assembler.push(b"xaabz"), Assembled::Stopped("x".to_owned()));
    }

    #[test]
    fn the_earliest_stop_text_wins() {
        let mut assembler = Assembler::new(vec!["later".to_owned(), "now".to_owned()]);
        assert_eq!(assembler.push("是 now later".as_bytes()), Assembled::Stopped("是 ".to_owned()));
    }

    #[test]
    fn held_text_comes_out_at_the_end() {
        let mut assembler = Assembler::new(vec!["。。".to_owned()]);
        assert_eq!(assembler.push("好。".as_bytes()), text("好"));
        assert_eq!(assembler.finish(), "。");
    }
}
