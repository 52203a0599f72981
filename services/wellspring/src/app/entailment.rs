//! Which model judges whether generated sentences follow from their quotes?
//!
//! Invariants:
//! - A model that is configured and cannot be loaded ends the start: nobody is answered without it unknowingly.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use wellspring_answer::Judging;
use wellspring_embed::{EntailmentFiles, OnnxEntailment};

use crate::config::Config;
use crate::models::{Manifest, ModelStore};

/// Loads the model; `None` where none is configured.
pub(crate) async fn load(config: &Config, embedder: &str) -> anyhow::Result<Option<Judging>> {
    let settings = &config.entailment;
    let Some(folder) = settings.model.clone() else { return Ok(None) };
    let (manifest, store) = (Manifest::builtin(), ModelStore::new(&config.models_dir));
    let onnxruntime = store.path(&manifest, &manifest.embedder(embedder)?.runtime)?;
    let loaded = tokio::task::spawn_blocking(move || load_from(folder, onnxruntime));
    let model = loaded.await.context("loading the entailment model failed unexpectedly")??;
    Ok(Some(Judging {
        model: Arc::new(model),
        deadline: settings.deadline,
        entailed_min: settings.entailed_min,
        contradicted_min: settings.contradicted_min,
    }))
}

fn load_from(folder: PathBuf, onnxruntime: PathBuf) -> anyhow::Result<OnnxEntailment> {
    anyhow::ensure!(
        folder.is_dir(),
        "the entailment model {} is not there; entailment.model names a folder with model.onnx, tokenizer.json and \
         config.json, or one in models_dir by its name",
        folder.display()
    );
    let files = EntailmentFiles::in_folder(onnxruntime, &folder);
    OnnxEntailment::load(&files)
        .context("could not load the entailment model; `entailment.model = \"off\"` answers without it")
}
