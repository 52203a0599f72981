//! What is left of this document, anywhere?
//!
//! Invariants:
//! - Every store is looked into now; nothing is answered from memory.
//! - A document that never was and one that is gone are told apart by nothing: both are zeros.

use axum::Json;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey};
use wellspring_core::trace::CatalogResidue;
use wellspring_core::view::Publication;

use super::Shared;
use crate::error::{ApiError, ErrorBody};
use crate::fields::Parameters;
use crate::schema::{self, request::ResidueParameters};

/// What every store holds of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResidueResponse {
    /// The document's name.
    #[schema(value_type = String)]
    key: DocumentKey,
    /// Its identity, by which the stores were asked.
    #[schema(value_type = String)]
    id: DocumentId,
    /// Its collection.
    #[schema(value_type = String)]
    collection: CollectionName,
    /// Everything counted; 0 says that nothing is left anywhere.
    total: u64,
    /// In the catalog, its journal included.
    #[schema(value_type = schema::CatalogResidue)]
    catalog: CatalogResidue,
    /// In each index.
    views: Vec<ViewResidue>,
}

/// What an index holds of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ViewResidue {
    /// The index: `vector` or `keyword`.
    name: &'static str,
    /// Its passages of the document.
    chunks: u64,
    /// The publication up to which the index is durable.
    #[schema(value_type = u64)]
    checkpoint: Publication,
}

/// Looks into every store for what is left of a document: all zeros once a deletion is settled.
///
/// Where a document's own key ends with `/residue`, this path reads that document.
#[utoipa::path(
    get, path = "/v1/documents/{key}/residue", tag = "documents",
    params(
        ("key" = String, Path, description = "The key, percent-encoded; slashes may stand as they are"),
        ResidueParameters
    ),
    responses((status = 200, body = ResidueResponse), (status = "default", body = ErrorBody))
)]
pub(crate) async fn residue(shared: &Shared, key: DocumentKey, uri: &Uri) -> Result<Response, ApiError> {
    let collection = Parameters::parse(uri, &["collection"])?.collection()?;
    shared.require_collection(&collection).await?;
    let residue = shared.service.residues.residue(DocumentId::of(&collection, &key)).await?;
    let total = residue.total();
    let views = residue.views.into_iter().map(|view| ViewResidue {
        name: view.view.as_str(),
        chunks: view.chunks,
        checkpoint: view.checkpoint,
    });
    let response = ResidueResponse {
        key,
        id: residue.document,
        collection,
        total,
        catalog: residue.catalog,
        views: views.collect(),
    };
    Ok(Json(response).into_response())
}
