//! How does a source begin to work, and how does it stop?

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use wellspring_core::limits;
use wellspring_core::source::{Origin, SourceRecord, SourceSettings};

use super::claim::host_claim_of;
use super::{Live, SourceRegistry};
use crate::source::folder::{FolderRules, FolderSource, FolderStatus};

impl SourceRegistry {
    /// Has a source work as its record says, in place of whatever it did. Nothing happens before the start.
    pub(super) fn start(&self, record: &SourceRecord) {
        let name = &record.settings.name;
        let mut state = self.inner.state();
        let Some(root) = state.stop.clone() else { return };
        let before = state.live.remove(name);
        if let Some(before) = &before {
            before.stop.cancel();
        }
        let turn = before.map(|before| before.turn).unwrap_or_default();
        let stop = root.child_token();
        let is_folder = matches!(record.settings.origin, Origin::Folder { .. });
        if is_folder {
            // It begins with a whole look, whatever was asked for.
            state.wanted.remove(name);
        }
        let works = !record.paused && record.removing.is_none();
        let folder = (is_folder && works).then(Arc::<FolderStatus>::default);
        let live = Live {
            settings: record.settings.clone(),
            host_claim: host_claim_of(&record.settings.origin),
            stop: stop.clone(),
            turn: turn.clone(),
            folder: folder.clone(),
            held_deletions: 0,
            failure: None,
            removal: None,
        };
        state.live.insert(name.clone(), live);
        drop(state);
        if !works {
            self.inner.parts.hubs.rests(name);
        }
        if let Some(remains) = record.removing {
            self.begin_removal(name, remains);
        } else if let Some(status) = folder {
            let (registry, settings) = (self.clone(), record.settings.clone());
            self.inner.tasks.spawn(async move {
                let _turn = turn.lock_owned().await;
                registry.keep_up(settings, status, stop).await;
            });
        } else if !is_folder {
            self.inner.parts.planner.upsert(record, self.inner.now());
        }
        self.inner.wake.notify_one();
    }

    /// Has a source stop; it stays known, as paused.
    pub(super) fn rest(&self, settings: &SourceSettings) {
        let mut state = self.inner.state();
        state.wanted.remove(&settings.name);
        let waited = state.leave_line(&settings.name);
        if let Some(live) = state.live.get_mut(&settings.name) {
            live.stop.cancel();
            live.folder = None;
            live.failure = None;
        }
        drop(state);
        if waited {
            self.inner.parts.planner.cancel(&settings.name, self.inner.now());
        }
        self.inner.parts.planner.paused(&settings.name, true, self.inner.now());
        self.inner.parts.hubs.rests(&settings.name);
        self.inner.wake.notify_one();
    }

    /// Keeps up with a folder until it is stopped, whatever happens.
    async fn keep_up(&self, settings: SourceSettings, status: Arc<FolderStatus>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let work = self.follow(&settings, status.clone(), stop.clone());
            if AssertUnwindSafe(work).catch_unwind().await.is_ok() {
                return;
            }
            let failure = "following the folder failed unexpectedly; it is tried again";
            tracing::error!(source = settings.name.as_str(), failure);
            self.inner.fail(&settings.name, Some(failure));
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(limits::SOURCE_RETRY_PAUSE) => {}
            }
        }
    }

    async fn follow(&self, settings: &SourceSettings, status: Arc<FolderStatus>, stop: CancellationToken) {
        let Origin::Folder { path, include, exclude, gitignore } = &settings.origin else { return };
        // Checked when it was added; a later version may read globs differently.
        let rules = match FolderRules::new(include, exclude, *gitignore) {
            Ok(rules) => rules,
            Err(error) => return self.inner.fail(&settings.name, Some(&format!("{error}; {}", error.hint))),
        };
        let source = FolderSource {
            name: settings.name.clone(),
            root: path.clone(),
            collection: settings.collection.clone(),
            rules,
            tags: settings.tags.clone(),
        };
        let parts = &self.inner.parts;
        let mut visits = status.visits();
        let ended = CancellationToken::new();
        let run = async {
            source.run(parts.accept.clone(), parts.journal.clone(), status, stop).await;
            ended.cancel();
        };
        // Beside the run, not within its waits: both write to the catalog, and a future that holds its connection
        // while nobody polls it would hold it for ever.
        let record = async {
            loop {
                tokio::select! {
                    () = ended.cancelled() => break,
                    changed = visits.changed() => if changed.is_err() { break },
                }
                let visit = visits.borrow_and_update().clone();
                let Some(visit) = visit else { continue };
                self.inner.fail(&settings.name, None);
                if let Err(error) = parts.store.record_visit(&settings.name, &visit).await {
                    let source = settings.name.as_str();
                    tracing::warn!(source, error = %error.chain(), "a scan could not be recorded");
                }
            }
        };
        tokio::join!(run, record);
    }
}
