//! Which files do these paths name, and what of their folders is left out?
//!
//! Invariants:
//! - Every file below a folder is sent or counted, hidden ones aside.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use wellspring_core::document::MediaType;
use wellspring_core::limits;

/// Files to send, each with its key; one of JSON lines has none.
type Files = Vec<(PathBuf, Option<String>)>;

/// Files below the folders that were not sent.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct LeftOut {
    /// In no format that is read.
    no_format: u64,
    /// Links, pipes and devices.
    not_regular: u64,
    /// Files and folders of names that are not Unicode.
    not_unicode: u64,
    /// Folders below too many others.
    too_deep: u64,
    /// Some of them by name.
    names: Vec<String>,
}

impl LeftOut {
    fn name(&mut self, path: &Path) {
        if self.names.len() < limits::LEFT_OUT_NAMES_MAX {
            self.names.push(path.display().to_string());
        }
    }

    /// For people; `None` when there is nothing to tell.
    pub(super) fn in_words(&self) -> Option<String> {
        let counts = [
            (self.no_format, "in no format that is read"),
            (self.not_regular, "links, pipes or devices"),
            (self.not_unicode, "with a name that is not Unicode"),
            (self.too_deep, "folders below too many others"),
        ];
        let told: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        let names = self.names.join(", ");
        (!told.is_empty()).then(|| format!("left out: {}, such as {names}", told.join(", ")))
    }
}

/// What the paths name: each file with the key it gets, or none for JSON lines; and what is left out.
pub(super) fn files(paths: &[PathBuf]) -> anyhow::Result<(Files, LeftOut)> {
    let (mut files, mut left_out) = (Files::new(), LeftOut::default());
    for path in paths {
        let kind = std::fs::metadata(path).with_context(|| format!("could not read {}", path.display()))?;
        if kind.is_dir() {
            let root = path.canonicalize()?;
            let base = root.parent().unwrap_or(&root).to_owned();
            folder(&root, &base, 0, &mut files, &mut left_out)?;
        } else if !kind.is_file() {
            bail!("{} is neither a file nor a folder", path.display());
        } else if is_json_lines(path) {
            files.push((path.clone(), None));
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if MediaType::of_file_name(&name).is_none() {
                bail!("{} is not in a format that Wellspring reads; the README lists them", path.display());
            }
            files.push((path.clone(), Some(name)));
        }
    }
    if files.is_empty() {
        bail!("these folders hold no file in a format that Wellspring reads; the README lists them");
    }
    Ok((files, left_out))
}

/// The readable files below a folder, keyed by their path from the folder's parent; hidden ones and links stay out.
fn folder(
    folder_path: &Path,
    base: &Path,
    depth: usize,
    files: &mut Files,
    left_out: &mut LeftOut,
) -> anyhow::Result<()> {
    let read = std::fs::read_dir(folder_path).with_context(|| format!("could not read {}", folder_path.display()))?;
    let mut entries = read.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind, name) = (entry.path(), entry.file_type()?, entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let count = match name.to_str() {
            None => &mut left_out.not_unicode,
            Some(_) if kind.is_dir() && depth < limits::FOLDER_DEPTH_MAX => {
                folder(&path, base, depth + 1, files, left_out)?;
                continue;
            }
            Some(_) if kind.is_dir() => &mut left_out.too_deep,
            Some(_) if !kind.is_file() => &mut left_out.not_regular,
            Some(name) if MediaType::of_file_name(name).is_none() => &mut left_out.no_format,
            Some(_) => {
                let key = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
                files.push((path, Some(key)));
                continue;
            }
        };
        *count += 1;
        left_out.name(path.strip_prefix(base).unwrap_or(&path));
    }
    Ok(())
}

fn is_json_lines(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "jsonl" || ending == "ndjson")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_holds_is_sent_or_told() {
        use std::os::unix::ffi::OsStrExt;
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("notes");
        std::fs::create_dir_all(root.join("deep")).unwrap();
        for name in ["a.md", "deep/b.o", "c.bin", ".hidden.bin"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(root.join("a.md"), root.join("link.md")).unwrap();
        std::fs::write(root.join(std::ffi::OsStr::from_bytes(b"caf\xe9.md")), "x").unwrap();
        let (sent, left_out) = files(&[root]).unwrap();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].1.as_deref(), Some("notes/a.md"));
        let names = ["notes/c.bin", "notes/caf\u{fffd}.md", "notes/deep/b.o", "notes/link.md"].map(str::to_owned);
        let expected = LeftOut { no_format: 2, not_regular: 1, not_unicode: 1, too_deep: 0, names: Vec::from(names) };
        assert_eq!(left_out, expected);
        assert!(left_out.in_words().unwrap().starts_with("left out: 2 in no format that is read, 1 links"));
        assert_eq!(LeftOut::default().in_words(), None);
    }
}
