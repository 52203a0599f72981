//! What do the files say, each in one consistent state?
//!
//! Invariants:
//! - Only regular files are read: the open waits for nobody (a pipe) and follows no link, and the open file is asked
//!   again what it is.
//! - A file that changed while it was read is not taken as read.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags};

use wellspring_core::limits;

use super::report::SkipReason;
use super::walk::FileSeen;

/// A file changed this recently may change again without a new time, since kernels keep time in ticks.
const TICK: Duration = Duration::from_millis(20);

/// How reading one file ended.
#[derive(Debug)]
pub(super) enum Reading {
    /// Its whole content, and what its metadata said before and after.
    Read {
        content: Vec<u8>,
        seen: FileSeen,
    },
    /// It was changing; what was read of it, to be taken only when it never comes to rest.
    Unsettled {
        content: Vec<u8>,
    },
    /// It is no longer there.
    Gone,
    Skipped(SkipReason),
}

/// Reads files from the front of `queue` until a batch is full.
pub(super) fn read_batch(root: &Path, queue: &mut VecDeque<(String, FileSeen)>) -> Vec<(String, Reading)> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some((path, seen)) = queue.pop_front() {
        bytes += seen.bytes as usize;
        let is_full = batch.len() == limits::ACCEPT_BATCH_DOCUMENTS_MAX || bytes > limits::ACCEPT_BATCH_BYTES_MAX;
        if is_full && !batch.is_empty() {
            queue.push_front((path, seen));
            break;
        }
        let reading = read(&root.join(&path)).unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Reading::Gone,
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Reading::Skipped(SkipReason::NotRegular)
            }
            _ => Reading::Skipped(SkipReason::Unreadable),
        });
        batch.push((path, reading));
    }
    batch
}

/// Those of some files that hold nothing but white space.
pub(super) fn blank_among(root: &Path, paths: Vec<String>) -> BTreeSet<String> {
    let is_blank = |path: &String| match read(&root.join(path)) {
        Ok(Reading::Read { content, .. } | Reading::Unsettled { content }) => content.trim_ascii().is_empty(),
        Ok(Reading::Gone | Reading::Skipped(_)) | Err(_) => false,
    };
    paths.into_iter().filter(is_blank).collect()
}

fn read(path: &Path) -> io::Result<Reading> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let before = file.metadata()?;
    if !before.is_file() {
        return Ok(Reading::Skipped(SkipReason::NotRegular));
    }
    let mut content = Vec::with_capacity((before.len() as usize).min(limits::DOCUMENT_BYTES_MAX));
    // One byte more than allowed tells a file that grew past the limit.
    (&mut file).take(limits::DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limits::DOCUMENT_BYTES_MAX {
        return Ok(Reading::Skipped(SkipReason::TooLarge));
    }
    let after = file.metadata()?;
    let seen = FileSeen::of(&before);
    if seen != FileSeen::of(&after) || content.len() as u64 != after.len() || changed_just_now(&after) {
        return Ok(Reading::Unsettled { content });
    }
    Ok(Reading::Read { content, seen })
}

fn changed_just_now(metadata: &Metadata) -> bool {
    // A time in the future (another machine's clock) says nothing.
    let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_some_and(|age| age < TICK)
}
