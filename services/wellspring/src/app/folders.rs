//! What is a watched folder called?
//!
//! Invariants:
//! - A folder keeps its name as long as the data folder lives, whatever else is watched: the name is part of every
//!   key of its documents, and another folder under the same name would look like a mass deletion.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use wellspring_core::limits;
use wellspring_core::source::{PUSH, SourceName};

/// A folder to follow, by its source's name.
#[derive(Debug)]
pub(super) struct WatchedFolder {
    pub(super) name: SourceName,
    pub(super) root: PathBuf,
}

/// Names folders, remembering the names in the data folder.
pub(super) fn name(data_dir: &Path, watch: &[PathBuf]) -> anyhow::Result<Vec<WatchedFolder>> {
    let register = data_dir.join("folders.json");
    let mut named: BTreeMap<String, PathBuf> = match std::fs::read(&register) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged; it names the watched folders", register.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(|| format!("could not read {}", register.display())),
    };
    let before = named.clone();
    let mut folders: Vec<WatchedFolder> = Vec::new();
    for path in watch {
        let root = match path.canonicalize() {
            Ok(root) if !root.is_dir() => {
                bail!("could not watch {}: it is not a folder; `wellspring add` takes single files", path.display());
            }
            Ok(root) => root,
            // A disk that is not there today: it was watched before, its documents are kept and it is waited for.
            Err(error) => std::path::absolute(path)
                .ok()
                .filter(|path| named.values().any(|known| known == path))
                .ok_or(error)
                .with_context(|| format!("could not watch {}: name a folder that exists", path.display()))?,
        };
        if data_dir.canonicalize().is_ok_and(|data| data == root) {
            bail!("could not watch {}: it is the data folder; name another with --data-dir", path.display());
        }
        if let Some(other) = folders.iter().find(|other| root.starts_with(&other.root) || other.root.starts_with(&root))
        {
            bail!("{} and {} overlap; watch the outer one only", path.display(), other.root.display());
        }
        let known = named.iter().find(|(_, known)| **known == root).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| unused(&root, &named));
        named.insert(name.clone(), root.clone());
        folders.push(WatchedFolder { name: name.parse().context("a folder's name")?, root });
    }
    if named != before {
        write(data_dir, &register, &named)?;
    }
    Ok(folders)
}

/// The folder's own name in the alphabet of short names, numbered when taken.
fn unused(root: &Path, named: &BTreeMap<String, PathBuf>) -> String {
    let own = root.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let letter = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) { c } else { '-' };
    let own: String = own.chars().map(letter).take(limits::SHORT_NAME_BYTES_MAX - 8).collect();
    let own = own.trim_start_matches(['.', '_', '-']);
    let own = if own.is_empty() { "folder" } else { own };
    let taken = |name: &String| named.contains_key(name) || name == PUSH;
    let numbered = (2..).map(|number| format!("{own}-{number}"));
    std::iter::once(own.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// Replaces the register at once, or not at all.
fn write(data_dir: &Path, register: &Path, named: &BTreeMap<String, PathBuf>) -> anyhow::Result<()> {
    let attempt = || format!("could not write {}", register.display());
    let mut file = tempfile::NamedTempFile::new_in(data_dir).with_context(attempt)?;
    file.write_all(&serde_json::to_vec_pretty(named)?).with_context(attempt)?;
    file.as_file().sync_all().with_context(attempt)?;
    file.persist(register).with_context(attempt)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_name_and_another_of_that_name_is_numbered() {
        let data = tempfile::tempdir().unwrap();
        let files = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = files.path().join(path);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let (first, second) = (make("a/My Docs"), make("b/My Docs"));
        let names = |watch: &[PathBuf]| -> Vec<String> {
            name(data.path(), watch).unwrap().into_iter().map(|folder| folder.name.to_string()).collect()
        };
        assert_eq!(names(std::slice::from_ref(&first)), ["my-docs"]);
        assert_eq!(names(&[second.clone(), first.clone()]), ["my-docs-2", "my-docs"]);
        assert_eq!(names(&[second]), ["my-docs-2"]);
        assert_eq!(names(&[make("push")]), ["push-2"]);
        assert!(name(data.path(), &[first.clone(), first]).is_err());
    }

    #[test]
    fn a_folder_that_is_away_is_waited_for_where_it_was_watched_before() {
        let data = tempfile::tempdir().unwrap();
        let files = tempfile::tempdir().unwrap();
        let folder = files.path().canonicalize().unwrap().join("notes");
        let watch = std::slice::from_ref(&folder);
        assert!(name(data.path(), watch).unwrap_err().to_string().contains("name a folder that exists"));
        std::fs::create_dir(&folder).unwrap();
        let there = name(data.path(), watch).unwrap();
        std::fs::remove_dir(&folder).unwrap();
        let away = name(data.path(), watch).unwrap();
        assert_eq!((&away[0].name, &away[0].root), (&there[0].name, &folder));
        let twice = name(data.path(), &[folder.clone(), folder]).unwrap_err();
        assert!(twice.to_string().contains("overlap"), "{twice}");
    }
}
