//! Which paths has the kernel seen changing?
//!
//! Invariants:
//! - The watcher's thread never waits: an event that finds no room is answered with a whole scan.
//! - Our own reading causes no events: opening and closing files is left out.
//! - A watch is of one folder, not of whatever its path leads to: it ends when that folder is removed or renamed, and
//!   whoever holds it asks for the [`identity`] of what is there now, since not everything makes an event.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use wellspring_core::limits;

/// What the watcher reports.
#[derive(Debug)]
pub(super) enum Change {
    /// Something happened at a path.
    Path(PathBuf),
    /// Something may have happened anywhere.
    Anywhere,
    /// The kernel watches no more folders for this user.
    Limited,
}

/// A watched folder. Dropping it ends the watch.
pub(super) struct Watch {
    changes: mpsc::Receiver<Change>,
    overflowed: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    /// What is watched: another folder at the same path needs another watch.
    pub(super) identity: Identity,
    /// Whether every folder below the root is watched.
    pub(super) is_whole: bool,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches a folder and everything below it. Takes as long as walking its folders: call it off the async threads.
    pub(super) fn start(root: &Path) -> Result<Self, notify::Error> {
        let identity = identity(root)?;
        let (sender, changes) = mpsc::channel(limits::WATCH_EVENTS_MAX);
        let (overflowed, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (overflow, end, of) = (overflowed.clone(), ended.clone(), root.to_owned());
        let handler = move |event: Result<Event, notify::Error>| {
            if event.as_ref().is_ok_and(|event| is_end_of(&of, event)) {
                // Told apart from the changes, among which there may be no room for it.
                end.store(true, Ordering::Release);
            }
            for change in changes_of(event) {
                if sender.try_send(change).is_err() {
                    // Whoever drains the full channel looks at this afterwards.
                    overflow.store(true, Ordering::Release);
                }
            }
        };
        let mut watcher = RecommendedWatcher::new(handler, Config::default().with_follow_symlinks(false))?;
        let is_whole = match watcher.watch(root, RecursiveMode::Recursive) {
            Ok(()) => true,
            Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => false,
            Err(error) => return Err(error),
        };
        Ok(Self { changes, overflowed, ended, identity, is_whole, _watcher: watcher })
    }

    /// The next change; `None` when the watcher's thread has ended.
    pub(super) async fn next(&mut self) -> Option<Change> {
        self.changes.recv().await
    }

    /// Whether changes were lost since this was last asked.
    pub(super) fn take_overflow(&self) -> bool {
        self.overflowed.swap(false, Ordering::AcqRel)
    }

    /// Whether the folder was removed or renamed: nothing more is heard of what is at its path.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Which folder it is, whatever leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// A folder that is made where one was removed often gets its inode. Where the disk keeps no birthdays, only the end
    /// of the watch tells.
    born: Option<SystemTime>,
}

/// What a path leads to. Asks the disk: call it off the async threads.
pub(super) fn identity(root: &Path) -> std::io::Result<Identity> {
    let metadata = std::fs::symlink_metadata(root)?;
    Ok(Identity { device: metadata.dev(), inode: metadata.ino(), born: metadata.created().ok() })
}

fn is_end_of(root: &Path, event: &Event) -> bool {
    matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
        && event.paths.iter().any(|path| path == root)
}

fn changes_of(event: Result<Event, notify::Error>) -> Vec<Change> {
    match event {
        Ok(event) if event.need_rescan() => vec![Change::Anywhere],
        Ok(event) => match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Remove(_) => event.paths.into_iter().map(Change::Path).collect(),
            _ => Vec::new(),
        },
        Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => vec![Change::Limited],
        Err(_) => vec![Change::Anywhere],
    }
}
