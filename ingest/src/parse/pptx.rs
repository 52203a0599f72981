//! What do the slides say, one after the other?
//!
//! Each slide begins with its title as a heading ("Slide 3" where it has none), then come its shapes in their order,
//! and last what the speaker noted. Hidden slides are read too: whoever opens the file sees them in the list.
//!
//! Invariants:
//! - A slide's place is its number in the order of the presentation, whatever its part is called.

use std::io::Read;

use wellspring_core::limits;
use wellspring_core::place::{Place, PlaceMark};

use super::archive::Archive;
use super::html_text::{Role, TextBuilder};
use super::office::{self, relationships, target_of, with_text};
use super::xml::{Element, Node, Xml};
use super::{Parsed, Refused, tidy_title};

/// The level of a slide's title: the presentation's own title would be the first.
const SLIDE_LEVEL: u8 = 2;

/// Reads a presentation. Its title is that of its properties, else the first title of a slide.
pub(super) fn parse(content: &[u8]) -> Result<Parsed, Refused> {
    let mut archive = Archive::open(content)?;
    let main = office::main_part(&mut archive)?;
    let parts = relationships(&mut archive, &main)?;
    let mut title = office::title(&mut archive)?;
    let mut builder = TextBuilder::default();
    let mut starts: Vec<(usize, u32)> = Vec::new();
    let mut says_anything = false;
    for (number, id) in (1..).zip(slide_ids(&mut archive, &main)?) {
        let Some(part) = parts.iter().find(|found| found.id == id) else { continue };
        let Some(xml) = archive.xml(&part.target)? else { continue };
        let mut slide = Shapes::read(xml, is_shown_on_slide)?;
        let beside = relationships(&mut archive, &part.target)?;
        for diagram in beside.iter().filter(|found| found.kind == "diagramData") {
            if let Some(xml) = archive.xml(&diagram.target)? {
                slide.pieces.extend(Shapes::read(xml, is_shown_on_slide)?.pieces);
            }
        }
        if let Some(part) = target_of(&beside, "notesSlide")
            && let Some(xml) = archive.xml(part)?
        {
            slide.pieces.extend(Shapes::read(xml, |placeholder| placeholder == Some("body"))?.into_prose());
        }
        let own_title = tidy_title(&slide.title);
        says_anything |= own_title.is_some() || !slide.pieces.is_empty();
        starts.push((builder.next_block(), number));
        builder.open(Role::Heading(SLIDE_LEVEL));
        builder.text(own_title.as_deref().unwrap_or(&format!("Slide {number}")));
        builder.close(Role::Heading(SLIDE_LEVEL));
        slide.write(&mut builder)?;
        title = title.or(own_title);
    }
    if !says_anything {
        return Err(Refused::because(super::NO_TEXT));
    }
    let (text, blocks, _) = builder.finish();
    let place = |(block, number): (usize, u32)| {
        blocks.get(block).map(|block| PlaceMark { start: block.range.start, place: Place::Slide { number } })
    };
    let mut places: Vec<PlaceMark> = starts.into_iter().filter_map(place).collect();
    // A slide whose text is invisible characters alone has no block of its own.
    places.dedup_by_key(|mark| mark.start);
    with_text(Parsed { text, title, blocks, places })
}

/// The relationships of the slides in their order.
fn slide_ids(archive: &mut Archive<'_>, main: &str) -> Result<Vec<String>, Refused> {
    let mut ids = Vec::new();
    let Some(mut xml) = archive.xml(main)? else { return Ok(ids) };
    while let Some(node) = xml.next()? {
        if let Node::Open(element) = node
            && element.name() == "sldId"
        {
            ids.extend(element.prefixed_attribute("id"));
            if ids.len() > limits::PARTS_MAX {
                return Err(Refused::because(format!("it has more than {} slides", limits::PARTS_MAX)));
            }
        }
    }
    Ok(ids)
}

/// Numbers, dates and the like are on every slide and say nothing of it.
fn is_shown_on_slide(placeholder: Option<&str>) -> bool {
    !matches!(placeholder, Some("sldNum" | "dt" | "ftr" | "hdr" | "sldImg"))
}

fn is_title(placeholder: Option<&str>) -> bool {
    matches!(placeholder, Some("title" | "ctrTitle"))
}

/// The text of a slide's shapes, kept until it is known which of them is the title.
#[derive(Default)]
struct Shapes {
    title: String,
    pieces: Vec<Piece>,
}

enum Piece {
    Open(Role),
    Text(String),
    Close(Role),
}

