//! How do several files come in with one form?
//!
//! Each part with a file name is a document. Its key is the part's name, or the file's name where the part is called
//! `file` or `files`; `?prefix=` goes in front. Its format is what the file's name promises, else its content type.
//!
//! Invariants:
//! - One result for each part, in order; a part that is refused stops nothing.
//! - All files are accepted in one transaction, and what is held until then is bounded.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::catalog::{Accepted, Outcome, Sequence, Write};
use wellspring_core::document::{Attributes, CollectionName, DocumentKey, Draft, Revision};
use wellspring_core::limits;
use wellspring_core::push::{Condition, IdempotencyKey, Push};

use super::Shared;
use super::write::{REPLAYED, no_result, push, state_name};
use crate::body::{Held, body_timeout};
use crate::draft::{file_format, from_raw, parse_key};
use crate::error::{ApiError, Code, ErrorDetail};
use crate::schema;

/// What the request says beside its form.
pub(super) struct Options {
    pub(super) collection: CollectionName,
    pub(super) wait: bool,
    /// Goes in front of every key.
    pub(super) prefix: String,
    /// What is said about every file.
    pub(super) attributes: Attributes,
    pub(super) key: Option<IdempotencyKey>,
}

/// What became of an upload.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct UploadResponse {
    /// One result for each part of the form, in order.
    results: Vec<PartResult>,
    /// Documents that were created or updated.
    accepted: u64,
    /// Documents that said the same before.
    unchanged: u64,
    /// Parts that were refused.
    failed: u64,
}

/// What became of one part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartResult {
    /// The part's place in the form, from 1.
    part: u64,
    /// The document's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    key: Option<DocumentKey>,
    /// What the write did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Outcome>)]
    outcome: Option<Outcome>,
    /// The revision written, or the newest one where nothing was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    revision: Option<Revision>,
    /// The place of that revision in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    sequence: Option<Sequence>,
    /// Where the revision is, after `wait=searchable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::StateName>)]
    state: Option<&'static str>,
    /// Why the part was refused, or its document will not be searchable.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDetail>,
}

/// A part that has been read.
struct Part {
    key: Option<DocumentKey>,
    draft: Result<Draft, ApiError>,
}

/// Reads a form, accepts its files and answers.
pub(super) async fn respond(
    shared: &Shared,
    headers: HeaderMap,
    body: Body,
    options: Options,
) -> Result<Response, ApiError> {
    let mut request = Request::new(body);
    *request.headers_mut() = headers;
    // The bound is kept below, with our own error.
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &()).await.map_err(|_| broken_form())?;
    let mut reading = Reading { form, idle: shared.bodies.idle_timeout(), held: shared.bodies.held(), bytes: 0 };
    let parts = tokio::time::timeout(limits::BODY_TIMEOUT, reading.parts(&options)).await;
    let parts = parts.map_err(|_| body_timeout())??;

    let mut keys = Vec::with_capacity(parts.len());
    let mut writes = Vec::with_capacity(parts.len());
    for Part { key, draft } in parts {
        match draft {
            Ok(draft) => {
                keys.push((key, None));
                writes.push((Write::Put(draft), Condition::None));
            }
            Err(error) => keys.push((key, Some(error))),
        }
    }
    let (results, repeated) = match writes.is_empty() {
        true => (Vec::new(), false),
        false => push(shared, Push { writes, key: options.key }).await?,
    };
    drop(reading);

    let mut response = UploadResponse::default();
    let mut results = results.into_iter();
    for (place, (key, refused)) in keys.into_iter().enumerate() {
        let result = match refused {
            Some(error) => Err(error),
            None => results.next().ok_or_else(no_result).and_then(|result| result.map_err(ApiError::from)),
        };
        let result = result_of(shared, place as u64 + 1, key, result, options.wait, &mut response).await?;
        response.results.push(result);
    }
    let mut answer = Json(response).into_response();
    if repeated {
        answer.headers_mut().insert(REPLAYED.0, REPLAYED.1);
    }
    Ok(answer)
}

/// Counts a part's result and, where asked to, waits for what becomes of it.
async fn result_of(
    shared: &Shared,
    part: u64,
    key: Option<DocumentKey>,
    result: Result<Accepted, ApiError>,
    wait: bool,
    response: &mut UploadResponse,
) -> Result<PartResult, ApiError> {
    let mut told = PartResult { part, key, outcome: None, revision: None, sequence: None, state: None, error: None };
    let accepted = match result {
        Ok(accepted) => accepted,
        Err(error) => {
            response.failed += 1;
            told.error = Some(error.detail());
            return Ok(told);
        }
    };
    match accepted.outcome {
        Outcome::Unchanged => response.unchanged += 1,
        _ => response.accepted += 1,
    }
    told.outcome = Some(accepted.outcome);
    told.revision = Some(accepted.revision);
    told.sequence = accepted.sequence;
    if let Some(sequence) = accepted.sequence.filter(|_| wait) {
        let state = shared.service.writes.settled(sequence, shared.settings.searchable_wait_max).await?;
        told.error = state.as_ref().and_then(ApiError::of_state).map(|error| error.detail());
        let shown = state.map(|state| shared.service.writes.shown(sequence, state));
        told.state = shown.as_ref().map(state_name);
    }
    Ok(told)
}

