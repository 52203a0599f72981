//! Under which names do the cells of a row stand?
//!
//! A table in plain text names its columns once, above a rule; a sentence of the evidence is one row of it. A row is read
//! with its header, by the generator and by whatever checks its answer. Readers of other formats write the name into each
//! cell (`price: 2.40`), so that their rows stand alone.
//!
//! Invariants:
//! - Pure; ranges are bytes on character boundaries of the text they were asked for.

use std::ops::Range;

/// The line that names the columns of the row at `row` in `text`; `None` for what is no row, and where the names do not stand
/// in this text.
pub(crate) fn header(text: &str, row: &Range<usize>) -> Option<Range<usize>> {
    if !is_row(&text[row.clone()]) {
        return None;
    }
    let mut above: Vec<Range<usize>> = Vec::new();
    let mut end = line_start(text, row.start);
    // Up to the first line that is no row.
    while end > 0 {
        let start = line_start(text, end - 1);
        let line = start..start + text[start..end].trim_end().len();
        if !is_row(&text[line.clone()]) {
            break;
        }
        above.push(line);
        end = start;
    }
    let rule = above.iter().position(|line| is_rule(&text[line.clone()]))?;
    let names = above.get(rule + 1)?;
    let indent = text[names.clone()].len() - text[names.clone()].trim_start().len();
    Some(names.start + indent..names.end)
}

/// Whether the line at `range` in `text` names columns: a rule stands below it.
pub(crate) fn is_header(text: &str, range: &Range<usize>) -> bool {
    let below = text[range.end..].strip_prefix('\r').unwrap_or(&text[range.end..]);
    let next = below.strip_prefix('\n').and_then(|rest| rest.lines().next());
    is_row(&text[range.clone()]) && next.is_some_and(is_rule)
}

/// The cells of a row, as ranges of it without the space around them.
pub(crate) fn cells(row: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let bars = row.match_indices('|').map(|(at, _)| at).filter(|&at| !row[..at].ends_with('\\'));
    for end in bars.chain([row.len()]) {
        let cell = &row[start..end];
        let front = start + (cell.len() - cell.trim_start().len());
        // Outside the outer bars is no cell.
        if (start > 0 && end < row.len()) || !cell.trim().is_empty() {
            found.push(front..(front + cell.trim().len()));
        }
        start = (end + 1).min(row.len());
    }
    found
}

/// A row with the name of its column before each cell, for whoever reads it alone.
pub(crate) fn labelled(header: &str, row: &str) -> String {
    let names = cells(header);
    let cells = cells(row).into_iter().enumerate().filter(|(_, cell)| !cell.is_empty());
    let named = cells.map(|(column, cell)| match names.get(column).map(|name| &header[name.clone()]) {
        Some(name) if !name.is_empty() => format!("{name}: {}", &row[cell]),
        _ => row[cell].to_owned(),
    });
    named.collect::<Vec<_>>().join(" | ")
}

/// Whether a line is a row of a table.
pub(crate) fn is_row(line: &str) -> bool {
    line.trim_start().starts_with('|') || line.contains(" | ")
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.contains('-') && line.contains('|') && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ' | '\t'))
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |before| before + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "Boats.\n\n| day | first | last |\n|---|:-:|---|\n| Monday | 05:50 | 22:55 |\n| Sunday | 08:20 | |\n";

    fn row(part: &str) -> Range<usize> {
        let start = line_start(TABLE, TABLE.find(part).unwrap());
        start..start + TABLE[start..].find('\n').unwrap()
    }

    #[test]
    fn a_row_finds_the_names_of_its_columns() {
        for part in ["05:50", "08:20"] {
            assert_eq!(&TABLE[header(TABLE, &row(part)).unwrap()], "| day | first | last |");
        }
        assert_eq!(header(TABLE, &(0..6)), None);
        assert!(is_header(TABLE, &row("| day")) && !is_header(TABLE, &row("05:50")));
        let torn = &TABLE[row("05:50").start..];
        assert_eq!(header(torn, &(0..torn.find('\n').unwrap())), None, "names that are not there are not guessed");
    }

    #[test]
    fn cells_keep_their_columns() {
        let shown = |row: &str| cells(row).into_iter().map(|cell| row[cell].to_owned()).collect::<Vec<_>>();
        assert_eq!(shown("| Sunday | 08:20 | |"), ["Sunday", "08:20", ""]);
        assert_eq!(shown("a | | c"), ["a", "", "c"]);
        assert_eq!(shown(r"| a \| b | c |"), [r"a \| b", "c"]);
        assert_eq!(labelled("| day | first | last |", "| Sunday | 08:20 | |"), "day: Sunday | first: 08:20");
        assert_eq!(labelled("| day |", "| Sunday | 08:20 |"), "day: Sunday | 08:20");
    }
}
