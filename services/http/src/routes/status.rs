//! Does the service live, is it ready, how is it, and what can it do?

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::error::{ApiError, ErrorBody};
use crate::fields::{Parameters, invalid};
use crate::metrics;
use crate::openapi;
use crate::schema::request::ReadyParameters;
use crate::service::{Readiness, ServiceStatus};

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether searches and questions are answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Whether nothing is missing.
    ready: bool,
    /// What is not there yet.
    #[serde(flatten)]
    readiness: Readiness,
}

impl From<Readiness> for Ready {
    fn from(readiness: Readiness) -> Self {
        Self { ready: readiness.is_ready(), readiness }
    }
}

/// Whether searches and questions are answered, what is missing, and what is impaired.
///
/// While only writes are impaired (`impaired` names them with the reason, such as a full disk), searches and questions
/// are answered, and so the answer is 200; asked with `?for=writes` it is 503 then.
#[utoipa::path(
    get, path = "/readyz", tag = "service", params(ReadyParameters),
    responses((status = 200, body = Ready), (status = 503, body = Ready, description = "Something is missing"))
)]
pub(crate) async fn readyz(State(shared): State<Shared>, uri: Uri) -> Result<impl IntoResponse, ApiError> {
    let parameters = Parameters::parse(&uri, &["for"])?;
    let for_writes = match parameters.get("for") {
        None => false,
        Some("writes") => true,
        Some(_) => return Err(invalid("for", "has an unknown value", "the only value is `writes`")),
    };
    let ready = Ready::from(shared.readiness());
    let fit = ready.ready && !(for_writes && ready.readiness.impaired_by("writes").is_some());
    let status = if fit { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(ready)))
}

/// The service in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusReport {
    /// Whether searches and questions are answered.
    #[serde(flatten)]
    ready: Ready,
    /// Everything else.
    #[serde(flatten)]
    status: ServiceStatus,
}

/// The service in numbers: documents, sources, models, memory.
#[utoipa::path(
    get, path = "/v1/status", tag = "service",
    responses((status = 200, body = StatusReport), (status = "default", body = ErrorBody))
)]
pub(crate) async fn status(State(shared): State<Shared>) -> Result<Json<StatusReport>, ApiError> {
    let status = shared.service.status.status().await?;
    let ready = Ready::from(shared.readiness());
    Ok(Json(StatusReport { ready, status }))
}

/// The service in numbers, for a monitoring system: the text of OpenMetrics, which Prometheus reads.
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses((status = 200, body = String), (status = "default", body = ErrorBody))
)]
pub(crate) async fn metrics(State(shared): State<Shared>) -> Result<impl IntoResponse, ApiError> {
    let status = shared.service.status.status().await?;
    let text = shared.metrics.text(&shared.readiness(), &status);
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "service", responses((status = 200, body = Object)))]
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], openapi::document_json())
}
