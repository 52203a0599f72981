//! What is to be looked at next, and when?
//!
//! Invariants:
//! - However much happens, no more than [`limits::WATCH_EVENTS_MAX`] paths are remembered; beyond that everything is
//!   looked at.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use wellspring_core::limits;

use super::walk::Below;

/// What is to be looked at, and when.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Paths below the root.
    pub(super) paths: BTreeSet<String>,
    /// Paths below the root that are not Unicode.
    pub(super) strange: BTreeSet<PathBuf>,
    /// Those of `paths` that are looked at a second time, and not again after that.
    pub(super) seconds: BTreeSet<String>,
    /// When everything is looked at.
    pub(super) scan_at: Option<Instant>,
    /// Paths to look at once more: files that were changing, and new folders, which fill before they are watched.
    again: BTreeSet<String>,
    /// When they are.
    pub(super) again_at: Option<Instant>,
}

impl Agenda {
    /// A path that is looked at now; `""` is the root itself.
    pub(super) fn look_at(&mut self, path: Below) {
        if self.paths.len() + self.strange.len() >= limits::WATCH_EVENTS_MAX {
            // More than is worth looking at one by one.
            return self.scan_by(Instant::now());
        }
        match path {
            Below::Named(path) if path.is_empty() => self.scan_by(Instant::now()),
            Below::Named(path) => {
                self.seconds.remove(&path);
                self.paths.insert(path);
            }
            Below::Strange(path) => {
                self.strange.insert(path);
            }
        }
    }

    pub(super) fn look_again(&mut self, paths: impl IntoIterator<Item = String>, after: Duration) {
        let before = self.again.len();
        self.again.extend(paths);
        if self.again.len() > before {
            let at = Instant::now() + after;
            self.again_at = Some(self.again_at.map_or(at, |before| before.min(at)));
        }
    }

    /// The time for the second look has come.
    pub(super) fn take_again(&mut self) {
        self.again_at = None;
        self.seconds = std::mem::take(&mut self.again);
        self.paths.extend(self.seconds.iter().cloned());
    }

    /// A whole scan no later than `at`.
    pub(super) fn scan_by(&mut self, at: Instant) {
        self.scan_at = Some(self.scan_at.map_or(at, |before| before.min(at)));
    }
}
