//! Which elements follow each other in this XML, however broken it is?
//!
//! Invariants:
//! - Entities that the document defines are never expanded: `&name;` stays as it is.
//! - Depth, attributes and name spaces are bounded, so time is linear in the input.
//! - Ends that fit no beginning are tolerated: people write feeds by hand.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use wellspring_core::limits;

use super::super::Refused;

/// What an element belongs to, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// The document's own: RSS, RDF, a sitemap, or nothing declared.
    Core,
    Atom,
    /// RSS's `content` module.
    Content,
    /// Dublin Core.
    DublinCore,
    /// RSS's `syndication` module.
    Syndication,
    /// Anything else, which is passed over.
    Other,
}

/// The beginning of an element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) space: Space,
    /// Its name without the prefix.
    pub(super) name: String,
    /// Its name as written, by which its end is known.
    tag: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// The value of an attribute by its name as written.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An element begins, or one ends.
#[derive(Debug)]
pub(super) enum Step {
    Open(Element),
    Close(String),
}

/// What an element holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) text: String,
    /// Whether `text` is markup, as it stands in the source.
    pub(super) is_markup: bool,
}

/// Walks through XML.
pub(super) struct Xml<'a> {
    source: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
    /// Declared name spaces: the depth of the element that declares, the prefix, what it stands for.
    spaces: Vec<(usize, String, Space)>,
}

impl<'a> Xml<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let mut reader = Reader::from_str(source);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        Self { source, reader, depth: 0, spaces: Vec::new() }
    }

    /// The next beginning or end; `None` at the end of the document.
    pub(super) fn step(&mut self) -> Result<Option<Step>, Refused> {
        loop {
            match self.reader.read_event().map_err(|_| broken())? {
                Event::Start(start) => return self.open(&start).map(|element| Some(Step::Open(element))),
                Event::End(end) => {
                    self.close();
                    let name = end.name();
                    return Ok(Some(Step::Close(local(name.as_ref()).to_owned())));
                }
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// Everything up to the end of the element that has just begun: its text, or its markup where it holds elements.
    pub(super) fn inner(&mut self, element: &Element) -> Result<Inner, Refused> {
        let start = self.position();
        let (mut inner, mut same) = (Inner::default(), 0);
        loop {
            let before = self.position();
            match self.reader.read_event().map_err(|_| broken())? {
                Event::Start(child) => {
                    inner.is_markup = true;
                    same += usize::from(child.name().as_ref() == element.tag);
                }
                Event::End(end) if end.name().as_ref() == element.tag => {
                    if same == 0 {
                        if inner.is_markup {
                            inner.text = self.source.get(start..before).unwrap_or_default().to_owned();
                        }
                        self.close();
                        return Ok(inner);
                    }
                    same -= 1;
                }
                Event::Text(text) if !inner.is_markup => inner.text.push_str(&text),
                Event::CData(text) if !inner.is_markup => inner.text.push_str(&text),
                Event::GeneralRef(reference) if !inner.is_markup => {
                    let known = quick_xml::escape::resolve_predefined_entity(&reference);
                    match (reference.resolve_char_ref(), known) {
                        (Ok(Some(character)), _) => inner.text.push(character),
                        (_, Some(known)) => inner.text.push_str(known),
                        // HTML's own names are understood later; others mean nothing and stay.
                        _ => inner.text.extend(["&", &*reference, ";"]),
                    }
                }
                Event::Eof => return Err(broken()),
                _ => {}
            }
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<Element, Refused> {
        self.depth += 1;
        if self.depth > limits::FEED_DEPTH_MAX {
            return Err(Refused::because(format!("its elements are nested {} deep", limits::FEED_DEPTH_MAX)));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes().with_checks(false).take(limits::XML_ATTRIBUTES_MAX).flatten() {
            let key: &str = attribute.key.as_ref();
            let value = quick_xml::escape::unescape(&attribute.value)
                .map_or_else(|_| attribute.value.clone().into_owned(), |value| value.into_owned());
            let prefix = key.strip_prefix("xmlns:").or_else(|| (key == "xmlns").then_some(""));
            match prefix {
                Some(prefix) if self.spaces.len() < limits::XML_ATTRIBUTES_MAX => {
                    self.spaces.push((self.depth, prefix.to_owned(), space_of(prefix, &value)));
                }
                Some(_) => {}
                None => attributes.push((key.to_owned(), value)),
            }
        }
        let name = start.name();
        let tag: &str = name.as_ref();
        let prefix = tag.split_once(':').map_or("", |(prefix, _)| prefix);
        let declared = self.spaces.iter().rev().find(|(_, declared, _)| declared == prefix).map(|(_, _, space)| *space);
        let space = declared.unwrap_or_else(|| space_by_custom(prefix));
        Ok(Element { space, name: local(tag).to_owned(), tag: tag.to_owned(), attributes })
    }

    fn close(&mut self) {
        while self.spaces.last().is_some_and(|(depth, _, _)| *depth >= self.depth) {
            self.spaces.pop();
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

fn broken() -> Refused {
    Refused::because("it is not well-formed XML")
}

fn local(tag: &str) -> &str {
    tag.rsplit_once(':').map_or(tag, |(_, name)| name)
}

/// What a declared name space stands for. An unknown default one is the document's own: old feeds declare many.
fn space_of(prefix: &str, name: &str) -> Space {
    match name.trim_end_matches(['/', '#']) {
        "http://www.w3.org/2005/Atom" | "http://purl.org/atom/ns" => Space::Atom,
        "http://purl.org/rss/1.0/modules/content" => Space::Content,
        "http://purl.org/dc/elements/1.1" | "http://purl.org/dc/terms" => Space::DublinCore,
        "http://purl.org/rss/1.0/modules/syndication" => Space::Syndication,
        "http://purl.org/rss/1.0" | "http://www.w3.org/1999/02/22-rdf-syntax-ns" => Space::Core,
        _ if prefix.is_empty() => Space::Core,
        _ => Space::Other,
    }
}

/// What a prefix that nobody declared is meant to be.
fn space_by_custom(prefix: &str) -> Space {
    match prefix {
        "" | "rdf" | "rss" => Space::Core,
        "atom" => Space::Atom,
        "content" => Space::Content,
        "dc" => Space::DublinCore,
        "sy" => Space::Syndication,
        _ => Space::Other,
    }
}
