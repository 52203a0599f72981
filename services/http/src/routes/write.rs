//! How does a document come in over HTTP?
//!
//! Invariants:
//! - A write is acknowledged only after the catalog has it on disk (I-1).
//! - With `wait=searchable`, 200 means that the next search finds it, 202 that it will be found, 422 that it never
//!   will.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State, rejection::PathRejection};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::catalog::{Accepted, EntryState, Outcome, Sequence, Write};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Draft, Revision};
use wellspring_core::limits;

use super::documents::key_in;
use super::{Shared, import};
use crate::draft::{content_type, from_json, from_raw, media_type_of};
use crate::error::{ApiError, Code, ErrorBody};
use crate::fields::Parameters;
use crate::schema::{
    self,
    request::{Document, PutParameters, WriteParameters},
};

/// Bytes of JSON from which parsing leaves the async thread: about half a millisecond of work.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// Content types of streamed documents, one JSON object a line.
const NDJSON: &[&str] = &["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];

/// The receipt of a write.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// The document's name.
    #[schema(value_type = String)]
    pub(crate) key: DocumentKey,
    /// The document's identity.
    #[schema(value_type = String)]
    pub(crate) id: DocumentId,
    /// Its collection.
    #[schema(value_type = String)]
    pub(crate) collection: CollectionName,
    /// The revision written, or the newest one where nothing was written.
    #[schema(value_type = u64)]
    pub(crate) revision: Revision,
    /// The place of that revision in the journal.
    #[schema(value_type = Option<u64>)]
    pub(crate) sequence: Option<Sequence>,
    /// What the write did.
    #[schema(value_type = schema::Outcome)]
    pub(crate) outcome: Outcome,
    /// Where the revision is: `published` is searchable, `pending` will be.
    #[schema(value_type = schema::StateName)]
    pub(crate) state: &'static str,
}

