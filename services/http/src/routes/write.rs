//! How does a document come in over HTTP?
//!
//! Invariants:
//! - A write is acknowledged only after the catalog has it on disk (I-1).
//! - With `wait=searchable`, 200 means that the next search finds it, 202 that it will be found, 422 that it never
//!   will.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State, rejection::PathRejection};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::catalog::{Accepted, EntryState, Outcome, Refusal, Sequence, Write};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Draft, Revision};
use wellspring_core::limits;
use wellspring_core::push::{Condition, IdempotencyKey, Push, Pushed};
use wellspring_core::trace::Settlement;
use wellspring_core::view::{Publication, ViewName};

use super::documents::key_in;
use super::{Shared, import, upload};
use crate::conditions::{condition, entity_tag, idempotency_key, refuse_condition};
use crate::draft::{
    ATTRIBUTES, attributes_in, content_type, disposition_file_name, from_json, from_raw, raw_format, too_large,
};
use crate::error::{ApiError, Code, ErrorBody, unknown_document};
use crate::fields::{Parameters, invalid};
use crate::schema::{
    self,
    request::{Document, PostParameters, PutParameters, WriteParameters},
};
use crate::service::Service;

/// The response header that tells a repeated answer from a first one.
pub(super) const REPLAYED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));

/// Bytes of JSON from which parsing leaves the async thread: about half a millisecond of work.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// The content type of a document with its attributes.
const JSON: &str = "application/json";
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
    /// Where the revision is: `received`, `parsed`, `embedded`, then `searchable`; of a deletion that was waited for,
    /// `deleted`.
    #[schema(value_type = schema::ReceiptState)]
    pub(crate) state: &'static str,
    /// Of a deletion that was waited for: passages that were removed from the indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chunks_removed: Option<u64>,
    /// Of a deletion that was waited for: the indexes, and how far each is durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) views: Option<Vec<ViewReceipt>>,
}

/// An index that has carried out a deletion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ViewReceipt {
    /// The index: `vector` or `keyword`.
    pub(crate) name: &'static str,
    /// The publication up to which the index is durable.
    #[schema(value_type = u64)]
    pub(crate) checkpoint: Publication,
}

impl ViewReceipt {
    fn of(settlement: &Settlement) -> Vec<Self> {
        let views = [(ViewName::Vector, settlement.vector), (ViewName::Keyword, settlement.keyword)];
        views.map(|(view, checkpoint)| Self { name: view.as_str(), checkpoint }).into()
    }
}

