//! When is a batch searchable?
//!
//! The third stage: both views side by side, then the catalog.
//!
//! Invariants:
//! - The order is apply, commit, publish: a checkpoint moves only after its view is durable (I-3), and a reader sees
//!   a revision only after both views hold it (I-2).
//! - Every step may be repeated: a view or a disk that fails is tried again, the batch is never half given up. A view is
//!   opened anew first, and brought forward from the catalog where it has lost more than this batch.
//! - Nothing is written to a view without room for it on the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::{Publisher, ReplayChunk};
use wellspring_core::embedding::SpaceId;
use wellspring_core::view::{
    Change, KeywordEntry, Publication, VectorEntry, ViewError, ViewErrorKind, ViewName, ViewWriter,
};

use crate::embed::Batch;
use crate::intake::Signals;
use crate::recover::{keyword_entry, recover_view, vector_entry};
use crate::retry::until_done;
use crate::room::Room;

/// Both views, for writing.
#[derive(Clone)]
pub struct Views {
    /// The vector view.
    pub vector: Arc<dyn ViewWriter<VectorEntry>>,
    /// The keyword view.
    pub keyword: Arc<dyn ViewWriter<KeywordEntry>>,
}

/// The stage's parts.
pub(crate) struct ApplyStage {
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) views: Views,
    /// The space that the vector view is of.
    pub(crate) space: SpaceId,
    pub(crate) room: Room,
    pub(crate) signals: Arc<Signals>,
}

impl ApplyStage {
    /// Brings a batch into both views and publishes it as `publication`. `None` when stopped.
    pub(crate) async fn apply(&self, batch: Batch, publication: Publication, stop: &CancellationToken) -> Option<()> {
        let Batch { finished, vector, keyword } = batch;
        let (vector_done, keyword_done) = tokio::join!(
            self.write(&*self.views.vector, &vector, publication, vector_entry, stop),
            self.write(&*self.views.keyword, &keyword, publication, keyword_entry, stop),
        );
        vector_done.and(keyword_done)?;
        self.signals.stuck.send_if_modified(|stuck| stuck.take().is_some());
        until_done("publish a batch", stop, || self.publisher.publish(publication, finished.clone())).await
    }

    /// Applies a change and makes it durable; an empty one moves the checkpoint all the same (I-3). `None` when stopped.
    async fn write<E: Clone + Send + 'static>(
        &self,
        view: &dyn ViewWriter<E>,
        change: &Change<E>,
        publication: Publication,
        entry: fn(ReplayChunk) -> E,
        stop: &CancellationToken,
    ) -> Option<()> {
        let attempt = match view.name() {
            ViewName::Vector => "write the vector view",
            ViewName::Keyword => "write the keyword view",
        };
        let failed = AtomicBool::new(false);
        let write = async || {
            if let Some(reason) = self.room.lacking() {
                self.stuck(reason.clone());
                return Err(ViewError::new(ViewErrorKind::Storage, reason));
            }
            if failed.load(Ordering::Relaxed) {
                view.reopen().await?;
                recover_view(&*self.publisher, view, self.space, entry, &|_, _| {}, stop).await.map_err(|error| {
                    ViewError::caused_by(ViewErrorKind::Storage, "could not bring the view forward again", error)
                })?;
            }
            failed.store(true, Ordering::Relaxed);
            view.apply(change.clone()).await?;
            view.commit(publication).await
        };
        until_done(attempt, stop, || async {
            let written = write().await;
            if written.is_err() && self.room.lacking().is_none() {
                // Whoever may ask how the service is need not see the names of files.
                self.stuck(format!("the {} index could not be written and is opened anew", view.name().as_str()));
            }
            written
        })
        .await
    }

    fn stuck(&self, reason: String) {
        self.signals.stuck.send_if_modified(|stuck| {
            let changes = stuck.as_ref() != Some(&reason);
            *stuck = Some(reason);
            changes
        });
    }
}