impl Shapes {
    /// Reads the shapes whose placeholder, if they have one, is wanted.
    fn read<R: Read>(mut xml: Xml<R>, is_wanted: fn(Option<&str>) -> bool) -> Result<Self, Refused> {
        let mut shapes = Self::default();
        let mut placeholder: Option<String> = None;
        let mut paragraph: Option<Paragraph> = None;
        let mut tables = 0_usize;
        while let Some(node) = xml.next()? {
            match node {
                Node::Open(element) if is_passed_over(&element) => xml.skip()?,
                Node::Open(element) => match (element.name(), &mut paragraph) {
                    ("sp" | "graphicFrame", _) => placeholder = None,
                    ("ph", _) => placeholder = Some(element.attribute("type").unwrap_or_else(|| "obj".to_owned())),
                    ("p", open) if is_wanted(placeholder.as_deref()) => {
                        *open = Some(Paragraph::of(placeholder.as_deref(), tables > 0));
                    }
                    ("buNone", Some(paragraph)) => paragraph.role = Role::Flow,
                    ("buChar" | "buAutoNum" | "buBlip", Some(paragraph)) if tables == 0 => paragraph.role = Role::Item,
                    ("t", Some(paragraph)) => {
                        let said = xml.text()?;
                        shapes.say(paragraph, said);
                    }
                    ("br", Some(paragraph)) => shapes.say(paragraph, "\n".to_owned()),
                    (name, _) => {
                        tables += usize::from(name == "tbl");
                        shapes.pieces.extend(table_role(name).map(Piece::Open));
                    }
                },
                Node::Close(name) if name == "p" => {
                    if let Some(Paragraph { has_begun: true, is_title: false, role }) = paragraph.take() {
                        shapes.pieces.push(Piece::Close(role));
                    }
                }
                Node::Close(name) => {
                    tables = tables.saturating_sub(usize::from(name == "tbl"));
                    shapes.pieces.extend(table_role(&name).map(Piece::Close));
                }
                Node::Text(_) => {}
            }
            // Three pieces a paragraph.
            if shapes.pieces.len() > 3 * limits::PARSE_BLOCKS_MAX {
                return Err(Refused::because(format!("it has more than {} paragraphs", limits::PARSE_BLOCKS_MAX)));
            }
        }
        Ok(shapes)
    }

    /// A paragraph is written when it says something; empty ones cost nothing.
    fn say(&mut self, paragraph: &mut Paragraph, said: String) {
        if paragraph.is_title {
            self.title.push_str(&said);
            return;
        }
        if !paragraph.has_begun && said.trim().is_empty() {
            return;
        }
        if !std::mem::replace(&mut paragraph.has_begun, true) {
            self.pieces.push(Piece::Open(paragraph.role));
        }
        self.pieces.push(match said.as_str() {
            "\n" => Piece::Open(Role::LineBreak),
            _ => Piece::Text(said),
        });
    }

    /// The same pieces without lists: a speaker's notes are prose.
    fn into_prose(self) -> impl Iterator<Item = Piece> {
        self.pieces.into_iter().map(|piece| match piece {
            Piece::Open(Role::Item) => Piece::Open(Role::Flow),
            Piece::Close(Role::Item) => Piece::Close(Role::Flow),
            piece => piece,
        })
    }

    fn write(self, builder: &mut TextBuilder) -> Result<(), Refused> {
        for piece in self.pieces {
            match piece {
                Piece::Open(role) => builder.open(role),
                Piece::Text(said) => builder.text(&said),
                Piece::Close(role) => {
                    builder.close(role);
                    builder.check_bounds()?;
                }
            }
        }
        builder.check_bounds()
    }
}

/// A paragraph that is open.
struct Paragraph {
    role: Role,
    is_title: bool,
    has_begun: bool,
}

impl Paragraph {
    /// Text in a content placeholder has bullets unless it says otherwise; a cell is one line.
    fn of(placeholder: Option<&str>, in_table: bool) -> Self {
        let is_title = is_title(placeholder);
        let role = match placeholder {
            None | Some("subTitle") => Role::Flow,
            Some(_) if in_table => Role::Flow,
            Some(_) if is_title => Role::Flow,
            Some(_) => Role::Item,
        };
        Self { role, is_title, has_begun: false }
    }
}

fn table_role(name: &str) -> Option<Role> {
    match name {
        "tbl" => Some(Role::Table),
        "tr" => Some(Role::Row),
        "tc" => Some(Role::Cell),
        _ => None,
    }
}

/// Whether an element, with everything in it, says nothing or says it again.
fn is_passed_over(element: &Element) -> bool {
    matches!(element.name(), "Fallback" | "fld" | "timing" | "transition" | "extLst")
}

#[cfg(test)]
#[path = "pptx_tests.rs"]
mod tests;
