//! Which lines of source code belong together?
//!
//! Without knowing the language: a blank line in front of a line that is not indented ends a definition. One that is
//! too long is cut at the blank lines inside it that stand least indented, and so on; lines without blank ones between
//! them stay together.
//!
//! Invariants:
//! - The text is the content: a span points into the user's own file.
//! - A block's mark is the line it begins on, counted from 1.
//! - A comment alone stays with what follows it, as does a closing line with what it closes.

use std::ops::Range;

use wellspring_core::limits;
use wellspring_core::place::{Place, PlaceMark};

use super::{Block, BlockKind, Parsed, trimmed};

/// Cuts code into definitions.
pub(super) fn parse(text: String) -> Parsed {
    let lines = Line::all(&text);
    let mut blocks = Vec::new();
    let mut places = Vec::new();
    for piece in pieces(&lines) {
        let range = lines[piece.start].range.start..lines[piece.end - 1].range.end;
        if let Some(range) = trimmed(&text, range) {
            let inside = |line: &&Line| line.range.end <= range.start;
            let first = piece.start + lines[piece.clone()].iter().take_while(inside).count();
            places.push(PlaceMark { start: range.start, place: Place::Line { number: first as u32 + 1 } });
            blocks.push(Block { range, kind: BlockKind::Code });
        }
    }
    Parsed { text, title: None, blocks, places }
}

/// What matters of a line.
#[derive(Debug)]
struct Line {
    range: Range<usize>,
    blank: bool,
    indentation: usize,
    /// Whether it begins with what ends something.
    closes: bool,
    /// Whether it is nothing but a comment or an attribute.
    introduces: bool,
}

impl Line {
    fn all(text: &str) -> Vec<Self> {
        let mut start = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            let said = line.trim();
            lines.push(Self {
                range: start..start + line.len(),
                blank: said.is_empty(),
                indentation: line.len() - line.trim_start().len(),
                closes: said.starts_with(['}', ')', ']'])
                    || ["end", "fi", "done", "esac", "</"].iter().any(|word| {
                        said.strip_prefix(word)
                            .is_some_and(|rest| *word == "</" || !rest.starts_with(char::is_alphanumeric))
                    }),
                introduces: is_comment(said),
            });
            start += line.len();
        }
        lines
    }
}

/// Whether a line, by the marks that languages share, is a comment, or an attribute or decorator of what follows.
fn is_comment(said: &str) -> bool {
    // `#include` and `#define` are code, and `-- ` is a comment where `--x` is not.
    let preprocessor = said.starts_with("#") && said[1..].starts_with(|c: char| c.is_ascii_lowercase());
    ["//", "/*", "*/", "* ", "-- ", ";;", "%%", "@", "<!--"].iter().any(|mark| said.starts_with(mark))
        || said == "*"
        || said == "--"
        || (said.starts_with('#') && !preprocessor)
}

/// Cuts all lines into runs that belong together.
fn pieces(lines: &[Line]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    for top in cut(lines, 0..lines.len(), 0) {
        let mut open = vec![top];
        while let Some(piece) = open.pop() {
            let bytes = lines[piece.end - 1].range.end - lines[piece.start].range.start;
            let parts = match inner_indentation(lines, &piece) {
                Some(indentation) if bytes > limits::CODE_BLOCK_BYTES_MAX => cut(lines, piece.clone(), indentation),
                _ => Vec::new(),
            };
            // The first part is taken up next; a piece that cannot be cut stays.
            if parts.len() > 1 { open.extend(parts.into_iter().rev()) } else { pieces.push(piece) }
        }
    }
    pieces
}

/// Cuts a run in front of the lines after blank ones that are indented no further than this.
fn cut(lines: &[Line], run: Range<usize>, indentation: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = run.start;
    for place in run.start + 1..run.end {
        let part_says = lines[start..place].iter().any(|line| !line.blank && !line.introduces);
        if begins(lines, place) && lines[place].indentation <= indentation && part_says {
            parts.push(start..place);
            start = place;
        }
    }
    if start < run.end {
        parts.push(start..run.end);
    }
    parts
}

