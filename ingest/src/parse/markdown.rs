//! Which lines of this Markdown belong together?
//!
//! Invariants:
//! - The text is the source, marks and all: a span points into the user's own file.
//! - Nothing here recurses, and no step looks back through the containers around it: depth costs nothing.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Block, BlockKind, Parsed, tidy_title, trimmed};

/// Finds the blocks and the title: that of the front matter, else the first heading of level 1.
pub(super) fn parse(text: String) -> Parsed {
    let front = front_matter(&text);
    let mut builder = Builder { text: &text, offset: front.end, ..Builder::default() };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    for (event, range) in Parser::new_ext(&text[front.end..], options).into_offset_iter() {
        builder.step(event, range);
    }
    builder.end_loose();
    let Builder { blocks, first_heading, .. } = builder;
    let title = front.title.or(first_heading);
    Parsed { text, title, blocks, places: Vec::new() }
}

/// Turns events into blocks.
#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    offset: usize,
    blocks: Vec<Block>,
    first_heading: Option<String>,
    /// Open list items and quotes; only whether there are any matters.
    items: usize,
    quotes: usize,
    /// The start of the innermost item while nothing of it has been taken: its marker belongs to its first block.
    item_start: Option<usize>,
    /// The block being read, and how many more have begun inside it.
    leaf: Option<BlockKind>,
    nested: usize,
    heading: String,
    /// Text directly in an item, which has no paragraph of its own.
    loose: Option<Range<usize>>,
}

impl Builder<'_> {
    fn step(&mut self, event: Event<'_>, range: Range<usize>) {
        if self.leaf.is_some() {
            return self.inside_leaf(event, range);
        }
        match event {
            Event::Start(Tag::Item) => {
                self.end_loose();
                self.items += 1;
                self.item_start = Some(range.start);
            }
            Event::End(TagEnd::Item) => {
                self.end_loose();
                self.items = self.items.saturating_sub(1);
                self.item_start = None;
            }
            Event::Start(Tag::BlockQuote(_)) => {
                self.end_loose();
                self.quotes += 1;
            }
            Event::End(TagEnd::BlockQuote(_)) => {
                self.end_loose();
                self.quotes = self.quotes.saturating_sub(1);
            }
            Event::Start(tag) => match self.leaf_kind(&tag) {
                Some(kind) => {
                    self.end_loose();
                    self.leaf = Some(kind);
                }
                None if is_container(&tag) => self.end_loose(),
                None => self.extend_loose(range),
            },
            Event::End(_) | Event::Rule => {}
            _ => self.extend_loose(range),
        }
    }

    fn leaf_kind(&self, tag: &Tag<'_>) -> Option<BlockKind> {
        let prose = match (self.items, self.quotes) {
            (0, 0) => BlockKind::Paragraph,
            (0, _) => BlockKind::Quote,
            _ => BlockKind::ListItem,
        };
        match tag {
            // A heading inside an item or a quote heads nothing of this document.
            Tag::Heading { level, .. } if self.items == 0 && self.quotes == 0 => {
                Some(BlockKind::Heading { level: *level as u8, title: String::new() })
            }
            Tag::Paragraph | Tag::Heading { .. } | Tag::HtmlBlock => Some(prose),
            Tag::CodeBlock(_) => Some(BlockKind::Code),
            Tag::Table(_) => Some(BlockKind::Table),
            _ => None,
        }
    }

    fn inside_leaf(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(_) => self.nested += 1,
            Event::End(_) if self.nested > 0 => self.nested -= 1,
            Event::End(_) => {
                let kind = match self.leaf.take() {
                    Some(BlockKind::Heading { level, .. }) => {
                        let title = tidy_title(&std::mem::take(&mut self.heading)).unwrap_or_default();
                        if level == 1 && self.first_heading.is_none() && !title.is_empty() {
                            self.first_heading = Some(title.clone());
                        }
                        BlockKind::Heading { level, title }
                    }
                    Some(kind) => kind,
                    None => return,
                };
                self.push(range, kind);
            }
            Event::Text(text) | Event::Code(text) if matches!(self.leaf, Some(BlockKind::Heading { .. })) => {
                self.heading.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.heading.push(' '),
            _ => {}
        }
        if !matches!(self.leaf, Some(BlockKind::Heading { .. })) {
            self.heading.clear();
        }
    }

    fn extend_loose(&mut self, range: Range<usize>) {
        self.loose = Some(match self.loose.take() {
            Some(loose) => loose.start.min(range.start)..loose.end.max(range.end),
            None => range,
        });
    }

    fn end_loose(&mut self) {
        if let Some(range) = self.loose.take() {
            let kind = if self.items > 0 { BlockKind::ListItem } else { BlockKind::Paragraph };
            self.push(range, kind);
        }
    }

    fn push(&mut self, range: Range<usize>, kind: BlockKind) {
        let start = self.item_start.take().filter(|start| *start <= range.start).unwrap_or(range.start);
        let end_before = self.blocks.last().map_or(0, |block| block.range.end);
        let start = (start + self.offset).max(end_before);
        let end = range.end + self.offset;
        if start >= end {
            return;
        }
        // A code block that is indented starts after its indentation, like any other block.
        if let Some(range) = trimmed(self.text, start..end) {
            self.blocks.push(Block { range, kind });
        }
    }
}

/// Whether a tag holds blocks rather than words.
fn is_container(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::List(_) | Tag::FootnoteDefinition(_) | Tag::DefinitionList | Tag::MetadataBlock(_))
}

/// The lines of metadata before the document.
#[derive(Default)]
struct FrontMatter {
    end: usize,
    title: Option<String>,
}

/// Finds YAML (`---`) or TOML (`+++`) front matter. Only `title` is read from it.
fn front_matter(text: &str) -> FrontMatter {
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next() else { return FrontMatter::default() };
    let (fence, assignment) = match first.trim_end() {
        "---" => ("---", ':'),
        "+++" => ("+++", '='),
        _ => return FrontMatter::default(),
    };
    let mut found = FrontMatter { end: first.len(), title: None };
    for line in lines {
        found.end += line.len();
        let line = line.trim_end();
        if line == fence || (fence == "---" && line == "...") {
            return found;
        }
        if found.title.is_none()
            && let Some((key, value)) = line.split_once(assignment)
            && key.trim_end() == "title"
        {
            found.title = tidy_title(value.trim().trim_matches(['"', '\'']));
        }
    }
    // Never closed: a line of dashes, not front matter.
    FrontMatter::default()
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
