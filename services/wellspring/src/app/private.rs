//! Who can enter the data folder? Its owner, since it holds the documents and the secrets.
//!
//! Invariants:
//! - A folder that is ours alone, empty or with our catalog in it, is closed to others. One that holds other things too, such
//!   as a home folder, is left as it is, and whoever runs the service is told.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;

/// What others than the owner may do.
const OTHERS: u32 = 0o077;
/// The file by which a folder is known as ours.
const CATALOG: &str = "catalog.sqlite";

/// What was found of a folder that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nobody else could enter it.
    Private,
    /// It was open to others, and is no more.
    Closed,
    /// It is open to others, and stays so.
    Open,
}

/// Creates the data folder for its owner only, and closes one that was there before to others.
pub(super) fn create(folder: &Path) -> anyhow::Result<()> {
    let attempt = || format!("could not create the data folder {}", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(attempt)?;
    match close(folder).with_context(|| format!("could not look at the data folder {}", folder.display()))? {
        Found::Private => {}
        Found::Closed => {
            tracing::info!(folder = %folder.display(), "the data folder was open to other users; now only its owner can enter");
        }
        Found::Open => {
            tracing::warn!(
                folder = %folder.display(),
                "other users can enter the data folder, which holds documents and secrets; `chmod 700` closes it"
            );
        }
    }
    Ok(())
}

fn close(folder: &Path) -> std::io::Result<Found> {
    let mode = folder.metadata()?.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(Found::Private);
    }
    let is_ours = folder.join(CATALOG).exists() || folder.read_dir()?.next().is_none();
    // Somebody else's folder cannot be closed by us.
    let closed = is_ours && std::fs::set_permissions(folder, Permissions::from_mode(mode & !OTHERS)).is_ok();
    Ok(if closed { Found::Closed } else { Found::Open })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(folder: &Path) -> u32 {
        folder.metadata().unwrap().permissions().mode() & 0o777
    }

    fn open_folder(file: Option<&str>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        if let Some(file) = file {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        folder
    }

    #[test]
    fn a_folder_of_ours_is_closed_and_another_is_left_alone() {
        for (file, found, expected) in [
            (None, Found::Closed, 0o700),
            (Some(CATALOG), Found::Closed, 0o700),
            (Some("photo.jpg"), Found::Open, 0o777),
        ] {
            let folder = open_folder(file);
            assert_eq!(close(folder.path()).unwrap(), found, "{file:?}");
            assert_eq!(mode(folder.path()), expected, "{file:?}");
        }
        let made = tempfile::tempdir().unwrap();
        let folder = made.path().join("deep/data");
        create(&folder).unwrap();
        assert_eq!((mode(&folder), close(&folder).unwrap()), (0o700, Found::Private));
    }
}
