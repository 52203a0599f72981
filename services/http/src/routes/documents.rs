//! What documents are there, and what do they say?
//!
//! Invariants:
//! - A document is read in one named revision: the text that comes with it is that revision's (I-2).
//! - From the acknowledgement of a deletion on, the document is unknown here.

use axum::Json;
use axum::extract::{Path, State, rejection::PathRejection};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::catalog::{DocumentFilter, DocumentInfo, EntryState, Write};
use wellspring_core::document::{DocumentKey, Revision};
use wellspring_core::limits;
use wellspring_core::source::SourceName;

use super::{Shared, residue, write};
use crate::conditions::entity_tag;
use crate::draft::parse_key;
use crate::error::{ApiError, Code, ErrorBody, unknown_document};
use crate::fields::{Parameters, invalid};
use crate::schema::{
    self,
    request::{ListParameters, ReadParameters, WriteParameters},
};

/// The states that a listing can be narrowed to,
/// and the names that the catalog has for them.
const STATES: &[(&str, &str)] = &[
    ("received", "pending"),
    ("searchable", "published"),
    ("superseded", "superseded"),
    ("failed", "failed"),
    ("quarantined", "quarantined"),
    ("skipped", "skipped"),
];

/// The key in a path, percent-decoded; slashes are part of it.
pub(crate) fn key_in(path: Result<Path<String>, PathRejection>) -> Result<DocumentKey, ApiError> {
    let Path(key) = path.map_err(|_| {
        ApiError::new(Code::InvalidUrl, "the key in the path cannot be read", "percent-encode it as UTF-8")
    })?;
    parse_key(&key)
}

/// The key in a path that ends with `/` and an action; `None` where it does not. In the key itself such a slash is
/// written as `%2F`.
pub(crate) fn key_before(
    action: &str,
    path: &Result<Path<String>, PathRejection>,
    uri: &Uri,
) -> Result<Option<DocumentKey>, ApiError> {
    let ending = format!("/{action}");
    match path {
        Ok(Path(key)) if uri.path().ends_with(&ending) && key.ends_with(&ending) => {
            parse_key(&key[..key.len() - ending.len()]).map(Some)
        }
        _ => Ok(None),
    }
}

/// A document, with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentResponse {
    /// The document.
    #[serde(flatten)]
    #[schema(value_type = schema::DocumentInfo)]
    pub(crate) document: DocumentInfo,
    /// The revision that `text` is of: the one asked for, else the published one; absent before there is one.
    #[schema(value_type = Option<u64>)]
    pub(crate) text_revision: Option<Revision>,
    /// The text that citations' spans are measured in; `null` while it is not read yet.
    pub(crate) text: Option<String>,
}

/// Reads a document and the text of one revision, against which a citation can be checked.
///
/// `ETag` is the newest accepted revision, for `If-Match` on the write that follows.
#[utoipa::path(
    get, path = "/v1/documents/{key}", tag = "documents",
    params(
        ("key" = String, Path, description = "The key, percent-encoded; slashes may stand as they are"),
        ReadParameters
    ),
    responses((status = 200, body = DocumentResponse), (status = "default", body = ErrorBody))
)]
pub(crate) async fn read(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let residue_of = key_before("residue", &path, &uri)?;
    let key = key_in(path)?;
    if let Some(other) = residue_of {
        // A document of that very name comes before the question for another one's residue.
        let asked = Parameters::parse(&uri, &["revision", "collection"])?.collection()?;
        if shared.service.reader.document(&asked, &key).await?.is_none() {
            return residue::residue(&shared, other, &uri).await;
        }
    }
    let parameters = Parameters::parse(&uri, &["revision", "collection"])?;
    let collection = parameters.collection()?;
    let revision = match parameters.get("revision") {
        None => None,
        Some(text) => Some(Revision(text.parse().map_err(|_| {
            invalid("revision", "is no revision number", "use the number that the citation or the receipt carries")
        })?)),
    };
    let reader = &shared.service.reader;
    shared.require_collection(&collection).await?;
    let mut document = reader.document(&collection, &key).await?.ok_or_else(unknown_document)?;
    show(&shared, &mut document);
    let text = reader.revision_text(&collection, &key, revision).await?;
    if text.is_none() && revision.is_some() {
        return Err(ApiError::new(
            Code::UnknownRevision,
            "the document has no such revision, or it is too old to be kept",
            format!("the newest {} revisions can be read", limits::REVISIONS_KEPT),
        ));
    }
    if let Some(text) = text.as_ref().filter(|_| revision.is_some()) {
        // What is told beside an old text is what was said about it then.
        document.title.clone_from(&text.title);
        document.attributes.clone_from(&text.attributes);
    }
    let text_revision = text.as_ref().map(|text| text.revision);
    let tag = entity_tag(document.revision);
    let response = DocumentResponse { document, text_revision, text: text.and_then(|text| text.text) };
    Ok(([(ETAG, tag)], Json(response)).into_response())
}

