//! Is this file a whole GGUF file, and what does it hold?
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
const TYPE_FLOAT32: u32 = 6;
const TYPE_STRING: u32 = 8;
const TYPE_ARRAY: u32 = 9;
/// Sizes of a model by the ends of their keys, with what they are at most: llama.cpp divides by them and reserves memory in
/// proportion before it looks at a tensor. None of them is 0.
const SIZES: &[(&str, u32, &str)] = &[
    (".block_count", 4096, "its block_count is impossible"),
    (".embedding_length", 1 << 20, "its embedding_length is impossible"),
    (".rope.dimension_count", 1 << 16, "its rope.dimension_count is impossible"),
    (".attention.head_count", 1 << 16, "its attention.head_count is impossible"),
];
/// Architectures that pay no attention, and have no heads.
const HEADLESS: &[&str] = &["mamba", "rwkv"];
/// The longest name of an architecture or a kind that is looked at.
const WORD_BYTES_MAX: u64 = 256;

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

/// What a header says, of what is looked at here.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// `general.architecture`.
    pub(crate) architecture: String,
    /// `general.type`: `model` or `adapter`; models often do not say.
    pub(crate) kind: String,
    /// `adapter.type`.
    pub(crate) adapter_kind: String,
    /// Whether it names tokens that switch it on.
    pub(crate) is_invoked: bool,
    /// The tensors.
    pub(crate) tensors: Vec<Tensor>,
}

/// A tensor of the list.
#[derive(Debug)]
pub(crate) struct Tensor {
    /// Its name.
    pub(crate) name: String,
    /// Its size in each dimension, 1 where it has none.
    pub(crate) dimensions: [u64; DIMENSIONS_MAX as usize],
    /// Its numbers, as ggml counts types.
    pub(crate) kind: u32,
}

/// Reads a model file's header and checks it against the file's length. Blocking; some milliseconds for a large
/// vocabulary.
pub fn check(path: &Path) -> Result<(), ModelFileError> {
    read(path).map(drop)
}

/// The same, and what the header says.
pub(crate) fn read(path: &Path) -> Result<Contents, ModelFileError> {
    let file = File::open(path).map_err(ModelFileError::Unreadable)?;
    let metadata = file.metadata().map_err(ModelFileError::Unreadable)?;
    if !metadata.is_file() {
        return Err(ModelFileError::Damaged("it is no regular file"));
    }
    read_header(BufReader::with_capacity(1 << 16, file), metadata.len())
}

/// The same over any reader.
fn read_header(reader: impl Read, length: u64) -> Result<Contents, ModelFileError> {
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
    let mut contents = Contents::default();
    let alignment = header.metadata(entries, &mut contents)?;
    let ends_at = header.tensors(tensors, alignment, &mut contents)?;
    let data_at = header.position.next_multiple_of(alignment);
    let promised = data_at.checked_add(ends_at).ok_or(ModelFileError::Damaged("its tensors overflow"))?;
    if promised > length {
        return Err(ModelFileError::Truncated { actual: length, promised });
    }
    Ok(contents)
}

/// The header, read once from front to back.
struct Header<R> {
    reader: R,
    position: u64,
    length: u64,
}

impl<R: Read> Header<R> {
    /// Reads the metadata that is looked at and passes over the rest; returns the alignment it names.
    fn metadata(&mut self, entries: u64, contents: &mut Contents) -> Result<u64, ModelFileError> {
        let mut alignment = ALIGNMENT_DEFAULT;
        let mut sizes = Vec::new();
        for _ in 0..entries {
            let key = self.string(KEY_BYTES_MAX, "a metadata key is too long")?;
            let kind = self.u32()?;
            let word = match key.as_slice() {
                b"general.architecture" => &mut contents.architecture,
                b"general.type" => &mut contents.kind,
                b"adapter.type" => &mut contents.adapter_kind,
                b"general.alignment" if kind == TYPE_UINT32 => {
                    alignment = u64::from(self.u32()?);
                    if !alignment.is_power_of_two() {
                        return Err(ModelFileError::Damaged("its alignment is no power of two"));
                    }
                    continue;
                }
                key => {
                    contents.is_invoked |= key == b"adapter.alora.invocation_tokens";
                    // llama.cpp ends the process over a value of another type.
                    if key == b"adapter.lora.alpha" && kind != TYPE_FLOAT32 {
                        return Err(ModelFileError::Damaged("its adapter.lora.alpha is no 32-bit number"));
                    }
                    let size = SIZES.iter().find(|(end, ..)| key.ends_with(end.as_bytes()));
                    match size.filter(|_| kind == TYPE_UINT32) {
                        Some((_, most, reason)) => sizes.push((self.u32()?, *most, *reason)),
                        None => self.skip_value(kind)?,
                    }
                    continue;
                }
            };
            if kind != TYPE_STRING {
                return Err(ModelFileError::Damaged("a name in its metadata is no text"));
            }
            let text = self.string(WORD_BYTES_MAX, "a name in its metadata is too long")?;
            *word = String::from_utf8_lossy(&text).into_owned();
        }
        let least = u32::from(!HEADLESS.iter().any(|name| contents.architecture.contains(name)));
        match sizes.into_iter().find(|(size, most, _)| !(least..=*most).contains(size)) {
            Some((.., reason)) => Err(ModelFileError::Damaged(reason)),
            None => Ok(alignment),
        }
    }

    /// Reads and checks the list of tensors; returns where the last one ends, counted from the beginning of the data.
    fn tensors(&mut self, tensors: u64, alignment: u64, contents: &mut Contents) -> Result<u64, ModelFileError> {
        let overflow = ModelFileError::Damaged;
        let mut ends_at = 0u64;
        for _ in 0..tensors {
            let name = self.string(NAME_BYTES_MAX, "a tensor's name is too long")?;
            let named = self.u32()?;
            if named > DIMENSIONS_MAX {
                return Err(ModelFileError::Damaged("a tensor has too many dimensions"));
            }
            let mut dimensions = [1; DIMENSIONS_MAX as usize];
            for dimension in &mut dimensions[..named as usize] {
                *dimension = self.u64()?;
            }
            let elements = dimensions.iter().try_fold(1u64, |elements, size| elements.checked_mul(*size));
            let elements = elements.ok_or(overflow("a tensor's size overflows"))?;
            let kind = self.u32()?;
            let (block, block_bytes) = block(kind).ok_or(overflow("a tensor is of an unknown type"))?;
            if !dimensions[0].is_multiple_of(block) {
                return Err(ModelFileError::Damaged("a tensor's row is no whole number of blocks"));
            }
            let bytes = (elements / block).checked_mul(block_bytes).ok_or(overflow("a tensor's size overflows"))?;
            let offset = self.u64()?;
            if !offset.is_multiple_of(alignment) {
                return Err(ModelFileError::Damaged("a tensor is not aligned"));
            }
            let end = offset.checked_add(bytes).ok_or(overflow("a tensor's offset overflows"))?;
            ends_at = ends_at.max(end);
            let name = String::from_utf8_lossy(&name).into_owned();
            contents.tensors.push(Tensor { name, dimensions, kind });
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
#[path = "gguf_tests.rs"]
mod tests;
