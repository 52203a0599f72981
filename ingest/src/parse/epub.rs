//! What do the chapters of this book say, in the order they are read?
//!
//! Each page of the book's spine is read as HTML, one after the other; the table of contents only repeats them.
//!
//! Invariants:
//! - A page is read once, however often the book names it.
//! - A book whose text is encrypted is refused; encrypted fonts do not matter.

use std::collections::{HashMap, HashSet};

use wellspring_core::limits;

use super::archive::{Archive, resolve};
use super::office::{first_heading, with_text};
use super::xml::Node;
use super::{Parsed, Refused, decode, html, tidy_title};

/// Reads a book. Its title is that of its description, else its first heading.
pub(super) fn parse(content: &[u8]) -> Result<Parsed, Refused> {
    let mut archive = Archive::open(content)?;
    let Some(root) = root_part(&mut archive)? else {
        return Err(Refused::because("it is a zip archive, but not an electronic book"));
    };
    let package = Package::read(&mut archive, &root)?;
    let encrypted = encrypted_parts(&mut archive)?;
    let mut book = Parsed { text: String::new(), title: package.title, blocks: Vec::new(), places: Vec::new() };
    for part in package.pages {
        if encrypted.contains(&part) {
            return Err(Refused::because("it is encrypted"));
        }
        if let Some(page) = archive.bytes(&part, limits::CHAPTER_BYTES_MAX)? {
            let page = close_empty_elements(&decode::html(&page)?);
            append(&mut book, html::parse(&page)?)?;
        }
    }
    book.title = book.title.or_else(|| first_heading(&book.blocks));
    with_text(book)
}

fn append(book: &mut Parsed, page: Parsed) -> Result<(), Refused> {
    if page.blocks.is_empty() {
        return Ok(());
    }
    if !book.text.is_empty() {
        book.text.push_str("\n\n");
    }
    let shift = book.text.len();
    if shift + page.text.len() > limits::TEXT_BYTES_MAX {
        return Err(Refused::because(format!("its text is longer than {} bytes", limits::TEXT_BYTES_MAX)));
    }
    if book.blocks.len() + page.blocks.len() > limits::PARSE_BLOCKS_MAX {
        return Err(Refused::because(format!("it has more than {} paragraphs", limits::PARSE_BLOCKS_MAX)));
    }
    book.text.push_str(&page.text);
    book.blocks.extend(page.blocks.into_iter().map(|mut block| {
        block.range = block.range.start + shift..block.range.end + shift;
        block
    }));
    Ok(())
}

/// The part that describes the book.
fn root_part(archive: &mut Archive<'_>) -> Result<Option<String>, Refused> {
    let Some(mut xml) = archive.xml("META-INF/container.xml")? else { return Ok(None) };
    while let Some(node) = xml.next()? {
        if let Node::Open(element) = node
            && element.name() == "rootfile"
            && let Some(path) = element.attribute("full-path")
        {
            return Ok(resolve("", &path));
        }
    }
    Ok(None)
}

/// What a book says of itself.
#[derive(Default)]
struct Package {
    title: Option<String>,
    /// Its pages' parts in the order of reading, each once.
    pages: Vec<String>,
}

impl Package {
    fn read(archive: &mut Archive<'_>, root: &str) -> Result<Self, Refused> {
        let mut package = Self::default();
        let Some(mut xml) = archive.xml(root)? else {
            return Err(Refused::because("it is damaged: its description is missing"));
        };
        // Parts by the ids that the order of reading names them by.
        let mut parts: HashMap<String, String> = HashMap::new();
        let mut taken = HashSet::new();
        while let Some(node) = xml.next()? {
            let Node::Open(element) = node else { continue };
            match element.name() {
                "title" if package.title.is_none() => package.title = tidy_title(&xml.text()?),
                "item" if parts.len() < limits::ARCHIVE_ENTRIES_MAX => {
                    let kind = element.attribute("media-type").unwrap_or_default();
                    let properties = element.attribute("properties").unwrap_or_default();
                    let is_page = kind.contains("html") && !properties.split_whitespace().any(|word| word == "nav");
                    if let (true, Some(id), Some(target)) =
                        (is_page, element.attribute("id"), element.attribute("href"))
                    {
                        parts.extend(part_of_url(root, &target).map(|part| (id, part)));
                    }
                }
                "itemref" => {
                    let part = element.attribute("idref").and_then(|id| parts.get(&id));
                    if let Some(part) = part
                        && taken.insert(part.clone())
                    {
                        package.pages.push(part.clone());
                    }
                }
                _ => {}
            }
            if package.pages.len() > limits::PARTS_MAX {
                return Err(Refused::because(format!("it has more than {} chapters", limits::PARTS_MAX)));
            }
        }
        Ok(package)
    }
}

/// The parts that need a key. Fonts are commonly scrambled under a key that is no secret, and are not read anyway.
fn encrypted_parts(archive: &mut Archive<'_>) -> Result<HashSet<String>, Refused> {
    let mut encrypted = HashSet::new();
    let Some(mut xml) = archive.xml("META-INF/encryption.xml")? else { return Ok(encrypted) };
    while let Some(node) = xml.next()? {
        if let Node::Open(element) = node
            && element.name() == "CipherReference"
            && encrypted.len() < limits::ARCHIVE_ENTRIES_MAX
        {
            encrypted.extend(element.attribute("URI").and_then(|url| part_of_url("", &url)));
        }
    }
    Ok(encrypted)
}

/// The part that a URL within the book means.
fn part_of_url(from: &str, url: &str) -> Option<String> {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match (first, after) {
            (b'%', [high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    resolve(from, &String::from_utf8(bytes).ok()?)
}

/// Elements that HTML knows to have no content.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// Writes `<a/>` as `<a></a>`. A book's pages are XML, where both are one; HTML takes the first for an element that is
/// left open, and an empty title would swallow the page.
fn close_empty_elements(page: &str) -> String {
    let mut closed = String::with_capacity(page.len() + page.len() / 16);
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        closed.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = match rest.strip_prefix("<!--") {
            Some(comment) => comment.find("-->").map(|end| end + "<!--".len() + "-->".len()),
            None => end_of_tag(rest),
        };
        let Some(end) = end else { break };
        let tag = &rest[..end];
        rest = &rest[end..];
        let name: &str = tag[1..].split(|c: char| c.is_whitespace() || c == '/' || c == '>').next().unwrap_or_default();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        match tag.strip_suffix("/>") {
            Some(open) if is_name && !VOID.contains(&name.to_ascii_lowercase().as_str()) => {
                closed.push_str(open);
                closed.push_str("></");
                closed.push_str(name);
                closed.push('>');
            }
            _ => closed.push_str(tag),
        }
    }
    closed.push_str(rest);
    closed
}

/// Where the tag at the start of a text ends: after the first `>` outside quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(index + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[path = "epub_tests.rs"]
mod tests;
