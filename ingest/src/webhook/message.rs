//! What is an endpoint told?
//!
//! Invariants:
//! - The identity of a message depends on the endpoint and the event alone: it is the same at every attempt, so that a
//!   receiver can tell a repetition.
//! - A message carries what `GET /v1/events` tells of the event, never a document's text, and has a bound.

use jiff::Timestamp;
use serde::Serialize;
use wellspring_core::limits;
use wellspring_core::trace::Event;
use wellspring_core::webhook::WebhookId;

/// One message, the same at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

#[derive(Serialize)]
struct Envelope<'a, D> {
    r#type: &'a str,
    timestamp: Timestamp,
    data: D,
}

/// What was lost to an endpoint that was away for longer than events are kept.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Lost {
    /// The first number that it was not told.
    pub(super) from: u64,
    /// The last one.
    pub(super) to: u64,
}

#[derive(Serialize)]
struct Test<'a> {
    webhook: &'a WebhookId,
}

impl Message {
    /// Tells of an event.
    pub(super) fn of_event(webhook: &WebhookId, event: &Event) -> Self {
        let id = format!("msg_{}_{}", bare(webhook), event.number);
        let name = format!("document.{}", event.kind.as_str());
        let body = body(&name, event.at, event);
        if body.len() <= limits::WEBHOOK_BODY_BYTES_MAX {
            return Self { id, body };
        }
        let reason = event.reason.as_ref().map(|_| "too long to be sent; the document's state says it".to_owned());
        let body = self::body(&name, event.at, Event { reason, ..event.clone() });
        Self { id, body }
    }

    /// Tells that events are no longer kept and were never told: the receiver lists the documents.
    pub(super) fn of_lost(webhook: &WebhookId, lost: Lost, now: Timestamp) -> Self {
        Self { id: format!("msg_{}_lost_{}", bare(webhook), lost.from), body: body("events.lost", now, lost) }
    }

    /// Tells nothing, to see whether it arrives.
    pub(super) fn test(webhook: &WebhookId, now: Timestamp) -> Self {
        let id = format!("msg_{}_test_{}", bare(webhook), now.as_millisecond());
        Self { id, body: body("webhook.test", now, Test { webhook }) }
    }
}

/// The part of an identity that differs.
fn bare(webhook: &WebhookId) -> &str {
    webhook.as_str().trim_start_matches("wh_")
}

fn body(name: &str, timestamp: Timestamp, data: impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&Envelope { r#type: name, timestamp, data })
        .expect("a message has only string keys: always JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn event(reason: Option<&str>) -> Event {
        serde_json::from_value(serde_json::json!({
            "number": 7, "at": "2026-11-25T08:00:00Z", "kind": "failed", "collection": "default", "key": "a/b",
            "revision": 2, "sequence": 5, "stage": "parse", "reason": reason,
        }))
        .unwrap()
    }

    #[test]
    fn an_event_is_told_as_the_stream_tells_it() {
        let (id, event) = (WebhookId::from_bytes([1; 8]), event(Some("no text")));
        let message = Message::of_event(&id, &event);
        assert_eq!(message.id, "msg_0101010101010101_7");
        assert_eq!(message, Message::of_event(&id, &event), "the same at every attempt");
        assert_ne!(message.id, Message::of_event(&WebhookId::from_bytes([2; 8]), &event).id);
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!((&body["type"], &body["timestamp"]), (&"document.failed".into(), &"2026-11-25T08:00:00Z".into()));
        assert_eq!(body["data"], serde_json::to_value(&event).unwrap());
    }

    #[test]
    fn i7_a_message_has_a_bound() {
        let message = Message::of_event(&WebhookId::from_bytes([1; 8]), &event(Some(&"\u{1}".repeat(10_000))));
        assert!(message.body.len() < limits::WEBHOOK_BODY_BYTES_MAX);
        let mut longest = event(None);
        longest.key = "\u{fffd}".repeat(limits::KEY_BYTES_MAX / 3).parse().unwrap();
        let message = Message::of_event(&WebhookId::from_bytes([1; 8]), &longest);
        assert!(message.body.len() < limits::WEBHOOK_BODY_BYTES_MAX);
    }

    #[test]
    fn what_is_lost_and_what_is_a_test_say_so() {
        let id = WebhookId::from_bytes([1; 8]);
        let lost = Message::of_lost(&id, Lost { from: 3, to: 8 }, Timestamp::UNIX_EPOCH);
        let body: Value = serde_json::from_slice(&lost.body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]["from"], &body["data"]["to"]),
            (&"events.lost".into(), &3.into(), &8.into())
        );
        let test: Value = serde_json::from_slice(&Message::test(&id, Timestamp::UNIX_EPOCH).body).unwrap();
        assert_eq!((&test["type"], &test["data"]["webhook"]), (&"webhook.test".into(), &"wh_0101010101010101".into()));
    }
}
