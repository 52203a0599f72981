//! What changed in this folder, a moment ago and while nobody looked?
//!
//! ```text
//! kernel events, gathered for a moment -> look at those paths  \
//! audit, overflow, errors, requests    -> look at the whole     -> read what is news -> accept
//! ```
//!
//! Events are hints: what counts is what the folder shows when it is looked at. Keys are the source's name and the
//! path below the root, with `/`. Hidden files and folders (a leading dot) are not looked at.
//!
//! Invariants:
//! - A folder that is missing or unreadable deletes nothing: its documents stay, and the error is reported.
//! - Every change is found: at once through the kernel, or by the next audit.
//! - A file whose name promises a document ends as one, with a state: what cannot be taken is failed or skipped, and its
//!   reason is told.

mod read;
mod reconcile;
mod report;
mod rules;
mod walk;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use wellspring_core::catalog::Journal;
use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_core::source::{SourceName, Visit};

use super::Accept;
use reconcile::{Deletions, Reconciler};
use rules::GITIGNORE;
use walk::Looker;
use watch::{Change, Watch};

pub use report::{FolderReport, FolderStatus, Skip, SkipReason};
pub use rules::FolderRules;

/// A folder to keep up with.
#[derive(Debug, Clone)]
pub struct FolderSource {
    /// The source's name, and the first part of its keys.
    pub name: SourceName,
    /// The folder, as [`std::fs::canonicalize`] names it: no part of it may be a link.
    pub root: PathBuf,
    /// Where its documents go.
    pub collection: CollectionName,
    /// Which of its files are wanted.
    pub rules: FolderRules,
    /// Labels that each of its documents gets.
    pub tags: Vec<String>,
}

impl FolderSource {
    /// Keeps up with the folder until the shutdown. The first scan begins at once.
    pub async fn run(
        self,
        accept: Arc<dyn Accept>,
        journal: Arc<dyn Journal>,
        status: Arc<FolderStatus>,
        shutdown: CancellationToken,
    ) {
        let looker = Looker { name: self.name, root: self.root, rules: self.rules, stop: shutdown.clone() };
        let reconciler = Reconciler::new(looker, self.collection, self.tags, accept, journal, status.clone());
        let agenda = Agenda::default();
        let mut keeper = Keeper { reconciler, status, watch: None, agenda, warned: false, told: (0, 0) };
        keeper.agenda.scan_at = Some(Instant::now());
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = keeper.wait_for_work() => {}
            }
            keeper.work().await;
        }
    }
}

/// What is to be looked at, and when.
#[derive(Debug, Default)]
struct Agenda {
    paths: BTreeSet<String>,
    /// Those of `paths` that are looked at a second time, and not again after that.
    seconds: BTreeSet<String>,
    scan_at: Option<Instant>,
    /// Paths to look at once more: files that were changing, and new folders, which fill before they are watched.
    again: BTreeSet<String>,
    again_at: Option<Instant>,
}

impl Agenda {
    fn look_again(&mut self, paths: impl IntoIterator<Item = String>, after: Duration) {
        self.again.extend(paths);
        if !self.again.is_empty() {
            let at = Instant::now() + after;
            self.again_at = Some(self.again_at.map_or(at, |before| before.min(at)));
        }
    }

    /// A whole scan no later than `at`.
    fn scan_by(&mut self, at: Instant) {
        self.scan_at = Some(self.scan_at.map_or(at, |before| before.min(at)));
    }
}

/// The running source.
struct Keeper {
    reconciler: Reconciler,
    status: Arc<FolderStatus>,
    watch: Option<Watch>,
    agenda: Agenda,
    warned: bool,
    /// Changes and deletions that visits before have told of.
    told: (u64, u64),
}

/// A moment that never comes, for a timer that is not set.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

