//! Which files of a folder are wanted?
//!
//! Globs say what is wanted and what is not; `.gitignore` files say more, where the owner asks for it.
//!
//! - A glob without `/` means a name, wherever it stands: `*.md`, `drafts`. One with `/` means a path below the folder:
//!   `archive/**/*.txt`. Either also means everything below a folder that it matches. `*` stays within one name.
//! - What is excluded stays out even if it is included too.
//! - Only `.gitignore` files of the folder and below count; the deepest one with an opinion decides, and nothing comes
//!   back from below an ignored folder, as in git.
//!
//! Invariants:
//! - A `.gitignore` that is there but cannot be read makes its folder unknown: nothing below it is taken or deleted.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{Mode, OFlags};

use wellspring_core::limits;
use wellspring_core::source::SettingsError;

/// The name of the files that say what git leaves alone.
pub(super) const GITIGNORE: &str = ".gitignore";

/// What is wanted of a folder; by default everything.
#[derive(Debug, Clone, Default)]
pub struct FolderRules {
    include: Option<GlobSet>,
    exclude: GlobSet,
    pub(super) gitignore: bool,
}

impl FolderRules {
    /// Checks and compiles globs.
    pub fn new(include: &[String], exclude: &[String], gitignore: bool) -> Result<Self, SettingsError> {
        let included = glob_set("include", include)?;
        Ok(Self {
            include: (!include.is_empty()).then_some(included),
            exclude: glob_set("exclude", exclude)?,
            gitignore,
        })
    }

    fn includes(&self, path: &str) -> bool {
        self.include.as_ref().is_none_or(|include| include.is_match(path))
    }
}

/// Refuses globs that can match nothing below a folder, whatever is put there.
pub(crate) fn may_match(field: &'static str, globs: &[String], folder: &Path) -> Result<(), SettingsError> {
    for (place, text) in globs.iter().enumerate() {
        let place = place + 1;
        let refused = |what: String, hint: &str| Err(SettingsError { field, what, hint: hint.to_owned() });
        let mut names = bare(text).split('/');
        if text.trim_matches(['.', '/']).is_empty() && !names.clone().any(|name| name == "..") {
            let hint = "leave it out; a glob looks like `*.md`, `drafts` or `archive/**/*.txt`";
            return refused(format!("has an empty glob (number {place})"), hint);
        }
        if names.clone().any(|name| name == "..") {
            let hint = "name what is below the folder; another folder is another source";
            return refused(format!("has a glob that leads out of the folder (number {place})"), hint);
        }
        if text.starts_with('/') && Path::new(text).starts_with(folder) {
            let hint = "write what is below the folder: a leading `/` means the folder itself";
            return refused(format!("has a glob that begins with the folder's own path (number {place})"), hint);
        }
        if names.any(|name| matches!(name, "" | ".")) {
            let hint = "a glob looks like `*.md`, `drafts` or `archive/**/*.txt`";
            return refused(format!("has a glob that can match nothing (number {place}): `//` or `/./`"), hint);
        }
    }
    Ok(())
}

fn glob_set(field: &'static str, globs: &[String]) -> Result<GlobSet, SettingsError> {
    let refused = |what: String, hint: &str| SettingsError { field, what, hint: hint.to_owned() };
    if globs.len() > limits::GLOBS_MAX {
        let what = format!("has more than {} globs", limits::GLOBS_MAX);
        return Err(refused(what, "join some with braces, as in `*.{md,txt}`"));
    }
    let mut set = GlobSetBuilder::new();
    for (place, text) in globs.iter().enumerate() {
        let place = place + 1;
        if text.len() > limits::GLOB_BYTES_MAX {
            let what = format!("has a glob longer than {} bytes (number {place})", limits::GLOB_BYTES_MAX);
            return Err(refused(what, "shorten it, or use several"));
        }
        for glob in compiled(text) {
            let glob = glob.map_err(|error| {
                let what = format!("has a glob that cannot be read (number {place}): {}", error.kind());
                refused(what, "a glob looks like `*.md`, `drafts` or `archive/**/*.txt`")
            })?;
            set.add(glob);
        }
    }
    let what = "has globs that are too large together";
    set.build().map_err(|_| refused(what.to_owned(), "use fewer or simpler ones"))
}

