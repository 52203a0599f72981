//! Adding, listing, testing, resuming and removing webhooks.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json as body};
use wellspring_core::source::SettingsError;
use wellspring_core::webhook::{
    WebhookAdmin, WebhookError, WebhookId, WebhookInfo, WebhookProgress, WebhookSettings, WebhookState, WebhookTest,
};

use crate::support::{json, refusal, start};

/// Endpoints in memory, which are told nothing.
#[derive(Default)]
pub(crate) struct Endpoints {
    pub(crate) kept: Mutex<Vec<WebhookInfo>>,
    pub(crate) offline: Mutex<bool>,
}

/// An endpoint with everything that can be said about one.
pub(crate) fn full() -> WebhookInfo {
    let settings = body!({ "url": "http://a/", "states": ["failed"], "collection": "default", "private_hosts": ["a"] });
    WebhookInfo {
        id: WebhookId::from_bytes([1; 8]),
        settings: serde_json::from_value(settings).unwrap(),
        state: WebhookState::Disabled,
        added_at: Timestamp::UNIX_EPOCH,
        former_secret_until: Some(Timestamp::UNIX_EPOCH),
        progress: WebhookProgress {
            cursor: 1,
            delivered_event: Some(1),
            delivered_at: Some(Timestamp::UNIX_EPOCH),
            attempts: 1,
            failing_since: Some(Timestamp::UNIX_EPOCH),
            last_error: Some("e".into()),
            next_attempt_at: Some(Timestamp::UNIX_EPOCH),
            disabled: Some("d".into()),
        },
    }
}

/// A test message that arrived.
pub(crate) fn arrived() -> WebhookTest {
    WebhookTest { message: "msg_1".into(), delivered: true, status: Some(204), error: None }
}

impl Endpoints {
    fn place(&self, id: &WebhookId) -> Result<usize, WebhookError> {
        let kept = self.kept.lock().unwrap();
        kept.iter().position(|info| info.id == *id).ok_or(WebhookError::Unknown)
    }
}

#[async_trait]
impl WebhookAdmin for Endpoints {
    async fn list(&self) -> Result<Vec<WebhookInfo>, WebhookError> {
        Ok(self.kept.lock().unwrap().clone())
    }

    async fn add(&self, settings: WebhookSettings) -> Result<(WebhookInfo, String), WebhookError> {
        if settings.url == "refused" {
            let (what, hint) = ("is no address".to_owned(), "an address looks like this".to_owned());
            return Err(WebhookError::Invalid(SettingsError { field: "url", what, hint }));
        }
        let mut kept = self.kept.lock().unwrap();
        if let Some(same) = kept.iter().find(|info| info.settings == settings) {
            return Err(WebhookError::Exists(same.id.clone()));
        }
        if kept.len() == 3 {
            return Err(WebhookError::TooMany);
        }
        let id = WebhookId::from_bytes([kept.len() as u8; 8]);
        let info = WebhookInfo { id, settings, state: WebhookState::Active, ..full() };
        kept.push(info.clone());
        Ok((info, "whsec_once".to_owned()))
    }

    async fn remove(&self, id: &WebhookId) -> Result<(), WebhookError> {
        let place = self.place(id)?;
        self.kept.lock().unwrap().remove(place);
        Ok(())
    }

    async fn test(&self, id: &WebhookId) -> Result<WebhookTest, WebhookError> {
        self.place(id)?;
        if *self.offline.lock().unwrap() { Err(WebhookError::Offline) } else { Ok(arrived()) }
    }

    async fn rotate(&self, id: &WebhookId, overlap: Duration) -> Result<(WebhookInfo, String), WebhookError> {
        let place = self.place(id)?;
        let until = Timestamp::UNIX_EPOCH + jiff::SignedDuration::try_from(overlap).unwrap();
        let info = WebhookInfo { former_secret_until: Some(until), ..self.kept.lock().unwrap()[place].clone() };
        Ok((info, "whsec_next".to_owned()))
    }

    async fn resume(&self, id: &WebhookId) -> Result<WebhookInfo, WebhookError> {
        let place = self.place(id)?;
        Ok(self.kept.lock().unwrap()[place].clone())
    }
}

