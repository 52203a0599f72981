//! After a crash, what does each view lack?
//!
//! Invariants:
//! - Replay starts from the lower of what the view says is durable and what the catalog recorded (I-3).
//! - Nothing is fetched, parsed or embedded: texts and vectors come from the catalog.
//! - A view that cannot be brought forward is cleared and rebuilt, and says so in the log.

use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::{CatalogError, Publisher, ReplayChunk, ReplayPage};
use wellspring_core::embedding::SpaceId;
use wellspring_core::view::{Change, KeywordEntry, Publication, VectorEntry, ViewError, ViewName, ViewWriter};

use crate::apply::Views;

/// Chunks moved at a time; a page of vectors and texts is about a megabyte.
const REPLAY_PAGE_CHUNKS: usize = 512;

/// Why a view could not be brought forward.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The catalog failed.
    #[error("could not read the catalog while bringing the {} view forward", view.as_str())]
    Catalog {
        /// The view.
        view: ViewName,
        /// What happened.
        #[source]
        source: CatalogError,
    },
    /// The view failed.
    #[error("could not bring the {} view forward", view.as_str())]
    View {
        /// The view.
        view: ViewName,
        /// What happened.
        #[source]
        source: ViewError,
    },
    /// The catalog is new, and the view is not.
    #[error(
        "the catalog is empty, but the {} index holds {} publications of another: the catalog was lost or replaced; put \
         it back, or delete the index folders too and begin anew",
        view.as_str(), publications.0
    )]
    CatalogLost {
        /// The view.
        view: ViewName,
        /// Its checkpoint.
        publications: Publication,
    },
    /// The service is stopping.
    #[error("stopped while bringing a view forward")]
    Stopped,
}

/// Brings both views to the catalog's newest publication, and returns it. `progress` hears the view and how many
/// chunks it has received.
pub async fn recover(
    publisher: &dyn Publisher,
    views: &Views,
    space: SpaceId,
    progress: &(dyn Fn(ViewName, u64) + Sync),
    stop: &CancellationToken,
) -> Result<Publication, RecoverError> {
    recover_view(publisher, &*views.vector, space, vector_entry, progress, stop).await?;
    recover_view(publisher, &*views.keyword, space, keyword_entry, progress, stop).await?;
    let view = ViewName::Vector;
    publisher.published().await.map_err(|source| RecoverError::Catalog { view, source })
}

pub(crate) async fn recover_view<E: Send + 'static>(
    publisher: &dyn Publisher,
    view: &dyn ViewWriter<E>,
    space: SpaceId,
    entry: fn(ReplayChunk) -> E,
    progress: &(dyn Fn(ViewName, u64) + Sync),
    stop: &CancellationToken,
) -> Result<(), RecoverError> {
    let name = view.name();
    let catalog_error = |source| RecoverError::Catalog { view: name, source };
    let view_error = |source| RecoverError::View { view: name, source };

    let target = publisher.published().await.map_err(catalog_error)?;
    let recorded = publisher.checkpoint(name).await.map_err(catalog_error)?;
    let durable = view.checkpoint().await.map_err(view_error)?;
    // One ahead is a publication that was cut off between the views and the catalog: it will be done again. Further
    // ahead, the view belongs to another catalog (an older copy was put back), and nothing in it can be trusted.
    let foreign = durable > recorded.next();
    if foreign && target == Publication(0) {
        return Err(RecoverError::CatalogLost { view: name, publications: durable });
    }
    let mut after = if foreign { Publication(0) } else { durable.min(recorded) };
    if foreign {
        tracing::warn!(view = name.as_str(), "the view is ahead of the catalog and is rebuilt");
    } else if after == target {
        return Ok(());
    }
    if after == Publication(0) {
        view.clear().await.map_err(view_error)?;
    }
    tracing::info!(view = name.as_str(), from = after.0, to = target.0, "bringing a view forward from the catalog");
    let mut cursor = None;
    let mut chunks = 0;
    loop {
        if stop.is_cancelled() {
            return Err(RecoverError::Stopped);
        }
        let page = publisher.replay(space, after, cursor, REPLAY_PAGE_CHUNKS).await.map_err(catalog_error)?;
        let Some(ReplayPage { upserts, removals, next }) = page else {
            // Removals that old are forgotten: only a rebuild is sure to hold nothing deleted.
            view.clear().await.map_err(view_error)?;
            (after, cursor, chunks) = (Publication(0), None, 0);
            continue;
        };
        chunks += upserts.len() as u64;
        let change = Change { upserts: upserts.into_iter().map(entry).collect(), removals };
        view.apply(change).await.map_err(view_error)?;
        progress(name, chunks);
        match next {
            Some(place) => cursor = Some(place),
            None => break,
        }
    }
    view.commit(target).await.map_err(view_error)?;
    publisher.set_checkpoint(name, target).await.map_err(catalog_error)
}

pub(crate) fn vector_entry(chunk: ReplayChunk) -> VectorEntry {
    let ReplayChunk { chunk, document, collection, embedding, .. } = chunk;
    VectorEntry { chunk, document, collection, embedding }
}

pub(crate) fn keyword_entry(chunk: ReplayChunk) -> KeywordEntry {
    let ReplayChunk { chunk, document, collection, title, heading, text, .. } = chunk;
    KeywordEntry { chunk, document, collection, title: title.unwrap_or_default(), heading, text }
}
