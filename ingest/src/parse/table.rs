//! How does a row of a table speak for itself?
//!
//! ```text
//! City,River,Length        City | River | Length
//! Köln,Rhein,1233    ->    City: Köln | River: Rhein | Length: 1233
//! ```
//!
//! A row is found and quoted without its header beside it, so each cell brings its column's name along.
//!
//! Invariants:
//! - A row is one line, and has a place: its number as a spreadsheet program counts it, the header and blank rows
//!   included.
//! - Rows are written as they come; only as many are held back as it takes to find the header.

use wellspring_core::limits;
use wellspring_core::place::{Place, PlaceMark};

use super::{Block, BlockKind, Parsed, Refused};

/// What parts the cells of a row.
const SEPARATOR: &str = " | ";
/// Words of a single column's name when nothing else shows that it is one.
const LONE_NAME_WORDS_MAX: usize = 2;

/// The text of all tables of a document.
#[derive(Debug, Default)]
pub(super) struct TableText {
    text: String,
    blocks: Vec<Block>,
    places: Vec<PlaceMark>,
    rows: usize,
}

/// A row with its cells that say something.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Its number, from 1.
    pub(super) number: u32,
    /// Columns, from 0 and rising, and what stands in them.
    cells: Vec<(usize, String)>,
}

impl Row {
    pub(super) fn new(number: u32) -> Self {
        Self { number, cells: Vec::new() }
    }

    /// Adds a cell to the right of all others. White space in it collapses, since a row is one line.
    pub(super) fn push(&mut self, column: usize, said: &str) -> Result<(), Refused> {
        if column >= limits::TABLE_COLUMNS_MAX {
            return Err(Refused::because(format!("it has more than {} columns", limits::TABLE_COLUMNS_MAX)));
        }
        let mut tidy = String::with_capacity(said.len());
        for word in said.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
            if !tidy.is_empty() {
                tidy.push(' ');
            }
            tidy.push_str(word);
        }
        if !tidy.is_empty() {
            self.cells.push((column, tidy));
        }
        Ok(())
    }

    fn cell(&self, column: usize) -> Option<&str> {
        let found = self.cells.binary_search_by_key(&column, |(column, _)| *column).ok()?;
        Some(&self.cells[found].1)
    }
}

impl TableText {
    /// A heading of its own, above the table that follows and at the place of its first row.
    pub(super) fn heading(&mut self, level: u8, title: &str, sheet: Option<String>) {
        self.part_blocks();
        let start = self.text.len();
        self.places.push(PlaceMark { start, place: Place::Row { sheet, number: 1 } });
        self.text.push_str(title);
        let kind = BlockKind::Heading { level, title: title.to_owned() };
        self.blocks.push(Block { range: start..self.text.len(), kind });
    }

    /// Begins a table; `sheet` is the name that its rows are looked for under.
    pub(super) fn table(&mut self, sheet: Option<String>) -> TableWriter<'_> {
        TableWriter { text: self, sheet, held: Vec::new(), names: None, open: None }
    }

    /// The whole document, or a refusal when it has no row.
    pub(super) fn finish(self, title: Option<String>) -> Result<Parsed, Refused> {
        if self.rows == 0 {
            return Err(Refused::because(super::NO_TEXT));
        }
        Ok(Parsed { text: self.text, title, blocks: self.blocks, places: self.places })
    }

    fn part_blocks(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }
}

/// A table being written.
#[derive(Debug)]
pub(super) struct TableWriter<'t> {
    text: &'t mut TableText,
    sheet: Option<String>,
    /// The first rows, until the header is known.
    held: Vec<Row>,
    /// The columns' names once the header is known.
    names: Option<Names>,
    /// The start of the table's block, once a row of it is written.
    open: Option<usize>,
}

/// What the columns are called.
#[derive(Debug)]
enum Names {
    /// By the table's own header; a column without a name there has none.
    Header(Vec<Option<String>>),
    /// By their numbers.
    Numbers,
    /// The only column needs no name.
    None,
}

impl Names {
    fn of_header(header: &Row) -> Self {
        let mut names = vec![None; header.cells.last().map_or(0, |(column, _)| column + 1)];
        for (column, name) in &header.cells {
            names[*column] = Some(name.trim_end_matches([':', ' ']).to_owned());
        }
        Self::Header(names)
    }

    fn write(&self, column: usize, line: &mut String) {
        match self {
            Self::Header(names) => {
                if let Some(Some(name)) = names.get(column) {
                    line.push_str(name);
                    line.push_str(": ");
                }
            }
            Self::Numbers => line.push_str(&format!("Column {}: ", column + 1)),
            Self::None => {}
        }
    }
}

