//! Which document is made of what came?
//!
//! Invariants:
//! - The same entry or page makes the same draft at every visit: nothing of the moment goes into it.
//! - An attribute beyond its bound is left out, never the document.

use wellspring_core::document::{Attributes, DocumentKey, Draft, MediaType};
use wellspring_core::limits;
use wellspring_core::source::SourceSettings;

use crate::parse::FeedEntry;

use super::address;

/// A label longer than this is a sentence.
const TAG_BYTES_MAX: usize = 200;

/// The format of a document by what its server says, else by its address, else by its first bytes; `None` when it is
/// not read.
pub(super) fn media_type_of(content_type: Option<&str>, url: &str, body: &[u8]) -> Option<MediaType> {
    let essence = content_type.map(|kind| kind.split(';').next().unwrap_or_default().trim()).unwrap_or_default();
    match essence {
        // What servers say when they do not know.
        "" | "application/octet-stream" | "binary/octet-stream" => {
            let path = url.split(['?', '#']).next().unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default();
            MediaType::of_file_name(name).or_else(|| is_page(body).then_some(MediaType::Html))
        }
        _ => MediaType::of_content_type(essence),
    }
}

fn is_page(body: &[u8]) -> bool {
    let start = body[..body.len().min(256)].trim_ascii_start().to_ascii_lowercase();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

/// Whether a crawl keeps this format: styles, scripts and data are not what a reader came for.
pub(super) fn is_for_readers(media_type: MediaType) -> bool {
    !matches!(media_type, MediaType::Code | MediaType::Json | MediaType::JsonLines)
}

/// A page as it came.
pub(super) fn page(
    settings: &SourceSettings,
    key: DocumentKey,
    url: &str,
    media_type: MediaType,
    content: Vec<u8>,
) -> Draft {
    let attributes = Attributes { url: bounded(url), tags: settings.tags.clone(), ..Attributes::default() };
    draft(settings, key, media_type, content, attributes)
}

/// An entry of a feed by its own words. `language` is the feed's.
pub(super) fn entry(settings: &SourceSettings, key: DocumentKey, entry: &FeedEntry, language: Option<&str>) -> Draft {
    let content = entry_page(entry).into_bytes();
    draft(settings, key, MediaType::Html, content, entry_attributes(settings, entry, language))
}

/// An entry of a feed by the article behind it.
pub(super) fn article(
    settings: &SourceSettings,
    key: DocumentKey,
    entry: &FeedEntry,
    language: Option<&str>,
    media_type: MediaType,
    content: Vec<u8>,
) -> Draft {
    draft(settings, key, media_type, content, entry_attributes(settings, entry, language))
}

fn draft(
    settings: &SourceSettings,
    key: DocumentKey,
    media_type: MediaType,
    content: Vec<u8>,
    attributes: Attributes,
) -> Draft {
    let (collection, source) = (settings.collection.clone(), settings.name.clone());
    Draft { collection, key, source, media_type, content, attributes, fingerprint: None }
}

fn entry_attributes(settings: &SourceSettings, entry: &FeedEntry, language: Option<&str>) -> Attributes {
    let mut tags = settings.tags.clone();
    for category in entry.categories.iter().filter(|category| category.len() <= TAG_BYTES_MAX) {
        if tags.len() < limits::TAGS_MAX && !tags.contains(category) {
            tags.push(category.clone());
        }
    }
    Attributes {
        title: entry.title.as_deref().and_then(bounded),
        url: entry.link.as_deref().and_then(address::canonical).map(String::from),
        published_at: entry.published_at,
        language: entry.language.as_deref().or(language).filter(|language| is_language(language)).map(str::to_owned),
        tags,
        ..Attributes::default()
    }
}

fn bounded(text: &str) -> Option<String> {
    (text.len() <= limits::ATTRIBUTE_BYTES_MAX).then(|| text.to_owned())
}

/// Whether it has the form of a BCP 47 tag.
fn is_language(tag: &str) -> bool {
    tag.len() <= 35
        && tag
            .split('-')
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        && tag.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
}

/// A page of one entry: its title, then its words.
fn entry_page(entry: &FeedEntry) -> String {
    let mut page = String::from("<!doctype html><meta charset=utf-8>");
    if let Some(title) = &entry.title {
        page.extend(["<title>", &escaped(title), "</title><h1>", &escaped(title), "</h1>\n"]);
    }
    match entry.text.as_deref() {
        Some(text) if entry.is_html => page.push_str(text),
        Some(text) => {
            for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
                page.extend(["<p>", &escaped(paragraph.trim()), "</p>\n"]);
            }
        }
        None => {}
    }
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_the_server_says_unless_it_does_not_know() {
        let of = |kind: Option<&str>, url: &str, body: &[u8]| media_type_of(kind, url, body);
        assert_eq!(of(Some("text/html; charset=utf-8"), "https://e.org/a.pdf", b""), Some(MediaType::Html));
        assert_eq!(of(Some("application/octet-stream"), "https://e.org/a.pdf?x=1", b""), Some(MediaType::Pdf));
        assert_eq!(of(None, "https://e.org/a", b" <!DOCTYPE HTML><p>"), Some(MediaType::Html));
        assert_eq!(of(None, "https://e.org/a", b"\x89PNG"), None);
        assert_eq!(of(Some("image/png"), "https://e.org/a.html", b""), None);
    }

    #[test]
    fn an_entry_shows_its_title_and_keeps_its_words_apart_from_markup() {
        let mut entry = FeedEntry {
            title: Some("Vec<u8> & more".to_owned()),
            text: Some("1 < 2\n\nsecond".to_owned()),
            ..FeedEntry::default()
        };
        let page = entry_page(&entry);
        assert!(
            page.contains("<h1>Vec&lt;u8&gt; &amp; more</h1>") && page.contains("<p>1 &lt; 2</p>\n<p>second</p>"),
            "{page}"
        );
        entry.is_html = true;
        assert!(entry_page(&entry).ends_with("1 < 2\n\nsecond"));
    }

    #[test]
    fn languages_that_are_none_are_left_out() {
        assert!(is_language("zh-Hans-CN") && is_language("en"));
        assert!(!is_language("English (UK)") && !is_language("") && !is_language("-"));
    }
}
