//! What document does this request carry?
//!
//! A JSON document has exactly one content: `text` (plain text), `html`, or `file` with a name, whose ending says
//! the format, and the bytes in base64: `{"name": "notes.md", "base64": "..."}`.
//!
//! Invariants:
//! - Every field is checked against its bound before the document is accepted: what is acknowledged is storable.
//! - No message repeats the document's text.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use wellspring_core::document::{Attributes, CollectionName, DocumentKey, Draft, MediaType};
use wellspring_core::limits;
use wellspring_core::source::SourceName;

use crate::error::{ApiError, Code};
use crate::fields::{Fields, invalid};

/// The fields of a document; `id` is another name of `key`.
const FIELDS: &[&str] =
    &["key", "id", "title", "text", "html", "file", "url", "published_at", "language", "tags", "metadata"];
/// The fields of `file`.
const FILE_FIELDS: &[&str] = &["name", "base64"];
/// Schemes that a document's URL may have: a link must be harmless in whatever page shows it.
const URL_SCHEMES: &[&str] = &["http", "https", "ftp", "file"];

/// A document that was refused, under its key where that much could be read.
#[derive(Debug)]
pub(crate) struct RefusedDraft {
    /// The key.
    pub(crate) key: Option<DocumentKey>,
    /// Why.
    pub(crate) error: ApiError,
}

impl From<RefusedDraft> for ApiError {
    fn from(refused: RefusedDraft) -> Self {
        refused.error
    }
}

/// Reads a JSON document. The key stands in the path, in the document, or equally in both.
pub(crate) fn from_json(
    json: &[u8],
    collection: CollectionName,
    path_key: Option<DocumentKey>,
) -> Result<Draft, RefusedDraft> {
    let unnamed = |error| RefusedDraft { key: path_key.clone(), error };
    let mut fields = Fields::parse(json, FIELDS).map_err(unnamed)?;
    let key = key_of(&mut fields, path_key.as_ref()).map_err(unnamed)?;
    let named = |error| RefusedDraft { key: Some(key.clone()), error };
    let (media_type, content) = content_of(&mut fields).map_err(named)?;
    let attributes = attributes_of(&mut fields).map_err(named)?;
    draft(collection, key.clone(), media_type, content, attributes).map_err(named)
}

/// Takes a body that is the document itself, in the format its content type names.
pub(crate) fn from_raw(
    content: Vec<u8>,
    media_type: MediaType,
    collection: CollectionName,
    key: DocumentKey,
    title: Option<&str>,
) -> Result<Draft, ApiError> {
    let attributes = Attributes { title: short_text("title", title.map(str::to_owned))?, ..Attributes::default() };
    draft(collection, key, media_type, content, attributes)
}

/// The essence of a request's content type, in lower case: without parameters, empty when absent.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The document format that a content type names.
pub(crate) fn media_type_of(content_type: &str) -> Option<MediaType> {
    match content_type {
        "text/plain" => Some(MediaType::Text),
        "text/markdown" | "text/x-markdown" => Some(MediaType::Markdown),
        "text/html" | "application/xhtml+xml" => Some(MediaType::Html),
        _ => None,
    }
}

/// Checks a key from a path or a field.
pub(crate) fn parse_key(key: &str) -> Result<DocumentKey, ApiError> {
    key.parse().map_err(|error| {
        ApiError::new(
            Code::InvalidKey,
            format!("the key {error}"),
            format!("a key is 1 to {} bytes of text without control characters", limits::KEY_BYTES_MAX),
        )
    })
}

/// Puts a pushed draft together.
fn draft(
    collection: CollectionName,
    key: DocumentKey,
    media_type: MediaType,
    content: Vec<u8>,
    attributes: Attributes,
) -> Result<Draft, ApiError> {
    if content.len() > limits::DOCUMENT_BYTES_MAX {
        return Err(ApiError::new(
            Code::DocumentTooLarge,
            format!("the document is larger than {} bytes", limits::DOCUMENT_BYTES_MAX),
            "split it into several documents",
        ));
    }
    Ok(Draft { collection, key, source: SourceName::push(), media_type, content, attributes, fingerprint: None })
}

