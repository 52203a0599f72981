//! Which rows do the sheets of this workbook hold, as a person reads them?
//!
//! Each visible sheet is a heading and a table. A formula counts by the value that the spreadsheet program kept for it.
//!
//! Invariants:
//! - Sheets are read as streams, and a row's empty cells cost nothing: a cell far out makes no table of that size.
//! - What a sheet claims of its own dimensions is not looked at.

use std::io::Read;

use wellspring_core::limits;

use super::archive::Archive;
use super::office::{self, Relationship, relationships, target_of};
use super::table::{Row, TableText};
use super::xlsx_format::{Calendar, Formats};
use super::xml::{Element, Node, Xml};
use super::{Parsed, Refused, tidy_title};

/// The level of a sheet's name: the workbook's own title would be the first.
const SHEET_LEVEL: u8 = 2;
/// Characters of a sheet's name: what spreadsheet programs allow. It travels with every row.
const SHEET_NAME_CHARS_MAX: usize = 31;

/// Reads a workbook. Its title is that of its properties.
pub(super) fn parse(content: &[u8]) -> Result<Parsed, Refused> {
    let mut archive = Archive::open(content)?;
    let main = office::main_part(&mut archive)?;
    let parts = relationships(&mut archive, &main)?;
    let workbook = Workbook::read(&mut archive, &main, &parts)?;
    let formats = match target_of(&parts, "styles") {
        Some(part) => Formats::read(&mut archive, part, workbook.calendar)?,
        None => Formats::default(),
    };
    let strings = match target_of(&parts, "sharedStrings") {
        Some(part) => Strings::read(&mut archive, part)?,
        None => Strings::default(),
    };
    let title = office::title(&mut archive)?;
    let several = workbook.sheets.len() > 1;
    let mut text = TableText::default();
    for sheet in workbook.sheets {
        let Some(xml) = archive.xml(&sheet.part)? else { continue };
        let cells = Cells { strings: &strings, formats: &formats };
        read_sheet(xml, &cells, sheet.name, several, &mut text)?;
    }
    text.finish(title)
}

/// What a workbook says of its sheets.
struct Workbook {
    /// Those that are shown, in the order of their tabs.
    sheets: Vec<Sheet>,
    calendar: Calendar,
}

struct Sheet {
    name: String,
    part: String,
}

impl Workbook {
    fn read(archive: &mut Archive<'_>, main: &str, parts: &[Relationship]) -> Result<Self, Refused> {
        let mut workbook = Self { sheets: Vec::new(), calendar: Calendar::From1900 };
        let Some(mut xml) = archive.xml(main)? else { return Ok(workbook) };
        while let Some(node) = xml.next()? {
            let Node::Open(element) = node else { continue };
            match element.name() {
                "workbookPr" if matches!(element.attribute("date1904").as_deref(), Some("1" | "true")) => {
                    workbook.calendar = Calendar::From1904;
                }
                "sheet" => workbook.sheets.extend(Sheet::of(&element, parts)),
                _ => {}
            }
            if workbook.sheets.len() > limits::PARTS_MAX {
                return Err(Refused::because(format!("it has more than {} sheets", limits::PARTS_MAX)));
            }
        }
        Ok(workbook)
    }
}

impl Sheet {
    /// A sheet of cells that is shown; charts and hidden sheets are none.
    fn of(element: &Element, parts: &[Relationship]) -> Option<Self> {
        let is_hidden = matches!(element.attribute("state").as_deref(), Some("hidden" | "veryHidden"));
        let id = element.prefixed_attribute("id")?;
        let part = parts.iter().find(|found| found.id == id && found.kind == "worksheet")?;
        let name = tidy_title(&element.attribute("name")?)?;
        let name = name.chars().filter(|c| !c.is_control()).take(SHEET_NAME_CHARS_MAX).collect();
        (!is_hidden).then_some(Self { name, part: part.target.clone() })
    }
}