impl Keeper {
    /// Returns when something is due, having gathered the events of a moment.
    async fn wait_for_work(&mut self) {
        let never = Instant::now() + NEVER;
        let scan_at = self.agenda.scan_at.unwrap_or(never);
        let again_at = self.agenda.again_at.unwrap_or(never);
        let first = tokio::select! {
            () = sleep_until(scan_at) => return,
            () = self.status.scan_requested() => return self.agenda.scan_by(Instant::now()),
            () = sleep_until(again_at) => {
                self.agenda.again_at = None;
                self.agenda.seconds = std::mem::take(&mut self.agenda.again);
                self.agenda.paths.extend(self.agenda.seconds.iter().cloned());
                return;
            }
            change = next_change(&mut self.watch) => change,
        };
        self.note(first);
        let deadline = Instant::now() + limits::WATCH_DEBOUNCE;
        while let Ok(change) = timeout_at(deadline, next_change(&mut self.watch)).await {
            self.note(change);
        }
        if self.watch.as_ref().is_some_and(Watch::take_overflow) {
            self.agenda.scan_by(Instant::now());
        }
    }

    fn note(&mut self, change: Option<Change>) {
        match change {
            // It says what the folder's other files are.
            Some(Change::Path(path)) if self.reconciler.looker.rules.gitignore && path.ends_with(GITIGNORE) => {
                self.agenda.scan_by(Instant::now());
            }
            Some(Change::Path(path)) => match walk::relative(&self.reconciler.looker.root, &path) {
                Some(path) if !path.is_empty() && self.agenda.paths.len() < limits::WATCH_EVENTS_MAX => {
                    self.agenda.seconds.remove(&path);
                    self.agenda.paths.insert(path);
                }
                // The root itself, or more paths than are worth looking at one by one.
                Some(_) => self.agenda.scan_by(Instant::now()),
                None => {}
            },
            Some(Change::Anywhere) => self.agenda.scan_by(Instant::now()),
            Some(Change::Limited) => {
                if let Some(watch) = &mut self.watch {
                    watch.is_whole = false;
                }
                self.warn_unwatched("the kernel's limit of watches is reached");
                self.agenda.scan_by(Instant::now() + limits::AUDIT_INTERVAL_UNWATCHED);
            }
            None => {
                self.watch = None;
                self.agenda.scan_by(Instant::now());
            }
        }
    }

    async fn work(&mut self) {
        let scan_is_due = self.agenda.scan_at.is_some_and(|at| at <= Instant::now());
        if !self.agenda.paths.is_empty() {
            let paths = std::mem::take(&mut self.agenda.paths);
            let looker = self.reconciler.looker.clone();
            self.look(Deletions::Reported, move || looker.look_at(&paths)).await;
        }
        if scan_is_due {
            self.scan().await;
        }
    }

    /// Looks at the whole folder. The watch comes first, then what the catalog has, then the folder: so nothing that
    /// happens meanwhile is missed.
    async fn scan(&mut self) {
        let (began, began_at) = (Instant::now(), Timestamp::now());
        self.renew_watch().await;
        let interval = match self.watch.as_ref().is_some_and(|watch| watch.is_whole) {
            true => limits::AUDIT_INTERVAL,
            false => limits::AUDIT_INTERVAL_UNWATCHED,
        };
        self.agenda.scan_at = Some(began + interval);
        self.status.edit().next_scan_at = began_at.checked_add(interval).ok();
        if let Err(error) = self.reconciler.recall().await {
            return self.fail(format!("could not read what the catalog has: {}", error.chain()));
        }
        {
            let mut report = self.status.edit();
            report.skipped.clear();
            report.skips.clear();
        }
        let looker = self.reconciler.looker.clone();
        if self.look(Deletions::Found, move || looker.look_at_all()).await {
            let took_ms = began.elapsed().as_millis() as u64;
            let visit = {
                let mut report = self.status.edit();
                report.scans += 1;
                report.last_scan_at = Some(Timestamp::now());
                report.last_scan_ms = took_ms;
                report.last_error = None;
                visit(&report, &mut self.told, began_at)
            };
            self.status.visited(visit);
        }
    }