/// The key, by whichever name and place it was given.
fn key_of(fields: &mut Fields, path_key: Option<&DocumentKey>) -> Result<DocumentKey, ApiError> {
    let mut key = path_key.cloned();
    for name in ["key", "id"] {
        let Some(text) = fields.string(name)? else { continue };
        let given = parse_key(&text)?;
        match &key {
            Some(known) if *known != given => {
                return Err(ApiError::new(
                    Code::KeyMismatch,
                    format!("`{name}` differs from the key given elsewhere in the request"),
                    format!("leave `{name}` out, or make them equal"),
                ));
            }
            _ => key = Some(given),
        }
    }
    key.ok_or_else(|| ApiError::new(Code::MissingKey, "the document has no key", "add `key` (or `id`)"))
}

/// The one content of the document.
fn content_of(fields: &mut Fields) -> Result<(MediaType, Vec<u8>), ApiError> {
    let (text, html, file) = (fields.string("text")?, fields.string("html")?, fields.take("file"));
    match (text, html, file) {
        (Some(text), None, None) => Ok((MediaType::Text, text.into_bytes())),
        (None, Some(html), None) => Ok((MediaType::Html, html.into_bytes())),
        (None, None, Some(file)) => file_content(file),
        _ => Err(ApiError::new(
            Code::InvalidContent,
            "a document has exactly one of `text`, `html` and `file`",
            "`file` is {\"name\": \"notes.md\", \"base64\": \"...\"}",
        )),
    }
}

/// The content of a named file.
fn file_content(file: Value) -> Result<(MediaType, Vec<u8>), ApiError> {
    let shape = || invalid("file", "must be {\"name\": \"notes.md\", \"base64\": \"...\"}", "give both fields");
    if !file.is_object() {
        return Err(shape());
    }
    let mut file = Fields::of(file, FILE_FIELDS)?;
    let (Some(name), Some(encoded)) = (file.string("name")?, file.string("base64")?) else { return Err(shape()) };
    let media_type = MediaType::of_file_name(&name).ok_or_else(|| {
        ApiError::new(
            Code::UnsupportedFormat,
            "the file's name has no ending that names a readable format",
            "readable are .txt, .text, .md, .markdown, .html, .htm and .xhtml",
        )
    })?;
    let content = STANDARD.decode(encoded.as_bytes()).map_err(|_| {
        invalid("file.base64", "is no valid base64", "use the standard alphabet with padding, without line breaks")
    })?;
    Ok((media_type, content))
}

/// What is said about the document.
fn attributes_of(fields: &mut Fields) -> Result<Attributes, ApiError> {
    Ok(Attributes {
        title: short_text("title", fields.string("title")?)?,
        url: short_text("url", fields.string("url")?)?.map(harmless_url).transpose()?,
        published_at: fields
            .string("published_at")?
            .filter(|text| !text.is_empty())
            .map(|text| time(&text))
            .transpose()?,
        language: fields.string("language")?.filter(|text| !text.is_empty()).map(language).transpose()?,
        tags: tags(fields.strings("tags")?)?,
        metadata: metadata(fields.object("metadata")?)?,
    })
}

/// A title or URL within its bound, without white space around it; `None` when nothing is left.
fn short_text(name: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    if text.len() > limits::ATTRIBUTE_BYTES_MAX {
        let what = format!("is longer than {} bytes", limits::ATTRIBUTE_BYTES_MAX);
        return Err(invalid(name, &what, "shorten it"));
    }
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Refuses URLs that would run code where they are shown as a link.
fn harmless_url(url: String) -> Result<String, ApiError> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| !scheme.contains(['/', '?', '#']));
    let known = scheme.is_none_or(|scheme| URL_SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)));
    if known && !url.chars().any(char::is_control) {
        return Ok(url);
    }
    Err(invalid("url", "is no web address", "use an http, https, ftp or file URL"))
}

