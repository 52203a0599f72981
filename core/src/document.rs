//! What is a document, and which version of it?
//!
//! Invariants:
//! - A document's identity is its collection and key, whatever it says.
//! - Revisions of one document are ordered and later always wins (I-4); a deletion takes a revision number too.
//! - A draft that says exactly what the newest revision says is no new revision.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits;
use crate::source::SourceName;

/// A name that was refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// More bytes than allowed.
    #[error("is longer than {max} bytes")]
    TooLong {
        /// The most bytes allowed.
        max: usize,
    },
    /// A control character, which would forge log lines and file names.
    #[error("contains a control character")]
    ControlCharacter,
    /// White space at its beginning or its end, which nobody sees and many a program drops.
    #[error("begins or ends with white space")]
    WhiteSpace,
    /// Nothing that can be seen.
    #[error("has no visible character")]
    Invisible,
    /// A `.` or `..` between slashes, which every URL parser on the way would fold into another key.
    #[error("contains a `.` or `..` between slashes")]
    DotSegment,
    /// A character that turns the direction of a line of text, which would disguise a key.
    #[error("contains a character that changes the direction of text")]
    Bidirectional,
    /// A character outside the alphabet of short names.
    #[error("may hold only lower-case letters, digits, `-`, `_` and `.`, and starts with a letter or digit")]
    Alphabet,
}

/// What a question is asked of: a named set of documents with one embedding space.
///
/// - 1 to 64 bytes of `a-z 0-9 - _ .`, starting with a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CollectionName(String);

/// The collection used where none is named.
pub const DEFAULT_COLLECTION: &str = "default";

impl Default for CollectionName {
    fn default() -> Self {
        Self(DEFAULT_COLLECTION.to_owned())
    }
}

/// Checks the alphabet that collection and source names share.
pub(crate) fn short_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > limits::SHORT_NAME_BYTES_MAX {
        return Err(NameError::TooLong { max: limits::SHORT_NAME_BYTES_MAX });
    }
    let in_alphabet = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts_well && name.chars().all(in_alphabet) { Ok(()) } else { Err(NameError::Alphabet) }
}

impl FromStr for CollectionName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        short_name(name)?;
        Ok(Self(name.to_owned()))
    }
}

/// The caller's name for a document, unique in its collection.
///
/// - 1 to [`limits::KEY_BYTES_MAX`] bytes, no control characters, no white space around it, something to be seen. What
///   is not so is refused, never mended: two callers' names must not become one document.
/// - No `.` or `..` segment and no bidirectional control: the key is part of URLs and of lines on a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentKey(String);

impl FromStr for DocumentKey {
    type Err = NameError;

    fn from_str(key: &str) -> Result<Self, NameError> {
        if key.trim().is_empty() {
            return Err(NameError::Empty);
        }
        if key.len() > limits::KEY_BYTES_MAX {
            return Err(NameError::TooLong { max: limits::KEY_BYTES_MAX });
        }
        if key.chars().any(char::is_control) {
            return Err(NameError::ControlCharacter);
        }
        if key.trim() != key {
            return Err(NameError::WhiteSpace);
        }
        if key.chars().all(crate::text::is_invisible) {
            return Err(NameError::Invisible);
        }
        if key.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(NameError::DotSegment);
        }
        if key.contains(crate::text::is_bidirectional_control) {
            return Err(NameError::Bidirectional);
        }
        Ok(Self(key.to_owned()))
    }
}

