//! Which numbers does a weights file hold under a name?
//!
//! A safetensors file is the length of its header, a header in JSON, and the tensors' bytes. The header is what
//! somebody wrote: it is believed only where the file bears it out.
//!
//! Invariants:
//! - A tensor is read only when its shape is the one that the caller expects, so that the caller and not the file
//!   decides how much memory is used. A header beyond [`limits::WEIGHTS_HEADER_BYTES_MAX`] is refused unread.
//! - Every number that is given out is finite.
//!
//! Not supported: any type but 32-bit floating point.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::{Map, Value};
use thiserror::Error;
use wellspring_core::limits;

/// The length of the header stands in so many bytes at the start.
const LENGTH_BYTES: u64 = 8;
/// Bytes of a 32-bit floating-point number.
const NUMBER_BYTES: u64 = 4;

/// Why weights could not be read.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The file could not be opened or read.
    #[error("reading failed")]
    Read(#[from] io::Error),
    /// The header is longer than the file or than any header needs.
    #[error("its header of {bytes} bytes does not fit: it is damaged, or no safetensors file")]
    HeaderLength {
        /// What it says.
        bytes: u64,
    },
    /// The header is no JSON object.
    #[error("its header cannot be read")]
    Header(#[from] serde_json::Error),
    /// The tensor is not there.
    #[error("it holds no `{name}`: it is another model")]
    Absent {
        /// The tensor.
        name: String,
    },
    /// The tensor is another one than expected.
    #[error("its `{name}` is not 32-bit floating point of shape {expected:?}: it is another model")]
    Kind {
        /// The tensor.
        name: String,
        /// What was expected.
        expected: Vec<usize>,
    },
    /// The tensor does not lie where the header says.
    #[error("its `{name}` does not lie inside the file: it is damaged")]
    Place {
        /// The tensor.
        name: String,
    },
    /// The tensor holds an infinity, or what is no number.
    #[error("its `{name}` holds a value that is not finite: it is damaged")]
    NotFinite {
        /// The tensor.
        name: String,
    },
}

/// An open weights file.
#[derive(Debug)]
pub(super) struct Safetensors {
    file: File,
    header: Map<String, Value>,
    data_start: u64,
    data_bytes: u64,
}

impl Safetensors {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let mut file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        let mut length = [0; LENGTH_BYTES as usize];
        file.read_exact(&mut length)?;
        let bytes = u64::from_le_bytes(length);
        let data_start = LENGTH_BYTES.saturating_add(bytes);
        if bytes > limits::WEIGHTS_HEADER_BYTES_MAX || data_start > file_bytes {
            return Err(WeightsError::HeaderLength { bytes });
        }
        let mut header = Vec::new();
        file.by_ref().take(bytes).read_to_end(&mut header)?;
        Ok(Self { file, header: serde_json::from_slice(&header)?, data_start, data_bytes: file_bytes - data_start })
    }

    /// The tensor of that name and shape, its last dimension closest together.
    pub(super) fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let start = self.place(name, shape)?;
        self.file.seek(SeekFrom::Start(self.data_start + start))?;
        let mut bytes = vec![0; shape.iter().product::<usize>() * NUMBER_BYTES as usize];
        self.file.read_exact(&mut bytes)?;
        let numbers: Vec<f32> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|number: &[u8; NUMBER_BYTES as usize]| f32::from_le_bytes(*number))
            .collect();
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(WeightsError::NotFinite { name: name.to_owned() })
        }
    }

    /// Where in the data a tensor begins, once the header agrees with the shape and the file with the header.
    fn place(&self, name: &str, shape: &[usize]) -> Result<u64, WeightsError> {
        let entry = self.header.get(name).ok_or_else(|| WeightsError::Absent { name: name.to_owned() })?;
        let same = |(said, expected): (&Value, &usize)| said.as_u64() == Some(*expected as u64);
        let is_expected = entry["dtype"] == "F32"
            && entry["shape"]
                .as_array()
                .is_some_and(|said| said.len() == shape.len() && said.iter().zip(shape).all(same));
        if !is_expected {
            return Err(WeightsError::Kind { name: name.to_owned(), expected: shape.to_vec() });
        }
        let offset = |index: usize| entry["data_offsets"][index].as_u64();
        let bytes = shape.iter().product::<usize>() as u64 * NUMBER_BYTES;
        match (offset(0), offset(1)) {
            (Some(start), Some(end)) if end <= self.data_bytes && start.checked_add(bytes) == Some(end) => Ok(start),
            _ => Err(WeightsError::Place { name: name.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    /// What reading the tensor `w` of shape 2×2 from a file of these bytes comes to.
    fn read(bytes: &[u8]) -> Result<Vec<f32>, WeightsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        fs::write(&path, bytes).unwrap();
        Safetensors::open(&path)?.tensor("w", &[2, 2])
    }

    fn file(header: &[u8], numbers: &[f32]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    fn with_entry(entry: Value, numbers: &[f32]) -> Vec<u8> {
        file(json!({ "__metadata__": { "format": "pt" }, "w": entry }).to_string().as_bytes(), numbers)
    }

    #[test]
    fn numbers_come_out_as_they_lie() {
        let entry = json!({ "dtype": "F32", "shape": [2, 2], "data_offsets": [4, 20] });
        assert_eq!(read(&with_entry(entry, &[9.0, 1.0, -2.0, 3.5, 4.0])).unwrap(), [1.0, -2.0, 3.5, 4.0]);
    }

    #[test]
    fn a_file_that_is_cut_short_is_refused() {
        let entry = json!({ "dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16] });
        let whole = with_entry(entry, &[1.0; 4]);
        assert!(read(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        for (dtype, shape, offsets) in [
            ("F32", json!([2, 2]), json!([0, u64::MAX])),
            ("F32", json!([2, 2]), json!([u64::MAX - 8, 7])),
            ("F32", json!([2, 2]), json!([16, 0])),
            ("F32", json!([2, 2]), json!([0, 12])),
            ("F32", json!([2, 2]), json!([-16, 0])),
            ("F32", json!([2, 2]), json!("0, 16")),
            ("F32", json!([2, 2]), json!(null)),
        ] {
            let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
            assert!(matches!(read(&with_entry(entry.clone(), &[1.0; 4])), Err(WeightsError::Place { .. })), "{entry}");
        }
    }

    #[test]
    fn another_model_is_refused() {
        for (dtype, shape) in [
            ("F16", json!([2, 2])),
            ("F32", json!([4])),
            ("F32", json!([2, 2, 1])),
            ("F32", json!([1u64 << 62, 1u64 << 62])),
            ("F32", json!(2)),
        ] {
            let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [0, 16] });
            assert!(matches!(read(&with_entry(entry.clone(), &[1.0; 4])), Err(WeightsError::Kind { .. })), "{entry}");
        }
        assert!(matches!(read(&with_entry(json!(7), &[])), Err(WeightsError::Kind { .. })));
        assert!(matches!(read(&file(b"{}", &[])), Err(WeightsError::Absent { .. })));
    }

    #[test]
    fn headers_that_are_none_are_refused() {
        for header in [&b"[1]"[..], b"{\"w\":", b"\xff\xfe", &[b'['; 4096]] {
            assert!(matches!(read(&file(header, &[])), Err(WeightsError::Header(_))));
        }
        let mut long = file(b"{}", &[]);
        for bytes in [u64::MAX, u64::MAX - LENGTH_BYTES, limits::WEIGHTS_HEADER_BYTES_MAX + 1, 3] {
            long[..8].copy_from_slice(&bytes.to_le_bytes());
            assert!(matches!(read(&long), Err(WeightsError::HeaderLength { .. })), "{bytes}");
        }
    }

    #[test]
    fn values_that_are_not_finite_are_refused() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let entry = json!({ "dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16] });
            assert!(matches!(read(&with_entry(entry, &[1.0, bad, 1.0, 1.0])), Err(WeightsError::NotFinite { .. })));
        }
    }
}
