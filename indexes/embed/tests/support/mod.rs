//! Where do tests find the real model?

use std::path::{Path, PathBuf};

use wellspring_core::embedding::EmbeddingSpace;
use wellspring_embed::EmbedderFiles;

/// The folder that `wellspring models pull` fills: `WELLSPRING_MODELS_DIR`, or the user's data folder.
fn models_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("WELLSPRING_MODELS_DIR") {
        return folder.into();
    }
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".local/share"));
    data.join("wellspring/models")
}

/// The default embedder's files; fails where they are missing.
pub(crate) fn files() -> EmbedderFiles {
    let folder = models_folder();
    let file = |name: &str| {
        let path = folder.join(name);
        assert!(path.is_file(), "{} is missing: run `wellspring models pull`", path.display());
        path
    };
    EmbedderFiles {
        onnxruntime: file("libonnxruntime.so.1.32.0"),
        model: file("all-MiniLM-L6-v2.int8.onnx"),
        tokenizer: file("all-MiniLM-L6-v2.tokenizer.json"),
    }
}

/// The default embedder's space.
pub(crate) fn space() -> EmbeddingSpace {
    EmbeddingSpace {
        model: "all-MiniLM-L6-v2".to_owned(),
        model_digest: "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6".to_owned(),
        dimension: 384,
        pooling: "mean".to_owned(),
        query_prefix: String::new(),
        passage_prefix: String::new(),
        tokens_max: 256,
        languages: vec!["en".to_owned()],
    }
}
