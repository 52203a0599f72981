//! Which writes bring the catalog to what the folder shows?
//!
//! Invariants:
//! - Puts come before deletions, so a renamed document is never missing in between.
//! - What is lost is lost with restraint: more than [`limits::FOLDER_DELETIONS_PERCENT_MAX`] percent of the documents at
//!   once look like a lost disk, and are held until a person says that it is meant.
//! - What was only renamed is not lost.
//! - A file that is there and cannot be taken takes nothing away: its document stays, and is marked as outdated.
//! - What is no document although its name promises one is recorded once, with its reason.
//! - A fingerprint is remembered only for what was read at rest and accepted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use wellspring_core::catalog::{CatalogError, Journal, Outcome, Write};
use wellspring_core::document::{Attributes, CollectionName, DocumentKey, Draft, MediaType};
use wellspring_core::limits;

use super::guard::{Guard, Losses};
use super::read::{Reading, read_batch};
use super::report::{FolderStatus, SkipReason};
use super::walk::{FileSeen, Look, Looker};
use crate::source::Accept;

/// What the catalog has of a folder, and the way to change it.
pub(super) struct Reconciler {
    pub(super) looker: Looker,
    pub(super) collection: CollectionName,
    /// Labels of every document.
    tags: Vec<String>,
    tags_digest: Option<String>,
    pub(super) accept: Arc<dyn Accept>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) status: Arc<FolderStatus>,
    /// The documents of this source by path, with the fingerprint of what was accepted.
    pub(super) known: BTreeMap<String, Option<String>>,
    /// What is lost and not let go yet.
    pub(super) guard: Guard,
    /// Documents of this source that belong elsewhere: its collection was changed.
    strays: Vec<(CollectionName, DocumentKey)>,
    /// How often a file was found changing.
    unsettled: HashMap<String, u32>,
}

/// What a write did with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrote {
    Content,
    Mark,
    Pass,
    End,
}

/// How the fingerprint of something that was passed over begins: no file's begins so.
const PASSED: &str = "passed over: ";

pub(super) fn is_passed(fingerprint: Option<&String>) -> bool {
    fingerprint.is_some_and(|fingerprint| fingerprint.starts_with(PASSED))
}

/// What is to be looked at once more.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// What was changing while it was read.
    pub(super) unsettled: Vec<String>,
    /// What is lost, with more perhaps to follow.
    pub(super) waiting: Vec<String>,
    /// Whether a document that the catalog does not have yet is among them.
    new_is_due: bool,
}

impl Reconciler {
    pub(super) fn new(
        looker: Looker,
        collection: CollectionName,
        tags: Vec<String>,
        accept: Arc<dyn Accept>,
        journal: Arc<dyn Journal>,
        status: Arc<FolderStatus>,
    ) -> Self {
        let (known, guard, strays, unsettled) = Default::default();
        let digest = || blake3::hash(tags.join("\n").as_bytes()).to_hex()[..16].to_owned();
        let tags_digest = (!tags.is_empty()).then(digest);
        Self { looker, collection, tags, tags_digest, accept, journal, status, known, guard, strays, unsettled }
    }

    /// Reads what the catalog has. Comes before the scan, or what arrives meanwhile is taken for deleted.
    pub(super) async fn recall(&mut self) -> Result<(), CatalogError> {
        let items = self.journal.source_items(&self.looker.name).await?;
        let mut remembered = std::mem::take(&mut self.known);
        self.strays.clear();
        for (collection, key, fingerprint) in items {
            match self.looker.path_of(&key) {
                Some(path) if collection == self.collection => {
                    // What was accepted in this life is newer than what was read of the journal meanwhile.
                    let fingerprint = remembered.remove(path).flatten().or(fingerprint);
                    self.known.insert(path.to_owned(), fingerprint);
                }
                _ => self.strays.push((collection, key)),
            }
        }
        Ok(())
    }