/// Gives a checked string newtype its conversions: `as_str`, `Display`, and both directions of serde.
macro_rules! string_newtype {
    ($name:ident) => {
        impl $name {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

string_newtype!(CollectionName);
string_newtype!(DocumentKey);

/// A 16-byte identity derived from what it names, written as 32 hexadecimal digits.
macro_rules! digest_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Restores an identity that a store kept.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes a store keeps.
            pub fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Hashes the parts under a context that keeps kinds of identity apart; parts are length-prefixed, so
            /// that ("ab", "c") and ("a", "bc") differ.
            pub(crate) fn derive(context: &str, parts: &[&[u8]]) -> Self {
                let mut hasher = blake3::Hasher::new_derive_key(context);
                for part in parts {
                    hasher.update(&(part.len() as u64).to_le_bytes());
                    hasher.update(part);
                }
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
                Self(bytes)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes()))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use digest_newtype;

digest_newtype! {
    /// The identity of a document: derived from its collection and key, so it is the same after a rebuild.
    DocumentId
}

impl DocumentId {
    /// Derives the identity from what names the document.
    pub fn of(collection: &CollectionName, key: &DocumentKey) -> Self {
        Self::derive("wellspring document 1", &[collection.0.as_bytes(), key.0.as_bytes()])
    }
}

digest_newtype! {
    /// The digest of everything a draft says: content, media type and attributes.
    ContentHash
}

/// The ordered version of a document, from 1; the catalog assigns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The formats a document may arrive in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaType {
    /// Plain text: the text is the content.
    Text,
    /// Markdown: the text is the content, the structure steers the chunks.
    Markdown,
    /// HTML: the text is what a reader would see.
    Html,
    /// PDF: the text of its pages.
    Pdf,
    /// A text document of an office suite.
    Docx,
    /// A presentation.
    Pptx,
    /// A workbook of sheets.
    Xlsx,
    /// Rows of cells parted by commas (or semicolons).
    Csv,
    /// Rows of cells parted by tabs.
    Tsv,
    /// An electronic book.
    Epub,
    /// One JSON value.
    Json,
    /// JSON values, one a line.
    JsonLines,
    /// An e-mail message with its attachments' names.
    Email,
    /// Source code: the text is the content, its definitions steer the chunks.
    Code,
}

/// Each format: the name a store keeps, the endings of file names, and the content types that promise it.
const FORMATS: &[(MediaType, &str, &[&str], &[&str])] = &[
    (MediaType::Text, "text", &["txt", "text", "log", "rst", "adoc", "org"], &["text/plain"]),
    (MediaType::Markdown, "markdown", &["md", "markdown", "mdx"], &["text/markdown", "text/x-markdown"]),
    (MediaType::Html, "html", &["html", "htm", "xhtml"], &["text/html", "application/xhtml+xml"]),
    (MediaType::Pdf, "pdf", &["pdf"], &["application/pdf", "application/x-pdf"]),
    (MediaType::Docx, "docx", &["docx"], &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"]),
    (
        MediaType::Pptx,
        "pptx",
        &["pptx"],
        &["application/vnd.openxmlformats-officedocument.presentationml.presentation"],
    ),
    (
        MediaType::Xlsx,
        "xlsx",
        &["xlsx", "xlsm"],
        &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
    ),
    (MediaType::Csv, "csv", &["csv"], &["text/csv", "application/csv"]),
    (MediaType::Tsv, "tsv", &["tsv", "tab"], &["text/tab-separated-values"]),
    (MediaType::Epub, "epub", &["epub"], &["application/epub+zip"]),
    (MediaType::Json, "json", &["json"], &["application/json", "text/json"]),
    (
        MediaType::JsonLines,
        "json_lines",
        &["jsonl", "ndjson"],
        &["application/jsonl", "application/x-ndjson", "application/ndjson", "application/x-jsonlines"],
    ),
    (MediaType::Email, "email", &["eml"], &["message/rfc822"]),
    (
        MediaType::Code,
        "code",
        &[
            "rs", "py", "js", "mjs", "cjs", "ts", "tsx", "jsx", "go", "java", "kt", "kts", "scala", "c", "h", "cc",
            "cpp", "cxx", "hh", "hpp", "cs", "swift", "rb", "php", "pl", "lua", "r", "jl", "hs", "ml", "ex", "exs",
            "erl", "clj", "sh", "bash", "zsh", "fish", "ps1", "sql", "proto", "graphql", "css", "scss", "toml", "yaml",
            "yml", "ini", "cfg", "conf", "cmake", "mk", "gradle", "dart", "zig", "nim", "vue", "svelte", "tex", "xml",
        ],
        &[
            "text/x-rust",
            "text/x-python",
            "text/x-c",
            "text/x-c++",
            "text/x-java",
            "text/javascript",
            "application/javascript",
            "text/css",
            "application/toml",
            "application/yaml",
            "text/yaml",
            "application/xml",
            "text/xml",
            "application/x-sh",
            "application/sql",
        ],
    ),
];

impl MediaType {
    /// The format that a file name promises by its ending; `None` when Wellspring does not read it.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
        FORMATS.iter().find(|(_, _, endings, _)| endings.contains(&ending.as_str())).map(|format| format.0)
    }

    /// The format that a `Content-Type` promises, its parameters aside; `None` when Wellspring does not read it.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next()?.trim().to_ascii_lowercase();
        FORMATS.iter().find(|(_, _, _, types)| types.contains(&essence.as_str())).map(|format| format.0)
    }

    /// The name a store keeps.
    pub fn as_str(self) -> &'static str {
        FORMATS.iter().find(|format| format.0 == self).map_or("text", |format| format.1)
    }
}

