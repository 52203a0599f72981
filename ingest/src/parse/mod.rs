//! What does this content say, and how is it built?
//!
//! ```text
//! pool (this process) --frame--> worker (child process) -> decode  -> text | markdown | html | delimited | json | code
//!                                                       -> archive -> docx | pptx | xlsx | epub
//!                                                       -> pdf | email
//!                                                       -> web: feed | sitemap | links of a page
//! ```
//!
//! Invariants:
//! - No format is read in the service's own process: a parser may overflow its stack, abort or never end (I-8).
//! - Blocks are in the order of the text, do not overlap, and lie on character boundaries.
//! - For valid UTF-8 in plain text, Markdown and code the text is the content itself (without a byte order mark), so spans
//!   point into the user's own file.
//! - A reason for a refusal never carries the document's text.

mod archive;
mod code;
mod decode;
mod delimited;
mod docx;
mod docx_styles;
mod email;
mod epub;
mod frame;
mod html;
mod html_main;
mod html_table;
mod html_text;
mod json;
mod json_lines;
mod json_scan;
mod markdown;
mod office;
mod pdf;
mod pdf_flow;
mod pdf_layout;
mod pool;
mod pptx;
mod table;
mod text;
mod web;
pub mod worker;
mod xlsx;
mod xlsx_format;
mod xml;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use wellspring_core::document::MediaType;
use wellspring_core::limits;
use wellspring_core::place::PlaceMark;

pub use pool::{ParsePool, WorkerCommand};
pub use web::{Feed, FeedEntry, PageLinks, Sitemap, SitemapPage};

/// A document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The text that all spans are measured in.
    pub text: String,
    /// A title found in the content.
    pub title: Option<String>,
    /// The parts of the text that carry meaning, in order.
    pub blocks: Vec<Block>,
    /// Where in the original the text stands, for formats whose readers look for a page or a row; else empty.
    pub places: Vec<PlaceMark>,
}

/// A part of the text that belongs together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its bytes in the text, without white space around them.
    pub range: Range<usize>,
    /// What it is.
    pub kind: BlockKind,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A heading; what follows belongs to it, up to the next one of its level or above.
    Heading {
        /// From 1, the outermost.
        level: u8,
        /// What it says, without marks.
        title: String,
    },
    /// Prose.
    Paragraph,
    /// An item of a list, or a part of one.
    ListItem,
    /// Lines that mean something line by line.
    Code,
    /// Rows, one a line.
    Table,
    /// Somebody else's prose.
    Quote,
    /// What many documents of a source repeat: part of the text, and of no chunk. No parser says so; screening does.
    Boilerplate,
}

/// So many attempts, in words.
fn counted(attempts: u32) -> String {
    if attempts == 1 { "one attempt".to_owned() } else { format!("{attempts} attempts") }
}

/// Why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    /// The content is not what it is said to be, or too large; trying again changes nothing.
    #[error("{reason}")]
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// It killed its worker every time.
    #[error("the parser gave this document up after {}: it {reason}", counted(*.attempts))]
    Killed {
        /// How often it was tried.
        attempts: u32,
        /// How the last worker ended.
        reason: String,
    },
    /// No worker could be started: the machine's fault, not the document's, and later may go better.
    #[error("could not start a parse worker: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// What a reader says of a document that is whole and has nothing to read: it is left out, not failed.
pub(crate) const NO_TEXT: &str = "it holds no text";

/// A reader's refusal, in words for people and without the document's text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Refused {
    fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Reads content in this process. Only a worker may call this with content from outside (I-8).
pub fn parse(media_type: MediaType, content: &[u8]) -> Result<Parsed, Refused> {
    let parsed = match media_type {
        MediaType::Text => text::parse(decode::text(content)?),
        MediaType::Markdown => markdown::parse(decode::text(content)?),
        MediaType::Html => html::parse(&decode::html(content)?)?,
        MediaType::Docx => docx::parse(content)?,
        MediaType::Pptx => pptx::parse(content)?,
        MediaType::Xlsx => xlsx::parse(content)?,
        MediaType::Csv => delimited::parse(&decode::text(content)?, b',')?,
        MediaType::Tsv => delimited::parse(&decode::text(content)?, b'\t')?,
        MediaType::Epub => epub::parse(content)?,
        MediaType::Pdf => pdf::parse(content)?,
        MediaType::Json => json::parse(&decode::text(content)?)?,
        MediaType::JsonLines => json_lines::parse(&decode::text(content)?)?,
        MediaType::Email => email::parse(content)?,
        MediaType::Code => code::parse(decode::text(content)?),
    };
    if parsed.blocks.len() > limits::PARSE_BLOCKS_MAX {
        return Err(Refused::because(format!("it has more than {} paragraphs", limits::PARSE_BLOCKS_MAX)));
    }
    Ok(parsed)
}

impl Parsed {
    /// Whether the blocks keep the law of this module; a worker's word is not taken for it.
    fn is_consistent(&self) -> bool {
        let mut end = 0;
        self.blocks.iter().all(|block| {
            let follows = block.range.start >= end && block.range.start < block.range.end;
            end = block.range.end;
            follows && self.text.get(block.range.clone()).is_some()
        }) && self.places.is_sorted_by(|a, b| a.start < b.start)
            && self.places.iter().all(|mark| self.text.is_char_boundary(mark.start))
    }
}

/// The most bytes of what a worker is asked about.
fn content_bytes_max(ask: &web::Ask) -> usize {
    match ask {
        web::Ask::Sitemap => limits::SITEMAP_BYTES_MAX,
        _ => limits::DOCUMENT_BYTES_MAX,
    }
}

/// A title as it is kept: white space collapsed, cut to its bound; `None` when nothing is left.
fn tidy_title(title: &str) -> Option<String> {
    let mut tidy = String::new();
    for word in title.split_whitespace() {
        let separator = usize::from(!tidy.is_empty());
        if tidy.len() + separator + word.len() > limits::ATTRIBUTE_BYTES_MAX {
            break;
        }
        if separator == 1 {
            tidy.push(' ');
        }
        tidy.push_str(word);
    }
    (!tidy.is_empty()).then_some(tidy)
}

/// The range without the white space around it; `None` when nothing is left.
fn trimmed(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let slice = &text[range.clone()];
    let start = range.start + (slice.len() - slice.trim_start().len());
    let end = range.start + slice.trim_end().len();
    (start < end).then_some(start..end)
}