#[tokio::test]
async fn a_webhook_is_added_listed_tested_resumed_and_removed() {
    let server = start().await;
    let request = body!({ "url": "https://a/", "states": ["searchable", "deleted"], "private_hosts": ["a"] });
    let (status, added) = json(server.post("/v1/webhooks").json(&request)).await;
    assert_eq!((status, &added["secret"]), (201, &body!("whsec_once")));
    let webhook = &added["webhook"];
    assert_eq!((&webhook["url"], &webhook["states"]), (&body!("https://a/"), &body!(["searchable", "deleted"])));
    assert_eq!(
        (&webhook["collection"], &webhook["state"], &webhook["cursor"]),
        (&Value::Null, &body!("active"), &body!(1))
    );
    let (status, listed) = json(server.get("/v1/webhooks")).await;
    assert_eq!((status, &listed["webhooks"][0]), (200, webhook));
    assert!(!listed.to_string().contains("whsec_"), "a secret is shown once");
    let path = format!("/v1/webhooks/{}", webhook["id"].as_str().unwrap());
    let (status, test) = json(server.post(&format!("{path}/test"))).await;
    assert_eq!((status, test), (200, serde_json::to_value(arrived()).unwrap()));
    assert_eq!(json(server.post(&format!("{path}/resume"))).await, (200, webhook.clone()));
    for (query, until) in [("", "1970-01-02T00:00:00Z"), ("?overlap_hours=0", "1970-01-01T00:00:00Z")] {
        let (status, rotated) = json(server.post(&format!("{path}/rotate{query}"))).await;
        assert_eq!((status, &rotated["secret"]), (200, &body!("whsec_next")));
        assert_eq!(rotated["webhook"]["former_secret_until"], until);
    }
    for wrong in ["169", "-1", "1.5", "day"] {
        let refused = refusal(server.post(&format!("{path}/rotate?overlap_hours={wrong}"))).await;
        assert_eq!(refused, (422, "invalid_field".to_owned()), "{wrong}");
    }
    assert_eq!(server.delete(&path).send().await.unwrap().status(), 204);
    assert_eq!(json(server.get("/v1/webhooks")).await.1, body!({ "webhooks": [] }));
    let unknown = (404, "unknown_webhook".to_owned());
    assert_eq!(refusal(server.delete(&path)).await, unknown);
    assert_eq!(refusal(server.post(&format!("{path}/test"))).await, unknown);
    assert_eq!(refusal(server.post(&format!("{path}/resume"))).await, unknown);
    assert_eq!(refusal(server.post(&format!("{path}/rotate"))).await, unknown);
    assert_eq!(refusal(server.delete("/v1/webhooks/nonsense")).await, unknown);
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused() {
    let server = start().await;
    for (request, status, code) in [
        (body!({}), 422, "missing_field"),
        (body!({ "url": 1 }), 422, "invalid_field"),
        (body!({ "url": "refused" }), 422, "invalid_field"),
        (body!({ "url": "http://a/", "states": ["published"] }), 422, "invalid_field"),
        (body!({ "url": "http://a/", "states": "failed" }), 422, "invalid_field"),
        (body!({ "url": "http://a/", "collection": "NO name" }), 422, "invalid_field"),
        (body!({ "url": "http://a/", "collection": "nowhere" }), 404, "unknown_collection"),
        (body!({ "url": "http://a/", "secret": "mine" }), 422, "unknown_field"),
    ] {
        let refused = refusal(server.post("/v1/webhooks").json(&request)).await;
        assert_eq!(refused, (status, code.to_owned()), "{request}");
    }
    for place in 0..3 {
        json(server.post("/v1/webhooks").json(&body!({ "url": format!("http://a/{place}") }))).await;
    }
    let add = |url: &str| server.post("/v1/webhooks").json(&body!({ "url": url }));
    assert_eq!(refusal(add("http://a/0")).await, (409, "webhook_exists".to_owned()));
    assert_eq!(refusal(add("http://a/3")).await, (409, "too_many_webhooks".to_owned()));
    *server.webhooks.offline.lock().unwrap() = true;
    let id = server.webhooks.kept.lock().unwrap()[0].id.clone();
    assert_eq!(refusal(server.post(&format!("/v1/webhooks/{id}/test"))).await, (409, "offline".to_owned()));
}