impl FromStr for MediaType {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        FORMATS.iter().find(|format| format.1 == name).map(|format| format.0).ok_or(())
    }
}

/// What is said about a document beside its content.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Attributes {
    /// The title; where absent, parsing may find one in the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where a person can read the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When its author published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// A BCP 47 language tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Access labels: only callers who bring one of them find the document; everybody does where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acl: Vec<String>,
    /// The caller's own fields.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// A document as its source sends it, before the catalog has given it a revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The collection it belongs to.
    pub collection: CollectionName,
    /// Its name there.
    pub key: DocumentKey,
    /// Who sends it; only that source may change or delete it.
    pub source: SourceName,
    /// What `content` is.
    pub media_type: MediaType,
    /// The bytes as they came, at most [`limits::DOCUMENT_BYTES_MAX`].
    pub content: Vec<u8>,
    /// What is said about it.
    pub attributes: Attributes,
    /// The source's own hint that an item is unchanged (size and time of a file); never the truth.
    pub fingerprint: Option<String>,
}

impl Draft {
    /// The identity of the document this draft is a version of.
    pub fn id(&self) -> DocumentId {
        DocumentId::of(&self.collection, &self.key)
    }

    /// The digest by which an unchanged draft is known.
    pub fn content_hash(&self) -> ContentHash {
        let attributes = serde_json::to_vec(&self.attributes).unwrap_or_default();
        ContentHash::derive("wellspring content 1", &[self.media_type.as_str().as_bytes(), &self.content, &attributes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        assert!("docs-2.x".parse::<CollectionName>().is_ok());
        for bad in ["", "Docs", "-x", "a/b", "a b", "é"] {
            assert!(bad.parse::<CollectionName>().is_err(), "{bad}");
        }
        assert_eq!("a\nb".parse::<DocumentKey>(), Err(NameError::ControlCharacter));
        assert_eq!("  ".parse::<DocumentKey>(), Err(NameError::Empty));
        for spaced in [" col", "col ", "\u{3000}col", "col\u{2028}"] {
            assert_eq!(spaced.parse::<DocumentKey>(), Err(NameError::WhiteSpace), "{spaced:?}");
        }
        assert_eq!("col\u{85}".parse::<DocumentKey>(), Err(NameError::ControlCharacter));
        assert_eq!("\u{200b}".parse::<DocumentKey>(), Err(NameError::Invisible));
        assert_eq!("a/../b".parse::<DocumentKey>(), Err(NameError::DotSegment));
        assert_eq!("a\u{202e}b".parse::<DocumentKey>(), Err(NameError::Bidirectional));
        assert!("a/.b/c..".parse::<DocumentKey>().is_ok());
        assert!("ein/Pfad mit Leerzeichen/河.md".parse::<DocumentKey>().is_ok());
    }

    #[test]
    fn identity_depends_on_where_a_name_ends() {
        let id = |collection: &str, key: &str| DocumentId::of(&collection.parse().unwrap(), &key.parse().unwrap());
        assert_ne!(id("ab", "c"), id("a", "bc"));
        assert_eq!(id("a", "b").to_string().parse::<DocumentId>().unwrap(), id("a", "b"));
    }
}
