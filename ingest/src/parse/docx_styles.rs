//! Which paragraph styles make headings, lists and quotes?
//!
//! A style is known by its outline level or by its name, which is English whatever language the program speaks; else
//! by the style it is based on.

use std::collections::HashMap;

use super::Refused;
use super::archive::Archive;
use super::xml::Node;

/// Styles that a style may be based on, one on the other; hostile ones go in circles.
const BASES_MAX: usize = 16;
/// Styles of one document.
const STYLES_MAX: usize = 20_000;

/// What a paragraph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParagraphKind {
    /// From level 1 on.
    Heading(u8),
    Item,
    Quote,
    Plain,
    /// A line of a table of contents, which says what the headings say.
    Repetition,
}

/// The paragraph styles of a document, by their ids.
#[derive(Debug, Default)]
pub(super) struct Styles(HashMap<String, Style>);

#[derive(Debug, Default)]
struct Style {
    name: String,
    base: Option<String>,
    outline: Option<String>,
    is_item: bool,
}

impl Styles {
    pub(super) fn read(archive: &mut Archive<'_>, part: &str) -> Result<Self, Refused> {
        let mut styles = HashMap::new();
        let Some(mut xml) = archive.xml(part)? else { return Ok(Self(styles)) };
        let mut open: Option<(String, Style)> = None;
        while let Some(node) = xml.next()? {
            match node {
                Node::Open(element) if element.name() == "style" => {
                    open = element.attribute("styleId").map(|id| (id, Style::default()));
                }
                Node::Open(element) => {
                    let Some((_, style)) = &mut open else { continue };
                    match element.name() {
                        "name" => style.name = element.attribute("val").unwrap_or_default().to_lowercase(),
                        "basedOn" => style.base = element.attribute("val"),
                        "outlineLvl" => style.outline = element.attribute("val"),
                        "numPr" => style.is_item = true,
                        _ => {}
                    }
                }
                Node::Close(name) if name == "style" => {
                    if let Some((id, style)) = open.take()
                        && styles.len() < STYLES_MAX
                    {
                        styles.insert(id, style);
                    }
                }
                Node::Close(_) | Node::Text(_) => {}
            }
        }
        Ok(Self(styles))
    }

    /// What a paragraph of this style is.
    pub(super) fn kind_of(&self, id: &str) -> ParagraphKind {
        let mut id = id;
        for _ in 0..BASES_MAX {
            let Some(style) = self.0.get(id) else {
                return kind_of_name(&id.to_lowercase()).unwrap_or(ParagraphKind::Plain);
            };
            if let Some(outline) = &style.outline {
                return outline_heading(outline).map_or(ParagraphKind::Plain, ParagraphKind::Heading);
            }
            if let Some(kind) = kind_of_name(&style.name) {
                return kind;
            }
            if style.is_item {
                return ParagraphKind::Item;
            }
            match &style.base {
                Some(base) => id = base,
                None => break,
            }
        }
        ParagraphKind::Plain
    }
}

/// The heading level of an outline level, which counts from 0; the tenth means prose.
pub(super) fn outline_heading(level: &str) -> Option<u8> {
    level.parse::<u8>().ok().filter(|level| *level < 9).map(|level| level + 1)
}

fn kind_of_name(name: &str) -> Option<ParagraphKind> {
    if let Some(level) = name.strip_prefix("heading") {
        return level.trim().parse().ok().filter(|level| (1..=9).contains(level)).map(ParagraphKind::Heading);
    }
    match name {
        "title" => Some(ParagraphKind::Heading(1)),
        "quote" | "intense quote" => Some(ParagraphKind::Quote),
        _ if name.starts_with("toc ") => Some(ParagraphKind::Repetition),
        _ if name.starts_with("list bullet") || name.starts_with("list number") => Some(ParagraphKind::Item),
        _ => None,
    }
}
