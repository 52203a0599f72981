//! What are the leaves of a JSON value, and under which names?
//!
//! `serde_json` would do, but for two things that reading needs: the order of the names and numbers as written.
//!
//! Invariants:
//! - Accepts what RFC 8259 accepts, with at most [`limits::JSON_DEPTH_MAX`] arrays and objects around a value.
//! - Recursion is bounded by that depth; nothing is collected.

use std::borrow::Cow;

use wellspring_core::limits;

/// Why scanning ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is not JSON from this byte on.
    Broken(usize),
    /// Arrays and objects are nested too deep.
    TooDeep,
    /// The sink has had enough.
    Full,
}

/// Takes a value apart as it is read.
pub(super) trait Sink {
    /// What follows belongs to a name of an object, up to the matching `leave`.
    fn name(&mut self, name: &str, at: usize);
    /// What follows is an element of an array, counted from 0, up to the matching `leave`.
    fn element(&mut self, index: usize, at: usize);
    /// The name or element is done.
    fn leave(&mut self);
    /// A string without its quotes and escapes, or a number, `true`, `false` or `null` as written.
    fn leaf(&mut self, value: &str, is_text: bool) -> Result<(), Stop>;
}

/// Scans one value and nothing after it but white space.
pub(super) fn scan(text: &str, sink: &mut impl Sink) -> Result<(), Stop> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.value(sink, 0)?;
    scanner.white_space();
    if scanner.at == text.len() { Ok(()) } else { Err(scanner.broken()) }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    fn broken(&self) -> Stop {
        Stop::Broken(self.at)
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn white_space(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is not white space, taken when it is `byte`.
    fn take(&mut self, byte: u8) -> bool {
        self.white_space();
        let taken = self.next() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn value(&mut self, sink: &mut impl Sink, depth: usize) -> Result<(), Stop> {
        self.white_space();
        match self.next() {
            Some(b'{' | b'[') if depth == limits::JSON_DEPTH_MAX => Err(Stop::TooDeep),
            Some(b'{') => self.object(sink, depth + 1),
            Some(b'[') => self.array(sink, depth + 1),
            Some(b'"') => {
                let text = self.string()?;
                sink.leaf(&text, true)
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = self.number()?;
                sink.leaf(number, false)
            }
            _ => {
                let rest = &self.text[self.at..];
                let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
                let word = word.ok_or(self.broken())?;
                self.at += word.len();
                sink.leaf(word, false)
            }
        }
    }

    fn object(&mut self, sink: &mut impl Sink, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.white_space();
            let start = self.at;
            let name = self.string()?;
            if !self.take(b':') {
                return Err(self.broken());
            }
            sink.name(&name, start);
            self.value(sink, depth)?;
            sink.leave();
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.broken());
            }
        }
    }

    fn array(&mut self, sink: &mut impl Sink, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        if self.take(b']') {
            return Ok(());
        }
        for index in 0.. {
            self.white_space();
            sink.element(index, self.at);
            self.value(sink, depth)?;
            sink.leave();
            if self.take(b']') {
                break;
            }
            if !self.take(b',') {
                return Err(self.broken());
            }
        }
        Ok(())
    }

    /// A string, its escapes resolved.
    fn string(&mut self) -> Result<Cow<'t, str>, Stop> {
        let start = self.at;
        if self.next() != Some(b'"') {
            return Err(self.broken());
        }
        self.at += 1;
        let mut escaped = false;
        loop {
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.broken()),
            }
        }
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start + 1..self.at - 1]));
        }
        // The loop above ends at quotes alone, which are character boundaries.
        serde_json::from_str(&self.text[start..self.at]).map(Cow::Owned).map_err(|_| Stop::Broken(start))
    }

    /// A number as written: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    fn number(&mut self) -> Result<&'t str, Stop> {
        let start = self.at;
        self.at += usize::from(self.next() == Some(b'-'));
        match self.next() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.next() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.next(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.next(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while matches!(self.next(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.broken()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts what is asked of it.
    #[derive(Default)]
    struct Leaves(Vec<String>);

    impl Sink for Leaves {
        fn name(&mut self, _: &str, _: usize) {}
        fn element(&mut self, _: usize, _: usize) {}
        fn leave(&mut self) {}
        fn leaf(&mut self, value: &str, _: bool) -> Result<(), Stop> {
            self.0.push(value.to_owned());
            Ok(())
        }
    }

    fn leaves(text: &str) -> Result<Vec<String>, Stop> {
        let mut sink = Leaves::default();
        scan(text, &mut sink).map(|()| sink.0)
    }

    #[test]
    fn numbers_stay_as_written_and_escapes_are_resolved() {
        let text = r#" {"a": [1.50, -0, 1e999, 12345678901234567890123], "b": "\u6cb3\n\"x\"", "c": null, "d": {}} "#;
        assert_eq!(leaves(text).unwrap(), ["1.50", "-0", "1e999", "12345678901234567890123", "河\n\"x\"", "null"]);
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_breaks() {
        for (text, at) in [
            ("", 0),
            ("[1,]", 3),
            ("{\"a\" 1}", 5),
            ("[1] 2", 4),
            ("\"\\x\"", 0),
            ("01", 1),
            ("\"a\nb\"", 2),
            ("nul", 0),
        ] {
            assert_eq!(leaves(text), Err(Stop::Broken(at)), "{text}");
        }
        assert_eq!(leaves("\"\\"), Err(Stop::Broken(3)));
        let deep = |depth: usize| leaves(&format!("{}1{}", "[".repeat(depth), "]".repeat(depth)));
        assert!(deep(limits::JSON_DEPTH_MAX).is_ok());
        assert_eq!(deep(limits::JSON_DEPTH_MAX + 1), Err(Stop::TooDeep));
        assert_eq!(leaves(&"[".repeat(1_000_000)), Err(Stop::TooDeep));
    }

    proptest! {
        #[test]
        fn accepts_what_serde_json_accepts(text in "[\\[\\]{}:,\" \\\\eE+.0-9truefalsn\u{e9}-]{0,20}") {
            let by_serde = serde_json::from_str::<serde_json::Value>(&text);
            // Numbers beyond a double are fine here.
            let out_of_range = by_serde.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            prop_assert!(out_of_range || leaves(&text).is_ok() == by_serde.is_ok(), "{text}");
        }
    }
}
