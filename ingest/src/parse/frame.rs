//! How do the service and a parse worker talk?
//!
//! A frame is a little-endian `u32`, that many bytes of JSON, and as many raw bytes as the JSON says.
//!
//! Invariants:
//! - Both lengths are checked against their bounds before anything is read: neither side believes the other.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use wellspring_core::limits;
use wellspring_core::place::PlaceMark;

use super::web::Ask;
use super::{Block, Parsed, Refused};

/// The bytes in front of every frame.
pub(super) const LENGTH_BYTES: usize = 4;
/// The JSON of a request: a handful of short fields, one of them an address.
pub(super) const REQUEST_HEADER_BYTES_MAX: usize = 16 << 10;

/// What the service asks; the content follows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    #[serde(flatten)]
    pub(super) ask: Ask,
    pub(super) content_bytes: usize,
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(super) enum Reply {
    /// Sent once, when the worker has limited itself.
    Ready,
    /// It was read; the text follows.
    Parsed { title: Option<String>, blocks: Vec<Block>, places: Vec<PlaceMark>, text_bytes: usize },
    /// What is not a document was read; what was found follows, as JSON.
    Found { json_bytes: usize },
    /// It was not.
    Refused { reason: String },
}

impl Reply {
    /// The reply to an outcome of reading a document, and the bytes that follow it.
    pub(super) fn of(outcome: Result<Parsed, Refused>) -> (Self, String) {
        match outcome {
            Ok(Parsed { text, title, blocks, places }) => {
                (Self::Parsed { title, blocks, places, text_bytes: text.len() }, text)
            }
            Err(Refused(reason)) => (Self::Refused { reason }, String::new()),
        }
    }

    /// The reply to an outcome of reading what is not a document, and the bytes that follow it.
    pub(super) fn of_found(outcome: Result<String, Refused>) -> (Self, String) {
        match outcome {
            Ok(json) => (Self::Found { json_bytes: json.len() }, json),
            Err(Refused(reason)) => (Self::Refused { reason }, String::new()),
        }
    }

    /// How many raw bytes follow; `None` when they would pass their bound.
    pub(super) fn body_bytes(&self) -> Option<usize> {
        match self {
            Self::Parsed { text_bytes: bytes, .. } | Self::Found { json_bytes: bytes } => {
                Some(*bytes).filter(|bytes| *bytes <= limits::TEXT_BYTES_MAX)
            }
            Self::Ready | Self::Refused { .. } => Some(0),
        }
    }
}

/// The length and the JSON of a frame, ready to be written before its raw bytes.
pub(super) fn encode_header(header: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut frame, header)?;
    let length = u32::try_from(frame.len() - LENGTH_BYTES).map_err(|_| broken("a header is too long"))?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// The length of the JSON that follows, within `max`.
pub(super) fn header_length(length: [u8; LENGTH_BYTES], max: usize) -> io::Result<usize> {
    let length = u32::from_le_bytes(length) as usize;
    if length > max { Err(broken("a header is too long")) } else { Ok(length) }
}

/// Reads a frame's JSON.
pub(super) fn decode_header<T: DeserializeOwned>(json: &[u8]) -> io::Result<T> {
    serde_json::from_slice(json).map_err(|_| broken("a header cannot be read"))
}

/// An error that says which law of the protocol was broken, and nothing of what was said.
pub(super) fn broken(law: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, law)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wellspring_core::document::MediaType;

    #[test]
    fn lengths_beyond_their_bounds_are_refused() {
        assert!(header_length(u32::MAX.to_le_bytes(), limits::PARSE_HEADER_BYTES_MAX).is_err());
        let reply =
            Reply::Parsed { title: None, blocks: vec![], places: vec![], text_bytes: limits::TEXT_BYTES_MAX + 1 };
        assert_eq!(reply.body_bytes(), None);
        assert_eq!(Reply::Found { json_bytes: limits::TEXT_BYTES_MAX + 1 }.body_bytes(), None);
    }

    #[test]
    fn a_header_survives_the_way() {
        let asks = [
            Ask::Document { media_type: MediaType::Html },
            Ask::Feed { url: "https://example.org/\"?".to_owned() },
            Ask::Sitemap,
            Ask::Links { url: String::new() },
        ];
        for ask in asks {
            let frame = encode_header(&Request { ask: ask.clone(), content_bytes: 7 }).unwrap();
            let length = header_length([frame[0], frame[1], frame[2], frame[3]], REQUEST_HEADER_BYTES_MAX).unwrap();
            let request: Request = decode_header(&frame[LENGTH_BYTES..LENGTH_BYTES + length]).unwrap();
            assert_eq!((request.ask, request.content_bytes), (ask, 7));
        }
    }

    #[test]
    fn the_longest_address_fits_a_request() {
        let url = "\u{1}".repeat(limits::URL_BYTES_MAX);
        let frame = encode_header(&Request { ask: Ask::Feed { url }, content_bytes: 7 }).unwrap();
        assert!(frame.len() - LENGTH_BYTES <= REQUEST_HEADER_BYTES_MAX);
    }
}
