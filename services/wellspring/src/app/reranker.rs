//! Which model reads the best passages again?
//!
//! Invariants:
//! - A reranker that is configured and cannot be loaded ends the start: nobody searches without it unknowingly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use wellspring_embed::{OnnxReranker, RerankerFiles};
use wellspring_retrieve::Reranking;

use crate::config::Config;
use crate::models::{Manifest, ModelStore};

/// What a tokenizer is called beside a model, behind the model's own name first.
const TOKENIZER: &str = "tokenizer.json";

/// Loads the reranker; `None` where none is configured.
pub(super) async fn load(config: &Config, embedder: &str) -> anyhow::Result<Option<Reranking>> {
    let Some(model) = config.reranker.model.clone() else { return Ok(None) };
    let (manifest, store) = (Manifest::builtin(), ModelStore::new(&config.models_dir));
    let runtime = &manifest.embedder(embedder)?.runtime;
    let files = RerankerFiles { onnxruntime: store.path(&manifest, runtime)?, tokenizer: tokenizer(&model)?, model };
    let loaded = tokio::task::spawn_blocking(move || OnnxReranker::load(&files));
    let model = loaded
        .await
        .context("loading the reranker failed unexpectedly")?
        .context("could not load the reranker; `reranker.model = \"off\"` searches without it")?;
    Ok(Some(Reranking {
        model: Arc::new(model),
        depth: config.reranker.passages,
        deadline: Duration::from_millis(config.reranker.deadline_ms),
        margin: config.reranker.margin_percent as f32 / 100.0,
    }))
}

/// The tokenizer of a model: `NAME.tokenizer.json` beside `NAME.onnx`, else `tokenizer.json` in its folder.
fn tokenizer(model: &Path) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(
        model.is_file(),
        "the reranker {} is not there; reranker.model names an ONNX file, or one in models_dir without its ending",
        model.display()
    );
    let own = model.with_extension(TOKENIZER);
    let common = model.with_file_name(TOKENIZER);
    [own.clone(), common.clone()].into_iter().find(|path| path.is_file()).with_context(|| {
        format!("the reranker has no tokenizer: neither {} nor {} is there", own.display(), common.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokenizer_is_found_beside_its_model() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("some.model.onnx");
        assert!(tokenizer(&model).unwrap_err().to_string().contains("is not there"));
        std::fs::write(&model, "").unwrap();
        assert!(tokenizer(&model).unwrap_err().to_string().contains("has no tokenizer"));
        std::fs::write(folder.path().join("tokenizer.json"), "").unwrap();
        assert_eq!(tokenizer(&model).unwrap(), folder.path().join("tokenizer.json"));
        std::fs::write(folder.path().join("some.model.tokenizer.json"), "").unwrap();
        assert_eq!(tokenizer(&model).unwrap(), folder.path().join("some.model.tokenizer.json"));
    }
}
