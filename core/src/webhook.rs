//! Who is told what happens to documents, and how far has each been told?
//!
//! Invariants:
//! - An endpoint is told events in the order of their numbers, each at least once, over a restart too: its cursor moves
//!   behind an event only after that event was taken or is none that it wants.
//! - An endpoint is never skipped ahead in silence: what is no longer kept is told as lost.
//! - A secret is shown once, to who adds the endpoint or rotates its secret, and never again.
//! - At most two secrets sign: the newest, and the one before it until its time is over.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::catalog::CatalogError;
use crate::document::CollectionName;
use crate::source::SettingsError;
use crate::trace::{Event, EventKind};

/// The identity of an endpoint: `wh_` and 16 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookId(String);

/// A text that is no endpoint's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a webhook's id is `wh_` and 16 digits from 0 to f")]
pub struct WebhookIdError;

/// What an identity begins with.
const ID_PREFIX: &str = "wh_";
/// The digits behind it.
const ID_DIGITS: usize = 16;

impl WebhookId {
    /// The identity made of eight random bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(format!("{ID_PREFIX}{:016x}", u64::from_be_bytes(bytes)))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as a number, such as a seed.
    pub fn number(&self) -> u64 {
        u64::from_str_radix(&self.0[ID_PREFIX.len()..], 16).unwrap_or_default()
    }
}

impl FromStr for WebhookId {
    type Err = WebhookIdError;

    fn from_str(text: &str) -> Result<Self, WebhookIdError> {
        let digits = text.strip_prefix(ID_PREFIX).ok_or(WebhookIdError)?;
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_one = digits.len() == ID_DIGITS && digits.bytes().all(plain);
        if is_one { Ok(Self(text.to_owned())) } else { Err(WebhookIdError) }
    }
}

impl TryFrom<String> for WebhookId {
    type Error = WebhookIdError;

    fn try_from(text: String) -> Result<Self, WebhookIdError> {
        text.parse()
    }
}

impl From<WebhookId> for String {
    fn from(id: WebhookId) -> String {
        id.0
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key that an endpoint's messages are signed with. It never appears in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret([u8; 32]);

impl WebhookSecret {
    /// Takes 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to sign with.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(***)")
    }
}

/// An endpoint as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where messages are sent.
    pub url: String,
    /// What it is told of; empty for everything.
    #[serde(default)]
    pub states: Vec<EventKind>,
    /// The collection that it is told of; `None` for all.
    #[serde(default)]
    pub collection: Option<CollectionName>,
    /// Host names that may lie in a private network; none unless named here.
    #[serde(default)]
    pub private_hosts: Vec<String>,
}

impl WebhookSettings {
    /// Whether the endpoint is told of this.
    pub fn wants(&self, event: &Event) -> bool {
        (self.states.is_empty() || self.states.contains(&event.kind))
            && self.collection.as_ref().is_none_or(|collection| *collection == event.collection)
    }
}

/// How far an endpoint was told, and what stands in its way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WebhookProgress {
    /// Every event up to this number was taken, or is none that it wants.
    pub cursor: u64,
    /// The number of the event that was taken last.
    pub delivered_event: Option<u64>,
    /// When.
    pub delivered_at: Option<Timestamp>,
    /// Attempts at the next message that came to nothing.
    pub attempts: u32,
    /// Since when every attempt came to nothing.
    pub failing_since: Option<Timestamp>,
    /// Why the last attempt came to nothing; `None` once one succeeded.
    pub last_error: Option<String>,
    /// When the next attempt is made, after one that came to nothing.
    pub next_attempt_at: Option<Timestamp>,
    /// Why nothing is sent any more, until it is resumed.
    pub disabled: Option<String>,
}

/// The secret that was replaced, which goes on signing beside the new one until every receiver knows that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerSecret {
    /// The secret.
    pub secret: WebhookSecret,
    /// From this moment on it signs nothing.
    pub until: Timestamp,
}

/// An endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRecord {
    /// Its identity.
    pub id: WebhookId,
    /// As described.
    pub settings: WebhookSettings,
    /// What its messages are signed with.
    pub secret: WebhookSecret,
    /// And with this one too, for a while.
    pub former: Option<FormerSecret>,
    /// When it was added.
    pub added_at: Timestamp,
    /// How far it was told.
    pub progress: WebhookProgress,
}

impl WebhookRecord {
    /// The secrets that sign at a moment, the newest first.
    pub fn secrets(&self, now: Timestamp) -> impl Iterator<Item = &WebhookSecret> {
        let former = self.former.as_ref().filter(|former| now < former.until);
        std::iter::once(&self.secret).chain(former.map(|former| &former.secret))
    }
}

/// Keeps endpoints. Contract for implementors: every change is durable when the call returns, and an endpoint that is
/// not known is answered with `false`.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// All endpoints, by the time at which they were added.
    async fn webhooks(&self) -> Result<Vec<WebhookRecord>, CatalogError>;

    /// Adds an endpoint, whose identity is new.
    async fn put_webhook(&self, record: &WebhookRecord) -> Result<(), CatalogError>;

    /// Records how far an endpoint was told; whether there is such an endpoint.
    async fn record_progress(&self, id: &WebhookId, progress: &WebhookProgress) -> Result<bool, CatalogError>;

    /// Gives an endpoint another secret, and the one that goes on signing beside it; whether there is such an endpoint.
    async fn replace_secret(
        &self,
        id: &WebhookId,
        secret: &WebhookSecret,
        former: Option<&FormerSecret>,
    ) -> Result<bool, CatalogError>;

    /// Forgets an endpoint; whether there was one.
    async fn remove_webhook(&self, id: &WebhookId) -> Result<bool, CatalogError>;
}

