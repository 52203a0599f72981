//! Do so many documents go at once that somebody should say yes first?
//!
//! A loss is a document whose file is gone, or holds no text any more.
//!
//! ```text
//! seen live   too many of what the source had? held
//!             else few, or none for a moment?  made
//!             else                             looked at once more in a moment
//! whole look  too many of what the source has? held, else made
//! ```
//!
//! Invariants:
//! - At once means within [`limits::FOLDER_LOSS_WINDOW`], measured against what the source had when it began: many small
//!   looks see no less than one large one.
//! - What is held stays so until somebody says yes, or its file is back; no later look makes it because few are missing.
//! - A loss is made by a look that saw it, never from memory.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use wellspring_core::limits;

/// Whether the losses in a look were reported by the kernel or only found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Losses {
    Reported,
    Found,
}

/// What becomes of the losses that a look saw.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// To be made now.
    pub(super) made: BTreeSet<String>,
    /// To be looked at once more after [`limits::FOLDER_LOSS_QUIET`].
    pub(super) waiting: Vec<String>,
}

/// Stands between what a look shows and what is deleted. Paths are relative to the root.
#[derive(Debug, Default)]
pub(super) struct Guard {
    held: BTreeSet<String>,
    held_at: Option<Instant>,
    waiting: BTreeSet<String>,
    waiting_since: Option<Instant>,
    waiting_grew_at: Option<Instant>,
    /// What was made within the window.
    made: BTreeMap<String, Instant>,
}

impl Guard {
    /// Losses that wait for a yes.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Everything that is missing and was not made.
    pub(super) fn missing(&self) -> impl Iterator<Item = &String> {
        self.held.iter().chain(&self.waiting)
    }

    /// Forgets losses that are none any more.
    pub(super) fn keep(&mut self, is_missing: impl Fn(&str) -> bool) {
        self.held.retain(|path| is_missing(path));
        self.waiting.retain(|path| is_missing(path));
    }

    /// Somebody said yes: whatever the look at hand shows is made.
    pub(super) fn release(&mut self, lost: BTreeSet<String>) -> Verdict {
        *self = Self::default();
        Verdict { made: lost, waiting: Vec::new() }
    }

    /// Judges the losses of a look over a source that has so many documents now, the lost ones among them.
    pub(super) fn judge(&mut self, lost: BTreeSet<String>, documents: usize, losses: Losses, now: Instant) -> Verdict {
        self.made.retain(|_, at| is_recent(*at, now));
        let before = documents + self.made.len();
        let made = match losses {
            Losses::Found => self.found(&lost, before, now),
            Losses::Reported => self.reported(&lost, before, now),
        };
        self.waiting.retain(|path| !made.contains(path));
        if self.waiting.is_empty() {
            self.waiting_since = None;
        }
        self.made.extend(made.iter().map(|path| (path.clone(), now)));
        Verdict { made, waiting: self.waiting.iter().cloned().collect() }
    }

    /// A whole look shows everything that is missing, so that there is nothing to wait for.
    fn found(&mut self, lost: &BTreeSet<String>, before: usize, now: Instant) -> BTreeSet<String> {
        self.waiting.clear();
        if looks_like_a_lost_disk(self.made_beside(lost) + lost.len(), before) {
            self.hold(lost.iter().cloned(), now);
        }
        lost.difference(&self.held).cloned().collect()
    }

    fn reported(&mut self, lost: &BTreeSet<String>, before: usize, now: Instant) -> BTreeSet<String> {
        let waited = self.waiting.len();
        self.waiting.extend(lost.difference(&self.held).cloned());
        if self.waiting.len() > waited {
            self.waiting_grew_at = Some(now);
            self.waiting_since.get_or_insert(now);
        }
        let held_lately = if self.held_at.is_some_and(|at| is_recent(at, now)) { self.held.len() } else { 0 };
        let made_lately = self.made_beside(&self.waiting);
        if looks_like_a_lost_disk(held_lately + made_lately + self.waiting.len(), before) {
            let waiting = std::mem::take(&mut self.waiting);
            self.hold(waiting, now);
            return BTreeSet::new();
        }
        let since = |at: Option<Instant>| at.map_or(limits::FOLDER_LOSS_WAIT_MAX, |at| now.duration_since(at));
        let are_few = made_lately + self.waiting.len() <= limits::FOLDER_LOSSES_AT_ONCE_MAX;
        let is_all = since(self.waiting_grew_at) >= limits::FOLDER_LOSS_QUIET
            || since(self.waiting_since) >= limits::FOLDER_LOSS_WAIT_MAX;
        // A small source is never asked about, so nothing is gained by waiting.
        if are_few || is_all || before <= limits::FOLDER_DELETIONS_MAX {
            return self.waiting.intersection(lost).cloned().collect();
        }
        BTreeSet::new()
    }

    /// What was made within the window, beside what is seen lost once more.
    fn made_beside(&self, lost: &BTreeSet<String>) -> usize {
        self.made.keys().filter(|path| !lost.contains(*path)).count()
    }

    fn hold(&mut self, lost: impl IntoIterator<Item = String>, now: Instant) {
        let before = self.held.len();
        self.held.extend(lost);
        // The same ones again, at each whole look, are no news.
        if self.held.len() > before {
            self.held_at = Some(now);
        }
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.duration_since(at) < limits::FOLDER_LOSS_WINDOW
}

fn looks_like_a_lost_disk(lost: usize, before: usize) -> bool {
    let share_max = before * limits::FOLDER_DELETIONS_PERCENT_MAX / 100;
    lost > limits::FOLDER_DELETIONS_MAX && lost > share_max
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
