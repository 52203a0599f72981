//! Is this file what it should be, before a native library looks at it?
//!
//! Invariants:
//! - No file is read beyond [`limits::EMBED_FILE_BYTES_MAX`].
//! - A shared library passes only when every segment it asks to map lies inside the file: the loader would otherwise
//!   touch pages beyond the end, and the process would die of a bus error that nothing catches.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use wellspring_core::embedding::{EmbedError, EmbedErrorKind};
use wellspring_core::limits;

/// What helps against every missing or damaged file.
const HINT: &str = "`wellspring models pull` fetches it, `wellspring models verify` checks it";

/// Reads a whole file that a model needs; `what` names it for a person.
pub(crate) fn read(path: &Path, what: &str) -> Result<Vec<u8>, EmbedError> {
    read_up_to(path, what, limits::EMBED_FILE_BYTES_MAX)
}

/// The same of a file that is refused when it has more than `bytes_max`.
pub(crate) fn read_up_to(path: &Path, what: &str, bytes_max: u64) -> Result<Vec<u8>, EmbedError> {
    let attempted = || format!("could not read the {what} {} ({HINT})", path.display());
    let failed = |error: std::io::Error| EmbedError::caused_by(EmbedErrorKind::Model, attempted(), error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        let reason = format!("it is larger than {bytes_max} bytes");
        return Err(EmbedError::caused_by(EmbedErrorKind::Model, attempted(), reason));
    }
    Ok(bytes)
}

/// Refuses what the dynamic loader should not see.
pub(crate) fn check_library(path: &Path) -> Result<(), EmbedError> {
    inspect_library(path).map_err(|reason| {
        let attempted = format!("could not load the ONNX Runtime {} ({HINT})", path.display());
        EmbedError::caused_by(EmbedErrorKind::Model, attempted, reason)
    })
}

fn inspect_library(path: &Path) -> Result<(), String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if !cfg!(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")) {
        return Ok(());
    }
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(|error| error.to_string())?;
    inspect_elf(&head, metadata.len())
}

/// The ELF header and the program headers, which linkers put directly behind it, fit in this.
const HEAD_BYTES: u64 = 64 << 10;
/// `PT_LOAD`: a segment that the loader maps.
const LOADED_SEGMENT: u32 = 1;
/// `ET_DYN`: a shared object.
const SHARED_OBJECT: u16 = 3;

/// Checks a 64-bit little-endian ELF file of `file_bytes` by its first bytes.
fn inspect_elf(head: &[u8], file_bytes: u64) -> Result<(), String> {
    let cut = || "it is damaged: its header is cut short".to_owned();
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err("it is not a shared library for this machine".to_owned());
    }
    let kind = number::<2>(head, 16).ok_or_else(cut)?;
    if kind != u64::from(SHARED_OBJECT) {
        return Err("it is not a shared library".to_owned());
    }
    let table = number::<8>(head, 32).ok_or_else(cut)?;
    let entry_bytes = number::<2>(head, 54).ok_or_else(cut)?;
    let entries = number::<2>(head, 56).ok_or_else(cut)?;
    for index in 0..entries {
        let entry = table.checked_add(index * entry_bytes).ok_or_else(cut)?;
        let segment = number::<4>(head, entry).ok_or_else(cut)?;
        let offset = number::<8>(head, entry.saturating_add(8)).ok_or_else(cut)?;
        let bytes = number::<8>(head, entry.saturating_add(32)).ok_or_else(cut)?;
        let end = offset.checked_add(bytes).ok_or_else(cut)?;
        if segment == u64::from(LOADED_SEGMENT) && end > file_bytes {
            return Err("it is damaged: it ends before what it asks to load".to_owned());
        }
    }
    Ok(())
}

/// The little-endian number of `BYTES` bytes at an offset.
fn number<const BYTES: usize>(bytes: &[u8], offset: u64) -> Option<u64> {
    let start = usize::try_from(offset).ok()?;
    let slice = bytes.get(start..start.checked_add(BYTES)?)?;
    Some(slice.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with one loaded segment of `bytes` at offset 0.
    fn library(bytes: u64) -> Vec<u8> {
        let mut head = vec![0; 64 + 56];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[16] = 3;
        head[32] = 64;
        head[54] = 56;
        head[56] = 1;
        head[64] = 1;
        head[64 + 32..64 + 40].copy_from_slice(&bytes.to_le_bytes());
        head
    }

    #[test]
    fn a_library_that_is_cut_short_is_refused() {
        assert_eq!(inspect_elf(&library(1000), 1000), Ok(()));
        assert!(inspect_elf(&library(1000), 999).unwrap_err().contains("damaged"));
        assert!(inspect_elf(&library(u64::MAX), 999).unwrap_err().contains("damaged"));
        for length in 6..64 + 56 {
            assert!(inspect_elf(&library(1000)[..length.min(103)], 1000).is_err(), "{length}");
        }
    }

    #[test]
    fn other_files_are_no_libraries() {
        assert!(inspect_elf(b"", 0).is_err());
        assert!(inspect_elf(b"PK\x03\x04 a zip file", 20).is_err());
        let mut program = library(1000);
        program[16] = 2;
        assert!(inspect_elf(&program, 1000).is_err());
    }
}
