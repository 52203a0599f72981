//! What becomes of a body that was refused before it was read?
//!
//! A refusal in the middle of a body leaves the rest of it on the connection, where the next request would stand. So the
//! rest is read and dropped, as far as that is soon done; where it is not, the answer says that the connection ends
//! with it, and its caller sends the next request on another.
//!
//! Invariants:
//! - An answer that keeps its connection comes after the whole body was read.
//! - What is read and dropped is bounded in bytes and in time, and is asked of nobody who waits to be told to send it
//!   (`Expect: 100-continue`).

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use wellspring_core::limits;

/// What is kept of a request's body while a handler has it.
pub(crate) struct Leftover {
    body: Arc<Mutex<Body>>,
    /// The caller sends nothing before it is told to.
    is_expectant: bool,
}

impl Leftover {
    /// Lends the body of a request to whoever handles it; `None` where there is none.
    pub(crate) fn lend(request: Request) -> (Request, Option<Self>) {
        if request.body().is_end_stream() {
            return (request, None);
        }
        let is_expectant = request.headers().contains_key(EXPECT);
        let (head, body) = request.into_parts();
        let body = Arc::new(Mutex::new(body));
        let lent = Body::new(Lent { body: body.clone() });
        (Request::from_parts(head, lent), Some(Self { body, is_expectant }))
    }

    /// Sees to it that what follows the answer on its connection is no rest of the body.
    pub(crate) async fn settle(self, response: &mut Response) {
        let Some(mut body) = Arc::into_inner(self.body).map(Mutex::into_inner) else {
            // A stream that is answered while it comes: its end is not known yet.
            return;
        };
        let body = body.as_mut().unwrap_or_else(|poisoned| poisoned.get_mut());
        // Who was silent too long is not waited for again.
        let is_waited_for = !self.is_expectant && response.status() != StatusCode::REQUEST_TIMEOUT;
        let is_over = body.is_end_stream() || is_waited_for && is_drained(body).await;
        if !is_over {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Reads and drops the rest of a body; whether its end was met within the bounds.
async fn is_drained(body: &mut Body) -> bool {
    let mut left = limits::BODY_DISCARD_BYTES_MAX;
    if body.size_hint().lower() > left {
        return false;
    }
    let drain = async {
        loop {
            match std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                    let Some(rest) = left.checked_sub(bytes) else { return false };
                    left = rest;
                }
            }
        }
    };
    tokio::time::timeout(limits::BODY_DISCARD_TIMEOUT, drain).await.unwrap_or(false)
}

/// A body that comes back when it is dropped.
struct Lent {
    body: Arc<Mutex<Body>>,
}

impl Lent {
    /// Whoever is lent the body has it alone until it is given back.
    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
