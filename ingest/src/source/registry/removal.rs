//! How does a source go, with its documents or without?
//!
//! Invariants:
//! - The mark in the store comes first: a process that dies goes on with the removal when it starts again.
//! - The source forgets itself last. Until then its documents are deleted in batches, each its own transaction.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use wellspring_core::catalog::{CatalogError, Write};
use wellspring_core::limits;
use wellspring_core::source::{Remains, SourceName};

use super::SourceRegistry;

impl SourceRegistry {
    /// Removes a source that is marked, in a task of its own; what tells when it is done. `None` before the start and
    /// after the shutdown: the next start goes on with it.
    pub(super) fn begin_removal(&self, name: &SourceName, remains: Remains) -> Option<watch::Receiver<bool>> {
        let mut state = self.inner.state();
        let root = state.stop.clone()?;
        state.wanted.remove(name);
        state.leave_line(name);
        let live = state.live.get_mut(name)?;
        if let Some(under_way) = &live.removal {
            return Some(under_way.clone());
        }
        live.stop.cancel();
        live.folder = None;
        let (done, receiver) = watch::channel(false);
        live.removal = Some(receiver.clone());
        let turn = live.turn.clone();
        drop(state);
        self.inner.parts.planner.remove(name);
        self.inner.parts.hubs.rests(name);
        let (registry, name) = (self.clone(), name.clone());
        self.inner.tasks.spawn(async move { registry.removal(name, remains, turn, root.child_token(), done).await });
        Some(receiver)
    }

    async fn removal(
        &self,
        name: SourceName,
        remains: Remains,
        turn: Arc<tokio::sync::Mutex<()>>,
        stop: CancellationToken,
        done: watch::Sender<bool>,
    ) {
        let _turn = turn.lock_owned().await;
        loop {
            match self.erase(&name, remains, &stop).await {
                Ok(true) => break,
                Ok(false) => return,
                Err(error) => {
                    let source = name.as_str();
                    tracing::warn!(source, error = %error.chain(), "a source could not be removed; it is tried again");
                    self.inner.fail(&name, Some("it could not be removed yet; it is tried again"));
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(limits::SOURCE_RETRY_PAUSE) => {}
            }
        }
        self.inner.state().live.remove(&name);
        done.send_replace(true);
    }

    /// Whether it was done to the end.
    async fn erase(&self, name: &SourceName, remains: Remains, stop: &CancellationToken) -> Result<bool, CatalogError> {
        let parts = &self.inner.parts;
        if remains == Remains::Delete {
            let items = parts.journal.source_items(name).await?;
            for batch in items.chunks(limits::ACCEPT_BATCH_DOCUMENTS_MAX) {
                if stop.is_cancelled() {
                    return Ok(false);
                }
                let deletions = batch.iter().map(|(collection, key, _)| Write::Delete {
                    collection: collection.clone(),
                    key: key.clone(),
                    source: name.clone(),
                });
                // A refusal means that another source has it by now: then it is not ours to delete.
                parts.accept.accept(deletions.collect()).await?;
            }
        }
        parts.store.remove_source(name).await?;
        Ok(true)
    }
}
