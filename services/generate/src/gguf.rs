//! Is this file a whole GGUF model?
//!
//! A small reader of the header alone, run before llama.cpp sees the file: a truncated or damaged file becomes an
//! error with a reason.
//!
//! Invariants:
//! - Nothing in the file decides how much memory is taken: counts and lengths are checked against the file's length
//!   and against named bounds before anything is read.
//! - A file that passes holds every byte of every tensor it lists.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use thiserror::Error;
use wellspring_core::limits;

/// The first four bytes.
const MAGIC: [u8; 4] = *b"GGUF";
/// The versions llama.cpp reads; 1 had narrower counts and is gone.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
/// Where tensors begin at multiples of, when the file does not say.
const ALIGNMENT_DEFAULT: u64 = 32;
/// The longest key of the specification.
const KEY_BYTES_MAX: u64 = 65_535;
/// The longest tensor name llama.cpp keeps, with its end mark.
const NAME_BYTES_MAX: u64 = 63;
/// Dimensions of a tensor.
const DIMENSIONS_MAX: u32 = 4;

/// Value types of metadata.
const TYPE_UINT32: u32 = 4;
const TYPE_STRING: u32 = 8;
const TYPE_ARRAY: u32 = 9;

/// Why a file is no usable model.
#[derive(Debug, Error)]
pub enum ModelFileError {
    /// It cannot be read.
    #[error("could not read the model file")]
    Unreadable(#[source] io::Error),
    /// Another kind of file.
    #[error("the file is no GGUF model: it does not begin with GGUF")]
    NotGguf,
    /// A version that llama.cpp does not read.
    #[error("the model is in GGUF version {0}, which cannot be read (2 and 3 can)")]
    Version(u32),
    /// It ends before what it promises.
    #[error("the model file is truncated: it has {actual} bytes and promises at least {promised}")]
    Truncated {
        /// Bytes in the file.
        actual: u64,
        /// Bytes it would take to hold what the header lists.
        promised: u64,
    },
    /// Something in the header cannot be.
    #[error("the model file is damaged: {0}")]
    Damaged(&'static str),
}

/// Reads a model file's header and checks it against the file's length. Blocking; some milliseconds for a large
/// vocabulary.
pub fn check(path: &Path) -> Result<(), ModelFileError> {
    let file = File::open(path).map_err(ModelFileError::Unreadable)?;
    let metadata = file.metadata().map_err(ModelFileError::Unreadable)?;
    if !metadata.is_file() {
        return Err(ModelFileError::Damaged("it is no regular file"));
    }
    check_header(BufReader::with_capacity(1 << 16, file), metadata.len())
}

/// The same over any reader.
fn check_header(reader: impl Read, length: u64) -> Result<(), ModelFileError> {
    let mut header = Header { reader, position: 0, length };
    if header.bytes::<4>().map_err(|error| match error {
        ModelFileError::Truncated { .. } => ModelFileError::NotGguf,
        other => other,
    })? != MAGIC
    {
        return Err(ModelFileError::NotGguf);
    }
    let version = header.u32()?;
    if !VERSIONS.contains(&version) {
        return Err(ModelFileError::Version(version));
    }
    let tensors = header.count("it lists too many tensors")?;
    let entries = header.count("it has too many metadata entries")?;
    if tensors == 0 {
        return Err(ModelFileError::Damaged("it holds no tensor"));
    }
    let alignment = header.metadata(entries)?;
    let ends_at = header.tensors(tensors, alignment)?;
    let data_at = header.position.next_multiple_of(alignment);
    let promised = data_at.checked_add(ends_at).ok_or(ModelFileError::Damaged("its tensors overflow"))?;
    if promised > length {
        return Err(ModelFileError::Truncated { actual: length, promised });
    }
    Ok(())
}

/// The header, read once from front to back.
struct Header<R> {
    reader: R,
    position: u64,
    length: u64,
}

impl<R: Read> Header<R> {
    /// Passes over the metadata; returns the alignment it names.
    fn metadata(&mut self, entries: u64) -> Result<u64, ModelFileError> {
        let mut alignment = ALIGNMENT_DEFAULT;
        for _ in 0..entries {
            let key = self.string(KEY_BYTES_MAX, "a metadata key is too long")?;
            let kind = self.u32()?;
            if key == b"general.alignment" && kind == TYPE_UINT32 {
                alignment = u64::from(self.u32()?);
                if !alignment.is_power_of_two() {
                    return Err(ModelFileError::Damaged("its alignment is no power of two"));
                }
            } else {
                self.skip_value(kind)?;
            }
        }
        Ok(alignment)
    }

    /// Checks the list of tensors; returns where the last one ends, counted from the beginning of the data.
    fn tensors(&mut self, tensors: u64, alignment: u64) -> Result<u64, ModelFileError> {
        let overflow = ModelFileError::Damaged;
        let mut ends_at = 0u64;
        for _ in 0..tensors {
            self.string(NAME_BYTES_MAX, "a tensor's name is too long")?;
            let dimensions = self.u32()?;
            if dimensions > DIMENSIONS_MAX {
                return Err(ModelFileError::Damaged("a tensor has too many dimensions"));
            }
            let (mut elements, mut row) = (1u64, 1u64);
            for dimension in 0..dimensions {
                let size = self.u64()?;
                elements = elements.checked_mul(size).ok_or(overflow("a tensor's size overflows"))?;
                if dimension == 0 {
                    row = size;
                }
            }
            let kind = self.u32()?;
            let (block, block_bytes) = block(kind).ok_or(overflow("a tensor is of an unknown type"))?;
            if !row.is_multiple_of(block) {
                return Err(ModelFileError::Damaged("a tensor's row is no whole number of blocks"));
            }
            let bytes = (elements / block).checked_mul(block_bytes).ok_or(overflow("a tensor's size overflows"))?;
            let offset = self.u64()?;
            if !offset.is_multiple_of(alignment) {
                return Err(ModelFileError::Damaged("a tensor is not aligned"));
            }
            let end = offset.checked_add(bytes).ok_or(overflow("a tensor's offset overflows"))?;
            ends_at = ends_at.max(end);
        }
        Ok(ends_at)
    }

    /// Passes over one metadata value.
    fn skip_value(&mut self, kind: u32) -> Result<(), ModelFileError> {
        match kind {
            TYPE_STRING => {
                let length = self.u64()?;
                self.skip(length)
            }
            TYPE_ARRAY => {
                let kind = self.u32()?;
                let count = self.u64()?;
                if kind == TYPE_STRING {
                    // Each takes at least its length's eight bytes, so a false count ends with the file.
                    for _ in 0..count {
                        let length = self.u64()?;
                        self.skip(length)?;
                    }
                    return Ok(());
                }
                let bytes = scalar_bytes(kind).and_then(|bytes| bytes.checked_mul(count));
                self.skip(bytes.ok_or(ModelFileError::Damaged("a metadata array is of an unknown type or size"))?)
            }
            scalar => self
                .skip(scalar_bytes(scalar).ok_or(ModelFileError::Damaged("a metadata value is of an unknown type"))?),
        }
    }

    /// A count of entries.
    fn count(&mut self, too_many: &'static str) -> Result<u64, ModelFileError> {
        let count = self.u64()?;
        if count > limits::MODEL_ENTRIES_MAX {
            return Err(ModelFileError::Damaged(too_many));
        }
        Ok(count)
    }

    fn string(&mut self, bytes_max: u64, too_long: &'static str) -> Result<Vec<u8>, ModelFileError> {
        let length = self.u64()?;
        if length > bytes_max {
            return Err(ModelFileError::Damaged(too_long));
        }
        self.advance(length)?;
        let mut bytes = vec![0; length as usize];
        self.reader.read_exact(&mut bytes).map_err(ModelFileError::Unreadable)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, ModelFileError> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ModelFileError> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ModelFileError> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(ModelFileError::Unreadable)?;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> Result<(), ModelFileError> {
        self.advance(count)?;
        let skipped = io::copy(&mut self.reader.by_ref().take(count), &mut io::sink());
        match skipped {
            Ok(skipped) if skipped == count => Ok(()),
            Ok(_) => Err(ModelFileError::Unreadable(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(ModelFileError::Unreadable(error)),
        }
    }

    /// Moves the position, which may pass neither the file's end nor the bound of a header.
    fn advance(&mut self, count: u64) -> Result<(), ModelFileError> {
        let promised = self.position.saturating_add(count);
        if promised > self.length {
            return Err(ModelFileError::Truncated { actual: self.length, promised });
        }
        if promised > limits::MODEL_HEADER_BYTES_MAX {
            return Err(ModelFileError::Damaged("its header is too long"));
        }
        self.position = promised;
        Ok(())
    }
}

/// Bytes of one metadata scalar.
fn scalar_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Elements and bytes of one block of a tensor type, as ggml numbers them.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        24 => (1, 1),
        27 | 28 => (1, 8),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        40 => (64, 36),
        41 => (128, 18),
        42 => (64, 18),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model of one tensor of 64 floats, and where each part begins.
    fn model() -> Vec<u8> {
        let mut bytes = Vec::from(MAGIC);
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        string(&mut bytes, "general.architecture");
        bytes.extend(TYPE_STRING.to_le_bytes());
        string(&mut bytes, "llama");
        string(&mut bytes, "tokens");
        bytes.extend(TYPE_ARRAY.to_le_bytes());
        bytes.extend(TYPE_STRING.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        string(&mut bytes, "a");
        string(&mut bytes, "b");
        string(&mut bytes, "output.weight");
        bytes.extend(2u32.to_le_bytes());
        bytes.extend(32u64.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(32) + 64 * 4, 0);
        bytes
    }

    fn string(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    fn result(bytes: &[u8]) -> Result<(), ModelFileError> {
        check_header(bytes, bytes.len() as u64)
    }

    #[test]
    fn a_whole_model_passes() {
        result(&model()).unwrap();
    }

    #[test]
    fn every_truncation_is_found() {
        let bytes = model();
        for length in 0..bytes.len() {
            let error = result(&bytes[..length]).unwrap_err();
            let expected = matches!(error, ModelFileError::Truncated { .. } | ModelFileError::NotGguf);
            assert!(expected, "{length} bytes: {error}");
        }
    }

    #[test]
    fn any_changed_byte_is_an_answer_and_no_panic() {
        let bytes = model();
        for at in 0..bytes.len() {
            for value in [0x00, 0x7F, 0xFF] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = result(&changed);
            }
        }
    }

    #[test]
    fn false_counts_take_no_memory() {
        let mut bytes = model();
        bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(result(&bytes), Err(ModelFileError::Damaged("it lists too many tensors"))));
        let mut bytes = model();
        bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(result(&bytes), Err(ModelFileError::Damaged("a metadata key is too long"))));
    }

    #[test]
    fn other_files_and_versions_are_named() {
        assert!(matches!(result(b"PK\x03\x04 a zip file"), Err(ModelFileError::NotGguf)));
        let mut bytes = model();
        bytes[4..8].copy_from_slice(&9u32.to_le_bytes());
        assert!(matches!(result(&bytes), Err(ModelFileError::Version(9))));
        assert!(matches!(check(Path::new("/nonexistent")), Err(ModelFileError::Unreadable(_))));
        assert!(matches!(check(Path::new("/")), Err(ModelFileError::Damaged(_))));
    }
}