    /// Applies a look. Returns what must be looked at again.
    pub(super) async fn settle(&mut self, look: Look, losses: Losses) -> Result<Again, CatalogError> {
        let judged = self.judge(&look, losses).await;
        self.tell(&look, losses);
        let passing = look.passed.iter().filter(|(path, _)| !judged.is_kept(path));
        let passing = passing.filter_map(|(path, reason)| self.pass_over(path, *reason));
        let mut marks: VecDeque<(Write, Option<String>)> = passing.collect();
        // Passing something over deletes what was there.
        let mut gone: VecDeque<String> =
            judged.gone.iter().filter(|path| !look.passed.contains_key(*path)).cloned().collect();
        let mut strays: VecDeque<_> = match losses {
            Losses::Found => self.strays.drain(..).collect(),
            Losses::Reported => VecDeque::new(),
        };
        marks.extend(look.unread.iter().filter_map(|(path, reason)| Some((self.unread(path, *reason)?, None))));
        let is_due = |(path, seen): &(String, FileSeen)| self.is_news(path, seen) && !judged.is_kept(path);
        let mut changed: VecDeque<(String, FileSeen)> = look.files.into_iter().filter(is_due).collect();
        let mut again = Again { waiting: judged.waiting, ..Again::default() };
        while !(changed.is_empty() && marks.is_empty() && gone.is_empty() && strays.is_empty()) {
            if self.looker.stop.is_cancelled() {
                break;
            }
            let mut batch = self.read(&mut changed, &mut again).await;
            if changed.is_empty() {
                if again.new_is_due {
                    // It may be what a gone file was renamed to: that one goes together with it.
                    again.unsettled.extend(gone.drain(..));
                }
                let mut room = limits::ACCEPT_BATCH_DOCUMENTS_MAX.saturating_sub(batch.len());
                while room > 0
                    && let Some(write) = marks
                        .pop_front()
                        .or_else(|| self.next_delete(&mut gone, &mut strays).map(|write| (write, None)))
                {
                    batch.push(write);
                    room -= 1;
                }
            }
            self.hand_over(batch).await?;
        }
        let files = self.known.values().filter(|fingerprint| !is_passed(fingerprint.as_ref())).count();
        self.status.edit().files = files;
        Ok(again)
    }

    /// Tells what a look has shown.
    fn tell(&self, look: &Look, losses: Losses) {
        let mut report = self.status.edit();
        report.look_anew(&look.examined);
        look.skipped.iter().for_each(|(path, reason)| report.skip(path, *reason));
        look.unread.iter().chain(&look.passed).for_each(|(path, reason)| report.skip(path, *reason));
        report.held_deletions = self.guard.held();
        if losses == Losses::Found {
            report.left_out = look.left_out.files;
            report.left_out_names.clone_from(&look.left_out.names);
        }
    }

    pub(super) fn is_news(&self, path: &str, seen: &FileSeen) -> bool {
        self.known.get(path).is_none_or(|known| known.as_deref() != Some(&self.fingerprint(seen)))
    }

    /// What tells that a file and what is said about it are as they were.
    pub(super) fn fingerprint(&self, seen: &FileSeen) -> String {
        match &self.tags_digest {
            None => seen.fingerprint.clone(),
            Some(digest) => format!("{} {digest}", seen.fingerprint),
        }
    }

    fn next_delete(
        &self,
        gone: &mut VecDeque<String>,
        strays: &mut VecDeque<(CollectionName, DocumentKey)>,
    ) -> Option<Write> {
        let ours = |path: String| Some((self.collection.clone(), self.looker.key(&path)?));
        let (collection, key) = gone.pop_front().and_then(ours).or_else(|| strays.pop_front())?;
        Some(Write::Delete { collection, key, source: self.looker.name.clone() })
    }

    /// Reads the next changed files off the async threads, and turns those at rest into writes.
    async fn read(
        &mut self,
        changed: &mut VecDeque<(String, FileSeen)>,
        again: &mut Again,
    ) -> Vec<(Write, Option<String>)> {
        if changed.is_empty() {
            return Vec::new();
        }
        let root = self.looker.root.clone();
        let mut queue = std::mem::take(changed);
        let read = tokio::task::spawn_blocking(move || (read_batch(&root, &mut queue), queue)).await;
        // The closure neither panics nor is cancelled; were it so, the audit would find the files again.
        let Ok((readings, rest)) = read else { return Vec::new() };
        *changed = rest;
        let mut writes = Vec::new();
        for (path, reading) in readings {
            let (content, fingerprint) = match reading {
                Reading::Read { content, seen } => (content, Some(self.fingerprint(&seen))),
                Reading::Unsettled { content } => {
                    let times = self.unsettled.entry(path.clone()).or_default();
                    *times += 1;
                    again.unsettled.push(path.clone());
                    if *times < limits::FOLDER_UNSETTLED_READS_MAX {
                        again.new_is_due |= !self.known.contains_key(&path);
                        continue;
                    }
                    (content, None)
                }
                // Its deletion is another event's news.
                Reading::Gone => continue,
                Reading::Skipped(reason) => {
                    self.status.edit().skip(&path, reason);
                    writes.extend(self.unread(&path, reason).map(|write| (write, None)));
                    continue;
                }
            };
            self.unsettled.remove(&path);
            if let Some(draft) = self.draft(&path, content, fingerprint.clone()) {
                writes.push((Write::Put(draft), fingerprint));
            }
        }
        writes
    }

