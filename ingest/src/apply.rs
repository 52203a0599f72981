//! When is a batch searchable?
//!
//! The third stage: both views side by side, then the catalog.
//!
//! Invariants:
//! - The order is apply, commit, publish: a checkpoint moves only after its view is durable (I-3), and a reader sees
//!   a revision only after both views hold it (I-2).
//! - Every step may be repeated: a view or a disk that fails is tried again, the batch is never half given up.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::Publisher;
use wellspring_core::view::{Change, KeywordEntry, Publication, VectorEntry, ViewError, ViewWriter};

use crate::embed::Batch;
use crate::retry::until_done;

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
}

impl ApplyStage {
    /// Brings a batch into both views and publishes it as `publication`. `None` when stopped.
    pub(crate) async fn apply(&self, batch: Batch, publication: Publication, stop: &CancellationToken) -> Option<()> {
        let Batch { finished, vector, keyword } = batch;
        let (vector_done, keyword_done) = tokio::join!(
            until_done("write the vector view", stop, || { write(&*self.views.vector, &vector, publication) }),
            until_done("write the keyword view", stop, || { write(&*self.views.keyword, &keyword, publication) }),
        );
        vector_done.and(keyword_done)?;
        until_done("publish a batch", stop, || self.publisher.publish(publication, finished.clone())).await
    }
}

/// Applies a change and makes it durable; an empty one moves the checkpoint all the same (I-3).
async fn write<E: Clone + Send + 'static>(
    view: &dyn ViewWriter<E>,
    change: &Change<E>,
    publication: Publication,
) -> Result<(), ViewError> {
    view.apply(change.clone()).await?;
    view.commit(publication).await
}