    /// Looks off the async threads and settles what was seen; whether all went well.
    async fn look(
        &mut self,
        deletions: Deletions,
        look: impl FnOnce() -> io::Result<walk::Look> + Send + 'static,
    ) -> bool {
        let look = match tokio::task::spawn_blocking(look).await {
            Ok(Ok(look)) => look,
            Ok(Err(error)) => {
                self.fail(format!("could not read the folder, its documents are kept: {error}"));
                return false;
            }
            Err(_) => {
                self.fail("looking at the folder failed unexpectedly".to_owned());
                return false;
            }
        };
        if deletions == Deletions::Reported {
            // A new folder is watched a moment after it was made; what was put into it in between made no event.
            let seconds = std::mem::take(&mut self.agenda.seconds);
            let folders = look.folders.iter().filter(|folder| !seconds.contains(*folder)).cloned();
            self.agenda.look_again(folders, SECOND_LOOK);
        }
        match self.reconciler.settle(look, deletions).await {
            Ok(unsettled) => {
                self.agenda.look_again(unsettled, limits::WATCH_DEBOUNCE);
                if deletions == Deletions::Reported {
                    self.status.retell();
                }
                true
            }
            Err(error) => {
                self.fail(format!("could not hand documents over: {}", error.chain()));
                false
            }
        }
    }

    async fn renew_watch(&mut self) {
        let root = self.reconciler.looker.root.clone();
        if self.watch.as_ref().is_none_or(|watch| !watch.is_of(&root)) {
            self.watch = None;
            match tokio::task::spawn_blocking(move || Watch::start(&root)).await {
                Ok(Ok(watch)) => self.watch = Some(watch),
                Ok(Err(error)) if self.root_exists() => self.warn_unwatched(&error.to_string()),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        let is_whole = self.watch.as_ref().is_some_and(|watch| watch.is_whole);
        if self.watch.is_some() && !is_whole {
            self.warn_unwatched("the kernel's limit of watches is reached");
        }
        self.status.edit().watched = is_whole;
    }

    fn root_exists(&self) -> bool {
        Path::is_dir(&self.reconciler.looker.root)
    }

    fn warn_unwatched(&mut self, reason: &str) {
        self.status.edit().watched = false;
        if !std::mem::replace(&mut self.warned, true) {
            let source = self.reconciler.looker.name.as_str();
            tracing::warn!(source, reason, "the folder is not watched whole; more frequent audits find its changes");
        }
    }

    /// Reports an error once, and tries again soon: nothing was lost, since the next scan sees everything.
    fn fail(&mut self, error: String) {
        // A scan that was stopped with the service did not fail.
        if self.reconciler.looker.stop.is_cancelled() {
            return;
        }
        self.agenda.scan_by(Instant::now() + limits::FOLDER_RETRY_PAUSE);
        let before = self.status.edit().last_error.replace(error.clone());
        if before.as_ref() != Some(&error) {
            tracing::warn!(
                source = self.reconciler.looker.name.as_str(),
                error,
                "a folder could not be brought up to date"
            );
        }
    }
}

/// A whole scan as a visit; what was seen live since the one before counts as its changes.
fn visit(report: &FolderReport, told: &mut (u64, u64), began_at: Timestamp) -> Visit {
    let before = std::mem::replace(told, (report.changed, report.deleted));
    Visit {
        began_at,
        took_ms: report.last_scan_ms,
        requests: 0,
        wire_bytes: 0,
        items: report.files as u64,
        changed: report.changed - before.0,
        deleted: report.deleted - before.1,
        failed: report.failed(),
        passed_over: report.passed_over(),
        errors: report.errors(),
        complete: true,
        not_before: None,
        hub: None,
        topic: None,
    }
}

/// When a new folder is looked at once more.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// The next change; never, without a watch.
async fn next_change(watch: &mut Option<Watch>) -> Option<Change> {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}
