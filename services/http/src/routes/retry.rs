//! Try this document again, now?
//!
//! Invariants:
//! - Nothing is sent: the content is the one that was kept.

use axum::Json;
use axum::extract::{Path, State, rejection::PathRejection};
use axum::http::header::ALLOW;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::catalog::{EntryState, Retried, Sequence};
use wellspring_core::document::{CollectionName, DocumentKey, Revision};

use super::Shared;
use super::documents::key_before;
use super::write::state_name;
use crate::error::{ApiError, Code, ErrorBody, unknown_document};
use crate::fields::Parameters;
use crate::schema::{self, request::RetryParameters};

/// A document that is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetryResponse {
    /// The document's name.
    #[schema(value_type = String)]
    key: DocumentKey,
    /// Its collection.
    #[schema(value_type = String)]
    collection: CollectionName,
    /// The revision that is tried again.
    #[schema(value_type = u64)]
    revision: Revision,
    /// Its place in the journal, as before.
    #[schema(value_type = u64)]
    sequence: Sequence,
    /// Where it is.
    #[schema(value_type = schema::StateName)]
    state: &'static str,
}

/// Tries a document again whose newest revision failed, is quarantined or was skipped, from the content that was kept.
#[utoipa::path(
    post, path = "/v1/documents/{key}/retry", tag = "documents",
    params(
        ("key" = String, Path, description = "The key, percent-encoded; slashes may stand as they are"),
        RetryParameters
    ),
    responses(
        (status = 200, body = RetryResponse, description = "Searchable"),
        (status = 202, body = RetryResponse, description = "It is tried again"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn retry(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Some(key) = key_before("retry", &path, &uri)? else {
        let error = ApiError::new(
            Code::MethodNotAllowed,
            "this path has no POST",
            "`PUT` writes a document; `POST` stands before `/retry` alone",
        );
        return Ok(([(ALLOW, "GET,HEAD,PUT,DELETE")], error).into_response());
    };
    let parameters = Parameters::parse(&uri, &["collection", "wait"])?;
    let (collection, wait) = (parameters.collection()?, parameters.wait()?);
    shared.require_collection(&collection).await?;
    let writes = &shared.service.writes;
    let (revision, sequence) = match writes.retry(&collection, &key).await? {
        Retried::Again { revision, sequence } => (revision, sequence),
        Retried::NotFailed => {
            return Err(ApiError::new(
                Code::NotFailed,
                "the document's newest revision has not failed; there is nothing to try again",
                "`GET /v1/documents/{key}` says where it is",
            ));
        }
        Retried::ContentGone => {
            return Err(ApiError::new(
                Code::ContentGone,
                "the document's content is no longer kept",
                "send the document again",
            ));
        }
        Retried::Absent => return Err(unknown_document()),
    };
    let state = match wait {
        true => writes.settled(sequence, shared.settings.searchable_wait_max).await?,
        false => None,
    };
    let state = writes.shown(sequence, state.unwrap_or(EntryState::Pending));
    if let Some(error) = ApiError::of_state(&state) {
        return Err(error);
    }
    let status = if state == EntryState::Published { StatusCode::OK } else { StatusCode::ACCEPTED };
    let response = RetryResponse { key, collection, revision, sequence, state: state_name(&state) };
    Ok((status, Json(response)).into_response())
}
