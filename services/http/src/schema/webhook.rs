//! What do endpoints and subscriptions look like in JSON? For `docs/openapi.json` alone, as everything beside it.

use utoipa::ToSchema;

use super::EventKind;

/// An endpoint as a client describes it.
#[derive(Debug, ToSchema)]
pub struct WebhookBody {
    /// Where messages are sent: http or https, without a user name or a password.
    pub url: String,
    /// What it is told of; everything where absent or empty.
    pub states: Option<Vec<EventKind>>,
    /// The collection that it is told of; all of them where absent.
    pub collection: Option<String>,
    /// Host names that may lie in a private network; none unless named here.
    pub private_hosts: Option<Vec<String>>,
}

/// An endpoint, and how far it was told.
#[derive(Debug, ToSchema)]
pub struct Webhook {
    /// Its identity.
    pub id: String,
    /// Where messages are sent.
    pub url: String,
    /// What it is told of; empty for everything.
    pub states: Vec<EventKind>,
    /// The collection that it is told of; `null` for all.
    pub collection: Option<String>,
    /// Host names that may lie in a private network.
    pub private_hosts: Vec<String>,
    /// How it is.
    pub state: WebhookState,
    /// When it was added.
    pub added_at: String,
    /// Until when the secret before this one signs too; `null` where none does.
    pub former_secret_until: Option<String>,
    /// Every event up to this number was taken, or is none that it wants.
    pub cursor: u64,
    /// The number of the event that was taken last.
    pub delivered_event: Option<u64>,
    /// When.
    pub delivered_at: Option<String>,
    /// Attempts at the next message that came to nothing.
    pub attempts: u32,
    /// Since when every attempt came to nothing.
    pub failing_since: Option<String>,
    /// Why the last attempt came to nothing.
    pub last_error: Option<String>,
    /// When the next attempt is made, after one that came to nothing.
    pub next_attempt_at: Option<String>,
    /// Why nothing is sent any more, until it is resumed.
    pub disabled: Option<String>,
}

/// How an endpoint is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum WebhookState {
    /// It is told at once.
    Active,
    /// The last attempt came to nothing; another one follows.
    Failing,
    /// Nothing is sent until it is resumed.
    Disabled,
    /// The service opens no outgoing connection; events wait.
    Offline,
}

/// What came of a test message.
#[derive(Debug, ToSchema)]
pub struct WebhookTest {
    /// The identity of the message: its header `webhook-id`.
    pub message: String,
    /// Whether it was taken.
    pub delivered: bool,
    /// The status that the endpoint answered, where it answered.
    pub status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
}

/// How a source stands with the hub that it names.
#[derive(Debug, ToSchema)]
pub struct Subscription {
    /// The hub.
    pub hub: String,
    /// Where it is.
    pub state: SubscriptionState,
    /// Until when the hub tells of changes.
    pub lease_until: Option<String>,
    /// Why it is not active, or what stands in its way.
    pub note: Option<String>,
}

/// Whether a hub tells of changes.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// `serve.public_url` is not set, or the service is offline: the source is polled.
    Off,
    /// The hub was asked, or will be; the source is polled.
    Asked,
    /// The hub tells of changes until the lease ends.
    Active,
    /// The hub is asked to stop.
    Ending,
}