/// Whether something may begin at a line: it says something new after a blank one.
fn begins(lines: &[Line], place: usize) -> bool {
    !lines[place].blank && !lines[place].closes && place.checked_sub(1).is_some_and(|before| lines[before].blank)
}

/// The least indentation at which something begins inside a run.
fn inner_indentation(lines: &[Line], run: &Range<usize>) -> Option<usize> {
    let inside = (run.start + 1..run.end).filter(|place| begins(lines, *place));
    inside.map(|place| lines[place].indentation).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(code: &str) -> Vec<(String, String)> {
        let parsed = parse(code.to_owned());
        assert!(parsed.is_consistent(), "{parsed:?}");
        assert_eq!(parsed.text, code);
        let place = |(block, mark): (&Block, &PlaceMark)| {
            assert_eq!((block.range.start, &block.kind), (mark.start, &BlockKind::Code));
            (mark.place.to_string(), code[block.range.clone()].to_owned())
        };
        parsed.blocks.iter().zip(&parsed.places).map(place).collect()
    }

    #[test]
    fn definitions_keep_their_comments_and_their_blank_lines() {
        let code = "use a;\nuse b;\n\n// About f.\n\n#[test]\nfn f() {\n    x();\n\n    y();\n\n}\n\nfn g() {}\n";
        let expected = [
            ("line 1", "use a;\nuse b;"),
            ("line 4", "// About f.\n\n#[test]\nfn f() {\n    x();\n\n    y();\n\n}"),
            ("line 14", "fn g() {}"),
        ];
        assert_eq!(blocks(code), expected.map(|(place, code)| (place.to_owned(), code.to_owned())));
    }

    #[test]
    fn languages_without_braces_are_cut_the_same_way() {
        let code = "\n\nimport os\r\n\r\n# Says it.\r\nclass A:\r\n    def f(self):\r\n        pass\r\n\r\n    def g(self):\r\n        pass\r\n\r\n\r\ndef h():\r\n    pass";
        let places: Vec<String> = blocks(code).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["line 3", "line 5", "line 14"]);
        let shell = "if x; then\n  a\n\nfi\n\nb\n";
        assert_eq!(blocks(shell).len(), 2);
    }

    #[test]
    fn long_definitions_are_cut_where_their_members_begin() {
        let member = |index: usize| {
            format!("    /// Adds.\n    fn add_{index}() {{\n        one();\n\n        two();\n    }}\n")
        };
        let members: Vec<String> = (0..100).map(member).collect();
        let code = format!("impl A {{\n{}}}\n", members.join("\n"));
        let blocks = blocks(&code);
        assert_eq!(blocks.len(), 100);
        assert!(blocks[1].1.starts_with("/// Adds.\n    fn add_1()"));
        assert!(blocks[99].1.ends_with("}\n}"));
    }

    #[test]
    fn hostile_shapes_take_their_time_and_no_more() {
        let stairs: String = (0..4000).map(|depth| format!("{}x\n\n", " ".repeat(depth))).collect();
        assert!(blocks(&stairs).len() > 1000);
        assert_eq!(blocks(&"x".repeat(1 << 20)).len(), 1);
        assert_eq!(blocks(" \n\n\t\n"), []);
        assert_eq!(blocks(&"// only\n\n".repeat(1000)).len(), 1);
    }

    proptest! {
        #[test]
        fn everything_said_is_in_a_block(code in "[a-z{}()#/ \t\r\n\u{e9}]{0,300}") {
            let parsed = parse(code.clone());
            prop_assert!(parsed.is_consistent());
            let said: usize = parsed.blocks.iter().map(|block| code[block.range.clone()].split_whitespace().count()).sum();
            prop_assert_eq!(said, code.split_whitespace().count());
        }
    }
}
