//! What is in the folder right now?
//!
//! Invariants:
//! - No link is followed and nothing but the metadata is touched: looking at a pipe or a device opens nothing.
//! - A data folder of this program holds no documents: what is written about documents must not become one.
//! - What could not be looked at is kept, never taken for deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use tokio_util::sync::CancellationToken;
use walkdir::{DirEntry, WalkDir};

use wellspring_core::document::MediaType;
use wellspring_core::limits;
use wellspring_core::source::{DATA_FOLDER_MARK, SourceName};

use super::report::{LeftOut, SkipReason};
use super::rules::{FolderRules, GITIGNORE, UnreadableList, Wanted};

/// A file as its metadata shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileSeen {
    pub(super) bytes: u64,
    pub(super) fingerprint: String,
}

impl FileSeen {
    /// Size, time of change to the nanosecond, and inode: a file put in place of another differs even in the same tick.
    pub(super) fn of(metadata: &Metadata) -> Self {
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let fingerprint = format!("{}-{seconds}.{nanoseconds:09}-{}", metadata.size(), metadata.ino());
        Self { bytes: metadata.size(), fingerprint }
    }
}

/// What a look at some paths of the folder has found. Paths are relative to the root, with `/`.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The paths looked at with everything below them; `""` is the whole folder.
    pub(super) examined: Vec<String>,
    /// The documents there.
    pub(super) files: BTreeMap<String, FileSeen>,
    /// Paths that say nothing about what is below them.
    pub(super) unknown: Vec<String>,
    pub(super) skipped: Vec<(String, SkipReason)>,
    /// Files that are there, and whose content cannot be taken.
    pub(super) unread: BTreeMap<String, SkipReason>,
    /// What is no document although its name promises one: links, pipes, and names that no key can carry, under the name
    /// that stands in.
    pub(super) passed: BTreeMap<String, SkipReason>,
    /// Folders that were walked.
    pub(super) folders: Vec<String>,
    /// Files that no name promises to be a document.
    pub(super) left_out: LeftOut,
}

impl Look {
    /// Whether a document that is known, but not among the files, is gone.
    pub(super) fn shows_gone(&self, path: &str) -> bool {
        !self.files.contains_key(path) && !self.unread.contains_key(path) && self.knows(path)
    }

    /// Whether it says anything about a path.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.examined.iter().any(|root| covers(root, path)) && !self.unknown.iter().any(|root| covers(root, path))
    }
}

