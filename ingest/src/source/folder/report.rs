//! How is a watched folder doing?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use wellspring_core::limits;
use wellspring_core::source::Visit;

use super::walk::covers;

/// Why a file is not read although its name promises a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// More bytes than a document may have; what was read of it before stays, marked as outdated.
    TooLarge,
    /// A name that is not Unicode has no key that names only it.
    NameNotUnicode,
    /// A folder of such a name: nothing below it is looked at.
    FolderNameNotUnicode,
    /// A name that no key can carry: too long, or with control characters.
    NameRefused,
    /// The disk or its permissions refuse it; what was read of it before stays, marked as outdated.
    Unreadable,
    /// Below too many folders.
    TooDeep,
    /// A link, a pipe or a device. Links are not followed: they may lead out of the folder.
    NotRegular,
    /// Its key belongs to another source.
    OwnedBySource,
}

impl SkipReason {
    /// Whether the file is a document with a state that says so, and nobody has to look after it.
    pub(super) fn is_recorded(self) -> bool {
        matches!(self, Self::TooLarge | Self::NameNotUnicode | Self::NameRefused | Self::NotRegular)
    }

    /// The reason for people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TooLarge => "larger than a document may be",
            Self::NameNotUnicode => "its name is not Unicode",
            Self::FolderNameNotUnicode => "the folder's name is not Unicode, and nothing below it is read",
            Self::NameRefused => "its name is too long or holds control characters",
            Self::Unreadable => "it cannot be read; look at its permissions",
            Self::TooDeep => "below too many folders",
            Self::NotRegular => "a link, a pipe or a device",
            Self::OwnedBySource => "its key belongs to another source",
        }
    }
}

/// A skipped file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skip {
    /// Its path in the folder.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// Files in no format that is read.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) files: u64,
    /// Some of them, not all of one ending.
    pub(super) names: Vec<String>,
}

/// Files of one ending that are named as examples.
const NAMES_OF_AN_ENDING: usize = 2;

impl LeftOut {
    pub(super) fn count(&mut self, path: &str) {
        self.files += 1;
        if self.names.len() < limits::LEFT_OUT_NAMES_MAX {
            let alike = self.names.iter().filter(|name| ending(name) == ending(path));
            if alike.count() < NAMES_OF_AN_ENDING {
                self.names.push(path.to_owned());
            }
        }
    }
}

fn ending(path: &str) -> Option<&str> {
    path.rsplit('/').next()?.rsplit_once('.').map(|(_, ending)| ending)
}

/// The state of a watched folder.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct FolderReport {
    /// Files that are documents now.
    pub files: usize,
    /// Whole scans so far.
    pub scans: u64,
    /// When the last whole scan ended.
    pub last_scan_at: Option<Timestamp>,
    /// How long it took.
    pub last_scan_ms: u64,
    /// When the next whole scan begins by itself.
    pub next_scan_at: Option<Timestamp>,
    /// Documents made or changed since the start.
    pub changed: u64,
    /// Documents deleted since the start.
    pub deleted: u64,
    /// Whether the kernel reports every change; else the audits find them.
    pub watched: bool,
    /// What stands in the way, until a scan succeeds.
    pub last_error: Option<String>,
    /// Deletions held back, since so many at once look like a lost disk.
    pub held_deletions: usize,
    /// Files of the last whole scan that no name promises to be a document: they have no state.
    pub left_out: u64,
    /// Some of them by name, at most [`limits::LEFT_OUT_NAMES_MAX`].
    pub left_out_names: Vec<String>,
    /// Skipped files by reason: of the last whole scan and what was seen since.
    pub skipped: BTreeMap<SkipReason, usize>,
    /// Some of them by name, at most [`limits::FOLDER_SKIPS_LISTED_MAX`].
    pub skips: Vec<Skip>,
}

impl FolderReport {
    /// Forgets what was said about paths that are looked at anew.
    pub(super) fn look_anew(&mut self, examined: &[String]) {
        let skipped = &mut self.skipped;
        self.skips.retain(|skip| {
            let is_anew = examined.iter().any(|root| covers(root, &skip.path));
            if is_anew && let Some(count) = skipped.get_mut(&skip.reason) {
                *count = count.saturating_sub(1);
            }
            !is_anew
        });
        skipped.retain(|_, count| *count > 0);
    }

