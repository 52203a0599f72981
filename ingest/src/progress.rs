//! How far is a pending document?
//!
//! Invariants:
//! - Known of claimed entries only, and forgotten when they are finished: as many as the pipeline holds at once.
//! - In memory alone. After a restart everything pending begins anew, and that is what is told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wellspring_core::catalog::{EntryState, Sequence};

/// How far an entry is that is not published yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It was read and cut.
    Parsed,
    /// Its vectors are there, and it is staged.
    Embedded,
}

/// Where the pipeline notes how far it is.
#[derive(Debug, Default)]
pub(crate) struct ProgressBoard {
    entries: Mutex<HashMap<Sequence, Progress>>,
}

impl ProgressBoard {
    fn entries(&self) -> MutexGuard<'_, HashMap<Sequence, Progress>> {
        // The map is whole between any two calls on it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how far entries are.
    pub(crate) fn note(&self, sequences: impl IntoIterator<Item = Sequence>, progress: Progress) {
        self.entries().extend(sequences.into_iter().map(|sequence| (sequence, progress)));
    }

    /// Forgets entries that are finished.
    pub(crate) fn forget(&self, sequences: impl IntoIterator<Item = Sequence>) {
        let mut entries = self.entries();
        for sequence in sequences {
            entries.remove(&sequence);
        }
    }

    /// A state as it is shown: a pending one with how far it is.
    pub(crate) fn shown(&self, sequence: Sequence, state: EntryState) -> EntryState {
        match (&state, self.entries().get(&sequence)) {
            (EntryState::Pending, Some(Progress::Parsed)) => EntryState::Parsed,
            (EntryState::Pending, Some(Progress::Embedded)) => EntryState::Embedded,
            _ => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pending_entry_is_shown_with_its_progress() {
        let board = ProgressBoard::default();
        let entry = Sequence(1);
        assert_eq!(board.shown(entry, EntryState::Pending), EntryState::Pending);
        board.note([entry, Sequence(2)], Progress::Parsed);
        assert_eq!(board.shown(entry, EntryState::Pending), EntryState::Parsed);
        board.note([entry], Progress::Embedded);
        assert_eq!(board.shown(entry, EntryState::Pending), EntryState::Embedded);
        assert_eq!(board.shown(entry, EntryState::Published), EntryState::Published);
        board.forget([entry, Sequence(2), Sequence(3)]);
        assert_eq!(board.shown(entry, EntryState::Pending), EntryState::Pending);
        assert!(board.entries().is_empty());
    }
}