/// Writes a document: a new one, or a new revision.
///
/// As JSON with its attributes, or as it is: then the body's format is what `format` names, else its `Content-Type`,
/// else the ending of `filename`, of the name in `Content-Disposition`, or of the key, and what is said about it stands
/// in the query string. A document that is JSON itself is sent with `?format=json`. What says the same as the newest
/// revision is `unchanged` and costs nothing.
///
/// `If-Match` (or `if_match`) writes only over that revision, `If-None-Match: *` only where there is no document; else
/// the answer is 412, with the current revision as `ETag`. A request with an `Idempotency-Key` is written once: the
/// same request under the same key is answered as the first time for 24 hours, with `Idempotent-Replayed: true`.
#[utoipa::path(
    put, path = "/v1/documents/{key}", tag = "documents",
    params(
        ("key" = String, Path, description = "The key, percent-encoded; slashes may stand as they are"),
        WriteParameters, PutParameters
    ),
    request_body(content(
        (Document = "application/json"), (String = "text/plain"),
        (String = "text/markdown"), (String = "text/html"), (String = "application/octet-stream")
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
    let known = [&["collection", "wait", "if_match", "format", "filename"], ATTRIBUTES].concat();
    let parameters = Parameters::parse(&uri, &known)?;
    let demands = Demands::of(&parameters, &headers)?;
    let content_type = content_type(&headers);
    shared.open_collection(&demands.collection).await?;
    if content_type == JSON && parameters.get("format").is_none() {
        refuse_beside_json(&parameters)?;
        return write_json(&shared, body, Some(key), demands).await;
    }
    let file_name = parameters.get("filename").map(str::to_owned).or_else(|| disposition_file_name(&headers));
    let media_type = raw_format(parameters.get("format"), &content_type, file_name.as_deref(), &key)?;
    let attributes = attributes_in(&parameters)?;
    let body = shared.bodies.collect(body, limits::DOCUMENT_BYTES_MAX).await.map_err(|error| {
        // The body is the document.
        if error.code() == Code::BodyTooLarge.as_str() { too_large() } else { error }
    })?;
    let draft = from_raw(body.bytes, media_type, demands.collection.clone(), key, attributes)?;
    let answer = write_one(&shared, Write::Put(draft), demands).await;
    drop(body.held);
    answer
}

/// What a request demands of its one write, beside what it writes.
pub(super) struct Demands {
    pub(super) collection: CollectionName,
    pub(super) wait: bool,
    condition: Condition,
    key: Option<IdempotencyKey>,
}

impl Demands {
    pub(super) fn of(parameters: &Parameters, headers: &HeaderMap) -> Result<Self, ApiError> {
        Ok(Self {
            collection: parameters.collection()?,
            wait: parameters.wait()?,
            condition: condition(headers, parameters)?,
            key: idempotency_key(headers)?,
        })
    }
}

/// A JSON document says everything itself: what stood in the query string would be lost.
fn refuse_beside_json(parameters: &Parameters) -> Result<(), ApiError> {
    match ATTRIBUTES.iter().chain(&["filename"]).find(|name| parameters.get(name).is_some()) {
        Some(name) => Err(invalid(name, "stands beside a JSON document", "make it a field of the document")),
        None => Ok(()),
    }
}

/// Writes one JSON document that names its key, a stream of them, or the files of a form.
///
/// A form (`multipart/form-data`) has a file in each part, at most 100 and 64 MiB together, accepted in one transaction.
/// A part's name is its document's key; the file's own name is where the part is called `file`. `tags`, `language`,
/// `published_at` and `metadata` are said about all of them.
///
/// A stream (`application/x-ndjson`) has one document a line and is answered while it comes: one line for each line,
/// in order, `{"line", "key", "outcome", "revision", "sequence"}` or `{"line", "key", "error"}`; a bad line stops
/// nothing. The last line is `{"done": true, "accepted", "unchanged", "failed"}`, after `wait=searchable` with
/// `searchable`, `unpublished` and `pending`; a stream that could not be read to its end has
/// `{"done": false, ..., "error"}`.
#[utoipa::path(
    post, path = "/v1/documents", tag = "documents", params(WriteParameters, PostParameters),
    request_body(content(
        (Document = "application/json"), (String = "application/x-ndjson"), (String = "multipart/form-data")
    )),
    responses(
        (status = 200, description = "Searchable, or the results of a stream or a form (UploadResponse)",
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
    let content_type = content_type(&headers);
    match content_type.as_str() {
        JSON => {
            let parameters = Parameters::parse(&uri, &["collection", "wait", "if_match"])?;
            let demands = Demands::of(&parameters, &headers)?;
            shared.open_collection(&demands.collection).await?;
            write_json(&shared, body, None, demands).await
        }
        stream if NDJSON.contains(&stream) => {
            let parameters = Parameters::parse(&uri, &["collection", "wait"])?;
            let (collection, wait) = (parameters.collection()?, parameters.wait()?);
            refuse_condition(&headers)?;
            if idempotency_key(&headers)?.is_some() {
                let hint = "leave it out: a line that is sent again and says the same is `unchanged`";
                return Err(invalid("Idempotency-Key", "says nothing about a stream", hint));
            }
            shared.open_collection(&collection).await?;
            Ok(import::respond(&shared, body, collection, wait))
        }
        "multipart/form-data" => {
            let known = ["collection", "wait", "prefix", "published_at", "language", "tags", "acl", "metadata"];
            let parameters = Parameters::parse(&uri, &known)?;
            refuse_condition(&headers)?;
            let options = upload::Options {
                collection: parameters.collection()?,
                wait: parameters.wait()?,
                prefix: parameters.get("prefix").unwrap_or_default().to_owned(),
                attributes: attributes_in(&parameters)?,
                key: idempotency_key(&headers)?,
            };
            shared.open_collection(&options.collection).await?;
            upload::respond(&shared, headers, body, options).await
        }
        _ => Err(unsupported("use `application/json` for one document, `application/x-ndjson` or a form for many")),
    }
}

/// Accepts one JSON document.
async fn write_json(
    shared: &Shared,
    body: Body,
    key: Option<DocumentKey>,
    demands: Demands,
) -> Result<Response, ApiError> {
    let body = shared.bodies.collect(body, limits::DOCUMENT_BODY_BYTES_MAX).await?;
    let target = demands.collection.clone();
    let json = body.bytes;
    let draft: Draft = off_thread(json.len(), move || from_json(&json, target, key)).await??;
    let answer = write_one(shared, Write::Put(draft), demands).await;
    drop(body.held);
    answer
}

/// Accepts one write and answers it.
pub(super) async fn write_one(shared: &Shared, write: Write, demands: Demands) -> Result<Response, ApiError> {
    let Demands { collection, wait, condition, key } = demands;
    let (mut results, repeated) = push(shared, Push { writes: vec![(write, condition)], key }).await?;
    let accepted = results.pop().ok_or_else(no_result)??;
    if accepted.outcome == Outcome::Absent {
        return Err(unknown_document());
    }
    receipt(shared, collection, accepted, wait, repeated).await
}

/// Accepts the writes of a request; whether they were accepted before, under its key.
pub(super) async fn push(shared: &Shared, push: Push) -> Result<(Vec<Result<Accepted, Refusal>>, bool), ApiError> {
    match shared.service.writes.push(push).await? {
        Pushed::New(results) => Ok((results, false)),
        Pushed::Repeated(results) => Ok((results, true)),
        Pushed::KeyReused => Err(ApiError::new(
            Code::IdempotencyKeyReused,
            "this `Idempotency-Key` came before with another request; nothing was written",
            "send each request under a fresh key, and only the very same one again under its own",
        )),
    }
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

/// The fault of a journal that answers fewer writes than it was given.
pub(super) fn no_result() -> ApiError {
    tracing::error!("the journal gave no result for a write");
    ApiError::new(Code::Internal, "the service lost track of this write", "send it again; see the service's log")
}

/// Answers a write, at once or when it is searchable.
async fn receipt(
    shared: &Shared,
    collection: CollectionName,
    accepted: Accepted,
    wait: bool,
    repeated: bool,
) -> Result<Response, ApiError> {
    let service = &shared.service;
    let state = match accepted.sequence {
        None => None,
        Some(sequence) if wait => service.writes.settled(sequence, shared.settings.searchable_wait_max).await?,
        // What was there before may be anywhere; what was written a moment ago is pending.
        Some(sequence) if accepted.outcome == Outcome::Unchanged || repeated => {
            service.reader.entry_state(sequence).await?
        }
        Some(_) => None,
    }
    .unwrap_or(EntryState::Pending);
    let state = match accepted.sequence {
        Some(sequence) => service.writes.shown(sequence, state),
        None => state,
    };
    // What was searchable once, and has been replaced or deleted since.
    let state = if repeated && state == EntryState::Published && is_overtaken(service, &collection, &accepted).await? {
        EntryState::Superseded
    } else {
        state
    };
    if let Some(error) = ApiError::of_state(&state) {
        return Err(error);
    }
    // A deletion is complete for readers when it is accepted; only a caller who waits asks for more.
    let complete = state == EntryState::Published
        || (repeated && state == EntryState::Superseded)
        || (accepted.outcome == Outcome::Deleted && !wait);
    let status = if complete { StatusCode::OK } else { StatusCode::ACCEPTED };
    let settlement = match accepted.sequence {
        Some(sequence) if accepted.outcome == Outcome::Deleted && wait && complete => {
            service.residues.settlement(sequence).await?
        }
        _ => None,
    };
    let receipt = Receipt {
        key: accepted.key,
        id: accepted.document,
        collection,
        revision: accepted.revision,
        sequence: accepted.sequence,
        outcome: accepted.outcome,
        state: match accepted.outcome {
            Outcome::Deleted if state == EntryState::Published => "deleted",
            _ => state_name(&state),
        },
        chunks_removed: settlement.map(|settlement| settlement.chunks_removed),
        views: settlement.as_ref().map(ViewReceipt::of),
    };
    let tag = entity_tag(receipt.revision);
    let mut response = (status, Json(receipt)).into_response();
    if !matches!(accepted.outcome, Outcome::Deleted) {
        response.headers_mut().insert(ETAG, tag);
    }
    if repeated {
        response.headers_mut().insert(REPLAYED.0, REPLAYED.1);
    }
    Ok(response)
}

/// Whether a document has a newer revision than the accepted one, or was deleted since.
async fn is_overtaken(service: &Service, collection: &CollectionName, accepted: &Accepted) -> Result<bool, ApiError> {
    if accepted.outcome == Outcome::Deleted {
        return Ok(false);
    }
    let document = service.reader.document(collection, &accepted.key).await?;
    Ok(document.is_none_or(|document| document.revision != accepted.revision))
}

/// The name of a state as the API writes it.
pub(super) fn state_name(state: &EntryState) -> &'static str {
    match state {
        EntryState::Pending => "received",
        EntryState::Parsed => "parsed",
        EntryState::Embedded => "embedded",
        EntryState::Published => "searchable",
        EntryState::Superseded => "superseded",
        EntryState::Failed { .. } => "failed",
        EntryState::Quarantined { .. } => "quarantined",
        EntryState::Skipped { .. } => "skipped",
    }
}

fn unsupported(hint: &'static str) -> ApiError {
    ApiError::new(Code::UnsupportedContentType, "the body's content type is none that this path reads", hint)
}
