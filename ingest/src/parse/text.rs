//! Where does a paragraph of plain text end? At a blank line.

use super::{Block, BlockKind, Parsed, trimmed};

/// Cuts text into paragraphs; the text stays as it is.
pub(super) fn parse(text: String) -> Parsed {
    let blocks = paragraphs(&text);
    Parsed { text, title: None, blocks, places: Vec::new() }
}

fn paragraphs(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut push = |range| {
        if let Some(range) = trimmed(text, range) {
            blocks.push(Block { range, kind: BlockKind::Paragraph });
        }
    };
    let (mut start, mut line_start) = (0, 0);
    while line_start < text.len() {
        let line_end = line_start + line_length(&text.as_bytes()[line_start..]);
        if text[line_start..line_end].trim().is_empty() {
            push(start..line_start);
            start = line_end;
        }
        line_start = line_end;
    }
    push(start..text.len());
    blocks
}

/// The bytes of the first line with its end: a line feed, a carriage return, or both.
fn line_length(text: &[u8]) -> usize {
    match text.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        Some(end) if text[end..].starts_with(b"\r\n") => end + 2,
        Some(end) => end + 1,
        None => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_part_paragraphs_whatever_the_line_ends() {
        let parsed = parse("  one\r\ntwo\r\n \t\r\nthree\n\n\nfour\r\rfive\rsix".to_owned());
        let said: Vec<&str> = parsed.blocks.iter().map(|block| &parsed.text[block.range.clone()]).collect();
        assert_eq!(said, ["one\r\ntwo", "three", "four", "five\rsix"]);
        assert!(parsed.is_consistent());
    }

    #[test]
    fn white_space_alone_has_no_paragraph() {
        assert!(parse(" \n\n\t\n".to_owned()).blocks.is_empty());
    }
}