    /// The last whole scan as a visit; what was seen live since the one before, which `told` tells, counts as its changes.
    pub(super) fn as_visit(&self, told: &mut (u64, u64), began_at: Timestamp) -> Visit {
        let before = std::mem::replace(told, (self.changed, self.deleted));
        Visit {
            began_at,
            took_ms: self.last_scan_ms,
            requests: 0,
            wire_bytes: 0,
            items: self.files as u64,
            changed: self.changed - before.0,
            deleted: self.deleted - before.1,
            failed: self.failed(),
            passed_over: self.passed_over(),
            left_out: self.left_out,
            left_out_names: self.left_out_names.clone(),
            errors: self.errors(),
            complete: true,
            not_before: None,
            hub: None,
            topic: None,
        }
    }

    /// Files and folders that somebody has to look after.
    pub(super) fn failed(&self) -> u64 {
        self.count(|reason| !reason.is_recorded())
    }

    /// Files that were left out and have a state that says why.
    pub(super) fn passed_over(&self) -> u64 {
        self.count(SkipReason::is_recorded)
    }

    fn count(&self, of: impl Fn(SkipReason) -> bool) -> u64 {
        self.skipped.iter().filter(|(reason, _)| of(**reason)).map(|(_, count)| *count as u64).sum()
    }

    /// Some of those that somebody has to look after by name, each with its reason.
    pub(super) fn errors(&self) -> Vec<String> {
        let skips = self.skips.iter().filter(|skip| !skip.reason.is_recorded()).take(limits::VISIT_ERRORS_MAX);
        skips.map(|skip| format!("{}: {}", skip.path, skip.reason.in_words())).collect()
    }

    pub(super) fn skip(&mut self, path: &str, reason: SkipReason) {
        let known = self.skips.iter().any(|skip| skip.path == path && skip.reason == reason);
        if known {
            return;
        }
        *self.skipped.entry(reason).or_default() += 1;
        if self.skips.len() < limits::FOLDER_SKIPS_LISTED_MAX {
            self.skips.push(Skip { path: path.to_owned(), reason });
        } else if !reason.is_recorded()
            && let Some(place) = self.skips.iter().rposition(|skip| skip.reason.is_recorded())
        {
            // What is told nowhere else comes first.
            self.skips[place] = Skip { path: path.to_owned(), reason };
        }
    }
}

/// The handle by which others see and steer a running folder source.
#[derive(Debug, Default)]
pub struct FolderStatus {
    report: Mutex<FolderReport>,
    wake: Notify,
    release: AtomicBool,
    visits: watch::Sender<Option<Visit>>,
}

impl FolderStatus {
    /// The state now.
    pub fn report(&self) -> FolderReport {
        self.edit().clone()
    }

    /// Asks for a whole scan now instead of at the next audit.
    pub fn request_scan(&self) {
        self.wake.notify_one();
    }

    /// Says that the deletions held back are meant: the scan this asks for applies what it finds.
    pub fn release_held_deletions(&self) {
        self.release.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The last whole scan as a visit, and a way to wait for the next one.
    pub fn visits(&self) -> watch::Receiver<Option<Visit>> {
        self.visits.subscribe()
    }

    pub(super) fn visited(&self, visit: Visit) {
        self.visits.send_replace(Some(visit));
    }

    /// Adds what was passed over since the last whole scan to what is told of it, so that nobody has to wait for the next
    /// one to hear of it.
    pub(super) fn retell(&self) {
        let (failed, passed_over, errors) = {
            let report = self.edit();
            (report.failed(), report.passed_over(), report.errors())
        };
        self.visits.send_if_modified(|visit| match visit {
            Some(visit) if (visit.failed, visit.passed_over) != (failed, passed_over) || visit.errors != errors => {
                visit.failed = failed;
                visit.passed_over = passed_over;
                visit.errors = errors;
                true
            }
            _ => false,
        });
    }

    pub(super) async fn scan_requested(&self) {
        self.wake.notified().await;
    }

    pub(super) fn take_release(&self) -> bool {
        self.release.swap(false, Ordering::AcqRel)
    }

    pub(super) fn edit(&self) -> MutexGuard<'_, FolderReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
