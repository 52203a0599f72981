//! Which embedder makes the vectors, and may they meet those that are there?
//!
//! Invariants:
//! - A collection answers from the space it was built in, or not at all (I-5).
//! - A new default locks nobody out: where no embedder is named, a data folder keeps the one that it was built with.
//! - Asking which embedder that is changes nothing in the catalog.

use std::collections::BTreeSet;

use anyhow::Context;
use wellspring_core::catalog::Publisher;
use wellspring_core::document::CollectionName;
use wellspring_core::embedding::{EmbeddingSpace, SpaceId};
use wellspring_embed::{EmbedderFiles, EmbedderOptions, OnnxEmbedder};

use super::views;
use crate::config::{Config, EmbedderChoice};
use crate::models::{Manifest, ModelStore};

/// Loads an embedder of the manifest.
pub(crate) async fn load_embedder(config: &Config, name: &str) -> anyhow::Result<OnnxEmbedder> {
    let (manifest, store) = (Manifest::builtin(), ModelStore::new(&config.models_dir));
    let model = manifest.embedder(name)?;
    let files = EmbedderFiles {
        onnxruntime: store.path(&manifest, &model.runtime)?,
        model: store.path(&manifest, &model.name)?,
        tokenizer: store.path(&manifest, &model.tokenizer)?,
    };
    let space: EmbeddingSpace = model.space();
    let options = EmbedderOptions { threads: config.embedder_threads, ..EmbedderOptions::default() };
    let loaded = tokio::task::spawn_blocking(move || OnnxEmbedder::load(&files, space, options));
    loaded.await.context("loading the embedder failed unexpectedly")?.context("could not load the embedder")
}

/// The name of the embedder for this data folder.
pub(super) async fn choose(
    catalog: &dyn Publisher,
    collections: &BTreeSet<CollectionName>,
    choice: &EmbedderChoice,
) -> anyhow::Result<String> {
    let default = match choice {
        EmbedderChoice::Named(name) => return Ok(name.clone()),
        EmbedderChoice::Default(name) => name,
    };
    let manifest = Manifest::builtin();
    for collection in collections {
        let Some(built_in) = catalog.space_of(collection).await? else { continue };
        // A space that this manifest does not know is refused when the collection is bound, with what to do.
        let Some(kept) = manifest.embedder_of(built_in) else { continue };
        if kept != *default {
            let (kept, default) = (kept.as_str(), default.as_str());
            tracing::info!(
                kept,
                default,
                "this data folder keeps the embedder that it was built with, not the default"
            );
        }
        return Ok(kept);
    }
    Ok(default.clone())
}

/// The embedder that [`choose`] would name, judged by the indexes in the data folder alone: the catalog has one reader
/// at a time, and that may be a running service.
pub(crate) fn likely_embedder(config: &Config) -> String {
    let (manifest, choice) = (Manifest::builtin(), &config.embedder_model);
    let has_index = |name: &str| {
        let space = manifest.embedder(name).ok().map(|embedder| embedder.space().id());
        space.is_some_and(|space| views::vector_folder(&config.data_dir, space).is_dir())
    };
    let mut known = manifest.models().iter().map(|model| model.name.as_str());
    match choice {
        EmbedderChoice::Default(default) if !has_index(default) => {
            known.find(|name| has_index(name)).unwrap_or(default)
        }
        _ => choice.name(),
    }
    .to_owned()
}

/// The collections that this service opens.
pub(super) fn collections(config: &Config) -> BTreeSet<CollectionName> {
    let named = config.sources.iter().map(|source| &source.collection).chain([&config.collection]);
    named.cloned().chain([CollectionName::default()]).collect()
}

/// I-5: a collection answers from the space it was built in, or not at all.
pub(super) async fn bind_space(
    catalog: &dyn Publisher,
    collections: &BTreeSet<CollectionName>,
    space: &EmbeddingSpace,
) -> anyhow::Result<()> {
    for collection in collections {
        if let Err(mismatch) = catalog.bind_space(collection, space.id(), &space.model).await? {
            anyhow::bail!(
                "the collection `{collection}` was built with the embedder `{}`, and `{}` is configured: their vectors \
                 cannot be compared; set embedder.model back, or choose another data_dir and add the documents there",
                named(mismatch.built_in, &mismatch.model),
                named(space.id(), &space.model)
            );
        }
    }
    Ok(())
}

/// A space by the name that `embedder.model` knows it by, or by its model's where the manifest does not have it.
fn named(space: SpaceId, model: &str) -> String {
    Manifest::builtin().embedder_of(space).unwrap_or_else(|| model.to_owned())
}

#[cfg(test)]
mod tests {
    use wellspring_catalog::SqliteCatalog;

    use super::*;

    const OLDER: &str = "all-minilm-l6-v2-int8";
    const NEWER: &str = "all-minilm-l6-v2-dynamic-int8";

    fn space(name: &str) -> EmbeddingSpace {
        Manifest::builtin().embedder(name).unwrap().space()
    }

    fn both_collections() -> BTreeSet<CollectionName> {
        BTreeSet::from([CollectionName::default(), "another".parse().unwrap()])
    }

    #[tokio::test]
    async fn i5_an_older_data_folder_keeps_its_embedder_and_a_new_one_gets_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = SqliteCatalog::open(folder.path()).await.unwrap();
        let collections = both_collections();
        let default = EmbedderChoice::Default(NEWER.to_owned());
        assert_eq!(choose(&catalog, &collections, &default).await.unwrap(), NEWER);
        bind_space(&catalog, &BTreeSet::from([CollectionName::default()]), &space(OLDER)).await.unwrap();
        assert_eq!(choose(&catalog, &collections, &default).await.unwrap(), OLDER, "asking before has bound nothing");
        bind_space(&catalog, &collections, &space(OLDER)).await.unwrap();
    }

    #[tokio::test]
    async fn i5_an_embedder_that_is_named_is_not_replaced_but_refused() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = SqliteCatalog::open(folder.path()).await.unwrap();
        let collections = both_collections();
        bind_space(&catalog, &collections, &space(OLDER)).await.unwrap();
        let named = EmbedderChoice::Named(NEWER.to_owned());
        assert_eq!(choose(&catalog, &collections, &named).await.unwrap(), NEWER);
        let refused = bind_space(&catalog, &collections, &space(NEWER)).await.unwrap_err().to_string();
        assert!(refused.contains(OLDER) && refused.contains(NEWER), "{refused}");
    }

    #[tokio::test]
    async fn i5_a_space_that_nobody_knows_any_more_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = SqliteCatalog::open(folder.path()).await.unwrap();
        let collections = both_collections();
        let forgotten = EmbeddingSpace { model: "forgotten".to_owned(), model_digest: String::new(), ..space(OLDER) };
        bind_space(&catalog, &collections, &forgotten).await.unwrap();
        let default = EmbedderChoice::Default(NEWER.to_owned());
        assert_eq!(choose(&catalog, &collections, &default).await.unwrap(), NEWER);
        let refused = bind_space(&catalog, &collections, &space(NEWER)).await.unwrap_err().to_string();
        assert!(refused.contains("`forgotten`"), "{refused}");
    }
}
