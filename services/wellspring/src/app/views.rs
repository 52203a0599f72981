//! What if an index cannot be read?
//!
//! Invariants:
//! - Nothing is lost by beginning a view anew: the catalog holds all that it held, vectors included.
//! - What could not be read is moved aside, not deleted, until the next such find: somebody may want to know why.
//! - A disk that fails, or another process that holds the index, is not a damaged index.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use wellspring_core::embedding::SpaceId;
use wellspring_core::view::{ViewError, ViewErrorKind};

/// The folder of the vector index of a space.
pub(super) fn vector_folder(data_dir: &Path, space: SpaceId) -> PathBuf {
    data_dir.join("vector").join(space.to_string())
}

/// Opens a view; one that cannot be read is moved aside and begun anew, to be filled from the catalog. Blocks.
pub(super) fn open_or_renew<V>(
    dir: &Path,
    open: &(impl Fn(&Path) -> Result<V, ViewError> + ?Sized),
) -> Result<V, ViewError> {
    // Damage that the vendor did not expect ends in a panic; it is damage all the same.
    let opened = panic::catch_unwind(AssertUnwindSafe(|| open(dir))).unwrap_or_else(|_| {
        Err(ViewError::new(ViewErrorKind::Incompatible, "the engine panicked over the index's files"))
    });
    let error = match opened {
        Err(error) if error.kind() == ViewErrorKind::Incompatible => error,
        opened => return opened,
    };
    if let Err(trouble) = set_aside(dir) {
        let reason = trouble.to_string();
        tracing::error!(folder = %dir.display(), reason, "an index that cannot be read could not be moved aside");
        return Err(error);
    }
    tracing::warn!(
        reason = error.chain(),
        kept = %aside(dir).display(),
        "an index could not be read; it was moved aside and is made anew from the catalog"
    );
    open(dir)
}

/// Moves an index's folder aside, in place of one that was moved there before. Blocks.
pub(super) fn set_aside(dir: &Path) -> io::Result<()> {
    let aside = aside(dir);
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    fs::rename(dir, &aside)
}

/// Beside the folder, under a name that no view opens.
fn aside(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().map_or_else(|| OsString::from("index"), OsString::from);
    name.push(".damaged");
    dir.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_over_damaged_files_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("bad"), "").unwrap();
        let open = |dir: &Path| {
            assert!(!dir.join("bad").exists(), "planned");
            Ok(())
        };
        open_or_renew(&dir, &open).unwrap();
        assert!(folder.path().join("index.damaged/bad").exists());
    }

    fn open(dir: &Path) -> Result<String, ViewError> {
        fs::create_dir_all(dir).unwrap();
        match fs::read_to_string(dir.join("index")) {
            Ok(text) if text == "good" => Ok(text),
            Ok(_) => Err(ViewError::new(ViewErrorKind::Incompatible, "could not read it")),
            Err(_) => Ok("new".to_owned()),
        }
    }

    #[test]
    fn a_damaged_index_is_moved_aside_and_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("keyword");
        assert_eq!(open_or_renew(&dir, &open).unwrap(), "new");
        fs::write(dir.join("index"), "good").unwrap();
        assert_eq!(open_or_renew(&dir, &open).unwrap(), "good");
        for damage in ["bad", "worse"] {
            fs::write(dir.join("index"), damage).unwrap();
            assert_eq!(open_or_renew(&dir, &open).unwrap(), "new");
            let kept = folder.path().join("keyword.damaged");
            assert_eq!(fs::read_to_string(kept.join("index")).unwrap(), damage);
        }
    }

    #[test]
    fn an_index_whose_disk_fails_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("keyword");
        fs::create_dir(&dir).unwrap();
        let failing = |_: &Path| Err::<(), _>(ViewError::new(ViewErrorKind::Storage, "the disk is gone"));
        assert!(open_or_renew(&dir, &failing).is_err());
        assert!(dir.exists() && !folder.path().join("keyword.damaged").exists());
    }
}
