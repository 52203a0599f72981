//! What does the folder say about the index in it?
//!
//! Invariants:
//! - The manifest is replaced whole, durably, or not at all: a crash leaves the old one or the new one.
//! - Checkpoint 0 means that nothing in the folder counts.
//! - Epochs only rise. Each opening of the index takes a new one (`operation_log` says why).
//! - A mark in the folder means that its index was being rearranged, and that nothing in it counts (`writer` says why).

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use wellspring_core::retry::until_free;
use wellspring_core::view::{ViewError, ViewErrorKind};

use crate::shape::Quantisation;

const FILE: &str = "manifest.json";
const NEW_FILE: &str = "manifest.json.new";
const LOCK_FILE: &str = "lock";
const MARK_FILE: &str = "rearranging";

/// The layout of the folder and of the points' payload; another number is another format.
const FORMAT: u32 = 1;

/// What is known of the index without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// Values in a vector.
    pub(crate) dimension: usize,
    /// How often the index was opened.
    pub(crate) epoch: u64,
    /// The publication up to which everything is durable.
    pub(crate) checkpoint: u64,
    /// What walks through its graphs compare.
    #[serde(default)]
    pub(crate) quantisation: Quantisation,
}

impl Manifest {
    /// The manifest of an index that holds nothing.
    pub(crate) fn empty(dimension: usize) -> Self {
        Self { format: FORMAT, dimension, epoch: 0, checkpoint: 0, quantisation: Quantisation::Off }
    }

    /// The same with another checkpoint.
    pub(crate) fn at(self, checkpoint: u64) -> Self {
        Self { checkpoint, ..self }
    }

    /// The same with another quantisation.
    pub(crate) fn quantised(self, quantisation: Quantisation) -> Self {
        Self { quantisation, ..self }
    }

    /// Reads the folder's manifest; `None` for a folder without one.
    pub(crate) fn read(dir: &Path, dimension: usize) -> Result<Option<Self>, ViewError> {
        let bytes = match fs::read(dir.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(storage("could not read the manifest of the vector index", error)),
        };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| {
            let attempted = format!("could not understand the manifest of the vector index; {}", hint(dir));
            ViewError::caused_by(ViewErrorKind::Incompatible, attempted, error)
        })?;
        if manifest.format != FORMAT || manifest.dimension != dimension {
            let attempted = format!(
                "the vector index has format {} with {} values a vector, where format {FORMAT} with {dimension} is \
                 wanted; {}",
                manifest.format,
                manifest.dimension,
                hint(dir)
            );
            return Err(ViewError::new(ViewErrorKind::Incompatible, attempted));
        }
        Ok(Some(manifest))
    }

    /// Replaces the folder's manifest; durable when this returns.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), ViewError> {
        let replace = || -> io::Result<()> {
            let mut file = File::create(dir.join(NEW_FILE))?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            fs::rename(dir.join(NEW_FILE), dir.join(FILE))?;
            sync_directory(dir)
        };
        replace().map_err(|error| storage("could not write the manifest of the vector index", error))
    }
}

/// Takes the folder for this process. The lock ends with the returned file, or with the process, however it dies.
pub(crate) fn lock(dir: &Path) -> Result<File, ViewError> {
    let file = File::create(dir.join(LOCK_FILE))
        .map_err(|error| storage("could not create the lock of the vector index", error))?;
    take_lock(&file)
        .map_err(|error| storage("could not take the vector index: does another process hold it?", error))?;
    Ok(file)
}

/// Takes a lock, waiting for whoever is about to give it up. Blocks.
fn take_lock(file: &File) -> Result<(), TryLockError> {
    until_free(|| file.try_lock(), |error| matches!(error, TryLockError::WouldBlock), std::thread::sleep)
}

/// Marks the folder's index as being rearranged; durable when this returns.
pub(crate) fn mark(dir: &Path) -> Result<(), ViewError> {
    File::create(dir.join(MARK_FILE))
        .and_then(|file| file.sync_all())
        .and_then(|()| sync_directory(dir))
        .map_err(|error| storage("could not mark the vector index", error))
}

/// Whether the folder's index was being rearranged when the last process that held it ended.
pub(crate) fn is_marked(dir: &Path) -> bool {
    dir.join(MARK_FILE).exists()
}

/// Takes the mark away, if there is one; durable when this returns.
pub(crate) fn unmark(dir: &Path) -> Result<(), ViewError> {
    match fs::remove_file(dir.join(MARK_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_directory(dir)),
    }
    .map_err(|error| storage("could not take the mark off the vector index", error))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// What is made durable of a folder and of all folders below it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// The names of files and folders.
    Names,
    /// Those, and what is in the files.
    Contents,
}

/// Makes a folder durable. What vanishes meanwhile need not be: whoever removed it takes care of its folder.
pub(crate) fn sync_below(dir: &Path, what: Durable) -> io::Result<()> {
    let sync = || -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                sync_below(&entry.path(), what)?;
            } else if what == Durable::Contents {
                unless_gone(File::open(entry.path()).and_then(|file| file.sync_all()))?;
            }
        }
        sync_directory(dir)
    };
    unless_gone(sync())
}

fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What an operator does about an index that cannot be read.
pub(crate) fn hint(dir: &Path) -> String {
    format!("delete the folder {} and it is rebuilt", dir.display())
}

/// A failure of files or of the disk.
pub(crate) fn storage(
    attempted: impl Into<String>,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ViewError {
    ViewError::caused_by(ViewErrorKind::Storage, attempted, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_back_and_a_foreign_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(dir.path(), 4).unwrap(), None);
        let manifest = Manifest { epoch: 3, checkpoint: 9, ..Manifest::empty(4) };
        manifest.write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path(), 4).unwrap(), Some(manifest));
        assert_eq!(Manifest::read(dir.path(), 8).unwrap_err().kind(), ViewErrorKind::Incompatible);
        fs::write(dir.path().join(FILE), "{").unwrap();
        let error = Manifest::read(dir.path(), 4).unwrap_err();
        assert_eq!(error.kind(), ViewErrorKind::Incompatible);
        assert!(error.to_string().contains("delete the folder"), "{error}");
    }

    #[test]
    fn a_mark_stays_until_it_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        unmark(dir.path()).unwrap();
        assert!(!is_marked(dir.path()));
        mark(dir.path()).unwrap();
        mark(dir.path()).unwrap();
        assert!(is_marked(dir.path()));
        unmark(dir.path()).unwrap();
        assert!(!is_marked(dir.path()));
    }

    #[test]
    fn a_folder_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        assert_eq!(lock(dir.path()).unwrap_err().kind(), ViewErrorKind::Storage);
        drop(held);
        lock(dir.path()).unwrap();
    }

    #[test]
    fn a_holder_that_is_about_to_go_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let (asked, going) = std::sync::mpsc::channel::<()>();
        let holder = std::thread::spawn(move || {
            going.recv().unwrap();
            std::thread::sleep(2 * wellspring_core::limits::LOCK_POLL);
            drop(held);
        });
        asked.send(()).unwrap();
        lock(dir.path()).unwrap();
        holder.join().unwrap();
    }
}
