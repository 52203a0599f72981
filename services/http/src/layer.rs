//! What does every request pass, and what is written down about it?
//!
//! Invariants:
//! - A request is let in by `auth`, or by the token in its path, then takes one of a bounded number of places, which it
//!   holds until the last byte of its response is gone or its caller is.
//! - A short body is read before its request takes a place: who sends it slowly keeps nobody else out. Uploads have
//!   places of their own.
//! - A body that was refused before its end leaves nothing on its connection for the next request to stumble over.
//! - A compressed body is refused: nothing here would unpack it.
//! - The log knows a request by its id, method, route, status and milliseconds, and by nothing its caller wrote.
//! - A panic in a handler is one failed request.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use encoding_rs::Encoding;
use futures::FutureExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;
use wellspring_core::limits;

use crate::auth;
use crate::body::Collected;
use crate::error::{ApiError, Code, DamageMet};
use crate::leftover::Leftover;
use crate::metrics::Metrics;
use crate::routes::Shared;

/// The response header that carries the request's id, by which the log knows it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The paths that are answered always and to everybody: they tell nothing but life.
const OPEN_ROUTES: &[&str] = &["/healthz", "/readyz"];
/// The paths that a token guards instead of the key: hubs have no key of ours, and come from elsewhere.
const TOKEN_ROUTES: &[&str] = &[crate::routes::websub::PATH];
/// The paths whose bodies may be long: documents, and what hubs send.
const UPLOAD_ROUTES: &[&str] = &["/v1/documents", "/v1/documents/{*key}", crate::routes::websub::PATH];

/// Names of UTF-8 and of what is a part of it; none stands for it too.
const UTF_8: &[&str] = &["", "utf-8", "utf8", "us-ascii", "ascii"];

/// Numbers requests since the process began.
static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// Lets a request in, runs it, and notes how it ended.
pub(crate) async fn pass(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let open = OPEN_ROUTES.contains(&route.as_str());
    let id = format!("{:08x}", REQUESTS.fetch_add(1, Ordering::Relaxed));
    let span = tracing::info_span!("request", %id, method = %request.method(), %route);
    let mut note = Note {
        span: span.clone(),
        started: Instant::now(),
        status: None,
        open,
        metrics: shared.metrics.clone(),
        route: route.clone(),
        method: request.method().clone(),
    };
    let (request, leftover) = Leftover::lend(request);
    let admitted = if open { Ok((request, None)) } else { admit(&shared, request, &route).await };
    let (mut response, place) = match admitted {
        Ok((request, place)) => (run(request, next).instrument(span).await, place),
        Err(error) => (error.into_response(), None),
    };
    if let Some(leftover) = leftover {
        leftover.settle(&mut response).await;
    }
    if response.extensions().get::<DamageMet>().is_some() {
        shared.damage_met.store(true, Ordering::Relaxed);
    }
    note.status = Some(response.status().as_u16());
    let mut response = response.map(|inner| Body::new(NotedBody { inner, _place: place, _note: note }));
    mark(response.headers_mut(), &id);
    response
}

/// What a request holds while it is in work.
struct Place {
    _permit: OwnedSemaphorePermit,
    /// The memory of a body that was read beforehand.
    _body: Option<Collected>,
}

/// Checks the caller, reads a short body, and takes a place.
async fn admit(shared: &Shared, request: Request, route: &str) -> Result<(Request, Option<Place>), ApiError> {
    if !TOKEN_ROUTES.contains(&route) {
        auth::admit(shared.service.key.as_ref(), request.uri(), request.headers())?;
    }
    refuse_compressed(request.headers())?;
    refuse_charset(&request)?;
    let uploads = UPLOAD_ROUTES.contains(&route) && matches!(*request.method(), Method::PUT | Method::POST);
    let (request, body) = if uploads || request.body().is_end_stream() {
        (request, None)
    } else {
        let (head, body) = request.into_parts();
        let mut collected = shared.bodies.collect(body, limits::REQUEST_BODY_BYTES_MAX).await?;
        let bytes = std::mem::take(&mut collected.bytes);
        (Request::from_parts(head, Body::from(bytes)), Some(collected))
    };
    let places = if uploads { &shared.uploads } else { &shared.requests };
    let permit = places.clone().try_acquire_owned().map_err(|_| {
        ApiError::new(Code::Overloaded, "too many requests are in work", "try again in a moment, with fewer at once")
    })?;
    Ok((request, Some(Place { _permit: permit, _body: body })))
}

/// Refuses a body that would first have to be unpacked.
fn refuse_compressed(headers: &HeaderMap) -> Result<(), ApiError> {
    let encodings = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("unreadable"));
    let mut named = encodings.flat_map(|value| value.split(',')).map(str::trim);
    if named.all(|encoding| encoding.is_empty() || encoding.eq_ignore_ascii_case("identity")) {
        return Ok(());
    }
    Err(ApiError::new(
        Code::UnsupportedContentEncoding,
        "the body is compressed, which is not read here",
        "send it as it is, without `Content-Encoding`",
    ))
}

/// Refuses text in an encoding that nobody knows, and JSON that is told to be in another encoding than UTF-8, which would
/// be read as something else than was sent. A document that is JSON itself is no request of ours: its reader looks at its
/// bytes.
fn refuse_charset(request: &Request) -> Result<(), ApiError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = kind.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence.ends_with("json") || essence.ends_with("jsonl") || essence.ends_with("jsonlines");
    let is_document =
        request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("format=")));
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    match charset {
        Some(charset) if essence.starts_with("text/") && Encoding::for_label(charset.as_bytes()).is_none() => {
            Err(ApiError::new(
                Code::UnsupportedContentType,
                "the charset in `Content-Type` is none that is known",
                "name one that browsers know, such as `utf-8` or `windows-1252`, or none: then the bytes are looked at",
            ))
        }
        Some(charset) if is_json && !is_document && !UTF_8.contains(&charset.as_str()) => Err(ApiError::new(
            Code::UnsupportedContentType,
            "the JSON is in another encoding than UTF-8",
            "send it in UTF-8, and say so or nothing in `Content-Type`",
        )),
        _ => Ok(()),
    }
}

/// Runs the handler; a panic ends this request alone.
async fn run(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request handler panicked");
            ApiError::new(Code::Internal, "the service failed on this request", "see the service's log").into_response()
        }
    }
}

/// Headers that every response has: documents are private, and text stays text.
fn mark(headers: &mut HeaderMap, id: &str) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Writes one line about a request and counts it when it is dropped: after its last byte, or when its caller left.
struct Note {
    span: tracing::Span,
    started: Instant,
    /// `None` while there is no response.
    status: Option<u16>,
    /// Health checks come every few seconds: their lines are for debugging only.
    open: bool,
    metrics: Metrics,
    route: String,
    method: Method,
}

impl Drop for Note {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.metrics.request(&self.route, &self.method, self.status, took);
        let ms = took.as_millis() as u64;
        self.span.in_scope(|| match self.status {
            Some(status) if self.open => tracing::debug!(status, ms, "request"),
            Some(status) => tracing::info!(status, ms, "request"),
            None => tracing::info!(ms, "the caller left before the response"),
        });
    }
}

/// A response's body that holds the request's place and its note until it ends.
struct NotedBody {
    inner: Body,
    _place: Option<Place>,
    _note: Note,
}

impl HttpBody for NotedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