/// How an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// It is told at once.
    Active,
    /// The last attempt came to nothing; another one follows.
    Failing,
    /// Nothing is sent until it is resumed.
    Disabled,
    /// The service was told to open no outgoing connection; events wait.
    Offline,
}

/// An endpoint as its owner sees it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookInfo {
    /// Its identity.
    pub id: WebhookId,
    /// As described.
    #[serde(flatten)]
    pub settings: WebhookSettings,
    /// How it is.
    pub state: WebhookState,
    /// When it was added.
    pub added_at: Timestamp,
    /// Until when the secret before this one signs too; `None` where none does.
    pub former_secret_until: Option<Timestamp>,
    /// How far it was told.
    #[serde(flatten)]
    pub progress: WebhookProgress,
}

impl WebhookInfo {
    /// What may be shown of a record.
    pub fn of(record: &WebhookRecord, offline: bool, now: Timestamp) -> Self {
        let WebhookRecord { id, settings, secret: _, former, added_at, progress } = record.clone();
        let former_secret_until = former.map(|former| former.until).filter(|until| now < *until);
        let state = match &progress {
            WebhookProgress { disabled: Some(_), .. } => WebhookState::Disabled,
            _ if offline => WebhookState::Offline,
            WebhookProgress { failing_since: Some(_), .. } => WebhookState::Failing,
            _ => WebhookState::Active,
        };
        Self { id, settings, state, added_at, former_secret_until, progress }
    }
}

/// What came of a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTest {
    /// The identity of the message, as its receiver sees it.
    pub message: String,
    /// Whether it was taken.
    pub delivered: bool,
    /// The status that the endpoint answered, where it answered.
    pub status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
}

/// Why an endpoint could not be added or steered.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// There is no endpoint of this identity.
    #[error("there is no such webhook")]
    Unknown,
    /// There is one with the same settings.
    #[error("there is a webhook with these settings already: {0}")]
    Exists(WebhookId),
    /// There are as many as there may be.
    #[error("there are {} webhooks already", crate::limits::WEBHOOKS_MAX)]
    TooMany,
    /// The settings cannot be.
    #[error("{0}")]
    Invalid(SettingsError),
    /// No outgoing connection may be opened.
    #[error("the service is offline and sends nothing")]
    Offline,
    /// Too many test messages are under way.
    #[error("too many webhooks are being tested")]
    Busy,
    /// The machine has no randomness to make a secret of.
    #[error("no secret could be made")]
    NoSecret,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Adds, shows and steers endpoints. Contract for implementors: what is answered is durable and takes effect at once.
#[async_trait]
pub trait WebhookAdmin: Send + Sync {
    /// All endpoints, by the time at which they were added.
    async fn list(&self) -> Result<Vec<WebhookInfo>, WebhookError>;

    /// Adds an endpoint, which is told what happens from now on. Its secret in the form `whsec_…` comes with it, this
    /// once.
    async fn add(&self, settings: WebhookSettings) -> Result<(WebhookInfo, String), WebhookError>;

    /// Removes an endpoint; nothing is sent to it afterwards.
    async fn remove(&self, id: &WebhookId) -> Result<(), WebhookError>;

    /// Sends a test message now, once, and says what came of it. A disabled endpoint can be tested too.
    async fn test(&self, id: &WebhookId) -> Result<WebhookTest, WebhookError>;

    /// Gives an endpoint a new secret, which comes with it in the form `whsec_…`, this once. The one before signs beside
    /// it for `overlap`, at most [`crate::limits::WEBHOOK_OVERLAP_MAX`]; one before that signs nothing any more.
    async fn rotate(&self, id: &WebhookId, overlap: Duration) -> Result<(WebhookInfo, String), WebhookError>;

    /// Tries again now where the last attempt came to nothing, and lets a disabled endpoint go on where it stopped.
    async fn resume(&self, id: &WebhookId) -> Result<WebhookInfo, WebhookError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let id = WebhookId::from_bytes([0, 1, 2, 3, 4, 5, 6, 0xff]);
        assert_eq!(id.as_str(), "wh_00010203040506ff");
        assert_eq!(id.as_str().parse::<WebhookId>().unwrap(), id);
        assert_eq!(id.number(), 0x0001_0203_0405_06ff);
        for wrong in
            ["", "wh_", "wh_00010203040506f", "wh_00010203040506FF", "xx_00010203040506ff", "wh_+0010203040506ff"]
        {
            assert!(wrong.parse::<WebhookId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = WebhookSecret::from_bytes([7; 32]);
        assert_eq!(format!("{secret:?}"), "WebhookSecret(***)");
    }

    #[test]
    fn an_endpoint_wants_what_its_settings_name() {
        let event = |kind: &str, collection: &str| -> Event {
            serde_json::from_value(serde_json::json!({
                "number": 1, "at": "2026-11-25T00:00:00Z", "kind": kind, "collection": collection, "key": "a",
                "revision": 1, "sequence": 1,
            }))
            .unwrap()
        };
        let settings = |json: serde_json::Value| serde_json::from_value::<WebhookSettings>(json).unwrap();
        let all = settings(serde_json::json!({ "url": "u" }));
        assert!(all.wants(&event("accepted", "default")) && all.wants(&event("failed", "other")));
        let some = settings(serde_json::json!({ "url": "u", "states": ["searchable"], "collection": "other" }));
        assert!(some.wants(&event("searchable", "other")));
        assert!(!some.wants(&event("searchable", "default")) && !some.wants(&event("failed", "other")));
    }
}