/// Whether a path is `root` or below it.
pub(super) fn covers(root: &str, path: &str) -> bool {
    root.is_empty() || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Below {
    /// As keys carry it; `""` is the root itself.
    Named(String),
    /// As far as its first name that is not Unicode: what is below a folder of such a name is not read.
    Strange(PathBuf),
}

impl Below {
    /// `None` when it is not below the root.
    pub(super) fn of(root: &Path, path: &Path) -> Option<Self> {
        let mut parts = Vec::new();
        let mut strange = PathBuf::new();
        for component in path.strip_prefix(root).ok()?.components() {
            let Component::Normal(name) = component else { return None };
            strange.push(name);
            match name.to_str() {
                Some(name) => parts.push(name),
                None => return Some(Self::Strange(strange)),
            }
        }
        Some(Self::Named(parts.join("/")))
    }
}

/// A path relative to the root as keys carry it; `None` when it is not Unicode or not below the root.
fn relative(root: &Path, path: &Path) -> Option<String> {
    match Below::of(root, path)? {
        Below::Named(path) => Some(path),
        Below::Strange(_) => None,
    }
}

/// Looks at a folder for one source.
#[derive(Debug, Clone)]
pub(super) struct Looker {
    pub(super) name: SourceName,
    pub(super) root: PathBuf,
    pub(super) rules: FolderRules,
    pub(super) stop: CancellationToken,
}

impl Looker {
    /// Looks at the whole folder. An error means that nothing is known about it.
    pub(super) fn look_at_all(&self) -> io::Result<Look> {
        self.check_root()?;
        let mut look = Look { examined: vec![String::new()], ..Look::default() };
        self.walk("", &mut look, &mut Wanted::new(&self.rules, &self.root))?;
        Ok(look)
    }

    /// Looks at some paths, and at everything below those that are folders. Those in `strange` are not Unicode.
    pub(super) fn look_at(&self, paths: &BTreeSet<String>, strange: &BTreeSet<PathBuf>) -> io::Result<Look> {
        self.check_root()?;
        let mut look = Look::default();
        let mut wanted = Wanted::new(&self.rules, &self.root);
        for path in paths {
            if is_hidden_path(path)
                || self.is_in_data_folder(path)
                || look.folders.iter().any(|folder| covers(folder, path))
            {
                continue;
            }
            look.examined.push(path.clone());
            if self.key(path).is_none() {
                look.examined.push(self.stand_in(path.as_bytes()));
            }
            match self.metadata_without_links(path) {
                Ok(Some(metadata)) if metadata.is_dir() => {
                    if settled(wanted.folder(path), &mut look) && self.walk(path, &mut look, &mut wanted).is_err() {
                        look.unknown.push(path.clone());
                    }
                }
                Ok(Some(metadata)) => self.file(path.clone(), &metadata, &mut look, &mut wanted),
                Ok(None) => {}
                Err(_) => {
                    look.skipped.push((path.clone(), SkipReason::Unreadable));
                    look.unknown.push(path.clone());
                }
            }
        }
        strange.iter().for_each(|path| self.look_at_strange(path, &mut look, &mut wanted));
        Ok(look)
    }

    /// Looks at a path whose last name is not Unicode. What cannot be looked at is as it was.
    fn look_at_strange(&self, path: &Path, look: &mut Look, wanted: &mut Wanted<'_>) {
        let Some(above) = path.parent().and_then(Path::to_str) else { return };
        if is_hidden_path(above) || path.file_name().is_none_or(is_hidden) || self.is_in_data_folder(above) {
            return;
        }
        // Nothing is told through a link.
        if !above.is_empty() && !matches!(self.metadata_without_links(above), Ok(Some(above)) if above.is_dir()) {
            return;
        }
        match fs::symlink_metadata(self.root.join(path)) {
            Ok(metadata) => {
                look.examined.push(self.stand_in(path.as_os_str().as_encoded_bytes()));
                self.strange(path, metadata.is_dir(), look, wanted);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                look.examined.push(self.stand_in(path.as_os_str().as_encoded_bytes()));
            }
            Err(_) => {}
        }
    }

    /// Notes a path whose last name is not Unicode.
    fn strange(&self, path: &Path, is_folder: bool, look: &mut Look, wanted: &mut Wanted<'_>) {
        let lossy = path.to_string_lossy();
        let stand_in = self.stand_in(path.as_os_str().as_encoded_bytes());
        if is_folder {
            look.skipped.push((stand_in, SkipReason::FolderNameNotUnicode));
        } else if settled(wanted.file(&lossy), look) {
            match MediaType::of_file_name(&lossy) {
                Some(_) => {
                    look.passed.insert(stand_in, SkipReason::NameNotUnicode);
                }
                None => look.left_out.count(&lossy),
            }
        }
    }

    /// A root that is missing, unreadable or no longer a folder says nothing about its documents.
    fn check_root(&self) -> io::Result<()> {
        if !fs::symlink_metadata(&self.root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if is_data_folder(&self.root) {
            return Err(io::Error::other("it is a data folder of this program"));
        }
        fs::read_dir(&self.root).map(drop)
    }

    /// Whether a path, or a folder above it, is a data folder.
    fn is_in_data_folder(&self, path: &str) -> bool {
        let mut whole = self.root.clone();
        path.split('/').any(|name| {
            whole.push(name);
            is_data_folder(&whole)
        })
    }

    /// The metadata of a path that leads through folders only; `None` when there is no such path.
    fn metadata_without_links(&self, path: &str) -> io::Result<Option<Metadata>> {
        let mut whole = self.root.clone();
        let mut metadata = None;
        for name in path.split('/') {
            if metadata.as_ref().is_some_and(|above: &Metadata| !above.is_dir()) {
                return Ok(None);
            }
            whole.push(name);
            metadata = match fs::symlink_metadata(&whole) {
                Ok(metadata) => Some(metadata),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
        }
        Ok(metadata)
    }

    fn walk(&self, under: &str, look: &mut Look, wanted: &mut Wanted<'_>) -> io::Result<()> {
        let depth = if under.is_empty() { 0 } else { under.split('/').count() };
        let depth_max = limits::FOLDER_DEPTH_MAX.saturating_sub(depth);
        look.folders.push(under.to_owned());
        let mut entries = WalkDir::new(self.root.join(under)).follow_root_links(false).max_depth(depth_max).into_iter();
        while let Some(entry) = entries.next() {
            if self.stop.is_cancelled() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the service is stopping"));
            }
            match entry {
                Ok(entry) if entry.depth() == 0 => {}
                Ok(entry) => {
                    if !self.entry(&entry, depth_max, look, wanted) {
                        entries.skip_current_dir();
                    }
                }
                Err(error) if error.depth() == 0 => return Err(error.into()),
                // It went away after its folder was listed.
                Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => {}
                Err(error) => {
                    let path = error.path().and_then(|path| relative(&self.root, path));
                    // A path without a name covers what was being walked.
                    let path = path.unwrap_or_else(|| under.to_owned());
                    look.skipped.push((path.clone(), SkipReason::Unreadable));
                    look.unknown.push(path);
                }
            }
        }
        Ok(())
    }

    /// Notes an entry; `false` for a folder that is not entered.
    fn entry(&self, entry: &DirEntry, depth_max: usize, look: &mut Look, wanted: &mut Wanted<'_>) -> bool {
        let is_folder = entry.file_type().is_dir();
        if is_hidden(entry.file_name()) {
            return !is_folder;
        }
        let Some(path) = relative(&self.root, entry.path()) else {
            let below = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            self.strange(below, is_folder, look, wanted);
            return !is_folder;
        };
        if is_folder {
            if is_data_folder(entry.path()) || !settled(wanted.folder(&path), look) {
                return false;
            }
            if entry.depth() == depth_max {
                look.skipped.push((path, SkipReason::TooDeep));
                return false;
            }
            return true;
        }
        match entry.metadata() {
            Ok(metadata) => self.file(path, &metadata, look, wanted),
            Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => {}
            Err(_) => {
                look.skipped.push((path.clone(), SkipReason::Unreadable));
                look.unknown.push(path);
            }
        }
        true
    }

    /// Notes a path that is no folder.
    fn file(&self, path: String, metadata: &Metadata, look: &mut Look, wanted: &mut Wanted<'_>) {
        if !settled(wanted.file(&path), look) {
            return;
        }
        if MediaType::of_file_name(&path).is_none() {
            if metadata.is_file() {
                look.left_out.count(&path);
            }
        } else if self.key(&path).is_none() {
            look.passed.insert(self.stand_in(path.as_bytes()), SkipReason::NameRefused);
        } else if !metadata.is_file() {
            look.passed.insert(path, SkipReason::NotRegular);
        } else if metadata.size() > limits::DOCUMENT_BYTES_MAX as u64 {
            look.unread.insert(path, SkipReason::TooLarge);
        } else {
            look.files.insert(path, FileSeen::of(metadata));
        }
    }
}

/// Whether a path is wanted; where a list could not be read, it is not, and nothing is known about the list's folder.
fn settled(wanted: Result<bool, UnreadableList>, look: &mut Look) -> bool {
    wanted.unwrap_or_else(|UnreadableList { folder }| {
        if !look.unknown.contains(&folder) {
            let list = if folder.is_empty() { GITIGNORE.to_owned() } else { format!("{folder}/{GITIGNORE}") };
            look.skipped.push((list, SkipReason::Unreadable));
            look.unknown.push(folder);
        }
        false
    })
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_data_folder(path: &Path) -> bool {
    fs::symlink_metadata(path.join(DATA_FOLDER_MARK)).is_ok()
}

fn is_hidden_path(path: &str) -> bool {
    path.split('/').any(|name| name.starts_with('.'))
}