/// Writes a document: a new one, or a new revision.
///
/// As JSON with its attributes, or as it is, in text, Markdown or HTML. What says the same as the newest revision is
/// `unchanged` and costs nothing.
#[utoipa::path(
    put, path = "/v1/documents/{key}", tag = "documents",
    params(
        ("key" = String, Path, description = "The key, percent-encoded; slashes may stand as they are"),
        WriteParameters, PutParameters
    ),
    request_body(content(
        (Document = "application/json"), (String = "text/plain"),
        (String = "text/markdown"), (String = "text/html")
    )),
    responses(
        (status = 200, body = Receipt, description = "Searchable"),
        (status = 202, body = Receipt, description = "Accepted; it will be searchable"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn put(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let key = key_in(path)?;
    let parameters = Parameters::parse(&uri, &["collection", "wait", "title"])?;
    let (collection, wait) = (parameters.collection()?, parameters.wait()?);
    let content_type = content_type(&headers);
    shared.require_collection(&collection).await?;
    if content_type == "application/json" {
        return write_json(&shared, body, collection, Some(key), wait).await;
    }
    let media_type = media_type_of(&content_type)
        .ok_or_else(|| unsupported("use `application/json`, `text/plain`, `text/markdown` or `text/html`"))?;
    let body = shared.bodies.collect(body, limits::DOCUMENT_BYTES_MAX).await?;
    let draft = from_raw(body.bytes, media_type, collection.clone(), key, parameters.get("title"))?;
    let accepted = accept_one(&shared, Write::Put(draft)).await?;
    drop(body.held);
    receipt(&shared, collection, accepted, wait).await
}

/// Writes one JSON document that names its key, or a stream of them.
///
/// A stream (`application/x-ndjson`) has one document a line and is answered while it comes: one line for each line,
/// in order, `{"line", "key", "outcome", "revision", "sequence"}` or `{"line", "key", "error"}`; a bad line stops
/// nothing. The last line is `{"done": true, "accepted", "unchanged", "failed"}`, after `wait=searchable` with
/// `searchable`, `unpublished` and `pending`; a stream that could not be read to its end has
/// `{"done": false, ..., "error"}`.
#[utoipa::path(
    post, path = "/v1/documents", tag = "documents", params(WriteParameters),
    request_body(content((Document = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "Searchable, or the results of a stream",
            content((Receipt = "application/json"), (String = "application/x-ndjson"))),
        (status = 202, body = Receipt, description = "Accepted; it will be searchable"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn post(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(&uri, &["collection", "wait"])?;
    let (collection, wait) = (parameters.collection()?, parameters.wait()?);
    let content_type = content_type(&headers);
    shared.require_collection(&collection).await?;
    match content_type.as_str() {
        "application/json" => write_json(&shared, body, collection, None, wait).await,
        stream if NDJSON.contains(&stream) => Ok(import::respond(&shared, body, collection, wait)),
        _ => Err(unsupported("use `application/json` for one document, `application/x-ndjson` for many")),
    }
}

/// Accepts one JSON document.
async fn write_json(
    shared: &Shared,
    body: Body,
    collection: CollectionName,
    key: Option<DocumentKey>,
    wait: bool,
) -> Result<Response, ApiError> {
    let body = shared.bodies.collect(body, limits::DOCUMENT_BODY_BYTES_MAX).await?;
    let target = collection.clone();
    let json = body.bytes;
    let draft: Draft = off_thread(json.len(), move || from_json(&json, target, key)).await??;
    let accepted = accept_one(shared, Write::Put(draft)).await?;
    drop(body.held);
    receipt(shared, collection, accepted, wait).await
}

/// Runs work over `bytes` bytes, away from the async threads when that takes long.
pub(super) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if bytes <= INLINE_BYTES_MAX {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(panicked = error.is_panic(), "reading a document failed");
        ApiError::new(Code::Internal, "the service failed on this document", "see the service's log")
    })
}

/// Accepts one write.
pub(super) async fn accept_one(shared: &Shared, write: Write) -> Result<Accepted, ApiError> {
    let mut results = shared.service.writes.accept(vec![write]).await?;
    match results.pop() {
        Some(result) => Ok(result?),
        None => Err(no_result()),
    }
}

/// The fault of a journal that answers fewer writes than it was given.
pub(super) fn no_result() -> ApiError {
    tracing::error!("the journal gave no result for a write");
    ApiError::new(Code::Internal, "the service lost track of this write", "send it again; see the service's log")
}

/// Answers a write, at once or when it is searchable.
pub(super) async fn receipt(
    shared: &Shared,
    collection: CollectionName,
    accepted: Accepted,
    wait: bool,
) -> Result<Response, ApiError> {
    let service = &shared.service;
    let state = match accepted.sequence {
        None => None,
        Some(sequence) if wait => service.writes.settled(sequence, shared.settings.searchable_wait_max).await?,
        // What was there before may be anywhere; what was written a moment ago is pending.
        Some(sequence) if accepted.outcome == Outcome::Unchanged => service.reader.entry_state(sequence).await?,
        Some(_) => None,
    }
    .unwrap_or(EntryState::Pending);
    if let Some(error) = ApiError::of_state(&state) {
        return Err(error);
    }
    // A deletion is complete for readers when it is accepted; only a caller who waits asks for more.
    let complete = state == EntryState::Published || (accepted.outcome == Outcome::Deleted && !wait);
    let status = if complete { StatusCode::OK } else { StatusCode::ACCEPTED };
    let receipt = Receipt {
        key: accepted.key,
        id: accepted.document,
        collection,
        revision: accepted.revision,
        sequence: accepted.sequence,
        outcome: accepted.outcome,
        state: state_name(&state),
    };
    Ok((status, Json(receipt)).into_response())
}

/// The name of a state as the API writes it.
fn state_name(state: &EntryState) -> &'static str {
    match state {
        EntryState::Pending => "pending",
        EntryState::Published => "published",
        EntryState::Superseded => "superseded",
        EntryState::Failed { .. } => "failed",
        EntryState::Quarantined { .. } => "quarantined",
        EntryState::Skipped { .. } => "skipped",
    }
}

fn unsupported(hint: &'static str) -> ApiError {
    ApiError::new(Code::UnsupportedContentType, "the body's content type is none that this path reads", hint)
}
