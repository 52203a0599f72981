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

use wellspring_core::document::{DocumentKey, MediaType};
use wellspring_core::limits;
use wellspring_core::source::{DATA_FOLDER_MARK, SourceName};
use wellspring_core::text::{is_bidirectional_control, is_invisible};

use super::report::SkipReason;
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
}

impl Look {
    /// Whether a document that is known, but not among the files, is gone.
    pub(super) fn shows_gone(&self, path: &str) -> bool {
        !self.files.contains_key(path)
            && !self.unread.contains_key(path)
            && self.examined.iter().any(|root| covers(root, path))
            && !self.unknown.iter().any(|root| covers(root, path))
    }
}

/// Whether a path is `root` or below it.
pub(super) fn covers(root: &str, path: &str) -> bool {
    root.is_empty() || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path relative to the root as keys carry it; `None` when it is not Unicode or not below the root.
pub(super) fn relative(root: &Path, path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .strip_prefix(root)
        .ok()?
        .components()
        .map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    Some(parts?.join("/"))
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

    /// Looks at some paths, and at everything below those that are folders.
    pub(super) fn look_at(&self, paths: &BTreeSet<String>) -> io::Result<Look> {
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
        Ok(look)
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
            let below = entry.path().strip_prefix(&self.root).unwrap_or(entry.path()).as_os_str();
            let lossy = below.to_string_lossy().into_owned();
            if is_folder {
                look.skipped.push((lossy, SkipReason::FolderNameNotUnicode));
            } else if MediaType::of_file_name(&lossy).is_some() && settled(wanted.file(&lossy), look) {
                look.passed.insert(self.stand_in(below.as_encoded_bytes()), SkipReason::NameNotUnicode);
            }
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
        if MediaType::of_file_name(&path).is_none() || !settled(wanted.file(&path), look) {
            return;
        }
        if self.key(&path).is_none() {
            look.passed.insert(self.stand_in(path.as_bytes()), SkipReason::NameRefused);
        } else if !metadata.is_file() {
            look.passed.insert(path, SkipReason::NotRegular);
        } else if metadata.size() > limits::DOCUMENT_BYTES_MAX as u64 {
            look.unread.insert(path, SkipReason::TooLarge);
        } else {
            look.files.insert(path, FileSeen::of(metadata));
        }
    }

    /// The key of a path: the source's name and the path.
    pub(super) fn key(&self, path: &str) -> Option<DocumentKey> {
        format!("{}/{path}", self.name).parse().ok()
    }

    /// The path that stands in for one that no key can carry: readable as far as it goes, and ending with a digest, so that
    /// two are never the same and no file of a format that is read has such a name.
    fn stand_in(&self, path: &[u8]) -> String {
        let digest = &blake3::hash(path).to_hex()[..STAND_IN_DIGITS];
        let mut shown = String::new();
        for piece in path.utf8_chunks() {
            for c in piece.valid().chars() {
                match c.is_control() || is_invisible(c) || is_bidirectional_control(c) {
                    true => escape(&mut shown, c.encode_utf8(&mut [0; 4]).as_bytes()),
                    false => shown.push(c),
                }
            }
            escape(&mut shown, piece.invalid());
        }
        let room = limits::KEY_BYTES_MAX - self.name.as_str().len() - "/~".len() - STAND_IN_DIGITS;
        shown.truncate(shown.floor_char_boundary(room));
        format!("{shown}~{digest}")
    }

    /// The path of a key that this source made.
    pub(super) fn path_of<'k>(&self, key: &'k DocumentKey) -> Option<&'k str> {
        key.as_str().strip_prefix(self.name.as_str())?.strip_prefix('/')
    }
}

/// Hexadecimal digits of the digest in a name that stands in for another: two among thousands are not the same by chance.
const STAND_IN_DIGITS: usize = 16;

fn escape(shown: &mut String, bytes: &[u8]) {
    shown.extend(bytes.iter().map(|byte| format!("%{byte:02X}")));
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
