//! Where do tests find the real models?
#![allow(dead_code, reason = "each test names what it needs")]

use std::path::{Path, PathBuf};

use wellspring_core::embedding::EmbeddingSpace;
use wellspring_embed::EmbedderFiles;

/// A file of all-MiniLM-L6-v2's weights that an embedder runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights {
    /// Its name in the models folder.
    pub(crate) file: &'static str,
    /// Its SHA-256.
    pub(crate) sha256: &'static str,
}

/// The default: made of the official weights by the recipe `minilm-dynamic-int8`.
pub(crate) const DYNAMIC: Weights = Weights {
    file: "all-MiniLM-L6-v2.dynamic-int8.onnx",
    sha256: "506ccacc21a6dcfb955cf14fe1674f38b1efa0f8d9d84ec57c4fd6308e879d4c",
};
/// The one that older data folders were built with: only its weights are rounded, and it computes in floating point.
pub(crate) const WEIGHT_ONLY: Weights = Weights {
    file: "all-MiniLM-L6-v2.int8.onnx",
    sha256: "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
};
/// The official weights.
pub(crate) const OFFICIAL_FILE: &str = "all-MiniLM-L6-v2.safetensors";

/// A file in the folder that `wellspring models pull` fills: `WELLSPRING_MODELS_DIR`, or one in the user's data folder.
pub(crate) fn file(name: &str) -> PathBuf {
    let folder = std::env::var_os("WELLSPRING_MODELS_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let data = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".local/share"));
        data.join("wellspring/models")
    });
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing: run `wellspring models pull --set test`", path.display());
    path
}

/// The default embedder's files; fails where they are missing.
pub(crate) fn files() -> EmbedderFiles {
    files_with(DYNAMIC)
}

/// An embedder's files; fails where they are missing.
pub(crate) fn files_with(weights: Weights) -> EmbedderFiles {
    EmbedderFiles {
        onnxruntime: file("libonnxruntime.so.1.32.0"),
        model: file(weights.file),
        tokenizer: file("all-MiniLM-L6-v2.tokenizer.json"),
    }
}

/// The default embedder's space.
pub(crate) fn space() -> EmbeddingSpace {
    space_of(DYNAMIC)
}

/// An embedder's space.
pub(crate) fn space_of(weights: Weights) -> EmbeddingSpace {
    EmbeddingSpace {
        model: "all-MiniLM-L6-v2".to_owned(),
        model_digest: weights.sha256.to_owned(),
        dimension: 384,
        pooling: "mean".to_owned(),
        query_prefix: String::new(),
        passage_prefix: String::new(),
        tokens_max: 256,
        languages: vec!["en".to_owned()],
    }
}
