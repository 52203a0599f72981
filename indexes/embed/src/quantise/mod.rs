//! How does a published model become a file that this machine runs faster?
//!
//! A recipe reads a model's official weights ([`safetensors`]), rounds them to whole numbers ([`rounding`]) and writes
//! a graph that multiplies whole numbers ([`minilm`], [`onnx`]). ADR 0011 has what that gains and what it costs.
//!
//! Invariants:
//! - Equal weights give an equal file, byte for byte, on every machine: the arithmetic is addition, multiplication,
//!   division and rounding of IEEE 754 numbers, in one order. Whoever has the hash can check the file.
//! - The file has its name only when it is whole.
//! - Weights that are damaged or of another model are refused; nothing of them decides how much memory is used.

mod minilm;
mod onnx;
mod rounding;
mod safetensors;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use safetensors::WeightsError;

use safetensors::Safetensors;

/// How to make a model file of another one. The name stands in the model manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// `minilm-dynamic-int8`: all-MiniLM-L6-v2 with whole numbers for weights, and activations rounded as they come.
    MinilmDynamicInt8,
}

impl Recipe {
    /// The recipe of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "minilm-dynamic-int8" => Some(Self::MinilmDynamicInt8),
            _ => None,
        }
    }
}

/// Why a model file could not be made.
#[derive(Debug, Error)]
pub enum MakeError {
    /// The weights are not what the recipe reads.
    #[error("could not read the weights {}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WeightsError,
    },
    /// The made file could not be written.
    #[error("could not write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes `target` of the weights in `source`, replacing what is there. Computes for about a second: call it off the
/// async threads.
pub fn make(recipe: Recipe, source: &Path, target: &Path) -> Result<(), MakeError> {
    let weights_error = |error| MakeError::Weights { path: source.to_owned(), source: error };
    let mut weights = Safetensors::open(source).map_err(weights_error)?;
    let model = match recipe {
        Recipe::MinilmDynamicInt8 => minilm::dynamic_int8(&mut weights),
    }
    .map_err(weights_error)?;
    write_whole(target, &model).map_err(|error| MakeError::Write { path: target.to_owned(), source: error })
}

/// Writes under another name first, so that a machine that stops in the middle leaves no half file under this one.
fn write_whole(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(target);
    name.push(".making");
    let unfinished = PathBuf::from(name);
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, target)
    });
    if written.is_err() {
        // What cannot be removed only takes space, and the next attempt writes over it.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_attempt_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("weights"), folder.path().join("made.onnx"));
        fs::write(&target, "older").unwrap();
        fs::write(&source, "no weights").unwrap();
        let error = make(Recipe::MinilmDynamicInt8, &source, &target).unwrap_err();
        assert!(matches!(error, MakeError::Weights { .. }), "{error}");
        assert_eq!(fs::read(&target).unwrap(), b"older");
        write_whole(&target, b"newer").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"newer");
        assert!(write_whole(&folder.path().join("nowhere/made.onnx"), b"newer").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no unfinished file is left");
    }

    #[test]
    fn recipes_have_names() {
        assert_eq!(Recipe::named("minilm-dynamic-int8"), Some(Recipe::MinilmDynamicInt8));
        assert_eq!(Recipe::named("minilm"), None);
    }
}
