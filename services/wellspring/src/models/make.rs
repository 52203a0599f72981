//! How does a model file come of another one?
//!
//! Invariants:
//! - As with a fetched file, it gets its name only after its SHA-256 was found right.
//! - It needs no network: what it is made of is here and whole.

use std::fs;
use std::io;

use wellspring_embed::quantise::{self, Recipe};

use super::manifest::Model;
use super::progress::Progress;
use super::pull::{PullError, chain, check_space, digest, part};
use super::store::ModelStore;

/// Makes a model's file of the source's.
pub(super) async fn make(
    store: &ModelStore,
    model: &Model,
    recipe: Recipe,
    source: &Model,
    progress: &dyn Progress,
) -> Result<(), PullError> {
    let part = part(store, model);
    let folder_error = |source| PullError::Folder { folder: store.folder().display().to_string(), source };
    let not_made = |reason: String| PullError::NotMade { file: model.file.clone(), reason };
    check_space(store, model, &part)?;
    progress.note(&format!("making {} of {}", model.file, source.file));
    let (weights, target) = (store.place(source), part.clone());
    let making = tokio::task::spawn_blocking(move || quantise::make(recipe, &weights, &target));
    making.await.map_err(io::Error::other).map_err(folder_error)?.map_err(|error| not_made(chain(&error)))?;
    let digest = digest(&part, model, progress).await.map_err(folder_error)?;
    if digest != model.sha256 {
        fs::remove_file(&part).map_err(folder_error)?;
        return Err(not_made(format!("its SHA-256 was {digest} and must be {}: please report this", model.sha256)));
    }
    fs::rename(&part, store.place(model)).map_err(folder_error)?;
    store.stamp(model);
    Ok(())
}
