//! Was one message taken?
//!
//! Invariants:
//! - Only an answer of the kind 2xx says so.
//! - What is recorded of a refusal names the host and a status, never what the endpoint wrote.

use std::time::Duration;

use jiff::Timestamp;
use wellspring_core::fetch::{FetchErrorKind, Post, PostRequest};
use wellspring_core::limits;
use wellspring_core::webhook::WebhookRecord;

use super::message::Message;
use super::sign;

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The endpoint has it.
    Taken(u16),
    /// It has not; another attempt may go better, not before the wait is over.
    Missed { status: Option<u16>, error: String, wait: Option<Duration> },
    /// It has not, and asking again is useless.
    Refused { status: Option<u16>, error: String },
}

/// The status of an endpoint that is gone for good.
const GONE: u16 = 410;

/// Makes one attempt.
pub(super) async fn attempt(
    post: &dyn Post,
    record: &WebhookRecord,
    message: &Message,
    now: Timestamp,
    timeout: Duration,
) -> Outcome {
    let timestamp_s = now.as_second();
    let signatures = sign::signatures(record.secrets(now), &message.id, timestamp_s, &message.body);
    let request = PostRequest {
        url: record.settings.url.clone(),
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", message.id.clone()),
            ("webhook-timestamp", timestamp_s.to_string()),
            ("webhook-signature", signatures),
        ],
        body: message.body.clone(),
        private_hosts: record.settings.private_hosts.clone(),
        timeout,
    };
    match post.post(request).await {
        Ok(posted) => match posted.status {
            status @ 200..=299 => Outcome::Taken(status),
            GONE => Outcome::Refused { status: Some(GONE), error: "it answered 410: it wants no more".to_owned() },
            status @ 300..=399 => {
                let error = format!("it answered {status}; redirects are not followed");
                Outcome::Missed { status: Some(status), error, wait: posted.retry_after }
            }
            status => Outcome::Missed {
                status: Some(status),
                error: format!("it answered {status}"),
                wait: posted.retry_after,
            },
        },
        Err(error) => {
            let refused = error.kind() == FetchErrorKind::Refused;
            let error = short(error.chain());
            match refused {
                true => Outcome::Refused { status: None, error },
                false => Outcome::Missed { status: None, error, wait: None },
            }
        }
    }
}

/// A reason of bounded length.
fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(limits::VISIT_ERROR_BYTES_MAX));
    text
}
