//! Who is told what happens to documents?
//!
//! Invariants:
//! - A secret is answered once, to the request that makes it.
//! - What is answered is durable and at work: nothing needs a restart.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State, rejection::PathRejection};
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use wellspring_core::limits;
use wellspring_core::trace::EventKind;
use wellspring_core::webhook::{WebhookId, WebhookInfo, WebhookSettings, WebhookTest};

use super::Shared;
use crate::error::{ApiError, Code, ErrorBody, unknown_webhook};
use crate::fields::{Fields, Parameters, collection, invalid, missing};
use crate::schema;
use crate::schema::webhook::WebhookBody;

const FIELDS: &[&str] = &["url", "states", "collection", "private_hosts"];

/// All endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhooksResponse {
    /// By the time at which they were added.
    #[schema(value_type = Vec<schema::webhook::Webhook>)]
    pub(crate) webhooks: Vec<WebhookInfo>,
}

/// An endpoint and its new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AddedWebhook {
    /// The endpoint.
    #[schema(value_type = schema::webhook::Webhook)]
    webhook: WebhookInfo,
    /// What its messages are signed with, `whsec_` and base64. It is never shown again.
    secret: String,
}

/// Lists endpoints: what each is told of, how far it was told, and what stands in its way.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks",
    responses((status = 200, body = WebhooksResponse), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(State(shared): State<Shared>, uri: Uri) -> Result<Json<WebhooksResponse>, ApiError> {
    Parameters::parse(&uri, &[])?;
    Ok(Json(WebhooksResponse { webhooks: shared.service.webhooks.list().await? }))
}

/// Adds an endpoint, which is told what happens from now on: a signed `POST` for each event, in order, until it is
/// answered with 2xx.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookBody,
    responses(
        (status = 201, body = AddedWebhook, description = "Added; keep the secret, it is not shown again"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn add(
    State(shared): State<Shared>,
    uri: Uri,
    body: Body,
) -> Result<(StatusCode, Json<AddedWebhook>), ApiError> {
    Parameters::parse(&uri, &[])?;
    let body = shared.bodies.collect(body, limits::REQUEST_BODY_BYTES_MAX).await?;
    let settings = settings(&body.bytes)?;
    if let Some(collection) = &settings.collection {
        shared.require_collection(collection).await?;
    }
    let (webhook, secret) = shared.service.webhooks.add(settings).await?;
    Ok((StatusCode::CREATED, Json(AddedWebhook { webhook, secret })))
}

/// Removes an endpoint; nothing is sent to it afterwards.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint's identity")),
    responses((status = 204, description = "It is gone"), (status = "default", body = ErrorBody))
)]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<StatusCode, ApiError> {
    Parameters::parse(&uri, &[])?;
    shared.service.webhooks.remove(&id_in(path)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a message of the type `webhook.test` now, once, and says what came of it.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint's identity")),
    responses((status = 200, body = schema::webhook::WebhookTest), (status = "default", body = ErrorBody))
)]
pub(crate) async fn test(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<WebhookTest>, ApiError> {
    Parameters::parse(&uri, &[])?;
    Ok(Json(shared.service.webhooks.test(&id_in(path)?).await?))
}

/// Gives an endpoint a new secret. Each message is signed with the new one and, for a while, with the one before it too,
/// so that no receiver has to change at once: `webhook-signature` holds both signatures, with a space between them.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/rotate", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The endpoint's identity"),
        ("overlap_hours" = Option<u32>, Query,
         description = "How long the secret before goes on signing: 0 to 168, 24 where absent; 0 when it got out")
    ),
    responses(
        (status = 200, body = AddedWebhook, description = "Keep the secret, it is not shown again"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn rotate(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<AddedWebhook>, ApiError> {
    let overlap = overlap(&Parameters::parse(&uri, &["overlap_hours"])?)?;
    let (webhook, secret) = shared.service.webhooks.rotate(&id_in(path)?, overlap).await?;
    Ok(Json(AddedWebhook { webhook, secret }))
}

/// How long two secrets sign.
fn overlap(parameters: &Parameters) -> Result<Duration, ApiError> {
    let Some(hours) = parameters.get("overlap_hours") else { return Ok(limits::WEBHOOK_OVERLAP) };
    let overlap = hours.parse::<u32>().ok().map(|hours| Duration::from_secs(u64::from(hours) * 3600));
    overlap.filter(|overlap| *overlap <= limits::WEBHOOK_OVERLAP_MAX).ok_or_else(|| {
        let hours_max = limits::WEBHOOK_OVERLAP_MAX.as_secs() / 3600;
        invalid("overlap_hours", &format!("must be a whole number from 0 to {hours_max}"), "leave it out for a day")
    })
}

/// Tries again now where the last attempt came to nothing, and lets a disabled endpoint go on where it stopped.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/resume", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint's identity")),
    responses((status = 200, body = schema::webhook::Webhook), (status = "default", body = ErrorBody))
)]
pub(crate) async fn resume(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<WebhookInfo>, ApiError> {
    Parameters::parse(&uri, &[])?;
    Ok(Json(shared.service.webhooks.resume(&id_in(path)?).await?))
}

/// The identity in a path; one that cannot be one is that of no endpoint.
fn id_in(path: Result<Path<String>, PathRejection>) -> Result<WebhookId, ApiError> {
    let Path(id) = path.map_err(|_| {
        ApiError::new(Code::InvalidUrl, "the id in the path cannot be read", "percent-encode it as UTF-8")
    })?;
    id.parse().map_err(|_| unknown_webhook())
}

/// Reads an endpoint as a client describes it.
fn settings(json: &[u8]) -> Result<WebhookSettings, ApiError> {
    let mut fields = Fields::parse(json, FIELDS)?;
    let url = fields.string("url")?.ok_or_else(|| missing("url"))?;
    let states = fields.strings("states")?;
    let states = states.iter().map(|state| state.parse::<EventKind>()).collect::<Result<Vec<_>, ()>>();
    let states = states.map_err(|()| {
        let known = EventKind::ALL.map(EventKind::as_str).join(", ");
        invalid("states", "has an unknown entry", &format!("known are {known}; leave it out for all of them"))
    })?;
    let named = fields.string("collection")?;
    let collection = named.map(|named| collection(Some(&named))).transpose()?;
    Ok(WebhookSettings { url, states, collection, private_hosts: fields.strings("private_hosts")? })
}