/// A moment: RFC 3339, or a date alone, which is its first moment in UTC.
fn time(text: &str) -> Result<Timestamp, ApiError> {
    let date = || text.parse::<Date>().ok()?.to_zoned_datetime(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse::<Timestamp>()
        .ok()
        .or_else(date)
        .ok_or_else(|| invalid("published_at", "is no time", "write it like 2026-11-05T08:30:00Z or 2026-11-05"))
}

/// A BCP 47 tag, by its alphabet and length.
fn language(tag: String) -> Result<String, ApiError> {
    let alphabet = tag
        .split('-')
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let well_formed = alphabet && tag.len() <= limits::SHORT_NAME_BYTES_MAX;
    if well_formed { Ok(tag) } else { Err(invalid("language", "is no language tag", "write it like en, zh or pt-BR")) }
}

/// Labels within their bounds.
fn tags(tags: Vec<String>) -> Result<Vec<String>, ApiError> {
    if tags.len() > limits::TAGS_MAX {
        return Err(invalid("tags", &format!("has more than {} entries", limits::TAGS_MAX), "use fewer tags"));
    }
    if tags.iter().any(|tag| tag.is_empty() || tag.len() > limits::ATTRIBUTE_BYTES_MAX) {
        let what = format!("has an entry that is empty or longer than {} bytes", limits::ATTRIBUTE_BYTES_MAX);
        return Err(invalid("tags", &what, "shorten it"));
    }
    Ok(tags)
}

/// The caller's own fields within their bound.
fn metadata(metadata: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let bytes = serde_json::to_vec(&metadata).map_or(usize::MAX, |json| json.len());
    if bytes > limits::METADATA_BYTES_MAX {
        let what = format!("is longer than {} bytes as JSON", limits::METADATA_BYTES_MAX);
        return Err(invalid("metadata", &what, "keep large values in the document itself"));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Draft, String> {
        from_json(json.as_bytes(), CollectionName::default(), None).map_err(|refused| refused.error.code().to_owned())
    }

    #[test]
    fn a_whole_document_is_read() {
        let draft = read(
            r#"{"id": "a/b", "title": " T ", "text": "Hello", "url": "https://example.org/a", "tags": ["x"],
                "published_at": "2026-11-05", "language": "pt-BR", "metadata": {"n": 1}}"#,
        )
        .unwrap();
        assert_eq!(
            (draft.key.as_str(), draft.media_type, draft.content.as_slice()),
            ("a/b", MediaType::Text, &b"Hello"[..])
        );
        assert_eq!(draft.attributes.title.as_deref(), Some("T"));
        assert_eq!(draft.attributes.published_at.unwrap().to_string(), "2026-11-05T00:00:00Z");
        assert_eq!(draft.attributes.metadata["n"], 1);
    }

    #[test]
    fn a_file_is_read_by_its_ending() {
        let draft = read(r#"{"key": "k", "file": {"name": "notes.MD", "base64": "IyBIaQ=="}}"#).unwrap();
        assert_eq!((draft.media_type, draft.content.as_slice()), (MediaType::Markdown, &b"# Hi"[..]));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let long = "x".repeat(limits::ATTRIBUTE_BYTES_MAX + 1);
        let cases = [
            (r#"{"text": "x"}"#.to_owned(), "missing_key"),
            (r#"{"key": "a", "id": "b", "text": "x"}"#.to_owned(), "key_mismatch"),
            (r#"{"key": "\u0007", "text": "x"}"#.to_owned(), "invalid_key"),
            (r#"{"key": "a"}"#.to_owned(), "invalid_content"),
            (r#"{"key": "a", "text": "x", "html": "y"}"#.to_owned(), "invalid_content"),
            (r#"{"key": "a", "file": "x"}"#.to_owned(), "invalid_field"),
            (r#"{"key": "a", "file": {"name": "a.exe", "base64": ""}}"#.to_owned(), "unsupported_format"),
            (r#"{"key": "a", "file": {"name": "a.md", "base64": "!"}}"#.to_owned(), "invalid_field"),
            (r#"{"key": "a", "text": "x", "url": "JavaScript:alert(1)"}"#.to_owned(), "invalid_field"),
            (r#"{"key": "a", "text": "x", "published_at": "yesterday"}"#.to_owned(), "invalid_field"),
            (r#"{"key": "a", "text": "x", "language": "en us"}"#.to_owned(), "invalid_field"),
            (r#"{"key": "a", "text": "x", "tags": [""]}"#.to_owned(), "invalid_field"),
            (r#"{"key": "a", "text": "x", "tags": [1]}"#.to_owned(), "invalid_field"),
            (r#"{"key": "a", "text": "x", "txt": "y"}"#.to_owned(), "unknown_field"),
            (format!(r#"{{"key": "a", "text": "x", "title": "{long}"}}"#), "invalid_field"),
            (format!(r#"{{"key": "a", "text": "x", "metadata": {{"k": "{}"}}}}"#, long.repeat(5)), "invalid_field"),
            ("[]".to_owned(), "invalid_json"),
            ("{".to_owned(), "invalid_json"),
        ];
        for (json, code) in cases {
            assert_eq!(read(&json).unwrap_err(), code, "{}", &json[..json.len().min(80)]);
        }
    }

    #[test]
    fn relative_addresses_are_harmless() {
        assert_eq!(harmless_url("page.html#a:b".into()).unwrap(), "page.html#a:b");
        assert!(harmless_url("data:text/html,x".into()).is_err());
    }
}