/// Texts that cells share, one behind the other: a workbook may hold millions.
#[derive(Debug, Default)]
struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    fn read(archive: &mut Archive<'_>, part: &str) -> Result<Self, Refused> {
        let mut strings = Self::default();
        let Some(mut xml) = archive.xml(part)? else { return Ok(strings) };
        while let Some(node) = xml.next()? {
            match node {
                // How Chinese and Japanese words are pronounced, which would repeat them.
                Node::Open(element) if element.name() == "rPh" => xml.skip()?,
                Node::Open(element) if element.name() == "t" => strings.text.push_str(&xml.text()?),
                Node::Close(name) if name == "si" => strings.ends.push(strings.text.len()),
                Node::Open(_) | Node::Close(_) | Node::Text(_) => {}
            }
        }
        Ok(strings)
    }

    fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some(&self.text[start..end])
    }
}

/// What cells refer to.
struct Cells<'w> {
    strings: &'w Strings,
    formats: &'w Formats,
}

/// A cell that is open.
#[derive(Debug, Default)]
struct Cell {
    column: usize,
    kind: Option<String>,
    style: usize,
    value: String,
}

impl Cells<'_> {
    /// What a person sees in a cell.
    fn said(&self, cell: &Cell) -> String {
        match cell.kind.as_deref() {
            Some("s") => cell.value.trim().parse().ok().and_then(|index| self.strings.get(index)).unwrap_or("").into(),
            Some("b") => if cell.value.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            None | Some("n") => self.formats.format(cell.style, cell.value.trim()),
            // Texts, errors as they are shown, and dates that are written as such.
            Some(_) => cell.value.clone(),
        }
    }
}

fn read_sheet<R: Read>(
    mut xml: Xml<R>,
    cells: &Cells<'_>,
    name: String,
    several: bool,
    text: &mut TableText,
) -> Result<(), Refused> {
    let sheet = several.then(|| name.clone());
    text.heading(SHEET_LEVEL, &name, sheet.clone());
    let mut table = text.table(sheet);
    let mut row = Row::new(0);
    let mut next_column = 0;
    let mut cell: Option<Cell> = None;
    while let Some(node) = xml.next()? {
        match node {
            Node::Open(element) => match (element.name(), &mut cell) {
                ("row", _) => {
                    let number = element.attribute("r").and_then(|number| number.parse().ok());
                    // Rows rise; one that says otherwise follows the one before.
                    let next = row.number.saturating_add(1);
                    row = Row::new(number.filter(|number| *number >= next).unwrap_or(next));
                    next_column = 0;
                }
                ("c", _) => {
                    let column = element.attribute("r").as_deref().and_then(column_of);
                    let column = column.filter(|column| *column >= next_column).unwrap_or(next_column);
                    next_column = column + 1;
                    let style = element.attribute("s").and_then(|style| style.parse().ok()).unwrap_or(0);
                    cell = Some(Cell { column, kind: element.attribute("t"), style, value: String::new() });
                }
                ("v" | "t", Some(cell)) => cell.value.push_str(&xml.text()?),
                ("rPh" | "f", Some(_)) => xml.skip()?,
                _ => {}
            },
            Node::Close(name) if name == "c" => {
                if let Some(cell) = cell.take()
                    && !cell.value.is_empty()
                {
                    row.push(cell.column, &cells.said(&cell))?;
                }
            }
            Node::Close(name) if name == "row" => {
                let number = row.number;
                table.row(std::mem::replace(&mut row, Row::new(number)))?;
            }
            // What follows the cells are settings, and may name things like cells.
            Node::Close(name) if name == "sheetData" => break,
            Node::Close(_) | Node::Text(_) => {}
        }
    }
    table.finish()
}

/// The column of a reference like `BC12`, from 0.
fn column_of(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let mut column: usize = 0;
    for letter in letters {
        column = column.checked_mul(26)?.checked_add(usize::from(letter.to_ascii_uppercase() - b'A') + 1)?;
    }
    column.checked_sub(1)
}

#[cfg(test)]
#[path = "xlsx_tests.rs"]
mod tests;
