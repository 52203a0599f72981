//! What does a hub want of us?
//!
//! Invariants:
//! - Who brings no token of a subscription is told nothing, and no body of theirs is read.
//! - A body is bounded, never believed, and never answered with more than thanks: whether its signature was right is
//!   not told.

use axum::body::Body;
use axum::extract::{Path, Query, State, rejection::PathRejection};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use wellspring_core::limits;
use wellspring_core::websub::{HubCallbacks, HubQuestion, Unguessable};

use super::Shared;
use crate::error::{ApiError, Code, ErrorBody};
use crate::schema::request::HubParameters;

/// The path of a callback. It wants no key: the token in it is known to one hub.
pub(crate) const PATH: &str = "/v1/websub/{token}";
/// The header that carries a hub's signature.
const SIGNATURE: &str = "x-hub-signature";

/// Answers a hub that wants to know whether a subscription was meant, by repeating its challenge.
#[utoipa::path(
    get, path = "/v1/websub/{token}", tag = "sources", params(
        ("token" = String, Path, description = "The part of the callback's address that nobody can guess"), HubParameters
    ),
    responses(
        (status = 200, content((String = "text/plain")), description = "It was; the challenge"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn confirm(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (hubs, token) = subscription(&shared, path)?;
    // Hubs add parameters of their own: what is not known is passed over.
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| unwanted())?;
    let value = |name: &str| pairs.iter().find(|(named, _)| named == name).map(|(_, value)| value.clone());
    let (mode, topic) = (value("hub.mode").unwrap_or_default(), value("hub.topic").ok_or_else(unwanted)?);
    let challenge = value("hub.challenge").unwrap_or_default();
    let question = match mode.as_str() {
        "denied" => {
            hubs.confirm(&token, HubQuestion::Denied { topic }).await?;
            return Ok(StatusCode::OK.into_response());
        }
        _ if challenge.is_empty() || challenge.len() > limits::WEBSUB_CHALLENGE_BYTES_MAX => return Err(unwanted()),
        "subscribe" => {
            let lease_seconds = value("hub.lease_seconds").and_then(|seconds| seconds.parse().ok());
            HubQuestion::Subscribe { topic, lease_seconds }
        }
        "unsubscribe" => HubQuestion::Unsubscribe { topic },
        _ => return Err(unwanted()),
    };
    match hubs.confirm(&token, question).await? {
        true => Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response()),
        false => Err(unwanted()),
    }
}

/// Takes what a hub tells: where it is signed by the hub, the source is visited soon. The body is not read as a document.
#[utoipa::path(
    post, path = "/v1/websub/{token}", tag = "sources", request_body(content((String = "*/*"))),
    params(("token" = String, Path, description = "The part of the callback's address that nobody can guess")),
    responses(
        (status = 202, description = "Taken; whether it was signed rightly is not told"),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn told(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let (hubs, token) = subscription(&shared, path)?;
    let body = shared.bodies.collect(body, limits::WEBSUB_BODY_BYTES_MAX).await?;
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    hubs.told(&token, signature, body.bytes).await;
    Ok(StatusCode::ACCEPTED)
}

/// The subscription that a path names.
fn subscription(
    shared: &Shared,
    path: Result<Path<String>, PathRejection>,
) -> Result<(&dyn HubCallbacks, Unguessable), ApiError> {
    let token = path.ok().and_then(|Path(token)| token.parse::<Unguessable>().ok());
    let hubs = shared.service.hubs.as_deref();
    hubs.zip(token).filter(|(hubs, token)| hubs.knows(token)).ok_or_else(|| {
        ApiError::new(Code::SubscriptionGone, "there is no such subscription", "tell nothing to this address any more")
    })
}

fn unwanted() -> ApiError {
    ApiError::new(Code::SubscriptionUnwanted, "this was not asked for", "leave the subscription as it is")
}