impl TableWriter<'_> {
    /// Takes the next row; one without text only counts.
    pub(super) fn row(&mut self, row: Row) -> Result<(), Refused> {
        if row.cells.is_empty() {
            return Ok(());
        }
        if self.text.rows + self.held.len() >= limits::TABLE_ROWS_MAX {
            return Err(Refused::because(format!("it has more than {} rows", limits::TABLE_ROWS_MAX)));
        }
        if self.names.is_some() {
            return self.write(&row);
        }
        self.held.push(row);
        if self.held.len() == limits::TABLE_SAMPLE_ROWS_MAX { self.settle() } else { Ok(()) }
    }

    /// Ends the table.
    pub(super) fn finish(mut self) -> Result<(), Refused> {
        if self.names.is_none() {
            self.settle()?;
        }
        self.end_block();
        Ok(())
    }

    /// Finds the header among the rows held back, and writes them.
    fn settle(&mut self) -> Result<(), Refused> {
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        let width = usual_width(rest);
        while let [first, after @ ..] = rest
            && first.cells.len() < width
            && (first.cells.len() == 1 || 2 * first.cells.len() < width)
        {
            self.write_plain(first)?;
            // Words above a table are no row of it.
            self.end_block();
            rest = after;
        }
        let [first, body @ ..] = rest else {
            self.names = Some(Names::None);
            return Ok(());
        };
        if is_header(first, body, width) {
            self.write_plain(first)?;
            self.names = Some(Names::of_header(first));
            rest = body;
        } else {
            self.names = Some(if width > 1 { Names::Numbers } else { Names::None });
        }
        rest.iter().try_for_each(|row| self.write(row))
    }

    fn write_plain(&mut self, row: &Row) -> Result<(), Refused> {
        let cells: Vec<&str> = row.cells.iter().map(|(_, said)| said.as_str()).collect();
        self.write_line(row, &cells.join(SEPARATOR))
    }

    fn write(&mut self, row: &Row) -> Result<(), Refused> {
        let mut line = String::new();
        if let Some(names) = &self.names {
            for (column, said) in &row.cells {
                if !line.is_empty() {
                    line.push_str(SEPARATOR);
                }
                names.write(*column, &mut line);
                line.push_str(said);
            }
        }
        self.write_line(row, &line)
    }

    fn write_line(&mut self, row: &Row, line: &str) -> Result<(), Refused> {
        if self.text.text.len() + line.len() > limits::TEXT_BYTES_MAX {
            let max = limits::TEXT_BYTES_MAX;
            return Err(Refused::because(format!("its rows with their column names are longer than {max} bytes")));
        }
        match self.open {
            // Only the mark between cells shows that a line is a row; one without it needs a blank line.
            Some(_) => self.text.text.push_str(if row.cells.len() > 1 { "\n" } else { "\n\n" }),
            None => self.text.part_blocks(),
        }
        let start = self.text.text.len();
        self.open.get_or_insert(start);
        self.text.text.push_str(line);
        let place = Place::Row { sheet: self.sheet.clone(), number: row.number };
        self.text.places.push(PlaceMark { start, place });
        self.text.rows += 1;
        Ok(())
    }

    fn end_block(&mut self) {
        if let Some(start) = self.open.take() {
            self.text.blocks.push(Block { range: start..self.text.text.len(), kind: BlockKind::Table });
        }
    }
}

/// How many cells the rows in the middle have.
fn usual_width(rows: &[Row]) -> usize {
    let mut widths: Vec<usize> = rows.iter().map(|row| row.cells.len()).collect();
    widths.sort_unstable();
    widths.get(widths.len() / 2).copied().unwrap_or(0)
}

/// Whether the first row names the columns: short different words, above columns that hold something else.
fn is_header(first: &Row, body: &[Row], width: usize) -> bool {
    let names: Vec<&str> = first.cells.iter().map(|(_, name)| name.as_str()).collect();
    let mut different: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < names.len()
        || names.iter().any(|name| name.chars().count() > limits::TABLE_HEADER_CHARS_MAX)
        || names.iter().all(|name| is_number(name))
    {
        return false;
    }
    let (mut pro, mut contra) = (0, 0);
    for (column, name) in &first.cells {
        let mut below = body.iter().filter_map(|row| row.cell(*column)).peekable();
        if below.peek().is_none() || !below.all(is_number) {
            continue;
        }
        match is_number(name) {
            false => pro += 1,
            // A column may be called by its year.
            true if is_year(name) => {}
            true => contra += 1,
        }
    }
    let is_lone = width <= 1 && names.len() == 1;
    contra <= pro && (!is_lone || pro > 0 || names[0].split(' ').count() <= LONE_NAME_WORDS_MAX)
}

/// Whether a cell holds an amount, a date or the like.
fn is_number(said: &str) -> bool {
    said.bytes().any(|byte| byte.is_ascii_digit())
        && said.chars().all(|c| c.is_ascii_digit() || " .,:;+-−/%()€$£¥'’".contains(c))
}

fn is_year(said: &str) -> bool {
    said.len() == 4 && said.parse::<u32>().is_ok_and(|year| (1000..3000).contains(&year))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
