//! What does this text document say, and which of its paragraphs are headings?
//!
//! Left out: what was deleted while changes were tracked, hidden text, comments, and what repeats the rest (headers,
//! footers, tables of contents). Footnotes stand at the end.
//!
//! Invariants:
//! - The walk over the document is a loop; tables in tables and boxes in paragraphs cost no stack.

use std::io::Read;

use super::archive::Archive;
use super::docx_styles::{ParagraphKind, Styles, outline_heading};
use super::html_text::{Role, TextBuilder};
use super::office::{self, first_heading, relationships, target_of, with_text};
use super::xml::{Element, Node, Xml};
use super::{Parsed, Refused};

/// Reads a text document. Its title is that of its properties, else its first heading.
pub(super) fn parse(content: &[u8]) -> Result<Parsed, Refused> {
    let mut archive = Archive::open(content)?;
    let main = office::main_part(&mut archive)?;
    let parts = relationships(&mut archive, &main)?;
    let styles = match target_of(&parts, "styles") {
        Some(part) => Styles::read(&mut archive, part)?,
        None => Styles::default(),
    };
    let title = office::title(&mut archive)?;
    let mut walk = Walk { styles: &styles, builder: TextBuilder::default(), paragraphs: vec![], tables: 0, run: None };
    let notes = ["footnotes", "endnotes"].into_iter().filter_map(|kind| target_of(&parts, kind));
    for part in std::iter::once(main.as_str()).chain(notes) {
        if let Some(xml) = archive.xml(part)? {
            walk.part(xml)?;
        }
    }
    let (text, blocks, _) = walk.builder.finish();
    let title = title.or_else(|| first_heading(&blocks));
    with_text(Parsed { text, title, blocks, places: Vec::new() })
}

/// Where the walk stands.
struct Walk<'s> {
    styles: &'s Styles,
    builder: TextBuilder,
    /// Open paragraphs; a text box lies within one.
    paragraphs: Vec<Paragraph>,
    /// Open tables; only the outermost becomes rows, since a row cannot hold rows.
    tables: usize,
    run: Option<Run>,
}

/// A paragraph that is open.
#[derive(Default)]
struct Paragraph {
    style: Option<String>,
    outline: Option<String>,
    /// Whether it says itself that it is an item of a list.
    is_item: Option<bool>,
    /// What was opened for it beside the flow.
    role: Option<Role>,
    is_hidden: bool,
}

/// A stretch of text with one look.
#[derive(Default)]
struct Run {
    is_hidden: bool,
}

impl Walk<'_> {
    fn part<R: Read>(&mut self, mut xml: Xml<R>) -> Result<(), Refused> {
        while let Some(node) = xml.next()? {
            match node {
                Node::Open(element) if is_passed_over(&element) => xml.skip()?,
                Node::Open(element) if element.name() == "t" && self.run.is_some() => {
                    let said = xml.text()?;
                    self.text(&said);
                }
                Node::Open(element) => self.open(&element),
                Node::Close(name) => self.close(&name)?,
                // Only a run's own text counts; the rest is layout of the file.
                Node::Text(_) => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, element: &Element) {
        match (element.name(), self.paragraphs.last_mut()) {
            ("p", _) => {
                self.builder.open(Role::Flow);
                self.paragraphs.push(Paragraph::default());
            }
            ("pStyle", Some(paragraph)) => paragraph.style = element.attribute("val"),
            ("outlineLvl", Some(paragraph)) => paragraph.outline = element.attribute("val"),
            // The list of number 0 is none.
            ("numId", Some(paragraph)) => {
                paragraph.is_item = Some(element.attribute("val").as_deref() != Some("0"));
            }
            ("r", _) => self.run = Some(Run::default()),
            ("vanish", _) => {
                if let Some(run) = &mut self.run {
                    run.is_hidden = element.is_on();
                }
            }
            ("tab" | "ptab", _) => self.text(" "),
            ("noBreakHyphen", _) => self.text("-"),
            ("br" | "cr", _) if self.run.is_some() => self.builder.open(Role::LineBreak),
            ("tbl", _) => {
                self.tables += 1;
                self.open_in_table(Role::Table);
            }
            ("tr", _) => self.open_in_table(Role::Row),
            ("tc", _) => self.open_in_table(Role::Cell),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) -> Result<(), Refused> {
        match name {
            "pPr" => self.begin_paragraph(),
            "p" => {
                if let Some(role) = self.paragraphs.pop().and_then(|paragraph| paragraph.role) {
                    self.builder.close(role);
                }
                self.builder.close(Role::Flow);
                self.builder.check_bounds()?;
            }
            "r" => self.run = None,
            "tc" => self.close_in_table(Role::Cell),
            "tr" => self.close_in_table(Role::Row),
            "tbl" => {
                self.close_in_table(Role::Table);
                self.tables = self.tables.saturating_sub(1);
            }
            _ => {}
        }
        Ok(())
    }

    /// A paragraph's properties are known: what is it?
    fn begin_paragraph(&mut self) {
        let in_table = self.tables > 0;
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        if paragraph.role.is_some() {
            return;
        }
        let by_style = paragraph.style.as_deref().map_or(ParagraphKind::Plain, |style| self.styles.kind_of(style));
        let kind = match (paragraph.outline.as_deref().map(outline_heading), paragraph.is_item) {
            (Some(Some(level)), _) => ParagraphKind::Heading(level),
            (_, Some(true)) if !matches!(by_style, ParagraphKind::Heading(_)) => ParagraphKind::Item,
            (_, Some(false)) if by_style == ParagraphKind::Item => ParagraphKind::Plain,
            _ => by_style,
        };
        paragraph.is_hidden = kind == ParagraphKind::Repetition;
        paragraph.role = match kind {
            // A cell is one line whatever stands in it.
            _ if in_table => None,
            ParagraphKind::Heading(level) => Some(Role::Heading(level)),
            ParagraphKind::Item => Some(Role::Item),
            ParagraphKind::Quote => Some(Role::Quote),
            ParagraphKind::Plain | ParagraphKind::Repetition => None,
        };
        if let Some(role) = paragraph.role {
            self.builder.open(role);
        }
    }

    fn text(&mut self, said: &str) {
        let is_shown = self.run.as_ref().is_some_and(|run| !run.is_hidden)
            && self.paragraphs.last().is_some_and(|paragraph| !paragraph.is_hidden);
        if is_shown {
            self.builder.text(said);
        }
    }

    fn open_in_table(&mut self, role: Role) {
        if self.tables == 1 {
            self.builder.open(role);
        }
    }

    fn close_in_table(&mut self, role: Role) {
        if self.tables == 1 {
            self.builder.close(role);
        }
    }
}

/// Whether an element, with everything in it, is nothing that a reader of the document sees once.
fn is_passed_over(element: &Element) -> bool {
    match element.name() {
        "del" | "moveFrom" | "pPrChange" | "rPrChange" | "sectPr" | "instrText" => true,
        // The second form of something for older programs.
        "Fallback" => true,
        // The line above the notes is a note too.
        "footnote" | "endnote" => element.attribute("type").is_some_and(|kind| kind != "normal"),
        _ => false,
    }
}

#[cfg(test)]
#[path = "docx_tests.rs"]
mod tests;
