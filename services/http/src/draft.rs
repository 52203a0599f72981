//! What document does this request carry?
//!
//! A JSON document has exactly one content: `text` (plain text), `html`, or `file` with the bytes in base64 and a name,
//! whose ending says the format, or a content type: `{"name": "notes.md", "base64": "..."}`. A body that is the
//! document itself has the format that `?format=` names, else its content type, else the ending of a file name.
//!
//! Invariants:
//! - Every field is checked against its bound before the document is accepted: what is acknowledged is storable.
//! - No message repeats the document's text.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
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
use crate::fields::{Fields, Parameters, invalid};

/// The fields of a document; `id` is another name of `key`.
const FIELDS: &[&str] =
    &["key", "id", "title", "text", "html", "file", "url", "published_at", "language", "tags", "acl", "metadata"];
/// The fields of `file`; `filename` is another name of `name`.
const FILE_FIELDS: &[&str] = &["name", "filename", "content_type", "base64"];
/// The attributes that a query string may give.
pub(crate) const ATTRIBUTES: &[&str] = &["title", "url", "published_at", "language", "tags", "acl", "metadata"];
/// Content types by which a client says that it does not know.
const UNTELLING: &[&str] =
    &["", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded"];
/// What an error says about the formats there are.
const READABLE: &str = "readable are text, Markdown, HTML, PDF, DOCX, PPTX, XLSX, CSV, TSV, EPUB, JSON, JSON lines, \
                        e-mail and source code";
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
    attributes: Attributes,
) -> Result<Draft, ApiError> {
    draft(collection, key, media_type, content, attributes)
}

/// The essence of a request's content type, in lower case: without parameters, empty when absent.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What a query string says about a document: `tags` by commas, `metadata` as a JSON object.
pub(crate) fn attributes_in(parameters: &Parameters) -> Result<Attributes, ApiError> {
    let mut values = Map::new();
    for name in ATTRIBUTES {
        if *name == "acl" && parameters.is_empty(name) {
            return Err(no_label());
        }
        let Some(text) = parameters.get(name) else { continue };
        let value = match *name {
            "tags" | "acl" => text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect(),
            "metadata" => serde_json::from_str(text)
                .map_err(|_| invalid("metadata", "is no JSON", "percent-encode a JSON object"))?,
            _ => Value::from(text),
        };
        values.insert((*name).to_owned(), value);
    }
    attributes_of(&mut Fields::of(Value::Object(values), ATTRIBUTES)?)
}

/// The format of a body that is the document itself. A format that is named by hand wins, then what the content type
/// tells, then the ending of a file name, then that of the key.
pub(crate) fn raw_format(
    named: Option<&str>,
    content_type: &str,
    file_name: Option<&str>,
    key: &DocumentKey,
) -> Result<MediaType, ApiError> {
    if let Some(named) = named {
        return named.parse().map_err(|()| invalid("format", "names no format", READABLE));
    }
    if !UNTELLING.contains(&content_type) {
        return MediaType::of_content_type(content_type)
            .ok_or_else(|| unreadable(Code::UnsupportedContentType, "the body's content type is none that is read"));
    }
    let by_name = file_name.map_or_else(|| MediaType::of_file_name(key.as_str()), MediaType::of_file_name);
    by_name.ok_or_else(|| {
        unreadable(Code::UnsupportedContentType, "neither a content type nor a file name says what the body is")
    })
}

/// The format of a file in a form: what its name promises, since a browser only guesses the type; else its type.
pub(crate) fn file_format(name: &str, content_type: &str) -> Result<MediaType, ApiError> {
    MediaType::of_file_name(name)
        .or_else(|| MediaType::of_content_type(content_type))
        .ok_or_else(|| unreadable(Code::UnsupportedFormat, "neither the file's name nor its type is readable"))
}

