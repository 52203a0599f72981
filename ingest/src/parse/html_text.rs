//! How do elements become lines of text?
//!
//! White space collapses as a browser would collapse it, blocks are parted by a blank line, items of a list and rows
//! of a table by a line end, cells by ` | `. A cell whose column has a name says it first: `City: Köln | River: Rhein`.
//!
//! Invariants:
//! - A block's text has no white space at its ends, so blocks and what separates them never overlap.

use std::rc::Rc;

use wellspring_core::limits;

use super::{Block, BlockKind, Refused, tidy_title};

/// What an element means for the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `h1` to `h6`.
    Heading(u8),
    /// Starts and ends a block.
    Block,
    /// Starts and ends a block, but within a table's cell only parts words.
    Flow,
    Item,
    Preformatted,
    Quote,
    Table,
    Row,
    Cell,
    LineBreak,
    /// Only its text matters.
    Inline,
}

impl Role {
    /// The role of an element by its name.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "h1" => Self::Heading(1),
            "h2" => Self::Heading(2),
            "h3" => Self::Heading(3),
            "h4" => Self::Heading(4),
            "h5" => Self::Heading(5),
            "h6" => Self::Heading(6),
            "p" | "div" => Self::Flow,
            "li" => Self::Item,
            "pre" | "listing" | "textarea" => Self::Preformatted,
            "blockquote" => Self::Quote,
            "table" => Self::Table,
            "tr" => Self::Row,
            "td" | "th" => Self::Cell,
            "br" => Self::LineBreak,
            "address" | "article" | "aside" | "body" | "caption" | "center" | "dd" | "details" | "dialog" | "dir"
            | "dl" | "dt" | "fieldset" | "figcaption" | "figure" | "footer" | "form" | "header" | "hgroup" | "hr"
            | "html" | "legend" | "main" | "menu" | "nav" | "ol" | "option" | "section" | "select" | "summary"
            | "ul" => Self::Block,
            _ => Self::Inline,
        }
    }
}

/// Gathers the text and its blocks from elements and text in the order of the page.
#[derive(Debug, Default)]
pub(super) struct TextBuilder {
    text: String,
    blocks: Vec<Block>,
    first_heading: Option<String>,
    /// The start and kind of the block being written.
    current: Option<(usize, BlockKind)>,
    /// What must stand before the next character, if any comes in this block.
    gap: Gap,
    heading: Option<u8>,
    items: usize,
    quotes: usize,
    preformatted: usize,
    tables: usize,
    cells: usize,
    marker_due: bool,
    /// The name of the cell's column, until the cell says something.
    name_due: Option<Rc<str>>,
}

/// White space or a mark that is written only when something follows it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Cell,
    Line,
}

impl TextBuilder {
    /// An element begins.
    pub(super) fn open(&mut self, role: Role) {
        match role {
            Role::Heading(level) => {
                self.end_block();
                self.heading = Some(level);
            }
            Role::Flow if self.cells > 0 => self.widen(Gap::Space),
            Role::Flow | Role::Block => self.end_block(),
            Role::Item => {
                self.end_block();
                self.items += 1;
                self.marker_due = true;
            }
            Role::Preformatted => {
                self.end_block();
                self.preformatted += 1;
            }
            Role::Quote => {
                self.end_block();
                self.quotes += 1;
            }
            Role::Table => {
                self.end_block();
                self.tables += 1;
            }
            Role::Row => self.widen(Gap::Line),
            Role::Cell => {
                self.cells += 1;
                self.widen(Gap::Cell);
            }
            Role::LineBreak => self.widen(if self.cells > 0 { Gap::Space } else { Gap::Line }),
            Role::Inline => {}
        }
    }

