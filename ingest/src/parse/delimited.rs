//! Which cells do the lines of a CSV or TSV file hold?
//!
//! What parts the cells is found by trying: the mark that cuts most lines into the same number of cells.
//!
//! Invariants:
//! - A row keeps the number that a spreadsheet program gives it: a blank line is a row, a line end in quotes is not.
//! - A quote that is never closed does not swallow the file: then quotes are taken as they are.

use csv::{ReaderBuilder, StringRecord};

use wellspring_core::limits;

use super::table::{Row, TableText};
use super::{Parsed, Refused};

/// What may part cells, the likeliest first.
const DELIMITERS: &[u8] = b",;\t|";
/// How much of a file is looked at to find out what parts its cells.
const SAMPLE_BYTES: usize = 64 << 10;
/// Rows of that sample.
const SAMPLE_ROWS_MAX: usize = 100;

/// Reads rows; `likely` is the delimiter that the format promises.
pub(super) fn parse(text: &str, likely: u8) -> Result<Parsed, Refused> {
    // Excel's own hint, which it does not count as a row.
    let (rows, delimiter) = match declared_delimiter(text) {
        Some((delimiter, rows)) => (rows, delimiter),
        None => (text, sniff(text, likely)),
    };
    let mut table = TableText::default();
    let read = match read_rows(rows, delimiter, true, &mut table)? {
        Reading::Whole => table,
        Reading::UnclosedQuote => {
            let mut table = TableText::default();
            read_rows(rows, delimiter, false, &mut table)?;
            table
        }
    };
    read.finish(None)
}

/// How a reading ended.
enum Reading {
    Whole,
    UnclosedQuote,
}

fn read_rows(text: &str, delimiter: u8, quoting: bool, table: &mut TableText) -> Result<Reading, Refused> {
    let mut writer = table.table(None);
    let mut reader = reader(text, delimiter, quoting);
    let mut record = StringRecord::new();
    let mut number = 0;
    while reader.read_record(&mut record).map_err(|_| Refused::because("its rows cannot be read"))? {
        let start = record.position().map_or(0, |position| position.byte() as usize);
        number += 1 + blank_lines(text.as_bytes(), start);
        let mut row = Row::new(number);
        for (column, said) in record.iter().enumerate() {
            let has_many_lines = said.len() > limits::CELL_LINES_MAX
                && said.bytes().filter(|byte| *byte == b'\n').count() > limits::CELL_LINES_MAX;
            if quoting && has_many_lines {
                return Ok(Reading::UnclosedQuote);
            }
            row.push(column, said)?;
        }
        writer.row(row)?;
    }
    writer.finish()?;
    Ok(Reading::Whole)
}

fn reader(text: &str, delimiter: u8, quoting: bool) -> csv::Reader<&[u8]> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).quoting(quoting).has_headers(false).flexible(true);
    builder.from_reader(text.as_bytes())
}

/// The blank lines at a record's start, which the reader passes over without a word.
fn blank_lines(text: &[u8], start: usize) -> u32 {
    let mut rest = &text[start.min(text.len())..];
    // A record may end between the two characters of a line end.
    if start > 0 && text[start - 1] == b'\r' {
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    let mut count = 0;
    while let Some(after) = rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n")).or(rest.strip_prefix(b"\r")) {
        rest = after;
        count += 1;
    }
    count
}

/// The delimiter of a first line like `sep=;`, and the text after that line.
fn declared_delimiter(text: &str) -> Option<(u8, &str)> {
    let (line, rest) = text.split_once('\n')?;
    let mark = line.trim_end_matches('\r').strip_prefix("sep=")?;
    match mark.as_bytes() {
        [delimiter] if delimiter.is_ascii_punctuation() || *delimiter == b'\t' => Some((*delimiter, rest)),
        _ => None,
    }
}

/// The delimiter that parts the start of a text most evenly.
fn sniff(text: &str, likely: u8) -> u8 {
    let sample = &text[..text.floor_char_boundary(SAMPLE_BYTES)];
    // A row that the end of the sample cuts would count as a short one.
    let sample = match sample.len() < text.len() {
        true => sample.rsplit_once('\n').map_or(sample, |(whole, _)| whole),
        false => sample,
    };
    let evenness = |delimiter: u8| {
        let records = reader(sample, delimiter, true).into_records();
        let widths: Vec<usize> = records.take(SAMPLE_ROWS_MAX).flatten().map(|record| record.len()).collect();
        let mut counts: Vec<(usize, usize)> = Vec::new();
        for width in widths.iter().copied().filter(|width| *width > 1) {
            match counts.iter_mut().find(|(_, counted)| *counted == width) {
                Some((count, _)) => *count += 1,
                None => counts.push((1, width)),
            }
        }
        let (count, width) = counts.into_iter().max().unwrap_or_default();
        let share = 1000 * count / widths.len().max(1);
        (share, delimiter == likely, widths.first().copied().unwrap_or(0), width)
    };
    let best = DELIMITERS.iter().rev().copied().max_by_key(|delimiter| evenness(*delimiter));
    best.filter(|delimiter| evenness(*delimiter).0 > 0).unwrap_or(likely)
}

#[cfg(test)]
#[path = "delimited_tests.rs"]
mod tests;
