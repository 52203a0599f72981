//! Which documents does a look show to be lost, and which of them are let go?
//!
//! Invariants:
//! - A file that is at another place of the folder now was renamed: its document goes with the other's coming, and nobody
//!   is asked.
//! - A document whose file holds no text any more is as good as gone: emptying many files needs the same yes.

use std::collections::{BTreeSet, HashSet};

use tokio::time::Instant;

use wellspring_core::limits;

use super::guard::Losses;
use super::read::blank_among;
use super::reconcile::{Reconciler, is_passed};
use super::walk::Look;

/// What becomes of the documents that a look shows to be lost.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Those whose files are gone, to be deleted.
    pub(super) gone: BTreeSet<String>,
    /// Those that stay as they are for now.
    kept: BTreeSet<String>,
    /// Those that are looked at once more in a moment.
    pub(super) waiting: Vec<String>,
}

impl Judged {
    /// Whether a document stays as it is, whatever is at its path.
    pub(super) fn is_kept(&self, path: &str) -> bool {
        self.kept.contains(path)
    }
}

impl Reconciler {
    /// Judges what a look shows to be lost.
    pub(super) async fn judge(&mut self, look: &Look, losses: Losses) -> Judged {
        let gone: BTreeSet<String> = self.known.iter().filter(|known| is_gone(look, *known)).map(owned).collect();
        let emptied = self.emptied(look).await;
        let moved = self.moved(look, &gone);
        let lost: BTreeSet<String> = gone.union(&emptied).filter(|path| !moved.contains(*path)).cloned().collect();
        self.guard.keep(|path| {
            let is_missing = lost.contains(path) || !look.knows(path);
            is_missing && !moved.contains(path) && self.known.contains_key(path)
        });
        let verdict = match losses == Losses::Found && self.status.take_release() {
            true => self.guard.release(lost.clone()),
            false => self.guard.judge(lost.clone(), self.known.len(), losses, Instant::now()),
        };
        Judged {
            gone: gone.intersection(&verdict.made).chain(&moved).cloned().collect(),
            kept: lost.difference(&verdict.made).cloned().collect(),
            waiting: verdict.waiting,
        }
    }

    /// Documents that had text, as far as is known, and whose files hold none now.
    async fn emptied(&self, look: &Look) -> BTreeSet<String> {
        let had_text = |path: &String| {
            let Some(known) = self.known.get(path) else { return false };
            !is_passed(known.as_ref()) && !known.as_deref().is_some_and(|known| known.starts_with("0-"))
        };
        let is_short = |bytes: u64| bytes <= limits::BLANK_FILE_BYTES_MAX;
        let news = look.files.iter().filter(|(path, seen)| is_short(seen.bytes) && self.is_news(path, seen));
        let (empty, short): (Vec<_>, Vec<_>) =
            news.filter(|(path, _)| had_text(path)).partition(|(_, seen)| seen.bytes == 0);
        let mut emptied: BTreeSet<String> = empty.into_iter().map(owned).collect();
        if !short.is_empty() {
            let (root, short) = (self.looker.root.clone(), short.into_iter().map(owned).collect());
            // The closure neither panics nor is cancelled.
            let blank = tokio::task::spawn_blocking(move || blank_among(&root, short)).await;
            emptied.extend(blank.unwrap_or_default());
        }
        emptied
    }

    /// Those of the missing files that are at another path now: the same inode with the same size and time.
    fn moved(&self, look: &Look, gone: &BTreeSet<String>) -> BTreeSet<String> {
        let missing = gone.iter().chain(self.guard.missing().filter(|path| !look.files.contains_key(*path)));
        let missing: BTreeSet<&String> = missing.collect();
        let file_of = |path: &String| file(self.known.get(path)?.as_ref());
        let wanted: HashSet<&str> = missing.iter().filter_map(|path| file_of(path)).collect();
        if wanted.is_empty() {
            return BTreeSet::new();
        }
        let seen = look.files.values().map(|seen| seen.fingerprint.as_str());
        let stayed = self.known.iter().filter(|(path, _)| !missing.contains(path));
        let stayed = stayed.filter_map(|(_, known)| file(known.as_ref()));
        let met: HashSet<&str> = seen.chain(stayed).filter(|file| wanted.contains(file)).collect();
        let is_met = |path: &&&String| file_of(path).is_some_and(|file| met.contains(file));
        missing.iter().filter(is_met).map(|path| (*path).clone()).collect()
    }
}

/// Whether a document that is known is gone; what was passed over is not, as long as it is.
fn is_gone(look: &Look, (path, known): (&String, &Option<String>)) -> bool {
    look.shows_gone(path) && !(is_passed(known.as_ref()) && look.passed.contains_key(path))
}

fn owned<T>((path, _): (&String, T)) -> String {
    path.clone()
}

/// The part of a document's fingerprint that is the file's own.
fn file(fingerprint: Option<&String>) -> Option<&str> {
    fingerprint.filter(|_| !is_passed(fingerprint))?.split(' ').next()
}