/// Says of a pending document how far it is.
fn show(shared: &Shared, document: &mut DocumentInfo) {
    let state = std::mem::replace(&mut document.state, EntryState::Pending);
    document.state = shared.service.writes.shown(document.sequence, state);
}

/// The catalog's name of a state.
fn kept_state(name: &str) -> Result<String, ApiError> {
    match STATES.iter().find(|(shown, _)| *shown == name) {
        Some((_, kept)) => Ok((*kept).to_owned()),
        None => {
            let names: Vec<_> = STATES.iter().map(|(shown, _)| *shown).collect();
            Err(invalid("state", "has an unknown value", &format!("use one of: {}", names.join(", "))))
        }
    }
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentsResponse {
    /// The documents, by key.
    #[schema(value_type = Vec<schema::DocumentInfo>)]
    pub(crate) documents: Vec<DocumentInfo>,
    /// The key to send as `after` for the next page; `null` at the end.
    #[schema(value_type = Option<String>)]
    pub(crate) next: Option<DocumentKey>,
}

/// Lists documents by key, a page at a time.
#[utoipa::path(
    get, path = "/v1/documents", tag = "documents", params(ListParameters),
    responses((status = 200, body = DocumentsResponse), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(State(shared): State<Shared>, uri: Uri) -> Result<Json<DocumentsResponse>, ApiError> {
    let parameters = Parameters::parse(&uri, &["collection", "after", "limit", "state", "source"])?;
    let collection = parameters.collection()?;
    let limit = parameters.limit(limits::PAGE_DOCUMENTS_DEFAULT, limits::PAGE_DOCUMENTS_MAX)?;
    let after = parameters.get("after").map(parse_key).transpose()?;
    let source = parameters.get("source").map(str::parse::<SourceName>).transpose();
    let source = source.map_err(|error| invalid("source", &error.to_string(), "`GET /v1/status` lists the sources"))?;
    let state = parameters.get("state").map(kept_state).transpose()?;
    shared.require_collection(&collection).await?;
    let filter = DocumentFilter { source, state };
    let mut page = shared.service.reader.documents(&collection, &filter, after.as_ref(), limit).await?;
    for document in &mut page.documents {
        show(&shared, document);
    }
    Ok(Json(DocumentsResponse { documents: page.documents, next: page.next }))
}

/// Deletes a document: from the answer on, no reader sees it.
///
/// With `wait=searchable` the answer comes once both indexes have forgotten it too. `If-Match` (or `if_match`) deletes
/// only that revision.
#[utoipa::path(
    delete, path = "/v1/documents/{key}", tag = "documents",
    params(
        ("key" = String, Path, description = "The key, percent-encoded; slashes may stand as they are"),
        WriteParameters
    ),
    responses(
        (status = 200, body = write::Receipt),
        (status = 202, body = write::Receipt, description = "Deleted for readers; the indexes are still being cleaned"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = key_in(path)?;
    let parameters = Parameters::parse(&uri, &["collection", "wait", "if_match"])?;
    let demands = write::Demands::of(&parameters, &headers)?;
    shared.require_collection(&demands.collection).await?;
    let deletion = Write::Delete { collection: demands.collection.clone(), key, source: SourceName::push() };
    write::write_one(&shared, deletion, demands).await
}
