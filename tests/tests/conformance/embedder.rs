//! The embedders: the ONNX model, and the double.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wellspring_core::embedding::EmbeddingSpace;
use wellspring_embed::{EmbedderFiles, EmbedderOptions, OnnxEmbedder};
use wellspring_tests::conformance::embedder::keeps_the_contract;
use wellspring_tests::doubles::embedder::HashEmbedder;

#[tokio::test]
async fn hashed_words_keep_the_contract() {
    keeps_the_contract(Arc::new(HashEmbedder::new(512))).await;
}

#[tokio::test]
async fn onnx_keeps_the_contract() {
    for (file, sha256) in [DYNAMIC, WEIGHT_ONLY] {
        let embedder = OnnxEmbedder::load(&files(file), space(sha256), EmbedderOptions::default()).unwrap();
        keeps_the_contract(Arc::new(embedder)).await;
    }
}

/// The default embedder's weights: their file and its SHA-256.
const DYNAMIC: (&str, &str) =
    ("all-MiniLM-L6-v2.dynamic-int8.onnx", "506ccacc21a6dcfb955cf14fe1674f38b1efa0f8d9d84ec57c4fd6308e879d4c");
/// Those of older data folders.
const WEIGHT_ONLY: (&str, &str) =
    ("all-MiniLM-L6-v2.int8.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6");

/// An embedder's files, where `wellspring models pull` puts them; fails where they are missing.
fn files(model: &str) -> EmbedderFiles {
    let folder = std::env::var_os("WELLSPRING_MODELS_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let data = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".local/share"));
        data.join("wellspring/models")
    });
    let file = |name: &str| {
        let path = folder.join(name);
        assert!(path.is_file(), "{} is missing: run `wellspring models pull --set test`", path.display());
        path
    };
    EmbedderFiles {
        onnxruntime: file("libonnxruntime.so.1.32.0"),
        model: file(model),
        tokenizer: file("all-MiniLM-L6-v2.tokenizer.json"),
    }
}

fn space(sha256: &str) -> EmbeddingSpace {
    EmbeddingSpace {
        model: "all-MiniLM-L6-v2".to_owned(),
        model_digest: sha256.to_owned(),
        dimension: 384,
        pooling: "mean".to_owned(),
        query_prefix: String::new(),
        passage_prefix: String::new(),
        tokens_max: 256,
        languages: vec!["en".to_owned()],
    }
}
