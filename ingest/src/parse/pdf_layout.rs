//! In which order does a reader take the glyphs of a page?
//!
//! ```text
//! glyphs -> pieces (glyphs that follow each other on one line) -> columns and bands by white space -> lines
//! ```
//!
//! A PDF says where each glyph stands and nothing about words or columns. A region of the page is parted at a strip of
//! white space that runs through it from top to bottom, when what stands on both sides reads like columns; else at its
//! widest white bands, and so on. Rows of a table stay whole, since their cells are short and share their lines.
//!
//! Invariants:
//! - The same glyphs give the same lines; every glyph that is not white space or drawn twice is in exactly one line.
//! - The cost is bounded by pieces, their logarithm and [`limits::PDF_LAYOUT_DEPTH_MAX`].

use std::collections::HashMap;

use wellspring_core::limits;
use wellspring_core::text::is_cjk;

/// Shares of the size of the type, measured over the samples that this was built with.
mod share {
    /// A gap on a line beyond which a space stands between two glyphs.
    pub(super) const SPACE: f64 = 0.18;
    /// A gap on a line beyond which what follows may belong to another column.
    pub(super) const PIECE_GAP: f64 = 1.2;
    /// How far glyphs may go back without ending their piece: kerning and accents.
    pub(super) const BACK: f64 = 0.6;
    /// How far baselines of one line lie apart.
    pub(super) const BASELINE: f64 = 0.4;
    /// How far those of raised and lowered figures do, and what smaller type is taken for such.
    pub(super) const RAISED: f64 = 0.7;
    pub(super) const FIGURE_SIZE: f64 = 0.85;
    /// The narrowest strip between two columns.
    pub(super) const GUTTER: f64 = 0.8;
    /// The lowest white band that parts a region.
    pub(super) const BAND: f64 = 0.1;
    /// Two drawings of one text closer than this are one, made bold by an old trick.
    pub(super) const DOUBLE: f64 = 0.15;
}

/// Lines that each of two columns has at least.
const COLUMN_LINES_MIN: usize = 2;
/// Characters a line that columns of text have at least, or they are cells of a table.
const COLUMN_CHARS_MIN: usize = 12;
/// Strips that are tried in one region, the widest first.
const STRIPS_TRIED_MAX: usize = 6;

/// A glyph on its page, in a frame whose y grows downwards.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) text: String,
    pub(super) turn: Turn,
    /// Where its baseline begins.
    pub(super) x: f64,
    pub(super) y: f64,
    /// How far the next glyph stands off by itself.
    pub(super) advance: f64,
    pub(super) size: f64,
}

/// Which way the writing runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Turn {
    Upright,
    /// Downwards, letters lying on their backs.
    Right,
    Half,
    /// Upwards.
    Left,
    /// East Asian columns, from right to left.
    Vertical,
}

/// A line of text within its column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) end: f64,
    pub(super) y: f64,
    pub(super) size: f64,
    /// Lines of one number follow each other in one column.
    pub(super) column: usize,
}

/// Whether a character is written without spaces around it, punctuation of such scripts included.
pub(super) fn is_wide(c: char) -> bool {
    is_cjk(c) || matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff60}')
}

/// Puts the glyphs of a page, in the order they were drawn, into lines in the order they are read.
pub(super) fn lay_out(glyphs: Vec<Placed>) -> Vec<Line> {
    let mut turns: Vec<(Turn, Vec<Placed>)> = Vec::new();
    for glyph in glyphs {
        match turns.iter_mut().find(|(turn, _)| *turn == glyph.turn) {
            Some((_, same)) => same.push(glyph),
            None => turns.push((glyph.turn, vec![glyph])),
        }
    }
    turns.sort_by_key(|(turn, same)| (std::cmp::Reverse(same.len()), *turn));
    let mut lines = Vec::new();
    let mut columns = 0;
    for (turn, same) in turns {
        let turned = same.into_iter().map(|glyph| turned(glyph, turn));
        order(without_doubles(pieces(turned)), &mut columns, &mut lines);
    }
    lines
}

/// The glyph in a frame in which its writing runs to the right and its lines downwards.
fn turned(glyph: Placed, turn: Turn) -> Placed {
    let (x, y) = match turn {
        Turn::Upright => (glyph.x, glyph.y),
        Turn::Half => (-glyph.x, -glyph.y),
        Turn::Right | Turn::Vertical => (glyph.y, -glyph.x),
        Turn::Left => (-glyph.y, glyph.x),
    };
    Placed { x, y, ..glyph }
}

/// Glyphs that were drawn one after another along one line.
#[derive(Debug, Clone)]
struct Piece {
    text: String,
    x: f64,
    end: f64,
    y: f64,
    size: f64,
}

impl Piece {
    fn top(&self) -> f64 {
        self.y - 0.75 * self.size
    }

