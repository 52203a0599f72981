//! Where do documents come from, and who says so?
//!
//! Invariants:
//! - What is answered is durable and at work: nothing needs a restart.
//! - Removing a source says what becomes of its documents; they are kept unless that is asked otherwise.

use std::path::PathBuf;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State, rejection::PathRejection};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use wellspring_core::limits;
use wellspring_core::source::{Origin, Remains, Removal, SourceInfo, SourceName, SourceSettings};

use super::Shared;
use crate::error::{ApiError, Code, ErrorBody, unknown_source};
use crate::fields::{Fields, Parameters, collection, invalid, missing};
use crate::schema::{
    self,
    request::{RemovalParameters, SourceBody, SourceChange},
};

const FIELDS: &[&str] = &["name", "collection", "origin", "private_hosts", "tags"];
const FOLDER_FIELDS: &[&str] = &["kind", "path", "include", "exclude", "gitignore"];
const FEED_FIELDS: &[&str] = &["kind", "url", "articles"];
const SITE_FIELDS: &[&str] = &["kind", "url", "sitemap", "depth_max", "pages_max"];
const PAGE_FIELDS: &[&str] = &["kind", "url"];

/// All sources.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourcesResponse {
    /// By name.
    #[schema(value_type = Vec<schema::Source>)]
    pub(crate) sources: Vec<SourceInfo>,
}

/// How far a removal has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemovalResponse {
    /// The source.
    #[schema(value_type = String)]
    name: SourceName,
    /// Whether it is gone; otherwise it goes on by itself, even over a restart.
    removed: bool,
    /// What becomes of its documents.
    #[schema(value_type = schema::Remains)]
    documents: Remains,
}

/// Lists sources: what each is, its last and next visit and why then, its documents, what stands in its way.
#[utoipa::path(
    get, path = "/v1/sources", tag = "sources",
    responses((status = 200, body = SourcesResponse), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(State(shared): State<Shared>, uri: Uri) -> Result<Json<SourcesResponse>, ApiError> {
    Parameters::parse(&uri, &[])?;
    Ok(Json(SourcesResponse { sources: shared.service.sources.list().await? }))
}

/// Adds a source. One of the same name, place and collection gets the new settings.
#[utoipa::path(
    post, path = "/v1/sources", tag = "sources", request_body = SourceBody,
    responses(
        (status = 201, body = schema::Source, description = "Added; its first visit has begun or waits for room"),
        (status = 200, body = schema::Source, description = "It was there; its settings are these now"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn add(State(shared): State<Shared>, uri: Uri, body: Body) -> Result<Response, ApiError> {
    Parameters::parse(&uri, &[])?;
    let body = shared.bodies.collect(body, limits::REQUEST_BODY_BYTES_MAX).await?;
    let settings = settings(&body.bytes)?;
    shared.open_collection(&settings.collection).await?;
    let (info, is_new) = shared.service.sources.add(settings).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(info)).into_response())
}

/// Shows a source.
#[utoipa::path(
    get, path = "/v1/sources/{name}", tag = "sources",
    params(("name" = String, Path, description = "The source's name")),
    responses((status = 200, body = schema::Source), (status = "default", body = ErrorBody))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<SourceInfo>, ApiError> {
    Parameters::parse(&uri, &[])?;
    Ok(Json(shared.service.sources.show(&name_in(path)?).await?))
}

/// Pauses a source, or lets it go on: `{"paused": true}`.
#[utoipa::path(
    patch, path = "/v1/sources/{name}", tag = "sources", request_body = SourceChange,
    params(("name" = String, Path, description = "The source's name")),
    responses((status = 200, body = schema::Source), (status = "default", body = ErrorBody))
)]
pub(crate) async fn change(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    body: Body,
) -> Result<Json<SourceInfo>, ApiError> {
    Parameters::parse(&uri, &[])?;
    let name = name_in(path)?;
    let body = shared.bodies.collect(body, limits::REQUEST_BODY_BYTES_MAX).await?;
    let paused = Fields::parse(&body.bytes, &["paused"])?.boolean("paused")?.ok_or_else(|| missing("paused"))?;
    Ok(Json(shared.service.sources.pause(&name, paused).await?))
}

