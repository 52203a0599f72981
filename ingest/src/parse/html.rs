//! What would a reader of this page see?
//!
//! Invariants:
//! - The walk over the tree is a loop, and the tree's depth is bounded while it is built: the tree builder looks
//!   through every open element for each tag, so an unbounded depth would cost its square.
//! - What is left out as being in the way ([`super::html_main`]) is left out whole; all else is in the order of the page.

use ego_tree::NodeId;
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{ParseOpts, parse_document};
use scraper::node::Element;
use scraper::{Html, HtmlTreeSink, Node};

use wellspring_core::limits;

use super::html_main::left_out;
use super::html_table::Tables;
use super::html_text::{Role, TextBuilder};
use super::{Parsed, Refused, tidy_title};

/// Bytes fed to the tree builder between two looks at the depth.
const PIECE_BYTES: usize = 16 << 10;

/// Reads a page. Its title is that of its head, else its first heading of level 1.
pub(super) fn parse(page: &str) -> Result<Parsed, Refused> {
    let html = build(page)?;
    let (left_out, tables) = (left_out(&html), Tables::of(&html));
    let mut builder = TextBuilder::default();
    let mut head_title = None;
    let mut node = html.tree.root();
    'walk: loop {
        let mut descend = true;
        let id = node.id();
        let role_of = |id, element: &Element| tables.roles.get(&id).copied().unwrap_or(Role::of(element.name()));
        match node.value() {
            Node::Element(element) if element.name() == "head" => {
                let title = node.children().find(|child| is_element(child.value(), "title"));
                let words = title.map(|title| {
                    title.children().filter_map(|child| child.value().as_text()).fold(
                        String::new(),
                        |mut words, text| {
                            words.push_str(text);
                            words
                        },
                    )
                });
                head_title = head_title.or(words.as_deref().and_then(tidy_title));
                descend = false;
            }
            Node::Element(element) if is_hidden(element) => descend = false,
            Node::Element(_) if left_out.contains(&id) || tables.headers.contains(&id) => descend = false,
            Node::Element(element) => {
                let role = role_of(id, element);
                if role == Role::Cell {
                    say_from_above(&mut builder, &tables, id);
                }
                builder.open(role);
                if let Some(name) = tables.names.get(&id) {
                    builder.name_cell(name.clone());
                }
                if builder.bytes() > limits::TEXT_BYTES_MAX {
                    return Err(Refused::because(format!("its text is longer than {} bytes", limits::TEXT_BYTES_MAX)));
                }
            }
            Node::Text(_) if left_out.contains(&id) => {}
            Node::Text(text) => builder.text(text),
            _ => {}
        }
        if let Some(child) = node.first_child().filter(|_| descend) {
            node = child;
            continue;
        }
        loop {
            if let Node::Element(element) = node.value()
                && descend
            {
                let role = role_of(node.id(), element);
                if role == Role::Row {
                    say_from_above(&mut builder, &tables, node.id());
                }
                builder.close(role);
            }
            descend = true;
            if let Some(sibling) = node.next_sibling() {
                node = sibling;
                break;
            }
            match node.parent() {
                Some(parent) => node = parent,
                None => break 'walk,
            }
        }
    }
    let (text, blocks, first_heading) = builder.finish();
    Ok(Parsed { text, title: head_title.or(first_heading), blocks, places: Vec::new() })
}

/// Writes the cells of rows above that reach down to this place.
fn say_from_above(builder: &mut TextBuilder, tables: &Tables, place: NodeId) {
    for above in tables.from_above.get(&place).into_iter().flatten() {
        builder.open(Role::Cell);
        if let Some(name) = &above.name {
            builder.name_cell(name.clone());
        }
        builder.text(&above.said);
        builder.close(Role::Cell);
    }
}

/// The most words outside quotes in one tag: about its attributes. The tree builder compares each attribute of a tag
/// with all before it, so an unbounded number would cost its square.
fn most_attributes(page: &[u8]) -> usize {
    let (mut most, mut words, mut in_tag, mut quote, mut before) = (0, 0, false, None, b' ');
    for (index, &byte) in page.iter().enumerate() {
        match (in_tag, quote) {
            (false, _) => {
                in_tag = byte == b'<' && page.get(index + 1).is_some_and(u8::is_ascii_alphabetic);
                words = 0;
            }
            (true, Some(open)) if byte == open => quote = None,
            (true, Some(_)) => {}
            (true, None) if byte == b'>' => in_tag = false,
            (true, None) if (byte == b'"' || byte == b'\'') && before == b'=' => quote = Some(byte),
            (true, None) => words += usize::from(separates(before) && !separates(byte)),
        }
        most = most.max(words);
        before = byte;
    }
    most
}

fn separates(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'/'
}

/// Builds the tree piece by piece, giving up on one that grows too deep.
pub(super) fn build(page: &str) -> Result<Html, Refused> {
    if most_attributes(page.as_bytes()) > limits::HTML_ATTRIBUTES_MAX {
        let max = limits::HTML_ATTRIBUTES_MAX;
        return Err(Refused(format!("it has a tag with more than {max} attributes")));
    }
    let mut parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let mut rest = page;
    while !rest.is_empty() {
        let (piece, next) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES).max(1).min(rest.len()));
        parser.process(StrTendril::from_slice(piece));
        rest = next;
        let html = parser.tokenizer.sink.sink.0.borrow();
        let depth =
            html.tree.nodes().next_back().map_or(0, |node| node.ancestors().take(limits::HTML_DEPTH_MAX).count());
        if depth == limits::HTML_DEPTH_MAX {
            return Err(Refused::because(format!("its elements are nested {} deep", limits::HTML_DEPTH_MAX)));
        }
    }
    Ok(parser.finish())
}

fn is_element(node: &Node, name: &str) -> bool {
    node.as_element().is_some_and(|element| element.name() == name)
}

/// Whether a reader sees nothing of an element.
pub(super) fn is_hidden(element: &Element) -> bool {
    let never_shown =
        ["script", "style", "template", "noscript", "svg", "iframe", "object", "canvas", "audio", "video", "datalist"];
    let styled_away = |style: &str| {
        let style: String = style.split_whitespace().collect::<String>().to_ascii_lowercase();
        style.contains("display:none") || style.contains("visibility:hidden")
    };
    never_shown.contains(&element.name())
        || element.attr("hidden").is_some()
        || element.attr("style").is_some_and(styled_away)
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