    fn bottom(&self) -> f64 {
        self.y + 0.25 * self.size
    }
}

fn pieces(glyphs: impl Iterator<Item = Placed>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    // Whether white space was drawn since the last glyph, and which glyph that was.
    let mut space = false;
    let mut last: Option<(String, f64)> = None;
    for glyph in glyphs {
        if glyph.text.chars().all(char::is_whitespace) {
            space = true;
            continue;
        }
        let spaced = std::mem::take(&mut space);
        let joined = pieces.last_mut().filter(|piece| {
            let size = piece.size.max(glyph.size);
            let gap = glyph.x - piece.end;
            let is_figure = glyph.size.min(piece.size) < share::FIGURE_SIZE * size && gap < share::SPACE * size;
            let apart = if is_figure { share::RAISED } else { share::BASELINE };
            (glyph.y - piece.y).abs() <= apart * size && gap <= share::PIECE_GAP * size && gap >= -share::BACK * size
        });
        match joined {
            Some(piece) => {
                let doubled = last.as_ref().is_some_and(|(text, x)| {
                    *text == glyph.text && (glyph.x - x).abs() < share::DOUBLE * glyph.size.min(piece.size)
                });
                if doubled {
                    continue;
                }
                let gap = glyph.x - piece.end;
                if spaced || gap > share::SPACE * glyph.size.min(piece.size) {
                    join(&mut piece.text, &glyph.text, spaced);
                } else {
                    piece.text.push_str(&glyph.text);
                }
                // Raised figures do not move the line.
                if glyph.size > piece.size {
                    (piece.size, piece.y) = (glyph.size, glyph.y);
                }
                piece.end = piece.end.max(glyph.x + glyph.advance);
            }
            None => pieces.push(Piece {
                text: glyph.text.clone(),
                x: glyph.x,
                end: glyph.x + glyph.advance,
                y: glyph.y,
                size: glyph.size,
            }),
        }
        last = Some((glyph.text, glyph.x));
    }
    pieces
}

/// Adds what follows after a gap: with a space, but not between characters that are written without one.
fn join(text: &mut String, next: &str, spaced: bool) {
    let wide = |c: Option<char>| c.is_some_and(is_wide);
    if spaced || !(wide(text.chars().next_back()) && wide(next.chars().next())) {
        text.push(' ');
    }
    text.push_str(next);
}

/// Drops a piece that says again, on the same spot, what another one says.
fn without_doubles(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut spots: HashMap<String, Vec<(f64, f64)>> = HashMap::new();
    let mut kept = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let near = share::DOUBLE * piece.size;
        let before = spots.entry(piece.text.clone()).or_default();
        // Only the last few: a page that repeats one word a million times must not cost its square.
        let doubled =
            before.iter().rev().take(8).any(|(x, y)| (x - piece.x).abs() < near && (y - piece.y).abs() < near);
        if !doubled {
            before.push((piece.x, piece.y));
            kept.push(piece);
        }
    }
    kept
}

/// Parts the page into columns and bands and takes their lines in order.
fn order(pieces: Vec<Piece>, columns: &mut usize, lines: &mut Vec<Line>) {
    *columns += 1;
    let mut open = vec![(pieces, *columns, 0)];
    while let Some((region, column, depth)) = open.pop() {
        if region.len() < 2 || depth == limits::PDF_LAYOUT_DEPTH_MAX {
            lines.extend(lines_of(region, column));
            continue;
        }
        let size = median(region.iter().map(|piece| piece.size));
        let region = match columns_of(region, size) {
            Ok((left, right)) => {
                // The left column is taken up next.
                open.push((right, *columns + 2, depth + 1));
                open.push((left, *columns + 1, depth + 1));
                *columns += 2;
                continue;
            }
            Err(region) => region,
        };
        match bands_of(region, size) {
            Ok(bands) => open.extend(bands.into_iter().rev().map(|band| (band, column, depth + 1))),
            Err(region) => lines.extend(lines_of(region, column)),
        }
    }
}

/// The region in two columns, or as it was.
fn columns_of(region: Vec<Piece>, size: f64) -> Result<(Vec<Piece>, Vec<Piece>), Vec<Piece>> {
    let mut intervals: Vec<(f64, f64)> = region.iter().map(|piece| (piece.x, piece.end)).collect();
    let mut strips = gaps(&mut intervals);
    strips.retain(|strip| strip.width >= share::GUTTER * size);
    strips.sort_by(|a, b| b.width.total_cmp(&a.width));
    for strip in strips.into_iter().take(STRIPS_TRIED_MAX) {
        let (left, right): (Vec<&Piece>, Vec<&Piece>) = region.iter().partition(|piece| piece.x < strip.middle);
        if read_like_columns(&left, &right, size) {
            return Ok(region.into_iter().partition(|piece| piece.x < strip.middle));
        }
    }
    Err(region)
}