    /// Marks the document of a file whose content cannot be taken, and makes it where there is none. A link or a pipe is
    /// another thing under the same name, which the next look passes over.
    fn unread(&self, path: &str, reason: SkipReason) -> Option<Write> {
        matches!(reason, SkipReason::TooLarge | SkipReason::Unreadable).then_some(())?;
        Some(Write::Unread {
            collection: self.collection.clone(),
            key: self.looker.key(path)?,
            source: self.looker.name.clone(),
            reason: reason.in_words().to_owned(),
            media_type: MediaType::of_file_name(path),
        })
    }

    /// Records what is no document, unless that is known.
    fn pass_over(&self, path: &str, reason: SkipReason) -> Option<(Write, Option<String>)> {
        let fingerprint = Some(format!("{PASSED}{}", reason.in_words()));
        if self.known.get(path) == Some(&fingerprint) {
            return None;
        }
        let write = Write::PassOver {
            collection: self.collection.clone(),
            key: self.looker.key(path)?,
            source: self.looker.name.clone(),
            // The name that stands in for another promises nothing.
            media_type: MediaType::of_file_name(path).unwrap_or(MediaType::Text),
            reason: reason.in_words().to_owned(),
            fingerprint: fingerprint.clone(),
        };
        Some((write, fingerprint))
    }

    fn draft(&self, path: &str, content: Vec<u8>, fingerprint: Option<String>) -> Option<Draft> {
        Some(Draft {
            collection: self.collection.clone(),
            key: self.looker.key(path)?,
            source: self.looker.name.clone(),
            media_type: MediaType::of_file_name(path)?,
            content,
            attributes: Attributes { tags: self.tags.clone(), ..Attributes::default() },
            fingerprint,
        })
    }

    /// Has a batch accepted, and remembers what was.
    async fn hand_over(&mut self, batch: Vec<(Write, Option<String>)>) -> Result<(), CatalogError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (writes, fingerprints): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let subjects: Vec<(Wrote, CollectionName, DocumentKey)> = writes
            .iter()
            .map(|write| match write {
                Write::Put(draft) => (Wrote::Content, draft.collection.clone(), draft.key.clone()),
                Write::Unread { collection, key, .. } => (Wrote::Mark, collection.clone(), key.clone()),
                Write::PassOver { collection, key, .. } => (Wrote::Pass, collection.clone(), key.clone()),
                Write::Delete { collection, key, .. } => (Wrote::End, collection.clone(), key.clone()),
            })
            .collect();
        let outcomes = self.accept.accept(writes).await?;
        for (((wrote, collection, key), fingerprint), outcome) in subjects.into_iter().zip(fingerprints).zip(outcomes) {
            let Some(path) = self.looker.path_of(&key).filter(|_| collection == self.collection) else { continue };
            if let Ok(accepted) = &outcome
                && matches!(wrote, Wrote::Content | Wrote::End)
            {
                let mut report = self.status.edit();
                match accepted.outcome {
                    Outcome::Created | Outcome::Updated => report.changed += 1,
                    Outcome::Deleted => report.deleted += 1,
                    Outcome::Unchanged | Outcome::Absent => {}
                }
            }
            match outcome {
                Ok(_) if matches!(wrote, Wrote::Content | Wrote::Pass) => {
                    self.known.insert(path.to_owned(), fingerprint);
                }
                // What can be read again is news, whatever it says.
                Ok(accepted) if accepted.outcome != Outcome::Absent && wrote == Wrote::Mark => {
                    self.known.insert(path.to_owned(), None);
                }
                Ok(_) => {
                    self.known.remove(path);
                }
                // It is told as what it is, and the key's owner is in nobody's way.
                Err(_) if wrote == Wrote::Pass => {}
                Err(_) => {
                    self.known.remove(path);
                    self.status.edit().skip(path, SkipReason::OwnedBySource);
                }
            }
        }
        Ok(())
    }
}
