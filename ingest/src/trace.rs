//! What is left of a document, in every store?
//!
//! Invariants:
//! - The views are asked by the document's identity, which every entry of theirs carries, and not by the chunks that
//!   the catalog remembers: zero does not rest on anybody's memory of what had to be removed.
//! - The catalog is looked at last: what it says is at least as new as what the views said.

use std::sync::Arc;

use wellspring_core::catalog::{CatalogError, Sequence};
use wellspring_core::document::DocumentId;
use wellspring_core::failure::Failure;
use wellspring_core::trace::{EventPage, Residue, Settlement, TraceError, TraceErrorKind, Traces, ViewResidue};
use wellspring_core::view::{ViewError, ViewWriter};

use crate::apply::Views;

/// Looks into every store.
pub struct Tracer {
    catalog: Arc<dyn Traces>,
    views: Views,
}

impl Tracer {
    /// Looks into these.
    pub fn new(catalog: Arc<dyn Traces>, views: Views) -> Self {
        Self { catalog, views }
    }

    /// What each store holds of a document.
    pub async fn residue(&self, document: DocumentId) -> Result<Residue, TraceError> {
        let (vector, keyword) = tokio::join!(look(&*self.views.vector, document), look(&*self.views.keyword, document));
        let attempted = "could not look for what is left of a document";
        let in_view = |error: ViewError| Failure::caused_by(TraceErrorKind::View, attempted, error);
        let views = vec![vector.map_err(in_view)?, keyword.map_err(in_view)?];
        let catalog = self.catalog.residue(document).await;
        let catalog = catalog.map_err(|error| Failure::caused_by(TraceErrorKind::Catalog, attempted, error))?;
        Ok(Residue { document, catalog, views })
    }

    /// What an entry did to the views; see [`Traces::settlement`].
    pub async fn settlement(&self, sequence: Sequence) -> Result<Option<Settlement>, CatalogError> {
        self.catalog.settlement(sequence).await
    }

    /// What happened to documents; see [`Traces::events`].
    pub async fn events(&self, after: u64, limit: usize) -> Result<EventPage, CatalogError> {
        self.catalog.events(after, limit).await
    }
}

async fn look<E: Send + 'static>(view: &dyn ViewWriter<E>, document: DocumentId) -> Result<ViewResidue, ViewError> {
    let checkpoint = view.checkpoint().await?;
    Ok(ViewResidue { view: view.name(), chunks: view.count_of(document).await?, checkpoint })
}