/// The file name in `Content-Disposition`, in either of its spellings.
pub(crate) fn disposition_file_name(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_DISPOSITION)?.to_str().ok()?;
    let parameter = |name: &str| {
        let mut parameters = value.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
        parameters.find(|(known, _)| known.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let extended = parameter("filename*").and_then(|value| value.split_once("''")).map(|(_, name)| name.to_owned());
    extended
        .or_else(|| parameter("filename").map(|name| name.trim_matches('"').to_owned()))
        .filter(|name| !name.is_empty())
}

fn unreadable(code: Code, message: &'static str) -> ApiError {
    ApiError::new(code, message, READABLE)
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
        return Err(too_large());
    }
    Ok(Draft { collection, key, source: SourceName::push(), media_type, content, attributes, fingerprint: None })
}

/// The error of a content beyond the bound.
pub(crate) fn too_large() -> ApiError {
    ApiError::new(
        Code::DocumentTooLarge,
        format!("the document is larger than {} bytes", limits::DOCUMENT_BYTES_MAX),
        "split it into several documents",
    )
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
    for (name, content) in [("text", &text), ("html", &html)] {
        if content.as_ref().is_some_and(|content| content.contains('\0')) {
            return Err(invalid(name, "holds a NUL character (`\\u0000`), which no text has", "take it out"));
        }
    }
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
    let shape = || {
        let hint = "give `base64`, and `name` or `content_type` to say what it is";
        invalid("file", "must be {\"name\": \"notes.md\", \"base64\": \"...\"}", hint)
    };
    if !file.is_object() {
        return Err(shape());
    }
    let mut file = Fields::of(file, FILE_FIELDS)?;
    let name = file.string("name")?.or(file.string("filename")?);
    let content_type = file.string("content_type")?.filter(|told| !UNTELLING.contains(&told.trim()));
    let (Some(encoded), true) = (file.string("base64")?, name.is_some() || content_type.is_some()) else {
        return Err(shape());
    };
    // A type that is given by hand says more than a name.
    let media_type = content_type
        .as_deref()
        .map_or_else(|| MediaType::of_file_name(name.as_deref().unwrap_or_default()), MediaType::of_content_type);
    let media_type = media_type.ok_or_else(|| {
        unreadable(Code::UnsupportedFormat, "neither the file's name nor its content type is readable")
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
            .map(|text| time("published_at", &text))
            .transpose()?,
        language: fields.string("language")?.filter(|text| !text.is_empty()).map(language).transpose()?,
        tags: labels("tags", fields.strings("tags")?)?,
        acl: access_labels(fields)?,
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
    // `//host` borrows the scheme of the page that shows it, and leads anywhere.
    let borrowed = url.trim_start().replace('\\', "/").starts_with("//");
    let known = scheme.is_none_or(|scheme| URL_SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)));
    if known && !borrowed && !url.chars().any(char::is_control) {
        return Ok(url);
    }
    Err(invalid("url", "is no web address", "use an http, https, ftp or file URL"))
}