/// The glob itself, and everything below what it matches.
fn compiled(text: &str) -> Vec<Result<Glob, globset::Error>> {
    let anchored = text.trim_end_matches('/').contains('/');
    let bare = bare(text);
    let front = if anchored { "" } else { "**/" };
    let glob = |text: String| GlobBuilder::new(&text).literal_separator(true).build();
    // A glob that ends in `/` means a folder, so only what is below it.
    let itself = (!text.ends_with('/')).then(|| glob(format!("{front}{bare}")));
    itself.into_iter().chain([glob(format!("{front}{bare}/**"))]).collect()
}

/// A glob without what only says where it begins and ends.
fn bare(text: &str) -> &str {
    text.trim_start_matches("./").trim_matches('/')
}

/// A `.gitignore` that is there but could not be read, so nothing is known about this folder.
#[derive(Debug)]
pub(super) struct UnreadableList {
    /// The folder, relative to the root.
    pub(super) folder: String,
}

/// Answers for one look, remembering what it has read for that long: a later look sees a list that has changed.
pub(super) struct Wanted<'l> {
    rules: &'l FolderRules,
    root: &'l Path,
    lists: HashMap<String, Option<Gitignore>>,
    folders: HashMap<String, bool>,
}

impl<'l> Wanted<'l> {
    pub(super) fn new(rules: &'l FolderRules, root: &'l Path) -> Self {
        Self { rules, root, lists: HashMap::new(), folders: HashMap::new() }
    }

    /// Whether a folder, given by its path below the root, is entered.
    pub(super) fn folder(&mut self, path: &str) -> Result<bool, UnreadableList> {
        if path.is_empty() {
            return Ok(true);
        }
        if let Some(known) = self.folders.get(path) {
            return Ok(*known);
        }
        let wanted =
            self.folder(parent(path))? && !self.rules.exclude.is_match(path) && !self.is_ignored(path, true)?;
        self.folders.insert(path.to_owned(), wanted);
        Ok(wanted)
    }

    /// Whether a file is taken.
    pub(super) fn file(&mut self, path: &str) -> Result<bool, UnreadableList> {
        Ok(self.folder(parent(path))?
            && !self.rules.exclude.is_match(path)
            && self.rules.includes(path)
            && !self.is_ignored(path, false)?)
    }

    fn is_ignored(&mut self, path: &str, is_folder: bool) -> Result<bool, UnreadableList> {
        if !self.rules.gitignore {
            return Ok(false);
        }
        let mut folder = parent(path);
        loop {
            let below = if folder.is_empty() { path } else { &path[folder.len() + 1..] };
            match self.list(folder)?.map(|list| list.matched(below, is_folder)) {
                Some(Match::Ignore(_)) => return Ok(true),
                Some(Match::Whitelist(_)) => return Ok(false),
                Some(Match::None) | None if folder.is_empty() => return Ok(false),
                Some(Match::None) | None => folder = parent(folder),
            }
        }
    }

    fn list(&mut self, folder: &str) -> Result<Option<&Gitignore>, UnreadableList> {
        if !self.lists.contains_key(folder) {
            let read = read_list(&self.root.join(folder).join(GITIGNORE));
            let read = read.map_err(|_| UnreadableList { folder: folder.to_owned() })?;
            self.lists.insert(folder.to_owned(), read);
        }
        Ok(self.lists[folder].as_ref())
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Reads a list; `None` when there is none. Git follows no link here either.
fn read_list(path: &Path) -> io::Result<Option<Gitignore>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(limits::GITIGNORE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limits::GITIGNORE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut builder = GitignoreBuilder::new(".");
    for line in String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').lines() {
        // Git passes over a line that is no pattern, too.
        let _ = builder.add_line(None, line);
    }
    builder.build().map(Some).map_err(io::Error::other)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