/// A form on its way in.
struct Reading {
    form: Multipart,
    idle: Duration,
    held: Held,
    bytes: usize,
}

impl Reading {
    async fn parts(&mut self, options: &Options) -> Result<Vec<Part>, ApiError> {
        let mut parts = Vec::new();
        while let Some(field) = within(self.idle, self.form.next_field()).await? {
            if parts.len() == limits::UPLOAD_FILES_MAX {
                return Err(too_many_files());
            }
            let names = Names::of(&field);
            let content = content(field, self.idle, &mut self.held, &mut self.bytes).await?;
            parts.push(names.part(content, options));
        }
        if parts.is_empty() {
            return Err(ApiError::new(Code::MissingField, "the form has no part", "send each file as a part of it"));
        }
        Ok(parts)
    }
}

/// What a part's head says.
struct Names {
    name: String,
    file: Option<String>,
    content_type: String,
}

impl Names {
    fn of(field: &Field<'_>) -> Self {
        Self {
            name: field.name().unwrap_or_default().to_owned(),
            file: field.file_name().filter(|name| !name.is_empty()).map(str::to_owned),
            content_type: field.content_type().unwrap_or_default().to_owned(),
        }
    }

    /// Makes the part's document of its content; `None` is more than one document may have.
    fn part(self, content: Option<Vec<u8>>, options: &Options) -> Part {
        let Some(file) = self.file else {
            let error = ApiError::new(
                Code::InvalidContent,
                "the part has no file name and is no document",
                "send files; what is said about all of them goes into the query string",
            );
            return Part { key: None, draft: Err(error) };
        };
        let generic = ["", "file", "files", "file[]", "files[]"].contains(&self.name.as_str());
        let key = parse_key(&format!("{}{}", options.prefix, if generic { &file } else { &self.name }));
        let key = match key {
            Ok(key) => key,
            Err(error) => return Part { key: None, draft: Err(error) },
        };
        let draft = file_format(&file, &self.content_type).and_then(|media_type| {
            // Too large an empty place is refused like too large a content.
            let content = content.ok_or_else(crate::draft::too_large)?;
            from_raw(content, media_type, options.collection.clone(), key.clone(), options.attributes.clone())
        });
        Part { key: Some(key), draft }
    }
}

/// Reads a part's content; `None` when it is more than a document may have, and then it is not kept.
async fn content(
    mut field: Field<'_>,
    idle: Duration,
    held: &mut Held,
    bytes: &mut usize,
) -> Result<Option<Vec<u8>>, ApiError> {
    let mut content = Some(Vec::new());
    while let Some(piece) = within(idle, field.chunk()).await? {
        *bytes += piece.len();
        if *bytes > limits::UPLOAD_BYTES_MAX {
            discard(&mut field).await;
            return Err(form_too_large());
        }
        keep(&mut content, &piece, held)?;
    }
    Ok(content)
}

fn keep(content: &mut Option<Vec<u8>>, piece: &Bytes, held: &mut Held) -> Result<(), ApiError> {
    let Some(kept) = content else { return Ok(()) };
    if kept.len() + piece.len() > limits::DOCUMENT_BYTES_MAX {
        held.shrink(kept.len());
        *content = None;
        return Ok(());
    }
    held.grow(piece.len())?;
    kept.extend_from_slice(piece);
    Ok(())
}

/// Reads and drops what comes for a while, so that the refusal is not lost in a reset.
async fn discard(field: &mut Field<'_>) {
    let rest = async { while let Ok(Some(_)) = field.chunk().await {} };
    tokio::time::timeout(limits::BODY_DISCARD_TIMEOUT, rest).await.ok();
}

/// The next piece of a form, within the time a sender may be silent.
async fn within<T>(
    idle: Duration,
    next: impl Future<Output = Result<Option<T>, MultipartError>>,
) -> Result<Option<T>, ApiError> {
    match tokio::time::timeout(idle, next).await {
        Err(_) => Err(body_timeout()),
        Ok(Err(_)) => Err(broken_form()),
        Ok(Ok(next)) => Ok(next),
    }
}

fn broken_form() -> ApiError {
    ApiError::new(
        Code::InvalidBody,
        "the body is no whole `multipart/form-data` form",
        "let the client write the form and its boundary: curl does with `-F file=@notes.md`",
    )
}

fn too_many_files() -> ApiError {
    ApiError::new(
        Code::BodyTooLarge,
        format!("the form has more than {} files", limits::UPLOAD_FILES_MAX),
        "send the rest in another request",
    )
}

fn form_too_large() -> ApiError {
    ApiError::new(
        Code::BodyTooLarge,
        format!("the files of the form are larger than {} bytes together", limits::UPLOAD_BYTES_MAX),
        "send fewer files at once; a stream of JSON lines has no such bound",
    )
}