/// A moment: RFC 3339, or a date alone, which is its first moment in UTC.
pub(crate) fn time(name: &str, text: &str) -> Result<Timestamp, ApiError> {
    let date = || text.parse::<Date>().ok()?.to_zoned_datetime(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse::<Timestamp>()
        .ok()
        .or_else(date)
        .ok_or_else(|| invalid(name, "is no time", "write it like 2026-11-05T08:30:00Z or 2026-11-05"))
}

/// A BCP 47 tag, by its alphabet and length.
fn language(tag: String) -> Result<String, ApiError> {
    let alphabet = tag
        .split('-')
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let well_formed = alphabet && tag.len() <= limits::SHORT_NAME_BYTES_MAX;
    if well_formed { Ok(tag) } else { Err(invalid("language", "is no language tag", "write it like en, zh or pt-BR")) }
}

/// Who finds the document; everybody where nothing is said. An empty list says nothing that can be meant: whoever sends
/// one wanted a lock and lost its labels, or did not want one.
fn access_labels(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let Some(value) = fields.take("acl") else { return Ok(Vec::new()) };
    if value.as_array().is_some_and(Vec::is_empty) {
        return Err(no_label());
    }
    fields.put_back("acl", value);
    labels("acl", fields.strings("acl")?)
}

fn no_label() -> ApiError {
    invalid("acl", "names no label", "name those who find the document, or leave `acl` out to let everybody find it")
}

/// Labels within their bounds.
fn labels(name: &str, labels: Vec<String>) -> Result<Vec<String>, ApiError> {
    if labels.len() > limits::TAGS_MAX {
        return Err(invalid(name, &format!("has more than {} entries", limits::TAGS_MAX), "use fewer"));
    }
    if labels.iter().any(|label| label.trim().is_empty() || label.len() > limits::ATTRIBUTE_BYTES_MAX) {
        let what = format!("has an entry that is empty or longer than {} bytes", limits::ATTRIBUTE_BYTES_MAX);
        return Err(invalid(name, &what, "shorten it"));
    }
    Ok(labels)
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
            (r#"{"key": "a", "text": "x\u0000y"}"#.to_owned(), "invalid_field"),
            (r#"{"key": "a", "html": "<p>\u0000"}"#.to_owned(), "invalid_field"),
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
    fn a_file_may_say_its_type_instead() {
        let file = |file: &str| read(&format!(r#"{{"key": "k", "file": {file}}}"#)).map(|draft| draft.media_type);
        assert_eq!(file(r#"{"filename": "a.csv", "base64": ""}"#), Ok(MediaType::Csv));
        assert_eq!(file(r#"{"content_type": "application/pdf", "base64": ""}"#), Ok(MediaType::Pdf));
        assert_eq!(file(r#"{"name": "a.txt", "content_type": "text/csv", "base64": ""}"#), Ok(MediaType::Csv));
        let untelling = r#"{"name": "a.docx", "content_type": "application/octet-stream", "base64": ""}"#;
        assert_eq!(file(untelling), Ok(MediaType::Docx));
        assert_eq!(file(r#"{"base64": ""}"#), Err("invalid_field".to_owned()));
        assert_eq!(file(r#"{"content_type": "image/png", "base64": ""}"#), Err("unsupported_format".to_owned()));
    }

    #[test]
    fn the_format_of_a_body_is_found_in_a_fixed_order() {
        let key: DocumentKey = "notes/a.eml".parse().unwrap();
        let format = |named, content_type, file_name| {
            raw_format(named, content_type, file_name, &key).map_err(|error| error.code().to_owned())
        };
        assert_eq!(format(Some("json"), "text/plain", Some("a.md")), Ok(MediaType::Json));
        assert_eq!(format(None, "text/plain", Some("a.md")), Ok(MediaType::Text));
        assert_eq!(format(None, "application/octet-stream", Some("a.md")), Ok(MediaType::Markdown));
        assert_eq!(format(None, "", None), Ok(MediaType::Email));
        assert_eq!(format(None, "", Some("a.exe")), Err("unsupported_content_type".to_owned()));
        assert_eq!(format(None, "image/png", Some("a.md")), Err("unsupported_content_type".to_owned()));
        assert_eq!(format(Some("png"), "text/plain", None), Err("invalid_field".to_owned()));
    }

    #[test]
    fn a_disposition_names_its_file() {
        let name = |value: &'static str| {
            disposition_file_name(&HeaderMap::from_iter([(CONTENT_DISPOSITION, value.parse().unwrap())]))
        };
        assert_eq!(name("attachment; filename=\"a b.pdf\"").as_deref(), Some("a b.pdf"));
        assert_eq!(name("attachment; filename=x.txt; filename*=UTF-8''y.pdf").as_deref(), Some("y.pdf"));
        assert_eq!(name("inline"), None);
    }

    #[test]
    fn relative_addresses_are_harmless() {
        assert_eq!(harmless_url("page.html#a:b".into()).unwrap(), "page.html#a:b");
        assert!(harmless_url("data:text/html,x".into()).is_err());
    }
}
