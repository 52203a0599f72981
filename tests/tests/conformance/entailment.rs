//! The judges of entailment: an ONNX model, and the double.

use std::path::PathBuf;
use std::sync::Arc;

use wellspring_embed::{EntailmentFiles, OnnxEntailment};
use wellspring_tests::conformance::entailment::keeps_the_contract;
use wellspring_tests::doubles::entailment::WordJudge;

#[path = "../../../indexes/embed/tests/support/cross_encoder.rs"]
mod cross_encoder;

#[tokio::test]
async fn words_keep_the_contract() {
    keeps_the_contract(Arc::new(WordJudge::default())).await;
}

#[tokio::test]
async fn onnx_keeps_the_contract() {
    let fetched = std::env::var_os("WELLSPRING_MODELS_DIR").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".local/share/wellspring/models")
    });
    let folder = tempfile::tempdir().unwrap();
    let labels = ["entailment", "neutral", "contradiction"];
    std::fs::write(folder.path().join("model.onnx"), cross_encoder::inference(&labels)).unwrap();
    std::fs::copy(fetched.join("all-MiniLM-L6-v2.tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let config = r#"{"id2label": {"0": "entailment", "1": "neutral", "2": "contradiction"}}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let files = EntailmentFiles::in_folder(fetched.join("libonnxruntime.so.1.32.0"), folder.path());
    keeps_the_contract(Arc::new(OnnxEntailment::load(&files).unwrap())).await;
}
