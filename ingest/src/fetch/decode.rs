//! What does a body say once its compression is undone, and does it stay within its bound?
//!
//! Invariants:
//! - The decoded bytes never pass the bound: a bomb ends at the first byte beyond it, mid-stream.
//! - A stream that stops before its own end mark is broken, not short.
//! - One coding at most: a chain of them serves bombs only.
//! - Decoders are written in Rust: what strangers send meets no C code in this process.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use thiserror::Error;

/// What we can undo, for `Accept-Encoding`.
pub(super) const ACCEPTED: &str = "gzip, deflate, br";
/// Bytes decoded in one go.
const PIECE_BYTES: usize = 16 << 10;

/// How a body was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
}

/// Why a body has no bytes.
#[derive(Debug, Error)]
pub(super) enum DecodeError {
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    #[error("the body cannot be decompressed")]
    Broken(#[source] io::Error),
    #[error("the body is compressed in a way that was not asked for")]
    Unknown,
}

impl Coding {
    /// What `Content-Encoding` says.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, DecodeError> {
        let mut coding = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            for token in value.to_str().map_err(|_| DecodeError::Unknown)?.split(',') {
                let next = match token.trim().to_ascii_lowercase().as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    "br" => Self::Brotli,
                    _ => return Err(DecodeError::Unknown),
                };
                if coding != Self::Identity {
                    return Err(DecodeError::Unknown);
                }
                coding = next;
            }
        }
        Ok(coding)
    }
}

/// Takes a body as it comes.
pub(super) struct Decoder {
    bytes_max: usize,
    /// A body without a byte is empty, whatever its coding: servers say `gzip` of nothing.
    begun: bool,
    state: State,
}

enum State {
    Identity(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
    Deflate(Box<Inflate>),
    Brotli(Box<DecompressorWriter<Bounded>>),
}

impl Decoder {
    pub(super) fn new(coding: Coding, bytes_max: usize) -> Self {
        let sink = Bounded { bytes: Vec::new(), bytes_max, full: false };
        let state = match coding {
            Coding::Identity => State::Identity(sink),
            Coding::Gzip => State::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Coding::Deflate => State::Deflate(Box::new(Inflate { state: None, ended: false, head: Vec::new(), sink })),
            Coding::Brotli => State::Brotli(Box::new(DecompressorWriter::new(sink, PIECE_BYTES))),
        };
        Self { bytes_max, begun: false, state }
    }

    /// Takes the next bytes. An error is final.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), DecodeError> {
        self.begun |= !piece.is_empty();
        let (result, sink) = match &mut self.state {
            State::Identity(sink) => (sink.write_all(piece), &*sink),
            State::Gzip(decoder) => (decoder.write_all(piece), decoder.get_ref()),
            State::Deflate(inflate) => (inflate.push(piece), &inflate.sink),
            State::Brotli(decoder) => (decoder.write_all(piece), decoder.get_ref()),
        };
        let full = sink.full;
        result.map_err(|error| self.error(full, error))
    }

    /// The whole body, once nothing more comes.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, DecodeError> {
        if !self.begun {
            return Ok(Vec::new());
        }
        let (result, sink) = match &mut self.state {
            State::Identity(sink) => (Ok(()), sink),
            State::Gzip(decoder) => (decoder.try_finish(), decoder.get_mut()),
            State::Deflate(inflate) => (inflate.finish(), &mut inflate.sink),
            State::Brotli(decoder) => (decoder.close(), decoder.get_mut()),
        };
        let (full, bytes) = (sink.full, std::mem::take(&mut sink.bytes));
        result.map_err(|error| self.error(full, error)).map(|()| bytes)
    }

    fn error(&self, full: bool, error: io::Error) -> DecodeError {
        if full { DecodeError::TooLong(self.bytes_max) } else { DecodeError::Broken(error) }
    }
}

/// `deflate`, which the standard says is zlib's format, and some servers send bare.
struct Inflate {
    state: Option<Decompress>,
    ended: bool,
    /// The first two bytes, by which the formats are told apart.
    head: Vec<u8>,
    sink: Bounded,
}

impl Inflate {
    fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.state.is_some() {
            return self.inflate(piece);
        }
        self.head.extend_from_slice(piece);
        let &[first, second, ..] = self.head.as_slice() else { return Ok(()) };
        let zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]) % 31 == 0;
        self.state = Some(Decompress::new(zlib));
        let head = std::mem::take(&mut self.head);
        self.inflate(&head)
    }

    fn inflate(&mut self, mut piece: &[u8]) -> io::Result<()> {
        let Some(state) = &mut self.state else { return Ok(()) };
        let mut decoded = [0; PIECE_BYTES];
        // Bytes behind the end are no part of the body, and browsers overlook them.
        while !self.ended {
            let (read, written) = (state.total_in(), state.total_out());
            let status = state.decompress(piece, &mut decoded, FlushDecompress::None)?;
            let (read, written) = ((state.total_in() - read) as usize, (state.total_out() - written) as usize);
            self.sink.write_all(&decoded[..written])?;
            piece = &piece[read..];
            self.ended = matches!(status, Status::StreamEnd);
            if written < decoded.len() && piece.is_empty() || read == 0 && written == 0 {
                break;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.ended { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Bytes up to a bound.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.len() > self.bytes_max - self.bytes.len() {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
pub(super) mod tests;
