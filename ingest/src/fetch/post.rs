//! Does an address take what we tell it?
//!
//! Invariants:
//! - The address passes the same gate and the same resolver as one that is read, and a redirect is an answer, not a way.
//! - Of the answer only the head counts; a bounded part of its body is read and dropped, so that the connection can
//!   serve again.
//! - It waits in no host's line: an endpoint that hangs holds up nobody but its own caller, who bounds how many there
//!   are.

use std::time::SystemTime;

use async_trait::async_trait;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Response};
use tokio::time::timeout;
use wellspring_core::fetch::{FetchError, FetchErrorKind, Post, PostRequest, Posted};
use wellspring_core::limits;

use super::HttpFetch;
use super::exchange::line_error;
use super::headers;
use super::target::Target;

#[async_trait]
impl Post for HttpFetch {
    async fn post(&self, request: PostRequest) -> Result<Posted, FetchError> {
        let target = self.gate(&request.private_hosts).first(&request.url)?;
        let client = self.client(&target);
        let wait = request.timeout;
        timeout(wait, send(client, &target, request)).await.unwrap_or_else(|_| {
            Err(FetchError::new(FetchErrorKind::TimedOut, format!("{} took too long", target.host)))
        })
    }
}

async fn send(client: &Client, target: &Target, request: PostRequest) -> Result<Posted, FetchError> {
    let mut sending = client.post(target.url.clone()).body(request.body);
    for (name, value) in request.headers {
        let value = HeaderValue::from_str(&value).map_err(|error| {
            let attempted = format!("could not tell {}", target.host);
            FetchError::caused_by(FetchErrorKind::Refused, attempted, error)
        })?;
        sending = sending.header(HeaderName::from_static(name), value);
    }
    let response = sending.send().await.map_err(|error| line_error(&target.host, error))?;
    let retry_after = headers::retry_after(response.headers(), SystemTime::now());
    let posted = Posted { status: response.status().as_u16(), retry_after };
    // The head has said it: whatever becomes of the rest.
    timeout(limits::POST_ANSWER_TIMEOUT, drain(response)).await.ok();
    Ok(posted)
}

/// Reads what little belongs to the answer; a longer one costs its connection.
async fn drain(mut response: Response) {
    let mut left = limits::POST_ANSWER_BYTES_MAX;
    while let Ok(Some(piece)) = response.chunk().await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
