//! Which characters of a text are meant?
//!
//! Invariants:
//! - Half-open: `start` is inside, `end` is outside. `start <= end`.
//! - Both measures name the same characters: Unicode code points (what most clients slice by) and UTF-8 bytes
//!   (what Rust slices by, always on a character boundary).

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A run of characters, in Unicode code points and in UTF-8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Span {
    /// First code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// First byte.
    pub byte_start: usize,
    /// One past the last byte.
    pub byte_end: usize,
}

impl Span {
    /// Measures the bytes `range` of `text` in both units; counts from the start of the text.
    ///
    /// # Panics
    /// When `range` is not on character boundaries of `text`.
    pub fn of(text: &str, range: Range<usize>) -> Self {
        let start = text[..range.start].chars().count();
        let end = start + text[range.clone()].chars().count();
        Self { start, end, byte_start: range.start, byte_end: range.end }
    }

    /// The span of `inner`, a byte range within the text that `self` covers, in the whole text's measures.
    ///
    /// # Panics
    /// When `inner` is not on character boundaries of `covered`.
    pub fn within(&self, covered: &str, inner: Range<usize>) -> Self {
        let local = Self::of(covered, inner);
        Self {
            start: self.start + local.start,
            end: self.start + local.end,
            byte_start: self.byte_start + local.byte_start,
            byte_end: self.byte_start + local.byte_end,
        }
    }

    /// The bytes to slice a `str` with.
    pub fn bytes(&self) -> Range<usize> {
        self.byte_start..self.byte_end
    }

    /// The characters of `text` under this span; `None` when the span does not lie on its boundaries.
    pub fn slice<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.get(self.bytes())
    }
}

/// Turns rising byte ranges of one text into spans in one pass, where [`Span::of`] would start over each time.
#[derive(Debug)]
pub struct SpanCursor<'t> {
    text: &'t str,
    byte: usize,
    code_point: usize,
}

impl<'t> SpanCursor<'t> {
    /// Starts at the first character of `text`.
    pub fn new(text: &'t str) -> Self {
        Self { text, byte: 0, code_point: 0 }
    }

    /// Measures `range`, whose start must not lie before the start of the range asked for last.
    ///
    /// # Panics
    /// When the range goes backwards or is not on character boundaries.
    pub fn span(&mut self, range: Range<usize>) -> Span {
        self.code_point += self.text[self.byte..range.start].chars().count();
        self.byte = range.start;
        let length = self.text[range.clone()].chars().count();
        Span { start: self.code_point, end: self.code_point + length, byte_start: range.start, byte_end: range.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_code_points_and_bytes() {
        let text = "ein Fluß 河流";
        let span = Span::of(text, text.find('河').unwrap()..text.len());
        assert_eq!((span.start, span.end), (9, 11));
        assert_eq!(span.slice(text), Some("河流"));
    }

    #[test]
    fn a_cursor_agrees_with_measuring_from_the_start() {
        let text = "αβγ δε. 河流很长。 end";
        let mut cursor = SpanCursor::new(text);
        let starts: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
        for &start in &starts {
            assert_eq!(cursor.span(start..text.len()), Span::of(text, start..text.len()));
        }
    }

    #[test]
    fn a_span_within_a_span_is_measured_in_the_whole_text() {
        let text = "αβγ δε ζη";
        let outer = Span::of(text, text.find('δ').unwrap()..text.len());
        let covered = outer.slice(text).unwrap();
        let inner = outer.within(covered, covered.find('ζ').unwrap()..covered.len());
        assert_eq!(inner.slice(text), Some("ζη"));
        assert_eq!(inner, Span::of(text, inner.bytes()));
    }
}
