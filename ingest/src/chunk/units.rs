//! What is never cut?
//!
//! Sentences of prose and lines of code and tables, as long as they fit into a chunk; else their lines, sentences,
//! runs of words, and at the very end runs of characters.
//!
//! Invariants:
//! - Units rise, do not overlap, and leave out only white space of their blocks.
//! - Each token is counted once or twice, however long the text: what is certainly too long is cut before it is counted.

use std::ops::Range;

use wellspring_core::text::sentences;

use crate::parse::{Block, BlockKind};

/// Bytes that a token is taken to stand for at most: longer text is cut without counting.
const TOKEN_BYTES_MAX: usize = 16;
/// Bytes of a run of words cut from an endless sentence; small beside a chunk, so that borders can be chosen.
const WORDS_BYTES_MAX: usize = 256;
/// One word in this many ends a run of words, by its content.
const WORDS_PER_RUN: u64 = 8;
/// Characters of a run cut from an endless word.
const CHARACTERS_MAX: usize = 48;
/// Characters of such a run before its content may end it.
const CHARACTERS_MIN: usize = 8;
/// One character in this many ends a run of characters, by its content.
const CHARACTERS_PER_RUN: u64 = 16;

/// An uncuttable piece of the text.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) range: Range<usize>,
    pub(super) tokens: usize,
    /// Tokens of what stands between the unit before and this one, when both are in one chunk: quote marks, rules.
    pub(super) gap_tokens: usize,
    /// Whether a block starts here: a better place for a border.
    pub(super) starts_block: bool,
    /// A digest of the unit's text, by which borders are chosen.
    pub(super) digest: u64,
}

impl Unit {
    /// The tokens of consecutive units as one slice.
    pub(super) fn tokens_together(units: &[Self]) -> usize {
        let gaps: usize = units.iter().skip(1).map(|unit| unit.gap_tokens).sum();
        units.iter().map(|unit| unit.tokens).sum::<usize>() + gaps
    }
}

/// Cuts the blocks of a section into units of at most `room` tokens.
pub(super) fn units(text: &str, blocks: &[Block], room: usize, count_tokens: &dyn Fn(&str) -> usize) -> Vec<Unit> {
    let mut cutter = Cutter { text, room, count_tokens, units: Vec::new(), starts_block: false };
    for block in blocks {
        cutter.starts_block = true;
        match block.kind {
            BlockKind::Code | BlockKind::Table => {
                lines(text, block.range.clone()).for_each(|line| cutter.push_or_cut(line, Cut::Sentences));
            }
            _ => sentences(&text[block.range.clone()])
                .into_iter()
                .map(|sentence| shifted(sentence, block.range.start))
                .for_each(|sentence| cutter.push_or_cut(sentence, Cut::Lines)),
        }
    }
    cutter.units
}

/// How a piece that is too long is cut next.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Lines,
    Sentences,
    Words,
    Characters,
}

struct Cutter<'a> {
    text: &'a str,
    room: usize,
    count_tokens: &'a dyn Fn(&str) -> usize,
    units: Vec<Unit>,
    starts_block: bool,
}

impl Cutter<'_> {
    /// Takes a piece as a unit, or its parts when it is too long. Recursion ends after the four ways of cutting.
    fn push_or_cut(&mut self, range: Range<usize>, cut: Cut) {
        if let Some(tokens) = self.count_within_room(&range) {
            return self.push(range, tokens);
        }
        let text = self.text;
        let piece = &text[range.clone()];
        match cut {
            Cut::Lines => lines(text, range).for_each(|line| self.push_or_cut(line, Cut::Words)),
            Cut::Sentences => sentences(piece)
                .into_iter()
                .for_each(|sentence| self.push_or_cut(shifted(sentence, range.start), Cut::Words)),
            Cut::Words => runs_of_words(piece)
                .into_iter()
                .for_each(|run| self.push_or_cut(shifted(run, range.start), Cut::Characters)),
            Cut::Characters => runs_of_characters(piece).into_iter().for_each(|run| {
                let run = shifted(run, range.start);
                // A run's own tokens may pass the room of a strange tokenizer; it cannot be cut further in reason.
                let tokens = (self.count_tokens)(&text[run.clone()]);
                self.push(run, tokens);
            }),
        }
    }

    fn count_within_room(&self, range: &Range<usize>) -> Option<usize> {
        if range.len() > self.room * TOKEN_BYTES_MAX {
            return None;
        }
        Some((self.count_tokens)(&self.text[range.clone()])).filter(|tokens| *tokens <= self.room)
    }

    fn push(&mut self, range: Range<usize>, tokens: usize) {
        let gap_tokens = match self.units.last() {
            None => 0,
            Some(before) => {
                let gap = before.range.end..range.start;
                match self.text[gap.clone()].trim().is_empty() {
                    true => 0,
                    false => self.count_within_room(&gap).unwrap_or(self.room),
                }
            }
        };
        let digest = digest(&self.text[range.clone()]);
        let starts_block = std::mem::take(&mut self.starts_block);
        self.units.push(Unit { range, tokens, gap_tokens, starts_block, digest });
    }
}

fn shifted(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

fn digest(text: &str) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(word)
}

/// The lines of a range that say something, with their indentation.
fn lines(text: &str, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = range.start;
    text[range].split_inclusive('\n').filter_map(move |line| {
        let line_start = start;
        start += line.len();
        let length = line.trim_end().len();
        (length > 0).then_some(line_start..line_start + length)
    })
}

/// Words in runs that end by their content, so that a word put in moves no border but its own.
fn runs_of_words(piece: &str) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut run: Option<Range<usize>> = None;
    let mut start = 0;
    for word in piece.split_inclusive(char::is_whitespace) {
        let length = word.trim_end().len();
        let range = start..start + length;
        start += word.len();
        if length == 0 {
            continue;
        }
        let extended = match run.take() {
            Some(before) if range.end - before.start > WORDS_BYTES_MAX => {
                runs.push(before);
                range.clone()
            }
            Some(before) => before.start..range.end,
            None => range.clone(),
        };
        if digest(&piece[range]).is_multiple_of(WORDS_PER_RUN) {
            runs.push(extended);
        } else {
            run = Some(extended);
        }
    }
    runs.extend(run);
    runs
}

/// Characters in runs that end by their content.
fn runs_of_characters(piece: &str) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let (mut start, mut count) = (0, 0);
    for (byte, c) in piece.char_indices() {
        count += 1;
        let by_content =
            count >= CHARACTERS_MIN && digest(c.encode_utf8(&mut [0; 4])).is_multiple_of(CHARACTERS_PER_RUN);
        if by_content || count >= CHARACTERS_MAX {
            let end = byte + c.len_utf8();
            runs.push(start..end);
            (start, count) = (end, 0);
        }
    }
    if start < piece.len() {
        runs.push(start..piece.len());
    }
    runs
}
