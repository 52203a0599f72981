//! Which model files are on this machine, and are they whole?
//!
//! Invariants:
//! - [`ModelStore::path`] gives out a file only when its SHA-256 was found right. A stamp beside it remembers the size
//!   and the time of change for which that holds, so that a start does not read gigabytes.
//! - A stamp is an economy, not a defence: whoever can write the folder can write the stamp. `verify` reads everything.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::manifest::{Kind, Manifest, Model};
use super::progress::Progress;

/// Bytes read at a time: large enough that hashing, not reading, is the cost.
const READ_BYTES: usize = 1 << 20;

/// The folder of model files.
#[derive(Debug, Clone)]
pub(crate) struct ModelStore {
    folder: PathBuf,
}

/// A model that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum MissingModel {
    /// The manifest does not have it.
    #[error(transparent)]
    Name(#[from] super::manifest::NameError),
    /// The file is not there.
    #[error("the model `{name}` is not at {}; `wellspring models pull {name}` fetches it", path.display())]
    Absent {
        /// Its name.
        name: String,
        /// Where it belongs.
        path: PathBuf,
    },
    /// The file is not what the manifest says.
    #[error("the model `{name}` at {} is damaged; `wellspring models pull {name}` fetches it again", path.display())]
    Damaged {
        /// Its name.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("could not read the model `{name}` at {}", path.display())]
    Unreadable {
        /// Its name.
        name: String,
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A model as `models list` shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ListedModel {
    /// Its name.
    pub(crate) name: String,
    /// Its file's name.
    pub(crate) file: String,
    /// What it is for.
    pub(crate) kind: Kind,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its licence.
    pub(crate) licence: String,
    /// What else to know.
    pub(crate) note: Option<String>,
    /// Values in an embedder's vectors.
    pub(crate) dimension: Option<usize>,
    /// The longest context a generator was trained for.
    pub(crate) context_tokens: Option<u32>,
    /// How a generator's prompts are written.
    pub(crate) prompt: Option<String>,
    /// The model that it is made of here.
    pub(crate) made_of: Option<String>,
    /// Whether its file is there and whole.
    pub(crate) present: bool,
    /// The same in a word: a damaged file is there, and of no use.
    pub(crate) state: FileState,
    /// The sets that hold it.
    pub(crate) sets: Vec<String>,
}

/// What is known of a model's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileState {
    /// It is there and whole.
    Present,
    /// It is there, and not what the manifest says.
    Damaged,
    /// It is not there.
    Absent,
}

/// What reading a file again has shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct VerifiedModel {
    /// Its name.
    pub(crate) name: String,
    /// Whether the file is there and its SHA-256 is right.
    pub(crate) verified: bool,
}

impl ModelStore {
    /// The store of a folder, which need not exist yet.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a model's file belongs.
    pub(super) fn place(&self, model: &Model) -> PathBuf {
        self.folder.join(&model.file)
    }

    /// The file of a model, known to be whole. A file without a stamp, put there by hand, is read once.
    pub(crate) fn path(&self, manifest: &Manifest, name: &str) -> Result<PathBuf, MissingModel> {
        let model = manifest.model(name)?;
        let path = self.place(model);
        let unreadable = |source| MissingModel::Unreadable { name: name.to_owned(), path: self.place(model), source };
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Err(MissingModel::Damaged { name: name.to_owned(), path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(MissingModel::Absent { name: name.to_owned(), path });
            }
            Err(error) => return Err(unreadable(error)),
        };
        if metadata.len() != model.bytes {
            return Err(MissingModel::Damaged { name: name.to_owned(), path });
        }
        if self.is_stamped(model) {
            return Ok(path);
        }
        if sha256(&path, |_| ()).map_err(unreadable)? != model.sha256 {
            return Err(MissingModel::Damaged { name: name.to_owned(), path });
        }
        self.stamp(model);
        Ok(path)
    }

    /// Whether a model's file is there and whole. A file without a stamp is read once.
    pub(crate) fn state(&self, manifest: &Manifest, name: &str) -> FileState {
        match self.path(manifest, name) {
            Ok(_) => FileState::Present,
            Err(MissingModel::Absent { .. } | MissingModel::Name(_)) => FileState::Absent,
            Err(MissingModel::Damaged { .. } | MissingModel::Unreadable { .. }) => FileState::Damaged,
        }
    }

    /// Every model of the manifest, and whether it is here.
    pub(crate) fn list(&self, manifest: &Manifest) -> Vec<ListedModel> {
        let listed = |model: &Model, state: FileState| ListedModel {
            name: model.name.clone(),
            file: model.file.clone(),
            kind: model.kind,
            bytes: model.bytes,
            licence: model.licence.clone(),
            note: model.note.clone(),
            dimension: model.embedder.as_ref().map(|facts| facts.dimension),
            context_tokens: model.generator.as_ref().map(|facts| facts.context_tokens),
            prompt: model.generator.as_ref().map(|facts| facts.prompt.clone()),
            made_of: model.made.as_ref().map(|made| made.from.clone()),
            present: state == FileState::Present,
            state,
            sets: manifest.sets_of(&model.name),
        };
        manifest.models().iter().map(|model| listed(model, self.state(manifest, &model.name))).collect()
    }

    /// The names of the models that are here, whole or not.
    pub(crate) fn present(&self, manifest: &Manifest) -> Vec<String> {
        let here = |model: &&Model| self.place(model).exists();
        manifest.models().iter().filter(here).map(|model| model.name.clone()).collect()
    }

    /// Reads files again and compares their SHA-256. Blocks for about a second a gigabyte.
    pub(crate) fn verify(
        &self,
        manifest: &Manifest,
        names: &[String],
        progress: &dyn Progress,
    ) -> Result<Vec<VerifiedModel>, MissingModel> {
        let mut results = Vec::with_capacity(names.len());
        for name in names {
            let model = manifest.model(name)?;
            progress.begin(&format!("reading {}", model.file), model.bytes);
            let digest = sha256(&self.place(model), |bytes| progress.reach(bytes));
            progress.end();
            let verified = digest.is_ok_and(|digest| digest == model.sha256);
            if verified {
                self.stamp(model);
            } else {
                // A stamp that is already gone is as good as one removed.
                let _ = fs::remove_file(self.stamp_path(model));
            }
            results.push(VerifiedModel { name: name.clone(), verified });
        }
        Ok(results)
    }

    /// Removes a model's file. What cannot be removed only takes space.
    pub(super) fn remove(&self, model: &Model) {
        for path in [self.place(model), self.stamp_path(model)] {
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!(%error, path = %path.display(), "could not remove a file that is no longer needed");
            }
        }
    }

    fn stamp_path(&self, model: &Model) -> PathBuf {
        self.folder.join(format!("{}.verified", model.file))
    }

    /// Remembers that the file was found right. Without the stamp the next start reads the file again, so a folder that
    /// cannot be written is no error.
    pub(super) fn stamp(&self, model: &Model) {
        if let Some(stamp) = self.stamp_text(model) {
            let written = fs::write(self.stamp_path(model), stamp);
            if let Err(error) = written {
                tracing::debug!(%error, model = model.name, "could not remember that a model is whole");
            }
        }
    }

    fn is_stamped(&self, model: &Model) -> bool {
        let stamp = fs::read_to_string(self.stamp_path(model)).ok();
        stamp.is_some() && stamp == self.stamp_text(model)
    }

    /// What a stamp says: the digest, and the file for which it was computed.
    fn stamp_text(&self, model: &Model) -> Option<String> {
        let metadata = fs::metadata(self.place(model)).ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{} {} {}\n", model.sha256, metadata.len(), modified.as_nanos()))
    }
}

