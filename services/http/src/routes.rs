//! Which path leads where?
//!
//! Invariants:
//! - Every route, the fallbacks included, lies behind the layer that checks, counts and notes requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use wellspring_core::document::CollectionName;

use crate::body::Bodies;
use crate::error::{ApiError, Code, unknown_collection};
use crate::layer;
use crate::metrics::Metrics;
use crate::serve::HttpSettings;
use crate::service::{Readiness, Service};

pub(crate) mod ask;
pub(crate) mod documents;
pub(crate) mod events;
mod import;
pub(crate) mod residue;
pub(crate) mod retry;
pub(crate) mod search;
pub(crate) mod sources;
pub(crate) mod status;
pub(crate) mod upload;
pub(crate) mod webhooks;
pub(crate) mod websub;
pub(crate) mod write;

/// What handlers share; cloning is cheap.
#[derive(Clone)]
pub(crate) struct Shared {
    /// The parts behind the API.
    pub(crate) service: Arc<Service>,
    /// The bounds.
    pub(crate) settings: Arc<HttpSettings>,
    /// How bodies are read.
    pub(crate) bodies: Bodies,
    /// Places for requests in work.
    pub(crate) requests: Arc<Semaphore>,
    /// Places for requests that carry documents.
    pub(crate) uploads: Arc<Semaphore>,
    /// Places for questions in work.
    pub(crate) questions: Arc<Semaphore>,
    /// Places for readers of events.
    pub(crate) event_readers: Arc<Semaphore>,
    /// Whether a request has met a damaged catalog: until a restart, the service is not ready.
    pub(crate) damage_met: Arc<AtomicBool>,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// Ends what would never end by itself.
    pub(crate) stopping: CancellationToken,
}

impl Shared {
    /// Whether questions can be answered now.
    pub(crate) fn readiness(&self) -> Readiness {
        let readiness = self.service.readiness.borrow().clone();
        if self.damage_met.load(Ordering::Relaxed) {
            return readiness.without("catalog", "its file is damaged; `wellspring doctor` says more");
        }
        readiness
    }

    /// Refuses what needs both indexes while they are not ready.
    pub(crate) fn require_ready(&self) -> Result<(), ApiError> {
        let readiness = self.readiness();
        if readiness.is_ready() {
            return Ok(());
        }
        Err(ApiError::new(
            Code::NotReady,
            format!("the service is not ready: {}", readiness.in_words()),
            "try again in a moment; `GET /readyz` tells when",
        ))
    }

    /// Makes the collection that a write names, where it is not there yet.
    pub(crate) async fn open_collection(&self, collection: &CollectionName) -> Result<(), ApiError> {
        if self.service.reader.collection_exists(collection).await? {
            return Ok(());
        }
        if self.service.writes.open_collection(collection).await? { Ok(()) } else { Err(unknown_collection()) }
    }

    /// Refuses a collection that does not exist.
    pub(crate) async fn require_collection(&self, collection: &CollectionName) -> Result<(), ApiError> {
        let exists = self.service.reader.collection_exists(collection).await?;
        if exists { Ok(()) } else { Err(unknown_collection()) }
    }
}

/// Builds the API. When `stopping` is cancelled, streams of events end.
pub fn router(service: Service, settings: &HttpSettings, stopping: CancellationToken) -> Router {
    let shared = Shared {
        service: Arc::new(service),
        bodies: Bodies::new(settings.body_idle_timeout),
        requests: Arc::new(Semaphore::new(settings.requests_max)),
        uploads: Arc::new(Semaphore::new(settings.requests_max)),
        questions: Arc::new(Semaphore::new(settings.questions_max)),
        event_readers: Arc::new(Semaphore::new(settings.event_readers_max)),
        damage_met: Arc::default(),
        metrics: Metrics::new(),
        stopping,
        settings: Arc::new(settings.clone()),
    };
    Router::new()
        .route("/healthz", get(status::healthz))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/openapi.json", get(status::openapi))
        .route("/v1/documents", get(documents::list).post(write::post))
        .route(
            "/v1/documents/{*key}",
            put(write::put).get(documents::read).delete(documents::delete).post(retry::retry),
        )
        .route("/v1/events", get(events::events))
        .route("/v1/sources", get(sources::list).post(sources::add))
        .route("/v1/sources/{name}", get(sources::show).patch(sources::change).delete(sources::remove))
        .route("/v1/sources/{name}/refresh", post(sources::refresh))
        .route("/v1/sources/{name}/release", post(sources::release))
        .route("/v1/webhooks", get(webhooks::list).post(webhooks::add))
        .route("/v1/webhooks/{id}", delete(webhooks::remove))
        .route("/v1/webhooks/{id}/test", post(webhooks::test))
        .route("/v1/webhooks/{id}/rotate", post(webhooks::rotate))
        .route("/v1/webhooks/{id}/resume", post(webhooks::resume))
        .route(websub::PATH, get(websub::confirm).post(websub::told))
        .route("/v1/search", post(search::search).get(search::search_by_url))
        .route("/v1/ask", post(ask::ask))
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(shared.clone(), layer::pass))
        .with_state(shared)
}

async fn unknown_route() -> ApiError {
    ApiError::new(Code::UnknownRoute, "there is no such path", "`GET /v1/openapi.json` lists what there is")
}

async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::new(
        Code::MethodNotAllowed,
        format!("this path has no {method}"),
        "the `Allow` header lists the methods it has",
    )
}