    /// An element ends.
    pub(super) fn close(&mut self, role: Role) {
        match role {
            Role::Heading(_) => {
                self.end_block();
                self.heading = None;
            }
            Role::Flow if self.cells > 0 => self.widen(Gap::Space),
            Role::Flow | Role::Block => self.end_block(),
            Role::Item => {
                self.end_block();
                self.items = self.items.saturating_sub(1);
                self.marker_due = false;
            }
            Role::Preformatted => {
                self.end_block();
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            Role::Quote => {
                self.end_block();
                self.quotes = self.quotes.saturating_sub(1);
            }
            Role::Table => {
                self.end_block();
                self.tables = self.tables.saturating_sub(1);
            }
            Role::Cell => {
                self.cells = self.cells.saturating_sub(1);
                self.name_due = None;
            }
            Role::Row | Role::LineBreak | Role::Inline => {}
        }
    }

    /// The cell that has just begun stands in a column of this name.
    pub(super) fn name_cell(&mut self, name: Rc<str>) {
        self.name_due = Some(name);
    }

    /// Bytes written so far.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Text as it stands in the page.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\r' => {}
                '\n' if self.preformatted > 0 => self.preformatted_break(),
                _ if self.preformatted > 0 => self.character(c),
                _ if c.is_whitespace() => self.widen(Gap::Space),
                // Invisible marks that only steer hyphenation and direction.
                '\u{ad}' | '\u{200b}' | '\u{feff}' => {}
                _ => self.character(c),
            }
        }
    }

    /// Ends the block being written, and says which number the next one will have.
    pub(super) fn next_block(&mut self) -> usize {
        self.end_block();
        self.blocks.len()
    }

    /// Refuses a document whose text grows out of its bounds while it is gathered.
    pub(super) fn check_bounds(&self) -> Result<(), Refused> {
        if self.text.len() > limits::TEXT_BYTES_MAX {
            return Err(Refused::because(format!("its text is longer than {} bytes", limits::TEXT_BYTES_MAX)));
        }
        if self.blocks.len() > limits::PARSE_BLOCKS_MAX {
            return Err(Refused::because(format!("it has more than {} paragraphs", limits::PARSE_BLOCKS_MAX)));
        }
        Ok(())
    }

    /// The text, its blocks and the first heading of level 1.
    pub(super) fn finish(mut self) -> (String, Vec<Block>, Option<String>) {
        self.end_block();
        (self.text, self.blocks, self.first_heading)
    }

    fn character(&mut self, c: char) {
        if self.current.is_none() {
            // White space, preformatted or not, begins no block, but indentation belongs to a line of code.
            if c.is_whitespace() && !(self.preformatted > 0 && c == ' ') {
                return;
            }
            self.begin_block();
        }
        match std::mem::take(&mut self.gap) {
            Gap::None => {}
            Gap::Space => self.text.push(' '),
            Gap::Cell => self.text.push_str(" | "),
            Gap::Line => self.text.push('\n'),
        }
        if let Some(name) = self.name_due.take() {
            self.text.push_str(&name);
            self.text.push_str(": ");
        }
        self.text.push(c);
    }

    fn preformatted_break(&mut self) {
        if self.current.is_some() {
            self.text.push('\n');
        }
    }

    fn widen(&mut self, gap: Gap) {
        if self.current.is_some() {
            self.gap = self.gap.max(gap);
        }
    }

    fn begin_block(&mut self) {
        let kind = match self.heading {
            Some(level) => BlockKind::Heading { level, title: String::new() },
            None if self.preformatted > 0 => BlockKind::Code,
            None if self.tables > 0 => BlockKind::Table,
            None if self.items > 0 => BlockKind::ListItem,
            None if self.quotes > 0 => BlockKind::Quote,
            None => BlockKind::Paragraph,
        };
        if let Some(before) = self.blocks.last() {
            let next_item = before.kind == BlockKind::ListItem && kind == BlockKind::ListItem && self.marker_due;
            self.text.push_str(if next_item { "\n" } else { "\n\n" });
        }
        let start = self.text.len();
        if std::mem::take(&mut self.marker_due) && kind == BlockKind::ListItem {
            self.text.push_str("- ");
        }
        self.current = Some((start, kind));
        self.gap = Gap::None;
    }

    fn end_block(&mut self) {
        self.gap = Gap::None;
        let Some((start, kind)) = self.current.take() else { return };
        let said = &self.text[start..];
        let lead = said.len() - said.trim_start().len();
        let end = start + said.trim_end().len();
        self.text.truncate(end);
        if start + lead >= end {
            self.text.truncate(self.blocks.last().map_or(0, |block| block.range.end));
            return;
        }
        let kind = match kind {
            BlockKind::Heading { level, .. } => {
                let title = tidy_title(&self.text[start..end]).unwrap_or_default();
                if level == 1 && self.first_heading.is_none() {
                    self.first_heading = Some(title.clone());
                }
                BlockKind::Heading { level, title }
            }
            kind => kind,
        };
        self.blocks.push(Block { range: start + lead..end, kind });
    }
}