/// Visits a source now instead of when it was planned.
#[utoipa::path(
    post, path = "/v1/sources/{name}/refresh", tag = "sources",
    params(("name" = String, Path, description = "The source's name")),
    responses(
        (status = 202, body = schema::Source, description = "It is visited as soon as there is room, even where `left_alone_until` is set"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn refresh(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<(StatusCode, Json<SourceInfo>), ApiError> {
    Parameters::parse(&uri, &[])?;
    Ok((StatusCode::ACCEPTED, Json(shared.service.sources.refresh(&name_in(path)?).await?)))
}

/// Says that deletions held back are meant: so many at once looked like a lost disk.
#[utoipa::path(
    post, path = "/v1/sources/{name}/release", tag = "sources",
    params(("name" = String, Path, description = "The source's name")),
    responses(
        (status = 202, body = schema::Source, description = "What is still missing at the next look is deleted"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn release(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<(StatusCode, Json<SourceInfo>), ApiError> {
    Parameters::parse(&uri, &[])?;
    Ok((StatusCode::ACCEPTED, Json(shared.service.sources.release(&name_in(path)?).await?)))
}

/// Removes a source. Documents that are kept belong to nobody: a push may replace or delete them, and a source of the
/// same name takes them up again.
#[utoipa::path(
    delete, path = "/v1/sources/{name}", tag = "sources",
    params(("name" = String, Path, description = "The source's name"), RemovalParameters),
    responses(
        (status = 200, body = RemovalResponse, description = "It is gone"),
        (status = 202, body = RemovalResponse, description = "It is no longer visited; its documents are being deleted"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<(StatusCode, Json<RemovalResponse>), ApiError> {
    let name = name_in(path)?;
    let parameters = Parameters::parse(&uri, &["documents"])?;
    let documents = match parameters.get("documents") {
        None | Some("keep") => Remains::Keep,
        Some("delete") => Remains::Delete,
        Some(_) => return Err(invalid("documents", "has an unknown value", "use `keep` or `delete`")),
    };
    let removed = shared.service.sources.remove(&name, documents).await? == Removal::Done;
    let status = if removed { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(RemovalResponse { name, removed, documents })))
}

/// The name in a path; one that cannot be a name is that of no source.
fn name_in(path: Result<Path<String>, PathRejection>) -> Result<SourceName, ApiError> {
    let Path(name) = path.map_err(|_| {
        ApiError::new(Code::InvalidUrl, "the name in the path cannot be read", "percent-encode it as UTF-8")
    })?;
    name.parse().map_err(|_| unknown_source())
}

/// Reads settings as a client sends them.
fn settings(json: &[u8]) -> Result<SourceSettings, ApiError> {
    let mut fields = Fields::parse(json, FIELDS)?;
    let name = fields.string("name")?.ok_or_else(|| missing("name"))?;
    let name = name.parse().map_err(|error: wellspring_core::document::NameError| {
        invalid("name", &error.to_string(), "a name looks like `handbook` or `team-notes`")
    })?;
    let collection = collection(fields.string("collection")?.as_deref())?;
    let origin = origin(fields.take("origin").ok_or_else(|| missing("origin"))?)?;
    let (private_hosts, tags) = (fields.strings("private_hosts")?, fields.strings("tags")?);
    Ok(SourceSettings { name, collection, origin, private_hosts, tags })
}

fn origin(value: Value) -> Result<Origin, ApiError> {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind.as_str() {
        "folder" => {
            let mut fields = Fields::of(value, FOLDER_FIELDS)?;
            Ok(Origin::Folder {
                path: PathBuf::from(fields.string("path")?.ok_or_else(|| missing("path"))?),
                include: fields.strings("include")?,
                exclude: fields.strings("exclude")?,
                gitignore: fields.boolean("gitignore")?.unwrap_or(false),
            })
        }
        "feed" => {
            let mut fields = Fields::of(value, FEED_FIELDS)?;
            Ok(Origin::Feed { url: url(&mut fields)?, articles: fields.boolean("articles")?.unwrap_or(false) })
        }
        "site" => {
            let mut fields = Fields::of(value, SITE_FIELDS)?;
            Ok(Origin::Site {
                url: url(&mut fields)?,
                sitemap: fields.string("sitemap")?,
                depth_max: number(&mut fields, "depth_max")?.unwrap_or(limits::SITE_DEPTH_DEFAULT),
                pages_max: number(&mut fields, "pages_max")?.unwrap_or(limits::SITE_PAGES_DEFAULT),
            })
        }
        "page" => Ok(Origin::Page { url: url(&mut Fields::of(value, PAGE_FIELDS)?)? }),
        _ => Err(invalid(
            "origin",
            "must be an object whose `kind` is one of: folder, feed, site, page",
            "for example {\"kind\": \"page\", \"url\": \"https://example.org/\"}",
        )),
    }
}

fn url(fields: &mut Fields) -> Result<String, ApiError> {
    fields.string("url")?.ok_or_else(|| missing("url"))
}

fn number(fields: &mut Fields, name: &str) -> Result<Option<u32>, ApiError> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.map(Some).ok_or_else(|| invalid(name, "must be a whole number", "leave it out for the default"))
}
