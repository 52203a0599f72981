//! What comes next in this XML part?
//!
//! Invariants:
//! - A document type declaration declares nothing: entities beyond XML's own five stand for no text at all.
//! - Depth is counted and bounded; nothing here recurses.
//! - Names are compared without their prefixes: programs choose prefixes freely.

use std::io::{BufReader, Read};

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use wellspring_core::limits;

use super::Refused;
use super::archive::{damaged, read_refusal};

/// A pull reader that keeps to what office formats need.
pub(super) struct Xml<R> {
    reader: Reader<BufReader<R>>,
    buffer: Vec<u8>,
    depth: usize,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Node {
    /// An element begins; one without content is closed by the next node.
    Open(Element),
    /// The element of this name ends.
    Close(String),
    /// Text, its entities resolved.
    Text(String),
}

/// An element's name and attributes.
#[derive(Debug)]
pub(super) struct Element(BytesStart<'static>);

impl Element {
    /// The name without its prefix.
    pub(super) fn name(&self) -> &str {
        local(self.0.name().into_inner())
    }

    /// An attribute by its name without its prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        self.attribute_where(|full| local(full) == name)
    }

    /// An attribute that has a prefix, which parts `r:id` from `id`.
    pub(super) fn prefixed_attribute(&self, name: &str) -> Option<String> {
        self.attribute_where(|full| full.split_once(':').is_some_and(|(_, local)| local == name))
    }

    fn attribute_where(&self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        // Looking for attributes of the same name compares each with all before it.
        let mut attributes = self.0.attributes();
        let found = attributes.with_checks(false).flatten().find(|found| is_wanted(found.key.into_inner()))?;
        let value = found.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?;
        Some(value.into_owned())
    }

    /// A switch such as `<w:b w:val="0"/>`: on unless it says otherwise.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.attribute("val").as_deref(), Some("0" | "false" | "off" | "none"))
    }
}

impl<R: Read> Xml<R> {
    /// Reads from the start of a part.
    pub(super) fn new(part: R) -> Self {
        let mut reader = Reader::from_reader(BufReader::with_capacity(64 << 10, part));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        Self { reader, buffer: Vec::new(), depth: 0 }
    }

    /// The next node; `None` at the end of the part.
    pub(super) fn next(&mut self) -> Result<Option<Node>, Refused> {
        loop {
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| refusal(&error))?;
            let node = match event {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > limits::XML_DEPTH_MAX {
                        let max = limits::XML_DEPTH_MAX;
                        return Err(Refused::because(format!("its elements are nested more than {max} deep")));
                    }
                    Node::Open(Element(start.into_owned()))
                }
                Event::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    Node::Close(local(end.name().into_inner()).to_owned())
                }
                Event::Text(text) => Node::Text(text.xml10_content().into_owned()),
                Event::CData(text) => Node::Text(text.xml10_content().into_owned()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(c)) => Node::Text(c.to_string()),
                    Ok(None) => match resolve_xml_entity(&reference.xml10_content()) {
                        Some(text) => Node::Text(text.to_owned()),
                        None => continue,
                    },
                    Err(_) => continue,
                },
                Event::Eof => return Ok(None),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Empty(_) => continue,
            };
            return Ok(Some(node));
        }
    }

    /// Passes over the element that was just opened, with everything in it.
    pub(super) fn skip(&mut self) -> Result<(), Refused> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The text of the element that was just opened, up to its end.
    pub(super) fn text(&mut self) -> Result<String, Refused> {
        let outside = self.depth.saturating_sub(1);
        let mut said = String::new();
        while self.depth > outside {
            match self.next()? {
                Some(Node::Text(text)) => said.push_str(&text),
                Some(_) => {}
                None => break,
            }
        }
        Ok(said)
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn refusal(error: &quick_xml::Error) -> Refused {
    match error {
        quick_xml::Error::Io(error) => read_refusal(error),
        quick_xml::Error::Encoding(_) => Refused::because("a part of it is not in UTF-8"),
        quick_xml::Error::Syntax(_) | quick_xml::Error::IllFormed(_) => {
            Refused::because("it is damaged: a part of it is not well-formed XML")
        }
        _ => damaged(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(xml: &str) -> Result<String, Refused> {
        let mut xml = Xml::new(xml.as_bytes());
        let mut said = String::new();
        while let Some(node) = xml.next()? {
            match node {
                Node::Open(element) => said.push_str(&format!("<{}>", element.name())),
                Node::Close(name) => said.push_str(&format!("</{name}>")),
                Node::Text(text) => said.push_str(&text),
            }
        }
        Ok(said)
    }

    #[test]
    fn prefixes_are_dropped_and_entities_resolved() {
        assert_eq!(said("<w:p a='1'><x/>a &amp; b&#x6cb3;<![CDATA[<]]></w:p>").unwrap(), "<p><x></x>a & b河<</p>");
    }

    #[test]
    fn an_entity_bomb_stands_for_nothing() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY f SYSTEM \"file:///etc/hosts\">]>\
                    <x>before&b;&f;after</x>";
        assert_eq!(said(bomb).unwrap(), "<x>beforeafter</x>");
    }

    #[test]
    fn depth_is_bounded_and_broken_xml_is_refused() {
        assert!(said(&"<a>".repeat(limits::XML_DEPTH_MAX + 1)).unwrap_err().0.contains("nested"));
        assert!(said("<a></b>").is_err());
        assert!(said("<a").is_err());
        assert!(said("<a>").is_ok(), "a part that was cut off keeps what it said");
    }
}