/// The SHA-256 of a file in hexadecimal, saying how far it is.
pub(super) fn sha256(path: &Path, mut reached: impl FnMut(u64)) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut total = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&buffer[..count]);
        total += count as u64;
        reached(total);
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::test_manifest;
    use super::super::progress::tests::Heard;
    use super::super::pull::tests::{CONTENT, model};
    use super::*;

    #[test]
    fn a_file_is_given_out_only_while_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::new(folder.path());
        let manifest = test_manifest("", [model()]);
        let path = folder.path().join("model.bin");
        let state = || store.path(&manifest, "model");
        assert!(matches!(state(), Err(MissingModel::Absent { .. })));
        fs::write(&path, &CONTENT[1..]).unwrap();
        assert!(matches!(state(), Err(MissingModel::Damaged { .. })));
        fs::write(&path, vec![0; CONTENT.len()]).unwrap();
        assert!(matches!(state(), Err(MissingModel::Damaged { .. })));
        fs::write(&path, CONTENT).unwrap();
        assert_eq!(state().unwrap(), path);
        assert!(folder.path().join("model.bin.verified").exists());
        assert!(matches!(store.path(&manifest, "other"), Err(MissingModel::Name(_))));
    }

    #[test]
    fn a_stamp_is_for_one_file_and_verify_does_not_believe_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::new(folder.path());
        let manifest = test_manifest("", [model()]);
        let path = folder.path().join("model.bin");
        fs::write(&path, CONTENT).unwrap();
        store.path(&manifest, "model").unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, vec![0; CONTENT.len()]).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(store.path(&manifest, "model").is_ok(), "the stamp still fits");
        let names = ["model".to_owned()];
        assert!(!store.verify(&manifest, &names, &Heard::default()).unwrap()[0].verified);
        assert!(matches!(store.path(&manifest, "model"), Err(MissingModel::Damaged { .. })), "and is gone now");
    }
}