/// Whether two sides are read one after the other, and not line by line across.
fn read_like_columns(left: &[&Piece], right: &[&Piece], size: f64) -> bool {
    let height = |side: &[&Piece]| {
        let top = side.iter().map(|piece| piece.top()).fold(f64::INFINITY, f64::min);
        let bottom = side.iter().map(|piece| piece.bottom()).fold(f64::NEG_INFINITY, f64::max);
        (top, bottom)
    };
    let ((left_top, left_bottom), (right_top, right_bottom)) = (height(left), height(right));
    if left_top >= right_bottom || right_top >= left_bottom {
        return false;
    }
    let (left_rows, right_rows) = (rows(left, size), rows(right, size));
    if left_rows.len() < COLUMN_LINES_MIN || right_rows.len() < COLUMN_LINES_MIN {
        return false;
    }
    let wide_lines = |side: &[&Piece], rows: usize| {
        let characters: usize =
            side.iter().flat_map(|piece| piece.text.chars()).map(|c| if is_wide(c) { 2 } else { 1 }).sum();
        characters >= rows * COLUMN_CHARS_MIN
    };
    wide_lines(left, left_rows.len()) && wide_lines(right, right_rows.len())
        || shared(&left_rows, &right_rows, size) * 2 < left_rows.len().min(right_rows.len())
}

/// The distinct baselines, from the top.
fn rows(side: &[&Piece], size: f64) -> Vec<f64> {
    let mut rows: Vec<f64> = side.iter().map(|piece| piece.y).collect();
    rows.sort_by(f64::total_cmp);
    rows.dedup_by(|next, row| *next - *row <= share::BASELINE * size);
    rows
}

/// How many rows of the one side stand on a row of the other.
fn shared(left: &[f64], right: &[f64], size: f64) -> usize {
    let near = |row: &&f64| {
        let place = right.partition_point(|other| *other < **row - share::BASELINE * size);
        right.get(place).is_some_and(|other| (*other - **row).abs() <= share::BASELINE * size)
    };
    left.iter().filter(near).count()
}

/// The region in bands from top to bottom, parted at its widest white ones, or as it was.
fn bands_of(region: Vec<Piece>, size: f64) -> Result<Vec<Vec<Piece>>, Vec<Piece>> {
    let mut intervals: Vec<(f64, f64)> = region.iter().map(|piece| (piece.top(), piece.bottom())).collect();
    let gaps = gaps(&mut intervals);
    let widest = gaps.iter().map(|gap| gap.width).fold(0.0, f64::max);
    if widest < share::BAND * size {
        return Err(region);
    }
    // Gaps that are as wide as the widest part at once, or a page of even lines would be parted line by line.
    let cuts: Vec<f64> = gaps.iter().filter(|gap| gap.width >= 0.97 * widest).map(|gap| gap.middle).collect();
    let mut bands = vec![Vec::new(); cuts.len() + 1];
    for piece in region {
        let band = cuts.partition_point(|cut| *cut < piece.y);
        bands[band].push(piece);
    }
    Ok(bands)
}

/// White space between intervals.
struct Gap {
    middle: f64,
    width: f64,
}

fn gaps(intervals: &mut [(f64, f64)]) -> Vec<Gap> {
    intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut gaps = Vec::new();
    let mut end = f64::INFINITY;
    for (start, stop) in intervals.iter() {
        if *start > end {
            gaps.push(Gap { middle: (start + end) / 2.0, width: start - end });
        }
        end = if end == f64::INFINITY { *stop } else { end.max(*stop) };
    }
    gaps
}

/// Pieces on one baseline, from left to right.
fn lines_of(mut region: Vec<Piece>, column: usize) -> Vec<Line> {
    region.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut rows: Vec<Vec<Piece>> = Vec::new();
    for piece in region {
        match rows.last_mut() {
            Some(row) if piece.y - row[0].y <= share::BASELINE * row[0].size.max(piece.size) => row.push(piece),
            _ => rows.push(vec![piece]),
        }
    }
    let line = |mut row: Vec<Piece>| {
        row.sort_by(|a, b| a.x.total_cmp(&b.x));
        let mut pieces = row.into_iter();
        let first = pieces.next()?;
        let mut line = Line { text: first.text, x: first.x, end: first.end, y: first.y, size: first.size, column };
        for piece in pieces {
            match piece.x - line.end > share::SPACE * piece.size.min(line.size) {
                true => join(&mut line.text, &piece.text, piece.x - line.end > piece.size),
                false => line.text.push_str(&piece.text),
            }
            if piece.size > line.size {
                (line.size, line.y) = (piece.size, piece.y);
            }
            line.end = line.end.max(piece.end);
        }
        Some(line)
    };
    rows.into_iter().filter_map(line).collect()
}

/// The middle value; 0 where there is none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
#[path = "pdf_layout_tests.rs"]
mod tests;
