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
//! - Every change is found: at once through the kernel, or by the next audit. Another folder in place of the root is
//!   watched like the first, and nobody is told that changes are seen at once while they are not.
//! - Many documents that are lost at once wait for a yes, however the source learnt of it.
//! - A file whose name promises a document ends as one, with a state: what cannot be taken is failed or skipped, and its
//!   reason is told.

mod agenda;
mod guard;
mod losses;
mod names;
mod read;
mod reconcile;
mod report;
mod rules;
mod walk;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use wellspring_core::catalog::Journal;
use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_core::source::SourceName;

use super::Accept;
use agenda::Agenda;
use guard::Losses;
use reconcile::Reconciler;
use rules::GITIGNORE;
use walk::{Below, Looker};
use watch::{Change, Identity, Watch, identity};

pub use report::{FolderReport, FolderStatus, Skip, SkipReason};
pub use rules::FolderRules;
pub(super) use rules::may_match;

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
        let root_due_at = Instant::now() + limits::FOLDER_ROOT_INTERVAL;
        let (watch, is_away, warned, told) = Default::default();
        let mut keeper = Keeper { reconciler, status, watch, is_away, root_due_at, agenda, warned, told };
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

/// The running source.
struct Keeper {
    reconciler: Reconciler,
    status: Arc<FolderStatus>,
    watch: Option<Watch>,
    /// Whether there was no root when it was looked at last.
    is_away: bool,
    /// When the root's path is looked at: not everything that happens to it makes an event.
    root_due_at: Instant,
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
            () = sleep_until(again_at) => return self.agenda.take_again(),
            () = sleep_until(self.root_due_at) => return self.look_at_root().await,
            change = next_change(&mut self.watch) => change,
        };
        self.note(first);
        let deadline = Instant::now() + limits::WATCH_DEBOUNCE;
        while let Ok(change) = timeout_at(deadline, next_change(&mut self.watch)).await {
            self.note(change);
        }
        if self.watch.as_ref().is_some_and(|watch| watch.take_overflow() || watch.has_ended()) {
            self.agenda.scan_by(Instant::now());
        }
        self.tell_of_the_watch();
    }

    /// Sees to it that what is watched is what the root's path leads to.
    async fn look_at_root(&mut self) {
        let found = self.found().await;
        self.root_due_at = Instant::now() + limits::FOLDER_ROOT_INTERVAL;
        let is_other = self.watch.as_ref().is_some_and(|watch| found != Some(watch.identity));
        if is_other {
            self.watch = None;
            self.tell_of_the_watch();
        }
        if is_other || self.is_away && found.is_some() {
            self.agenda.scan_by(Instant::now());
        }
    }

    /// What the root's path leads to.
    async fn found(&self) -> Option<Identity> {
        let root = self.reconciler.looker.root.clone();
        // The closure neither panics nor is cancelled.
        tokio::task::spawn_blocking(move || identity(&root).ok()).await.unwrap_or_default()
    }

    /// Says at once where changes are not seen at once any more.
    fn tell_of_the_watch(&self) {
        if self.watch.as_ref().is_none_or(Watch::has_ended) {
            self.status.edit().watched = false;
        }
    }

    fn note(&mut self, change: Option<Change>) {
        match change {
            // It says what the folder's other files are.
            Some(Change::Path(path)) if self.reconciler.looker.rules.gitignore && path.ends_with(GITIGNORE) => {
                self.agenda.scan_by(Instant::now());
            }
            Some(Change::Path(path)) => {
                if let Some(path) = Below::of(&self.reconciler.looker.root, &path) {
                    self.agenda.look_at(path);
                }
            }
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
        let (paths, strange) = (std::mem::take(&mut self.agenda.paths), std::mem::take(&mut self.agenda.strange));
        if !(paths.is_empty() && strange.is_empty()) {
            let looker = self.reconciler.looker.clone();
            self.look(Losses::Reported, move || looker.look_at(&paths, &strange)).await;
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
        if self.look(Losses::Found, move || looker.look_at_all()).await {
            let took_ms = began.elapsed().as_millis() as u64;
            let visit = {
                let mut report = self.status.edit();
                report.scans += 1;
                report.last_scan_at = Some(Timestamp::now());
                report.last_scan_ms = took_ms;
                report.last_error = None;
                report.as_visit(&mut self.told, began_at)
            };
            self.status.visited(visit);
        }
    }

    /// Looks off the async threads and settles what was seen; whether all went well.
    async fn look(&mut self, losses: Losses, look: impl FnOnce() -> io::Result<walk::Look> + Send + 'static) -> bool {
        let look = match tokio::task::spawn_blocking(look).await {
            Ok(Ok(look)) => look,
            Ok(Err(error)) => {
                self.status.edit().watched = false;
                self.fail(format!("could not read the folder, its documents are kept: {error}"));
                return false;
            }
            Err(_) => {
                self.fail("looking at the folder failed unexpectedly".to_owned());
                return false;
            }
        };
        if losses == Losses::Reported {
            // A new folder is watched a moment after it was made; what was put into it in between made no event.
            let seconds = std::mem::take(&mut self.agenda.seconds);
            let folders = look.folders.iter().filter(|folder| !seconds.contains(*folder)).cloned();
            self.agenda.look_again(folders, SECOND_LOOK);
        }
        match self.reconciler.settle(look, losses).await {
            Ok(again) => {
                self.agenda.look_again(again.unsettled, limits::WATCH_DEBOUNCE);
                self.agenda.look_again(again.waiting, limits::FOLDER_LOSS_QUIET);
                if losses == Losses::Reported {
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

    /// Watches what the root's path leads to now.
    async fn renew_watch(&mut self) {
        let found = self.found().await;
        self.is_away = found.is_none();
        if self.watch.as_ref().is_none_or(|watch| watch.has_ended() || found != Some(watch.identity)) {
            self.watch = None;
            let root = self.reconciler.looker.root.clone();
            match tokio::task::spawn_blocking(move || Watch::start(&root)).await {
                Ok(Ok(watch)) => self.watch = Some(watch),
                Ok(Err(error)) if !self.is_away => self.warn_unwatched(&error.to_string()),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        let is_whole = self.watch.as_ref().is_some_and(|watch| watch.is_whole);
        if self.watch.is_some() && !is_whole {
            self.warn_unwatched("the kernel's limit of watches is reached");
        }
        self.status.edit().watched = is_whole;
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

/// When a new folder is looked at once more.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// The next change; never, without a watch.
async fn next_change(watch: &mut Option<Watch>) -> Option<Change> {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}
